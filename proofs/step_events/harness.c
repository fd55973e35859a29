/*
 * What an event may change in the state machine: it keeps the state valid, sends nothing, and answers nothing
 * but for a list of the hosts (step_off_hosts tells when). For every valid state and every event; what is
 * decided then is proven in step_stop, step_reset, step_start and step_repair.
 */
#include "step_world.h"

#include "fence/step.c"

void prove(void)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    ASSUME(event.now_ms > 0 && before.phase != STEP_ENDED && step_is_valid(&before));
    /* the engine: an answer is one to a question */
    ASSUME(event.kind < STEP_EVENT_POWER || before.asks[event.kind - STEP_EVENT_POWER].busy);
    step = before;

    take_event(&step, &effects, &event);
    CLAIM(effects.send == STEP_SEND_NONE, "an event alone sends nothing");
    CLAIM(step_is_valid(&step), "the state stays valid");
    CLAIM((step.phase == STEP_ENDED) == effects.ended, "an end is told");
    CLAIM(!effects.verified || (event.kind == STEP_EVENT_HOSTS && before.phase == STEP_POWERING_OFF),
          "nothing is answered but by a list of the hosts, and only while it is powered off");
    CLAIM(effects.verified || step.course.verified_ms == before.course.verified_ms,
          "what was answered stays answered, and nothing else is");
    CLAIM(step.phase == before.phase || step.phase == STEP_ENDED || effects.verified,
          "there is no other way to a power-on or a watch");
    CLAIM(!step.course.may_send || before.course.may_send || event.kind == STEP_EVENT_INTENT,
          "only the word that the intent is recorded, or was waited for, lets calls go (P5)");
    CLAIM(step.course.floor_ms >= before.course.floor_ms, "the newest request stays the newest (P4)");
    CLAIM(step.calls.count == before.calls.count, "no call is forgotten, and none invented");
    REACHED(event.kind == STEP_EVENT_POWER && event.result->outcome == API_LOST && !effects.ended);
    REACHED(effects.verified && step.phase == STEP_POWERING_ON);
    REACHED(effects.verified && step.phase == STEP_WATCHING);
    REACHED(effects.ended && event.kind == STEP_EVENT_STATUS);
}
