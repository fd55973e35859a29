/* See call.h. */
#include "call.h"
#include "system/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void param_free(struct param *param)
{
    free(param->name);
    free(param->value);
    free(param);
}

void call_free(struct call *call)
{
    if (!call)
        return;
    for (struct param *param; (param = call->params);) {
        call->params = param->next;
        param_free(param);
    }
    free(call->method);
    free(call->path);
    free(call->segments);
    free(call->cookie);
    free(call->authorization);
    free(call->csrf);
    free(call->id);
    free(call);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void call_decode(char *text, bool plus)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
        } else {
            *to++ = plus && *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
}

int call_add_param(struct call *call, const char *name, const char *value, bool wins)
{
    struct param **last = &call->params;
    for (; *last; last = &(*last)->next) {
        if (strcmp((*last)->name, name) != 0)
            continue;
        if (!wins)
            return 0;
        char *copy = strdup(value);
        if (!copy)
            return -ENOMEM;
        free((*last)->value);
        (*last)->value = copy;
        (*last)->of_query = true;
        return 0;
    }
    struct param *param = calloc(1, sizeof(*param));
    if (!param)
        return -ENOMEM;
    param->of_query = wins;
    *last = param; /* released with the call, whatever happens next */
    param->name = strdup(name);
    param->value = strdup(value);
    return param->name && param->value ? 0 : -ENOMEM;
}

int call_add_form(struct call *call, const char *text, size_t length, bool wins)
{
    _cleanup_(freep) char *copy = strndup(text, length);
    int error = copy ? 0 : -ENOMEM;
    for (char *rest = copy, *pair; !error && rest && (pair = strsep(&rest, "&;"));) {
        if (!*pair)
            continue;
        char none[] = "", *value = strchr(pair, '=');
        if (value)
            *value++ = '\0';
        else
            value = none;
        call_decode(pair, true);
        call_decode(value, true);
        error = call_add_param(call, pair, value, wins);
    }
    return error;
}

void call_drop_param(struct call *call, const char *name)
{
    for (struct param **at = &call->params; *at;) {
        struct param *param = *at;
        if (strcmp(param->name, name) != 0) {
            at = &param->next;
            continue;
        }
        *at = param->next;
        param_free(param);
    }
}

void call_drop_body(struct call *call)
{
    for (struct param **at = &call->params; *at;) {
        struct param *param = *at;
        if (param->of_query) {
            at = &param->next;
            continue;
        }
        *at = param->next;
        param_free(param);
    }
}

const char *call_param(const struct call *call, const char *name)
{
    for (const struct param *param = call->params; param; param = param->next) {
        if (strcmp(param->name, name) == 0)
            return param->value;
    }
    return NULL;
}

int reply_init(struct reply *reply)
{
    *reply = (struct reply){.status = 200, .body = evbuffer_new()};
    return reply->body ? 0 : -ENOMEM;
}

void reply_clear(struct reply *reply)
{
    if (reply->body)
        evbuffer_free(reply->body);
    free(reply->reason);
    *reply = (struct reply){0};
}

void reply_empty(struct reply *reply, int status, const char *reason)
{
    evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
    free(reply->reason);
    reply->reason = strdup(reason);
    reply->status = status;
}

void reply_error(struct reply *reply, bool with_message, int status, const char *format, ...)
{
    _cleanup_(freep) char *text = NULL, *message = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    /* the reason phrase is the text's first line */
    if (text && asprintf(&message, "%s%s", text, status == 501 ? "" : "\n") < 0)
        message = NULL;
    if (text)
        text[strcspn(text, "\n")] = '\0';
    reply_empty(reply, status, text ? text : "out of memory");
    struct out out = {.to = reply->body};
    out_open(&out, NULL, '{');
    out_string(&out, "data", NULL);
    if (with_message && message)
        out_string(&out, "message", message);
    out_close(&out, '}');
}
