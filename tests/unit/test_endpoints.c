/* The Proxmox API addresses: health by what they answered, and who is next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/endpoints.h"
#include "system/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char pve1[] = "pve1.example.com", pve2[] = "192.0.2.12 as pve2", pve3[] = "pve3",
            pve10[] = "PVE10.example.com";
static char address2[] = "192.0.2.12", name2[] = "pve2", literal[] = "192.0.2.1";

static const struct config_endpoint four[] = {
    {.address = pve1, .name = pve1, .port = 8006, .text = pve1},
    {.address = address2, .name = name2, .port = 8006, .text = pve2},
    {.address = pve3, .name = pve3, .port = 443, .text = pve3},
    {.address = pve10, .name = pve10, .port = 8006, .text = pve10},
};

static void lose(struct endpoints *endpoints, size_t index, int64_t now_ms)
{
    struct error error;

    error_set(&error, ERROR_NO_ENDPOINT, "connection refused at %lld", (long long)now_ms);
    endpoints_failed(endpoints, index, &error, now_ms);
}

/* The order in which a call would try them all, as digits. */
static const char *order(const struct endpoints *endpoints, const char *node)
{
    static char text[ENDPOINTS_MAX + 1];
    uint64_t tried = 0;
    size_t length = 0;

    for (int next; (next = endpoints_choose(endpoints, node, tried)) >= 0; tried |= UINT64_C(1) << next)
        text[length++] = (char)('0' + next);
    text[length] = '\0';
    return text;
}

/* What is logged goes to memory until it is asked for. */
static int log_fd = -1, stderr_before = -1;

static int catch_log(void **state)
{
    (void)state;
    log_fd = memfd_create("log", MFD_CLOEXEC);
    stderr_before = dup(STDERR_FILENO);
    log_set_level(LOG_INFO);
    return dup2(log_fd, STDERR_FILENO) == STDERR_FILENO ? 0 : -1;
}

static int release_log(void **state)
{
    (void)state;
    if (stderr_before < 0)
        return 0;
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    close(log_fd);
    stderr_before = log_fd = -1;
    log_set_level(LOG_CRIT);
    return 0;
}

/* How many lines of the kind there are so far. */
static int logged(enum log_kind kind)
{
    char text[64 * 1024], word[64];
    ssize_t length = pread(log_fd, text, sizeof(text) - 1, 0);
    int count = 0;

    snprintf(word, sizeof(word), " FENCE_EVENT=%s ", log_kind_row(kind)->name);
    text[length > 0 ? length : 0] = '\0';
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

static void test_that_an_endpoint_is_lost_and_back_is_logged_once(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);
    int64_t now_ms = 1000;

    (void)state;
    endpoints_answered(endpoints, 0, NULL, now_ms);
    assert_int_equal(logged(KIND_ENDPOINT_BACK), 0);
    for (int i = 0; i < 100; i++)
        lose(endpoints, 0, now_ms += 10000);
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 1);
    for (int i = 0; i < 5; i++)
        endpoints_answered(endpoints, 0, NULL, now_ms += 10000);
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 1);
    assert_int_equal(logged(KIND_ENDPOINT_BACK), 1);
    endpoints_free(endpoints);
}

static void test_an_endpoint_that_comes_and_goes_is_logged_once_in_ten_minutes(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);
    int64_t now_ms = 1000;

    (void)state;
    for (; now_ms < ENDPOINTS_LOST_LOG_MS; now_ms += 10000) {
        lose(endpoints, 0, now_ms);
        endpoints_answered(endpoints, 0, NULL, now_ms + 5000);
    }
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 1);
    assert_int_equal(logged(KIND_ENDPOINT_BACK), 1);
    /* and one that stays away in the end is told, though it has been told before */
    for (int i = 0; i < 100; i++)
        lose(endpoints, 0, now_ms += 10000);
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 2);
    endpoints_free(endpoints);
}

static void test_a_reload_does_not_tell_again_what_was_told(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);

    (void)state;
    lose(endpoints, 1, 1000);
    assert_int_equal(endpoints_reconfigure(endpoints, four, 4), 0);
    lose(endpoints, 1, ENDPOINTS_LOST_LOG_MS * 2);
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 1);
    endpoints_answered(endpoints, 1, NULL, ENDPOINTS_LOST_LOG_MS * 2 + 1);
    assert_int_equal(logged(KIND_ENDPOINT_BACK), 1);
    endpoints_free(endpoints);
}

static void test_a_certificate_that_is_not_believed_is_not_called_silence(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);
    struct error error = {0};

    (void)state;
    error_set(&error, ERROR_CERTIFICATE, "not believed");
    for (int64_t now_ms = 1000; now_ms < 60000; now_ms += 1000)
        endpoints_failed(endpoints, 0, &error, now_ms);
    assert_int_equal(logged(KIND_CERTIFICATE_REFUSED), 1);
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 0);
    endpoints_free(endpoints);
}

static void test_configured_order_holds_before_anything_is_known(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);

    (void)state;
    assert_string_equal(order(endpoints, NULL), "0123");
    assert_string_equal(order(endpoints, "nowhere"), "0123");
    assert_int_equal(endpoints_get(endpoints, 0)->state, ENDPOINT_UNKNOWN);
    assert_int_equal(endpoints_up(endpoints), 0);
    assert_null(endpoints_get(endpoints, 4));
    endpoints_free(endpoints);
}

static void test_the_nodes_own_endpoint_comes_first_by_its_first_label(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);

    (void)state;
    assert_string_equal(order(endpoints, "pve2"), "1023");
    assert_string_equal(order(endpoints, "pve10"), "3012");
    assert_string_equal(order(endpoints, "pve"), "0123");
    assert_string_equal(order(endpoints, ""), "0123");
    endpoints_free(endpoints);
}

static void test_a_numeric_address_has_no_first_label(void **state)
{
    struct config_endpoint configured[] = {
        four[0], {.address = literal, .name = literal, .port = 8006, .text = literal}};
    struct endpoints *endpoints = endpoints_new(configured, 2);

    (void)state;
    assert_string_equal(order(endpoints, "192"), "01");
    endpoints_free(endpoints);
}

static void test_up_comes_before_unknown_before_down(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);

    (void)state;
    lose(endpoints, 0, 100);
    endpoints_answered(endpoints, 2, "192.0.2.13", 110);
    assert_string_equal(order(endpoints, NULL), "2130");
    /* a node's own endpoint is preferred among its equals only */
    assert_string_equal(order(endpoints, "pve1"), "2130");
    assert_string_equal(order(endpoints, "pve10"), "2310");
    endpoints_answered(endpoints, 3, NULL, 120);
    assert_string_equal(order(endpoints, "pve10"), "3210");
    endpoints_free(endpoints);
}

static void test_of_those_that_are_down_the_one_that_failed_longest_ago_is_next(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);

    (void)state;
    lose(endpoints, 2, 100);
    lose(endpoints, 0, 200);
    lose(endpoints, 3, 300);
    lose(endpoints, 1, 400);
    assert_string_equal(order(endpoints, "pve2"), "2031");
    /* failing again sends it to the end, though its state is as old as before */
    lose(endpoints, 2, 500);
    assert_string_equal(order(endpoints, NULL), "0312");
    assert_int_equal(endpoints_get(endpoints, 2)->since_ms, 100);
    endpoints_free(endpoints);
}

static void test_all_tried_means_none_is_left(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);

    (void)state;
    assert_int_equal(endpoints_choose(endpoints, NULL, 0x7), 3);
    assert_int_equal(endpoints_choose(endpoints, NULL, 0xf), -1);
    assert_int_equal(endpoints_choose(endpoints, NULL, UINT64_MAX), -1);
    endpoints_free(endpoints);
}

static void test_an_answer_heals_and_a_failure_says_why(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);
    const struct endpoint *first = endpoints_get(endpoints, 0);

    (void)state;
    lose(endpoints, 0, 100);
    assert_int_equal(first->state, ENDPOINT_DOWN);
    assert_int_equal(first->error.code, ERROR_NO_ENDPOINT);
    assert_string_equal(first->error.message, "connection refused at 100");
    endpoints_answered(endpoints, 0, "192.0.2.11", 250);
    assert_int_equal(first->state, ENDPOINT_UP);
    assert_int_equal(first->since_ms, 250);
    assert_int_equal(first->last_ok_ms, 250);
    assert_int_equal(first->error.code, ERROR_NONE);
    endpoints_answered(endpoints, 0, "192.0.2.11", 300);
    assert_int_equal(first->since_ms, 250);
    assert_int_equal(first->requests, 3);
    assert_int_equal(first->failures, 1);
    assert_int_equal(endpoints_up(endpoints), 1);
    endpoints_failed(endpoints, 0, NULL, 400);
    assert_int_equal(first->error.code, ERROR_NO_ENDPOINT);
    endpoints_free(endpoints);
}

static void test_the_last_good_address_outlives_a_failure(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 4);
    const struct endpoint *first = endpoints_get(endpoints, 0);

    (void)state;
    assert_null(first->last_address);
    endpoints_answered(endpoints, 0, "192.0.2.11", 100);
    lose(endpoints, 0, 200);
    assert_string_equal(first->last_address, "192.0.2.11");
    endpoints_answered(endpoints, 0, NULL, 300);
    assert_string_equal(first->last_address, "192.0.2.11");
    endpoints_answered(endpoints, 0, "2001:db8::11", 400);
    assert_string_equal(first->last_address, "2001:db8::11");
    endpoints_free(endpoints);
}

static void test_an_index_that_does_not_exist_is_nothing(void **state)
{
    struct endpoints *endpoints = endpoints_new(NULL, 0);

    (void)state;
    endpoints_answered(endpoints, 0, "x", 1);
    endpoints_failed(endpoints, 7, NULL, 1);
    assert_int_equal(endpoints_choose(endpoints, NULL, 0), -1);
    assert_int_equal(endpoints_count(endpoints), 0);
    endpoints_free(endpoints);
    endpoints_free(NULL);
}

static void test_the_last_bit_counts_and_one_more_is_refused(void **state)
{
    struct config_endpoint many[ENDPOINTS_MAX + 1];
    struct endpoints *endpoints;

    (void)state;
    for (size_t i = 0; i <= ENDPOINTS_MAX; i++)
        many[i] = four[2];
    endpoints = endpoints_new(many, ENDPOINTS_MAX);
    assert_int_equal(endpoints_choose(endpoints, NULL, ~(UINT64_C(1) << 63)), 63);
    endpoints_free(endpoints);
    assert_null(endpoints_new(many, ENDPOINTS_MAX + 1));
    assert_int_equal(errno, E2BIG);
}

static void test_a_certificate_is_near_its_end_for_its_last_thirty_days(void **state)
{
    const int64_t end_ms = INT64_C(1800000000000), day_ms = INT64_C(86400000);
    struct endpoints *endpoints = endpoints_new(four, 2);

    (void)state;
    assert_false(endpoints_certificate_expires(endpoints, end_ms)); /* none was seen */
    endpoints_certificate(endpoints, 1, end_ms, end_ms - 100 * day_ms);
    endpoints_certificate(endpoints, 1, 0, end_ms - 100 * day_ms); /* a kept connection shows none */
    endpoints_certificate(endpoints, 7, end_ms, end_ms);
    assert_true(endpoints_get(endpoints, 1)->certificate_expires_ms == end_ms);
    assert_false(endpoints_certificate_expires(endpoints, end_ms - 30 * day_ms));
    assert_true(endpoints_certificate_expires(endpoints, end_ms - 30 * day_ms + 1));
    assert_true(endpoints_certificate_expires(endpoints, end_ms + day_ms));
    assert_int_equal(endpoints_reconfigure(endpoints, four, 2), 0);
    assert_true(endpoints_certificate_expires(endpoints, end_ms));
    endpoints_certificate(endpoints, 1, end_ms + 700 * day_ms, end_ms); /* renewed */
    assert_false(endpoints_certificate_expires(endpoints, end_ms));
    endpoints_free(endpoints);
}

static void serve(struct endpoints *endpoints, size_t index, enum api_call call, int64_t now_ms)
{
    endpoints_answered(endpoints, index, NULL, now_ms);
    endpoints_served(endpoints, index, call, now_ms);
}

static void refuse(struct endpoints *endpoints, size_t index, enum api_call call, int64_t now_ms)
{
    struct error error;

    error_set(&error, ERROR_PROTOCOL, "500 ipcc_send_rec");
    endpoints_answered(endpoints, index, NULL, now_ms);
    endpoints_refused(endpoints, index, call, &error, now_ms);
}

static void test_one_that_refuses_what_another_serves_is_down_and_asked_last(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 2);

    (void)state;
    refuse(endpoints, 0, API_GUESTS, 10);
    assert_int_equal(endpoints_get(endpoints, 0)->state, ENDPOINT_UP); /* it may be Proxmox's trouble */
    serve(endpoints, 1, API_VERSION, 20);
    assert_string_equal(order(endpoints, NULL), "01");
    serve(endpoints, 1, API_GUESTS, 30);
    assert_int_equal(endpoints_get(endpoints, 0)->state, ENDPOINT_DOWN);
    assert_true(endpoints_get(endpoints, 0)->failing);
    assert_string_equal(endpoints_get(endpoints, 0)->error.message, "500 ipcc_send_rec");
    assert_int_equal(endpoints_up(endpoints), 1);
    assert_string_equal(order(endpoints, "pve1"), "10");
    /* it is asked what it refuses, and nothing else heals it */
    assert_int_equal(endpoints_question(endpoints, 0), API_GUESTS);
    assert_int_equal(endpoints_question(endpoints, 1), API_VERSION);
    serve(endpoints, 0, API_VERSION, 40);
    assert_int_equal(endpoints_get(endpoints, 0)->state, ENDPOINT_DOWN);
    assert_true(endpoints_get(endpoints, 0)->since_ms == 30);
    serve(endpoints, 0, API_GUESTS, 50);
    assert_int_equal(endpoints_get(endpoints, 0)->state, ENDPOINT_UP);
    assert_int_equal(endpoints_get(endpoints, 0)->error.code, ERROR_NONE);
    assert_int_equal(endpoints_question(endpoints, 0), API_VERSION);
    endpoints_free(endpoints);
}

static void test_what_all_refuse_is_held_against_none(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 3);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        refuse(endpoints, i, API_GUESTS, 10);
    assert_int_equal(endpoints_up(endpoints), 3);
    assert_string_equal(order(endpoints, NULL), "012");
    endpoints_free(endpoints);
}

static void test_one_that_refuses_is_better_than_one_that_is_gone(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 3);

    (void)state;
    lose(endpoints, 0, 10);
    refuse(endpoints, 1, API_GUESTS, 20);
    serve(endpoints, 2, API_GUESTS, 30);
    assert_string_equal(order(endpoints, NULL), "210");
    lose(endpoints, 2, 40); /* it is all that is left */
    assert_int_equal(endpoints_get(endpoints, 1)->state, ENDPOINT_UP);
    assert_string_equal(order(endpoints, NULL), "102");
    serve(endpoints, 2, API_VERSION, 50);
    assert_string_equal(order(endpoints, NULL), "210");
    endpoints_free(endpoints);
}

static void test_a_new_login_pardons_what_nobody_else_has_served(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 2);

    (void)state;
    refuse(endpoints, 0, API_VERSION, 10);
    endpoints_pardon(endpoints, 20);
    serve(endpoints, 1, API_VERSION, 30);
    assert_int_equal(endpoints_up(endpoints), 2);
    refuse(endpoints, 0, API_VERSION, 40);
    serve(endpoints, 1, API_VERSION, 50);
    endpoints_pardon(endpoints, 60);
    assert_int_equal(endpoints_get(endpoints, 0)->state, ENDPOINT_DOWN);
    endpoints_free(endpoints);
}

static void test_that_an_endpoint_fails_what_another_serves_is_logged_once(void **state)
{
    struct endpoints *endpoints = endpoints_new(four, 2);

    (void)state;
    for (int64_t now_ms = 1000; now_ms < 5000; now_ms += 1000) {
        refuse(endpoints, 0, API_GUESTS, now_ms);
        serve(endpoints, 1, API_GUESTS, now_ms + 500);
    }
    serve(endpoints, 0, API_GUESTS, 6000);
    assert_int_equal(logged(KIND_ENDPOINT_LOST), 1);
    assert_int_equal(logged(KIND_ENDPOINT_BACK), 1);
    endpoints_free(endpoints);
}

#define LOGGED(test) cmocka_unit_test_setup_teardown(test, catch_log, release_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configured_order_holds_before_anything_is_known),
        cmocka_unit_test(test_the_nodes_own_endpoint_comes_first_by_its_first_label),
        cmocka_unit_test(test_a_numeric_address_has_no_first_label),
        cmocka_unit_test(test_up_comes_before_unknown_before_down),
        cmocka_unit_test(test_of_those_that_are_down_the_one_that_failed_longest_ago_is_next),
        cmocka_unit_test(test_all_tried_means_none_is_left),
        cmocka_unit_test(test_an_answer_heals_and_a_failure_says_why),
        cmocka_unit_test(test_the_last_good_address_outlives_a_failure),
        cmocka_unit_test(test_an_index_that_does_not_exist_is_nothing),
        cmocka_unit_test(test_a_certificate_is_near_its_end_for_its_last_thirty_days),
        cmocka_unit_test(test_the_last_bit_counts_and_one_more_is_refused),
        cmocka_unit_test(test_one_that_refuses_what_another_serves_is_down_and_asked_last),
        cmocka_unit_test(test_what_all_refuse_is_held_against_none),
        cmocka_unit_test(test_one_that_refuses_is_better_than_one_that_is_gone),
        cmocka_unit_test(test_a_new_login_pardons_what_nobody_else_has_served),
        LOGGED(test_that_an_endpoint_is_lost_and_back_is_logged_once),
        LOGGED(test_that_an_endpoint_fails_what_another_serves_is_logged_once),
        LOGGED(test_an_endpoint_that_comes_and_goes_is_logged_once_in_ten_minutes),
        LOGGED(test_a_reload_does_not_tell_again_what_was_told),
        LOGGED(test_a_certificate_that_is_not_believed_is_not_called_silence),
    };

    log_set_level(LOG_CRIT); /* but for the tests that look at it */
    return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
