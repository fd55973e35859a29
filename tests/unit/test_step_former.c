/*
 * A power-on, and the stops of earlier operations of the guest whose tasks' ends nobody has seen yet (rule
 * 6).
 */
#include "step_script.h"

#define FORMER_UPID "UPID:pve1:00000009:00E00009:00000001:qmstop:100:fence@pve!t:"

/* Off is proven, and our own stop's task has ended: the start is next. */
static void reboot_after(enum step_power power, const char *upid, int64_t sent_ms)
{
    struct step_params wanted = params(FENCE_REBOOT);
    memset(asked_ms, 0, sizeof(asked_ms));
    stops = starts = 0;
    verified = false;
    now_ms = T0;
    step_begin(&step, &wanted);
    left_before(power, upid, sent_ms);
    tell(STEP_EVENT_BEGIN);
    tell(STEP_EVENT_INTENT);
    reads_running();
    go(5);
    power_taken(STOP_UPID);
    for (int64_t at = 20; !verified && at < 3000; at += 20) {
        go(at);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, "OK");
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_HOSTS].busy)
            hosts_say(3, 3, true);
        if (step.asks[ASK_TASKS].busy) /* a list that has no ends */
            tasks_are(2, 2);
    }
    assert_true(verified);
}

/* Until then, or until the start. Each task that is read goes on. */
static void wait_for_start(int64_t until_ms, const char *upid)
{
    for (int64_t at = now_ms - T0 + 20; starts == 0 && at < until_ms; at += 20) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(2, 2);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_TASK].busy) {
            assert_string_equal(effects.upid ? effects.upid : upid, upid);
            task_is(upid, NULL);
        }
    }
}

static void test_the_end_of_an_earlier_stop_is_learnt_from_its_task(void **state) /* rule 6 */
{
    static const enum step_power powers[] = {STEP_SEND_STOP, STEP_SEND_RESET};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        reboot_after(powers[i], FORMER_UPID, T0 - 500);
        wait_for_start(10000, FORMER_UPID);
        assert_int_equal(starts, 0);
        for (int64_t at = 10000; !step.asks[ASK_TASK].busy && at < 12000; at += 20)
            go(at);
        task_is(FORMER_UPID, "OK");
        wait_for_start(10100, "");
        assert_int_equal(starts, 1);
        power_taken(START_UPID);
        go(10500);
        task_is(START_UPID, "OK");
        reads_running();
        assert_ended(OPERATION_DONE, ERROR_NONE); /* nothing is left to be watched for */
    }
}

static void test_an_earlier_stop_of_which_its_host_tells_nothing_is_an_open_call(void **state) /* rule 6 */
{
    (void)state;
    reboot_after(STEP_SEND_STOP, FORMER_UPID, T0 - 500);
    for (int64_t at = now_ms - T0 + 20; !step.asks[ASK_TASK].busy && at < 5000; at += 20)
        go(at);
    int64_t told_ms = now_ms - T0;
    task_fails(FORMER_UPID, refusal(SCRIPT_TASK, 400, "no such task"));
    wait_for_start(told_ms + CALLS_OPEN_MS - 50, "");
    assert_int_equal(starts, 0);
    wait_for_start(told_ms + CALLS_OPEN_MS + 100, "");
    assert_int_equal(starts, 1);
}

static void test_an_earlier_stop_holds_back_no_start_for_longer_than_it_may_come(void **state) /* rule 6 */
{
    (void)state;
    reboot_after(STEP_SEND_STOP, FORMER_UPID, T0 - 500);
    wait_for_start(CALLS_OPEN_MS - 600, FORMER_UPID);
    assert_int_equal(starts, 0);
    wait_for_start(CALLS_OPEN_MS - 400, FORMER_UPID);
    assert_int_equal(starts, 1);
    assert_true(step.course.watch_until_ms > now_ms); /* and may come after all */
}

static void test_an_earlier_stop_on_another_host_is_not_waited_for(void **state)
{
    (void)state;
    reboot_after(STEP_SEND_STOP, "UPID:pve2:00000009:00E00009:00000001:qmstop:100:fence@pve!t:", T0 - 500);
    wait_for_start(2000, "");
    assert_int_equal(starts, 1);
    assert_non_null(calls_with_task(&step.calls, STEP_SEND_STOP, "pve2")); /* the guest may come back */
}

/* Beside one whose task is known there is one without. */
static void test_a_list_ends_no_earlier_stop_but_those_without_a_task(void **state) /* rule 6 */
{
    (void)state;
    reboot_after(STEP_SEND_STOP, FORMER_UPID, T0 - 500);
    left_before(STEP_SEND_STOP, "", T0);
    wait_for_start(5000, FORMER_UPID);
    assert_int_equal(starts, 0);
    for (int64_t at = 5000; !step.asks[ASK_TASK].busy && at < 6000; at += 20)
        go(at);
    task_is(FORMER_UPID, "OK");
    for (int64_t at = now_ms - T0 + 20; !step.asks[ASK_TASKS].busy && at < 8000; at += 20)
        go(at);
    tasks_are(2, 0);
    wait_for_start(now_ms - T0 + 1500, "");
    assert_int_equal(starts, 0);
    for (int64_t at = now_ms - T0 + 20; !step.asks[ASK_TASKS].busy && at < 12000; at += 20)
        go(at);
    tasks_are(3, 0);
    wait_for_start(now_ms - T0 + 1500, "");
    assert_int_equal(starts, 1);
}

/* Off is proven, and a list of tasks comes, before our stop's answer does; that list has one stop, so many of
 * them newer than what we know of. */
static void list_while_a_stop_is_sent(unsigned newer)
{
    begin(FENCE_REBOOT);
    had_a_task(RESET_UPID);
    reads_running();
    go(20);
    reads_stopped();
    newer_tasks_are(1, newer, 0);
    hosts_say(3, 3, true);
    assert_true(verified);
    power_taken(STOP_UPID);
}

/* A list that comes while our stop is being sent shows one of another broker. */
static void test_a_stop_on_its_way_is_not_settled_by_another_brokers(void **state) /* rule 6 */
{
    (void)state;
    list_while_a_stop_is_sent(0);
    wait_for_start(5000, STOP_UPID);
    assert_int_equal(starts, 0);
    for (int64_t at = 5000; !step.asks[ASK_TASK].busy && at < 6000; at += 20)
        go(at);
    task_is(STOP_UPID, "OK");
    wait_for_start(9000, "");
    assert_int_equal(starts, 1);
}

/* It shows that very stop, whose UPID we are still to be told. */
static void test_our_own_stop_on_its_way_is_not_another_brokers(void **state) /* rule 6 */
{
    (void)state;
    list_while_a_stop_is_sent(1);
    for (int64_t at = 40; !step.asks[ASK_TASK].busy && at < 1000; at += 20)
        go(at);
    task_is(STOP_UPID, "OK");
    wait_for_start(9000, "");
    assert_int_equal(starts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stop_on_its_way_is_not_settled_by_another_brokers),
        cmocka_unit_test(test_our_own_stop_on_its_way_is_not_another_brokers),
        cmocka_unit_test(test_the_end_of_an_earlier_stop_is_learnt_from_its_task),
        cmocka_unit_test(test_an_earlier_stop_of_which_its_host_tells_nothing_is_an_open_call),
        cmocka_unit_test(test_an_earlier_stop_holds_back_no_start_for_longer_than_it_may_come),
        cmocka_unit_test(test_an_earlier_stop_on_another_host_is_not_waited_for),
        cmocka_unit_test(test_a_list_ends_no_earlier_stop_but_those_without_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
