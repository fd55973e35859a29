/*
 * Rule 6: no start is sent while a stop or reset of ours may still come, which would hit the guest that was
 * just started. For every state in which the machine decides on a power-on.
 */
#include "step_world.h"

#include <string.h>

#define SECOND 1000

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* A stop or reset, of this operation or an earlier one, that was sent to this host, or whose host is not
 * known (Proxmox HA may act on any). */
static bool would_hit(const struct step *step, const struct call *call)
{
    return (call->power == STEP_SEND_STOP || call->power == STEP_SEND_RESET) &&
           (step->ha.managed || call->ha || call->node[0] == '\0' || is(call->node, step->place.node));
}

/* Its task runs, and it was sent less than 60 s ago; or its answer was lost, or tells nothing, and that was
 * found out less than 60 s ago. */
static bool may_come(const struct call *call, int64_t now_ms)
{
    return (call->state == CALL_TASK && now_ms - call->sent_ms < 60 * SECOND) ||
           (call->state == CALL_OPEN && now_ms - call->settled_ms < 60 * SECOND);
}

static bool has_no_known_end(const struct call *call)
{
    return call->state == CALL_TASK || call->state == CALL_OPEN;
}

struct own_calls {
    unsigned count;
    enum call_state last;
};

static struct own_calls own_starts(const struct step *step)
{
    struct own_calls own = {0, CALL_NONE};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i >= step->calls.count || call->power != STEP_SEND_START || call->inherited)
            continue;
        own.count += call->sent;
        own.last = call->state;
    }
    return own;
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    any_step(&before);
    ASSUME(now_ms > 0 && now_ms < INT64_C(1) << 53);
    /* as step.c calls it: a guest that is looked for is sent nothing */
    ASSUME(before.phase == STEP_POWERING_ON && before.place.node[0]);
    step = before;
    const struct own_calls starts = own_starts(&before);

    step_on_decide(&step, &effects, now_ms);
    bool start = effects.send == STEP_SEND_START;
    CLAIM(start || effects.send == STEP_SEND_NONE, "a power-on sends nothing but starts");
    bool late = false, own = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before.calls.list[i];
        if (i >= before.calls.count || !would_hit(&before, call))
            continue;
        CLAIM(!start || call->inherited || !may_come(call, now_ms),
              "no start while a stop or reset of this operation may come");
        CLAIM(!start || !call->inherited || !may_come(call, now_ms),
              "no start while one of an earlier operation may come");
        late = late || has_no_known_end(call);
        own = own || (has_no_known_end(call) && !call->inherited);
    }
    CLAIM(!start || before.course.may_send, "no start before the intent is recorded, or was waited for");
    CLAIM(!start || !before.asks[ASK_POWER].busy, "no start while another power call is being sent");
    CLAIM(!start || starts.count < STEP_CALLS_MAX, "nor one more than so many");
    CLAIM(!start || starts.last != CALL_TASK, "nor while the task of our last start runs");
    CLAIM(!start || before.ha.managed || !before.read.known || before.read.status.running ||
              !is(before.read.status.lock, "suspended"),
          "no start that would resume an old memory");
    CLAIM(!start || (effects.send_to[0] != '\0' &&
                     is(effects.send_to,
                        before.ha.managed && step.place.offline ? before.place.other : before.place.node)),
          "a start goes to the guest's host, or, of HA, to another one while that is offline");
    CLAIM(!start || before.ha.managed || before.course.repaired_ms || !late ||
              step.course.watch_until_ms >= now_ms + 60 * SECOND,
          "where one may have come late, the guest is watched");
    CLAIM(!effects.verified || before.course.verified_ms == 0, "what was answered is not answered again");
    CLAIM(!effects.verified || (before.read.known && before.read.status.running &&
                                before.read.asked_ms >= before.course.not_before_ms),
          "on is answered by a read since the request that shows it running");
    REACHED(start && before.ha.managed);
    REACHED(start && !before.ha.managed && before.course.verified_ms);
    REACHED(start && own);
    REACHED(start && late && !own && before.ha.managed);
    REACHED(effects.verified);
}
