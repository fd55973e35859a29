/*
 * The records of power calls (rule 6, point 7): what may still come where, what a list has to show, and that
 * there is always room for one more, at the price of care alone.
 */
#include "fence/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1000000)
#define UPID   "UPID:pve1:00000001:00F00001:00000001:qmstop:101:fence@pve!t:"

static struct call *add(struct calls *calls, enum step_power power, enum call_state state, const char *node,
                        int64_t sent_ms)
{
    struct call *call = calls_add(calls, power, node, sent_ms);
    call->state = state;
    call->settled_ms = sent_ms + 10;
    return call;
}

static void test_a_call_matters_on_the_host_that_it_went_to(void **state) /* rule 6 */
{
    struct calls calls = {0};
    (void)state;
    add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve1", NOW_MS);
    assert_int_equal(calls_until(&calls, STEP_SEND_STOP, CALLS_COMING, "pve1"), NOW_MS + 10 + CALLS_OPEN_MS);
    assert_int_equal(calls_until(&calls, STEP_SEND_STOP, CALLS_COMING, "pve2"), 0);
    assert_int_equal(calls_until(&calls, STEP_SEND_START, CALLS_COMING, "pve1"), 0);
    assert_int_equal(calls_until(&calls, STEP_SEND_STOP, CALL_IS(CALL_TASK), "pve1"), 0);
    assert_int_equal(calls_listed(&calls, STEP_SEND_STOP, "pve2"), 0);
    /* of a guest of HA, wherever it went; and one that the HA manager has */
    assert_int_equal(calls_listed(&calls, STEP_SEND_STOP, NULL), 1);
    add(&calls, STEP_SEND_STOP, CALL_TASK, "pve3", NOW_MS)->ha = true;
    assert_int_equal(calls_listed(&calls, STEP_SEND_STOP, "pve2"), 1);
}

static void test_an_open_call_that_a_list_has_ended_comes_no_more_and_may_have_done_it(void **state)
{
    struct calls calls = {0};
    (void)state;
    add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve1", NOW_MS);
    add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve2", NOW_MS);
    calls_end_open(&calls, STEP_SEND_STOP, "pve1", NOW_MS + 500);
    assert_int_equal(calls_until(&calls, STEP_SEND_STOP, CALLS_COMING, "pve1"), 0);
    assert_int_equal(calls_unnamed(&calls, STEP_SEND_STOP, "pve1"), 1);
    assert_int_equal(calls_count(&calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), "pve2"), 1);
    /* to the next operation it is older than all that is its own */
    assert_true(calls_hand_on(&calls, true, NOW_MS + 600) > 0);
    assert_int_equal(calls_unnamed(&calls, STEP_SEND_STOP, "pve1"), 0);
    assert_int_equal(calls_listed(&calls, STEP_SEND_STOP, "pve1"), 1);
}

static void test_the_last_task_here_is_the_one_that_others_are_compared_with(void **state) /* rule 6 */
{
    struct calls calls = {0};
    (void)state;
    assert_string_equal(calls_last_upid(&calls, "pve1", INT64_MAX), "");
    snprintf(add(&calls, STEP_SEND_STOP, CALL_OK, "pve1", NOW_MS)->upid, PVE_UPID_MAX, "here");
    snprintf(add(&calls, STEP_SEND_STOP, CALL_FAILED, "pve2", NOW_MS + 5)->upid, PVE_UPID_MAX, "elsewhere");
    snprintf(add(&calls, STEP_SEND_START, CALL_TASK, "pve1", NOW_MS + 9)->upid, PVE_UPID_MAX, "later");
    assert_string_equal(calls_last_upid(&calls, "pve1", INT64_MAX), "later");
    assert_string_equal(calls_last_upid(&calls, "pve1", NOW_MS + 8), "here");
    assert_string_equal(calls_last_upid(&calls, "pve3", INT64_MAX), "");
}

static void test_what_was_remembered_without_the_name_of_a_task_is_open(void **state)
{
    struct calls calls = {0};
    struct call call = {
        .power = STEP_SEND_STOP, .state = CALL_TASK, .sent = 1, .listed = 1, .sent_ms = NOW_MS - 5};
    (void)state;
    calls_take_up(&calls, &call, NOW_MS);
    assert_int_equal(calls.list[0].state, CALL_OPEN);
    assert_int_equal(calls.list[0].settled_ms, NOW_MS);
    snprintf(call.upid, sizeof(call.upid), "%s", UPID);
    calls_take_up(&calls, &call, NOW_MS);
    assert_int_equal(calls.list[1].state, CALL_TASK);
    assert_string_equal(calls.list[1].node, "pve1");
    assert_ptr_equal(calls_with_task(&calls, STEP_SEND_STOP, "pve1"), &calls.list[1]);
    assert_null(calls_with_task(&calls, STEP_SEND_STOP, "pve2"));
    assert_int_equal(calls_last(&calls, STEP_SEND_STOP)->state, CALL_NONE); /* none of these is our own */
}

/* ---- room ---- */

/* As bad as it gets: each one differs from all others. */
static void fill(struct calls *calls)
{
    static const enum call_state states[] = {CALL_TASK, CALL_OPEN, CALL_FAILED, CALL_ENDED};
    for (unsigned i = 0; calls->count < CALLS_MAX; i++) {
        char node[PVE_NODE_MAX];
        snprintf(node, sizeof(node), "pve%u", i);
        struct call *call =
            add(calls, (enum step_power)(STEP_SEND_STOP + i % 3), states[i % 4], node, NOW_MS - 1000 + i);
        call->inherited = i % 2;
        snprintf(call->upid, sizeof(call->upid), "upid %u", i);
    }
}

static void test_there_is_always_room_and_what_is_lost_makes_only_more_careful(void **state) /* rule 6 */
{
    struct calls calls = {0};
    (void)state;
    fill(&calls);
    for (int i = 0; i < 300; i++) {
        struct calls before = calls;
        unsigned sent = calls_sent(&calls, STEP_SEND_STOP);
        int64_t effect_ms = calls_effect_ms(&calls, CALLS_OWN | CALLS_INHERITED);
        struct call last = *calls_last(&calls, STEP_SEND_STOP);
        struct call *call = calls_add(&calls, STEP_SEND_STOP, "pve1", NOW_MS + i);
        assert_in_range(calls.count, 1, CALLS_MAX);
        assert_ptr_equal(call, calls_last(&calls, STEP_SEND_STOP));
        assert_int_equal(calls_sent(&calls, STEP_SEND_STOP), sent + 1);
        assert_int_equal(call->settled_ms, last.settled_ms);
        assert_int_equal(calls_effect_ms(&calls, CALLS_OWN | CALLS_INHERITED), effect_ms);
        for (unsigned k = 0; k < before.count; k++) {
            const struct call *old = &before.list[k];
            assert_true(calls_until(&calls, old->power, CALLS_COMING, old->node) >=
                        calls_until(&before, old->power, CALLS_COMING, old->node));
            assert_true(calls_listed(&calls, old->power, old->node) >=
                        calls_listed(&before, old->power, old->node));
        }
        call->state = i % 3 ? CALL_OPEN : CALL_FAILED;
        call->settled_ms = NOW_MS + i + 1;
        call->inherited = i % 5 == 0;
    }
}

/* Two starts whose tasks run become one that nobody asks for, and that is waited for all the same. */
static void test_starts_that_there_is_no_room_for_are_waited_for(void **state) /* point 4 */
{
    struct calls calls = {0};
    (void)state;
    for (unsigned i = 0; i < 2 * CALLS_MAX; i++) {
        struct call *call = add(&calls, STEP_SEND_START, CALL_TASK, "pve1", NOW_MS + i);
        call->inherited = true;
        snprintf(call->upid, sizeof(call->upid), "upid %u", i);
    }
    assert_int_equal(calls.count, CALLS_MAX);
    assert_int_equal(calls_count(&calls, STEP_SEND_START, CALL_IS(CALL_TASK), "pve1"), 2 * CALLS_MAX);
    assert_int_equal(calls_count(&calls, STEP_SEND_START, CALL_IS(CALL_OPEN), "pve1"), 0);
    const struct call *asked = calls_with_task(&calls, STEP_SEND_START, "pve1");
    assert_non_null(asked);
    assert_string_not_equal(asked->upid, "");
}

/* Where nothing differs but the time, nothing is lost at all. */
static void test_like_ones_become_one_first(void **state)
{
    struct calls calls = {0};
    (void)state;
    struct call *start = add(&calls, STEP_SEND_START, CALL_TASK, "pve1", NOW_MS);
    snprintf(start->upid, sizeof(start->upid), "%s", UPID);
    start->inherited = true;
    for (int i = 0; i < 64; i++)
        add(&calls, STEP_SEND_STOP, i % 2 ? CALL_OPEN : CALL_FAILED, "pve1", NOW_MS + i);
    assert_non_null(calls_of_task(&calls, UPID));
    assert_int_equal(calls_sent(&calls, STEP_SEND_STOP), 64);
    assert_int_equal(calls_count(&calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), "pve1"), 32);
    assert_int_equal(calls_count(&calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), "pve2"), 0);
    assert_int_equal(calls_until(&calls, STEP_SEND_STOP, CALLS_COMING, "pve1"),
                     NOW_MS + 63 + 10 + CALLS_OPEN_MS);
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), NOW_MS);
}

/* ---- what may have killed (point 7) ---- */

/* The one that may have killed can have begun to until then, and no later. */
static void assert_can_have_begun_until(const struct calls *calls, unsigned whose, int64_t until_ms)
{
    struct calls copy = *calls;
    calls_forget_effects(&copy, whose, until_ms - 1);
    assert_int_equal(calls_effect_ms(&copy, whose), calls_effect_ms(calls, whose));
    assert_int_not_equal(calls_effect_ms(&copy, whose), 0);
    calls_forget_effects(&copy, whose, until_ms);
    assert_int_equal(calls_effect_ms(&copy, whose), 0);
}

static void test_what_a_stop_may_have_done_is_forgotten_when_it_can_have_begun_no_more(void **state)
{
    struct calls calls = {0};
    (void)state;
    struct call *open = add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve1", NOW_MS);
    assert_can_have_begun_until(&calls, CALLS_OWN, NOW_MS + 10 + CALLS_OPEN_MS);
    calls_forget_effects(&calls, CALLS_OWN, NOW_MS + 9 + CALLS_OPEN_MS);
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), NOW_MS);
    open->state = CALL_TASK; /* it was taken then, and waits 10 s for the guest's lock file */
    assert_can_have_begun_until(&calls, CALLS_OWN, NOW_MS + 10 + 10000);
    open->ha = true;
    assert_can_have_begun_until(&calls, CALLS_OWN, NOW_MS + CALLS_HA_MS);
    open->ha = false;
    open->state = CALL_OK;
    assert_can_have_begun_until(&calls, CALLS_OWN, NOW_MS + 10);
    calls_forget_effects(&calls, CALLS_INHERITED, INT64_MAX);
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), NOW_MS);
    calls_forget_effects(&calls, CALLS_OWN, NOW_MS + 10);
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), 0);
    add(&calls, STEP_SEND_START, CALL_OPEN, "pve1", NOW_MS); /* and a start kills nothing */
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), 0);
}

static void test_a_proof_leaves_in_doubt_what_an_open_stop_may_kill_after_it(void **state)
{
    struct calls calls = {0};
    (void)state;
    add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve1", NOW_MS);
    add(&calls, STEP_SEND_STOP, CALL_OK, "pve1", NOW_MS + 100);
    calls_prove_off(&calls, NOW_MS + 200);
    assert_int_equal(calls.list[0].effect_ms, NOW_MS + 200);
    assert_int_equal(calls.list[1].effect_ms, 0);
    calls_end_open(&calls, STEP_SEND_STOP, "pve1", NOW_MS + 300);
    calls_prove_off(&calls, NOW_MS + 400);
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), 0);
}

static void test_a_doubt_is_kept_when_the_call_itself_matters_no_more(void **state)
{
    struct calls calls = {0};
    (void)state;
    add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve1", NOW_MS);
    add(&calls, STEP_SEND_START, CALL_OPEN, "pve1", NOW_MS);
    assert_true(calls_hand_on(&calls, true, NOW_MS + 1000) > NOW_MS + 50000);
    assert_int_equal(calls.count, 2);
    assert_int_equal(calls_hand_on(&calls, true, NOW_MS + 1000000), 0);
    assert_int_equal(calls.count, 1);
    assert_int_equal(calls_effect_ms(&calls, CALLS_INHERITED), NOW_MS);
    assert_can_have_begun_until(&calls, CALLS_INHERITED, NOW_MS + 10 + CALLS_OPEN_MS);
    assert_int_equal(calls_listed(&calls, STEP_SEND_STOP, "pve1"), 0);
    calls_forget_effects(&calls, CALLS_INHERITED, INT64_MAX);
    calls_hand_on(&calls, true, NOW_MS + 1000000);
    assert_int_equal(calls.count, 0);
}

/* Times are this machine's; a host's can lie at its 0, where a stop of before has times below that. */
static void test_a_host_that_booted_at_the_moment_0_leaves_what_may_still_come(void **state) /* point 7 */
{
    (void)state;
    struct calls calls = {0};
    add(&calls, STEP_SEND_STOP, CALL_OPEN, "pve1", -10000);
    calls_see_boot(&calls, "pve1", 0);
    assert_int_equal(calls_effect_ms(&calls, CALLS_OWN), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_matters_on_the_host_that_it_went_to),
        cmocka_unit_test(test_an_open_call_that_a_list_has_ended_comes_no_more_and_may_have_done_it),
        cmocka_unit_test(test_the_last_task_here_is_the_one_that_others_are_compared_with),
        cmocka_unit_test(test_what_was_remembered_without_the_name_of_a_task_is_open),
        cmocka_unit_test(test_there_is_always_room_and_what_is_lost_makes_only_more_careful),
        cmocka_unit_test(test_like_ones_become_one_first),
        cmocka_unit_test(test_starts_that_there_is_no_room_for_are_waited_for),
        cmocka_unit_test(test_what_a_stop_may_have_done_is_forgotten_when_it_can_have_begun_no_more),
        cmocka_unit_test(test_a_proof_leaves_in_doubt_what_an_open_stop_may_kill_after_it),
        cmocka_unit_test(test_a_host_that_booted_at_the_moment_0_leaves_what_may_still_come),
        cmocka_unit_test(test_a_doubt_is_kept_when_the_call_itself_matters_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
