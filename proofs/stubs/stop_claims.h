/*
 * When a stop or reset may be wanted (P4, rule 7): of a stop, for both of those who decide on it, step_off.c
 * and step_ha.c.
 */
#pragma once

#include "calls_world.h"
#include "step_valid.h"
#include "step_world.h"

#define SECOND 1000

/* What this operation has sent of one kind. */
struct own_calls {
    unsigned count;
    struct call last; /* CALL_NONE: there is none */
};

static inline struct own_calls own_calls(const struct step *step, enum step_power power)
{
    struct own_calls own = {.last.state = CALL_NONE};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i >= step->calls.count || call->power != power || call->inherited)
            continue;
        own.count += call->sent;
        own.last = *call;
    }
    return own;
}

/* Nobody waits, or the newest request is 30 s old (P4). */
static inline bool is_late(const struct step *step, int64_t now_ms)
{
    return step->course.no_asker || now_ms - step->course.not_before_ms >= 30 * SECOND;
}

/* By a read of at most 50 ms ago the guest runs, and did so before that moment: the host counts whole
 * seconds, cut, so the guest has run for at least so long. */
static inline bool has_run_since_before(const struct step *step, int64_t moment_ms, int64_t now_ms)
{
    return step->read.known && step->read.status.running && now_ms - step->read.received_ms <= 50 &&
           step->read.status.uptime_s * SECOND > step->read.received_ms - moment_ms;
}

typedef bool wants_stop_fn(struct step *step, struct step_effects *effects, int64_t now_ms);

/* For every valid state in which a guest that is, or is not, HA's is powered off. */
void prove_stop(bool of_ha, wants_stop_fn *wants);
