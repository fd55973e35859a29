/*
 * What Proxmox has granted to our identity, and whether that may be used (P8).
 *
 * An identity that holds more than fencing takes is refused, unless it was accepted before: a grant by a
 * third party must not disarm a cluster. Accepted ones are remembered in the state directory.
 */
#pragma once

#include "policy/privileges.h"
#include "system/error.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct grants;

enum grants_state {
    GRANTS_UNKNOWN,   /* own privileges were not read yet */
    GRANTS_ACCEPTED,  /* nothing beyond the minimal set */
    GRANTS_TOLERATED, /* too much, and used all the same: accepted before, or least-privilege = warn */
    GRANTS_REFUSED,   /* too much, and never accepted: powers nothing */
};

/* Reads DIRECTORY/accepted.jsonl(.1) and starts the recorder that adds to it (a child process): call before
 * threads exist. `directory` NULL remembers for this process only. NULL and *error when memory or a process
 * is lacking; a directory that cannot be used is warned about when it matters. */
struct grants *grants_new(const char *directory, struct error *error);
/* The same for a command that ends: what was accepted before counts, and nothing is written. */
struct grants *grants_new_reading(const char *directory, struct error *error);
int grants_attach(struct grants *grants, struct event_base *base);
void grants_free(struct grants *grants, int64_t wait_ms); /* NULL is fine */

/* Who we are, and what the configuration wants. Another identity than before is unknown again. False if
 * memory ran out: then nothing has changed. */
bool grants_set_policy(struct grants *grants, const char *identity, bool enforce);
/* Own privileges were read at now_ms (monotonic): judges them, and logs what is new about them. Keeps a
 * reference to `permissions`. `scope` needs no identity. False if memory ran out: then nothing has changed.
 */
bool grants_take(struct grants *grants, struct json_object *permissions, const struct privileges_scope *scope,
                 int64_t now_ms);

enum grants_state grants_state(const struct grants *grants);
const char *grants_state_name(enum grants_state state); /* "unknown", "accepted", "tolerated", "refused" */
const char *grants_identity(const struct grants *grants);
bool grants_enforced(const struct grants *grants);
bool grants_remembered(const struct grants *grants); /* accepted now or before */
struct json_object *
grants_listing(const struct grants *grants);         /* as Proxmox said it; borrowed, NULL: none */
int64_t grants_read_ms(const struct grants *grants); /* 0: never */
/* NULL before the first reading. */
const struct privileges_report *grants_report(const struct grants *grants);
/* In words, with the line that mends the first finding; code ERROR_NONE if there is none. */
const struct error *grants_excess(const struct grants *grants);  /* ERROR_EXCESS_PRIVILEGES */
const struct error *grants_missing(const struct grants *grants); /* ERROR_NO_POWER_RIGHT */
