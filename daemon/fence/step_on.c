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

/* Until when a call may still be carried out: one whose task waits for the guest's lock file, or an open one.
 */
int64_t step_may_come_until(const struct step_call *call)
{
    int64_t until_ms = call->open > 0 ? call->last_open_ms + CALLS_OPEN_MS : 0;
    if (call->state == STEP_CALL_TASK && call->last_sent_ms + CALLS_OPEN_MS > until_ms)
        until_ms = call->last_sent_ms + CALLS_OPEN_MS;
    return until_ms;
}

/* A stop or reset of an earlier operation, here, whose task may still have to wait. One that is too old for
 * that is an open one. */
static const struct call *former_that_may_come(struct step *step, int64_t now_ms)
{
    static const enum step_power powers[] = {STEP_SEND_STOP, STEP_SEND_RESET};
    const char *node = step_former_node(step);
    for (size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++) {
        const struct call *call = NULL;
        while ((call = calls_next(&step->calls.former, powers[i], node, NULL)) != NULL) {
            if (now_ms < call->sent_ms + CALLS_OPEN_MS)
                return call;
            step_leave_open(powers[i] == STEP_SEND_STOP ? &step->calls.stop : &step->calls.reset,
                            call->sent_ms);
            calls_drop(&step->calls.former, call);
        }
    }
    return NULL;
}

/* It would hit the guest just started. */
bool step_is_held_back(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    const struct call *former = former_that_may_come(step, now_ms);
    int64_t stop_ms = step->list.settled ? 0 : step_may_come_until(&step->calls.stop);
    int64_t reset_ms = step_may_come_until(&step->calls.reset);
    if (now_ms < stop_ms) {
        step_wake_at(effects, stop_ms);
        if (step->calls.stop.state == STEP_CALL_TASK)
            step_read_task(step, effects, &step->calls.stop, now_ms);
        else
            (void)step_ask(step, effects, ASK_TASKS, now_ms);
    }
    if (now_ms < reset_ms) {
        step_wake_at(effects, reset_ms);
        if (step->calls.reset.state == STEP_CALL_TASK)
            step_read_task(step, effects, &step->calls.reset, now_ms);
    }
    if (former) {
        step_wake_at(effects, former->sent_ms + CALLS_OPEN_MS);
        step_read_former_task(step, effects, former, now_ms);
    }
    return now_ms < stop_ms || now_ms < reset_ms || former;
}

/* A read that was asked for after the last word on the start, or, before there was one, after the proof or
 * the request. */
static bool fresh_status(const struct step *step)
{
    int64_t since_ms = step->course.verified_ms ? step->course.verified_ms : step->course.floor_ms;
    if (step->calls.start.sent > 0 && step->calls.start.settled_ms > since_ms)
        since_ms = step->calls.start.settled_ms;
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
    if (step->asks[ASK_POWER].busy || step->calls.start.state == STEP_CALL_TASK || !step->course.may_send)
        return false;
    /* after a proof of off the start goes at once; else the state is read first */
    bool proven = step->course.verified_ms && step->calls.start.sent == 0;
    if (!proven && (!fresh_status(step) || step->read.status.running))
        return false;
    if (!step_may_send(step, effects, &step->calls.start, now_ms))
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
    int64_t since_ms = step->course.verified_ms ? step->course.verified_ms : step->course.floor_ms;
    if (step->read.known && step->read.asked_ms >= since_ms && step->read.status.running &&
        (!step->ha.managed || step_ha_keeps_running(step))) {
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

    if (step->calls.start.state == STEP_CALL_TASK)
        step_read_task(step, effects, &step->calls.start, now_ms);
    /* while our start is on its way nothing is to be learnt from the guest */
    if (step->calls.start.state != STEP_CALL_SENDING)
        step_read_status(step, effects, now_ms);
}
