/* Whom an answer without success speaks of, and the way out of Proxmox's own server errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/blame.h"

#include <string.h>

static struct api_result answer(int status, const char *reason)
{
    return (struct api_result){.outcome = status < 300 ? API_OK : API_REFUSED,
                               .http_status = status,
                               .reason = reason,
                               .endpoint_text = "pve1"};
}

static void test_whom_an_answer_speaks_of(void **state)
{
    static const struct {
        enum api_call call;
        int status;
        const char *reason;
        enum blame blame;
    } cases[] = {
        {API_GUESTS, 200, "OK", BLAME_NOBODY},
        {API_GUESTS, 400, "Parameter verification failed.", BLAME_NOBODY},
        {API_STOP, 403, "Permission check failed (/vms/101, VM.PowerMgmt)", BLAME_NOBODY},
        {API_VERSION, 401, "No ticket", BLAME_LOGIN},
        {API_STATUS, 401, "Authentication failed!", BLAME_LOGIN},
        /* what the endpoint answers itself */
        {API_GUESTS, 500, "ipcc_send_rec[1] failed: Connection refused", BLAME_ENDPOINT},
        {API_VERSION, 501, "no such uri", BLAME_ENDPOINT},
        {API_TICKET, 595, "Connection refused", BLAME_ENDPOINT},
        {API_GUESTS, 502, "Bad Gateway", BLAME_ENDPOINT},
        /* what is no Proxmox VE */
        {API_VERSION, 404, "Not Found", BLAME_ENDPOINT},
        {API_STOP, 404, "Not Found", BLAME_ENDPOINT},
        {API_STATUS, 301, "Moved Permanently", BLAME_ENDPOINT},
        /* what a pool is like is no word on the endpoint */
        {API_POOL, 500, "pool 'web' does not exist", BLAME_NOBODY},
        {API_POOL, 501, "Method 'GET /pools/a/b' not implemented", BLAME_NOBODY},
        {API_POOL, 500, "ipcc_send_rec[1] failed: Connection refused", BLAME_ENDPOINT},
        /* the guest's host has spoken, or the way to it is broken */
        {API_STATUS, 500, "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist",
         BLAME_NOBODY},
        {API_RESET, 500, "VM 101 not running", BLAME_NOBODY},
        {API_STATUS, 500, "internal error", BLAME_HOST},
        {API_STOP, 500, "ipcc_send_rec[1] failed: Connection refused", BLAME_HOST},
        {API_STATUS, 595, "No route to host", BLAME_HOST},
        {API_STOP, 596, "Connection timed out", BLAME_HOST},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_result result = answer(cases[i].status, cases[i].reason);
        if (blame_of(cases[i].call, &result) != cases[i].blame)
            fail_msg("%s: %d %s", api_row(cases[i].call)->name, cases[i].status, cases[i].reason);
    }
    struct api_result lost = {.outcome = API_LOST, .reason = ""};
    assert_int_equal(blame_of(API_STATUS, &lost), BLAME_ENDPOINT);
    struct api_result unsent = {.outcome = API_UNSENT, .reason = ""};
    assert_int_equal(blame_of(API_GUESTS, &unsent), BLAME_ENDPOINT);
}

static void test_a_server_error_is_said_with_the_line_that_mends_it(void **state)
{
    static const struct {
        const char *node;
        int status;
        const char *reason, *hint;
    } cases[] = {
        {"pve2", 595, "Connection refused", "on pve2: there `systemctl restart pveproxy pvedaemon`"},
        {"pve2", 595, "No route to host", "pve1 cannot reach the host pve2"},
        {"pve2", 596, "tls_process_server_certificate: certificate verify failed",
         "on pve2 `pvecm updatecerts --force`"},
        {"pve2", 596, "Connection timed out", "hangs on pve2"},
        {"pve2", 597, "broken pipe", "the answer of pve2 broke off"},
        {"pve2", 500, "ipcc_send_rec[1] failed: Connection refused", "systemctl restart pve-cluster"},
        {"pve2", 500, "whatever", "on pve2 `journalctl"},
        {NULL, 595, "Connection refused", "pvedaemon does not answer on that host"},
        {NULL, 500,
         "RPCEnvironment init request failed: Unable to load access control list: Connection refused",
         "systemctl restart pve-cluster"},
        {NULL, 502, "Bad Gateway", "the default"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct api_result result = answer(cases[i].status, cases[i].reason);
        struct error error = {0};
        error_set(&error, ERROR_PROTOCOL, "any");
        error_hint(&error, "the default");
        blame_hint(cases[i].node, &result, &error);
        if (!strstr(error.hint, cases[i].hint))
            fail_msg("%d %s: %s", cases[i].status, cases[i].reason, error.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whom_an_answer_speaks_of),
        cmocka_unit_test(test_a_server_error_is_said_with_the_line_that_mends_it),
    };
    return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
