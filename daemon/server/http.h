/*
 * A strict subset of HTTP/1.1 for a local socket: bytes → one request, and one answer → bytes. Pure: no
 * socket, no clock, no allocation while reading. Hostile input ends in an error, never in a guess.
 *
 * What is taken: one request line (HTTP/1.0 or 1.1, origin-form), header lines ended by CR LF, no body.
 * Refused: bare LF, folded headers, a body, chunked coding, control characters and malformed UTF-8 (also
 * percent-encoded), more than the bounds below. Unknown headers are ignored.
 */
#pragma once

#include "system/error.h"
#include "system/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX       8192 /* bytes, with the empty line */
#define HTTP_HEADERS_MAX    64
#define HTTP_SEGMENTS_MAX   8
#define HTTP_QUERY_MAX      8
#define HTTP_REQUEST_ID_MAX 64
#define HTTP_ASKED_AT_MAX   18 /* digits */

enum http_method { HTTP_GET, HTTP_POST, HTTP_OTHER };
enum http_form { HTTP_JSON, HTTP_TEXT };

struct http_pair {
    const char *key, *value; /* decoded */
};

/* All strings are NUL-terminated, valid UTF-8 without control characters, and live in the reader. */
struct http_request {
    enum http_method method;
    const char *method_text;
    const char *segments[HTTP_SEGMENTS_MAX]; /* of the path, decoded: "/v1/guests" → "v1", "guests" */
    size_t segment_count;
    struct http_pair query[HTTP_QUERY_MAX]; /* each key once */
    size_t query_count;
    const char *request_id; /* NULL if none was sent */
    int64_t asked_at_ms;    /* CLOCK_MONOTONIC, by the asker's word; 0: not said */
    enum http_form form;    /* what Accept asks for; JSON if it does not say */
    bool openmetrics;       /* Accept likes OpenMetrics 1.0.0 at least as much as text: for metrics only */
};

/* Collects the head. Zero-initialise. */
struct http_reader {
    char head[HTTP_HEAD_MAX + 1];
    size_t length; /* bytes in head */
    size_t line;   /* where the present line begins */
    bool complete;
};

enum http_progress { HTTP_MORE, HTTP_COMPLETE, HTTP_BAD };

/* Feed bytes in pieces of any size, until it is not HTTP_MORE any more. *used tells how many were taken: what
 * lies behind the head is not. HTTP_BAD fills *error (head-too-large, bad-request). */
enum http_progress http_feed(struct http_reader *reader, const char *bytes, size_t length, size_t *used,
                             struct error *error);
/* Take a complete head apart, in place, once. On failure fills *error; request->form is then still what the
 * head asked for as far as it could be read, so that the refusal comes in the right form. */
bool http_parse(struct http_reader *reader, struct http_request *request, struct error *error);

/* The value of a query key, or NULL. */
const char *http_query(const struct http_request *request, const char *key);

const char *http_reason(int status); /* "Not Found" */
/* Makes a body a whole answer. `allow` (for 405) may be NULL. HTTP/1.1, Content-Length, Connection: close. */
void http_make_answer(struct text *body, int status, const char *content_type, const char *allow);
const char *http_content_type(enum http_form form);
