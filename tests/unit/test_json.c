/*
 * system/json: what is taken for JSON and what is not, and getters that do not guess.
 */
#include "system/cleanup.h"
#include "system/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool parses(const char *text, size_t length)
{
    /* exactly so many bytes: a read behind them is a sanitizer's find */
    _cleanup_(freep) char *exact = malloc(length ? length : 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    _cleanup_(json_putp) struct json_object *object = json_parse(exact, length);
    return object != NULL;
}

static void test_takes_whole_values_with_blanks_around(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       " {\"a\": [1, 2.5, true, false, null, \"x\"]}\r\n\t ",
                                       "1",
                                       "-1",
                                       "\"text\"",
                                       "true",
                                       "{\"u\":\"\\u00e4\\ud83d\\ude00\"}",
                                       "{\"u\":\"\xc3\xa4\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!parses(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
    }
}

static void test_refuses_everything_else(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "{}}",
                                      "{} x",
                                      "{}{}",
                                      "[1,]",
                                      "[1 2]",
                                      "{\"a\":}",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "{\"a\":1,}",
                                      "\"open",
                                      "nul",
                                      "tru",
                                      "12abc",
                                      "// comment\n{}",
                                      "/* comment */{}",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":\"\xc3\"}",
                                      "<html>"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (parses(bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
    assert_false(parses("{}\0", 3));
    assert_false(parses("\0{}", 3));
}

static void test_a_value_cut_anywhere_is_refused(void **state)
{
    static const char text[] =
        "{\"data\":[{\"vmid\":101,\"name\":\"a\\u00e4\\n\",\"template\":true}],\"n\":-1.5e3}";
    (void)state;
    for (size_t length = 0; length + 1 < sizeof(text); length++) {
        if (parses(text, length))
            fail_msg("taken: %.*s", (int)length, text);
    }
    assert_true(parses(text, sizeof(text) - 1));
}

static void test_depth_is_bounded(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 4] = "";
    (void)state;
    for (int depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(parses(text, (size_t)depth * 2), depth <= JSON_DEPTH_MAX);
    }
}

static void test_getters_give_only_what_has_their_type(void **state)
{
    static const char text[] = "{\"o\":{},\"a\":[],\"s\":\"12abc\",\"i\":7,\"d\":7.5,\"b\":true,\"n\":null,"
                               "\"digits\":\"100\",\"one\":\"1\",\"nul\":\"a\\u0000b\"}";
    _cleanup_(json_putp) struct json_object *object = json_parse(text, strlen(text));
    struct json_object *inner = NULL;
    const char *string = "unchanged";
    int64_t number = -1;
    bool flag = false;

    (void)state;
    assert_non_null(object);
    assert_true(json_get_object(object, "o", &inner));
    assert_false(json_get_object(object, "a", &inner));
    assert_true(json_get_array(object, "a", &inner));
    assert_false(json_get_array(object, "o", &inner));
    assert_false(json_get_string(object, "i", &string));
    assert_false(json_get_string(object, "n", &string));
    assert_false(json_get_string(object, "nul", &string));
    assert_false(json_get_string(object, "missing", &string));
    assert_string_equal(string, "unchanged");
    assert_true(json_get_string(object, "s", &string));
    assert_false(json_get_int(object, "s", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int(object, "d", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int(object, "b", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int(object, "digits", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int_or_digits(object, "s", INT64_MIN, INT64_MAX, &number));
    assert_int_equal(number, -1);
    assert_true(json_get_int_or_digits(object, "digits", 1, 100, &number));
    assert_int_equal(number, 100);
    assert_true(json_get_flag(object, "b", &flag));
    assert_true(flag);
    assert_true(json_get_flag(object, "one", &flag));
    assert_false(json_get_flag(object, "i", &flag));
    assert_false(json_get_flag(object, "s", &flag));
}

static void test_getters_of_what_is_no_object_give_nothing(void **state)
{
    _cleanup_(json_putp) struct json_object *array = json_parse("[1]", 3);
    const char *string = NULL;
    int64_t number = 0;
    (void)state;
    assert_false(json_get_string(array, "a", &string));
    assert_false(json_get_int(NULL, "a", 0, 1, &number));
}

static void test_numbers_out_of_range_are_refused(void **state)
{
    static const char text[] = "{\"big\":9223372036854775807,\"bigger\":9223372036854775808,"
                               "\"biggest\":99999999999999999999,\"small\":-9223372036854775809,"
                               "\"digits\":\"9223372036854775808\",\"minus\":\"-1\",\"five\":5}";
    _cleanup_(json_putp) struct json_object *object = json_parse(text, strlen(text));
    int64_t number = 0;
    (void)state;
    assert_non_null(object);
    assert_true(json_get_int(object, "big", 0, INT64_MAX, &number));
    assert_true(number == INT64_MAX);
    assert_false(json_get_int(object, "bigger", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int(object, "biggest", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int_or_digits(object, "digits", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int_or_digits(object, "minus", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int(object, "five", 6, 9, &number));
    assert_false(json_get_int(object, "five", 0, 4, &number));
    assert_true(json_get_int(object, "five", 5, 5, &number));
}

static void test_any_bytes_are_parsed_without_harm(void **state)
{
    char text[64];
    (void)state;
    srand(1);
    for (int round = 0; round < 100000; round++) {
        size_t length = (size_t)rand() % sizeof(text);
        for (size_t i = 0; i < length; i++)
            text[i] = "{}[]\",:\\u01eE.+-truefalsn \n/*\0\xff"[rand() % 32];
        parses(text, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_whole_values_with_blanks_around),
        cmocka_unit_test(test_refuses_everything_else),
        cmocka_unit_test(test_a_value_cut_anywhere_is_refused),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_getters_give_only_what_has_their_type),
        cmocka_unit_test(test_getters_of_what_is_no_object_give_nothing),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_any_bytes_are_parsed_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
