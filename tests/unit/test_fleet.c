/*
 * The fleet of the bench (tests/bench/fleet.c) with a few brokers: what they cost, how soon each trouble is
 * told, and that neither a common start nor an outage makes a flood of them. By a simulated clock: the same
 * each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/bench/fleet_brokers.h"
#include "tests/bench/fleet_told.h"

static void run_s(int64_t seconds)
{
    fleet_run_until(loop.now_us + seconds * SECOND_US);
}

/* A broker and minute, since pve_count(). */
static double a_minute(const uint64_t *counts)
{
    double minutes = (double)(loop.now_us - pve.since_us) / 60e6 * fleet.count;
    uint64_t sum = 0;
    for (enum traffic_purpose purpose = 0; purpose < TRAFFIC_PURPOSE_COUNT; purpose++)
        sum += counts[purpose];
    return (double)sum / minutes;
}

static unsigned most_a_second(void)
{
    unsigned most = 0;
    for (size_t i = 0; i < PVE_SECONDS; i++) {
        unsigned all = 0;
        for (unsigned host = 0; host < PVE_HOSTS; host++)
            all += pve.hosts[host].requests[i];
        most = all > most ? all : most;
    }
    return most;
}

static void set_mode(enum pve_mode mode)
{
    for (unsigned i = 0; i < PVE_HOSTS; i++)
        pve.hosts[i].mode = mode;
}

static void begin(unsigned count)
{
    fleet_loop.seed = 1;
    fleet_start(count, 3);
    assert_true(fleet_await_ready(10));
}

static void rest(void)
{
    run_s(300);
    pve_count();
    run_s(1200);
}

static void test_at_rest_brokers_keep_within_their_budget(void **state) /* P10 */
{
    (void)state;
    begin(3);
    rest();
    assert_true(a_minute(pve.requests) <= 12);
    assert_true(a_minute(pve.handshakes) <= 6);
    assert_int_equal(fleet_ready_now(), 3);
    fleet_stop();
}

/* As at rest with all that they ask when they are ready again. */
static void test_an_outage_is_no_reason_to_ask_more_than_ever(void **state)
{
    static const struct {
        enum pve_mode mode;
        double most; /* requests a minute; where nobody listens they cost the hosts nothing */
    } outages[] = {{PVE_REFUSES, 45}, {PVE_SILENT, 25}, {PVE_FAILS, 30}};
    (void)state;
    begin(3);
    for (size_t i = 0; i < ARRAY_LEN(outages); i++) {
        rest();
        pve_count();
        set_mode(outages[i].mode);
        run_s(60);
        assert_true(a_minute(pve.requests) <= outages[i].most);
        assert_int_equal(fleet_ready_now(), 0);
        set_mode(PVE_UP);
        pve_count();
        fleet_forget_ready();
        assert_true(fleet_await_ready(120));
        run_s(120);
        assert_true(a_minute(pve.requests) <= 24);
    }
    /* one that lasts costs less than rest does */
    set_mode(PVE_FAILS);
    run_s(300);
    pve_count();
    run_s(600);
    assert_true(a_minute(pve.requests) <= 10);
    fleet_stop();
}

static void test_what_has_made_many_hurry_leaves_no_waves_behind(void **state)
{
    (void)state;
    begin(60);
    rest();
    unsigned spread = most_a_second();
    for (unsigned i = 0; i < fleet.count; i++) /* somebody has them all reload */
        poller_poll_now(fleet.brokers[i].rooms.poller);
    rest();
    assert_true(most_a_second() <= spread + spread / 2);
    set_mode(PVE_SILENT); /* all notice within some seconds */
    run_s(60);
    set_mode(PVE_UP);
    fleet_forget_ready();
    assert_true(fleet_await_ready(120));
    rest();
    assert_true(most_a_second() <= spread + spread / 2);
    assert_int_equal(fleet_ready_now(), 60);
    fleet_stop();
}

static void test_a_start_of_many_in_one_moment_ends_well(void **state)
{
    (void)state;
    fleet_loop.seed = 1;
    fleet_start(300, 3); /* with all that they ask Proxmox has to do for several seconds */
    fleet_forget_ready();
    assert_true(fleet_await_ready(60));
    fleet_stop();
}

static void test_a_fence_is_quick_in_a_fleet(void **state)
{
    (void)state;
    begin(3);
    rest();
    for (unsigned i = 0; i < 3; i++)
        fleet_fence(&fleet.brokers[i]);
    run_s(30);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(fleet.brokers[i].fence_us, PVE_STOP_US, PVE_STOP_US + SECOND_US / 2);
    fleet_stop();
}

static void test_each_trouble_is_told_within_the_time_that_its_reason_states(void **state) /* P10 */
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        told_measure(&told[i], TOLD_TRIES);
        if (told[i].untold > 0 || told[i].most > told_promised_s(told[i].reason) + told[i].more_s)
            fail_msg("%s (%s): %.1f s, %u untold", reason_name(told[i].reason),
                     told[i].how ? told[i].how : "", told[i].most, told[i].untold);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_rest_brokers_keep_within_their_budget),
        cmocka_unit_test(test_an_outage_is_no_reason_to_ask_more_than_ever),
        cmocka_unit_test(test_what_has_made_many_hurry_leaves_no_waves_behind),
        cmocka_unit_test(test_a_start_of_many_in_one_moment_ends_well),
        cmocka_unit_test(test_a_fence_is_quick_in_a_fleet),
        cmocka_unit_test(test_each_trouble_is_told_within_the_time_that_its_reason_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
