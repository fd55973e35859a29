/*
 * Where an identity holds what, without asking for each of 100,000 guests: the paths of a user.cfg in an
 * order in which what lies below a path stands behind it, and the plain guests of a pool, which nothing but
 * the pool and the paths above /vms/ID tell apart, as one. Pure, like usercfg.h.
 */
#pragma once

#include "policy/usercfg_classes.h"

struct usercfg_places;

/* 0 and *out owned by the caller, or -ENOMEM. The configuration must outlive it. */
int usercfg_places_new(const struct usercfg *cfg, struct usercfg_places **out)
    __attribute__((warn_unused_result));
void usercfg_places_free(struct usercfg_places *places); /* NULL is fine */
static inline void usercfg_places_freep(struct usercfg_places **places)
{
    usercfg_places_free(*places);
}

/* What the walk tells. A set may be empty: what comes from above may end there. */
struct usercfg_walker {
    void (*path)(void *context, const char *path, struct usercfg_privileges set);
    /* the pool's guests that no grant names, at least one: each holds `set` on /vms/ID */
    void (*guests)(void *context, const struct usercfg_pool *pool, const int64_t *vmids, size_t count,
                   struct usercfg_privileges set);
    void *context;
};

/* Every path of usercfg_each_path() on which the class holds something, each once: paths first, in order,
 * then guests pool by pool. */
void usercfg_places_walk(struct usercfg_places *places, const struct usercfg_class *class,
                         const struct usercfg_walker *walker);
