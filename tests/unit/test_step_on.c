/* Powering on, rebooting and resetting, by script. */
#include "step_script.h"

static struct step_params cycle(void)
{
    struct step_params wanted = params(FENCE_REBOOT);
    wanted.method = FENCE_CYCLE;
    return wanted;
}

/* ---- reboot ---- */

static void test_reboot_is_answered_at_off_and_starts_at_once(void **state)
{
    (void)state;
    prove_off(FENCE_REBOOT);
    assert_true(verified);
    assert_false(effects.ended);
    assert_int_equal(effects.send, STEP_SEND_START);
    assert_int_equal(step_state(&step), OPERATION_STARTING);
    go(400);
    power_taken(START_UPID);
    go(1000);
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 1);
}

static void test_a_failed_power_on_is_tried_again_until_its_own_deadline(void **state) /* rule 11 */
{
    (void)state;
    prove_off(FENCE_REBOOT);
    for (int64_t at = 400; at < DEADLINE + STEP_START_ROOM_MS; at += 100) {
        go(at);
        assert_going_on();
        if (step.asks[ASK_POWER].busy)
            power_taken(START_UPID);
        if (step.asks[ASK_TASK].busy)
            task_is(START_UPID, "start failed: QEMU exited with code 1");
        if (step.asks[ASK_TASKS].busy)
            tasks_are(1, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_true(starts > 20);
    go(DEADLINE + STEP_START_ROOM_MS);
    assert_ended(OPERATION_DONE, ERROR_START_FAILED); /* what was asked of it, off, is proven */
    assert_non_null(strstr(effects.error.message, "QEMU exited with code 1"));
    assert_non_null(strstr(effects.error.hint, "qm start 100"));
}

static void test_a_guest_that_somebody_started_meanwhile_is_done(void **state) /* rule 9 */
{
    (void)state;
    prove_off(FENCE_REBOOT);
    power_taken(START_UPID);
    task_is(START_UPID, "VM 100 already running");
    go(400);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    go(1000);
    reads_running();
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 1);
}

static void test_a_start_waits_while_a_stop_of_ours_is_open(void **state) /* rule 6 */
{
    (void)state;
    begin(FENCE_REBOOT);
    go(10);
    reads_running();
    go(30);
    power_lost();
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    assert_true(verified); /* the askers do not wait for that */
    assert_int_equal(starts, 0);
    assert_true(effects.ask[ASK_TASKS]);
    for (int64_t at = 1000; at < 30 + CALLS_OPEN_MS; at += 1000) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(0, 0); /* not yet begun */
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        assert_int_equal(starts, 0);
    }
    go(31 + CALLS_OPEN_MS);
    assert_int_equal(starts, 1);
}

static void test_a_start_goes_once_the_open_stop_is_seen_to_have_ended(void **state) /* rule 6 */
{
    (void)state;
    begin(FENCE_REBOOT);
    go(10);
    reads_running();
    go(30);
    power_lost();
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    tasks_are(1, 1);
    assert_int_equal(starts, 0);
    go(2000);
    tasks_are(1, 0);
    assert_int_equal(starts, 1);
}

/* The first stop is lost, and the guest reads stopped: a list of tasks is under way. */
static void lose_a_stop_and_list(void)
{
    begin(FENCE_REBOOT);
    had_a_task(RESET_UPID);
    go(10);
    reads_running();
    go(30);
    power_lost();
    for (int64_t at = 40; !step.asks[ASK_TASKS].busy && at < 400; at += 20) {
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        else
            go(at);
    }
    assert_true(step.asks[ASK_TASKS].busy);
}

/* Somebody has started the guest. */
static void stop_again(void)
{
    for (int64_t at = now_ms - T0 + 20; calls_sent(&step.calls, STEP_SEND_STOP) < 2 && at < 5000; at += 20) {
        if (step.asks[ASK_HOSTS].busy)
            hosts_say(1, 3, false);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
        go(at);
    }
    assert_int_equal(calls_sent(&step.calls, STEP_SEND_STOP), 2);
}

static void off_is_proven_and_no_start_goes(unsigned begun)
{
    for (int64_t at = now_ms - T0 + 20; at < 20000; at += 20) {
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_TASKS].busy)
            tasks_are(begun, 0);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP2_UPID, NULL);
        if (step.asks[ASK_HOSTS].busy)
            hosts_say(3, 3, true);
        go(at);
    }
    assert_true(verified);
    assert_int_equal(starts, 0);
}

static void test_a_list_from_before_the_last_stop_does_not_settle_it(void **state) /* rule 6 */
{
    (void)state;
    lose_a_stop_and_list();
    tasks_are(1, 0); /* the first one has come and gone */
    stop_again();
    power_lost();
    off_is_proven_and_no_start_goes(1);
}

/* Another broker's stands in it for the last one. */
static void test_a_list_under_way_when_the_last_stop_went_does_not_settle_it(void **state) /* rule 6 */
{
    (void)state;
    for (int taken = 0; taken < 2; taken++) {
        lose_a_stop_and_list();
        stop_again();
        if (taken)
            power_taken(STOP2_UPID);
        else
            power_lost();
        tasks_are(2, 0);
        off_is_proven_and_no_start_goes(1);
    }
}

/* Nor does any list settle one whose task is known to go on. */
static void test_a_list_does_not_settle_a_stop_whose_task_goes_on(void **state) /* rule 6 */
{
    (void)state;
    lose_a_stop_and_list();
    tasks_are(1, 0);
    stop_again();
    power_taken(STOP2_UPID);
    off_is_proven_and_no_start_goes(2);
}

static void test_a_stop_that_was_refused_is_not_looked_for_among_the_tasks(void **state) /* rule 6 */
{
    (void)state;
    begin(FENCE_REBOOT);
    go(10);
    reads_running();
    go(30);
    power_lost();
    for (int64_t at = 100; calls_sent(&step.calls, STEP_SEND_STOP) < 2; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
    power_refused(500, "cluster not ready - no quorum?"); /* certainly no task */
    if (!step.asks[ASK_STATUS].busy)
        go(1000);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_int_equal(starts, 0);
    tasks_are(1, 0); /* the lost one has come and gone */
    assert_int_equal(starts, 1);
}

/* The status does not tell that it has ended, and every moment until that is noticed is one without the
 * guest. */
static void test_a_start_leaves_as_soon_as_the_task_of_our_stop_has_ended(void **state) /* rule 6 */
{
    int64_t read_ms = 0, longest_ms = 0;
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    task_is(STOP_UPID, NULL);
    go(300);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_true(verified);
    for (int64_t at = 301; at < 1400; at++) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(1, 1);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (!step.asks[ASK_TASK].busy)
            continue;
        longest_ms = read_ms && now_ms - read_ms > longest_ms ? now_ms - read_ms : longest_ms;
        read_ms = now_ms;
        task_is(STOP_UPID, NULL);
    }
    assert_in_range(longest_ms, STEP_STATUS_FIRST_MS, 2 * STEP_STATUS_SOON_MS);
    assert_int_equal(starts, 0);
    while (!step.asks[ASK_TASK].busy)
        go(now_ms - T0 + 1);
    task_is(STOP_UPID, "OK");
    assert_int_equal(starts, 1);
}

static void test_a_start_waits_for_the_task_of_our_stop(void **state) /* rule 6 */
{
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    go(40);
    reads_stopped(); /* somebody else's shutdown was quicker, our stop still waits for the lock file */
    hosts_are(3, 3, true);
    assert_true(verified);
    assert_int_equal(starts, 0);
    for (int64_t at = 100; at < 5000; at += 1000) {
        go(at);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, NULL);
        assert_int_equal(starts, 0);
    }
    go(6000);
    task_is(STOP_UPID, "OK");
    assert_int_equal(starts, 1);
}

static void test_how_our_stop_ended_is_of_no_interest_after_the_proof(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    go(40);
    reads_stopped();
    hosts_are(3, 3, true);
    go(100);
    task_is(STOP_UPID, "unable to find configuration file for VM 100 on node 'pve1'");
    assert_int_equal(starts, 1);
    assert_false(effects.ask[ASK_PLACE]);
}

static void test_what_delayed_the_proof_is_not_blamed_for_the_start(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    go(40);
    task_is(STOP_UPID, "OK");
    go(50);
    reads_stopped();
    hosts_are(1, 3, true);
    go(1000);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_true(verified);
    go(DEADLINE + STEP_START_ROOM_MS);
    assert_ended(OPERATION_DONE, ERROR_START_FAILED);
    assert_null(strstr(effects.error.message, "hosts"));
}

static void test_a_stop_whose_task_cannot_be_read_holds_the_start_for_a_minute_only(void **state) /* rule 6 */
{
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    go(40);
    reads_stopped();
    hosts_are(3, 3, true);
    for (int64_t at = 100; at < CALLS_OPEN_MS; at += 500) {
        go(at);
        if (step.asks[ASK_TASK].busy)
            task_fails(STOP_UPID, nothing(SCRIPT_TASK, API_LOST));
        assert_int_equal(starts, 0);
    }
    go(CALLS_OPEN_MS + 600);
    assert_int_equal(starts, 1);
}

static void test_a_reboot_can_be_left_off_until_its_start_is_sent(void **state)
{
    (void)state;
    begin(FENCE_REBOOT);
    assert_false(step_can_leave_off(&step));
    assert_true(step_can_join(&step));
    go(10);
    reads_running();
    go(30);
    power_lost();
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    assert_true(step_can_leave_off(&step)); /* the start is held back */
    assert_false(step_can_join(&step));     /* its proof is older than the newcomer's request */
    tasks_are(1, 0);
    assert_int_equal(starts, 1);
    assert_false(step_can_leave_off(&step));
}

static void test_a_locked_guest_is_started_when_the_lock_is_gone(void **state) /* rule 11 */
{
    (void)state;
    prove_off(FENCE_REBOOT);
    for (int64_t at = 400; at < 60000; at += 100) {
        go(at);
        assert_going_on();
        if (step.asks[ASK_POWER].busy)
            power_taken(START_UPID);
        if (step.asks[ASK_TASK].busy)
            task_is(START_UPID, "VM is locked (backup)");
        if (step.asks[ASK_TASKS].busy)
            tasks_are(1, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped_locked("backup");
    }
    assert_int_equal(starts, 1); /* while reads show the lock another one would be refused, too */
    go(60500);
    if (step.asks[ASK_TASKS].busy)
        tasks_are(1, 0);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    if (step.asks[ASK_TASKS].busy)
        tasks_are(1, 0);
    assert_int_equal(starts, 2);
}

static void test_a_power_on_without_quorum_goes_on_trying(void **state)
{
    (void)state;
    prove_off(FENCE_REBOOT);
    power_refused(500, "cluster not ready - no quorum?");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_START)->state, CALL_FAILED);
    assert_going_on();
}

/* ---- on ---- */

static void test_on_reads_first_and_sends_no_start_to_a_running_guest(void **state)
{
    (void)state;
    begin(FENCE_ON);
    assert_int_equal(starts, 0);
    go(10);
    reads_running();
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 0);
}

static void test_on_is_done_when_the_guest_reads_running_not_when_its_task_is_ok(void **state)
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped();
    assert_int_equal(starts, 1);
    go(20);
    power_taken(START_UPID);
    go(500);
    task_is(START_UPID, "OK");
    assert_false(verified);
    go(600);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped(); /* asked before */
    assert_int_equal(starts, 1);
    go(1200);
    reads_running();
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_lost_start_is_sent_again_only_after_a_read(void **state)
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped();
    go(4000);
    power_lost();
    assert_int_equal(starts, 1);
    go(4300);
    assert_int_equal(starts, 1);
    reads_stopped();
    assert_int_equal(starts, 2);
}

static void test_on_of_a_hibernated_guest_fails_it_would_resume_old_memory(void **state) /* point 3 */
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped_locked("suspended");
    assert_ended(OPERATION_FAILED, ERROR_SUSPENDED);
    assert_int_equal(starts, 0);
}

static void test_on_at_a_host_offline_by_a_majoritys_word_is_hopeless(void **state) /* rule 8 */
{
    (void)state;
    begin(FENCE_ON);
    go(300);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    assert_true(effects.ask[ASK_HOSTS]);
    hosts_are(1, 3, false); /* a minority's word */
    assert_going_on();
    go(5000);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    assert_true(step.asks[ASK_HOSTS].busy);
    hosts_are(2, 3, false);
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
    assert_int_equal(starts, 0);
    begin(FENCE_ON); /* the same when the host's own endpoint, asked last, is not there */
    go(300);
    status_fails(nothing(SCRIPT_STATUS, API_UNSENT));
    assert_true(effects.ask[ASK_HOSTS]);
}

static void test_the_power_on_of_a_reboot_waits_for_a_host_that_went_offline(void **state) /* rule 11 */
{
    (void)state;
    prove_off(FENCE_REBOOT);
    power_refused(595, "No route to host");
    go(1000);
    if (step.asks[ASK_STATUS].busy)
        status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    assert_false(step.asks[ASK_HOSTS].busy);
    assert_going_on();
}

static void test_on_of_a_template_fails_at_once(void **state)
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped();
    power_taken(START_UPID);
    task_is(START_UPID, "you can't start a vm if it's a template");
    assert_ended(OPERATION_FAILED, ERROR_TEMPLATE);
    assert_non_null(strstr(effects.error.hint, "template"));
}

static void test_on_locates_a_guest_that_moved(void **state)
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped();
    power_taken(START_UPID);
    task_is(START_UPID, "unable to find configuration file for VM 100 on node 'pve1'");
    assert_true(effects.ask[ASK_PLACE]);
    located_on("pve3");
    go(50);
    reads_stopped(); /* the old host's answer */
    assert_int_equal(starts, 1);
    assert_true(effects.ask[ASK_STATUS]);
    go(100);
    reads_stopped();
    assert_int_equal(starts, 2);
    assert_string_equal(calls_last(&step.calls, STEP_SEND_START)->node, "pve3");
}

static void test_a_missing_disk_is_not_taken_for_a_moved_guest(void **state)
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped();
    power_taken(START_UPID);
    task_is(START_UPID, "volume 'local-zfs:vm-100-disk-0' does not exist");
    assert_false(effects.ask[ASK_PLACE]);
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_START_FAILED);
    assert_non_null(strstr(effects.error.message, "vm-100-disk-0"));
}

/* ---- method=cycle (rule 10) ---- */

static void reset_taken(void)
{
    begin_with(cycle());
    assert_int_equal(resets, 0); /* a stopped guest has nothing to reset: read first */
    go(10);
    reads_running();
    assert_int_equal(resets, 1);
    go(20);
    power_taken(RESET_UPID);
}

static void test_cycle_is_done_when_the_resets_task_is_ok_and_the_guest_runs(void **state)
{
    (void)state;
    reset_taken();
    go(30);
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    assert_false(verified);
    go(300);
    task_is(RESET_UPID, "OK");
    assert_false(verified);
    go(900);
    reads_running();
    if (!effects.ended) {
        go(1500);
        reads_running();
    }
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops + starts, 0);
    assert_int_equal(resets, 1);
}

static void test_cycle_is_not_done_while_the_guest_is_locked(void **state)
{
    (void)state;
    reset_taken();
    go(300);
    task_is(RESET_UPID, "OK");
    for (int64_t at = 900; at < 5000; at += 600) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "backup"});
        assert_false(verified);
    }
    go(8000);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "backup"});
    assert_ended(OPERATION_FAILED, ERROR_LOCKED);
}

static void test_a_reset_that_fails_becomes_off_and_on(void **state)
{
    (void)state;
    reset_taken();
    task_is(RESET_UPID, "VM 100 qmp command 'system_reset' failed - got timeout");
    assert_int_equal(stops, 1);
    assert_int_equal(resets, 1);
}

static void test_a_lost_reset_becomes_off_and_on_and_is_never_repeated(void **state) /* rule 7 */
{
    (void)state;
    begin_with(cycle());
    go(10);
    reads_running();
    go(4000);
    power_lost();
    assert_int_equal(stops, 1);
    assert_int_equal(resets, 1);
    go(4100);
    power_taken(STOP_UPID);
    go(4200);
    task_is(STOP_UPID, "OK");
    go(4300);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    if (!step.seen.off) {
        go(5000);
        reads_stopped();
    }
    hosts_are(3, 3, true);
    assert_true(verified);
    /* it may still be carried out, and would hit the booting guest (rule 6) */
    for (int64_t at = 6000; at < 4000 + CALLS_OPEN_MS; at += 1000) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        assert_int_equal(starts, 0);
    }
    go(4600 + CALLS_OPEN_MS);
    assert_int_equal(starts, 1);
    assert_int_equal(resets, 1);
}

static void test_cycle_of_a_stopped_guest_proves_off_and_starts_it(void **state)
{
    (void)state;
    begin_with(cycle());
    go(10);
    reads_stopped();
    assert_int_equal(resets, 0);
    assert_int_equal(stops, 1); /* it may be under way up: no proof without a stop of ours (point 4) */
    go(20);
    power_taken(STOP_UPID);
    task_is(STOP_UPID, "OK");
    go(200);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    if (!step.seen.off) {
        go(800);
        reads_stopped();
    }
    hosts_are(3, 3, true);
    assert_true(verified);
    assert_int_equal(starts, 1);
}

static void test_a_container_has_no_reset(void **state)
{
    struct step_params wanted = cycle();
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    assert_int_equal(stops, 1);
    assert_int_equal(resets, 0);
    wanted.type = PVE_QEMU; /* known only after the guest was located */
    wanted.node = NULL;
    begin_with(wanted);
    step.params.type = PVE_LXC;
    located_on("pve1");
    assert_int_equal(resets, 0);
    assert_int_equal(stops, 1);
}

static void test_a_late_reset_needs_a_guest_that_ran_before_the_request(void **state) /* P4 */
{
    (void)state;
    begin_with(cycle());
    go(40000);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 39});
    assert_int_equal(resets, 0);
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
    begin_with(cycle());
    go(40000);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 41});
    assert_int_equal(resets, 1);
}

static void test_cycle_joins_only_before_its_reset_is_sent(void **state) /* P6 */
{
    (void)state;
    begin_with(cycle());
    assert_true(step_can_join(&step));
    go(10);
    reads_running();
    assert_false(step_can_join(&step));
}

static void test_cycle_on_a_dead_host_is_hopeless_at_once(void **state) /* rule 8 */
{
    (void)state;
    begin_with(cycle());
    go(300);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    assert_true(effects.ask[ASK_HOSTS]);
    hosts_are(2, 3, false);
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
}

static void test_cycle_does_not_spin_while_it_waits(void **state) /* P7 */
{
    (void)state;
    reset_taken();
    go(200);
    assert_true(step.asks[ASK_TASK].busy);
    assert_true(effects.wake_ms > now_ms);
    for (int i = 0; i < 5; i++) {
        tell(STEP_EVENT_WAKE);
        assert_true(effects.wake_ms > now_ms);
    }
}

static void test_an_on_is_not_done_by_a_read_from_before_somebody_joined(void **state) /* P1, P6 */
{
    (void)state;
    begin(FENCE_ON);
    go(5);
    tell(STEP_EVENT_JOINED);
    reads_running();
    assert_false(verified);
    assert_going_on();
    go(100);
    reads_running();
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_on_is_not_done_by_a_read_from_before_somebody_joined),
        cmocka_unit_test(test_reboot_is_answered_at_off_and_starts_at_once),
        cmocka_unit_test(test_a_failed_power_on_is_tried_again_until_its_own_deadline),
        cmocka_unit_test(test_a_guest_that_somebody_started_meanwhile_is_done),
        cmocka_unit_test(test_a_start_waits_while_a_stop_of_ours_is_open),
        cmocka_unit_test(test_a_start_goes_once_the_open_stop_is_seen_to_have_ended),
        cmocka_unit_test(test_a_list_from_before_the_last_stop_does_not_settle_it),
        cmocka_unit_test(test_a_list_under_way_when_the_last_stop_went_does_not_settle_it),
        cmocka_unit_test(test_a_list_does_not_settle_a_stop_whose_task_goes_on),
        cmocka_unit_test(test_a_stop_that_was_refused_is_not_looked_for_among_the_tasks),
        cmocka_unit_test(test_a_start_waits_for_the_task_of_our_stop),
        cmocka_unit_test(test_a_start_leaves_as_soon_as_the_task_of_our_stop_has_ended),
        cmocka_unit_test(test_how_our_stop_ended_is_of_no_interest_after_the_proof),
        cmocka_unit_test(test_what_delayed_the_proof_is_not_blamed_for_the_start),
        cmocka_unit_test(test_a_stop_whose_task_cannot_be_read_holds_the_start_for_a_minute_only),
        cmocka_unit_test(test_a_reboot_can_be_left_off_until_its_start_is_sent),
        cmocka_unit_test(test_a_locked_guest_is_started_when_the_lock_is_gone),
        cmocka_unit_test(test_a_power_on_without_quorum_goes_on_trying),
        cmocka_unit_test(test_on_reads_first_and_sends_no_start_to_a_running_guest),
        cmocka_unit_test(test_on_is_done_when_the_guest_reads_running_not_when_its_task_is_ok),
        cmocka_unit_test(test_a_lost_start_is_sent_again_only_after_a_read),
        cmocka_unit_test(test_on_of_a_hibernated_guest_fails_it_would_resume_old_memory),
        cmocka_unit_test(test_on_at_a_host_offline_by_a_majoritys_word_is_hopeless),
        cmocka_unit_test(test_the_power_on_of_a_reboot_waits_for_a_host_that_went_offline),
        cmocka_unit_test(test_on_of_a_template_fails_at_once),
        cmocka_unit_test(test_on_locates_a_guest_that_moved),
        cmocka_unit_test(test_a_missing_disk_is_not_taken_for_a_moved_guest),
        cmocka_unit_test(test_cycle_is_done_when_the_resets_task_is_ok_and_the_guest_runs),
        cmocka_unit_test(test_cycle_is_not_done_while_the_guest_is_locked),
        cmocka_unit_test(test_a_reset_that_fails_becomes_off_and_on),
        cmocka_unit_test(test_a_lost_reset_becomes_off_and_on_and_is_never_repeated),
        cmocka_unit_test(test_cycle_of_a_stopped_guest_proves_off_and_starts_it),
        cmocka_unit_test(test_a_container_has_no_reset),
        cmocka_unit_test(test_a_late_reset_needs_a_guest_that_ran_before_the_request),
        cmocka_unit_test(test_cycle_joins_only_before_its_reset_is_sent),
        cmocka_unit_test(test_cycle_on_a_dead_host_is_hopeless_at_once),
        cmocka_unit_test(test_cycle_does_not_spin_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
