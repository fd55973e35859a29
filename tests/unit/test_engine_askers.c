/*
 * Those who ask the engine, with the real state machine and simulated time: who is answered when and what
 * with, who leaves and comes back, and how many may ask (P7). TRACE=1 prints the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

/* ---- askers ---- */

static void test_each_asker_has_its_own_deadline(void **state)
{
    (void)state;
    struct asker_record *first = ask(FENCE_OFF, "101");
    guest_of(101)->undead = true;
    run_for(100000);
    struct asker_record *second = ask(FENCE_OFF, "101");
    run_for(DEADLINE_MS - 100000 + 300);
    assert_answered(first, ERROR_DEADLINE);
    assert_int_equal(second->answers, 0);
    run_for(100000);
    assert_int_equal(second->answers, 1);
    assert_true(second->code != ERROR_NONE);
    assert_int_equal(operation_at(0)->ended_ms - operation_at(0)->requested_ms, DEADLINE_MS + 100000);
}

static void test_a_shorter_deadline_after_a_reload_shortens_no_operation(void **state)
{
    (void)state;
    struct engine_settings shorter = stage_settings;
    shorter.deadline_ms = 10000;
    guest_of(101)->undead = true;
    struct asker_record *first = ask(FENCE_OFF, "101");
    run_for(1000);
    engine_set_settings(stage.engine, &shorter);
    struct asker_record *second = ask(FENCE_OFF, "101");
    run_for(11000);
    assert_answered(second, ERROR_DEADLINE);
    assert_int_equal(first->answers, 0);
    guest_of(101)->undead = false;
    run_for(2000);
    assert_answered(first, ERROR_NONE);
}

static void test_what_was_sent_goes_on_when_its_asker_has_left(void **state)
{
    (void)state;
    struct asker_record *asker = ask(FENCE_REBOOT, "101");
    run_until_made(API_STOP, 1);
    engine_leave(stage.engine, asker->id);
    engine_leave(stage.engine, asker->id);
    run_for(5000);
    assert_int_equal(asker->answers, 0);
    assert_int_equal(request_stats_find(engine_request_stats(stage.engine), 101)
                         ->answered[FENCE_REBOOT][REQUEST_STATS_LEFT],
                     1);
    assert_int_equal(operation_at(0)->outcome, OPERATION_DONE);
    assert_int_equal(operation_at(0)->power_on, POWER_ON_DONE);
    assert_true(guest_of(101)->running);
    assert_int_equal(rooms.history.outcomes, 1);
}

static void test_a_guest_started_since_is_not_stopped_when_nobody_waits_any_more(void **state)
{
    (void)state;
    stage.lose_stops = true;
    struct asker_record *asker = ask(FENCE_OFF, "101");
    run_until_made(API_STOP, 1);
    engine_leave(stage.engine, asker->id);
    guest_of(101)->started_ms = clock_now_ms() + 1;
    run_for(20000);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_int_equal(operation_at(0)->outcome, OPERATION_ABANDONED);
}

static void test_who_comes_back_with_its_request_id_counts_as_an_asker(void **state)
{
    (void)state;
    stage.lose_stops = true;
    struct asker_record *asker = ask_as(FENCE_OFF, "101", "r1");
    run_until_made(API_STOP, 1);
    engine_leave(stage.engine, asker->id);
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    guest_of(101)->started_ms = clock_now_ms() + 1;
    run_for(100);
    stage.lose_stops = false;
    run_for(20000);
    assert_answered(again, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 1);
}

/* ---- what came late to the daemon (P4) ---- */

static void assert_abandoned_unbegun(const struct operation *operation)
{
    assert_int_equal(operation->outcome, OPERATION_ABANDONED);
    assert_int_equal(operation->error.code, ERROR_ABANDONED);
    assert_non_null(strstr(operation->error.message, "not begun"));
}

static void test_what_an_asker_that_hung_up_wanted_is_not_begun(void **state)
{
    (void)state;
    struct asker_record *gone = ask_and_look(FENCE_OFF, "101"), *there = ask_and_look(FENCE_OFF, "102");
    gone->gone = true;
    run_for(10000);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_true(guest_of(101)->running);
    assert_abandoned_unbegun(operation_at(0));
    assert_int_equal(gone->answers, 0);
    assert_answered(there, ERROR_NONE);
    assert_int_equal(engine_running(stage.engine), 0);
    engine_leave(stage.engine, gone->id); /* its connection's end is noticed at last */
}

static void test_one_that_waits_for_the_same_has_it_begun(void **state)
{
    (void)state;
    struct asker_record *gone = ask_and_look(FENCE_OFF, "101"), *there = ask_and_look(FENCE_OFF, "101");
    gone->gone = true;
    run_for(10000);
    assert_answered(there, ERROR_NONE);
    assert_int_equal(gone->answers, 0);
}

static void test_an_asker_that_hangs_up_while_the_intent_is_written_is_not_there(void **state)
{
    (void)state;
    rooms.history.disk = DISK_SILENT;
    struct asker_record *asker = ask_and_look(FENCE_OFF, "101");
    run_for(ENGINE_INTENT_WAIT_MS / 2);
    asker->gone = true;
    guest_of(101)->started_ms = clock_now_ms() + 1;
    run_for(10000);
    assert_int_equal(rooms.made[API_STOP], 0);
    assert_int_equal(operation_at(0)->outcome, OPERATION_ABANDONED);
}

/* There was no login; now there is one, and what waited for it goes if it is still wanted. */
static void log_in(void)
{
    struct flight *flight, *next;
    stage.held = 0;
    DL_FOREACH_SAFE (rooms.flights, flight, next) {
        if (!flight->held)
            continue;
        assert_non_null(flight->route.may_go);
        struct api_result unsent = {.outcome = API_UNSENT, .reason = ""};
        error_set(&unsent.error, ERROR_ABANDONED, "not sent");
        flight->held = false;
        if (flight->route.may_go(flight->context))
            event_active(flight->event, EV_TIMEOUT, 0);
        else
            flight_land(flight, &unsent);
    }
}

static void test_a_stop_that_waited_for_a_login_longer_than_its_asker_is_decided_on_anew(void **state)
{
    (void)state;
    hold(HELD(API_STOP));
    struct asker_record *asker = ask(FENCE_OFF, "101"), *gone = ask_and_look(FENCE_OFF, "102");
    run_until_made(API_STOP, 2);
    engine_leave(stage.engine, asker->id);
    gone->gone = true;
    run_for(10000);
    guest_of(101)->started_ms = guest_of(102)->started_ms = clock_now_ms();
    log_in();
    run_for(20000);
    assert_true(guest_of(101)->running);
    assert_true(guest_of(102)->running);
    assert_int_equal(operation_at(0)->outcome, OPERATION_ABANDONED);
    assert_int_equal(operation_at(1)->outcome, OPERATION_ABANDONED);
    assert_int_equal(rooms.made[API_STOP], 2);
}

/* Decided on when it was late already, from a read that was news then. */
static void test_a_late_stop_that_waited_for_a_login_needs_another_read(void **state)
{
    (void)state;
    hold(HELD(API_STOP));
    (void)ask_since_ms(FENCE_OFF, "101", 40000);
    run_until_made(API_STOP, 1);
    run_for(5000);
    guest_of(101)->started_ms = clock_now_ms();
    log_in();
    run_for(20000);
    assert_true(guest_of(101)->running);
    assert_int_equal(operation_at(0)->outcome, OPERATION_ABANDONED);
}

static void test_a_stop_that_waited_for_a_login_goes_to_a_guest_that_ran_before(void **state)
{
    (void)state;
    hold(HELD(API_STOP));
    struct asker_record *left = ask(FENCE_OFF, "101"), *waits = ask(FENCE_OFF, "102");
    run_until_made(API_STOP, 2);
    engine_leave(stage.engine, left->id);
    run_for(40000);
    log_in();
    run_for(20000);
    assert_int_equal(operation_at(0)->outcome, OPERATION_DONE);
    assert_answered(waits, ERROR_NONE);
}

static void test_one_who_leaves_before_his_turn_has_nothing_begun(void **state)
{
    (void)state;
    hold(~0u);
    struct asker_record *first = ask(FENCE_REBOOT, "101"), *leaves = ask(FENCE_OFF, "101"),
                        *last = ask(FENCE_REBOOT, "101");
    run_for(10);
    engine_leave(stage.engine, leaves->id);
    assert_abandoned_unbegun(operation_at(1));
    assert_int_equal(engine_running(stage.engine), 2);
    release();
    run_for(20000);
    assert_answered(first, ERROR_NONE);
    assert_answered(last, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 2);
}

static void test_one_who_leaves_at_once_has_nothing_begun_and_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct asker_record *leaves = ask(FENCE_OFF, "101"), *next = ask(FENCE_REBOOT, "101");
    engine_leave(stage.engine, leaves->id);
    run_for(20000);
    assert_abandoned_unbegun(operation_at(0));
    assert_answered(next, ERROR_NONE);
}

static void test_root_that_left_before_the_guests_were_known_is_recorded(void **state)
{
    (void)state;
    inventory_unref(rooms.inventory);
    rooms.inventory = NULL;
    struct asker_record *root = ask(FENCE_OFF, "101"), *member = ask_by(1000, FENCE_OFF, "101");
    run_for(10);
    engine_leave(stage.engine, root->id);
    engine_leave(stage.engine, member->id);
    assert_int_equal(rooms.history.operation_count, 1);
    assert_abandoned_unbegun(operation_at(0));
    assert_string_equal(operation_at(0)->plug, "101");
    learn_guests();
    engine_round_ended(stage.engine);
    run_for(10000);
    assert_int_equal(rooms.made[API_STOP], 0);
}

static void test_a_request_is_as_old_as_its_asker_says(void **state)
{
    (void)state;
    guest_of(101)->started_ms = guest_of(102)->started_ms = clock_now_ms() - 10000;
    struct asker_record *late = ask_since_ms(FENCE_OFF, "101", 40000);
    struct asker_record *early = ask_since_ms(FENCE_OFF, "102", 8000);
    struct asker_record *ran = ask_since_ms(FENCE_OFF, "103", 40000);
    run_for(10000);
    assert_answered(late, ERROR_ABANDONED);
    assert_answered(early, ERROR_NONE);
    assert_answered(ran, ERROR_NONE);
    assert_true(guest_of(101)->running);
    assert_int_equal(rooms.made[API_STOP], 2);
    assert_true(operation_at(0)->ended_ms - operation_at(0)->requested_ms >= 40000);
}

static void test_a_deadline_counts_from_when_it_was_asked(void **state)
{
    (void)state;
    guest_of(101)->undead = true;
    struct asker_record *waited = ask_since_ms(FENCE_OFF, "101", DEADLINE_MS - 10000);
    struct asker_record *too_late = ask_since_ms(FENCE_OFF, "102", DEADLINE_MS + 1);
    run_for(1000);
    assert_answered(too_late, ERROR_DEADLINE);
    assert_int_equal(waited->answers, 0);
    run_for(9500);
    assert_int_equal(waited->answers, 1);
    assert_true(guest_of(102)->running);
}

static void test_no_request_is_older_than_its_deadline(void **state)
{
    (void)state;
    struct asker_record *liar = ask_since_ms(FENCE_OFF, "101", clock_now_ms() - 1);
    int64_t now_ms = clock_now_ms();
    run_for(1000);
    assert_answered(liar, ERROR_DEADLINE);
    assert_int_equal(operation_at(0)->requested_ms, now_ms - DEADLINE_MS);
    assert_int_equal(rooms.made[API_STOP], 0);
}

static void test_who_asks_again_for_what_was_not_begun_has_it_begun(void **state)
{
    (void)state;
    struct asker_record *left = ask_as(FENCE_OFF, "101", "r1");
    engine_leave(stage.engine, left->id);
    run_for(1000);
    assert_abandoned_unbegun(operation_at(0));
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    run_for(10000);
    assert_answered(again, ERROR_NONE);
    assert_false(guest_of(101)->running);
}

/* ---- what others do to an operation of root's ---- */

static size_t count_notes(const struct operation *operation, const char *part)
{
    size_t count = 0;
    for (size_t i = 0; i < operation->transition_count; i++)
        count += strstr(operation->transitions[i].text, part) != NULL;
    return count;
}

static struct asker_record *root_asks_as(const char *request_id)
{
    return submit(&(struct engine_request){
        .action = FENCE_OFF, .plug = "101", .request_id = request_id, .privileged = true});
}

static void test_others_who_join_leave_an_operation_its_time_line(void **state)
{
    char id[16];
    (void)state;
    hold(HELD(API_STOP));
    struct asker_record *root = ask(FENCE_OFF, "101");
    run_until_made(API_STOP, 1);
    engine_leave(stage.engine, root->id);
    for (unsigned i = 0; i < 2 * OPERATION_REQUEST_IDS_MAX; i++) {
        snprintf(id, sizeof(id), "m%u", i / 2); /* once with an id of its own, once with that again */
        engine_leave(stage.engine, ask_as(FENCE_OFF, "101", id)->id);
    }
    root = root_asks_as("r1");
    const struct operation *operation = operation_at(0);
    assert_int_equal(rooms.history.operation_count, 1);
    assert_true(operation->transition_count < OPERATION_TRANSITIONS_MAX / 2);
    assert_true(count_notes(operation, "joined by another request, of uid 0") > 0);
    assert_true(operation_has_request_id(operation, "0:r1"));
    release();
    run_for(10000);
    assert_answered(root, ERROR_NONE);
    assert_int_equal(count_notes(operation, "off is proven"), 1);
}

static void test_an_asker_may_ask_again_from_inside_its_answer(void **state)
{
    (void)state;
    struct asker_record *reboot = ask(FENCE_REBOOT, "101");
    reboot->asks_again = true;
    struct asker_record *other = ask(FENCE_REBOOT, "101");
    run_for(10000);
    assert_int_equal(reboot->answers, 2);
    assert_answered(other, ERROR_NONE);
    assert_false(guest_of(101)->running);
}

static void test_nobody_is_called_back_from_inside_submit(void **state)
{
    (void)state;
    struct asker_record *askers[4];
    for (size_t i = 0; i < 4; i++) /* on_answer() fails the test if it is called too early */
        askers[i] = ask(FENCE_OFF, i < 2 ? "105" : "nobody");
    run_for(100);
    assert_answered(askers[0], ERROR_HA_ERROR);
    assert_answered(askers[1], ERROR_HA_ERROR);
    assert_answered(askers[2], ERROR_UNKNOWN_PLUG);
    assert_answered(askers[3], ERROR_UNKNOWN_PLUG);
}

/* ---- bounds (P7) ---- */

static void test_a_guests_queue_has_a_limit(void **state)
{
    (void)state;
    hold(~0u);
    for (unsigned i = 0; i < ENGINE_QUEUE_MAX; i++)
        ask(i % 2 ? FENCE_OFF : FENCE_REBOOT, "101");
    assert_int_equal(rooms.history.operation_count, ENGINE_QUEUE_MAX);
    struct asker_record *last = ask(FENCE_ON, "101"), *other = ask(FENCE_OFF, "102");
    run_for(10);
    assert_answered(last, ERROR_TOO_MANY);
    assert_int_equal(other->answers, 0);
    assert_int_equal(engine_running(stage.engine), ENGINE_QUEUE_MAX + 1);
    release();
    run_for(200000);
    assert_int_equal(engine_running(stage.engine), 0);
    assert_answered(other, ERROR_NONE);
}

static void test_all_operations_have_a_limit_and_a_refused_guest_is_not_busy(void **state)
{
    (void)state;
    hold(~0u);
    char plug[8];
    for (unsigned i = 0; i < ENGINE_OPERATIONS_MAX; i++) {
        snprintf(plug, sizeof(plug), "%u", 110 + i / 4);
        ask((enum fence_action)(i % 2), plug);
    }
    assert_int_equal(engine_running(stage.engine), ENGINE_OPERATIONS_MAX);
    struct asker_record *last = ask(FENCE_OFF, "101");
    run_for(10);
    assert_answered(last, ERROR_TOO_MANY);
    assert_false(engine_guest_busy(stage.engine, 101));
    assert_true(engine_guest_busy(stage.engine, 110));
}

static void test_calls_that_cannot_be_made_for_lack_of_memory_are_tried_again(void **state)
{
    (void)state;
    rooms.no_memory = true;
    struct asker_record *asker = ask(FENCE_OFF, "101");
    run_for(2000);
    assert_int_equal(asker->answers, 0);
    rooms.no_memory = false;
    run_for(5000);
    assert_answered(asker, ERROR_NONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_asker_has_its_own_deadline),
        TEST(test_a_shorter_deadline_after_a_reload_shortens_no_operation),
        TEST(test_what_was_sent_goes_on_when_its_asker_has_left),
        TEST(test_a_guest_started_since_is_not_stopped_when_nobody_waits_any_more),
        TEST(test_who_comes_back_with_its_request_id_counts_as_an_asker),
        TEST(test_what_an_asker_that_hung_up_wanted_is_not_begun),
        TEST(test_one_that_waits_for_the_same_has_it_begun),
        TEST(test_an_asker_that_hangs_up_while_the_intent_is_written_is_not_there),
        TEST(test_a_stop_that_waited_for_a_login_longer_than_its_asker_is_decided_on_anew),
        TEST(test_a_late_stop_that_waited_for_a_login_needs_another_read),
        TEST(test_a_stop_that_waited_for_a_login_goes_to_a_guest_that_ran_before),
        TEST(test_one_who_leaves_before_his_turn_has_nothing_begun),
        TEST(test_one_who_leaves_at_once_has_nothing_begun_and_keeps_nobody_waiting),
        TEST(test_root_that_left_before_the_guests_were_known_is_recorded),
        TEST(test_a_request_is_as_old_as_its_asker_says),
        TEST(test_a_deadline_counts_from_when_it_was_asked),
        TEST(test_no_request_is_older_than_its_deadline),
        TEST(test_who_asks_again_for_what_was_not_begun_has_it_begun),
        TEST(test_others_who_join_leave_an_operation_its_time_line),
        TEST(test_an_asker_may_ask_again_from_inside_its_answer),
        TEST(test_nobody_is_called_back_from_inside_submit),
        TEST(test_a_guests_queue_has_a_limit),
        TEST(test_all_operations_have_a_limit_and_a_refused_guest_is_not_busy),
        TEST(test_calls_that_cannot_be_made_for_lack_of_memory_are_tried_again),
    };
    return cmocka_run_group_tests_name("engine_askers", tests, NULL, NULL);
}
