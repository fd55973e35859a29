/*
 * policy/usercfg against what the real code of Proxmox VE 7, 8 and 9 computed:
 * tests/data/pve/permissions.jsonl, 360 configurations with the effective privileges of every identity on
 * every path that was asked. Then the corners that those cases do not reach.
 */
#include "policy/usercfg.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CASES_PATH "tests/data/pve/permissions.jsonl"
#define ROLES_PATH "tests/data/pve/builtin-roles.json"
#define CASES      360
#define NOW_S      1800000000 /* between the expiry dates in the cases */
#define IDS_MAX    200
#define PATHS_MAX  200

static void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* "Pool.Audit,VM.Audit-": sorted, a trailing - where it does not propagate */
static void show(struct usercfg_privileges set, char *text, size_t room)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned number = 0; number < usercfg_privilege_count(); number++) {
        if (!(set.held >> number & 1))
            continue;
        length += (size_t)snprintf(text + length, room - length, "%s%s%s", length ? "," : "",
                                   usercfg_privilege_name(number), set.propagates >> number & 1 ? "" : "-");
        assert_true(length < room);
    }
}

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    assert_true(json_object_object_get_ex(object, key, &value));
    return value;
}

static const char *element(struct json_object *array, size_t index)
{
    return json_object_get_string(json_object_array_get_idx(array, index));
}

static size_t index_of(struct json_object *array, const char *text)
{
    size_t index = 0;
    while (index < json_object_array_length(array) && strcmp(element(array, index), text) != 0)
        index++;
    return index;
}

static int check_privileges(int number, struct json_object *one, const struct usercfg *cfg)
{
    struct json_object *ids = member(one, "ids"), *paths = member(one, "paths");
    struct json_object *sets = member(one, "privilege_sets"), *expect = member(one, "expect");
    size_t id_count = json_object_array_length(ids), path_count = json_object_array_length(paths);
    static const char *wanted[IDS_MAX][PATHS_MAX];
    char got[4096];
    int wrong = 0;

    assert_true(id_count < IDS_MAX && path_count < PATHS_MAX);
    memset(wanted, 0, sizeof(wanted));
    json_object_object_foreach(expect, id, by_set)
    {
        json_object_object_foreach(by_set, set, on_paths)
        {
            for (size_t i = 0; i < json_object_array_length(on_paths); i++)
                wanted[index_of(ids, id)][index_of(paths, element(on_paths, i))] =
                    element(sets, (size_t)atoi(set));
        }
    }
    for (size_t i = 0; i < id_count; i++) {
        for (size_t k = 0; k < path_count; k++) {
            show(usercfg_privileges(cfg, element(ids, i), element(paths, k)), got, sizeof(got));
            if (strcmp(got, wanted[i][k] ? wanted[i][k] : "") == 0)
                continue;
            print_error("case %d: %s on %s\n  wanted %s\n  got    %s\n", number, element(ids, i),
                        element(paths, k), wanted[i][k] ? wanted[i][k] : "", got);
            wrong++;
        }
    }
    return wrong;
}

static int check_logins(int number, struct json_object *one, const struct usercfg *cfg)
{
    struct json_object *ids = member(one, "ids"), *may = member(one, "may_log_in");
    int wrong = 0;
    for (size_t i = 0; i < json_object_array_length(ids); i++) {
        bool wanted = index_of(may, element(ids, i)) < json_object_array_length(may);
        if (usercfg_may_log_in(cfg, element(ids, i), NOW_S) == wanted)
            continue;
        print_error("case %d: %s may%s log in\n", number, element(ids, i), wanted ? "" : " not");
        wrong++;
    }
    return wrong;
}

static int count(const char *name, void *context)
{
    (void)name;
    (*(int *)context)++;
    return 0;
}

static int check_pools(int number, struct json_object *one, const struct usercfg *cfg)
{
    int wrong = 0, pools = 0;
    usercfg_each_pool(cfg, count, &pools);
    wrong += pools != json_object_object_length(member(one, "pool_members"));
    json_object_object_foreach(member(one, "pool_members"), name, vmids)
    {
        struct usercfg_pool pool = {0};
        bool there = usercfg_pool(cfg, name, &pool);
        wrong += !there || pool.vmid_count != json_object_array_length(vmids);
        for (size_t i = 0; i < json_object_array_length(vmids); i++) {
            int64_t vmid = json_object_get_int64(json_object_array_get_idx(vmids, i));
            const char *in = usercfg_pool_of(cfg, vmid);
            wrong += !in || strcmp(in, name) != 0;
        }
    }
    if (wrong)
        print_error("case %d: pools or their members\n", number);
    return wrong;
}

static int check_case(struct json_object *one)
{
    int number = json_object_get_int(member(one, "case")), wrong = 0;
    const char *text = json_object_get_string(member(one, "user_cfg"));
    size_t warnings = (size_t)json_object_get_int(member(one, "warnings"));
    _cleanup_(usercfg_freep) struct usercfg *cfg = NULL;

    assert_int_equal(usercfg_parse(text, strlen(text), json_object_get_int(member(one, "pve")), &cfg), 0);
    wrong += check_privileges(number, one, cfg);
    wrong += check_logins(number, one, cfg);
    wrong += check_pools(number, one, cfg);
    if (usercfg_warning_count(cfg) != warnings) {
        print_error("case %d: %zu warnings wanted, got %zu\n", number, warnings, usercfg_warning_count(cfg));
        for (size_t i = 0; usercfg_warning(cfg, i); i++)
            print_error("  %s\n", usercfg_warning(cfg, i));
        wrong++;
    }
    return wrong;
}

static void test_agrees_with_the_real_code_on_360_configurations(void **state)
{
    (void)state;
    _cleanup_(fclosep) FILE *file = fopen(CASES_PATH, "re");
    _cleanup_(freep) char *line = NULL;
    size_t room = 0;
    int cases = 0, bad = 0;
    assert_non_null(file);
    for (ssize_t length; (length = getline(&line, &room, file)) > 0; cases++) {
        _cleanup_(json_putp) struct json_object *one = json_parse(line, (size_t)length);
        assert_non_null(one);
        bad += check_case(one) != 0;
    }
    assert_int_equal(cases, CASES);
    assert_int_equal(bad, 0);
}

/* root@pam holds a role granted to it like anybody else's; so ask through a user who is granted exactly one
 * role */
static void check_role(int version, const char *role, struct json_object *privileges)
{
    char text[256];
    snprintf(text, sizeof(text), "user:x@pve:1:0::::::\nacl:1:/:x@pve:%s:\n", role);
    _cleanup_(usercfg_freep) struct usercfg *cfg = NULL;
    uint64_t wanted = 0;
    assert_int_equal(usercfg_parse(text, strlen(text), version, &cfg), 0);
    for (size_t i = 0; i < json_object_array_length(privileges); i++)
        wanted |= UINT64_C(1) << usercfg_privilege_number(element(privileges, i));
    assert_int_equal(usercfg_privileges(cfg, "x@pve", "/vms/100").held, wanted);
    assert_int_equal(usercfg_warning_count(cfg), 0);
}

static void test_knows_the_builtin_roles_of_each_version(void **state)
{
    (void)state;
    _cleanup_(json_putp) struct json_object *all = json_object_from_file(ROLES_PATH);
    assert_non_null(all);
    json_object_object_foreach(all, version, roles)
    {
        json_object_object_foreach(roles, role, privileges)
        {
            check_role(atoi(version), role, privileges);
        }
    }
}

static struct usercfg *parsed(const char *text)
{
    struct usercfg *cfg = NULL;
    assert_int_equal(usercfg_parse(text, strlen(text), 9, &cfg), 0);
    return cfg;
}

static bool holds(const struct usercfg *cfg, const char *id, const char *path, const char *privilege)
{
    return usercfg_privileges(cfg, id, path).held >> usercfg_privilege_number(privilege) & 1;
}

static void test_refuses_unknown_versions(void **state)
{
    struct usercfg *cfg = NULL;
    (void)state;
    assert_int_equal(usercfg_parse("", 0, 6, &cfg), -EINVAL);
    assert_int_equal(usercfg_parse("", 0, 10, &cfg), -EINVAL);
    assert_null(cfg);
}

static void test_an_empty_file_has_root_and_nobody_else(void **state)
{
    (void)state;
    _cleanup_(usercfg_freep) struct usercfg *cfg = parsed("");
    assert_true(usercfg_may_log_in(cfg, "root@pam", NOW_S));
    assert_true(holds(cfg, "root@pam", "/", "Permissions.Modify"));
    assert_false(usercfg_may_log_in(cfg, "x@pve", NOW_S));
    assert_int_equal(usercfg_privileges(cfg, "x@pve", "/").held, 0);
}

static void test_repeated_user_line_drops_the_users_tokens(void **state)
{
    (void)state;
    _cleanup_(usercfg_freep) struct usercfg *cfg =
        parsed("user:a@pve:1:0::::::\ntoken:a@pve!one:0:0::\nuser:a@pve:1:0::::::\ntoken:a@pve!two:0:0::\n");
    assert_false(usercfg_may_log_in(cfg, "a@pve!one", NOW_S));
    assert_true(usercfg_may_log_in(cfg, "a@pve!two", NOW_S));
}

static void test_no_access_beats_every_other_role(void **state)
{
    (void)state;
    _cleanup_(usercfg_freep) struct usercfg *cfg =
        parsed("user:a@pve:1:0::::::\npool:p::100::\nacl:1:/pool/p:a@pve:PVEVMUser:\nacl:1:/vms/"
               "100:a@pve:NoAccess:\n"
               "pool:q::101::\nacl:1:/pool/q:a@pve:NoAccess:\nacl:1:/vms/101:a@pve:PVEVMUser:\n");
    assert_int_equal(usercfg_privileges(cfg, "a@pve", "/vms/100").held, 0);
    assert_int_equal(usercfg_privileges(cfg, "a@pve", "/vms/101").held, 0);
}

static int stop_at(const char *name, void *context)
{
    return strcmp(name, context) == 0 ? 7 : 0;
}

static void test_iterations_name_everything_and_can_be_ended(void **state)
{
    char wanted[] = "b@pve!tk";
    int pools = 0, ids = 0, grants = 0, paths = 0;
    (void)state;
    _cleanup_(usercfg_freep) struct usercfg *cfg =
        parsed("user:b@pve:1:0::::::\ntoken:b@pve!tk:0:1::\npool:p::100,101:store:\nacl:1:/pool/"
               "p:b@pve:PVEVMUser:\n");
    usercfg_each_pool(cfg, count, &pools);
    usercfg_each_identity(cfg, count, &ids);
    usercfg_each_acl_path(cfg, count, &grants);
    usercfg_each_path(cfg, count, &paths);
    assert_int_equal(pools, 1);
    assert_int_equal(ids, 3);
    assert_int_equal(grants, 2); /* and what is above it */
    assert_int_equal(paths, 8 + 2 + 2 + 1);
    assert_int_equal(usercfg_each_identity(cfg, stop_at, wanted), 7);
}

/* As GET /access/permissions: what is granted on /sdn shows on /sdn/zones, too, which only a grant below
 * names. */
static void test_paths_above_a_grant_are_paths(void **state)
{
    char zones[] = "/sdn/zones", zone[] = "/sdn/zones/a", sdn[] = "/sdn", other[] = "/sdn/zone";
    (void)state;
    _cleanup_(usercfg_freep) struct usercfg *cfg =
        parsed("user:b@pve:1:0::::::\nacl:1:/sdn/zones/a/b:b@pve:PVEAuditor:\n");
    assert_int_equal(usercfg_each_acl_path(cfg, stop_at, zones), 7);
    assert_int_equal(usercfg_each_path(cfg, stop_at, zone), 7);
    assert_int_equal(usercfg_each_acl_path(cfg, stop_at, sdn), 7);
    assert_int_equal(usercfg_each_path(cfg, stop_at, other), 0);
}

static void test_any_bytes_are_parsed_without_harm(void **state)
{
    char text[512];
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)rand() % sizeof(text);
        for (size_t i = 0; i < length; i++)
            text[i] = "user:acltokngpr@!%/\n ,;01\0\xff"[rand() % 27];
        _cleanup_(usercfg_freep) struct usercfg *cfg = NULL;
        assert_int_equal(usercfg_parse(text, length, 7 + round % 3, &cfg), 0);
        usercfg_privileges(cfg, "a@pve", "/vms/100");
    }
}

/* 10,000 users and 100,000 guests: every user's rights on its pool, every guest's pool */
static void test_a_large_installation_takes_less_than_a_second(void **state)
{
    _cleanup_(freep) char *text = NULL;
    size_t length = 0;
    char id[32], path[32];
    (void)state;
    FILE *file = open_memstream(&text, &length);
    assert_non_null(file);
    for (int i = 0; i < 10000; i++)
        fprintf(file, "user:u%d@pve:1:0::::::\n", i);
    for (int i = 0; i < 100; i++) {
        fprintf(file, "group:g%d:u%d@pve::\npool:p%d::", i, i, i);
        for (int k = 0; k < 1000; k++)
            fprintf(file, "%s%d", k ? "," : "", 100 + i * 1000 + k);
        fprintf(file, "::\nacl:1:/pool/p%d:@g%d:PVEVMUser:\n", i, i);
    }
    fclose(file);
    clock_t begin = clock();
    _cleanup_(usercfg_freep) struct usercfg *cfg = parsed(text);
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof(id), "u%d@pve", i % 10000);
        snprintf(path, sizeof(path), "/vms/%d", 100 + i);
        usercfg_privileges(cfg, id, path);
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    print_message("%.3f s\n", seconds);
    assert_true(seconds < 1.0);
    assert_string_equal(usercfg_pool_of(cfg, 100099), "p99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_real_code_on_360_configurations),
        cmocka_unit_test(test_knows_the_builtin_roles_of_each_version),
        cmocka_unit_test(test_refuses_unknown_versions),
        cmocka_unit_test(test_an_empty_file_has_root_and_nobody_else),
        cmocka_unit_test(test_repeated_user_line_drops_the_users_tokens),
        cmocka_unit_test(test_no_access_beats_every_other_role),
        cmocka_unit_test(test_iterations_name_everything_and_can_be_ended),
        cmocka_unit_test(test_paths_above_a_grant_are_paths),
        cmocka_unit_test(test_any_bytes_are_parsed_without_harm),
        cmocka_unit_test(test_a_large_installation_takes_less_than_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
