/* Evidence → verdict: which evidence makes which reason, how grave it is, and that every reason has a way
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "doubt.h"
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
    facts.backoff = 2;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_PROXMOX_SLOW));
    facts.backoff = 1;
    assert_int_equal(readiness_overall(&facts), 0);
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
        {FIXTURE_GUEST(1, "a", "pve1", .lock = (char *)"migrate"), BIT(REASON_MIGRATING), VERDICT_DEGRADED},
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

static void test_a_host_in_maintenance_degrades_its_guests(void **state)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);

    (void)state;
    assert_true(inventory_builder_guest(builder, &fine));
    assert_true(inventory_builder_node(builder, "pve1", true));
    inventory_builder_maintenance(builder, "pve1");
    inventory_builder_maintenance(builder, "pve2"); /* unheard of */
    _cleanup_(inventory_unrefp) struct inventory *inventory = inventory_builder_finish(builder, 1000);
    struct readiness_facts facts = good_facts(inventory);
    assert_int_equal(readiness_guest(&facts, inventory_get(inventory, 0)), BIT(REASON_NODE_MAINTENANCE));
    assert_int_equal(readiness_verdict(BIT(REASON_NODE_MAINTENANCE)), VERDICT_DEGRADED);
    /* the next list does not say so any more */
    builder = inventory_builder_new(inventory);
    assert_true(inventory_builder_guest(builder, &fine) && inventory_builder_node(builder, "pve1", true));
    _cleanup_(inventory_unrefp) struct inventory *next = inventory_builder_finish(builder, 2000);
    facts = good_facts(next);
    assert_int_equal(readiness_guest(&facts, inventory_get(next, 0)), 0);
}

static void test_a_host_without_statistics_has_a_reason_of_its_own(void **state)
{
    (void)state;
    for (int online = 0; online < 2; online++) {
        struct inventory_builder *builder = inventory_builder_new(NULL);
        assert_true(inventory_builder_guest(builder, &fine));
        assert_true(inventory_builder_node(builder, "pve1", online));
        assert_true(inventory_builder_node(builder, "pve2", true) &&
                    inventory_builder_node(builder, "pve3", true));
        inventory_builder_unknown(builder, "pve1");
        _cleanup_(inventory_unrefp) struct inventory *inventory = inventory_builder_finish(builder, 1000);
        struct readiness_facts facts = good_facts(inventory);
        assert_int_equal(readiness_guest(&facts, inventory_get(inventory, 0)), BIT(REASON_NODE_UNKNOWN));
        assert_int_equal(readiness_verdict(BIT(REASON_NODE_UNKNOWN)), VERDICT_DEGRADED);
    }
}

/* The off-proof counts the others of such a host as absent (P1), and so the verdict says it before. */
static void test_guests_of_the_only_host_with_statistics_are_blocked(void **state) /* P10 */
{
    (void)state;
    for (int others = 0; others < 2; others++) {
        struct inventory_builder *builder = inventory_builder_new(NULL);
        assert_true(inventory_builder_guest(builder, &fine));
        assert_true(inventory_builder_node(builder, "pve1", true) &&
                    inventory_builder_node(builder, "pve2", true) &&
                    inventory_builder_node(builder, "pve3", true));
        inventory_builder_unknown(builder, "pve2");
        if (others == 0)
            inventory_builder_unknown(builder, "pve3");
        _cleanup_(inventory_unrefp) struct inventory *inventory = inventory_builder_finish(builder, 1000);
        struct readiness_facts facts = good_facts(inventory);
        assert_int_equal(readiness_overall(&facts), 0);
        assert_int_equal(readiness_guest(&facts, inventory_get(inventory, 0)),
                         others == 0 ? BIT(REASON_MINORITY) : 0);
        facts.min_online_nodes = 1;
        assert_int_equal(readiness_guest(&facts, inventory_get(inventory, 0)), 0);
    }
}

static void test_a_wrong_clock_blocks_when_no_endpoint_is_left(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&fine, 1, 3, 0);
    struct readiness_facts facts = good_facts(inventory);

    (void)state;
    facts.clock_wrong = true;
    assert_int_equal(readiness_overall(&facts), BIT(REASON_CLOCK_DOUBTED));
    facts.endpoints_up = 0;
    assert_int_equal(readiness_worst(readiness_overall(&facts)), REASON_CLOCK_WRONG);
    assert_int_equal(readiness_verdict(readiness_overall(&facts)), VERDICT_BLOCKED);
}

/* ---- evidence ---- */

#define NOW_MS    1000000
#define PERIOD_MS 10000

/* Fresh evidence of all kinds that speaks for a fence. */
struct room {
    struct evidence *evidence;
    struct inventory *inventory;
    struct readiness_facts facts;
};

static const struct evidence_config good_config = {.has_nic = true,
                                                   .uuid = "00112233-4455-6677-8899-aabbccddeeff"};

static struct evidence_answer answer_of(const char *node, const struct error *error)
{
    return (struct evidence_answer){
        .node = node, .endpoint = "e", .at_ms = NOW_MS, .took_ms = 8, .error = error};
}

static int make_room(void **state)
{
    static struct room room;
    const struct evidence_answer answer = answer_of("pve1", NULL);

    room.evidence = evidence_new();
    room.inventory = fixture_inventory(&fine, 1, 3, 0);
    room.facts = good_facts(room.inventory);
    room.facts.evidence = room.evidence;
    room.facts.boottime_ms = NOW_MS;
    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++)
        evidence_expect(room.evidence, kind, PERIOD_MS);
    *state = &room;
    return evidence_status(room.evidence, 101, &answer) &&
                   evidence_config(room.evidence, 101, &answer, &good_config) &&
                   evidence_rehearsed(room.evidence, 101, &answer)
               ? 0
               : -1;
}

static int leave_room(void **state)
{
    struct room *room = *state;

    evidence_free(room->evidence);
    inventory_unref(room->inventory);
    return 0;
}

static reason_set reasons_in(const struct room *room)
{
    return readiness_guest(&room->facts, inventory_get(room->inventory, 0));
}

static void test_only_fresh_evidence_of_all_kinds_is_ready(void **state)
{
    struct room *room = *state;

    assert_int_equal(reasons_in(room), 0);
    room->facts.boottime_ms = NOW_MS + EVIDENCE_STALE_PERIODS * PERIOD_MS;
    assert_int_equal(reasons_in(room), 0);
    room->facts.boottime_ms++;
    assert_int_equal(reasons_in(room), BIT(REASON_OLD_EVIDENCE));
    assert_string_equal(reason_name(REASON_OLD_EVIDENCE), "stale");
    assert_int_not_equal(readiness_verdict(reasons_in(room)), VERDICT_READY);
    evidence_forget(room->evidence);
    assert_int_equal(reasons_in(room), BIT(REASON_NO_EVIDENCE));
    assert_int_not_equal(readiness_verdict(reasons_in(room)), VERDICT_READY);
}

static void test_each_kind_of_evidence_is_missed_alone(void **state)
{
    struct room *room = *state;

    evidence_forget(room->evidence);
    for (enum evidence_kind needed = 0; needed < EVIDENCE_KIND_COUNT; needed++) {
        for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++)
            evidence_expect(room->evidence, kind, kind == needed ? PERIOD_MS : 0);
        assert_int_equal(reasons_in(room), BIT(REASON_NO_EVIDENCE));
    }
}

static void test_a_status_of_the_host_that_the_guest_left_does_not_count(void **state)
{
    struct room *room = *state;
    const struct evidence_answer answer = answer_of("pve2", NULL);

    assert_true(evidence_status(room->evidence, 101, &answer));
    assert_int_equal(reasons_in(room), BIT(REASON_NO_EVIDENCE));
}

static void test_evidence_that_speaks_against_a_fence_is_its_reason(void **state)
{
    static const struct {
        enum evidence_kind kind;
        enum error_code code;
        enum reason reason;
        enum verdict verdict;
    } cases[] = {
        {EVIDENCE_STATUS, ERROR_PROTOCOL, REASON_HOST_SILENT, VERDICT_BLOCKED},
        {EVIDENCE_CONFIG, ERROR_STALE, REASON_HOST_SILENT, VERDICT_BLOCKED},
        {EVIDENCE_STATUS, ERROR_NO_POWER_RIGHT, REASON_NO_POWER_RIGHT, VERDICT_BLOCKED},
        {EVIDENCE_STATUS, ERROR_HA_UNSERVED, REASON_HA_UNSERVED, VERDICT_BLOCKED},
        {EVIDENCE_STATUS, ERROR_UNPROVEN, REASON_UNPROVEN, VERDICT_BLOCKED},
        {EVIDENCE_REHEARSAL, ERROR_NO_POWER_RIGHT, REASON_NO_POWER_RIGHT, VERDICT_BLOCKED},
        {EVIDENCE_REHEARSAL, ERROR_TASK_FAILED, REASON_REHEARSAL_FAILED, VERDICT_BLOCKED},
    };
    struct room *room = *state;
    const struct evidence_answer good = answer_of("pve1", NULL);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        const struct evidence_answer bad = answer_of("pve1", &error);

        error_set(&error, cases[i].code, "case %zu", i);
        assert_true(evidence_status(room->evidence, 101, cases[i].kind == EVIDENCE_STATUS ? &bad : &good));
        assert_true(
            evidence_rehearsed(room->evidence, 101, cases[i].kind == EVIDENCE_REHEARSAL ? &bad : &good));
        assert_true(evidence_config(room->evidence, 101, cases[i].kind == EVIDENCE_CONFIG ? &bad : &good,
                                    &good_config));
        assert_int_equal(reasons_in(room), BIT(cases[i].reason));
        assert_int_equal(readiness_verdict(reasons_in(room)), cases[i].verdict);
        const struct guest *guest = inventory_get(room->inventory, 0);
        assert_string_equal(readiness_cause(&room->facts, guest, cases[i].reason)->message, error.message);
        assert_null(readiness_cause(&room->facts, guest, REASON_LOCKED));
    }
}

static void test_where_it_cannot_be_asked_for_evidence_is_not_missed(void **state)
{
    const struct guest offline = FIXTURE_GUEST(101, "a", "pve-unheard-of", .lock = NULL);
    const struct guest denied = {.vmid = 101, .node = (char *)"pve1", .may_power = true};
    const struct guest *const guests[] = {&offline, &denied};
    const enum reason reasons[] = {REASON_NODE_OFFLINE, REASON_NO_POWER_RIGHT};
    struct room *room = *state;

    evidence_forget(room->evidence);
    for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
        _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(guests[i], 1, 3, 0);

        room->facts.inventory = inventory;
        assert_int_equal(readiness_guest(&room->facts, inventory_get(inventory, 0)), BIT(reasons[i]));
    }
}

static void test_a_status_that_took_2_s_is_slow(void **state)
{
    struct room *room = *state;
    struct evidence_answer answer = answer_of("pve1", NULL);

    answer.took_ms = 1999;
    assert_true(evidence_status(room->evidence, 101, &answer));
    assert_int_equal(reasons_in(room), 0);
    answer.took_ms = 2000;
    assert_true(evidence_status(room->evidence, 101, &answer));
    assert_int_equal(reasons_in(room), BIT(REASON_HOST_SLOW));
    assert_int_equal(readiness_verdict(BIT(REASON_HOST_SLOW)), VERDICT_DEGRADED);
}

static void test_the_configuration_shows_hookscript_and_lack_of_a_nic(void **state)
{
    struct room *room = *state;
    const struct evidence_answer answer = answer_of("pve1", NULL);
    const struct evidence_config hooked = {.has_nic = true, .has_hookscript = true},
                                 bare = {.has_nic = false};

    assert_true(evidence_config(room->evidence, 101, &answer, &hooked));
    assert_int_equal(reasons_in(room), BIT(REASON_HOOKSCRIPT));
    assert_true(evidence_config(room->evidence, 101, &answer, &bare));
    assert_int_equal(reasons_in(room), BIT(REASON_NO_NIC));
}

static void test_the_guest_that_this_nodes_name_leads_to_must_be_this_machine(void **state)
{
    static const struct {
        const char *own, *guests;
        int self_vmid;
        bool wrong;
    } cases[] = {
        {"00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", 101, false},
        {"33221100-5544-7766-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", 101, false},
        {"99112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", 101, true},
        {"99112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", 102, false},
        {"99112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", 0, false},
        {"99112233-4455-6677-8899-aabbccddeeff", "", 101, false},
        {"", "00112233-4455-6677-8899-aabbccddeeff", 101, false},
    };
    struct room *room = *state;
    const struct evidence_answer answer = answer_of("pve1", NULL);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct evidence_config config = {.has_nic = true, .uuid = cases[i].guests};
        struct machine self = {.name = "node1"};

        memcpy(self.uuid, cases[i].own, strlen(cases[i].own) + 1);
        room->facts.self = &self;
        room->facts.self_vmid = cases[i].self_vmid;
        assert_true(evidence_config(room->evidence, 101, &answer, &config));
        assert_int_equal(reasons_in(room), cases[i].wrong ? BIT(REASON_WRONG_GUEST) : 0);
    }
    assert_int_equal(readiness_verdict(BIT(REASON_WRONG_GUEST)), VERDICT_BLOCKED);
    room->facts.self = NULL;
    room->facts.self_vmid = 101;
    assert_int_equal(reasons_in(room), 0);
}

static void test_a_container_has_its_hosts_firmware_and_is_never_the_wrong_one(void **state)
{
    struct room *room = *state;
    struct guest container = FIXTURE_GUEST(101, "ct1", "pve1", .lock = NULL);
    const struct machine self = {.uuid = "99112233-4455-6677-8899-aabbccddeeff"};

    container.type = PVE_LXC;
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&container, 1, 3, 0);
    room->facts.inventory = inventory;
    room->facts.self = &self;
    room->facts.self_vmid = 101;
    assert_int_equal(readiness_guest(&room->facts, inventory_get(inventory, 0)), 0);
}

static void test_a_guest_that_a_fence_has_left_in_doubt_is_blocked(void **state)
{
    struct room *room = *state;
    struct unsettled *list = NULL;

    room->facts.doubts =
        (struct unsettled_kill_doubts){.list = &list, .now_ms = 20000, .stop_timeout_ms = 3000};
    assert_int_equal(reasons_in(room), 0);
    unsettled_put(&list, 102, &(struct unsettled){.calls = DOUBT(1000, 1000)}); /* another one */
    assert_int_equal(reasons_in(room), 0);
    unsettled_put(&list, inventory_get(room->inventory, 0)->vmid,
                  &(struct unsettled){.calls = DOUBT(1000, 1000)});
    assert_int_equal(reasons_in(room), BIT(REASON_UNPROVEN));
    assert_int_equal(readiness_verdict(reasons_in(room)), VERDICT_BLOCKED);
    assert_string_equal(reason_name(REASON_UNPROVEN), error_code_name(ERROR_UNPROVEN));
    room->facts.doubts.now_ms = 14000; /* the stop had no time to kill */
    assert_int_equal(reasons_in(room), 0);
    unsettled_free(&list);
}

static void test_after_the_alarm_every_guest_is_degraded(void **state)
{
    struct room *room = *state;
    struct error alarm = {0};

    error_set(&alarm, ERROR_INTERNAL, "a rehearsal was carried out");
    evidence_rehearsals_unsafe(room->evidence, &alarm);
    assert_int_equal(readiness_overall(&room->facts), BIT(REASON_REHEARSAL_UNSAFE));
    assert_int_equal(readiness_verdict(reasons_in(room)), VERDICT_DEGRADED);
    const struct guest *guest = inventory_get(room->inventory, 0);
    assert_string_equal(readiness_cause(&room->facts, guest, REASON_REHEARSAL_UNSAFE)->message,
                        alarm.message);
}

static reason_set reasons_of(const struct inventory *inventory, int vmid)
{
    struct readiness_facts facts = good_facts(inventory);

    return readiness_guest(&facts, inventory_by_vmid(inventory, vmid));
}

static void test_a_name_that_several_have_blocks_unless_an_alias_leads_to_the_guest(void **state)
{
    const struct guest twins[] = {FIXTURE_GUEST(101, "web", "pve1", .lock = NULL), /* node1 is its alias */
                                  FIXTURE_GUEST(102, "WEB", "pve1", .lock = NULL)};
    const struct guest settled[] = {FIXTURE_GUEST(101, "node1", "pve1", .lock = NULL),
                                    FIXTURE_GUEST(102, "Node1", "pve1", .lock = NULL)};
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(twins, 2, 3, 0);
    _cleanup_(inventory_unrefp) struct inventory *other = fixture_inventory(settled, 2, 3, 0);

    (void)state;
    assert_int_equal(reasons_of(inventory, 101), BIT(REASON_AMBIGUOUS_ALIASED));
    assert_int_equal(reasons_of(inventory, 102), BIT(REASON_AMBIGUOUS_NAME));
    assert_int_equal(reasons_of(other, 102), BIT(REASON_AMBIGUOUS_ALIASED)); /* node1 is 101, by [nodes] */
    assert_int_equal(readiness_verdict(BIT(REASON_AMBIGUOUS_NAME)), VERDICT_BLOCKED);
    assert_int_equal(readiness_verdict(BIT(REASON_AMBIGUOUS_ALIASED)), VERDICT_DEGRADED);
}

static void test_a_name_that_has_moved_blocks_both_guests_unless_an_alias_leads_there(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL), /* node1 is its alias */
                                   FIXTURE_GUEST(102, "web2", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(103, "db2", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(104, "db1", "pve1", .lock = NULL)};
    struct inventory_builder *builder = inventory_builder_new(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(guests); i++)
        assert_true(inventory_builder_guest(builder, &guests[i]));
    assert_true(inventory_builder_node(builder, "pve1", true));
    assert_true(inventory_builder_alias(builder, "node1", "101"));
    assert_true(inventory_builder_lead(builder, "web2", 101));
    assert_true(inventory_builder_lead(builder, "db2", 104));
    _cleanup_(inventory_unrefp) struct inventory *inventory =
        inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
    assert_int_equal(reasons_of(inventory, 101), BIT(REASON_MOVED_ALIASED));
    assert_int_equal(reasons_of(inventory, 102), BIT(REASON_NAME_MOVED));
    assert_int_equal(reasons_of(inventory, 103), BIT(REASON_NAME_MOVED));
    assert_int_equal(reasons_of(inventory, 104), BIT(REASON_NAME_MOVED));
    assert_int_equal(readiness_verdict(BIT(REASON_NAME_MOVED)), VERDICT_BLOCKED);
    assert_int_equal(readiness_verdict(BIT(REASON_MOVED_ALIASED)), VERDICT_DEGRADED);
    struct readiness_facts facts = good_facts(inventory);
    const struct error *cause = readiness_cause(&facts, inventory_by_vmid(inventory, 104), REASON_NAME_MOVED);
    assert_non_null(strstr(cause->message, "db2 led to guest 104 before"));
    assert_non_null(strstr(cause->message, "guest 103 has the name now"));
    assert_non_null(strstr(cause->hint, "`db2 = 104`"));
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
    char place[REASON_DOCUMENTATION_LEN];

    (void)state;
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        assert_true(strlen(reason_seen(r)) > 0);
        assert_true(strlen(reason_documentation(r, place)) < REASON_DOCUMENTATION_LEN - 1);
        assert_true(strspn(reason_name(r), "abcdefghijklmnopqrstuvwxyz-") == strlen(reason_name(r)));
        assert_true(strlen(reason_message(r)) > 10);
        assert_true(strlen(reason_hint(r)) > 10);
        assert_int_equal(reason_severity(r) == VERDICT_READY, r == REASON_HOST_UNWATCHED);
        for (enum reason other = 0; other < r; other++) {
            if (strcmp(reason_name(r), reason_name(other)) == 0) /* the same thing, more and less grave */
                assert_int_not_equal(reason_severity(r), reason_severity(other));
        }
    }
    assert_string_equal(reason_name(REASON_COUNT), "unknown");
    assert_string_equal(reason_documentation(REASON_STALE, place), "fence_broker(8), REASONS, stale");
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
        cmocka_unit_test(test_a_host_in_maintenance_degrades_its_guests),
        cmocka_unit_test(test_a_host_without_statistics_has_a_reason_of_its_own),
        cmocka_unit_test(test_guests_of_the_only_host_with_statistics_are_blocked),
        cmocka_unit_test(test_a_wrong_clock_blocks_when_no_endpoint_is_left),
        cmocka_unit_test_setup_teardown(test_only_fresh_evidence_of_all_kinds_is_ready, make_room,
                                        leave_room),
        cmocka_unit_test_setup_teardown(test_each_kind_of_evidence_is_missed_alone, make_room, leave_room),
        cmocka_unit_test_setup_teardown(test_a_status_of_the_host_that_the_guest_left_does_not_count,
                                        make_room, leave_room),
        cmocka_unit_test_setup_teardown(test_evidence_that_speaks_against_a_fence_is_its_reason, make_room,
                                        leave_room),
        cmocka_unit_test_setup_teardown(test_where_it_cannot_be_asked_for_evidence_is_not_missed, make_room,
                                        leave_room),
        cmocka_unit_test_setup_teardown(test_a_status_that_took_2_s_is_slow, make_room, leave_room),
        cmocka_unit_test_setup_teardown(test_the_configuration_shows_hookscript_and_lack_of_a_nic, make_room,
                                        leave_room),
        cmocka_unit_test_setup_teardown(test_the_guest_that_this_nodes_name_leads_to_must_be_this_machine,
                                        make_room, leave_room),
        cmocka_unit_test_setup_teardown(test_a_container_has_its_hosts_firmware_and_is_never_the_wrong_one,
                                        make_room, leave_room),
        cmocka_unit_test_setup_teardown(test_a_guest_that_a_fence_has_left_in_doubt_is_blocked, make_room,
                                        leave_room),
        cmocka_unit_test_setup_teardown(test_after_the_alarm_every_guest_is_degraded, make_room, leave_room),
        cmocka_unit_test(test_a_name_that_several_have_blocks_unless_an_alias_leads_to_the_guest),
        cmocka_unit_test(test_a_name_that_has_moved_blocks_both_guests_unless_an_alias_leads_there),
        cmocka_unit_test(test_a_guest_has_the_reasons_of_all_and_the_gravest_decides),
        cmocka_unit_test(test_every_reason_has_a_word_a_message_and_a_way_out),
    };

    return cmocka_run_group_tests_name("readiness", tests, NULL, NULL);
}
