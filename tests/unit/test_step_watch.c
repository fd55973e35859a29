/* Rule 6: what another broker has done since, and what a call whose answer was lost can still undo. */
#include "step_script.h"

#include "fence/unsettled.h"

/* Up to the question who has stopped it: the hosts are about to say that off is proven. */
static void ask_who_stopped_it(void)
{
    stop_a_running_guest(FENCE_REBOOT);
    go(300);
    task_is(STOP_UPID, "OK");
    reads_stopped();
    assert_true(step.asks[ASK_HOSTS].busy && step.asks[ASK_TASKS].busy); /* one wait, not two */
}

static void test_a_newer_stop_of_our_identity_leaves_a_reboot_off(void **state)
{
    (void)state;
    ask_who_stopped_it();
    newer_tasks_are(2, 1, 0);
    hosts_are(3, 3, true);
    assert_true(verified);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_true(effects.left_off);
    assert_int_equal(starts, 0);
}

static void test_the_start_waits_for_the_list_and_not_for_one_from_before_the_proof(void **state)
{
    (void)state;
    ask_who_stopped_it();
    struct api_result lost = nothing(SCRIPT_TASKS, API_LOST);
    handle(&(struct step_event){.kind = STEP_EVENT_TASKS, .node = tasks_node, .result = &lost});
    hosts_are(3, 3, true);
    assert_int_equal(starts, 0);
    go(2000);
    newer_tasks_are(1, 0, 0);
    assert_int_equal(starts, 1);
}

static void test_a_list_that_cannot_be_read_holds_back_no_start_for_long(void **state)
{
    (void)state;
    ask_who_stopped_it();
    int64_t at = 300;
    for (int tries = 0; tries < STEP_TASK_LISTS_MAX + 1; at += 100) { /* and one before off was proven */
        go(at);
        if (step.asks[ASK_TASKS].busy) {
            struct api_result refused = refusal(SCRIPT_TASKS, 500, "no such list");
            handle(&(struct step_event){.kind = STEP_EVENT_TASKS, .node = tasks_node, .result = &refused});
            tries++;
        }
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(3, 3, true);
    }
    assert_int_equal(starts, 1);
    assert_true(at < 10000);
}

static void test_a_list_from_before_the_last_stop_settles_nothing(void **state)
{
    (void)state;
    stop_a_running_guest(FENCE_REBOOT);
    go(300);
    task_is(STOP_UPID, "OK");
    for (int64_t at = 300; stops < 2; at += 20) { /* somebody has started it */
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
    power_lost();
    for (int64_t at = now_ms - T0; !step.asks[ASK_HOSTS].busy; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    newer_tasks_are(2, 1, 0); /* both have ended */
    struct api_result lost = nothing(SCRIPT_HOSTS, API_LOST);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS, .result = &lost, .node = hosts_node});
    for (int64_t at = now_ms - T0; stops < 3; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_HOSTS].busy)
            handle(&(struct step_event){.kind = STEP_EVENT_HOSTS, .result = &lost, .node = hosts_node});
    }
    power_taken(STOP2_UPID);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    assert_true(verified);
    for (int64_t at = now_ms - T0, end = at + 5000; at < end;
         at += 100) { /* the third one's task still runs */
        go(at);
        if (step.asks[ASK_TASK].busy)
            task_is(STOP2_UPID, NULL);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(3, 1);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_int_equal(starts, 0);
}

/* The first stop fails because the guest is on its way to another host, the second one is lost. */
static void stop_on_its_way(const char *found_on)
{
    begin(FENCE_REBOOT);
    go(10);
    reads_running();
    go(20);
    power_taken(STOP_UPID);
    go(50);
    task_is(STOP_UPID, "unable to find configuration file for VM 100 on node 'pve1'");
    located_on(found_on);
    for (int64_t at = 60; stops < 2; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
    power_lost();
    for (int64_t at = now_ms - T0; !step.asks[ASK_HOSTS].busy; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    hosts_are(3, 3, true);
    assert_true(verified);
    for (int64_t at = now_ms - T0, end = at + 5000; at < end && starts == 0; at += 100) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(1, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
}

static void test_a_stop_that_failed_before_the_guest_came_back_is_not_taken_for_the_lost_one(void **state)
{
    (void)state;
    stop_on_its_way("pve1"); /* it was migrated away and back: that list has the one that failed */
    assert_int_equal(starts, 0);
    stop_on_its_way("pve2");
    assert_int_equal(starts, 1);
}

/* The stop is on its way to pve1, which the guest has left for pve2. */
static void send_stop_where_the_guest_was(void)
{
    begin(FENCE_REBOOT);
    go(10);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    located_on("pve2");
    go(20);
    reads_running();
    go(4000);
}

/* The stop is lost there; another one is taken on pve2. */
static void lose_stop_elsewhere(void)
{
    send_stop_where_the_guest_was();
    power_lost();
    assert_int_equal(calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL), 1);
    for (int64_t at = 4000; stops < 2 && at < 9000; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
    power_taken(STOP2_UPID);
}

/* It made no task, on whichever host the guest is by now. */
static void test_a_stop_that_reached_no_host_leaves_nothing_where_the_guest_was(void **state)
{
    (void)state;
    send_stop_where_the_guest_was();
    power_refused(595, "No route to host");
    assert_string_equal(effects.notes[0], "stop did not reach pve1, and the guest is on pve2");
    assert_int_equal(calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL), 0);
    assert_int_equal(calls_left(&step.calls, STEP_SEND_STOP), 0);
}

static void test_a_stop_that_is_lost_elsewhere_may_come_when_the_guest_comes_back(void **state)
{
    (void)state;
    lose_stop_elsewhere();
    go(5000);
    if (step.asks[ASK_TASK].busy)
        task_is(STOP2_UPID, "OK");
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    for (int64_t at = 5000; !step.asks[ASK_HOSTS].busy && at < 9000; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    if (step.asks[ASK_TASKS].busy)
        tasks_are(1, 0);
    hosts_are(3, 3, true);
    for (int64_t at = now_ms - T0; starts == 0 && at < 70000; at += 100) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(1, 0);
    }
    power_taken(START_UPID);
    go(now_ms - T0 + 100);
    task_is(START_UPID, "unable to find configuration file for VM 100 on node 'pve2'");
    located_on("pve1"); /* where the lost one went; the list there does not show it yet */
    for (int64_t at = now_ms - T0; at < 60000; at += 100) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(0, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_int_equal(starts, 1);
    for (int64_t at = 60000; starts == 1 && at < 70000; at += 100) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            tasks_are(0, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_true(now_ms - T0 <= 4000 + CALLS_OPEN_MS + 1000);
}

static void test_our_own_stop_is_not_taken_for_another_brokers(void **state)
{
    struct step_params wanted = params(FENCE_REBOOT);
    (void)state;
    wanted.method = FENCE_CYCLE;
    begin_with(wanted);
    go(10);
    reads_running();
    go(20);
    power_taken(RESET_UPID);
    go(100);
    task_is(RESET_UPID, "VM 100 not running");
    for (int64_t at = 100; stops == 0; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_running();
    }
    for (int64_t at = now_ms - T0; !step.asks[ASK_TASKS].busy;
         at += 20) { /* its answer takes longer than it does */
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    newer_tasks_are(1, 1, 0); /* newer than the reset: ours */
    power_taken("UPID:pve1:00000005:00F00005:00000005:qmstop:100:fence@pve!t:");
    struct api_result hosts = result_of(SCRIPT_HOSTS);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS,
                                .result = &hosts,
                                .decoded = true,
                                .census = {3, 3, true, "pve2"},
                                .node = hosts_node});
    assert_true(verified);
    assert_going_on();
}

static void test_an_on_that_is_tried_again_is_abandoned_for_a_newer_stop(void **state)
{
    (void)state;
    begin(FENCE_ON);
    go(10);
    reads_stopped();
    assert_int_equal(starts, 1); /* nothing of ours is known there to be newer than */
    power_taken(START_UPID);
    go(100);
    task_is(START_UPID, "start failed: QEMU exited with code 1");
    for (int64_t at = 200; !step.asks[ASK_TASKS].busy; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    newer_tasks_are(0, 1, 0);
    assert_ended(OPERATION_ABANDONED, ERROR_ABANDONED);
    assert_int_equal(starts, 1);
}

/* ---- a start that a lost stop may still hit ---- */

/* The only stop is lost, the guest is seen to stop, and the start goes after a minute. */
static void start_at_risk(void)
{
    begin(FENCE_REBOOT);
    go(10);
    reads_running();
    go(30);
    power_lost();
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    for (int64_t at = 100; starts == 0; at += 1000) {
        go(at);
        if (step.asks[ASK_TASKS].busy && starts == 0)
            tasks_are(0, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    power_taken(START_UPID);
    go(62000);
    task_is(START_UPID, "OK");
    reads_running();
    assert_true(effects.running);
    assert_going_on();
    assert_int_equal(step_state(&step), OPERATION_WATCHING);
}

static void watch_until(int64_t at_ms, bool running)
{
    for (int64_t at = now_ms - T0; at < at_ms && step.phase == STEP_WATCHING; at += 500) {
        go(at);
        if (step.asks[ASK_STATUS].busy && running)
            reads_running();
        else if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_TASKS].busy)
            return;
    }
}

static void test_a_start_at_risk_is_watched_for_a_minute(void **state)
{
    (void)state;
    start_at_risk();
    watch_until(200000, true);
    go(200000);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 1);
    assert_true(now_ms - T0 > 62000 + CALLS_OPEN_MS - 2000);
}

static void test_what_the_lost_stop_stopped_is_started_once_more(void **state)
{
    (void)state;
    start_at_risk();
    watch_until(90000, false);
    newer_tasks_are(1, 1, 0); /* it has come */
    assert_int_equal(starts, 2);
    power_taken(START_UPID);
    go(92000);
    task_is(START_UPID, "OK");
    if (!step.asks[ASK_STATUS].busy)
        go(93000);
    reads_running();
    assert_ended(OPERATION_DONE, ERROR_NONE); /* not watched again */
}

static void test_what_somebody_else_stopped_is_left_off(void **state)
{
    (void)state;
    start_at_risk();
    watch_until(90000, false);
    newer_tasks_are(0, 0, 0);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 1);
}

static void test_a_stop_of_ours_that_failed_has_stopped_nothing(void **state) /* P4 */
{
    (void)state;
    start_at_risk();
    watch_until(90000, false);
    struct api_result result = result_of(SCRIPT_TASKS);
    assert_true(step.asks[ASK_TASKS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_TASKS,
                                .node = tasks_node,
                                .result = &result,
                                .decoded = true,
                                .tasks = {.begun = 1, .failed = 1, .newer = 1, .newer_failed = 1}});
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 1);
}

static void test_a_stop_beyond_the_lost_one_is_another_brokers(void **state)
{
    (void)state;
    start_at_risk();
    watch_until(90000, false);
    newer_tasks_are(2, 2, 0);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(starts, 1);
}

/* ---- an off that a lost start may still undo ---- */

/* What an earlier operation left. */
static struct call *start_of_before(void)
{
    for (unsigned i = 0; i < step.calls.count; i++) {
        if (step.calls.list[i].power == STEP_SEND_START && step.calls.list[i].inherited)
            return &step.calls.list[i];
    }
    fail();
    return NULL;
}

/* The list of tasks that is read for it has so many starts. */
static void off_with_an_open_start_and(unsigned prior_starts)
{
    struct step_params wanted = params(FENCE_OFF);
    begin_with(wanted);
    left_before(STEP_SEND_START, "", T0 - 5000);
    go(10);
    reads_running();
    go(20);
    power_taken(STOP_UPID);
    go(300);
    task_is(STOP_UPID, "OK");
    reads_stopped();
    hosts_say(3, 3, true);
    assert_true(verified); /* the asker need not wait */
    assert_going_on();
    assert_int_equal(step.phase, STEP_WATCHING);
    newer_tasks_are(1, 0, prior_starts);
}

static void off_with_an_open_start(void)
{
    off_with_an_open_start_and(0);
}

static void test_what_the_lost_start_started_is_stopped_again(void **state)
{
    (void)state;
    off_with_an_open_start();
    watch_until(3000, false);
    watch_until(4500, true);
    newer_tasks_are(1, 0, 1);
    assert_int_equal(stops, 2);
    power_taken(STOP2_UPID);
    go(6000);
    task_is(STOP2_UPID, "OK");
    if (!step.asks[ASK_STATUS].busy)
        go(6500);
    reads_stopped();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_what_is_given_to_ha_meanwhile_is_not_watched(void **state) /* rule 6 */
{
    (void)state;
    off_with_an_open_start();
    go(3000);
    status_is((struct pve_status){.running = true, .ha_managed = true, .ha_state = "started"});
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_what_somebody_else_started_is_left_running(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start();
    watch_until(30000, true);
    newer_tasks_are(1, 0, 0);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_start_that_had_come_before_the_proof_does_not_explain_a_later_one(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start_and(1);
    watch_until(3000, false);
    watch_until(4500, true);
    newer_tasks_are(1, 0, 1); /* the same one: somebody with another identity did it */
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_start_beside_the_open_one_that_had_come_before_is_another_brokers(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start_and(1);
    watch_until(3000, false);
    watch_until(4500, true);
    newer_tasks_are(1, 0, 2);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_which_starts_have_come_is_still_known_when_the_guest_had_to_be_located(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start_and(1);
    watch_until(3000, false);
    go(4000);
    status_fails(
        refusal(SCRIPT_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"));
    located_on("pve1");
    watch_until(6000, true);
    newer_tasks_are(1, 0, 1);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_former_start_that_failed_is_not_the_open_one(void **state) /* rule 6 */
{
    (void)state;
    off_with_an_open_start_and(0);
    step.list.newer_starts = step.list.failed_starts = 1; /* as that list had it */
    watch_until(3000, false);
    assert_int_equal(step.list.prior_failed_starts, 1);
    watch_until(4500, true);
    struct api_result result = result_of(SCRIPT_TASKS);
    handle(&(struct step_event){.kind = STEP_EVENT_TASKS,
                                .node = tasks_node,
                                .result = &result,
                                .decoded = true,
                                .tasks = {.begun = 1},
                                .starts = {.begun = 2, .newer = 2, .newer_failed = 1}});
    assert_int_equal(stops, 2);
    assert_going_on();
}

/* The start came and somebody stopped the guest while nothing could be read. */
static void test_which_starts_have_come_is_looked_at_again_in_the_watch(void **state)
{
    (void)state;
    off_with_an_open_start();
    watch_until(20000, false);
    assert_true(step.asks[ASK_TASKS].busy && now_ms - T0 > STEP_PRIOR_STARTS_MS);
    newer_tasks_are(1, 0, 1);
    watch_until(now_ms - T0 + 3000, false);
    watch_until(now_ms - T0 + 4000, true);
    newer_tasks_are(1, 0, 1);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_repairs_stop_whose_task_cannot_be_read_is_looked_for_in_the_list(void **state)
{
    (void)state;
    off_with_an_open_start();
    watch_until(3000, false);
    watch_until(4500, true);
    newer_tasks_are(1, 0, 1);
    assert_int_equal(stops, 2);
    power_taken(STOP2_UPID);
    go(now_ms - T0 + 100);
    task_fails(STOP2_UPID, refusal(SCRIPT_TASK, 500, "no such task"));
    go(now_ms - T0 + 1100);
    tasks_have(STOP2_UPID, "OK");
    assert_int_equal(calls_last(&step.calls, STEP_SEND_STOP)->state, CALL_OK);
    go(now_ms - T0 + 600);
    reads_stopped();
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* ---- the repair's stop is sent again ---- */

/* What the open start brought is being stopped; so many starts are open in all. */
static void repair_an_off(unsigned open)
{
    off_with_an_open_start();
    start_of_before()->listed = open;
    watch_until(3000, false);
    watch_until(4500, true);
    newer_tasks_are(1, 0, 1);
    assert_int_equal(stops, 2);
    go(now_ms - T0 + 20);
}

/* The reads of the next seconds say how long it has run, until something else is asked for. */
static void runs_since(int64_t start_ms)
{
    for (int64_t end_ms = now_ms + 20000; now_ms < end_ms && stops < 3 && !step.asks[ASK_TASKS].busy;) {
        go(now_ms - T0 + 20);
        if (step.phase == STEP_ENDED)
            return;
        if (step.asks[ASK_STATUS].busy && now_ms >= start_ms)
            status_is(
                (struct pve_status){.running = true, .nics = true, .uptime_s = (now_ms - start_ms) / 1000});
    }
}

static void test_a_repairs_stop_that_is_lost_is_sent_again_to_what_still_runs(void **state) /* rule 6 */
{
    (void)state;
    repair_an_off(1);
    int64_t start_ms = now_ms - 1200;
    power_lost();
    runs_since(start_ms);
    assert_int_equal(stops, 3);
}

static void test_a_repairs_stop_is_not_sent_again_to_what_somebody_started_since(void **state) /* P4 */
{
    (void)state;
    repair_an_off(1);
    int64_t start_ms = now_ms + 800; /* the stop came, and then somebody with another identity */
    power_lost();
    runs_since(start_ms);
    assert_int_equal(stops, 2);
    newer_tasks_are(2, 1, 1);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 2);
}

static void test_while_uptime_does_not_tell_who_started_it_no_stop_is_sent_again(void **state) /* P4 */
{
    (void)state;
    repair_an_off(1);
    int64_t sent_ms = now_ms;
    power_lost();
    for (int i = 0; i < 5; i++) {
        go(now_ms - T0 + 1000);
        status_is((struct pve_status){/* a moment before or after */
                                      .running = true,
                                      .nics = true,
                                      .uptime_s = (now_ms - sent_ms - 500) / 1000});
        assert_going_on();
        assert_false(step.asks[ASK_TASKS].busy); /* nor is it taken for another one */
        assert_int_equal(stops, 2);
    }
}

static void test_a_repairs_stop_is_not_sent_again_on_an_old_read(void **state) /* P4 */
{
    (void)state;
    repair_an_off(1);
    power_refused(500, "Broken pipe");
    go(now_ms - T0 + 20);
    reads_running();
    go(now_ms - T0 + 5000);
    assert_int_equal(stops, 2);
    reads_running();
    assert_int_equal(stops, 3);
}

static void
test_what_has_just_been_started_is_left_to_run_until_its_uptime_tells_it(void **state) /* rule 6 */
{
    (void)state;
    off_with_an_open_start();
    watch_until(3000, false);
    go(4500);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 1});
    assert_false(step.asks[ASK_TASKS].busy);
    go(5500);
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 3});
    assert_true(step.asks[ASK_TASKS].busy);
    newer_tasks_are(1, 0, 1);
    assert_int_equal(stops, 2);
}

static void test_a_second_lost_start_is_stopped_again_as_the_first_was(void **state) /* rule 6 */
{
    (void)state;
    repair_an_off(2);
    int64_t start_ms = now_ms + 2000;
    power_taken(STOP2_UPID);
    assert_string_equal(step_task_list(&step).after_upid, STOP_UPID); /* what lists are counted from */
    go(now_ms - T0 + 1900);
    task_is(STOP2_UPID, "OK");
    go(now_ms - T0 + 200);
    runs_since(start_ms);
    assert_int_equal(stops, 2);
    newer_tasks_are(2, 1, 2);
    assert_int_equal(stops, 3);
    assert_going_on();
}

static void test_a_second_start_that_is_not_open_is_left_as_it_is(void **state) /* P4 */
{
    (void)state;
    repair_an_off(1);
    int64_t start_ms = now_ms + 2000;
    power_taken(STOP2_UPID);
    go(now_ms - T0 + 1900);
    task_is(STOP2_UPID, "OK");
    go(now_ms - T0 + 200);
    runs_since(start_ms);
    newer_tasks_are(2, 1, 2); /* another broker with our identity */
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 2);
}

/* What proved off says nothing of what the repair has killed since (point 7). */
static void test_a_repair_begins_a_doubt_of_its_own(void **state)
{
    struct unsettled left;
    (void)state;
    off_with_an_open_start();
    unsettled_derive(&left, &step, now_ms);
    assert_int_equal(unsettled_killing_since(&left), 0);
    watch_until(3000, false);
    for (int64_t at = 4500; at < 9000 && !step.asks[ASK_TASKS].busy; at += 500) {
        go(at);
        if (step.asks[ASK_STATUS].busy) /* no device shows it */
            status_is((struct pve_status){.running = true, .uptime_s = (at - 4000) / 1000});
    }
    newer_tasks_are(1, 0, 1);
    assert_int_equal(stops, 2);
    int64_t sent_ms = now_ms;
    power_lost();
    unsettled_derive(&left, &step, now_ms);
    assert_int_equal(unsettled_killing_since(&left), sent_ms);
}

static void test_a_start_that_came_after_the_proof_explains_it_beside_one_from_before(void **state)
{
    (void)state;
    off_with_an_open_start_and(1);
    start_of_before()->listed = 2;
    watch_until(3000, false);
    watch_until(4500, true);
    newer_tasks_are(1, 0, 2);
    assert_int_equal(stops, 2);
    assert_going_on();
}

static void test_a_start_of_ours_that_failed_has_started_nothing(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start();
    watch_until(30000, true);
    newer_start_is(false, true); /* it found the guest running */
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_start_that_has_not_ended_is_waited_for(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start();
    watch_until(30000, true);
    newer_start_is(true, false); /* it may be waiting for the lock file of somebody else's */
    assert_going_on();
    assert_int_equal(stops, 1);
    go(32000);
    assert_true(step.asks[ASK_TASKS].busy);
    newer_start_is(false, false);
    assert_int_equal(stops, 2);
}

static void test_starts_beyond_the_lost_one_are_another_brokers(void **state) /* P4 */
{
    (void)state;
    off_with_an_open_start();
    watch_until(30000, true);
    newer_tasks_are(1, 0, 2);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_the_watch_ends_when_the_start_can_come_no_more(void **state)
{
    (void)state;
    off_with_an_open_start();
    watch_until(CALLS_OPEN_MS, false);
    go(CALLS_OPEN_MS);
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_true(now_ms - T0 >= CALLS_OPEN_MS - 5000);
    assert_int_equal(stops, 1);
}

static void test_what_is_watched_gives_way_to_a_newer_request(void **state) /* P6 */
{
    (void)state;
    off_with_an_open_start();
    go(2000);
    tell(STEP_EVENT_YIELD);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* ---- an off after a start whose task was not seen to end ---- */

/* The stop was taken and the guest reads running; the start's task is being asked for. */
static void off_after_a_start(void)
{
    struct step_params wanted = params(FENCE_OFF);
    memset(asked_ms, 0, sizeof(asked_ms));
    stops = starts = 0;
    verified = false;
    now_ms = T0;
    step_begin(&step, &wanted);
    left_before(STEP_SEND_START, START_UPID, T0 - 1000);
    tell(STEP_EVENT_BEGIN);
    assert_true(effects.ask[ASK_TASK]);
    assert_string_equal(effects.upid, START_UPID);
    tell(STEP_EVENT_INTENT);
    assert_int_equal(stops, 1); /* it waits for nothing */
    go(5);
    power_taken(STOP_UPID);
    reads_running();
}

static void test_a_start_that_has_ended_before_undoes_no_off(void **state)
{
    (void)state;
    off_after_a_start();
    go(6);
    task_is(START_UPID, "OK");
    go(20);
    if (step.asks[ASK_TASK].busy)
        task_is(STOP_UPID, "OK");
    reads_stopped();
    go(40);
    if (step.asks[ASK_STATUS].busy)
        reads_stopped();
    hosts_are(3, 3, true);
    assert_ended(OPERATION_DONE, ERROR_NONE); /* and nothing is left to be watched for */
    assert_int_equal(stops, 1);
}

static void test_a_read_from_before_the_end_of_a_start_proves_nothing(void **state) /* P1 */
{
    (void)state;
    off_after_a_start();
    go(20);
    assert_true(step.asks[ASK_STATUS].busy);
    task_is(START_UPID, "OK"); /* somewhen since it was asked for: so was the status */
    reads_stopped();
    assert_false(step.seen.off);
    assert_false(step.asks[ASK_HOSTS].busy);
    go(40);
    reads_running(); /* it came after the stop */
    go(300);
    assert_going_on();
    assert_false(verified);
}

static void test_what_a_start_may_have_undone_is_read_again(void **state) /* P1 */
{
    (void)state;
    off_after_a_start();
    go(20);
    start_of_before()->sent_ms = T0 - CALLS_OPEN_MS; /* so old that it is not waited for */
    reads_stopped();
    assert_true(step.asks[ASK_HOSTS].busy);
    go(25);
    task_is(START_UPID, "OK");
    hosts_are(3, 3, true);
    assert_false(verified);
    if (!step.asks[ASK_STATUS].busy)
        go(30);
    reads_running();
    assert_going_on();
}

static void test_off_is_not_proven_while_a_start_waits_for_the_lock_file(void **state) /* P1 */
{
    (void)state;
    off_after_a_start();
    go(6);
    task_is(START_UPID, NULL);
    for (int64_t at = 50; at < 9000; at += 50) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_TASK].busy)
            task_is(START_UPID, NULL);
        assert_false(step.seen.off);
    }
    for (int64_t at = 9000; step.phase != STEP_ENDED && at < 12000; at += 50) {
        go(at);
        if (step.asks[ASK_TASK].busy)
            task_is(START_UPID, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(3, 3, true);
    }
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_int_equal(stops, 1);
}

static void test_a_lost_answer_does_not_end_the_following_of_a_start(void **state) /* P1, P3 */
{
    (void)state;
    off_after_a_start();
    go(6);
    task_fails(START_UPID, nothing(SCRIPT_TASK, API_LOST));
    go(20);
    reads_stopped();
    assert_false(step.seen.off);
    for (int64_t at = 20; at < 900 && !(step.asks[ASK_TASK].busy && at > 500); at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_TASK].busy && at < 500)
            task_is(STOP_UPID, "OK");
    }
    assert_true(step.asks[ASK_TASK].busy);
    assert_false(verified);
    task_is(START_UPID, "OK");
    for (int64_t at = 900; step.phase != STEP_ENDED && at < 2000; at += 20) {
        go(at);
        if (step.asks[ASK_HOSTS].busy)
            hosts_are(3, 3, true);
        assert_false(step.seen.off &&
                     step.read.asked_ms < calls_ended_ms(&step.calls, STEP_SEND_START, "pve1"));
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

/* Its stop is lost on the host that the guest has left; then it is stopped where it is, by us and by
 * somebody. */
static void test_a_stop_lost_elsewhere_excuses_no_stop_of_another_broker(void **state)
{
    (void)state;
    lose_stop_elsewhere();
    for (int64_t at = now_ms - T0; !step.asks[ASK_HOSTS].busy && at < 9000; at += 20) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
        if (step.asks[ASK_TASK].busy)
            task_is(STOP2_UPID, "OK");
    }
    if (step.asks[ASK_TASKS].busy)
        newer_tasks_are(2, 1, 0);
    hosts_are(3, 3, true);
    for (int64_t at = now_ms - T0; step.phase != STEP_ENDED && starts == 0 && at < 15000; at += 100) {
        go(at);
        if (step.asks[ASK_TASKS].busy)
            newer_tasks_are(2, 1, 0);
        if (step.asks[ASK_STATUS].busy)
            reads_stopped();
    }
    assert_int_equal(starts, 0);
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

static void test_a_start_of_which_its_host_tells_nothing_is_watched_for(void **state)
{
    (void)state;
    off_after_a_start();
    go(6);
    task_fails(START_UPID, refusal(SCRIPT_TASK, 400, "no such task"));
    go(20);
    reads_stopped();
    hosts_are(3, 3, true);
    assert_true(verified);
    assert_going_on();
    assert_int_equal(step.phase, STEP_WATCHING);
}

/* Whatever becomes of a watch, its asker was told that it is done. */
static void test_a_watch_that_cannot_go_on_is_no_failure(void **state) /* P5 */
{
    (void)state;
    off_with_an_open_start();
    go(1300);
    status_fails(refusal(SCRIPT_STATUS, 403, "Permission check failed (/vms/100, VM.Audit)"));
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_string_equal(effects.notes[0],
                        "no longer watched: 403 Permission check failed (/vms/100, VM.Audit)");

    off_with_an_open_start();
    go(1300);
    status_is((struct pve_status){.template = true});
    assert_ended(OPERATION_DONE, ERROR_NONE);

    start_at_risk(); /* of a reboot: the guest runs */
    for (unsigned refusals = 0; refusals < STEP_REFUSALS_MAX; refusals++) {
        assert_going_on();
        for (int i = 0; !step.asks[ASK_STATUS].busy && i < 50; i++)
            go(now_ms - T0 + 100);
        status_fails(refusal(SCRIPT_STATUS, 401, "No ticket"));
    }
    assert_ended(OPERATION_DONE, ERROR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_watch_that_cannot_go_on_is_no_failure),
        cmocka_unit_test(test_a_newer_stop_of_our_identity_leaves_a_reboot_off),
        cmocka_unit_test(test_the_start_waits_for_the_list_and_not_for_one_from_before_the_proof),
        cmocka_unit_test(test_a_list_that_cannot_be_read_holds_back_no_start_for_long),
        cmocka_unit_test(test_a_list_from_before_the_last_stop_settles_nothing),
        cmocka_unit_test(test_a_stop_that_failed_before_the_guest_came_back_is_not_taken_for_the_lost_one),
        cmocka_unit_test(test_a_stop_that_reached_no_host_leaves_nothing_where_the_guest_was),
        cmocka_unit_test(test_a_stop_that_is_lost_elsewhere_may_come_when_the_guest_comes_back),
        cmocka_unit_test(test_our_own_stop_is_not_taken_for_another_brokers),
        cmocka_unit_test(test_an_on_that_is_tried_again_is_abandoned_for_a_newer_stop),
        cmocka_unit_test(test_a_start_at_risk_is_watched_for_a_minute),
        cmocka_unit_test(test_what_the_lost_stop_stopped_is_started_once_more),
        cmocka_unit_test(test_what_somebody_else_stopped_is_left_off),
        cmocka_unit_test(test_a_stop_of_ours_that_failed_has_stopped_nothing),
        cmocka_unit_test(test_a_stop_beyond_the_lost_one_is_another_brokers),
        cmocka_unit_test(test_what_the_lost_start_started_is_stopped_again),
        cmocka_unit_test(test_what_is_given_to_ha_meanwhile_is_not_watched),
        cmocka_unit_test(test_what_somebody_else_started_is_left_running),
        cmocka_unit_test(test_a_start_that_had_come_before_the_proof_does_not_explain_a_later_one),
        cmocka_unit_test(test_a_start_that_came_after_the_proof_explains_it_beside_one_from_before),
        cmocka_unit_test(test_a_start_beside_the_open_one_that_had_come_before_is_another_brokers),
        cmocka_unit_test(test_which_starts_have_come_is_looked_at_again_in_the_watch),
        cmocka_unit_test(test_which_starts_have_come_is_still_known_when_the_guest_had_to_be_located),
        cmocka_unit_test(test_a_former_start_that_failed_is_not_the_open_one),
        cmocka_unit_test(test_a_repair_begins_a_doubt_of_its_own),
        cmocka_unit_test(test_a_repairs_stop_whose_task_cannot_be_read_is_looked_for_in_the_list),
        cmocka_unit_test(test_a_repairs_stop_that_is_lost_is_sent_again_to_what_still_runs),
        cmocka_unit_test(test_a_repairs_stop_is_not_sent_again_to_what_somebody_started_since),
        cmocka_unit_test(test_while_uptime_does_not_tell_who_started_it_no_stop_is_sent_again),
        cmocka_unit_test(test_a_repairs_stop_is_not_sent_again_on_an_old_read),
        cmocka_unit_test(test_what_has_just_been_started_is_left_to_run_until_its_uptime_tells_it),
        cmocka_unit_test(test_a_second_lost_start_is_stopped_again_as_the_first_was),
        cmocka_unit_test(test_a_second_start_that_is_not_open_is_left_as_it_is),
        cmocka_unit_test(test_a_start_of_ours_that_failed_has_started_nothing),
        cmocka_unit_test(test_a_start_that_has_not_ended_is_waited_for),
        cmocka_unit_test(test_starts_beyond_the_lost_one_are_another_brokers),
        cmocka_unit_test(test_the_watch_ends_when_the_start_can_come_no_more),
        cmocka_unit_test(test_a_start_that_has_ended_before_undoes_no_off),
        cmocka_unit_test(test_a_read_from_before_the_end_of_a_start_proves_nothing),
        cmocka_unit_test(test_what_a_start_may_have_undone_is_read_again),
        cmocka_unit_test(test_off_is_not_proven_while_a_start_waits_for_the_lock_file),
        cmocka_unit_test(test_a_lost_answer_does_not_end_the_following_of_a_start),
        cmocka_unit_test(test_a_stop_lost_elsewhere_excuses_no_stop_of_another_broker),
        cmocka_unit_test(test_a_start_of_which_its_host_tells_nothing_is_watched_for),
        cmocka_unit_test(test_what_is_watched_gives_way_to_a_newer_request),
    };
    return cmocka_run_group_tests_name("step, rule 6", tests, NULL, NULL);
}
