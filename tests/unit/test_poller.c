/*
 * The poller against two scripted hosts: whose guests the inventory holds, what one bad answer does to a
 * round, and what a reload does to a round under way.
 */
#include "poller_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>

/* ---- what a round learns ---- */

static void test_a_round_learns_guests_hosts_privileges_and_version(void **state)
{
    (void)state;
    struct world *world = begin();
    assert_false(poller_had_round(world->poller));
    assert_null(poller_inventory(world->poller));
    await_rounds(world, 1);
    struct inventory *inventory = poller_inventory(world->poller);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_int_equal(inventory_count(inventory), 2);
    const struct guest *web = guest(world, 101), *db = guest(world, 102);
    assert_string_equal(web->name, "web");
    assert_string_equal(web->lock, "backup"); /* only the resource list has it */
    assert_string_equal(web->pool, "p");
    assert_string_equal(db->hastate, "started");
    assert_true(web->may_power && web->may_audit);
    assert_string_equal(web->aliases[0], "node1");
    assert_true(inventory_node_online(inventory, "pve1"));
    assert_false(inventory_node_online(inventory, "pve2"));
    assert_int_equal(poller_release(world->poller), 902);
    assert_string_equal(poller_version(world->poller), "9.2.11");
    await_all_up(world);
    assert_int_equal(endpoints_up(world->endpoints), 2);
    end(world);
}

static void test_a_pool_that_may_not_be_read_is_replaced_by_what_may_be_powered(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, status[POOL] = 403);
    await_rounds(world, 1);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 2);
    assert_non_null(guest(world, 101));
    assert_null(guest(world, 101)->pool);
    assert_null(guest(world, 900)); /* seen, but not ours */
    end(world);
}

static void test_privileges_stand_for_a_pool_only_if_they_can_come_from_nowhere_else(void **state)
{
    (void)state;
    static const char *const permissions[] = {
        "{" MAY(101) "," MAY(102) "}",                     /* a typo */
        "{" MAY(101) ",\"/pool/q\":{\"VM.PowerMgmt\":1}}", /* another pool's */
        "{" MAY(101) ",\"/pool/p\":{\"VM.PowerMgmt\":1},\"/pool/q\":{\"VM.PowerMgmt\":1}}", /* or another's */
        "{" MAY(101) ",\"/pool/p\":{\"VM.Audit\":1}}",
    };
    for (size_t i = 0; i < sizeof(permissions) / sizeof(permissions[0]); i++) {
        struct world *world = begin();
        SET(world, status[POOL] = 403);
        SET(world, data[PERMISSIONS] = permissions[i]);
        await_rounds(world, 1);
        assert_int_equal(poller_error(world->poller)->code, ERROR_EMPTY_POOL);
        assert_null(poller_inventory(world->poller));
        end(world);
    }
}

static void test_a_guest_with_a_grant_of_its_own_does_not_count_as_the_pools(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, status[POOL] = 403);
    SET(world, data[PERMISSIONS] = "{" MAY(101) ",\"/vms/102\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1},"
                                                "\"/pool/p\":{\"VM.PowerMgmt\":1}}");
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    assert_non_null(guest(world, 101));
    end(world);
}

static void test_a_nested_pool_is_asked_by_query(void **state)
{
    (void)state;
    struct world *world = begin();
    world->pools[0] = (char *)(uintptr_t) "p/sub";
    assert_true(poller_set_config(world->poller, &world->config));
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    assert_string_equal(guest(world, 101)->pool, "p/sub");
    assert_int_equal(total(world, POOL), 0);
    end(world);
}

static void test_several_pools_are_one_inventory(void **state)
{
    (void)state;
    struct world *world = begin();
    world->config.pool_count = 2;
    poller_set_config(world->poller, &world->config);
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 3);
    assert_string_equal(guest(world, 900)->pool, "q");
    assert_false(guest(world, 900)->may_power);
    end(world);
}

static void test_a_guest_that_left_the_pool_leaves_the_inventory(void **state)
{
    (void)state;
    struct world *world = begin();
    await_rounds(world, 1);
    SET(world, data[POOL] = "{\"members\":[" GUEST(102, "pve2", "") "]}");
    poll_once(world);
    assert_null(guest(world, 101));
    assert_non_null(guest(world, 102));
    SET(world, data[POOL] = "{\"members\":[]}");
    poll_once(world);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 0);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    end(world);
}

static void test_a_member_whose_resource_entry_is_broken_or_missing_stays(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[GUESTS] = "[{\"type\":\"qemu\",\"vmid\":101,\"node\":7}]");
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 2);
    assert_string_equal(guest(world, 101)->node, "pve1");
    end(world);
}

static void test_entries_that_are_no_guests_are_passed_over(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[POOL] =
                   "{\"members\":[7,null,{},{\"type\":\"storage\",\"vmid\":101,\"node\":\"pve1\"},"
                   "{\"type\":\"qemu\",\"vmid\":\"12x\",\"node\":\"pve1\"}," GUEST(102, "pve2", "") "]}");
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    end(world);
}

/* ---- what goes wrong ---- */

static void test_one_endpoint_down_does_not_fail_a_round(void **state)
{
    (void)state;
    struct world *world = begin();
    fake_set_greeting(world->hosts[0], FAKE_SLAM);
    await_rounds(world, 1);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_int_equal(endpoints_up(world->endpoints), 1);
    fake_set_greeting(world->hosts[0], FAKE_TLS);
    await_all_up(world);
    assert_int_equal(endpoints_up(world->endpoints), 2);
    end(world);
}

static void test_one_bad_answer_keeps_the_old_inventory_and_says_why(void **state)
{
    (void)state;
    static const struct {
        enum topic topic;
        int status;
        const char *data, *words;
    } cases[] = {
        {GUESTS, 0, "{}", "answered guests with what is no list of guests"},
        {GUESTS, 0, "null", "answered guests with what is no list of guests"},
        {GUESTS, 0, "[{\"type\":\"node\",\"node\":\"pve1\"}]", "a list without a guest"},
        {GUESTS, 500, NULL, "answered guests with 500"},
        {NODES, 0, "\"x\"", "answered nodes with what is no list of hosts"},
        {NODES, 0, "[" GUEST(101, "pve1", "") "]", "a list without a host"},
        {NODES, 596, NULL, "answered nodes with 596"},
        {POOL, 0, "[]", "pool p without its members"},
        {POOL, 0, "{\"members\":{}}", "pool p without its members"},
        {POOL, 500, NULL, "answered pool with 500"},
        {GUESTS, 401, NULL, "401"},
    };
    struct world *world = begin();
    await_rounds(world, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum topic topic = cases[i].topic;
        struct inventory *before = poller_inventory(world->poller);
        SET(world, data[topic] = cases[i].data);
        SET(world, status[topic] = cases[i].status);
        poller_reread_privileges(world->poller);
        poll_once(world);
        assert_ptr_equal(poller_inventory(world->poller), before);
        if (!strstr(poller_error(world->poller)->message, cases[i].words))
            fail_msg("\"%s\" is not in: %s", cases[i].words, poller_error(world->poller)->message);
        SET(world, data[topic] = usual[topic]);
        SET(world, status[topic] = 0);
        poll_once(world);
        assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
        assert_ptr_not_equal(poller_inventory(world->poller), before);
    }
    end(world);
}

static void test_a_failure_that_lasts_is_logged_once(void **state)
{
    (void)state;
    struct world *world = begin();
    char text[8192] = "";
    int log = memfd_create("log", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
    await_rounds(world, 1);
    fflush(stderr);
    dup2(log, STDERR_FILENO);
    log_set_level(LOG_INFO);
    for (int i = 0; i < 2; i++) {
        fake_set_greeting(world->hosts[i], FAKE_SLAM);
        fake_drop_connections(world->hosts[i]);
    }
    for (int i = 0; i < 5; i++)
        poll_once(world);
    for (int i = 0; i < 2; i++)
        fake_set_greeting(world->hosts[i], FAKE_TLS);
    poll_once(world);
    poll_once(world);
    log_set_level(LOG_CRIT);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
    close(log);
    /* the round once and its end once, and so of each endpoint */
    static const struct {
        const char *words;
        unsigned least, most;
    } expected[] = {{"FENCE_EVENT=polling-failed", 1, 1},
                    {"FENCE_EVENT=polling-resumed", 1, 1},
                    {"FENCE_EVENT=endpoint-lost", 2, 2},
                    {"FENCE_EVENT=endpoint-back", 1, 2}, /* the other one is asked when its turn comes */
                    {"\n", 5, 6}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        unsigned count = 0;
        for (const char *at = text; (at = strstr(at, expected[i].words)); at++)
            count++;
        if (count < expected[i].least || count > expected[i].most)
            fail_msg("%s: %u times in: %s", expected[i].words, count, text);
    }
    end(world);
}

static void test_without_anybody_to_ask_a_round_still_ends(void **state)
{
    (void)state;
    struct world *world = begin();
    for (int i = 0; i < 2; i++)
        fake_set_greeting(world->hosts[i], FAKE_SLAM);
    await_rounds(world, 1);
    assert_true(poller_had_round(world->poller));
    assert_null(poller_inventory(world->poller));
    assert_int_equal(poller_error(world->poller)->code, ERROR_NO_ENDPOINT);
    end(world);
}

/* ---- changes meanwhile ---- */

static void test_a_reload_during_a_round_begins_a_new_one(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, held[POOL] = true);
    turn_until(world, POOL, 1);
    world->pools[0] = (char *)(uintptr_t) "q";
    assert_true(poller_set_config(world->poller, &world->config));
    fake_release(world->hosts[0]);
    fake_release(world->hosts[1]);
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    assert_non_null(guest(world, 900));
    end(world);
}

static void test_a_poll_asked_for_during_a_round_follows_at_once(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, held[POOL] = true);
    turn_until(world, POOL, 1);
    for (int i = 0; i < 3; i++)
        poller_poll_now(world->poller);
    SET(world, held[POOL] = false);
    fake_release(world->hosts[0]);
    fake_release(world->hosts[1]);
    await_rounds(world, 2); /* the interval is a minute */
    assert_int_equal(total(world, POOL), 2);
    end(world);
}

static void test_rounds_follow_each_other_by_themselves(void **state)
{
    (void)state;
    struct world *world = begin();
    world->config.poll_interval_ms = 20;
    poller_set_config(world->poller, &world->config);
    await_rounds(world, 5);
    poll_once(world);
    await_rounds(world, 8);
    end(world);
}

static void test_an_inventory_that_is_held_outlives_the_poller(void **state)
{
    (void)state;
    struct world *world = begin();
    await_rounds(world, 1);
    struct inventory *held = inventory_ref(poller_inventory(world->poller));
    SET(world, held[POOL] = true);
    poller_poll_now(world->poller);
    turn_until(world, POOL, 2);
    end(world); /* in the middle of a round */
    assert_string_equal(inventory_by_vmid(held, 101)->name, "web");
    inventory_unref(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_round_learns_guests_hosts_privileges_and_version),
        cmocka_unit_test(test_a_pool_that_may_not_be_read_is_replaced_by_what_may_be_powered),
        cmocka_unit_test(test_privileges_stand_for_a_pool_only_if_they_can_come_from_nowhere_else),
        cmocka_unit_test(test_a_guest_with_a_grant_of_its_own_does_not_count_as_the_pools),
        cmocka_unit_test(test_a_nested_pool_is_asked_by_query),
        cmocka_unit_test(test_several_pools_are_one_inventory),
        cmocka_unit_test(test_a_guest_that_left_the_pool_leaves_the_inventory),
        cmocka_unit_test(test_a_member_whose_resource_entry_is_broken_or_missing_stays),
        cmocka_unit_test(test_entries_that_are_no_guests_are_passed_over),
        cmocka_unit_test(test_one_endpoint_down_does_not_fail_a_round),
        cmocka_unit_test(test_one_bad_answer_keeps_the_old_inventory_and_says_why),
        cmocka_unit_test(test_a_failure_that_lasts_is_logged_once),
        cmocka_unit_test(test_without_anybody_to_ask_a_round_still_ends),
        cmocka_unit_test(test_a_reload_during_a_round_begins_a_new_one),
        cmocka_unit_test(test_a_poll_asked_for_during_a_round_follows_at_once),
        cmocka_unit_test(test_rounds_follow_each_other_by_themselves),
        cmocka_unit_test(test_an_inventory_that_is_held_outlives_the_poller),
    };
    return cmocka_run_group_tests_name("poller", tests, set_up, tear_down);
}
