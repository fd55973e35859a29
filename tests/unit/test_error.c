/* system/error: codes, statuses, and texts that are one printable line whatever went into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_every_code_has_a_name_of_its_own_and_a_status(void **state)
{
    (void)state;
    for (int a = ERROR_NONE; a < ERROR_CODE_COUNT; a++) {
        const char *name = error_code_name((enum error_code)a);
        assert_non_null(name);
        assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name));
        assert_int_equal(error_code_from_name(name), a);
        int status = error_code_http_status((enum error_code)a);
        assert_true(a == ERROR_NONE ? status == 200 : status >= 400 && status < 600);
    }
}

static void test_the_statuses_are_the_ones_of_the_interface(void **state)
{
    static const struct {
        enum error_code code;
        const char *name;
        int status;
    } expected[] = {
        {ERROR_BAD_REQUEST, "bad-request", 400},
        {ERROR_DENIED, "denied", 403},
        {ERROR_UNKNOWN_PLUG, "unknown-plug", 404},
        {ERROR_METHOD_NOT_ALLOWED, "method-not-allowed", 405},
        {ERROR_AMBIGUOUS_NAME, "ambiguous-name", 409},
        {ERROR_NAME_MOVED, "name-moved", 409},
        {ERROR_BODY_TOO_LARGE, "body-too-large", 413},
        {ERROR_HEAD_TOO_LARGE, "head-too-large", 431},
        {ERROR_NOT_IMPLEMENTED, "not-implemented", 501},
        {ERROR_DEADLINE, "deadline", 504},
        {ERROR_REQUEST_TIMEOUT, "request-timeout", 408},
        {ERROR_NOT_FOUND, "not-found", 404},
        {ERROR_LOCKED, "locked", 503},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_string_equal(error_code_name(expected[i].code), expected[i].name);
        assert_int_equal(error_code_http_status(expected[i].code), expected[i].status);
    }
}

static void test_an_unknown_code_or_name_is_internal(void **state)
{
    (void)state;
    assert_int_equal(error_code_from_name("no-such-code"), ERROR_INTERNAL);
    assert_int_equal(error_code_from_name(NULL), ERROR_INTERNAL);
    assert_string_equal(error_code_name((enum error_code) - 1), "internal");
    assert_int_equal(error_code_http_status(ERROR_CODE_COUNT), 500);
}

static void test_set_brings_the_default_hint_and_hint_replaces_it(void **state)
{
    struct error error = {.hint = "an old hint"};
    (void)state;
    error_set(&error, ERROR_LOCKED, "guest %d is locked (%s)", 101, "backup");
    assert_int_equal(error.code, ERROR_LOCKED);
    assert_string_equal(error.message, "guest 101 is locked (backup)");
    assert_string_not_equal(error.hint, "");
    assert_string_not_equal(error.hint, "an old hint");
    error_hint(&error, "qm unlock %d", 101);
    assert_string_equal(error.hint, "qm unlock 101");
    error_set(&error, ERROR_BAD_REQUEST, "x");
    assert_string_equal(error.hint, "");
}

static void test_texts_from_the_network_become_one_printable_line(void **state)
{
    struct error error;
    (void)state;
    error_set(&error, ERROR_PROTOCOL, "%s",
              "a\r\nb\x1b[31m\x7f c\xc2\x9b"
              "d\xff"
              "e \xc3\xa4");
    assert_string_equal(error.message, "a??b?[31m? c??d?e \xc3\xa4");
}

static void test_a_long_text_ends_in_dots_and_never_in_half_a_character(void **state)
{
    struct error error;
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char text[4 * ERROR_MESSAGE_MAX] = "";
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        error_set(&error, ERROR_PROTOCOL, "%s", text);
        size_t length = strlen(error.message);
        assert_true(length < ERROR_MESSAGE_MAX && length > ERROR_MESSAGE_MAX - 8);
        assert_string_equal(error.message + length - 3, "...");
        assert_null(strchr(error.message, '?'));
        error_hint(&error, "%s", text);
        assert_true(strlen(error.hint) < ERROR_HINT_MAX);
    }
    char exact[ERROR_MESSAGE_MAX];
    memset(exact, 'y', sizeof(exact) - 1);
    exact[sizeof(exact) - 1] = '\0';
    error_set(&error, ERROR_PROTOCOL, "%s", exact);
    assert_string_equal(error.message, exact);
}

static void test_a_message_can_be_wrapped_into_its_own_error(void **state)
{
    struct error error;
    (void)state;
    error_set(&error, ERROR_NO_ENDPOINT, "no route");
    error_set(&error, ERROR_NO_ENDPOINT, "endpoint pve1: %s", error.message);
    assert_string_equal(error.message, "endpoint pve1: no route");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_name_of_its_own_and_a_status),
        cmocka_unit_test(test_the_statuses_are_the_ones_of_the_interface),
        cmocka_unit_test(test_an_unknown_code_or_name_is_internal),
        cmocka_unit_test(test_set_brings_the_default_hint_and_hint_replaces_it),
        cmocka_unit_test(test_texts_from_the_network_become_one_printable_line),
        cmocka_unit_test(test_a_long_text_ends_in_dots_and_never_in_half_a_character),
        cmocka_unit_test(test_a_message_can_be_wrapped_into_its_own_error),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
