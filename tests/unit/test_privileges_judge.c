/*
 * Own privileges against the minimal set. What Proxmox would list is computed from a user.cfg by
 * policy/usercfg, which is judged against Proxmox itself by tests of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/privileges.h"
#include "policy/usercfg.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

#define TOKEN "fence@pve!broker"

/* ---- what GET /access/permissions would say ---- */

struct listing {
    const struct usercfg *cfg;
    const char *id;
    struct json_object *permissions;
};

static int list_path(const char *path, void *context)
{
    struct listing *listing = context;
    struct usercfg_privileges set = usercfg_privileges(listing->cfg, listing->id, path);
    struct json_object *held = json_object_new_object();
    for (unsigned i = 0; i < usercfg_privilege_count(); i++) {
        if (set.held >> i & 1)
            json_object_object_add(held, usercfg_privilege_name(i),
                                   json_object_new_int((int)(set.propagates >> i & 1)));
    }
    if (set.held)
        json_object_object_add(listing->permissions, path, held);
    else
        json_object_put(held);
    return 0;
}

static struct json_object *permissions_of(const char *user_cfg, int version, const char *id)
{
    _cleanup_(usercfg_freep) struct usercfg *cfg = NULL;
    struct listing listing = {.id = id, .permissions = json_object_new_object()};
    assert_int_equal(usercfg_parse(user_cfg, strlen(user_cfg), version, &cfg), 0);
    listing.cfg = cfg;
    usercfg_each_path(cfg, list_path, &listing);
    return listing.permissions;
}

/* ---- the pool that is configured ---- */

#define HEAD                                                                                                 \
    "user:fence@pve:1:0::::::\ntoken:" TOKEN ":0:1::\npool:nfs::101,102:store:\npool:other::200,201::\n"     \
    "role:Fence:VM.PowerMgmt,VM.Audit,Pool.Audit:\nrole:Guide:VM.PowerMgmt,VM.Audit,VM.Monitor:\n"
#define GRANT(path, role) "acl:1:" path ":fence@pve," TOKEN ":" role ":\n"
#define MINIMAL           GRANT("/pool/nfs", "Fence")
#define ROLE_LINE         "pveum role add FenceBroker --privs \"VM.PowerMgmt VM.Audit Pool.Audit\""
#define TO_BOTH           "--roles FenceBroker --users fence@pve --tokens 'fence@pve!broker'"
#define OF_TOKEN          "--tokens 'fence@pve!broker'"

static const char *const pools[] = {"nfs"};
static const struct privileges_guest guests[] = {{101, "nfs"}, {102, "nfs"}};
static const int others[] = {110, 111, 200, 201};

static struct privileges_scope usual_scope(int version)
{
    return (struct privileges_scope){.identity = TOKEN,
                                     .pools = pools,
                                     .pool_count = 1,
                                     .guests = guests,
                                     .guest_count = 2,
                                     .others = others,
                                     .other_count = 4,
                                     .release = version * 100 + 2};
}

static struct privileges_report *judge(const char *user_cfg, const struct privileges_scope *scope)
{
    _cleanup_(json_putp) struct json_object *permissions =
        permissions_of(user_cfg, scope->release / 100, scope->identity);
    struct privileges_report *report = privileges_judge(permissions, scope);
    assert_non_null(report);
    return report;
}

/* One line a finding: kind, path and, if there are few, privileges. */
static char *summary(const struct privileges_report *report)
{
    struct text out = {0};
    text_puts(&out, "");
    for (size_t i = 0; i < report->count; i++) {
        const struct privileges_finding *finding = &report->findings[i];
        text_printf(&out, "%s%s %s", i ? "\n" : "", privileges_kind_name(finding->kind), finding->path);
        for (size_t k = 0; k < finding->privilege_count && finding->privilege_count <= 4; k++)
            text_printf(&out, " %s", finding->privileges[k]);
        if (finding->privilege_count > 4)
            text_printf(&out, " %zu privileges", finding->privilege_count);
    }
    return out.data;
}

static void finds_in(const char *user_cfg, const struct privileges_scope *scope, const char *expected)
{
    _cleanup_(privileges_report_freep) struct privileges_report *report = judge(user_cfg, scope);
    _cleanup_(freep) char *found = summary(report);
    assert_string_equal(found, expected);
}

static void finds(const char *user_cfg, int version, const char *expected)
{
    struct privileges_scope scope = usual_scope(version);
    finds_in(user_cfg, &scope, expected);
}

static void says(const char *user_cfg, int version, const char *message, const char *mend)
{
    struct privileges_scope scope = usual_scope(version);
    _cleanup_(privileges_report_freep) struct privileges_report *report = judge(user_cfg, &scope);
    assert_true(report->count > 0);
    assert_string_equal(report->findings[0].message, message);
    assert_string_equal(report->findings[0].mend, mend);
}

/* ---- enough, and no more ---- */

static void test_the_minimal_role_on_the_pool_is_found_in_order_on_7_8_and_9(void **state)
{
    (void)state;
    for (int version = 7; version <= 9; version++) {
        struct privileges_scope scope = usual_scope(version);
        _cleanup_(privileges_report_freep) struct privileges_report *report = judge(HEAD MINIMAL, &scope);
        assert_int_equal(report->count, 0);
        assert_true(report->may_fence);
        finds(HEAD "acl:0:/pool/nfs:fence@pve," TOKEN ":Fence:\n", version, "");
    }
}

static void test_the_role_of_the_guides_for_7_and_8_is_enough_and_gets_hints(void **state)
{
    (void)state;
    for (int version = 7; version <= 8; version++) {
        struct privileges_scope scope = usual_scope(version);
        _cleanup_(privileges_report_freep) struct privileges_report *report =
            judge(HEAD GRANT("/pool/nfs", "Guide"), &scope);
        _cleanup_(freep) char *found = summary(report);
        assert_string_equal(found, "hint /pool/nfs Pool.Audit\nhint /pool/nfs VM.Monitor");
        assert_true(report->may_fence);
        assert_int_equal(report->excess + report->missing, 0);
    }
}

static void test_grants_on_the_guests_themselves_are_enough(void **state)
{
    (void)state;
    finds(HEAD GRANT("/vms/101", "Fence") GRANT("/vms/102", "Fence"), 9, "hint /pool/nfs Pool.Audit");
}

static void test_what_a_pool_gives_on_its_storages_means_nothing(void **state)
{
    (void)state;
    _cleanup_(json_putp) struct json_object *permissions = permissions_of(HEAD MINIMAL, 9, TOKEN);
    struct json_object *held = NULL;
    assert_true(json_get_object(permissions, "/storage/store", &held)); /* it is there */
    finds(HEAD MINIMAL, 9, "");
    finds(HEAD MINIMAL GRANT("/storage/store", "PVEDatastoreUser"), 9,
          "excess /storage/store Datastore.AllocateSpace Datastore.Audit");
}

static void test_guests_that_only_our_privileges_name_are_the_pools(void **state)
{
    struct privileges_scope scope = usual_scope(7);
    (void)state;
    scope.guest_count = 0;
    scope.members_unknown = true;
    finds_in(HEAD GRANT("/pool/nfs", "Guide"), &scope,
             "hint /pool/nfs Pool.Audit\nhint /pool/nfs VM.Monitor");
}

/* ---- too much ---- */

static void test_too_large_a_role_on_the_pool_is_named_and_replaced(void **state)
{
    (void)state;
    finds(HEAD GRANT("/pool/nfs", "PVEVMAdmin"), 8, "excess /pool/nfs 15 privileges");
    says(HEAD GRANT("/pool/nfs", "PVEVMAdmin"), 8,
         "more than fencing needs on /pool/nfs: VM.Allocate, VM.Backup, VM.Clone, VM.Config.CDROM and 11 "
         "more (the role PVEVMAdmin); it could destroy guests",
         ROLE_LINE "; pveum acl modify /pool/nfs " TO_BOTH
                   "; pveum acl delete /pool/nfs --roles PVEVMAdmin " OF_TOKEN);
    says(HEAD MINIMAL GRANT("/pool/nfs", "PVEVMAdmin"), 9, /* beside the right one */
         "more than fencing needs on /pool/nfs: VM.Allocate, VM.Backup, VM.Clone, VM.Config.CDROM and 17 "
         "more (the role PVEVMAdmin); it could destroy guests",
         ROLE_LINE "; pveum acl modify /pool/nfs " TO_BOTH
                   "; pveum acl delete /pool/nfs --roles PVEVMAdmin " OF_TOKEN);
}

static void test_a_role_of_ones_own_with_too_much_is_to_be_modified(void **state)
{
    (void)state;
    says(HEAD "role:Mine:VM.PowerMgmt,VM.Audit,Pool.Audit,VM.Console:\n" GRANT("/pool/nfs", "Mine"), 9,
         "more than fencing needs on /pool/nfs: VM.Console",
         "pveum role modify ROLE --privs \"VM.PowerMgmt VM.Audit Pool.Audit\"");
    says(HEAD "role:Mine:VM.PowerMgmt,VM.Audit,Pool.Audit,Sys.Audit:\n" GRANT("/pool/nfs", "Mine"), 9,
         "more than fencing needs on /pool/nfs: Sys.Audit; it reaches the QEMU monitor of the guests",
         "pveum role modify ROLE --privs \"VM.PowerMgmt VM.Audit Pool.Audit\"");
}

static void test_a_grant_on_the_root_is_one_finding_there(void **state)
{
    (void)state;
    for (int version = 7; version <= 9; version++) {
        struct privileges_scope scope = usual_scope(version);
        _cleanup_(privileges_report_freep) struct privileges_report *report =
            judge(HEAD GRANT("/", "Administrator"), &scope);
        assert_int_equal(report->count, 1);
        assert_string_equal(report->findings[0].path, "/");
        assert_non_null(
            strstr(report->findings[0].message, "which reaches the whole cluster: Datastore.Allocate, "));
        assert_non_null(
            strstr(report->findings[0].message, " (the role Administrator); it could grant itself anything"));
        assert_string_equal(report->findings[0].mend, "pveum acl delete / --roles Administrator " OF_TOKEN);
        assert_true(report->may_fence);
        assert_int_equal(report->excess, report->findings[0].privilege_count);
    }
    says(HEAD GRANT("/", "Fence"), 9,
         "more than fencing needs on /, which reaches the whole cluster: Pool.Audit, VM.Audit, VM.PowerMgmt",
         "pveum acl delete / --roles ROLE " OF_TOKEN);
    finds(HEAD MINIMAL GRANT("/", "Fence"), 9, "excess / Pool.Audit VM.Audit VM.PowerMgmt");
    finds(HEAD MINIMAL GRANT("/", "PVEAuditor"), 7, "excess / 5 privileges");
}

static void test_a_role_seen_on_all_guests_or_pools_is_blamed_where_it_stands(void **state)
{
    (void)state;
    finds(HEAD MINIMAL GRANT("/vms", "Fence"), 9, "excess /vms Pool.Audit VM.Audit VM.PowerMgmt");
    finds(HEAD MINIMAL GRANT("/pool", "Fence"), 9, "excess /pool Pool.Audit VM.Audit VM.PowerMgmt");
    finds(HEAD MINIMAL GRANT("/access", "PVEUserAdmin"), 9,
          "excess /access Group.Allocate Realm.AllocateUser User.Modify");
    finds(HEAD MINIMAL GRANT("/nodes/pve1", "PVESysAdmin"), 9,
          "excess /nodes/pve1 Sys.Audit Sys.Console Sys.Syslog");
}

static void test_another_pool_is_one_finding_whatever_guests_it_has(void **state)
{
    (void)state;
    finds(HEAD MINIMAL GRANT("/pool/other", "Fence"), 9,
          "excess /pool/other Pool.Audit VM.Audit VM.PowerMgmt");
    says(HEAD MINIMAL GRANT("/pool/other", "PVEVMUser"), 8,
         "more than fencing needs on /pool/other, a pool that is not configured: VM.Audit, VM.Backup, "
         "VM.Config.CDROM, VM.Config.Cloudinit and 2 more (the role PVEVMUser)",
         "pveum acl delete /pool/other --roles PVEVMUser " OF_TOKEN);
}

static void test_another_guest_is_named(void **state)
{
    (void)state;
    says(HEAD MINIMAL GRANT("/vms/200", "Fence"), 9,
         "more than fencing needs on /vms/200, a guest of no configured pool: Pool.Audit, VM.Audit, "
         "VM.PowerMgmt",
         "pveum acl delete /vms/200 --roles ROLE " OF_TOKEN);
    finds(HEAD MINIMAL GRANT("/vms/101", "PVEVMUser"), 8,
          "excess /vms/101 VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console");
}

static void test_guests_of_a_pool_below_ours_are_told_together(void **state)
{
    (void)state;
    says(HEAD "pool:nfs/sub::110,111::\n" MINIMAL, 9,
         "guests 110, 111 can be powered although they are in no configured pool, apparently through a pool "
         "below one; if that is wanted, name that pool with `pool =`",
         "pveum acl modify /pool/nfs --propagate 0 --roles ROLE --users fence@pve " OF_TOKEN);
    finds(HEAD "pool:nfs/sub::110,111::\n" MINIMAL, 9, "excess /vms/110 VM.PowerMgmt");
    finds(HEAD "pool:nfs/sub::110,111::\nacl:0:/pool/nfs:fence@pve," TOKEN ":Fence:\n", 9, "");
}

static void test_guests_that_are_no_more_are_nobodys(void **state)
{
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    scope.guest_count = 1; /* the pool still lists 102 */
    finds_in(HEAD MINIMAL, &scope, "");
    finds_in(HEAD MINIMAL GRANT("/vms/102", "Fence"), &scope,
             "excess /vms/102 Pool.Audit VM.Audit VM.PowerMgmt");
}

static void test_a_privilege_that_nobody_knows_yet_is_excess(void **state)
{
    static const char text[] =
        "{\"/pool/nfs\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1,\"VM.Teleport\":1},"
        "\"/vms/101\":{\"VM.PowerMgmt\":0,\"VM.Audit\":0,\"VM.Teleport\":0},"
        "\"/vms/102\":{\"VM.PowerMgmt\":0,\"VM.Audit\":0,\"VM.Teleport\":0}}";
    _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
    struct privileges_scope scope = usual_scope(9);
    _cleanup_(privileges_report_freep) struct privileges_report *report =
        privileges_judge(permissions, &scope);
    _cleanup_(freep) char *found = summary(report);
    (void)state;
    assert_string_equal(found, "excess /pool/nfs VM.Teleport");
}

static void test_paths_from_the_network_are_one_word_for_the_shell(void **state)
{
    static const char text[] = "{\"/mapping/x; rm -rf 'y'\\n\":{\"Mapping.Use\":1}}";
    _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
    struct privileges_scope scope = usual_scope(9);
    _cleanup_(privileges_report_freep) struct privileges_report *report =
        privileges_judge(permissions, &scope);
    (void)state;
    assert_string_equal(report->findings[0].mend,
                        "pveum acl delete '/mapping/x; rm -rf '\\''y'\\''?' --roles ROLE " OF_TOKEN);
}

/* ---- too little ---- */

static void test_a_token_without_a_grant_of_its_own_gets_the_line_that_is_missing(void **state)
{
    static const char user_only[] = HEAD "acl:1:/pool/nfs:fence@pve:Fence:\n";
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    finds(user_only, 9, "missing /pool/nfs VM.Audit VM.PowerMgmt");
    says(user_only, 9,
         "VM.Audit, VM.PowerMgmt are missing on /pool/nfs for fence@pve!broker: a token with privilege "
         "separation "
         "has only what is granted to itself and to its user",
         "pveum acl modify /pool/nfs " TO_BOTH);
    finds(HEAD "acl:1:/pool/nfs:" TOKEN ":Fence:\n", 9, /* the user has nothing */
          "missing /pool/nfs VM.Audit VM.PowerMgmt");
    _cleanup_(privileges_report_freep) struct privileges_report *report = judge(user_only, &scope);
    assert_false(report->may_fence);
    assert_int_equal(report->missing, 2);
}

static void test_a_user_without_a_grant_gets_the_role_as_well(void **state)
{
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    scope.identity = "fence@pve";
    _cleanup_(privileges_report_freep) struct privileges_report *report = judge(HEAD, &scope);
    assert_string_equal(report->findings[0].message,
                        "VM.Audit, VM.PowerMgmt are missing on /pool/nfs for fence@pve");
    assert_string_equal(report->findings[0].mend,
                        ROLE_LINE "; pveum acl modify /pool/nfs --roles FenceBroker --users fence@pve");
}

static void test_a_role_that_gives_too_little_is_replaced(void **state)
{
    static const char little[] = HEAD "role:Little:VM.PowerMgmt:\n" GRANT("/pool/nfs", "Little");
    (void)state;
    finds(little, 9, "missing /pool/nfs VM.Audit");
    says(little, 9,
         "VM.Audit is missing on /pool/nfs for fence@pve!broker: a token with privilege separation has only "
         "what "
         "is granted to itself and to its user",
         ROLE_LINE
         " || pveum role modify FenceBroker --privs \"VM.PowerMgmt VM.Audit Pool.Audit\"; pveum acl "
         "modify /pool/nfs " TO_BOTH);
}

static void test_a_guest_that_is_taken_out_by_no_access_is_named(void **state)
{
    (void)state;
    finds(HEAD MINIMAL GRANT("/vms/102", "NoAccess"), 9, "missing /vms/102 VM.Audit VM.PowerMgmt");
    says(HEAD MINIMAL GRANT("/vms/102", "NoAccess"), 9,
         "VM.Audit, VM.PowerMgmt are missing on guest 102 in spite of /pool/nfs: a role NoAccess there or "
         "above takes "
         "everything away",
         "pveum acl delete /vms/102 --roles NoAccess --users fence@pve " OF_TOKEN);
    finds(HEAD GRANT("/vms/101", "Fence"), 9, /* nothing is taken away: the pool was never granted */
          "missing /pool/nfs VM.Audit VM.PowerMgmt");
}

static void test_an_empty_pool_is_judged_by_the_pool_itself(void **state)
{
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    scope.guest_count = 0;
    finds_in("user:fence@pve:1:0::::::\ntoken:" TOKEN ":0:1::\npool:nfs::::\n"
             "role:Fence:VM.PowerMgmt,VM.Audit,Pool.Audit:\n" MINIMAL,
             &scope, "");
    finds_in("user:fence@pve:1:0::::::\ntoken:" TOKEN ":0:1::\npool:nfs::::\n", &scope,
             "missing /pool/nfs VM.Audit VM.PowerMgmt");
}

static void test_each_of_several_pools_is_judged(void **state)
{
    static const char *const both[] = {"nfs", "other"};
    static const struct privileges_guest four[] = {
        {101, "nfs"}, {102, "nfs"}, {200, "other"}, {201, "other"}};
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    scope.pools = both;
    scope.pool_count = 2;
    scope.guests = four;
    scope.guest_count = 4;
    finds_in(HEAD MINIMAL GRANT("/pool/other", "Fence"), &scope, "");
    finds_in(HEAD MINIMAL, &scope, "missing /pool/other VM.Audit VM.PowerMgmt");
}

/* ---- the report ---- */

static void test_what_is_no_listing_is_nothing_granted(void **state)
{
    static const char *const texts[] = {"{}", "[]", "{\"/pool/nfs\":7,\"/vms/101\":[\"VM.Audit\"]}"};
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_(json_putp) struct json_object *permissions = json_parse(texts[i], strlen(texts[i]));
        _cleanup_(privileges_report_freep) struct privileges_report *report =
            privileges_judge(permissions, &scope);
        assert_int_equal(report->excess, 0);
        assert_int_equal(report->missing, 2);
        assert_false(report->may_fence);
    }
}

#define HA_ROLE             "role:HA:Sys.Audit:\n"
#define HA_GRANT(propagate) "acl:" propagate ":/:fence@pve," TOKEN ":HA:\n"

static void test_what_reading_ha_s_status_takes(void **state) /* P8 */
{
    struct privileges_scope scope = usual_scope(9);
    (void)state;
    finds_in(HEAD MINIMAL HA_ROLE HA_GRANT("0"), &scope, "excess / Sys.Audit");
    scope.ha_status = true;
    finds_in(HEAD MINIMAL HA_ROLE HA_GRANT("0"), &scope, "");
    finds_in(HEAD MINIMAL HA_ROLE HA_GRANT("1"), &scope, "excess / Sys.Audit");
    finds_in(HEAD MINIMAL, &scope, "missing / Sys.Audit");
    finds_in(HEAD MINIMAL HA_ROLE "acl:0:/vms:fence@pve," TOKEN ":HA:\n", &scope,
             "excess /vms Sys.Audit\nmissing / Sys.Audit");
    _cleanup_(privileges_report_freep) struct privileges_report *report = judge(HEAD MINIMAL, &scope);
    assert_string_equal(report->findings[0].mend,
                        "pveum role add FenceBrokerHA --privs Sys.Audit; pveum acl modify / --propagate 0 "
                        "--roles FenceBrokerHA --users fence@pve --tokens 'fence@pve!broker'");
    assert_null(privileges_first(report, PRIVILEGES_MISSING)); /* fences work without it */
    assert_true(report->may_fence);
}

static void test_reports_are_the_same_if_all_their_findings_are(void **state)
{
    struct privileges_scope scope = usual_scope(9);
    _cleanup_(privileges_report_freep) struct privileges_report *a =
        judge(HEAD MINIMAL GRANT("/pool/other", "Fence"), &scope);
    _cleanup_(privileges_report_freep) struct privileges_report *b =
        judge(HEAD GRANT("/pool/other", "Fence") MINIMAL, &scope);
    _cleanup_(privileges_report_freep) struct privileges_report *c =
        judge(HEAD MINIMAL GRANT("/pool/other", "PVEVMUser"), &scope);
    (void)state;
    assert_true(privileges_report_same(a, b));
    assert_false(privileges_report_same(a, c));
    assert_false(privileges_report_same(a, NULL));
    assert_true(privileges_report_same(NULL, NULL));
    assert_ptr_equal(privileges_first(a, PRIVILEGES_EXCESS), &a->findings[0]);
    assert_null(privileges_first(a, PRIVILEGES_MISSING));
    assert_null(privileges_first(NULL, PRIVILEGES_EXCESS));
}

/* Proxmox lists in the order of a Perl hash: another one at each start. */
static void test_findings_are_in_the_order_of_their_paths_however_they_are_listed(void **state)
{
    static const char *const listings[] = {
        "{\"/vms/102\": {\"VM.Config.Disk\": 1, \"VM.Audit\": 0}, \"/storage/b\": {\"Datastore.Audit\": 1},"
        " \"/vms/9\": {\"VM.Console\": 1}, \"/pool/nfs\": {\"VM.Audit\": 1}, \"/vms/200\": "
        "{\"VM.PowerMgmt\": 0},"
        " \"/vms/101\": {\"VM.Audit\": 0}, \"/access\": {\"Sys.Audit\": 1}, \"/vms/110\": {\"VM.PowerMgmt\": "
        "0}}",
        "{\"/vms/110\": {\"VM.PowerMgmt\": 0}, \"/access\": {\"Sys.Audit\": 1}, \"/vms/101\": {\"VM.Audit\": "
        "0},"
        " \"/vms/200\": {\"VM.PowerMgmt\": 0}, \"/pool/nfs\": {\"VM.Audit\": 1}, \"/vms/9\": "
        "{\"VM.Console\": 1},"
        " \"/storage/b\": {\"Datastore.Audit\": 1}, \"/vms/102\": {\"VM.Audit\": 0, \"VM.Config.Disk\": 1}}",
    };
    struct privileges_scope scope = usual_scope(9);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(listings); i++) {
        _cleanup_(json_putp) struct json_object *permissions = json_parse(listings[i], strlen(listings[i]));
        _cleanup_(privileges_report_freep) struct privileges_report *report =
            privileges_judge(permissions, &scope);
        assert_non_null(report);
        _cleanup_(freep) char *found = summary(report);
        assert_string_equal(found, "excess /access Sys.Audit\n"
                                   "excess /storage/b Datastore.Audit\n"
                                   "excess /vms/102 VM.Config.Disk\n"
                                   "excess /vms/9 VM.Console\n"
                                   "excess /vms/110 VM.PowerMgmt\n"
                                   "missing /pool/nfs VM.PowerMgmt");
        assert_non_null(strstr(report->findings[4].message, "110"));
        assert_non_null(strstr(report->findings[4].message, "200"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_minimal_role_on_the_pool_is_found_in_order_on_7_8_and_9),
        cmocka_unit_test(test_the_role_of_the_guides_for_7_and_8_is_enough_and_gets_hints),
        cmocka_unit_test(test_grants_on_the_guests_themselves_are_enough),
        cmocka_unit_test(test_what_a_pool_gives_on_its_storages_means_nothing),
        cmocka_unit_test(test_guests_that_only_our_privileges_name_are_the_pools),
        cmocka_unit_test(test_too_large_a_role_on_the_pool_is_named_and_replaced),
        cmocka_unit_test(test_a_role_of_ones_own_with_too_much_is_to_be_modified),
        cmocka_unit_test(test_a_grant_on_the_root_is_one_finding_there),
        cmocka_unit_test(test_a_role_seen_on_all_guests_or_pools_is_blamed_where_it_stands),
        cmocka_unit_test(test_another_pool_is_one_finding_whatever_guests_it_has),
        cmocka_unit_test(test_another_guest_is_named),
        cmocka_unit_test(test_guests_of_a_pool_below_ours_are_told_together),
        cmocka_unit_test(test_guests_that_are_no_more_are_nobodys),
        cmocka_unit_test(test_a_privilege_that_nobody_knows_yet_is_excess),
        cmocka_unit_test(test_paths_from_the_network_are_one_word_for_the_shell),
        cmocka_unit_test(test_a_token_without_a_grant_of_its_own_gets_the_line_that_is_missing),
        cmocka_unit_test(test_a_user_without_a_grant_gets_the_role_as_well),
        cmocka_unit_test(test_a_role_that_gives_too_little_is_replaced),
        cmocka_unit_test(test_a_guest_that_is_taken_out_by_no_access_is_named),
        cmocka_unit_test(test_an_empty_pool_is_judged_by_the_pool_itself),
        cmocka_unit_test(test_each_of_several_pools_is_judged),
        cmocka_unit_test(test_what_is_no_listing_is_nothing_granted),
        cmocka_unit_test(test_findings_are_in_the_order_of_their_paths_however_they_are_listed),
        cmocka_unit_test(test_what_reading_ha_s_status_takes),
        cmocka_unit_test(test_reports_are_the_same_if_all_their_findings_are),
    };
    return cmocka_run_group_tests_name("privileges_judge", tests, NULL, NULL);
}
