/*
 * What an operation leaves to the next one of its guest (rule 6): which of its calls may still come, and how
 * long its stops are counted in the host's task list.
 */
#include "fence/legacy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW_MS  1000000
#define SINCE_S 1700000000

/* A reboot whose stop ended OK, and whose guest was read running before its start's task ended. */
static struct step rebooted(void)
{
    struct step step = {.params = {.action = FENCE_REBOOT, .vmid = 101, .stop_timeout_ms = 3000},
                        .phase = STEP_ENDED,
                        .verified_ms = NOW_MS - 100,
                        .seen_nics = true};
    step.stop = (struct step_call){.state = STEP_CALL_OK,
                                   .sent = 1,
                                   .tasks = 1,
                                   .first_sent_ms = NOW_MS - 200,
                                   .last_sent_ms = NOW_MS - 200,
                                   .settled_ms = NOW_MS - 100};
    step.start = (struct step_call){.state = STEP_CALL_TASK,
                                    .sent = 1,
                                    .tasks = 1,
                                    .first_sent_ms = NOW_MS - 50,
                                    .last_sent_ms = NOW_MS - 50};
    snprintf(step.start.upid, sizeof(step.start.upid), "UPID:pve1:start:");
    return step;
}

static struct legacy left_by(const struct step *step, unsigned inherited_stops)
{
    struct legacy legacy;
    struct legacy_facts facts = {.now_ms = NOW_MS,
                                 .answer_timeout_ms = 4000,
                                 .inherited_stops = inherited_stops,
                                 .stops_since_ms = INT64_C(1000) * SINCE_S};
    assert_true(legacy_derive(&legacy, step, &facts));
    return legacy;
}

static void
test_a_stop_that_ended_is_counted_only_while_seconds_cannot_tell_it_from_the_next_one(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    struct legacy legacy = left_by(&step, 20);
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + 500), 21);
    next = (struct step){.phase = STEP_POWERING_OFF};
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + 5000), 0);
    assert_true(legacy.stops_until_ms < NOW_MS + 5000);
}

static void test_an_open_start_is_left_although_the_stops_are_not_counted_any_more(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    struct legacy legacy = left_by(&step, 0);
    (void)legacy_inherit(&legacy, &next, NOW_MS + 30000);
    assert_int_equal(next.start.open, 1);
    assert_int_equal(next.stop.open, 0);
}

static void test_a_stop_that_may_come_is_counted_as_long_as_it_may(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    step.stop.state = STEP_CALL_OPEN;
    step.stop.open = 1;
    step.stop.last_open_ms = NOW_MS - 100;
    struct legacy legacy = left_by(&step, 0);
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + 30000), 1);
    assert_int_equal(next.stop.open, 1);
    next = (struct step){.phase = STEP_POWERING_OFF};
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + STEP_OPEN_CALL_MS), 0);
    assert_int_equal(next.stop.open, 0);
}

/* A power-on follows the stops up as its own: the list must be asked from the same time on as they are
 * counted. */
static void test_a_power_on_expects_only_stops_that_its_task_list_can_show(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_ON};
    struct legacy legacy = left_by(&step, 20);
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + 500), 0);
    assert_int_equal(next.stop.tasks, 21);
    next = (struct step){.phase = STEP_POWERING_ON};
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + 5000), 0);
    assert_int_equal(next.stop.tasks, 0);
}

/* Two stops of one second cannot be told apart by the list, although a restart lies between them. */
static void test_a_stop_that_has_just_ended_is_counted_after_a_restart_too(void **state)
{
    (void)state;
    const int64_t offset_ms = INT64_C(1000) * SINCE_S;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    step.start = (struct step_call){0};
    struct legacy legacy = left_by(&step, 0), taken_up;
    struct json_object *document = json_object_new_object();
    json_object_object_add(document, "vmid", json_object_new_int(101));
    assert_true(legacy_write(&legacy, offset_ms, document));
    assert_true(legacy_read(&taken_up, document, offset_ms, NOW_MS + 300));
    assert_int_equal(legacy_inherit(&taken_up, &next, NOW_MS + 300), 1);
    assert_false(legacy_read(&taken_up, document, offset_ms, NOW_MS + 5000));
    json_object_put(document);
}

static void test_a_lost_stop_is_counted_from_when_the_list_showed_its_end(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    step.stop.state = STEP_CALL_OPEN;
    step.stop.open = 1;
    step.stop.settled_ms = step.stop.last_open_ms = NOW_MS - 45000;
    step.stop.last_sent_ms = step.stop.first_sent_ms = NOW_MS - 46000;
    step.stops_settled = true;
    step.stops_settled_ms = NOW_MS - 10;
    struct legacy legacy = left_by(&step, 0);
    assert_int_equal(legacy_inherit(&legacy, &next, NOW_MS + 500), 1);
    assert_int_equal(next.stop.open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_stop_that_ended_is_counted_only_while_seconds_cannot_tell_it_from_the_next_one),
        cmocka_unit_test(test_an_open_start_is_left_although_the_stops_are_not_counted_any_more),
        cmocka_unit_test(test_a_stop_that_may_come_is_counted_as_long_as_it_may),
        cmocka_unit_test(test_a_stop_that_has_just_ended_is_counted_after_a_restart_too),
        cmocka_unit_test(test_a_lost_stop_is_counted_from_when_the_list_showed_its_end),
        cmocka_unit_test(test_a_power_on_expects_only_stops_that_its_task_list_can_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
