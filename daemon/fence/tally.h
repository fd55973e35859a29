/*
 * Requests counted for the metrics: how they were answered, for which guest, and after how long. Whoever
 * answers adds; whoever shows reads. Knows no names and decides nothing.
 */
#pragma once

#include "fence/operation.h"
#include "system/histogram.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TALLY_ACTIONS     (FENCE_REBOOT + 1)
#define TALLY_TARGETS_MAX 20000 /* guests that were ever asked for; those beyond count as TALLY_NO_TARGET */
#define TALLY_NO_TARGET   0     /* the request never got as far as to a guest */

/* Left: the asker ended before its answer, as an agent does that Pacemaker kills at its time-out. */
enum tally_result { TALLY_DONE, TALLY_FAILED, TALLY_ABANDONED, TALLY_LEFT, TALLY_RESULT_COUNT };
const char *tally_result_name(enum tally_result result); /* "done", "failed", "abandoned", "left" */

struct tally_target {
    int vmid;
    uint64_t answered[TALLY_ACTIONS][TALLY_RESULT_COUNT];
    UT_hash_handle hh;
};

/* Zero-initialise. */
struct tally {
    struct tally_target *targets; /* by VMID, in the order in which they were first asked for */
    struct tally_target no_target;
    struct histogram durations[TALLY_ACTIONS][TALLY_RESULT_COUNT];
};

/* One request was answered, duration_ms after it was made. */
void tally_add(struct tally *tally, int vmid, enum fence_action action, enum tally_result result,
               int64_t duration_ms);
const struct tally_target *tally_find(const struct tally *tally, int vmid); /* NULL: never asked for */
void tally_clear(struct tally *tally);                                      /* frees; usable again */
