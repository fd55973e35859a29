/*
 * The one authenticated Proxmox session: token, or user and password with ticket, CSRF token and renewal.
 *
 * Everybody who wants something of Proxmox asks here. The session chooses the endpoint (endpoints), adds the
 * credentials, logs in first if it must (requests wait for that within their own deadline), repeats a call
 * once after a 401 with a new login, and fails over where that is safe. It knows the calls' flags in the
 * table of api.h, and whom an answer speaks of (blame.h), and not what it means.
 */
#pragma once

#include "proxmox/api.h"
#include "proxmox/credentials.h"
#include "proxmox/endpoints.h"
#include "proxmox/traffic.h"
#include "system/error.h"
#include "system/secret.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct session;
struct transport;

struct session *session_new(struct event_base *base, struct transport *transport, struct endpoints *endpoints,
                            struct session_credentials *credentials);
void session_free(struct session *session);
/* After a reload: forget the old ticket, log in anew. false if memory ran out (then the old ones stay). */
bool session_set_credentials(struct session *session, struct session_credentials *credentials);

/* What came of a call. Exactly one callback, never from inside session_call(). `result` is valid only during
 * it. */
typedef void session_result_fn(void *context, uint64_t id, const struct api_result *result);

/* How a call travels. */
struct session_route {
    enum traffic_purpose purpose; /* its connections go by it, and what an answer tells of the endpoint: a
                                     check's silence is the host's */
    int64_t deadline_ms;          /* monotonic; bounds the whole call with login, failover and repetition */
    int64_t answer_timeout_ms;    /* of one attempt */
    uint64_t
        avoid; /* endpoints (a bit each) to be asked last: they gave no good answer to this asker just now */
    /* Asked right before each attempt, which may be long after the call was made; false ends it unsent. NULL:
     * always. */
    bool (*may_go)(void *context);
};

/* The endpoint on the request's own node is tried first. Returns an id for session_cancel(), or 0 when memory
 * ran out. */
uint64_t session_call(struct session *session, const struct api_request *request,
                      const struct session_route *route, session_result_fn *done, void *context);
/* Ask this one endpoint, to learn how it is. Same rules, but a 401 there is no reason for a new login. */
uint64_t session_probe(struct session *session, size_t endpoint, const struct api_request *request,
                       int64_t answer_timeout_ms, session_result_fn *done, void *context);
/* The endpoint at which this call has been without an answer for at least `patience_ms`, as its bit in
 * `avoid`; 0: it is at none for so long, or has ended. */
uint64_t session_kept_waiting_by(const struct session *session, uint64_t id, int64_t patience_ms);
/* No callback any more. A call that was written is not taken back by this. */
void session_cancel(struct session *session, uint64_t id);

void session_describe(const struct session *session, struct session_description *description);
