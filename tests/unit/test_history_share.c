/*
 * What root asked for and what others did, in one history: no flood of these pushes it out, in memory or on
 * disk, and no operation is without end (P7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/history.h"
#include "fence/record.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000 /* for the recorder's end: it comes at once unless something is broken */

#include "history_fixture.h"

#define FLOOD 3000

static void member_asks(struct history *history)
{
    struct operation *operation = begin(history, FENCE_REBOOT, "node2", "m");

    operation->privileged = false;
    operation->peer.uid = 3001;
    history_write_intent(history, operation, NULL, NULL);
    note(history, operation, 5, "stop sent to pve1");
    verify(history, operation, 8);
    end(history, operation, OPERATION_DONE, 10);
}

static size_t count_privileged(const struct history *history)
{
    size_t count = 0;

    for (size_t i = 0; i < history_count(history); i++)
        count += history_get(history, i)->privileged;
    return count;
}

static void root_asks(struct history *history, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct operation *operation = begin(history, FENCE_OFF, "node1", "r");

        history_write_intent(history, operation, NULL, NULL);
        note(history, operation, 5, "stop sent to pve1");
        end(history, operation, OPERATION_DONE, 10);
    }
}

static void test_a_flood_by_others_leaves_roots_operations(void **state)
{
    struct history *history = open_history(*state);

    root_asks(history, 100);
    for (unsigned i = 0; i < FLOOD; i++)
        member_asks(history);
    assert_int_equal(count_privileged(history), 100);
    assert_true(history_count(history) <= HISTORY_KEPT + 1);
    root_asks(history, HISTORY_KEPT);
    assert_true(count_privileged(history) >= HISTORY_KEPT - HISTORY_OTHERS_KEPT);
    history_free(history, WAIT_MS);
}

static void test_a_flood_by_others_leaves_roots_operations_on_disk(void **state)
{
    enum { BYTES = 64 * 1024 };
    const struct fixture *fixture = *state;
    struct error error;
    struct history *history = history_new_sized(fixture->directory, BYTES, &error);
    struct stat others;

    root_asks(history, 20);
    for (unsigned i = 0; i < FLOOD; i++) {
        member_asks(history);
        if (i % 100 == 99) { /* what is handed over at once is bounded */
            history_free(history, WAIT_MS);
            history = history_new_sized(fixture->directory, BYTES, &error);
            assert_int_equal(count_privileged(history), 20);
        }
    }
    assert_int_equal(history_unreadable(history), 0);
    assert_int_equal(stat(fixture->older_others, &others), 0); /* it was renamed, again and again */
    assert_true(others.st_size <= BYTES);
    history_free(history, WAIT_MS);
}

/* Into files as long as one daemon's, in a few runs: what is handed over at once is bounded. */
static void write_many(const struct fixture *fixture, unsigned count, void (*ask)(struct history *history))
{
    for (unsigned i = 0; i < count;) {
        struct history *history = open_history(fixture);

        for (unsigned n = 0; n < 100 && i < count; n++, i++)
            ask(history);
        history_free(history, WAIT_MS);
    }
}

static void root_asks_once(struct history *history)
{
    root_asks(history, 1);
}

static void test_roots_operations_from_before_a_flood_are_there_after_a_restart(void **state)
{
    write_many(*state, 50, root_asks_once);
    write_many(*state, 2 * HISTORY_KEPT + 100, member_asks);

    struct history *history = open_history(*state);
    assert_int_equal(history_unreadable(history), 0);
    assert_int_equal(count_privileged(history), 50);
    assert_int_equal(history_count(history), HISTORY_KEPT);
    history_free(history, WAIT_MS);
}

static void test_the_newest_of_others_are_there_after_a_restart(void **state)
{
    write_many(*state, 2 * HISTORY_KEPT + 100, root_asks_once);
    write_many(*state, 10, member_asks);

    struct history *history = open_history(*state);
    assert_int_equal(history_count(history), HISTORY_KEPT);
    assert_int_equal(count_privileged(history), HISTORY_KEPT - 10);
    history_free(history, WAIT_MS);
}

static void
test_what_stands_in_the_place_of_the_others_file_keeps_nothing_of_roots_from_the_disk(void **state)
{
    const struct fixture *fixture = *state;
    struct history *history;

    assert_int_equal(mkdir(fixture->others, 0700), 0);
    write_many(fixture, 3, root_asks_once);
    history = open_history(fixture);
    assert_int_equal(count_privileged(history), 3);
    for (size_t i = 0; i < history_count(history); i++)
        assert_int_equal(history_get(history, i)->outcome, OPERATION_DONE);
    history_free(history, WAIT_MS);
    assert_int_equal(rmdir(fixture->others), 0);
}

static void test_what_root_joins_is_kept_as_roots(void **state)
{
    struct history *history = open_history(*state);
    struct operation *operation = begin(history, FENCE_OFF, "node1", "m");
    const struct operation *read;

    operation->privileged = false;
    history_write_intent(history, operation, NULL, NULL);
    note(history, operation, 5, "asked for by a member");
    operation->privileged = true;
    note(history, operation, 6, "joined by root");
    end(history, operation, OPERATION_DONE, 10);
    history_free(history, WAIT_MS);
    history = open_history(*state);
    assert_int_equal(history_count(history), 1);
    read = history_get(history, 0);
    assert_true(read->privileged);
    assert_int_equal(read->transition_count, 2);
    assert_string_equal(read->transitions[0].text, "asked for by a member");
    assert_string_equal(read->transitions[1].text, "joined by root");
    history_free(history, WAIT_MS);
}

static void test_the_time_line_of_an_operation_is_bounded_on_disk(void **state)
{
    struct history *history = open_history(*state);
    struct operation *operation = begin(history, FENCE_OFF, "node1", NULL);
    const struct operation *read;
    char text[32];

    for (int i = 0; i < 5 * OPERATION_TRANSITIONS_MAX; i++) {
        snprintf(text, sizeof(text), "note %d", i);
        note(history, operation, i, text);
    }
    end(history, operation, OPERATION_FAILED, 10);
    history_free(history, WAIT_MS);
    size_t length;
    char *lines = get_file(((const struct fixture *)*state)->file, &length);
    assert_int_equal(occurrences(lines, "\"transition\""), OPERATION_TRANSITIONS_MAX + 1);
    free(lines);
    history = open_history(*state);
    read = history_get(history, 0);
    assert_int_equal(read->transition_count, OPERATION_TRANSITIONS_MAX);
    assert_string_equal(read->transitions[OPERATION_TRANSITIONS_MAX - 1].text, text);
    history_free(history, WAIT_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_flood_by_others_leaves_roots_operations),
        TEST(test_a_flood_by_others_leaves_roots_operations_on_disk),
        TEST(test_roots_operations_from_before_a_flood_are_there_after_a_restart),
        TEST(test_the_newest_of_others_are_there_after_a_restart),
        TEST(test_what_stands_in_the_place_of_the_others_file_keeps_nothing_of_roots_from_the_disk),
        TEST(test_what_root_joins_is_kept_as_roots),
        TEST(test_the_time_line_of_an_operation_is_bounded_on_disk),
    };

    return cmocka_run_group_tests_name("history_share", tests, NULL, NULL);
}
