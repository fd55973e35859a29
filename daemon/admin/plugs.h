/* Whom names lead to, by the broker's word. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/say.h"

struct plug {
    const char *name;           /* that was asked for */
    const char *vmid;           /* NULL: it leads to no guest, and why: */
    const char *guest;          /* the guest's name */
    bool listed;                /* Pacemaker finds this very name in `list` */
    bool ha;                    /* Proxmox HA manages it */
    bool unwatched;             /* a fence would fail if its host died */
    const char *message, *hint; /* of a name that leads nowhere */
};

struct plugs {
    struct plug *list;
    size_t count;
    long long deadline_ms; /* of the broker's operations; 0: not known */
};

/* Notes a name to be asked for; each once. */
void plugs_want(struct plugs *plugs, const char *name);
/* Asks the broker at `socket` for all of them. 0, or -1 and `failure` is set. */
int plugs_ask(struct plugs *plugs, const char *socket, struct failure *failure)
    __attribute__((warn_unused_result));
/* What is known of a name that was asked for; NULL: it was not. */
const struct plug *plugs_get(const struct plugs *plugs, const char *name);
