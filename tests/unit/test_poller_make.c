/*
 * The inventory is made in slices: each looks at a limited number of guests, and together they make what one
 * would.
 */
#include "proxmox/poller_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GUESTS  2500
#define MEMBERS 2000 /* of them are in the pool */
#define FIRST   100

static struct guest_list *list_of(int count)
{
    struct guest_list *list = guest_list_new();
    char text[128];

    for (int i = count - 1; i >= 0; i--) { /* Proxmox's lists have no order */
        int length = sprintf(text, "{\"type\":\"qemu\",\"vmid\":%d,\"node\":\"pve%d\",\"name\":\"Guest-%d\"}",
                             FIRST + i, i % 3, i);
        assert_int_equal(guest_list_add(list, text, (size_t)length), 0);
    }
    guest_list_finish(list);
    return list;
}

static struct json_object *parse(const char *text)
{
    struct json_object *object = json_parse(text, strlen(text));

    assert_non_null(object);
    return object;
}

static void begin(struct poller *poller, struct pool_answer *pool)
{
    *pool = (struct pool_answer){.name = (char *)(uintptr_t) "p", .known = list_of(MEMBERS)};
    *poller = (struct poller){
        .pools = pool,
        .pool_count = 1,
        .known_guests = list_of(GUESTS),
        .known_nodes = parse("[{\"node\":\"pve0\",\"status\":\"online\"}]"),
        .permissions = parse("{\"/vms\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1}}"),
    };
    assert_true(poller_make_begin(poller));
}

static void end(struct poller *poller)
{
    poller_make_cancel(poller);
    guest_list_unref(poller->known_guests);
    guest_list_unref(poller->pools[0].known);
    json_object_put(poller->known_nodes);
    json_object_put(poller->permissions);
}

static void test_no_slice_looks_at_more_guests_than_its_limit(void **state)
{
    struct poller poller;
    struct pool_answer pool;
    struct inventory *made = NULL;
    struct error error;
    unsigned slices = 1;

    (void)state;
    begin(&poller, &pool);
    while (poller_make_slice(&poller, &made) == 1) {
        assert_null(made);
        slices++;
    }
    /* the members, and all guests to see who is none */
    assert_in_range(slices, (MEMBERS + GUESTS) / POLLER_SLICE_GUESTS, UINT32_MAX);
    assert_non_null(made);
    assert_int_equal(inventory_count(made), MEMBERS);
    assert_int_equal(inventory_get(made, 0)->vmid, FIRST);
    assert_true(inventory_get(made, MEMBERS - 1)->may_power);
    assert_int_equal(inventory_find(made, "gUEST-1999", &error)->vmid, FIRST + 1999);
    assert_null(inventory_find(made, "guest-2000", &error));
    assert_non_null(strstr(error.message, "2100")); /* it is there, and in no pool */
    inventory_unref(made);
    end(&poller);
}

static void test_what_was_begun_can_be_given_up(void **state)
{
    struct poller poller;
    struct pool_answer pool;
    struct inventory *made = NULL;

    (void)state;
    begin(&poller, &pool);
    assert_int_equal(poller_make_slice(&poller, &made), 1);
    poller_make_cancel(&poller);
    assert_true(poller_make_begin(&poller)); /* from the first guest on */
    while (poller_make_slice(&poller, &made) == 1)
        ;
    assert_int_equal(inventory_count(made), MEMBERS);
    inventory_unref(made);
    end(&poller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_slice_looks_at_more_guests_than_its_limit),
        cmocka_unit_test(test_what_was_begun_can_be_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
