/*
 * Point 7: two readings of "stopped" that lie so far apart that a stop could have come to SIGKILL between
 * them, with a stop of ours (or HA's) that may have come between them, count from the second one.
 */
#include "harness.h"

#include "fence/proof.h"

#define SECOND 1000
#define FAR    (INT64_C(1) << 53)

static bool is_near(int64_t ms)
{
    return ms > -FAR && ms < FAR;
}

void prove(void)
{
    struct proof_between between;
    ASSUME(is_near(between.asked_ms) && is_near(between.received_ms) && is_near(between.until_ms));
    ASSUME(is_near(between.ended_ms) && is_near(between.stop_timeout_ms));
    int64_t to_kill_ms = between.stop_timeout_ms + 10 * SECOND;

    bool gap = proof_is_gap(&between);
    bool room = between.received_ms - between.asked_ms > to_kill_ms;
    /* one that we do not see, one that runs, one that is lost and may come, one that ended long after */
    bool stop = between.others || between.under_way || between.until_ms > between.asked_ms ||
                between.ended_ms - between.asked_ms > to_kill_ms;
    CLAIM(gap || !room || !stop, "what may have been started and killed in between is a gap");
    CLAIM(!gap || (room && stop), "and nothing else is");
    REACHED(gap && !between.others && !between.under_way);

    int64_t since_ms, until_ms, timeout_ms;
    ASSUME(is_near(since_ms) && is_near(until_ms) && is_near(timeout_ms));
    CLAIM(proof_may_have_killed(since_ms, until_ms, timeout_ms) ==
              (until_ms - since_ms > timeout_ms + 10 * SECOND),
          "SIGKILL comes 10 s after stop-timeout");
}
