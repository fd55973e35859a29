/* Screens and JSON, from spoilt and unspoilt facts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/access_rules.h"
#include "server/visibility.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/log.h"
#include "view_room.h"

#include <stdio.h>

static struct json_object *parse(struct room *room)
{
    assert_false(room->out.failed);
    struct json_object *object = json_parse(room->out.data, room->out.length);
    assert_non_null(object);
    return object;
}

static const char *string_at(struct json_object *object, const char *pointer)
{
    struct json_object *found = NULL;

    if (json_pointer_get(object, pointer, &found) != 0)
        fail_msg("%s is missing in %s", pointer, json_object_to_json_string(object));
    return found ? json_object_get_string(found) : "null";
}

static void assert_has(const struct room *room, const char *part)
{
    if (!room->out.data || !strstr(room->out.data, part))
        fail_msg("'%s' is missing in:\n%s", part, room->out.data ? room->out.data : "(nothing)");
}

/* ---- guests ---- */

static void put_guests(struct room *room, enum http_form form)
{
    view_guests(&room->out, form, &room->facts);
}

static void test_the_targets_screen_is_aligned_and_says_why(void **state)
{
    struct room *room = *state;

    put_guests(room, HTTP_TEXT);
    assert_string_equal(room->out.data, "VMID  NAME  ALIAS  NODE  STATE    VERDICT   EVIDENCE  REASONS\n"
                                        "101   web1  node1  pve1  running  ready     -         -\n"
                                        "102   web2  -      pve2  running  blocked   -         locked\n"
                                        "103   -     -      pve2  running  degraded  -         ha-managed\n"
                                        "3 guests, seen 4 s ago\n");
}

static void test_guests_are_json_for_programs(void **state)
{
    struct room *room = *state;

    put_guests(room, HTTP_JSON);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/guests/0/name"), "web1");
    assert_string_equal(string_at(object, "/guests/0/aliases/0"), "node1");
    assert_string_equal(string_at(object, "/guests/0/verdict"), "ready");
    assert_string_equal(string_at(object, "/guests/1/reasons/0/reason"), "locked");
    assert_string_equal(string_at(object, "/guests/2/name"), "null");
    assert_string_equal(string_at(object, "/guests/2/type"), "qemu");
}

static void test_a_caveat_is_in_json_and_on_no_screen(void **state)
{
    struct room *room = *state;

    room->facts.readiness.dead_host_fails = true;
    put_guests(room, HTTP_JSON);
    _cleanup_(json_putp) struct json_object *guests = parse(room);
    assert_string_equal(string_at(guests, "/guests/0/verdict"), "ready");
    assert_string_equal(string_at(guests, "/guests/0/reasons"), "[ ]");
    assert_string_equal(string_at(guests, "/guests/0/caveats/0/reason"), "host-unwatched");
    assert_string_equal(string_at(guests, "/guests/0/caveats/0/severity"), "ready");
    assert_non_null(strstr(string_at(guests, "/guests/0/caveats/0/cause"), "dead-host = fail"));
    text_clear(&room->out);
    put_guests(room, HTTP_TEXT);
    assert_has(room, "101   web1  node1  pve1  running  ready     -         -\n");
    text_clear(&room->out);
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_null(strstr(room->out.data, "host-unwatched"));
}

static void test_with_trust_ha_the_targets_screen_has_the_caveat(void **state)
{
    struct room *room = *state;
    struct dead_hosts *nothing_seen = dead_hosts_new();

    assert_non_null(nothing_seen);
    room->facts.readiness.dead_hosts = nothing_seen;
    put_guests(room, HTTP_TEXT);
    assert_has(room, "101   web1  node1  pve1  running  ready     -         host-unwatched\n");
    assert_has(room, "102   web2  -      pve2  running  blocked   -         locked, host-unwatched\n");
    text_clear(&room->out);
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_null(strstr(room->out.data, "host-unwatched"));
    dead_hosts_free(nothing_seen);
}

static void test_the_list_for_pacemaker_has_names_then_aliases(void **state)
{
    struct room *room = *state;

    view_list(&room->out, HTTP_TEXT, &room->facts);
    assert_string_equal(room->out.data, "101,web1\n101,node1\n102,web2\n103,103\n");
    text_clear(&room->out);
    view_list_status(&room->out, HTTP_TEXT, &room->facts);
    assert_string_equal(room->out.data, "101,web1,on\n101,node1,on\n102,web2,on\n103,103,on\n");
    text_clear(&room->out);
    view_list_status(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/targets/3/status"), "on");
}

static void test_no_name_adds_a_target_to_the_list_for_pacemaker(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "666 node1,node2;x", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(102, "b\xc3\xbcro-1.a_b", "pve2", .lock = NULL)};
    struct room *room = *state;

    inventory_unref(room->inventory);
    room->facts.readiness.inventory = room->inventory = fixture_inventory(guests, 2, 2, 1);
    view_list(&room->out, HTTP_TEXT, &room->facts);
    assert_string_equal(room->out.data, "101,666_node1_node2_x\n101,node1\n102,b__ro-1.a_b\n");
}

static void test_views_before_the_first_poll_are_whole(void **state)
{
    struct room *room = *state;

    room->facts.readiness.inventory = NULL;
    put_guests(room, HTTP_TEXT);
    assert_has(room, "not known yet");
    text_clear(&room->out);
    put_guests(room, HTTP_JSON);
    _cleanup_(json_putp) struct json_object *guests = parse(room);
    assert_string_equal(string_at(guests, "/inventory_age_s"), "null");
    text_clear(&room->out);
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "Verdict: blocked\n  no-inventory (blocked)");
    text_clear(&room->out);
    view_status(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *status = parse(room);
    assert_string_equal(string_at(status, "/inventory_at"), "null");
}

static void test_a_live_read_is_one_line_or_one_object(void **state)
{
    struct room *room = *state;
    const struct guest *guest = inventory_get(room->inventory, 0);
    struct pve_status status = {.vmid = 101, .running = true, .uptime_s = 7200, .lock = "backup"};

    view_guest_power(&room->out, HTTP_TEXT, &room->facts, guest, ENGINE_POWER_ON, &status, "pve1");
    assert_string_equal(room->out.data, "web1 (101) on pve1: on, up 2 h, locked (backup)\n");
    text_clear(&room->out);
    view_guest_power(&room->out, HTTP_TEXT, &room->facts, NULL, ENGINE_POWER_OFF, NULL, NULL);
    assert_has(room, ": off\n");
    text_clear(&room->out);
    view_guest_power(&room->out, HTTP_JSON, &room->facts, guest, ENGINE_POWER_ON, &status, "pve3");
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/power"), "on");
    assert_string_equal(string_at(object, "/node"), "pve3");
    assert_string_equal(string_at(object, "/lock"), "backup");
}

/* ---- operations ---- */

static const struct view_choice all_of_it;

static void test_a_history_may_be_cut_by_number_and_by_time(void **state)
{
    static const char head[] = "ID        WHEN      GUEST  ACTION  OUTCOME  TIME   ASKED-BY       REASON\n"
                               "mi9x7k2p  12 s ago  web1   off     done     1.2 s  root pid 4711  -\n";
    const struct view_choice newest = {.most = 1}, last_hour = {.since_ms = FIXTURE_REALTIME_MS - 3600000},
                             nothing = {.since_ms = FIXTURE_REALTIME_MS};
    struct room *room = *state;

    view_operations(&room->out, HTTP_TEXT, &room->facts, &newest);
    assert_string_equal(room->out.data, head);
    text_clear(&room->out);
    view_operations(&room->out, HTTP_TEXT, &room->facts, &last_hour);
    assert_string_equal(room->out.data, head);
    text_clear(&room->out);
    view_operations(&room->out, HTTP_JSON, &room->facts, &nothing);
    assert_has(room, "{\"operations\":[],");
}

static void test_history_shows_the_newest_first_with_ages(void **state)
{
    struct room *room = *state;

    view_operations(&room->out, HTTP_TEXT, &room->facts, &all_of_it);
    assert_string_equal(room->out.data,
                        "ID        WHEN      GUEST  ACTION  OUTCOME  TIME   ASKED-BY           REASON\n"
                        "mi9x7k2p  12 s ago  web1   off     done     1.2 s  root pid 4711      -\n"
                        "mi9x7k1a  5 h ago   web2   reboot  failed   5.0 s  uid 1000 pid 4712  locked\n");
}

static void test_one_operation_has_its_time_line(void **state)
{
    struct room *room = *state;
    struct operation_transition transitions[] = {
        {.realtime_ms = FIXTURE_REALTIME_MS - 12000, .offset_ms = 0, .text = (char *)"stop sent to pve1"},
        {.realtime_ms = FIXTURE_REALTIME_MS - 10750, .offset_ms = 1250, .text = (char *)"off\tproven"},
    };
    struct operation operation = done_off;

    operation.transitions = transitions;
    operation.transition_count = 2;
    char *ids[] = {(char *)"0:roots", (char *)"1000:anothers"};
    operation.request_ids = ids;
    operation.request_id_count = 2;
    view_operation(&room->out, HTTP_TEXT, &room->facts, &operation);
    assert_has(room, "mi9x7k2p: off of web1 (101) on pve1, asked 12 s ago by root pid 4711\n"
                     "done, verified after 1.2 s\n");
    assert_has(room, "+1250 ms  off?proven\n");
    text_clear(&room->out);
    view_operation(&room->out, HTTP_JSON, &room->facts, &operation);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/transitions/0/text"), "stop sent to pve1");
    assert_string_equal(string_at(object, "/requested_at"), "2025-11-22T11:59:48.000Z");
    assert_string_equal(string_at(object, "/requested_age_s"), "12");
    assert_string_equal(string_at(object, "/verified_after_ms"), "1250");
    assert_string_equal(string_at(object, "/asked_by/pid"), "4711");
    assert_string_equal(string_at(object, "/error"), "null");
    assert_non_null(strstr(room->out.data, "\"request_ids\":[\"roots\"]"));
}

static void test_operations_are_json_for_programs(void **state)
{
    struct room *room = *state;

    view_operations(&room->out, HTTP_JSON, &room->facts, &all_of_it);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/operations/0/outcome"), "done");
    assert_string_equal(string_at(object, "/operations/1/error/code"), "locked");
    assert_string_equal(string_at(object, "/operations/1/verified_after_ms"), "null");
}

static void test_an_asker_reads_what_was_done(void **state)
{
    struct room *room = *state;

    view_done(&room->out, HTTP_TEXT, &room->facts, &done_off);
    assert_string_equal(room->out.data, "off of web1 (101) done in 1.2 s, operation mi9x7k2p\n");
    text_clear(&room->out);
    view_done(&room->out, HTTP_JSON, &room->facts, &done_off);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/operation/id"), "mi9x7k2p");
}

static void test_an_error_is_a_code_a_message_and_a_hint(void **state)
{
    struct room *room = *state;
    struct error error;

    error_set(&error, ERROR_LOCKED, "guest \"x\" is locked");
    error_hint(&error, "wait");
    view_error(&room->out, HTTP_TEXT, &error, "op1");
    assert_string_equal(room->out.data, "locked: guest \"x\" is locked\nhint: wait\n");
    text_clear(&room->out);
    view_error(&room->out, HTTP_JSON, &error, "op1");
    assert_string_equal(room->out.data,
                        "{\"error\":{\"code\":\"locked\",\"message\":\"guest \\\"x\\\" is locked\","
                        "\"hint\":\"wait\",\"operation\":\"op1\"}}\n");
    text_clear(&room->out);
    error.hint[0] = '\0';
    view_error(&room->out, HTTP_TEXT, &error, NULL);
    assert_string_equal(room->out.data, "locked: guest \"x\" is locked\n");
}

/* Its asker left before the guests were known, so that it names a plug and no VMID. */
static void test_an_operation_without_a_guest_is_shown_to_those_who_may_see_its_plugs(void **state)
{
    struct access_spec specs[] = {{.kind = ACCESS_SPEC_GUEST, .glob = (char *)"web2"}};
    const struct access_rule denied = {.level = ACCESS_LEVEL_DENY,
                                       .whats = 1U << ACCESS_WHAT_OPERATIONS,
                                       .specs = specs,
                                       .spec_count = 1},
                             rest = {.level = ACCESS_LEVEL_READ, .whats = 1U << ACCESS_WHAT_OPERATIONS};
    const struct access_rule *rules[] = {&denied, &rest};
    const struct access_policy policy = {.enable_acl = true};
    const struct access_subject member = {
        .policy = &policy, .gate = ACCESS_MEMBER, .gate_words = "", .rules = rules, .rule_count = 2};
    static const struct {
        const char *plug;
        bool shown;
    } cases[] = {{"web2", false}, {"102", false}, {"nosuch", false}, {"web1", true}, {"101", true}};
    struct room *room = *state;
    struct operation left = done_off;

    left.vmid = 0;
    left.guest = NULL;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        left.plug = (char *)(uintptr_t)cases[i].plug;
        if (visibility_of_operation(&member, room->inventory, &left) != cases[i].shown)
            fail_msg("an operation on %s is %sshown", cases[i].plug, cases[i].shown ? "not " : "");
    }
}

/* ---- own privileges ---- */

#define ON_GUEST "{\"VM.PowerMgmt\":0,\"VM.Audit\":0}"
#define LISTING(more)                                                                                        \
    "{\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1},\"/vms/101\":" ON_GUEST               \
    ",\"/vms/102\":" ON_GUEST ",\"/vms/103\":" ON_GUEST more "}"

/* Own privileges as read 30 s ago. NULL: not yet. */
static struct grants *grants_of(struct room *room, bool enforce, const char *text)
{
    static const char *const pools[] = {"p"};
    static const struct privileges_guest guests[] = {{101, "p"}, {102, "p"}, {103, "p"}};
    const struct privileges_scope scope = {
        .pools = pools, .pool_count = 1, .guests = guests, .guest_count = 3, .release = 902};
    struct error error = {0};
    log_set_level(LOG_CRIT); /* what it says about them is test_grants' */
    struct grants *grants = grants_new(NULL, &error);
    assert_true(grants_set_policy(grants, "fence@pve!broker", enforce));
    if (text) {
        _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
        assert_true(grants_take(grants, permissions, &scope, FIXTURE_NOW_MS - 30000));
    }
    room->facts.grants = grants;
    room->facts.readiness.grants = grants_state(grants);
    return grants;
}

static void test_own_privileges_in_order_are_a_short_screen(void **state)
{
    struct room *room = *state;
    struct grants *grants = grants_of(room, true, LISTING(""));
    view_permissions(&room->out, HTTP_TEXT, &room->facts);
    assert_string_equal(room->out.data, "Identity    fence@pve!broker (token)\n"
                                        "Judgement   accepted\n"
                                        "Privileges  0 too many, 0 missing; read 30 s ago\n"
                                        "\n"
                                        "PATH                 PRIVILEGES\n"
                                        "/pool/p              Pool.Audit, VM.Audit, VM.PowerMgmt\n"
                                        "/vms/101 and 2 more  VM.Audit, VM.PowerMgmt\n");
    text_clear(&room->out);
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "Privileges  what fencing needs, and no more\n");
    grants_free(grants, 0);
}

static void test_excess_is_shown_with_the_line_that_mends_it(void **state)
{
    struct room *room = *state;
    struct grants *grants = grants_of(room, true, LISTING(",\"/access\":{\"User.Modify\":1}"));
    view_permissions(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "Judgement   more than fencing needs: not accepted, nothing is fenced\n"
                     "Privileges  1 too many, 0 missing; read 30 s ago\n");
    assert_has(room,
               "\n"
               "excess: more than fencing needs on /access: User.Modify\n"
               "  on a Proxmox host: pveum acl delete /access --roles ROLE --tokens 'fence@pve!broker'\n");
    assert_has(room, "pveum acl list");
    text_clear(&room->out);
    view_permissions(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/judgement"), "refused");
    assert_string_equal(string_at(object, "/least_privilege"), "enforce");
    assert_string_equal(string_at(object, "/accepted_before"), "false");
    assert_string_equal(string_at(object, "/read_age_s"), "30");
    assert_string_equal(string_at(object, "/excess/0/path"), "/access");
    assert_string_equal(string_at(object, "/excess/0/privileges/0"), "User.Modify");
    assert_string_equal(string_at(object, "/excess/0/mend"),
                        "pveum acl delete /access --roles ROLE --tokens 'fence@pve!broker'");
    assert_string_equal(string_at(object, "/paths/~1access/User.Modify"), "1");
    grants_free(grants, 0);
}

static void test_the_status_says_excess_blocked_or_degraded_with_its_cause(void **state)
{
    struct room *room = *state;
    struct grants *grants = grants_of(room, true, LISTING(",\"/access\":{\"User.Modify\":1}"));
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "  excess-privileges (blocked): ");
    assert_has(room, "Identity    fence@pve!broker (token), accepted by Proxmox, and not by the broker\n");
    assert_has(room, "    cause: fence@pve!broker: more than fencing needs on /access: User.Modify\n"
                     "    hint: on a Proxmox host: pveum acl delete /access ");
    assert_has(room, "Privileges  1 too many, 0 missing, 0 hints; see fence_broker permissions\n");
    grants_free(grants, 0);
    text_clear(&room->out);
    grants = grants_of(room, false, LISTING(",\"/access\":{\"User.Modify\":1}"));
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "  excess-privileges (degraded): ");
    text_clear(&room->out);
    view_status(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/privileges/judgement"), "tolerated");
    assert_string_equal(string_at(object, "/privileges/excess"), "1");
    grants_free(grants, 0);
}

static void test_own_privileges_that_were_not_read_yet_are_said_to_be_unknown(void **state)
{
    struct room *room = *state;
    struct grants *grants = grants_of(room, true, NULL);
    view_permissions(&room->out, HTTP_TEXT, &room->facts);
    assert_string_equal(room->out.data, "Identity   fence@pve!broker (token)\nJudgement  not read yet\n");
    text_clear(&room->out);
    view_permissions(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/judgement"), "unknown");
    assert_string_equal(string_at(object, "/read_at"), "null");
    assert_string_equal(string_at(object, "/paths"), "null");
    grants_free(grants, 0);
}

/* ---- status ---- */

static void test_the_status_screen_says_the_verdict_and_what_it_rests_on(void **state)
{
    struct room *room = *state;

    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "Verdict: degraded\n");
    assert_has(room, "  locked (blocked): ");
    assert_has(room, "    hint: ");
    assert_has(room, "Identity    fence@pve!broker (token), accepted\n");
    assert_has(room, "Guests      1 ready, 1 degraded, 1 blocked; seen 4 s ago\n");
    assert_has(room, "Hosts       2 of 3 online\n");
    assert_has(room, "Last fence  off of web1 12 s ago, done\n");
    assert_has(room, "connection refused by 192.0.2.12");
    assert_has(room, "3 records lost");
    for (const char *line = room->out.data; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        assert_true(strncmp(line, "\t", 1) != 0);
}

static void test_the_status_has_the_cause_in_its_own_words(void **state)
{
    struct room *room = *state;

    room->facts.readiness.session_ready = room->facts.session.ready = false;
    error_set(&room->facts.session.error, ERROR_NO_SESSION, "401 authentication failure");
    error_hint(&room->facts.session.error, "check the secret");
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "Verdict: blocked\n  no-session (blocked)");
    assert_has(room, "    cause: 401 authentication failure\n    hint: check the secret\n");
}

static void test_a_node_that_leads_to_no_guest_is_shown(void **state)
{
    struct room *room = *state;
    const struct guest other = FIXTURE_GUEST(200, "db1", "pve1", .lock = NULL);
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&other, 1, 3, 0);

    room->facts.readiness.inventory = inventory; /* the alias node1 = 101 leads nowhere */
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "Verdict: degraded\n  [nodes] node1 = 101: no such guest in the pool\n");
    text_clear(&room->out);
    view_status(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/unresolved_aliases/0/node"), "node1");
}

static void test_the_status_screen_says_when_certificates_expire(void **state)
{
    struct room *room = *state;
    const int64_t day_ms = INT64_C(86400000);

    endpoints_certificate(room->endpoints, 0, FIXTURE_REALTIME_MS + 12 * day_ms + 1000, FIXTURE_REALTIME_MS);
    endpoints_certificate(room->endpoints, 1, FIXTURE_REALTIME_MS - day_ms, FIXTURE_REALTIME_MS);
    room->facts.readiness.certificate_expires = true;
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "certificate-expires (degraded)");
    assert_has(room, "pvecm updatecerts --force");
    assert_has(room, "  12 d ");
    assert_has(room, "  expired ");
    text_clear(&room->out);
    view_status(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/endpoints/1/certificate_expires_at"), "2025-11-21T12:00:00.000Z");
}

static void test_the_status_screen_says_what_mends_an_endpoint(void **state)
{
    struct room *room = *state;
    struct error error = {0};

    error_set(&error, ERROR_CERTIFICATE, "the certificate of 192.0.2.12 as pve2 is strange");
    error_hint(&error, "add fingerprint = AB:CD");
    endpoints_failed(room->endpoints, 1, &error, FIXTURE_NOW_MS);
    room->facts.readiness.endpoints_up = 1;
    room->facts.session.is_token = false;
    room->facts.session.second_factor = true;
    view_status(&room->out, HTTP_TEXT, &room->facts);
    assert_has(room, "one-endpoint (degraded)");
    assert_has(
        room,
        "    cause: the certificate of 192.0.2.12 as pve2 is strange\n    hint: add fingerprint = AB:CD\n");
    assert_has(room, "hint for 192.0.2.12 as pve2: add fingerprint = AB:CD\n");
    assert_has(room, "(password and TOTP), accepted");
}

static void test_the_status_is_json_for_programs(void **state)
{
    struct room *room = *state;

    room->facts.session.expires_ms = FIXTURE_NOW_MS + 3600000;
    view_status(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_string_equal(string_at(object, "/verdict"), "degraded");
    assert_string_equal(string_at(object, "/endpoints/0/state"), "up");
    assert_string_equal(string_at(object, "/endpoints/1/error/message"), "connection refused by 192.0.2.12");
    assert_string_equal(string_at(object, "/endpoints/1/answered_at"), "null");
    assert_string_equal(string_at(object, "/session/expires_at"), "2025-11-22T13:00:00.000Z");
    assert_string_equal(string_at(object, "/guests/blocked"), "1");
    assert_string_equal(string_at(object, "/hosts/known"), "3");
    assert_string_equal(string_at(object, "/history/last_fence"), "mi9x7k2p");
    assert_string_equal(string_at(object, "/proxmox_version"), "9.2.11");
}

/* ---- the doctor, and what verdicts rest on ---- */

static void test_the_doctor_reports_what_the_facts_say_in_both_forms(void **state)
{
    struct room *room = *state;
    struct json_object *findings;
    int64_t said;

    room->facts.names_known = true;
    view_doctor(&room->out, HTTP_TEXT, &room->facts);
    assert_non_null(strstr(room->out.data, "Verdict: a fence would fail\nAs the running daemon sees it.\n"));
    assert_non_null(
        strstr(room->out.data, "  warning  192.0.2.12 as pve2 is down for 60 s: connection refused"));
    assert_non_null(strstr(room->out.data, "  failure  web2 (102): locked: "));
    text_clear(&room->out);
    view_doctor(&room->out, HTTP_JSON, &room->facts);
    _cleanup_(json_putp) struct json_object *object = parse(room);
    assert_true(json_get_int(object, "exit_status", 0, 2, &said));
    assert_int_equal(said, 1);
    assert_true(json_get_array(object, "findings", &findings));
    assert_true(json_object_array_length(findings) > 8);
}

static void test_the_age_of_evidence_is_seen_in_both_forms(void **state)
{
    struct room *room = *state;
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    struct error error = {0};
    struct evidence_answer answer = {
        .node = "pve1", .endpoint = "pve1.example.com", .at_ms = 100000, .took_ms = 12};
    const struct evidence_answer refused = {.node = "pve1", .at_ms = 102000, .took_ms = 5, .error = &error};

    evidence_expect(evidence, EVIDENCE_STATUS, 20000);
    evidence_expect(evidence, EVIDENCE_REHEARSAL, 60000);
    error_set(&error, ERROR_TASK_FAILED, "500 no such thing");
    assert_true(evidence_status(evidence, 101, &answer) && evidence_rehearsed(evidence, 101, &refused));
    room->facts.readiness.evidence = evidence;
    room->facts.readiness.boottime_ms = 107000;
    put_guests(room, HTTP_TEXT);
    assert_non_null(strstr(room->out.data, "running  blocked   7 s       rehearsal-failed\n"));
    assert_non_null(strstr(room->out.data, "running  blocked   none      locked, no-evidence\n"));
    text_clear(&room->out);
    put_guests(room, HTTP_JSON);
    assert_non_null(strstr(room->out.data, "\"evidence\":{\"status\":{\"state\":\"fresh\",\"seen_at\":"));
    assert_non_null(strstr(room->out.data, "\"seen_age_s\":7,\"took_ms\":12,\"node\":\"pve1\",\"endpoint\":"
                                           "\"pve1.example.com\",\"error\":null}"));
    assert_non_null(strstr(room->out.data, "\"config\":{\"state\":\"not-needed\",\"seen_at\":null"));
    assert_non_null(strstr(room->out.data, "\"cause\":\"500 no such thing\""));
    assert_non_null(
        strstr(room->out.data, "\"documentation\":\"fence_broker(8), REASONS, rehearsal-failed\""));
    room->facts.readiness.evidence = NULL;
}

int main(void)
{
#define VIEW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        VIEW_TEST(test_the_targets_screen_is_aligned_and_says_why),
        VIEW_TEST(test_the_age_of_evidence_is_seen_in_both_forms),
        VIEW_TEST(test_guests_are_json_for_programs),
        VIEW_TEST(test_a_caveat_is_in_json_and_on_no_screen),
        VIEW_TEST(test_with_trust_ha_the_targets_screen_has_the_caveat),
        VIEW_TEST(test_the_list_for_pacemaker_has_names_then_aliases),
        VIEW_TEST(test_views_before_the_first_poll_are_whole),
        VIEW_TEST(test_a_live_read_is_one_line_or_one_object),
        VIEW_TEST(test_history_shows_the_newest_first_with_ages),
        VIEW_TEST(test_a_history_may_be_cut_by_number_and_by_time),
        VIEW_TEST(test_one_operation_has_its_time_line),
        VIEW_TEST(test_operations_are_json_for_programs),
        VIEW_TEST(test_an_asker_reads_what_was_done),
        VIEW_TEST(test_an_error_is_a_code_a_message_and_a_hint),
        VIEW_TEST(test_own_privileges_in_order_are_a_short_screen),
        VIEW_TEST(test_excess_is_shown_with_the_line_that_mends_it),
        VIEW_TEST(test_the_status_says_excess_blocked_or_degraded_with_its_cause),
        VIEW_TEST(test_own_privileges_that_were_not_read_yet_are_said_to_be_unknown),
        VIEW_TEST(test_the_status_screen_says_the_verdict_and_what_it_rests_on),
        VIEW_TEST(test_the_status_has_the_cause_in_its_own_words),
        VIEW_TEST(test_a_node_that_leads_to_no_guest_is_shown),
        VIEW_TEST(test_the_status_screen_says_when_certificates_expire),
        VIEW_TEST(test_the_status_screen_says_what_mends_an_endpoint),
        VIEW_TEST(test_the_status_is_json_for_programs),
        VIEW_TEST(test_the_doctor_reports_what_the_facts_say_in_both_forms),
        VIEW_TEST(test_no_name_adds_a_target_to_the_list_for_pacemaker),
        VIEW_TEST(test_an_operation_without_a_guest_is_shown_to_those_who_may_see_its_plugs),
    };

    log_set_level(LOG_CRIT); /* of endpoints that are lost: test_endpoints */
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
