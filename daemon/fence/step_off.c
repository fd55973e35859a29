/*
 * Powering off: when a stop is wanted, and when off is proven. Points and rules are those of doc/design.md.
 */
#include "fence/step_private.h"

#include <stdio.h>
#include <string.h>

static bool is_container(const struct step *step)
{
    return step->params.type == PVE_LXC;
}

bool step_shows_life(enum pve_guest_type type, const struct pve_status *status)
{
    return type == PVE_LXC ? status->traffic : status->nics;
}

bool step_lock_hides_the_truth(const char *lock)
{
    return strcmp(lock, "migrate") == 0 || strcmp(lock, "suspended") == 0 ||
           strcmp(lock, "suspending") == 0 || strcmp(lock, "rollback") == 0;
}

bool step_may_have_killed(int64_t since_ms, int64_t until_ms, int64_t stop_timeout_ms)
{
    return until_ms - since_ms > stop_timeout_ms + STEP_KILL_AFTER_MS;
}

/* Uptime is in whole seconds, cut, and was taken after it was asked for, nobody knows how long. */
bool step_started_after(const struct pve_status *status, int64_t asked_ms, int64_t moment_ms)
{
    return status->running && moment_ms <= asked_ms - (status->uptime_s + 1) * 1000;
}

static bool shows_life(const struct step *step)
{
    return step_shows_life(step->params.type, &step->status);
}

/* Point 4: it was seen running here, or our own stop has ended before S was asked for. */
static bool is_ours_to_believe(struct step *step)
{
    if (step->seen_running)
        return true;
    if (step->stop.state == STEP_CALL_OK && step->status_asked_ms >= step->stop.settled_ms)
        return true;
    /* a container that does not run makes no task: two reads, some time apart, must hold */
    if (!step->container_not_running || step->status_asked_ms < step->stop.settled_ms)
        return false;
    if (!step->idle_container_ms)
        step->idle_container_ms = step->status_asked_ms;
    return step->status_asked_ms - step->idle_container_ms >= STEP_CONTAINER_GAP_MS;
}

/* A start that an earlier operation sent may still wait for the guest's lock file, or has ended while S was
 * under way: S does not show what it did. */
static bool is_overtaken_by_start(const struct step *step)
{
    const struct step_call *start = &step->start;
    bool may_come =
        start->state == STEP_CALL_TASK && step->status_received_ms < start->last_sent_ms + STEP_OPEN_CALL_MS;
    return !step->ha && (may_come || step->status_asked_ms < start->settled_ms);
}

/* Point 7: the stop may have come to SIGKILL, and nothing on the host could have shown a process that
 * survived it. */
static bool may_be_undead(const struct step *step)
{
    int64_t since_ms = step->params.killing_since_ms;
    if (since_ms == 0)
        since_ms = step->stop.effect_since_ms;
    if (step->seen_nics || since_ms == 0)
        return false;
    if (step->ha_calm_ms && since_ms < step->ha_calm_ms) /* a doubt can be older than this machine's boot */
        since_ms = step->ha_calm_ms;
    int64_t ended_ms = step->stopped_ms ? step->stopped_ms : step->status_received_ms;
    return step_may_have_killed(since_ms, ended_ms, step->params.stop_timeout_ms);
}

/* A stop of ours may have killed what was started after the last read that shows it stopped. */
static bool may_have_been_killed_since(const struct step *step)
{
    const struct step_call *stop = &step->stop;
    bool may_come = stop->state == STEP_CALL_TASK || stop->state == STEP_CALL_SENDING ||
                    step_may_come_until(stop) > step->stopped_read_ms;
    return step->ha || step->ha_changed || step->ha_unasked || may_come ||
           step_may_have_killed(step->stopped_read_ms, stop->settled_ms, step->params.stop_timeout_ms);
}

/* It read stopped before, so long ago that since then somebody may have started it and a stop of ours, which
 * came later, have killed it. */
static bool is_gap(const struct step *step)
{
    return step_may_have_killed(step->stopped_read_ms, step->status_received_ms,
                                step->params.stop_timeout_ms) &&
           may_have_been_killed_since(step);
}

static void on_running(struct step *step)
{
    /* an earlier operation's last stop cannot have killed what was started after it */
    if (step_started_after(&step->status, step->status_asked_ms, step->params.killing_until_ms))
        step->params.killing_since_ms = 0;
    step->seen_running = true;
    step->told_stopped = false;
    step->stopped_ms = 0;
    step->off_read = false;
    step->container_not_running = false;
    step->idle_container_ms = 0;
}

/* A fresh status came in. Whether it proves off is a matter of facts alone, so it is found out here. */
void step_off_status(struct step *step, struct step_effects *effects)
{
    struct error error = {0};
    /* while it runs the last read counts: they can be taken away, also since others saw them */
    step->seen_nics = shows_life(step) || (step->seen_nics && !step->status.running);
    if (step->status.running) {
        if (!step->seen_running) /* point 4 */
            step_note(effects, "seen running on %s", step_host(step));
        on_running(step);
        return;
    }
    if (!step->stopped_ms || is_gap(step))
        step->stopped_ms = step->status_received_ms;
    step->stopped_read_ms = step->status_asked_ms;
    step->off_read = false;
    if (step->phase != STEP_POWERING_OFF || step->status_asked_ms < step->floor_ms) /* point 1 */
        return;
    if (shows_life(step)) {
        step->idle_container_ms = 0;
        if (!step->announced)
            step_note(effects,
                      "reads stopped, but its network devices are still there: waiting for its last process");
        step->announced = true;
        return;
    }
    if (step_lock_hides_the_truth(step->status.lock)) { /* point 3 */
        step_locked(step, effects, step->status.lock, step->status_received_ms, step->params.lock_wait_ms);
        return;
    }
    if (step->ha ? !step_ha_proves_off(step) : !is_ours_to_believe(step))
        return;
    if (is_overtaken_by_start(step))
        return;
    if (may_be_undead(step)) {
        error_set(&error, ERROR_UNPROVEN,
                  "guest %d reads stopped on %s, but after so long a stop it may have been killed, and no "
                  "network device of it was seen that would show whether a process of it survived",
                  step->params.vmid, step_host(step));
        step_fail(step, effects, &error);
        return;
    }
    step->off_read = true;
    step->next_tasks_ms = step->status_received_ms; /* the start waits for one from after this */
    /* a list of the hosts that is under way was asked for before, be it in the same millisecond */
    step->off_received_ms = step->status_received_ms + step->busy_hosts;
    if (!step->told_stopped) /* not with every read while a minority keeps it from being a proof */
        step_note(effects, "seen stopped on %s", step_host(step));
    step->told_stopped = true;
}

/* Point 5, and rule 8: what the hosts say of each other. */
void step_off_hosts(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    struct error error = {0};
    const struct node_census *census = &event->census;
    step->busy_hosts = false;
    step->next_hosts_ms = event->now_ms + STEP_SLOW_READ_MS;
    /* a power-on after a proven off goes on: its host may come back */
    if ((step->phase == STEP_POWERING_ON && step->verified_ms && !step->ha) || !step->node[0] ||
        !event->node || strcmp(event->node, step->node) != 0)
        return;
    if (event->result->outcome != API_OK || !event->decoded) {
        if (event->result->outcome != API_OK)
            step->last_error = event->result->error;
        step->off_read = false; /* read both again */
        step->next_status_ms = event->now_ms + STEP_SLOW_READ_MS;
        return;
    }
    unsigned required = nodes_required(step->params.min_online_nodes, census->known);
    if (census->online < required) {
        error_set(&step->last_error, ERROR_MINORITY,
                  "only %u of %u Proxmox hosts are online by the word of %s, %u are needed", census->online,
                  census->known, event->result->endpoint_text, required);
        step->off_read = false;
        step->next_status_ms = event->now_ms + STEP_SLOW_READ_MS;
        return;
    }
    if (!census->host_online && step->ha) { /* any host takes the request, and HA may bring it up elsewhere */
        step_ha_host_offline(step, effects, census, event->now_ms);
        return;
    }
    if (!census->host_online) {
        error_set(&error, ERROR_NODE_OFFLINE,
                  "the host %s of guest %d is offline by the word of %u of %u hosts", step_host(step),
                  step->params.vmid, census->online, census->known);
        step_note(effects, "%s is offline", step_host(step));
        step_fail(step, effects, &error);
        return;
    }
    step->host_suspect = step->host_offline = false;
    if (!step->off_read || event->result->asked_ms < step->off_received_ms)
        return;
    step_note(effects, "off is proven: %s is online, as are %u of %u hosts", step_host(step), census->online,
              census->known);
    step_verify(step, effects, event->now_ms);
    if (step->start.state == STEP_CALL_TASK) /* an old one, or of HA's: it is not followed any more */
        step_leave_open(&step->start);
    if (step->params.action == FENCE_REBOOT) {
        step->phase = STEP_POWERING_ON;
        step->off_read = false;
        step->task_lists_failed = 0;          /* those were of the stop, or of another moment */
        step->last_error = (struct error){0}; /* what delayed the proof does not delay the start */
        step->next_power_ms = step->resend_gap_ms = 0;
        step->next_task_ms = event->now_ms; /* the start waits for the end of the stop's task */
        step->task_gap_ms = STEP_STATUS_FIRST_MS;
        step->lock_since_ms = 0;
    } else if (!step->ha && step_may_come_until(&step->start) > event->now_ms) {
        step->watch_until_ms = step_may_come_until(&step->start);
        step_watch(step, effects, "start");
    } else {
        step_end(step, effects, OPERATION_DONE);
    }
}

/* ---- sending stops ---- */

bool step_is_late(const struct step *step, int64_t now_ms)
{
    return step->no_asker || now_ms - step->floor_ms > STEP_LATE_MS;
}

/* It has certainly run since before that moment, and a moment ago. The host counts whole seconds, cut. */
bool step_ran_before(const struct step *step, int64_t moment_ms)
{
    return step->status.running && step->status.uptime_s * 1000 > step->status_received_ms - moment_ms;
}

/* What a late call is decided on must be news: since an older read the guest may have been started anew. */
bool step_is_news(const struct step *step, int64_t now_ms)
{
    return now_ms - step->status_received_ms <= STEP_NEWS_MS;
}

static bool fresh_status(const struct step *step)
{
    return step->status_known && step->status_asked_ms >= step->floor_ms &&
           (step->stop.sent == 0 || step->status_asked_ms >= step->stop.settled_ms);
}

void step_abandon(struct step *step, struct step_effects *effects)
{
    error_set(&effects->error, ERROR_ABANDONED,
              "guest %d %s; a stop that comes this late could hit a healthy node", step->params.vmid,
              step->status.running ? "was started after the request" : "does not run, but that is no proof");
    step_note(effects, "abandoned: no late stop is sent");
    step_end(step, effects, OPERATION_ABANDONED);
}

/* An earlier stop may have killed what nothing would show (point 7). Seen running with its devices before our
 * stop, the guest leaves no doubt; a host that is slow to tell is not waited for. */
static bool reads_first(const struct step *step)
{
    return step->params.killing_since_ms != 0 && !step->status_known && step->slow_status_ms != 0;
}

/* Is another stop, or the first one, wanted now? May abandon the operation instead (rule 7). */
static bool wants_stop(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->busy_power || step->off_read || step->stop.state == STEP_CALL_TASK)
        return false;
    if (step->stop.state == STEP_CALL_NONE && !step_is_late(step, now_ms))
        return !reads_first(step); /* rule 1: at once; a wrong host says so */
    if (!fresh_status(step))
        return false;
    if (!step->status.running) {
        if (shows_life(step) || step_lock_hides_the_truth(step->status.lock))
            return false; /* another stop would not help */
        if (step->stop.state == STEP_CALL_OK || step->container_not_running)
            return false; /* the next read will do */
    }
    if (!step_may_send(step, effects, &step->stop, now_ms))
        return false;
    if (!step_is_late(step, now_ms))
        return true;
    if (!step_is_news(step, now_ms))
        return false;
    if (!step_ran_before(step, step->floor_ms)) {
        step_abandon(step, effects);
        return false;
    }
    return true;
}

/* The stop's task is worth reading once the guest's own state does not tell enough. */
static bool wants_task(const struct step *step)
{
    return step->stop.state == STEP_CALL_TASK && step->status_known &&
           step->status_asked_ms >= step->floor_ms &&
           (step->status.running || !step->seen_running || shows_life(step));
}

/* The way to a dead host takes seconds to fail; the other hosts know of its end before. */
static void suspect_slow_host(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->slow_status_ms == 0)
        return;
    if (now_ms < step->slow_status_ms) {
        step_wake_at(effects, step->slow_status_ms);
        return;
    }
    step->slow_status_ms = 0;
    step->host_suspect = true;
}

void step_read_hosts(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    suspect_slow_host(step, effects, now_ms);
    if (step->busy_hosts || !(step->off_read || step->host_suspect))
        return;
    if (step->off_read || now_ms >= step->next_hosts_ms)
        effects->read_hosts = step->busy_hosts = true;
    else
        step_wake_at(effects, step->next_hosts_ms);
}

void step_off_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->ha) {
        step_ha_off_decide(step, effects, now_ms);
        return;
    }
    if (step->params.killing_since_ms && !step->status_known)
        step_read_status(step, effects, now_ms);
    step_read_hosts(step, effects, now_ms);
    if (step->may_send && wants_stop(step, effects, now_ms))
        step_send(step, effects, STEP_SEND_STOP, now_ms);
    if (step->phase == STEP_ENDED)
        return;
    if (!step->off_read)
        step_read_status(step, effects, now_ms);
    else if (step->params.action == FENCE_REBOOT && step_compares_stops(step) &&
             step->tasks_asked_ms < step->off_received_ms)
        step_read_tasks(step, effects, now_ms); /* for the start, while the hosts are asked */
    if (wants_task(step))
        step_read_task(step, effects, &step->stop, now_ms);
    else if (step->start.state == STEP_CALL_TASK)
        step_read_task(step, effects, &step->start, now_ms);
}

/* Why it was not proven in time, from what was last seen. */
void step_off_deadline(const struct step *step, struct error *error)
{
    long long seconds = (long long)(step->params.deadline_ms - step->params.requested_ms) / 1000;
    bool known = step->status_known && step->status_asked_ms >= step->floor_ms;
    if (step->phase == STEP_POWERING_ON) {
        error_set(error, ERROR_START_FAILED, "guest %d does not run: %s", step->params.vmid,
                  step->last_error.code ? step->last_error.message
                  : step->start.sent == 0
                      ? "no start was sent, because a stop whose answer was lost may still be carried out"
                      : "the start was not confirmed in time");
        const char *starter = step->ha             ? "ha-manager set --state started"
                              : is_container(step) ? "pct start"
                                                   : "qm start";
        const char *prefix = !step->ha ? "" : is_container(step) ? "ct:" : "vm:";
        error_hint(error, "look at its tasks on %s, and start it there: %s %s%d", step_host(step), starter,
                   prefix, step->params.vmid);
        return;
    }
    if (known && !step->status.running && shows_life(step)) {
        error_set(error, ERROR_UNPROVEN,
                  "guest %d reads stopped on %s, but a process of it is still there after %lld s (its "
                  "network devices are)",
                  step->params.vmid, step_host(step), seconds);
        error_hint(error,
                   "on %s look for it: ps -eo pid,stat,wchan,args | grep -e 'kvm -id %d ' " STEP_GREP_KILLED
                   " (in brackets: killed, whosever it is); it may hang on its storage",
                   step_host(step), step->params.vmid);
        return;
    }
    enum error_code code = step->last_error.code == ERROR_MINORITY || step->last_error.code == ERROR_LOCKED
                               ? step->last_error.code
                               : ERROR_DEADLINE;
    error_set(error, code, "guest %d was not proven off within %lld s: it %s%s%s%s", step->params.vmid,
              seconds,
              !known                 ? "could not be read"
              : step->status.running ? "still runs"
                                     : "reads stopped, without proof",
              step->stop.sent >= STEP_CALLS_MAX ? " after as many stops as one operation may send" : "",
              step->last_error.code ? "; " : "", step->last_error.code ? step->last_error.message : "");
    if (step->last_error.hint[0])
        error_hint(error, "%s", step->last_error.hint);
}

/* ---- method=cycle (rule 10) ---- */

static void fall_back(struct step *step, struct step_effects *effects)
{
    step_note(effects, "the reset is not confirmed: powering off and on instead");
    step->cycle_failed = true;
    step->phase = STEP_POWERING_OFF;
    step->next_power_ms = step->resend_gap_ms = 0;
    step->next_status_ms = 0;
}

void step_cycle_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    bool fresh = step->status_known && step->status_asked_ms >= step->floor_ms;
    if (step->ha || (fresh && !step->status.running) || is_container(step)) {
        /* a guest that does not run is started instead, once it is proven off; the HA manager knows no reset
         */
        step->phase = STEP_POWERING_OFF;
        return;
    }
    if (step->reset.state == STEP_CALL_FAILED || step->reset.state == STEP_CALL_OPEN) {
        fall_back(step, effects); /* a reset is never sent twice */
        return;
    }
    if (step->reset.state == STEP_CALL_OK && fresh && step->status_asked_ms >= step->reset.settled_ms &&
        step->status.lock[0] == '\0') {
        step_note(effects, "reset, and running on %s", step_host(step));
        step_verify(step, effects, now_ms);
        step_end(step, effects, OPERATION_DONE);
        return;
    }
    if (step->reset.state == STEP_CALL_OK && fresh && step->status.lock[0] &&
        step_locked(step, effects, step->status.lock, now_ms, step->params.lock_wait_ms))
        return;
    if (!step->node[0]) { /* it is being migrated */
        step_wake_at(effects, step->next_locate_ms);
        return;
    }
    step_read_hosts(step, effects, now_ms);
    if (step->reset.state == STEP_CALL_NONE && fresh && step->may_send && !step->busy_power) {
        bool late = step_is_late(step, now_ms);
        if (late && step_is_news(step, now_ms) && !step_ran_before(step, step->floor_ms)) {
            step_abandon(step, effects);
            return;
        }
        if (!late || step_is_news(step, now_ms))
            step_send(step, effects, STEP_SEND_RESET, now_ms);
    }
    if (step->reset.state == STEP_CALL_TASK)
        step_read_task(step, effects, &step->reset, now_ms);
    else
        step_read_status(step, effects, now_ms);
}
