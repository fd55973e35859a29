/* Powering off, by script: the rules that the real API forces. */
#include "doubt.h"
#include "step_script.h"

/* ---- templates, rights: hopeless (rule 8) ---- */

static void test_a_template_by_the_inventorys_word_is_sent_nothing(void **state)
{
    static const enum fence_action actions[] = {FENCE_OFF, FENCE_REBOOT, FENCE_ON};
    (void)state;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct step_params wanted = params(actions[i]);
        wanted.template = true;
        begin_with(wanted);
        assert_ended(OPERATION_FAILED, ERROR_TEMPLATE);
        assert_int_equal(stops + starts, 0);
        assert_null(strstr(effects.error.hint, "qm start"));
    }
}

static void test_a_template_is_refused(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    status_is((struct pve_status){.template = true});
    assert_ended(OPERATION_FAILED, ERROR_TEMPLATE);
}

static void test_a_403_is_hopeless_at_once(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    power_refused(403, "Permission check failed (/vms/100, VM.PowerMgmt)");
    assert_ended(OPERATION_FAILED, ERROR_NO_POWER_RIGHT);
    begin(FENCE_OFF);
    status_fails(refusal(SCRIPT_STATUS, 403, "Permission check failed (/vms/100, VM.Audit)"));
    assert_ended(OPERATION_FAILED, ERROR_NO_POWER_RIGHT);
}

static void test_a_guest_that_proxmox_does_not_list_any_more_is_hopeless(void **state)
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.node = NULL;
    begin_with(wanted);
    assert_int_equal(step_state(&step), OPERATION_LOCATING);
    assert_int_equal(stops, 0);
    located_on(NULL);
    assert_ended(OPERATION_FAILED, ERROR_UNKNOWN_PLUG);
}

static void test_three_401_in_a_row_are_proxmoxs_word_one_is_a_bad_moment(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    power_refused(401, "authentication failure");
    status_fails(refusal(SCRIPT_STATUS, 401, "authentication failure"));
    assert_going_on();
    go(1000);
    reads_running(); /* the counting begins anew */
    go(1700);
    status_fails(refusal(SCRIPT_STATUS, 401, "authentication failure"));
    go(1800);
    power_refused(401, "authentication failure");
    assert_going_on();
    go(2400);
    status_fails(refusal(SCRIPT_STATUS, 401, "authentication failure"));
    assert_ended(OPERATION_FAILED, ERROR_PROTOCOL);
}

static void test_a_host_offline_by_a_majoritys_word_is_hopeless(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    go(100);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    assert_true(effects.ask[ASK_HOSTS]);
    hosts_are(2, 3, false);
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
    begin(FENCE_OFF); /* the same when no answer comes at all */
    go(100);
    status_fails(nothing(SCRIPT_STATUS, API_LOST));
    assert_true(effects.ask[ASK_HOSTS]);
}

static void test_a_host_that_is_slow_to_answer_first_is_asked_about_once(void **state) /* rule 8 */
{
    (void)state;
    begin(FENCE_OFF);
    go(499);
    assert_false(step.asks[ASK_HOSTS].busy);
    go(500);
    assert_true(step.asks[ASK_HOSTS].busy);
    hosts_are(3, 3, true); /* a QEMU that hangs */
    go(3000);
    assert_false(step.asks[ASK_HOSTS].busy);
    reads_running();
    begin(FENCE_OFF);
    go(600);
    hosts_are(2, 3, false); /* seconds before the way to it has failed */
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
}

static void test_a_host_offline_by_the_inventory_is_asked_about_at_once(void **state) /* rule 8 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.node_offline = true;
    begin_with(wanted);
    assert_true(step.asks[ASK_HOSTS].busy);
    go(10);
    hosts_are(2, 3, false);
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
    begin_with(wanted); /* it is back, and the inventory is old */
    go(10);
    hosts_are(3, 3, true);
    reads_running();
    assert_going_on();
    assert_false(step.asks[ASK_HOSTS].busy);
}

static void test_a_host_offline_by_a_minoritys_word_is_tried_again(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    go(3000);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_are(1, 3, false);
    assert_going_on();
    go(4000);
    assert_true(step.asks[ASK_STATUS].busy);
    assert_true(step.asks[ASK_HOSTS].busy);
}

/* ---- a doubt that an earlier operation left (point 7) ---- */

static void begin_in_doubt(void)
{
    before = (struct calls)DOUBT(T0 - 60000, T0 - 1000);
    begin(FENCE_OFF);
}

static void test_a_guest_in_doubt_is_read_before_it_is_stopped(void **state)
{
    (void)state;
    begin_in_doubt();
    assert_true(step.asks[ASK_STATUS].busy);
    assert_int_equal(stops, 0);
    go(300);
    reads_running(); /* with its devices: whatever the earlier stop did is over */
    assert_int_equal(stops, 1);
    power_taken(STOP_UPID);
    go(400);
    task_is(STOP_UPID, "OK");
    reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* Started before the earlier stop had ended, as its host says three seconds later. */
static void test_a_doubt_is_not_ended_by_a_reading_that_took_long(void **state)
{
    (void)state;
    begin_in_doubt();
    go(3000);
    status_is((struct pve_status){.running = true, .uptime_s = 2});
    power_taken(STOP_UPID);
    go(3100);
    task_is(STOP_UPID, "OK");
    reads_stopped();
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
}

static void test_a_host_that_is_slow_to_tell_does_not_hold_the_stop_back(void **state)
{
    (void)state;
    begin_in_doubt();
    go(STEP_SLOW_READ_MS);
    assert_int_equal(stops, 1);
}

/* ---- transient (rules 2, 3, 4, 6, 7, 8) ---- */

/* What stops at once is seen at once; what takes its time costs no more reads than it ever did. */
static void test_the_first_reads_follow_each_other_closely_and_are_few(void **state) /* rule 2 */
{
    unsigned reads = 0;
    int64_t first = 0;
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, NULL);
    go(20 + STEP_STATUS_FIRST_MS);
    while (now_ms - T0 < 320) {
        assert_true(step.asks[ASK_STATUS].busy);
        asked_ms[SCRIPT_STATUS] = now_ms; /* the host answers at once */
        reads_running();
        int64_t gap = step.asks[ASK_STATUS].next_ms - now_ms;
        first = first ? first : gap;
        assert_true(gap <= STEP_STATUS_SOON_MS);
        go(now_ms - T0 + gap);
        reads++;
    }
    assert_true(first < 10);
    assert_true(reads <= 300 / STEP_STATUS_SOON_MS + 10);
}

static void test_reads_come_at_growing_intervals_one_at_a_time(void **state) /* rule 2 */
{
    int64_t gap, last_gap = 0;
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, NULL);
    for (int i = 0; i < 150; i++) {
        go(now_ms - T0 + 600);
        assert_true(step.asks[ASK_STATUS].busy);
        tell(STEP_EVENT_WAKE);
        assert_false(effects.ask[ASK_STATUS]);
        asked_ms[SCRIPT_STATUS] = now_ms; /* the host answers at once */
        reads_running();
        gap = step.asks[ASK_STATUS].next_ms - now_ms;
        assert_true(gap >= last_gap && gap >= STEP_STATUS_FIRST_MS && gap <= STEP_STATUS_LAST_MS);
        last_gap = gap;
    }
    assert_int_equal(last_gap, STEP_STATUS_LAST_MS);
}

static void test_a_read_comes_late_by_a_small_part_of_the_time_waited_at_most(void **state) /* rule 2 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    for (int64_t at_ms = 300; at_ms <= 6000; at_ms += 300) {
        go(at_ms);
        assert_true(step.asks[ASK_STATUS].busy);
        asked_ms[SCRIPT_STATUS] = now_ms; /* the host answers at once */
        reads_running();
        int64_t gap = step.asks[ASK_STATUS].next_ms - now_ms, share = at_ms / STEP_STATUS_SHARE;
        assert_in_range(gap, STEP_STATUS_FIRST_MS, share > STEP_STATUS_SOON_MS ? share : STEP_STATUS_SOON_MS);
    }
    go(6600);
    asked_ms[SCRIPT_STATUS] = now_ms - 300; /* a slow one gets as much rest as it took */
    reads_running();
    assert_int_equal(step.asks[ASK_STATUS].next_ms - now_ms, 300);
}

static void test_a_moved_guest_is_located_and_stopped_there(void **state) /* rule 1 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    assert_true(effects.ask[ASK_PLACE]);
    go(20);
    power_taken(STOP_UPID);
    located_on("pve2");
    go(40);
    reads_running();
    assert_int_equal(stops, 2);
    assert_string_equal(calls_last(&step.calls, STEP_SEND_STOP)->node, "pve2");
}

static void test_the_late_answer_of_the_wrong_host_is_not_taken_for_the_right_ones(void **state) /* rule 1 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    located_on("pve2");
    go(20);
    power_taken(STOP_UPID);
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_FAILED);
    go(40);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    go(700);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    assert_false(step.seen.off);
    assert_int_equal(stops, 2);
}

static void test_a_stop_that_fails_because_the_guest_moved_locates_it(void **state) /* rule 1 */
{
    (void)state;
    begin(FENCE_OFF);
    go(20);
    power_taken(STOP_UPID);
    go(30);
    reads_stopped();
    assert_true(step.asks[ASK_TASK].busy);
    task_is(STOP_UPID, "unable to find configuration file for VM 100 on node 'pve1'");
    assert_true(effects.ask[ASK_PLACE]);
}

static void test_a_held_lock_file_is_tried_again_at_once(void **state) /* rule 3 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(10000);
    task_is(STOP_UPID, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    go(10100);
    reads_running();
    assert_int_equal(stops, 2);
}

static void test_a_locked_guest_fails_after_lock_wait_with_the_locks_name(void **state) /* rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    for (int64_t at = 100; at < 5000 && step.phase != STEP_ENDED; at += 50) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "backup"});
        if (step.asks[ASK_POWER].busy)
            power_taken(STOP_UPID);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, "VM is locked (backup)");
    }
    assert_going_on();
    assert_int_equal(stops, 1); /* while reads show the lock another one would be refused, too */
    for (int64_t at = 5000; at < 7000 && step.phase != STEP_ENDED; at += 50) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "backup"});
        if (step.asks[ASK_POWER].busy)
            power_taken(STOP_UPID);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, "VM is locked (backup)");
    }
    assert_ended(OPERATION_FAILED, ERROR_LOCKED);
    assert_non_null(strstr(effects.error.message, "backup"));
    assert_non_null(strstr(effects.error.hint, "qm unlock 100"));
}

static void test_a_stop_is_sent_again_as_soon_as_the_lock_is_gone(void **state) /* rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(30);
    reads_running(); /* the lock is not seen in it */
    task_is(STOP_UPID, "VM is locked (backup)");
    for (int64_t at = 100; at < 4000; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "backup"});
    }
    assert_int_equal(stops, 1);
    go(4050);
    reads_running();
    assert_int_equal(stops, 2);
}

static void test_a_second_lock_has_a_patience_of_its_own(void **state) /* rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped_locked("rollback");
    go(1000);
    reads_running();
    go(20000);
    reads_running();
    go(21000);
    reads_stopped_locked("rollback");
    assert_going_on();
}

static void test_a_migration_is_waited_for_and_the_guest_located_anew(void **state) /* rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, "VM is locked (migrate)");
    for (int64_t at = 1100; at < 60000; at += 3000) {
        assert_going_on();
        go(at);
        located_on("pve1");
        go(at + 500);
        if (step.asks[ASK_STATUS].busy)
            status_is(
                (struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "migrate"});
    }
    assert_int_equal(stops, 1); /* it would be refused, too */
    go(60000);
    if (step.asks[ASK_PLACE].busy)
        located_on("pve1");
    go(61000);
    reads_running();
    assert_int_equal(stops, 2);
    power_taken(STOP2_UPID);
    go(61100);
    reads_running();
    task_is(STOP2_UPID, "VM is locked (migrate)");
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_LOCKED);
}

static void test_a_lost_stop_that_was_done_is_proven_by_reading(void **state) /* P3 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running();
    go(4000);
    power_lost();
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_lost_stop_is_sent_again_only_after_a_read(void **state) /* rules 6, 7 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running();
    go(30);
    assert_true(step.asks[ASK_STATUS].busy);
    go(4000);
    power_lost();
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OPEN);
    reads_running(); /* asked before the call was lost */
    go(4010);
    assert_int_equal(stops, 1);
    go(4500);
    reads_running();
    assert_int_equal(stops, 2);
}

static void test_a_stop_answered_with_a_server_error_is_an_open_call(void **state) /* rule 6 */
{
    (void)state;
    begin(FENCE_REBOOT);
    power_refused(500, "No space left on device");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OPEN);
    begin(FENCE_REBOOT);
    power_refused(596, "Connection timed out");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OPEN);
    begin(FENCE_REBOOT);
    power_refused(595, "No route to host"); /* nobody took it */
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_FAILED);
    assert_true(effects.ask[ASK_HOSTS]);
}

static void
test_a_read_of_the_moment_at_which_the_stop_has_ended_is_from_before_it(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(5);
    power_taken(STOP_UPID);
    reads_stopped(); /* from the beginning: was somebody starting it? */
    for (int64_t at = 6; !step.asks[ASK_TASK].busy || asked_ms[SCRIPT_STATUS] != now_ms; at++) {
        assert_true(at < 5000);
        go(at);
        if (step.asks[ASK_STATUS].busy && asked_ms[SCRIPT_STATUS] != now_ms)
            reads_stopped();
    }
    task_is(STOP_UPID, "OK");
    go(now_ms - T0 + 5);
    reads_stopped();
    assert_false(step.seen.off);
    go(now_ms - T0 + 100);
    reads_stopped();
    assert_true(step.seen.off);
}

static void test_a_second_lost_stop_is_an_open_call_and_not_repeated_at_once(void **state) /* rule 6 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running();
    power_lost();
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OPEN);
    go(100);
    reads_running();
    assert_int_equal(stops, 2);
    power_lost();
    go(140);
    reads_running();
    assert_int_equal(stops, 2);
    go(1000);
    reads_running();
    assert_int_equal(stops, 3);
}

static void test_a_task_that_its_host_does_not_know_is_an_open_call(void **state) /* rule 6 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_fails(STOP_UPID, refusal(SCRIPT_TASK, 400, "Parameter verification failed."));
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OPEN);
}

static void test_an_unreadable_task_is_read_again(void **state) /* P3 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_fails(STOP_UPID, nothing(SCRIPT_TASK, API_LOST));
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_TASK);
    go(1000);
    assert_true(step.asks[ASK_TASK].busy);
}

/* The stop took effect before the first read: only its task's end proves that it is off by our doing (point
 * 4). */
static void stop_before_the_first_read(void)
{
    begin(FENCE_OFF);
    go(5);
    power_taken(STOP_UPID);
    reads_stopped();
    go(25);
    reads_stopped();
}

static void test_the_end_of_a_task_that_cannot_be_read_is_looked_for_in_the_list(void **state) /* P3 */
{
    (void)state;
    stop_before_the_first_read();
    assert_false(step.seen.off || step.asks[ASK_TASKS].busy);
    task_fails(STOP_UPID, refusal(SCRIPT_TASK, 500, "no such task"));
    tasks_have(STOP_UPID, "OK");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OK);
    assert_false(step.seen.off); /* a read asked for before does not count */
    go(600);
    reads_stopped();
    assert_true(step.seen.off);
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_list_in_which_it_goes_on_or_is_missing_proves_nothing(void **state) /* P1 */
{
    (void)state;
    stop_before_the_first_read();
    task_fails(STOP_UPID, nothing(SCRIPT_TASK, API_LOST));
    tasks_have(STOP_UPID, NULL);
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_TASK);
    go(1100);
    reads_stopped();
    tasks_have("", NULL);
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_TASK);
    go(2200);
    reads_stopped();
    tasks_have(START_UPID, "OK"); /* another one */
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_TASK);
    assert_false(step.seen.off);
    go(3300);
    tasks_have(STOP_UPID, "VM is locked (backup)");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_FAILED);
    assert_going_on();
}

static void test_a_task_that_can_be_read_is_not_looked_for_in_the_list(void **state)
{
    (void)state;
    stop_before_the_first_read();
    task_is(STOP_UPID, NULL);
    assert_false(step.asks[ASK_TASKS].busy);
    go(100);
    assert_true(step.asks[ASK_TASK].busy);
    task_fails(STOP_UPID, nothing(SCRIPT_TASK, API_LOST));
    assert_true(step.asks[ASK_TASKS].busy);
    tasks_have(STOP_UPID, NULL);
    go(700);
    task_is(STOP_UPID, NULL);
    go(3000);
    assert_false(step.asks[ASK_TASKS].busy);
}

/* The guest has left the host that took the stop, and is found on pve2. */
static void the_guest_moves(void)
{
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    assert_string_equal(step.place.node, "");
}

static void test_the_end_of_the_stop_on_a_host_that_it_has_left_proves_nothing(void **state) /* point 4 */
{
    (void)state;
    stop_before_the_first_read();
    go(600);
    the_guest_moves();
    task_is(STOP_UPID, "OK");
    assert_int_not_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OK);
    located_on("pve2");
    go(1200);
    reads_stopped();
    assert_false(step.seen.off);
    assert_int_equal(stops, 2); /* there, too */
    assert_int_equal(calls_listed(&step.calls, STEP_SEND_STOP, "pve2"), 1);
}

static void test_the_end_of_the_stop_counts_when_the_guest_had_not_left_after_all(void **state) /* P3 */
{
    (void)state;
    stop_before_the_first_read();
    go(600);
    the_guest_moves();
    task_is(STOP_UPID, "OK");
    located_on("pve1");
    go(700);
    reads_stopped();
    task_is(STOP_UPID, "OK");
    go(1300);
    reads_stopped();
    assert_true(step.seen.off);
    assert_int_equal(stops, 1);
}

static void test_what_came_while_it_was_looked_for_counts_if_it_is_there_again(void **state) /* P3, rule 6 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    begin(FENCE_REBOOT);
    go(5);
    the_guest_moves();
    power_taken(STOP_UPID);
    located_on("pve1");
    assert_string_equal(step_task_list(&step).after_upid,
                        STOP_UPID); /* what others' stops are compared with */
    begin(FENCE_REBOOT);
    go(5);
    the_guest_moves();
    power_taken(STOP_UPID);
    located_on("pve2");
    assert_string_equal(step_task_list(&step).after_upid, "");

    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(5);
    the_guest_moves();
    power_refused(500, "CT 100 not running");
    located_on("pve1");
    for (int64_t at = 50; at < 6000 && !step.seen.off; at += 500) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_true(step.seen.off);
    assert_int_equal(stops, 1);
}

static void test_a_task_elsewhere_is_counted_in_the_list_of_its_own_host(void **state) /* rule 6 */
{
    (void)state;
    stop_before_the_first_read();
    go(600);
    the_guest_moves();
    located_on("pve2");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_FAILED);
    assert_int_equal(calls_listed(&step.calls, STEP_SEND_STOP, "pve1"), 1);
    assert_int_equal(calls_listed(&step.calls, STEP_SEND_STOP, "pve2"), 0);
}

static void test_the_end_of_a_stop_on_another_host_than_the_guests_proves_nothing(void **state) /* point 4 */
{
    (void)state;
    stop_before_the_first_read();
    snprintf(step.place.node, sizeof(step.place.node),
             "pve2"); /* HA had it, and does not manage it any more */
    task_is(STOP_UPID, "OK");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_FAILED);
}

static void
test_a_container_that_did_not_run_where_it_was_looked_for_may_run_elsewhere(void **state) /* point 4 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(5);
    the_guest_moves();
    power_refused(500, "CT 100 not running");
    located_on("pve2");
    for (int64_t at = 50; at < 6000; at += 500) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        assert_false(step.seen.off);
        if (step.asks[ASK_POWER].busy)
            return; /* a stop there */
    }
    fail();
}

static void find_it_on_another_host_while_the_list_is_read(void)
{
    stop_before_the_first_read();
    task_fails(STOP_UPID, refusal(SCRIPT_TASK, 500, "no such task"));
    go(600);
    the_guest_moves();
    located_on("pve2");
}

static void test_a_list_of_the_host_that_it_has_left_is_none_of_the_new_one(void **state) /* rule 6 */
{
    (void)state;
    find_it_on_another_host_while_the_list_is_read();
    tasks_are(2, 0);
    assert_int_equal(step.list.received_ms, 0);
}

static void test_a_list_of_the_host_that_it_has_left_settles_nothing_on_the_new_one(void **state) /* rule 6 */
{
    (void)state;
    find_it_on_another_host_while_the_list_is_read();
    go(620);
    reads_stopped();
    power_lost();
    tasks_are(2, 0); /* pve1's: ours, and another broker's */
    assert_int_equal(calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), "pve2"), 1);
}

static void
test_lists_that_fail_while_it_is_powered_off_hold_the_start_back_all_the_same(void **state) /* rule 6 */
{
    int64_t at = 30;
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    for (int failed = 0; failed < 2 * STEP_TASK_LISTS_MAX; at += 100) {
        assert_true(at < 60000);
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
        if (step.asks[ASK_TASK].busy)
            task_fails(STOP_UPID, refusal(SCRIPT_TASK, 500, "no such task"));
        if (step.asks[ASK_TASKS].busy) {
            struct api_result refused = refusal(SCRIPT_TASKS, 500, "no such list");
            handle(&(struct step_event){.kind = STEP_EVENT_TASKS, .node = tasks_node, .result = &refused});
            failed++;
        }
    }
    go(at + 1000);
    task_is(STOP_UPID, "OK"); /* the host is well again */
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    go(at + 2000);
    reads_stopped();
    hosts_say(3, 3, true);
    assert_true(verified);
    assert_int_equal(starts, 0);
    assert_true(step.asks[ASK_TASKS].busy); /* has another broker stopped it since? */
}

/* The list of tasks is asked for. */
static void reboot_with_an_unreadable_task(void)
{
    stop_a_running_guest(FENCE_REBOOT);
    go(60);
    reads_running();
    task_fails(STOP_UPID, refusal(SCRIPT_TASK, 500, "no such task"));
}

static void test_a_list_that_was_read_for_the_stop_keeps_that_of_the_start_not_waiting(void **state)
{
    (void)state;
    reboot_with_an_unreadable_task();
    tasks_have(STOP_UPID, NULL);
    go(600);
    reads_stopped();
    assert_true(step.asks[ASK_HOSTS].busy && step.asks[ASK_TASKS].busy);
}

static void test_a_list_that_is_under_way_for_the_stop_keeps_that_of_the_start_not_waiting(void **state)
{
    (void)state;
    reboot_with_an_unreadable_task();
    go(600);
    reads_stopped();
    tasks_have(STOP_UPID, NULL);
    assert_true(step.seen.off && step.asks[ASK_TASKS].busy);
}

static void test_resending_backs_off_up_to_five_seconds(void **state) /* rule 7 */
{
    int64_t pause = 0;
    (void)state;
    begin(FENCE_OFF);
    for (int i = 0; i < 8; i++) {
        go(now_ms - T0 + 1);
        power_refused(500, "got no worker upid - start worker failed");
        pause = step.asks[ASK_POWER].next_ms - now_ms;
        go(now_ms - T0 + pause + 1000);
        reads_running();
        if (!step.asks[ASK_POWER].busy) {
            go(now_ms - T0 + 600);
            reads_running();
        }
    }
    assert_int_equal(pause, STEP_RESEND_LAST_MS);
}

/* A guest that runs on whatever is sent, for so long: how it answers, and what its task says (NULL: none). */
static void stop_in_vain(int64_t from, int64_t until, int status, const char *answer, const char *exit)
{
    for (int64_t at = from; at < until && step.phase != STEP_ENDED; at += 2) {
        go(at);
        if (step.asks[ASK_POWER].busy && status)
            power_refused(status, answer);
        else if (step.asks[ASK_POWER].busy && answer)
            power_taken(STOP_UPID);
        else if (step.asks[ASK_POWER].busy)
            power_lost();
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, exit);
        if (step.asks[ASK_PLACE].busy)
            located_on("pve1");
        if (step.asks[ASK_HOSTS].busy)
            hosts_say(3, 3, true);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
}

static void test_stops_that_do_nothing_back_off_whatever_said_so(void **state) /* P7 */
{
    static const struct {
        int status;
        const char *answer, *exit;
    } ways[] = {
        {0, "", "OK"},
        {0, "", "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"},
        {0, "", "VM is locked (backup)"},
        {0, "", "unable to find configuration file for VM 100 on node 'pve1'"},
        {0, "", "VM quit/powerdown failed"},
        {500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", NULL},
        {500, "VM is locked (backup)", NULL},
        {500, "unable to find configuration file for VM 100 on node 'pve1'", NULL},
        {500, "VM 100 not running", NULL},
        {500, "got no worker upid - start worker failed", NULL},
        {595, "Connection refused", NULL},
        {596, "Connection timed out", NULL},
        {0, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        begin(FENCE_OFF);
        stop_in_vain(2, 30000, ways[i].status, ways[i].answer, ways[i].exit);
        assert_going_on();
        assert_in_range(stops, 5, 12);
    }
}

/* A lock that comes and goes takes the pauses away. */
static void test_one_operation_sends_only_so_many_stops_and_reads_on(void **state) /* P7 */
{
    (void)state;
    bool locked = false;
    begin(FENCE_OFF);
    for (int64_t at = 2; at < 60000 && stops < STEP_CALLS_MAX; at += 2) {
        go(at);
        if (step.asks[ASK_POWER].busy)
            power_taken(STOP_UPID);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, "VM is locked (backup)");
        if (!step.asks[ASK_STATUS].busy)
            continue;
        locked = !locked;
        if (!locked)
            reads_running();
        else
            status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000, .lock = "backup"});
    }
    stop_in_vain(60000, 239000, 0, "", "OK");
    assert_int_equal(stops, STEP_CALLS_MAX);
    assert_going_on();
    /* what somebody else brings about is proven all the same */
    while (!step.asks[ASK_STATUS].busy)
        go(now_ms - T0 + 100);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_its_deadline_says_so_where_no_stop_was_left(void **state) /* P7 */
{
    (void)state;
    begin(FENCE_OFF);
    calls_own(&step.calls, STEP_SEND_STOP)->sent = STEP_CALLS_MAX - 1;
    stop_in_vain(2, DEADLINE, 0, "", "OK");
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_DEADLINE);
    assert_non_null(strstr(effects.error.message, "as many stops as one operation may send"));
}

/* What comes right in the last minute of a long deadline is not to be missed for want of calls. */
static void test_stops_last_until_a_long_deadline(void **state) /* P7 */
{
    static const int64_t deadlines[] = {DEADLINE, 900000};
    (void)state;
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        struct step_params wanted = params(FENCE_OFF);
        wanted.deadline_ms = T0 + deadlines[i];
        begin_with(wanted);
        stop_in_vain(2, deadlines[i], 595, "Connection refused", NULL);
        assert_in_range(stops, 48, STEP_CALLS_MAX);
        assert_true(calls_last(&step.calls, STEP_SEND_STOP)->sent_ms >= T0 + deadlines[i] - 30000);
    }
}

static void test_a_lost_stop_is_sent_again_within_a_tenth_of_a_second_and_then_backs_off(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    go(1);
    power_lost();
    reads_running(); /* asked for before the loss: no news */
    assert_int_equal(stops, 1);
    go(30);
    reads_running();
    assert_int_equal(stops, 1);
    go(99);
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    assert_int_equal(stops, 2);
    power_lost();
    assert_int_equal(step.asks[ASK_POWER].next_ms - now_ms, STEP_RESEND_FIRST_MS);
}

static void test_a_stop_that_was_not_sent_does_not_count(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    struct api_result result = nothing(SCRIPT_POWER, API_UNSENT);
    power_is(&result, "");
    assert_int_equal(calls_sent(&step.calls, STEP_SEND_STOP), 0);
    assert_int_equal(calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL), 0);
    go(1000);
    reads_running();
    assert_int_equal(stops, 2);
}

static void test_overrule_shutdown_is_left_out_where_proxmox_does_not_know_it(void **state) /* rule 3 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.release = 801;
    begin_with(wanted);
    assert_int_equal(effects.send, STEP_SEND_STOP);
    assert_false(effects.overrule_shutdown);

    parameter_errors = json_object_new_object();
    json_object_object_add(parameter_errors, "overrule-shutdown",
                           json_object_new_string("property is not defined in schema"));
    begin(FENCE_OFF);
    go(10);
    reads_running();
    power_refused(400, "Parameter verification failed.");
    go(40);
    reads_running();
    assert_int_equal(stops, 2);
    assert_false(effects.overrule_shutdown);
    power_refused(400, "Parameter verification failed."); /* then it is something else */
    assert_true(effects.ended);
    json_object_put(parameter_errors);
    parameter_errors = NULL;
}

static void test_a_guest_that_is_migrated_is_located_again(void **state) /* rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    status_is((struct pve_status){.running = false, .lock = "migrate"});
    assert_going_on();
    assert_string_equal(step.place.node, "");
    assert_false(step.seen.running); /* that was elsewhere */
    go(39 + STEP_MIGRATION_MS);
    assert_false(effects.ask[ASK_PLACE]);
    go(41 + STEP_MIGRATION_MS);
    assert_true(effects.ask[ASK_PLACE]);
}

static void test_each_lock_has_its_own_patience(void **state) /* rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    int64_t at = 40;
    for (; at < 8500; at += 100) {
        go(at);
        if (!step.asks[ASK_STATUS].busy)
            continue;
        if (at < 4000)
            status_is((struct pve_status){.lock = "suspending"});
        else
            status_is((struct pve_status){.lock = "rollback"});
        assert_going_on();
    }
    for (; at < 10000 && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_is((struct pve_status){.lock = "rollback"});
    }
    assert_ended(OPERATION_FAILED, ERROR_LOCKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_template_by_the_inventorys_word_is_sent_nothing),
        cmocka_unit_test(test_a_template_is_refused),
        cmocka_unit_test(test_a_403_is_hopeless_at_once),
        cmocka_unit_test(test_a_guest_that_proxmox_does_not_list_any_more_is_hopeless),
        cmocka_unit_test(test_three_401_in_a_row_are_proxmoxs_word_one_is_a_bad_moment),
        cmocka_unit_test(test_a_host_offline_by_a_majoritys_word_is_hopeless),
        cmocka_unit_test(test_a_host_that_is_slow_to_answer_first_is_asked_about_once),
        cmocka_unit_test(test_a_host_offline_by_the_inventory_is_asked_about_at_once),
        cmocka_unit_test(test_a_host_offline_by_a_minoritys_word_is_tried_again),
        cmocka_unit_test(test_the_first_reads_follow_each_other_closely_and_are_few),
        cmocka_unit_test(test_a_guest_in_doubt_is_read_before_it_is_stopped),
        cmocka_unit_test(test_a_doubt_is_not_ended_by_a_reading_that_took_long),
        cmocka_unit_test(test_a_host_that_is_slow_to_tell_does_not_hold_the_stop_back),
        cmocka_unit_test(test_reads_come_at_growing_intervals_one_at_a_time),
        cmocka_unit_test(test_a_read_comes_late_by_a_small_part_of_the_time_waited_at_most),
        cmocka_unit_test(test_a_moved_guest_is_located_and_stopped_there),
        cmocka_unit_test(test_the_late_answer_of_the_wrong_host_is_not_taken_for_the_right_ones),
        cmocka_unit_test(test_a_stop_that_fails_because_the_guest_moved_locates_it),
        cmocka_unit_test(test_a_held_lock_file_is_tried_again_at_once),
        cmocka_unit_test(test_a_locked_guest_fails_after_lock_wait_with_the_locks_name),
        cmocka_unit_test(test_a_stop_is_sent_again_as_soon_as_the_lock_is_gone),
        cmocka_unit_test(test_stops_that_do_nothing_back_off_whatever_said_so),
        cmocka_unit_test(test_one_operation_sends_only_so_many_stops_and_reads_on),
        cmocka_unit_test(test_its_deadline_says_so_where_no_stop_was_left),
        cmocka_unit_test(test_stops_last_until_a_long_deadline),
        cmocka_unit_test(test_a_second_lock_has_a_patience_of_its_own),
        cmocka_unit_test(test_a_migration_is_waited_for_and_the_guest_located_anew),
        cmocka_unit_test(test_a_lost_stop_that_was_done_is_proven_by_reading),
        cmocka_unit_test(test_a_lost_stop_is_sent_again_only_after_a_read),
        cmocka_unit_test(test_a_stop_answered_with_a_server_error_is_an_open_call),
        cmocka_unit_test(test_a_read_of_the_moment_at_which_the_stop_has_ended_is_from_before_it),
        cmocka_unit_test(test_a_second_lost_stop_is_an_open_call_and_not_repeated_at_once),
        cmocka_unit_test(test_a_task_that_its_host_does_not_know_is_an_open_call),
        cmocka_unit_test(test_an_unreadable_task_is_read_again),
        cmocka_unit_test(test_the_end_of_a_task_that_cannot_be_read_is_looked_for_in_the_list),
        cmocka_unit_test(test_a_list_in_which_it_goes_on_or_is_missing_proves_nothing),
        cmocka_unit_test(test_a_task_that_can_be_read_is_not_looked_for_in_the_list),
        cmocka_unit_test(test_the_end_of_the_stop_on_a_host_that_it_has_left_proves_nothing),
        cmocka_unit_test(test_the_end_of_the_stop_counts_when_the_guest_had_not_left_after_all),
        cmocka_unit_test(test_a_container_that_did_not_run_where_it_was_looked_for_may_run_elsewhere),
        cmocka_unit_test(test_what_came_while_it_was_looked_for_counts_if_it_is_there_again),
        cmocka_unit_test(test_a_task_elsewhere_is_counted_in_the_list_of_its_own_host),
        cmocka_unit_test(test_the_end_of_a_stop_on_another_host_than_the_guests_proves_nothing),
        cmocka_unit_test(test_a_list_of_the_host_that_it_has_left_is_none_of_the_new_one),
        cmocka_unit_test(test_a_list_of_the_host_that_it_has_left_settles_nothing_on_the_new_one),
        cmocka_unit_test(test_lists_that_fail_while_it_is_powered_off_hold_the_start_back_all_the_same),
        cmocka_unit_test(test_a_list_that_was_read_for_the_stop_keeps_that_of_the_start_not_waiting),
        cmocka_unit_test(test_a_list_that_is_under_way_for_the_stop_keeps_that_of_the_start_not_waiting),
        cmocka_unit_test(test_resending_backs_off_up_to_five_seconds),
        cmocka_unit_test(test_a_lost_stop_is_sent_again_within_a_tenth_of_a_second_and_then_backs_off),
        cmocka_unit_test(test_a_stop_that_was_not_sent_does_not_count),
        cmocka_unit_test(test_overrule_shutdown_is_left_out_where_proxmox_does_not_know_it),
        cmocka_unit_test(test_a_guest_that_is_migrated_is_located_again),
        cmocka_unit_test(test_each_lock_has_its_own_patience),
    };
    return cmocka_run_group_tests_name("step_off", tests, NULL, NULL);
}
