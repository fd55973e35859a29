/*
 * What an operation leaves to the next one of its guest (rule 6): which of its calls may still come, and how
 * long its stops are counted in the host's task list.
 */
#include "fence/unsettled.h"

#include "doubt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW_MS  1000000
#define SINCE_S 1700000000

#define STOP_UPID  "UPID:pve1:00000001:00F00001:00000001:qmstop:101:fence@pve!t:"
#define START_UPID "UPID:pve1:00000003:00F00003:00000003:qmstart:101:fence@pve!t:"

static struct call *add(struct step *step, enum step_power power, enum call_state state, const char *upid,
                        int64_t sent_ms)
{
    struct call *call = calls_add(&step->calls, power, "pve1", sent_ms);
    call->state = state;
    snprintf(call->upid, sizeof(call->upid), "%s", upid);
    return call;
}

/* A reboot whose stop ended so, and whose guest was read running before its start's task ended. */
static struct step rebooted(enum call_state stop)
{
    struct step step = {.params = {.action = FENCE_REBOOT, .vmid = 101, .stop_timeout_ms = 3000},
                        .phase = STEP_ENDED,
                        .course.verified_ms = NOW_MS - 100,
                        .calls.since_realtime_ms = INT64_C(1000) * SINCE_S,
                        .seen.devices = true};
    add(&step, STEP_SEND_STOP, stop, "", NOW_MS - 200)->settled_ms = NOW_MS - 100;
    add(&step, STEP_SEND_START, CALL_TASK, START_UPID, NOW_MS - 50);
    return step;
}

/* A step that comes after it. */
static struct step next_of(const struct step *step, int64_t now_ms)
{
    struct unsettled unsettled;
    struct step next = {.phase = STEP_POWERING_OFF, .calls.since_realtime_ms = 1};
    assert_true(unsettled_derive(&unsettled, step, NOW_MS));
    unsettled_inherit(&unsettled, &next, now_ms);
    return next;
}

static unsigned stops_listed(const struct step *step)
{
    return calls_listed(&step->calls, STEP_SEND_STOP, "pve1");
}

static unsigned stops_open(const struct step *step)
{
    return calls_count(&step->calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), "pve1");
}

static void
test_a_stop_that_ended_is_counted_only_while_seconds_cannot_tell_it_from_the_next_one(void **state)
{
    (void)state;
    struct step step = rebooted(CALL_OK), next = next_of(&step, NOW_MS + 500);
    assert_int_equal(stops_listed(&next), 1);
    assert_int_equal(next.calls.since_realtime_ms, step.calls.since_realtime_ms);
    next = next_of(&step, NOW_MS + 5000);
    assert_int_equal(stops_listed(&next), 0);
    assert_int_equal(next.calls.since_realtime_ms, 1);
}

/* A list that is counted from the first one shows them all. */
static void test_stops_are_counted_as_long_as_one_of_them_may_come(void **state) /* rule 6 */
{
    (void)state;
    struct step step = rebooted(CALL_FAILED);
    add(&step, STEP_SEND_STOP, CALL_OPEN, "", NOW_MS - 90)->settled_ms = NOW_MS - 80;
    add(&step, STEP_SEND_STOP, CALL_OK, "", NOW_MS - 60)->settled_ms = NOW_MS - 50;
    struct step next = next_of(&step, NOW_MS + 30000);
    assert_int_equal(stops_listed(&next), 3);
    assert_int_equal(stops_open(&next), 1);
    next = next_of(&step, NOW_MS + CALLS_OPEN_MS);
    assert_int_equal(stops_listed(&next), 3); /* it may have come in the last moment */
    assert_int_equal(stops_open(&next), 0);
    next = next_of(&step, NOW_MS + CALLS_OPEN_MS + 2000);
    assert_int_equal(stops_listed(&next), 0);
    assert_int_equal(stops_open(&next), 0);
}

static void test_a_start_is_left_although_the_stops_are_not_counted_any_more(void **state)
{
    (void)state;
    struct step step = rebooted(CALL_OK), next = next_of(&step, NOW_MS + 30000);
    assert_int_equal(next.calls.count, 1); /* it is followed to its end */
    assert_string_equal(calls_with_task(&next.calls, STEP_SEND_START, "pve1")->upid, START_UPID);
    assert_int_equal(calls_last(&next.calls, STEP_SEND_START)->state, CALL_NONE); /* of its own */
}

/* Two stops of one second cannot be told apart by the list, although a restart lies between them. */
static void test_a_stop_that_has_just_ended_is_counted_after_a_restart_too(void **state)
{
    (void)state;
    const int64_t offset_ms = INT64_C(1000) * SINCE_S;
    struct step step = rebooted(CALL_OK), next = {.phase = STEP_POWERING_OFF};
    struct unsettled unsettled, taken_up;
    step.calls.count = 1;
    assert_true(unsettled_derive(&unsettled, &step, NOW_MS));
    struct json_object *document = json_object_new_object();
    json_object_object_add(document, "vmid", json_object_new_int(101));
    assert_true(unsettled_write(&unsettled, offset_ms, document));
    assert_true(unsettled_read(&taken_up, document, offset_ms, NOW_MS + 300));
    unsettled_inherit(&taken_up, &next, NOW_MS + 300);
    assert_int_equal(stops_listed(&next), 1);
    assert_false(unsettled_read(&taken_up, document, offset_ms, NOW_MS + 5000));
    json_object_put(document);
}

static void test_a_lost_stop_is_counted_from_when_the_list_showed_its_end(void **state)
{
    (void)state;
    struct step step = rebooted(CALL_OPEN);
    step.calls.list[0].sent_ms = NOW_MS - 46000;
    calls_end_open(&step.calls, STEP_SEND_STOP, "pve1", NOW_MS - 10);
    struct step next = next_of(&step, NOW_MS + 500);
    assert_int_equal(stops_listed(&next), 1);
    assert_int_equal(stops_open(&next), 0);
}

/* As it was written in former versions: a count for each kind, and its last call. */
static void test_what_a_former_version_has_left_is_taken_up(void **state)
{
    static const char text[] =
        "{\"vmid\":101,\"since_ms\":4711,\"until_ms\":1060000,"
        "\"stop\":{\"state\":\"open\",\"sent\":3,\"open\":2,\"tasks\":3,\"upid\":\"\",\"node\":\"pve1\","
        "\"first_sent_ms\":990000,\"last_sent_ms\":995000,\"settled_ms\":999000,\"last_open_ms\":999000},"
        "\"start\":{\"state\":\"task\",\"sent\":1,\"open\":0,\"tasks\":1,\"upid\":\"" START_UPID
        "\",\"node\":\"pve1\",\"last_sent_ms\":999500},"
        "\"reset\":{\"state\":\"sending\",\"sent\":1,\"open\":0,\"tasks\":1,\"last_sent_ms\":999900}}";
    struct json_object *document = json_tokener_parse(text);
    struct unsettled unsettled;
    struct step next = {.phase = STEP_POWERING_OFF};
    (void)state;
    assert_non_null(document);
    assert_true(unsettled_read(&unsettled, document, 0, NOW_MS));
    unsettled_inherit(&unsettled, &next, NOW_MS);
    assert_int_equal(next.calls.since_realtime_ms, 4711);
    assert_int_equal(stops_open(&next), 2);
    assert_int_equal(stops_listed(&next), 3);
    assert_string_equal(calls_with_task(&next.calls, STEP_SEND_START, "pve1")->upid, START_UPID);
    assert_null(calls_with_task(&next.calls, STEP_SEND_START, "pve2"));
    assert_int_equal(calls_until(&next.calls, STEP_SEND_STOP, CALLS_COMING, "pve3"), 999000 + CALLS_OPEN_MS);
    assert_int_equal(calls_until(&next.calls, STEP_SEND_RESET, CALLS_COMING, NULL), NOW_MS + CALLS_OPEN_MS);
    json_object_put(document);
}

/* ---- doubts (point 7), and what a reading outside of operations makes of them ---- */

#define KILL_MS 13000 /* stop-timeout, and what Proxmox waits beyond it */

/* A guest whose last stop may have killed it unseen, from 60 s to 10 s ago. */
static struct unsettled *one_in_doubt(void)
{
    struct unsettled *list = NULL;
    const struct unsettled doubt = {.calls = DOUBT(NOW_MS - 60000, NOW_MS - 10000)};
    unsettled_put(&list, 101, &doubt);
    return list;
}

static bool is_in_doubt(struct unsettled *const *list, int64_t now_ms)
{
    const struct unsettled_kill_doubts doubts = {
        .list = list, .now_ms = now_ms, .stop_timeout_ms = KILL_MS - PROOF_KILL_AFTER_MS};
    assert_false(unsettled_kill_doubt(&doubts, 102));
    return unsettled_kill_doubt(&doubts, 101);
}

static void test_a_doubt_counts_from_when_the_stop_may_have_killed(void **state)
{
    (void)state;
    struct unsettled *list = one_in_doubt();
    int64_t kill_ms = NOW_MS - 60000 + KILL_MS;
    assert_false(is_in_doubt(&list, kill_ms));
    assert_true(is_in_doubt(&list, kill_ms + 1));
    assert_false(unsettled_kill_doubt(&(struct unsettled_kill_doubts){0}, 101));
    /* one that runs may take any time to stop */
    struct pve_status status = {.vmid = 101, .running = true, .uptime_s = 5000};
    assert_false(unsettled_see(&list, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&list, kill_ms));
    status.running = false;
    assert_false(unsettled_see(&list, PVE_QEMU, &status, NOW_MS));
    assert_false(is_in_doubt(&list, kill_ms));
    unsettled_put(&list, 101, &(struct unsettled){.until_ms = NOW_MS + 1000}); /* open calls alone */
    assert_false(is_in_doubt(&list, NOW_MS));
    unsettled_free(&list);
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
        struct unsettled *list = one_in_doubt();
        struct pve_status status = cases[i].status;
        status.vmid = 101;
        /* it was asked for before the stop was sent */
        assert_false(unsettled_see(&list, cases[i].type, &status, NOW_MS - 60000));
        assert_int_equal(unsettled_find(&list, 101)->reading, UNSETTLED_NOT_READ);
        assert_int_equal(unsettled_see(&list, cases[i].type, &status, NOW_MS), cases[i].ends);
        assert_int_not_equal(unsettled_find(&list, 101)->reading, UNSETTLED_NOT_READ);
        assert_int_equal(is_in_doubt(&list, NOW_MS), !cases[i].ends);
        assert_int_equal(unsettled_killing_since(unsettled_find(&list, 101)) == 0, cases[i].ends);
        status.vmid = 102;
        assert_false(unsettled_see(&list, cases[i].type, &status, NOW_MS));
        unsettled_free(&list);
    }
}

/* A fence asks its manager anew, and counts from there; off it is in doubt again. */
static void test_a_started_service_is_in_no_doubt_as_long_as_it_runs(void **state)
{
    (void)state;
    struct unsettled *list = one_in_doubt();
    struct pve_status status = {
        .vmid = 101, .running = true, .uptime_s = 5000, .ha_managed = true, .ha_state = "started"};
    assert_false(unsettled_see(&list, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&list, NOW_MS)); /* that stop was not HA's */
    list->calls.list[0].ha = true;
    assert_false(unsettled_see(&list, PVE_QEMU, &status, NOW_MS));
    assert_false(is_in_doubt(&list, NOW_MS));
    snprintf(status.ha_state, sizeof(status.ha_state), "request_stop");
    assert_false(unsettled_see(&list, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&list, NOW_MS));
    snprintf(status.ha_state, sizeof(status.ha_state), "started");
    status.running = false;
    assert_false(unsettled_see(&list, PVE_QEMU, &status, NOW_MS));
    assert_true(is_in_doubt(&list, NOW_MS));
    unsettled_free(&list);
}

/* reboot, on, off: the start's task, which the on did not follow, is the off's to follow. */
static void test_a_start_is_handed_on_as_a_task_by_who_did_not_follow_it(void **state)
{
    (void)state;
    struct step step = rebooted(CALL_OK), on = next_of(&step, NOW_MS + 100);
    on.phase = STEP_ENDED;
    struct step off = next_of(&on, NOW_MS + 200);
    assert_string_equal(calls_with_task(&off.calls, STEP_SEND_START, "pve1")->upid, START_UPID);
}

/* Three offs whose stops' tasks nobody saw the end of, and a restart: each is a task to who comes after them.
 */
static void test_tasks_of_several_operations_are_kept_over_a_restart(void **state)
{
    (void)state;
    const int64_t offset_ms = INT64_C(1000) * SINCE_S;
    struct step step = {.params = {.action = FENCE_OFF, .vmid = 101}, .phase = STEP_ENDED};
    struct unsettled unsettled, read;
    for (int i = 1; i <= 3; i++) {
        char upid[PVE_UPID_MAX];
        snprintf(upid, sizeof(upid), "UPID:pve1:0000000%d:00F00001:00000001:qmstop:101:fence@pve!t:", i);
        add(&step, STEP_SEND_STOP, CALL_TASK, upid, NOW_MS - 200);
        assert_true(unsettled_derive(&unsettled, &step, NOW_MS));
        struct json_object *document = json_object_new_object();
        json_object_object_add(document, "vmid", json_object_new_int(101));
        assert_true(unsettled_write(&unsettled, offset_ms, document));
        assert_true(unsettled_read(&read, document, offset_ms, NOW_MS + 300));
        assert_true(unsettled_equal(&unsettled, &read));
        json_object_put(document);
        unsettled_inherit(&read, &step, NOW_MS + 300);
        assert_int_equal(step.calls.count, i);
        assert_int_equal(stops_open(&step), 0);
    }
    assert_int_equal(unsettled.until_ms, NOW_MS - 200 + CALLS_OPEN_MS);
    unsettled_inherit(&read, &step, NOW_MS + 2000 + CALLS_OPEN_MS);
    calls_forget_effects(&step.calls, CALLS_INHERITED, INT64_MAX);
    calls_hand_on(&step.calls, true, NOW_MS + 2000 + CALLS_OPEN_MS);
    assert_int_equal(step.calls.count, 0); /* none of them can come any more */
}

/* As it stands, written, and read by a daemon whose clocks say `now_ms` and `ahead_ms` less than the one's
 * that wrote it. */
static bool reread(struct unsettled *read, const struct unsettled *unsettled, int64_t now_ms,
                   int64_t ahead_ms)
{
    const int64_t offset_ms = INT64_C(1000) * SINCE_S;
    struct json_object *document = json_object_new_object();
    json_object_object_add(document, "vmid", json_object_new_int(101));
    assert_true(unsettled_write(unsettled, offset_ms, document));
    bool left = unsettled_read(read, document, offset_ms + NOW_MS - now_ms - ahead_ms, now_ms);
    json_object_put(document);
    return left;
}

static void test_a_clock_that_was_set_back_makes_no_open_call_last_longer(void **state) /* rule 6, P7 */
{
    static const enum call_state states[] = {CALL_OPEN, CALL_TASK, CALL_SENDING, CALL_ENDED};
    const int64_t hour_ms = 3600 * 1000;
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct step step = rebooted(CALL_OK), next = {.phase = STEP_POWERING_ON};
        struct unsettled unsettled, read;
        step.seen.devices = false;
        step.calls.count = 0;
        add(&step, STEP_SEND_STOP, states[i], STOP_UPID, NOW_MS - 2000)->settled_ms = NOW_MS - 1000;
        assert_true(unsettled_derive(&unsettled, &step, NOW_MS));
        unsettled.calls.list[0].state = states[i]; /* as it is written while the operation runs */
        assert_true(reread(&read, &unsettled, NOW_MS, hour_ms));
        assert_true(read.until_ms <= NOW_MS + CALLS_OPEN_MS + 2000); /* so long it is counted beside others */
        unsettled_inherit(&read, &next, NOW_MS);
        assert_true(calls_until(&next.calls, STEP_SEND_STOP, CALLS_COMING, "pve1") <= NOW_MS + CALLS_OPEN_MS);
        calls_forget_effects(&next.calls, CALLS_INHERITED, NOW_MS + CALLS_OPEN_MS);
        assert_int_equal(calls_effect_ms(&next.calls, CALLS_INHERITED), 0);
    }
}

/* This machine has booted since; and the guest, in between. */
static void test_a_doubt_from_before_the_boot_ends_as_any_other(void **state) /* point 7 */
{
    const int64_t now_ms = 30000, ago_ms = 600 * 1000; /* it was read so long after it was written */
    const struct unsettled doubt = {.vmid = 101, .calls = DOUBT(NOW_MS - 60000, NOW_MS - 10000)};
    struct pve_status status = {.vmid = 101, .running = true};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct unsettled *list = NULL, read;
        assert_true(reread(&read, &doubt, now_ms, -ago_ms));
        unsettled_put(&list, 101, &read);
        status.uptime_s =
            (ago_ms + 10000) / 1000 - (i == 0 ? 0 : 2); /* started before, after it can have begun */
        assert_int_equal(unsettled_see(&list, PVE_QEMU, &status, now_ms), i == 1);
        unsettled_free(&list);
    }
}

/* HA took the guest over, and its manager may have stopped it since: wherever, and for longer. */
static void test_what_ha_may_have_done_since_outlives_a_restart(void **state) /* point 7 */
{
    struct step step = rebooted(CALL_OK);
    struct unsettled unsettled, read;
    (void)state;
    step.seen.devices = false;
    step.calls.count = 0;
    step.ha.changed = true;
    add(&step, STEP_SEND_STOP, CALL_TASK, STOP_UPID, NOW_MS - 200)->settled_ms = NOW_MS - 100;
    assert_true(unsettled_derive(&unsettled, &step, NOW_MS));
    assert_true(reread(&read, &unsettled, NOW_MS + 300, -300));
    assert_true(unsettled_equal(&unsettled, &read));
    assert_true(read.calls.list[0].ha);
    assert_false(calls_are_of_ha(&read.calls));
}

/* There was no room for each. */
static void test_starts_that_became_one_are_waited_for_after_a_restart_too(void **state) /* point 4 */
{
    struct step step = rebooted(CALL_OK), off = {.phase = STEP_POWERING_OFF};
    struct unsettled unsettled, read;
    (void)state;
    step.calls.count = 0;
    for (int i = 0; i < CALLS_MAX + 3; i++) {
        char upid[PVE_UPID_MAX];
        snprintf(upid, sizeof(upid), "UPID:pve1:%08X:00F00001:00000001:qmstart:101:fence@pve!t:", i + 1);
        add(&step, STEP_SEND_START, CALL_TASK, upid, NOW_MS - 200)->inherited = true;
    }
    assert_int_equal(step.calls.count, CALLS_MAX);
    assert_true(unsettled_derive(&unsettled, &step, NOW_MS));
    assert_true(reread(&read, &unsettled, NOW_MS + 300, -300));
    assert_true(unsettled_equal(&unsettled, &read));
    unsettled_inherit(&read, &off, NOW_MS + 300);
    assert_int_equal(calls_count(&off.calls, STEP_SEND_START, CALL_IS(CALL_TASK), "pve1"), CALLS_MAX + 3);
}

/* It was lost on pve1, the guest was on pve2 then, and pve2's list shows that all that was sent there has
 * ended. */
static void test_a_stop_lost_on_another_host_is_not_settled_by_this_one(void **state) /* rule 6 */
{
    (void)state;
    struct step step = rebooted(CALL_OPEN);
    add(&step, STEP_SEND_STOP, CALL_OPEN, "", NOW_MS - 80)->settled_ms = NOW_MS - 70;
    snprintf(step.calls.list[2].node, PVE_NODE_MAX, "pve2");
    calls_end_open(&step.calls, STEP_SEND_STOP, "pve2", NOW_MS - 10);
    struct step next = next_of(&step, NOW_MS + 30000);
    assert_int_equal(stops_open(&next), 1);
    assert_int_equal(calls_count(&next.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), "pve2"), 0);
    assert_int_equal(calls_count(&next.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL), 1);
}

/* Abandoned, say, between two others, within the second. */
static void test_one_that_sends_no_stop_hands_on_those_that_it_inherited(void **state)
{
    (void)state;
    struct step step = rebooted(CALL_OK), idle = next_of(&step, NOW_MS + 100);
    struct unsettled unsettled;
    idle.phase = STEP_ENDED;
    idle.calls.list[1].state = CALL_ENDED; /* the start */
    assert_true(unsettled_derive(&unsettled, &idle, NOW_MS + 500));
    assert_int_equal(calls_listed(&unsettled.calls, STEP_SEND_STOP, "pve1"), 1);
    assert_false(unsettled_derive(&unsettled, &idle, NOW_MS + 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_sends_no_stop_hands_on_those_that_it_inherited),
        cmocka_unit_test(
            test_a_stop_that_ended_is_counted_only_while_seconds_cannot_tell_it_from_the_next_one),
        cmocka_unit_test(test_a_start_is_left_although_the_stops_are_not_counted_any_more),
        cmocka_unit_test(test_stops_are_counted_as_long_as_one_of_them_may_come),
        cmocka_unit_test(test_what_a_former_version_has_left_is_taken_up),
        cmocka_unit_test(test_a_stop_that_has_just_ended_is_counted_after_a_restart_too),
        cmocka_unit_test(test_a_lost_stop_is_counted_from_when_the_list_showed_its_end),
        cmocka_unit_test(test_a_doubt_counts_from_when_the_stop_may_have_killed),
        cmocka_unit_test(test_a_doubt_ends_for_a_reading_as_it_does_for_a_fence),
        cmocka_unit_test(test_a_started_service_is_in_no_doubt_as_long_as_it_runs),
        cmocka_unit_test(test_tasks_of_several_operations_are_kept_over_a_restart),
        cmocka_unit_test(test_a_start_is_handed_on_as_a_task_by_who_did_not_follow_it),
        cmocka_unit_test(test_a_stop_lost_on_another_host_is_not_settled_by_this_one),
        cmocka_unit_test(test_a_clock_that_was_set_back_makes_no_open_call_last_longer),
        cmocka_unit_test(test_a_doubt_from_before_the_boot_ends_as_any_other),
        cmocka_unit_test(test_what_ha_may_have_done_since_outlives_a_restart),
        cmocka_unit_test(test_starts_that_became_one_are_waited_for_after_a_restart_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
