/* The broker's answer. Reads the small part of HTTP/1.1 that the broker speaks, and is strict about it: an
 * answer that is cut short is no answer, and one that is garbled is never taken for success. Pure: it does
 * not know where the bytes come from, nor what was asked. Of JSON it knows just enough to find the
 * broker's error text. */
#include "answer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define GROW_MIN 4096

void answer_clear(struct answer *answer)
{
    free(answer->data);
    *answer = (struct answer){0};
}

int answer_reserve(struct answer *answer, size_t wanted)
{
    if (wanted > SSIZE_MAX - 1 - answer->used)
        return -ENOMEM;
    size_t need = answer->used + wanted + 1;
    if (need <= answer->size)
        return 0;
    size_t size = answer->size < GROW_MIN ? GROW_MIN : answer->size;
    while (size < need)
        size *= 2;
    char *data = realloc(answer->data, size);
    if (!data)
        return -ENOMEM;
    answer->data = data;
    answer->size = size;
    return 0;
}

/* "HTTP/1.1 NNN" and then a blank or the end. */
static int parse_status(const char *line)
{
    if (strncmp(line, "HTTP/1.1 ", 9) != 0 && strncmp(line, "HTTP/1.0 ", 9) != 0)
        return -1;
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return -1;
        status = status * 10 + (line[i] - '0');
    }
    return (line[12] == ' ' || line[12] == '\0') && status >= 100 ? status : -1;
}

static int parse_length(const char *value, size_t *length)
{
    size_t n = 0;
    if (!*value)
        return -1;
    for (; *value; value++) {
        if (*value < '0' || *value > '9' || n > (SSIZE_MAX - 9) / 10)
            return -1;
        n = n * 10 + (size_t)(*value - '0');
    }
    *length = n;
    return 0;
}

/* One header line, NUL-terminated in place. */
static int parse_header(struct answer *answer, char *line, bool *have_length)
{
    char *value = strchr(line, ':');
    if (!value || value == line)
        return -1;
    *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
        value[n - 1] = '\0';
    if (strcasecmp(line, "Content-Length") == 0) {
        if (*have_length)
            return -1;
        *have_length = true;
        return parse_length(value, &answer->length);
    }
    if (strcasecmp(line, "Content-Type") == 0)
        answer->json = strncasecmp(value, "application/json", 16) == 0;
    return strcasecmp(line, "Transfer-Encoding") == 0 ? -1 : 0;
}

static int parse_head(struct answer *answer, size_t head)
{
    bool have_length = false;
    if (memchr(answer->data, '\0', head))
        return -1;
    char *line = answer->data;
    for (bool first = true;; first = false) {
        char *end = memmem(line, (size_t)(answer->data + head - line), "\r\n", 2);
        if (!end || end == line)
            break;
        *end = '\0';
        if (first && (answer->status = parse_status(line)) < 0)
            return -1;
        if (!first && parse_header(answer, line, &have_length) < 0)
            return -1;
        line = end + 2;
    }
    if (!have_length || answer->status <= 0)
        return -1;
    answer->head = head;
    return 0;
}

enum answer_progress answer_parse(struct answer *answer)
{
    if (!answer->head && answer->used) {
        size_t seen = answer->used < 5 ? answer->used : 5;
        if (memcmp(answer->data, "HTTP/", seen) != 0)
            return ANSWER_GARBLED;
        char *end = memmem(answer->data, answer->used, "\r\n\r\n", 4);
        if (!end && answer->used < ANSWER_HEAD_MAX)
            return ANSWER_MORE;
        if (!end || parse_head(answer, (size_t)(end - answer->data) + 4) < 0)
            return ANSWER_GARBLED;
    }
    if (!answer->head || answer->used - answer->head < answer->length)
        return ANSWER_MORE;
    /* one answer a connection: what follows it was not written by the broker */
    if (answer->used - answer->head > answer->length)
        return ANSWER_GARBLED;
    answer->body = answer->data + answer->head;
    answer->body[answer->length] = '\0';
    return ANSWER_COMPLETE;
}

/* ---- the error text of an answer --------------------------------------------------------------------- */

/* The string that is the member `name` of the broker's JSON, in memory of the caller's; NULL if there is
 * none. What is looked for is in no string, where a backslash stands before a quote. The broker escapes
 * quotes, backslashes, and as \u00XX what controls a terminal: of that a failure has blanks. */
static char *json_member(const char *text, const char *name)
{
    _cleanup_(freep) char *key = say_text("\"%s\":\"", name);
    const char *in = key ? strstr(text, key) : NULL;
    char *value = in ? strdup(in + strlen(key)) : NULL, *out = value;
    if (!value)
        return NULL;
    for (in = value; *in && *in != '"'; in++) {
        bool control = strncmp(in, "\\u00", 4) == 0 && strnlen(in, 6) == 6;
        in += control ? 5 : *in == '\\' && in[1] ? 1 : 0;
        *out++ = control ? ' ' : *in;
    }
    *out = '\0';
    return value;
}

static const char default_hint[] = "see /usr/sbin/fence_broker status";

/* Text errors are `CODE: MESSAGE`, then `hint: HINT`. */
static int text_failure(const struct answer *answer, struct failure *failure)
{
    _cleanup_(freep) char *text = strdup(answer->body);
    if (!text)
        return failure_set(failure, NULL, "out of memory");
    char *hint = NULL;
    char *end = strchr(text, '\n');
    if (end) {
        *end = '\0';
        hint = end + 1;
        hint[strcspn(hint, "\n")] = '\0';
        if (strncmp(hint, "hint: ", 6) == 0)
            hint += 6;
    }
    if (!*text)
        return failure_set(failure, default_hint, "the broker answered %d without a reason", answer->status);
    return failure_set(failure, hint && *hint ? hint : default_hint, "%s", text);
}

int answer_failure(const struct answer *answer, struct failure *failure)
{
    if (answer->status < 400)
        return failure_set(failure, "client and daemon must have the same version",
                           "the broker answered with the unexpected HTTP status %d", answer->status);
    if (!answer->json)
        return text_failure(answer, failure);
    _cleanup_(freep) char *code = json_member(answer->body, "code");
    _cleanup_(freep) char *message = json_member(answer->body, "message");
    _cleanup_(freep) char *hint = json_member(answer->body, "hint");
    if (!code || !message)
        return failure_set(failure, default_hint, "the broker answered %d without a reason", answer->status);
    return failure_set(failure, hint && *hint ? hint : default_hint, "%s: %s", code, message);
}
