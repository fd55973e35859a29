/*
 * Rule 6: what is done about a guest that is only watched: what of it is a call of ours, and is repaired, and
 * what is left as it is. For every state in which a guest is watched, each answer both ways round.
 */
#include "calls_world.h"
#include "step_valid.h"
#include "step_world.h"

#include "fence/step_watch.c"

#define SECOND 1000
#define LISTED 512 /* Proxmox lists no more tasks than 500 */

/* ---- the rest of the machine ---- */

static bool may_send; /* what it answers … */
static unsigned may_be_ours[STEP_SEND_RESET + 1];
static struct call last_stop;
static bool asked_list, read_status, read_task, started, ended_stops; /* … and what it was asked for */
static enum step_power sent;
static const char *here;

bool step_ask(struct step *step, struct step_effects *effects, enum ask_kind kind, int64_t now_ms)
{
    bool any;
    (void)step, (void)effects, (void)now_ms;
    asked_list |= kind == ASK_TASKS;
    return any;
}

void step_read_status(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)step, (void)effects, (void)now_ms;
    read_status = true;
}

void step_read_task(struct step *step, struct step_effects *effects, const struct call *call, int64_t now_ms)
{
    (void)step, (void)effects, (void)call, (void)now_ms;
    read_task = true;
}

bool step_may_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    (void)step, (void)effects, (void)power, (void)now_ms;
    return may_send;
}

void step_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    (void)step, (void)effects, (void)now_ms;
    CLAIM(sent == STEP_SEND_NONE, "one call at a time");
    sent = power;
}

void step_on_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)effects, (void)now_ms;
    CLAIM(step->phase == STEP_POWERING_ON, "a start is decided on as in any power-on");
    started = true;
}

void step_end(struct step *step, struct step_effects *effects, enum operation_outcome outcome)
{
    step->phase = STEP_ENDED;
    effects->ended = true;
    effects->outcome = outcome;
}

const char *step_scope(const struct step *step)
{
    (void)step;
    return here;
}

unsigned calls_unnamed(const struct calls *calls, enum step_power power, const char *node)
{
    (void)calls;
    CLAIM(node == here, "calls to another host explain nothing here");
    return may_be_ours[power];
}

const struct call *calls_last(const struct calls *calls, enum step_power power)
{
    (void)calls;
    CLAIM(power == STEP_SEND_STOP, "only the end of a stop is waited for");
    return &last_stop;
}

void calls_end_open(struct calls *calls, enum step_power power, const char *node, int64_t now_ms)
{
    (void)calls, (void)now_ms;
    CLAIM(power == STEP_SEND_STOP && node == here, "a stop that was found here has ended, and no other call");
    ended_stops = true;
}

/* ---- the design's words ---- */

/* Point 3: with such a lock it may run elsewhere. */
static bool is_hidden(const char *lock)
{
    return strcmp(lock, "migrate") == 0 || strcmp(lock, "suspended") == 0 ||
           strcmp(lock, "suspending") == 0 || strcmp(lock, "rollback") == 0;
}

/* By its uptime, which is in whole seconds, cut, and of a moment between the question and its answer, what
 * runs was certainly started before this moment; or maybe. */
static bool runs_since_before(const struct step *step, int64_t moment_ms)
{
    return step->read.status.uptime_s * SECOND > step->read.received_ms - moment_ms;
}

static bool may_run_since_before(const struct step *step, int64_t moment_ms)
{
    return step->read.asked_ms - (step->read.status.uptime_s + 1) * SECOND < moment_ms;
}

/* A list that was asked for after the read, in which every task has ended, is what explains it. */
static bool is_explained(const struct step *step)
{
    return step->list.asked_ms >= step->read.received_ms && !step->list.newer_running;
}

/* One of the stops in it did not fail, and all that are newer than our last task may be ours. */
static bool stopped_by_ours(const struct step *step)
{
    return step->list.newer_stops > step->list.failed_stops &&
           step->list.newer_stops <= may_be_ours[STEP_SEND_STOP];
}

/* A start that did not fail has come since the guest read stopped; and it, those that failed since, and those
 * that had come before, may all be ours. What had failed before is over. A list that shows less than one
 * before it did tells nothing. */
static bool started_by_ours(const struct step *step)
{
    const struct step_list *list = &step->list;
    int64_t failed_since = (int64_t)list->failed_starts - list->prior_failed_starts;
    int64_t came_since = (int64_t)list->newer_starts - list->prior_starts - failed_since;
    int64_t came_before = (int64_t)list->prior_starts - list->prior_failed_starts;
    return list->newer_starts >= list->prior_starts && failed_since >= 0 && came_since > 0 &&
           came_before + came_since + failed_since <= may_be_ours[STEP_SEND_START];
}

/* What is to be done. */
struct wanted {
    bool end, list, task;
    bool stop, again; /* what a start of ours brought; once more */
    bool start;       /* what a stop of ours stopped */
    bool pass_over;   /* starts that came before explain nothing later */
    bool forget;      /* it is another one than what was stopped again */
};

static void wanted_of_stopped(const struct step *step, struct wanted *wanted)
{
    bool old = step->list.asked_ms < step->course.verified_ms ||
               step->read.received_ms - step->list.received_ms > 5 * SECOND;
    wanted->end = step->course.repaired_ms != 0; /* it is done */
    wanted->list = !wanted->end && old;
    wanted->pass_over =
        !wanted->end && !old && !step->list.newer_running && step->read.asked_ms > step->list.received_ms;
}

static void wanted_of_running(const struct step *step, struct wanted *wanted, int64_t now_ms)
{
    bool repaired = step->course.repaired_ms != 0;
    bool same = repaired && runs_since_before(step, step->course.repaired_ms);
    bool another = repaired && !same && !may_run_since_before(step, step->course.repaired_ms);
    bool long_enough = runs_since_before(step, step->read.asked_ms - SECOND);
    bool looked_at = (!repaired || another) && long_enough;
    wanted->forget = another;
    wanted->list = looked_at && !is_explained(step);
    wanted->end = looked_at && is_explained(step) && !started_by_ours(step);
    wanted->again = may_send && same && now_ms - step->read.received_ms <= 50;
    wanted->stop = may_send && looked_at && is_explained(step) && started_by_ours(step);
    wanted->pass_over = wanted->stop;
}

static struct wanted wanted_after_off(const struct step *step, int64_t now_ms)
{
    bool repaired = step->course.repaired_ms != 0;
    struct wanted wanted = {0};
    if (step->asks[ASK_POWER].busy || !step->read.known)
        return wanted;
    if (repaired && last_stop.state == CALL_TASK)
        wanted.task = true;
    else if (!step->read.status.running)
        wanted_of_stopped(step, &wanted);
    else if (!repaired || step->read.asked_ms >= last_stop.settled_ms)
        wanted_of_running(step, &wanted, now_ms);
    return wanted;
}

static struct wanted wanted_after_on(const struct step *step)
{
    struct wanted wanted = {0};
    if (!step->read.known || step->read.status.running || is_hidden(step->read.status.lock))
        return wanted;
    wanted.list = !is_explained(step);
    wanted.start = is_explained(step) && stopped_by_ours(step);
    wanted.end = is_explained(step) && !stopped_by_ours(step);
    return wanted;
}

static struct wanted wanted_of(const struct step *step, int64_t now_ms)
{
    /* HA keeps its guests as they were asked to be */
    if (now_ms >= step->course.watch_until_ms || step->ha.managed)
        return (struct wanted){.end = true};
    return step->params.action == FENCE_OFF ? wanted_after_off(step, now_ms) : wanted_after_on(step);
}

static void claim_done(const struct wanted *wanted, const struct step *step)
{
    CLAIM(
        sent == (wanted->stop || wanted->again ? STEP_SEND_STOP : STEP_SEND_NONE),
        "it is stopped again exactly where a start of ours brought it, and again only while it is the same");
    CLAIM(started == wanted->start, "it is started again exactly where a stop of ours stopped it");
    CLAIM((step->phase == STEP_ENDED) == wanted->end,
          "what is somebody else's work, HA's by now, or done, is not watched any longer");
    CLAIM(asked_list == wanted->list, "what nothing explains yet is looked for in a list");
    CLAIM(read_task == wanted->task, "and a repair's stop by its task");
    CLAIM(read_status == (!wanted->end && !wanted->start), "what is watched is read");
}

static void claim_memory(const struct wanted *wanted, const struct step *before, const struct step *step,
                         int64_t now_ms)
{
    const struct step_list *list = &step->list, *was = &before->list;
    CLAIM(step->course.repaired_ms == (wanted->start    ? now_ms
                                       : wanted->stop   ? before->read.asked_ms
                                       : wanted->forget ? 0
                                                        : before->course.repaired_ms),
          "what was repaired is known by the read that showed it");
    CLAIM(
        list->prior_starts == (wanted->pass_over ? was->newer_starts : was->prior_starts) &&
            list->prior_failed_starts == (wanted->pass_over ? was->failed_starts : was->prior_failed_starts),
        "starts that had ended before it read stopped, or were repaired, explain nothing later; others may");
    CLAIM(ended_stops == wanted->start, "and it has ended");
    CLAIM(step->course.watch_until_ms == before->course.watch_until_ms, "it is watched no longer for that");
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    bool any_may_send;
    unsigned any_starts, any_stops;
    struct call any_stop;
    any_step(&step);
    end_call(&any_stop);
    NEAR(now_ms);
    ASSUME(now_ms > 0 && step.phase == STEP_WATCHING && step.place.node[0] && step_is_valid(&step));
    ASSUME(step.list.newer_stops < LISTED && step.list.newer_starts < LISTED &&
           step.list.prior_starts < LISTED && any_starts < LISTED && any_stops < LISTED);
    ASSUME(step.list.failed_stops <= step.list.newer_stops &&
           step.list.failed_starts <= step.list.newer_starts &&
           step.list.prior_failed_starts <= step.list.prior_starts);
    may_send = any_may_send;
    MAKE_BOOL(may_send);
    may_be_ours[STEP_SEND_START] = any_starts;
    may_be_ours[STEP_SEND_STOP] = any_stops;
    last_stop = any_stop;
    here = step.place.node;
    before = step;
    const struct wanted wanted = wanted_of(&step, now_ms);

    step_watch_decide(&step, &effects, now_ms);
    claim_done(&wanted, &step);
    claim_memory(&wanted, &before, &step, now_ms);
    CLAIM(step.phase != STEP_WATCHING ||
              (effects.wake_ms != 0 && effects.wake_ms <= before.course.watch_until_ms),
          "it is watched no longer than until then (P7)");
    CLAIM(!effects.verified && (!effects.ended || effects.outcome == OPERATION_DONE),
          "it is answered, and done");
    CLAIM(step_is_valid(&step), "the state stays valid");
    REACHED(wanted.stop && wanted.forget);
    REACHED(wanted.stop && !wanted.forget && before.list.prior_starts > 0);
    REACHED(wanted.again);
    REACHED(wanted.start);
    REACHED(wanted.end && now_ms < before.course.watch_until_ms && !before.ha.managed);
    REACHED(wanted.pass_over && !wanted.stop);
    REACHED(wanted.task);
}
