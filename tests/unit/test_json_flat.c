/*
 * What is split in place must be what json-c reads: known cases, and a thousand objects with bytes of chance
 * in them.
 */
#include "system/json.h"
#include "system/json_flat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 200000

static bool split(struct json_flat *flat, const char *text)
{
    return json_flat_split(flat, text, strlen(text));
}

static void test_members_are_found_with_their_kinds(void **state)
{
    struct json_flat flat;
    const struct json_flat_member *member;

    (void)state;
    assert_true(split(&flat, " { \"vmid\" : 101 , \"name\":\"web 1\",\"cpu\":-0.5e-3,\"template\":true,"
                             "\"lock\":null,\"ha\":false } \n"));
    assert_int_equal(flat.count, 6);
    member = json_flat_find(&flat, "vmid");
    assert_int_equal(member->kind, JSON_FLAT_INT);
    assert_int_equal(member->value_length, 3);
    assert_memory_equal(member->value, "101", 3);
    member = json_flat_find(&flat, "name");
    assert_int_equal(member->kind, JSON_FLAT_STRING);
    assert_memory_equal(member->value, "web 1", 5);
    assert_int_equal(json_flat_find(&flat, "cpu")->kind, JSON_FLAT_OTHER);
    assert_int_equal(json_flat_find(&flat, "template")->kind, JSON_FLAT_TRUE);
    assert_int_equal(json_flat_find(&flat, "ha")->kind, JSON_FLAT_FALSE);
    assert_int_equal(json_flat_find(&flat, "lock")->kind, JSON_FLAT_OTHER);
    assert_null(json_flat_find(&flat, "nam"));
}

static void test_what_is_not_plain_is_left_to_others(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":tru}",
        "{\"a\":trues}",
        "{\"a\":NaN}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":\"\\n\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\xc3\xa4\"}",
        "{\"a\":\"b}",
        "{\"a\":1,\"b\":2,\"a\":33}",
        "{\"\":1,\"\":2}",
        "{\"a\":\"\\1,\"b\":2}",
    };
    struct json_flat flat;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(split(&flat, texts[i]));
}

static void test_more_members_than_there_is_room_for_are_not_plain(void **state)
{
    char text[JSON_FLAT_MAX * 16 + 32] = "{\"a\":0";
    struct json_flat flat;

    (void)state;
    for (int i = 1; i < JSON_FLAT_MAX; i++)
        sprintf(text + strlen(text), ",\"a%d\":0", i);
    strcat(text, "}");
    assert_true(split(&flat, text));
    text[strlen(text) - 1] = '\0';
    strcat(text, ",\"b\":0}");
    assert_false(split(&flat, text));
}

/* As json-c has it. */
static void assert_same(const struct json_flat_member *member, struct json_object *value)
{
    const char *text = json_object_get_string(value);

    switch (member->kind) {
    case JSON_FLAT_STRING:
        assert_true(json_object_is_type(value, json_type_string));
        assert_int_equal(member->value_length, json_object_get_string_len(value));
        assert_memory_equal(member->value, text, member->value_length);
        break;
    case JSON_FLAT_INT: /* "-0", and what no integer of json-c's can hold, are written otherwise there */
        assert_true(json_object_is_type(value, json_type_int));
        break;
    case JSON_FLAT_TRUE:
    case JSON_FLAT_FALSE:
        assert_true(json_object_is_type(value, json_type_boolean));
        assert_int_equal(member->kind == JSON_FLAT_TRUE, json_object_get_boolean(value));
        break;
    case JSON_FLAT_OTHER:
        assert_true(!value || json_object_is_type(value, json_type_double));
        break;
    }
}

static void test_whatever_is_split_is_what_json_c_reads(void **state)
{
    static const char model[] = "{\"id\":\"qemu/101\",\"vmid\":101,\"cpu\":0.0125e+2,\"template\":0,"
                                "\"tags\":\"a;b\",\"lock\":null,\"on\":true, \"off\" : false}";
    static const char bytes[] = "{}[]\":,.0123-+eE\\ntruefalsn x\n";
    unsigned plain = 0;

    (void)state;
    srand(1);
    for (int run = 0; run < RUNS; run++) {
        char text[sizeof(model)];
        struct json_flat flat;

        memcpy(text, model, sizeof(model));
        for (int i = rand() % 4; i > 0; i--)
            text[(size_t)rand() % (sizeof(model) - 1)] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
        if (!split(&flat, text))
            continue;
        struct json_object *object = json_parse(text, strlen(text));
        if (!object)
            fail_msg("json-c does not take: %s", text);
        plain++;
        json_object_object_foreach(object, key, value)
        {
            assert_non_null(json_flat_find(&flat, key));
            assert_same(json_flat_find(&flat, key), value);
        }
        json_object_put(object);
    }
    assert_true(plain > RUNS / 4); /* or nothing was tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_are_found_with_their_kinds),
        cmocka_unit_test(test_what_is_not_plain_is_left_to_others),
        cmocka_unit_test(test_more_members_than_there_is_room_for_are_not_plain),
        cmocka_unit_test(test_whatever_is_split_is_what_json_c_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
