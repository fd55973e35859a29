/* What the server is given: the rooms that its answers come from, and the two kinds of sockets that they go
 * to. */
#pragma once

#include "fence/engine.h"
#include "fence/evidence.h"
#include "fence/history.h"
#include "fence/rehearsal.h"
#include "proxmox/endpoints.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "proxmox/transport.h"
#include "system/config.h"
#include "system/machine.h"
#include "system/names.h"

enum server_socket { SERVER_BROKER, SERVER_METRICS, SERVER_SOCKET_COUNT };
/* Where it listens. What arrives at root's own door is served as at the broker's; but nobody else can fill
 * the line before it, which the kernel keeps without asking who stands there. */
enum server_door { SERVER_DOOR_BROKER, SERVER_DOOR_ROOT, SERVER_DOOR_METRICS, SERVER_DOOR_COUNT };

/* Borrowed; they must outlive the server, or be replaced with server_set_parts(). */
struct server_parts {
    struct engine *engine;
    struct history *history;
    const struct evidence *evidence;
    const struct machine *machine; /* this node */
    struct rehearsals *rehearsals;
    struct poller *poller;
    struct session *session;
    struct endpoints *endpoints;
    struct transport *transport;
    const struct names *names;   /* of the users and groups of the configuration; NULL: not known yet */
    int min_online_nodes;        /* 0: majority */
    const struct config *config; /* as loaded; may be NULL */
};
