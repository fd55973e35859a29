/*
 * The poller against two scripted hosts: whose guests the inventory holds, what one bad answer does to a
 * round, and what a reload does to a round under way.
 */
#include "poller_fixture.h"

#include "system/jitter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>

#define WALL_MS 500 /* event_pending() tells a time of the wall clock as libevent saw it a while ago */

/* ---- what a round learns ---- */

static void test_a_round_learns_guests_hosts_privileges_and_version(void **state)
{
    (void)state;
    struct world *world = begin();
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
        {GUESTS, 0, "{}", "answered resources with something that is not a list of guests"},
        {GUESTS, 0, "null", "answered resources with something that is not a list of guests"},
        {GUESTS, 500, NULL, "answered resources with 500"},
        {NODES, 0, "[]", "a list without a host"},
        {NODES, 0, "[" GUEST(101, "pve1", "") "]", "a list without a host"},
        {NODES, 596, NULL, "answered resources with 596"},
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

/* ---- what it costs ---- */

#define WITH_POOLS                                                                                           \
    "[" GUEST(101, "pve1", ",\"name\":\"web\",\"pool\":\"p\"") "," GUEST(                                    \
        102, "pve2", ",\"name\":\"db\",\"pool\":\"p\"") "," GUEST(900, "pve1", ",\"name\":\"foreign\"") "]"

/* Both endpoints are up, all is known, and nothing is wrong. */
static struct world *begin_at_rest(void)
{
    struct world *world = begin();
    world->config.poll_interval_ms = 14000;
    poller_set_config(world->poller, &world->config);
    SET(world, data[GUESTS] = WITH_POOLS);
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    await_all_up(world);
    next_round(world);
    return world;
}

static unsigned requests(struct world *world, int host)
{
    return fake_count(world->hosts[host], "GET");
}

static void test_at_rest_a_round_is_one_question_and_each_endpoint_has_its_turn(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    unsigned all = requests(world, 0) + requests(world, 1), guests = total(world, GUESTS),
             permissions = total(world, PERMISSIONS);
    for (unsigned i = 0; i < 10; i++) {
        unsigned first = requests(world, 0);
        next_round(world);
        next_round(world);
        assert_int_equal(requests(world, 0), first + 1);
    }
    assert_int_equal(requests(world, 0) + requests(world, 1), all + 20);
    assert_int_equal(total(world, GUESTS), guests + 10);
    assert_int_equal(total(world, PERMISSIONS), permissions + 10);
    assert_false(poller_hurries(world->poller));
    end(world);
}

static void test_everything_is_read_seldom_and_then_the_endpoints_change_their_questions(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    unsigned versions = total(world, VERSION), pools = total(world, POOL);
    unsigned lists[2] = {fake_count(world->hosts[0], targets[GUESTS]),
                         fake_count(world->hosts[1], targets[GUESTS])};
    for (int i = 0; i < 2 * POLLER_WHOLE_MS / 14000; i++)
        next_round(world);
    assert_int_equal(total(world, VERSION), versions);
    assert_in_range(total(world, POOL), pools + 1, pools + 2);
    for (int i = 0; i < 2; i++)
        assert_true(fake_count(world->hosts[i], targets[GUESTS]) > lists[i]);
    monotonic_ahead_ms += POLLER_VERSION_MS;
    next_round(world);
    next_round(world);
    assert_int_equal(total(world, VERSION), versions + 1); /* with one of these */
    end(world);
}

static void test_a_pool_is_asked_as_soon_as_the_list_shows_that_it_has_changed(void **state) /* P2 */
{
    static const char *const changed[] = {
        "[" GUEST(101, "pve1", ",\"pool\":\"p\"") "," GUEST(102, "pve2", "") "]",
        "[" GUEST(101, "pve1", ",\"pool\":\"p\"") "," GUEST(102, "pve2", ",\"pool\":\"q\"") "]",
        "[" GUEST(101, "pve1", ",\"pool\":\"p\"") "]",
        "[" GUEST(101, "pve1", ",\"pool\":\"p\"") "," GUEST(102, "pve2", ",\"pool\":\"p\"") "," GUEST(
            900, "pve1", ",\"pool\":\"p\"") "]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        struct world *world = begin_at_rest();
        unsigned before = total(world, POOL);
        SET(world, data[GUESTS] = changed[i]);
        SET(world, data[POOL] = "{\"members\":[" GUEST(101, "pve1", "") "]}");
        for (unsigned round = 0; round < 3 && total(world, POOL) == before; round++)
            next_round(world);
        assert_true(total(world, POOL) > before);
        assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
        end(world);
    }
}

static void test_the_list_alone_makes_nobody_a_member(void **state) /* P2 */
{
    (void)state;
    struct world *world = begin_at_rest();
    SET(world, data[GUESTS] = "[" GUEST(101, "pve1", ",\"pool\":\"p\"") "," GUEST(
                   102, "pve2", ",\"pool\":\"p\"") "," GUEST(900, "pve1", ",\"pool\":\"p\"") "]");
    for (int i = 0; i < 4; i++)
        next_round(world);
    assert_null(guest(world, 900));
    assert_non_null(guest(world, 102));
    end(world);
}

static void test_who_hurries_asks_for_both_in_each_round(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    unsigned guests = total(world, GUESTS), permissions = total(world, PERMISSIONS);
    poller_hurry(world->poller);
    for (int i = 0; i < 4; i++)
        next_round(world);
    assert_int_equal(total(world, GUESTS), guests + 4);
    assert_int_equal(total(world, PERMISSIONS), permissions + 4);
    monotonic_ahead_ms += PACE_HURRY_FOR_MS;
    assert_false(poller_hurries(world->poller));
    end(world);
}

static void test_privileges_that_take_long_to_read_are_read_more_seldom(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    unsigned before = total(world, PERMISSIONS), versions = total(world, VERSION);
    for (int i = 0; i < 40; i++) {
        world->poller->times.privileges_ms = 1000; /* with ten thousand guests, say */
        event_active(world->poller->timer, EV_TIMEOUT, 0);
        monotonic_ahead_ms += world->config.poll_interval_ms;
        await_rounds(world, world->rounds + 1);
    }
    assert_in_range(total(world, PERMISSIONS), before + 4, before + 7); /* in 560 s */
    assert_true(total(world, VERSION) > versions + 10); /* the endpoint is asked all the same */
    end(world);
}

static void test_who_looks_again_and_again_makes_it_hurry_and_who_looks_once_does_not(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    poller_looked_at(world->poller);
    assert_false(poller_hurries(world->poller));
    monotonic_ahead_ms += PACE_WATCH_GAP_MS;
    poller_looked_at(world->poller); /* a script, once a minute or so */
    assert_false(poller_hurries(world->poller));
    monotonic_ahead_ms += 2000;
    poller_looked_at(world->poller);
    assert_true(poller_hurries(world->poller));
    monotonic_ahead_ms += PACE_WATCH_FOR_MS;
    assert_false(poller_hurries(world->poller));
    end(world);
}

static void test_an_endpoint_that_is_lost_makes_it_hurry_and_one_that_stays_lost_does_not(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    fake_set_greeting(world->hosts[1], FAKE_SLAM);
    fake_drop_connections(world->hosts[1]);
    for (int i = 0; i < 2 && endpoints_up(world->endpoints) == 2; i++)
        next_round(world); /* its turn comes within two polls */
    assert_int_equal(endpoints_up(world->endpoints), 1);
    assert_true(poller_hurries(world->poller));
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE); /* the other one was asked */
    monotonic_ahead_ms += PACE_HURRY_FOR_MS;
    for (int i = 0; i < 4; i++)
        next_round(world);
    assert_false(poller_hurries(world->poller));
    end(world);
}

static void test_a_proxmox_that_fails_polls_is_asked_more_seldom_until_it_does_not(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    SET(world, status[GUESTS] = 500);
    for (int i = 0; i < 8; i++)
        next_round(world);
    assert_int_equal(poller_backoff(world->poller), PACE_BACKOFF_MAX);
    assert_int_equal(poller_checks_backoff(world->poller), PACE_CHECKS_BACKOFF_MAX);
    /* how old the last good list may be is another question: it gets old in time */
    assert_int_equal(poller_interval_ms(world->poller), world->config.poll_interval_ms);
    SET(world, status[GUESTS] = 0);
    next_round(world);
    assert_int_equal(poller_backoff(world->poller), PACE_BACKOFF_MAX / 2);
    assert_int_equal(poller_interval_ms(world->poller),
                     PACE_BACKOFF_MAX / 2 * world->config.poll_interval_ms);
    next_round(world);
    assert_int_equal(poller_backoff(world->poller), 1);
    end(world);
}

static void test_a_pool_that_is_not_there_is_no_reason_to_spare_proxmox(void **state)
{
    (void)state;
    struct world *world = begin_at_rest();
    SET(world, status[POOL] = 500);
    for (int i = 0; i < 4; i++)
        poll_once(world);
    assert_int_equal(poller_error(world->poller)->code, ERROR_PROTOCOL);
    assert_int_equal(poller_backoff(world->poller), 1);
    end(world);
}

static void test_first_rounds_are_spread_and_wait_for_nobody_who_asks(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    unsigned parts = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct timeval next, now;
        jitter_begin(&ids[i], 1);
        struct world *world = begin();
        assert_true(event_pending(world->poller->timer, EV_TIMEOUT, &next));
        gettimeofday(&now, NULL);
        int64_t left_ms = (next.tv_sec - now.tv_sec) * 1000 + (next.tv_usec - now.tv_usec) / 1000;
        assert_true(left_ms <= POLLER_FIRST_SPREAD_MS + WALL_MS);
        parts |= 1U << (jitter_ms(JITTER_FIRST, POLLER_FIRST_SPREAD_MS) * 4 / POLLER_FIRST_SPREAD_MS);
        poller_wanted(world->poller);
        event_base_loop(world->base, EVLOOP_ONCE);
        assert_true(world->poller->running);
        poller_wanted(world->poller); /* once */
        await_rounds(world, 1);
        assert_true(world->poller->whole);
        poller_wanted(world->poller); /* and never again */
        event_base_loop(world->base, EVLOOP_NONBLOCK);
        assert_false(world->poller->running);
        end(world);
    }
    jitter_begin(NULL, 0);
    assert_int_equal(parts, 15); /* in each quarter there is one */
}

static void test_after_its_first_round_a_broker_has_moments_of_its_own(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    unsigned lists = 0, parts = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct timeval next, now;
        jitter_begin(&ids[i], 1);
        struct world *world = begin();
        await_rounds(world, 1);
        assert_true(event_pending(world->poller->timer, EV_TIMEOUT, &next));
        gettimeofday(&now, NULL);
        int64_t left_ms = (next.tv_sec - now.tv_sec) * 1000 + (next.tv_usec - now.tv_usec) / 1000;
        int64_t part_ms = jitter_ms(JITTER_POLLS, world->config.poll_interval_ms);
        int64_t wait_ms = world->config.poll_interval_ms / 4 + part_ms;
        assert_true(left_ms <= wait_ms + WALL_MS && left_ms >= wait_ms - PATIENCE_S * 1000);
        parts |= 1U << (part_ms * 4 / world->config.poll_interval_ms);
        lists += world->poller->lists_next;
        poll_once(world);
        assert_true(event_pending(world->poller->timer, EV_TIMEOUT, &next));
        gettimeofday(&now, NULL);
        /* from then on it goes back there a bit sooner each time, if something has made it come at another
         * one */
        assert_true(next.tv_sec - now.tv_sec > world->config.poll_interval_ms * 7 / 8 / 1000 - PATIENCE_S);
        end(world);
    }
    jitter_begin(NULL, 0);
    assert_int_equal(parts, 15); /* in each quarter of the interval there is one */
    assert_in_range(lists, 1, 11);
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
        cmocka_unit_test(test_at_rest_a_round_is_one_question_and_each_endpoint_has_its_turn),
        cmocka_unit_test(test_everything_is_read_seldom_and_then_the_endpoints_change_their_questions),
        cmocka_unit_test(test_a_pool_is_asked_as_soon_as_the_list_shows_that_it_has_changed),
        cmocka_unit_test(test_the_list_alone_makes_nobody_a_member),
        cmocka_unit_test(test_who_hurries_asks_for_both_in_each_round),
        cmocka_unit_test(test_a_proxmox_that_fails_polls_is_asked_more_seldom_until_it_does_not),
        cmocka_unit_test(test_a_pool_that_is_not_there_is_no_reason_to_spare_proxmox),
        cmocka_unit_test(test_first_rounds_are_spread_and_wait_for_nobody_who_asks),
        cmocka_unit_test(test_after_its_first_round_a_broker_has_moments_of_its_own),
        cmocka_unit_test(test_privileges_that_take_long_to_read_are_read_more_seldom),
        cmocka_unit_test(test_who_looks_again_and_again_makes_it_hurry_and_who_looks_once_does_not),
        cmocka_unit_test(test_an_endpoint_that_is_lost_makes_it_hurry_and_one_that_stays_lost_does_not),
    };
    return cmocka_run_group_tests_name("poller", tests, set_up, tear_down);
}
