/*
 * P4, rules 7 and 10: when a reset is sent, and when it is done. For every valid state in which one is wanted
 * of a guest that is not HA's (which knows none).
 */
#include "stop_claims.h"

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    any_step(&before);
    NEAR(now_ms);
    ASSUME(now_ms > 0);
    before.phase = STEP_CYCLING;
    before.ha.managed = false;
    ASSUME(before.place.node[0] && step_is_valid(&before)); /* as step.c calls it */
    step = before;
    const struct own_calls resets = own_calls(&before, STEP_SEND_RESET);

    step_cycle_decide(&step, &effects, now_ms);
    bool reset = effects.send == STEP_SEND_RESET;
    CLAIM(reset || effects.send == STEP_SEND_NONE, "nothing but a reset is sent");
    CLAIM(!reset || !is_late(&before, now_ms) ||
              has_run_since_before(&before, before.course.not_before_ms, now_ms),
          "P4: a late one only to a guest that has run since before the newest request, by news");
    CLAIM(!reset || (before.read.known && before.read.status.running &&
                     before.read.asked_ms >= before.course.not_before_ms),
          "rule 10: only to a guest that was read running since the request");
    CLAIM(!reset || resets.last.state == CALL_NONE, "rule 7: it is never sent twice");
    CLAIM(!reset || before.course.may_send, "P5: nothing before the intent is recorded, or was waited for");
    CLAIM(!reset || !before.asks[ASK_POWER].busy, "P6: nothing while another power call is being sent");
    CLAIM(!reset || is(effects.send_to, before.place.node), "P2: it goes to the guest's host");
    CLAIM(!effects.verified ||
              (resets.last.state == CALL_OK && before.read.known && before.read.status.running &&
               before.read.asked_ms >= before.course.not_before_ms &&
               before.read.asked_ms >= resets.last.settled_ms && !before.read.status.lock[0]),
          "rule 10: done where its task ended OK, and the guest was read running since, and not locked");
    CLAIM(step_is_valid(&step), "the state stays valid");
    REACHED(reset && is_late(&before, now_ms));
    REACHED(effects.verified);
    REACHED(effects.ended && !effects.verified);
    REACHED(step.phase == STEP_POWERING_OFF);
}
