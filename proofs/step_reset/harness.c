/*
 * P4, rules 7 and 10: when a reset is sent, and when a reset is taken for done. For every state in which the
 * machine decides that; an event changes what is known, and sends nothing.
 */
#include "step_world.h"

#include <string.h>

#define SECOND 1000

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* Nobody waits any more, or the newest request is 30 s old. */
static bool is_late(const struct step *step, int64_t now_ms)
{
    return step->course.no_asker || now_ms - step->course.floor_ms >= 30 * SECOND;
}

/* It runs by a read of the last 50 ms, and by its uptime it has since before that moment. */
static bool still_runs(const struct step *step, int64_t since_ms, int64_t now_ms)
{
    const struct step_read *read = &step->read;
    return read->known && read->status.running && now_ms - read->received_ms <= 50 &&
           read->received_ms - read->status.uptime_s * SECOND < since_ms;
}

/* How many of the kind this operation has sent, and what is known of the last one. */
struct own_calls {
    unsigned records, sent;
    struct call last;
};

static struct own_calls own_calls(const struct step *step, enum step_power power)
{
    struct own_calls own = {.last = {.state = CALL_NONE}};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i >= step->calls.count || call->power != power || call->inherited)
            continue;
        own.records++;
        own.sent += call->sent;
        own.last = *call;
    }
    return own;
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms, deadline_ms;
    any_step(&before);
    ASSUME(now_ms > 0 && now_ms < INT64_C(1) << 53);
    /* as step.c calls it: a guest that is looked for is sent nothing */
    before.phase = STEP_CYCLING;
    ASSUME(before.place.node[0]);
    ASSUME(step_is_valid(&before) && deadline_ms > 0);
    effects.wake_ms = deadline_ms;
    step = before;
    const struct own_calls resets = own_calls(&before, STEP_SEND_RESET);
    const struct step_read *read = &before.read;

    step_cycle_decide(&step, &effects, now_ms);
    bool reset = effects.send == STEP_SEND_RESET, late = is_late(&before, now_ms);
    bool fresh = read->known && read->asked_ms >= before.course.floor_ms;
    CLAIM(reset || effects.send == STEP_SEND_NONE, "a cycle sends nothing but a reset");
    CLAIM(!reset || resets.records == 0, "a reset is never sent twice");
    CLAIM(!reset || (fresh && read->status.running),
          "it goes to a guest that was read running since the request");
    CLAIM(!reset || !late || still_runs(&before, before.course.floor_ms, now_ms),
          "a late one goes only to what has run since before the newest request");
    CLAIM(!reset || !before.asks[ASK_POWER].busy, "not while another power call is being sent");
    CLAIM(!reset || before.course.may_send, "nor before the intent is recorded, or was waited for");
    CLAIM(!reset || (!before.ha.managed && before.params.type == PVE_QEMU), "HA and containers know none");
    CLAIM(!reset || is(effects.send_to, before.place.node), "it goes to the guest's host");
    CLAIM(!effects.verified || (resets.last.state == CALL_OK && fresh && read->status.running &&
                                read->status.lock[0] == '\0' && read->asked_ms >= resets.last.settled_ms),
          "done is answered where the reset's task ended OK and a read since then shows it running, not "
          "locked");
    CLAIM(step.phase == STEP_CYCLING || step.phase == STEP_POWERING_OFF || step.phase == STEP_ENDED,
          "nor is it powered on without a proof");
    CLAIM(step_is_valid(&step), "the state stays valid");
    CLAIM(step.phase == STEP_ENDED ? effects.ended : effects.wake_ms > 0 && effects.wake_ms <= deadline_ms,
          "and goes on by itself, at its deadline at the latest");
    REACHED(reset && late);
    REACHED(effects.verified);
    REACHED(step.phase == STEP_POWERING_OFF && resets.last.state == CALL_OPEN);
    REACHED(effects.ended && effects.outcome == OPERATION_ABANDONED);
}
