/*
 * Users and groups by name, and names by number, as the system's name service says. It may be a directory
 * that hangs, so it is asked in a thread of its own and never during a request; what it said is kept as it
 * was. Decides nothing.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NAMES_MEMBERS_MAX 1000 /* of the groups asked for, whose names are looked up for messages */

enum names_state {
    NAMES_FOUND,
    NAMES_NONE,   /* the service knows that there is none */
    NAMES_FAILED, /* it could not say */
};

struct names_wanted {
    char **users, **groups; /* borrowed */
    size_t user_count, group_count;
};

struct names;
/* Asks now, and waits for as long as it takes. NULL without memory. */
struct names *names_look_up(const struct names_wanted *wanted);
void names_free(struct names *names); /* NULL is fine */

/* By name: only those that were wanted. */
enum names_state names_user(const struct names *names, const char *name, uid_t *uid);
enum names_state names_group(const struct names *names, const char *name, gid_t *gid);
/* By number, for messages: of those wanted, and of the groups' members; NULL if it was not looked up (root is
 * known). `names` may be NULL. */
const char *names_of_uid(const struct names *names, uid_t uid);
const char *names_of_gid(const struct names *names, gid_t gid);

/* The same in a thread. `done` comes from the loop, once, and owns the names (NULL: no memory). */
struct names_lookup;
typedef void names_done_fn(void *context, struct names *names);
struct names_lookup *names_begin(struct event_base *base, const struct names_wanted *wanted,
                                 names_done_fn *done, void *context); /* NULL: no memory or thread */
/* Waits up to `ms` for the end: true, and *names, if it came; then the lookup is gone and `done` is not
 * called. */
bool names_await(struct names_lookup **lookup, int ms, struct names **names);
/* No callback any more; the thread ends when the service lets it. NULL is fine. */
void names_abandon(struct names_lookup *lookup);
