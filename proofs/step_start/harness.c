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

/* A call of this operation: its task runs, or its answer was lost, and that is not 60 s ago. */
static bool own_may_come(const struct step_call *call, int64_t now_ms)
{
    return (call->state == STEP_CALL_TASK && now_ms - call->last_sent_ms < 60 * SECOND) ||
           (call->open > 0 && now_ms - call->last_open_ms < 60 * SECOND);
}

/* One of an earlier operation, on this host (Proxmox HA: on any), whose task may still wait. */
static bool former_may_come(const struct step *step, int64_t now_ms)
{
    for (unsigned i = 0; i < CALLS_MAX && i < step->calls.former.count; i++) {
        const struct call *call = &step->calls.former.list[i];
        char host[PVE_NODE_MAX];
        upid_copy_node(call->upid, host);
        if ((call->power == STEP_SEND_STOP || call->power == STEP_SEND_RESET) &&
            (step->ha.managed || is(host, step->place.node)) && now_ms - call->sent_ms < 60 * SECOND)
            return true;
    }
    return false;
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

    step_on_decide(&step, &effects, now_ms);
    bool start = effects.send == STEP_SEND_START;
    CLAIM(start || effects.send == STEP_SEND_NONE, "a power-on sends nothing but starts");
    /* the list of tasks shows that all of this operation have ended */
    CLAIM(!start || before.list.settled || !own_may_come(&before.calls.stop, now_ms),
          "no start while a stop of this operation may come");
    CLAIM(!start || !own_may_come(&before.calls.reset, now_ms),
          "no start while a reset of this operation may come");
    CLAIM(!start || !former_may_come(&before, now_ms), "no start while one of an earlier operation may come");
    CLAIM(!start || before.course.may_send, "no start before the intent is recorded, or was waited for");
    CLAIM(!start || (!before.asks[ASK_POWER].busy && before.calls.start.state != STEP_CALL_TASK),
          "no start while another power call of this operation is under way");
    CLAIM(!start || before.calls.start.sent < STEP_CALLS_MAX, "nor one more than so many");
    CLAIM(!start || before.ha.managed || !before.read.known || before.read.status.running ||
              !is(before.read.status.lock, "suspended"),
          "no start that would resume an old memory");
    CLAIM(!start || (effects.send_to[0] != '\0' &&
                     is(effects.send_to,
                        before.ha.managed && step.place.offline ? before.place.other : before.place.node)),
          "a start goes to the guest's host, or, of HA, to another one while that is offline");
    CLAIM(!start || before.ha.managed || before.course.repaired_ms ||
              step.course.watch_until_ms >= now_ms + 60 * SECOND ||
              ((before.list.settled ||
                (before.calls.stop.open == 0 && before.calls.stop.state != STEP_CALL_TASK)) &&
               before.calls.reset.open == 0 && before.calls.reset.state != STEP_CALL_TASK),
          "where one may have come late, the guest is watched");
    CLAIM(!effects.verified || before.course.verified_ms == 0, "what was answered is not answered again");
    CLAIM(!effects.verified || (before.read.known && before.read.status.running &&
                                before.read.asked_ms >= before.course.floor_ms),
          "on is answered by a read since the request that shows it running");
    REACHED(start && before.ha.managed);
    REACHED(start && !before.ha.managed && before.course.verified_ms);
    REACHED(start && before.calls.stop.open > 0);
    REACHED(effects.verified);
}
