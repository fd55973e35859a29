/*
 * What the engine looks up: plugs in an inventory that may come late, Request-Ids in the history, the state
 * of a guest by a live read. With the real state machine and simulated time, as in test_engine.c. TRACE=1
 * prints the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

/* ---- repeated requests ---- */

static void test_a_request_id_joins_its_running_operation(void **state)
{
    (void)state;
    struct asker_record *first = ask_as(FENCE_OFF, "101", "r1");
    run_for(50);
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    run_for(3000);
    assert_answered(first, ERROR_NONE);
    assert_answered(again, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 1);
}

static void test_what_is_done_is_answered_from_history(void **state)
{
    (void)state;
    struct asker_record *first = ask_as(FENCE_OFF, "101", "r1");
    run_for(3000);
    restart_daemon();
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    run_for(1);
    assert_answered(again, ERROR_NONE);
    assert_string_equal(again->operation, first->operation);
    assert_int_equal(rooms.made[API_STOP], 1);
}

static void test_history_answers_before_the_first_inventory(void **state)
{
    (void)state;
    ask_as(FENCE_OFF, "101", "r1");
    run_for(3000);
    inventory_unref(rooms.inventory);
    rooms.inventory = NULL;
    restart_daemon();
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    run_for(1);
    assert_answered(again, ERROR_NONE);
}

static void test_what_was_interrupted_unproven_is_done_anew(void **state)
{
    (void)state;
    struct asker_record *first = ask_as(FENCE_OFF, "101", "r1");
    run_until_made(API_STOP, 1);
    restart_daemon();
    assert_int_equal(operation_at(0)->outcome, OPERATION_INTERRUPTED);
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    run_for(5000);
    assert_int_equal(first->answers, 0);
    assert_answered(again, ERROR_NONE);
    assert_int_equal(rooms.history.operation_count, 2);
    assert_false(guest_of(101)->running);
}

static struct asker_record *reboot_interrupted_after_its_proof(void)
{
    struct asker_record *first = ask_as(FENCE_REBOOT, "101", "r1");
    hold(HELD(API_START));
    run_until_answered(first, 5000);
    run_until_made(API_START, 1);
    stage.held = 0;
    restart_daemon();
    return first;
}

static void test_a_reboot_interrupted_after_its_proof_is_answered_and_started(void **state)
{
    (void)state;
    reboot_interrupted_after_its_proof();
    struct asker_record *again = ask_as(FENCE_REBOOT, "101", "r1");
    run_for(1);
    assert_answered(again, ERROR_NONE);
    run_for(3000);
    assert_true(guest_of(101)->running);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_int_equal(operation_at(1)->action, FENCE_ON);
}

static void test_a_power_on_is_not_resumed_after_a_newer_request(void **state)
{
    (void)state;
    reboot_interrupted_after_its_proof();
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(70000); /* until nobody watches the guest any more */
    assert_int_equal(off->answers, 1);
    assert_int_equal(operation_at(1)->state, OPERATION_ENDED);
    struct asker_record *again = ask_as(FENCE_REBOOT, "101", "r1");
    run_for(20000);
    assert_answered(again, ERROR_NONE);
    assert_int_equal(rooms.made[API_START], 1); /* the one that was interrupted */
    assert_false(guest_of(101)->running);
}

static void test_a_request_id_of_another_guest_action_or_method_is_a_new_request(void **state)
{
    (void)state;
    ask_as(FENCE_REBOOT, "101", "r1");
    run_for(5000);
    struct asker_record *guest = ask_as(FENCE_REBOOT, "102", "r1");
    run_for(5000);
    assert_answered(guest, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 2);
    struct asker_record *action = ask_as(FENCE_OFF, "102", "r1");
    run_for(5000);
    assert_answered(action, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 3);
    struct asker_record *method = submit(&(struct engine_request){
        .action = FENCE_REBOOT, .method = FENCE_CYCLE, .plug = "101", .request_id = "r1"});
    run_for(5000);
    assert_answered(method, ERROR_NONE);
    assert_int_equal(guest_of(101)->resets, 1);
}

static void test_a_request_id_of_another_uid_is_a_new_request(void **state) /* P1 */
{
    (void)state;
    struct asker_record *member = submit(&(struct engine_request){
        .action = FENCE_OFF, .plug = "101", .request_id = "r1", .peer = {.uid = 3001}});
    run_for(5000);
    assert_answered(member, ERROR_NONE);
    guest_of(101)->running = true;
    struct asker_record *root = ask_as(FENCE_OFF, "101", "r1");
    run_for(5000);
    assert_answered(root, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 2);
    assert_false(guest_of(101)->running);
}

static void test_a_request_id_used_again_much_later_is_a_new_request(void **state)
{
    (void)state;
    ask_as(FENCE_OFF, "101", "r1");
    run_for(5000);
    guest_of(101)->running = true;
    run_for(DEADLINE_MS + ENGINE_REPEAT_ROOM_MS);
    struct asker_record *again = ask_as(FENCE_OFF, "101", "r1");
    run_for(5000);
    assert_answered(again, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 2);
    assert_false(guest_of(101)->running);
}

static void test_a_failure_is_answered_from_history_as_well(void **state)
{
    (void)state;
    struct asker_record *first = ask_as(FENCE_OFF, "105", "r1");
    run_for(100);
    assert_answered(first, ERROR_HA_ERROR);
    struct asker_record *again = ask_as(FENCE_OFF, "105", "r1");
    run_for(100);
    assert_answered(again, ERROR_HA_ERROR);
    assert_int_equal(rooms.history.operation_count, 1);
}

/* ---- plugs and the first inventory ---- */

static void forget_guests(void)
{
    inventory_unref(rooms.inventory);
    rooms.inventory = NULL;
}

static void test_requests_wait_for_the_first_inventory(void **state)
{
    (void)state;
    forget_guests();
    struct asker_record *off = ask(FENCE_OFF, "101"), *same = ask(FENCE_OFF, "web1");
    struct asker_record *unknown = ask(FENCE_OFF, "nobody");
    run_for(5000);
    engine_round_ended(stage.engine); /* it failed */
    run_for(5000);
    assert_int_equal(off->answers + same->answers + unknown->answers, 0);
    learn_guests();
    engine_round_ended(stage.engine);
    run_for(3000);
    assert_answered(off, ERROR_NONE);
    assert_answered(same, ERROR_NONE);
    assert_answered(unknown, ERROR_UNKNOWN_PLUG);
    assert_int_equal(rooms.history.operation_count, 1);
    assert_int_equal(operation_at(0)->ended_ms - operation_at(0)->requested_ms,
                     off->at_ms - (clock_now_ms() - 13000));
}

static void test_without_an_inventory_the_deadline_says_why(void **state)
{
    (void)state;
    forget_guests();
    error_set(&rooms.poll_error, ERROR_NO_ENDPOINT, "nobody answers");
    struct asker_record *asker = ask(FENCE_OFF, "101");
    run_for(DEADLINE_MS + 1000);
    assert_answered(asker, ERROR_NO_ENDPOINT);
    assert_true(asker->at_ms <= clock_now_ms() - 1000 + 250);
    assert_non_null(strstr(asker->error.message, "nobody answers"));
}

static void test_no_stop_for_a_guest_started_while_its_request_waited_for_the_inventory(void **state)
{
    (void)state;
    forget_guests();
    struct asker_record *asker = ask(FENCE_OFF, "101"), *same = ask(FENCE_OFF, "101");
    run_for(50000);
    guest_of(101)->started_ms = clock_now_ms(); /* the next fencing level did the work */
    run_for(50000);
    learn_guests();
    engine_round_ended(stage.engine);
    run_for(5000);
    assert_answered(asker, ERROR_ABANDONED);
    assert_answered(same, ERROR_ABANDONED);
    assert_int_equal(rooms.made[API_STOP], 0);
}

static void test_an_ambiguous_name_is_refused(void **state)
{
    (void)state;
    struct asker_record *asker = ask(FENCE_OFF, "twin");
    run_for(1);
    assert_answered(asker, ERROR_AMBIGUOUS_NAME);
    assert_string_equal(asker->operation, "");
    assert_int_equal(engine_counters(stage.engine)->answered[FENCE_OFF][ENGINE_RESULT_FAILED], 1);
    assert_int_equal(engine_request_stats(stage.engine)->no_target.answered[FENCE_OFF][REQUEST_STATS_FAILED],
                     1);
}

static void test_a_dry_run_says_what_would_be_and_does_nothing(void **state)
{
    (void)state;
    struct error error = {0};
    char message[200] = "";
    struct engine_request request = {.action = FENCE_OFF, .plug = "101"};
    assert_true(engine_dry_run(stage.engine, &request, message, sizeof(message), &error));
    assert_non_null(strstr(message, "off of guest 101 (web1) on pve1"));
    static const struct {
        const char *plug;
        enum error_code code;
    } bad[] = {{"nobody", ERROR_UNKNOWN_PLUG},
               {"twin", ERROR_AMBIGUOUS_NAME},
               {"105", ERROR_HA_ERROR},
               {"106", ERROR_TEMPLATE},
               {"107", ERROR_NO_POWER_RIGHT}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.plug = bad[i].plug;
        assert_false(engine_dry_run(stage.engine, &request, message, sizeof(message), &error));
        assert_string_equal(error_code_name(error.code), error_code_name(bad[i].code));
    }
    request.plug = "101";
    rooms.session_ready = false;
    assert_false(engine_dry_run(stage.engine, &request, message, sizeof(message), &error));
    assert_int_equal(error.code, ERROR_NO_SESSION);
    forget_guests();
    assert_false(engine_dry_run(stage.engine, &request, message, sizeof(message), &error));
    assert_int_equal(error.code, ERROR_NO_INVENTORY);
    run_for(1000);
    assert_int_equal(rooms.last_call + rooms.history.operation_count, 0);
}

/* ---- an identity that is not accepted (P8) ---- */

static void test_a_refused_identity_powers_nothing(void **state)
{
    (void)state;
    char message[200] = "";
    struct error error = {0};
    struct engine_request request = {.action = FENCE_OFF, .plug = "101"};
    error_set(&rooms.refusal, ERROR_EXCESS_PRIVILEGES, "fence@pve: more than fencing needs on /");
    error_hint(&rooms.refusal, "pveum acl delete /");
    struct asker_record *off = ask_as(FENCE_OFF, "101", NULL), *on = ask_as(FENCE_ON, "102", NULL);
    struct asker_record *reboot = ask_as(FENCE_REBOOT, "101", "r1");
    run_for(1000);
    assert_answered(off, ERROR_EXCESS_PRIVILEGES);
    assert_answered(on, ERROR_EXCESS_PRIVILEGES);
    assert_answered(reboot, ERROR_EXCESS_PRIVILEGES);
    assert_int_equal(rooms.last_call + rooms.history.operation_count, 0);
    assert_false(engine_dry_run(stage.engine, &request, message, sizeof(message), &error));
    assert_int_equal(error.code, ERROR_EXCESS_PRIVILEGES);
    assert_string_equal(error.hint, "pveum acl delete /");
    rooms.refusal = (struct error){0}; /* mended */
    struct asker_record *again = ask_as(FENCE_OFF, "101", NULL);
    run_for(3000);
    assert_answered(again, ERROR_NONE);
}

static void test_what_runs_is_not_broken_off_by_a_refusal_and_what_is_proven_stays(void **state)
{
    (void)state;
    struct asker_record *off = ask_as(FENCE_OFF, "101", "r1");
    run_for(50);
    error_set(&rooms.refusal, ERROR_EXCESS_PRIVILEGES, "fence@pve: more than fencing needs on /");
    run_for(3000);
    assert_answered(off, ERROR_NONE);
    struct asker_record *repeated = ask_as(FENCE_OFF, "101", "r1"), *other = ask_as(FENCE_OFF, "102", NULL);
    run_for(1000);
    assert_answered(repeated, ERROR_NONE);
    assert_answered(other, ERROR_EXCESS_PRIVILEGES);
}

/* ---- live reads ---- */

static void test_a_live_read_says_on_or_off_and_never_guesses(void **state)
{
    (void)state;
    struct asker_record *on = read_power("101"), *unknown = read_power("nobody"), *left = read_power("101");
    engine_leave(stage.engine, left->id);
    run_for(100);
    assert_answered(on, ERROR_NONE);
    assert_int_equal(on->power, ENGINE_POWER_ON);
    assert_answered(unknown, ERROR_UNKNOWN_PLUG);
    assert_int_equal(left->answers, 0);
    guest_of(101)->running = false;
    struct asker_record *off = read_power("101");
    run_for(100);
    assert_answered(off, ERROR_NONE);
    assert_int_equal(off->power, ENGINE_POWER_OFF);
    guest_of(101)->undead = true;
    struct asker_record *undead = read_power("101");
    run_for(100);
    assert_answered(undead, ERROR_UNPROVEN);
    guest_of(101)->undead = false;
    strcpy(guest_of(101)->lock, "suspended");
    struct asker_record *suspended = read_power("101");
    run_for(100);
    assert_answered(suspended, ERROR_SUSPENDED);
    strcpy(guest_of(101)->lock, "rollback");
    struct asker_record *locked = read_power("101");
    run_for(100);
    assert_answered(locked, ERROR_LOCKED);
}

static void test_a_live_read_follows_a_guest_that_moved(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *asker = read_power("101");
    run_for(1);
    stage.held = 0;
    refuse_held(API_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist");
    run_for(100);
    assert_answered(asker, ERROR_NONE);
    assert_int_equal(rooms.made[API_GUESTS], 1);
}

static void test_a_live_read_asks_again_after_an_answer_of_no_use(void **state) /* P3 */
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *asker = read_power("101");
    run_for(1);
    refuse_held(API_STATUS, 500, "unexpected");
    run_for(100);
    assert_int_equal(asker->answers, 0);
    run_for(200);
    stage.held = 0;
    refuse_held(API_STATUS, 503, "not now");
    run_for(300);
    assert_answered(asker, ERROR_NONE);
    assert_int_equal(asker->power, ENGINE_POWER_ON);
}

static void test_a_live_read_that_is_refused_for_good_fails_at_once(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *asker = read_power("101");
    run_for(1);
    refuse_held(API_STATUS, 403, "Permission check failed (/vms/101, VM.Audit)");
    run_for(1);
    assert_int_equal(asker->answers, 1);
    assert_true(asker->code != ERROR_NONE);
    assert_int_equal(rooms.privileges_reread, 1);
}

static void test_a_live_read_that_trusts_no_certificate_fails_at_once(void **state)
{
    static const enum error_code codes[] = {ERROR_CERTIFICATE, ERROR_CLOCK_WRONG};
    (void)state;
    hold(HELD(API_STATUS));
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct asker_record *asker = read_power("101");
        run_for(1);
        fail_held(API_STATUS, codes[i]);
        run_for(1);
        assert_answered(asker, codes[i]);
    }
}

static void test_a_fences_read_that_is_refused_has_the_privileges_read_again(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    ask_as(FENCE_OFF, "101", NULL);
    run_until_made(API_STATUS, 1);
    refuse_held(API_STATUS, 403, "Permission check failed (/vms/101, VM.Audit)");
    run_for(1);
    assert_int_equal(rooms.privileges_reread, 1);
}

static void test_the_hosts_are_asked_where_no_call_of_the_fence_stands(void **state)
{
    (void)state;
    rooms.endpoint = UINT64_C(1) << 3;
    hold(HELD(API_STATUS) | HELD(API_NODES));
    ask_as(FENCE_OFF, "101", NULL);
    run_until_made(API_NODES, 1);
    const struct flight *hosts = rooms.flights->prev; /* the last one */
    assert_int_equal(hosts->call, API_NODES);
    assert_true(hosts->route.avoid & rooms.endpoint);
    assert_int_equal(stage.last_stop.route.avoid, 0);
}

static void test_a_live_read_fails_at_its_deadline_with_the_last_words(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *asker = read_power("101");
    for (int i = 0; i < 59; i++) {
        run_for(250);
        refuse_held(API_STATUS, 500, "unexpected");
    }
    assert_int_equal(asker->answers, 0);
    run_for(1000);
    assert_int_equal(asker->answers, 1);
    assert_true(asker->code != ERROR_NONE);
}

static void test_a_live_read_waits_for_the_inventory_within_its_deadline(void **state)
{
    (void)state;
    forget_guests();
    struct asker_record *early = read_power("101");
    run_for(14000);
    learn_guests();
    engine_round_ended(stage.engine);
    run_for(100);
    assert_answered(early, ERROR_NONE);
    forget_guests();
    struct asker_record *never = read_power("101");
    run_for(15100);
    assert_answered(never, ERROR_DEADLINE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_id_joins_its_running_operation),
        TEST(test_what_is_done_is_answered_from_history),
        TEST(test_history_answers_before_the_first_inventory),
        TEST(test_what_was_interrupted_unproven_is_done_anew),
        TEST(test_a_reboot_interrupted_after_its_proof_is_answered_and_started),
        TEST(test_a_power_on_is_not_resumed_after_a_newer_request),
        TEST(test_a_request_id_of_another_guest_action_or_method_is_a_new_request),
        TEST(test_a_request_id_of_another_uid_is_a_new_request),
        TEST(test_a_request_id_used_again_much_later_is_a_new_request),
        TEST(test_a_failure_is_answered_from_history_as_well),
        TEST(test_requests_wait_for_the_first_inventory),
        TEST(test_without_an_inventory_the_deadline_says_why),
        TEST(test_no_stop_for_a_guest_started_while_its_request_waited_for_the_inventory),
        TEST(test_an_ambiguous_name_is_refused),
        TEST(test_a_refused_identity_powers_nothing),
        TEST(test_what_runs_is_not_broken_off_by_a_refusal_and_what_is_proven_stays),
        TEST(test_a_dry_run_says_what_would_be_and_does_nothing),
        TEST(test_a_live_read_says_on_or_off_and_never_guesses),
        TEST(test_a_live_read_follows_a_guest_that_moved),
        TEST(test_a_live_read_asks_again_after_an_answer_of_no_use),
        TEST(test_a_live_read_that_is_refused_for_good_fails_at_once),
        TEST(test_a_live_read_that_trusts_no_certificate_fails_at_once),
        TEST(test_a_fences_read_that_is_refused_has_the_privileges_read_again),
        TEST(test_the_hosts_are_asked_where_no_call_of_the_fence_stands),
        TEST(test_a_live_read_fails_at_its_deadline_with_the_last_words),
        TEST(test_a_live_read_waits_for_the_inventory_within_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
