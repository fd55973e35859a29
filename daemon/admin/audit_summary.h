/*
 * What a class of identities amounts to: which guests it could fence, and what it can do beyond that. Private
 * to the audit's text.
 */
#pragma once

#include "admin/audit_private.h"

struct summary_pool {
    const char *name;
    size_t powered, total;
};

/* What is held beyond fencing, where it comes from. */
struct summary_excess {
    char *path;       /* owned */
    const char *pool; /* not NULL: on all its guests that no grant names */
    struct usercfg_privileges set;
};

struct summary {
    bool everywhere; /* VM.PowerMgmt on all guests but those of pools that say otherwise */
    struct summary_pool *pools;
    size_t pool_count, pool_room;
    int64_t *vmids; /* guests of no pool */
    size_t vmid_count, vmid_room;
    struct summary_excess *excess;
    size_t excess_count, excess_room;
};

/* To be cleared with summary_clear() in any case. */
void summary_take(const struct audit *audit, const struct usercfg_class *class, struct summary *summary);
bool summary_can_fence(const struct summary *summary);
void summary_clear(struct summary *summary);
