/*
 * Live reads of many at once, with simulated time: who shares a read with whom, what becomes of one that
 * nobody waits for, and how much of them members may have (P7). What a read says stands in
 * test_engine_lookup.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

static const struct engine_reader member = {.uid = 3001}, other_member = {.uid = 3002};

static unsigned reads(void)
{
    return rooms.made[API_STATUS];
}

/* ---- sharing ---- */

static void test_those_who_ask_at_once_share_a_read(void **state)
{
    (void)state;
    struct asker_record *askers[50];
    for (unsigned i = 0; i < 50; i++)
        askers[i] = read_power(i % 2 ? "101" : "web1");
    run_for(100);
    assert_int_equal(reads(), 1);
    for (unsigned i = 0; i < 50; i++)
        assert_answered(askers[i], ERROR_NONE);
}

static void test_who_comes_while_a_read_is_under_way_has_the_next_one(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *first = read_power("101");
    run_for(1);
    struct asker_record *second = read_power("101"), *third = read_power("101");
    run_for(1);
    assert_int_equal(reads(), 1);
    stage.held = 0;
    release();
    run_until_answered(first, 100);
    assert_int_equal(first->power, ENGINE_POWER_ON);
    assert_int_equal(second->answers, 0);
    guest_of(101)->running = false; /* the next read sees it */
    run_for(100);
    assert_int_equal(reads(), 2);
    assert_answered(second, ERROR_NONE);
    assert_answered(third, ERROR_NONE);
    assert_int_equal(second->power, ENGINE_POWER_OFF);
}

static void test_who_came_while_a_read_failed_shares_the_next_try(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *first = read_power("101");
    run_for(1);
    struct asker_record *second = read_power("101");
    run_for(1);
    stage.held = 0;
    refuse_held(API_STATUS, 500, "unexpected");
    run_for(300);
    assert_int_equal(reads(), 2);
    assert_answered(first, ERROR_NONE);
    assert_answered(second, ERROR_NONE);
}

static void test_one_who_leaves_takes_nothing_from_the_others(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *leaves = read_power("101"), *stays = read_power("101");
    run_for(1);
    engine_leave(stage.engine, leaves->id);
    release();
    run_for(100);
    assert_answered(stays, ERROR_NONE);
    assert_int_equal(leaves->answers, 0);
}

/* ---- nobody waits ---- */

static void test_a_read_that_nobody_waits_for_is_cancelled(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *asker = read_power("101");
    run_for(1);
    assert_non_null(rooms.flights);
    engine_leave(stage.engine, asker->id);
    assert_null(rooms.flights);
    struct asker_record *next = read_power("101");
    release();
    run_for(100);
    assert_answered(next, ERROR_NONE);
}

static void test_what_is_left_before_it_was_sent_is_never_sent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        engine_leave(stage.engine, read_power_by(&member, "101")->id), stage.asker_count = 0;
    run_for(1000);
    assert_int_equal(reads(), 0);
}

/* ---- members (P7) ---- */

/* Asks, waits a moment and hangs up, again and again. */
static void storm(const struct engine_reader *by, const char *plug, int64_t ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    while (clock_now_ms() < until_ms) {
        struct asker_record *asker = read_power_by(by, plug);
        run_for(1);
        engine_leave(stage.engine, asker->id);
        stage.asker_count = 0;
    }
}

static void test_a_storm_of_a_members_reads_is_few_reads_at_proxmox(void **state)
{
    (void)state;
    storm(&member, "101", 10000);
    assert_true(reads() <= ENGINE_READS_BURST + 10000 / ENGINE_READS_MS + 1);
    assert_null(rooms.flights);
}

static void test_who_asked_too_often_has_too_many_said_and_later_an_answer(void **state)
{
    (void)state;
    enum error_code code = ERROR_NONE;
    for (unsigned i = 0; i < 1000 && code == ERROR_NONE; i++) {
        struct asker_record *asker = read_power_by(&member, "101");
        run_for(0);
        engine_leave(stage.engine, asker->id);
        code = asker->code;
        stage.asker_count = 0;
    }
    assert_int_equal(code, ERROR_TOO_MANY);
    stage.asker_count = 1; /* beside that one's */
    struct asker_record *other = read_power_by(&other_member, "101"), *root = read_power("102");
    run_for(50);
    assert_answered(other, ERROR_NONE);
    assert_answered(root, ERROR_NONE);
    run_for(20000);
    struct asker_record *later = read_power_by(&member, "101");
    run_for(50);
    assert_answered(later, ERROR_NONE);
}

static void test_a_member_over_its_measure_waits_its_turn(void **state)
{
    (void)state;
    struct asker_record *askers[ENGINE_READS_BURST + 10];
    char plug[8];
    for (unsigned i = 0; i < ENGINE_READS_BURST + 10; i++) {
        snprintf(plug, sizeof(plug), "%u", 110 + i);
        askers[i] = read_power_by(&member, plug);
    }
    run_for(10 * ENGINE_READS_MS - 20);
    assert_int_equal(askers[ENGINE_READS_BURST + 9]->answers, 0);
    run_for(2000);
    for (unsigned i = 0; i < ENGINE_READS_BURST + 10; i++)
        assert_answered(askers[i], ERROR_NONE);
}

static void test_few_reads_for_members_are_under_way_at_a_time(void **state)
{
    (void)state;
    hold(HELD(API_STATUS));
    struct asker_record *askers[6];
    for (unsigned i = 0; i < 6; i++) {
        char plug[8];
        snprintf(plug, sizeof(plug), "%u", 110 + i);
        askers[i] = read_power_by(i % 2 ? &member : &other_member, plug);
    }
    run_for(100);
    assert_int_equal(reads(), ENGINE_MEMBER_READS_MAX);
    struct asker_record *root = read_power("115"), *another = read_power("120");
    run_for(1);
    assert_int_equal(reads(), ENGINE_MEMBER_READS_MAX + 2); /* root waits for no member */
    engine_leave(stage.engine, askers[0]->id);
    run_for(1);
    assert_int_equal(reads(), ENGINE_MEMBER_READS_MAX + 3);
    engine_leave(stage.engine, askers[3]->id); /* one that waits */
    release();
    run_for(1000);
    for (unsigned i = 1; i < 6; i++)
        assert_int_equal(askers[i]->answers, i != 3);
    assert_answered(root, ERROR_NONE);
    assert_answered(another, ERROR_NONE);
}

static void test_root_does_not_wait_for_the_turn_of_a_member(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENGINE_READS_BURST + 100; i++) {
        engine_leave(stage.engine, read_power_by(&member, "101")->id);
        struct asker_record *asker = read_power_by(&member, "101");
        run_for(0);
        engine_leave(stage.engine, asker->id);
        stage.asker_count = 0;
    }
    struct asker_record *waits = read_power_by(&member, "102");
    run_for(100);
    assert_int_equal(waits->answers, 0);
    struct asker_record *root = read_power("102");
    run_for(50);
    assert_answered(root, ERROR_NONE);
    assert_answered(waits, ERROR_NONE); /* it shares root's */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_those_who_ask_at_once_share_a_read),
        TEST(test_who_comes_while_a_read_is_under_way_has_the_next_one),
        TEST(test_who_came_while_a_read_failed_shares_the_next_try),
        TEST(test_one_who_leaves_takes_nothing_from_the_others),
        TEST(test_a_read_that_nobody_waits_for_is_cancelled),
        TEST(test_what_is_left_before_it_was_sent_is_never_sent),
        TEST(test_a_storm_of_a_members_reads_is_few_reads_at_proxmox),
        TEST(test_who_asked_too_often_has_too_many_said_and_later_an_answer),
        TEST(test_a_member_over_its_measure_waits_its_turn),
        TEST(test_few_reads_for_members_are_under_way_at_a_time),
        TEST(test_root_does_not_wait_for_the_turn_of_a_member),
    };
    return cmocka_run_group_tests_name("engine_read", tests, NULL, NULL);
}
