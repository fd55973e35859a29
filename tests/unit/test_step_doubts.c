/*
 * What begins, keeps and ends a doubt (point 7 of the off-proof): the table of the design, a line a case,
 * each with what the next operation and the verdict make of it.
 */
#include "step_script.h"

#include "fence/unsettled.h"

#define LOCK_FILE "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
#define STORAGE   "can't lock file '/var/lock/pve-manager/pve-storage-nfs' - got timeout"
#define LONG_MS   20000 /* longer than stop-timeout and what Proxmox waits after SIGTERM */
#define UPID_UP                                                                                              \
    "UPID:%s:00000009:%08X:00000009:qmstop:100:fence@pve!t:" /* host, hundredths of seconds up               \
                                                              */

static bool running_unseen(void) /* no device shows it */
{
    if (!step.asks[ASK_STATUS].busy)
        return false;
    status_is((struct pve_status){.running = true, .uptime_s = 5000});
    return true;
}

/* ---- how a stop goes ---- */

static void not_sent(void)
{
    struct api_result result = nothing(SCRIPT_POWER, API_UNSENT);
    power_is(&result, "");
}

static void refused_400(void)
{
    power_refused(400, "Parameter verification failed.");
}

static void host_not_reached(void)
{
    power_refused(595, "No route to host");
}

static void answered_locked(void)
{
    power_refused(500, "VM is locked (backup)");
}

/* Proxmox looks for this one when the task has begun */
static void answered_when_the_task_had_begun(void)
{
    power_refused(500, "can't lock file '/var/log/pve/tasks/.active.lock' - got timeout");
}

/* by whatever stands on the way */
static void answered_408_by_a_stranger(void)
{
    power_refused(408, "Request Timeout");
}

static void answer_cut_off(void)
{
    power_refused(596, "Broken pipe");
}

static void lost(void)
{
    power_lost();
}

static void under_way(void)
{
    go(now_ms - T0 + 1);
}

static void task_goes_on(void)
{
    power_taken(STOP_UPID);
}

static void task_ends(const char *exit, int64_t after_ms)
{
    power_taken(STOP_UPID);
    (void)running_unseen();
    for (int64_t end_ms = now_ms - T0 + after_ms; now_ms - T0 < end_ms;) {
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, NULL);
        (void)running_unseen();
        go(now_ms - T0 + 100);
    }
    for (int tries = 0; tries < 100 && !step.asks[ASK_TASK].busy; tries++) {
        (void)running_unseen();
        go(now_ms - T0 + 10);
    }
    task_is(STOP_UPID, exit);
}

static void task_locked(void)
{
    task_ends("VM is locked (backup)", 0);
}

static void task_waited_for_lock_file(void)
{
    task_ends(LOCK_FILE, 0);
}

static void task_waited_for_storage(void)
{
    task_ends(STORAGE, 0);
}

static void task_found_no_guest(void)
{
    task_ends("unable to find configuration file for VM 100 on node 'pve1'", 0);
}

static void task_failed(void)
{
    task_ends("VM quit/powerdown failed", 0);
}

static void task_ok_in_time(void)
{
    task_ends("OK", 500);
}

static void task_ok_late(void)
{
    task_ends("OK", LONG_MS);
}

static void lost_of_a_guest_with_devices(void)
{
    reads_running();
    power_lost();
}

static void refused_after_a_lost_one(void)
{
    power_lost();
    go(now_ms - T0 + 100);
    (void)running_unseen();
    go(now_ms - T0 + 100);
    if (!step.asks[ASK_POWER].busy)
        (void)running_unseen();
    power_refused(595, "No route to host");
}

/* What an operation leaves that ends here. */
static bool leave(struct unsettled *left)
{
    step.phase = STEP_ENDED;
    return unsettled_derive(left, &step, now_ms) && unsettled_killing_since(left);
}

static bool is_in_doubt(struct unsettled *left)
{
    struct unsettled *list = NULL;
    unsettled_put(&list, VMID, left);
    bool in_doubt = unsettled_kill_doubt(
        &(struct unsettled_kill_doubts){.list = &list, .now_ms = now_ms + LONG_MS, .stop_timeout_ms = 3000},
        VMID);
    unsettled_free(&list);
    return in_doubt;
}

/* The guest is off, and the next operation finds it so: its stop is answered by a host that is up for so
 * long. */
static bool next_proves_off(const struct unsettled *left, const char *node, int64_t later_ms, int64_t up_ms)
{
    char upid[PVE_UPID_MAX];
    struct step_params wanted = params(FENCE_OFF);
    int64_t at_ms = now_ms + later_ms;
    wanted.node = node;
    wanted.requested_ms = at_ms;
    wanted.deadline_ms = at_ms + DEADLINE;
    memset(asked_ms, 0, sizeof(asked_ms));
    now_ms = at_ms;
    step_begin(&step, &wanted);
    unsettled_inherit(left, &step, now_ms);
    tell(STEP_EVENT_BEGIN);
    tell(STEP_EVENT_INTENT);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    snprintf(upid, sizeof(upid), UPID_UP, node, (unsigned)(up_ms / 10));
    power_taken(upid);
    for (int tries = 0; tries < 100 && step.phase != STEP_ENDED; tries++) {
        go(now_ms - T0 + 10);
        if (step.asks[ASK_TASK].busy)
            task_is(upid, "OK");
        if (step.phase != STEP_ENDED && step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.phase != STEP_ENDED && step.asks[ASK_HOSTS].busy)
            hosts_say(3, 3, true);
    }
    assert_true(step.phase == STEP_ENDED);
    return effects.outcome == OPERATION_DONE;
}

#define HOURS_MS 3600000000 /* as long as a host is up in general */

static void test_what_begins_a_doubt(void **state)
{
    static const struct {
        void (*play)(void);
        bool doubt;
    } lines[] = {
        {not_sent, false},
        {refused_400, false},
        {host_not_reached, false},
        {answered_locked, false},
        {task_locked, false},
        {task_waited_for_lock_file, false},
        {task_found_no_guest, false},
        {task_ok_in_time, false},
        {lost_of_a_guest_with_devices, false},
        {answered_when_the_task_had_begun, true},
        {answered_408_by_a_stranger, true},
        {answer_cut_off, true},
        {lost, true},
        {refused_after_a_lost_one, true},
        {under_way, true},
        {task_goes_on, true},
        {task_waited_for_storage, true},
        {task_failed, true},
        {task_ok_late, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct unsettled left;
        begin(FENCE_OFF);
        lines[i].play();
        if (leave(&left) != lines[i].doubt)
            fail_msg("line %zu", i);
        assert_int_equal(is_in_doubt(&left), lines[i].doubt); /* the verdict */
        if (lines[i].doubt != !next_proves_off(&left, "pve1", 600000, HOURS_MS))
            fail_msg("line %zu: the next one", i);
        assert_true(!lines[i].doubt || effects.error.code == ERROR_UNPROVEN);
    }
}

static void test_devices_seen_before_by_others_leave_no_doubt(void **state)
{
    struct step_params wanted = params(FENCE_OFF);
    struct unsettled left;
    (void)state;
    wanted.shows_devices = true;
    begin_with(wanted);
    power_lost();
    assert_false(leave(&left));
    /* they were taken away since */
    begin_with(wanted);
    assert_true(running_unseen());
    power_lost();
    assert_true(leave(&left));
    /* they were seen there */
    begin_with(wanted);
    power_refused(500, "unable to find configuration file for VM 100 on node 'pve1'");
    go(50);
    located_on("pve2");
    (void)running_unseen(); /* of pve1 */
    go(100);
    assert_true(running_unseen());
    power_lost();
    assert_true(leave(&left));
}

/* They were seen by a check, had been taken away when an operation looked, and that one left a doubt. */
static void test_a_doubt_is_newer_than_the_devices_that_others_saw(void **state)
{
    struct step_params wanted = params(FENCE_OFF);
    struct unsettled left;
    (void)state;
    wanted.shows_devices = true;
    begin_with(wanted);
    assert_true(running_unseen());
    power_lost();
    assert_true(leave(&left));
    now_ms += 100000;
    wanted.requested_ms = now_ms;
    wanted.deadline_ms = now_ms + DEADLINE;
    step_begin(&step, &wanted);
    unsettled_inherit(&left, &step, now_ms);
    assert_false(step.seen.devices);
    assert_true(leave(&left));
}

static void doubt(struct unsettled *left)
{
    begin(FENCE_OFF);
    power_lost();
    assert_true(leave(left));
    assert_int_equal(left->calls.count, 1);
    struct calls later = left->calls; /* it can have begun until then, and no later */
    calls_forget_effects(&later, CALLS_INHERITED, now_ms - 1);
    assert_int_not_equal(calls_effect_ms(&later, CALLS_INHERITED), 0);
    calls_forget_effects(&later, CALLS_INHERITED, now_ms + CALLS_OPEN_MS + 1);
    assert_int_equal(calls_effect_ms(&later, CALLS_INHERITED), 0);
}

static void test_the_end_of_its_host_ends_a_doubt(void **state)
{
    struct unsettled left;
    (void)state;
    doubt(&left);
    assert_true(next_proves_off(&left, "pve1", 600000, 500000));
    /* up since before it */
    doubt(&left);
    assert_false(next_proves_off(&left, "pve1", 600000, 600100));
    /* its clock runs slower than ours: eleven seconds in ten hours */
    doubt(&left);
    assert_false(next_proves_off(&left, "pve1", 36000000, 35930000));
    /* since, but while a stop could still come: it may have killed what was started there */
    doubt(&left);
    assert_false(next_proves_off(&left, "pve1", 600000, 590000));
    doubt(&left);
    assert_true(next_proves_off(&left, "pve1", 50000, 10000)); /* not within the time that takes */
    /* another host's */
    doubt(&left);
    assert_false(next_proves_off(&left, "pve2", 600000, 500000));
    /* nobody knows which host that was */
    doubt(&left);
    left.calls.list[0].node[0] = '\0';
    assert_false(next_proves_off(&left, "pve1", 600000, 500000));
    /* a UPID that does not tell */
    doubt(&left);
    assert_false(next_proves_off(&left, "pve1", 600000, 0));
}

static void test_the_host_of_a_doubt_outlives_a_restart(void **state)
{
    struct unsettled left, read;
    struct json_object *document = json_object_new_object();
    (void)state;
    doubt(&left);
    json_object_object_add(document, "vmid", json_object_new_int(VMID));
    assert_true(unsettled_write(&left, 1000, document));
    assert_true(unsettled_read(&read, document, 1000, now_ms + 1000));
    assert_true(unsettled_equal(&left, &read));
    assert_true(next_proves_off(&read, "pve1", 600000, 500000));
    json_object_put(document);
}

/* Taken up again, it lies before the boot of our own machine, and the clock begins with that. */
static void test_a_doubt_outlives_a_boot_of_our_own_machine(void **state)
{
    struct unsettled left;
    (void)state;
    doubt(&left);
    left.calls.list[0].sent_ms -= now_ms + 600000;
    left.calls.list[0].settled_ms -= now_ms + 600000;
    left.calls.list[0].effect_ms -= now_ms + 600000;
    left.until_ms = 0;
    assert_false(next_proves_off(&left, "pve1", 5000 - now_ms, HOURS_MS));
    assert_int_equal(effects.error.code, ERROR_UNPROVEN);
}

static void test_stops_to_two_hosts_leave_a_doubt_that_no_host_ends(void **state)
{
    struct unsettled left;
    (void)state;
    begin(FENCE_OFF);
    power_lost();
    go(100);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    located_on("pve2");
    go(400);
    (void)running_unseen();
    power_lost();
    assert_true(leave(&left));
    assert_false(next_proves_off(&left, "pve1", 600000, 500000));
}

/* It reads stopped, but the hosts are silent: another stop is sent, which may hit what somebody starts
 * meanwhile. */
static void stop_that_is_not_proven(int64_t read_again_at)
{
    struct api_result silence;
    begin(FENCE_OFF);
    go(10);
    assert_true(running_unseen());
    power_lost();
    go(1000);
    reads_stopped();
    silence = nothing(SCRIPT_HOSTS, API_LOST);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS, .result = &silence, .node = "pve1"});
    go(1600);
    assert_true(step.asks[ASK_STATUS].busy);
    go(read_again_at);
    reads_stopped();
}

static void test_what_was_started_and_killed_between_two_reads_is_thought_of(void **state)
{
    (void)state;
    stop_that_is_not_proven(30000);
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
    stop_that_is_not_proven(9000); /* too short for that */
    hosts_say(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void hosts_are_silent(void)
{
    struct api_result silence = nothing(SCRIPT_HOSTS, API_LOST);
    assert_true(step.asks[ASK_HOSTS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS, .result = &silence, .node = "pve1"});
}

/* Its task ends OK, the guest reads stopped, and then nobody answers for long. */
static void silence_after_an_end_in_time(void)
{
    power_taken(STOP_UPID);
    for (int tries = 0; tries < 100 && !step.asks[ASK_TASK].busy; tries++) {
        (void)running_unseen();
        go(now_ms - T0 + 10);
    }
    task_is(STOP_UPID, "OK");
    for (int tries = 0; tries < 100 && !step.asks[ASK_STATUS].busy; tries++)
        go(now_ms - T0 + 10);
    go(now_ms - T0 + 10);
    reads_stopped();
    if (!step.seen.off) { /* it was asked for before */
        go(now_ms - T0 + 600);
        reads_stopped();
    }
    hosts_are_silent();
    go(now_ms - T0 + 600);
    go(now_ms - T0 + 70000); /* all that may have come has */
    reads_stopped();
}

static void test_a_silence_is_no_doubt_where_no_stop_can_have_come(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    assert_true(running_unseen());
    silence_after_an_end_in_time();
    assert_going_on();
    hosts_say(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_what_is_unproven_for_a_silence_stays_in_doubt(void **state)
{
    struct unsettled left;
    (void)state;
    begin(FENCE_OFF);
    assert_true(running_unseen());
    power_lost(); /* it may come while nobody answers */
    go(200);
    assert_true(running_unseen());
    silence_after_an_end_in_time();
    assert_ended(OPERATION_FAILED, ERROR_UNPROVEN);
    assert_true(leave(&left));
    assert_false(next_proves_off(&left, "pve1", 1000, HOURS_MS));
}

/* A stop is lost, another one does it, off is proven: the first may kill what is started within the minute.
 */
static void test_a_lost_stop_may_kill_what_is_started_after_the_proof(void **state) /* P1 */
{
    struct unsettled left;
    (void)state;
    begin(FENCE_OFF);
    assert_true(running_unseen());
    power_lost();
    go(200);
    assert_true(running_unseen());
    power_taken(STOP_UPID);
    for (int tries = 0; tries < 100 && step.phase != STEP_ENDED; tries++) {
        go(now_ms - T0 + 10);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP_UPID, "OK");
        if (step.phase != STEP_ENDED && step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.phase != STEP_ENDED && step.asks[ASK_HOSTS].busy)
            hosts_say(3, 3, true);
    }
    assert_true(verified);
    int64_t verified_ms = now_ms;
    assert_true(leave(&left));
    assert_int_equal(unsettled_killing_since(&left), verified_ms); /* nothing from before is left */
    assert_false(next_proves_off(&left, "pve1", 58000, HOURS_MS));
    assert_int_equal(effects.error.code, ERROR_UNPROVEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_begins_a_doubt),
        cmocka_unit_test(test_devices_seen_before_by_others_leave_no_doubt),
        cmocka_unit_test(test_a_doubt_is_newer_than_the_devices_that_others_saw),
        cmocka_unit_test(test_the_end_of_its_host_ends_a_doubt),
        cmocka_unit_test(test_the_host_of_a_doubt_outlives_a_restart),
        cmocka_unit_test(test_a_doubt_outlives_a_boot_of_our_own_machine),
        cmocka_unit_test(test_stops_to_two_hosts_leave_a_doubt_that_no_host_ends),
        cmocka_unit_test(test_what_was_started_and_killed_between_two_reads_is_thought_of),
        cmocka_unit_test(test_a_silence_is_no_doubt_where_no_stop_can_have_come),
        cmocka_unit_test(test_what_is_unproven_for_a_silence_stays_in_doubt),
        cmocka_unit_test(test_a_lost_stop_may_kill_what_is_started_after_the_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
