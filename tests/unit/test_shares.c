/*
 * Shares of the loop's time. The clocks are the test's: what a work costs is what it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/shares.h"
#include "system/cleanup.h"
#include "system/clock.h"

#include <stdlib.h>
#include <string.h>

static int64_t now_ms, cpu_us;

int64_t clock_now_ms(void)
{
    return now_ms;
}

int64_t clock_cpu_us(void)
{
    return cpu_us;
}

static char done[64]; /* the names of works that were done, in their order */

struct job {
    char name;
    int64_t cost_us;
    struct work *work;
};

static void do_job(void *context)
{
    struct job *job = context;

    cpu_us += job->cost_us;
    if (strlen(done) + 1 < sizeof(done))
        done[strlen(done)] = job->name;
    job->work = NULL;
}

static struct event_base *base;
static struct shares *shares;

static int set_up(void **state)
{
    (void)state;
    memset(done, 0, sizeof(done));
    now_ms = 1000;
    base = event_base_new();
    shares = shares_new(base);
    return base && shares ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    shares_free(shares);
    event_base_free(base);
    return 0;
}

static void add(struct job *job, uid_t uid)
{
    job->work = shares_add(shares, uid, do_job, job);
    assert_non_null(job->work);
}

/* One turn of the loop; nothing in it waits. */
static void turn(void)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void test_who_has_cost_least_is_next(void **state)
{
    struct job first = {'a', 400, NULL}, second = {'b', 400, NULL};
    struct job others[3] = {{'x', 100, NULL}, {'y', 100, NULL}, {'z', 100, NULL}};

    (void)state;
    add(&first, 1001);
    add(&second, 1001);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        add(&others[i], 1002);
    for (int i = 0; i < 8; i++)
        turn();
    assert_string_equal(done, "axyzb"); /* all of the other's cost less than the first of a's */
}

static void test_a_turn_of_the_loop_ends_after_a_little(void **state)
{
    struct job jobs[8];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct job){'j', SHARES_TURN_US / 2, NULL};
        add(&jobs[i], 1001);
    }
    turn();
    assert_int_equal(strlen(done), 2);
    for (int i = 0; i < 4; i++)
        turn();
    assert_int_equal(strlen(done), 8);
}

static void test_who_has_had_more_than_its_share_waits_while_others_are_served(void **state)
{
    struct job greedy[16], modest = {'m', 10, NULL};
    size_t served;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(greedy); i++) {
        greedy[i] = (struct job){'g', SHARES_BURST_US / 4, NULL};
        add(&greedy[i], 1001);
    }
    for (int i = 0; i < 16; i++)
        turn();
    served = strlen(done);
    assert_in_range(served, 4, 6); /* the burst, and no more: no time has passed */
    add(&modest, 1002);
    turn();
    assert_int_equal(done[served], 'm');
    assert_int_equal(strlen(done), served + 1);

    /* another second is worth its share */
    now_ms += 1000;
    add(&modest, 1002); /* wakes it: the test's clock moves no timer */
    for (int i = 0; i < 32; i++)
        turn();
    assert_in_range(strlen(done), served + 2 + 4, served + 2 + 6);
    for (size_t i = 0; i < ARRAY_LEN(greedy); i++) {
        if (greedy[i].work)
            shares_leave(greedy[i].work);
    }
}

static void test_many_uids_together_leave_room_for_the_rest(void **state)
{
    struct job jobs[40];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct job){'j', SHARES_BURST_US / 4, NULL};
        add(&jobs[i], (uid_t)(2000 + i)); /* none of them near its own share */
    }
    for (int i = 0; i < 40; i++)
        turn();
    assert_in_range(strlen(done), 8, 10);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        if (jobs[i].work)
            shares_leave(jobs[i].work);
    }
}

static void test_a_work_that_is_given_up_is_not_done(void **state)
{
    struct job left = {'l', 10, NULL}, other = {'o', 10, NULL};

    (void)state;
    add(&left, 1001);
    add(&other, 1001);
    shares_leave(left.work);
    turn();
    turn();
    assert_string_equal(done, "o");
}

static void test_uids_are_remembered_up_to_a_bound(void **state)
{
    struct job jobs[SHARES_UIDS_MAX], more = {'m', 0, NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct job){'j', 0, NULL};
        add(&jobs[i], (uid_t)(2000 + i));
    }
    assert_null(shares_add(shares, 1001, do_job, &more));
    shares_leave(jobs[7].work);
    add(&more, 1001); /* 2007 owes nothing */
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        if (i != 7)
            shares_leave(jobs[i].work);
    }
    turn();
    turn();
}

int main(void)
{
#define SHARES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SHARES_TEST(test_who_has_cost_least_is_next),
        SHARES_TEST(test_a_turn_of_the_loop_ends_after_a_little),
        SHARES_TEST(test_who_has_had_more_than_its_share_waits_while_others_are_served),
        SHARES_TEST(test_many_uids_together_leave_room_for_the_rest),
        SHARES_TEST(test_a_work_that_is_given_up_is_not_done),
        SHARES_TEST(test_uids_are_remembered_up_to_a_bound),
    };

    return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
