/* What becomes of the answer to a rehearsal: evidence, a second attempt, or the end of all of them. */
#include "rehearsal_rooms.h"

static enum probe_result refuse_all(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    *status = 403;
    return PROBE_REFUSED;
}

static void test_what_proxmox_says_becomes_evidence(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = refuse_all;
    pass(SECOND);
    const struct evidence_entry *entry = evidence_for(1000);
    assert_int_equal(entry->error->code, ERROR_NO_POWER_RIGHT);
    assert_int_equal(entry->took_ms, LATENCY_MS);
    assert_string_equal(entry->endpoint, "pve1");
    assert_int_equal(rooms.reread, 1); /* our privileges are others than we know */
    rooms.answer = accept_all;
    pass(MINUTE);
    assert_null(evidence_for(1000)->error);
    assert_int_equal(rehearsals_count(here.rehearsals, 1000, PROBE_REFUSED), 1);
    assert_int_equal(rehearsals_count(here.rehearsals, 1000, PROBE_ACCEPTED), 1);
    stop();
}

static void test_what_was_accepted_before_and_is_not_now_is_looked_at_closely(void **state)
{
    (void)state;
    start(3, MINUTE);
    pass(2 * MINUTE);
    assert_int_equal(rooms.troubles, 0);
    rooms.answer = refuse_all;
    pass(25 * SECOND);
    assert_int_equal(rooms.troubles, 1); /* a guest has its turn each 20 s */
    assert_in_range(rehearsals_count(here.rehearsals, 1000, PROBE_REFUSED) +
                        rehearsals_count(here.rehearsals, 1001, PROBE_REFUSED) +
                        rehearsals_count(here.rehearsals, 1002, PROBE_REFUSED),
                    3, 6); /* and more of them, at doubled pauses */
    rooms.poll_error.code = ERROR_NO_ENDPOINT;
    rehearsals_round_ended(here.rehearsals);
    rooms.answer = accept_all;
    rooms.poll_error.code = ERROR_NONE;
    rehearsals_round_ended(here.rehearsals); /* what has ended may have been the cause */
    pass(SECOND);
    for (int vmid = 1000; vmid <= 1002; vmid++)
        assert_true(!evidence_for(vmid)->error);
    stop();
}

static void test_after_a_round_that_was_answered_late_turns_wait_a_bit(void **state)
{
    (void)state;
    start(0, MINUTE);
    rooms.ease_ms = 10 * SECOND;
    show_guests(1, NULL);
    pass(9 * SECOND);
    assert_int_equal(rooms.sent, 0);
    pass(2 * SECOND);
    assert_int_equal(rooms.sent, 1);
    stop();
}

static void test_another_identity_is_rehearsed_anew_and_soon(void **state)
{
    (void)state;
    start(1, MINUTE);
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    rehearsals_forget(here.rehearsals);
    assert_null(evidence_for(1000));
    rehearsals_round_ended(here.rehearsals);
    pass(SECOND);
    assert_int_equal(rooms.sent, 2); /* not a minute later */
    assert_non_null(evidence_for(1000));
    stop();
}

static enum probe_result second_endpoint_only(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    *status = avoid ? 400 : 595;
    return avoid ? PROBE_ACCEPTED : PROBE_UNANSWERED;
}

static void test_another_endpoint_is_asked_once_if_there_is_one(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = second_endpoint_only;
    pass(SECOND);
    assert_int_equal(rooms.sent, REHEARSAL_ATTEMPTS);
    assert_true(rooms.last_avoid == 1);
    assert_null(evidence_for(1000)->error);
    stop();
    start(1, MINUTE);
    rooms.answer = second_endpoint_only;
    rooms.endpoints = 1;
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    assert_non_null(evidence_for(1000)->error);
    stop();
}

static enum probe_result busy_meanwhile(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)host;
    (void)avoid;
    seen(vmid)->busy = 1; /* an operation came while the first attempt was under way */
    *status = 596;
    return PROBE_UNANSWERED;
}

static void test_no_second_attempt_when_an_operation_has_begun(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = busy_meanwhile;
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    assert_null(evidence_for(1000));
    stop();
}

static enum probe_result leave_meanwhile(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    show_guests(0, NULL);
    *status = 596;
    return PROBE_UNANSWERED;
}

static void test_no_second_attempt_for_a_guest_that_has_left_the_pool(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = leave_meanwhile;
    ask(1000);
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    assert_int_equal(here.error.code, ERROR_ABANDONED);
    stop();
}

static enum probe_result carry_out(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    *status = 200;
    return PROBE_CARRIED_OUT;
}

static void test_one_that_is_carried_out_ends_all_of_them_for_good(void **state)
{
    (void)state;
    start(5, MINUTE);
    pass(5 * SECOND);
    rooms.answer = carry_out;
    ask(1003);
    ask(1001);
    pass(DAY);
    assert_int_equal(rooms.sent, 6);
    assert_int_equal(here.answers, 2); /* the second one is told why not */
    assert_int_equal(here.error.code, ERROR_PROTOCOL);
    assert_int_equal(rooms.written, 1);
    assert_non_null(evidence_rehearsals_alarm(here.evidence));
    assert_non_null(strstr(evidence_rehearsals_alarm(here.evidence)->message, "guest 1003"));
    assert_non_null(strstr(evidence_rehearsals_alarm(here.evidence)->hint, "rm /state/ended"));
    assert_null(evidence_for(1003)->error);               /* against a fence it does not speak */
    rehearsals_set_config(here.rehearsals, &here.config); /* no reload takes it back */
    assert_int_equal(ask(1000), 0);
    show_guests(5, NULL);
    pass(DAY);
    assert_int_equal(rooms.sent, 6);
    rooms.remembered = false; /* but an administrator does */
    rooms.answer = accept_all;
    rehearsals_set_config(here.rehearsals, &here.config);
    pass(MINUTE);
    assert_true(rooms.sent > 6);
    assert_null(evidence_rehearsals_alarm(here.evidence));
    stop();
}

static void test_what_an_earlier_daemon_met_counts(void **state)
{
    (void)state;
    start(0, MINUTE);
    rooms.remembered = true;
    rehearsals_set_config(here.rehearsals, &here.config);
    show_guests(5, NULL);
    pass(DAY);
    assert_int_equal(rooms.sent, 0);
    assert_non_null(evidence_rehearsals_alarm(here.evidence));
    stop();
}

static void test_a_failure_does_not_outlive_the_rehearsals(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = refuse_all;
    pass(5 * SECOND);
    assert_non_null(evidence_for(1000)->error);
    here.config.rehearse_interval_ms = 0;
    rehearsals_set_config(here.rehearsals, &here.config);
    assert_null(evidence_for(1000));
    /* but one that is asked for counts, until the next one */
    assert_int_not_equal(ask(1000), 0);
    pass(5 * SECOND);
    rehearsals_set_config(here.rehearsals, &here.config);
    assert_non_null(evidence_for(1000)->error);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_proxmox_says_becomes_evidence),
        cmocka_unit_test(test_what_was_accepted_before_and_is_not_now_is_looked_at_closely),
        cmocka_unit_test(test_after_a_round_that_was_answered_late_turns_wait_a_bit),
        cmocka_unit_test(test_another_identity_is_rehearsed_anew_and_soon),
        cmocka_unit_test(test_another_endpoint_is_asked_once_if_there_is_one),
        cmocka_unit_test(test_no_second_attempt_when_an_operation_has_begun),
        cmocka_unit_test(test_no_second_attempt_for_a_guest_that_has_left_the_pool),
        cmocka_unit_test(test_one_that_is_carried_out_ends_all_of_them_for_good),
        cmocka_unit_test(test_what_an_earlier_daemon_met_counts),
        cmocka_unit_test(test_a_failure_does_not_outlive_the_rehearsals),
    };
    return cmocka_run_group_tests_name("rehearsal_answers", tests, NULL, NULL);
}
