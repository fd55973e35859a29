/*
 * One connection of a client: requests come in, calls are made, answers go out, and the wire's faults happen
 * here.
 *
 * For server.c alone.
 */
#pragma once

#include "call.h"
#include "sim.h"

#include <openssl/ssl.h>

struct connection;
struct node;

/* Take over an accepted socket. */
void connection_new(struct sim *sim, struct node *endpoint, SSL_CTX *tls, int fd);
void connection_free(struct connection *connection);
/* Reset all connections to the host's endpoint. */
void connection_cut_all(struct sim *sim, const struct node *endpoint);

/* A call that is still to be carried out, for nobody. */
struct late_call;
void connection_late_free(struct late_call *late);

/* what connections tell server.c and ask it for */
void server_count_handshake(struct sim *sim);
void server_count_call(struct sim *sim, const struct call *call);
void server_log_call(struct sim *sim, const struct call *call, int status);
int64_t server_idle(const struct sim *sim);
struct connection **server_connections(const struct sim *sim);
struct late_call **server_late_calls(const struct sim *sim);
