/*
 * Answers cut at every byte must give what they give whole, what is not JSON must give nothing, and what is
 * held of a long one must stay small.
 */
#include "proxmox/listing.h"

#include "heap.h"
#include "system/arena.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 10000

static void listing_freep(struct listing **listing)
{
    listing_free(*listing);
}

/* In pieces of that length; NULL: it was refused. */
static struct json_object *take(enum api_elements elements, const char *text, size_t piece,
                                struct guest_list **guests)
{
    _cleanup_(listing_freep) struct listing *listing = listing_new(elements);
    size_t length = strlen(text);

    *guests = NULL;
    for (size_t at = 0; at < length; at += piece) {
        if (!listing_feed(listing, text + at, length - at < piece ? length - at : piece))
            return NULL;
    }
    return listing_end(listing, guests);
}

static const char resources[] =
    "{\"data\":[\n{\"type\":\"qemu\",\"vmid\":102,\"node\":\"pve2\",\"name\":\"db\",\"pool\":\"p\"} , "
    "{\"type\":\"storage\",\"storage\":\"x\"},{\"vmid\":\"101\",\"type\":\"lxc\",\"node\":\"pve1\","
    "\"name\":\"\\u00e4\\\"}]{\",\"more\":{\"deep\":[1,{}]},\"template\":\"1\",\"lock\":\"backup\"}],"
    "\"total\":3}";

static void test_guests_are_the_same_however_the_answer_is_cut(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(resources); piece++) {
        struct guest_list *guests = NULL;
        struct json_object *document = take(API_ELEMENTS_GUESTS, resources, piece, &guests);
        const struct guest *guest;

        assert_non_null(document);
        assert_int_equal(guest_list_count(guests), 2);
        guest = guest_list_get(guests, 0);
        assert_int_equal(guest->vmid, 101);
        assert_int_equal(guest->type, PVE_LXC);
        assert_string_equal(guest->name, "\xc3\xa4\"}]{");
        assert_string_equal(guest->lock, "backup");
        assert_true(guest->template);
        assert_null(guest->pool);
        guest = guest_list_find(guests, 102);
        assert_string_equal(guest->node, "pve2");
        assert_string_equal(guest->pool, "p");
        assert_null(guest_list_find(guests, 103));
        json_object_put(document);
        guest_list_unref(guests);
    }
}

static void test_of_resources_the_hosts_are_kept_beside_the_guests(void **state)
{
    static const char text[] =
        "{\"data\":[{\"type\":\"pool\",\"pool\":\"p\"},{\"type\":\"qemu\",\"vmid\":101,\"node\":\"a\"},"
        "{\"id\":\"node/a\",\"type\":\"node\",\"node\":\"a\",\"status\":\"online\"},{\"type\":\"storage\"},"
        "{\"type\":\"\\u006eode\",\"node\":\"b\",\"status\":\"offline\"}]}";

    (void)state;
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct guest_list *guests = NULL;
        struct json_object *document = take(API_ELEMENTS_RESOURCES, text, piece, &guests), *hosts = NULL;

        assert_non_null(document);
        assert_int_equal(guest_list_count(guests), 1);
        assert_true(json_get_array(document, "data", &hosts));
        assert_int_equal(json_object_array_length(hosts), 2);
        for (size_t i = 0; i < 2; i++) {
            const char *node = NULL;

            assert_true(json_get_string(json_object_array_get_idx(hosts, i), "node", &node));
            assert_string_equal(node, i ? "b" : "a");
        }
        json_object_put(document);
        guest_list_unref(guests);
    }
}

static void test_no_more_hosts_are_kept_than_its_limit(void **state)
{
    _cleanup_(listing_freep) struct listing *listing = listing_new(API_ELEMENTS_RESOURCES);
    static const char head[] = "{\"data\":[{\"type\":\"node\"}", host[] = ",{\"type\":\"node\"}";

    (void)state;
    assert_true(listing_feed(listing, head, sizeof(head) - 1));
    for (size_t i = 1; i < LISTING_HOSTS_MAX; i++)
        assert_true(listing_feed(listing, host, sizeof(host) - 1));
    assert_false(listing_feed(listing, host, sizeof(host) - 1));
}

static void test_members_are_found_by_path_and_by_query(void **state)
{
    static const char *const texts[] = {
        "{\"data\":{\"poolid\":\"p\",\"members\":[{\"type\":\"qemu\",\"vmid\":101,\"node\":\"a\"}]}}",
        "{\"data\":[{\"poolid\":\"p\",\"members\":[{\"type\":\"qemu\",\"vmid\":101,\"node\":\"a\"}]}]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct guest_list *guests = NULL;
        struct json_object *document = take(API_ELEMENTS_MEMBERS, texts[i], 7, &guests);

        assert_non_null(document);
        assert_int_equal(guest_list_count(guests), 1);
        json_object_put(document);
        guest_list_unref(guests);
    }
}

static void test_an_empty_list_is_a_list_and_none_is_none(void **state)
{
    static const struct {
        enum api_elements elements;
        const char *text;
        bool list;
    } cases[] = {
        {API_ELEMENTS_GUESTS, "{\"data\":[]}", true},
        {API_ELEMENTS_RESOURCES, "{\"data\":[]}", true},
        {API_ELEMENTS_RESOURCES, "{\"data\":null}", false},
        {API_ELEMENTS_GUESTS, "{\"data\":[1,null,\"x\"]}", true},
        {API_ELEMENTS_GUESTS, "{\"data\":null}", false},
        {API_ELEMENTS_GUESTS, "{\"data\":{\"a\":1}}", false},
        {API_ELEMENTS_GUESTS, "{\"errors\":[{\"type\":\"qemu\",\"vmid\":101,\"node\":\"a\"}]}", false},
        {API_ELEMENTS_MEMBERS, "{\"data\":{\"members\":[]}}", true},
        {API_ELEMENTS_MEMBERS, "{\"data\":{\"members\":{}}}", false},
        {API_ELEMENTS_MEMBERS, "{\"data\":[]}", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct guest_list *guests = NULL;
        struct json_object *document = take(cases[i].elements, cases[i].text, 1, &guests);

        assert_non_null(document);
        assert_int_equal(guests != NULL, cases[i].list);
        assert_true(!guests || guest_list_count(guests) == 0);
        json_object_put(document);
        guest_list_unref(guests);
    }
}

/* Half a list would look like guests that are gone. */
static void test_no_beginning_of_an_answer_is_one(void **state)
{
    char cut[sizeof(resources)];

    (void)state;
    for (size_t length = 0; length < sizeof(resources) - 1; length++) {
        struct guest_list *guests = NULL;

        memcpy(cut, resources, length);
        cut[length] = '\0';
        assert_null(take(API_ELEMENTS_GUESTS, cut, 16, &guests));
        assert_null(guests);
    }
}

static void test_what_is_not_json_is_refused(void **state)
{
    static const char *const texts[] = {
        "<html><body>It works!</body></html>",
        "{\"data\":[{\"a\":1}{\"a\":1}]}",
        "{\"data\":[{\"a\":1},]}",
        "{\"data\":[{\"a\":1},,{\"a\":1}]}",
        "{\"data\":[,{\"a\":1}]}",
        "{\"data\":[{\"a\":1} x]}",
        "{\"data\":[{\"a\":}]}",
        "{\"data\":[{\"a\":[1}]}]}",
        "{\"data\":[{\"a\":\"\xff\"}]}",
        "{\"data\":[{\"a\":1}]}}",
        "{\"data\":[{\"a\":1}]} []",
        "[{\"a\":1}]",
        "{\"data\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
    };
    struct guest_list *guests = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t piece = 1; piece < 40; piece += 13) {
            struct json_object *document = take(API_ELEMENTS_GUESTS, texts[i], piece, &guests);

            if (document)
                fail_msg("taken: %s", texts[i]);
        }
    }
}

/* ---- what is an answer piece by piece is one as a whole, and the other way round ---- */

static uint64_t rng;

static unsigned draw(unsigned below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rng >> 33) % below;
}

static void put(char **at, const char *end, const char *text)
{
    size_t length = strlen(text);

    if (length < (size_t)(end - *at)) {
        memcpy(*at, text, length + 1);
        *at += length;
    }
}

/* Mostly JSON: now and then something is put in, left out or changed. */
static void put_value(char **at, const char *end, unsigned depth)
{
    static const char *const leaves[] = {"1",      "null",    "\"x\"",          "true",
                                         "-2.5e3", "\"}]{\"", "\"\\u0064ata\"", "0"};
    static const char *const keys[] = {"\"data\"", "\"members\"", "\"type\"",
                                       "\"vmid\"", "\"a\"",       "\"d\\u0061ta\""};
    static const char *const strays[] = {"1", "-", ",",  ":", "\"", "{", "}",
                                         "[", "]", "{}", " ", "\n", "'", "\\"};
    unsigned count = draw(4), kind = depth > 5 ? 2 : draw(3);

    if (draw(60) == 0)
        put(at, end, strays[draw(ARRAY_LEN(strays))]);
    if (kind == 2) {
        put(at, end, leaves[draw(ARRAY_LEN(leaves))]);
        return;
    }
    put(at, end, kind ? "{" : "[");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            put(at, end, draw(60) ? (draw(3) ? "," : " , ") : ",,");
        if (kind) {
            put(at, end, keys[draw(ARRAY_LEN(keys))]);
            put(at, end, draw(60) ? ":" : "");
        }
        put_value(at, end, depth + 1);
    }
    put(at, end, kind ? "}" : "]");
    if (draw(60) == 0)
        put(at, end, strays[draw(ARRAY_LEN(strays))]);
}

static bool is_answer(enum api_elements elements, struct json_object *whole)
{
    struct json_object *data = NULL;

    if (!json_object_is_type(whole, json_type_object))
        return false;
    if (elements != API_ELEMENTS_LEAVES || !json_get_object(whole, "data", &data))
        return true;
    json_object_object_foreach(data, key, leaf)
    {
        (void)key;
        if (!json_object_is_type(leaf, json_type_object))
            return false;
    }
    return true;
}

static void test_what_is_taken_piece_by_piece_is_json_as_a_whole_and_the_other_way_round(void **state)
{
    static const char *const heads[] = {"{\"data\":", "{\"data\":[", "{\"data\":{\"members\":[",
                                        "{\"data\":{", ""};
    static const char *const tails[] = {"}", "]}", "]}}", "}}", ""};
    unsigned accepted = 0, refused = 0;

    (void)state;
    rng = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 1;
    for (unsigned i = 0; i < 60000; i++) {
        char text[2048], *at = text;
        unsigned form = draw(ARRAY_LEN(heads));
        enum api_elements elements = (enum api_elements[]){
            API_ELEMENTS_GUESTS, API_ELEMENTS_RESOURCES, API_ELEMENTS_MEMBERS, API_ELEMENTS_LEAVES}[draw(4)];
        struct guest_list *guests = NULL;

        put(&at, text + sizeof(text), heads[form]);
        if (form == 3)
            put(&at, text + sizeof(text), "\"k\":");
        put_value(&at, text + sizeof(text), 0);
        put(&at, text + sizeof(text), tails[form]);
        _cleanup_(json_putp) struct json_object *whole = json_parse(text, strlen(text));
        _cleanup_(json_putp) struct json_object *taken = take(elements, text, 1 + draw(9), &guests);
        bool expected = whole && is_answer(elements, whole);

        /* a key that is written in another way than Proxmox writes it may be refused */
        if (taken ? !expected : expected && !strstr(text, "\"d\\u0061ta\""))
            fail_msg("%s piece by piece, %s as a whole: %s", taken ? "taken" : "refused",
                     expected ? "taken" : "refused", text);
        accepted += expected;
        refused += !expected;
        guest_list_unref(guests);
    }
    assert_true(accepted > 1000 && refused > 1000);
}

static void test_an_element_must_stand_where_a_value_may(void **state)
{
    static const char *const texts[] = {"{\"data\":[1{\"type\":\"qemu\"}]}",
                                        "{\"data\":[-{\"type\":\"qemu\"}]}",
                                        "{\"data\":[{\"a\":1}{\"b\":1}]}",
                                        "{\"data\":[\"x\"{}]}",
                                        "{\"data\":[1e{}]}",
                                        "{\"data\":[{},]}",
                                        "{\"data\":[,{}]}",
                                        "{\"data\":[{}1]}",
                                        "{\"data\":[{}],\"data\":[]}",
                                        "{\"data\":[{}],\"data\":null}",
                                        "{\"data\":[{\"a\":1,\"a\":2}]}",
                                        "{\"data\":[{'a':1}]}",
                                        "{\"data\":[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]}",
                                        "{\"data\":[{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}]}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct guest_list *guests = NULL;
        _cleanup_(json_putp) struct json_object *document = take(API_ELEMENTS_GUESTS, texts[i], 3, &guests);

        if (document)
            fail_msg("%s", texts[i]);
        assert_null(guests);
    }
    /* a list under a key that is written in another way was not read: it is none, and not an empty one */
    struct guest_list *guests = NULL;
    _cleanup_(json_putp) struct json_object *document =
        take(API_ELEMENTS_GUESTS, "{\"d\\u0061ta\":[{\"type\":\"qemu\",\"vmid\":101,\"node\":\"a\"}]}", 3,
             &guests);
    (void)document;
    assert_null(guests);
}

static void test_an_element_that_is_too_long_is_refused(void **state)
{
    _cleanup_(freep) char *text = malloc(LISTING_ELEMENT_MAX + 64);
    struct guest_list *guests = NULL;
    size_t begun = (size_t)sprintf(text, "{\"data\":[{\"name\":\"");

    (void)state;
    memset(text + begun, 'x', LISTING_ELEMENT_MAX);
    strcpy(text + begun + LISTING_ELEMENT_MAX, "\"}]}");
    assert_null(take(API_ELEMENTS_GUESTS, text, 16384, &guests));
}

static void test_privileges_are_whole_and_equal_ones_are_one(void **state)
{
    static const char text[] = "{\"data\":{\"/vms/101\":{\"VM.Audit\":0},\"/vms/102\":{\"VM.Audit\":0},"
                               "\"/pool/p\\\"\":{\"Pool.Audit\":1},\"/vms/103\":{}}}";

    (void)state;
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct guest_list *guests = NULL;
        _cleanup_(json_putp) struct json_object *document = take(API_ELEMENTS_LEAVES, text, piece, &guests);
        _cleanup_(json_putp) struct json_object *expected = json_parse(text, strlen(text));
        struct json_object *data = json_object_object_get(document, "data");

        assert_null(guests);
        assert_true(json_object_equal(document, expected));
        assert_ptr_equal(json_object_object_get(data, "/vms/101"), json_object_object_get(data, "/vms/102"));
    }
}

static void test_privileges_that_are_no_objects_are_refused(void **state)
{
    static const char *const texts[] = {
        "{\"data\":{\"/a\":{\"x\":1},\"/b\":0}}",
        "{\"data\":{\"/a\":{\"x\":1},\"/a\":{\"x\":1}}}",
        "{\"data\":{\"/a\":[{\"x\":1}]}}",
    };
    struct guest_list *guests = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_null(take(API_ELEMENTS_LEAVES, texts[i], 5, &guests));
}

/* The text of these is 3 MiB, and a tree of them several times that. */
static void test_ten_thousand_guests_take_little_memory(void **state)
{
    _cleanup_(listing_freep) struct listing *listing = listing_new(API_ELEMENTS_GUESTS);
    size_t before = heap_in_use(), most = 0;
    struct guest_list *guests = NULL;
    char element[512];

    (void)state;
    assert_true(listing_feed(listing, "{\"data\":[", 9));
    for (int i = 0; i < MANY; i++) {
        int length = sprintf(element,
                             "%s{\"id\":\"qemu/%d\",\"type\":\"qemu\",\"vmid\":%d,\"node\":\"pve%d\","
                             "\"status\":\"running\",\"name\":\"web-server-%d.example.com\",\"uptime\":%d,"
                             "\"mem\":123456789,\"maxmem\":536870912,\"cpu\":0.0123,\"netin\":1234567,"
                             "\"netout\":7654321,\"diskread\":0,\"diskwrite\":0,\"pool\":\"cluster\"}",
                             i ? "," : "", 100 + i, 100 + i, i % 3, 100 + i, i);

        assert_true(listing_feed(listing, element, (size_t)length));
        if (heap_in_use() - before > most)
            most = heap_in_use() - before;
    }
    assert_true(listing_feed(listing, "]}", 2));
    struct json_object *document = listing_end(listing, &guests);
    assert_int_equal(guest_list_count(guests), MANY);
    assert_true(most < 5U * 1024 * 1024);
    json_object_put(document);
    guest_list_unref(guests);
}

static void test_texts_of_an_arena_keep_their_place_and_are_shared(void **state)
{
    struct arena arena = {0};
    _cleanup_(freep) char *longer = malloc(3 * ARENA_BLOCK_BYTES);
    char *copy = arena_copy(&arena, "pve1xxx", 4), *word = arena_share(&arena, "pve1", 4);

    (void)state;
    memset(longer, 'y', 3 * ARENA_BLOCK_BYTES);
    for (int i = 0; i < MANY; i++)
        assert_non_null(arena_copy(&arena, longer, (size_t)i % 300));
    assert_non_null(arena_copy(&arena, longer, 3 * ARENA_BLOCK_BYTES));
    assert_string_equal(copy, "pve1");
    assert_ptr_equal(arena_share(&arena, "pve1!", 4), word);
    assert_string_equal(arena_share(&arena, "pve", 3), "pve");
    assert_string_equal(arena_share(&arena, "", 0), "");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guests_are_the_same_however_the_answer_is_cut),
        cmocka_unit_test(test_members_are_found_by_path_and_by_query),
        cmocka_unit_test(test_of_resources_the_hosts_are_kept_beside_the_guests),
        cmocka_unit_test(test_no_more_hosts_are_kept_than_its_limit),
        cmocka_unit_test(test_an_empty_list_is_a_list_and_none_is_none),
        cmocka_unit_test(test_no_beginning_of_an_answer_is_one),
        cmocka_unit_test(test_what_is_not_json_is_refused),
        cmocka_unit_test(test_what_is_taken_piece_by_piece_is_json_as_a_whole_and_the_other_way_round),
        cmocka_unit_test(test_an_element_must_stand_where_a_value_may),
        cmocka_unit_test(test_an_element_that_is_too_long_is_refused),
        cmocka_unit_test(test_privileges_are_whole_and_equal_ones_are_one),
        cmocka_unit_test(test_privileges_that_are_no_objects_are_refused),
        cmocka_unit_test(test_ten_thousand_guests_take_little_memory),
        cmocka_unit_test(test_texts_of_an_arena_keep_their_place_and_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
