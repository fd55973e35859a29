/*
 * Which stops the next operation finds beside its own in a list of tasks: all, while one of them may still
 * come, or has ended so lately that the list, which counts whole seconds, cannot tell it from one of now; and
 * else none (rule 6).
 */
#include "calls_world.h"

#define SECOND 1000

/* Until when it may be carried out, or can have begun. */
static int64_t last_ms(const struct call *call, bool ended, int64_t now_ms)
{
    int64_t task_ms = call->settled_ms + 10 * SECOND, sent_ms = call->sent_ms + 60 * SECOND;
    switch (call->state) {
    case CALL_SENDING:
        return ended ? now_ms + 60 * SECOND : call->settled_ms;
    case CALL_TASK:
        return sent_ms > now_ms || sent_ms > task_ms ? sent_ms : task_ms;
    case CALL_OPEN:
        return call->settled_ms + 60 * SECOND;
    default:
        return call->settled_ms;
    }
}

static bool may_come(const struct call *call, bool ended, int64_t now_ms)
{
    if (call->state == CALL_TASK || call->state == CALL_SENDING)
        return (call->state == CALL_SENDING && ended) || call->sent_ms + 60 * SECOND > now_ms;
    return call->state == CALL_OPEN && call->settled_ms + 60 * SECOND > now_ms;
}

static bool passes_for_new(const struct call *call, bool ended, int64_t now_ms)
{
    int64_t until_ms = last_ms(call, ended, now_ms);
    if (until_ms < call->sent_ms)
        until_ms = call->sent_ms;
    return call->power == STEP_SEND_STOP && call->listed && now_ms < until_ms + 2 * SECOND;
}

void prove(void)
{
    struct calls before, after;
    int32_t now, sent[CALLS_MAX], settled[CALLS_MAX];
    bool ended;
    MAKE_BOOL(ended);
    end_calls(&before);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        before.list[i].sent_ms = sent[i];
        before.list[i].settled_ms = settled[i];
    }
    ASSUME(now > 0 && before.count == CALLS_MAX);
    after = before;

    int64_t until_ms = calls_hand_on(&after, ended, now);
    bool matters = false, stops_matter = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before.list[i];
        bool it = may_come(call, ended, now) || passes_for_new(call, ended, now);
        matters = matters || it;
        stops_matter = stops_matter || (it && call->power == STEP_SEND_STOP);
    }
    CLAIM((until_ms != 0) == matters, "it is waited for exactly while one may come or pass for one of now");
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &after.list[i];
        if (i < after.count && call->state == CALL_ENDED)
            CLAIM((call->listed == 0) || (stops_matter && call->power == STEP_SEND_STOP),
                  "and what has ended is counted only beside such a stop");
    }
    REACHED(matters && !stops_matter);
    REACHED(stops_matter && after.count == CALLS_MAX && after.list[0].state == CALL_ENDED);
    REACHED(until_ms == 0 && after.count == CALLS_MAX);
}
