/* The line of `systemctl status`: word for word, when all is well and when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/status_line.h"
#include "inventory_fixture.h"
#include "system/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define NOW_MS      INT64_C(100000)
#define REALTIME_MS INT64_C(1800000000000)
#define DAY_MS      INT64_C(86400000)

static const struct guest three[] = {
    FIXTURE_GUEST(101, "n1", "pve1"),
    FIXTURE_GUEST(102, "n2", "pve2"),
    FIXTURE_GUEST(103, "n3", "pve3"),
};

/* What the line is made of; each test changes what it is about. */
struct world {
    struct inventory *inventory;
    struct endpoints *endpoints;
    struct facts facts;
};

/* The rooms whose words the line repeats. */
static struct operation fence;
static bool fenced;
static void *any_room = &fenced; /* never looked into */
static struct error excess, missing;

const struct operation *history_get(const struct history *history, size_t index)
{
    (void)history;
    return fenced && index == 0 ? &fence : NULL;
}

const struct error *grants_excess(const struct grants *grants)
{
    (void)grants;
    return &excess;
}

const struct error *grants_missing(const struct grants *grants)
{
    (void)grants;
    return &missing;
}

static void world_begin(struct world *world, const struct guest *guests, size_t count)
{
    struct config_endpoint configured[] = {
        {.text = (char *)"pve1.example.com",
         .address = (char *)"pve1.example.com",
         .name = (char *)"pve1.example.com",
         .port = 8006},
        {.text = (char *)"192.0.2.12 as pve2",
         .address = (char *)"192.0.2.12",
         .name = (char *)"pve2",
         .port = 8006},
    };
    *world = (struct world){0};
    world->inventory = fixture_inventory(guests, count, 3, 0);
    world->endpoints = endpoints_new(configured, 2);
    assert_non_null(world->inventory);
    assert_non_null(world->endpoints);
    endpoints_answered(world->endpoints, 0, NULL, NOW_MS - 2000);
    endpoints_answered(world->endpoints, 1, NULL, NOW_MS - 1000);
    world->facts.readiness = (struct readiness_facts){
        .session_ready = true,
        .endpoints_up = 2,
        .endpoints_total = 2,
        .inventory = world->inventory,
        .inventory_age_ms = 2000,
        .poll_interval_ms = 10000,
        .grants = GRANTS_ACCEPTED,
    };
    fence = (struct operation){
        .action = FENCE_OFF,
        .plug = (char *)"102",
        .guest = (char *)"n2",
        .requested_realtime_ms = REALTIME_MS - 14 * DAY_MS - 5000,
        .requested_ms = 1,
        .verified_ms = 2,
        .outcome = OPERATION_DONE,
    };
    fenced = true;
    excess = missing = (struct error){0};
    world->facts.endpoints = world->endpoints;
    world->facts.history = any_room;
    world->facts.grants = any_room;
    world->facts.now_ms = NOW_MS;
    world->facts.realtime_ms = REALTIME_MS;
}

static void world_end(struct world *world)
{
    endpoints_free(world->endpoints);
    inventory_unref(world->inventory);
}

static void assert_says(const struct world *world, const char *expected)
{
    struct text line = {0};
    status_line(&line, &world->facts);
    assert_false(line.failed);
    assert_string_equal(line.data, expected);
    text_clear(&line);
}

static void test_all_is_well(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, three, 3);
    assert_says(&world, "3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago");
    world_end(&world);
}

static void test_knowledge_of_this_second_is_just_now_and_no_fence_is_no_fence_yet(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, three, 3);
    fenced = false;
    endpoints_answered(world.endpoints, 0, NULL, NOW_MS - 3);
    endpoints_answered(world.endpoints, 1, NULL, NOW_MS);
    assert_says(&world, "3/3 targets ready; pve1, pve2 ok (just now); no fence yet");
    world_end(&world);
}

static void test_guests_that_are_being_checked_are_not_ready_yet_and_nothing_is_wrong_with_them(void **state)
{
    (void)state;
    struct world world;
    const struct evidence_answer answer = {.node = "pve1", .at_ms = 1000};
    const struct evidence_config config = {.has_nic = true};
    struct error trouble = {0};
    world_begin(&world, three, 3);
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    assert_non_null(evidence);
    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++)
        evidence_expect(evidence, kind, 60000);
    world.facts.readiness.evidence = evidence;
    world.facts.readiness.boottime_ms = 2000;
    assert_says(
        &world,
        "0/3 targets ready; checking, 1 s to go; pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago");
    assert_true(evidence_status(evidence, 101, &answer) && evidence_config(evidence, 101, &answer, &config) &&
                evidence_rehearsed(evidence, 101, &answer));
    assert_says(
        &world,
        "1/3 targets ready; checking, 1 s to go; pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago");
    /* what speaks against a fence is told, checked or not */
    error_set(&trouble, ERROR_PROTOCOL, "silence");
    const struct evidence_answer bad = {.node = "pve2", .at_ms = 1000, .error = &trouble};
    assert_true(evidence_status(evidence, 102, &bad));
    assert_says(&world, "1/3 targets ready; checking, 1 s to go; n2 blocked (host-silent); "
                        "pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago");
    world_end(&world);
}

static void test_a_fence_that_was_not_proven_says_what_became_of_it(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, three, 3);
    fence.requested_realtime_ms = REALTIME_MS - 4000;
    fence.verified_ms = 0;
    fence.outcome = OPERATION_RUNNING;
    assert_says(&world, "3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 off under way");
    fence.outcome = OPERATION_FAILED;
    fence.error.code = ERROR_LOCKED;
    assert_says(&world,
                "3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 off failed (locked) 4 s ago");
    fence.outcome = OPERATION_INTERRUPTED;
    fence.error.code = ERROR_NONE;
    fence.action = FENCE_REBOOT;
    assert_says(&world,
                "3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 reboot interrupted 4 s ago");
    /* the power-on of a reboot goes on; the fence is proven */
    fence.outcome = OPERATION_RUNNING;
    fence.verified_ms = 2;
    assert_says(&world, "3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 reboot 4 s ago");
    fence.guest = NULL;
    assert_says(&world, "3/3 targets ready; pve1, pve2 ok (2 s ago); last fence 102 reboot 4 s ago");
    world_end(&world);
}

static void test_guests_that_are_not_ready_are_named_with_their_reasons(void **state)
{
    (void)state;
    const struct guest some[] = {
        FIXTURE_GUEST(101, "n1", "pve1", .hastate = (char *)"started"),
        FIXTURE_GUEST(102, "n2", "pve2"),
        FIXTURE_GUEST(103, "n3", "pve3", .lock = (char *)"backup"),
    };
    struct world world;
    world_begin(&world, some, 3);
    assert_says(
        &world,
        "2/3 targets ready; n3 blocked (locked); n1 degraded (ha-managed); pve1, pve2 ok (2 s ago); last "
        "fence n2 off 14 d ago");
    world_end(&world);
}

static void test_of_many_guests_three_are_named(void **state)
{
    (void)state;
    struct guest many[6];
    static const char *const names[] = {"n1", "n2", "n3", "n4", "n5", "n6"};
    for (int i = 0; i < 6; i++)
        many[i] = (struct guest)FIXTURE_GUEST(101 + i, names[i], "pve1", .lock = (char *)"backup");
    struct world world;
    world_begin(&world, many, 6);
    assert_says(&world, "0/6 targets ready; n1 blocked (locked), n2 blocked (locked), n3 blocked (locked), 3 "
                        "more blocked; pve1, "
                        "pve2 ok (2 s ago); last fence n2 off 14 d ago");
    world_end(&world);
}

static void test_what_concerns_all_guests_is_said_once(void **state)
{
    (void)state;
    struct world world;
    const struct error refused = {.code = ERROR_NO_ENDPOINT, .message = "connection refused"};
    world_begin(&world, three, 3);
    endpoints_failed(world.endpoints, 1, &refused, NOW_MS - 65000);
    world.facts.readiness.endpoints_up = 1;
    assert_says(
        &world,
        "3/3 targets ready; all degraded (one-endpoint); pve1 ok (2 s ago); pve2 down (for 65 s); last "
        "fence n2 off 14 d ago");
    endpoints_failed(world.endpoints, 0, &refused, NOW_MS - 65000);
    world.facts.readiness.endpoints_up = 0;
    world.facts.poll_error = &refused;
    assert_says(
        &world,
        "0/3 targets ready; connection refused; all blocked (no-endpoint); pve1, pve2 down (for 65 s); last "
        "fence n2 off 14 d ago");
    world_end(&world);
}

static void test_before_anything_is_known_it_is_not_ready(void **state)
{
    (void)state;
    struct world world;
    struct config_endpoint configured = {
        .text = (char *)"pve9", .address = (char *)"pve9", .name = (char *)"pve9", .port = 8006};
    const struct error refused = {.code = ERROR_NO_ENDPOINT, .message = "no endpoint answers"};
    world_begin(&world, three, 3);
    assert_int_equal(endpoints_reconfigure(world.endpoints, &configured, 1), 0);
    world.facts.readiness.inventory = NULL;
    world.facts.readiness.session_ready = false;
    fenced = false;
    assert_says(&world,
                "not ready: the guests of the pool are not known yet; pve9 not asked yet; no fence yet");
    world.facts.poll_error = &refused;
    assert_says(&world, "not ready: no endpoint answers; pve9 not asked yet; no fence yet");
    world_end(&world);
}

static void test_privileges_are_told_with_what_mends_them(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, three, 3);
    error_set(&excess, ERROR_EXCESS_PRIVILEGES, "more than fencing needs on /");
    error_hint(&excess, "pveum acl delete /");
    world.facts.readiness.grants = GRANTS_TOLERATED;
    assert_says(&world, "3/3 targets ready; excess-privileges: more than fencing needs on /; pve1, pve2 ok "
                        "(2 s ago); last fence n2 off 14 d ago");
    world.facts.readiness.grants = GRANTS_REFUSED;
    assert_says(&world, "not ready: excess-privileges: more than fencing needs on /; pveum acl delete /; "
                        "pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago");
    world.facts.readiness.grants = GRANTS_ACCEPTED;
    excess = (struct error){0};
    error_set(&missing, ERROR_NO_POWER_RIGHT, "VM.Audit is missing on /pool/p");
    assert_says(&world, "3/3 targets ready; no-power-right: VM.Audit is missing on /pool/p; pve1, pve2 ok (2 "
                        "s ago); last fence n2 off "
                        "14 d ago");
    world_end(&world);
}

static void test_of_many_endpoints_four_are_named_and_addresses_are_whole(void **state)
{
    (void)state;
    struct config_endpoint configured[6];
    static const char *const names[] = {"192.0.2.1", "2001:db8::2", "c.example", "d", "e", "f"};
    struct world world;
    world_begin(&world, three, 3);
    for (size_t i = 0; i < 6; i++)
        configured[i] = (struct config_endpoint){
            .text = (char *)names[i], .address = (char *)names[i], .name = (char *)names[i], .port = 8006};
    assert_int_equal(endpoints_reconfigure(world.endpoints, configured, 6), 0);
    for (size_t i = 0; i < 6; i++)
        endpoints_answered(world.endpoints, i, NULL, NOW_MS - (int64_t)i * 1000);
    assert_says(&world, "3/3 targets ready; 192.0.2.1, 2001:db8::2, c, d and 2 more ok (5 s ago); last fence "
                        "n2 off 14 d ago");
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_knowledge_of_this_second_is_just_now_and_no_fence_is_no_fence_yet),
        cmocka_unit_test(test_guests_that_are_being_checked_are_not_ready_yet_and_nothing_is_wrong_with_them),
        cmocka_unit_test(test_a_fence_that_was_not_proven_says_what_became_of_it),
        cmocka_unit_test(test_guests_that_are_not_ready_are_named_with_their_reasons),
        cmocka_unit_test(test_of_many_guests_three_are_named),
        cmocka_unit_test(test_what_concerns_all_guests_is_said_once),
        cmocka_unit_test(test_before_anything_is_known_it_is_not_ready),
        cmocka_unit_test(test_privileges_are_told_with_what_mends_them),
        cmocka_unit_test(test_of_many_endpoints_four_are_named_and_addresses_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
