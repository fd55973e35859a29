/* Where the words of Proxmox enter: nothing that a terminal, a list or a log would obey comes further. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/guest_list.h"
#include "proxmox/listing.h"
#include "proxmox/printable.h"
#include "system/cleanup.h"

#include <string.h>

static struct json_object *parse(const char *text)
{
    struct json_object *document = printable_parse(text, strlen(text));

    assert_non_null(document);
    return document;
}

static void test_every_string_is_made_printable_wherever_it_stands(void **state)
{
    _cleanup_(json_putp) struct json_object *document =
        parse("{\"data\":[{\"name\":\"a\\u001b[31mb\",\"vmid\":101,\"more\":[[\"x\\n666,node1\"]]}],"
              "\"word\":\"\\u202enode\",\"plain\":\"b\xc3\xbcro\",\"nothing\":null,\"c1\":\"\\u009b\"}");

    (void)state;
    assert_string_equal(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN),
                        "{\"data\":[{\"name\":\"a?[31mb\",\"vmid\":101,\"more\":[[\"x?666,node1\"]]}],"
                        "\"word\":\"???node\",\"plain\":\"b\xc3\xbcro\",\"nothing\":null,\"c1\":\"??\"}");
}

static void test_a_text_with_a_nul_stays_none(void **state)
{
    _cleanup_(json_putp) struct json_object *document = parse("{\"lock\":\"a\\u0000\\u001b\"}");
    const char *text = NULL;

    (void)state;
    assert_false(json_get_string(document, "lock", &text));
}

static void test_what_is_no_json_is_none_here_either(void **state)
{
    (void)state;
    assert_null(printable_parse("{", 1));
    assert_null(printable_parse("{} {}", 5));
}

static void test_the_names_of_the_guest_list_are_printable(void **state)
{
    static const char list[] =
        "{\"data\":[{\"vmid\":101,\"type\":\"qemu\",\"node\":\"pve1\",\"name\":\"x\\n666,node1\","
        "\"tags\":\"a\\u001bb\",\"pool\":\"p\\u2028q\"},"
        "{\"vmid\":102,\"type\":\"lxc\",\"node\":\"pve1\",\"name\":\"\xe2\x80\xaex\"}]}";
    struct listing *listing = listing_new(API_ELEMENTS_GUESTS);
    _cleanup_(guest_list_unrefp) struct guest_list *guests = NULL;

    (void)state;
    assert_non_null(listing);
    assert_true(listing_feed(listing, list, strlen(list)));
    _cleanup_(json_putp) struct json_object *frame = listing_end(listing, &guests);
    assert_non_null(frame);
    assert_string_equal(guest_list_find(guests, 101)->name, "x?666,node1");
    assert_string_equal(guest_list_find(guests, 101)->tags, "a?b");
    assert_string_equal(guest_list_find(guests, 101)->pool, "p???q");
    assert_string_equal(guest_list_find(guests, 102)->name, "???x");
    listing_free(listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_string_is_made_printable_wherever_it_stands),
        cmocka_unit_test(test_a_text_with_a_nul_stays_none),
        cmocka_unit_test(test_what_is_no_json_is_none_here_either),
        cmocka_unit_test(test_the_names_of_the_guest_list_are_printable),
    };
    return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}
