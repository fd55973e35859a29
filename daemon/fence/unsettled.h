/*
 * What an operation leaves to the next one of its guest: power calls that may still be carried out (rule 6),
 * and a stop that may have killed what nothing would have shown (point 7 of the off-proof). Derived from the
 * state machine while an operation runs and when it ends, kept per guest, written into the history whenever
 * it changes, and taken up again after a restart.
 *
 * Knows no loop, no file and no call: it is data and what follows from it.
 */
#pragma once

#include "fence/step.h"

#include <json-c/json.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum unsettled_reading {
    UNSETTLED_NOT_READ,
    UNSETTLED_READ_STOPPED,
    UNSETTLED_READ_RUNNING,
    UNSETTLED_READ_HA_CALM, /* it runs, and Proxmox HA stops it only when it is asked again */
};

struct unsettled {
    int vmid;
    struct calls calls; /* what may still come, what is counted with it, and what may have killed */
    int64_t until_ms;   /* so long the first two matter; 0: not at all */
    enum unsettled_reading reading; /* since a doubt began, which did not end it; in memory alone */
    UT_hash_handle hh;
};

/* What the operation leaves, as it stands or has ended. False: nothing. */
bool unsettled_derive(struct unsettled *unsettled, const struct step *step, int64_t now_ms);
/* A stop was sent then, may have come to SIGKILL, and nothing would have shown it (point 7): "stopped" is no
 * proof before the guest was seen running again. 0: none. NULL is nothing left. */
int64_t unsettled_killing_since(const struct unsettled *unsettled);
/* They say the same. */
bool unsettled_equal(const struct unsettled *one, const struct unsettled *other);
/* Give an operation that has just begun what an earlier one left. */
void unsettled_inherit(const struct unsettled *unsettled, struct step *step, int64_t now_ms);

/* Its members in a record of the history, with wall clock times; and back, with those of the monotonic clock
 * (`offset_ms` is wall minus monotonic clock). False: no memory; no such thing, or nothing that still matters
 * at `now_ms`. */
bool unsettled_write(const struct unsettled *unsettled, int64_t offset_ms, struct json_object *document);
bool unsettled_read(struct unsettled *unsettled, struct json_object *document, int64_t offset_ms,
                    int64_t now_ms);
/* The same of a record of a newer version, of which only "vmid" and "ms" can be read: where it says that
 * something is left, a stop may have killed (point 7), and may still come, as may a start. */
bool unsettled_assume(struct unsettled *unsettled, struct json_object *document, int64_t offset_ms,
                      int64_t now_ms);

/* By VMID: a head pointer that begins as NULL. */
const struct unsettled *unsettled_find(struct unsettled *const *list, int vmid); /* borrowed, NULL: none */
/* Put in the place of what the guest had; NULL: it has none any more. Without memory nothing is kept. */
void unsettled_put(struct unsettled **list, int vmid, const struct unsettled *unsettled);
void unsettled_free(struct unsettled **list);
/* A guest's status was read outside of its operations, asked for at `asked_ms`. True: it ends the doubt that
 * an earlier one left, by the rules of the state machine, which is not kept any more. */
bool unsettled_see(struct unsettled *const *list, enum pve_guest_type type, const struct pve_status *status,
                   int64_t asked_ms);

/* All doubts as they stand, for a verdict. Borrowed; all zero: there are none. */
struct unsettled_kill_doubts {
    struct unsettled *const *list;
    int64_t now_ms, stop_timeout_ms;
};
/* A fence of this guest would end as unproven (point 7), unless it is found started since. */
bool unsettled_kill_doubt(const struct unsettled_kill_doubts *doubts, int vmid);
