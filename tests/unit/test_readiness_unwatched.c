/* The caveat host-unwatched: would a fence of a guest succeed if its host died now, and if not, why? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dead_hosts_world.h"
#include "fence/readiness.h"
#include "inventory_fixture.h"
#include "system/cleanup.h"

#include <string.h>

#define BIT(reason) ((reason_set)1 << (reason))

static const struct guest on_pve2[] = {FIXTURE_GUEST(102, "web2", "pve2", .lock = NULL)};

static struct readiness_facts good_facts(const struct inventory *inventory)
{
    return (struct readiness_facts){.session_ready = true,
                                    .endpoints_up = 2,
                                    .endpoints_total = 2,
                                    .inventory = inventory,
                                    .inventory_age_ms = 3000,
                                    .poll_interval_ms = 10000};
}

/* Of the guest on pve2: the cause, or NULL where there is no caveat. */
static const char *unwatched(const struct readiness_facts *facts)
{
    const struct guest *guest = inventory_get(facts->inventory, 0);
    reason_set reasons = readiness_guest(facts, guest);
    const struct error *cause = readiness_cause(facts, guest, REASON_HOST_UNWATCHED);

    assert_int_equal(readiness_caveats(reasons), reasons & BIT(REASON_HOST_UNWATCHED));
    assert_int_equal(!cause, !readiness_caveats(reasons));
    return cause ? cause->message : NULL;
}

static void expect_unwatched(struct readiness_facts *facts, const struct world *world, const char *cause)
{
    facts->dead_hosts = world->room;
    facts->boottime_ms = world->now_ms;
    const char *found = unwatched(facts);

    if (!cause != !found || (cause && !strstr(found, cause)))
        fail_msg("%s, not %s", found ? found : "watched", cause ? cause : "watched");
}

static void test_a_caveat_leaves_the_verdict_ready(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(on_pve2, 1, 3, 0);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    facts.dead_host_fails = true;
    reason_set reasons = readiness_guest(&facts, inventory_get(inventory, 0));
    assert_int_equal(reasons, BIT(REASON_HOST_UNWATCHED));
    assert_int_equal(readiness_verdict(reasons), VERDICT_READY);
    assert_int_equal(readiness_worst(reasons), REASON_COUNT);
    assert_int_equal(readiness_overall(&facts), 0);
    assert_int_equal(readiness_verdict(reasons | BIT(REASON_NO_NIC)), VERDICT_DEGRADED);
    assert_int_equal(readiness_worst(reasons | BIT(REASON_NO_NIC)), REASON_NO_NIC);
}

static void test_with_dead_host_fail_no_guest_outlives_its_host_as_a_target(void **state)
{
    const struct guest template = FIXTURE_GUEST(102, "web2", "pve2", .lock = NULL, .template = true);
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(on_pve2, 1, 3, 0);
    _cleanup_(inventory_unrefp) struct inventory *of_template = fixture_inventory(&template, 1, 3, 0);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    assert_null(unwatched(&facts)); /* nobody knows */
    facts.dead_host_fails = true;
    assert_non_null(strstr(unwatched(&facts), "dead-host = fail"));
    facts.inventory = of_template; /* it never runs */
    assert_null(unwatched(&facts));
}

static void test_a_host_that_is_offline_has_a_reason_and_no_caveat(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(on_pve2, 1, 1, 2);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    facts.dead_host_fails = true;
    reason_set reasons = readiness_guest(&facts, inventory_get(inventory, 0));
    assert_true(reasons & BIT(REASON_NODE_OFFLINE));
    assert_null(unwatched(&facts));
}

static void test_with_trust_ha_the_caveat_says_why_nobody_watches_the_host(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(on_pve2, 1, 3, 0);
    struct readiness_facts facts = good_facts(inventory);
    struct world world = world_new();

    (void)state;
    expect_unwatched(&facts, &world, "not looked at for long enough");
    see(&world);
    expect_unwatched(&facts, &world, "for less than 30 s");
    poll(&world, 40000);
    expect_unwatched(&facts, &world, NULL);
    world.armed = false;
    poll(&world, ROUND_MS);
    expect_unwatched(&facts, &world, "disarmed");
    world.armed = true;
    world.state = "stopped";
    poll(&world, ROUND_MS);
    expect_unwatched(&facts, &world, "no guest of Proxmox HA runs on its host");
    world.state = "started";
    poll(&world, 40000);
    expect_unwatched(&facts, &world, NULL);
    world.ha_read = false; /* the privilege was taken away */
    poll(&world, 40000);
    expect_unwatched(&facts, &world, "cannot be read");
    world.ha_read = true;
    poll(&world, 40000);
    lose(&world); /* the list of guests is older */
    expect_unwatched(&facts, &world, NULL);
    dead_hosts_free(world.room);
}

/* What its host said before it died, or a doubt of it, keeps no fence back now. */
static void test_a_guest_of_a_fenced_host_can_be_fenced(void **state) /* P10 */
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(on_pve2, 1, 1, 2);
    struct readiness_facts facts = good_facts(inventory);
    struct world lost = world_lost(), fenced = world_fenced();
    const struct guest *guest = inventory_get(inventory, 0);

    (void)state;
    facts.min_online_nodes = 1;
    facts.dead_hosts = lost.room;
    facts.boottime_ms = lost.now_ms;
    assert_int_equal(readiness_guest(&facts, guest), BIT(REASON_NODE_OFFLINE));
    facts.dead_hosts = fenced.room;
    facts.boottime_ms = fenced.now_ms;
    assert_int_equal(readiness_guest(&facts, guest), BIT(REASON_HOST_FENCED));
    assert_int_equal(readiness_verdict(BIT(REASON_HOST_FENCED)), VERDICT_DEGRADED);
    dead_hosts_free(lost.room);
    dead_hosts_free(fenced.room);
}

/* What would keep a stop back, or HA's hand, keeps no dead host's proof back; but a lock that hides the guest
 * does so for good. */
static void test_what_a_fence_of_a_guest_of_a_fenced_host_meets(void **state) /* P10 */
{
    static const struct {
        char *lock, *hastate;
        reason_set reasons;
    } cases[] = {
        {"backup", NULL, 0},
        {"snapshot", NULL, 0},
        {"migrate", NULL, BIT(REASON_LOCKED)},
        {"rollback", NULL, BIT(REASON_LOCKED)},
        {"suspended", NULL, BIT(REASON_SUSPENDED)},
        {"suspending", NULL, BIT(REASON_SUSPENDED)},
        {NULL, "error", 0},
        {NULL, "freeze", 0},
        {NULL, "", 0},
        {NULL, "recovery", BIT(REASON_HA_MANAGED)},
    };
    struct world fenced = world_fenced();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct guest guest =
            FIXTURE_GUEST(102, "web2", "pve2", .lock = cases[i].lock, .hastate = cases[i].hastate);
        _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&guest, 1, 1, 2);
        struct readiness_facts facts = good_facts(inventory);
        facts.min_online_nodes = 1;
        facts.dead_hosts = fenced.room;
        facts.boottime_ms = fenced.now_ms;
        assert_int_equal(readiness_guest(&facts, inventory_get(inventory, 0)),
                         BIT(REASON_HOST_FENCED) | cases[i].reasons);
    }
    dead_hosts_free(fenced.room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_caveat_leaves_the_verdict_ready),
        cmocka_unit_test(test_with_dead_host_fail_no_guest_outlives_its_host_as_a_target),
        cmocka_unit_test(test_a_host_that_is_offline_has_a_reason_and_no_caveat),
        cmocka_unit_test(test_with_trust_ha_the_caveat_says_why_nobody_watches_the_host),
        cmocka_unit_test(test_a_guest_of_a_fenced_host_can_be_fenced),
        cmocka_unit_test(test_what_a_fence_of_a_guest_of_a_fenced_host_meets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
