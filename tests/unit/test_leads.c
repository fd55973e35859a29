/* Where names led: what the next daemon still knows, and what it takes for a name to lead elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "files.h"
#include "proxmox/leads.h"
#include "system/cleanup.h"
#include "system/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define WAIT_MS 20000

static int set_up(void **state)
{
    (void)state;
    return make_directory("names.jsonl");
}

struct line {
    int vmid;
    const char *name;
};

/* A round of polls: the guests, judged by what is known, and then learnt. */
static struct inventory *poll_aliased(struct leads *leads, const struct line *guests, const char *alias,
                                      const char *target)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct inventory *inventory;

    for (; guests->vmid; guests++) {
        const struct guest guest = {
            .vmid = guests->vmid, .name = (char *)(uintptr_t)guests->name, .node = (char *)"pve1"};

        assert_true(inventory_builder_guest(builder, &guest));
    }
    if (alias)
        assert_true(inventory_builder_alias(builder, alias, target));
    assert_true(leads_give(leads, builder));
    inventory = inventory_builder_finish(builder, 1);
    assert_non_null(inventory);
    leads_learn(leads, inventory);
    return inventory;
}

/* Whom the plug leads to after such a round; negative: the error. */
static int led_aliased(struct leads *leads, const struct line *guests, const char *plug, const char *alias,
                       const char *target)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = poll_aliased(leads, guests, alias, target);
    struct error error = {.code = ERROR_NONE};
    const struct guest *guest = inventory_find(inventory, plug, &error);

    return guest ? guest->vmid : -(int)error.code;
}

static int led(struct leads *leads, const struct line *guests, const char *plug)
{
    return led_aliased(leads, guests, plug, NULL, NULL);
}

static struct leads *begin(void)
{
    struct error error = {0};
    struct leads *leads = leads_new(directory, &error);

    assert_non_null(leads);
    return leads;
}

static const struct line usual[] = {{102, "Node2"}, {103, "node3.example.com"}, {0, NULL}};
static const struct line taken[] = {{102, "web7"}, {103, "node2"}, {0, NULL}};
static const struct line left[] = {{103, "node2"}, {0, NULL}};

static void test_a_rename_is_noticed_while_the_broker_runs(void **state)
{
    struct leads *leads = begin();

    (void)state;
    assert_int_equal(led(leads, usual, "node2"), 102);
    for (int round = 0; round < 3; round++)
        assert_int_equal(led(leads, taken, "node2"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, taken, "web7"), 102);
    assert_int_equal(led(leads, usual, "node2"), 102); /* renamed back */
    leads_free(leads, WAIT_MS);
}

/* A broker that is started while the host of all guests is dead: whom the plug leads to. */
static int led_when_dead(const struct line *guests, const char *plug)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    struct leads *leads = begin();
    struct error error = {.code = ERROR_NONE};

    assert_true(inventory_builder_node(builder, "pve1", false));
    for (; guests->vmid; guests++) {
        const struct guest guest = {.vmid = guests->vmid, .node = (char *)"pve1"};

        assert_true(inventory_builder_guest(builder, &guest));
    }
    assert_true(leads_give(leads, builder));
    _cleanup_(inventory_unrefp) struct inventory *inventory = inventory_builder_finish(builder, 1);
    const struct guest *guest = inventory_find(inventory, plug, &error);
    leads_free(leads, WAIT_MS);
    return guest ? guest->vmid : -(int)error.code;
}

/* Whoever asks for its name of between means somebody else. */
static void test_a_guest_that_was_renamed_back_is_called_so_on_a_dead_host(void **state) /* P2, P10 */
{
    static const struct line first[] = {{102, "web7"}, {103, "db1.lan"}, {0, NULL}};
    static const struct line second[] = {{102, "web8"}, {103, "db2.lan"}, {0, NULL}};

    (void)state;
    for (int daemons = 0; daemons < 2; daemons++) {
        struct leads *leads = begin();
        for (int i = 0; i < 3; i++) {
            assert_int_equal(led(leads, first, "web7"), 102);
            assert_int_equal(led(leads, second, "web8"), 102);
            assert_int_equal(led(leads, first, "db1"), 103);
            assert_int_equal(led(leads, first, "db1"), 103);
        }
        leads_free(leads, WAIT_MS);
        assert_int_equal(led_when_dead(first, "web7"), 102);
        assert_int_equal(led_when_dead(first, "db1.lan"), 103);
        assert_int_equal(led_when_dead(first, "web8"), -ERROR_UNKNOWN_PLUG);
        assert_int_equal(led_when_dead(first, "db2.lan"), -ERROR_UNKNOWN_PLUG);
    }
}

/* The file was begun anew in between: its lines are written once more, in their order. */
static void test_what_stands_in_the_older_file_is_no_later_name(void **state) /* P2, P10 */
{
    static const struct line now[] = {{102, "web8"}, {0, NULL}};

    (void)state;
    put_file(older, "{\"v\":1,\"name\":\"web7\",\"vmid\":102}\n");
    put_file(file, "{\"v\":1,\"name\":\"web8\",\"vmid\":102}\n");
    struct leads *leads = begin();
    assert_int_equal(led(leads, now, "web8"), 102);
    leads_free(leads, WAIT_MS);
    unlink(older);
    assert_int_equal(led_when_dead(now, "web8"), 102);
    assert_int_equal(led_when_dead(now, "web7"), -ERROR_UNKNOWN_PLUG);
}

static void test_the_next_daemon_knows_where_names_led(void **state)
{
    struct leads *leads = begin();

    (void)state;
    assert_int_equal(led(leads, usual, "node2"), 102);
    leads_free(leads, WAIT_MS);
    assert_int_equal(lines(file), 3); /* node3.example.com is node3, too */

    leads = begin();
    assert_int_equal(led(leads, taken, "NODE2"), -ERROR_NAME_MOVED);
    leads_free(leads, WAIT_MS);
    assert_int_equal(lines(file), 4); /* web7; and node2 as it was */

    leads = begin();
    for (int round = 0; round < 3; round++)
        assert_int_equal(led(leads, usual, "node2"), 102);
    leads_free(leads, WAIT_MS);
    assert_int_equal(lines(file), 5); /* renamed back */
}

static void test_a_short_name_led_somewhere_too(void **state)
{
    static const struct line short_taken[] = {{102, "node3"}, {103, "node3.example.com"}, {0, NULL}};
    struct leads *leads = begin();

    (void)state;
    assert_int_equal(led(leads, usual, "node3"), 103);
    assert_int_equal(led(leads, short_taken, "node3"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, short_taken, "node3.example.com"), 103);
    leads_free(leads, WAIT_MS);
}

static void test_a_reader_writes_nothing(void **state)
{
    struct error error = {0};
    struct leads *leads = leads_new_reading(directory, &error);

    (void)state;
    assert_non_null(leads);
    assert_int_equal(led(leads, usual, "node2"), 102);
    leads_free(leads, 0);
    assert_int_equal(lines(file), 0);
}

static void test_a_guest_that_leaves_the_pool_sets_its_name_free(void **state)
{
    struct leads *leads = begin();

    (void)state;
    assert_int_equal(led(leads, usual, "node2"), 102);
    assert_int_equal(led(leads, taken, "node2"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, left, "node2"), 103);
    assert_int_equal(led(leads, taken, "node2"), 103); /* it is 103's now */
    leads_free(leads, WAIT_MS);
    leads = begin();
    assert_int_equal(led(leads, taken, "node2"), 103);
    leads_free(leads, WAIT_MS);
}

static void test_a_line_of_nodes_for_a_guest_of_that_name_is_the_administrators_word(void **state)
{
    struct leads *leads = begin();

    (void)state;
    assert_int_equal(led(leads, usual, "node2"), 102);
    assert_int_equal(led_aliased(leads, taken, "node2", "node2", "102"), 102);
    assert_int_equal(led(leads, taken, "node2"), -ERROR_NAME_MOVED); /* without the line it is as before */
    assert_int_equal(led_aliased(leads, taken, "node2", "node2", "103"), 103);
    assert_int_equal(led(leads, taken, "node2"), 103);
    leads_free(leads, WAIT_MS);
}

static void test_a_name_that_several_have_is_learnt_of_none(void **state)
{
    static const struct line twins[] = {{102, "twin"}, {103, "twin"}, {0, NULL}};
    static const struct line one[] = {{102, "web7"}, {103, "twin"}, {0, NULL}};
    struct leads *leads = begin();

    (void)state;
    assert_int_equal(led(leads, twins, "twin"), -ERROR_AMBIGUOUS_NAME);
    assert_int_equal(led(leads, one, "twin"), 103);
    leads_free(leads, WAIT_MS);
}

static void test_lines_that_are_no_leads_are_skipped(void **state)
{
    (void)state;
    put_file(file,
             "{\"v\":1,\"name\":\"torn\n\n[]\n{\"name\":7,\"vmid\":102}\n{\"name\":\"\",\"vmid\":102}\n"
             "{\"v\":9,\"name\":\"node2\",\"vmid\":999}\n"
             "{\"v\":2,\"name\":\"NODE2\",\"vmid\":102,\"later\":[1]}\n{\"name\":\"node2\",\"vmid\":\"x\"}\n"
             "{\"v\":1,\"name\":\"web7\",\"vm");
    put_file(older, "{\"name\":\"node2\",\"vmid\":103}\n{\"name\":\"old\",\"vmid\":102}\n");
    static const struct line guests[] = {{102, "web7"}, {103, "old"}, {104, "node2"}, {0, NULL}};
    struct leads *leads = begin();
    assert_int_equal(led(leads, guests, "node2"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, guests, "old"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, guests, "web7"), 102);
    leads_free(leads, WAIT_MS);
    unlink(older);
    leads =
        begin(); /* what only the older file said has been written again, and the half line spoilt nothing */
    assert_int_equal(led(leads, guests, "old"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, guests, "web7"), 102);
    leads_free(leads, WAIT_MS);
}

static void test_what_is_no_file_is_begun_anew_and_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(file, 0600), 0);
    struct leads *leads = begin();
    assert_int_equal(led(leads, usual, "node2"), 102);
    assert_int_equal(led(leads, taken, "node2"), -ERROR_NAME_MOVED); /* here and now */
    leads_free(leads, WAIT_MS);
}

static void test_the_memory_is_bounded_and_keeps_those_of_the_pool(void **state)
{
    enum { MANY = LEADS_MAX + 10 };
    static struct line guests[MANY + 1];
    static char names[MANY][16];
    struct leads *leads = begin();

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d", i);
        guests[i] = (struct line){1000 + i, names[i]};
    }
    guests[MANY] = (struct line){0, NULL};
    assert_int_equal(led(leads, guests, "n4105"), 1000 + 4105);
    guests[0].name = "x";
    guests[MANY - 1].name = "n0"; /* known: refused */
    guests[MANY - 2].name = "y";
    guests[1].name = "n4104"; /* beyond the limit: a rename counts at once */
    assert_int_equal(led(leads, guests, "n0"), -ERROR_NAME_MOVED);
    assert_int_equal(led(leads, guests, "n4104"), 1001);
    assert_int_equal(led(leads, usual, "node2"), 102); /* the others have left: there is room again */
    assert_int_equal(led(leads, taken, "node2"), -ERROR_NAME_MOVED);
    leads_free(leads, WAIT_MS);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_rename_is_noticed_while_the_broker_runs),
        TEST(test_a_guest_that_was_renamed_back_is_called_so_on_a_dead_host),
        TEST(test_what_stands_in_the_older_file_is_no_later_name),
        TEST(test_the_next_daemon_knows_where_names_led),
        TEST(test_a_short_name_led_somewhere_too),
        TEST(test_a_reader_writes_nothing),
        TEST(test_a_guest_that_leaves_the_pool_sets_its_name_free),
        TEST(test_a_line_of_nodes_for_a_guest_of_that_name_is_the_administrators_word),
        TEST(test_a_name_that_several_have_is_learnt_of_none),
        TEST(test_lines_that_are_no_leads_are_skipped),
        TEST(test_what_is_no_file_is_begun_anew_and_not_waited_for),
        TEST(test_the_memory_is_bounded_and_keeps_those_of_the_pool),
    };

    log_set_level(LOG_CRIT); /* what cannot be read */
    return cmocka_run_group_tests_name("leads", tests, NULL, NULL);
}
