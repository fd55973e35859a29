/* Lines of the history file: what is no record is skipped and counted, the rest makes operations in any
 * order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/history.h"
#include "fence/record.h"
#include "system/cleanup.h"
#include "system/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000 /* for the recorder's end: it comes at once unless something is broken */

struct fixture {
    char directory[64], file[96], older[96];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    log_set_level(LOG_CRIT);
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/test-record-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->file, sizeof(fixture->file), "%s/history.jsonl", fixture->directory);
    snprintf(fixture->older, sizeof(fixture->older), "%s/history.jsonl.1", fixture->directory);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->file);
    unlink(fixture->older);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static struct history *open_history(const struct fixture *fixture)
{
    struct error error = {.code = ERROR_NONE};
    struct history *history = history_new(fixture->directory, &error);

    assert_non_null(history);
    assert_int_equal(error.code, ERROR_NONE);
    return history;
}

static void put_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* ---- lines of all kinds ---- */

#define VERSION(number, kind) "{\"v\":" number ",\"kind\":\"" kind "\""
#define ASKED                 ",\"requested_ms\":1000,\"action\":\"off\",\"plug\":\"n1\",\"vmid\":101"
#define HEAD(kind, id)        VERSION("1", kind) ",\"id\":\"" id "\"" ASKED
#define OUTCOME(id, word, ms) HEAD("outcome", id) ",\"outcome\":\"" word "\",\"ended_offset_ms\":" ms "}"
#define QUEUED(id)            HEAD("transition", id) ",\"ms\":1000,\"offset_ms\":0,\"text\":\"queued\"}"

static struct history *open_with(const struct fixture *fixture, const char *const *lines, size_t count)
{
    FILE *file = fopen(fixture->file, "we");

    assert_non_null(file);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s\n", lines[i]);
    fclose(file);
    return open_history(fixture);
}

static void test_strange_lines_are_skipped_and_counted(void **state)
{
    static const char *const lines[] = {
        "not json",
        "[]",
        "null",
        "{}",
        VERSION("2", "intent") ",\"id\":\"a1\"" ASKED "}",
        VERSION("1", "intent") ",\"id\":\"a5\"}",
        HEAD("promotion", "a2") "}",
        HEAD("intent", "A3") "}",
        HEAD("intent", "0") "}",
        HEAD("intent", "00a4") "}",
        HEAD("intent", "zzzzzzzzzzzzzzz") "}",
        HEAD("intent", "") "}",
        HEAD("intent", "a6") "} trailing",
        /* and what is none of these */
        "",
        VERSION("1", "start") "}",
        HEAD("intent", "good") "}",
    };
    struct history *history = open_with(*state, lines, ARRAY_LEN(lines));

    assert_int_equal(history_unreadable(history), ARRAY_LEN(lines) - 3);
    assert_int_equal(history_count(history), 1);
    assert_non_null(history_find(history, "good"));
    history_free(history, WAIT_MS);
}

static void test_details_of_the_wrong_type_cost_only_themselves(void **state)
{
    static const char *const lines[] = {
        VERSION("1",
                "outcome") ",\"id\":\"a1\",\"requested_ms\":1000,\"action\":7,\"plug\":[],\"vmid\":\"x\","
                           "\"uid\":-5,\"gid\":99999999999,\"request_ids\":[1,null,\"r1\",{}],"
                           "\"outcome\":\"failed\",\"ended_offset_ms\":-3,\"error\":\"text\","
                           "\"power_on\":\"maybe\",\"node\":{}}",
    };
    struct history *history = open_with(*state, lines, ARRAY_LEN(lines));
    const struct operation *read = history_find_request(history, "r1");

    assert_int_equal(history_unreadable(history), 0);
    assert_non_null(read);
    assert_int_equal(read->outcome, OPERATION_FAILED);
    assert_int_equal(read->request_id_count, 1);
    assert_string_equal(read->plug, "");
    assert_null(read->node);
    assert_int_equal(read->power_on, POWER_ON_NONE);
    assert_int_equal(read->ended_ms, read->requested_ms);
    history_free(history, WAIT_MS);
}

static void test_lines_in_any_order_make_one_operation(void **state)
{
    static const char *const lines[] = {
        QUEUED("a1"),
        HEAD("verified", "a1") ",\"verified_offset_ms\":30}",
        OUTCOME("a1", "done", "31"),
        QUEUED("a1"),
        OUTCOME("a1", "done", "31"),
        HEAD("intent", "a1") ",\"node\":\"pve7\"}",
    };
    struct history *history = open_with(*state, lines, ARRAY_LEN(lines));
    const struct operation *read = history_find(history, "a1");

    assert_int_equal(history_count(history), 1);
    assert_int_equal(read->outcome, OPERATION_DONE);
    assert_int_equal(read->transition_count, 1);
    assert_int_equal(read->verified_ms - read->requested_ms, 30);
    assert_string_equal(read->node, "pve7");
    history_free(history, WAIT_MS);
}

static void test_a_true_outcome_beats_interrupted_in_either_order(void **state)
{
    static const char *const lines[] = {
        OUTCOME("a1", "interrupted", "1"),
        OUTCOME("a1", "done", "31"),
        OUTCOME("a2", "failed", "31"),
        OUTCOME("a2", "interrupted", "1"),
    };
    struct history *history = open_with(*state, lines, ARRAY_LEN(lines));
    const struct operation *second = history_find(history, "a2");

    assert_int_equal(history_find(history, "a1")->outcome, OPERATION_DONE);
    assert_int_equal(second->outcome, OPERATION_FAILED);
    assert_int_equal(second->ended_ms - second->requested_ms, 31);
    history_free(history, WAIT_MS);
}

static void test_an_endless_line_and_a_run_of_nuls_are_one_bad_line_each(void **state)
{
    struct fixture *fixture = *state;
    static const char good[] = "\n" HEAD("intent", "good") "}\n";
    size_t length = 3 * RECORDER_RECORD_MAX;
    _cleanup_(freep) char *bytes = malloc(length + 5000 + 2 * sizeof(good));
    struct history *history;

    memset(bytes, 'x', length);
    memcpy(bytes + length, good, sizeof(good) - 1);
    length += sizeof(good) - 1;
    memset(bytes + length, '\0', 5000);
    length += 5000;
    put_file(fixture->file, bytes, length);
    history = open_history(fixture);
    assert_int_equal(history_unreadable(history), 2);
    assert_non_null(history_find(history, "good"));
    history_free(history, WAIT_MS);
}

static void test_ids_are_base_36_and_strict(void **state)
{
    char id[OPERATION_ID_LEN];
    uint64_t number;

    (void)state;
    for (uint64_t i = 1; i <= RECORD_NUMBER_MAX; i = i * 7 + 3) {
        record_id(i, id);
        assert_true(record_number(id, &number));
        assert_int_equal(number, i);
    }
    record_id(RECORD_NUMBER_MAX, id);
    assert_string_equal(id, "zzzzzzzzzz");
    assert_false(record_number("10000000000", &number));
    assert_false(record_number("a-", &number));
    record_id(UINT64_MAX, id);
    assert_string_equal(id, "3w5e11264sgsf");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_strange_lines_are_skipped_and_counted),
        TEST(test_details_of_the_wrong_type_cost_only_themselves),
        TEST(test_lines_in_any_order_make_one_operation),
        TEST(test_a_true_outcome_beats_interrupted_in_either_order),
        TEST(test_an_endless_line_and_a_run_of_nuls_are_one_bad_line_each),
        TEST(test_ids_are_base_36_and_strict),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
