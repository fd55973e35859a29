/* What our own effective privileges say about a guest, by recorded and by made-up answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSCRIPTS "tests/data/pve/transcripts.jsonl"

static bool grants(const char *text, int vmid, const char *privilege)
{
    _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
    assert_non_null(permissions);
    return privileges_on_guest(permissions, vmid, privilege);
}

static void test_a_grant_on_the_guest_itself_counts_with_or_without_propagation(void **state)
{
    (void)state;
    assert_true(grants("{\"/vms/100\":{\"VM.PowerMgmt\":0}}", 100, "VM.PowerMgmt"));
    assert_true(grants("{\"/vms/100\":{\"VM.PowerMgmt\":1}}", 100, "VM.PowerMgmt"));
    assert_true(grants("{\"/vms/100\":{\"VM.PowerMgmt\":\"0\"}}", 100, "VM.PowerMgmt"));
}

static void test_a_grant_on_another_guest_says_nothing(void **state)
{
    (void)state;
    assert_false(grants("{\"/vms/100\":{\"VM.PowerMgmt\":1}}", 10, "VM.PowerMgmt"));
    assert_false(grants("{\"/vms/100\":{\"VM.PowerMgmt\":1}}", 1001, "VM.PowerMgmt"));
    assert_false(grants("{\"/pool/p\":{\"VM.PowerMgmt\":1}}", 100, "VM.PowerMgmt"));
}

static void test_another_privilege_does_not_stand_for_it(void **state)
{
    (void)state;
    assert_false(grants("{\"/vms/100\":{\"VM.Audit\":1}}", 100, "VM.PowerMgmt"));
    assert_false(grants("{\"/vms/100\":{\"VM.PowerMgmtX\":1,\"VM\":1}}", 100, "VM.PowerMgmt"));
}

static void test_a_grant_above_counts_only_if_it_propagates(void **state)
{
    (void)state;
    assert_true(grants("{\"/vms\":{\"VM.Audit\":1}}", 100, "VM.Audit"));
    assert_false(grants("{\"/vms\":{\"VM.Audit\":0}}", 100, "VM.Audit"));
    assert_true(grants("{\"/\":{\"VM.Audit\":1}}", 100, "VM.Audit"));
    assert_false(grants("{\"/\":{\"VM.Audit\":0}}", 100, "VM.Audit"));
}

static void test_what_is_listed_below_replaces_what_comes_from_above(void **state)
{
    (void)state;
    assert_false(grants("{\"/\":{\"VM.PowerMgmt\":1},\"/vms/100\":{\"VM.Audit\":1}}", 100, "VM.PowerMgmt"));
    assert_false(grants("{\"/\":{\"VM.PowerMgmt\":1},\"/vms\":{\"VM.Audit\":1}}", 100, "VM.PowerMgmt"));
    assert_true(grants("{\"/\":{\"VM.PowerMgmt\":1},\"/vms/101\":{\"VM.Audit\":1}}", 100, "VM.PowerMgmt"));
}

static void test_what_is_no_list_of_privileges_grants_nothing(void **state)
{
    (void)state;
    assert_false(privileges_on_guest(NULL, 100, "VM.PowerMgmt"));
    assert_false(grants("{}", 100, "VM.PowerMgmt"));
    assert_false(grants("[]", 100, "VM.PowerMgmt"));
    assert_false(grants("{\"/vms/100\":[\"VM.PowerMgmt\"]}", 100, "VM.PowerMgmt"));
    assert_false(grants("{\"/vms/100\":{\"VM.PowerMgmt\":null}}", 100, "VM.PowerMgmt"));
    assert_false(grants("{\"/vms/100\":{\"VM.PowerMgmt\":\"yes\"}}", 100, "VM.PowerMgmt"));
}

/* The recordings: one identity a line, as Proxmox 9 answered it. */
static void test_recorded_permissions_agree_with_what_proxmox_let_each_identity_do(void **state)
{
    static const struct {
        const char *identity;
        int vmid;
        bool power;
    } cases[] = {{"fence@pve", 100, true},     {"fence@pve!tok", 100, true}, {"fence@pve!tok", 200, false},
                 {"fence@pve!tok", 120, true}, {"noperm@pve", 100, false},   {"big@pve", 100, true},
                 {"fence@pve!full", 100, true}};
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    unsigned checked = 0;
    FILE *file = fopen(TRANSCRIPTS, "r");

    (void)state;
    if (!file)
        fail_msg("%s cannot be read: the tests run in the root of the project", TRANSCRIPTS);
    while ((length = getline(&line, &size, file)) > 0) {
        _cleanup_(json_putp) struct json_object *entry = json_parse(line, (size_t)length - 1);
        struct json_object *response = NULL, *permissions = NULL;
        const char *name = "", *identity = "", *text = "";
        assert_true(json_get_string(entry, "case", &name) && json_get_string(entry, "as", &identity));
        if (strncmp(name, "own permissions", 15) != 0 || strstr(name, "on one path"))
            continue;
        assert_true(json_get_object(entry, "response", &response) &&
                    json_get_string(response, "body", &text));
        _cleanup_(json_putp) struct json_object *body = json_parse(text, strlen(text));
        assert_true(json_get_object(body, "data", &permissions));
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            if (strcmp(cases[i].identity, identity) != 0)
                continue;
            checked++;
            if (privileges_on_guest(permissions, cases[i].vmid, "VM.PowerMgmt") != cases[i].power)
                fail_msg("%s on %d", identity, cases[i].vmid);
        }
    }
    free(line);
    fclose(file);
    assert_int_equal(checked, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_grant_on_the_guest_itself_counts_with_or_without_propagation),
        cmocka_unit_test(test_a_grant_on_another_guest_says_nothing),
        cmocka_unit_test(test_another_privilege_does_not_stand_for_it),
        cmocka_unit_test(test_a_grant_above_counts_only_if_it_propagates),
        cmocka_unit_test(test_what_is_listed_below_replaces_what_comes_from_above),
        cmocka_unit_test(test_what_is_no_list_of_privileges_grants_nothing),
        cmocka_unit_test(test_recorded_permissions_agree_with_what_proxmox_let_each_identity_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
