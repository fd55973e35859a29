/* That a failing case of a property test is made small, and stays one that fails for the same reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "property.h"

/* A property that only some combinations break. */
static struct {
    uint64_t needs_faults, needs_troubles, needs_requests;
    unsigned needs_whims;
    uint64_t other_faults; /* with all of these another promise is broken first */
    unsigned forgotten;
} toy;

static unsigned at_most(unsigned value, unsigned limit)
{
    return value < limit ? value : limit;
}

static void play_toy(struct property_case *one, uint64_t *events)
{
    one->parts[PROPERTY_FAULTS] = 0xff & ~one->without[PROPERTY_FAULTS];
    one->parts[PROPERTY_TROUBLES] = 0xf & ~one->without[PROPERTY_TROUBLES];
    one->parts[PROPERTY_REQUESTS] = UINT64_MAX & ~one->without[PROPERTY_REQUESTS];
    one->used[PROPERTY_WHIMS] = at_most(100, one->at_most[PROPERTY_WHIMS]);
    one->used[PROPERTY_GUESTS] = at_most(5, one->at_most[PROPERTY_GUESTS]);
    *events += 40;
    if (toy.other_faults && (one->parts[PROPERTY_FAULTS] & toy.other_faults) == 0)
        property_break("another promise", "only without %" PRIx64, toy.other_faults);
    if ((one->parts[PROPERTY_FAULTS] & toy.needs_faults) == toy.needs_faults &&
        (one->parts[PROPERTY_TROUBLES] & toy.needs_troubles) == toy.needs_troubles &&
        (one->parts[PROPERTY_REQUESTS] & toy.needs_requests) == toy.needs_requests &&
        one->used[PROPERTY_WHIMS] >= toy.needs_whims)
        property_break("the promise", "with %" PRIx64, one->parts[PROPERTY_FAULTS]);
}

static void forget_toy(void)
{
    toy.forgotten++;
}

static struct property_case minimise_toy(void)
{
    uint64_t events = 0;
    struct property_case one = property_case_of(1);
    const char *promise = property_try(&one, play_toy, forget_toy, &events);
    assert_non_null(promise);
    return property_minimise(&one, promise, play_toy, forget_toy);
}

static int set_up(void **state)
{
    (void)state;
    memset(&toy, 0, sizeof(toy));
    return 0;
}

static void test_only_what_the_failure_needs_is_left(void **state)
{
    (void)state;
    toy.needs_faults = 0x24;
    toy.needs_troubles = 0x8;
    toy.needs_requests = UINT64_C(1) << 63 | 1;
    toy.needs_whims = 33;
    struct property_case small = minimise_toy();
    assert_int_equal(small.parts[PROPERTY_FAULTS], 0x24);
    assert_int_equal(small.parts[PROPERTY_TROUBLES], 0x8);
    assert_true(small.parts[PROPERTY_REQUESTS] == toy.needs_requests);
    assert_int_equal(small.used[PROPERTY_WHIMS], 33);
    assert_int_equal(small.used[PROPERTY_GUESTS], 0);
}

static void test_another_broken_promise_is_not_the_smaller_case(void **state)
{
    (void)state;
    toy.other_faults = 0x3;
    struct property_case small = minimise_toy();
    /* one of the two must stay, or it would be another failure */
    assert_int_equal(small.parts[PROPERTY_FAULTS] & ~UINT64_C(3), 0);
    assert_true(small.parts[PROPERTY_FAULTS] == 0x1 || small.parts[PROPERTY_FAULTS] == 0x2);
}

static void test_a_case_left_in_the_middle_is_forgotten_each_time(void **state)
{
    (void)state;
    uint64_t events = 0;
    struct property_case one = property_case_of(1);
    assert_string_equal(property_try(&one, play_toy, forget_toy, &events), "the promise");
    assert_int_equal(toy.forgotten, 1);
    toy.needs_whims = 101;
    assert_null(property_try(&one, play_toy, forget_toy, &events));
    assert_int_equal(toy.forgotten, 1);
    assert_int_equal(events, 80);
}

static void test_a_repeated_case_is_the_one_that_was_told(void **state)
{
    (void)state;
    setenv("WITHOUT_FAULTS", "0xdb", 1);
    setenv("GUESTS", "7", 1);
    struct property_case one = property_case_of(5);
    unsetenv("WITHOUT_FAULTS");
    unsetenv("GUESTS");
    assert_int_equal(one.seed, 5);
    assert_int_equal(one.without[PROPERTY_FAULTS], 0xdb);
    assert_int_equal(one.at_most[PROPERTY_GUESTS], 7);
    assert_int_equal(one.at_most[PROPERTY_WHIMS], PROPERTY_UNLIMITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_what_the_failure_needs_is_left, set_up),
        cmocka_unit_test_setup(test_another_broken_promise_is_not_the_smaller_case, set_up),
        cmocka_unit_test_setup(test_a_case_left_in_the_middle_is_forgotten_each_time, set_up),
        cmocka_unit_test_setup(test_a_repeated_case_is_the_one_that_was_told, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
