/* What one daemon leaves to the next: records on their way to the disk, and calls that are open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "doubt.h"
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

/* A recorder whose daemon was killed, and that is not done yet: holds the directory's lock until it is. */
static pid_t late_recorder(const struct fixture *fixture, int64_t late_ms, const char *line)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int directory = open(fixture->directory, O_RDONLY | O_DIRECTORY);
        if (directory < 0 || flock(directory, LOCK_SH) != 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        usleep((useconds_t)late_ms * 1000);
        int file = open(fixture->file, O_WRONLY | O_APPEND | O_CREAT, 0640);
        _exit(write(file, line, strlen(line)) != (ssize_t)strlen(line));
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void test_what_the_killed_daemons_recorder_still_writes_is_waited_for(void **state)
{
    const struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *operation = begin(history, FENCE_OFF, "n1", NULL);
    char *bytes;
    size_t length;

    history_write_intent(history, operation, NULL, NULL);
    history_free(history, WAIT_MS);
    bytes = get_file(fixture->file, &length);
    unlink(fixture->file);

    pid_t child = late_recorder(fixture, 300, bytes);
    history = open_history(fixture);
    assert_int_equal(history_count(history), 1);
    assert_int_equal(history_get(history, 0)->outcome, OPERATION_INTERRUPTED);
    history_free(history, WAIT_MS);
    assert_int_equal(waitpid(child, NULL, 0), child);
    free(bytes);
}

static void test_a_recorder_that_is_stuck_holds_up_a_start_for_a_bounded_time(void **state)
{
    const struct fixture *fixture = *state;
    pid_t child = late_recorder(fixture, 60000, "");

    history_free(open_history(fixture), WAIT_MS); /* before the other's end, which would fail the kill */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_open_calls_are_taken_up_until_they_are_too_old(void **state)
{
    const struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *operation = begin(history, FENCE_OFF, "n1", NULL);
    int64_t now_ms = clock_now_ms();
    struct unsettled left = {.vmid = 101, .until_ms = now_ms + 60000, .calls.since_realtime_ms = 4711};
    struct unsettled *found;

    calls_add(&left.calls, STEP_SEND_STOP, "pve1", now_ms - 300)->effect_ms = now_ms - 500; /* being sent */
    struct call *start = calls_add(&left.calls, STEP_SEND_START, "pve1", now_ms - 100);
    start->state = CALL_TASK;
    snprintf(start->upid, sizeof(start->upid), "UPID:pve1:1:2:3:qmstart:101:u@pve:");
    struct call *reset = calls_add(&left.calls, STEP_SEND_RESET, "pve1", now_ms - 62000);
    reset->state = CALL_OPEN;
    reset->settled_ms = now_ms - 61000;
    history_write_intent(history, operation, NULL, NULL);
    history_write_open(history, operation, &left);
    history_free(history, WAIT_MS);

    history = open_history(fixture);
    found = history_take_unsettled(history);
    assert_non_null(found);
    assert_int_equal(found->vmid, 101);
    assert_int_equal(found->calls.since_realtime_ms, 4711);
    assert_int_equal(found->calls.count, 2);
    assert_int_equal(found->calls.list[0].power, STEP_SEND_STOP);
    assert_int_equal(found->calls.list[0].state, CALL_OPEN); /* whoever was sending it is gone */
    assert_in_range(found->calls.list[0].sent_ms, now_ms - 400, now_ms - 200);
    assert_string_equal(found->calls.list[0].node, "pve1");
    assert_int_equal(found->calls.list[1].state, CALL_TASK);
    assert_string_equal(found->calls.list[1].upid, start->upid);
    assert_in_range(unsettled_killing_since(found), now_ms - 600, now_ms - 400);
    unsettled_free(&found);
    assert_null(history_take_unsettled(history)); /* they are the caller's */
    operation = (struct operation *)(uintptr_t)history_get(history, 0);
    left = (struct unsettled){.vmid = 101, .until_ms = 1};
    *calls_add(&left.calls, STEP_SEND_RESET, "pve1", 0) =
        (struct call){.power = STEP_SEND_RESET, .state = CALL_OPEN, .sent = 1, .settled_ms = now_ms - 61000};
    history_write_open(history, operation, &left);
    history_free(history, WAIT_MS);

    history = open_history(fixture); /* the last one counts, and it is over */
    assert_null(history_take_unsettled(history));
    history_free(history, WAIT_MS);
}

static void test_what_no_operation_has_changed_counts_as_well(void **state)
{
    const struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *operation = begin(history, FENCE_OFF, "n1", NULL);
    struct unsettled left = {.vmid = 101, .calls = DOUBT(clock_now_ms() - 500, clock_now_ms() - 400)};
    struct unsettled *found;

    history_write_intent(history, operation, NULL, NULL);
    history_write_open(history, operation, &left);
    history_free(history, WAIT_MS);
    history = open_history(fixture);
    found = history_take_unsettled(history);
    assert_non_null(found);
    unsettled_free(&found);
    left.calls.count = 0; /* a check has found the guest started anew */
    history_write_open(history, NULL, &left);
    history_free(history, WAIT_MS);
    history = open_history(fixture);
    assert_null(history_take_unsettled(history));
    assert_int_equal(history_unreadable(history), 0);
    history_free(history, WAIT_MS);
}

static void test_the_last_of_both_files_counts(void **state)
{
    const struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *operation = begin(history, FENCE_OFF, "n1", NULL);
    struct unsettled left = {.vmid = 101, .calls = DOUBT(clock_now_ms() - 500, clock_now_ms() - 400)};
    int64_t written_ms = clock_realtime_ms();

    history_write_open(history, operation, &left);
    while (clock_realtime_ms() == written_ms)
        ;
    operation->privileged =
        false; /* a member's operation has ended the doubt, in the file that is read first */
    history_write_open(history, operation, NULL);
    history_free(history, WAIT_MS);
    history = open_history(fixture);
    assert_null(history_take_unsettled(history));
    history_free(history, WAIT_MS);
}

static void test_the_last_of_one_file_counts_whatever_the_clock_said(void **state)
{
    static const char closed[] = "{\"v\":1,\"kind\":\"open\",\"ms\":1000,\"vmid\":101}\n";
    const struct fixture *fixture = *state;
    struct history *history = open_history(fixture);
    struct operation *operation = begin(history, FENCE_OFF, "n1", NULL);
    struct unsettled left = {.vmid = 101, .calls = DOUBT(clock_now_ms() - 500, clock_now_ms() - 400)};
    FILE *file;

    history_write_open(history, operation, &left);
    history_free(history, WAIT_MS);
    file = fopen(fixture->file, "ae"); /* the clock was set back */
    assert_non_null(file);
    assert_true(fputs(closed, file) >= 0);
    assert_int_equal(fclose(file), 0);
    history = open_history(fixture);
    assert_null(history_take_unsettled(history));
    assert_int_equal(history_unreadable(history), 0);
    history_free(history, WAIT_MS);
}

static void append(const struct fixture *fixture, const char *line)
{
    FILE *file = fopen(fixture->file, "ae");

    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", line) > 0);
    assert_int_equal(fclose(file), 0);
}

/* What a newer version left open cannot be read by an older one: it is taken for the worst (P1). */
static void test_a_newer_versions_doubt_is_assumed_and_its_lines_stay(void **state)
{
    const struct fixture *fixture = *state;
    struct history *history;
    struct unsettled *found;
    char line[200];

    snprintf(line, sizeof(line), "{\"v\":2,\"kind\":\"open\",\"ms\":%lld,\"vmid\":101,\"stops\":{\"a\":1}}",
             (long long)clock_realtime_ms() - 20000);
    append(fixture, line);
    append(fixture, "{\"v\":2,\"kind\":\"intent\",\"vmid\":101}");
    append(fixture, "{\"v\":2,\"kind\":\"open\",\"ms\":1000,\"vmid\":102,\"calls\":[],\"since_ms\":5}");
    append(fixture, "{\"v\":1,\"kind\":\"open\",\"ms\":1000,\"vmid\":103,"
                    "\"calls\":[{\"call\":\"stop\",\"state\":\"parked\",\"sent_ms\":1000}]}");
    for (unsigned restart = 0; restart < 2; restart++) {
        history = open_history(fixture);
        assert_int_equal(history_unreadable(history), 3);
        found = history_take_unsettled(history);
        assert_int_not_equal(unsettled_killing_since(unsettled_find(&found, 101)), 0);
        assert_true(proof_may_have_killed(unsettled_killing_since(unsettled_find(&found, 101)),
                                          clock_now_ms(), 60000));
        assert_int_not_equal(unsettled_killing_since(unsettled_find(&found, 103)),
                             0);                  /* a word of a later one */
        assert_null(unsettled_find(&found, 102)); /* nothing is open */
        unsettled_free(&found);
        history_free(history, WAIT_MS);
    }
    append(fixture,
           "{\"v\":1,\"kind\":\"open\",\"ms\":2000,\"vmid\":101}"); /* of the two the later line counts */
    history = open_history(fixture);
    found = history_take_unsettled(history);
    assert_null(unsettled_find(&found, 101));
    unsettled_free(&found);
    history_free(history, WAIT_MS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_the_killed_daemons_recorder_still_writes_is_waited_for),
        TEST(test_a_recorder_that_is_stuck_holds_up_a_start_for_a_bounded_time),
        TEST(test_open_calls_are_taken_up_until_they_are_too_old),
        TEST(test_what_no_operation_has_changed_counts_as_well),
        TEST(test_the_last_of_both_files_counts),
        TEST(test_the_last_of_one_file_counts_whatever_the_clock_said),
        TEST(test_a_newer_versions_doubt_is_assumed_and_its_lines_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
