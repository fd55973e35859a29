/*
 * A power call of ours (stop, start or reset), from its sending to the end of its task: what its answer and
 * its task say about it. When one is sent is decided in step_off.c, step_on.c, step_ha.c and step_watch.c.
 */
#include "fence/step_private.h"

#include "proxmox/blame.h"

#include <stdio.h>
#include <string.h>

static const char *call_name(const struct step *step, const struct step_call *call)
{
    return call == &step->calls.start ? "start" : call == &step->calls.reset ? "reset" : "stop";
}

static struct step_call *call_of(struct step *step, enum step_power power)
{
    return power == STEP_SEND_START   ? &step->calls.start
           : power == STEP_SEND_RESET ? &step->calls.reset
                                      : &step->calls.stop;
}

/* ---- what it may have done (point 7) ---- */

static void begin_effect(const struct step *step, struct step_call *call, int64_t now_ms)
{
    call->effect_before_ms = call->effect_since_ms;
    if (call->effect_since_ms == 0) {
        call->effect_since_ms = now_ms;
        memcpy(call->effect_node, call->node, sizeof(call->effect_node));
    }
    if (step->ha.managed || strcmp(call->effect_node, call->node) != 0)
        call->effect_node[0] = '\0';
}

/* Proxmox looks for this one before it touches the guest; for others (those of storages, or of the list of
 * tasks) when it has killed the guest, or when the task has begun. */
static bool names_own_lock_file(const char *words)
{
    return strstr(words, "/qemu-server/lock-") || strstr(words, "/lxc/pve-config-");
}

/* Proxmox's words for an error that may come after the fact. */
static bool may_hide_an_effect(enum pve_refusal refusal, const char *words)
{
    return refusal == PVE_REFUSAL_OTHER || (refusal == PVE_REFUSAL_BUSY && !names_own_lock_file(words));
}

/* By its answer nobody can have carried it out. 595: whoever was to pass it on had no connection to write it
 * to (596 and later come after that). A 4xx that Proxmox does not have is of somebody on the way, who may
 * have passed it on. */
static bool has_no_effect(const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];
    if (result->outcome != API_REFUSED)
        return result->outcome == API_UNSENT;
    if (result->http_status < 500)
        return blame_of(API_STOP, result) != BLAME_ENDPOINT;
    return result->http_status == 595 ||
           !may_hide_an_effect(api_classify(result->reason, lock), result->reason);
}

/* The same by the words of its task. */
static bool task_has_no_effect(enum pve_refusal refusal, const char *words)
{
    return refusal == PVE_REFUSAL_LOCKED || refusal == PVE_REFUSAL_MOVED || refusal == PVE_REFUSAL_TEMPLATE ||
           (refusal == PVE_REFUSAL_BUSY && names_own_lock_file(words));
}

/* Our task tells since when its host has been up: of what a stop has killed there before nothing is left. Its
 * clock is not ours. */
static void see_boot(struct step *step, struct step_call *stop)
{
    int64_t uptime_ms = upid_uptime_ms(stop->upid);
    int64_t booted_ms = stop->last_sent_ms - uptime_ms - uptime_ms / STEP_CLOCK_DRIFT;
    struct step_params *params = &step->params;
    if (uptime_ms == 0)
        return;
    if (strcmp(stop->effect_node, stop->node) == 0 && stop->effect_since_ms < booted_ms)
        stop->effect_since_ms = booted_ms;
    if (params->killing_since_ms == 0 || strcmp(params->killing_node, stop->node) != 0)
        return;
    if (params->killing_until_ms < booted_ms)
        params->killing_since_ms = 0;
    else if (params->killing_since_ms < booted_ms) /* one of them may have come after that */
        params->killing_since_ms = booted_ms;
}

/* ---- sending ---- */

/* However long the operation may take, some calls are left until its end. */
static int64_t longest_pause(const struct step *step, const struct step_call *call, int64_t now_ms)
{
    int64_t until_ms = call == &step->calls.start ? step_on_deadline(step) : step->params.deadline_ms;
    if (call->sent >= STEP_CALLS_MAX)
        return STEP_RESEND_LAST_MS;
    int64_t share_ms = (until_ms - now_ms) / (int64_t)(STEP_CALLS_MAX - call->sent);
    return share_ms > STEP_RESEND_LAST_MS ? share_ms : STEP_RESEND_LAST_MS;
}

void step_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    struct step_call *call = call_of(step, power);
    if (call->sent++ == 0)
        call->first_sent_ms = now_ms;
    call->tasks++;
    if (power == STEP_SEND_STOP)
        step->list.settled = false; /* the list knew nothing of this one */
    call->last_sent_ms = now_ms;
    step->asks[ASK_POWER].gap_ms =
        step->asks[ASK_POWER].gap_ms ? 2 * step->asks[ASK_POWER].gap_ms : STEP_RESEND_FIRST_MS;
    if (step->asks[ASK_POWER].gap_ms > longest_pause(step, call, now_ms))
        step->asks[ASK_POWER].gap_ms = longest_pause(step, call, now_ms);
    step->asks[ASK_POWER].next_ms = now_ms; /* whatever is said of this one */
    step_back_off(step, now_ms);
    call->state = STEP_CALL_SENDING;
    call->upid[0] = '\0';
    memcpy(call->node, step->ha.managed && step->place.offline ? step->place.other : step->place.node,
           sizeof(call->node));
    begin_effect(step, call, now_ms);
    step->asks[ASK_POWER].busy = true;
    step->calls.sending = power;
    if (call->sent == STEP_CALLS_MAX)
        step_note(effects, "%s no. %u is the last one: from now on the guest is only read",
                  call_name(step, call), call->sent);
    effects->send = power;
    effects->send_to = call->node;
    effects->by_ha = step->ha.managed;
    effects->overrule_shutdown = power == STEP_SEND_STOP && step->params.release >= 802 &&
                                 !step->calls.no_overrule && !step->ha.managed;
}

bool step_may_go(const struct step *step, int64_t now_ms)
{
    const struct step_call *call =
        step->calls.sending == STEP_SEND_RESET ? &step->calls.reset : &step->calls.stop;
    return !step_is_late(step, now_ms) || now_ms - call->last_sent_ms <= STEP_NEWS_MS;
}

void step_back_off(struct step *step, int64_t now_ms)
{
    ask_not_before(&step->asks[ASK_POWER], now_ms + step->asks[ASK_POWER].gap_ms);
}

bool step_may_send(struct step *step, struct step_effects *effects, const struct step_call *call,
                   int64_t now_ms)
{
    if (call->sent >= STEP_CALLS_MAX)
        return false;
    if (now_ms >= step->asks[ASK_POWER].next_ms)
        return true;
    step_wake_at(effects, step->asks[ASK_POWER].next_ms);
    return false;
}

/* ---- what became of it ---- */

/* It went to a host that the guest is not on, as we know by now: there it can only fail. The HA manager is
 * the same on every host. */
static bool went_elsewhere(const struct step *step, const struct step_call *call)
{
    return !step->ha.managed && step->place.node[0] && strcmp(step->place.node, call->node) != 0;
}

void step_settle(const struct step *step, struct step_call *call, enum step_call_state state, int64_t now_ms)
{
    call->state = state;
    call->settled_ms = step_after(now_ms, step->asks[ASK_STATUS].busy);
    if (state == STEP_CALL_OPEN) {
        call->open++;
        call->last_open_ms = now_ms;
    }
}

/* To the host that the guest is on, or, while it is looked for, was on: what it says counts if it is there
 * again (step_power_located()). */
static bool went_to_its_host(const struct step *step, const struct step_call *call)
{
    return strcmp(step->place.node[0] ? step->place.node : step->place.lost_node, call->node) == 0;
}

/* The call was certainly not carried out, and made no task: nobody will find it in a task list. */
static void settle_unmade(const struct step *step, struct step_call *call, int64_t now_ms)
{
    step_settle(step, call, STEP_CALL_FAILED, now_ms);
    call->tasks--;
}

/* It went to a host that the guest is not on: if it made a task, that is in the list of that host, to which
 * the guest may come back. */
static void stray(struct step_call *call, bool open)
{
    call->strays_open += open;
    if (call->strays++ == 0)
        memcpy(call->strays_node, call->node, sizeof(call->strays_node));
    else if (strcmp(call->strays_node, call->node) != 0)
        call->strays_node[0] = '\0';
}

/* Its task has ended, in the list of a host that the guest is not on. */
static void count_elsewhere(struct step_call *call)
{
    if (call->tasks == 0) /* an old one, which is not counted any more */
        return;
    call->tasks--;
    stray(call, false);
}

static void settle_elsewhere(const struct step *step, struct step_call *call, int64_t now_ms)
{
    step_settle(step, call, STEP_CALL_FAILED, now_ms);
    count_elsewhere(call);
}

static bool strayed_here(const struct step *step)
{
    return !step->calls.stop.strays_node[0] || strcmp(step->calls.stop.strays_node, step->place.node) == 0;
}

unsigned step_stops_listed(const struct step *step)
{
    return step->calls.inherited + step->calls.stop.tasks +
           (strayed_here(step) ? step->calls.stop.strays : 0);
}

unsigned step_stops_open(const struct step *step)
{
    return step->calls.stop.open - (strayed_here(step) ? 0 : step->calls.stop.strays_open);
}

/* Proxmox's words on why a power call did not work, from its answer or from its task. Sets the call's state.
 */
static void settle_refused(struct step *step, struct step_effects *effects, struct step_call *call,
                           const char *words, bool in_task, int64_t now_ms)
{
    char lock[PVE_LOCK_MAX];
    enum pve_refusal refusal = api_classify(words, lock);
    if (in_task && task_has_no_effect(refusal, words))
        call->effect_since_ms = call->effect_before_ms;
    /* a server error of unknown kind may hide a call that was carried out (rule 6) */
    if (in_task)
        step_settle(step, call, STEP_CALL_FAILED, now_ms);
    else if (may_hide_an_effect(refusal, words))
        step_settle(step, call, STEP_CALL_OPEN, now_ms);
    else
        settle_unmade(step, call, now_ms);
    step_note(effects, "%s failed: %.120s", call_name(step, call), words);
    step_read_status_now(step, now_ms);
}

static void take_refusal(struct step *step, struct step_effects *effects, struct step_call *call,
                         const char *words, bool in_task, int64_t now_ms)
{
    struct error error = {0};
    char lock[PVE_LOCK_MAX];
    enum pve_refusal refusal = api_classify(words, lock);

    error_set(&error, ERROR_TASK_FAILED, "%s of guest %d on %s failed: %s", call_name(step, call),
              step->params.vmid, step_host(step), words);
    step->trouble.error = error;
    settle_refused(step, effects, call, words, in_task, now_ms);
    switch (refusal) {
    case PVE_REFUSAL_MOVED:
        if (in_task)
            count_elsewhere(call);
        step_lose_node(step, now_ms);
        return;
    case PVE_REFUSAL_LOCKED:
        step_locked(step, effects, lock[0] ? lock : "unknown", now_ms,
                    step->course.verified_ms ? INT64_MAX : step->params.lock_wait_ms);
        return;
    case PVE_REFUSAL_BUSY: /* Proxmox has waited 10 s for the lock file already: no pause from now on */
        return;
    case PVE_REFUSAL_NOT_RUNNING:
        /* containers only: proves nothing by itself, a host that does not have it says the same */
        step->seen.idle =
            step->params.type == PVE_LXC && call == &step->calls.stop && went_to_its_host(step, call);
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

/* ---- its answer ---- */

/* A 4xx: hopeless, but for a parameter that an older Proxmox does not know. */
static void take_client_error(struct step *step, struct step_effects *effects, struct step_call *call,
                              const struct api_result *result, int64_t now_ms)
{
    struct json_object *ignored = NULL;
    settle_unmade(step, call, now_ms);
    step->trouble.error = result->error;
    if (result->http_status == 401) {
        step_back_off(step, now_ms);
        return;
    }
    if (result->http_status == 400 && result->errors && !step->calls.no_overrule &&
        json_object_object_get_ex(result->errors, "overrule-shutdown", &ignored)) {
        char lock[PVE_LOCK_MAX];
        const char *words = json_object_get_string(ignored);
        if (api_classify(words ? words : "", lock) == PVE_REFUSAL_HA) {
            take_refusal(step, effects, call, words, true, now_ms);
            return;
        }
        step->calls.no_overrule = true;
        step->asks[ASK_POWER].next_ms = now_ms;
        step_read_status_now(step, now_ms);
        return;
    }
    step_note(effects, "%s refused: %d %.100s", call_name(step, call), result->http_status, result->reason);
    step_fail(step, effects, &result->error);
}

/* The task's type stands in its UPID: hastop, hastart. Whatever was thought while the first one was under
 * way, whoever took it is the only one that was told to stop the guest. */
static void take_managed(struct step *step, struct step_effects *effects, struct step_call *call,
                         const struct step_event *event)
{
    bool managed = upid_is_of_ha(event->upid);
    step_ha_managed(step, effects, managed, event->now_ms);
    if (managed)
        call->effect_node[0] = '\0'; /* on whichever host */
    if (call == &step->calls.stop && call->tasks == 1 && call->strays == 0)
        step->ha.changed &= step->params.killing_since_ms != 0;
}

static void take_task(struct step *step, struct step_effects *effects, struct step_call *call,
                      const struct step_event *event)
{
    take_managed(step, effects, call, event);
    call->state = STEP_CALL_TASK;
    step->calls.stop_unread &= call != &step->calls.stop;
    snprintf(call->upid, sizeof(call->upid), "%s", event->upid);
    if (call == &step->calls.stop && !step->ha.managed)
        see_boot(step, call);
    /* in the watch the starts are counted on from where they were */
    if (step->phase != STEP_WATCHING && (went_to_its_host(step, call) || step->ha.managed))
        memcpy(step->calls.last_upid, call->upid, sizeof(step->calls.last_upid));
    step->asks[ASK_TASK].next_ms = event->now_ms;
    step->asks[ASK_TASK].gap_ms = STEP_STATUS_FIRST_MS;
    step_note(effects, "%s sent to %s", call_name(step, call), call->node);
    step_read_status_now(step, event->now_ms);
}

/* Nobody had it who could carry it out. */
static bool reached_nobody(const struct api_result *result)
{
    return result->outcome == API_UNSENT || (result->outcome == API_REFUSED && result->http_status == 595);
}

/* As we know by now, the guest is not where it went. */
static void take_stray(struct step *step, struct step_effects *effects, struct step_call *call,
                       const struct step_event *event)
{
    bool lost = event->result->outcome == API_LOST, unreached = reached_nobody(event->result);
    settle_unmade(step, call, event->now_ms);
    if (lost) /* it may still come to where the guest comes back to */
        step_settle(step, call, STEP_CALL_OPEN, event->now_ms);
    if (!unreached)
        stray(call, lost);
    step_note(effects,
              unreached ? "%s did not reach %s, and the guest is on %s"
                        : "%s went to %s, but the guest is on %s",
              call_name(step, call), call->node, step_host(step));
}

static void take_lost(struct step *step, struct step_effects *effects, struct step_call *call,
                      const struct step_event *event)
{
    step_settle(step, call, STEP_CALL_OPEN, event->now_ms);
    step->trouble.error = event->result->error;
    step_note(effects, "%s: no answer from %s, reading the state", call_name(step, call),
              event->result->endpoint_text);
    step_read_status_now(step, event->now_ms);
    if (call == &step->calls.stop && !step->calls.lost_before) {
        step->calls.lost_before = true;
        step->asks[ASK_POWER].next_ms = event->now_ms + STEP_RESEND_LOST_MS;
        step->asks[ASK_POWER].gap_ms = 0;
    } else {
        step_back_off(step, event->now_ms);
    }
}

static void take_unreached(struct step *step, struct step_effects *effects, struct step_call *call,
                           const struct step_event *event)
{
    const struct api_result *result = event->result;
    settle_unmade(step, call, event->now_ms);
    step->trouble.error = result->error;
    if (result->outcome == API_UNSENT) {
        call->sent--; /* nothing was written */
        step_note(effects, "%s could not be sent: %.140s", call_name(step, call), result->error.message);
    } else {
        step->place.suspect = true;
        step_note(effects, "%s: %s could not be reached by %s", call_name(step, call), step_host(step),
                  result->endpoint_text);
    }
    step_back_off(step, event->now_ms);
}

void step_power_answered(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    const struct api_result *result = event->result;
    struct step_call *call = call_of(step, step->calls.sending);
    if (has_no_effect(result))
        call->effect_since_ms = call->effect_before_ms;
    if (step_refused_credentials(step, effects, result, event->now_ms))
        return;
    if (went_elsewhere(step, call))
        take_stray(step, effects, call, event);
    else if (result->outcome == API_OK)
        take_task(step, effects, call, event);
    else if (result->outcome == API_LOST)
        take_lost(step, effects, call, event);
    else if (reached_nobody(result))
        take_unreached(step, effects, call, event);
    else if (result->http_status < 500 && blame_of(API_STOP, result) != BLAME_ENDPOINT)
        take_client_error(step, effects, call, result, event->now_ms);
    else
        take_refusal(step, effects, call, result->reason, false, event->now_ms);
}

/* ---- its task ---- */

void step_read_former_task(struct step *step, struct step_effects *effects, const struct call *call,
                           int64_t now_ms)
{
    if (step_ask(step, effects, ASK_TASK, now_ms))
        effects->upid = call->upid;
}

void step_read_task(struct step *step, struct step_effects *effects, const struct step_call *call,
                    int64_t now_ms)
{
    if (call == &step->calls.stop && step->calls.stop_unread && !step->ha.managed)
        (void)step_ask(step, effects, ASK_TASKS, now_ms);
    if (step_ask(step, effects, ASK_TASK, now_ms))
        effects->upid = call->upid;
}

/* The call whose task this is; NULL if nobody waits for it any more. */
static struct step_call *find_task(struct step *step, const char *upid)
{
    struct step_call *calls[] = {&step->calls.stop, &step->calls.start, &step->calls.reset};
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
    if (step->phase == STEP_POWERING_ON && call != &step->calls.start) {
        /* off is proven; of interest is only that it does not come any more (rule 6) */
        step_settle(step, call, event->task.ok ? STEP_CALL_OK : STEP_CALL_FAILED, now);
        return;
    }
    if (!event->task.ok) {
        take_refusal(step, effects, call, event->task.exit, true, now);
        return;
    }
    /* it proves something on that host alone (point 4); while the guest is looked for nobody knows, and if it
     * is there again, the task is read again */
    if (call == &step->calls.stop && !step->ha.managed && !step->place.node[0])
        return;
    if (call == &step->calls.stop && went_elsewhere(step, call)) {
        settle_elsewhere(step, call, now);
        return;
    }
    step_settle(step, call, STEP_CALL_OK, now);
    if (call == &step->calls.stop && step->ha.managed) {
        if (!step->ha.taken_ms)
            step->ha.taken_ms = call->settled_ms;
    } else if (call == &step->calls.stop && !step->seen.stopped_ms) {
        step->seen.stopped_ms = step->seen.stopped_read_ms = now;
    }
    step_note(effects, "%s: task OK", call_name(step, call));
    step_read_status_now(step, now);
}

void step_power_listed(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    /* after the proof nobody waits for the end of the stop that brought it, and a failed one would end all */
    bool awaited = step->phase != STEP_WATCHING || step->course.repaired_ms;
    if (awaited && step->calls.stop.state == STEP_CALL_TASK && event->task.ended &&
        strcmp(step->calls.stop.upid, event->upid) == 0)
        take_task_end(step, effects, &step->calls.stop, event);
}

const char *step_former_node(const struct step *step)
{
    return step->ha.managed ? NULL : step->place.node;
}

void step_leave_open(struct step_call *call, int64_t since_ms)
{
    call->open++;
    if (call->last_open_ms < since_ms)
        call->last_open_ms = since_ms;
}

/* The task of a call that an earlier operation sent. Nothing but its end is of interest: a read asked for
 * after that of a start shows what it did, and after that of a stop or reset none comes any more. That one
 * answer is lost says nothing of it (P3); where its host does not know the task (any more), it may still
 * come. */
static void take_former(struct step *step, const struct step_event *event, const struct call *call)
{
    bool start = call->power == STEP_SEND_START;
    if (event->result->outcome == API_REFUSED && event->result->http_status == 400) {
        step_leave_open(call_of(step, call->power), start ? call->sent_ms : event->now_ms);
    } else if (event->result->outcome != API_OK || !event->decoded) {
        step->asks[ASK_TASK].next_ms = event->now_ms + STEP_SLOW_READ_MS;
        return;
    } else if (!event->task.ended) {
        return;
    } else if (start) {
        step->calls.former_start_ms = step_after(event->now_ms, step->asks[ASK_STATUS].busy);
        step_read_status_now(step, event->now_ms);
    }
    calls_drop(&step->calls.former, call);
}

/* The start waits for the end of the stop's task, which nothing else tells; that takes a second in general.
 */
static int64_t longest_task_gap(const struct step *step, const struct step_call *call, int64_t now_ms)
{
    if (step->phase != STEP_POWERING_ON || call == &step->calls.start)
        return STEP_STATUS_LAST_MS;
    int64_t gap_ms = STEP_STATUS_SOON_MS + (now_ms - step->course.verified_ms) / STEP_STATUS_SHARE;
    return gap_ms < STEP_STATUS_LAST_MS ? gap_ms : STEP_STATUS_LAST_MS;
}

void step_power_task(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    struct step_call *call = find_task(step, event->upid);
    const struct call *former = calls_of_task(&step->calls.former, event->upid);
    int64_t now = event->now_ms;
    if (step_refused_credentials(step, effects, event->result, now) || !(call || former))
        return;
    if (call == &step->calls.stop)
        step->calls.stop_unread = event->result->outcome != API_OK || !event->decoded;
    step->asks[ASK_TASK].next_ms = now + step->asks[ASK_TASK].gap_ms;
    step->asks[ASK_TASK].gap_ms += step->asks[ASK_TASK].gap_ms / 2;
    if (step->asks[ASK_TASK].gap_ms > longest_task_gap(step, call, now))
        step->asks[ASK_TASK].gap_ms = longest_task_gap(step, call, now);
    if (!call) {
        take_former(step, event, former);
    } else if (event->result->outcome == API_REFUSED && event->result->http_status == 400) {
        step_settle(step, call, STEP_CALL_OPEN, now); /* that host does not know the task (any more) */
        step_back_off(step, now);
        step_read_status_now(step, now);
    } else if (event->result->outcome != API_OK) {
        step->asks[ASK_TASK].next_ms = now + STEP_SLOW_READ_MS;
        if (step->ha.managed &&
            now - call->last_sent_ms >= PROOF_HA_ROUND_MS) /* it died with the host that took it */
            step_settle(step, call, STEP_CALL_OPEN, now);
    } else if (event->decoded && event->task.ended) {
        take_task_end(step, effects, call, event);
    }
}

void step_power_located(struct step *step, int64_t now_ms)
{
    step->list.settled = false; /* another host's list said so */
    struct step_call *calls[] = {&step->calls.stop, &step->calls.reset, &step->calls.start};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i]->state == STEP_CALL_TASK && went_elsewhere(step, calls[i]))
            settle_elsewhere(step, calls[i], now_ms);
    }
    if (strcmp(step->place.lost_node, step->place.node) == 0)
        return;
    step->asks[ASK_POWER].next_ms = now_ms; /* what failed elsewhere says nothing of this host */
    step->seen.idle = false;                /* there */
    step->seen.idle_ms = 0;
    /* what lists said is of the other host, and so are the tasks that others are compared with */
    step->calls.last_upid[0] = '\0';
    step->list.asked_ms = 0;
    step->list.former_starts = step->list.former_vain_starts = 0;
}
