/*
 * A hash of guests, made when they are first asked for. Without memory for one more its requests count where
 * those without a guest do: the sums stay right.
 */
#include "fence/request_stats.h"

#include <stdlib.h>

const char *request_stats_result_name(enum request_stats_result result)
{
    static const char *const names[REQUEST_STATS_RESULT_COUNT] = {
        [REQUEST_STATS_DONE] = "done",
        [REQUEST_STATS_FAILED] = "failed",
        [REQUEST_STATS_ABANDONED] = "abandoned",
        [REQUEST_STATS_LEFT] = "left",
    };

    return names[result];
}

static struct request_stats_target *target_of(struct request_stats *stats, int vmid)
{
    struct request_stats_target *target = NULL;

    if (vmid == REQUEST_STATS_NO_TARGET)
        return &stats->no_target;
    HASH_FIND_INT(stats->targets, &vmid, target);
    if (target)
        return target;
    if (HASH_COUNT(stats->targets) >= REQUEST_STATS_TARGETS_MAX || !(target = calloc(1, sizeof(*target))))
        return &stats->no_target;
    target->vmid = vmid;
    HASH_ADD_INT(stats->targets, vmid, target);
    if (target->hh.tbl)
        return target;
    free(target);
    return &stats->no_target;
}

void request_stats_add(struct request_stats *stats, int vmid, enum fence_action action,
                       enum request_stats_result result, int64_t duration_ms)
{
    target_of(stats, vmid)->answered[action][result]++;
    histogram_add(&stats->durations[action][result], duration_ms);
}

const struct request_stats_target *request_stats_find(const struct request_stats *stats, int vmid)
{
    struct request_stats_target *target = NULL;

    HASH_FIND_INT(stats->targets, &vmid, target);
    return target;
}

void request_stats_clear(struct request_stats *stats)
{
    struct request_stats_target *target, *next;

    HASH_ITER (hh, stats->targets, target, next) {
        HASH_DEL(stats->targets, target);
        free(target);
    }
    *stats = (struct request_stats){0};
}
