/* Guests of Proxmox HA, by script: when the manager is asked, what its service's state proves (rule 5, point
 * 6). */
#include "ha_script.h"

/* ---- asking ---- */

static void test_the_state_is_read_before_anything_is_sent(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    go(1000);
    assert_int_equal(stops, 0);
    reads(true, "started");
    assert_int_equal(stops, 1);
}

static void test_a_request_has_no_parameters(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    reads(true, "started");
    assert_true(last_sent.by_ha);
    assert_false(last_sent.overrule_shutdown);
    assert_string_equal(last_sent.send_to, "pve1");
}

static void test_a_guest_that_proves_to_be_managed_is_treated_so(void **state)
{
    (void)state;
    parameter_errors = json_object_new_object();
    json_object_object_add(parameter_errors, "overrule-shutdown",
                           json_object_new_string("Not applicable for HA resources."));
    begin(FENCE_OFF);
    assert_true(effects.send == STEP_SEND_NONE || !last_sent.by_ha);
    power_refused(400, "Parameter verification failed.");
    json_object_put(parameter_errors);
    parameter_errors = NULL;
    assert_going_on();
    if (step.asks[ASK_STATUS].busy)
        reads(true, "started");
    keeps(1000, true, "started");
    assert_int_equal(stops, 2);
    assert_true(last_sent.by_ha);
}

static void test_a_hastop_that_was_not_expected_is_no_proof_of_a_stop(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running(); /* which says nothing of HA yet */
    power_taken(HASTOP_UPID);
    assert_true(step.ha.managed);
    task_ends(HASTOP_UPID, 1000);
    if (step.asks[ASK_STATUS].busy)
        reads(false, "started");
    assert_false(step.seen.off);
}

static void test_a_service_that_would_lose_or_suffer_from_the_request_fails_at_once(void **state)
{
    static const struct {
        const char *state;
        enum error_code code;
    } cases[] = {{"error", ERROR_HA_ERROR}, {"freeze", ERROR_HA_FROZEN}, {"", ERROR_HA_UNSERVED}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
            begin_with(managed(action));
            go(10);
            reads(false, cases[i].state);
            assert_int_equal(stops + starts, 0);
            assert_ended(OPERATION_FAILED, cases[i].code);
        }
    }
}

static void test_a_service_that_breaks_over_our_stop_fails_at_once(void **state)
{
    (void)state;
    hastop_is_taken(FENCE_OFF);
    keeps(3000, true, "error");
    assert_ended(OPERATION_FAILED, ERROR_HA_ERROR);
}

static void test_a_locked_guest_is_not_asked_to_stop(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    for (int64_t at = 10; at < 6000 && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_with(true, "started", "backup");
    }
    assert_int_equal(stops, 0);
    assert_ended(OPERATION_FAILED, ERROR_LOCKED);

    begin_with(managed(FENCE_OFF));
    go(10);
    reads_with(true, "started", "backup");
    keeps(3000, true, "started");
    assert_int_equal(stops, 1);
}

static void test_what_ha_does_with_the_service_is_waited_for(void **state)
{
    static const char *const states[] = {"fence", "recovery", "migrate", "relocate"};
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        begin_with(managed(FENCE_OFF));
        keeps(20000, true, states[i]);
        assert_int_equal(stops, 0);
        assert_going_on();
        keeps(21000, true, "started");
        assert_int_equal(stops, 1);
    }
}

static void test_a_request_that_shows_no_effect_is_sent_again_after_15_s(void **state)
{
    (void)state;
    hastop_is_taken(FENCE_OFF);
    keeps(15500, true, "started");
    assert_int_equal(stops, 1);
    keeps(17500, true, "started");
    assert_int_equal(stops, 2);
    hastop_is_taken(FENCE_OFF);
    keeps(120000, true, "request_stop");
    assert_int_equal(stops, 1);
}

static void test_a_request_does_not_come_late_for_a_guest_started_since(void **state) /* rule 7 */
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    keeps(40000, true, "recovery");
    for (int64_t at = 40000; at < 42000 && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){
                .running = true, .nics = true, .uptime_s = 3, .ha_managed = true, .ha_state = "started"});
    }
    assert_int_equal(stops, 0);
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
}

/* ---- point 6 ---- */

static void test_a_task_that_says_ok_is_no_proof(void **state)
{
    (void)state;
    hastop_is_taken(FENCE_OFF);
    keeps(5000, false, "started"); /* it crashed, say: HA will bring it up */
    assert_false(step.seen.off);
    keeps(6000, true, "started");
    keeps(8000, true, "request_stop");
    assert_false(verified);
    keeps(8500, false, "request_stop");
    assert_true(step.seen.off);
    hosts_confirm();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_stop_that_begins_before_a_start_has_ended_is_no_proof(void **state)
{
    (void)state;
    hastop_is_taken(FENCE_OFF);
    keeps(5000, false, "request_stop"); /* a start that began before it may be under way */
    assert_false(step.seen.off);
    keeps(6000, false, "stopped");
    hosts_confirm();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_nothing_is_proven_before_the_hastop_has_ended(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    go(10);
    reads(true, "started");
    power_taken(HASTOP_UPID);
    for (int64_t at = 100; at < 3000; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads(false, "stopped"); /* somebody else's stop, then */
    }
    assert_false(step.seen.off);
    task_is(HASTOP_UPID, "OK");
    keeps(4000, false, "stopped");
    assert_true(step.seen.off);
}

static void test_a_service_that_was_stopped_before_is_believed_after_a_round_of_ha(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    go(10);
    reads(false, "stopped"); /* somebody's hastart may wait for the manager's next round */
    assert_int_equal(stops, 1);
    power_taken(HASTOP_UPID);
    task_ends(HASTOP_UPID, 1000);
    keeps(15900, false, "stopped");
    assert_false(step.seen.off);
    keeps(17500, false, "stopped");
    assert_true(step.seen.off);
    assert_int_equal(stops, 1);
}

static void test_what_ha_was_told_proves_nothing_once_it_does_not_manage_the_guest(void **state)
{
    (void)state;
    hastop_is_taken(FENCE_OFF);
    for (int64_t at = now_ms - T0; at < 4000 && stops == 1; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
    assert_int_equal(stops, 2);
    assert_false(last_sent.by_ha);
    assert_true(last_sent.overrule_shutdown);
}

static void test_a_read_that_was_under_way_when_the_hastop_ended_is_no_proof(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    go(10);
    reads(true, "started");
    power_taken(HASTOP_UPID);
    go(1000);
    assert_true(step.asks[ASK_STATUS].busy);
    task_is(HASTOP_UPID, "OK");
    reads(false, "stopped"); /* asked for before */
    assert_false(step.seen.off);
    keeps(1700, false, "stopped");
    assert_true(step.seen.off);
}

static void test_what_a_host_was_told_proves_nothing_once_ha_manages_the_guest(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_ends(STOP_UPID, 300);
    keeps(2000, true, "started");
    assert_int_equal(stops, 2); /* and not only after HA's 15 s */
    assert_true(last_sent.by_ha);

    begin_with(managed(FENCE_OFF)); /* … nor the other way round */
    go(10);
    reads(false, "stopped");
    power_taken(HASTOP_UPID);
    task_ends(HASTOP_UPID, 1000);
    for (int64_t at = 1000; at < 3000 && stops == 1; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        assert_false(step.seen.off);
    }
    assert_int_equal(stops, 2);
    assert_false(last_sent.by_ha);
}

static void test_a_lost_hastop_is_sent_again_only_after_a_read(void **state) /* rule 7 */
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    go(100);
    reads(true, "started");
    power_lost();
    go(450);
    assert_int_equal(stops, 1);
    reads(true, "started");
    assert_int_equal(stops, 2);
}

/* ---- powering on ---- */

static void test_a_reboot_starts_only_what_ha_has_stopped(void **state)
{
    (void)state;
    prove_off_of_a_service("request_stop");
    keeps(20000, false, "request_stop");
    assert_int_equal(starts, 0);
    keeps(21000, false, "stopped");
    assert_int_equal(starts, 1);
    power_taken(HASTART_UPID);
    task_ends(HASTART_UPID, 22000);
    keeps(36000, false, "stopped");
    assert_int_equal(starts, 1);
    keeps(38000, false, "stopped");
    assert_int_equal(starts, 2); /* the first was dropped */
    power_taken("UPID:pve1:00000008:00000008:00000008:hastart:100:fence@pve!t:");
    keeps(40000, true, "started");
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_no_hastart_while_a_hastop_of_ours_may_still_come(void **state) /* rule 6 */
{
    (void)state;
    begin_with(managed(FENCE_REBOOT));
    go(10);
    reads(true, "started");
    power_lost();
    keeps(1500, true, "started");
    assert_int_equal(stops, 2);
    power_taken(HASTOP2_UPID);
    task_ends(HASTOP2_UPID, 2500);
    keeps(3000, true, "request_stop");
    keeps(4000, false, "stopped");
    hosts_confirm();
    assert_true(verified);
    keeps(59000, false, "stopped");
    assert_int_equal(starts, 0);
    keeps(62000, false, "stopped");
    assert_int_equal(starts, 1);
}

static void test_on_leaves_a_started_service_to_ha_and_asks_for_a_stopped_one(void **state)
{
    (void)state;
    begin_with(managed(FENCE_ON));
    keeps(20000, false, "started");
    assert_int_equal(starts, 0);
    keeps(21000, true, "started");
    assert_ended(OPERATION_DONE, ERROR_NONE);

    begin_with(managed(FENCE_ON));
    keeps(1000, false, "stopped");
    assert_int_equal(starts, 1);
}

static void test_on_is_not_done_while_ha_is_about_to_stop_it(void **state)
{
    (void)state;
    begin_with(managed(FENCE_ON));
    keeps(5000, true, "request_stop");
    assert_going_on();
    keeps(6000, false, "stopped");
    assert_int_equal(starts, 1);
}

static void test_cycle_of_a_service_is_off_and_on(void **state)
{
    struct step_params wanted = managed(FENCE_REBOOT);
    (void)state;
    wanted.method = FENCE_CYCLE;
    begin_with(wanted);
    go(10);
    reads(true, "started");
    assert_int_equal(stops, 1);
    assert_int_equal(resets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_state_is_read_before_anything_is_sent),
        cmocka_unit_test(test_a_request_has_no_parameters),
        cmocka_unit_test(test_a_guest_that_proves_to_be_managed_is_treated_so),
        cmocka_unit_test(test_a_hastop_that_was_not_expected_is_no_proof_of_a_stop),
        cmocka_unit_test(test_a_service_that_would_lose_or_suffer_from_the_request_fails_at_once),
        cmocka_unit_test(test_a_service_that_breaks_over_our_stop_fails_at_once),
        cmocka_unit_test(test_a_locked_guest_is_not_asked_to_stop),
        cmocka_unit_test(test_what_ha_does_with_the_service_is_waited_for),
        cmocka_unit_test(test_a_request_that_shows_no_effect_is_sent_again_after_15_s),
        cmocka_unit_test(test_a_request_does_not_come_late_for_a_guest_started_since),
        cmocka_unit_test(test_a_task_that_says_ok_is_no_proof),
        cmocka_unit_test(test_a_stop_that_begins_before_a_start_has_ended_is_no_proof),
        cmocka_unit_test(test_nothing_is_proven_before_the_hastop_has_ended),
        cmocka_unit_test(test_a_service_that_was_stopped_before_is_believed_after_a_round_of_ha),
        cmocka_unit_test(test_what_ha_was_told_proves_nothing_once_it_does_not_manage_the_guest),
        cmocka_unit_test(test_a_read_that_was_under_way_when_the_hastop_ended_is_no_proof),
        cmocka_unit_test(test_what_a_host_was_told_proves_nothing_once_ha_manages_the_guest),
        cmocka_unit_test(test_a_lost_hastop_is_sent_again_only_after_a_read),
        cmocka_unit_test(test_a_reboot_starts_only_what_ha_has_stopped),
        cmocka_unit_test(test_no_hastart_while_a_hastop_of_ours_may_still_come),
        cmocka_unit_test(test_on_leaves_a_started_service_to_ha_and_asks_for_a_stopped_one),
        cmocka_unit_test(test_on_is_not_done_while_ha_is_about_to_stop_it),
        cmocka_unit_test(test_cycle_of_a_service_is_off_and_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
