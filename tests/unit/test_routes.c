/* Which request finds which row, and what the others are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/requests.h"
#include "server/routes.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

/* The handlers are only compared, never called: defined here, so that this test needs no other room. */
#define HANDLER(name)                                                                                        \
    void name(struct exchange *exchange, const struct http_request *request)                                 \
    {                                                                                                        \
        (void)exchange;                                                                                      \
        (void)request;                                                                                       \
        fail();                                                                                              \
    }
HANDLER(request_power)
HANDLER(request_guests)
HANDLER(request_guest)
HANDLER(request_operations)
HANDLER(request_operation)
HANDLER(request_status)
HANDLER(request_doctor)
HANDLER(request_permissions)
HANDLER(request_metrics)

static struct http_request request;

static const struct route *find(const char *method_and_target, bool metrics_socket, const char **allow,
                                struct error *error)
{
    static struct http_reader reader;
    char head[512];
    size_t used;

    memset(&reader, 0, sizeof(reader));
    snprintf(head, sizeof(head), "%s HTTP/1.0\r\n\r\n", method_and_target);
    assert_int_equal(http_feed(&reader, head, strlen(head), &used, error), HTTP_COMPLETE);
    assert_true(http_parse(&reader, &request, error));
    return route_find(&request, metrics_socket, allow, error);
}

static void test_each_request_finds_its_row(void **state)
{
    static const struct {
        const char *request;
        exchange_handler_fn *handler;
        enum access_right right;
        enum access_what what;
    } cases[] = {
        {"POST /v1/guests/101/off", request_power, ACCESS_WRITE, ACCESS_WHAT_GUESTS},
        {"POST /v1/guests/a%2Fb/on?dry-run=1", request_power, ACCESS_WRITE, ACCESS_WHAT_GUESTS},
        {"POST /v1/guests/off/reboot?method=cycle&dry-run=1", request_power, ACCESS_WRITE,
         ACCESS_WHAT_GUESTS},
        {"GET /v1/guests", request_guests, ACCESS_READ, ACCESS_WHAT_GUESTS},
        {"GET /v1/guests?view=list", request_guests, ACCESS_READ, ACCESS_WHAT_GUESTS},
        {"GET /v1/guests/off", request_guest, ACCESS_READ, ACCESS_WHAT_GUESTS},
        {"GET /v1/operations", request_operations, ACCESS_READ, ACCESS_WHAT_OPERATIONS},
        {"GET /v1/operations/abc", request_operation, ACCESS_READ, ACCESS_WHAT_OPERATIONS},
        {"GET /v1/status?view=monitor&strict=1", request_status, ACCESS_READ, ACCESS_WHAT_STATUS},
        {"GET /v1/doctor", request_doctor, ACCESS_READ, ACCESS_WHAT_DOCTOR},
        {"GET /v1/permissions", request_permissions, ACCESS_READ, ACCESS_WHAT_PRIVILEGES},
        {"GET /metrics", request_metrics, ACCESS_READ, ACCESS_WHAT_METRICS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        const char *allow;
        const struct route *route = find(cases[i].request, false, &allow, &error);

        assert_non_null(route);
        assert_ptr_equal(route->handler, cases[i].handler);
        assert_int_equal(route->right, cases[i].right);
        assert_int_equal(route->what, cases[i].what);
    }
}

static void test_everything_else_is_refused_with_its_code(void **state)
{
    static const struct {
        const char *request;
        enum error_code code;
        const char *allow;
    } cases[] = {
        {"GET /", ERROR_NOT_FOUND, NULL},
        {"GET /v1", ERROR_NOT_FOUND, NULL},
        {"GET /v2/guests", ERROR_NOT_FOUND, NULL},
        {"GET /v1/guest", ERROR_NOT_FOUND, NULL},
        {"GET /v1/guestsx", ERROR_NOT_FOUND, NULL},
        {"GET /v1%2Fguests", ERROR_NOT_FOUND, NULL},
        {"GET /v1/guests/101/status", ERROR_NOT_FOUND, NULL},
        {"GET /v1/guests/101/rehearse", ERROR_METHOD_NOT_ALLOWED, "POST"},
        {"POST /v1/guests/101/rehearse?timeout=3", ERROR_BAD_REQUEST, NULL},
        {"POST /v1/guests/101/off/now", ERROR_NOT_FOUND, NULL},
        {"GET /metrics/x", ERROR_NOT_FOUND, NULL},
        {"GET /v1/guests/101/off", ERROR_METHOD_NOT_ALLOWED, "POST"},
        {"PUT /v1/guests/101/off", ERROR_METHOD_NOT_ALLOWED, "POST"},
        {"POST /v1/guests", ERROR_METHOD_NOT_ALLOWED, "GET"},
        {"HEAD /v1/status", ERROR_METHOD_NOT_ALLOWED, "GET"},
        {"get /v1/status", ERROR_METHOD_NOT_ALLOWED, "GET"},
        {"POST /v1/guests/101/off?force=1", ERROR_BAD_REQUEST, NULL},
        {"GET /v1/operations?before=1h", ERROR_BAD_REQUEST, NULL},
        {"GET /v1/guests/101?dry-run=1", ERROR_BAD_REQUEST, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        const char *allow = "";

        assert_null(find(cases[i].request, false, &allow, &error));
        if (error.code != cases[i].code)
            fail_msg("%s: %s", cases[i].request, error_code_name(error.code));
        if (cases[i].allow)
            assert_string_equal(allow, cases[i].allow);
        else
            assert_null(allow);
    }
}

static void test_the_metrics_socket_serves_metrics_only(void **state)
{
    struct error error = {0};
    const char *allow;

    (void)state;
    assert_non_null(find("GET /metrics", true, &allow, &error));
    assert_null(find("GET /v1/status", true, &allow, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_null(find("POST /v1/guests/101/off", true, &allow, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_null(find("POST /metrics", true, &allow, &error));
    assert_int_equal(error.code, ERROR_METHOD_NOT_ALLOWED);
}

static void test_the_route_knows_which_part_is_the_guest(void **state)
{
    struct error error = {0};
    const char *allow;
    const struct route *route = find("POST /v1/guests/web1/off", false, &allow, &error);

    (void)state;
    assert_string_equal(route_guest(route, &request), "web1");
    route = find("GET /v1/guests", false, &allow, &error);
    assert_null(route_guest(route, &request));
    route = find("GET /v1/operations/web1", false, &allow, &error);
    assert_null(route_guest(route, &request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_request_finds_its_row),
        cmocka_unit_test(test_everything_else_is_refused_with_its_code),
        cmocka_unit_test(test_the_metrics_socket_serves_metrics_only),
        cmocka_unit_test(test_the_route_knows_which_part_is_the_guest),
    };

    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
