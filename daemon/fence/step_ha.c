/*
 * Guests of Proxmox HA (rule 5): power calls go to a manager that takes them in a second and acts on them
 * when its turn comes. What its service's state says of a guest, when it may be asked, and when it is waited
 * for. It refuses to believe a task's OK: that says only that the request was written down.
 */
#include "fence/step_private.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *state, const char *name)
{
    return strcmp(state, name) == 0;
}

/* A request would be dropped now, and the manager may bring the guest up elsewhere: it ends by itself. */
static bool drops_requests(const char *state)
{
    return is(state, "fence") || is(state, "recovery") || is(state, "migrate") || is(state, "relocate");
}

static bool recovers(const char *state)
{
    return is(state, "fence") || is(state, "recovery");
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
    step->ha.managed = managed;
    step->ha.changed |= step->calls.stop.sent > 0 || step->params.killing_since_ms;
    step->ha.calm_ms = 0;
    step_note(effects, managed ? "managed by Proxmox HA" : "not managed by Proxmox HA");
    /* what the other one was told is no proof; it may still come */
    if (step->calls.stop.state == STEP_CALL_OK)
        step_settle(step, &step->calls.stop, STEP_CALL_FAILED, now_ms);
    else if (step->calls.stop.state == STEP_CALL_TASK)
        step_settle(step, &step->calls.stop, STEP_CALL_OPEN, now_ms);
    step->ha.taken_ms = 0;
    step->ha.moved = step->ha.stopping = false;
    step->place.offline = false;
}

void step_ha_refused(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step_ha_managed(step, effects, true, now_ms);
    if (step->calls.stop.tasks == 0) /* no stop of ours has reached the guest's host */
        step->ha.changed &= step->params.killing_since_ms != 0;
}

/* Its host stops a service in request_stop, which the manager leaves when it has stopped, and in stopped,
 * where one that runs is an exception. */
bool step_ha_is_calm(const struct pve_status *status)
{
    return status->ha_managed && status->running && is(status->ha_state, "started");
}

/* A fresh status came in. */
void step_ha_status(struct step *step, struct step_effects *effects)
{
    const char *state = step->read.status.ha_state;
    step_ha_managed(step, effects, step->read.status.ha_managed, step->read.received_ms);
    step->place.offline = false;
    if (!step->ha.managed)
        return;
    step->ha.moved |= !is(state, "stopped");
    step->ha.fenced = false;
    /* in this state, too, its host stops what runs, and goes on when the manager is asked to start it */
    step->ha.unasked |= is(state, "stopped") && step->read.status.running;
    if (step_ha_is_calm(&step->read.status) && !step->ha.changed && !step->ha.unasked)
        step->ha.calm_ms = step->read.asked_ms;
    step->ha.stopping = is(state, "request_stop") && (step->read.status.running || step->ha.stopping);
}

/* What a task there was about is not told any more. */
static void leave_host(struct step *step, int64_t now_ms)
{
    struct step_call *calls[] = {&step->calls.stop, &step->calls.start};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i]->state == STEP_CALL_TASK && strcmp(calls[i]->node, step->place.node) == 0)
            step_settle(step, calls[i], STEP_CALL_OPEN, now_ms);
    }
}

/* It is not where it was. Nothing of it is left on a host that HA has fenced: that has reset itself before
 * the guest's configuration leaves it. */
static void is_listed_elsewhere(struct step *step, int64_t now_ms)
{
    if (step->ha.fenced) {
        step->params.killing_since_ms = 0;
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
    snprintf(step->ha.listed, sizeof(step->ha.listed), "%s", event->ha_state ? event->ha_state : "");
    step->ha.listed_ms = event->result->asked_ms;
    if (strcmp(step->place.node, event->node) != 0)
        is_listed_elsewhere(step, event->now_ms);
    else
        step->ha.fenced |= step->ha.managed && step->place.offline && recovers(step->ha.listed);
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

enum proof_ha_state step_ha_state(const struct step *step)
{
    const char *state = step->read.status.ha_state;
    return is(state, "stopped")        ? PROOF_HA_STOPPED
           : is(state, "request_stop") ? PROOF_HA_REQUEST_STOP
                                       : PROOF_HA_OTHER;
}

bool step_ha_keeps_running(const struct step *step)
{
    return !is(step->read.status.ha_state, "request_stop") && !is(step->read.status.ha_state, "stopped");
}

enum error_code step_ha_hopeless(const char *state)
{
    return *state == '\0'        ? ERROR_HA_UNSERVED
           : is(state, "error")  ? ERROR_HA_ERROR
           : is(state, "freeze") ? ERROR_HA_FROZEN
                                 : ERROR_NONE;
}

/* A request would be lost, or ruin the service: true if the operation ended for it. */
static bool is_hopeless(struct step *step, struct step_effects *effects, const char *state)
{
    struct error error = {0};
    enum error_code code = step_ha_hopeless(state);
    if (code == ERROR_NONE)
        return false;
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
    if (drops_requests(state)) {
        error_set(&step->trouble.error, ERROR_HA_MANAGED,
                  "its HA service is in the state %s, in which requests are lost", state);
        if (!step->ha.waits)
            step_note(effects, "waiting for the HA manager: its service is in the state %s", state);
        step->ha.waits = true;
        return false;
    }
    if (step->ha.waits)
        step->trouble.error = (struct error){0};
    step->ha.waits = false;
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
static bool is_being_done(const struct step_call *call, struct step_effects *effects, int64_t now_ms)
{
    int64_t until_ms = call->settled_ms + PROOF_HA_ROUND_MS;
    if (call->state != STEP_CALL_OK || now_ms >= until_ms)
        return false;
    step_wake_at(effects, until_ms);
    return true;
}

/* Is the manager at it, or done? The guest's next reads tell. */
static bool is_stopping(const struct step *step, const char *state)
{
    if (step->calls.stop.state != STEP_CALL_OK)
        return false;
    return is(state, "request_stop") ||
           (is(state, "stopped") && !step->place.offline && !step->read.status.running);
}

static bool wants_stop(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    int64_t since_ms = step->calls.stop.sent && step->calls.stop.settled_ms > step->course.floor_ms
                           ? step->calls.stop.settled_ms
                           : step->course.floor_ms;
    const char *state = service_state(step, since_ms);
    if (!state || step->seen.off || step->asks[ASK_POWER].busy || !may_ask(step, effects, state, now_ms))
        return false;
    if (step->calls.stop.state == STEP_CALL_TASK || is_stopping(step, state) ||
        is_being_done(&step->calls.stop, effects, now_ms))
        return false;
    if (step->place.offline && !step->place.other[0])
        return false;
    if (!step_may_send(step, effects, &step->calls.stop, now_ms))
        return false;
    if (!step_is_late(step, now_ms))
        return true;
    if (step->place.offline) /* nobody can say since when it runs */
        return false;
    if (!step_ran_before(step, step->course.floor_ms)) {
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
    if (!step->seen.off)
        step_read_status(step, effects, now_ms);
    if (step->calls.stop.state == STEP_CALL_TASK)
        step_read_task(step, effects, &step->calls.stop, now_ms);
}

/* A service that is started is brought up by the manager itself; only one that is stopped is asked to start.
 */
static bool wants_start(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    int64_t since_ms = step->course.verified_ms ? step->course.verified_ms : step->course.floor_ms;
    if (step->calls.start.sent && step->calls.start.settled_ms > since_ms)
        since_ms = step->calls.start.settled_ms;
    const char *state = service_state(step, since_ms);
    if (!state || step->asks[ASK_POWER].busy || !may_ask(step, effects, state, now_ms))
        return false;
    if (!is(state, "stopped") || step->calls.start.state == STEP_CALL_TASK ||
        is_being_done(&step->calls.start, effects, now_ms) || (step->place.offline && !step->place.other[0]))
        return false;
    if (!step_may_send(step, effects, &step->calls.start, now_ms))
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
