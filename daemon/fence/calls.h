/*
 * Power calls of earlier operations of a guest whose tasks are known and whose ends are not, one record each.
 * A task's end is learnt from its UPID; what has no UPID is an open call, and only a list of tasks tells of
 * it (rule 6).
 *
 * Knows no clock and no loop.
 */
#pragma once

#include "proxmox/upid.h"

#include <stdbool.h>
#include <stdint.h>

#define CALLS_MAX     8
#define CALLS_OPEN_MS 60000 /* so long a call without a known end may still be carried out (rule 6) */

enum step_power { STEP_SEND_NONE, STEP_SEND_STOP, STEP_SEND_START, STEP_SEND_RESET };

struct call {
    enum step_power power;
    int64_t sent_ms;
    char upid[PVE_UPID_MAX];
};

struct calls {
    unsigned count;
    struct call list[CALLS_MAX];
};

/* False: there is no room for it. */
bool calls_add(struct calls *calls, enum step_power power, const char *upid, int64_t sent_ms);
void calls_drop(struct calls *calls, const struct call *call);
/* The one whose task this is; NULL: none. */
const struct call *calls_of_task(const struct calls *calls, const char *upid);
/* The first one of this kind whose task is on this host (NULL: on any), after `last` (NULL: from the
 * beginning). NULL: there is none. */
const struct call *calls_next(const struct calls *calls, enum step_power power, const char *node,
                              const struct call *last);
/* Until when one of this kind may still be carried out on this host (NULL: on any); 0: there is none. */
int64_t calls_until(const struct calls *calls, enum step_power power, const char *node);
/* Without those that cannot be carried out any more. */
void calls_forget_old(struct calls *calls, int64_t now_ms);
bool calls_equal(const struct calls *one, const struct calls *other);
