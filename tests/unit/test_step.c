/* Powering off, by script: each point of the off-proof (P1). */
#include "step_script.h"

#include <regex.h>

/* ---- the off-proof ---- */

static void test_off_sends_the_stop_at_once_and_reads_at_the_same_time(void **state)
{
    (void)state;
    struct step_params wanted = params(FENCE_OFF);
    now_ms = T0;
    step_begin(&step, &wanted);
    tell(STEP_EVENT_BEGIN);
    assert_int_equal(effects.send, STEP_SEND_NONE); /* its intent is not recorded yet (P5) */
    assert_true(effects.ask[ASK_STATUS]);
    tell(STEP_EVENT_INTENT);
    assert_int_equal(effects.send, STEP_SEND_STOP);
    assert_true(effects.overrule_shutdown);
}

static void test_off_waits_for_stopped_before_success(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_running();
    assert_false(effects.ask[ASK_HOSTS]);
    go(100);
    reads_stopped();
    assert_true(effects.ask[ASK_HOSTS]);
    assert_false(verified);
    hosts_are(3, 3, true);
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_read_from_before_the_request_proves_nothing(void **state) /* point 1 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running();
    go(35); /* a read is under way when an equal request joins: it does not count for it */
    assert_true(step.asks[ASK_STATUS].busy);
    tell(STEP_EVENT_JOINED);
    go(40);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    go(100);
    reads_stopped();
    assert_true(effects.ask[ASK_HOSTS]);
}

static void test_a_read_asked_for_in_the_moment_before_a_join_proves_nothing(void **state) /* point 1, P6 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running();
    while (!step.asks[ASK_STATUS].busy)
        go(now_ms - T0 + 1);
    assert_int_equal(asked_ms[SCRIPT_STATUS], now_ms); /* it may have been served before the request came */
    tell(STEP_EVENT_JOINED);
    go(now_ms - T0 + 5);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    go(now_ms - T0 + 100);
    reads_stopped();
    assert_true(effects.ask[ASK_HOSTS]);
}

static void test_a_join_between_read_and_hosts_reads_both_again(void **state) /* point 1, P6 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    go(45);
    assert_true(step_can_join(&step));
    tell(STEP_EVENT_JOINED);
    go(46);
    hosts_are(3, 3, true);
    assert_false(verified);
    go(600);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* Somebody else's start that is under way then is as new a life as one that begins a moment later. */
static void test_who_joins_after_the_stop_needs_none_of_its_own(void **state) /* rule 9, P6, point 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    task_is(STOP_UPID, "OK");
    tell(STEP_EVENT_JOINED);
    reads_stopped(); /* asked for before */
    assert_false(effects.ask[ASK_HOSTS]);
    go(100);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_another_guests_status_proves_nothing(void **state) /* point 1 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    status_is((struct pve_status){.vmid = 101});
    assert_false(effects.ask[ASK_HOSTS]);
    assert_int_equal(step.trouble.error.code, ERROR_PROTOCOL);
}

static void test_stopped_with_network_devices_is_not_off(void **state) /* point 2 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, NULL);
    go(40);
    reads_running();
    go(15000);
    status_is((struct pve_status){.nics = true});
    task_is(STOP_UPID, "OK");
    assert_false(effects.ask[ASK_HOSTS]);
    for (int64_t at = 20000; at < 60000; at += 1000) {
        go(at);
        status_is((struct pve_status){.nics = true});
        assert_false(effects.ask[ASK_HOSTS]);
    }
    assert_int_equal(stops, 1); /* another stop would not help */
    go(61000);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_no_other_stop_is_sent_to_a_guest_that_is_only_dying(void **state) /* point 2, rule 7 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, "unexpected status");
    assert_int_equal(calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL),
                     0); /* a task that has ended is not open, however it ended */
    for (int64_t at = 100; at < 10000; at += 600) {
        go(at);
        status_is((struct pve_status){.nics = true});
    }
    assert_int_equal(stops, 1);
}

static void test_devices_shown_only_after_the_kill_count_as_seen(void **state) /* point 7 */
{
    (void)state;
    begin(FENCE_OFF);
    go(20);
    power_taken(STOP_UPID);
    go(600);
    hosts_are(3, 3, true); /* asked because its host is slow */
    go(16000);
    status_is((struct pve_status){.nics = true});
    task_is(STOP_UPID, "OK");
    go(17000);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_an_undead_guest_fails_at_the_deadline_as_unproven(void **state) /* point 2 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(100);
    status_is((struct pve_status){.nics = true});
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
    assert_non_null(strstr(effects.error.hint, "kvm -id 100"));
}

/* Would one of the hint's patterns ("-e 'PATTERN'") find this line of ps? */
static bool hint_finds(const char *line)
{
    bool found = false;
    for (const char *at = effects.error.hint; (at = strstr(at, "-e '"));) {
        char pattern[64];
        regex_t regex;
        at += strlen("-e '");
        snprintf(pattern, sizeof(pattern), "%.*s", (int)strcspn(at, "'"), at);
        assert_int_equal(regcomp(&regex, pattern, REG_NOSUB), 0);
        found |= regexec(&regex, line, 0, NULL, 0) == 0;
        regfree(&regex);
    }
    return found;
}

static void test_the_hint_finds_a_qemu_in_every_state_in_which_it_can_hang(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(100);
    status_is((struct pve_status){.nics = true});
    go(DEADLINE);
    assert_true(hint_finds("  4711 Dl   io_schedule /usr/bin/kvm -id 100 -name node1,debug-threads=on"));
    assert_true(hint_finds("  4711 Zl   -           [qemu-system-x86] <defunct>"));
    assert_true(hint_finds("  4711 Zl   -           [kvm] <defunct>"));
    assert_true(hint_finds("  4711 D    io_schedule [qemu-system-x86]"));
    assert_false(hint_finds("  4712 Sl   do_poll     /usr/bin/kvm -id 1001 -name other"));
    assert_false(hint_finds("    12 I<   rescuer_th  [kvm-irqfd-clean]"));
}

static void test_a_lock_that_hides_the_guest_is_not_off(void **state) /* point 3 */
{
    static const char *const locks[] = {"migrate", "suspended", "suspending", "rollback"};
    (void)state;
    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        stop_a_running_guest(FENCE_OFF);
        go(40);
        reads_stopped_locked(locks[i]);
        assert_false(effects.ask[ASK_HOSTS]);
        assert_going_on();
        assert_int_equal(stops, 1);
    }
    stop_a_running_guest(FENCE_OFF); /* a backup does not hide it */
    go(40);
    reads_stopped_locked("backup");
    assert_true(effects.ask[ASK_HOSTS]);
}

static void test_a_hibernated_guest_fails_as_suspended_after_lock_wait(void **state) /* point 3, rule 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped_locked("suspended");
    go(5030);
    reads_stopped_locked("suspended");
    assert_going_on();
    go(6000);
    reads_stopped_locked("suspended");
    assert_ended(OPERATION_FAILED, ERROR_SUSPENDED);
}

static void test_stopped_from_the_start_waits_for_our_own_stop(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_stopped(); /* somebody's start may be under way */
    assert_false(effects.ask[ASK_HOSTS]);
    go(20);
    power_taken(STOP_UPID);
    assert_true(effects.ask[ASK_TASK]);
    assert_true(step.asks[ASK_STATUS].busy); /* asked before the task's end: does not count */
    go(40);
    task_is(STOP_UPID, "OK");
    go(41);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    go(100);
    reads_stopped();
    assert_true(effects.ask[ASK_HOSTS]);
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_stop_that_still_runs_or_is_lost_proves_nothing(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_stopped();
    go(20);
    power_taken(STOP_UPID);
    go(100);
    reads_stopped(); /* the stop's task waits: somebody's start may hold the lock file */
    assert_false(step.seen.off);

    begin(FENCE_OFF);
    go(10);
    reads_stopped();
    go(20);
    power_lost();
    go(100);
    reads_stopped();
    go(200);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    assert_false(step.seen.off);
    go(900);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    assert_int_equal(stops, 2);
}

static void test_our_stop_at_another_host_proves_nothing_here(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(20);
    power_taken(STOP_UPID);
    go(30);
    reads_stopped();
    task_is(STOP_UPID, "OK");
    go(100);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    located_on("pve2");
    go(200);
    reads_stopped();
    assert_false(step.seen.off);
    assert_int_equal(stops, 2);
}

static void test_a_proof_is_dropped_when_the_guest_turns_out_to_have_moved(void **state) /* point 4 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, NULL);
    go(30);
    reads_running();
    go(60);
    assert_true(step.asks[ASK_TASK].busy);
    reads_stopped();
    assert_true(step.seen.off);
    task_is(STOP_UPID, "unable to find configuration file for VM 100 on node 'pve1'");
    located_on("pve1"); /* so says a list that is 10 s old */
    go(70);
    hosts_are(3, 3, true);
    assert_false(verified);
}

static void test_a_failed_stop_of_a_stopped_guest_proves_nothing(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_stopped();
    go(20);
    power_taken(STOP_UPID);
    go(10000);
    task_is(STOP_UPID, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
    go(10100);
    reads_stopped(); /* asked before the task's end */
    assert_int_equal(stops, 1);
    go(10700);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    assert_int_equal(stops, 2); /* somebody's start held the lock: it may come up now */
}

static void test_running_at_another_host_is_not_running_here(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_running();
    go(20);
    power_taken(STOP_UPID);
    go(40);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    assert_true(effects.ask[ASK_PLACE]);
    located_on("pve2");
    task_is(STOP_UPID, "OK"); /* it was on the old host */
    go(100);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    assert_int_equal(stops, 2);
}

static void test_a_container_that_does_not_run_is_read_twice_two_seconds_apart(void **state) /* point 4 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(10);
    reads_stopped();
    power_refused(500, "CT 100 not running");
    go(100);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    go(2090);
    reads_stopped();
    assert_false(effects.ask[ASK_HOSTS]);
    go(2700);
    reads_stopped();
    assert_true(effects.ask[ASK_HOSTS]);
    assert_int_equal(stops, 1);
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* Answer each read 100 ms after the last with "stopped" until off is read; when that was. */
static int64_t read_stopped_until_believed(int64_t from_ms)
{
    for (int64_t at = from_ms; at < from_ms + 10000; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.seen.off)
            return at;
    }
    return INT64_MAX;
}

static void test_a_container_that_shows_traffic_meanwhile_is_read_anew(void **state) /* point 4 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(10);
    reads_stopped();
    power_refused(500, "CT 100 not running");
    go(100);
    reads_stopped();
    go(1000);
    status_is((struct pve_status){.traffic = true}); /* somebody starts it */
    assert_in_range(read_stopped_until_believed(1100), 1000 + PROOF_CONTAINER_GAP_MS, 4500);
    assert_int_equal(stops, 1);
}

static void test_a_container_is_read_twice_after_the_stops_answer(void **state) /* point 4 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(1400);
    power_refused(500, "CT 100 not running");
    go(1500);
    reads_stopped(); /* asked before */
    assert_in_range(read_stopped_until_believed(1600), 1400 + PROOF_CONTAINER_GAP_MS, 4500);
}

static void test_a_container_that_runs_again_is_stopped_again(void **state) /* point 4 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(10);
    reads_stopped();
    power_refused(500, "CT 100 not running");
    go(3000);
    status_is((struct pve_status){.running = true, .traffic = true, .uptime_s = 1});
    go(3100);
    if (step.asks[ASK_STATUS].busy)
        status_is((struct pve_status){.running = true, .traffic = true, .uptime_s = 1});
    assert_int_equal(stops, 2);
}

static void test_ct_not_running_at_the_wrong_host_proves_nothing(void **state) /* point 4, rule 1 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(10);
    power_refused(500, "CT 100 not running");
    status_fails(refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/lxc/100.conf' does not exist"));
    go(20);
    located_on("pve2");
    go(300);
    reads_stopped();
    assert_int_equal(stops, 2); /* pve2 has not been asked to stop it */
    assert_false(step.seen.off);
}

static void test_a_stopped_container_with_traffic_is_not_off(void **state) /* point 2 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.type = PVE_LXC;
    begin_with(wanted);
    go(10);
    status_is((struct pve_status){.running = true, .traffic = true, .uptime_s = 5000});
    go(20);
    power_taken(STOP_UPID);
    go(100);
    status_is((struct pve_status){.traffic = true});
    assert_false(step.seen.off);
    go(700);
    reads_stopped();
    assert_true(step.seen.off);
}

static void test_ct_not_running_says_nothing_about_a_vm(void **state) /* point 4 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    reads_stopped();
    power_refused(500, "VM 100 not running");
    for (int64_t at = 100; at < 5000; at += 600) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        assert_false(effects.ask[ASK_HOSTS]);
    }
}

static void test_the_hosts_word_must_be_asked_for_after_the_read(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    assert_true(effects.ask[ASK_HOSTS]); /* is it there at all? */
    go(600);
    assert_true(step.asks[ASK_STATUS].busy);
    reads_stopped();
    assert_true(step.seen.off);
    go(605);
    hosts_are(3, 3, true); /* asked for before */
    assert_false(verified);
    assert_true(effects.ask[ASK_HOSTS]);
    go(610);
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_minority_proves_nothing(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    hosts_are(1, 3, true);
    assert_false(verified);
    assert_going_on();
    go(1000);
    reads_stopped(); /* both are read again */
    hosts_are(2, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_lasting_minority_is_named_at_the_deadline(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    hosts_are(2, 4, true);
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_MINORITY);
    assert_non_null(strstr(effects.error.message, "2 of 4"));
}

static void test_a_minority_is_named_where_the_last_calls_had_no_answer(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    hosts_are(2, 4, true);
    go(1000);
    status_fails(nothing(SCRIPT_STATUS, API_LOST));
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_MINORITY);
}

static void test_a_minority_that_is_over_is_not_named(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    hosts_are(1, 3, true);
    go(1000);
    reads_stopped();
    hosts_are(2, 3, false);
    assert_int_equal(step.trouble.error.code, ERROR_NONE);
}

/* Nobody can reach its host, and who is asked is in the minority: the same, whichever is told last. */
static void test_a_minority_is_named_where_the_host_could_not_be_reached_at_last(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_are(1, 3, false);
    go(step.asks[ASK_STATUS].next_ms - T0);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_MINORITY);
}

/* The hosts were asked while its own one was slow. */
static void test_a_minority_of_before_is_no_reason_why_a_guest_still_runs(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    status_fails(nothing(SCRIPT_STATUS, API_LOST));
    hosts_are(1, 3, true);
    go(step.asks[ASK_STATUS].next_ms - T0);
    reads_running();
    go(DEADLINE);
    assert_ended(OPERATION_FAILED, ERROR_DEADLINE);
    assert_non_null(strstr(effects.error.message, "still runs"));
}

static void test_min_online_nodes_replaces_the_majority(void **state) /* point 5 */
{
    struct step_params wanted = params(FENCE_OFF);
    (void)state;
    wanted.min_online_nodes = 1;
    begin_with(wanted);
    go(10);
    reads_running();
    go(40);
    reads_stopped();
    hosts_are(1, 2, true);
    assert_true(verified);
}

static void test_a_host_cut_off_proves_nothing(void **state) /* point 5, rule 8 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    hosts_are(2, 3, false);
    assert_false(verified);
    assert_ended(OPERATION_FAILED, ERROR_NODE_OFFLINE);
}

static void test_a_list_of_hosts_from_the_same_millisecond_is_not_after_the_read(void **state) /* point 5 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    go(560);
    assert_true(step.asks[ASK_STATUS].busy);
    hosts_are(1, 3, true);
    go(step.asks[ASK_HOSTS].next_ms - T0);
    assert_true(effects.ask[ASK_HOSTS]);
    reads_stopped(); /* just after */
    hosts_are(3, 3, true);
    assert_false(verified);
    go(2000);
    hosts_are(3, 3, true);
    go(2001);
    if (!verified)
        hosts_are(3, 3, true);
    assert_true(verified);
}

static void test_word_about_the_host_the_guest_left_says_nothing(void **state) /* point 5, rule 8 */
{
    (void)state;
    begin(FENCE_OFF);
    go(10);
    power_refused(595, "No route to host");
    assert_true(effects.ask[ASK_HOSTS]);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    located_on("pve2");
    go(20);
    hosts_are(2, 3, false); /* pve1 is offline */
    assert_going_on();
}

static void test_a_garbled_list_of_hosts_is_read_again(void **state) /* point 5, P3 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    go(40);
    reads_stopped();
    struct api_result result = result_of(SCRIPT_HOSTS);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS, .result = &result, .node = step.place.node});
    assert_false(verified);
    assert_going_on();
    assert_false(step.seen.off);
    assert_int_not_equal(step.trouble.error.code, ERROR_MINORITY);
}

static void test_no_devices_and_a_long_stop_is_unproven(void **state) /* point 7 */
{
    (void)state;
    for (int64_t took = 12900; took <= 13500; took += 600) {
        begin(FENCE_OFF);
        go(10);
        status_is((struct pve_status){.running = true, .uptime_s = 5000});
        go(20);
        power_taken(STOP_UPID);
        task_is(STOP_UPID, NULL);
        go(1000);
        status_is((struct pve_status){.running = true, .uptime_s = 5000});
        go(took);
        reads_stopped();
        if (took < 13000) {
            assert_true(effects.ask[ASK_HOSTS]);
            continue;
        }
        assert_false(effects.ask[ASK_HOSTS]);
        assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
    }
}

static void test_the_tasks_ok_alone_proves_nothing(void **state) /* P1 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, "OK");
    assert_false(effects.ask[ASK_HOSTS]);
    go(100);
    reads_running();
    assert_false(effects.ask[ASK_HOSTS]);
    assert_int_equal(stops, 1); /* asked before the task's end: not yet a reason for another */
}

static void test_a_guest_that_runs_after_our_stop_is_stopped_again(void **state) /* rule 7 */
{
    (void)state;
    stop_a_running_guest(FENCE_OFF);
    task_is(STOP_UPID, "OK");
    go(100);
    if (step.asks[ASK_STATUS].busy)
        reads_running();
    go(700);
    reads_running();
    assert_int_equal(stops, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_sends_the_stop_at_once_and_reads_at_the_same_time),
        cmocka_unit_test(test_off_waits_for_stopped_before_success),
        cmocka_unit_test(test_a_read_from_before_the_request_proves_nothing),
        cmocka_unit_test(test_a_read_asked_for_in_the_moment_before_a_join_proves_nothing),
        cmocka_unit_test(test_a_join_between_read_and_hosts_reads_both_again),
        cmocka_unit_test(test_who_joins_after_the_stop_needs_none_of_its_own),
        cmocka_unit_test(test_another_guests_status_proves_nothing),
        cmocka_unit_test(test_stopped_with_network_devices_is_not_off),
        cmocka_unit_test(test_no_other_stop_is_sent_to_a_guest_that_is_only_dying),
        cmocka_unit_test(test_devices_shown_only_after_the_kill_count_as_seen),
        cmocka_unit_test(test_an_undead_guest_fails_at_the_deadline_as_unproven),
        cmocka_unit_test(test_the_hint_finds_a_qemu_in_every_state_in_which_it_can_hang),
        cmocka_unit_test(test_a_lock_that_hides_the_guest_is_not_off),
        cmocka_unit_test(test_a_hibernated_guest_fails_as_suspended_after_lock_wait),
        cmocka_unit_test(test_stopped_from_the_start_waits_for_our_own_stop),
        cmocka_unit_test(test_a_stop_that_still_runs_or_is_lost_proves_nothing),
        cmocka_unit_test(test_our_stop_at_another_host_proves_nothing_here),
        cmocka_unit_test(test_a_proof_is_dropped_when_the_guest_turns_out_to_have_moved),
        cmocka_unit_test(test_a_failed_stop_of_a_stopped_guest_proves_nothing),
        cmocka_unit_test(test_running_at_another_host_is_not_running_here),
        cmocka_unit_test(test_a_container_that_does_not_run_is_read_twice_two_seconds_apart),
        cmocka_unit_test(test_a_container_that_shows_traffic_meanwhile_is_read_anew),
        cmocka_unit_test(test_a_container_is_read_twice_after_the_stops_answer),
        cmocka_unit_test(test_a_container_that_runs_again_is_stopped_again),
        cmocka_unit_test(test_ct_not_running_at_the_wrong_host_proves_nothing),
        cmocka_unit_test(test_a_stopped_container_with_traffic_is_not_off),
        cmocka_unit_test(test_ct_not_running_says_nothing_about_a_vm),
        cmocka_unit_test(test_the_hosts_word_must_be_asked_for_after_the_read),
        cmocka_unit_test(test_a_minority_proves_nothing),
        cmocka_unit_test(test_a_lasting_minority_is_named_at_the_deadline),
        cmocka_unit_test(test_a_minority_is_named_where_the_last_calls_had_no_answer),
        cmocka_unit_test(test_a_minority_that_is_over_is_not_named),
        cmocka_unit_test(test_a_minority_is_named_where_the_host_could_not_be_reached_at_last),
        cmocka_unit_test(test_a_minority_of_before_is_no_reason_why_a_guest_still_runs),
        cmocka_unit_test(test_min_online_nodes_replaces_the_majority),
        cmocka_unit_test(test_a_host_cut_off_proves_nothing),
        cmocka_unit_test(test_a_list_of_hosts_from_the_same_millisecond_is_not_after_the_read),
        cmocka_unit_test(test_word_about_the_host_the_guest_left_says_nothing),
        cmocka_unit_test(test_a_garbled_list_of_hosts_is_read_again),
        cmocka_unit_test(test_no_devices_and_a_long_stop_is_unproven),
        cmocka_unit_test(test_the_tasks_ok_alone_proves_nothing),
        cmocka_unit_test(test_a_guest_that_runs_after_our_stop_is_stopped_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
