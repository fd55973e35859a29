/* The doctor's report from spoilt and unspoilt facts: which link is blamed, how gravely, and with which way
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/diagnosis.h"
#include "server_fixture.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/log.h"

#include <errno.h>
#include <string.h>

struct room {
    struct inventory *inventory;
    struct endpoints *endpoints;
    struct grants *grants;
    struct config *config;
    struct facts known;
    struct diagnosis_facts facts;
    struct diagnosis diagnosis;
};

static const char configuration[] = "[proxmox]\nendpoint = pve1\nendpoint = 192.0.2.12 as pve2\n"
                                    "token-id = fence@pve!broker\npool = p\n";
static const struct guest fine[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL),
                                    FIXTURE_GUEST(102, "web2", "pve2", .lock = NULL)};

/* As Proxmox would list it; "" is what fencing takes. */
static void grant(struct room *room, const char *vm, const char *pool)
{
    _cleanup_(text_clear) struct text text = {0};
    const char *const pools[] = {"p"};
    const struct privileges_guest guests[] = {{101, "p"}, {102, "p"}};
    const struct privileges_scope scope = {
        .pools = pools, .pool_count = 1, .guests = guests, .guest_count = 2, .release = 902};

    text_printf(&text, "{\"/vms/101\": {%s}, \"/vms/102\": {%s}, \"/pool/p\": {%s}}", vm, vm, pool);
    _cleanup_(json_putp) struct json_object *listing = json_parse(text.data, text.length);
    assert_non_null(listing);
    assert_true(grants_take(room->grants, listing, &scope, FIXTURE_NOW_MS - 30000));
    room->known.readiness.grants = grants_state(room->grants);
}

#define VM_RIGHTS   "\"VM.PowerMgmt\": 0, \"VM.Audit\": 0"
#define POOL_RIGHTS VM_RIGHTS ", \"Pool.Audit\": 0"

static void use_guests(struct room *room, const struct guest *guests, size_t count, unsigned online,
                       unsigned offline)
{
    inventory_unref(room->inventory);
    room->inventory = fixture_inventory(guests, count, online, offline);
    room->known.readiness.inventory = room->inventory;
}

static int set_up(void **state)
{
    static struct room room;
    struct error error = {0};

    room = (struct room){.endpoints = fixture_endpoints(),
                         .grants = grants_new(NULL, &error),
                         .config = config_parse(configuration, strlen(configuration), "f.conf", &error)};
    assert_non_null(room.grants);
    assert_non_null(room.config);
    assert_true(grants_set_policy(room.grants, "fence@pve!broker", true));
    endpoints_answered(room.endpoints, 1, "192.0.2.12", FIXTURE_NOW_MS - 1000);
    fixture_write_error = 0;
    room.known = fixture_facts(NULL, room.endpoints);
    room.known.config = room.config;
    room.known.grants = room.grants;
    room.known.history = NULL;
    room.facts = (struct diagnosis_facts){.known = &room.known, .daemon = true};
    use_guests(&room, fine, 2, 3, 0);
    grant(&room, VM_RIGHTS, POOL_RIGHTS);
    *state = &room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    diagnosis_clear(&room->diagnosis);
    inventory_unref(room->inventory);
    endpoints_free(room->endpoints);
    grants_free(room->grants, 0);
    config_free(room->config);
    return 0;
}

static void diagnose(struct room *room)
{
    diagnosis_clear(&room->diagnosis);
    diagnosis_make(&room->diagnosis, &room->facts);
    assert_false(room->diagnosis.failed);
}

/* The first finding of the step that is more than ok, or the first one of all. */
static const struct diagnosis_finding *find(const struct room *room, enum diagnosis_step step)
{
    const struct diagnosis_finding *first = NULL;

    for (size_t i = 0; i < room->diagnosis.count; i++) {
        const struct diagnosis_finding *finding = &room->diagnosis.findings[i];

        if (finding->step != step)
            continue;
        if (finding->level != DIAGNOSIS_OK)
            return finding;
        first = first ? first : finding;
    }
    assert_non_null(first);
    return first;
}

/* That step has this to say, with this way out, and no other step has anything of that level. */
static void expect(struct room *room, enum diagnosis_step step, enum diagnosis_level level,
                   const char *message, const char *hint)
{
    diagnose(room);
    const struct diagnosis_finding *finding = find(room, step);

    if (finding->level != level || !strstr(finding->message, message))
        fail_msg("%s %s: %s", diagnosis_step_name(step), diagnosis_level_name(finding->level),
                 finding->message);
    assert_non_null(finding->hint);
    if (!strstr(finding->hint, hint))
        fail_msg("hint: %s", finding->hint);
    assert_int_equal(diagnosis_worst(&room->diagnosis), level);
    assert_int_equal(diagnosis_exit_status(&room->diagnosis), level == DIAGNOSIS_FAILURE ? 1 : 2);
    for (size_t i = 0; i < room->diagnosis.count; i++) {
        if (room->diagnosis.findings[i].step != step)
            assert_true(room->diagnosis.findings[i].level < level);
    }
}

static void test_a_whole_chain_is_fine_and_each_link_says_so_in_order(void **state)
{
    struct room *room = *state;
    enum diagnosis_step step = DIAGNOSIS_CONFIGURATION;

    diagnose(room);
    assert_int_equal(diagnosis_exit_status(&room->diagnosis), 0);
    for (size_t i = 0; i < room->diagnosis.count; i++) {
        assert_int_equal(room->diagnosis.findings[i].level, DIAGNOSIS_OK);
        assert_in_range(room->diagnosis.findings[i].step, step, step + 1);
        step = room->diagnosis.findings[i].step;
    }
    assert_int_equal(step, DIAGNOSIS_LOCAL);
    assert_int_equal(find(room, DIAGNOSIS_ENDPOINTS)->age_ms, 2000);
    assert_int_equal(find(room, DIAGNOSIS_PRIVILEGES)->age_ms, 30000);
    assert_int_equal(find(room, DIAGNOSIS_GUESTS)->age_ms, 4000);
}

static void test_nothing_known_is_never_fine(void **state)
{
    struct diagnosis empty = {0};
    struct room *room = *state;

    assert_int_equal(diagnosis_exit_status(&empty), 2);
    room->known = (struct facts){.now_ms = 1};
    room->facts = (struct diagnosis_facts){.known = &room->known};
    diagnose(room);
    assert_int_not_equal(diagnosis_exit_status(&room->diagnosis), 0);
}

static void test_a_bad_file_is_the_failure_and_the_rest_is_unknown(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    error_set(&error, ERROR_BAD_REQUEST, "f.conf:3: unknown key");
    error_hint(&error, "allowed: endpoint");
    room->known = (struct facts){0};
    room->facts = (struct diagnosis_facts){.known = &room->known, .config_error = &error};
    expect(room, DIAGNOSIS_CONFIGURATION, DIAGNOSIS_FAILURE, "f.conf:3: unknown key", "allowed: endpoint");
    for (enum diagnosis_step step = DIAGNOSIS_ENDPOINTS; step < DIAGNOSIS_STEP_COUNT; step++)
        assert_int_equal(find(room, step)->level, DIAGNOSIS_UNKNOWN);
}

static void test_endpoints_one_down_is_a_warning_and_all_down_a_failure(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    error_set(&error, ERROR_NO_ENDPOINT, "connection refused");
    error_hint(&error, "start pveproxy");
    endpoints_failed(room->endpoints, 1, &error, FIXTURE_NOW_MS - 60000);
    room->known.readiness.endpoints_up = 1;
    expect(room, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING,
           "192.0.2.12 as pve2 is down for 60 s: connection refused", "start pveproxy");
    endpoints_failed(room->endpoints, 0, &error, FIXTURE_NOW_MS - 5000);
    room->known.readiness.endpoints_up = 0;
    expect(room, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_FAILURE, "pve1 is down", "start pveproxy");
}

static void test_the_only_endpoint_is_a_warning(void **state)
{
    const struct config_endpoint one = {
        .address = (char *)"pve1", .name = (char *)"pve1", .port = 8006, .text = (char *)"pve1"};
    struct room *room = *state;

    assert_int_equal(endpoints_reconfigure(room->endpoints, &one, 1), 0);
    room->known.readiness.endpoints_up = 1;
    expect(room, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING, "only one endpoint", "endpoint = HOST");
}

static void test_a_certificate_near_its_end_is_a_warning(void **state)
{
    const int64_t day = INT64_C(24) * 3600 * 1000;
    struct room *room = *state;

    room->known.readiness.certificate_expires = true;
    endpoints_certificate(room->endpoints, 0, FIXTURE_REALTIME_MS + 29 * day, FIXTURE_REALTIME_MS);
    expect(room, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING, "the certificate of pve1 expires in 29 d",
           "pvecm updatecerts --force");
    endpoints_certificate(room->endpoints, 0, FIXTURE_REALTIME_MS - 2 * day, FIXTURE_REALTIME_MS);
    expect(room, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING, "the certificate of pve1 has expired",
           "pvecm updatecerts --force");
    assert_int_equal(find(room, DIAGNOSIS_ENDPOINTS)->age_ms, 2 * day);
}

static void test_a_refused_login_is_a_failure_and_later_links_do_not_repeat_it(void **state)
{
    struct room *room = *state;

    room->known.readiness.session_ready = room->known.session.ready = false;
    room->known.readiness.inventory = NULL;
    error_set(&room->known.session.error, ERROR_NO_SESSION, "401 no such token");
    error_hint(&room->known.session.error, "check token-id");
    expect(room, DIAGNOSIS_LOGIN, DIAGNOSIS_FAILURE, "fence@pve!broker (token): 401 no such token",
           "check token-id");
    assert_int_equal(find(room, DIAGNOSIS_POOL)->level, DIAGNOSIS_UNKNOWN);
    room->known.session.error = (struct error){0};
    expect(room, DIAGNOSIS_LOGIN, DIAGNOSIS_FAILURE, "has not accepted fence@pve!broker", "secret file");
}

static void test_a_login_takes_a_one_time_code_only_without_a_daemon(void **state)
{
    struct room *room = *state;

    room->known.session.second_factor = true;
    room->known.session.is_token = false;
    diagnose(room);
    assert_null(find(room, DIAGNOSIS_LOGIN)->hint);
    room->facts.daemon = false;
    diagnose(room);
    assert_non_null(strstr(find(room, DIAGNOSIS_LOGIN)->hint, "one-time code"));
    assert_int_equal(diagnosis_exit_status(&room->diagnosis), 0);
}

static void test_missing_privileges_are_a_failure_with_the_line_that_grants_them(void **state)
{
    const struct guest powerless[] = {
        {.vmid = 101, .type = PVE_QEMU, .name = (char *)"web1", .node = (char *)"pve1", .may_audit = true}};
    struct room *room = *state;

    use_guests(room, powerless, 1, 3, 0);
    grant(room, "\"VM.Audit\": 0", "\"VM.Audit\": 0, \"Pool.Audit\": 0");
    expect(room, DIAGNOSIS_PRIVILEGES, DIAGNOSIS_FAILURE, "missing: ", "on a Proxmox host: `pveum role ");
    assert_non_null(strstr(find(room, DIAGNOSIS_PRIVILEGES)->message, "VM.PowerMgmt"));
}

static void test_too_many_privileges_fail_when_refused_and_warn_when_tolerated(void **state)
{
    struct room *room = *state;

    grant(room, VM_RIGHTS ", \"VM.Config.Disk\": 0", POOL_RIGHTS);
    /* accepted before, in this process */
    expect(room, DIAGNOSIS_PRIVILEGES, DIAGNOSIS_WARNING, "too much: ", "`pveum acl ");
    assert_true(grants_set_policy(room->grants, "fence@pve!other", true));
    grant(room, VM_RIGHTS ", \"VM.Config.Disk\": 0", POOL_RIGHTS);
    expect(room, DIAGNOSIS_PRIVILEGES, DIAGNOSIS_FAILURE, "too much: ", "`pveum acl ");
}

static void test_privileges_not_read_yet_are_a_warning(void **state)
{
    struct room *room = *state;

    room->known.grants = NULL;
    room->known.readiness.grants = GRANTS_UNKNOWN;
    expect(room, DIAGNOSIS_PRIVILEGES, DIAGNOSIS_WARNING, "not read yet", "wait");
}

static void test_the_pool_unread_empty_stale_or_without_a_majority_is_a_failure(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    error_set(&error, ERROR_PROTOCOL, "garbled answer");
    error_hint(&error, "try again");
    room->known.poll_error = &error;
    expect(room, DIAGNOSIS_POOL, DIAGNOSIS_WARNING, "garbled answer", "try again");
    room->known.readiness.inventory_age_ms = 30001;
    expect(room, DIAGNOSIS_POOL, DIAGNOSIS_FAILURE, "garbled answer", "try again");
    room->known.readiness.inventory = NULL;
    expect(room, DIAGNOSIS_POOL, DIAGNOSIS_FAILURE, "garbled answer", "try again");
    room->known.poll_error = NULL;
    expect(room, DIAGNOSIS_POOL, DIAGNOSIS_FAILURE, "not known yet", "wait");
    room->known.readiness.inventory_age_ms = 4000;
    use_guests(room, fine, 2, 1, 2);
    diagnose(room);
    assert_non_null(strstr(find(room, DIAGNOSIS_POOL)->message, "1 of 3 Proxmox hosts are online: too few"));
    assert_non_null(strstr(find(room, DIAGNOSIS_POOL)->hint, "min-online-nodes"));
    use_guests(room, NULL, 0, 3, 0);
    diagnose(room);
    assert_int_equal(find(room, DIAGNOSIS_POOL)->level, DIAGNOSIS_FAILURE);
    assert_non_null(strstr(find(room, DIAGNOSIS_POOL)->hint, "pveum pool modify p --vms VMID"));
    assert_non_null(strstr(find(room, DIAGNOSIS_POOL)->hint, "/pool/p "));
}

static void test_a_second_pool_without_guests_is_a_warning(void **state)
{
    static char second[] = "q";
    struct room *room = *state;
    struct config config = *room->config;
    char *pools[] = {config.pools[0], second};

    config.pools = pools;
    config.pool_count = 2;
    room->known.config = &config;
    expect(room, DIAGNOSIS_POOL, DIAGNOSIS_WARNING, "the pool q has no guest", "pveum pool modify q ");
}

static void test_names_that_lead_nowhere_fail_and_shared_names_fail_without_an_alias(void **state)
{
    const struct guest twins[] = {FIXTURE_GUEST(100, "web", "pve1", .lock = NULL),
                                  FIXTURE_GUEST(101, "web", "pve1", .lock = NULL)};
    const struct guest settled[] = {FIXTURE_GUEST(101, "node1", "pve1", .lock = NULL),
                                    FIXTURE_GUEST(102, "node1", "pve1", .lock = NULL)};
    const struct guest lone[] = {FIXTURE_GUEST(102, "web2", "pve1", .lock = NULL)};
    struct room *room = *state;

    use_guests(room, twins, 2, 3, 0);
    expect(room, DIAGNOSIS_NAMES, DIAGNOSIS_FAILURE, "web (100): another guest", "qm set 100 --name NAME");
    use_guests(room, settled, 2, 3, 0);
    expect(room, DIAGNOSIS_NAMES, DIAGNOSIS_WARNING, "node1 (101): another guest", "qm set 101 --name NAME");
    use_guests(room, lone, 1, 3, 0);
    expect(room, DIAGNOSIS_NAMES, DIAGNOSIS_FAILURE, "[nodes] node1 = 101: no such guest in the pool",
           "fix the line");
}

/* A snapshot of these guests; the caller adds to it, and hands it in. */
static struct inventory_builder *begin_guests(const struct guest *guests, size_t count)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);

    assert_non_null(builder);
    for (size_t i = 0; i < count; i++)
        assert_true(inventory_builder_guest(builder, &guests[i]));
    assert_true(inventory_builder_node(builder, "pve1", true));
    return builder;
}

static void use_built(struct room *room, struct inventory_builder *builder)
{
    inventory_unref(room->inventory);
    room->inventory = inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
    assert_non_null(room->inventory);
    room->known.readiness.inventory = room->inventory;
}

static bool sees_103(const void *context, const struct guest *guest)
{
    (void)context;
    return guest->vmid == 103;
}

static void test_a_moved_name_fails_with_both_guests_and_the_line(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(102, "web7", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(103, "node2", "pve1", .lock = NULL)};
    struct inventory_builder *builder = begin_guests(guests, 2);
    struct room *room = *state;

    assert_true(inventory_builder_lead(builder, "node2", 102));
    use_built(room, builder);
    expect(room, DIAGNOSIS_NAMES, DIAGNOSIS_FAILURE, "node2 led to guest 102 before (now called web7)",
           "`node2 = 102`");
    room->facts.sees = sees_103; /* and nothing of the other one */
    expect(room, DIAGNOSIS_NAMES, DIAGNOSIS_FAILURE, "node2 (103): a guest was renamed", "NODE = 103");
    assert_null(strstr(find(room, DIAGNOSIS_NAMES)->message, "102"));
}

static void test_two_names_of_one_guest_warn(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL)};
    struct inventory_builder *builder = begin_guests(guests, 1);
    struct room *room = *state;

    assert_true(inventory_builder_alias(builder, "node1", "101"));
    assert_true(inventory_builder_alias(builder, "NODE1.example.com", "web1")); /* the same node */
    use_built(room, builder);
    diagnose(room);
    assert_int_equal(diagnosis_worst(&room->diagnosis), DIAGNOSIS_OK);
    builder = begin_guests(guests, 1);
    assert_true(inventory_builder_alias(builder, "node1", "101"));
    assert_true(inventory_builder_alias(builder, "node2", "web1"));
    use_built(room, builder);
    expect(room, DIAGNOSIS_NAMES, DIAGNOSIS_WARNING, "two names for web1 (101), node1 and node2",
           "give each node its own VMID");
}

static void test_an_empty_pool_whose_child_has_guests_is_told_its_line(void **state)
{
    const struct guest nested = {.vmid = 101, .name = (char *)"web1", .pool = (char *)"p/nfs"};
    const struct guest other = {.vmid = 102, .name = (char *)"web2", .pool = (char *)"pp/nfs"};
    struct inventory_builder *builder = begin_guests(NULL, 0);
    struct room *room = *state;

    assert_true(inventory_builder_stranger(builder, &other));
    assert_true(inventory_builder_stranger(builder, &nested));
    use_built(room, builder);
    expect(room, DIAGNOSIS_POOL, DIAGNOSIS_FAILURE, "guest 101 is in p/nfs, and p does not include that",
           "`pool = p/nfs`");
}

static void test_each_trouble_of_a_guest_is_told_with_its_number(void **state)
{
    static const struct {
        struct guest guest;
        enum diagnosis_level level;
        const char *message, *hint;
    } cases[] = {
        {FIXTURE_GUEST(101, "a", "pve1", .lock = (char *)"backup"), DIAGNOSIS_FAILURE,
         "a (101): locked: ", "qm unlock 101"},
        {FIXTURE_GUEST(101, "a", "pve1", .lock = (char *)"suspended"), DIAGNOSIS_FAILURE,
         "a (101): suspended: ", "qm resume 101"},
        {FIXTURE_GUEST(101, "a", "pve1", .template = true), DIAGNOSIS_FAILURE, "template",
         "pveum pool modify p --vms 101 --delete 1"},
        {FIXTURE_GUEST(101, "a", "pve1", .hastate = (char *)"started"), DIAGNOSIS_WARNING, "ha-managed",
         "ha-manager remove vm:101"},
        {FIXTURE_GUEST(101, "a", "pve1", .hastate = (char *)"error"), DIAGNOSIS_FAILURE, "ha-error",
         "ha-manager set vm:101"},
        {FIXTURE_GUEST(101, "a", "pve9", .lock = NULL), DIAGNOSIS_FAILURE, "node-offline", "bring the host"},
        {{.vmid = 101, .name = (char *)"a", .node = (char *)"pve1"},
         DIAGNOSIS_FAILURE,
         "no-power-right",
         "pveum acl modify"},
    };
    struct room *room = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        use_guests(room, &cases[i].guest, 1, 3, 0);
        expect(room, DIAGNOSIS_GUESTS, cases[i].level, cases[i].message, cases[i].hint);
        /* "ok: 0 of 1 guests" would be no comfort */
        for (size_t k = 0; k < room->diagnosis.count; k++)
            assert_true(room->diagnosis.findings[k].step != DIAGNOSIS_GUESTS ||
                        room->diagnosis.findings[k].level != DIAGNOSIS_OK);
    }
}

static void test_what_a_dead_host_would_mean_is_told_and_is_no_trouble(void **state)
{
    struct room *room = *state;
    size_t found = 0;

    room->known.readiness.dead_host_fails = true;
    diagnose(room);
    assert_int_equal(diagnosis_exit_status(&room->diagnosis), 0);
    for (size_t i = 0; i < room->diagnosis.count; i++) {
        const struct diagnosis_finding *finding = &room->diagnosis.findings[i];

        if (!strstr(finding->message, "host-unwatched"))
            continue;
        found++;
        assert_int_equal(finding->level, DIAGNOSIS_OK);
        assert_non_null(strstr(finding->message, "web1, web2: "));
        assert_non_null(strstr(finding->message, "dead-host = fail"));
        assert_non_null(strstr(finding->hint, "a second fencing level"));
    }
    assert_int_equal(found, 1);
}

static void test_a_node_whose_name_leads_to_no_guest_is_a_warning(void **state)
{
    static const struct machine self = {.name = "nowhere"};
    struct room *room = *state;

    room->known.readiness.self = &self;
    room->known.readiness.self_vmid = 0;
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, "the name nowhere of this node leads to no guest",
           "[nodes]: nowhere = VMID");
}

static bool sees_102_only(const void *context, const struct guest *guest)
{
    return context == NULL && guest->vmid == 102;
}

static void test_guests_and_names_that_the_asker_may_not_see_are_not_there(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(102, "web2", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(103, "secret", "pve1", .lock = (char *)"backup"),
                                   FIXTURE_GUEST(104, "secret", "pve1", .lock = NULL)};
    _cleanup_(text_clear) struct text out = {0};
    struct room *room = *state;

    use_guests(room, guests, 3, 3, 0); /* [nodes] node1 leads nowhere now */
    room->facts.sees = sees_102_only;
    diagnose(room);
    diagnosis_put_text(&out, &room->diagnosis, true);
    assert_null(strstr(out.data, "secret"));
    assert_null(strstr(out.data, "node1"));
    assert_int_equal(diagnosis_exit_status(&room->diagnosis), 0);
}

static void test_this_node_history_group_names_and_daemon(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    room->facts.group_missing = true;
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, "group haclient does not exist",
           "groupadd --system haclient");
    room->facts.names_unknown = true;
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, "name service", "getent");
    room->facts.group_missing = room->facts.names_unknown = false;
    room->known.history = fixture_history();
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, "3 records of the history were lost", "journalctl");
    room->known.readiness.history_failing = true;
    fixture_write_error = -ENOSPC;
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, "No space left", "df -h /var/lib/fence-broker");
    room->known.history = NULL;
    error_set(&error, ERROR_INTERNAL, "uid 1 cannot write");
    error_hint(&error, "install -d");
    room->facts.state_error = &error;
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, "uid 1 cannot write", "install -d");
    room->facts.daemon = false;
    room->facts.nobody_listens = true;
    expect(room, DIAGNOSIS_LOCAL, DIAGNOSIS_FAILURE, "no daemon is running", "systemctl enable --now");
}

/* The doctor is never more hopeful than the verdicts. */
static void test_whatever_readiness_finds_the_report_finds_at_least_as_grave(void **state)
{
    struct room *room = *state;

    for (unsigned bits = 0; bits < 64; bits++) {
        struct readiness_facts *facts = &room->known.readiness;

        facts->session_ready = room->known.session.ready = !(bits & 1);
        facts->inventory = bits & 2 ? NULL : room->inventory;
        facts->inventory_age_ms = bits & 4 ? 40000 : 4000;
        facts->min_online_nodes = bits & 8 ? 4 : 0;
        facts->history_failing = bits & 16;
        use_guests(room, fine, bits & 32 ? 0 : 2, 3, 0);
        if (bits & 2)
            facts->inventory = NULL;
        diagnose(room);
        enum verdict verdict = readiness_verdict(readiness_overall(facts));
        int status = diagnosis_exit_status(&room->diagnosis);

        if (verdict == VERDICT_BLOCKED)
            assert_int_equal(status, 1);
        if (verdict == VERDICT_DEGRADED)
            assert_int_not_equal(status, 0);
    }
}

static void test_both_forms_say_the_same_and_begin_with_the_verdict(void **state)
{
    static const char *const heads[] = {"Verdict: fine\n", "Verdict: a fence would fail\n",
                                        "Verdict: a fence would work, but something needs attention\n"};
    struct room *room = *state;

    for (int status = 0; status < 3; status++) {
        _cleanup_(text_clear) struct text text = {0}, json = {0};
        struct json_object *findings;
        int64_t said;

        room->known.readiness.min_online_nodes = status == 1 ? 4 : 0;
        room->facts.group_missing = status == 2;
        diagnose(room);
        diagnosis_put_text(&text, &room->diagnosis, true);
        diagnosis_put_json(&json, &room->diagnosis, true, FIXTURE_REALTIME_MS);
        assert_memory_equal(text.data, heads[status], strlen(heads[status]));
        assert_memory_equal(json.data, "{\"exit_status\":", 15);
        _cleanup_(json_putp) struct json_object *object = json_parse(json.data, json.length);
        assert_true(json_get_int(object, "exit_status", 0, 2, &said));
        assert_int_equal(said, status);
        assert_true(json_get_array(object, "findings", &findings));
        assert_int_equal(json_object_array_length(findings), room->diagnosis.count);
        for (size_t i = 0; i < room->diagnosis.count; i++)
            assert_non_null(strstr(text.data, room->diagnosis.findings[i].message));
    }
}

/* A hint's spans between backticks are lines of their own; a span at its end leaves the hint to its words. */
static void test_each_line_to_paste_stands_alone(void **state)
{
    const struct guest locked[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = (char *)"backup")};
    _cleanup_(text_clear) struct text out = {0}, json = {0};
    struct json_object *findings, *paste;
    struct room *room = *state;
    size_t pasted = 0;

    room->facts.group_missing = true;
    use_guests(room, locked, 1, 3, 0);
    diagnose(room);
    diagnosis_put_text(&out, &room->diagnosis, true);
    assert_non_null(strstr(out.data, "hint: create it:\n           paste: groupadd --system haclient && "
                                     "systemctl reload fence-broker\n"));
    assert_non_null(strstr(out.data, "`qm unlock 101`"));
    assert_non_null(
        strstr(out.data, "\n           paste: qm unlock 101\n           paste: pct unlock 101\n"));
    diagnosis_put_json(&json, &room->diagnosis, true, FIXTURE_REALTIME_MS);
    _cleanup_(json_putp) struct json_object *object = json_parse(json.data, json.length);
    assert_true(json_get_array(object, "findings", &findings));
    for (size_t i = 0; i < json_object_array_length(findings); i++) {
        assert_true(json_get_array(json_object_array_get_idx(findings, i), "paste", &paste));
        pasted += json_object_array_length(paste);
    }
    assert_int_equal(pasted, 3);
    /* the client puts its findings behind the last one */
    assert_string_equal(json.data + json.length - 4, "}]}\n");
}

static void test_each_step_tells_how_long_it_took_if_that_is_known(void **state)
{
    const struct poller_times times = {.privileges_ms = 3, .guests_ms = 12, .pools_ms = 1500};
    const struct timings timings = {400, 100, 3100, 900}, known = {-1, 200, 2050, 10};
    _cleanup_(text_clear) struct text out = {0}, json = {0};
    struct room *room = *state;

    room->known.times = &times;
    room->known.session.login_ms = -1;
    endpoints_timings(room->endpoints, 0, &timings);
    endpoints_timings(room->endpoints, 0, &known); /* needed no name: how long that took before stays */
    endpoints_timings(room->endpoints, 0, &TIMINGS_NONE);
    diagnose(room);
    diagnosis_put_text(&out, &room->diagnosis, true);
    assert_non_null(strstr(out.data, "; DNS 0.4 ms, TCP 0.2 ms, TLS 2.0 ms ("));
    assert_non_null(strstr(out.data, "  time     2.6 ms\n\nlogin\n"));
    assert_non_null(strstr(out.data, "  time     3 ms\n\npool\n"));
    assert_non_null(strstr(out.data, "  time     1.5 s\n\nnames\n"));
    assert_non_null(strstr(out.data, "  time     12 ms\n\nthis node\n"));
    diagnosis_put_json(&json, &room->diagnosis, true, FIXTURE_REALTIME_MS);
    assert_non_null(
        strstr(json.data, "{\"step\":\"endpoints\",\"took_ms\":2.6},{\"step\":\"login\",\"took_ms\":null}"));
    assert_non_null(
        strstr(json.data, "{\"step\":\"pool\",\"took_ms\":1500.0},{\"step\":\"names\",\"took_ms\":null}"));
}

static void test_what_is_strange_in_a_message_breaks_no_line(void **state)
{
    const struct guest odd[] = {FIXTURE_GUEST(101, "a\nVerdict: fine\x1b[31m", "pve1", .lock = (char *)"x")};
    _cleanup_(text_clear) struct text out = {0};
    struct room *room = *state;

    use_guests(room, odd, 1, 3, 0);
    diagnose(room);
    diagnosis_put_text(&out, &room->diagnosis, true);
    assert_null(strchr(out.data, '\x1b'));
    assert_null(strstr(out.data, "\nVerdict: fine"));
    assert_non_null(strstr(out.data, "a?Verdict: fine?[31m (101): locked"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_chain_is_fine_and_each_link_says_so_in_order),
        TEST(test_nothing_known_is_never_fine),
        TEST(test_a_bad_file_is_the_failure_and_the_rest_is_unknown),
        TEST(test_endpoints_one_down_is_a_warning_and_all_down_a_failure),
        TEST(test_the_only_endpoint_is_a_warning),
        TEST(test_a_certificate_near_its_end_is_a_warning),
        TEST(test_a_refused_login_is_a_failure_and_later_links_do_not_repeat_it),
        TEST(test_a_login_takes_a_one_time_code_only_without_a_daemon),
        TEST(test_missing_privileges_are_a_failure_with_the_line_that_grants_them),
        TEST(test_too_many_privileges_fail_when_refused_and_warn_when_tolerated),
        TEST(test_privileges_not_read_yet_are_a_warning),
        TEST(test_the_pool_unread_empty_stale_or_without_a_majority_is_a_failure),
        TEST(test_a_second_pool_without_guests_is_a_warning),
        TEST(test_names_that_lead_nowhere_fail_and_shared_names_fail_without_an_alias),
        TEST(test_a_moved_name_fails_with_both_guests_and_the_line),
        TEST(test_two_names_of_one_guest_warn),
        TEST(test_an_empty_pool_whose_child_has_guests_is_told_its_line),
        TEST(test_what_a_dead_host_would_mean_is_told_and_is_no_trouble),
        TEST(test_each_trouble_of_a_guest_is_told_with_its_number),
        TEST(test_a_node_whose_name_leads_to_no_guest_is_a_warning),
        TEST(test_guests_and_names_that_the_asker_may_not_see_are_not_there),
        TEST(test_this_node_history_group_names_and_daemon),
        TEST(test_whatever_readiness_finds_the_report_finds_at_least_as_grave),
        TEST(test_both_forms_say_the_same_and_begin_with_the_verdict),
        TEST(test_each_line_to_paste_stands_alone),
        TEST(test_each_step_tells_how_long_it_took_if_that_is_known),
        TEST(test_what_is_strange_in_a_message_breaks_no_line),
    };

    log_set_level(LOG_CRIT); /* of endpoints that are lost: test_endpoints */
    return cmocka_run_group_tests_name("diagnosis", tests, NULL, NULL);
}
