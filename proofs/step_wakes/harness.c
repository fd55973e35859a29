/*
 * Nothing hangs: after every event an operation has ended, or is woken at its deadline at the latest; and at
 * its deadline it ends. What the decisions of the other files come to may be anything (stubs below).
 */
#include "calls_world.h"
#include "step_world.h"

#include "fence/step.c" /* decide() */

static bool decided; /* one of the other files was asked */

/* What a decision may do: any state, that is ended by step_end() alone; and it wakes by step_wake_at(). */
static void any_decision(struct step *step, struct step_effects *effects)
{
    bool ends;
    int64_t wake_ms;
    const struct step before = *step;
    decided = true;
    any_step(step);
    ASSUME(step->phase != STEP_ENDED);
    step->params = before.params;
    step->course = before.course;
    NEAR(wake_ms);
    ASSUME(wake_ms > 0);
    if (ends)
        step_end(step, effects, OPERATION_DONE);
    step_wake_at(effects, wake_ms);
}

void step_off_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)now_ms;
    any_decision(step, effects);
}

void step_on_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)now_ms;
    any_decision(step, effects);
}

void step_cycle_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)now_ms;
    any_decision(step, effects);
}

void step_watch_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)now_ms;
    any_decision(step, effects);
}

void step_off_deadline(const struct step *step, struct error *error)
{
    (void)step;
    error->code = ERROR_DEADLINE;
}

int64_t step_on_deadline(const struct step *step)
{
    return step->params.deadline_ms + (step->params.action == FENCE_REBOOT ? STEP_START_ROOM_MS : 0);
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    any_step(&before);
    NEAR(now_ms);
    ASSUME(now_ms > 0 && before.phase != STEP_ENDED);
    step = before;
    /* an off, and what is only watched, ends with its own time; a power-on has some room beyond it */
    bool room = before.phase == STEP_POWERING_ON && before.params.action == FENCE_REBOOT;
    int64_t until_ms = before.phase == STEP_WATCHING || before.course.repaired_ms != 0
                           ? before.course.watch_until_ms + 60000
                           : before.params.deadline_ms + (room ? 60000 : 0);

    decide(&step, &effects, now_ms);
    CLAIM((step.phase == STEP_ENDED) == effects.ended, "what has ended is told");
    CLAIM(effects.ended || now_ms < until_ms, "P7: at its deadline an operation ends");
    CLAIM(effects.ended || (effects.wake_ms != 0 && effects.wake_ms <= until_ms),
          "what has not ended is woken, at its deadline at the latest");
    CLAIM(!decided || now_ms < until_ms, "nothing is decided on after it");
    CLAIM(!decided || before.place.node[0], "P2: nor for a guest whose host is not known");
    CLAIM(effects.ended || before.place.node[0] || before.asks[ASK_PLACE].busy || effects.ask[ASK_PLACE] ||
              effects.wake_ms <= before.asks[ASK_PLACE].next_ms,
          "a guest that is looked for is asked for, or will be");
    REACHED(effects.ended && !decided);
    REACHED(!effects.ended && decided);
    REACHED(!effects.ended && !decided);
}
