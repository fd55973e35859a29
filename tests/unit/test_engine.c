/*
 * The engine, with the real state machine and simulated time: who joins whom, who waits; and what of it
 * survives a disk and a restart. Those who ask are in test_engine_askers.c; the random counterpart is
 * test_engine_model.c. TRACE=1 prints the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

#include "fence/step.h"

/* ---- joining (P6) ---- */

static void test_an_equal_request_joins_and_gets_its_own_answer(void **state)
{
    (void)state;
    struct asker_record *first = ask(FENCE_OFF, "101");
    run_for(50);
    struct asker_record *second = ask_as(FENCE_OFF, "web1", "r2");
    run_for(3000);
    assert_answered(first, ERROR_NONE);
    assert_answered(second, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 1);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_int_equal(engine_counters(stage.engine)->joined, 1);
    assert_int_equal(engine_counters(stage.engine)->answered[FENCE_OFF][ENGINE_RESULT_DONE], 2);
    assert_int_equal(
        request_stats_find(engine_request_stats(stage.engine), 101)->answered[FENCE_OFF][REQUEST_STATS_DONE],
        2);
    uint64_t counted = 0;
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        counted += engine_request_stats(stage.engine)->durations[FENCE_OFF][REQUEST_STATS_DONE].counts[i];
    assert_int_equal(counted, 2);
    assert_true(operation_has_request_id(operation_at(0), "0:r2"));
    assert_int_equal(hurried, 2); /* what comes of it is to be seen soon */
    assert_false(engine_guest_busy(stage.engine, 101));
}

static void test_a_joiner_is_not_answered_by_a_read_from_before_it_came(void **state)
{
    (void)state;
    struct asker_record *first = ask(FENCE_OFF, "101");
    hold(HELD(API_NODES)); /* the last word on a read that proves off */
    run_until_made(API_NODES, 1);
    unsigned reads = rooms.made[API_STATUS];
    struct asker_record *second = ask(FENCE_OFF, "101");
    release();
    run_for(1);
    assert_int_equal(first->answers + second->answers, 0);
    run_for(3000);
    assert_answered(first, ERROR_NONE);
    assert_answered(second, ERROR_NONE);
    assert_true(rooms.made[API_STATUS] > reads);
    assert_int_equal(rooms.made[API_STOP], 1);
}

static void test_a_guest_started_between_two_requests_is_stopped_for_the_joiner(void **state)
{
    (void)state;
    struct asker_record *first = ask(FENCE_OFF, "101");
    hold(HELD(API_NODES));
    run_until_made(API_NODES, 1);
    guest_of(101)->running = true; /* by somebody else */
    guest_of(101)->started_ms = clock_now_ms();
    struct asker_record *second = ask(FENCE_OFF, "101");
    release();
    run_for(5000);
    assert_answered(first, ERROR_NONE);
    assert_answered(second, ERROR_NONE);
    assert_false(guest_of(101)->running);
    assert_int_equal(rooms.made[API_STOP], 2);
}

static void test_what_is_verified_is_not_joined(void **state)
{
    (void)state;
    struct asker_record *first = ask(FENCE_REBOOT, "101");
    hold(HELD(API_START));
    run_until_answered(first, 5000);
    assert_answered(first, ERROR_NONE);
    struct asker_record *second = ask(FENCE_REBOOT, "101");
    run_for(2000);
    assert_int_equal(second->answers, 0);
    assert_int_equal(rooms.history.operation_count, 2);
    assert_int_equal(rooms.made[API_STOP], 1);
    release();
    run_for(5000);
    assert_answered(second, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 2);
    assert_true(guest_of(101)->running);
}

static void test_another_action_or_method_waits_its_turn(void **state)
{
    (void)state;
    struct asker_record *off = ask(FENCE_OFF, "101");
    struct asker_record *reboot = ask(FENCE_REBOOT, "101");
    struct asker_record *cycle =
        submit(&(struct engine_request){.action = FENCE_REBOOT, .method = FENCE_CYCLE, .plug = "101"});
    run_for(60000);
    assert_answered(off, ERROR_NONE);
    assert_answered(reboot, ERROR_NONE);
    assert_answered(cycle, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 3);
    assert_true(off->at_ms < reboot->at_ms && reboot->at_ms < cycle->at_ms);
}

static void test_other_guests_do_not_wait(void **state)
{
    (void)state;
    struct asker_record *first = ask(FENCE_OFF, "101"), *second = ask(FENCE_OFF, "102");
    run_for(3000);
    assert_answered(first, ERROR_NONE);
    assert_answered(second, ERROR_NONE);
    assert_true(second->at_ms - first->at_ms < 100);
}

static void test_cycle_is_joined_only_before_its_reset(void **state)
{
    (void)state;
    struct engine_request cycle = {.action = FENCE_REBOOT, .method = FENCE_CYCLE, .plug = "101"};
    struct asker_record *first = submit(&cycle), *second = submit(&cycle);
    run_until_made(API_RESET, 1);
    struct asker_record *third = submit(&cycle);
    run_for(5000);
    assert_answered(first, ERROR_NONE);
    assert_answered(second, ERROR_NONE);
    assert_answered(third, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 2);
    assert_int_equal(guest_of(101)->resets, 2);
}

/* ---- off and the power-on of a reboot ---- */

/* Off is proven while the stop's task is not known to have ended: the start waits for that. */
static struct asker_record *reboot_up_to_its_power_on(void)
{
    struct asker_record *reboot = ask(FENCE_REBOOT, "101");
    hold(HELD(API_TASK) | HELD(API_TASKS));
    run_until_answered(reboot, 5000);
    assert_answered(reboot, ERROR_NONE);
    assert_int_equal(rooms.made[API_START], 0);
    return reboot;
}

static void test_off_supersedes_a_power_on_that_was_not_sent(void **state)
{
    (void)state;
    reboot_up_to_its_power_on();
    struct asker_record *off = ask(FENCE_OFF, "101");
    release();
    run_for(5000);
    assert_answered(off, ERROR_NONE);
    assert_int_equal(rooms.made[API_START], 0);
    assert_false(guest_of(101)->running);
    assert_int_equal(operation_at(0)->outcome, OPERATION_DONE);
    assert_int_equal(operation_at(0)->power_on, POWER_ON_NONE);
}

static void test_on_that_joined_a_superseded_power_on_is_no_success(void **state)
{
    (void)state;
    reboot_up_to_its_power_on();
    struct asker_record *on = ask(FENCE_ON, "101");
    struct asker_record *off = ask(FENCE_OFF, "101");
    release();
    run_for(5000);
    assert_answered(on, ERROR_ABANDONED);
    assert_answered(off, ERROR_NONE);
    assert_int_equal(rooms.made[API_START], 0);
}

static void test_on_that_joined_a_power_on_which_another_broker_overtook_is_no_success(void **state)
{
    (void)state;
    reboot_up_to_its_power_on();
    struct asker_record *on = ask(FENCE_ON, "101");
    const struct flight another_brokers = {.call = API_STOP, .vmid = 101, .node = "pve1"};
    json_object_put(begin_task(&another_brokers, 0));
    release();
    run_for(5000);
    assert_answered(on, ERROR_ABANDONED);
    assert_int_equal(rooms.made[API_START], 0);
    assert_int_equal(operation_at(0)->outcome, OPERATION_DONE);
    assert_int_equal(operation_at(0)->power_on, POWER_ON_NONE);
}

static void test_a_fence_does_not_wait_for_an_on_that_is_held_back(void **state)
{
    (void)state;
    for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
        if (action == FENCE_ON)
            continue;
        stage.lose_stops = true;
        guest_of(101)->running = true;
        struct asker_record *off = ask(FENCE_OFF, "101");
        run_until_made(API_STATUS, rooms.made[API_STATUS] + 3);
        guest_of(101)->running = false;
        run_until_answered(off, 60000);
        stage.lose_stops = false;
        struct asker_record *on = ask(FENCE_ON, "101"); /* waits for the lost stop */
        run_for(1000);
        struct asker_record *fence = ask(action, "101");
        run_until_answered(fence, 5000);
        assert_answered(fence, ERROR_NONE);
        assert_answered(on, ERROR_ABANDONED);
        run_for(200000);
    }
}

static void test_off_after_the_start_was_sent_waits_its_turn(void **state)
{
    (void)state;
    struct asker_record *reboot = ask(FENCE_REBOOT, "101");
    hold(HELD(API_START));
    run_until_made(API_START, 1);
    run_for(0);
    assert_answered(reboot, ERROR_NONE);
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(1000);
    assert_int_equal(rooms.made[API_STOP], 1);
    release();
    run_for(5000);
    assert_answered(off, ERROR_NONE);
    assert_int_equal(operation_at(0)->power_on, POWER_ON_DONE);
    assert_int_equal(rooms.made[API_STOP], 2);
    assert_false(guest_of(101)->running);
}

static void test_on_joins_a_reboots_power_on_and_is_answered_when_it_runs(void **state)
{
    (void)state;
    struct asker_record *reboot = ask(FENCE_REBOOT, "101");
    hold(HELD(API_START));
    run_until_made(API_START, 1);
    run_for(0);
    assert_answered(reboot, ERROR_NONE);
    struct asker_record *on = ask(FENCE_ON, "101");
    run_for(500);
    assert_int_equal(on->answers, 0);
    release();
    run_for(3000);
    assert_answered(on, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 1);
    assert_int_equal(rooms.made[API_START], 1);
    assert_true(guest_of(101)->running);
}

static void test_on_that_joined_a_power_on_fails_with_it(void **state)
{
    (void)state;
    ask(FENCE_REBOOT, "101");
    hold(HELD(API_START));
    run_until_made(API_START, 1);
    struct asker_record *on = ask(FENCE_ON, "101");
    refuse_held(API_START, 403, "Permission check failed (/vms/101, VM.PowerMgmt)");
    run_for(10);
    assert_int_equal(on->answers, 1);
    assert_true(on->code != ERROR_NONE);
    assert_int_equal(operation_at(0)->outcome, OPERATION_DONE);
    assert_int_equal(operation_at(0)->power_on, POWER_ON_FAILED);
    assert_int_equal(engine_counters(stage.engine)->power_on_failed, 1);
    assert_int_equal(rooms.privileges_reread, 1);
}

static void test_no_start_while_a_stop_of_an_earlier_operation_may_still_come(void **state)
{
    (void)state;
    stage.lose_stops = true;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_until_made(API_STATUS, 3);
    guest_of(101)->running = false; /* somebody else's stop; ours may come later */
    run_until_answered(off, 60000);
    assert_answered(off, ERROR_NONE);
    int64_t sent_ms = off->at_ms;
    struct asker_record *on = ask(FENCE_ON, "101");
    run_until_made(API_START, 1);
    assert_true(clock_now_ms() - sent_ms > 50000 && clock_now_ms() - sent_ms <= 61000);
    run_for(3000);
    assert_answered(on, ERROR_NONE);
}

static void test_what_may_have_been_killed_unseen_stays_unproven_when_asked_again(void **state)
{
    (void)state;
    stage.stop_takes_ms = 15000; /* SIGKILL, and the guest has no device that would show a survivor */
    guest_of(101)->no_nics = true;
    struct asker_record *first = ask(FENCE_OFF, "101");
    run_for(20000);
    assert_answered(first, ERROR_UNPROVEN);
    stage.stop_takes_ms = 300;
    struct asker_record *second = ask(FENCE_OFF, "101");
    run_for(20000);
    assert_answered(second, ERROR_UNPROVEN);
    guest_of(101)->running = true; /* started anew: whatever was before is over */
    guest_of(101)->started_ms = clock_now_ms();
    run_for(5000);
    struct asker_record *third = ask(FENCE_OFF, "101");
    run_for(20000);
    assert_answered(third, ERROR_NONE);
}

static void test_who_asks_for_a_guest_that_is_only_watched_does_not_wait(void **state) /* rule 6, P6 */
{
    (void)state;
    guest_of(101)->running = false;
    hold(HELD(API_START));
    ask(FENCE_ON, "101");
    run_until_made(API_START, 1);
    run_for(DEADLINE_MS); /* it is given up: the start may still come */
    stage.start_takes_ms = 1000000;
    release();
    guest_of(101)->turns_ms = 0;
    guest_of(101)->running = true;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_until_answered(off, 5000);
    assert_answered(off, ERROR_NONE);
    run_for(1500);
    assert_int_equal(operation_at(1)->state, OPERATION_WATCHING);
    guest_of(101)->running = true;
    unsigned stops = rooms.made[API_STOP];
    ask(FENCE_REBOOT, "101");
    run_for(10);
    assert_int_equal(operation_at(1)->outcome, OPERATION_DONE);
    assert_int_equal(rooms.made[API_STOP], stops + 1);
}

/* An off that was done although no answer to its stop came: that one may still be carried out. */
static struct asker_record *off_with_a_lost_stop(void)
{
    stage.lose_stops = true;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_until_made(API_STATUS, 3);
    guest_of(101)->running = false;
    run_until_answered(off, 60000);
    return off;
}

/* Its connection ended before the answer. */
static void test_an_on_that_is_asked_for_again_while_it_is_watched_is_done(void **state) /* rule 6 */
{
    (void)state;
    (void)off_with_a_lost_stop();
    struct asker_record *on = ask_as(FENCE_ON, "101", "r1");
    run_until_answered(on, 70000);
    assert_answered(on, ERROR_NONE);
    run_for(1500);
    assert_int_equal(operation_at(1)->state, OPERATION_WATCHING);
    struct asker_record *again = ask_as(FENCE_ON, "101", "r1");
    run_for(10);
    assert_answered(again, ERROR_NONE);
    assert_int_equal(operation_at(1)->state, OPERATION_WATCHING);
    assert_int_equal(rooms.history.operation_count, 2);
}

/* What an operation left is in the history, and a daemon that was killed has left no less. */
static void test_open_calls_outlive_the_daemon(void **state) /* rule 6 */
{
    (void)state;
    struct asker_record *off = off_with_a_lost_stop();
    int64_t sent_ms = off->at_ms;
    restart_daemon();
    struct asker_record *on = ask(FENCE_ON, "101");
    run_until_made(API_START, 1);
    assert_true(clock_now_ms() - sent_ms > 50000 && clock_now_ms() - sent_ms <= 61000);
    run_for(3000);
    assert_answered(on, ERROR_NONE);
}

static void test_a_stop_that_was_being_sent_when_the_daemon_died_is_open(void **state) /* rule 6 */
{
    (void)state;
    hold(HELD(API_STOP));
    ask(FENCE_OFF, "101");
    run_for(100);
    restart_daemon();
    guest_of(101)->running = false;
    hold(0);
    struct asker_record *on = ask(FENCE_ON, "101");
    run_for(CALLS_OPEN_MS - 5000);
    assert_int_equal(rooms.made[API_START], 0);
    run_for(10000);
    assert_answered(on, ERROR_NONE);
}

static void test_what_may_have_been_killed_unseen_stays_unproven_after_a_restart(void **state) /* point 7 */
{
    (void)state;
    stage.stop_takes_ms = 15000;
    guest_of(101)->no_nics = true;
    ask(FENCE_OFF, "101");
    run_for(14000);
    restart_daemon();
    run_for(2000);
    stage.stop_takes_ms = 300;
    struct asker_record *second = ask(FENCE_OFF, "101");
    run_for(20000);
    assert_answered(second, ERROR_UNPROVEN);
}

/* 101 is off, and a fence of it has failed for what nothing shows. */
static void leave_in_doubt(void)
{
    stage.stop_takes_ms = 15000;
    guest_of(101)->no_nics = true;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_until_answered(off, 30000);
    assert_answered(off, ERROR_UNPROVEN);
    stage.stop_takes_ms = 300;
    run_for(1000);
    assert_false(engine_guest_busy(stage.engine, 101));
}

static bool is_in_doubt(void)
{
    const struct unsettled_kill_doubts doubts = engine_kill_doubts(stage.engine);
    return unsettled_kill_doubt(&doubts, 101);
}

static void is_seen(bool running, int64_t started_ms)
{
    const struct pve_status status = {
        .vmid = 101, .running = running, .uptime_s = running ? (clock_now_ms() - started_ms) / 1000 : 0};
    engine_status_seen(stage.engine, PVE_QEMU, &status, clock_now_ms());
}

static void test_a_doubt_is_told_until_the_guest_is_seen_started_anew(void **state) /* point 7, P10 */
{
    (void)state;
    assert_false(is_in_doubt());
    leave_in_doubt();
    assert_true(is_in_doubt());
    restart_daemon();
    assert_true(is_in_doubt());
    assert_true(engine_wants_status(stage.engine, 101));
    is_seen(false, 0);
    assert_true(is_in_doubt());
    assert_false(engine_wants_status(stage.engine, 101));
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_until_answered(off, 20000);
    assert_answered(off, ERROR_UNPROVEN); /* as was said */
    run_for(3000);
    is_seen(true, clock_now_ms() - 100000); /* it never was off */
    assert_true(is_in_doubt());
    run_for(3000);
    is_seen(true, clock_now_ms() - 2000);
    assert_false(is_in_doubt());
    restart_daemon();
    assert_false(is_in_doubt());
    off = ask(FENCE_OFF, "101"); /* off again: the doubt does not come back */
    run_until_answered(off, 20000);
    assert_answered(off, ERROR_NONE);
}

static void test_a_reading_of_others_ends_no_doubt_of_an_operation_under_way(void **state) /* point 7 */
{
    (void)state;
    leave_in_doubt();
    guest_of(101)->running = true;
    guest_of(101)->started_ms = clock_now_ms() - 100000;
    stage.stop_takes_ms = 60000;
    ask(FENCE_OFF, "101");
    run_for(5000);
    const struct pve_status status = {.vmid = 101, .running = true, .nics = true, .uptime_s = 5000};
    engine_status_seen(stage.engine, PVE_QEMU, &status, clock_now_ms());
    assert_true(is_in_doubt());
}

static void test_what_is_open_outlives_the_end_of_a_doubt(void **state) /* rule 6 */
{
    (void)state;
    guest_of(101)->no_nics = true;
    stage.lose_stops = true;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(DEADLINE_MS + 100);
    assert_answered(off, ERROR_DEADLINE);
    assert_true(is_in_doubt());
    const struct pve_status status = {.vmid = 101, .running = true, .nics = true, .uptime_s = 5000};
    engine_status_seen(stage.engine, PVE_QEMU, &status, clock_now_ms());
    assert_false(is_in_doubt());
    guest_of(101)->running = false;
    stage.lose_stops = false;
    struct asker_record *on = ask(FENCE_ON, "101");
    run_for(CALLS_OPEN_MS - 10000);
    assert_int_equal(rooms.made[API_START], 0);
    run_for(20000);
    assert_answered(on, ERROR_NONE);
}

static void test_what_the_last_of_several_stops_may_have_killed_stays_unproven(void **state) /* point 7 */
{
    (void)state;
    struct staged_guest *guest = guest_of(101);
    guest->no_nics = true;
    stage.stop_takes_ms = 300000;
    struct asker_record *first = ask(FENCE_OFF, "101");
    run_for(5000);
    guest->started_ms =
        clock_now_ms(); /* somebody has started it anew; then it hangs, and a second stop comes to it */
    run_for(1000);
    stage.task[0].ends_ms = clock_now_ms();
    run_for(DEADLINE_MS);
    assert_answered(first, ERROR_DEADLINE);
    assert_true(rooms.made[API_STOP] > 1);
    stage.stop_takes_ms = 300;
    struct asker_record *second = ask(FENCE_OFF, "101");
    run_for(20000);
    assert_answered(second, ERROR_UNPROVEN);
}

static void test_a_stop_under_way_at_the_deadline_holds_back_the_next_start(void **state) /* rule 6 */
{
    (void)state;
    hold(HELD(API_STOP));
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(DEADLINE_MS + 300);
    assert_answered(off, ERROR_DEADLINE);
    guest_of(101)->running = false;
    struct asker_record *on = ask(FENCE_ON, "101");
    run_for(CALLS_OPEN_MS - 5000);
    assert_int_equal(rooms.made[API_START], 0);
    run_for(10000);
    assert_int_equal(rooms.made[API_START], 1);
    assert_answered(on, ERROR_NONE);
}

/* ---- the intent (P5) ---- */

static void no_power_before(enum disk disk, int64_t earliest_ms, int64_t latest_ms)
{
    rooms.history.disk = disk;
    int64_t asked_ms = clock_now_ms();
    struct asker_record *asker = ask(FENCE_OFF, "101");
    run_until_made(API_STOP, 1);
    assert_in_range(clock_now_ms() - asked_ms, earliest_ms, latest_ms);
    run_for(3000);
    assert_answered(asker, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_int_equal(engine_counters(stage.engine)->intents_not_awaited, disk == DISK_FINE ? 0 : 1);
}

static void test_power_waits_for_the_intent_on_disk(void **state)
{
    (void)state;
    no_power_before(DISK_FINE, 2, 2);
}

static void test_a_slow_disk_is_waited_for_250_ms(void **state)
{
    (void)state;
    no_power_before(DISK_SLOW, 250, 250);
}

static void test_a_silent_disk_is_waited_for_250_ms(void **state)
{
    (void)state;
    no_power_before(DISK_SILENT, 250, 250);
}

static void test_a_failing_disk_does_not_hold_up_a_fence(void **state)
{
    (void)state;
    no_power_before(DISK_FAILS, 2, 2);
}

static void test_a_lost_record_does_not_hold_up_a_fence(void **state)
{
    (void)state;
    no_power_before(DISK_LOST, 0, 0);
}

/* ---- the end ---- */

static void on_drained(void *context)
{
    (void)context;
    assert_false(stage.drained);
    stage.drained = true;
}

static void test_draining_lets_finish_what_runs(void **state)
{
    (void)state;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(50);
    engine_drain(stage.engine, 5000, on_drained, NULL);
    struct asker_record *late = ask(FENCE_OFF, "102");
    assert_int_equal(late->id, 0);
    assert_int_equal(late->error.code, ERROR_INTERRUPTED);
    run_for(2000);
    assert_answered(off, ERROR_NONE);
    assert_true(stage.drained);
    assert_int_equal(operation_at(0)->outcome, OPERATION_DONE);
}

static void test_draining_records_what_did_not_finish_and_answers_nobody(void **state)
{
    (void)state;
    guest_of(101)->undead = true;
    struct asker_record *off = ask(FENCE_OFF, "101"), *reboot = ask(FENCE_REBOOT, "101");
    run_for(50);
    engine_drain(stage.engine, 5000, on_drained, NULL);
    run_for(4999);
    assert_false(stage.drained);
    run_for(2);
    assert_true(stage.drained);
    run_for(DEADLINE_MS * 2);
    assert_int_equal(off->answers + reboot->answers, 0);
    assert_int_equal(rooms.history.outcomes, 2);
    assert_int_equal(operation_at(0)->outcome, OPERATION_INTERRUPTED);
    assert_int_equal(operation_at(1)->outcome, OPERATION_INTERRUPTED);
    assert_int_equal(engine_running(stage.engine), 0);
    assert_null(rooms.flights);
}

static void test_draining_with_nothing_under_way_ends_at_once(void **state)
{
    (void)state;
    engine_drain(stage.engine, 5000, on_drained, NULL);
    assert_false(stage.drained);
    run_for(0);
    assert_true(stage.drained);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_an_equal_request_joins_and_gets_its_own_answer),
        TEST(test_a_joiner_is_not_answered_by_a_read_from_before_it_came),
        TEST(test_a_guest_started_between_two_requests_is_stopped_for_the_joiner),
        TEST(test_what_is_verified_is_not_joined),
        TEST(test_another_action_or_method_waits_its_turn),
        TEST(test_other_guests_do_not_wait),
        TEST(test_cycle_is_joined_only_before_its_reset),
        TEST(test_off_supersedes_a_power_on_that_was_not_sent),
        TEST(test_on_that_joined_a_superseded_power_on_is_no_success),
        TEST(test_on_that_joined_a_power_on_which_another_broker_overtook_is_no_success),
        TEST(test_a_fence_does_not_wait_for_an_on_that_is_held_back),
        TEST(test_off_after_the_start_was_sent_waits_its_turn),
        TEST(test_on_joins_a_reboots_power_on_and_is_answered_when_it_runs),
        TEST(test_on_that_joined_a_power_on_fails_with_it),
        TEST(test_no_start_while_a_stop_of_an_earlier_operation_may_still_come),
        TEST(test_what_may_have_been_killed_unseen_stays_unproven_when_asked_again),
        TEST(test_who_asks_for_a_guest_that_is_only_watched_does_not_wait),
        TEST(test_an_on_that_is_asked_for_again_while_it_is_watched_is_done),
        TEST(test_open_calls_outlive_the_daemon),
        TEST(test_a_stop_that_was_being_sent_when_the_daemon_died_is_open),
        TEST(test_what_may_have_been_killed_unseen_stays_unproven_after_a_restart),
        TEST(test_a_doubt_is_told_until_the_guest_is_seen_started_anew),
        TEST(test_a_reading_of_others_ends_no_doubt_of_an_operation_under_way),
        TEST(test_what_is_open_outlives_the_end_of_a_doubt),
        TEST(test_what_the_last_of_several_stops_may_have_killed_stays_unproven),
        TEST(test_a_stop_under_way_at_the_deadline_holds_back_the_next_start),
        TEST(test_power_waits_for_the_intent_on_disk),
        TEST(test_a_slow_disk_is_waited_for_250_ms),
        TEST(test_a_silent_disk_is_waited_for_250_ms),
        TEST(test_a_failing_disk_does_not_hold_up_a_fence),
        TEST(test_a_lost_record_does_not_hold_up_a_fence),
        TEST(test_draining_lets_finish_what_runs),
        TEST(test_draining_records_what_did_not_finish_and_answers_nobody),
        TEST(test_draining_with_nothing_under_way_ends_at_once),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
