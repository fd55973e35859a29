/*
 * Provision without a Proxmox: its closed list of calls, and plans from lists as Proxmox gives them.
 */
#include "admin/provision_private.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json_object *json(const char *text)
{
    struct json_object *object = json_parse(text, strlen(text));
    assert_non_null(object);
    return object;
}

/* ---- calls ---- */

static void assert_call(enum provision_call call, const struct provision_parts *parts,
                        const char *wanted_method, const char *wanted_path, const char *wanted_form)
{
    const char *method = NULL;
    _cleanup_(freep) char *path = NULL;
    _cleanup_(freep) char *form = NULL;
    assert_true(provision_call_build(call, parts, &method, &path, &form));
    assert_string_equal(method, wanted_method);
    assert_string_equal(path, wanted_path);
    if (wanted_form)
        assert_string_equal(form, wanted_form);
    else
        assert_null(form);
}

static void test_what_fills_a_call_is_encoded(void **state)
{
    struct provision_parts parts = {.as = "mgrsys@pam",
                                    .password = "a&b=c+d %\xc3\xa4",
                                    .user = "fence@pve",
                                    .token = "broker",
                                    .subject = "fence@pve!broker",
                                    .pool = "a/b",
                                    .comment = "x y"};
    (void)state;
    assert_call(PROVISION_TICKET, &parts, "POST", "/api2/json/access/ticket",
                "username=mgrsys%40pam&password=a%26b%3Dc%2Bd%20%25%C3%A4&new-format=1");
    assert_call(PROVISION_TOKEN_ADD, &parts, "POST", "/api2/json/access/users/fence@pve/token/broker",
                "privsep=1&comment=x%20y");
    assert_call(PROVISION_PERMISSIONS, &parts, "GET",
                "/api2/json/access/permissions?userid=fence%40pve%21broker", NULL);
    assert_call(PROVISION_POOL, &parts, "GET", "/api2/json/pools?poolid=a%2Fb", NULL);
    parts.user = "../../x?y";
    assert_call(PROVISION_USER_DELETE, &parts, "DELETE", "/api2/json/access/users/..%2F..%2Fx%3Fy", NULL);
}

static void test_a_call_that_lacks_a_part_is_not_built(void **state)
{
    struct provision_parts parts = {.path = "/pool/p", .kind = "users", .subject = "fence@pve"};
    const char *method = NULL;
    char *path = NULL, *form = NULL;
    (void)state;
    assert_false(provision_call_build(PROVISION_GRANT, &parts, &method, &path, &form));
    parts.role = "R";
    assert_call(PROVISION_GRANT, &parts, "PUT", "/api2/json/access/acl",
                "path=%2Fpool%2Fp&users=fence%40pve&roles=R&propagate=0");
}

static void test_none_of_the_calls_powers_or_changes_a_guest(void **state)
{
    struct provision_parts parts = {"x", "x", "x", "x", "x", "x", "x", "x", "x", "x", "x", "x", "x", "x"};
    (void)state;
    for (int call = 0; call < PROVISION_CALL_COUNT; call++) {
        const char *method = NULL;
        _cleanup_(freep) char *path = NULL;
        _cleanup_(freep) char *form = NULL;
        assert_true(provision_call_build((enum provision_call)call, &parts, &method, &path, &form));
        assert_null(strstr(path, "/nodes/"));
    }
}

/* ---- plans ---- */

static int guests[] = {101, 102};
static const char *tokens[] = {"broker"};
static const struct provision_wish wish = {.pool = "p",
                                           .user = "fence@pve",
                                           .role = "FenceBroker",
                                           .guests = guests,
                                           .guest_count = 2,
                                           .tokens = tokens,
                                           .token_count = 1};

#define GUESTS "[{\"vmid\":101,\"type\":\"qemu\"},{\"vmid\":102,\"type\":\"qemu\"}]"
#define ROLE   "[{\"roleid\":\"FenceBroker\",\"privs\":\"VM.Audit,VM.PowerMgmt,Pool.Audit\",\"special\":0}]"

static struct provision_found found_of(const char *roles, const char *guest_list, const char *user,
                                       const char *acl)
{
    return (struct provision_found){.version = 9,
                                    .roles = json(roles),
                                    .pools = json("[]"),
                                    .guests = json(guest_list),
                                    .groups = json("[]"),
                                    .user = user ? json(user) : NULL,
                                    .acl = json(acl)};
}

static bool has_step(const struct provision_plan *plan, enum provision_step_kind kind, const char *text)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i].kind == kind && strstr(plan->steps[i].text, text))
            return true;
    }
    return false;
}

/* every step that is in the way says what to do about it */
static void assert_mended(const struct provision_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        assert_true(plan->steps[i].kind != PROVISION_STOP || plan->steps[i].mend);
}

static void test_where_nothing_is_all_is_made_in_an_order_that_works(void **state)
{
    static const enum provision_call order[] = {PROVISION_ROLE_ADD, PROVISION_POOL_ADD, PROVISION_POOL_FILL,
                                                PROVISION_USER_ADD, PROVISION_GRANT,    PROVISION_TOKEN_ADD,
                                                PROVISION_GRANT};
    (void)state;
    _cleanup_(provision_found_clear) struct provision_found found = found_of("[]", GUESTS, NULL, "[]");
    struct provision_plan plan = {0};
    provision_plan_make(&wish, &found, &plan);
    assert_int_equal(plan.count, ARRAY_LEN(order));
    for (size_t i = 0; i < plan.count; i++)
        assert_int_equal(plan.steps[i].call, order[i]);
    assert_string_equal(plan.steps[2].parts.guests, "101,102");
}

static void test_what_would_not_fence_or_would_harm_others_is_in_the_way(void **state)
{
    (void)state;
    _cleanup_(provision_found_clear) struct provision_found found = found_of(
        "[{\"roleid\":\"FenceBroker\",\"privs\":\"VM.Audit\",\"special\":0}]",
        "[{\"vmid\":101,\"pool\":\"q\"},{\"vmid\":\"102\",\"template\":1}]",
        "{\"enable\":0,\"expire\":1000,\"groups\":[],\"tokens\":{\"broker\":{\"privsep\":0,\"expire\":5}}}",
        "[{\"path\":\"/pool/"
        "q\",\"ugid\":\"x@pve\",\"type\":\"user\",\"roleid\":\"FenceBroker\",\"propagate\":1}]");
    struct provision_plan plan = {0};
    provision_plan_make(&wish, &found, &plan);
    assert_true(has_step(&plan, PROVISION_STOP, "others use it (x@pve on /pool/q)"));
    assert_true(has_step(&plan, PROVISION_STOP, "guest 101 is in the pool q"));
    assert_true(has_step(&plan, PROVISION_STOP, "102 is a template"));
    assert_true(has_step(&plan, PROVISION_STOP, "fence@pve is disabled"));
    assert_true(has_step(&plan, PROVISION_STOP, "fence@pve expires"));
    assert_true(has_step(&plan, PROVISION_STOP, "fence@pve!broker can do all that fence@pve can"));
    assert_true(has_step(&plan, PROVISION_STOP, "fence@pve!broker expires"));
    assert_mended(&plan);
}

static void test_grants_elsewhere_are_noted_and_a_builtin_role_is_refused(void **state)
{
    (void)state;
    _cleanup_(provision_found_clear) struct provision_found found =
        found_of("[{\"roleid\":\"FenceBroker\",\"privs\":\"VM.Audit\",\"special\":1}]", GUESTS,
                 "{\"enable\":1,\"groups\":[]}",
                 "[{\"path\":\"/"
                 "\",\"ugid\":\"fence@pve\",\"type\":\"user\",\"roleid\":\"PVEAdmin\",\"propagate\":1}]");
    struct provision_plan plan = {0};
    provision_plan_make(&wish, &found, &plan);
    assert_true(has_step(&plan, PROVISION_STOP, "role of Proxmox's own"));
    assert_true(has_step(&plan, PROVISION_NOTE, "fence@pve also holds PVEAdmin on /"));
    assert_mended(&plan);
}

static void test_vm_monitor_stops_on_9_and_is_a_privilege_before(void **state)
{
    struct provision_wish with_monitor = wish;
    (void)state;
    with_monitor.with_vm_monitor = true;
    _cleanup_(provision_found_clear) struct provision_found found = found_of(ROLE, GUESTS, NULL, "[]");
    struct provision_plan plan = {0}, older = {0};
    provision_plan_make(&with_monitor, &found, &plan);
    assert_true(has_step(&plan, PROVISION_STOP, "has no VM.Monitor"));
    found.version = 8;
    provision_plan_make(&with_monitor, &found, &older);
    assert_false(has_step(&older, PROVISION_STOP, ""));
    assert_true(has_step(&older, PROVISION_DO, "to VM.PowerMgmt,VM.Audit,Pool.Audit,VM.Monitor"));
}

static void test_trust_ha_takes_a_right_of_its_own(void **state)
{
    struct provision_wish trusting = wish;
    (void)state;
    trusting.trust_ha = true;
    _cleanup_(provision_found_clear) struct provision_found found = found_of(
        "[{\"roleid\":\"FenceBrokerHA\",\"privs\":\"Sys.Audit\"}]", GUESTS, "{\"enable\":1,\"groups\":[]}",
        "[{\"path\":\"/\",\"ugid\":\"fence@pve\",\"type\":\"user\",\"roleid\":\"FenceBrokerHA\"}]");
    struct provision_plan plan = {0}, without = {0}, removal = {0};
    provision_plan_make(&trusting, &found, &plan);
    assert_true(has_step(&plan, PROVISION_KEEP, "the role FenceBrokerHA: Sys.Audit"));
    assert_true(has_step(&plan, PROVISION_KEEP, "FenceBrokerHA on / for fence@pve"));
    assert_true(has_step(&plan, PROVISION_DO, "grant FenceBrokerHA on / to fence@pve!broker"));
    assert_false(has_step(&plan, PROVISION_NOTE, "also holds"));
    provision_plan_make(&wish, &found, &without);
    assert_true(has_step(&without, PROVISION_NOTE, "fence@pve also holds FenceBrokerHA on /"));
    provision_plan_remove(&trusting, &found, &removal);
    assert_true(has_step(&removal, PROVISION_DO, "take FenceBrokerHA on / from fence@pve"));
    assert_true(has_step(&removal, PROVISION_DO, "remove the role FenceBrokerHA"));
}

static void test_remove_leaves_what_is_not_ours_or_needed_by_others(void **state)
{
    (void)state;
    _cleanup_(provision_found_clear) struct provision_found found = found_of(
        ROLE, GUESTS,
        "{\"enable\":1,\"comment\":\"" PROVISION_MARK
        "\",\"groups\":[],\"tokens\":{\"broker\":{\"comment\":\"" PROVISION_MARK "\"},\"theirs\":{}}}",
        "[{\"path\":\"/pool/p\",\"ugid\":\"fence@pve\",\"type\":\"user\",\"roleid\":\"FenceBroker\"},"
        "{\"path\":\"/pool/q\",\"ugid\":\"x@pve\",\"type\":\"user\",\"roleid\":\"FenceBroker\"}]");
    found.pool = json("{\"comment\":\"theirs\",\"members\":[{\"vmid\":101}]}");
    struct provision_plan plan = {0};
    provision_plan_remove(&wish, &found, &plan);
    assert_true(has_step(&plan, PROVISION_DO, "take FenceBroker on /pool/p from fence@pve"));
    assert_true(has_step(&plan, PROVISION_DO, "remove the token fence@pve!broker"));
    assert_true(has_step(&plan, PROVISION_NOTE, "the user fence@pve stays: it has other tokens"));
    assert_true(has_step(&plan, PROVISION_NOTE, "the role FenceBroker stays: others are granted it"));
    assert_true(has_step(&plan, PROVISION_NOTE, "the pool p stays: provision did not create it"));
    assert_int_equal(provision_plan_count(&plan, PROVISION_DO), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fills_a_call_is_encoded),
        cmocka_unit_test(test_a_call_that_lacks_a_part_is_not_built),
        cmocka_unit_test(test_none_of_the_calls_powers_or_changes_a_guest),
        cmocka_unit_test(test_where_nothing_is_all_is_made_in_an_order_that_works),
        cmocka_unit_test(test_what_would_not_fence_or_would_harm_others_is_in_the_way),
        cmocka_unit_test(test_grants_elsewhere_are_noted_and_a_builtin_role_is_refused),
        cmocka_unit_test(test_vm_monitor_stops_on_9_and_is_a_privilege_before),
        cmocka_unit_test(test_trust_ha_takes_a_right_of_its_own),
        cmocka_unit_test(test_remove_leaves_what_is_not_ours_or_needed_by_others),
    };
    return cmocka_run_group_tests_name("provision", tests, NULL, NULL);
}
