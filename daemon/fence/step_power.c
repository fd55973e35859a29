/*
 * A power call of ours (stop, start or reset), from its sending to the end of its task: what its answer and
 * its task say about it. When one is sent is decided in step_off.c, step_on.c, step_ha.c and step_watch.c.
 */
#include "fence/step_private.h"

#include "proxmox/blame.h"

#include <stdio.h>
#include <string.h>

static const char *name_of(const struct call *call)
{
    static const char *const names[] = {
        [STEP_SEND_STOP] = "stop", [STEP_SEND_START] = "start", [STEP_SEND_RESET] = "reset"};
    return names[call->power];
}

const char *step_scope(const struct step *step)
{
    return step->ha.managed ? NULL : step->place.node;
}

/* ---- what it may have done (point 7) ---- */

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
static void see_boot(struct step *step, const struct call *stop)
{
    int64_t uptime_ms = upid_uptime_ms(stop->upid);
    if (uptime_ms)
        calls_see_boot(&step->calls, stop->node, stop->sent_ms - uptime_ms - uptime_ms / STEP_CLOCK_DRIFT);
}

/* ---- sending ---- */

/* However long the operation may take, some calls are left until its end. */
static int64_t longest_pause(const struct step *step, enum step_power power, int64_t now_ms)
{
    int64_t until_ms = power == STEP_SEND_START ? step_on_deadline(step) : step->params.deadline_ms;
    unsigned sent = calls_sent(&step->calls, power);
    if (sent >= STEP_CALLS_MAX)
        return STEP_RESEND_LAST_MS;
    int64_t share_ms = (until_ms - now_ms) / (int64_t)(STEP_CALLS_MAX - sent);
    return share_ms > STEP_RESEND_LAST_MS ? share_ms : STEP_RESEND_LAST_MS;
}

void step_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    struct ask *ask = &step->asks[ASK_POWER];
    const char *node = step->ha.managed && step->place.offline ? step->place.other : step->place.node;
    struct call *call = calls_add(&step->calls, power, node, now_ms);
    call->ha = step->ha.managed;
    ask->gap_ms = ask->gap_ms ? 2 * ask->gap_ms : STEP_RESEND_FIRST_MS;
    if (ask->gap_ms > longest_pause(step, power, now_ms))
        ask->gap_ms = longest_pause(step, power, now_ms);
    ask->next_ms = now_ms; /* whatever is said of this one */
    step_back_off(step, now_ms);
    ask->busy = true;
    if (calls_sent(&step->calls, power) == STEP_CALLS_MAX)
        step_note(effects, "%s no. %d is the last one: from now on the guest is only read", name_of(call),
                  STEP_CALLS_MAX);
    effects->send = power;
    effects->send_to = call->node;
    effects->by_ha = step->ha.managed;
    effects->overrule_shutdown = power == STEP_SEND_STOP && step->params.release >= 802 && !step->ha.managed;
}

bool step_may_go(const struct step *step, int64_t now_ms)
{
    const struct call *call = calls_sending((struct calls *)&step->calls);
    return !step_is_late(step, now_ms) || !call || now_ms - call->sent_ms <= STEP_NEWS_MS;
}

void step_back_off(struct step *step, int64_t now_ms)
{
    ask_not_before(&step->asks[ASK_POWER], now_ms + step->asks[ASK_POWER].gap_ms);
}

bool step_may_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    if (calls_sent(&step->calls, power) >= STEP_CALLS_MAX)
        return false;
    if (now_ms >= step->asks[ASK_POWER].next_ms)
        return true;
    step_wake_at(effects, step->asks[ASK_POWER].next_ms);
    return false;
}

/* ---- what became of it ---- */

/* It went to a host that the guest is not on, as we know by now: there it can only fail. The HA manager is
 * the same on every host. */
static bool went_elsewhere(const struct step *step, const struct call *call)
{
    return !step->ha.managed && step->place.node[0] && strcmp(step->place.node, call->node) != 0;
}

void step_settle(const struct step *step, struct call *call, enum call_state state, int64_t now_ms)
{
    call->state = state;
    call->settled_ms = step_after(now_ms, step->asks[ASK_STATUS].busy);
}

/* To the host that the guest is on, or, while it is looked for, was on: what it says counts if it is there
 * again (step_power_located()). */
static bool went_to_its_host(const struct step *step, const struct call *call)
{
    return strcmp(step->place.node[0] ? step->place.node : step->place.lost_node, call->node) == 0;
}

/* The call was certainly not carried out, and made no task: nobody will find it in a task list. */
static void settle_unmade(const struct step *step, struct call *call, int64_t now_ms)
{
    step_settle(step, call, CALL_FAILED, now_ms);
    call->listed = 0;
}

/* Proxmox's words on why a power call did not work, from its answer or from its task. Sets the call's state.
 */
static void settle_refused(struct step *step, struct step_effects *effects, struct call *call,
                           const char *words, bool in_task, int64_t now_ms)
{
    char lock[PVE_LOCK_MAX];
    enum pve_refusal refusal = api_classify(words, lock);
    if (in_task && task_has_no_effect(refusal, words))
        call->effect_ms = 0;
    /* a server error of unknown kind may hide a call that was carried out (rule 6) */
    if (in_task)
        step_settle(step, call, CALL_FAILED, now_ms);
    else if (may_hide_an_effect(refusal, words))
        step_settle(step, call, CALL_OPEN, now_ms);
    else
        settle_unmade(step, call, now_ms);
    step_note(effects, "%s failed: %.120s", name_of(call), words);
    step_read_status_now(step, now_ms);
}

static void take_refusal(struct step *step, struct step_effects *effects, struct call *call,
                         const char *words, bool in_task, int64_t now_ms)
{
    struct error error = {0};
    char lock[PVE_LOCK_MAX];
    enum pve_refusal refusal = api_classify(words, lock);

    error_set(&error, ERROR_TASK_FAILED, "%s of guest %d on %s failed: %s", name_of(call), step->params.vmid,
              step_host(step), words);
    step->trouble.error = error;
    settle_refused(step, effects, call, words, in_task, now_ms);
    switch (refusal) {
    case PVE_REFUSAL_MOVED:
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
            step->params.type == PVE_LXC && call->power == STEP_SEND_STOP && went_to_its_host(step, call);
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
static void take_client_error(struct step *step, struct step_effects *effects, struct call *call,
                              const struct api_result *result, int64_t now_ms)
{
    struct json_object *ignored = NULL;
    settle_unmade(step, call, now_ms);
    step_missed(step, result);
    if (result->http_status == 401) {
        step_back_off(step, now_ms);
        return;
    }
    if (result->http_status == 400 && result->errors && step->params.release >= 802 &&
        json_object_object_get_ex(result->errors, "overrule-shutdown", &ignored)) {
        char lock[PVE_LOCK_MAX];
        const char *words = json_object_get_string(ignored);
        if (api_classify(words ? words : "", lock) == PVE_REFUSAL_HA) {
            take_refusal(step, effects, call, words, true, now_ms);
            return;
        }
        step->params.release = 0; /* whatever it says */
        step->asks[ASK_POWER].next_ms = now_ms;
        step_read_status_now(step, now_ms);
        return;
    }
    step_note(effects, "%s refused: %d %.100s", name_of(call), result->http_status, result->reason);
    step_fail(step, effects, &result->error);
}

/* The task's type stands in its UPID: hastop, hastart. Whatever was thought while the first one was under
 * way, whoever took it is the only one that was told to stop the guest. */
static void take_managed(struct step *step, struct step_effects *effects, struct call *call,
                         const struct step_event *event)
{
    call->ha = upid_is_of_ha(event->upid);
    step_ha_managed(step, effects, call->ha, event->now_ms);
    if (call->power == STEP_SEND_STOP && calls_left(&step->calls, STEP_SEND_STOP) == 1)
        step->ha.changed &= calls_effect_ms(&step->calls, CALLS_INHERITED) != 0;
}

static void take_task(struct step *step, struct step_effects *effects, struct call *call,
                      const struct step_event *event)
{
    take_managed(step, effects, call, event);
    step_settle(step, call, CALL_TASK, event->now_ms);
    step->list.wanted &= call->power != STEP_SEND_STOP;
    snprintf(call->upid, sizeof(call->upid), "%s", event->upid);
    if (call->power == STEP_SEND_STOP && !call->ha)
        see_boot(step, call);
    step->asks[ASK_TASK].next_ms = event->now_ms;
    step->asks[ASK_TASK].gap_ms = STEP_STATUS_FIRST_MS;
    step_note(effects, "%s sent to %s", name_of(call), call->node);
    step_read_status_now(step, event->now_ms);
}

/* Nobody had it who could carry it out. */
static bool reached_nobody(const struct api_result *result)
{
    return result->outcome == API_UNSENT || (result->outcome == API_REFUSED && result->http_status == 595);
}

/* As we know by now, the guest is not where it went. */
static void take_stray(struct step *step, struct step_effects *effects, struct call *call,
                       const struct step_event *event)
{
    bool unreached = reached_nobody(event->result);
    /* one that was lost may still come to where the guest comes back to */
    step_settle(step, call, event->result->outcome == API_LOST ? CALL_OPEN : CALL_FAILED, event->now_ms);
    call->listed = !unreached;
    step_note(effects,
              unreached ? "%s did not reach %s, and the guest is on %s"
                        : "%s went to %s, but the guest is on %s",
              name_of(call), call->node, step_host(step));
}

static void take_lost(struct step *step, struct step_effects *effects, struct call *call,
                      const struct step_event *event)
{
    step_settle(step, call, CALL_OPEN, event->now_ms);
    step_missed(step, event->result);
    step_note(effects, "%s: no answer from %s, reading the state", name_of(call),
              event->result->endpoint_text);
    step_read_status_now(step, event->now_ms);
    if (call->power == STEP_SEND_STOP && !step->course.lost_before) {
        step->course.lost_before = true;
        step->asks[ASK_POWER].next_ms = event->now_ms + STEP_RESEND_LOST_MS;
        step->asks[ASK_POWER].gap_ms = 0;
    } else {
        step_back_off(step, event->now_ms);
    }
}

static void take_unreached(struct step *step, struct step_effects *effects, struct call *call,
                           const struct step_event *event)
{
    const struct api_result *result = event->result;
    int64_t settled_ms = call->settled_ms;
    settle_unmade(step, call, event->now_ms);
    step_missed(step, result);
    if (result->outcome == API_UNSENT) { /* nothing was written */
        call->sent = 0;
        call->settled_ms = settled_ms;
        step_note(effects, "%s could not be sent: %.140s", name_of(call), result->error.message);
    } else {
        step->place.suspect = true;
        step_note(effects, "%s: %s could not be reached by %s", name_of(call), step_host(step),
                  result->endpoint_text);
    }
    step_back_off(step, event->now_ms);
}

void step_power_answered(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    const struct api_result *result = event->result;
    struct call *call = calls_sending(&step->calls);
    if (!call)
        return;
    if (has_no_effect(result))
        call->effect_ms = 0;
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

void step_read_task(struct step *step, struct step_effects *effects, const struct call *call, int64_t now_ms)
{
    if (call->power == STEP_SEND_STOP && step->list.wanted && !step->ha.managed)
        (void)step_ask(step, effects, ASK_TASKS, now_ms);
    if (step_ask(step, effects, ASK_TASK, now_ms))
        effects->upid = call->upid;
}

/* The task of a call that an earlier operation sent. Nothing but its end is of interest: a read asked for
 * after that of a start shows what it did, and after that of a stop or reset none comes any more. */
static void take_inherited_end(struct step *step, struct call *call, int64_t now_ms)
{
    step_settle(step, call, CALL_ENDED, now_ms);
    if (call->power == STEP_SEND_START)
        step_read_status_now(step, now_ms);
}

static void take_task_end(struct step *step, struct step_effects *effects, struct call *call,
                          const struct step_event *event)
{
    int64_t now = event->now_ms;
    if (call->inherited) {
        take_inherited_end(step, call, now);
        return;
    }
    if (step->phase == STEP_POWERING_ON && call->power != STEP_SEND_START) {
        /* off is proven; of interest is only that it does not come any more (rule 6) */
        step_settle(step, call, event->task.ok ? CALL_OK : CALL_FAILED, now);
        return;
    }
    if (!event->task.ok) {
        take_refusal(step, effects, call, event->task.exit, true, now);
        return;
    }
    /* it proves something on that host alone (point 4); while the guest is looked for nobody knows, and if it
     * is there again, the task is read again */
    if (call->power == STEP_SEND_STOP && !step->ha.managed && !step->place.node[0])
        return;
    if (call->power == STEP_SEND_STOP && went_elsewhere(step, call)) {
        step_settle(step, call, CALL_FAILED, now);
        return;
    }
    step_settle(step, call, CALL_OK, now);
    if (call->power == STEP_SEND_STOP && step->ha.managed) {
        if (!step->ha.taken_ms)
            step->ha.taken_ms = call->settled_ms;
    } else if (call->power == STEP_SEND_STOP && !step->seen.stopped_ms) {
        step->seen.stopped_ms = step->seen.stopped_read_ms = now;
    }
    step_note(effects, "%s: task OK", name_of(call));
    step_read_status_now(step, now);
}

void step_power_listed(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    /* after the proof nobody waits for the end of the stop that brought it, and a failed one would end all */
    bool awaited = step->phase != STEP_WATCHING || step->course.repaired_ms;
    struct call *call = calls_of_task(&step->calls, event->upid);
    if (awaited && call && event->task.ended)
        take_task_end(step, effects, call, event);
}

/* The start waits for the end of the stop's task, which nothing else tells; that takes a second in general.
 */
static int64_t longest_task_gap(const struct step *step, const struct call *call, int64_t now_ms)
{
    if (step->phase != STEP_POWERING_ON || call->power == STEP_SEND_START)
        return STEP_STATUS_LAST_MS;
    int64_t gap_ms = STEP_STATUS_SOON_MS + (now_ms - step->course.verified_ms) / STEP_STATUS_SHARE;
    return gap_ms < STEP_STATUS_LAST_MS ? gap_ms : STEP_STATUS_LAST_MS;
}

void step_power_task(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    struct call *call = calls_of_task(&step->calls, event->upid);
    struct ask *ask = &step->asks[ASK_TASK];
    int64_t now = event->now_ms;
    if (step_refused_credentials(step, effects, event->result, now) || !call)
        return;
    if (call->power == STEP_SEND_STOP && !call->inherited)
        step->list.wanted = event->result->outcome != API_OK || !event->decoded;
    ask->next_ms = now + ask->gap_ms;
    ask->gap_ms += ask->gap_ms / 2;
    if (ask->gap_ms > longest_task_gap(step, call, now))
        ask->gap_ms = longest_task_gap(step, call, now);
    if (event->result->outcome == API_REFUSED && event->result->http_status == 400) {
        step_settle(step, call, CALL_OPEN, now); /* that host does not know the task (any more) */
        step_back_off(step, now);
        step_read_status_now(step, now);
    } else if (event->result->outcome != API_OK) {
        ask->next_ms = now + STEP_SLOW_READ_MS;
        if (step->ha.managed &&
            now - call->sent_ms >= PROOF_HA_ROUND_MS) /* it died with the host that took it */
            step_settle(step, call, CALL_OPEN, now);
    } else if (event->decoded && event->task.ended) {
        take_task_end(step, effects, call, event);
    }
}

void step_power_located(struct step *step, int64_t now_ms)
{
    for (enum step_power power = STEP_SEND_STOP; power <= STEP_SEND_RESET; power++) {
        struct call *call = calls_own(&step->calls, power);
        if (call && call->state == CALL_TASK && went_elsewhere(step, call))
            step_settle(step, call, CALL_FAILED, now_ms);
    }
    if (strcmp(step->place.lost_node, step->place.node) == 0)
        return;
    step->asks[ASK_POWER].next_ms = now_ms; /* what failed elsewhere says nothing of this host */
    step->seen.idle = false;                /* there */
    step->seen.idle_ms = 0;
    /* what lists said is of the other host */
    step->list.asked_ms = 0;
    step->list.prior_starts = step->list.prior_failed_starts = 0;
}
