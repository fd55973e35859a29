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

/* Uptime is in whole seconds, cut, and was taken after it was asked for, nobody knows how long. */
int64_t step_started_ms(const struct pve_status *status, int64_t asked_ms)
{
    return asked_ms - (status->uptime_s + 1) * 1000;
}

static bool shows_life(const struct step *step)
{
    return step_shows_life(step->params.type, &step->read.status);
}

/* What the proof is about. */
struct proof_facts step_off_facts(const struct step *step, const struct proof_hosts *hosts)
{
    const struct step_params *params = &step->params;
    const struct call *stop = calls_last(&step->calls, STEP_SEND_STOP);
    struct proof_facts facts = {
        .request_ms = step->course.not_before_ms,
        .read = step->read.known,
        .asked_ms = step->read.asked_ms,
        .received_ms = step->read.received_ms,
        .running = step->read.status.running,
        .shows_life = shows_life(step),
        .hidden = step_lock_hides_the_truth(step->read.status.lock),
        .ha_state = ha_state(step->read.status.ha_state),
        .seen_running = step->seen.running,
        .stopped_ok = stop->state == CALL_OK,
        .idle = step->seen.idle,
        .ended_ms = stop->settled_ms,
        .idle_ms = step->seen.idle_ms,
        .start_until_ms = calls_until(&step->calls, STEP_SEND_START, CALL_IS(CALL_TASK), step_scope(step)),
        .start_ended_ms = calls_ended_ms(&step->calls, STEP_SEND_START, step_scope(step)),
        .ha = step->ha.managed,
        .ha_taken_ms = step->ha.taken_ms,
        .ha_moved = step->ha.moved,
        .ha_stopping = step->ha.stopping,
        .devices = step->seen.devices,
        .killing_since_ms = calls_effect_ms(&step->calls, CALLS_OWN | CALLS_INHERITED),
        .ha_calm_ms = step->ha.calm_ms,
        .stopped_ms = step->seen.stopped_ms,
        .stop_timeout_ms = params->stop_timeout_ms,
        .hosts = hosts,
        .hosts_under_way = step->seen.off_received_ms > step->read.received_ms,
    };
    step_dead_facts(step, &facts);
    return facts;
}

/* It is over, or not what is missing. */
static void forget_minority(struct step *step)
{
    if (step->trouble.error.code == ERROR_MINORITY)
        step->trouble.error = (struct error){0};
}

static void on_running(struct step *step, struct step_effects *effects)
{
    if (!step->seen.running) /* point 4 */
        step_note(effects, "seen running on %s", step_host(step));
    /* an earlier operation's last stop cannot have killed what was started after it */
    calls_forget_effects(&step->calls, CALLS_INHERITED,
                         step_started_ms(&step->read.status, step->read.asked_ms));
    forget_minority(step);
    step->seen.running = true;
    step->seen.told = PROOF_RUNS;
    step->seen.stopped_ms = 0;
    step->seen.idle = false;
    step->seen.idle_ms = 0;
}

static void on_stopped(struct step *step)
{
    const struct call *stop = calls_last(&step->calls, STEP_SEND_STOP);
    const struct proof_between between = {
        .asked_ms = step->seen.stopped_read_ms,
        .received_ms = step->read.received_ms,
        .others = step->ha.managed || step->ha.changed || step->ha.unasked,
        .under_way = stop->state == CALL_TASK || stop->state == CALL_SENDING,
        .until_ms = calls_until(&step->calls, STEP_SEND_STOP, CALLS_COMING, step_scope(step)),
        .ended_ms = stop->settled_ms,
        .stop_timeout_ms = step->params.stop_timeout_ms,
    };
    if (!step->seen.stopped_ms || proof_is_gap(&between))
        step->seen.stopped_ms = step->read.received_ms;
    step->seen.stopped_read_ms = step->read.asked_ms;
}

/* What is to be seen of the proof, each once until the guest runs again. */
static void tell_proof(struct step *step, struct step_effects *effects, enum proof_point point)
{
    if (point == step->seen.told)
        return;
    if (point == PROOF_SHOWS_LIFE)
        step_note(effects,
                  "reads stopped, but its network devices are still there: waiting for its last process");
    else if (point == PROOF_START_MAY_COME)
        step_note(effects, "reads stopped, but an earlier start may still be under way");
    else if (point == PROOF_HOSTS)
        step_note(effects, "seen stopped on %s", step_host(step));
    else
        return;
    step->seen.told = point;
}

static void fail_undead(struct step *step, struct step_effects *effects)
{
    struct error error = {0};
    error_set(&error, ERROR_UNPROVEN,
              "guest %d reads stopped on %s, but after so long a stop it may have been killed; no network "
              "device was seen that would show whether a process of it survived",
              step->params.vmid, step_host(step));
    step_fail(step, effects, &error);
}

/* A fresh status came in. Whether it proves off is a matter of facts alone, so it is found out here. */
void step_off_status(struct step *step, struct step_effects *effects)
{
    /* while it runs the last read counts: they can be taken away, also since others saw them */
    step->seen.devices = shows_life(step) || (step->seen.devices && !step->read.status.running);
    step->seen.off = false;
    if (step->read.status.running)
        on_running(step, effects);
    else
        on_stopped(step);
    if (step->phase != STEP_POWERING_OFF)
        return;
    const struct proof_facts facts = step_off_facts(step, NULL);
    enum proof_point point = proof_of(&facts);
    if (point == PROOF_SHOWS_LIFE)
        step->seen.idle_ms = 0;
    if (point == PROOF_READ_AGAIN && !step->seen.idle_ms)
        step->seen.idle_ms = step->read.asked_ms;
    if (point == PROOF_HIDDEN && !facts.dead)
        step_locked(step, effects, step->read.status.lock, step->read.received_ms, step->params.lock_wait_ms);
    if (point == PROOF_UNDEAD)
        fail_undead(step, effects);
    if (point == PROOF_HOSTS) {
        step->seen.off = true;
        step->asks[ASK_TASKS].next_ms = step->read.received_ms; /* the start waits for one from after this */
        /* a list of the hosts that is under way was asked for before, be it in the same millisecond */
        step->seen.off_received_ms = step->read.received_ms + step->asks[ASK_HOSTS].busy;
    }
    tell_proof(step, effects, point);
}

/* Off is proven: what is next? */
void step_off_proven(struct step *step, struct step_effects *effects, const struct proof_facts *facts,
                     int64_t now_ms)
{
    effects->proven = true;
    effects->facts = *facts;
    effects->hosts = *facts->hosts;
    effects->facts.hosts = NULL;
    int64_t start_ms = calls_until(&step->calls, STEP_SEND_START, CALLS_COMING, step_scope(step));
    step_verify(step, effects, now_ms);
    if (step->params.action == FENCE_REBOOT) {
        step->phase = STEP_POWERING_ON;
        step->seen.off = false;
        step->list.failed = 0;                   /* those were of the stop, or of another moment */
        step->trouble.error = (struct error){0}; /* what delayed the proof does not delay the start */
        step->asks[ASK_POWER].next_ms = step->asks[ASK_POWER].gap_ms = 0;
        step->asks[ASK_TASK].next_ms = now_ms; /* the start waits for the end of the stop's task */
        step->asks[ASK_TASK].gap_ms = STEP_STATUS_FIRST_MS;
        step->lock.since_ms = 0;
    } else if (!step->ha.managed && start_ms > now_ms) {
        step->course.watch_until_ms = start_ms;
        step_watch(step, effects, "start");
    } else {
        step_end(step, effects, OPERATION_DONE);
    }
}

/* The guest's own host is not online by the word of enough others. */
static void host_is_offline(struct step *step, struct step_effects *effects, const struct node_census *census,
                            int64_t now_ms)
{
    struct error error = {0};
    if (step->ha.managed) { /* any host takes the request, and HA may bring it up elsewhere */
        step_ha_host_offline(step, effects, census, now_ms);
        return;
    }
    error_set(&error, ERROR_NODE_OFFLINE, "the host %s of guest %d is offline according to %u of %u hosts",
              step_host(step), step->params.vmid, census->online, census->known);
    step_dead_words(step, &error);
    step_note(effects, "%s is offline", step_host(step));
    step_fail(step, effects, &error);
}

/* They do not tell: both are read again. */
static void hosts_tell_nothing(struct step *step, int64_t now_ms)
{
    step->seen.off = false;
    step->asks[ASK_STATUS].next_ms = now_ms + STEP_SLOW_READ_MS;
}

/* Point 5, and rule 8: what the hosts say of each other. */
void step_off_hosts(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    const struct node_census *census = &event->census;
    const struct proof_hosts hosts = {
        .asked_ms = event->result->asked_ms,
        .online = census->online,
        .required = nodes_required(step->params.min_online_nodes, census->known),
        .host_online = census->host_online,
    };
    step->asks[ASK_HOSTS].next_ms = event->now_ms + STEP_SLOW_READ_MS;
    /* a power-on after a proven off goes on: its host may come back */
    if ((step->phase == STEP_POWERING_ON && step->course.verified_ms && !step->ha.managed) ||
        !step->place.node[0] || !event->node || strcmp(event->node, step->place.node) != 0)
        return;
    if (event->result->outcome != API_OK || !event->decoded) {
        if (event->result->outcome != API_OK)
            step_missed(step, event->result);
        hosts_tell_nothing(step, event->now_ms);
        return;
    }
    enum proof_point point = proof_of_hosts(&hosts);
    if (point == PROOF_MINORITY) {
        error_set(&step->trouble.error, ERROR_MINORITY,
                  "only %u of %u Proxmox hosts are online according to %s, %u are needed", hosts.online,
                  census->known, event->result->endpoint_text, hosts.required);
        hosts_tell_nothing(step, event->now_ms);
        return;
    }
    forget_minority(step);
    if (point == PROOF_HOST_OFFLINE && step_dead_host(step, effects, event, &hosts))
        return;
    if (point == PROOF_HOST_OFFLINE) {
        host_is_offline(step, effects, census, event->now_ms);
        return;
    }
    step->place.suspect = step->place.offline = false;
    step->death = (struct step_death){0};
    if (!step->seen.off)
        return;
    const struct proof_facts facts = step_off_facts(step, &hosts);
    point = proof_of(&facts);
    step->seen.off = point == PROOF_HOSTS || point == PROOF_OFF;
    if (point != PROOF_OFF)
        return;
    step_note(effects, "off is proven: %s is online, as are %u of %u hosts", step_host(step), census->online,
              census->known);
    step_off_proven(step, effects, &facts, event->now_ms);
}

/* ---- sending stops ---- */

bool step_is_late(const struct step *step, int64_t now_ms)
{
    return step->course.no_asker || now_ms - step->course.not_before_ms >= STEP_LATE_MS;
}

/* It has certainly run since before that moment, and a moment ago. The host counts whole seconds, cut. */
bool step_ran_before(const struct step *step, int64_t moment_ms)
{
    return step->read.status.running &&
           step->read.status.uptime_s * 1000 > step->read.received_ms - moment_ms;
}

/* What a late call is decided on must be news: since an older read the guest may have been started anew. */
bool step_is_news(const struct step *step, int64_t now_ms)
{
    return now_ms - step->read.received_ms <= STEP_NEWS_MS;
}

static bool fresh_status(const struct step *step)
{
    return step->read.known && step->read.asked_ms >= step->course.not_before_ms &&
           step->read.asked_ms >= calls_last(&step->calls, STEP_SEND_STOP)->settled_ms;
}

void step_abandon(struct step *step, struct step_effects *effects)
{
    error_set(&effects->error, ERROR_ABANDONED,
              "guest %d %s; a stop that comes this late could hit a healthy node", step->params.vmid,
              step->read.status.running ? "was started after the request"
                                        : "does not run, but that is no proof");
    step_note(effects, "abandoned: no late stop is sent");
    step_end(step, effects, OPERATION_ABANDONED);
}

static bool in_doubt(const struct step *step)
{
    return calls_effect_ms(&step->calls, CALLS_INHERITED) != 0;
}

/* An earlier stop may have killed what nothing would show (point 7). Seen running with its devices before our
 * stop, the guest leaves no doubt; a host that is slow to tell is not waited for. */
static bool reads_first(const struct step *step)
{
    return in_doubt(step) && !step->read.known && step->read.slow_ms != 0;
}

/* Is another stop, or the first one, wanted now? May abandon the operation instead (rule 7). */
static bool wants_stop(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    enum call_state stop = calls_last(&step->calls, STEP_SEND_STOP)->state;
    if (step->asks[ASK_POWER].busy || step->seen.off || stop == CALL_TASK)
        return false;
    if (stop == CALL_NONE && !step_is_late(step, now_ms))
        return !reads_first(step); /* rule 1: at once; a wrong host says so */
    if (!fresh_status(step))
        return false;
    if (!step->read.status.running) {
        if (shows_life(step) || step_lock_hides_the_truth(step->read.status.lock))
            return false; /* another stop would not help */
        if (stop == CALL_OK || step->seen.idle)
            return false; /* the next read will do */
    }
    if (!step_may_send(step, effects, STEP_SEND_STOP, now_ms))
        return false;
    if (!step_is_late(step, now_ms))
        return true;
    if (!step_is_news(step, now_ms))
        return false;
    if (!step_ran_before(step, step->course.not_before_ms)) {
        step_abandon(step, effects);
        return false;
    }
    return true;
}

/* The stop's task is worth reading once the guest's own state does not tell enough. */
static bool wants_task(const struct step *step)
{
    return calls_last(&step->calls, STEP_SEND_STOP)->state == CALL_TASK && step->read.known &&
           step->read.asked_ms >= step->course.not_before_ms &&
           (step->read.status.running || !step->seen.running || shows_life(step));
}

/* The way to a dead host takes seconds to fail; the other hosts know of its end before. */
static void suspect_slow_host(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->read.slow_ms == 0)
        return;
    if (now_ms < step->read.slow_ms) {
        step_wake_at(effects, step->read.slow_ms);
        return;
    }
    step->read.slow_ms = 0;
    step->place.suspect = true;
}

void step_read_hosts(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    suspect_slow_host(step, effects, now_ms);
    if (step->seen.off)
        step->asks[ASK_HOSTS].next_ms = now_ms;
    if (step->seen.off || step->place.suspect)
        (void)step_ask(step, effects, ASK_HOSTS, now_ms);
}

void step_off_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    const struct proof_facts facts = step_off_facts(step, NULL);
    step->seen.off &= proof_of(&facts) == PROOF_HOSTS; /* by all that is known now */
    if (step->ha.managed) {
        step_ha_off_decide(step, effects, now_ms);
        return;
    }
    if (in_doubt(step) && !step->read.known)
        step_read_status(step, effects, now_ms);
    step_read_hosts(step, effects, now_ms);
    step_dead_decide(step, effects, now_ms);
    if (step->course.may_send && wants_stop(step, effects, now_ms))
        step_send(step, effects, STEP_SEND_STOP, now_ms);
    if (step->phase == STEP_ENDED)
        return;
    if (!step->seen.off)
        step_read_status(step, effects, now_ms);
    else if (step->params.action == FENCE_REBOOT && step_compares_stops(step) &&
             step->list.asked_ms < step->seen.off_received_ms)
        (void)step_ask(step, effects, ASK_TASKS, now_ms); /* for the start, while the hosts are asked */
    const struct call *start = calls_with_task(&step->calls, STEP_SEND_START, step->place.node);
    if (wants_task(step))
        step_read_task(step, effects, calls_last(&step->calls, STEP_SEND_STOP), now_ms);
    else if (start) /* of an earlier operation */
        step_read_task(step, effects, start, now_ms);
}

/* What is missing of a proof, after "it". */
static const char *words_of(enum proof_point point)
{
    static const char *const words[] = {
        [PROOF_NOT_LISTED] = "is not listed on its dead host",
        [PROOF_NOT_READ] = "could not be read",
        [PROOF_RUNS] = "still runs",
        [PROOF_SHOWS_LIFE] = "reads stopped, but a process of it is still there",
        [PROOF_HIDDEN] = "reads stopped, without proof: with its lock it may run elsewhere, or come back",
        [PROOF_NOT_TAKEN] = "reads stopped, without proof: the HA manager has taken no request to stop it",
        [PROOF_HA_UNDECIDED] = "reads stopped, without proof: the HA manager has not acted on the request",
        [PROOF_NOT_OURS] =
            "reads stopped, without proof: it was not seen running before, and no stop of ours ended OK",
        [PROOF_READ_AGAIN] = "reads stopped, without proof: it was not read again",
        [PROOF_START_MAY_COME] = "reads stopped, without proof: an earlier start may still be under way",
        [PROOF_UNDEAD] =
            "reads stopped, without proof: it may have been killed, and a process of it survived",
        [PROOF_HOSTS] = "reads stopped, without proof: no list of the hosts has come since",
        [PROOF_MINORITY] = "reads stopped, without proof: too few hosts are online",
        [PROOF_HOST_OFFLINE] = "reads stopped, without proof: its host is offline",
        [PROOF_OFF] = "is off",
    };
    return words[point];
}

static void miss_start(const struct step *step, struct error *error)
{
    error_set(error, ERROR_START_FAILED, "guest %d does not run: %s", step->params.vmid,
              step->trouble.error.code ? step->trouble.error.message
              : calls_sent(&step->calls, STEP_SEND_START) == 0
                  ? "no start was sent, because a stop whose answer was lost may still be carried out"
                  : "the start was not confirmed in time");
    const char *starter = step->ha.managed     ? "ha-manager set --state started"
                          : is_container(step) ? "pct start"
                                               : "qm start";
    const char *prefix = !step->ha.managed ? "" : is_container(step) ? "ct:" : "vm:";
    error_hint(error, "look at its tasks on %s, and start it there: %s %s%d", step_host(step), starter,
               prefix, step->params.vmid);
}

/* Why it was not proven in time, from what was last seen. */
void step_off_deadline(const struct step *step, struct error *error)
{
    long long seconds = (long long)(step->params.deadline_ms - step->params.requested_ms) / 1000;
    const struct proof_facts facts = step_off_facts(step, NULL);
    enum proof_point point = proof_of(&facts);
    if (step->phase == STEP_POWERING_ON) {
        miss_start(step, error);
        return;
    }
    if (step_dead_deadline(step, error))
        return;
    if (point == PROOF_SHOWS_LIFE) {
        error_set(error, ERROR_UNPROVEN,
                  "guest %d reads stopped on %s, but a process of it is still there after %lld s (its "
                  "network devices are)",
                  step->params.vmid, step_host(step), seconds);
        error_hint(error,
                   "on %s look for it: ps -eo pid,stat,wchan,args | grep -e 'kvm -id %d ' " STEP_GREP_KILLED
                   " (in brackets: killed, of whatever guest); it may hang on its storage",
                   step_host(step), step->params.vmid);
        return;
    }
    enum error_code code =
        step->trouble.error.code == ERROR_MINORITY || step->trouble.error.code == ERROR_LOCKED
            ? step->trouble.error.code
            : ERROR_DEADLINE;
    error_set(error, code, "guest %d was not proven off within %lld s: it %s%s%s%s", step->params.vmid,
              seconds, words_of(point),
              calls_sent(&step->calls, STEP_SEND_STOP) >= STEP_CALLS_MAX
                  ? " after as many stops as one operation may send"
                  : "",
              step->trouble.error.code ? "; " : "",
              step->trouble.error.code ? step->trouble.error.message : "");
    if (step->trouble.error.hint[0])
        error_hint(error, "%s", step->trouble.error.hint);
}

/* ---- method=cycle (rule 10) ---- */

static void fall_back(struct step *step, struct step_effects *effects)
{
    step_note(effects, "the reset is not confirmed: powering off and on instead");
    step->course.cycle_failed = true;
    step->phase = STEP_POWERING_OFF;
    step->asks[ASK_POWER].next_ms = step->asks[ASK_POWER].gap_ms = 0;
    step->asks[ASK_STATUS].next_ms = 0;
}

void step_cycle_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    bool fresh = step->read.known && step->read.asked_ms >= step->course.not_before_ms;
    const struct call *reset = calls_last(&step->calls, STEP_SEND_RESET);
    if (step->ha.managed || (fresh && !step->read.status.running) || is_container(step)) {
        /* a guest that does not run is started instead, once it is proven off; the HA manager knows no reset
         */
        step->phase = STEP_POWERING_OFF;
        return;
    }
    if (reset->state == CALL_FAILED || reset->state == CALL_OPEN) {
        fall_back(step, effects); /* a reset is never sent twice */
        return;
    }
    if (reset->state == CALL_OK && fresh && step->read.asked_ms >= reset->settled_ms &&
        step->read.status.lock[0] == '\0') {
        step_note(effects, "reset, and running on %s", step_host(step));
        step_verify(step, effects, now_ms);
        step_end(step, effects, OPERATION_DONE);
        return;
    }
    if (reset->state == CALL_OK && fresh && step->read.status.lock[0] &&
        step_locked(step, effects, step->read.status.lock, now_ms, step->params.lock_wait_ms))
        return;
    if (!step->place.node[0]) { /* it is being migrated */
        step_wake_at(effects, step->asks[ASK_PLACE].next_ms);
        return;
    }
    step_read_hosts(step, effects, now_ms);
    if (reset->state == CALL_NONE && fresh && step->course.may_send && !step->asks[ASK_POWER].busy) {
        bool late = step_is_late(step, now_ms);
        if (late && step_is_news(step, now_ms) && !step_ran_before(step, step->course.not_before_ms)) {
            step_abandon(step, effects);
            return;
        }
        if (!late || step_is_news(step, now_ms))
            step_send(step, effects, STEP_SEND_RESET, now_ms);
    }
    if (reset->state == CALL_TASK)
        step_read_task(step, effects, reset, now_ms);
    else
        step_read_status(step, effects, now_ms);
}
