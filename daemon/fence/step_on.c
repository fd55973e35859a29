/*
 * Powering on: a request of its own, or the second half of a reboot. It outlives its asker and is tried again
 * until its own end (rule 11); a guest that already runs, whoever started it, is done (rule 9).
 */
#include "fence/step_private.h"

#include <string.h>

/* The power-on of a reboot has some room of its own: off may have been proven in the last second. */
int64_t step_on_deadline(const struct step *step)
{
    return step->params.deadline_ms + (step->params.action == FENCE_REBOOT ? STEP_START_ROOM_MS : 0);
}

/* A stop or reset, of this operation or an earlier one, would hit the guest just started. What tells that it
 * will not come is asked for. */
bool step_is_held_back(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    static const enum step_power powers[] = {STEP_SEND_STOP, STEP_SEND_RESET};
    bool held = false;
    for (size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++) {
        int64_t until_ms = calls_until(&step->calls, powers[i], CALLS_COMING, step_scope(step));
        const struct call *call = calls_with_task(&step->calls, powers[i], step_scope(step));
        if (now_ms >= until_ms)
            continue;
        held = true;
        step_wake_at(effects, until_ms);
        if (call)
            step_read_task(step, effects, call, now_ms);
        else if (powers[i] == STEP_SEND_STOP)
            (void)step_ask(step, effects, ASK_TASKS, now_ms);
    }
    return held;
}

/* A read that was asked for after the last word on the start, or, before there was one, after the proof or
 * the request. */
static bool fresh_status(const struct step *step)
{
    int64_t since_ms = step->course.verified_ms ? step->course.verified_ms : step->course.not_before_ms;
    if (calls_last(&step->calls, STEP_SEND_START)->settled_ms > since_ms)
        since_ms = calls_last(&step->calls, STEP_SEND_START)->settled_ms;
    return step->read.known && step->read.asked_ms >= since_ms;
}

static void finish_running(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step_note(effects, "running on %s", step_host(step));
    if (!step->course.verified_ms)
        step_verify(step, effects, now_ms);
    effects->running = true;
    if (now_ms < step->course.watch_until_ms && !step->course.repaired_ms)
        step_watch(step, effects, "stop");
    else
        step_end(step, effects, OPERATION_DONE);
}

static bool wants_start(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    const struct call *start = calls_last(&step->calls, STEP_SEND_START);
    if (step->asks[ASK_POWER].busy || start->state == CALL_TASK || !step->course.may_send)
        return false;
    /* after a proof of off the start goes at once; else the state is read first */
    bool proven = step->course.verified_ms && calls_sent(&step->calls, STEP_SEND_START) == 0;
    if (!proven && (!fresh_status(step) || step->read.status.running))
        return false;
    if (!step_may_send(step, effects, STEP_SEND_START, now_ms))
        return false;
    return !step_is_held_back(step, effects, now_ms) && !step_is_superseded(step, effects, now_ms);
}

/* A hibernated guest would come back with its old memory: as a cluster member that is a zombie (point 3). */
static bool would_resume(struct step *step, struct step_effects *effects)
{
    struct error error = {0};
    if (!step->read.known || step->read.status.running || strcmp(step->read.status.lock, "suspended") != 0)
        return false;
    error_set(&error, ERROR_SUSPENDED, "guest %d is hibernated on %s: a start would resume its old memory",
              step->params.vmid, step_host(step));
    step_fail(step, effects, &error);
    return true;
}

void step_on_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    int64_t since_ms = step->course.verified_ms ? step->course.verified_ms : step->course.not_before_ms;
    if (step->read.known && step->read.asked_ms >= since_ms && step->read.status.running &&
        (!step->ha.managed || ha_state(step->read.status.ha_state) == PROOF_HA_OTHER)) {
        finish_running(step, effects, now_ms);
        return;
    }
    if (would_resume(step, effects))
        return;
    /* rule 8: a host that is offline by the word of the others is hopeless, but not to HA */
    if (!step->course.verified_ms || step->ha.managed)
        step_read_hosts(step, effects, now_ms);
    if (step->ha.managed)
        step_ha_on_decide(step, effects, now_ms);
    else if (wants_start(step, effects, now_ms)) {
        step_start_at_risk(step, now_ms);
        step_send(step, effects, STEP_SEND_START, now_ms);
    }
    if (step->phase == STEP_ENDED || !step->place.node[0])
        return;

    const struct call *start = calls_last(&step->calls, STEP_SEND_START);
    if (start->state == CALL_TASK)
        step_read_task(step, effects, start, now_ms);
    /* while our start is on its way nothing is to be learnt from the guest */
    if (start->state != CALL_SENDING)
        step_read_status(step, effects, now_ms);
}
