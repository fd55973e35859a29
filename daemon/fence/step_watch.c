/*
 * The task list of the guest's host, and what it tells about calls that nobody answered for (rule 6): whether
 * a stop may still come, whether another broker with our identity has stopped the guest since, and, after an
 * operation was answered, whether a call of ours has undone it. Guests of Proxmox HA are not watched: their
 * manager keeps them in the state that was asked for last.
 */
#include "fence/step_private.h"

#include <stdio.h>
#include <string.h>

/* Our newest task on the guest's host. After a proven off starts are counted on from where they were. */
static const char *last_upid(const struct step *step)
{
    bool counted = step->params.action == FENCE_OFF && step->course.verified_ms;
    return calls_last_upid(&step->calls, step->place.node, counted ? step->course.verified_ms : INT64_MAX);
}

/* Any host takes a hastop, and keeps its task. */
struct step_task_list step_task_list(const struct step *step)
{
    const struct call *stop = calls_last(&step->calls, STEP_SEND_STOP);
    return (struct step_task_list){.node = step->ha.managed && stop->node[0] ? stop->node : step->place.node,
                                   .since_realtime_ms = step->calls.since_realtime_ms,
                                   .of_ha = step->ha.managed,
                                   .after_upid = last_upid(step),
                                   .stop_upid = stop->upid};
}

/* Every stop of ours is there, and has ended: so have the open ones. */
static bool shows_all_ended(const struct step *step, const struct step_event *event)
{
    return event->result->asked_ms >= calls_last(&step->calls, STEP_SEND_STOP)->sent_ms &&
           event->tasks.running == 0 &&
           event->tasks.begun >= calls_listed(&step->calls, STEP_SEND_STOP, step_scope(step));
}

void step_take_tasks(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    if (!event->node || strcmp(event->node, step_task_list(step).node) != 0) {
        step->asks[ASK_TASKS].next_ms = event->now_ms; /* of a host that the guest has left */
        return;
    }
    bool old = step->seen.off &&
               event->result->asked_ms < step->seen.off_received_ms; /* the start waits for one since */
    step->asks[ASK_TASKS].next_ms = event->now_ms + (old ? 0 : STEP_MIGRATION_MS);
    if (event->result->outcome != API_OK || !event->decoded) {
        step->list.failed++;
        return;
    }
    step->list.failed = 0;
    step->list.received_ms = event->now_ms;
    if (!step->asks[ASK_POWER].busy) /* else it may show a task of ours whose UPID we are still to be told */
        step->list.asked_ms = event->result->asked_ms;
    step->list.newer_stops = event->tasks.newer;
    step->list.failed_stops = event->tasks.newer_failed;
    bool after = last_upid(step)[0] != '\0';
    step->list.newer_starts = after ? event->starts.newer : event->starts.begun;
    step->list.failed_starts = after ? event->starts.newer_failed : event->starts.failed;
    step->list.newer_running =
        event->tasks.newer_running + (after ? event->starts.newer_running : event->starts.running);
    if (shows_all_ended(step, event))
        calls_end_open(&step->calls, STEP_SEND_STOP, step_scope(step), event->now_ms);
    step_power_listed(step, effects, event);
}

/* So many of those that are newer may be ours. */
static unsigned unnamed(const struct step *step, enum step_power power)
{
    return calls_unnamed(&step->calls, power, step_scope(step));
}

/* ---- before a start ---- */

bool step_compares_stops(const struct step *step)
{
    return last_upid(step)[0] && !step->ha.managed && step->list.failed < STEP_TASK_LISTS_MAX;
}

void step_leave_off(struct step *step, struct step_effects *effects, const char *why)
{
    struct error error = {0};
    step_note(effects, "left off: %s", why);
    error_set(&error, ERROR_ABANDONED, "guest %d is not started: %s", step->params.vmid, why);
    effects->left_off = step->params.action == FENCE_REBOOT; /* which itself is done */
    if (effects->left_off)
        effects->left_off_error = error;
    else
        effects->error = error;
    step_end(step, effects, effects->left_off ? OPERATION_DONE : OPERATION_ABANDONED);
}

bool step_is_superseded(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    int64_t since_ms = calls_sent(&step->calls, STEP_SEND_START) > 0
                           ? calls_last(&step->calls, STEP_SEND_START)->settled_ms
                           : step->seen.off_received_ms;
    char why[STEP_NOTE_LEN];
    if (!step_compares_stops(step))
        return false;
    if (step->list.asked_ms < since_ms) {
        (void)step_ask(step, effects, ASK_TASKS, now_ms);
        return true;
    }
    if (step->list.newer_stops <= unnamed(step, STEP_SEND_STOP)) /* those may be ours */
        return false;
    snprintf(why, sizeof(why), "another broker with our identity has stopped it on %s since",
             step_host(step));
    step_leave_off(step, effects, why);
    return true;
}

/* ---- after the answer ---- */

void step_watch(struct step *step, struct step_effects *effects, const char *call)
{
    step->phase = STEP_WATCHING;
    step_note(effects, "watched for a while: a %s of ours may still come", call);
}

void step_start_at_risk(struct step *step, int64_t now_ms)
{
    const char *node = step_scope(step);
    bool coming = calls_count(&step->calls, STEP_SEND_STOP, CALLS_COMING, node) > 0 ||
                  calls_count(&step->calls, STEP_SEND_RESET, CALLS_COMING, node) > 0;
    if (!step->ha.managed && !step->course.repaired_ms && coming)
        step->course.watch_until_ms = now_ms + CALLS_OPEN_MS;
}

static void end_watch(struct step *step, struct step_effects *effects, const char *why)
{
    step_note(effects, "%s", why);
    step_end(step, effects, OPERATION_DONE);
}

void step_yield(struct step *step, struct step_effects *effects)
{
    if (step->phase == STEP_WATCHING)
        end_watch(step, effects, "no longer watched: a newer request has come");
}

/* Calls of ours are the only ones of our identity in the list, and one of them did it. One that failed did
 * nothing: somebody else was there before it. */
static bool is_ours(unsigned newer, unsigned failed, unsigned open)
{
    return newer > failed && newer <= open;
}

/* What the last read shows is to be explained by a task list that was asked for after it, and in which every
 * task has ended: one that still waits for the guest's lock file explains nothing. */
static bool explained(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->list.asked_ms >= step->read.received_ms && !step->list.newer_running)
        return true;
    (void)step_ask(step, effects, ASK_TASKS, now_ms);
    return false;
}

static void watch_running(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (!step->read.known || step->read.status.running || step_lock_hides_the_truth(step->read.status.lock) ||
        !explained(step, effects, now_ms))
        return;
    if (!is_ours(step->list.newer_stops, step->list.failed_stops, unnamed(step, STEP_SEND_STOP))) {
        end_watch(step, effects, "off again, and not by a call of ours: it stays off");
        return;
    }
    step_note(effects, "stopped by a call whose answer was lost: started again");
    step->course.repaired_ms = now_ms;
    calls_end_open(&step->calls, STEP_SEND_STOP, step_scope(step), now_ms);
    step->asks[ASK_POWER].next_ms = now_ms;
    step->phase = STEP_POWERING_ON;
    step_on_decide(step, effects, now_ms);
}

/* What has explained something already, or had ended before a read that shows it stopped, is not what it runs
 * by later. */
static void pass_over_starts(struct step *step)
{
    step->list.prior_starts = step->list.newer_starts;
    step->list.prior_failed_starts = step->list.failed_starts;
}

static void remember_prior_starts(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->list.asked_ms < step->course.verified_ms ||
        step->read.received_ms - step->list.received_ms > STEP_PRIOR_STARTS_MS) {
        (void)step_ask(step, effects, ASK_TASKS, now_ms);
    } else if (!step->list.newer_running && step->read.asked_ms > step->list.received_ms) {
        pass_over_starts(step);
    }
}

static bool started_by_us(const struct step *step)
{
    if (step->list.newer_starts < step->list.prior_starts ||
        step->list.failed_starts < step->list.prior_failed_starts)
        return false; /* the list has forgotten some: nobody knows */
    unsigned newer = step->list.newer_starts - step->list.prior_failed_starts;
    unsigned failed = step->list.failed_starts - step->list.prior_failed_starts;
    return is_ours(newer, failed, unnamed(step, STEP_SEND_START)) &&
           step->list.newer_starts - step->list.prior_starts > failed;
}

/* What runs is what a start of ours brought. A stop for it that is sent again must still find that one: by
 * its uptime it has run since before the read that was explained. What was started since is to be explained
 * itself. The host counts whole seconds: it is left to run for one, so that this can always be told. */
static bool is_to_be_stopped(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (step->course.repaired_ms && step_ran_before(step, step->course.repaired_ms))
        return step_is_news(step, now_ms);
    if (step->course.repaired_ms &&
        step_started_ms(&step->read.status, step->read.asked_ms) < step->course.repaired_ms)
        return false; /* one of the next reads tells */
    step->course.repaired_ms = 0;
    if (!step_ran_before(step, step->read.asked_ms - STEP_WATCH_MS) || !explained(step, effects, now_ms))
        return false;
    if (started_by_us(step))
        return true;
    end_watch(step, effects, "runs again, and not by a call of ours: it stays on");
    return false;
}

static void watch_off(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    const struct call *stop = calls_last(&step->calls, STEP_SEND_STOP);
    if (step->asks[ASK_POWER].busy || !step->read.known)
        return;
    if (stop->state == CALL_TASK && step->course.repaired_ms) {
        step_read_task(step, effects, stop, now_ms);
        return;
    }
    if (!step->read.status.running) {
        if (step->course.repaired_ms)
            end_watch(step, effects, "stopped again");
        else
            remember_prior_starts(step, effects, now_ms);
        return;
    }
    if (step->course.repaired_ms && step->read.asked_ms < stop->settled_ms)
        return;
    if (!is_to_be_stopped(step, effects, now_ms) || !step_may_send(step, effects, STEP_SEND_STOP, now_ms))
        return;
    if (!step->course.repaired_ms) {
        step_note(effects, "started by a call whose answer was lost: stopped again");
        step->course.repaired_ms = step->read.asked_ms;
        pass_over_starts(step);
    }
    step_send(step, effects, STEP_SEND_STOP, now_ms);
}

void step_watch_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (now_ms >= step->course.watch_until_ms) {
        end_watch(step, effects, step->course.repaired_ms ? "watched to its end" : "no such call came");
        return;
    }
    if (step->ha.managed) { /* since */
        end_watch(step, effects, "no longer watched: Proxmox HA manages it");
        return;
    }
    step_wake_at(effects, step->course.watch_until_ms);
    if (step->params.action == FENCE_OFF)
        watch_off(step, effects, now_ms);
    else
        watch_running(step, effects, now_ms);
    if (step->phase != STEP_WATCHING)
        return;
    if (step->asks[ASK_STATUS].next_ms < step->read.received_ms + STEP_WATCH_MS && !step->course.repaired_ms)
        step->asks[ASK_STATUS].next_ms = step->read.received_ms + STEP_WATCH_MS;
    step_read_status(step, effects, now_ms);
}
