/* The closed list of calls: what can be built, and that nothing else can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/api.h"
#include "system/cleanup.h"

#include <string.h>

#define UPID "UPID:pve1:00007259:0004165B:6B02D840:qmstop:100:fence@pve!tok:"

static struct api_request power(enum api_call call)
{
    return (struct api_request){.call = call,
                                .node = "pve1",
                                .type = PVE_QEMU,
                                .vmid = 100,
                                .stop_timeout_s = -1,
                                .upid = UPID,
                                .pool = "cluster1",
                                .username = "fence@pve",
                                .password = "secret"};
}

static void assert_built(const struct api_request *request, const char *expected_path,
                         const char *expected_body)
{
    _cleanup_(freep) char *path = NULL;
    _cleanup_(freep) char *body = NULL;
    assert_true(api_build(request, &path, &body));
    assert_string_equal(path, expected_path);
    if (expected_body)
        assert_string_equal(body, expected_body);
    else
        assert_null(body);
}

static void test_every_call_of_the_list_has_its_path_and_nothing_else(void **state)
{
    static const struct {
        const char *path, *body;
    } expected[API_CALL_COUNT] = {
        [API_VERSION] = {"/api2/json/version", NULL},
        [API_TICKET] = {"/api2/json/access/ticket", "username=fence%40pve&password=secret"},
        [API_DOMAINS] = {"/api2/json/access/domains", NULL},
        [API_PERMISSIONS] = {"/api2/json/access/permissions", NULL},
        [API_RESOURCES] = {"/api2/json/cluster/resources", NULL},
        [API_GUESTS] = {"/api2/json/cluster/resources?type=vm", NULL},
        [API_NODES] = {"/api2/json/cluster/resources?type=node", NULL},
        [API_HA_STATUS] = {"/api2/json/cluster/ha/status/current", NULL},
        [API_POOL] = {"/api2/json/pools/cluster1", NULL},
        [API_POOL_NESTED] = {"/api2/json/pools?poolid=cluster1", NULL},
        [API_STATUS] = {"/api2/json/nodes/pve1/qemu/100/status/current", NULL},
        [API_CONFIG] = {"/api2/json/nodes/pve1/qemu/100/config", NULL},
        [API_START] = {"/api2/json/nodes/pve1/qemu/100/status/start", ""},
        [API_STOP] = {"/api2/json/nodes/pve1/qemu/100/status/stop", ""},
        [API_RESET] = {"/api2/json/nodes/pve1/qemu/100/status/reset", ""},
        [API_REHEARSE] = {"/api2/json/nodes/pve1/qemu/100/status/stop?timeout=probe", ""},
        [API_TASK] =
            {"/api2/json/nodes/pve1/tasks/UPID%3Apve1%3A00007259%3A0004165B%3A6B02D840%3Aqmstop%3A100"
             "%3Afence%40pve%21tok%3A/status",
             NULL},
        [API_TASKS] = {"/api2/json/nodes/pve1/tasks?vmid=100&source=all&limit=500", NULL},
    };
    (void)state;
    for (enum api_call call = 0; call < API_CALL_COUNT; call++) {
        struct api_request request = power(call);
        assert_non_null(expected[call].path);
        assert_built(&request, expected[call].path, expected[call].body);
        assert_string_equal(api_row(call)->method, expected[call].body ? "POST" : "GET");
        assert_true(api_row(call)->name[0]);
    }
}

static void test_only_start_stop_and_reset_change_a_guest_and_none_is_repeated(void **state)
{
    (void)state;
    for (enum api_call call = 0; call < API_CALL_COUNT; call++) {
        bool power_call = call == API_START || call == API_STOP || call == API_RESET;
        assert_int_equal(api_row(call)->power, power_call);
        assert_int_equal(api_row(call)->repeatable, !power_call && call != API_REHEARSE);
        assert_int_equal(api_row(call)->login, call == API_TICKET);
    }
}

static void test_a_container_is_named_by_its_own_path(void **state)
{
    struct api_request request = power(API_STATUS);
    (void)state;
    request.type = PVE_LXC;
    request.vmid = 999999999;
    assert_built(&request, "/api2/json/nodes/pve1/lxc/999999999/status/current", NULL);
}

static void test_a_stop_carries_only_the_parameters_asked_for(void **state)
{
    struct api_request request = power(API_STOP);
    (void)state;
    request.stop_timeout_s = 3;
    assert_built(&request, "/api2/json/nodes/pve1/qemu/100/status/stop", "timeout=3");
    request.overrule_shutdown = true;
    assert_built(&request, "/api2/json/nodes/pve1/qemu/100/status/stop", "timeout=3&overrule-shutdown=1");
    request.stop_timeout_s = -1;
    assert_built(&request, "/api2/json/nodes/pve1/qemu/100/status/stop", "overrule-shutdown=1");
    request.call = API_RESET; /* they are the stop's alone */
    assert_built(&request, "/api2/json/nodes/pve1/qemu/100/status/reset", "");
}

/* Nothing that a caller could fill in changes it: the parameter is the row's, and there is never a body. */
static void test_a_rehearsal_is_the_same_whatever_its_caller_says(void **state)
{
    struct api_request request = power(API_REHEARSE);
    (void)state;
    request.stop_timeout_s = 3;
    request.overrule_shutdown = request.new_format = true;
    request.upid = request.pool = request.username = request.password = request.challenge = "x";
    assert_built(&request, "/api2/json/nodes/pve1/qemu/100/status/stop?timeout=probe", "");
    request.type = PVE_LXC;
    assert_built(&request, "/api2/json/nodes/pve1/lxc/100/status/stop?timeout=probe", "");
}

static void test_the_answer_to_a_challenge_carries_it_encoded(void **state)
{
    struct api_request request = power(API_TICKET);
    (void)state;
    request.new_format = true;
    assert_built(&request, "/api2/json/access/ticket", "username=fence%40pve&password=secret&new-format=1");
    request.new_format = false;
    request.password = "totp:123456";
    request.challenge = "PVE:!tfa!{\"totp\"%3Atrue}:6B02D821::a+b=";
    assert_built(&request, "/api2/json/access/ticket",
                 "username=fence%40pve&password=totp%3A123456&tfa-challenge="
                 "PVE%3A%21tfa%21%7B%22totp%22%253Atrue%7D%3A6B02D821%3A%3Aa%2Bb%3D");
}

static void test_a_login_survives_any_character(void **state)
{
    struct api_request request = power(API_TICKET);
    (void)state;
    request.password = "PVE:a+b/c==&d=1 %\xc3\xa4\n";
    assert_built(&request, "/api2/json/access/ticket",
                 "username=fence%40pve&password=PVE%3Aa%2Bb%2Fc%3D%3D%26d%3D1%20%25%C3%A4%0A");
}

static void test_nested_pools_are_one_parameter(void **state)
{
    struct api_request request = power(API_POOL_NESTED);
    (void)state;
    request.pool = "a/b.c_d-e";
    assert_built(&request, "/api2/json/pools?poolid=a%2Fb.c_d-e", NULL);
}

static void assert_not_built(const struct api_request *request)
{
    char *path = NULL, *body = NULL;
    assert_false(api_build(request, &path, &body));
    assert_null(path);
    assert_null(body);
}

static void test_a_host_that_is_no_host_name_is_refused(void **state)
{
    static const char *const bad[] = {
        NULL,           "",
        "..",           ".",
        "pve1/..",      "pve1/qemu",
        "pve 1",        "pve1?",
        "pve1#",        "pve1%2f",
        "-pve1",        "pve1-",
        "p\xc3\xa4",    "pve1\n",
        "pve1.example", "a234567890123456789012345678901234567890123456789012345678901234"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (enum api_call call = API_STATUS; call < API_CALL_COUNT; call++) {
            struct api_request request = power(call);
            request.node = bad[i];
            assert_not_built(&request);
        }
    }
}

static void test_a_vmid_outside_proxmoxs_range_is_refused(void **state)
{
    static const int bad[] = {0, 1, 99, -100, 1000000000};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct api_request request = power(API_STOP);
        request.vmid = bad[i];
        assert_not_built(&request);
    }
}

static void test_a_task_or_pool_that_could_leave_its_place_is_refused(void **state)
{
    static const char *const upids[] = {NULL,
                                        "",
                                        "UPID",
                                        "upid:x:",
                                        "UPID:a/b:",
                                        "UPID:a b:",
                                        "UPID:\n:",
                                        "UPID:pve1:1:2:3:qmstop:100:a/b@pve:",
                                        "UPID:pve1:1:2:3:qmstop:100:a@pve:/.."};
    static const char *const pools[] = {NULL, "", "a b", "a?b", "a&b", "a%b", "a#b", "p\xc3\xb6ol", "a\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(upids) / sizeof(upids[0]); i++) {
        struct api_request request = power(API_TASK);
        request.upid = upids[i];
        assert_not_built(&request);
    }
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
        struct api_request request = power(API_POOL);
        request.pool = pools[i];
        assert_not_built(&request);
        request.call = API_POOL_NESTED;
        assert_not_built(&request);
    }
}

static void test_a_login_without_a_name_or_secret_is_refused(void **state)
{
    struct api_request request = power(API_TICKET);
    (void)state;
    request.password = NULL;
    assert_not_built(&request);
    request = power(API_TICKET);
    request.username = NULL;
    assert_not_built(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_of_the_list_has_its_path_and_nothing_else),
        cmocka_unit_test(test_only_start_stop_and_reset_change_a_guest_and_none_is_repeated),
        cmocka_unit_test(test_a_container_is_named_by_its_own_path),
        cmocka_unit_test(test_a_stop_carries_only_the_parameters_asked_for),
        cmocka_unit_test(test_a_rehearsal_is_the_same_whatever_its_caller_says),
        cmocka_unit_test(test_the_answer_to_a_challenge_carries_it_encoded),
        cmocka_unit_test(test_a_login_survives_any_character),
        cmocka_unit_test(test_nested_pools_are_one_parameter),
        cmocka_unit_test(test_a_host_that_is_no_host_name_is_refused),
        cmocka_unit_test(test_a_vmid_outside_proxmoxs_range_is_refused),
        cmocka_unit_test(test_a_task_or_pool_that_could_leave_its_place_is_refused),
        cmocka_unit_test(test_a_login_without_a_name_or_secret_is_refused),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
