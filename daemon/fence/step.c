/*
 * Events become facts here; what the facts call for is decided in step_off.c, step_on.c and step_ha.c.
 *
 * The off-proof: a reply S of status/current from the guest's host proves "off" iff
 *  1. S was asked for after the request arrived, is the guest's, and says stopped;
 *  2. it shows no nics (containers: no traffic);
 *  3. its lock is none of migrate, suspended, suspending, rollback;
 *  4. this operation has read running from that host before, or our stop's task ended OK before S was asked
 * for;
 *  5. a list of the hosts asked for after S shows that host, and enough others, online;
 *  6. HA-managed: our hastop's task ended OK, and the service is stopped or being stopped (step_ha.c);
 *  7. the stop cannot have come to SIGKILL unless the guest showed nics while it ran.
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
    effects->error = *error;
    /* what was asked of a reboot is proven already: only its power-on failed */
    bool power_on = step->params.action == FENCE_REBOOT && step->verified_ms;
    step_end(step, effects, power_on ? OPERATION_DONE : OPERATION_FAILED);
}

void step_verify(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step->verified_ms = now_ms;
    effects->verified = true;
}

void step_wake_at(struct step_effects *effects, int64_t at_ms)
{
    if (effects->wake_ms == 0 || at_ms < effects->wake_ms)
        effects->wake_ms = at_ms;
}

void step_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    struct step_call *call = power == STEP_SEND_STOP    ? &step->stop
                             : power == STEP_SEND_START ? &step->start
                                                        : &step->reset;
    if (call->sent++ == 0)
        call->first_sent_ms = now_ms;
    call->tasks++;
    if (power == STEP_SEND_STOP)
        step->stops_settled = false; /* the list knew nothing of this one */
    call->last_sent_ms = now_ms;
    call->state = STEP_CALL_SENDING;
    call->upid[0] = '\0';
    memcpy(call->node, step->ha && step->host_offline ? step->other_host : step->node, sizeof(call->node));
    step->busy_power = true;
    step->sending = power;
    effects->send = power;
    effects->send_to = call->node;
    effects->by_ha = step->ha;
    effects->overrule_shutdown =
        power == STEP_SEND_STOP && step->params.release >= 802 && !step->no_overrule && !step->ha;
}

void step_lose_node(struct step *step, int64_t now_ms)
{
    step->node[0] = '\0';
    step->last_upid[0] = '\0';
    step->status_known = false;
    step->seen_running = false;
    step->seen_nics &= step->ha; /* its devices go with it when HA moves it */
    step->stopped_ms = 0;
    step->container_not_running = false;
    step->idle_container_ms = 0;
    step->off_read = false;
    step->ha_stopping_seen = false;
    if (step->stop.state == STEP_CALL_OK && !step->ha) /* elsewhere it proves nothing (point 4) */
        step->stop.state = STEP_CALL_FAILED;
    if (step->next_locate_ms < now_ms)
        step->next_locate_ms = now_ms;
}

void step_back_off(struct step *step, int64_t now_ms)
{
    step->next_power_ms = now_ms + step->resend_gap_ms;
    step->resend_gap_ms *= 2;
    if (step->resend_gap_ms > STEP_RESEND_LAST_MS)
        step->resend_gap_ms = STEP_RESEND_LAST_MS;
}

bool step_locked(struct step *step, struct step_effects *effects, const char *lock, int64_t now_ms,
                 int64_t patience_ms)
{
    struct error error = {0};
    const char *kind = step->params.type == PVE_LXC ? "ct" : "vm";
    if (strcmp(step->lock, lock) != 0 || !step->lock_since_ms) {
        snprintf(step->lock, sizeof(step->lock), "%s", lock);
        step->lock_since_ms = now_ms;
        step_note(effects, "locked (%s) on %s", lock, step_host(step));
    }
    bool suspended = strcmp(lock, "suspended") == 0 || strcmp(lock, "suspending") == 0;
    error_set(&error, suspended ? ERROR_SUSPENDED : ERROR_LOCKED, "guest %d is locked (%s) on %s",
              step->params.vmid, lock, step_host(step));
    error_hint(&error,
               "see what holds it in the task log of %s; if nothing does any more, run there: %s unlock %d",
               step_host(step), kind[0] == 'c' ? "pct" : "qm", step->params.vmid);
    step->last_error = error;
    if (strcmp(lock, "migrate") == 0) { /* it ends by itself, and maybe on another host */
        step->next_power_ms = now_ms + STEP_MIGRATION_MS;
        step->next_locate_ms = now_ms + STEP_MIGRATION_MS;
        step_lose_node(step, now_ms);
        return false;
    }
    if (now_ms - step->lock_since_ms >= patience_ms) {
        step_fail(step, effects, &error);
        return true;
    }
    step->next_power_ms = now_ms + STEP_SLOW_READ_MS;
    return false;
}

const char *step_host(const struct step *step)
{
    return step->node[0] ? step->node : "an unknown host";
}

void step_read_status(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->busy_status)
        return;
    if (now_ms < step->next_status_ms) {
        step_wake_at(effects, step->next_status_ms);
        return;
    }
    effects->read_status = step->busy_status = true;
    if (step->status_known)
        return;
    step->slow_status_ms = now_ms + STEP_SLOW_READ_MS;
    step_wake_at(effects, step->slow_status_ms);
}

void step_read_task(struct step *step, struct step_effects *effects, const struct step_call *call,
                    int64_t now_ms)
{
    if (step->busy_task)
        return;
    if (now_ms >= step->next_task_ms) {
        effects->read_task = step->busy_task = true;
        effects->upid = call->upid;
    } else {
        step_wake_at(effects, step->next_task_ms);
    }
}

/* ---- events to facts ---- */

static struct step_call *sent_call(struct step *step)
{
    switch (step->sending) {
    case STEP_SEND_START:
        return &step->start;
    case STEP_SEND_RESET:
        return &step->reset;
    case STEP_SEND_STOP:
    case STEP_SEND_NONE:
        break;
    }
    return &step->stop;
}

static const char *call_name(const struct step *step, const struct step_call *call)
{
    return call == &step->start ? "start" : call == &step->reset ? "reset" : "stop";
}

/* It went to a host that the guest is not on, as we know by now: there it can only fail. The HA manager is
 * the same on every host. */
static bool went_elsewhere(const struct step *step, const struct step_call *call)
{
    return !step->ha && step->node[0] && strcmp(step->node, call->node) != 0;
}

/* From when on a read counts as asked for after this event: one that is under way was asked for before it,
 * be it in the same millisecond. */
static int64_t after(int64_t now_ms, bool under_way)
{
    return now_ms + under_way;
}

void step_settle(const struct step *step, struct step_call *call, enum step_call_state state, int64_t now_ms)
{
    call->state = state;
    call->settled_ms = after(now_ms, step->busy_status);
    if (state == STEP_CALL_OPEN) {
        call->open++;
        call->last_open_ms = now_ms;
    }
}

/* The call was certainly not carried out, and made no task: nobody will find it in a task list. */
static void settle_unmade(const struct step *step, struct step_call *call, int64_t now_ms)
{
    step_settle(step, call, STEP_CALL_FAILED, now_ms);
    call->tasks--;
}

static void read_status_now(struct step *step, int64_t now_ms)
{
    step->next_status_ms = now_ms;
    step->reads_since_ms = now_ms;
}

/* Proxmox does not take our credentials, and the session could not mend that: three 401s in a row (of 3 s
 * each) are its word, as is a refused login that is still refused after STEP_REFUSED_MS; one may be a bad
 * moment. */
static bool refused_credentials(struct step *step, struct step_effects *effects,
                                const struct api_result *result, int64_t now_ms)
{
    bool no_login = result->outcome == API_UNSENT && result->error.code == ERROR_NO_SESSION;
    if (!no_login)
        step->refused_since_ms = 0;
    else if (!step->refused_since_ms)
        step->refused_since_ms = now_ms;
    if (result->http_status != 401)
        step->refusals = 0;
    else
        step->refusals++;
    bool lasting = no_login && now_ms - step->refused_since_ms >= STEP_REFUSED_MS;
    if (step->refusals < STEP_REFUSALS_MAX && !lasting)
        return false;
    step_fail(step, effects, &result->error);
    return true;
}

/* Proxmox's words on why a power call did not work, from its answer or from its task. Sets the call's state.
 */
static void take_refusal(struct step *step, struct step_effects *effects, struct step_call *call,
                         const char *words, bool in_task, int64_t now_ms)
{
    struct error error = {0};
    char lock[PVE_LOCK_MAX];
    enum pve_refusal refusal = api_classify(words, lock);

    error_set(&error, ERROR_TASK_FAILED, "%s of guest %d on %s failed: %s", call_name(step, call),
              step->params.vmid, step_host(step), words);
    step->last_error = error;
    /* a server error of unknown kind may hide a call that was carried out (rule 6) */
    if (in_task)
        step_settle(step, call, STEP_CALL_FAILED, now_ms);
    else if (refusal == PVE_REFUSAL_OTHER)
        step_settle(step, call, STEP_CALL_OPEN, now_ms);
    else
        settle_unmade(step, call, now_ms);
    step_note(effects, "%s failed: %.120s", call_name(step, call), words);
    read_status_now(step, now_ms);

    switch (refusal) {
    case PVE_REFUSAL_MOVED:
        call->tasks -= in_task; /* it is in another host's list */
        step_lose_node(step, now_ms);
        step->next_power_ms = now_ms;
        return;
    case PVE_REFUSAL_LOCKED:
        step_locked(step, effects, lock[0] ? lock : "unknown", now_ms,
                    step->verified_ms ? INT64_MAX : step->params.lock_wait_ms);
        return;
    case PVE_REFUSAL_BUSY: /* Proxmox has waited 10 s for the lock file already */
        step->next_power_ms = now_ms;
        return;
    case PVE_REFUSAL_NOT_RUNNING:
        /* containers only: proves nothing by itself, a host that does not have it says the same */
        step->container_not_running = step->params.type == PVE_LXC && call == &step->stop;
        step_back_off(step, now_ms);
        return;
    case PVE_REFUSAL_TEMPLATE:
        error_set(&error, ERROR_TEMPLATE, "%s", error.message);
        step_fail(step, effects, &error);
        return;
    case PVE_REFUSAL_HA:
        step_ha_refused(step, effects, now_ms);
        step_back_off(step, now_ms);
        return;
    case PVE_REFUSAL_OTHER:
    case PVE_REFUSAL_RUNNING:
    case PVE_REFUSAL_NO_QUORUM:
    case PVE_REFUSAL_PERMISSION:
        break;
    }
    step_back_off(step, now_ms);
}

/* A 4xx: hopeless, but for a parameter that an older Proxmox does not know. */
static void take_client_error(struct step *step, struct step_effects *effects, struct step_call *call,
                              const struct api_result *result, int64_t now_ms)
{
    struct json_object *ignored = NULL;
    settle_unmade(step, call, now_ms);
    step->last_error = result->error;
    if (result->http_status == 401) {
        step_back_off(step, now_ms);
        return;
    }
    if (result->http_status == 400 && result->errors && !step->no_overrule &&
        json_object_object_get_ex(result->errors, "overrule-shutdown", &ignored)) {
        char lock[PVE_LOCK_MAX];
        const char *words = json_object_get_string(ignored);
        if (api_classify(words ? words : "", lock) == PVE_REFUSAL_HA) {
            take_refusal(step, effects, call, words, true, now_ms);
            return;
        }
        step->no_overrule = true;
        step->next_power_ms = now_ms;
        read_status_now(step, now_ms);
        return;
    }
    step_note(effects, "%s refused: %d %.100s", call_name(step, call), result->http_status, result->reason);
    step_fail(step, effects, &result->error);
}

static void take_task(struct step *step, struct step_effects *effects, struct step_call *call,
                      const struct step_event *event)
{
    if (event->upid[0]) {
        /* the task's type stands there: hastop, hastart */
        step_ha_managed(step, effects, strstr(event->upid, ":hast") != NULL, event->now_ms);
        call->state = STEP_CALL_TASK;
        snprintf(call->upid, sizeof(call->upid), "%s", event->upid);
        memcpy(step->last_upid, call->upid, sizeof(step->last_upid));
        step->next_task_ms = event->now_ms;
        step->task_gap_ms = STEP_STATUS_FIRST_MS;
        step_note(effects, "%s sent to %s", call_name(step, call), call->node);
    } else {
        step_settle(step, call, STEP_CALL_OPEN, event->now_ms);
        step_note(effects, "%s: the answer names no task", call_name(step, call));
        step_back_off(step, event->now_ms);
    }
    read_status_now(step, event->now_ms);
}

static void on_power(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    const struct api_result *result = event->result;
    struct step_call *call = sent_call(step);
    int64_t now = event->now_ms;
    const char *name = call_name(step, call);
    step->busy_power = false;

    if (refused_credentials(step, effects, result, now))
        return;
    if (went_elsewhere(step, call)) {
        settle_unmade(step, call, now); /* if it made one, that is in another host's list */
        step_note(effects, "%s went to %s, but the guest is on %s", name, call->node, step_host(step));
        return;
    }
    switch (result->outcome) {
    case API_OK:
        take_task(step, effects, call, event);
        break;
    case API_REFUSED:
        if (result->http_status < 500) {
            take_client_error(step, effects, call, result, now);
        } else if (result->http_status == 595) { /* nobody reached the guest's host */
            settle_unmade(step, call, now);
            step->last_error = result->error;
            step->host_suspect = true;
            step_note(effects, "%s: %s could not be reached by %s", name, step_host(step),
                      result->endpoint_text);
            step_back_off(step, now);
        } else {
            take_refusal(step, effects, call, result->reason, false, now);
        }
        break;
    case API_LOST:
        step_settle(step, call, STEP_CALL_OPEN, now);
        step->last_error = result->error;
        step_note(effects, "%s: no answer from %s, reading the state", name, result->endpoint_text);
        read_status_now(step, now);
        if (call == &step->stop && !step->lost_before) {
            step->lost_before = true;
            step->next_power_ms = now + STEP_RESEND_LOST_MS;
        } else {
            step_back_off(step, now);
        }
        break;
    case API_UNSENT:
        settle_unmade(step, call, now);
        call->sent--; /* nothing was written */
        step->last_error = result->error;
        step_note(effects, "%s could not be sent: %.140s", name, result->error.message);
        step_back_off(step, now);
        break;
    }
}

static void on_status_failed(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    const struct api_result *result = event->result;
    char lock[PVE_LOCK_MAX];
    step->next_status_ms = event->now_ms + STEP_SLOW_READ_MS;
    if (refused_credentials(step, effects, result, event->now_ms))
        return;
    if (result->outcome == API_OK) { /* not this guest's status, or none at all */
        error_set(&step->last_error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, step->params.vmid);
        return;
    }
    step->last_error = result->error;
    /* the way to a dead host can take longer than we wait, and its own endpoint, asked last, hides what the
     * others said */
    if (result->outcome != API_REFUSED) {
        step->host_suspect = true;
        return;
    }
    if (result->http_status == 403) {
        step_fail(step, effects, &result->error);
        return;
    }
    if (result->http_status >= 595)
        step->host_suspect = true;
    else if (api_classify(result->reason, lock) == PVE_REFUSAL_MOVED)
        step_lose_node(step, event->now_ms);
}

/* What a fence takes beyond the guest's own time is mostly this gap, so it is a share of that time. A host
 * that answers slowly gets as much rest as it took for the answer. */
static int64_t status_gap(const struct step *step, const struct api_result *result)
{
    int64_t gap_ms = (result->received_ms - step->reads_since_ms) / STEP_STATUS_SHARE;
    int64_t took_ms = result->asked_ms >= step->reads_since_ms ? result->received_ms - result->asked_ms : 0;
    gap_ms = took_ms > gap_ms ? took_ms : gap_ms;
    gap_ms = gap_ms > STEP_STATUS_FIRST_MS ? gap_ms : STEP_STATUS_FIRST_MS;
    return gap_ms < STEP_STATUS_LAST_MS ? gap_ms : STEP_STATUS_LAST_MS;
}

static void on_status(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    step->busy_status = false;
    step->slow_status_ms = 0;
    if (!step->node[0] || !event->node || strcmp(event->node, step->node) != 0)
        return; /* the guest is sought elsewhere by now */
    if (event->result->outcome != API_OK || !event->decoded || event->status.vmid != step->params.vmid) {
        on_status_failed(step, effects, event);
        return;
    }
    step->refusals = 0;
    step->host_suspect = false;
    step->status_known = true;
    step->status = event->status;
    step->status_asked_ms = event->result->asked_ms;
    step->status_received_ms = event->result->received_ms;
    step_ha_status(step, effects);
    if (step->status.lock[0] == '\0') /* another lock, later, has a patience of its own */
        step->lock_since_ms = 0;
    step->next_status_ms = event->now_ms + status_gap(step, event->result);
    step_off_status(step, effects);
}

/* The call whose task this is; NULL if nobody waits for it any more. */
static struct step_call *find_task(struct step *step, const char *upid)
{
    struct step_call *calls[] = {&step->stop, &step->start, &step->reset};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i]->state == STEP_CALL_TASK && strcmp(calls[i]->upid, upid) == 0)
            return calls[i];
    }
    return NULL;
}

static void take_task_end(struct step *step, struct step_effects *effects, struct step_call *call,
                          const struct step_event *event)
{
    int64_t now = event->now_ms;
    if (step->phase == STEP_POWERING_ON && call != &step->start) {
        /* off is proven; of interest is only that it does not come any more (rule 6) */
        step_settle(step, call, event->task.ok ? STEP_CALL_OK : STEP_CALL_FAILED, now);
        return;
    }
    if (!event->task.ok) {
        take_refusal(step, effects, call, event->task.exit, true, now);
        return;
    }
    step_settle(step, call, STEP_CALL_OK, now);
    if (call == &step->stop && step->ha) {
        if (!step->ha_taken_ms)
            step->ha_taken_ms = call->settled_ms;
    } else if (call == &step->stop && !step->stopped_ms) {
        step->stopped_ms = now;
    }
    step_note(effects, "%s: task OK", call_name(step, call));
    read_status_now(step, now);
}

static void on_task(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    struct step_call *call = find_task(step, event->upid);
    int64_t now = event->now_ms;
    step->busy_task = false;
    if (refused_credentials(step, effects, event->result, now) || !call)
        return;
    step->next_task_ms = now + step->task_gap_ms;
    step->task_gap_ms += step->task_gap_ms / 2;
    if (step->task_gap_ms > STEP_STATUS_LAST_MS)
        step->task_gap_ms = STEP_STATUS_LAST_MS;
    if (event->result->outcome == API_REFUSED && event->result->http_status == 400) {
        step_settle(step, call, STEP_CALL_OPEN, now); /* that host does not know the task (any more) */
        step_back_off(step, now);
        read_status_now(step, now);
    } else if (event->result->outcome != API_OK) {
        step->next_task_ms = now + STEP_SLOW_READ_MS;
        if (step->ha && now - call->last_sent_ms >= STEP_HA_ROUND_MS) /* it died with the host that took it */
            step_settle(step, call, STEP_CALL_OPEN, now);
    } else if (event->decoded && event->task.ended) {
        take_task_end(step, effects, call, event);
    }
}

static void on_located(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    struct error error = {0};
    step->busy_locate = false;
    step->next_locate_ms = event->now_ms + STEP_MIGRATION_MS;
    if (refused_credentials(step, effects, event->result, event->now_ms))
        return;
    if (event->result->outcome != API_OK || !event->decoded) {
        step->last_error = event->result->error;
        return;
    }
    if (!event->node) {
        error_set(&error, ERROR_UNKNOWN_PLUG, "Proxmox does not list guest %d any more", step->params.vmid);
        error_hint(&error, "was it destroyed, or was VM.Audit on /vms/%d taken away?", step->params.vmid);
        step_fail(step, effects, &error);
        return;
    }
    step_ha_listed(step, effects, event);
    if (strcmp(step->node, event->node) == 0)
        return; /* asked for its HA state only */
    snprintf(step->node, sizeof(step->node), "%s", event->node);
    step->params.type = event->type;
    step->host_offline = step->host_suspect = false;
    step_note(effects, "located on %s", step->node);
    struct step_call *calls[] = {&step->stop, &step->reset, &step->start};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i]->state == STEP_CALL_TASK && went_elsewhere(step, calls[i]))
            step_settle(step, calls[i], STEP_CALL_FAILED, event->now_ms);
    }
    read_status_now(step, event->now_ms);
}

static void take_event(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    switch (event->kind) {
    case STEP_EVENT_BEGIN:
    case STEP_EVENT_WAKE:
        break;
    case STEP_EVENT_INTENT:
        step->may_send = true;
        break;
    case STEP_EVENT_JOINED:
        /* not of now: one that waited, or was repeated after a restart, is as old as it was (P4) */
        if (step->floor_ms < after(event->asked_ms, step->busy_status))
            step->floor_ms = after(event->asked_ms, step->busy_status);
        step->no_asker = false;
        if (step->status_asked_ms < step->floor_ms)
            step->off_read = false;
        break;
    case STEP_EVENT_DESERTED:
        step->no_asker = true;
        break;
    case STEP_EVENT_YIELD:
        step_yield(step, effects);
        break;
    case STEP_EVENT_POWER:
        on_power(step, effects, event);
        break;
    case STEP_EVENT_STATUS:
        on_status(step, effects, event);
        break;
    case STEP_EVENT_TASK:
        on_task(step, effects, event);
        break;
    case STEP_EVENT_TASKS:
        step_take_tasks(step, event);
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

static void decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    int64_t deadline_ms = step->phase == STEP_POWERING_ON ? step_on_deadline(step) : step->params.deadline_ms;
    if (step->phase == STEP_WATCHING || step->repaired)
        deadline_ms = step->watch_until_ms + STEP_START_ROOM_MS;
    if (now_ms >= deadline_ms) {
        miss_deadline(step, effects);
        return;
    }
    step_wake_at(effects, deadline_ms);

    if (!step->node[0]) {
        if (!step->busy_locate && now_ms >= step->next_locate_ms)
            effects->locate = step->busy_locate = true;
        else if (!step->busy_locate)
            step_wake_at(effects, step->next_locate_ms);
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
    if (step->phase == STEP_ENDED)
        return;
    take_event(step, effects, event);
    if (step->phase != STEP_ENDED)
        decide(step, effects, event->now_ms);
}

void step_begin(struct step *step, const struct step_params *params)
{
    *step = (struct step){.params = *params};
    if (params->node)
        snprintf(step->node, sizeof(step->node), "%s", params->node);
    step->params.node = NULL;
    step->ha = params->ha_managed;
    step->host_suspect = params->node_offline && params->node;
    step->floor_ms = params->requested_ms;
    step->reads_since_ms = params->requested_ms;
    step->task_gap_ms = STEP_STATUS_FIRST_MS;
    step->resend_gap_ms = STEP_RESEND_FIRST_MS;
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
        return step->reset.sent == 0;
    return step->phase != STEP_ENDED && !step->verified_ms;
}

bool step_can_leave_off(const struct step *step)
{
    bool proven = step->params.action == FENCE_REBOOT && step->verified_ms;
    return step->phase == STEP_POWERING_ON && step->start.sent == 0 &&
           (proven || step->params.action == FENCE_ON);
}

enum operation_state step_state(const struct step *step)
{
    if (step->phase == STEP_ENDED)
        return OPERATION_ENDED;
    if (step->phase == STEP_WATCHING)
        return OPERATION_WATCHING;
    if (!step->node[0])
        return OPERATION_LOCATING;
    if (step->phase == STEP_POWERING_ON)
        return OPERATION_STARTING;
    return step->off_read ? OPERATION_VERIFYING : OPERATION_STOPPING;
}
