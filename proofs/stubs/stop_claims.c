#include "stop_claims.h"

void prove_stop(bool of_ha, wants_stop_fn *wants)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    any_step(&before);
    NEAR(now_ms);
    ASSUME(now_ms > 0);
    before.phase = STEP_POWERING_OFF;
    before.ha.managed = of_ha;
    /* as step_off_decide() calls it: a guest that is looked for is sent nothing */
    ASSUME(before.place.node[0] && step_is_valid(&before));
    step = before;
    const struct own_calls stops = own_calls(&before, STEP_SEND_STOP);

    bool stop = wants(&step, &effects, now_ms), late = is_late(&before, now_ms);
    CLAIM(!stop || !late || has_run_since_before(&before, before.course.not_before_ms, now_ms),
          "P4: a late one only to a guest that has run since before the newest request, by news");
    CLAIM(!stop || !before.asks[ASK_POWER].busy, "P6: nothing while another power call is being sent");
    CLAIM(!stop || stops.count < STEP_CALLS_MAX, "P7: no more than so many");
    CLAIM(!stop || stops.last.state != CALL_TASK, "rule 7: no stop while the task of the last one runs");
    CLAIM(!stop || stops.last.state == CALL_NONE || of_ha ||
              (before.read.known && before.read.asked_ms >= stops.last.settled_ms &&
               before.read.asked_ms >= before.course.not_before_ms),
          "rule 7: it is sent again only after a read since the last one was settled");
    CLAIM(!stop || stops.last.state == CALL_NONE || now_ms >= before.asks[ASK_POWER].next_ms,
          "rule 7: and not before the pause is over");
    CLAIM(!stop || !before.seen.off, "nor while only the hosts' word is missing");
    CLAIM(!stop || !before.place.offline || !of_ha || before.place.other[0], "P2: it has a host to go to");
    CLAIM(!stop || step.phase == STEP_POWERING_OFF, "what has ended sends nothing");
    CLAIM(step_is_valid(&step), "the state stays valid");
    REACHED(stop && late);
    REACHED(stop && !late && stops.last.state == CALL_NONE);
    REACHED(stop && stops.last.state == CALL_OPEN);
    REACHED(effects.ended && effects.outcome == OPERATION_ABANDONED);
}
