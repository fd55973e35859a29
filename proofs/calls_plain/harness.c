/*
 * What the records of power calls say is what fence/calls.h promises: they agree with plain ones, for any
 * records and any question. The proofs of the state machine stand on the plain ones.
 */
#include "plain_calls.h"

#include <string.h>

/* The same place in its own list; both none. */
static bool same_place(const struct calls *calls, const struct call *call, const struct calls *others,
                       const struct call *other)
{
    bool same = !call && !other;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        same = same || (call == &calls->list[i] && other == &others->list[i]);
    return same;
}

static bool same_call(const struct call *a, const struct call *b)
{
    return a->power == b->power && a->state == b->state && a->inherited == b->inherited && a->ha == b->ha &&
           a->sent == b->sent && a->listed == b->listed && strcmp(a->node, b->node) == 0 &&
           strcmp(a->upid, b->upid) == 0 && a->sent_ms == b->sent_ms && a->settled_ms == b->settled_ms &&
           a->effect_ms == b->effect_ms;
}

static bool same_calls(const struct calls *one, const struct calls *other)
{
    bool same = one->count == other->count;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        same = same && (i >= one->count || same_call(&one->list[i], &other->list[i]));
    return same;
}

struct question {
    enum step_power power;
    unsigned states, whose;
    bool any_host;
    char node[PVE_NODE_MAX], upid[PVE_UPID_MAX];
    int64_t at_ms;
};

static void agree_on_one(struct calls *real, struct calls *plain, const struct question *q)
{
    const char *node = q->any_host ? NULL : q->node;
    CLAIM(same_place(real, calls_own(real, q->power), plain, plain_own(plain, q->power)), "our last one");
    CLAIM(same_place(real, calls_sending(real), plain, plain_sending(plain)), "the one that is being sent");
    CLAIM(same_place(real, calls_of_task(real, q->upid), plain, plain_of_task(plain, q->upid)),
          "the one of a task");
    CLAIM(same_place(real, calls_with_task(real, q->power, node), plain,
                     plain_with_task(plain, q->power, node)),
          "the last one whose task runs here");
    CLAIM(same_call(calls_last(real, q->power), plain_last(plain, q->power)), "our last one, or none");
    CLAIM(strcmp(calls_last_upid(real, q->node, q->at_ms), plain_last_upid(plain, q->node, q->at_ms)) == 0,
          "our last task here");
}

static void agree_on_all(const struct calls *real, const struct calls *plain, const struct question *q)
{
    const char *node = q->any_host ? NULL : q->node;
    CLAIM(calls_count(real, q->power, q->states, node) == plain_count(plain, q->power, q->states, node),
          "how many");
    CLAIM(calls_sent(real, q->power) == plain_sent(plain, q->power), "how many we sent");
    CLAIM(calls_left(real, q->power) == plain_left(plain, q->power), "how many of them left a task");
    CLAIM(calls_listed(real, q->power, node) == plain_listed(plain, q->power, node), "how many are listed");
    CLAIM(calls_unnamed(real, q->power, node) == plain_unnamed(plain, q->power, node),
          "how many are unnamed");
    CLAIM(calls_until(real, q->power, q->states & CALLS_COMING, node) ==
              plain_until(plain, q->power, q->states & CALLS_COMING, node),
          "until when one may come");
    CLAIM(calls_ended_ms(real, q->power, node) == plain_ended_ms(plain, q->power, node),
          "when one of before ended");
    CLAIM(calls_effect_ms(real, q->whose) == plain_effect_ms(plain, q->whose),
          "since when one may have killed");
}

void prove(void)
{
    struct calls real;
    struct question q;
    unsigned change;
    ASSUME(q.power >= STEP_SEND_STOP && q.power <= STEP_SEND_RESET);
    END(q.node);
    END(q.upid);
    NEAR(q.at_ms);
    end_calls(&real);
    struct calls plain = real;

    agree_on_one(&real, &plain, &q);
    agree_on_all(&real, &plain, &q);
    if (change == 0) {
        calls_end_open(&real, q.power, q.any_host ? NULL : q.node, q.at_ms);
        plain_end_open(&plain, q.power, q.any_host ? NULL : q.node, q.at_ms);
    } else if (change == 1) {
        calls_forget_effects(&real, q.whose, q.at_ms);
        plain_forget_effects(&plain, q.whose, q.at_ms);
    } else if (change == 2) {
        calls_see_boot(&real, q.node, q.at_ms);
        plain_see_boot(&plain, q.node, q.at_ms);
    } else if (change == 3) {
        calls_prove_off(&real, q.at_ms);
        plain_prove_off(&plain, q.at_ms);
    } else if (real.count < CALLS_MAX) {
        const struct call *one = calls_add(&real, q.power, q.node, q.at_ms);
        const struct call *other = plain_add(&plain, q.power, q.node, q.at_ms);
        CLAIM(same_place(&real, one, &plain, other), "the one that was added");
    }
    CLAIM(same_calls(&real, &plain), "and what they have become");
    REACHED(real.count == CALLS_MAX && change == 4 && q.any_host);
    REACHED(change == 2 && real.list[0].effect_ms == q.at_ms);
}
