/*
 * One accepted connection: bytes in until the head is complete, bytes out until the answer is written, and
 * one total deadline for each, so that a byte a second holds nothing. Knows HTTP heads, and neither routes
 * nor rights.
 *
 * reading → waiting (a handler works on it) → writing → draining → gone. A connection that is refused before
 * a byte is read starts in writing.
 */
#pragma once

#include "policy/access.h"
#include "server/http.h"
#include "system/error.h"
#include "system/text.h"

#include <event2/event.h>
#include <stdint.h>

struct connection;

#define CONNECTION_HEAD_MS      5000  /* from accept to the head's end */
#define CONNECTION_WRITE_MS     10000 /* from the answer to its last byte written */
#define CONNECTION_DRAIN_MS     1000  /* for the peer to read the answer when it may still be sending */
#define CONNECTION_HALF_OPEN_MS 500   /* how often a peer that only reads any more is looked at */
#define CONNECTION_STRAY_MAX    HTTP_HEAD_MAX /* bytes behind the head that are thrown away */

/* All are called from the loop, never from inside a function of this room but connection_begin(). */
struct connection_owner {
    /* A request is complete: call connection_answer() now or later. `request` is valid only during the call.
     */
    void (*request)(void *context, struct connection *connection, const struct http_request *request);
    /* What came is no request (or came too late): answer with this error. */
    void (*refused)(void *context, struct connection *connection, enum http_form form,
                    const struct error *error);
    /* The connection ends, answered or not: the owner lets go of it and calls connection_free(). Exactly
     * once. */
    void (*gone)(void *context, struct connection *connection);
    void *context;
};

/* Takes `fd` and peer->groups over, on failure too (NULL: memory). */
struct connection *connection_new(struct event_base *base, int fd, struct access_peer *peer, uint64_t id,
                                  const struct connection_owner *owner);
/* Read what has come already, then what comes. For the loop alone: calls back, and the connection may be gone
 * afterwards. */
void connection_begin(struct connection *connection);
void connection_free(struct connection *connection); /* NULL is fine; closes; calls nobody */

/* From inside request(): keep the request until the answer is sent. The copy, owned by the connection; NULL
 * without memory. */
const struct http_request *connection_keep(struct connection *connection, const struct http_request *request);

uint64_t connection_id(const struct connection *connection);
const struct access_peer *connection_peer(const struct connection *connection);
/* See listener_peer_gone(). */
bool connection_peer_gone(const struct connection *connection);
bool connection_answered(const struct connection *connection); /* an answer is on its way, or was written */
size_t connection_unwritten(const struct connection *connection); /* bytes of it still held in memory */

/* Send this answer (its bytes are taken over) and end the connection. Only the first one counts. One that
 * memory failed for becomes a bare 500. */
void connection_answer(struct connection *connection, struct text *answer);
