/*
 * Identities of a user.cfg sorted by what is granted to them: those of one class hold the same privileges
 * everywhere, so that an audit of 10,000 users looks at a few. Pure, like usercfg.h.
 */
#pragma once

#include "policy/usercfg.h"

/* Users, tokens, and users that are only named by grants or groups. All borrowed from the classes or the
 * configuration. */
struct usercfg_class {
    const char **ids; /* at least one; in file order, those that do not exist last */
    size_t count, room;
    const char **paths; /* where a grant names them, a group of theirs or, for tokens without privileges of
                           their own, their user; a path before what lies below it */
    size_t path_count;
    bool root; /* root@pam: all privileges everywhere */
};

struct usercfg_classes {
    struct usercfg_class **list; /* in the order of their first members */
    size_t count, room;
};

/* 0 and *out owned by the caller, or -ENOMEM. The configuration must outlive it. */
int usercfg_classes_new(const struct usercfg *cfg, struct usercfg_classes **out)
    __attribute__((warn_unused_result));
void usercfg_classes_free(struct usercfg_classes *classes); /* NULL is fine */
static inline void usercfg_classes_freep(struct usercfg_classes **classes)
{
    usercfg_classes_free(*classes);
}
