/* Powering off, by script: what comes late (P4), the deadline (P7). */
#include "step_script.h"

/* ---- late (P4) ---- */

static void late_read(int64_t at_ms, bool deserted, int64_t uptime_s)
{
    begin(FENCE_OFF);
    go(10);
    power_refused(500, "got no worker upid - start worker failed");
    status_fails(refusal(SCRIPT_STATUS, 500, "internal"));
    if (deserted)
        tell(STEP_EVENT_DESERTED);
    go(at_ms);
    assert_int_equal(stops, 1);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = uptime_s});
}

static void test_a_late_stop_needs_a_guest_that_ran_before_the_request(void **state)
{
    (void)state;
    late_read(29000, false, 1); /* in time: it is stopped, whoever started it */
    assert_int_equal(stops, 2);
    late_read(40000, false, 41);
    assert_int_equal(stops, 2);
    late_read(40000, false, 40);
    assert_int_equal(stops, 1);
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
}

static void test_a_stop_nobody_waits_for_is_late_at_once(void **state)
{
    (void)state;
    late_read(2000, true, 3);
    assert_int_equal(stops, 2);
    late_read(2000, true, 1);
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
}

static void test_a_deserted_operation_is_verified_to_its_end(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    tell(STEP_EVENT_DESERTED);
    assert_going_on();
    go(100);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_new_asker_makes_the_stop_timely_again(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    tell(STEP_EVENT_DESERTED);
    go(40000);
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    tell(STEP_EVENT_JOINED);
    go(41000);
    if (step.asks[ASK_TASK].busy)
        task_is(STOP_UPID, "unexpected status");
    go(42000);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 1});
    go(43000);
    if (step.asks[ASK_STATUS].busy)
        status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 1});
    assert_int_equal(stops, 2);
}

static void test_an_older_request_that_joins_makes_no_stop_timely(void **state) /* P4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40000);
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    /* it was repeated after a restart of the daemon, and is as old as it was */
    handle(&(struct step_event){
        .kind = STEP_EVENT_JOINED, .asked_ms = T0 - 5000, .deadline_ms = step.params.deadline_ms});
    go(41000);
    if (step.asks[ASK_TASK].busy)
        task_is(STOP_UPID, "unexpected status");
    go(42000);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 1});
    go(43000);
    if (step.asks[ASK_STATUS].busy)
        status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 1});
    assert_int_equal(stops, 1);
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
}

static void test_a_late_stop_is_not_sent_on_old_news(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    for (int64_t at = 10; at < 38000; at += 10) { /* the pause between stops is at its longest */
        go(at);
        if (step.asks[ASK_POWER].busy)
            power_refused(500, "got no worker upid - start worker failed");
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000});
        if (at > 31000 && step.asks[ASK_POWER].next_ms - now_ms > 4000 && !step.asks[ASK_POWER].busy)
            break;
    }
    unsigned sent = stops;
    int64_t due = step.asks[ASK_POWER].next_ms - T0;
    go(due + 2000); /* the last read hangs, what is known is seconds old */
    assert_true(step.asks[ASK_STATUS].busy);
    assert_int_equal(stops, sent);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 2});
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
}

static void test_a_late_operation_without_proof_is_abandoned(void **state)
{
    (void)state;
    late_read(2000, false, 5000);
    power_taken(STOP_UPID);
    go(35000);
    task_is(STOP_UPID, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
    step.seen.running = false; /* as after a move */
    go(36000);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    go(37000);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
    assert_int_equal(stops, 2);
}

/* ---- the deadline (P7) ---- */

static void test_the_deadline_says_what_was_last_seen(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(DEADLINE - 1);
    assert_going_on();
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_DEADLINE);
    assert_non_null(strstr(effects.error.message, "still runs"));

    begin(FENCE_OFF);
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_DEADLINE);
    assert_non_null(strstr(effects.error.message, "could not be read"));

    begin(FENCE_OFF);
    go(10);
    reads_stopped();
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_DEADLINE);
    assert_non_null(strstr(effects.error.message, "without proof"));
}

static void test_an_ended_operation_does_nothing_more(void **state)
{
    (void)state;
    prove_off(FENCE_OFF);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(step_state(&step), OPERATION_ENDED);
    assert_false(step_can_join(&step));
    tell(STEP_EVENT_WAKE);
    assert_false(effects.ended || effects.verified || effects.ask[ASK_STATUS] || effects.send);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_stop_needs_a_guest_that_ran_before_the_request),
        cmocka_unit_test(test_a_stop_nobody_waits_for_is_late_at_once),
        cmocka_unit_test(test_a_deserted_operation_is_verified_to_its_end),
        cmocka_unit_test(test_a_new_asker_makes_the_stop_timely_again),
        cmocka_unit_test(test_an_older_request_that_joins_makes_no_stop_timely),
        cmocka_unit_test(test_a_late_stop_is_not_sent_on_old_news),
        cmocka_unit_test(test_a_late_operation_without_proof_is_abandoned),
        cmocka_unit_test(test_the_deadline_says_what_was_last_seen),
        cmocka_unit_test(test_an_ended_operation_does_nothing_more),
    };
    return cmocka_run_group_tests_name("step_late", tests, NULL, NULL);
}
