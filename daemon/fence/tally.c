/*
 * A hash of guests, made when they are first asked for. Without memory for one more its requests count where
 * those without a guest do: the sums stay right.
 */
#include "fence/tally.h"

#include <stdlib.h>

const char *tally_result_name(enum tally_result result)
{
    static const char *const names[TALLY_RESULT_COUNT] = {
        [TALLY_DONE] = "done",
        [TALLY_FAILED] = "failed",
        [TALLY_ABANDONED] = "abandoned",
        [TALLY_LEFT] = "left",
    };

    return names[result];
}

static struct tally_target *target_of(struct tally *tally, int vmid)
{
    struct tally_target *target = NULL;

    if (vmid == TALLY_NO_TARGET)
        return &tally->no_target;
    HASH_FIND_INT(tally->targets, &vmid, target);
    if (target)
        return target;
    if (HASH_COUNT(tally->targets) >= TALLY_TARGETS_MAX || !(target = calloc(1, sizeof(*target))))
        return &tally->no_target;
    target->vmid = vmid;
    HASH_ADD_INT(tally->targets, vmid, target);
    if (target->hh.tbl)
        return target;
    free(target);
    return &tally->no_target;
}

void tally_add(struct tally *tally, int vmid, enum fence_action action, enum tally_result result,
               int64_t duration_ms)
{
    target_of(tally, vmid)->answered[action][result]++;
    histogram_add(&tally->durations[action][result], duration_ms);
}

const struct tally_target *tally_find(const struct tally *tally, int vmid)
{
    struct tally_target *target = NULL;

    HASH_FIND_INT(tally->targets, &vmid, target);
    return target;
}

void tally_clear(struct tally *tally)
{
    struct tally_target *target, *next;

    HASH_ITER (hh, tally->targets, target, next) {
        HASH_DEL(tally->targets, target);
        free(target);
    }
    *tally = (struct tally){0};
}
