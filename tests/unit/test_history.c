/* What was asked, done and seen: survives kill -9 at any byte, garbage, a full disk and its own length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/history.h"
#include "fence/record.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000 /* for the recorder's end: it comes at once unless something is broken */

#include "history_fixture.h"

/* ---- what was written is read back ---- */

static void test_a_finished_operation_is_read_back_as_it_was(void **state)
{
    struct history *history = open_history(*state);
    struct operation *operation = begin(history, FENCE_REBOOT, "node \"1\" \\ ä", "request-1");
    int64_t requested = operation->requested_realtime_ms;
    const struct operation *read;
    char id[OPERATION_ID_LEN];

    memcpy(id, operation->id, sizeof(id));
    operation->method = FENCE_CYCLE;
    note(history, operation, 0, "queued");
    assert_true(history_write_intent(history, operation, NULL, NULL) > 0);
    note(history, operation, 120, "stop sent to pve1");
    operation_add_request_id(operation, "request-2");
    history_write_join(history, operation, "request-2");
    verify(history, operation, 900);
    operation->power_on = POWER_ON_FAILED;
    error_set(&operation->power_on_error, ERROR_START_FAILED, "VM 101: no space left");
    error_hint(&operation->power_on_error, "make room");
    end(history, operation, OPERATION_DONE, 61000);
    history_free(history, WAIT_MS);

    history = open_history(*state);
    assert_int_equal(history_unreadable(history), 0);
    assert_int_equal(history_count(history), 1);
    read = history_get(history, 0);
    assert_ptr_equal(read, history_find(history, id));
    assert_ptr_equal(read, history_find_request(history, "request-2"));
    assert_ptr_equal(read, history_last_fence(history));
    assert_string_equal(read->id, id);
    assert_string_equal(read->plug, "node \"1\" \\ ä");
    assert_int_equal(read->action, FENCE_REBOOT);
    assert_int_equal(read->method, FENCE_CYCLE);
    assert_int_equal(read->type, PVE_LXC);
    assert_int_equal(read->vmid, 101);
    assert_string_equal(read->guest, "web1.example.com");
    assert_string_equal(read->node, "pve1");
    assert_int_equal(read->peer.uid, 189);
    assert_int_equal(read->peer.gid, 4294967294U);
    assert_int_equal(read->peer.pid, 4711);
    assert_int_equal(read->requested_realtime_ms, requested);
    assert_int_equal(read->verified_ms - read->requested_ms, 900);
    assert_int_equal(read->ended_ms - read->requested_ms, 61000);
    assert_int_equal(read->state, OPERATION_ENDED);
    assert_int_equal(read->outcome, OPERATION_DONE);
    assert_int_equal(read->error.code, ERROR_NONE);
    assert_int_equal(read->power_on, POWER_ON_FAILED);
    assert_int_equal(read->power_on_error.code, ERROR_START_FAILED);
    assert_string_equal(read->power_on_error.hint, "make room");
    assert_int_equal(read->transition_count, 2);
    assert_string_equal(read->transitions[1].text, "stop sent to pve1");
    assert_int_equal(read->transitions[1].offset_ms, 120);
    assert_null(history_find_request(history, "request-3"));
    assert_null(history_find(history, "zzz"));
    assert_null(history_find(history, ""));
    assert_null(history_find(history, "../../etc/passwd"));
    assert_null(history_get(history, 1));
    history_free(history, WAIT_MS);
}

static void test_newest_comes_first_and_ids_only_grow(void **state)
{
    struct history *history = open_history(*state);
    struct operation *first = begin(history, FENCE_OFF, "a", NULL),
                     *second = begin(history, FENCE_OFF, "b", NULL);
    struct operation *back = operation_new();
    char last[OPERATION_ID_LEN];

    back->plug = strdup("clock was set back");
    back->requested_realtime_ms = 1000;
    history_add(history, back);
    assert_ptr_equal(history_get(history, 0), back);
    assert_ptr_equal(history_get(history, 1), second);
    assert_ptr_equal(history_get(history, 2), first);
    assert_string_not_equal(first->id, second->id);
    assert_int_equal(back->requested_realtime_ms, 1000);
    end(history, back, OPERATION_DONE, 1);
    memcpy(last, back->id, sizeof(last));
    history_free(history, WAIT_MS);

    history = open_history(*state);
    back = begin(history, FENCE_OFF, "later", NULL);
    assert_true(strlen(back->id) > strlen(last) || strcmp(back->id, last) > 0);
    end(history, back, OPERATION_DONE, 1);
    history_free(history, WAIT_MS);
}

static void test_what_is_not_utf8_does_not_spoil_the_record(void **state)
{
    struct history *history = open_history(*state);
    struct operation *operation = begin(history, FENCE_OFF,
                                        "n\xff\xfe"
                                        "1",
                                        NULL);

    end(history, operation, OPERATION_FAILED, 5);
    history_free(history, WAIT_MS);
    history = open_history(*state);
    assert_int_equal(history_unreadable(history), 0);
    assert_string_equal(history_get(history, 0)->plug, "n??1");
    history_free(history, WAIT_MS);
}

/* ---- the engine's wait for "on disk" ---- */

struct written {
    struct event_base *base;
    const char *file, *id;
    int calls, result;
    bool seen;
};

static void on_written(void *context, uint64_t id, int result)
{
    struct written *written = context;

    assert_true(id > 0);
    written->calls++;
    written->result = result;
    if (result == 0) {
        _cleanup_(freep) char *bytes = NULL;
        size_t length;

        bytes = get_file(written->file, &length);
        written->seen = strstr(bytes, written->id) != NULL;
    }
    event_base_loopbreak(written->base);
}

static void test_an_intent_is_told_to_be_on_disk_when_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct event_base *base = event_base_new();
    struct operation *operation = begin(history, FENCE_OFF, "node1", NULL);
    struct written written = {.base = base, .file = fixture->file, .id = operation->id};

    assert_int_equal(history_attach(history, base), 0);
    assert_true(history_write_intent(history, operation, on_written, &written) > 0);
    assert_int_equal(written.calls, 0);
    event_base_dispatch(base);
    assert_int_equal(written.calls, 1);
    assert_int_equal(written.result, 0);
    assert_true(written.seen);
    assert_int_equal(history_write_error(history), 0);
    assert_int_equal(history_lost(history), 0);
    history_free(history, WAIT_MS);
    event_base_free(base);
}

static void test_without_a_directory_it_works_in_memory_and_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct history *history;
    struct event_base *base = event_base_new();
    struct operation *operation;
    struct written written = {.base = base, .file = fixture->file};
    _cleanup_(freep) char *bytes = NULL;
    size_t length;

    rmdir(fixture->directory);
    history = open_history(fixture);
    assert_int_equal(history_write_error(history), -ENOENT);
    assert_int_equal(history_attach(history, base), 0);
    operation = begin(history, FENCE_OFF, "node1", "r1");
    assert_true(history_write_intent(history, operation, on_written, &written) > 0);
    event_base_dispatch(base);
    assert_int_equal(written.result, -ENOENT);
    end(history, operation, OPERATION_DONE, 10);
    assert_ptr_equal(history_find_request(history, "r1"), operation);
    while (history_lost(history) < 3) /* start, intent, outcome */
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(history_write_error(history), -ENOENT);

    /* the directory comes back: the outcome is not given up, and the error ends */
    assert_int_equal(mkdir(fixture->directory, 0700), 0);
    history_retry(history);
    while (history_write_error(history) != 0)
        event_base_loop(base, EVLOOP_ONCE);
    history_free(history, WAIT_MS);
    event_base_free(base);
    bytes = get_file(fixture->file, &length);
    assert_int_equal(occurrences(bytes, "\"outcome\":\"done\""), 1);
}

static void test_places_that_are_no_files_are_refused_and_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct history *history;

    assert_int_equal(mkfifo(fixture->file, 0600), 0);
    assert_int_equal(symlink("/etc/passwd", fixture->older), 0);
    history = open_history(fixture);
    assert_int_equal(history_count(history), 0);
    assert_int_equal(history_unreadable(history), 0);
    history_free(history, WAIT_MS);
    unlink(fixture->file);
    unlink(fixture->older);
}

static void test_a_directory_that_is_a_file_is_an_error_that_can_be_read(void **state)
{
    struct fixture *fixture = *state;
    struct history *history;
    struct error error;

    put_file(fixture->file, "", 0);
    history = history_new(fixture->file, &error);
    assert_non_null(history);
    assert_int_equal(history_write_error(history), -ENOTDIR);
    history_free(history, WAIT_MS);
}

/* ---- kill -9 ---- */

static void test_an_operation_without_an_outcome_is_interrupted_and_recorded_so_once(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *operation = begin(history, FENCE_OFF, "node1", "r1");
    const struct operation *read;
    _cleanup_(freep) char *bytes = NULL;
    size_t length;

    history_write_intent(history, operation, NULL, NULL);
    note(history, operation, 40, "stop sent to pve1");
    history_free(history, WAIT_MS);

    for (int start = 0; start < 3; start++) {
        history = open_history(fixture);
        read = history_find_request(history, "r1");
        assert_non_null(read);
        assert_int_equal(read->outcome, OPERATION_INTERRUPTED);
        assert_int_equal(read->state, OPERATION_ENDED);
        assert_int_equal(read->verified_ms, 0);
        assert_int_equal(read->ended_ms - read->requested_ms, 40);
        assert_int_equal(read->error.code, ERROR_INTERRUPTED);
        assert_null(history_last_fence(history));
        history_free(history, WAIT_MS);
    }
    bytes = get_file(fixture->file, &length);
    assert_int_equal(occurrences(bytes, "\"outcome\":\"interrupted\""), 1);
}

static void test_an_off_that_was_proven_stays_proven_when_interrupted(void **state)
{
    struct history *history = open_history(*state);
    struct operation *off = begin(history, FENCE_OFF, "node1", "r-off");
    struct operation *reboot = begin(history, FENCE_REBOOT, "node2", "r-reboot");
    const struct operation *read;

    history_write_intent(history, off, NULL, NULL);
    verify(history, off, 0); /* at once: must not read as "not yet" */
    history_write_intent(history, reboot, NULL, NULL);
    verify(history, reboot, 700);
    history_free(history, WAIT_MS);

    for (int start = 0; start < 2; start++) {
        history = open_history(*state);
        read = history_find_request(history, "r-off");
        assert_int_equal(read->outcome, OPERATION_INTERRUPTED);
        assert_int_not_equal(read->verified_ms, 0);
        assert_int_equal(read->power_on, POWER_ON_NONE);
        read = history_find_request(history, "r-reboot");
        assert_int_equal(read->outcome, OPERATION_INTERRUPTED);
        assert_int_equal(read->verified_ms - read->requested_ms, 700);
        assert_int_equal(read->power_on, POWER_ON_FAILED);
        assert_non_null(strstr(read->power_on_error.hint, "fence_broker on node2"));
        assert_ptr_equal(history_last_fence(history), read);
        history_free(history, WAIT_MS);
    }
}

static void test_a_power_on_that_nobody_follows_up_is_said_to_have_failed_once(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *reboot = begin(history, FENCE_REBOOT, "node2", "r1");
    _cleanup_(freep) char *bytes = NULL;
    size_t length;

    verify(history, reboot, 700);
    reboot->power_on = POWER_ON_PENDING;
    end(history, reboot, OPERATION_INTERRUPTED, 800); /* at shutdown */
    history_free(history, WAIT_MS);
    for (int start = 0; start < 3; start++) {
        history = open_history(fixture);
        assert_int_equal(history_find_request(history, "r1")->power_on, POWER_ON_FAILED);
        history_free(history, WAIT_MS);
    }
    bytes = get_file(fixture->file, &length);
    assert_int_equal(occurrences(bytes, "\"outcome\":\"interrupted\""), 2);
}

static void test_what_was_handed_over_survives_kill_9(void **state)
{
    struct fixture *fixture = *state;
    struct history *history;
    const struct operation *read;
    int status;
    pid_t child;

    /* the recorder's child outlives its daemon and then becomes ours, so that its end can be awaited */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct operation *operation;

        history = open_history(fixture);
        operation = begin(history, FENCE_OFF, "node1", "r1");
        history_write_intent(history, operation, NULL, NULL);
        for (int i = 0; i < 50; i++)
            note(history, operation, i, "working");
        verify(history, operation, 60);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (waitpid(-1, NULL, 0) > 0) /* it, and what former tests may have left */
        ;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);

    history = open_history(fixture);
    assert_int_equal(history_unreadable(history), 0);
    read = history_find_request(history, "r1");
    assert_non_null(read);
    assert_int_equal(read->outcome, OPERATION_INTERRUPTED);
    assert_int_equal(read->transition_count, 50);
    assert_int_equal(read->verified_ms - read->requested_ms, 60);
    history_free(history, WAIT_MS);
}

/* Two operations, one finished and one not, as the file has them. */
static char *two_operations(struct fixture *fixture, size_t *length)
{
    struct history *history = open_history(fixture);
    struct operation *first = begin(history, FENCE_OFF, "node1", "r1");
    struct operation *second = begin(history, FENCE_REBOOT, "node2", "r2");

    history_write_intent(history, first, NULL, NULL);
    verify(history, first, 10);
    end(history, first, OPERATION_DONE, 20);
    note(history, second, 0, "queued");
    history_write_intent(history, second, NULL, NULL);
    history_free(history, WAIT_MS);
    return get_file(fixture->file, length);
}

static void test_a_file_cut_at_any_byte_still_reads(void **state)
{
    struct fixture *fixture = *state;
    size_t length;
    _cleanup_(freep) char *bytes = two_operations(fixture, &length);

    for (size_t cut = 0; cut <= length; cut++) {
        struct history *history;
        bool torn = cut > 0 && bytes[cut - 1] != '\n' && bytes[cut] != '\n';
        size_t whole = 0;

        for (size_t i = 0; i < cut; i++)
            whole += bytes[i] == '\n';
        put_file(fixture->file, bytes, cut);
        history = open_history(fixture);
        assert_int_equal(history_unreadable(history), torn ? 1 : 0);
        assert_int_equal(history_write_error(history), 0);
        /* A line that lacks nothing but its newline counts. Start, intent, verified, outcome of the first,
         * then two of the second. */
        whole += cut > 0 && bytes[cut - 1] != '\n' && !torn;
        assert_int_equal(history_count(history), (size_t)(whole >= 2) + (size_t)(whole >= 5));
        for (size_t i = 0; i < history_count(history); i++)
            assert_int_not_equal(history_get(history, i)->outcome, OPERATION_RUNNING);
        history_free(history, WAIT_MS);
    }
}

static void test_bytes_flipped_anywhere_never_end_the_daemon(void **state)
{
    struct fixture *fixture = *state;
    size_t length;
    _cleanup_(freep) char *bytes = two_operations(fixture, &length);
    unsigned seed = 20261122;

    for (int round = 0; round < 300; round++) {
        _cleanup_(freep) char *spoilt = malloc(length);
        struct history *history;

        memcpy(spoilt, bytes, length);
        for (int flips = 0; flips <= round % 8; flips++)
            spoilt[(size_t)rand_r(&seed) % length] = (char)rand_r(&seed);
        put_file(fixture->file, spoilt, length);
        history = open_history(fixture);
        for (size_t i = 0; i < history_count(history); i++) {
            assert_non_null(history_get(history, i)->plug);
            assert_int_equal(history_get(history, i)->state, OPERATION_ENDED);
        }
        history_free(history, WAIT_MS);
    }
}

/* ---- much ---- */

#define VERSION(number, kind) "{\"v\":" number ",\"kind\":\"" kind "\""
#define ASKED                 ",\"requested_ms\":1000,\"action\":\"off\",\"plug\":\"n1\",\"vmid\":101"
#define HEAD(kind, id)        VERSION("1", kind) ",\"id\":\"" id "\"" ASKED
#define OUTCOME(id, word, ms) HEAD("outcome", id) ",\"outcome\":\"" word "\",\"ended_offset_ms\":" ms "}"

static void test_ten_thousand_operations_keep_memory_bounded_and_running_ones_alive(void **state)
{
    struct history *history = open_history(*state);
    struct operation *running = begin(history, FENCE_OFF, "still running", "r-running");

    for (int i = 0; i < 10000; i++)
        end(history, begin(history, FENCE_OFF, "node1", NULL), OPERATION_DONE, 1);
    assert_true(history_count(history) <= HISTORY_KEPT + 2);
    assert_true(history_count(history) >= HISTORY_KEPT);
    assert_ptr_equal(history_find_request(history, "r-running"), running);
    assert_ptr_equal(history_get(history, history_count(history) - 1), running);
    /* one that ends last is not the first to go, however long ago it was asked for */
    end(history, running, OPERATION_DONE, 1);
    for (int i = 0; i < HISTORY_KEPT / 2; i++)
        end(history, begin(history, FENCE_OFF, "node1", NULL), OPERATION_DONE, 1);
    assert_ptr_equal(history_find_request(history, "r-running"), running);
    history_free(history, WAIT_MS);
}

static void test_a_file_of_ten_thousand_operations_gives_the_newest(void **state)
{
    struct fixture *fixture = *state;
    FILE *file = fopen(fixture->file, "we");
    struct history *history;
    char id[OPERATION_ID_LEN];

    for (uint64_t i = 0; i < 10000; i++) {
        record_id(UINT64_C(1700000000000) + i, id);
        fprintf(file, HEAD("intent", "%s") "}\n", id);
        if (i % 100 != 7)
            fprintf(file, OUTCOME("%s", "done", "31") "\n", id);
        if (i > 5000) { /* a stray late line of what was dropped from memory long ago */
            record_id(UINT64_C(1700000000000), id);
            fprintf(file, HEAD("join", "%s") ",\"request_id\":\"late\"}\n", id);
        }
    }
    fclose(file);
    history = open_history(fixture);
    assert_int_equal(history_unreadable(history), 0);
    assert_int_equal(history_count(history), HISTORY_KEPT);
    record_id(UINT64_C(1700000009999), id);
    assert_string_equal(history_get(history, 0)->id, id);
    assert_null(history_find_request(history, "late"));
    history_free(history, WAIT_MS);
}

static void test_rotation_loses_nothing_of_what_both_files_hold(void **state)
{
    enum { BYTES = 16 * 1024 };
    struct fixture *fixture = *state;
    struct error error;
    struct history *history = history_new_sized(fixture->directory, BYTES, &error);
    struct stat newer, older;
    size_t kept;

    for (int i = 0; i < 200; i++) {
        char request_id[32];
        struct operation *operation;

        snprintf(request_id, sizeof(request_id), "r%d", i);
        operation = begin(history, FENCE_OFF, "node1", request_id);
        history_write_intent(history, operation, NULL, NULL);
        end(history, operation, OPERATION_DONE, 10);
    }
    history_free(history, WAIT_MS);
    assert_int_equal(stat(fixture->file, &newer), 0);
    assert_int_equal(stat(fixture->older, &older), 0);
    assert_true(newer.st_size <= BYTES && older.st_size <= BYTES && older.st_size > BYTES / 2);

    history = history_new_sized(fixture->directory, BYTES, &error);
    kept = history_count(history);
    assert_int_equal(history_unreadable(history), 0);
    assert_true(kept > 20 && kept < 200);
    for (size_t i = 0; i < kept; i++) {
        char request_id[32];

        snprintf(request_id, sizeof(request_id), "r%zu", 199 - i);
        assert_true(operation_has_request_id(history_get(history, i), request_id));
        assert_int_equal(history_get(history, i)->outcome, OPERATION_DONE);
    }
    history_free(history, WAIT_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_finished_operation_is_read_back_as_it_was),
        TEST(test_newest_comes_first_and_ids_only_grow),
        TEST(test_what_is_not_utf8_does_not_spoil_the_record),
        TEST(test_an_intent_is_told_to_be_on_disk_when_it_is),
        TEST(test_without_a_directory_it_works_in_memory_and_says_so),
        TEST(test_places_that_are_no_files_are_refused_and_not_waited_for),
        TEST(test_a_directory_that_is_a_file_is_an_error_that_can_be_read),
        TEST(test_an_operation_without_an_outcome_is_interrupted_and_recorded_so_once),
        TEST(test_an_off_that_was_proven_stays_proven_when_interrupted),
        TEST(test_a_power_on_that_nobody_follows_up_is_said_to_have_failed_once),
        TEST(test_what_was_handed_over_survives_kill_9),
        TEST(test_a_file_cut_at_any_byte_still_reads),
        TEST(test_bytes_flipped_anywhere_never_end_the_daemon),
        TEST(test_ten_thousand_operations_keep_memory_bounded_and_running_ones_alive),
        TEST(test_a_file_of_ten_thousand_operations_gives_the_newest),
        TEST(test_rotation_loses_nothing_of_what_both_files_hold),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
