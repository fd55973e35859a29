/* A thousand machines: their moments are spread evenly, each stays its own, and one says nothing of another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "system/jitter.h"

#include <stdbool.h>
#include <stdio.h>

#define MACHINES  1000
#define PERIOD_MS 14000
#define PARTS     14 /* of a second each */

static void begin(unsigned machine)
{
    char id[33], name[16];
    const char *const texts[] = {id, name};

    snprintf(id, sizeof(id), "%032x", machine);
    snprintf(name, sizeof(name), "node%u", machine % 16);
    jitter_begin(texts, 2);
}

static void test_without_a_beginning_there_is_none(void **state) /* the first test of this program */
{
    (void)state;
    assert_int_equal(jitter_ms(JITTER_POLLS, PERIOD_MS), 0);
}

static void test_a_thousand_machines_are_spread_evenly(void **state)
{
    unsigned counts[PARTS] = {0}, odd = 0;

    (void)state;
    for (unsigned machine = 0; machine < MACHINES; machine++) {
        begin(machine);
        int64_t part = jitter_ms(JITTER_POLLS, PERIOD_MS);
        assert_in_range(part, 0, PERIOD_MS - 1);
        counts[part * PARTS / PERIOD_MS]++;
        odd += jitter_ms(JITTER_TURNS, 2) == 1;
    }
    for (unsigned i = 0; i < PARTS; i++) /* 71 in the mean, with a deviation of 8 */
        assert_in_range(counts[i], 40, 105);
    assert_in_range(odd, 430, 570);
}

static void test_a_machine_has_the_same_parts_after_a_restart_and_others_for_other_purposes(void **state)
{
    unsigned same = 0;

    (void)state;
    for (unsigned machine = 0; machine < MACHINES; machine++) {
        begin(machine);
        int64_t polls = jitter_ms(JITTER_POLLS, PERIOD_MS), whole = jitter_ms(JITTER_WHOLE, PERIOD_MS);
        same += polls * PARTS / PERIOD_MS == whole * PARTS / PERIOD_MS;
        begin(machine);
        assert_int_equal(jitter_ms(JITTER_POLLS, PERIOD_MS), polls);
        assert_int_equal(jitter_ms(JITTER_WHOLE, PERIOD_MS), whole);
    }
    assert_in_range(same, 40, 105);
    assert_int_equal(jitter_ms(JITTER_POLLS, 0), 0);
    assert_int_equal(jitter_ms(JITTER_POLLS, 1), 0);
}

static void test_where_one_text_ends_and_the_next_begins_counts(void **state)
{
    (void)state;
    jitter_begin((const char *const[]){"ab", "c"}, 2);
    int64_t one = jitter_ms(JITTER_POLLS, INT64_MAX);
    jitter_begin((const char *const[]){"a", "bc"}, 2);
    assert_true(jitter_ms(JITTER_POLLS, INT64_MAX) != one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_beginning_there_is_none),
        cmocka_unit_test(test_a_thousand_machines_are_spread_evenly),
        cmocka_unit_test(test_a_machine_has_the_same_parts_after_a_restart_and_others_for_other_purposes),
        cmocka_unit_test(test_where_one_text_ends_and_the_next_begins_counts),
    };

    return cmocka_run_group_tests_name("jitter", tests, NULL, NULL);
}
