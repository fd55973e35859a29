/*
 * The Proxmox API addresses: health by what they answered, order, failover. Knows no HTTP and no curl.
 */
#pragma once

#include "proxmox/api.h"
#include "proxmox/timings.h"
#include "system/config.h"
#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoints;

enum endpoint_state { ENDPOINT_UNKNOWN, ENDPOINT_UP, ENDPOINT_DOWN };

struct endpoint {
    char *text; /* as configured: in messages and metric labels */
    char *address, *name;
    uint16_t port;
    char *last_address; /* the numeric address that answered last: no DNS in a fence; NULL: none yet */
    enum endpoint_state state;
    int64_t since_ms;   /* monotonic, of the state */
    int64_t last_ok_ms; /* monotonic of the last answer, 0: never */
    struct error error; /* the last failure; code ERROR_NONE if up */
    bool failing;       /* down, and it answers: calls fail there that another endpoint serves */
    uint64_t requests, failures;
    int64_t certificate_expires_ms; /* wall clock, 0: unknown */
    struct timings timings; /* the last one over a new connection; `dns` is the last that was needed */
};

#define ENDPOINTS_MAX 64 /* a bit each in `tried` */

/* Copies what it needs. NULL and errno: ENOMEM, or E2BIG for more than ENDPOINTS_MAX. */
struct endpoints *endpoints_new(const struct config_endpoint *configured, size_t count);
void endpoints_free(struct endpoints *endpoints); /* NULL is fine */
/* After a reload: the same endpoint (by its text) keeps its health. 0 or -ENOMEM (then nothing changed). */
int endpoints_reconfigure(struct endpoints *endpoints, const struct config_endpoint *configured,
                          size_t count);
/* Changes with every endpoints_reconfigure(): an index is good only within one layout. */
unsigned endpoints_layout(const struct endpoints *endpoints);
size_t endpoints_count(const struct endpoints *endpoints);
const struct endpoint *endpoints_get(const struct endpoints *endpoints, size_t index);
unsigned endpoints_up(const struct endpoints *endpoints);

/* The best endpoint that is not in `tried` (bit per index), or -1: those that are up first, the node's own
 * (by its name's first label) before the others, then unknown ones, then those that answer and fail, then
 * those that failed longest ago; else as configured. */
int endpoints_choose(const struct endpoints *endpoints, const char *prefer_node, uint64_t tried);

/* What an endpoint did: it answered (any HTTP status) from this numeric address, or it failed. Both count a
 * request. `address` and `error` may be NULL; without memory for a new address the last one stays. */
void endpoints_answered(struct endpoints *endpoints, size_t index, const char *address, int64_t now_ms);
void endpoints_failed(struct endpoints *endpoints, size_t index, const struct error *error, int64_t now_ms);

/* What the answer was, of a call that the endpoint answers itself: it served, or it refused what it should
 * have served. It is down by that as soon as another endpoint serves the same call, until it serves it, too.
 */
void endpoints_served(struct endpoints *endpoints, size_t index, enum api_call call, int64_t now_ms);
void endpoints_refused(struct endpoints *endpoints, size_t index, enum api_call call,
                       const struct error *error, int64_t now_ms);
/* There is a new login: what nobody else has served may have been the old one's fault. */
void endpoints_pardon(struct endpoints *endpoints, int64_t now_ms);
/* What to ask an endpoint to learn how it is: the call that it refused, or API_VERSION. */
enum api_call endpoints_question(const struct endpoints *endpoints, size_t index);

/* How long the way to it took. Only what was walked counts: a kept connection tells nothing new. */
void endpoints_timings(struct endpoints *endpoints, size_t index, const struct timings *timings);
/* That it does not answer is logged no more often, for each. */
#define ENDPOINTS_LOST_LOG_MS (INT64_C(10) * 60 * 1000)

#define ENDPOINTS_CERTIFICATE_SOON_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

/* The certificate that it has shown, by its end (time of day; 0: it has shown none). Logged when that is
 * near.
 */
void endpoints_certificate(struct endpoints *endpoints, size_t index, int64_t expires_ms,
                           int64_t realtime_ms);
/* An endpoint is down because its certificate is not yet valid by our clock. */
bool endpoints_clock_wrong(const struct endpoints *endpoints);
/* One of them expires soon, or has expired. */
bool endpoints_certificate_expires(const struct endpoints *endpoints, int64_t realtime_ms);
