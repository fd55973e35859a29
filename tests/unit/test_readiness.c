/* Evidence → verdict: which evidence makes which reason, how grave it is, and that every reason has a way
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/readiness.h"
#include "inventory_fixture.h"
#include "system/cleanup.h"

#include <string.h>

#define BIT(reason) ((reason_set)1 << (reason))

static const struct guest fine = FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL);

static struct readiness_facts good_facts(const struct inventory *inventory)
{
    return (struct readiness_facts){.session_ready = true,
                                    .endpoints_up = 2,
                                    .endpoints_total = 2,
                                    .inventory = inventory,
                                    .inventory_age_ms = 3000,
                                    .poll_interval_ms = 10000};
}

static void test_good_evidence_of_all_kinds_is_ready(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&fine, 1, 3, 0);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    assert_int_equal(readiness_overall(&facts), 0);
    assert_int_equal(readiness_guest(&facts, inventory_get(inventory, 0)), 0);
    assert_int_equal(readiness_verdict(0), VERDICT_READY);
    assert_int_equal(readiness_worst(0), REASON_COUNT);
}

static void test_each_lack_of_evidence_is_its_reason(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&fine, 1, 2, 1);
    _cleanup_(inventory_unrefp) struct inventory *empty = fixture_inventory(NULL, 0, 2, 1);
    struct readiness_facts facts;

    (void)state;
    facts = good_facts(inventory);
    facts.session_ready = false;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_NO_SESSION));
    facts = good_facts(inventory);
    facts.endpoints_up = 0;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_NO_ENDPOINT));
    facts = good_facts(inventory);
    facts.endpoints_up = 1;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_ONE_ENDPOINT));
    facts = good_facts(inventory);
    facts.history_failing = true;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_HISTORY_NOT_WRITTEN));
    facts = good_facts(inventory);
    facts.grants = GRANTS_ACCEPTED;
    assert_int_equal(readiness_overall(&facts), 0);
    facts.grants = GRANTS_TOLERATED;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_EXCESS_PRIVILEGES));
    assert_int_equal(readiness_verdict(readiness_overall(&facts)), VERDICT_DEGRADED);
    facts.grants = GRANTS_REFUSED;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_EXCESS_REFUSED));
    assert_int_equal(readiness_verdict(readiness_overall(&facts)), VERDICT_BLOCKED);
    facts = good_facts(inventory);
    facts.certificate_expires = true;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_CERTIFICATE_EXPIRES));
    assert_int_equal(readiness_verdict(readiness_overall(&facts)), VERDICT_DEGRADED);
    facts = good_facts(NULL);
    assert_int_equal(readiness_overall(&facts), BIT(REASON_NO_INVENTORY));
    facts = good_facts(empty);
    assert_int_equal(readiness_overall(&facts), BIT(REASON_EMPTY_POOL));
}

static void test_knowledge_is_stale_after_more_than_three_polls(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&fine, 1, 2, 1);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    facts.inventory_age_ms = 30000;
    assert_int_equal(readiness_overall(&facts), 0);
    facts.inventory_age_ms = 30001;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_STALE));
}

static void test_a_majority_is_more_than_half_unless_a_number_is_set(void **state)
{
    static const struct {
        unsigned online, offline;
        int min_online;
        bool minority;
    } cases[] = {
        {1, 0, 0, false}, {2, 0, 0, false}, {1, 1, 0, true},  {2, 1, 0, false}, {2, 2, 0, true},
        {1, 1, 1, false}, {2, 3, 3, true},  {3, 2, 3, false}, {0, 0, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(inventory_unrefp) struct inventory *inventory =
            fixture_inventory(&fine, 1, cases[i].online, cases[i].offline);
        struct readiness_facts facts = good_facts(inventory);

        facts.min_online_nodes = cases[i].min_online;
        assert_int_equal(readiness_overall(&facts), cases[i].minority ? BIT(REASON_MINORITY) : 0);
    }
}

static void test_each_trouble_of_a_guest_is_its_reason(void **state)
{
    static const struct {
        struct guest guest;
        reason_set reasons;
        enum verdict verdict;
    } cases[] = {
        {FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)"backup"), BIT(REASON_LOCKED), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)"migrate"), 0, VERDICT_READY},
        {FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)""), 0, VERDICT_READY},
        {FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)"suspended"), BIT(REASON_SUSPENDED), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)"suspending"), BIT(REASON_SUSPENDED), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve1", .template = true), BIT(REASON_TEMPLATE), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve1", .hastate = (char *)"started"), BIT(REASON_HA_MANAGED),
         VERDICT_DEGRADED},
        {FIXTURE_GUEST(1, "a", "pve1", .hastate = (char *)"fence"), BIT(REASON_HA_MANAGED), VERDICT_DEGRADED},
        {FIXTURE_GUEST(1, "a", "pve1", .hastate = (char *)"freeze"), BIT(REASON_HA_FROZEN), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve1", .hastate = (char *)""), BIT(REASON_HA_UNSERVED), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve1", .hastate = (char *)"error"), BIT(REASON_HA_ERROR), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve9", .lock = NULL), BIT(REASON_NODE_OFFLINE), VERDICT_BLOCKED},
        {FIXTURE_GUEST(1, "a", "pve-unheard-of", .lock = NULL), BIT(REASON_NODE_OFFLINE), VERDICT_BLOCKED},
        {{.vmid = 1, .node = (char *)"pve1", .may_audit = true}, BIT(REASON_NO_POWER_RIGHT), VERDICT_BLOCKED},
        {{.vmid = 1, .node = (char *)"pve1", .may_power = true}, BIT(REASON_NO_POWER_RIGHT), VERDICT_BLOCKED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&cases[i].guest, 1, 3, 0);
        struct readiness_facts facts = good_facts(inventory);
        reason_set reasons = readiness_guest(&facts, inventory_get(inventory, 0));

        assert_int_equal(reasons, cases[i].reasons);
        assert_int_equal(readiness_verdict(reasons), cases[i].verdict);
    }
}

static void test_guests_of_one_name_are_degraded(void **state)
{
    const struct guest twins[] = {FIXTURE_GUEST(101, "web", "pve1", .lock = NULL),
                                  FIXTURE_GUEST(102, "WEB", "pve1", .lock = NULL)};
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(twins, 2, 3, 0);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(readiness_guest(&facts, inventory_get(inventory, i)), BIT(REASON_AMBIGUOUS_NAME));
    assert_int_equal(readiness_verdict(BIT(REASON_AMBIGUOUS_NAME)), VERDICT_DEGRADED);
}

static void test_a_guest_has_the_reasons_of_all_and_the_gravest_decides(void **state)
{
    const struct guest guest = FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)"backup");
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&guest, 1, 3, 0);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    facts.endpoints_up = 1;
    facts.session_ready = false;
    reason_set reasons = readiness_guest(&facts, inventory_get(inventory, 0));
    assert_int_equal(reasons, BIT(REASON_LOCKED) | BIT(REASON_ONE_ENDPOINT) | BIT(REASON_NO_SESSION));
    assert_int_equal(readiness_worst(reasons), REASON_NO_SESSION);
    assert_int_equal(readiness_verdict(reasons), VERDICT_BLOCKED);
}

static void test_every_reason_has_a_word_a_message_and_a_way_out(void **state)
{
    (void)state;
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        assert_true(strspn(reason_name(r), "abcdefghijklmnopqrstuvwxyz-") == strlen(reason_name(r)));
        assert_true(strlen(reason_message(r)) > 10);
        assert_true(strlen(reason_hint(r)) > 10);
        assert_int_not_equal(reason_severity(r), VERDICT_READY);
        for (enum reason other = 0; other < r; other++) {
            if (other != REASON_EXCESS_REFUSED || r != REASON_EXCESS_PRIVILEGES)
                assert_string_not_equal(reason_name(r), reason_name(other));
        }
    }
    assert_string_equal(reason_name(REASON_COUNT), "unknown");
    assert_string_equal(verdict_name(VERDICT_DEGRADED), "degraded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_evidence_of_all_kinds_is_ready),
        cmocka_unit_test(test_each_lack_of_evidence_is_its_reason),
        cmocka_unit_test(test_knowledge_is_stale_after_more_than_three_polls),
        cmocka_unit_test(test_a_majority_is_more_than_half_unless_a_number_is_set),
        cmocka_unit_test(test_each_trouble_of_a_guest_is_its_reason),
        cmocka_unit_test(test_guests_of_one_name_are_degraded),
        cmocka_unit_test(test_a_guest_has_the_reasons_of_all_and_the_gravest_decides),
        cmocka_unit_test(test_every_reason_has_a_word_a_message_and_a_way_out),
    };

    return cmocka_run_group_tests_name("readiness", tests, NULL, NULL);
}
