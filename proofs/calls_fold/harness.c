/*
 * Where there is no room for one more record of a power call, two become one: nothing is lost by that but
 * what makes us more careful (rule 6, points 4 and 7). And a record that another daemon has written down says
 * the same to this one.
 */
#include "calls_world.h"

#include <string.h>

#define SECOND 1000

bool upid_parse(const char *text, struct pve_upid *upid)
{
    bool any;
    (void)text;
    (void)upid;
    return any;
}

#include "fence/calls.c" /* likeness(), fold() */

static bool is_coming_now(const struct call *call)
{
    return call->state == CALL_TASK || call->state == CALL_OPEN;
}

/* So long it may be carried out. */
static int64_t comes_until(const struct call *call)
{
    return (call->state == CALL_OPEN ? call->settled_ms : call->sent_ms) + 60 * SECOND;
}

/* A stop's last moment to begin to kill: a task waits 10 s for the guest's lock file, HA acts within 180 s.
 */
static int64_t begun_until(const struct call *call)
{
    int64_t until_ms = call->settled_ms;
    if (call->state == CALL_TASK)
        until_ms += 10 * SECOND;
    else if ((call->state == CALL_OPEN || call->state == CALL_SENDING) && comes_until(call) > until_ms)
        until_ms = comes_until(call);
    return call->ha && until_ms < call->sent_ms + 180 * SECOND ? call->sent_ms + 180 * SECOND : until_ms;
}

/* On every host where one of them counts both do. */
static bool counts_like(const struct call *both, const struct call *one)
{
    bool anywhere = both->ha || !both->node[0];
    return anywhere || (!one->ha && strcmp(both->node, one->node) == 0);
}

/* What the two say, of the one that they have become. */
static void claim_kept(const struct call *both, const struct call *one)
{
    CLAIM(both->power == one->power && both->inherited == one->inherited, "rule 6: it is of the same kind");
    CLAIM(is_coming_now(both) == is_coming_now(one), "rule 6: it may come exactly where they may");
    CLAIM(!is_coming_now(one) || comes_until(both) >= comes_until(one), "rule 6: and as long");
    CLAIM(counts_like(both, one), "rule 6: on every host where one of them may");
    CLAIM(both->ha || !one->ha, "point 7: what HA may do it may");
    CLAIM(one->power != STEP_SEND_START || one->state != CALL_TASK || both->state == CALL_TASK,
          "point 4: a start is waited for as a task");
    CLAIM(both->settled_ms >= one->settled_ms, "point 4: no read counts that counted for neither");
    CLAIM(!one->effect_ms || (both->effect_ms && both->effect_ms <= one->effect_ms),
          "point 7: its doubt begins with the first one");
    CLAIM(!one->effect_ms || begun_until(both) >= begun_until(one), "point 7: and lasts as long as the last");
}

static void prove_fold(const unsigned older, const unsigned newer)
{
    struct calls calls;
    end_calls(&calls);
    ASSUME(calls.count == 3);
    calls.count = 3;
    const struct call one = calls.list[older], other = calls.list[newer];
    const struct call third = calls.list[3 - older - newer];
    ASSUME(one.sent_ms <= other.sent_ms && one.settled_ms >= one.sent_ms &&
           other.settled_ms >= other.sent_ms);
    ASSUME(one.power == STEP_SEND_STOP || (!one.effect_ms && !other.effect_ms));
    /* this operation sends one at a time, its last (P6), which stays as it is */
    ASSUME(one.state != CALL_SENDING && other.state != CALL_SENDING);
    if (likeness(&calls, &calls.list[older], &calls.list[newer]) == 0)
        return;

    fold(&calls, &calls.list[older], &calls.list[newer]);
    const struct call *both = &calls.list[newer - 1], *rest = &calls.list[2 - newer];
    CLAIM(calls.count == 2, "there is room");
    claim_kept(both, &one);
    claim_kept(both, &other);
    CLAIM(both->sent == one.sent + other.sent && both->listed == one.listed + other.listed,
          "rule 6: as many are counted");
    CLAIM(!both->effect_ms || both->effect_ms == one.effect_ms || both->effect_ms == other.effect_ms,
          "point 7: none has killed that has not");
    CLAIM(rest->power == third.power && rest->state == third.state && rest->sent_ms == third.sent_ms &&
              rest->settled_ms == third.settled_ms && rest->effect_ms == third.effect_ms &&
              strcmp(rest->node, third.node) == 0 && strcmp(rest->upid, third.upid) == 0,
          "no other one changes");
    REACHED(one.power == STEP_SEND_START && one.state == CALL_OPEN && other.state == CALL_TASK);
    REACHED(one.power == STEP_SEND_STOP && one.state == CALL_TASK && other.state == CALL_OPEN);
    REACHED(one.ha && !other.ha && one.effect_ms != 0);
}

static void prove_take_up(void)
{
    struct calls calls;
    struct call call;
    int64_t now_ms;
    NEAR(now_ms);
    end_calls(&calls);
    end_call(&call);
    ASSUME(calls.count == 0);

    calls_take_up(&calls, &call, now_ms);
    const struct call *taken = &calls.list[0];
    bool task = call.state == CALL_TASK;
    CLAIM(calls.count == 1 && taken->inherited && taken->power == call.power, "an earlier operation sent it");
    CLAIM(is_coming_now(taken) == is_coming_now(&call), "rule 6: it may come exactly where it might");
    CLAIM(taken->state == call.state || (task && call.power != STEP_SEND_START),
          "point 4: a start is waited for as a task");
    CLAIM(taken->state == call.state ? taken->settled_ms == call.settled_ms : taken->settled_ms == now_ms,
          "rule 6: one that cannot be asked for is open from now on");
    CLAIM(taken->sent_ms == call.sent_ms && taken->effect_ms == call.effect_ms && taken->sent == call.sent &&
              taken->listed == call.listed,
          "point 7: it may have done what it may have done");
    CLAIM(taken->ha || !call.ha, "point 7: what HA may do it may");
    CLAIM(!call.ha || strcmp(taken->node, call.node) == 0, "point 7: and as widely known");
    REACHED(taken->state == CALL_OPEN && task);
    REACHED(task && call.ha && taken->state == CALL_TASK);
}

void prove(void)
{
    prove_fold(0, 1);
    prove_fold(0, 2);
    prove_take_up();
}
