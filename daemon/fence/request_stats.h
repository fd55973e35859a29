/*
 * Requests counted for the metrics: how they were answered, for which guest, and after how long. Whoever
 * answers adds; whoever shows reads. Knows no names and decides nothing.
 */
#pragma once

#include "fence/operation.h"
#include "system/histogram.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define REQUEST_STATS_ACTIONS (FENCE_REBOOT + 1)
#define REQUEST_STATS_TARGETS_MAX                                                                            \
    20000 /* guests that were ever asked for; those beyond count as REQUEST_STATS_NO_TARGET */
#define REQUEST_STATS_NO_TARGET 0 /* the request never got as far as to a guest */

/* Left: the asker ended before its answer, as an agent does that Pacemaker kills at its time-out. */
enum request_stats_result {
    REQUEST_STATS_DONE,
    REQUEST_STATS_FAILED,
    REQUEST_STATS_ABANDONED,
    REQUEST_STATS_LEFT,
    REQUEST_STATS_RESULT_COUNT
};
const char *
request_stats_result_name(enum request_stats_result result); /* "done", "failed", "abandoned", "left" */

struct request_stats_target {
    int vmid;
    uint64_t answered[REQUEST_STATS_ACTIONS][REQUEST_STATS_RESULT_COUNT];
    UT_hash_handle hh;
};

/* Zero-initialise. */
struct request_stats {
    struct request_stats_target *targets; /* by VMID, in the order in which they were first asked for */
    struct request_stats_target no_target;
    struct histogram durations[REQUEST_STATS_ACTIONS][REQUEST_STATS_RESULT_COUNT];
};

/* One request was answered, duration_ms after it was made. */
void request_stats_add(struct request_stats *stats, int vmid, enum fence_action action,
                       enum request_stats_result result, int64_t duration_ms);
const struct request_stats_target *request_stats_find(const struct request_stats *stats,
                                                      int vmid); /* NULL: never asked for */
void request_stats_clear(struct request_stats *stats);           /* frees; usable again */
