/*
 * A listening UNIX socket: made here, or handed over by systemd. Accepts, asks the kernel who the other end
 * is, and hands both on. Reads no byte of what a peer says, and decides about nobody.
 */
#pragma once

#include "policy/access.h"
#include "system/error.h"

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

struct listener;

#define LISTENER_BATCH      32   /* connections accepted before the loop's other events have their turn, */
#define LISTENER_BATCH_GONE 64   /* beside those whose peer has gone: these are closed at once; */
#define LISTENER_BATCH_US   2000 /* and no more after so much CPU time: what they ask is answered at once */
#define LISTENER_PAUSE_MS   250  /* no accept for so long when descriptors or memory ran out */

#define LISTENER_CALM_MS  10 /* nor after somebody has hung up unanswered: he may be doing nothing else */
#define LISTENER_PATIENCE 4  /* pauses; then those in the line are refused */

/* A connection arrived: `fd` (non-blocking, close-on-exec) and peer->groups belong to the callee. From the
 * loop. False: its peer had hung up, and it was dropped. `peer` NULL: no descriptor is left to serve it; it
 * is to be refused, and closed before this returns. */
typedef bool listener_accept_fn(void *context, int fd, struct access_peer *peer);

/* Bind and listen at PATH with this mode and group (ACCESS_NO_GID: leave it). Its directory is made (0755) if
 * only that is missing; a stale socket is replaced, one that somebody listens at is not. Nobody can connect
 * before mode and group are set. Returns the descriptor, or -errno with *error filled. */
int listener_open(const char *path, mode_t mode, gid_t group, struct error *error);

/* Takes `fd` over in any case. `own_path` is removed by listener_free() if the socket is still ours; NULL
 * when systemd owns it. NULL and errno on failure. */
struct listener *listener_new(struct event_base *base, int fd, const char *own_path,
                              listener_accept_fn *accept, void *context);
void listener_free(struct listener *listener); /* NULL is fine */
/* Somebody has hung up without waiting for his answer. Those who do it again and again gather in the line
 * meanwhile, and are cheap to drop there. NULL is fine. */
void listener_calm(struct listener *listener);
/* Let this group connect from now on, if the socket is our own (systemd's has its SocketGroup=);
 * ACCESS_NO_GID leaves it. NULL is fine. 0 or -errno. */
int listener_set_group(struct listener *listener, gid_t group);

/* The other end has closed, or was killed. One that has only closed its own direction (`printf … | socat`)
 * still waits for its answer, and is there. */
bool listener_peer_gone(int fd);
