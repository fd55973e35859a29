/*
 * Rule 6, before a start: what holds it back and for how long, for whose stop the guest is left off, and when
 * a guest is watched after it. For every state, both ways round.
 */
#include "calls_world.h"
#include "step_world.h"

#include <string.h>

#define SECOND 1000

/* ---- the rest of the machine ---- */

static bool asked_list, read_task;

bool step_ask(struct step *step, struct step_effects *effects, enum ask_kind kind, int64_t now_ms)
{
    bool any;
    (void)step, (void)effects, (void)now_ms;
    asked_list |= kind == ASK_TASKS;
    return any;
}

void step_read_task(struct step *step, struct step_effects *effects, const struct call *call, int64_t now_ms)
{
    (void)step, (void)effects, (void)now_ms;
    CLAIM(call->state == CALL_TASK && call->upid[0], "the task that is read has a name");
    read_task = true;
}

void step_end(struct step *step, struct step_effects *effects, enum operation_outcome outcome)
{
    step->phase = STEP_ENDED;
    effects->ended = true;
    effects->outcome = outcome;
}

const char *step_host(const struct step *step)
{
    return step->place.node;
}

const char *step_scope(const struct step *step)
{
    return step->ha.managed ? NULL : step->place.node;
}

/* ---- the design's words ---- */

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* It went to the guest's host, or HA has it, or nobody knows where it went. */
static bool is_here(const struct step *step, const struct call *call)
{
    return step->ha.managed || call->ha || !call->node[0] || is(call->node, step->place.node);
}

static bool would_hit(const struct step *step, const struct call *call)
{
    return (call->power == STEP_SEND_STOP || call->power == STEP_SEND_RESET) && is_here(step, call);
}

/* Its task runs and it was sent less than 60 s ago; or nothing is known of it since less than 60 s. */
static bool may_come(const struct call *call, int64_t now_ms)
{
    return (call->state == CALL_TASK && now_ms < call->sent_ms + 60 * SECOND) ||
           (call->state == CALL_OPEN && now_ms < call->settled_ms + 60 * SECOND);
}

/* What the records of calls tell in one state. */
struct told {
    bool may_come, stop_may_come, no_known_end;
    unsigned stops;           /* lost ones: so many in the list can be ours */
    bool named;               /* a task of ours on the guest's host has a name */
    unsigned starts;          /* of this operation … */
    int64_t start_settled_ms; /* … and when the last one was */
};

static struct told told_by_calls(const struct step *step, int64_t now_ms)
{
    struct told told = {0};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i >= step->calls.count)
            continue;
        if (would_hit(step, call)) {
            told.may_come |= may_come(call, now_ms);
            told.stop_may_come |= call->power == STEP_SEND_STOP && may_come(call, now_ms);
            told.no_known_end |= call->state == CALL_TASK || call->state == CALL_OPEN;
        }
        /* an earlier operation's that has ended is older than our last one */
        if (call->power == STEP_SEND_STOP && is_here(step, call) &&
            (call->state == CALL_OPEN || (call->state == CALL_ENDED && !call->inherited)))
            told.stops += call->listed;
        if (call->inherited)
            continue;
        told.named |= call->upid[0] && is(call->node, step->place.node);
        if (call->power == STEP_SEND_START) {
            told.starts += call->sent;
            told.start_settled_ms = call->settled_ms;
        }
    }
    return told;
}

static void prove_held_back(struct step *step, const struct told *told, int64_t now_ms)
{
    struct step_effects effects = {0};
    bool held = step_is_held_back(step, &effects, now_ms);
    CLAIM(held == told->may_come, "it is held back exactly while a stop or reset of ours may come");
    CLAIM(!held || effects.wake_ms > now_ms, "and looked at again");
    CLAIM(!told->stop_may_come || asked_list || read_task, "what tells a stop's end is asked for");
    CLAIM(!effects.ended && effects.send == STEP_SEND_NONE, "nothing else comes of that");
    REACHED(held && !told->stop_may_come);
    REACHED(held && read_task);
    REACHED(!held && told->no_known_end);
}

/* Stops of our identity that are newer than our last task, by a list from after the proof, or after the last
 * word on a start. After three lists that cannot be read nobody looks for them. */
static void prove_superseded(struct step *step, const struct told *told, int64_t now_ms)
{
    struct step_effects effects = {0};
    asked_list = false;
    bool compared = told->named && !step->ha.managed && step->list.failed < 3;
    int64_t since_ms = told->starts > 0 ? told->start_settled_ms : step->seen.off_received_ms;
    bool old = compared && step->list.asked_ms < since_ms;
    bool newer = compared && !old && step->list.newer_stops > told->stops;
    bool superseded = step_is_superseded(step, &effects, now_ms);
    CLAIM(superseded == (old || newer),
          "it is not sent exactly where a newer stop is another broker's, or no list has told");
    CLAIM(effects.ended == newer, "for another broker's the guest is left off");
    CLAIM(asked_list == old, "an old list is no news: a new one is asked for");
    CLAIM(!newer || effects.left_off == (step->params.action == FENCE_REBOOT),
          "of a reboot the power-on alone");
    CLAIM(!newer || effects.outcome == (effects.left_off ? OPERATION_DONE : OPERATION_ABANDONED),
          "which is done; a power-on is abandoned");
    REACHED(newer && told->stops > 0);
    REACHED(old && told->starts > 0);
    REACHED(!superseded && compared && step->list.newer_stops > 0);
}

static void prove_at_risk(struct step *step, const struct told *told, int64_t now_ms)
{
    int64_t until_ms = step->course.watch_until_ms;
    bool watched = told->no_known_end && !step->ha.managed && !step->course.repaired_ms;
    step_start_at_risk(step, now_ms);
    CLAIM(step->course.watch_until_ms == (watched ? now_ms + 60 * SECOND : until_ms),
          "a guest is watched for 60 s exactly where a stop or reset has no known end, but HA's, and once");
    REACHED(watched && !told->may_come);
}

void prove(void)
{
    struct step step;
    int64_t now_ms;
    any_step(&step);
    NEAR(now_ms);
    ASSUME(now_ms > 0);
    /* as step.c calls it: a guest that is looked for is sent nothing */
    ASSUME(step.phase == STEP_POWERING_ON && step.place.node[0] && step.params.action != FENCE_OFF);
    const struct told told = told_by_calls(&step, now_ms);
    prove_held_back(&step, &told, now_ms);
    prove_at_risk(&step, &told, now_ms);
    prove_superseded(&step, &told, now_ms); /* which may end it */
}
