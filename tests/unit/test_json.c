/*
 * system/json: what is taken for JSON and what is not, and getters that do not guess.
 */
#include "system/cleanup.h"
#include "system/json.h"
#include "system/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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
    static const char *const good[] = {
        "{}",
        "[]",
        " {\"a\": [1, 2.5, true, false, null, \"x\"]}\r\n\t ",
        "1",
        "-1",
        "\"text\"",
        "true",
        "{\"u\":\"\\u00e4\\ud83d\\ude00\"}",
        "{\"u\":\"\xc3\xa4\"}",
        "\"\x7f\"",
        "{\"Knoten f\xc3\xbcr NFS\":\"\xe8\x8a\x82\xe7\x82\xb9 \xf0\x9f\x94\x8c\"}",
        "[\"\\ud83d\",\"\\ude00\",\"\\ud83dx\",\"\\ud83d\\n\",\"\\ud83d\\u0041\"]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\uABcd\"",
        "{\"\":{\"\":{}},\"a\":[{\"\":null},{\"\":null}]}",
        "[0,-0,-0.0,0e0,1E+5,1e-5,1.50,99999999999999999999,-99999999999999999999]",
        "1e999",
        "[[],{},[{}]]"};
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
                                      "NaN",
                                      "-Infinity",
                                      "[Infinity]",
                                      "{'a':1}",
                                      "['a']",
                                      "[01]",
                                      "[-01]",
                                      "[+1]",
                                      "[1.]",
                                      "[.5]",
                                      "[1e]",
                                      "[-]",
                                      "[0x10]",
                                      "TRUE",
                                      "[True]",
                                      "[,1]",
                                      "[1,,2]",
                                      "{,}",
                                      "{\"a\":1,\"b\"}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "]",
                                      "[\"a\nb\"]",
                                      "[\"a\tb\"]",
                                      "[\"\\x\"]",
                                      "[\"\\1,2]",
                                      "[\"\\u12g4\"]",
                                      "[\"\\u123\"]",
                                      "\"\\u123",
                                      "\"\\",
                                      "\xef\xbb\xbf{}",
                                      "[\xc2\xa0]",
                                      "{\"a\":\"\xc0\xaf\"}",
                                      "{\"a\":\"\xed\xa0\x80\"}",
                                      "{\"a\":1,\"a\":1}",
                                      "{\"a\":{\"b\":{\"x\":1}},\"c\":1,\"a\":{\"b\":1}}",
                                      "[{},{\"a\":1,\"b\":2,\"\\u0061\":3}]",
                                      "{\"a\":1,\"a\\u0000\":2}",
                                      "{\"a\\u0000\":2}",
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
    char text[2 * JSON_DEPTH_MAX + 8] = "";
    (void)state;
    for (int depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(parses(text, (size_t)depth * 2), depth <= JSON_DEPTH_MAX);
        /* what is in the last one does not count */
        memmove(text + depth + 1, text + depth, (size_t)depth);
        text[depth] = '7';
        assert_int_equal(parses(text, (size_t)depth * 2 + 1), depth <= JSON_DEPTH_MAX);
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
    assert_false(json_get_int(object, "small", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int_or_digits(object, "digits", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int_or_digits(object, "minus", INT64_MIN, INT64_MAX, &number));
    assert_false(json_get_int(object, "five", 6, 9, &number));
    assert_false(json_get_int(object, "five", 0, 4, &number));
    assert_true(json_get_int(object, "five", 5, 5, &number));
}

static void test_texts_of_the_world_come_out_as_they_are(void **state)
{
    static const char text[] =
        "{\"raw\":\"gr\xc3\xbcn \xe8\x8a\x82\xe7\x82\xb9 \xf0\x9f\x94\x8c\","
        "\"escaped\":\"gr\\u00fcn \\u8282\\u70b9 \\ud83d\\udd0c\",\"half\":\"a\\ud83db\",\"gr\xc3\xbcn\":1}";
    static const char same[] = "gr\xc3\xbcn \xe8\x8a\x82\xe7\x82\xb9 \xf0\x9f\x94\x8c";
    _cleanup_(json_putp) struct json_object *object = json_parse(text, strlen(text));
    const char *string = NULL;
    int64_t number = 0;
    (void)state;
    assert_non_null(object);
    assert_true(json_get_string(object, "raw", &string));
    assert_string_equal(string, same);
    assert_true(json_get_string(object, "escaped", &string));
    assert_string_equal(string, same);
    assert_true(json_get_string(object, "half", &string));
    assert_string_equal(string, "a\xef\xbf\xbd"
                                "b");
    assert_true(json_get_int(object, "gr\xc3\xbcn", 1, 1, &number));
}

/* Not a member of it is lost or given, and it is still JSON when json-c writes it. */
static void assert_taken_whole(const char *text, size_t length)
{
    size_t members = 0, again = 0;
    if (!json_text_check(text, length, &members))
        return;
    _cleanup_(json_putp) struct json_object *object = json_parse(text, length);
    if (!object)
        return; /* null, or a name twice */
    const char *written = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
    assert_non_null(written);
    if (!json_text_check(written, strlen(written), &again) || again != members)
        fail_msg("%.*s became %s", (int)length, text, written);
    _cleanup_(json_putp) struct json_object *back = json_parse(written, strlen(written));
    if (!back || !json_object_equal(object, back))
        fail_msg("%.*s became %s, which says something else", (int)length, text, written);
}

static void test_what_is_judged_good_json_c_reads_whole(void **state)
{
    static const char model[] =
        "{\"data\":[{\"id\":\"qemu/101\",\"n\":-1.5e+3,\"t\":true,\"o\":{\"\":null}},"
        "{\"u\":\"\xc3\xbc\\u00fc\\ud83d\\ude00\\n\",\"l\":[[],{},0,false]}],\"x\":12345678901}";
    static const char bytes[] = "{}[]\"\":,,.0123456789-+eE\\\\nutruefalsn d8\n\xc3\xbc\xf0\x9f\xff";
    (void)state;
    srand(1);
    for (int round = 0; round < 300000; round++) {
        char text[sizeof(model) + 8];
        size_t length = sizeof(model) - 1;
        memcpy(text, model, length);
        for (int i = rand() % 4; i > 0; i--) {
            size_t at = (size_t)rand() % length, to = (size_t)rand() % length;
            if (rand() % 2)
                text[at] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
            else
                text[at] = text[to];
        }
        assert_taken_whole(text, length);
    }
}

/* Ten thousand names, as the permissions of a large Proxmox have, cost no more than they must: each one is
 * looked for once. */
static void test_a_name_twice_among_thousands_is_seen(void **state)
{
    enum { NAMES = 20000, ROOM = 32 };
    _cleanup_(freep) char *text = malloc((size_t)NAMES * ROOM);
    size_t length = 0;
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < NAMES; i++)
        length += (size_t)sprintf(text + length, "%c\"/vms/%d\":{\"VM.Audit\":1}", i ? ',' : '{', 100 + i);
    text[length] = '}';
    assert_true(parses(text, length + 1));
    length += (size_t)sprintf(text + length, ",\"/vms/%d\":{}}", 100 + NAMES / 2);
    assert_false(parses(text, length));
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
        cmocka_unit_test(test_texts_of_the_world_come_out_as_they_are),
        cmocka_unit_test(test_what_is_judged_good_json_c_reads_whole),
        cmocka_unit_test(test_a_name_twice_among_thousands_is_seen),
        cmocka_unit_test(test_any_bytes_are_parsed_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
