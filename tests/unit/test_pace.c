/* How often Proxmox is polled: sooner for a while, and more seldom while it suffers. Time is a number here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/pace.h"

#define INTERVAL_MS 14000
#define LISTS       0
#define OTHERS      1

static struct pace pace;

static int begin(void **state)
{
    (void)state;
    pace_init(&pace, INTERVAL_MS);
    return 0;
}

/* Rounds with one answer each. */
static void rounds(unsigned count, int64_t took_ms)
{
    for (unsigned i = 0; i < count; i++) {
        pace_answered(&pace, LISTS, took_ms);
        pace_round_ended(&pace);
    }
}

static void failing_rounds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pace_failed(&pace, LISTS);
        pace_round_ended(&pace);
    }
}

static void test_at_rest_the_interval_counts(void **state)
{
    (void)state;
    rounds(100, 3);
    assert_int_equal(pace_ms(&pace, 1000), INTERVAL_MS);
    assert_int_equal(pace_left_ms(&pace, 1000, 4000), INTERVAL_MS - 3000);
    assert_int_equal(pace_left_ms(&pace, 1000, 60000), INTERVAL_MS / 4); /* it took long, and rests */
}

static void test_what_happens_and_who_watches_make_it_sooner_for_a_while(void **state)
{
    (void)state;
    pace_hurry(&pace, 1000);
    assert_int_equal(pace_ms(&pace, 1000), PACE_HURRY_MS);
    assert_int_equal(pace_ms(&pace, 1000 + PACE_HURRY_FOR_MS), INTERVAL_MS);
    pace_looked_at(&pace, 100000);
    assert_false(pace_hurries(&pace, 100000));
    pace_looked_at(&pace, 100000 + PACE_WATCH_GAP_MS - 1);
    assert_true(pace_hurries(&pace, 100000 + PACE_WATCH_GAP_MS));
    assert_false(pace_hurries(&pace, 100000 + PACE_WATCH_GAP_MS + PACE_WATCH_FOR_MS));
    pace_init(&pace, PACE_HURRY_MS / 2);
    pace_hurry(&pace, 1000);
    assert_int_equal(pace_ms(&pace, 1000), PACE_HURRY_MS / 2);
}

static void test_trouble_that_lasts_is_no_reason_to_ask_more_than_ever(void **state)
{
    (void)state;
    pace_trouble(&pace, 1000);
    assert_true(pace_hurries(&pace, 2000));
    pace_trouble(&pace, PACE_HURRY_FOR_MS);
    assert_false(pace_hurries(&pace, 1000 + PACE_HURRY_FOR_MS));
    pace_trouble(&pace, 1000 + PACE_ALARM_MS);
    assert_true(pace_hurries(&pace, 1000 + PACE_ALARM_MS));
}

static void test_two_rounds_in_a_row_that_fail_make_it_more_seldom_up_to_a_limit(void **state)
{
    (void)state;
    failing_rounds(1);
    assert_int_equal(pace_ms(&pace, 0), INTERVAL_MS);
    failing_rounds(1);
    assert_int_equal(pace_ms(&pace, 0), 2 * INTERVAL_MS);
    failing_rounds(10);
    assert_int_equal(pace_ms(&pace, 0), PACE_BACKOFF_MAX * INTERVAL_MS);
    pace_hurry(&pace, 0); /* whoever looks is shown what is new, and Proxmox is spared all the same */
    assert_int_equal(pace_ms(&pace, 0), PACE_BACKOFF_MAX * PACE_HURRY_MS);
    for (unsigned backoff = PACE_BACKOFF_MAX; backoff > 1; backoff /= 2) {
        assert_int_equal(pace.backoff, backoff);
        rounds(1, 3);
    }
    assert_int_equal(pace.backoff, 1);
}

static void test_one_that_fails_now_and_then_is_none(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        failing_rounds(1);
        rounds(1, 3);
        assert_int_equal(pace.backoff, 1);
    }
}

static void test_answers_that_grow_slow_against_what_is_usual_make_it_more_seldom(void **state)
{
    (void)state;
    rounds(50, 100);
    rounds(4, PACE_SLOW_MS - 1);
    assert_int_equal(pace.backoff, 1);
    rounds(2, PACE_SLOW_MS);
    assert_int_equal(pace.backoff, 2);
    rounds(1, 100);
    assert_int_equal(pace.backoff, 1);
}

static void test_questions_that_take_turns_are_judged_each_by_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rounds(1, PACE_SLOW_MS);
        assert_int_equal(pace.backoff, 1 + i);
        pace_answered(&pace, OTHERS, 3);
        pace_round_ended(&pace);
        assert_int_equal(pace.backoff, 1 + i); /* the other one says nothing of it */
    }
    rounds(1, 3);
    assert_int_equal(pace.backoff, 1);
}

static void test_what_has_always_taken_long_is_not_slow(void **state)
{
    (void)state;
    rounds(60, 4 * PACE_SLOW_MS / 5);
    rounds(10, 2 * PACE_SLOW_MS);
    assert_int_equal(pace.backoff, 1);
    pace_answered(&pace, OTHERS, 3); /* each question has its own */
    for (unsigned i = 0; i < 2; i++) {
        pace_answered(&pace, OTHERS, PACE_SLOW_MS);
        pace_round_ended(&pace);
    }
    assert_int_equal(pace.backoff, 2);
}

static void test_a_broker_that_starts_while_all_is_slow_spares_proxmox_too(void **state)
{
    (void)state;
    rounds(2, PACE_SLOW_MS);
    assert_int_equal(pace.backoff, 2);
}

static void test_a_proxmox_that_is_slower_for_good_is_not_spared_for_ever(void **state)
{
    unsigned count = 0;
    (void)state;
    rounds(50, 20);
    while (count < 1000 && (pace.backoff > 1 || count < 2)) {
        rounds(1, PACE_SLOW_MS);
        count++;
    }
    assert_in_range(count, 20, 200);
}

static void test_how_a_question_was_answered_long_ago_says_nothing_of_now(void **state)
{
    struct pace own;
    (void)state;
    pace_init(&own, 14000);
    for (int i = 0; i < 2; i++) {
        pace_failed(&own, 0);
        pace_round_ended(&own);
    }
    assert_int_equal(own.backoff, 2);
    for (int i = 0; i <= PACE_FORGET_ROUNDS; i++) {
        pace_answered(&own, 1, 3);
        pace_round_ended(&own);
    }
    assert_int_equal(own.backoff, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_a_question_was_answered_long_ago_says_nothing_of_now),
        cmocka_unit_test_setup(test_at_rest_the_interval_counts, begin),
        cmocka_unit_test_setup(test_what_happens_and_who_watches_make_it_sooner_for_a_while, begin),
        cmocka_unit_test_setup(test_trouble_that_lasts_is_no_reason_to_ask_more_than_ever, begin),
        cmocka_unit_test_setup(test_two_rounds_in_a_row_that_fail_make_it_more_seldom_up_to_a_limit, begin),
        cmocka_unit_test_setup(test_one_that_fails_now_and_then_is_none, begin),
        cmocka_unit_test_setup(test_answers_that_grow_slow_against_what_is_usual_make_it_more_seldom, begin),
        cmocka_unit_test_setup(test_questions_that_take_turns_are_judged_each_by_its_own, begin),
        cmocka_unit_test_setup(test_what_has_always_taken_long_is_not_slow, begin),
        cmocka_unit_test_setup(test_a_broker_that_starts_while_all_is_slow_spares_proxmox_too, begin),
        cmocka_unit_test_setup(test_a_proxmox_that_is_slower_for_good_is_not_spared_for_ever, begin),
    };

    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
