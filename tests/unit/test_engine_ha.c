/*
 * The engine with guests of Proxmox HA: what is sent for them, where their tasks are looked for, and what an
 * operation leaves to the next one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

#define VMID 108

static void test_a_hastop_has_no_parameters(void **state)
{
    (void)state;
    struct asker_record *off = ask(FENCE_OFF, "havm");
    run_for(5000);
    assert_answered(off, ERROR_NONE);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_int_equal(stage.last_stop.stop_timeout_s, -1);
    assert_false(stage.last_stop.overrule_shutdown);
    assert_false(guest_of(VMID)->running);

    struct asker_record *other = ask(FENCE_OFF, "101"); /* as others have */
    run_for(5000);
    assert_answered(other, ERROR_NONE);
    assert_int_equal(stage.last_stop.stop_timeout_s, 3);
}

static void test_a_reboot_is_answered_at_off_and_started_by_ha(void **state)
{
    (void)state;
    struct asker_record *reboot = ask(FENCE_REBOOT, "havm");
    run_until_answered(reboot, 5000);
    assert_answered(reboot, ERROR_NONE);
    assert_false(guest_of(VMID)->running);
    run_for(5000);
    assert_true(guest_of(VMID)->running);
    assert_int_equal(rooms.made[API_STOP], 1);
    assert_int_equal(rooms.made[API_START], 1);
    assert_int_equal(rooms.made[API_RESET], 0);
}

/* The answer to the first hastop is lost. The task list tells that it has ended, else the start would wait
 * for 60 s (rule 6). */
static struct asker_record *lose_a_hastop(void)
{
    stage.lose_answers = true;
    stage.stop_takes_ms = 3000;
    struct asker_record *reboot = ask(FENCE_REBOOT, "havm");
    run_until_made(API_STOP, 1);
    run_for(2 * CALL_MS);
    stage.lose_answers = false;
    return reboot;
}

static void test_the_task_list_tells_that_a_lost_hastop_has_ended(void **state)
{
    (void)state;
    struct asker_record *reboot = lose_a_hastop();
    run_for(15000);
    assert_answered(reboot, ERROR_NONE);
    assert_true(rooms.made[API_STOP] >= 2);
    assert_int_equal(rooms.made[API_START], 1);
}

static void test_the_task_of_a_hastop_is_looked_for_where_that_was_sent(void **state)
{
    (void)state;
    struct asker_record *reboot = lose_a_hastop();
    run_for(1500);
    guest_of(VMID)->moved = "pve2"; /* the manager is the same there, but pve2 knows no task of ours */
    run_for(15000);
    assert_answered(reboot, ERROR_NONE);
    assert_int_equal(rooms.made[API_START], 1);
}

static void test_what_ha_may_still_stop_for_an_earlier_operation_is_not_forgotten(void **state) /* point 7 */
{
    struct staged_guest *guest = guest_of(VMID);
    (void)state;
    guest->no_nics = true;
    struct asker_record *first = ask(FENCE_OFF, "havm");
    stage.stop_takes_ms = 20000;
    run_for(1000);
    guest->ha = "error";
    run_for(500);
    assert_answered(first, ERROR_HA_ERROR);
    guest->started_ms = clock_now_ms(); /* started anew, while the request to stop it still stands */
    guest->ha = "request_stop";
    run_for(8000);
    stage.stop_takes_ms = 5000;
    struct asker_record *second = ask(FENCE_OFF, "havm");
    run_for(20000);
    assert_answered(second, ERROR_UNPROVEN);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_hastop_has_no_parameters),
        TEST(test_a_reboot_is_answered_at_off_and_started_by_ha),
        TEST(test_the_task_list_tells_that_a_lost_hastop_has_ended),
        TEST(test_the_task_of_a_hastop_is_looked_for_where_that_was_sent),
        TEST(test_what_ha_may_still_stop_for_an_earlier_operation_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
