/*
 * Events become facts here (what concerns a power call: in step_power.c); what the facts call for is decided
 * in step_off.c, step_on.c, step_ha.c and step_dead.c. What proves off is in proof.c.
 */
#include "fence/step.h"

#include "fence/step_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what the files share ---- */

void step_note(struct step_effects *effects, const char *format, ...)
{
    va_list arguments;
    if (effects->note_count == STEP_NOTES_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(effects->notes[effects->note_count++], STEP_NOTE_LEN, format, arguments);
    va_end(arguments);
}

void step_end(struct step *step, struct step_effects *effects, enum operation_outcome outcome)
{
    step->phase = STEP_ENDED;
    effects->ended = true;
    effects->outcome = outcome;
}

void step_fail(struct step *step, struct step_effects *effects, const struct error *error)
{
    if (step->phase == STEP_WATCHING) { /* it is done, and answered */
        step_note(effects, "no longer watched: %s", error->message);
        step_end(step, effects, OPERATION_DONE);
        return;
    }
    effects->error = *error;
    /* what was asked of a reboot is proven already: only its power-on failed */
    bool power_on = step->params.action == FENCE_REBOOT && step->course.verified_ms;
    step_end(step, effects, power_on ? OPERATION_DONE : OPERATION_FAILED);
}

void step_verify(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step->course.verified_ms = now_ms;
    effects->verified = true;
    if (step->params.action != FENCE_ON)
        calls_prove_off(&step->calls, now_ms);
}

void step_wake_at(struct step_effects *effects, int64_t at_ms)
{
    if (effects->wake_ms == 0 || at_ms < effects->wake_ms)
        effects->wake_ms = at_ms;
}

void step_lose_node(struct step *step, int64_t now_ms)
{
    if (step->place.node[0])
        memcpy(step->place.lost_node, step->place.node, sizeof(step->place.lost_node));
    step->place.node[0] = '\0';
    step->read.known = false;
    step->seen.running_ms = 0;
    step->seen.running = false;
    step->seen.devices &= step->ha.managed; /* its devices go with it when HA moves it */
    step->seen.stopped_ms = 0;
    step->seen.idle = false;
    step->seen.idle_ms = 0;
    step->ha.stopping = false;
    step->death = (struct step_death){0};
    struct call *stop = calls_own(&step->calls, STEP_SEND_STOP);
    if (stop && stop->state == CALL_OK && !step->ha.managed) /* elsewhere it proves nothing (point 4) */
        stop->state = CALL_FAILED;
    ask_not_before(&step->asks[ASK_PLACE], now_ms);
}

bool step_locked(struct step *step, struct step_effects *effects, const char *lock, int64_t now_ms,
                 int64_t patience_ms)
{
    struct error error = {0};
    const char *kind = step->params.type == PVE_LXC ? "ct" : "vm";
    if (strcmp(step->lock.name, lock) != 0 || !step->lock.since_ms) {
        snprintf(step->lock.name, sizeof(step->lock.name), "%s", lock);
        step->lock.since_ms = now_ms;
        step_note(effects, "locked (%s) on %s", lock, step_host(step));
    }
    bool suspended = strcmp(lock, "suspended") == 0 || strcmp(lock, "suspending") == 0;
    error_set(&error, suspended ? ERROR_SUSPENDED : ERROR_LOCKED, "guest %d is locked (%s) on %s",
              step->params.vmid, lock, step_host(step));
    error_hint(&error,
               "see what holds it in the task log of %s; if nothing does any more, run there: %s unlock %d",
               step_host(step), kind[0] == 'c' ? "pct" : "qm", step->params.vmid);
    step->trouble.error = error;
    if (strcmp(lock, "migrate") == 0) { /* it ends by itself, and maybe on another host */
        step->asks[ASK_POWER].next_ms = now_ms + STEP_MIGRATION_MS;
        step->asks[ASK_PLACE].next_ms = now_ms + STEP_MIGRATION_MS;
        step_lose_node(step, now_ms);
        return false;
    }
    if (now_ms - step->lock.since_ms >= patience_ms) {
        step_fail(step, effects, &error);
        return true;
    }
    ask_not_before(&step->asks[ASK_POWER], now_ms + STEP_SLOW_READ_MS);
    return false;
}

const char *step_host(const struct step *step)
{
    return step->place.node[0] ? step->place.node : "an unknown host";
}

bool step_ask(struct step *step, struct step_effects *effects, enum ask_kind kind, int64_t now_ms)
{
    struct ask *ask = &step->asks[kind];
    bool begun = ask_begin(ask, now_ms);
    if (begun)
        effects->ask[kind] = true;
    else if (!ask->busy)
        step_wake_at(effects, ask->next_ms);
    return begun;
}

void step_read_status(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (!step_ask(step, effects, ASK_STATUS, now_ms) || step->read.known)
        return;
    step->read.slow_ms = now_ms + STEP_SLOW_READ_MS;
    step_wake_at(effects, step->read.slow_ms);
}

/* ---- events to facts ---- */

/* From when on a read counts as asked for after this event: one that is under way was asked for before it,
 * be it in the same millisecond. */
int64_t step_after(int64_t now_ms, bool under_way)
{
    return now_ms + under_way;
}

void step_read_status_now(struct step *step, int64_t now_ms)
{
    step->asks[ASK_STATUS].next_ms = now_ms;
    step->read.since_ms = now_ms;
}

bool step_refused_credentials(struct step *step, struct step_effects *effects,
                              const struct api_result *result, int64_t now_ms)
{
    bool no_login = result->outcome == API_UNSENT && result->error.code == ERROR_NO_SESSION;
    if (!no_login)
        step->trouble.refused_since_ms = 0;
    else if (!step->trouble.refused_since_ms)
        step->trouble.refused_since_ms = now_ms;
    if (result->http_status != 401)
        step->trouble.refusals = 0;
    else
        step->trouble.refusals++;
    bool lasting = no_login && now_ms - step->trouble.refused_since_ms >= STEP_REFUSED_MS;
    if (step->trouble.refusals < STEP_REFUSALS_MAX && !lasting)
        return false;
    step_fail(step, effects, &result->error);
    return true;
}

void step_missed(struct step *step, const struct api_result *result)
{
    bool answered = result->outcome == API_REFUSED && result->http_status < 595;
    if (answered || step->trouble.error.code != ERROR_MINORITY)
        step->trouble.error = result->error;
}

static void on_status_failed(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    const struct api_result *result = event->result;
    char lock[PVE_LOCK_MAX];
    step->asks[ASK_STATUS].next_ms = event->now_ms + STEP_SLOW_READ_MS;
    if (step_refused_credentials(step, effects, result, event->now_ms))
        return;
    if (result->outcome == API_OK) { /* not this guest's status, or none at all */
        error_set(&step->trouble.error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, step->params.vmid);
        return;
    }
    step_missed(step, result);
    /* the way to a dead host can take longer than we wait, and its own endpoint, asked last, hides what the
     * others said */
    if (result->outcome != API_REFUSED) {
        step->place.suspect = true;
        return;
    }
    if (result->http_status == 403) {
        step_fail(step, effects, &result->error);
        return;
    }
    if (result->http_status >= 595)
        step->place.suspect = true;
    else if (api_classify(result->reason, lock) == PVE_REFUSAL_MOVED)
        step_lose_node(step, event->now_ms);
}

/* What a fence takes beyond the guest's own time is mostly this gap, so it is a share of that time. A host
 * that answers slowly gets as much rest as it took for the answer. */
static int64_t status_gap(const struct step *step, const struct api_result *result)
{
    int64_t waited_ms = result->received_ms - step->read.since_ms;
    int64_t gap_ms = waited_ms / STEP_STATUS_SHARE, soon_ms = waited_ms / 2;
    int64_t took_ms = result->asked_ms >= step->read.since_ms ? result->received_ms - result->asked_ms : 0;
    gap_ms = took_ms > gap_ms ? took_ms : gap_ms;
    soon_ms = soon_ms > STEP_STATUS_FIRST_MS ? soon_ms : STEP_STATUS_FIRST_MS;
    soon_ms = soon_ms < STEP_STATUS_SOON_MS ? soon_ms : STEP_STATUS_SOON_MS;
    gap_ms = gap_ms > soon_ms ? gap_ms : soon_ms;
    return gap_ms < STEP_STATUS_LAST_MS ? gap_ms : STEP_STATUS_LAST_MS;
}

/* A power call was refused for a lock: while reads show it another one would be refused, too. True: nothing
 * else is to be learnt from this read. */
static bool is_held_by_lock(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->read.status.lock[0] == '\0') {
        if (step->lock.read)
            step->asks[ASK_POWER].next_ms = now_ms;
        step->lock.since_ms = 0; /* another lock, later, has a patience of its own */
        step->lock.read = false;
        return false;
    }
    if (!step->lock.since_ms || step->ha.managed ||
        (step->phase != STEP_POWERING_ON && !step->read.status.running))
        return false;
    step->lock.read = true;
    return step_locked(step, effects, step->read.status.lock, now_ms,
                       step->course.verified_ms ? INT64_MAX : step->params.lock_wait_ms) ||
           !step->place.node[0];
}

static void on_status(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    step->read.slow_ms = 0;
    if (!step->place.node[0] || !event->node || strcmp(event->node, step->place.node) != 0)
        return; /* the guest is sought elsewhere by now */
    if (event->result->outcome != API_OK || !event->decoded || event->status.vmid != step->params.vmid) {
        on_status_failed(step, effects, event);
        return;
    }
    step->trouble.refusals = 0;
    step->place.suspect = false;
    step->read.known = true;
    step->read.status = event->status;
    step->read.asked_ms = event->result->asked_ms;
    step->read.received_ms = event->result->received_ms;
    if (step->read.status.running)
        step->seen.running_ms = step->read.asked_ms;
    step->params.template |= step->read.status.template;
    step_ha_status(step, effects);
    step->asks[ASK_STATUS].next_ms = event->now_ms + status_gap(step, event->result);
    if (!is_held_by_lock(step, effects, event->now_ms))
        step_off_status(step, effects);
}

static void on_located(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    struct error error = {0};
    step->asks[ASK_PLACE].next_ms = event->now_ms + STEP_MIGRATION_MS;
    if (step_refused_credentials(step, effects, event->result, event->now_ms))
        return;
    if (event->result->outcome != API_OK || !event->decoded) {
        step_missed(step, event->result);
        return;
    }
    if (!event->node) {
        error_set(&error, ERROR_UNKNOWN_PLUG, "Proxmox does not list guest %d any more", step->params.vmid);
        error_hint(&error, "was it destroyed, or was VM.Audit on /vms/%d taken away?", step->params.vmid);
        step_fail(step, effects, &error);
        return;
    }
    if (step_dead_listed(step, event))
        return;
    step_ha_listed(step, effects, event);
    if (strcmp(step->place.node, event->node) == 0)
        return; /* asked for its HA state only */
    if (step->place.node[0])
        memcpy(step->place.lost_node, step->place.node, sizeof(step->place.lost_node));
    snprintf(step->place.node, sizeof(step->place.node), "%s", event->node);
    step->params.type = event->type;
    step->place.offline = step->place.suspect = false;
    step->death = (struct step_death){0};
    step_note(effects, "located on %s", step->place.node);
    step_power_located(step, event->now_ms);
    step_read_status_now(step, event->now_ms);
}

/* Not of now: one that waited, or was repeated after a restart, is as old as it was (P4). */
static void on_joined(struct step *step, const struct step_event *event)
{
    if (step->course.not_before_ms < step_after(event->asked_ms, step->asks[ASK_STATUS].busy))
        step->course.not_before_ms = step_after(event->asked_ms, step->asks[ASK_STATUS].busy);
    step->params.deadline_ms = event->deadline_ms;
    step->course.no_asker = false;
}

static void take_event(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    if (event->kind >= STEP_EVENT_POWER)
        step->asks[event->kind - STEP_EVENT_POWER].busy = false;
    switch (event->kind) {
    case STEP_EVENT_BEGIN:
    case STEP_EVENT_WAKE:
        break;
    case STEP_EVENT_INTENT:
        step->course.may_send = true;
        break;
    case STEP_EVENT_JOINED:
        on_joined(step, event);
        break;
    case STEP_EVENT_DESERTED:
        step_desert(step);
        break;
    case STEP_EVENT_ASKED_AGAIN:
        step->course.no_asker = false;
        break;
    case STEP_EVENT_YIELD:
        step_yield(step, effects);
        break;
    case STEP_EVENT_LEAVE_OFF:
        if (step_can_leave_off(step))
            step_leave_off(step, effects, "a newer request is to power it off");
        break;
    case STEP_EVENT_POWER:
        step_power_answered(step, effects, event);
        break;
    case STEP_EVENT_STATUS:
        on_status(step, effects, event);
        break;
    case STEP_EVENT_TASK:
        step_power_task(step, effects, event);
        break;
    case STEP_EVENT_TASKS:
        step_take_tasks(step, effects, event);
        break;
    case STEP_EVENT_HOSTS:
        step_off_hosts(step, effects, event);
        break;
    case STEP_EVENT_LOCATED:
        on_located(step, effects, event);
        break;
    }
}

/* ---- facts to effects ---- */

static void miss_deadline(struct step *step, struct step_effects *effects)
{
    struct error error = {0};
    step_off_deadline(step, &error);
    step_fail(step, effects, &error);
}

/* Rule 8: it never runs, so nothing needs to be done, nor can be. */
static void refuse_template(struct step *step, struct step_effects *effects)
{
    struct error error = {0};
    error_set(&error, ERROR_TEMPLATE, "guest %d is a template; it never runs", step->params.vmid);
    step_fail(step, effects, &error);
}

int64_t step_deadline(const struct step *step)
{
    if (step->phase == STEP_WATCHING || step->course.repaired_ms)
        return step->course.watch_until_ms + STEP_START_ROOM_MS;
    return step->phase == STEP_POWERING_ON ? step_on_deadline(step) : step->params.deadline_ms;
}

static void decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->params.template) {
        refuse_template(step, effects);
        return;
    }
    int64_t deadline_ms = step_deadline(step);
    if (now_ms >= deadline_ms) {
        miss_deadline(step, effects);
        return;
    }
    step_wake_at(effects, deadline_ms);

    if (!step->place.node[0]) {
        (void)step_ask(step, effects, ASK_PLACE, now_ms);
        return;
    }
    enum step_phase phase = step->phase;
    if (phase == STEP_POWERING_OFF)
        step_off_decide(step, effects, now_ms);
    else if (phase == STEP_CYCLING)
        step_cycle_decide(step, effects, now_ms);
    if (step->phase == STEP_POWERING_ON)
        step_on_decide(step, effects, now_ms);
    else if (step->phase == STEP_POWERING_OFF && phase == STEP_CYCLING)
        step_off_decide(step, effects, now_ms);
    if (step->phase == STEP_WATCHING)
        step_watch_decide(step, effects, now_ms);
}

void step_handle(struct step *step, const struct step_event *event, struct step_effects *effects)
{
    *effects = (struct step_effects){0};
    if (step->phase != STEP_ENDED)
        take_event(step, effects, event);
    if (step->phase != STEP_ENDED)
        decide(step, effects, event->now_ms);
    effects->with_hosts = effects->ask[ASK_PLACE] && step->death.told_ms && step->death.word.trusted;
    effects->node = step->place.node;
    effects->type = step->params.type;
    effects->state = step_state(step);
}

void step_begin(struct step *step, const struct step_params *params)
{
    *step = (struct step){.params = *params};
    if (params->node)
        snprintf(step->place.node, sizeof(step->place.node), "%s", params->node);
    step->params.node = NULL;
    step->seen.devices = params->shows_devices;
    step->calls.since_realtime_ms = params->begun_realtime_ms; /* its request may have waited its turn */
    step->ha.managed = params->ha_managed;
    step->place.suspect = params->node_offline && params->node;
    step->course.not_before_ms = params->newest_ms ? params->newest_ms : params->requested_ms;
    step->read.since_ms = params->begun_ms ? params->begun_ms : params->requested_ms;
    step->asks[ASK_TASK].gap_ms = STEP_STATUS_FIRST_MS;
    if (params->action == FENCE_ON)
        step->phase = STEP_POWERING_ON;
    else if (params->action == FENCE_REBOOT && params->method == FENCE_CYCLE && params->type == PVE_QEMU)
        step->phase = STEP_CYCLING; /* a container has no reset: it is powered off and on */
    else
        step->phase = STEP_POWERING_OFF;
}

bool step_can_join(const struct step *step)
{
    if (step->phase == STEP_CYCLING) /* a reset sent before the newcomer asked is not the newcomer's */
        return calls_sent(&step->calls, STEP_SEND_RESET) == 0;
    return step->phase != STEP_ENDED && !step->course.verified_ms;
}

void step_desert(struct step *step)
{
    step->course.no_asker = true;
}

bool step_is_powering_on_again(const struct step *step)
{
    return step->phase == STEP_POWERING_ON && step->params.action == FENCE_REBOOT && step->course.verified_ms;
}

bool step_can_leave_off(const struct step *step)
{
    return step->phase == STEP_POWERING_ON && calls_sent(&step->calls, STEP_SEND_START) == 0 &&
           (step_is_powering_on_again(step) || step->params.action == FENCE_ON);
}

enum operation_state step_state(const struct step *step)
{
    if (step->phase == STEP_ENDED)
        return OPERATION_ENDED;
    if (step->phase == STEP_WATCHING)
        return OPERATION_WATCHING;
    if (!step->place.node[0])
        return OPERATION_LOCATING;
    if (step->phase == STEP_POWERING_ON)
        return OPERATION_STARTING;
    return step->seen.off ? OPERATION_VERIFYING : OPERATION_STOPPING;
}
