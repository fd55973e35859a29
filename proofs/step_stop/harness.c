/*
 * P4, P5, rule 7: when a stop is sent while the guest is to be powered off. For every state in which the
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
    before.phase = STEP_POWERING_OFF;
    ASSUME(before.place.node[0]);
    ASSUME(step_is_valid(&before) && deadline_ms > 0);
    effects.wake_ms = deadline_ms;
    step = before;
    const struct own_calls stops = own_calls(&before, STEP_SEND_STOP);

    step_off_decide(&step, &effects, now_ms);
    bool stop = effects.send == STEP_SEND_STOP, late = is_late(&before, now_ms);
    CLAIM(stop || effects.send == STEP_SEND_NONE, "a power-off sends nothing but stops");
    CLAIM(!stop || !late || still_runs(&before, before.course.floor_ms, now_ms),
          "a late stop goes only to what has run since before the newest request");
    CLAIM(!stop || stops.last.state != CALL_TASK, "no stop while the task of our last one runs");
    CLAIM(!stop || !before.asks[ASK_POWER].busy, "nor while another power call is being sent");
    CLAIM(!stop || before.course.may_send, "nor before the intent is recorded, or was waited for");
    CLAIM(!stop || stops.sent < STEP_CALLS_MAX, "nor one more than so many");
    CLAIM(!stop || stops.records == 0 ||
              (before.read.known && before.read.asked_ms >= before.course.floor_ms &&
               before.read.asked_ms >= stops.last.settled_ms),
          "it is sent again only after a read since the request, and since the last one was settled");
    CLAIM(!stop || stops.records == 0 || now_ms >= before.asks[ASK_POWER].next_ms, "and after the pause");
    CLAIM(!stop || (effects.send_to[0] != '\0' &&
                    is(effects.send_to,
                       before.ha.managed && before.place.offline ? before.place.other : before.place.node)),
          "a stop goes to the guest's host, or, of HA, to another one while that is offline");
    CLAIM(!stop || !before.ha.managed || before.place.offline ||
              (before.read.known && before.read.status.lock[0] == '\0'),
          "a locked guest of HA is not asked to stop");
    CLAIM(!stop || effects.by_ha == before.ha.managed, "the HA manager is asked for its guests alone");
    CLAIM(!stop || !effects.overrule_shutdown || (before.params.release >= 802 && !before.ha.managed),
          "a shutdown is overruled only where Proxmox knows that");
    CLAIM(!effects.verified, "and nothing is off by that");
    CLAIM(step_is_valid(&step), "the state stays valid");
    CLAIM(step.phase == STEP_ENDED ? effects.ended : effects.wake_ms > 0 && effects.wake_ms <= deadline_ms,
          "and goes on by itself, at its deadline at the latest");
    REACHED(stop && late && !before.ha.managed && stops.records == 2);
    REACHED(stop && late && before.ha.managed);
    REACHED(stop && !late && !before.read.known);
    REACHED(effects.ended && effects.outcome == OPERATION_ABANDONED);
}
