/* system/clock: what the clocks promise, and how times are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/clock.h"

#include <string.h>
#include <time.h>

static void test_monotonic_never_goes_back_and_boottime_is_not_behind_it(void **state)
{
    (void)state;
    int64_t before = clock_now_ms();
    for (int i = 0; i < 100000; i++) {
        int64_t now = clock_now_ms();
        assert_true(now >= before);
        before = now;
    }
    assert_true(clock_boottime_ms() >= before);
}

static void test_realtime_is_the_wall_clock(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = clock_realtime_ms();
    /* time() may lag by a tick */
    assert_true(now >= before && now < before + 5000);
}

static void test_rfc3339_is_utc_with_milliseconds(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1795348800123), "2026-11-22T12:00:00.123Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buffer[CLOCK_RFC3339_LEN];
        assert_string_equal(clock_rfc3339(cases[i].ms, buffer), cases[i].text);
    }
}

static void test_ages_have_one_unit_and_never_overflow_their_buffer(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0 ms"},          {340, "340 ms"},   {999, "999 ms"},     {1000, "1 s"},
        {12345, "12 s"},      {119999, "119 s"}, {120000, "2 min"},   {180000, "3 min"},
        {7199999, "119 min"}, {18000000, "5 h"}, {172799999, "47 h"}, {172800000, "2 d"},
        {1209600000, "14 d"}, {-5, "0 ms"},
    };
    (void)state;
    char buffer[CLOCK_AGE_LEN];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(clock_age(cases[i].ms, buffer), cases[i].text);
    assert_true(strlen(clock_age(INT64_MAX, buffer)) < CLOCK_AGE_LEN);
    assert_string_equal(buffer + strlen(buffer) - 2, " d");
}

static void test_times_and_ages_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2026-11-22T12:00:00Z", INT64_C(1795348800000)},
        {"2026-11-22T12:00:00.5z", INT64_C(1795348800500)},
        {"2026-11-22T12:00:00.1239Z", INT64_C(1795348800123)},
        {"2026-11-22 13:30:00+01:30", INT64_C(1795348800000)},
        {"2026-11-22T07:00:00-05:00", INT64_C(1795348800000)},
        {"2026-11-22", INT64_C(1795305600000)},
        {"90s", INT64_C(1795348710000)},
        {"10min", INT64_C(1795348200000)},
        {"2h", INT64_C(1795341600000)},
        {"1d", INT64_C(1795262400000)},
        {"99999999999999999999d", 0},
        {"1960-01-01", 0},
    };
    static const char *const wrong[] = {"",
                                        "h",
                                        "2",
                                        "2 h",
                                        "2m",
                                        "-2h",
                                        "now",
                                        "2026-11-22T12:00:00",
                                        "2026-11-22T12",
                                        "2026-11-22T12:00:00+1",
                                        "2026-11-22x",
                                        "26-11-22",
                                        "2026-13-01"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(clock_parse(cases[i].text, INT64_C(1795348800000)), cases[i].ms);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (clock_parse(wrong[i], INT64_C(1795348800000)) != -1)
            fail_msg("taken for a time: %s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic_never_goes_back_and_boottime_is_not_behind_it),
        cmocka_unit_test(test_realtime_is_the_wall_clock),
        cmocka_unit_test(test_rfc3339_is_utc_with_milliseconds),
        cmocka_unit_test(test_ages_have_one_unit_and_never_overflow_their_buffer),
        cmocka_unit_test(test_times_and_ages_are_read),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
