/* The engine's shares: what one user may take of it, and what is kept for root and hacluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

static void test_others_leave_room_for_root_in_the_whole_and_in_each_queue(void **state)
{
    (void)state;
    hold(~0u);
    char plug[8];
    for (unsigned i = 0; i < ENGINE_OPERATIONS_MAX - ENGINE_OPERATIONS_RESERVE; i++) {
        snprintf(plug, sizeof(plug), "%u", 110 + i / 4);
        ask_by(1000 + i / 50, (enum fence_action)(i % 2), plug);
    }
    struct asker_record *other = ask_by(5000, FENCE_OFF, "101"), *root = ask(FENCE_OFF, "101");
    run_for(10);
    assert_answered(other, ERROR_TOO_MANY);
    assert_int_equal(root->answers, 0);
    assert_true(engine_guest_busy(stage.engine, 101));
    struct asker_record *queued[ENGINE_QUEUE_MAX];
    for (unsigned i = 0; i < ENGINE_QUEUE_MAX; i++)
        queued[i] = ask(i % 2 ? FENCE_ON : FENCE_REBOOT, "102");
    run_for(10);
    assert_int_equal(queued[ENGINE_QUEUE_MAX - 1]->answers, 0);
}

static void test_one_user_cannot_have_all_operations(void **state)
{
    (void)state;
    hold(~0u);
    char plug[8];
    for (unsigned i = 0; i < ENGINE_OPERATIONS_PER_UID; i++) {
        snprintf(plug, sizeof(plug), "%u", 110 + i / 4);
        ask_by(1000, (enum fence_action)(i % 2), plug);
    }
    struct asker_record *more = ask_by(1000, FENCE_OFF, "101"), *other = ask_by(1001, FENCE_OFF, "102");
    run_for(10);
    assert_answered(more, ERROR_TOO_MANY);
    assert_int_equal(other->answers, 0);
}

/* What waited before a fence of Pacemaker's must not come after it. */
static void test_root_ends_what_others_have_queued_and_not_what_has_begun(void **state)
{
    (void)state;
    hold(~0u);
    struct asker_record *running = ask_by(1000, FENCE_REBOOT, "101");
    run_for(10);
    struct asker_record *on = ask_by(1001, FENCE_ON, "101"), *off = ask_by(1002, FENCE_OFF, "101");
    run_for(10);
    struct asker_record *mine = ask(FENCE_ON, "101"), *root = ask(FENCE_OFF, "101");
    run_for(10);
    assert_answered(on, ERROR_ABANDONED);
    assert_answered(off, ERROR_ABANDONED);
    assert_int_equal(running->answers + mine->answers + root->answers, 0);
    assert_int_equal(engine_running(stage.engine), 3);
    release();
    run_for(200000);
    assert_answered(running, ERROR_NONE);
    assert_answered(root, ERROR_NONE);
    assert_int_equal(engine_running(stage.engine), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_others_leave_room_for_root_in_the_whole_and_in_each_queue),
        TEST(test_one_user_cannot_have_all_operations),
        TEST(test_root_ends_what_others_have_queued_and_not_what_has_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
