/* Guests of Proxmox HA whose host is gone, and those whose death no device would show (rule 5, points 6 and
 * 7), by script. */
#include "ha_script.h"

#include "fence/unsettled.h"

/* ---- the host is gone ---- */

static void lose_the_host(void)
{
    begin_with(managed(FENCE_OFF));
    go(10);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_are(2, 3, false);
    assert_going_on();
    assert_true(step.asks[ASK_PLACE].busy);
}

static void listed_as(const char *node, const char *state)
{
    place_is((struct step_event){.node = node, .type = PVE_QEMU, .ha_state = state});
}

static void test_the_request_goes_to_another_host_when_its_own_is_offline(void **state)
{
    (void)state;
    lose_the_host();
    listed_as("pve1", "started");
    assert_int_equal(stops, 1);
    assert_string_equal(last_sent.send_to, "pve2");
    power_taken(HASTOP_ON_PVE2_UPID);
    task_ends(HASTOP_ON_PVE2_UPID, 1100);
    assert_going_on();
}

static void test_a_recovery_is_waited_for_and_followed_to_its_new_host(void **state)
{
    (void)state;
    hastop_is_taken(FENCE_OFF);
    for (int64_t at = 2000; at < 100000; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(2, 3, false);
        if (step.asks[ASK_PLACE].busy)
            listed_as("pve1", "fence");
    }
    assert_int_equal(stops, 1);
    go(101000);
    listed_as("pve3", "request_stop");
    go(101500);
    if (step.asks[ASK_STATUS].busy && strcmp(status_node, "pve1") == 0)
        status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    keeps(103000, false, "stopped");
    assert_string_equal(step.place.node, "pve3");
    assert_true(step.seen.off);
    if (step.asks[ASK_HOSTS].busy && strcmp(hosts_node, "pve1") == 0)
        hosts_are(2, 3, false);
    go(104000);
    if (step.asks[ASK_HOSTS].busy)
        hosts_are(2, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_hastop_whose_task_died_with_its_host_is_sent_again(void **state)
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    go(10);
    reads(true, "started");
    power_taken(HASTOP_UPID);
    go(100);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_are(2, 3, false);
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OPEN);
    go(400);
    listed_as("pve1", "started");
    assert_int_equal(stops, 2);
    assert_string_equal(last_sent.send_to, "pve2");
}

static void test_a_service_in_error_on_a_dead_host_is_hopeless(void **state)
{
    (void)state;
    lose_the_host();
    listed_as("pve1", "error");
    assert_int_equal(stops, 0);
    assert_ended(OPERATION_FAILED, ERROR_HA_ERROR);
}

static void test_a_host_that_is_offline_without_ha_is_hopeless(void **state) /* rule 8 */
{
    (void)state;
    lose_the_host();
    listed_as("pve1", NULL);
    assert_int_equal(stops, 0);
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
}

static void test_a_hastop_whose_task_is_not_heard_of_again_is_an_open_call(void **state)
{
    (void)state;
    lose_the_host();
    listed_as("pve1", "started");
    power_taken(HASTOP_ON_PVE2_UPID);
    for (int64_t at = 100; at < 20000 && stops == 1; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_TASK].busy) /* pve2 has died, too */
            task_fails(HASTOP_ON_PVE2_UPID, refusal(SCRIPT_TASK, 595, "No route to host"));
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(2, 3, false);
        if (step.asks[ASK_PLACE].busy)
            listed_as("pve1", "started");
        assert_true(at >= 15000 || stops == 1);
    }
    assert_int_equal(stops, 2);
    assert_int_equal(calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL), 1);
}

static void test_a_guest_that_is_listed_with_ha_is_read_first(void **state)
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.node = NULL; /* there is no inventory yet */
    begin_with(wanted);
    listed_as("pve1", "started");
    assert_int_equal(stops, 0);
    reads(true, "started");
    assert_int_equal(stops, 1);
    assert_true(last_sent.by_ha);
}

/* ---- point 7: a guest without network devices ---- */

static void reads_bare(bool running, const char *state)
{
    struct pve_status status = {.running = running, .uptime_s = running ? 5000 : 0, .ha_managed = true};
    snprintf(status.ha_state, sizeof(status.ha_state), "%s", state);
    status_is(status);
}

static void keeps_bare(int64_t until_ms, bool running, const char *state)
{
    for (int64_t at = now_ms - T0; at < until_ms && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_bare(running, state);
        if (step.asks[ASK_TASK].busy)
            task_is(calls_last(&step.calls, STEP_SEND_STOP)->upid, "OK");
    }
}

static void ha_stops_a_bare_guest(int64_t begins_ms, int64_t ends_ms)
{
    power_taken(HASTOP_UPID);
    keeps_bare(begins_ms, true, "started");
    keeps_bare(ends_ms, true, "request_stop");
    keeps_bare(ends_ms + 1000, false, "request_stop");
}

static void bare_guest(int64_t begins_ms, int64_t ends_ms)
{
    begin_with(managed(FENCE_OFF));
    reads_bare(true, "started");
    ha_stops_a_bare_guest(begins_ms, ends_ms);
}

static void test_a_stop_that_was_refused_for_ha_cannot_have_killed(void **state)
{
    (void)state;
    parameter_errors = json_object_new_object();
    json_object_object_add(parameter_errors, "overrule-shutdown",
                           json_object_new_string("Not applicable for HA resources."));
    begin(FENCE_OFF);
    reads_bare(true, "started");
    power_refused(400, "Parameter verification failed.");
    json_object_put(parameter_errors);
    parameter_errors = NULL;
    for (int64_t at = 10; at < 4000 && stops < 3; at += 10) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_bare(true, "started");
        if (step.asks[ASK_POWER].busy && stops == 2)
            power_lost(); /* to the manager, too */
    }
    ha_stops_a_bare_guest(14000, 20000);
    assert_true(step.seen.off);
    hosts_confirm();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* Its list said nothing of HA; its host says so while the first stop is under way. */
static void test_a_stop_that_ha_took_is_ha_s_whoever_told_of_ha_first(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    reads_bare(true, "started");
    assert_int_equal(stops, 1);
    ha_stops_a_bare_guest(14000, 20000);
    assert_true(step.seen.off);
    hosts_confirm();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_stop_that_ha_begins_late_is_not_taken_for_one_that_killed(void **state)
{
    (void)state;
    bare_guest(14000, 20000);
    assert_going_on();
    assert_true(step.seen.off);
    hosts_confirm();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_stop_that_takes_ha_so_long_may_have_killed(void **state)
{
    (void)state;
    bare_guest(5000, 20000);
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
}

static void test_a_stop_that_ha_began_of_what_ran_in_stopped_may_have_killed(void **state) /* P1 */
{
    (void)state;
    begin_with(managed(FENCE_OFF));
    reads_bare(true, "stopped"); /* somebody started it past the manager: its host stops it */
    power_taken(HASTOP_UPID);
    keeps_bare(3000, true, "stopped");
    keeps_bare(14000, true, "started"); /* and goes on although somebody else asks the manager for it */
    if (step.asks[ASK_POWER].busy)
        power_taken(HASTOP2_UPID);
    keeps_bare(19000, true, "request_stop");
    keeps_bare(20000, false, "request_stop");
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
}

static void test_a_stop_of_before_ha_may_have_killed(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    status_is((struct pve_status){.running = true, .uptime_s = 5000});
    power_taken(STOP_UPID); /* it hangs, and is managed by HA from now on */
    for (int64_t at = 100; at < 20000 && stops == 1; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_bare(true, "started");
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, NULL);
    }
    assert_int_equal(stops, 2);
    power_taken(HASTOP_UPID);
    keeps_bare(20000, true, "started");
    keeps_bare(20500, true, "request_stop");
    keeps_bare(21000, false, "request_stop");
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
}

/* Our stop hangs, its operation ends, and HA manages the guest from now on. */
static void test_a_stop_of_before_ha_and_of_another_operation_may_have_killed(void **state) /* P1 */
{
    struct step_params wanted = managed(FENCE_OFF);
    struct unsettled left;
    (void)state;
    begin(FENCE_OFF);
    status_is((struct pve_status){.running = true, .uptime_s = 5000});
    power_taken(STOP_UPID);
    now_ms += 40000;
    step.phase = STEP_ENDED;
    assert_true(unsettled_derive(&left, &step, now_ms));
    memset(asked_ms, 0, sizeof(asked_ms));
    wanted.requested_ms = now_ms;
    wanted.deadline_ms = now_ms + DEADLINE;
    step_begin(&step, &wanted);
    unsettled_inherit(&left, &step, now_ms);
    tell(STEP_EVENT_BEGIN);
    tell(STEP_EVENT_INTENT);
    reads_bare(true, "started");
    power_taken(HASTOP_UPID);
    keeps_bare(now_ms - T0 + 9000, true, "request_stop");
    keeps_bare(now_ms - T0 + 1000, false, "request_stop");
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
    /* nor does the next one know better */
    assert_true(unsettled_derive(&left, &step, now_ms));
    assert_false(calls_are_of_ha(&left.calls));
}

/* The recovery, seen or not; the guest comes up stopped on pve3. */
static void recovered(const char *seen)
{
    begin_with(managed(FENCE_OFF));
    reads_bare(true, "started");
    power_taken(HASTOP_UPID);
    for (int64_t at = 100; at < 100000; at += 100) {
        go(at);
        if (step.asks[ASK_TASK].busy)
            task_is(HASTOP_UPID, "OK");
        if (step.asks[ASK_STATUS].busy)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(2, 3, false);
        if (step.asks[ASK_PLACE].busy)
            listed_as("pve1", seen);
    }
    for (int64_t at = 100000; at < 103000 && step.phase != STEP_ENDED && !step.seen.off; at += 100) {
        go(at);
        if (step.asks[ASK_PLACE].busy)
            listed_as("pve3", "request_stop");
        if (step.asks[ASK_STATUS].busy && strcmp(status_node, "pve1") == 0)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        else if (step.asks[ASK_STATUS].busy)
            reads_bare(false, "stopped");
        if (step.asks[ASK_HOSTS].busy && !step.seen.off)
            hosts_are(2, 3, strcmp(hosts_node, "pve1") != 0);
    }
}

static void test_what_ha_recovers_left_nothing_on_the_host_that_it_fenced(void **state)
{
    (void)state;
    recovered("fence");
    assert_string_equal(step.place.node, "pve3");
    assert_true(step.seen.off);
}

static void test_what_ha_moved_otherwise_may_have_left_something(void **state)
{
    (void)state;
    recovered("request_stop");
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
}

/* ---- powering on ---- */

static void test_on_goes_to_another_host_when_its_own_is_offline(void **state)
{
    (void)state;
    begin_with(managed(FENCE_ON));
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_are(2, 3, false);
    assert_going_on(); /* not node-offline: HA can bring it up elsewhere */
    listed_as("pve1", "stopped");
    assert_int_equal(starts, 1);
    assert_string_equal(last_sent.send_to, "pve2");
}

static void test_the_power_on_of_a_reboot_goes_to_another_host_too(void **state)
{
    (void)state;
    prove_off_of_a_service("request_stop");
    for (int64_t at = 4500; at < 8000 && starts == 0; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(2, 3, false);
        if (step.asks[ASK_PLACE].busy)
            listed_as("pve1", "stopped");
    }
    assert_int_equal(starts, 1);
    assert_string_equal(last_sent.send_to, "pve2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_request_goes_to_another_host_when_its_own_is_offline),
        cmocka_unit_test(test_a_recovery_is_waited_for_and_followed_to_its_new_host),
        cmocka_unit_test(test_a_hastop_whose_task_died_with_its_host_is_sent_again),
        cmocka_unit_test(test_a_service_in_error_on_a_dead_host_is_hopeless),
        cmocka_unit_test(test_a_host_that_is_offline_without_ha_is_hopeless),
        cmocka_unit_test(test_a_hastop_whose_task_is_not_heard_of_again_is_an_open_call),
        cmocka_unit_test(test_a_guest_that_is_listed_with_ha_is_read_first),
        cmocka_unit_test(test_a_stop_that_was_refused_for_ha_cannot_have_killed),
        cmocka_unit_test(test_a_stop_that_ha_took_is_ha_s_whoever_told_of_ha_first),
        cmocka_unit_test(test_a_stop_that_ha_begins_late_is_not_taken_for_one_that_killed),
        cmocka_unit_test(test_a_stop_that_takes_ha_so_long_may_have_killed),
        cmocka_unit_test(test_a_stop_that_ha_began_of_what_ran_in_stopped_may_have_killed),
        cmocka_unit_test(test_a_stop_of_before_ha_may_have_killed),
        cmocka_unit_test(test_a_stop_of_before_ha_and_of_another_operation_may_have_killed),
        cmocka_unit_test(test_what_ha_recovers_left_nothing_on_the_host_that_it_fenced),
        cmocka_unit_test(test_what_ha_moved_otherwise_may_have_left_something),
        cmocka_unit_test(test_on_goes_to_another_host_when_its_own_is_offline),
        cmocka_unit_test(test_the_power_on_of_a_reboot_goes_to_another_host_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
