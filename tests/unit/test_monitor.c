/* What the monitor says of facts: when it passes, when a strict one does, and with which reason it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/monitor.h"
#include "system/cleanup.h"
#include "system/log.h"
#include "view_room.h"

static void test_the_monitor_survives_one_blocked_guest_unless_strict(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    assert_true(monitor_passes(&room->facts, false, NULL, &error));
    assert_false(monitor_passes(&room->facts, true, NULL, &error));
    assert_int_equal(error.code, ERROR_LOCKED);
    assert_non_null(strstr(error.message, "web2 (102)"));
    assert_true(error.hint[0] != '\0');
}

static struct inventory *twins_and_moved(void)
{
    const struct guest guests[] = {
        FIXTURE_GUEST(101, "twin", "pve1", .lock = NULL), FIXTURE_GUEST(102, "twin", "pve1", .lock = NULL),
        FIXTURE_GUEST(103, "web3", "pve1", .lock = NULL), FIXTURE_GUEST(104, "node4", "pve1", .lock = NULL),
        FIXTURE_GUEST(105, "web5", "pve1", .lock = NULL)};
    struct inventory_builder *builder = inventory_builder_new(NULL);

    for (size_t i = 0; i < ARRAY_LEN(guests); i++)
        assert_true(inventory_builder_guest(builder, &guests[i]));
    assert_true(inventory_builder_node(builder, "pve1", true));
    assert_true(inventory_builder_lead(builder, "node4", 105));
    return inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
}

static void test_a_strict_monitor_fails_for_names_that_lead_to_nobody_any_more(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    inventory_unref(room->inventory);
    room->facts.readiness.inventory = room->inventory = twins_and_moved();
    assert_true(monitor_passes(&room->facts, true, "web3", &error));
    assert_true(monitor_passes(&room->facts, true, "web3,elsewhere", &error));
    assert_false(monitor_passes(&room->facts, true, "web3,TWIN", &error));
    assert_int_equal(error.code, ERROR_AMBIGUOUS_NAME);
    assert_false(monitor_passes(&room->facts, true, "node4,web3", &error));
    assert_int_equal(error.code, ERROR_NAME_MOVED);
    assert_non_null(strstr(error.message, "node4 led to guest 105 before"));
    assert_non_null(strstr(error.hint, "`node4 = 105`"));
    assert_false(
        monitor_passes(&room->facts, true, "web3,web5", &error)); /* a rename, but the old node is it */
    assert_int_equal(error.code, ERROR_NAME_MOVED);
    assert_true(monitor_passes(&room->facts, false, "twin,node4", &error));
}

static void test_a_strict_monitor_counts_the_nodes_of_the_cluster(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    /* web2 (102) is locked; 101 is a node in any case, by its alias */
    assert_true(monitor_passes(&room->facts, true, "node1,elsewhere", &error));
    assert_false(monitor_passes(&room->facts, true, "node1,WEB2", &error));
    assert_non_null(strstr(error.message, "web2 (102)"));
    /* names that lead nowhere are no knowledge */
    assert_false(monitor_passes(&room->facts, true, "elsewhere", &error));
    assert_false(monitor_passes(&room->facts, true, "", &error));
    assert_true(monitor_passes(&room->facts, false, "WEB2", &error));
}

static void test_a_strict_monitor_names_no_guest_that_its_asker_may_not_read(void **state)
{
    const struct access_policy policy = {.enable_acl = true};
    const struct access_subject nobody = {.policy = &policy, .gate = ACCESS_MEMBER, .gate_words = ""};
    struct room *room = *state;
    struct error error = {0};

    room->facts.subject = &nobody;
    assert_false(monitor_passes(&room->facts, true, NULL, &error));
    assert_int_equal(error.code, ERROR_LOCKED);
    assert_non_null(strstr(error.message, "a guest that you may not see"));
    assert_null(strstr(error.message, "web2"));
    /* its names lead nowhere: else the answer would tell which there are */
    assert_false(monitor_passes(&room->facts, true, "node1", &error));
    assert_false(monitor_passes(&room->facts, true, "elsewhere", &error));
}

static void test_the_monitor_fails_with_the_worst_reason(void **state)
{
    struct room *room = *state;
    const struct facts good = room->facts;
    const struct guest powerless = {.vmid = 101, .node = (char *)"pve1", .may_audit = true};
    _cleanup_(inventory_unrefp) struct inventory *bare = fixture_inventory(&powerless, 1, 3, 0);
    _cleanup_(inventory_unrefp) struct inventory *empty = fixture_inventory(NULL, 0, 3, 0);
    _cleanup_(inventory_unrefp) struct inventory *cut = fixture_inventory(&powerless, 1, 1, 2);
    struct error error = {0}, poll;

    room->facts.readiness.session_ready = false;
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_NO_SESSION);
    room->facts.readiness.endpoints_up = 0; /* where nobody answers, nobody can accept credentials */
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_NO_ENDPOINT);

    room->facts = good;
    room->facts.readiness.endpoints_up = 0;
    error_set(&poll, ERROR_NO_ENDPOINT, "pve1: connection refused");
    room->facts.poll_error = &poll;
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_NO_ENDPOINT);
    assert_non_null(strstr(error.message, "pve1: connection refused"));

    room->facts = good;
    room->facts.readiness.inventory = NULL;
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_NO_INVENTORY);
    room->facts.readiness.inventory = empty;
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_EMPTY_POOL);
    room->facts.readiness.inventory = bare;
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_NO_POWER_RIGHT);
    room->facts.readiness.inventory = cut;
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_MINORITY);
}

static void test_the_monitor_trusts_knowledge_of_three_polls_at_most(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    room->facts.readiness.inventory_age_ms = 30000;
    assert_false(monitor_facts_old(&room->facts));
    assert_true(monitor_passes(&room->facts, false, NULL, &error));
    room->facts.readiness.inventory_age_ms = 30001;
    assert_true(monitor_facts_old(&room->facts));
    assert_false(monitor_passes(&room->facts, false, NULL, &error));
    assert_int_equal(error.code, ERROR_STALE);
    room->facts.readiness.inventory = NULL;
    assert_true(monitor_facts_old(&room->facts));
}

int main(void)
{
#define MONITOR_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(test_the_monitor_survives_one_blocked_guest_unless_strict),
        MONITOR_TEST(test_a_strict_monitor_fails_for_names_that_lead_to_nobody_any_more),
        MONITOR_TEST(test_a_strict_monitor_counts_the_nodes_of_the_cluster),
        MONITOR_TEST(test_a_strict_monitor_names_no_guest_that_its_asker_may_not_read),
        MONITOR_TEST(test_the_monitor_fails_with_the_worst_reason),
        MONITOR_TEST(test_the_monitor_trusts_knowledge_of_three_polls_at_most),
    };

    log_set_level(LOG_CRIT); /* of endpoints that are lost: test_endpoints */
    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
