/*
 * The socket's HTTP: see http.h for what is taken and what is refused. By hand because the general server in
 * libevent can neither check credentials nor cap connections before it parses. Refuses to know routes, peers
 * and sockets.
 */
#include "server/http.h"

#include "system/cleanup.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- collecting the head ---- */

/* One byte more; whether it may stand there. CR only before LF, LF only behind CR, no other control character
 * but TAB. */
static bool byte_allowed(const struct http_reader *reader, unsigned char byte)
{
    bool after_cr = reader->length > 0 && reader->head[reader->length - 1] == '\r';

    if (after_cr || byte == '\n')
        return after_cr && byte == '\n';
    return byte == '\r' || byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

enum http_progress http_feed(struct http_reader *reader, const char *bytes, size_t length, size_t *used,
                             struct error *error)
{
    for (*used = 0; *used < length && !reader->complete;) {
        unsigned char byte = (unsigned char)bytes[*used];

        if (reader->length == HTTP_HEAD_MAX) {
            error_set(error, ERROR_HEAD_TOO_LARGE, "the request's head is longer than %d bytes",
                      HTTP_HEAD_MAX);
            return HTTP_BAD;
        }
        if (!byte_allowed(reader, byte)) {
            error_set(error, ERROR_BAD_REQUEST,
                      "byte %zu of the request is not allowed there (0x%02x); lines end with CR LF",
                      reader->length + 1, byte);
            return HTTP_BAD;
        }
        reader->head[reader->length++] = (char)byte;
        (*used)++;
        if (byte == '\n') {
            reader->complete = reader->length - reader->line == 2; /* an empty line */
            reader->line = reader->length;
        }
    }
    return reader->complete ? HTTP_COMPLETE : HTTP_MORE;
}

/* ---- characters ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        if (!is_alnum(*s) && !strchr("!#$%&'*+-.^_`|~", *s))
            return false;
    }
    return true;
}

static bool all_digits(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Well-formed, and without control characters (C0, DEL, C1): it may end up in a log or on a terminal. */
static bool is_clean_utf8(const char *string)
{
    const unsigned char *s = (const unsigned char *)string;

    for (size_t i = 0; s[i]; i++) {
        if (s[i] < 0x20 || s[i] == 0x7f || (s[i] == 0xc2 && s[i + 1] < 0xa0))
            return false;
    }
    return text_is_utf8(string, strlen(string));
}

/* Decode a part of the target in place. False: a character that must be percent-encoded, or a bad encoding.
 */
static bool decode(char *part)
{
    char *out = part;

    for (const char *in = part; *in; in++) {
        if (*in == '%') {
            int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);

            if (low < 0 || high + low == 0)
                return false;
            *out++ = (char)(high << 4 | low);
            in += 2;
        } else if (is_alnum(*in) || strchr("-._~!$&'()*+,;=:@/?", *in)) {
            *out++ = *in;
        } else {
            return false;
        }
    }
    *out = '\0';
    return is_clean_utf8(part);
}

/* ---- the request line ---- */

static bool parse_path(char *path, struct http_request *request, struct error *error)
{
    if (path[0] != '/') {
        error_set(error, ERROR_BAD_REQUEST, "the request's target must begin with '/'");
        return false;
    }
    if (!path[1])
        return true;
    for (char *rest = path + 1, *part; (part = strsep(&rest, "/"));) {
        if (request->segment_count == HTTP_SEGMENTS_MAX) {
            error_set(error, ERROR_NOT_FOUND, "no such path: it has more than %d parts", HTTP_SEGMENTS_MAX);
            return false;
        }
        if (!*part || !decode(part)) {
            error_set(error, ERROR_BAD_REQUEST, "the path has %s",
                      *part ? "a badly encoded part" : "an empty part");
            return false;
        }
        request->segments[request->segment_count++] = part;
    }
    return true;
}

static bool parse_query(char *query, struct http_request *request, struct error *error)
{
    for (char *rest = query, *pair; rest && *query && (pair = strsep(&rest, "&"));) {
        char *value = pair, *key = strsep(&value, "=");
        static char none[] = "";

        if (!value)
            value = none;
        if (request->query_count == HTTP_QUERY_MAX) {
            error_set(error, ERROR_BAD_REQUEST, "the query has more than %d parameters", HTTP_QUERY_MAX);
            return false;
        }
        if (!*key || !decode(key) || (*value && !decode(value))) {
            error_set(error, ERROR_BAD_REQUEST, "the query is not KEY=VALUE&… with percent-encoding");
            return false;
        }
        if (http_query(request, key)) {
            error_set(error, ERROR_BAD_REQUEST, "the query has '%s' twice", key);
            return false;
        }
        request->query[request->query_count++] = (struct http_pair){key, value};
    }
    return true;
}

static bool parse_request_line(char *line, struct http_request *request, bool *needs_host,
                               struct error *error)
{
    char *rest = line;
    char *method = strsep(&rest, " "), *target = strsep(&rest, " "), *version = rest;

    if (!is_token(method) || !target || !version || !*target) {
        error_set(error, ERROR_BAD_REQUEST, "the first line is not METHOD TARGET HTTP/1.1");
        return false;
    }
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        error_set(error, ERROR_BAD_REQUEST, "the first line does not end with HTTP/1.1 or HTTP/1.0");
        return false;
    }
    *needs_host = !strcmp(version, "HTTP/1.1");
    request->method_text = method;
    request->method = !strcmp(method, "GET") ? HTTP_GET : !strcmp(method, "POST") ? HTTP_POST : HTTP_OTHER;

    char *query = target, *path = strsep(&query, "?");
    return parse_path(path, request, error) && (!query || parse_query(query, request, error));
}

/* ---- headers ---- */

struct seen {
    bool host, length, request_id, asked_at, accept;
    int openmetrics, text; /* greatest weights of these two, in thousandths */
};

static bool once(bool *seen, const char *name, struct error *error)
{
    if (*seen)
        error_set(error, ERROR_BAD_REQUEST, "the header %s stands there twice", name);
    return !*seen && (*seen = true);
}

/* "0.75" in thousandths; what is no weight is 1. */
static int parse_weight(const char *text)
{
    int weight = 0, unit = 1000;
    bool fraction = false;

    for (; *text; text++) {
        if (*text == '.' && !fraction)
            fraction = true;
        else if (!isdigit((unsigned char)*text))
            return 1000;
        else
            weight += (*text - '0') * (fraction ? (unit /= 10) : unit);
    }
    return weight < 1000 ? weight : 1000;
}

struct media_range {
    const char *type, *version; /* "" : none is named */
    int weight;
};

/* Blanks around it go. */
static char *trim(char *text)
{
    text += strspn(text, " \t");
    text[strcspn(text, " \t")] = '\0';
    return text;
}

static struct media_range parse_range(char *range)
{
    struct media_range media = {.version = "", .weight = 1000};
    char *rest = range, *parameter;

    media.type = trim(strsep(&rest, ";"));
    while ((parameter = strsep(&rest, ";"))) {
        char *value = parameter, *name = trim(strsep(&value, "="));

        if (value && !strcasecmp(name, "q"))
            media.weight = parse_weight(trim(value));
        else if (value && !strcasecmp(name, "version"))
            media.version = trim(value);
    }
    return media;
}

/* The first media type we know decides; a weight only counts when it is zero ("not this one"). Between the
 * two forms of metrics the weights decide, because Prometheus names all that it can read. */
static void parse_accept(char *value, struct http_request *request, struct seen *seen)
{
    static const struct {
        const char *type;
        enum http_form form;
    } types[] = {{"text/plain", HTTP_TEXT},
                 {"text/*", HTTP_TEXT},
                 {"application/json", HTTP_JSON},
                 {"*/*", HTTP_JSON}};

    for (char *rest = value, *range; (range = strsep(&rest, ","));) {
        struct media_range media = parse_range(range);

        if (!strcasecmp(media.type, "application/openmetrics-text") &&
            (!*media.version || !strcmp(media.version, "1.0.0")) && media.weight > seen->openmetrics)
            seen->openmetrics = media.weight;
        for (size_t i = 0; i < ARRAY_LEN(types) && media.weight > 0; i++) {
            if (strcasecmp(media.type, types[i].type) != 0)
                continue;
            if (types[i].form == HTTP_TEXT && media.weight > seen->text)
                seen->text = media.weight;
            if (!seen->accept)
                request->form = types[i].form;
            seen->accept = true;
        }
    }
    request->openmetrics = seen->openmetrics > 0 && seen->openmetrics >= seen->text;
}

static bool parse_request_id(const char *value, struct http_request *request, struct error *error)
{
    size_t length = strlen(value);
    bool good = length > 0 && length <= HTTP_REQUEST_ID_MAX;

    for (size_t i = 0; i < length && good; i++)
        good = is_alnum(value[i]) || value[i] == '-';
    if (!good) {
        error_set(error, ERROR_BAD_REQUEST, "Request-Id must be 1 to %d letters, digits or '-'",
                  HTTP_REQUEST_ID_MAX);
        return false;
    }
    request->request_id = value;
    return true;
}

static bool parse_asked_at(const char *value, struct http_request *request, struct error *error)
{
    size_t length = strlen(value);

    if (length == 0 || length > HTTP_ASKED_AT_MAX || !all_digits(value)) {
        error_set(error, ERROR_BAD_REQUEST,
                  "Asked-At must be milliseconds of CLOCK_MONOTONIC, 1 to %d digits", HTTP_ASKED_AT_MAX);
        return false;
    }
    request->asked_at_ms = strtoll(value, NULL, 10);
    return true;
}

static bool parse_content_length(const char *value, struct error *error)
{
    if (!all_digits(value)) {
        error_set(error, ERROR_BAD_REQUEST, "Content-Length is not a number");
        return false;
    }
    if (strspn(value, "0") != strlen(value)) {
        error_set(error, ERROR_BODY_TOO_LARGE, "no request has a body, and this one announces %s bytes",
                  value);
        return false;
    }
    return true;
}

static bool parse_header(char *line, struct http_request *request, struct seen *seen, struct error *error)
{
    char *value = line, *name = strsep(&value, ":");

    if (*line == ' ' || *line == '\t') {
        error_set(error, ERROR_BAD_REQUEST, "a header is continued on the next line, which is not supported");
        return false;
    }
    if (!value || !is_token(name)) {
        error_set(error, ERROR_BAD_REQUEST, "a header line is not NAME: VALUE");
        return false;
    }
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
        value[n - 1] = '\0';

    if (!strcasecmp(name, "Transfer-Encoding")) {
        error_set(error, ERROR_NOT_IMPLEMENTED, "Transfer-Encoding is not supported: no request has a body");
        return false;
    }
    if (!strcasecmp(name, "Host"))
        return once(&seen->host, "Host", error);
    if (!strcasecmp(name, "Content-Length"))
        return once(&seen->length, "Content-Length", error) && parse_content_length(value, error);
    if (!strcasecmp(name, "Request-Id"))
        return once(&seen->request_id, "Request-Id", error) && parse_request_id(value, request, error);
    if (!strcasecmp(name, "Asked-At"))
        return once(&seen->asked_at, "Asked-At", error) && parse_asked_at(value, request, error);
    if (!strcasecmp(name, "Accept"))
        parse_accept(value, request, seen);
    return true;
}

/* The next line of the head, its CR LF cut off; "" at the end. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = strstr(line, "\r\n");

    if (end) {
        *end = '\0';
        *rest = end + 2;
    }
    return line;
}

bool http_parse(struct http_reader *reader, struct http_request *request, struct error *error)
{
    struct seen seen = {0};
    struct error later = {0};
    bool needs_host = false;
    size_t headers = 0;
    char *rest = reader->head;

    *request = (struct http_request){.method = HTTP_OTHER, .method_text = ""};
    reader->head[reader->length] = '\0';

    /* The first error counts, but the headers are read to the end all the same, for Accept's sake. */
    bool good = parse_request_line(next_line(&rest), request, &needs_host, error);
    for (char *line = next_line(&rest); *line; line = next_line(&rest)) {
        if (++headers > HTTP_HEADERS_MAX) {
            error_set(error, ERROR_HEAD_TOO_LARGE, "the request has more than %d headers", HTTP_HEADERS_MAX);
            return false;
        }
        if (!parse_header(line, request, &seen, good ? error : &later))
            good = false;
    }
    if (good && needs_host && !seen.host) {
        error_set(error, ERROR_BAD_REQUEST,
                  "an HTTP/1.1 request needs a Host header (any; \"localhost\" will do)");
        good = false;
    }
    return good;
}

const char *http_query(const struct http_request *request, const char *key)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (!strcmp(request->query[i].key, key))
            return request->query[i].value;
    }
    return NULL;
}

/* ---- answers ---- */

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

void http_make_answer(struct text *body, int status, const char *content_type, const char *allow)
{
    _cleanup_(text_clear) struct text head = {0};

    text_printf(&head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status,
                http_reason(status), content_type, body->length);
    if (allow)
        text_printf(&head, "Allow: %s\r\n", allow);
    text_puts(&head, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    text_prepend(body, &head);
}

const char *http_content_type(enum http_form form)
{
    return form == HTTP_TEXT ? "text/plain; charset=utf-8" : "application/json";
}
