/*
 * Guests of Proxmox HA (rule 5): power calls go to a manager that takes them in a second and acts on them
 * when its turn comes. When it may be asked, and when it is waited for. It refuses to believe a task's OK:
 * that says only that the request was written down.
 */
#include "fence/step_private.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *state, const char *name)
{
    return strcmp(state, name) == 0;
}

/* The state of the service by a word asked for since then: of the guest's host, or while that is offline of
 * the list of guests. NULL: there is none yet; "" : no manager serves it. */
static const char *service_state(const struct step *step, int64_t since_ms)
{
    if (step->place.offline)
        return step->ha.listed_ms >= since_ms ? step->ha.listed : NULL;
    bool known = step->read.known && step->read.asked_ms >= since_ms && step->read.status.ha_managed;
    return known ? step->read.status.ha_state : NULL;
}

void step_ha_managed(struct step *step, struct step_effects *effects, bool managed, int64_t now_ms)
{
    if (step->ha.managed == managed)
        return;
    ha_take_over(&step->ha, managed,
                 calls_sent(&step->calls, STEP_SEND_STOP) > 0 ||
                     calls_effect_ms(&step->calls, CALLS_INHERITED) != 0);
    step_note(effects, managed ? "managed by Proxmox HA" : "not managed by Proxmox HA");
    /* what the other one was told is no proof; it may still come */
    struct call *stop = calls_own(&step->calls, STEP_SEND_STOP);
    if (stop && stop->state == CALL_OK)
        step_settle(step, stop, CALL_FAILED, now_ms);
    else if (stop && stop->state == CALL_TASK)
        step_settle(step, stop, CALL_OPEN, now_ms);
    step->place.offline = false;
}

void step_ha_refused(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step_ha_managed(step, effects, true, now_ms);
    if (calls_left(&step->calls, STEP_SEND_STOP) == 0) /* no stop of ours has reached anybody */
        step->ha.changed &= calls_effect_ms(&step->calls, CALLS_INHERITED) != 0;
}

/* A fresh status came in. */
void step_ha_status(struct step *step, struct step_effects *effects)
{
    step_ha_managed(step, effects, step->read.status.ha_managed, step->read.received_ms);
    step->place.offline = false;
    if (step->ha.managed)
        ha_read(&step->ha, &step->read.status, step->read.asked_ms);
}

/* What a task there was about is not told any more. */
static void leave_host(struct step *step, int64_t now_ms)
{
    struct call *calls[] = {calls_own(&step->calls, STEP_SEND_STOP),
                            calls_own(&step->calls, STEP_SEND_START)};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i] && calls[i]->state == CALL_TASK && strcmp(calls[i]->node, step->place.node) == 0)
            step_settle(step, calls[i], CALL_OPEN, now_ms);
    }
}

/* It is not where it was. Nothing of it is left on a host that HA has fenced: that has reset itself before
 * the guest's configuration leaves it. */
static void is_listed_elsewhere(struct step *step, int64_t now_ms)
{
    if (step->ha.fenced) {
        calls_forget_effects(&step->calls, CALLS_INHERITED, INT64_MAX);
        step->ha.calm_ms = now_ms;
        step->ha.fenced = step->ha.changed = step->ha.unasked = false;
    }
    if (step->place.node[0]) { /* a dead host */
        leave_host(step, now_ms);
        step_lose_node(step, now_ms);
    }
}

void step_ha_listed(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    if (event->ha_state && !step->read.known && !step->ha.managed) /* its host has the last word */
        step_ha_managed(step, effects, true, event->now_ms);
    ha_list(&step->ha, event->ha_state ? event->ha_state : "", event->result->asked_ms);
    if (strcmp(step->place.node, event->node) != 0)
        is_listed_elsewhere(step, event->now_ms);
    else
        step->ha.fenced |= step->ha.managed && step->place.offline && !step_dead_disarmed(step) &&
                           (is(step->ha.listed, "fence") || is(step->ha.listed, "recovery"));
}

void step_ha_host_offline(struct step *step, struct step_effects *effects, const struct node_census *census,
                          int64_t now_ms)
{
    if (!step->place.offline)
        step_note(effects, "%s is offline: asking the HA manager at %s", step_host(step),
                  census->other[0] ? census->other : "no other host");
    leave_host(step, now_ms);
    step->place.offline = true;
    memcpy(step->place.other, census->other, sizeof(step->place.other));
    step->seen.off = false;
}

/* A request would be lost, or ruin the service: then none is sent, and the operation ends, if the guest can
 * not turn out to be off with its host. */
static bool is_hopeless(struct step *step, struct step_effects *effects, const char *state)
{
    struct error error = {0};
    enum error_code code = ha_hopeless(state);
    if (code == ERROR_NONE)
        return false;
    if (step_dead_is_waited_for(step))
        return true;
    if (step->place.offline &&
        code == ERROR_HA_UNSERVED) /* by the list that names no state: nor is it HA's */
        error_set(&error, ERROR_NODE_OFFLINE,
                  "the host %s of guest %d is offline, and no HA manager serves it", step_host(step),
                  step->params.vmid);
    else
        error_set(&error, code, "guest %d is managed by Proxmox HA, and %s%s: a request would be lost",
                  step->params.vmid, *state ? "its service is in the state " : "no manager serves it", state);
    step_fail(step, effects, &error);
    return true;
}

/* A service may change its state at any time: what is sent is decided on news. */
static bool is_recent(const struct step *step, int64_t now_ms)
{
    return step->place.offline ? now_ms - step->ha.listed_ms <= 2 * STEP_MIGRATION_MS
                               : step_is_news(step, now_ms);
}

/* May the manager be asked now? False also if the operation ended. */
static bool may_ask(struct step *step, struct step_effects *effects, const char *state, int64_t now_ms)
{
    if (is_hopeless(step, effects, state))
        return false;
    if (ha_drops_requests(state)) {
        error_set(&step->trouble.error, ERROR_HA_MANAGED,
                  "its HA service is in the state %s, in which requests are lost", state);
        if (!step->course.waits)
            step_note(effects, "waiting for the HA manager: its service is in the state %s", state);
        step->course.waits = true;
        return false;
    }
    if (step->course.waits)
        step->trouble.error = (struct error){0};
    step->course.waits = false;
    if (!is_recent(step, now_ms))
        return false;
    /* a stop that fails for a lock puts the service into error for good */
    if (!step->place.offline && step->read.status.lock[0]) {
        step_locked(step, effects, step->read.status.lock, now_ms,
                    step->course.verified_ms ? INT64_MAX : step->params.lock_wait_ms);
        return false;
    }
    return true;
}

/* The last request was taken, and the manager has its time to act on it. */
static bool is_being_done(const struct call *call, struct step_effects *effects, int64_t now_ms)
{
    int64_t until_ms = call->settled_ms + PROOF_HA_ROUND_MS;
    if (call->state != CALL_OK || now_ms >= until_ms)
        return false;
    step_wake_at(effects, until_ms);
    return true;
}

/* Is the manager at it, or done? The guest's next reads tell. */
static bool is_stopping(const struct step *step, const char *state)
{
    if (calls_last(&step->calls, STEP_SEND_STOP)->state != CALL_OK)
        return false;
    return is(state, "request_stop") ||
           (is(state, "stopped") && !step->place.offline && !step->read.status.running);
}

static bool wants_stop(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    const struct call *stop = calls_last(&step->calls, STEP_SEND_STOP);
    int64_t since_ms =
        stop->settled_ms > step->course.not_before_ms ? stop->settled_ms : step->course.not_before_ms;
    const char *state = service_state(step, since_ms);
    if (!state || step->seen.off || step->asks[ASK_POWER].busy || !may_ask(step, effects, state, now_ms))
        return false;
    if (stop->state == CALL_TASK || is_stopping(step, state) || is_being_done(stop, effects, now_ms))
        return false;
    if (step->place.offline && !step->place.other[0])
        return false;
    if (!step_may_send(step, effects, STEP_SEND_STOP, now_ms))
        return false;
    if (!step_is_late(step, now_ms))
        return true;
    if (step->place.offline) /* nobody can say since when it runs */
        return false;
    if (!step_ran_before(step, step->course.not_before_ms)) {
        step_abandon(step, effects);
        return false;
    }
    return true;
}

/* A guest whose host is gone is shown, and brought up, elsewhere. */
static void look_elsewhere(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->place.offline || step->place.suspect)
        (void)step_ask(step, effects, ASK_PLACE, now_ms);
}

/* The lock of a migration was read: it is looked for a little later. */
static bool lost_node(const struct step *step, struct step_effects *effects)
{
    if (step->place.node[0])
        return false;
    step_wake_at(effects, step->asks[ASK_PLACE].next_ms);
    return true;
}

void step_ha_off_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->course.may_send && wants_stop(step, effects, now_ms))
        step_send(step, effects, STEP_SEND_STOP, now_ms);
    if (step->phase == STEP_ENDED || lost_node(step, effects))
        return;
    step_read_hosts(step, effects, now_ms);
    look_elsewhere(step, effects, now_ms);
    step_dead_decide(step, effects, now_ms);
    if (!step->seen.off)
        step_read_status(step, effects, now_ms);
    if (calls_last(&step->calls, STEP_SEND_STOP)->state == CALL_TASK)
        step_read_task(step, effects, calls_last(&step->calls, STEP_SEND_STOP), now_ms);
}

/* A service that is started is brought up by the manager itself; only one that is stopped is asked to start.
 */
static bool wants_start(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    int64_t since_ms = step->course.verified_ms ? step->course.verified_ms : step->course.not_before_ms;
    const struct call *start = calls_last(&step->calls, STEP_SEND_START);
    if (start->settled_ms > since_ms)
        since_ms = start->settled_ms;
    const char *state = service_state(step, since_ms);
    if (!state || step->asks[ASK_POWER].busy || !may_ask(step, effects, state, now_ms))
        return false;
    if (!is(state, "stopped") || start->state == CALL_TASK || is_being_done(start, effects, now_ms) ||
        (step->place.offline && !step->place.other[0]))
        return false;
    if (!step_may_send(step, effects, STEP_SEND_START, now_ms))
        return false;
    return !step_is_held_back(step, effects, now_ms);
}

void step_ha_on_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->course.may_send && wants_start(step, effects, now_ms))
        step_send(step, effects, STEP_SEND_START, now_ms);
    if (step->phase != STEP_ENDED && !lost_node(step, effects))
        look_elsewhere(step, effects, now_ms);
}
