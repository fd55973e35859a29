/*
 * The rooms of a daemon, or of a command that looks at Proxmox: whoever works with several of them borrows
 * this. It is filled where they are made, and nowhere else.
 */
#pragma once

struct rooms {
    struct session *session;
    struct endpoints *endpoints;
    struct transport *transport;
    struct grants *grants;
    struct poller *poller;
    struct history *history;       /* NULL: there is none */
    struct evidence *evidence;     /* NULL: none is collected */
    struct engine *engine;         /* NULL: there are no operations */
    struct rehearsals *rehearsals; /* NULL: there are none */
    struct host_watch *host_watch; /* NULL: nobody watches the hosts */
    const struct machine *machine; /* this node; NULL: not to be compared */
    const struct config *config;   /* as loaded; NULL: all is as if nothing was configured */
    const struct names *names;     /* of the users and groups of the configuration; NULL: not known yet */
};
