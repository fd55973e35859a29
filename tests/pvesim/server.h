/*
 * Endpoints and connections: TLS, HTTP as pveproxy speaks it, and the faults that happen on the wire.
 *
 * Knows bytes, headers and how long things take; what a call means is api.c's.
 */
#pragma once

#include "sim.h"
#include "tls.h"

#include <event2/buffer.h>

struct node;

#define SERVER_HEAD_MAX      8192 /* then silence and close */
#define SERVER_HEADERS_MAX   64   /* likewise */
#define SERVER_BODY_MAX      (512 << 10)
#define SERVER_REQUESTS_MAX  100 /* a connection */
#define SERVER_IDLE_MS       5000
#define SERVER_LOG_LINES_MAX 20000 /* of the request log; older ones are dropped, and counted */

/* Open the endpoints of all hosts that have one. 0, or a negative errno, said on stderr. */
int server_open(struct sim *sim) __attribute__((warn_unused_result));
void server_free(struct server *server);
/* Write DIR/endpoints. 0 or a negative errno. */
int server_announce(const struct sim *sim) __attribute__((warn_unused_result));

/* Listen, or do not, as faults and host states now want it. */
void server_update(struct sim *sim);
/* A new certificate (tls.h) for connections from now on. 0 or a negative errno. */
int server_renew_certificate(struct sim *sim, const struct node *node, const char *shown_name,
                             struct tls_life life) __attribute__((warn_unused_result));
/* NULL if the host has no endpoint. */
const char *server_fingerprint(const struct server *server, const struct node *node);

/* A login that answers a challenge with a code. */
void server_count_code(struct sim *sim);
void server_idle_ms(struct sim *sim, int64_t ms);
void server_stats(struct sim *sim, struct evbuffer *to);
void server_stats_reset(struct sim *sim);
void server_log(struct sim *sim, struct evbuffer *to);
