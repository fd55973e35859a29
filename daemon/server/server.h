/*
 * The server: listening sockets, the table of connections, and the way from a request to the other rooms and
 * back. Owns every connection; knows the other rooms only through their headers.
 */
#pragma once

#include "fence/rooms.h"
#include "policy/access.h"
#include "server/sockets.h"
#include "system/error.h"

#include <event2/event.h>

struct server;

/* The broker's socket: in all 512 connections, or fewer where the limit of open files is low; a fourth of
 * them is for uid 0 and hacluster alone. */
#define SERVER_CONNECTIONS_MAX     512
#define SERVER_CONNECTIONS_RESERVE 4
#define SERVER_DESCRIPTORS_OWN     128 /* for Proxmox, recorders, the loop */
#define SERVER_CONNECTIONS_PER_UID 32
/* The metrics socket is open to all. */
#define SERVER_METRICS_MAX     16
#define SERVER_METRICS_PER_UID 2

/* NULL and errno when memory or /proc is lacking. `policy` is copied; its rules and `rooms` are borrowed, and
 * what is in there counts from request to request. */
struct server *server_new(struct event_base *base, const struct rooms *rooms,
                          const struct access_policy *policy);
/* Closes listeners and connections; engine askers leave. Call before the rooms are freed. NULL is fine. */
void server_free(struct server *server);

/* For requests to come; connections that are there keep their place. */
void server_set_policy(struct server *server, const struct access_policy *policy);

/* Serve at a socket that systemd passed: takes `fd` over in any case. 0 or -errno. */
int server_listen(struct server *server, enum server_door door, int fd);
/* Make our own socket at `path`: SERVER_DOOR_BROKER root:GROUP 0660, SERVER_DOOR_ROOT 0600,
 * SERVER_DOOR_METRICS 0666. 0, or -errno with *error. The path is removed by server_close_listeners(). */
int server_listen_at(struct server *server, enum server_door door, const char *path, gid_t group,
                     struct error *error);
/* No new connections; those that are there go on. Sockets of systemd stay open at its side. */
void server_close_listeners(struct server *server);

/* From the poller's callback: whoever waits for knowledge is looked at again. */
void server_round_ended(struct server *server);
/* Shutdown, after engine_drain(): what still waits is closed without an answer, so that clients repeat their
 * request to the next daemon. */
void server_drop_waiting(struct server *server);
/* Connections of both sockets; 0 when every answer has been written. */
unsigned server_connections(const struct server *server);
