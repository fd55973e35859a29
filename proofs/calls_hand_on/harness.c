/*
 * What an operation leaves to the next one: every power call that may still come, and no other; every effect
 * that a stop may have had; and, while one stop may come, all stops that the list of tasks shows beside it.
 */
#include "plain_calls.h"

#include <string.h>

#define SECOND 1000

/* It may be carried out at that time, when its operation has ended or not. */
static bool may_come(const struct call *call, int64_t now_ms)
{
    switch (call->state) {
    case CALL_SENDING:
    case CALL_TASK:
        return now_ms < call->sent_ms + 60 * SECOND;
    case CALL_OPEN:
        return now_ms < call->settled_ms + 60 * SECOND;
    case CALL_NONE:
    case CALL_OK:
    case CALL_FAILED:
    case CALL_ENDED:
        break;
    }
    return false;
}

/* Until when one of them can have begun to kill. */
static int64_t effect_until(const struct calls *calls, unsigned whose)
{
    int64_t until_ms = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (has_effect(calls, i, whose) && until_ms < begun_until(&calls->list[i]))
            until_ms = begun_until(&calls->list[i]);
    }
    return until_ms;
}

static bool is_same(const struct call *call, const struct call *other)
{
    return call->power == other->power && call->ha == other->ha && strcmp(call->node, other->node) == 0 &&
           strcmp(call->upid, other->upid) == 0 && call->sent_ms == other->sent_ms &&
           call->sent == other->sent && call->effect_ms == other->effect_ms;
}

/* What it is to the next operation: nobody will wait for the answer of one that is being sent, if this one
 * has ended. */
static bool is_handed_on(const struct calls *after, const struct call *call, bool ended, int64_t now_ms)
{
    bool found = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *other = &after->list[i];
        bool lost = ended && call->state == CALL_SENDING;
        found = found || (i < after->count && is_same(call, other) &&
                          other->state == (lost ? CALL_OPEN : call->state) &&
                          other->settled_ms == (lost ? now_ms : call->settled_ms));
    }
    return found;
}

static bool was_there(const struct calls *before, const struct call *call, int64_t now_ms)
{
    bool found = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *other = &before->list[i];
        found = found || (i < before->count && is_same(call, other) &&
                          (other->state == CALL_SENDING || may_come(other, now_ms)));
    }
    return found;
}

void prove(void)
{
    struct calls before, after;
    int64_t now_ms;
    bool ended;
    const unsigned both = CALLS_OWN | CALLS_INHERITED;
    ASSUME(now_ms > 0 && now_ms < INT64_C(1) << 53);
    end_calls(&before);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before.list[i];
        ASSUME(call->sent_ms <= now_ms && call->settled_ms <= now_ms + 1);
    }
    after = before;

    int64_t until_ms = calls_hand_on(&after, ended, now_ms);
    CLAIM(after.count <= before.count, "none is made");
    bool stop = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before.list[i];
        if (i >= before.count)
            continue;
        bool coming = may_come(call, now_ms) || (ended && call->state == CALL_SENDING);
        CLAIM(!coming || is_handed_on(&after, call, ended, now_ms), "what may still come is handed on");
        CLAIM(!coming || until_ms > now_ms, "and is waited for");
        stop = stop || (call->power == STEP_SEND_STOP && coming);
    }
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &after.list[i];
        if (i >= after.count)
            continue;
        CLAIM(call->inherited, "it is of an earlier operation now");
        CLAIM(!ended || call->state == CALL_TASK || call->state == CALL_OPEN || call->state == CALL_ENDED,
              "its end is known, or it may come");
        CLAIM((call->state != CALL_TASK && call->state != CALL_OPEN) || was_there(&before, call, now_ms),
              "what may come has been there before");
    }
    CLAIM(plain_effect_ms(&after, CALLS_INHERITED) == plain_effect_ms(&before, both),
          "the effects stay, since the same time");
    CLAIM(effect_until(&after, CALLS_INHERITED) >= effect_until(&before, both), "and may have begun as long");
    CLAIM(!stop || plain_listed(&after, STEP_SEND_STOP, NULL) == plain_listed(&before, STEP_SEND_STOP, NULL),
          "while a stop may come, all are counted that the list shows");
    REACHED(after.count == CALLS_MAX && ended && before.list[0].state == CALL_SENDING);
    REACHED(after.count == 0 && before.count == CALLS_MAX);
    REACHED(after.count == 1 && until_ms == 0);
}
