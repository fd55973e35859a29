/* Guests and hosts as last seen: who a plug means, which hosts are remembered, and what a majority is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/inventory.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>

/* A guest is "VMID NAME"; the name "-" stands for none. */
static void add_guest(struct inventory_builder *builder, int vmid, const char *name)
{
    char copy[256], node[] = "pve1", pool[] = "nfs_cluster", status[] = "running";
    struct guest guest = {
        .vmid = vmid, .type = PVE_QEMU, .node = node, .pool = pool, .status = status, .may_power = true};

    snprintf(copy, sizeof(copy), "%s", name);
    guest.name = strcmp(name, "-") == 0 ? NULL : copy;
    assert_true(inventory_builder_guest(builder, &guest));
    memset(copy, '!', sizeof(copy) - 1); /* it must have been copied */
}

static void add_stranger(struct inventory_builder *builder, int vmid, const char *name, const char *pool)
{
    const struct guest guest = {
        .vmid = vmid, .name = (char *)(uintptr_t)name, .pool = (char *)(uintptr_t)pool};

    assert_true(inventory_builder_stranger(builder, &guest));
}

struct line {
    int vmid;
    const char *name;
};

static struct inventory *build(const struct line *guests, const char *const *aliases)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct inventory *inventory;

    for (; guests->vmid != 0; guests++)
        add_guest(builder, guests->vmid, guests->name);
    for (; aliases && aliases[0]; aliases += 2)
        assert_true(inventory_builder_alias(builder, aliases[0], aliases[1]));
    inventory = inventory_builder_finish(builder, 4711);
    assert_non_null(inventory);
    return inventory;
}

static int find(const struct inventory *inventory, const char *plug)
{
    struct error error = {.code = ERROR_NONE};
    const struct guest *guest = inventory_find(inventory, plug, &error);

    return guest ? guest->vmid : -(int)error.code;
}

static const struct line usual[] = {
    {103, "db.prod.example.com"}, {101, "web1"}, {102, "Web2.example.com"}, {104, "-"}, {0, NULL},
};

static void test_guests_are_ordered_by_vmid_and_found_by_it(void **state)
{
    struct inventory *inventory = build(usual, NULL);

    (void)state;
    assert_int_equal(inventory_count(inventory), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(inventory_get(inventory, (size_t)i)->vmid, 101 + i);
    assert_null(inventory_get(inventory, 4));
    assert_string_equal(inventory_by_vmid(inventory, 103)->name, "db.prod.example.com");
    assert_null(inventory_by_vmid(inventory, 99));
    assert_int_equal(inventory_taken_ms(inventory), 4711);
    assert_string_equal(guest_label(inventory_by_vmid(inventory, 101)), "web1");
    assert_string_equal(guest_label(inventory_by_vmid(inventory, 104)), "104");
    assert_int_equal(find(inventory, "102"), 102);
    inventory_unref(inventory);
}

static void test_a_name_is_found_in_any_case_and_by_its_first_label(void **state)
{
    struct inventory *inventory = build(usual, NULL);

    (void)state;
    assert_int_equal(find(inventory, "WEB1"), 101);
    assert_int_equal(find(inventory, "web2.EXAMPLE.com"), 102);
    assert_int_equal(find(inventory, "web2"), 102);
    assert_int_equal(find(inventory, "DB"), 103);
    assert_int_equal(find(inventory, "db.prod"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, ""), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "web"), -ERROR_UNKNOWN_PLUG);
    inventory_unref(inventory);
}

static void test_a_plug_with_another_domain_is_not_taken_for_the_guest(void **state)
{
    struct inventory *inventory = build(usual, NULL);
    struct error error;

    (void)state;
    assert_int_equal(find(inventory, "web2.example.org"), -ERROR_UNKNOWN_PLUG);
    assert_null(inventory_find(inventory, "web1.example.com", &error));
    assert_int_equal(error.code, ERROR_UNKNOWN_PLUG);
    assert_non_null(strstr(error.hint, "web1.example.com = 101"));
    inventory_unref(inventory);
}

static void test_digits_alone_are_never_a_name(void **state)
{
    static const struct line guests[] = {{101, "102"}, {103, "104.example.com"}, {0, NULL}};
    struct inventory *inventory = build(guests, (const char *[]){"105", "101", NULL});

    (void)state;
    assert_int_equal(find(inventory, "102"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "104"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "105"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "0101"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "101 "), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "+101"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "18446744073709551717"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "4294967397"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "104.example.com"), 103);
    assert_int_equal(inventory_unresolved_alias_count(inventory), 1);
    inventory_unref(inventory);
}

static void test_a_guest_outside_is_told_only_if_it_was_shown_and_never_found(void **state)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct error error = {.code = ERROR_NONE};
    const char *const plugs[] = {"200", "accounting.example.com", "ACCOUNTING", "201"};

    (void)state;
    add_guest(builder, 101, "web1");
    for (int vmid = 100; vmid < 200; vmid++)
        add_stranger(builder, vmid, vmid == 101 ? "web1" : NULL, NULL);
    add_stranger(builder, 200, "accounting.example.com", NULL);
    add_stranger(builder, 201, NULL, NULL);
    struct inventory *inventory = inventory_builder_finish(builder, 4711);
    assert_int_equal(inventory_count(inventory), 1);
    assert_int_equal(inventory_find(inventory, "web1", &error)->vmid, 101);
    for (size_t i = 0; i < ARRAY_LEN(plugs); i++) {
        assert_null(inventory_find(inventory, plugs[i], &error));
        assert_int_equal(error.code, ERROR_UNKNOWN_PLUG);
        assert_non_null(strstr(error.message, "is not in the pool"));
        assert_non_null(strstr(error.hint, "pveum pool modify POOL --vms 20"));
    }
    assert_null(inventory_find(inventory, "accounting.example", &error));
    assert_null(strstr(error.message, "is not in the pool"));
    assert_null(inventory_find(inventory, "", &error));
    assert_null(strstr(error.message, "is not in the pool"));
    inventory_unref(inventory);
}

static void test_a_guest_of_another_pool_is_not_to_be_moved_out_of_it(void **state)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct error error = {.code = ERROR_NONE};

    (void)state;
    add_guest(builder, 101, "web1");
    add_stranger(builder, 202, "db1", "production/nfs");
    add_stranger(builder, 201, "nfs1", "prod/nfs");
    struct inventory *inventory = inventory_builder_finish(builder, 4711);
    assert_null(inventory_find(inventory, "nfs1", &error));
    assert_int_equal(error.code, ERROR_UNKNOWN_PLUG);
    assert_non_null(strstr(error.message, "guest 201 (nfs1), which is in prod/nfs"));
    assert_non_null(strstr(error.hint, "add `pool = prod/nfs`"));
    assert_null(strstr(error.hint, "pveum"));
    assert_false(inventory_say_below(inventory, "prod/nfs", &error));
    assert_true(inventory_say_below(inventory, "prod", &error));
    assert_string_equal(error.message, "guest 201 is in prod/nfs, and prod does not include that");
    assert_string_equal(error.hint, "in [proxmox] of fence-broker.conf: `pool = prod/nfs`");
    assert_true(error.names_guests);
    assert_null(inventory_empty_cause(inventory)); /* it has guests */
    inventory_unref(inventory);
}

/* ---- names that led elsewhere before ---- */

struct lead {
    const char *name;
    int vmid;
};

static struct inventory *build_on(bool online, const struct line *guests, const char *const *aliases,
                                  const struct lead *leads)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct inventory *inventory;

    assert_true(inventory_builder_node(builder, "pve1", online));
    for (; guests->vmid != 0; guests++)
        add_guest(builder, guests->vmid, guests->name);
    for (; aliases && aliases[0]; aliases += 2)
        assert_true(inventory_builder_alias(builder, aliases[0], aliases[1]));
    for (; leads->name; leads++)
        assert_true(inventory_builder_lead(builder, leads->name, leads->vmid));
    inventory = inventory_builder_finish(builder, 4711);
    assert_non_null(inventory);
    return inventory;
}

static struct inventory *build_with(const struct line *guests, const char *const *aliases,
                                    const struct lead *leads)
{
    return build_on(true, guests, aliases, leads);
}

static void test_a_name_that_another_guest_took_leads_to_neither(void **state)
{
    static const struct line guests[] = {{101, "node1"}, {102, "web7"}, {103, "Node2"}, {0, NULL}};
    static const struct lead leads[] = {{"node1", 101}, {"node2", 102}, {"node3", 103}, {NULL, 0}};
    struct inventory *inventory = build_with(guests, NULL, leads);
    const struct guest *before, *now;
    struct error error;

    (void)state;
    assert_null(inventory_find(inventory, "NODE2", &error));
    assert_int_equal(error.code, ERROR_NAME_MOVED);
    assert_non_null(
        strstr(error.message, "node2 led to guest 102 before (now called web7), and guest 103 has"));
    assert_non_null(strstr(error.hint, "`node2 = 102`, or `node2 = 103`"));
    assert_null(inventory_leads(inventory, "node2"));
    assert_true(inventory_moved(inventory, "node2", &before, &now));
    assert_int_equal(before->vmid, 102);
    assert_int_equal(now->vmid, 103);
    assert_int_equal(find(inventory, "node1"), 101);
    assert_int_equal(find(inventory, "web7"), 102); /* nobody had that name */
    assert_int_equal(find(inventory, "103"), 103);
    assert_false(inventory_moved(inventory, "103", &before, &now));
    assert_null(inventory_by_vmid(inventory, 101)->moved);
    assert_ptr_equal(inventory_by_vmid(inventory, 102)->moved_with, inventory_by_vmid(inventory, 103));
    assert_null(inventory_find(inventory, "node3", &error)); /* nobody has it now */
    assert_int_equal(error.code, ERROR_UNKNOWN_PLUG);
    assert_non_null(strstr(error.hint, "\"node3 = 103\""));
    inventory_unref(inventory);
}

/* A broker that was restarted while the host of guest 101 is dead. */
static void test_a_guest_without_a_name_is_called_what_led_to_it_last(void **state) /* P10 */
{
    static const struct line guests[] = {{101, "-"}, {102, "node2"}, {103, "-"}, {0, NULL}};
    static const struct lead leads[] = {{"old", 101},   {"node1.lan", 101}, {"node1", 101},
                                        {"node2", 102}, {"node2", 103},     {NULL, 0}};
    struct inventory *inventory = build_on(false, guests, NULL, leads);

    (void)state;
    assert_int_equal(find(inventory, "node1"), 101);
    assert_int_equal(find(inventory, "Node1.lan"), 101);
    assert_int_equal(find(inventory, "old"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "node2"), -ERROR_AMBIGUOUS_NAME); /* another guest has taken it */

    struct inventory_builder *builder = inventory_builder_new(inventory);
    struct guest other = {.vmid = 101, .type = PVE_LXC, .node = (char *)"pve1"}; /* seen since the start */

    inventory_unref(inventory);
    assert_true(inventory_builder_node(builder, "pve1", false));
    assert_true(inventory_builder_guest(builder, &other));
    assert_true(inventory_builder_lead(builder, "node1", 101));
    inventory = inventory_builder_finish(builder, 4712);
    assert_int_equal(find(inventory, "node1"), -ERROR_UNKNOWN_PLUG);
    inventory_unref(inventory);
}

/* Proxmox tells the name of a guest that was just made some seconds later. */
static void test_a_new_guest_is_not_called_after_one_that_had_its_number(void **state) /* P2 */
{
    static const struct line guests[] = {{101, "-"}, {0, NULL}};
    static const struct lead leads[] = {{"node1", 101}, {NULL, 0}};
    struct inventory *inventory = build_on(true, guests, NULL, leads);

    (void)state;
    assert_int_equal(find(inventory, "node1"), -ERROR_UNKNOWN_PLUG);
    inventory_unref(inventory);
}

static void test_two_guests_that_swapped_their_names_are_both_refused(void **state)
{
    static const struct line guests[] = {{102, "node3"}, {103, "node2"}, {0, NULL}};
    static const struct lead leads[] = {{"node2", 102}, {"node3", 103}, {NULL, 0}};
    struct inventory *inventory = build_with(guests, NULL, leads);

    (void)state;
    assert_int_equal(find(inventory, "node2"), -ERROR_NAME_MOVED);
    assert_int_equal(find(inventory, "node3"), -ERROR_NAME_MOVED);
    inventory_unref(inventory);
}

static void test_an_alias_says_whom_a_moved_name_means(void **state)
{
    static const struct line guests[] = {{102, "web7"}, {103, "node2"}, {0, NULL}};
    static const struct lead leads[] = {{"node2", 102}, {NULL, 0}};
    struct inventory *old = build_with(guests, (const char *[]){"node2", "102", NULL}, leads);
    struct inventory *new = build_with(guests, (const char *[]){"NODE2", "103", NULL}, leads);

    (void)state;
    assert_int_equal(find(old, "node2"), 102);
    assert_int_equal(find(new, "node2"), 103);
    for (int vmid = 102; vmid <= 103; vmid++) {
        assert_null(inventory_by_vmid(old, vmid)->moved);
        assert_null(inventory_by_vmid(new, vmid)->moved);
    }
    inventory_unref(old);
    inventory_unref(new);
}

static void test_a_name_whose_guest_has_left_the_pool_may_be_anothers(void **state)
{
    static const struct line guests[] = {{103, "node2"}, {0, NULL}};
    static const struct lead leads[] = {{"node2", 102}, {NULL, 0}};
    struct inventory *inventory = build_with(guests, NULL, leads);

    (void)state;
    assert_int_equal(find(inventory, "node2"), 103);
    inventory_unref(inventory);
}

static void test_a_full_name_may_not_take_what_a_short_name_meant(void **state)
{
    static const struct line guests[] = {{102, "node2.example.com"}, {103, "node2"}, {0, NULL}};
    static const struct lead leads[] = {{"node2", 102}, {"node2.example.com", 102}, {NULL, 0}};
    struct inventory *inventory = build_with(guests, NULL, leads);

    (void)state;
    assert_int_equal(find(inventory, "node2"), -ERROR_NAME_MOVED);
    assert_int_equal(find(inventory, "node2.example.com"), 102);
    inventory_unref(inventory);
}

static void test_a_moved_name_that_several_have_is_ambiguous(void **state)
{
    static const struct line guests[] = {{101, "web7"}, {102, "node2"}, {103, "node2"}, {0, NULL}};
    static const struct lead leads[] = {{"node2", 101}, {NULL, 0}};
    struct inventory *inventory = build_with(guests, NULL, leads);

    (void)state;
    assert_int_equal(find(inventory, "node2"), -ERROR_AMBIGUOUS_NAME);
    inventory_unref(inventory);
}

static void test_the_short_name_of_an_alias_is_one(void **state)
{
    static const struct line guests[] = {{101, "web1"},   {102, "db.a"}, {103, "mail"},
                                         {104, "cups02"}, {105, "x.b"},  {0, NULL}};
    struct inventory *inventory = build(
        guests, (const char *[]){"cups01.domain.tld", "103", "cups02.domain.tld", "101", "db.z", "101",
                                 "gone.domain.tld", "999", "x.c", "105", "y.a", "101", "y.b", "102", NULL});

    (void)state;
    assert_int_equal(find(inventory, "CUPS01"), 103);
    assert_int_equal(find(inventory, "cups01.other"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "cups02"), 104);               /* a guest's own name is before it */
    assert_int_equal(find(inventory, "db"), -ERROR_AMBIGUOUS_NAME); /* db.a by its name, db.z by [nodes] */
    assert_int_equal(find(inventory, "gone"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "x"), 105); /* both say so */
    assert_int_equal(find(inventory, "y"), -ERROR_AMBIGUOUS_NAME);
    inventory_unref(inventory);
}

static void test_the_same_name_twice_is_ambiguous_and_tells_the_vmids(void **state)
{
    static const struct line guests[] = {{101, "web"},  {102, "WEB"},  {103, "db.a"},
                                         {104, "db.b"}, {105, "db.c"}, {0, NULL}};
    struct inventory *inventory = build(guests, NULL);
    struct error error;

    (void)state;
    assert_null(inventory_find(inventory, "Web", &error));
    assert_int_equal(error.code, ERROR_AMBIGUOUS_NAME);
    assert_non_null(strstr(error.message, "web (101), WEB (102)"));
    assert_non_null(strstr(error.hint, "101"));
    assert_null(inventory_find(inventory, "db", &error));
    assert_int_equal(error.code, ERROR_AMBIGUOUS_NAME);
    assert_non_null(strstr(error.message, "(105)"));
    assert_int_equal(find(inventory, "db.b"), 104);
    assert_true(inventory_by_vmid(inventory, 101)->name_shared);
    assert_false(inventory_by_vmid(inventory, 103)->name_shared);
    inventory_unref(inventory);
}

static void test_a_full_name_wins_over_a_short_one(void **state)
{
    static const struct line guests[] = {{101, "web.example.com"}, {102, "web"}, {0, NULL}};
    struct inventory *inventory = build(guests, NULL);

    (void)state;
    assert_int_equal(find(inventory, "web"), 102);
    inventory_unref(inventory);
}

static void test_an_alias_wins_over_a_name(void **state)
{
    struct inventory *inventory =
        build(usual, (const char *[]){"web1", "103", "node1", "web1", "NODE2", "web2", "n1", "101", NULL});
    const struct guest *guest = inventory_by_vmid(inventory, 101);

    (void)state;
    assert_int_equal(find(inventory, "web1"), 103);
    assert_int_equal(find(inventory, "node1"), 101); /* targets are guests, not aliases */
    assert_int_equal(find(inventory, "node2"), 102);
    assert_int_equal(guest->alias_count, 2);
    assert_string_equal(guest->aliases[0], "node1");
    assert_string_equal(guest->aliases[1], "n1");
    assert_int_equal(inventory_unresolved_alias_count(inventory), 0);
    assert_null(inventory_unresolved_alias_get(inventory, 0));
    inventory_unref(inventory);
}

static void test_an_alias_that_leads_nowhere_never_falls_back_to_a_guest_of_that_name(void **state)
{
    static const struct line guests[] = {{101, "node1"}, {102, "twin"}, {103, "twin"}, {0, NULL}};
    struct inventory *inventory = build(guests, (const char *[]){"node1", "999", "node2", "twin", NULL});

    (void)state;
    assert_int_equal(find(inventory, "node1"), -ERROR_UNKNOWN_PLUG);
    assert_int_equal(find(inventory, "node2"), -ERROR_AMBIGUOUS_NAME);
    assert_int_equal(inventory_unresolved_alias_count(inventory), 2);
    assert_string_equal(inventory_unresolved_alias_get(inventory, 0)->node, "node1");
    assert_string_equal(inventory_unresolved_alias_get(inventory, 0)->target, "999");
    assert_false(inventory_unresolved_alias_get(inventory, 0)->ambiguous);
    assert_true(inventory_unresolved_alias_get(inventory, 1)->ambiguous);
    inventory_unref(inventory);
}

static void test_aliases_that_differ_in_case_only_must_agree(void **state)
{
    struct inventory *inventory =
        build(usual, (const char *[]){"n", "101", "N", "web1", "m", "101", "M", "102", NULL});

    (void)state;
    assert_int_equal(find(inventory, "n"), 101);
    assert_int_equal(find(inventory, "m"), -ERROR_AMBIGUOUS_NAME);
    inventory_unref(inventory);
}

static void test_a_vmid_given_twice_counts_as_the_later_one(void **state)
{
    static const struct line guests[] = {{101, "old"}, {102, "b"}, {101, "new"}, {0, NULL}};
    struct inventory *inventory = build(guests, NULL);

    (void)state;
    assert_int_equal(inventory_count(inventory), 2);
    assert_int_equal(find(inventory, "new"), 101);
    assert_int_equal(find(inventory, "old"), -ERROR_UNKNOWN_PLUG);
    inventory_unref(inventory);
}

static void test_messages_are_bounded_and_printable_whatever_the_names(void **state)
{
    char long_name[200], plug[9000];
    struct line guests[40];
    struct inventory *inventory;
    struct error error;

    (void)state;
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (int i = 0; i < 39; i++)
        guests[i] = (struct line){100 + i, long_name};
    guests[39] = (struct line){0, NULL};
    inventory = build(guests, NULL);
    memset(plug, 'p', sizeof(plug) - 1);
    plug[sizeof(plug) - 1] = '\0';
    plug[0] = '\n';
    plug[1] = '\xff';
    plug[2] = '%';
    assert_null(inventory_find(inventory, plug, &error));
    assert_non_null(strstr(error.message, "and 33 more"));
    assert_non_null(strstr(error.hint, "fence_broker targets"));
    for (const char *c = error.message; *c; c++)
        assert_true(*c >= 0x20 && *c < 0x7f);
    assert_null(inventory_find(inventory, long_name, &error));
    assert_non_null(strstr(error.message, "(100)"));
    assert_non_null(strstr(error.message, "and 33 more"));
    inventory_unref(inventory);
}

static void test_odd_names_are_found_as_they_are(void **state)
{
    static const char *const names[] = {
        "gäste-1", "a b",      "%s%n", "'; drop", "\"q\"",           "..", ".", "-", "@x",
        "x\ty",    "\xff\xfe", "/etc", "*",       "Ünïcode.example", NULL};
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct inventory *inventory;

    (void)state;
    for (int i = 0; names[i]; i++)
        add_guest(builder, 100 + i, names[i]);
    inventory = inventory_builder_finish(builder, 1);
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], "-") != 0)
            assert_int_equal(find(inventory, names[i]), 100 + i);
    inventory_unref(inventory);
}

static void test_an_empty_pool_says_so(void **state)
{
    struct inventory *inventory = inventory_builder_finish(inventory_builder_new(NULL), 1);
    struct error error;

    (void)state;
    assert_null(inventory_find(inventory, "web1", &error));
    assert_int_equal(error.code, ERROR_UNKNOWN_PLUG);
    assert_non_null(strstr(error.message, "sees no guests in the pool"));
    assert_null(inventory_find(inventory, "101", &error));
    assert_null(inventory_by_vmid(inventory, 101));
    assert_false(inventory_node_online(inventory, "pve1"));
    inventory_unref(inventory);
    inventory_unref(NULL);
}

static void test_a_snapshot_lives_as_long_as_its_last_reader(void **state)
{
    struct inventory *inventory = build(usual, NULL), *reader = inventory_ref(inventory);

    (void)state;
    inventory_unref(inventory);
    assert_int_equal(find(reader, "web1"), 101);
    inventory_unref(reader);
}

static void test_an_unfinished_builder_can_be_dropped(void **state)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);

    (void)state;
    add_guest(builder, 101, "a");
    assert_true(inventory_builder_alias(builder, "n", "101"));
    assert_true(inventory_builder_node(builder, "pve1", true));
    inventory_builder_free(builder);
    inventory_builder_free(NULL);
}

static void test_ten_thousand_guests_are_found_each_by_all_its_names(void **state)
{
    enum { COUNT = 10000 };
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct inventory *inventory;
    char name[64], node[64];

    (void)state;
    for (int i = COUNT - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "guest%d.example.com", (i * 7919) % COUNT);
        add_guest(builder, 1000 + (i * 7919) % COUNT, name);
    }
    for (int i = 0; i < COUNT; i += 10) {
        snprintf(node, sizeof(node), "node%d", i);
        snprintf(name, sizeof(name), "GUEST%d", i);
        assert_true(inventory_builder_alias(builder, node, name));
    }
    inventory = inventory_builder_finish(builder, 1);
    assert_int_equal(inventory_count(inventory), COUNT);
    assert_int_equal(inventory_unresolved_alias_count(inventory), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "Guest%d", i);
        assert_int_equal(find(inventory, name), 1000 + i);
        snprintf(name, sizeof(name), "guest%d.EXAMPLE.com", i);
        assert_int_equal(find(inventory, name), 1000 + i);
        snprintf(node, sizeof(node), "node%d", i);
        assert_int_equal(find(inventory, node), i % 10 == 0 ? 1000 + i : -ERROR_UNKNOWN_PLUG);
    }
    inventory_unref(inventory);
}

/* ---- hosts ---- */

/* A round: names with '+' are online, with '-' not. Releases the previous one. */
static struct inventory *round_of(struct inventory *previous, const char *const *nodes)
{
    struct inventory_builder *builder = inventory_builder_new(previous);
    struct inventory *inventory;

    for (; *nodes; nodes++)
        assert_true(inventory_builder_node(builder, *nodes + 1, **nodes == '+'));
    inventory = inventory_builder_finish(builder, 1);
    inventory_unref(previous);
    return inventory;
}

#define NODES(...) ((const char *[]){__VA_ARGS__, NULL})

static void assert_nodes(const struct inventory *inventory, unsigned online, unsigned known)
{
    assert_int_equal(inventory_nodes_online(inventory), online);
    assert_int_equal(inventory_nodes_known(inventory), known);
}

static void test_a_host_is_remembered_while_a_minority_leaves_it_out(void **state)
{
    struct inventory *inventory = round_of(NULL, NODES("+pve3", "+pve1", "+pve2", "+pve4"));

    (void)state;
    assert_nodes(inventory, 4, 4);
    assert_true(inventory_node_online(inventory, "pve2"));
    assert_false(inventory_node_online(inventory, "pve9"));
    assert_false(inventory_node_online(inventory, NULL));
    inventory = round_of(inventory, NODES("+pve1", "+pve2"));
    assert_nodes(inventory, 2, 4); /* two of four are no majority */
    assert_false(inventory_node_online(inventory, "pve3"));
    inventory = round_of(inventory, NODES("+pve1", "-pve2", "-pve3", "-pve4"));
    assert_nodes(inventory, 1, 4);
    inventory = round_of(inventory, (const char *[]){NULL});
    assert_nodes(inventory, 0, 4);
    inventory_unref(inventory);
}

static struct inventory *round_with(struct inventory *previous, const struct guest *guest)
{
    struct inventory_builder *builder = inventory_builder_new(previous);

    inventory_unref(previous); /* the builder has a reference of its own */
    assert_true(inventory_builder_guest(builder, guest));
    return inventory_builder_finish(builder, 1);
}

static void test_a_guest_of_a_dead_host_keeps_what_only_its_host_told(void **state)
{
    struct guest guest = {.vmid = 101,
                          .type = PVE_QEMU,
                          .name = (char[]){"web1"},
                          .node = (char[]){"pve1"},
                          .tags = (char[]){"prod;web"},
                          .status = (char[]){"running"},
                          .template = true};
    struct guest unknown = {
        .vmid = 101, .type = PVE_QEMU, .node = (char[]){"pve1"}, .status = (char[]){"unknown"}};
    struct inventory *inventory = round_with(NULL, &guest);

    (void)state;
    for (int i = 0; i < 3; i++) { /* a host may be dead for long */
        inventory = round_with(inventory, &unknown);
        assert_int_equal(find(inventory, "web1"), 101);
        assert_string_equal(inventory_get(inventory, 0)->tags, "prod;web");
        assert_string_equal(inventory_get(inventory, 0)->status, "unknown");
        assert_true(inventory_get(inventory, 0)->template);
    }
    guest = (struct guest){.vmid = 101, .type = PVE_QEMU, .name = (char[]){"web9"}};
    inventory = round_with(inventory, &guest);
    assert_int_equal(find(inventory, "web9"), 101);
    assert_int_equal(find(inventory, "web1"), -ERROR_UNKNOWN_PLUG);
    assert_null(inventory_get(inventory, 0)->tags);
    unknown.type = PVE_LXC; /* another guest with the number */
    inventory = round_with(inventory, &unknown);
    assert_int_equal(find(inventory, "web9"), -ERROR_UNKNOWN_PLUG);
    assert_null(inventory_get(inventory, 0)->name);
    inventory_unref(inventory);
}

static void test_a_host_is_forgotten_when_a_majority_no_longer_names_it(void **state)
{
    struct inventory *inventory = round_of(NULL, NODES("+pve1", "+pve2", "+pve3"));

    (void)state;
    inventory = round_of(inventory, NODES("+pve1", "+pve2"));
    assert_nodes(inventory, 2, 2);
    inventory_unref(inventory);
}

static void test_strangers_do_not_make_a_majority_of_the_remembered(void **state)
{
    struct inventory *inventory = round_of(NULL, NODES("+pve1", "+pve2", "+pve3"));

    (void)state;
    inventory = round_of(inventory, NODES("+pve1", "+new1", "+new2", "+new3"));
    assert_nodes(inventory, 4, 6);
    inventory_unref(inventory);
}

/* What a Proxmox that lies lets us remember; what was there before it lied is not forgotten for it. */
static void test_hosts_that_are_invented_with_each_list_are_remembered_up_to_a_limit(void **state) /* P7 */
{
    struct inventory *inventory = round_of(NULL, NODES("+pve1", "+pve2", "+pve3"));
    char name[PVE_NODE_MAX + 1];

    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        struct inventory_builder *builder = inventory_builder_new(inventory);

        inventory_unref(inventory);
        for (unsigned i = 0; i < 1000; i++) {
            snprintf(name, sizeof(name), "invented-%u-%u", round, i);
            assert_true(inventory_builder_node(builder, name, true));
            inventory_builder_unknown(builder, name);
        }
        assert_true(inventory_builder_node(builder, "pve1", true));
        inventory = inventory_builder_finish(builder, 1);
    }
    assert_int_equal(inventory_nodes_known(inventory), INVENTORY_HOSTS_MAX);
    assert_true(inventory_node_online(inventory, "pve1"));
    inventory_unref(inventory);
    memset(name, 'x', PVE_NODE_MAX);
    name[0] = '+';
    name[PVE_NODE_MAX] = '\0';
    inventory = round_of(NULL, NODES(name)); /* as long as a host's name can be */
    assert_nodes(inventory, 1, 1);
    inventory_unref(inventory);
    inventory =
        round_of(NULL, NODES("+pve1", "+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    assert_nodes(inventory, 1, 1);
    inventory_unref(inventory);
}

static void test_a_host_listed_twice_is_one_and_online_only_if_both_say_so(void **state)
{
    struct inventory *inventory = round_of(NULL, NODES("+pve1", "-pve1", "+pve2", "+pve2"));

    (void)state;
    assert_nodes(inventory, 1, 2);
    inventory = round_of(inventory, NODES("-pve1", "+pve1", "+pve2"));
    assert_nodes(inventory, 1, 2);
    inventory_unref(inventory);
}

static bool census(const struct inventory *previous, const char *json, const char *host,
                   struct node_census *result)
{
    struct json_object *data = json_parse(json, strlen(json));
    bool taken = nodes_take_census(previous, data, host, result);

    if (data)
        json_object_put(data);
    return taken;
}

#define NODE(name, status) "{\"type\":\"node\",\"node\":\"" name "\",\"status\":\"" status "\"}"

static void test_a_census_counts_the_listed_and_the_remembered(void **state)
{
    struct inventory *inventory = round_of(NULL, NODES("+pve1", "+pve2", "+pve3"));
    struct node_census result;

    (void)state;
    assert_true(census(inventory,
                       "[" NODE("pve2", "online") "," NODE("pve4", "online") "," NODE("pve1", "offline") "]",
                       "pve2", &result));
    assert_int_equal(result.online, 2);
    assert_int_equal(result.known, 4);
    assert_true(result.host_online);
    assert_string_equal(result.other, "pve4");
    assert_true(census(NULL, "[" NODE("pve2", "online") "," NODE("pve1", "offline") "]", "pve1", &result));
    assert_int_equal(result.online, 1);
    assert_int_equal(result.known, 2);
    assert_false(result.host_online);
    assert_string_equal(result.other, "pve2");
    assert_true(census(inventory, "[]", "pve1", &result));
    assert_int_equal(result.online, 0);
    assert_int_equal(result.known, 3);
    assert_false(result.host_online);
    assert_string_equal(result.other, "");
    assert_true(census(NULL, "[" NODE("pve1", "online") "]", NULL, &result));
    assert_false(result.host_online);
    inventory_unref(inventory);
}

/* As PVE/API2Tools.pm writes it: "offline" stands for whoever is no member, "unknown" for missing statistics.
 */
static void test_a_host_without_statistics_is_a_member_but_not_alone(void **state) /* P1 */
{
    struct inventory *cluster = round_of(NULL, NODES("+pve1", "+pve2", "+pve3"));
    struct inventory *single = round_of(NULL, NODES("+pve1"));
    struct node_census result;
    const char *alone = "[" NODE("pve1", "unknown") "]";

    (void)state;
    assert_true(census(
        cluster, "[" NODE("pve1", "unknown") "," NODE("pve2", "unknown") "," NODE("pve3", "offline") "]",
        "pve1", &result));
    assert_int_equal(result.online, 2);
    assert_true(result.host_online);
    assert_string_equal(result.other, "pve2");
    assert_true(census(cluster,
                       "[" NODE("pve1", "unknown") "," NODE("pve2", "offline") "," NODE("pve3", "else") "]",
                       "pve3", &result));
    assert_int_equal(result.online, 1);
    assert_false(result.host_online);
    /* it may have no member list at all, and knows itself alone */
    assert_true(census(cluster, alone, "pve1", &result));
    assert_int_equal(result.online, 0);
    assert_false(result.host_online);
    assert_true(census(single, "[" NODE("pve2", "unknown") "]", "pve2", &result));
    assert_int_equal(result.online, 0);
    /* a host of its own is in nobody's minority */
    assert_true(census(single, alone, "pve1", &result) && result.host_online);
    assert_true(census(NULL, alone, "pve1", &result) && result.host_online);
    inventory_unref(cluster);
    inventory_unref(single);
}

/* pmxcfs changes its member list only by corosync's word: when that died, all are members for good, and after
 * five minutes whoever else there is has no statistics. */
static void test_a_host_whose_corosync_died_is_not_vouched_for_by_those_it_remembers(void **state) /* P1 */
{
    struct inventory *cluster = round_of(NULL, NODES("+pve1", "+pve2", "+pve3"));
    struct node_census result;
    const char *died = "[" NODE("pve1", "online") "," NODE("pve2", "unknown") "," NODE("pve3", "unknown") "]";

    (void)state;
    assert_true(census(cluster, died, "pve1", &result));
    assert_int_equal(result.online, 1);
    assert_int_equal(result.known, 3);
    assert_true(result.host_online);
    /* of another host's guests: that one's pvestatd hangs, but it answers, and pve1 need not be who was asked
     */
    assert_true(census(cluster, died, "pve2", &result));
    assert_int_equal(result.online, 3);
    assert_true(result.host_online);
    /* statistics of another one come through corosync */
    assert_true(census(cluster,
                       "[" NODE("pve1", "online") "," NODE("pve2", "unknown") "," NODE("pve3", "online") "]",
                       "pve1", &result));
    assert_int_equal(result.online, 3);
    inventory_unref(cluster);
}

static void test_a_census_of_anything_else_is_none(void **state)
{
    static const char *const malformed[] = {
        "{}",
        "\"x\"",
        "[1]",
        "[[]]",
        "[{}]",
        "[{\"node\":\"pve1\",\"status\":\"online\"}]",
        "[{\"type\":\"node\",\"status\":\"online\"}]",
        "[{\"type\":\"node\",\"node\":\"pve1\"}]",
        "[{\"type\":\"node\",\"node\":\"\",\"status\":\"online\"}]",
        "[{\"type\":\"node\",\"node\":1,\"status\":\"online\"}]",
        "[{\"type\":\"node\",\"node\":\"pve1\",\"status\":1}]",
        "[" NODE("pve1", "online") "," NODE("pve1", "online") "]",
        "[" NODE("pve1", "online") ",null]",
    };
    struct node_census result = {.online = 77};

    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
        assert_false(census(NULL, malformed[i], "pve1", &result));
    assert_false(nodes_take_census(NULL, NULL, "pve1", &result));
    assert_int_equal(result.online, 77);
    assert_true(census(NULL, "[{\"type\":\"qemu\",\"vmid\":100},{\"type\":\"storage\"}]", "pve1", &result));
    assert_int_equal(result.known, 0);
}

static void test_a_majority_is_more_than_half(void **state)
{
    static const unsigned majority[] = {1, 1, 2, 2, 3, 3, 4};

    (void)state;
    for (unsigned known = 0; known < sizeof(majority) / sizeof(*majority); known++)
        assert_int_equal(nodes_required(0, known), majority[known]);
    assert_int_equal(nodes_required(1, 2), 1);
    assert_int_equal(nodes_required(5, 3), 5); /* said so, so it is: no silent reduction */
    assert_int_equal(nodes_required(-1, 4), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guests_are_ordered_by_vmid_and_found_by_it),
        cmocka_unit_test(test_a_name_is_found_in_any_case_and_by_its_first_label),
        cmocka_unit_test(test_a_plug_with_another_domain_is_not_taken_for_the_guest),
        cmocka_unit_test(test_digits_alone_are_never_a_name),
        cmocka_unit_test(test_a_guest_outside_is_told_only_if_it_was_shown_and_never_found),
        cmocka_unit_test(test_a_guest_of_another_pool_is_not_to_be_moved_out_of_it),
        cmocka_unit_test(test_a_name_that_another_guest_took_leads_to_neither),
        cmocka_unit_test(test_a_guest_without_a_name_is_called_what_led_to_it_last),
        cmocka_unit_test(test_a_new_guest_is_not_called_after_one_that_had_its_number),
        cmocka_unit_test(test_two_guests_that_swapped_their_names_are_both_refused),
        cmocka_unit_test(test_an_alias_says_whom_a_moved_name_means),
        cmocka_unit_test(test_a_name_whose_guest_has_left_the_pool_may_be_anothers),
        cmocka_unit_test(test_a_full_name_may_not_take_what_a_short_name_meant),
        cmocka_unit_test(test_a_moved_name_that_several_have_is_ambiguous),
        cmocka_unit_test(test_the_short_name_of_an_alias_is_one),
        cmocka_unit_test(test_the_same_name_twice_is_ambiguous_and_tells_the_vmids),
        cmocka_unit_test(test_a_full_name_wins_over_a_short_one),
        cmocka_unit_test(test_an_alias_wins_over_a_name),
        cmocka_unit_test(test_an_alias_that_leads_nowhere_never_falls_back_to_a_guest_of_that_name),
        cmocka_unit_test(test_aliases_that_differ_in_case_only_must_agree),
        cmocka_unit_test(test_a_vmid_given_twice_counts_as_the_later_one),
        cmocka_unit_test(test_messages_are_bounded_and_printable_whatever_the_names),
        cmocka_unit_test(test_odd_names_are_found_as_they_are),
        cmocka_unit_test(test_an_empty_pool_says_so),
        cmocka_unit_test(test_a_snapshot_lives_as_long_as_its_last_reader),
        cmocka_unit_test(test_an_unfinished_builder_can_be_dropped),
        cmocka_unit_test(test_ten_thousand_guests_are_found_each_by_all_its_names),
        cmocka_unit_test(test_a_host_is_remembered_while_a_minority_leaves_it_out),
        cmocka_unit_test(test_a_guest_of_a_dead_host_keeps_what_only_its_host_told),
        cmocka_unit_test(test_a_host_is_forgotten_when_a_majority_no_longer_names_it),
        cmocka_unit_test(test_strangers_do_not_make_a_majority_of_the_remembered),
        cmocka_unit_test(test_hosts_that_are_invented_with_each_list_are_remembered_up_to_a_limit),
        cmocka_unit_test(test_a_host_listed_twice_is_one_and_online_only_if_both_say_so),
        cmocka_unit_test(test_a_census_counts_the_listed_and_the_remembered),
        cmocka_unit_test(test_a_host_without_statistics_is_a_member_but_not_alone),
        cmocka_unit_test(test_a_host_whose_corosync_died_is_not_vouched_for_by_those_it_remembers),
        cmocka_unit_test(test_a_census_of_anything_else_is_none),
        cmocka_unit_test(test_a_majority_is_more_than_half),
    };

    return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}
