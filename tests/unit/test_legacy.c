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
                        .course.verified_ms = NOW_MS - 100,
                        .seen.devices = true};
    step.calls.stop = (struct step_call){.state = STEP_CALL_OK,
                                         .sent = 1,
                                         .tasks = 1,
                                         .first_sent_ms = NOW_MS - 200,
                                         .last_sent_ms = NOW_MS - 200,
                                         .settled_ms = NOW_MS - 100};
    step.calls.start = (struct step_call){.state = STEP_CALL_TASK,
                                          .sent = 1,
                                          .tasks = 1,
                                          .first_sent_ms = NOW_MS - 50,
                                          .last_sent_ms = NOW_MS - 50};
    snprintf(step.calls.start.upid, sizeof(step.calls.start.upid),
             "UPID:pve1:00000003:00F00003:00000003:qmstart:101:fence@pve!t:");
    return step;
}

static struct legacy left_by(struct step *step, unsigned inherited_stops)
{
    struct legacy legacy;
    struct legacy_facts facts = {.now_ms = NOW_MS, .answer_timeout_ms = 4000};
    step->calls.inherited = inherited_stops;
    step->calls.since_realtime_ms = INT64_C(1000) * SINCE_S;
    assert_true(legacy_derive(&legacy, step, &facts));
    return legacy;
}

/* So many stops of before are counted by who begins then. */
static unsigned inherit(const struct legacy *legacy, struct step *step, int64_t now_ms)
{
    step->calls.inherited = 0;
    legacy_inherit(legacy, step, now_ms);
    return step->calls.inherited;
}

static void
test_a_stop_that_ended_is_counted_only_while_seconds_cannot_tell_it_from_the_next_one(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    struct legacy legacy = left_by(&step, 20);
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 500), 21);
    next = (struct step){.phase = STEP_POWERING_OFF};
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 5000), 0);
    assert_true(legacy.stops_until_ms < NOW_MS + 5000);
}

static void test_an_open_start_is_left_although_the_stops_are_not_counted_any_more(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    struct legacy legacy = left_by(&step, 0);
    legacy_inherit(&legacy, &next, NOW_MS + 30000);
    assert_int_equal(next.calls.former.count, 1); /* it is followed to its end */
    assert_int_equal(next.calls.former.list[0].power, STEP_SEND_START);
    assert_string_equal(next.calls.former.list[0].upid, step.calls.start.upid);
    assert_int_equal(next.calls.start.state, STEP_CALL_NONE);
    assert_int_equal(next.calls.start.open, 0);
    assert_int_equal(next.calls.stop.open, 0);
}

static void test_a_stop_that_may_come_is_counted_as_long_as_it_may(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    step.calls.stop.state = STEP_CALL_OPEN;
    step.calls.stop.open = 1;
    step.calls.stop.last_open_ms = NOW_MS - 100;
    struct legacy legacy = left_by(&step, 0);
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 30000), 1);
    assert_int_equal(next.calls.stop.open, 1);
    next = (struct step){.phase = STEP_POWERING_OFF};
    assert_int_equal(inherit(&legacy, &next, NOW_MS + CALLS_OPEN_MS), 0);
    assert_int_equal(next.calls.stop.open, 0);
}

/* Two stops of one second cannot be told apart by the list, although a restart lies between them. */
static void test_a_stop_that_has_just_ended_is_counted_after_a_restart_too(void **state)
{
    (void)state;
    const int64_t offset_ms = INT64_C(1000) * SINCE_S;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    step.calls.start = (struct step_call){0};
    struct legacy legacy = left_by(&step, 0), taken_up;
    struct json_object *document = json_object_new_object();
    json_object_object_add(document, "vmid", json_object_new_int(101));
    assert_true(legacy_write(&legacy, offset_ms, document));
    assert_true(legacy_read(&taken_up, document, offset_ms, NOW_MS + 300));
    assert_int_equal(inherit(&taken_up, &next, NOW_MS + 300), 1);
    assert_false(legacy_read(&taken_up, document, offset_ms, NOW_MS + 5000));
    json_object_put(document);
}

static void test_a_lost_stop_is_counted_from_when_the_list_showed_its_end(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    step.calls.stop.state = STEP_CALL_OPEN;
    step.calls.stop.open = 1;
    step.calls.stop.settled_ms = step.calls.stop.last_open_ms = NOW_MS - 45000;
    step.calls.stop.last_sent_ms = step.calls.stop.first_sent_ms = NOW_MS - 46000;
    step.list.settled = true;
    step.list.settled_ms = NOW_MS - 10;
    struct legacy legacy = left_by(&step, 0);
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 500), 1);
    assert_int_equal(next.calls.stop.open, 0);
}

/* ---- doubts (point 7), and what a reading outside of operations makes of them ---- */

#define KILL_MS 13000 /* stop-timeout, and what Proxmox waits beyond it */

/* A guest whose last stop may have killed it unseen, from 60 s to 10 s ago. */
static struct legacy *one_in_doubt(void)
{
    struct legacy *legacies = NULL;
    const struct legacy doubt = {.killing_since_ms = NOW_MS - 60000, .killing_until_ms = NOW_MS - 10000};
    legacies_put(&legacies, 101, &doubt);
    return legacies;
}

static bool is_in_doubt(struct legacy *const *legacies, int64_t now_ms)
{
    const struct legacy_doubts doubts = {
        .legacies = legacies, .now_ms = now_ms, .stop_timeout_ms = KILL_MS - PROOF_KILL_AFTER_MS};
    assert_false(legacy_in_doubt(&doubts, 102));
    return legacy_in_doubt(&doubts, 101);
}

static void test_a_doubt_counts_from_when_the_stop_may_have_killed(void **state)
{
    (void)state;
    struct legacy *legacies = one_in_doubt();
    int64_t kill_ms = NOW_MS - 60000 + KILL_MS;
    assert_false(is_in_doubt(&legacies, kill_ms));
    assert_true(is_in_doubt(&legacies, kill_ms + 1));
    assert_false(legacy_in_doubt(&(struct legacy_doubts){0}, 101));
    /* one that runs may take any time to stop */
    struct pve_status status = {.vmid = 101, .running = true, .uptime_s = 5000};
    assert_false(legacies_see(&legacies, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&legacies, kill_ms));
    status.running = false;
    assert_false(legacies_see(&legacies, PVE_QEMU, &status, NOW_MS));
    assert_false(is_in_doubt(&legacies, kill_ms));
    legacies_put(&legacies, 101, &(struct legacy){.until_ms = NOW_MS + 1000}); /* open calls alone */
    assert_false(is_in_doubt(&legacies, NOW_MS));
    legacies_free(&legacies);
}

static void test_a_doubt_ends_for_a_reading_as_it_does_for_a_fence(void **state)
{
    static const struct {
        enum pve_guest_type type;
        struct pve_status status;
        bool ends;
    } cases[] = {
        {PVE_QEMU, {.running = false}, false},
        {PVE_QEMU, {.running = true, .uptime_s = 10}, false}, /* it may be 10.9 s */
        {PVE_QEMU, {.running = true, .uptime_s = 9}, true},   /* started since */
        {PVE_QEMU, {.running = true, .uptime_s = 5000}, false},
        {PVE_QEMU, {.running = true, .nics = true, .uptime_s = 5000}, true},
        {PVE_QEMU, {.running = false, .nics = true}, true}, /* whatever survives is seen */
        {PVE_QEMU, {.running = true, .traffic = true, .uptime_s = 5000}, false},
        {PVE_LXC, {.running = true, .traffic = true, .uptime_s = 5000}, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct legacy *legacies = one_in_doubt();
        struct pve_status status = cases[i].status;
        status.vmid = 101;
        /* it was asked for before the stop was sent */
        assert_false(legacies_see(&legacies, cases[i].type, &status, NOW_MS - 60000));
        assert_int_equal(legacies_find(&legacies, 101)->reading, LEGACY_NOT_READ);
        assert_int_equal(legacies_see(&legacies, cases[i].type, &status, NOW_MS), cases[i].ends);
        assert_int_not_equal(legacies_find(&legacies, 101)->reading, LEGACY_NOT_READ);
        assert_int_equal(is_in_doubt(&legacies, NOW_MS), !cases[i].ends);
        assert_int_equal(legacies_find(&legacies, 101)->killing_since_ms == 0, cases[i].ends);
        status.vmid = 102;
        assert_false(legacies_see(&legacies, cases[i].type, &status, NOW_MS));
        legacies_free(&legacies);
    }
}

/* A fence asks its manager anew, and counts from there; off it is in doubt again. */
static void test_a_started_service_is_in_no_doubt_as_long_as_it_runs(void **state)
{
    (void)state;
    struct legacy *legacies = one_in_doubt();
    struct pve_status status = {
        .vmid = 101, .running = true, .uptime_s = 5000, .ha_managed = true, .ha_state = "started"};
    assert_false(legacies_see(&legacies, PVE_QEMU, &status, NOW_MS));
    assert_false(is_in_doubt(&legacies, NOW_MS));
    snprintf(status.ha_state, sizeof(status.ha_state), "request_stop");
    assert_false(legacies_see(&legacies, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&legacies, NOW_MS));
    snprintf(status.ha_state, sizeof(status.ha_state), "started");
    status.running = false;
    assert_false(legacies_see(&legacies, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&legacies, NOW_MS));
    legacies_free(&legacies);
}

/* reboot, on, off: the start's task, which the on did not follow, is the off's to follow. */
static void test_a_start_is_handed_on_as_a_task_by_who_did_not_follow_it(void **state)
{
    (void)state;
    struct step step = rebooted(), on = {.phase = STEP_POWERING_ON}, off = {.phase = STEP_POWERING_OFF};
    struct legacy legacy = left_by(&step, 0);
    legacy_inherit(&legacy, &on, NOW_MS + 100);
    legacy = left_by(&on, 0);
    legacy_inherit(&legacy, &off, NOW_MS + 200);
    assert_int_equal(off.calls.former.count, 1);
    assert_string_equal(off.calls.former.list[0].upid, step.calls.start.upid);
    assert_int_equal(off.calls.start.open, 0);
}

/* Three offs whose stops' tasks nobody saw the end of, and a restart: each is a task to who comes after them.
 */
static void test_tasks_of_several_operations_are_kept_over_a_restart(void **state)
{
    (void)state;
    const int64_t offset_ms = INT64_C(1000) * SINCE_S;
    struct step step = rebooted();
    struct legacy legacy, read;
    for (int i = 1; i <= 3; i++) {
        struct calls former = step.calls.former;
        step = rebooted();
        step.calls.start = (struct step_call){0};
        step.calls.former = former;
        step.calls.stop.state = STEP_CALL_TASK;
        snprintf(step.calls.stop.upid, sizeof(step.calls.stop.upid),
                 "UPID:pve1:0000000%d:00F00001:00000001:qmstop:101:fence@pve!t:", i);
        legacy = left_by(&step, 0);
        struct json_object *document = json_object_new_object();
        json_object_object_add(document, "vmid", json_object_new_int(101));
        assert_true(legacy_write(&legacy, offset_ms, document));
        assert_true(legacy_read(&read, document, offset_ms, NOW_MS + 300));
        assert_true(legacy_equal(&legacy, &read));
        json_object_put(document);
        step.calls.former.count = 0;
        legacy_inherit(&read, &step, NOW_MS + 300);
        assert_int_equal(step.calls.former.count, i);
        assert_int_equal(step.calls.stop.open, 0);
    }
    assert_int_equal(legacy.until_ms, NOW_MS - 200 + CALLS_OPEN_MS);
    step.calls.former.count = 0;
    legacy_inherit(&read, &step, NOW_MS - 200 + CALLS_OPEN_MS);
    assert_int_equal(step.calls.former.count, 0); /* none of them can come any more */
}

/* One more than there is room for is an open call: it is waited for, though nobody tells its end. */
static void test_a_task_too_many_is_an_open_call(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    for (int i = 0; i < CALLS_MAX; i++)
        assert_true(calls_add(&step.calls.former, STEP_SEND_STOP, "UPID:pve1:", NOW_MS - 300));
    struct legacy legacy = left_by(&step, 0);
    legacy_inherit(&legacy, &next, NOW_MS);
    assert_int_equal(next.calls.former.count, CALLS_MAX);
    assert_int_equal(next.calls.start.open, 1);
    assert_int_equal(next.calls.start.last_open_ms, step.calls.start.last_sent_ms);
}

/* It was lost on pve1, the guest was on pve2 then, and pve2's list shows that all that was sent there has
 * ended. */
static void test_a_stop_lost_on_another_host_is_not_settled_by_this_one(void **state)
{
    (void)state;
    struct step step = rebooted(), next = {.phase = STEP_POWERING_OFF};
    snprintf(step.place.node, sizeof(step.place.node), "pve2");
    snprintf(step.calls.stop.strays_node, sizeof(step.calls.stop.strays_node), "pve1");
    step.calls.stop.open = step.calls.stop.strays = step.calls.stop.strays_open = 1;
    step.calls.stop.last_open_ms = NOW_MS - 150;
    step.list.settled = true;
    step.list.settled_ms = NOW_MS - 10;
    struct legacy legacy = left_by(&step, 0);
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 30000), 2);
    assert_int_equal(next.calls.stop.open, 1);
}

/* Abandoned, say, between two others, within the second. */
static void test_one_that_sends_no_stop_hands_on_those_that_it_inherited(void **state)
{
    (void)state;
    struct step step = {.params = {.action = FENCE_OFF, .vmid = 101, .stop_timeout_ms = 3000},
                        .phase = STEP_ENDED};
    struct step next = {.phase = STEP_POWERING_OFF};
    struct legacy legacy;
    const struct legacy_facts facts = {.now_ms = NOW_MS, .answer_timeout_ms = 4000};
    step.calls.inherited = 2;
    step.calls.inherited_until_ms = NOW_MS + 1500;
    step.calls.since_realtime_ms = INT64_C(1000) * SINCE_S;
    assert_true(legacy_derive(&legacy, &step, &facts));
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 500), 2);
    assert_int_equal(inherit(&legacy, &next, NOW_MS + 1500), 0);
    step.calls.inherited_until_ms = NOW_MS;
    assert_false(legacy_derive(&legacy, &step, &facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_sends_no_stop_hands_on_those_that_it_inherited),
        cmocka_unit_test(
            test_a_stop_that_ended_is_counted_only_while_seconds_cannot_tell_it_from_the_next_one),
        cmocka_unit_test(test_an_open_start_is_left_although_the_stops_are_not_counted_any_more),
        cmocka_unit_test(test_a_stop_that_may_come_is_counted_as_long_as_it_may),
        cmocka_unit_test(test_a_stop_that_has_just_ended_is_counted_after_a_restart_too),
        cmocka_unit_test(test_a_lost_stop_is_counted_from_when_the_list_showed_its_end),
        cmocka_unit_test(test_a_doubt_counts_from_when_the_stop_may_have_killed),
        cmocka_unit_test(test_a_doubt_ends_for_a_reading_as_it_does_for_a_fence),
        cmocka_unit_test(test_a_started_service_is_in_no_doubt_as_long_as_it_runs),
        cmocka_unit_test(test_tasks_of_several_operations_are_kept_over_a_restart),
        cmocka_unit_test(test_a_task_too_many_is_an_open_call),
        cmocka_unit_test(test_a_start_is_handed_on_as_a_task_by_who_did_not_follow_it),
        cmocka_unit_test(test_a_stop_lost_on_another_host_is_not_settled_by_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
