/* See http.h. */
#include "http.h"
#include "server.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define API_PREFIX "/api2/json"

struct head {
    char *method, *target, *content_type;
    size_t content_length;
    bool chunked, bad;
};

/* ---- reading ------------------------------------------------------------------------------------------ */

static void take_header(struct head *head, struct http_request *request, const char *name, char *value)
{
    struct call *call = request->call;
    value += strspn(value, " \t");
    value[strcspn(value, "\r")] = '\0';
    if (strcasecmp(name, "Content-Length") == 0) {
        char *end = NULL;
        head->content_length = strtoul(value, &end, 10);
        head->bad |= end == value || *end || head->content_length > SERVER_BODY_MAX;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        head->chunked = strcasecmp(value, "identity") != 0;
    } else if (strcasecmp(name, "Content-Type") == 0) {
        head->content_type = value;
    } else if (strcasecmp(name, "Connection") == 0) {
        if (strcasestr(value, "close"))
            request->keep_alive = false;
    } else if (strcasecmp(name, "Cookie") == 0 && !call->cookie) {
        call->cookie = strdup(value);
    } else if (strcasecmp(name, "Authorization") == 0 && !call->authorization) {
        call->authorization = strdup(value);
    } else if (strcasecmp(name, "CSRFPreventionToken") == 0 && !call->csrf) {
        call->csrf = strdup(value);
    }
}

/* Request line and headers; `text` is taken apart. False: too many headers or not HTTP. */
static bool parse_head(char *text, struct head *head, struct http_request *request)
{
    char *rest = text, *line = strsep(&rest, "\n");
    int headers = 0;
    head->method = strsep(&line, " ");
    head->target = line ? strsep(&line, " ") : NULL;
    if (!head->target || !line || strncmp(line, "HTTP/1.", 7) != 0)
        return false;
    request->keep_alive = line[7] != '0';
    while (rest && (line = strsep(&rest, "\n")) && *line && *line != '\r') {
        char *value = strchr(line, ':');
        if (!value || ++headers > SERVER_HEADERS_MAX)
            return false;
        *value++ = '\0';
        take_header(head, request, line, value);
    }
    return true;
}

static bool add_json_body(struct call *call, const char *body, size_t length)
{
    _cleanup_(json_putp) struct json_object *object = json_parse(body, length);
    if (!object || !json_object_is_type(object, json_type_object))
        return false;
    json_object_object_foreach(object, key, value)
    {
        const char *text = json_object_is_type(value, json_type_boolean)
                               ? json_object_get_boolean(value) ? "1" : "0"
                               : json_object_get_string(value);
        if (call_add_param(call, key, text ? text : "", false) < 0)
            return false;
    }
    return true;
}

/* Path and parameters. False with the error in `reply`. */
static bool parse_target(struct head *head, const char *body, struct call *call, struct reply *reply)
{
    char *query = strchr(head->target, '?');
    bool json = head->content_type && strncasecmp(head->content_type, "application/json", 16) == 0;
    if (query)
        *query++ = '\0';
    call_decode(head->target, false);
    if (strncmp(head->target, API_PREFIX, strlen(API_PREFIX)) != 0) {
        reply_error(reply, false, 501, "no such file '%s'", head->target);
        return false;
    }
    const char *path = head->target + strlen(API_PREFIX);
    call->method = strdup(head->method);
    call->path = strdup(*path ? path : "/");
    call->segments = strdup(path);
    call->body_bytes = head->content_length;
    if (!call->method || !call->path || !call->segments ||
        (query && call_add_form(call, query, strlen(query), true) < 0)) {
        reply_error(reply, false, 500, "out of memory");
        return false;
    }
    bool understood = !head->content_length ? true
                      : json                ? add_json_body(call, body, head->content_length)
                                            : call_add_form(call, body, head->content_length, false) == 0;
    if (!understood)
        reply_error(reply, false, 400, "malformed JSON string");
    return understood;
}

enum http_state http_read(struct evbuffer *in, struct http_request *request, struct reply *reply)
{
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0)
        return evbuffer_get_length(in) > SERVER_HEAD_MAX ? HTTP_CLOSE : HTTP_MORE;
    size_t length = (size_t)end.pos + 4;
    if (length > SERVER_HEAD_MAX)
        return HTTP_CLOSE;

    struct head head = {0};
    _cleanup_(freep) char *text = malloc(length + 1);
    *request = (struct http_request){.call = calloc(1, sizeof(*request->call))};
    if (!text || !request->call)
        return HTTP_CLOSE;
    evbuffer_copyout(in, text, length);
    text[length] = '\0';
    if (!parse_head(text, &head, request))
        return HTTP_CLOSE;
    if (head.chunked || head.bad) {
        reply_error(reply, false, 501,
                    head.chunked ? "chunked transfer encoding not supported" : "for data too large");
        return HTTP_ANSWER;
    }
    if (evbuffer_get_length(in) < length + head.content_length) {
        call_free(TAKE(request->call));
        return HTTP_MORE;
    }
    evbuffer_drain(in, length);
    const unsigned char *body = evbuffer_pullup(in, (ssize_t)head.content_length);
    bool parsed = parse_target(&head, (const char *)body, request->call, reply);
    evbuffer_drain(in, head.content_length);
    return parsed ? HTTP_CALL : HTTP_ANSWER;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static const char *usual_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

static const char *now_text(void)
{
    static char text[64];
    static time_t last;
    time_t now = time(NULL);
    struct tm parts;
    if (now != last && gmtime_r(&now, &parts))
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    last = now;
    return text;
}

void http_write(struct evbuffer *to, struct reply *reply, bool keep_alive)
{
    size_t length = evbuffer_get_length(reply->body);
    evbuffer_add_printf(to,
                        "HTTP/1.1 %d %s\r\nCache-Control: max-age=0\r\nConnection: %s\r\nDate: %s\r\n"
                        "Pragma: no-cache\r\nServer: pve-api-daemon/3.0\r\n",
                        reply->status, reply->reason ? reply->reason : usual_reason(reply->status),
                        keep_alive ? "Keep-Alive" : "close", now_text());
    if (length)
        evbuffer_add_printf(to, "Content-Length: %zu\r\nContent-Type: application/json;charset=UTF-8\r\n",
                            length);
    evbuffer_add(to, "\r\n", 2);
    evbuffer_add_buffer(to, reply->body);
}
