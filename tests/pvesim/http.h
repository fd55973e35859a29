/*
 * HTTP/1.1 as pveproxy reads and writes it: bytes in a buffer ↔ a call and its reply.
 *
 * Knows neither sockets nor what calls mean.
 */
#pragma once

#include "call.h"

#include <event2/buffer.h>

enum http_state {
    HTTP_MORE,   /* not all there yet */
    HTTP_CALL,   /* *call is complete, its bytes are drained */
    HTTP_ANSWER, /* not a call: *reply says why */
    HTTP_CLOSE,  /* close without a word */
};

struct http_request {
    struct call *call; /* owned by the caller; on HTTP_ANSWER it may be there as well */
    bool keep_alive;   /* what the client wants */
};

/* Take one request from `in`. `reply` is an initialised one. */
enum http_state http_read(struct evbuffer *in, struct http_request *request, struct reply *reply);
/* Write status line, head and body; drains the reply's body. */
void http_write(struct evbuffer *to, struct reply *reply, bool keep_alive);
