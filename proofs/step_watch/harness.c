/*
 * Rule 6: what is stopped again after a proven off. For every valid state in which an off is watched.
 */
#include "stop_claims.h"

#include "fence/step_watch.c" /* is_to_be_stopped() */

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    any_step(&before);
    NEAR(now_ms);
    ASSUME(now_ms > 0);
    before.phase = STEP_WATCHING;
    before.params.action = FENCE_OFF;
    before.ha.managed = false;
    /* as watch_off() calls it: of a guest that was read running */
    ASSUME(step_is_valid(&before) && before.read.known && before.read.status.running &&
           before.read.asked_ms > 0);
    step = before;

    bool stop = is_to_be_stopped(&step, &effects, now_ms);
    bool again = stop && step.course.repaired_ms != 0;
    CLAIM(!again || has_run_since_before(&before, before.course.repaired_ms, now_ms),
          "a stop is sent again only to what it was sent to before, by news (P4)");
    CLAIM(!stop || again || before.list.asked_ms >= before.read.received_ms,
          "a first one only by a list of tasks from after the read that shows it running");
    CLAIM(!stop || again || !before.list.newer_running, "in which every task has ended");
    CLAIM(!stop || again || before.list.newer_starts > before.list.prior_starts,
          "and a start has come since it read stopped");
    CLAIM(!stop || again ||
              before.read.status.uptime_s * SECOND >
                  before.read.received_ms - (before.read.asked_ms - SECOND),
          "when its uptime can tell it from a later one");
    CLAIM(effects.send == STEP_SEND_NONE && !effects.verified, "nothing is sent or answered by that");
    CLAIM(step_is_valid(&step), "the state stays valid");
    REACHED(again);
    REACHED(stop && !again);
    REACHED(effects.ended);
    REACHED(!stop && !effects.ended);
}
