/*
 * When there is no room for one more power call, two records become one. What is lost by that makes us only
 * more careful: for each kind, host and owner no call that may still come is forgotten, no effect begins
 * later, no task is missed.
 */
#include "plain_calls.h"

#include <string.h>

/* It was sent by this operation, and no later one of its kind was. */
static bool is_our_last(const struct calls *calls, unsigned n)
{
    for (unsigned i = n + 1; i < CALLS_MAX; i++) {
        if (i < calls->count && calls->list[i].power == calls->list[n].power && !calls->list[i].inherited)
            return false;
    }
    return !calls->list[n].inherited;
}

static bool may_come(const struct call *call)
{
    return call->state == CALL_TASK || call->state == CALL_OPEN;
}

/* With as few records as here there may be none to make one of; that the real number is enough: calls_room.
 */
static bool has_room(const struct calls *calls)
{
    bool room = calls->count < CALLS_MAX;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        for (unsigned j = i + 1; j < CALLS_MAX; j++) {
            const struct call *one = &calls->list[i], *other = &calls->list[j];
            room = room ||
                   (one->power == other->power && one->inherited == other->inherited &&
                    may_come(one) == may_come(other) && !is_our_last(calls, i) && !is_our_last(calls, j));
        }
    }
    return room;
}

void prove(void)
{
    struct calls before, after;
    enum step_power added, power;
    char to[PVE_NODE_MAX], host[PVE_NODE_MAX];
    int64_t now_ms;
    unsigned states, whose;
    bool any_host;
    ASSUME(added >= STEP_SEND_STOP && added <= STEP_SEND_RESET);
    ASSUME(power >= STEP_SEND_STOP && power <= STEP_SEND_RESET);
    ASSUME(states == CALL_IS(CALL_TASK) || states == CALL_IS(CALL_OPEN) || states == CALLS_COMING);
    END(to);
    END(host);
    NEAR(now_ms);
    end_calls(&before);
    ASSUME(has_room(&before));
    after = before;
    const char *node = any_host ? NULL : host;

    calls_add(&after, added, to, now_ms);
    CLAIM(after.count <= CALLS_MAX, "there are never more than so many");
    const struct call *new = &after.list[after.count - 1];
    CLAIM(new->power == added &&new->state == CALL_SENDING && !new->inherited && !new->ha &&new->sent == 1 &&
              new->listed == 1 && !new->upid[0] && strcmp(new->node, to) == 0 && new->sent_ms == now_ms,
          "the new one says what was sent");
    CLAIM(new->effect_ms == (added == STEP_SEND_STOP ? now_ms : 0), "a stop may have an effect from now on");
    CLAIM(plain_until(&after, power, CALLS_COMING, node) >= plain_until(&before, power, CALLS_COMING, node),
          "none that may still come is forgotten, nor comes to its end earlier");
    CLAIM(plain_count(&after, power, CALLS_COMING, node) >= plain_count(&before, power, CALLS_COMING, node),
          "nor are there fewer of them");
    CLAIM(plain_until(&after, STEP_SEND_START, CALL_IS(CALL_TASK), node) >=
              plain_until(&before, STEP_SEND_START, CALL_IS(CALL_TASK), node),
          "no start that is under way is forgotten (point 4)");
    CLAIM(plain_ended_ms(&after, power, node) >= plain_ended_ms(&before, power, node),
          "nor when one of before was found ended");
    CLAIM(plain_listed(&after, power, node) >= plain_listed(&before, power, node),
          "no task is missed that the list must show");
    CLAIM(plain_sent(&after, power) == plain_sent(&before, power) + (power == added), "all sent are counted");
    CLAIM(plain_effect_ms(&before, whose) == 0 ||
              (plain_effect_ms(&after, whose) != 0 &&
               plain_effect_ms(&after, whose) <= plain_effect_ms(&before, whose)),
          "no effect is forgotten, nor begins later");
    CLAIM(plain_effect_until(&after, whose) >= plain_effect_until(&before, whose),
          "nor may a stop have begun for less long");
    REACHED(before.count == CALLS_MAX && plain_until(&before, power, CALLS_COMING, node) > now_ms);
    REACHED(before.count == CALLS_MAX && plain_effect_ms(&before, CALLS_INHERITED) != 0);
}
