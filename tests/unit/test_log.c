/* system/log: what a line and a journal entry look like, and that nobody who does not read can stop the
 * daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/clock.h"
#include "system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 10000
#define LINES   "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z "

/* stderr is a pipe while a test runs */
static int reader = -1, stderr_before = -1;

static int set_up(void **state)
{
    int ends[2];
    (void)state;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
    log_set_level(LOG_INFO);
    return 0;
}

static void restore_stderr(void)
{
    if (stderr_before < 0)
        return;
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    stderr_before = -1;
}

static int tear_down(void **state)
{
    (void)state;
    log_stop(WAIT_MS);
    restore_stderr();
    close(reader);
    return 0;
}

/* All that was written; ends when nobody holds the other end any more. */
static char *all_lines(void)
{
    static char buffer[1024 * 1024];
    size_t length = 0;
    log_stop(WAIT_MS);
    restore_stderr();
    ssize_t count;
    while ((count = read(reader, buffer + length, sizeof(buffer) - 1 - length)) > 0)
        length += (size_t)count;
    buffer[length] = '\0';
    return buffer;
}

static void expect_lines(const char *pattern)
{
    regex_t regex;
    const char *lines = all_lines();
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool matches = regexec(&regex, lines, 0, NULL, 0) == 0;
    regfree(&regex);
    if (!matches)
        fail_msg("\"%s\" is not %s", lines, pattern);
}

static const struct log_field fields[] = {
    {"FENCE_TARGET", "node1"}, {"LEFT_OUT", NULL}, {"REASON", "two words"},
    {"EVIL", "a\nMESSAGE=b"},  {"EMPTY", ""},      {NULL, NULL}};

static void test_a_line_has_time_priority_message_and_fields(void **state)
{
    (void)state;
    log_say(KIND_REQUEST_DENIED, fields, "guest %d", 101);
    expect_lines("^" LINES "warning guest 101 FENCE_EVENT=request-denied FENCE_TARGET=node1 REASON=\"two "
                 "words\" EVIL=\"a[?]MESSAGE=b\" "
                 "EMPTY=\"\"\n$");
}

static void test_the_child_writes_the_same_line(void **state)
{
    (void)state;
    assert_int_equal(log_start(), 0);
    assert_int_equal(log_start(), -EALREADY);
    log_say(KIND_POWER_ON_FAILED, fields, "guest %d", 101);
    log_info("second");
    expect_lines("^" LINES "error guest 101 FENCE_EVENT=power-on-failed FENCE_TARGET=node1 REASON=\"two "
                 "words\" EVIL=\"a[?]MESSAGE=b\" EMPTY=\"\"\n" LINES "info second\n$");
}

static void test_what_is_less_important_than_the_level_is_dropped(void **state)
{
    (void)state;
    log_debug("dropped");
    log_set_level(LOG_WARNING);
    log_info("dropped");
    log_say(KIND_RULE_ODD, NULL, "kept");
    log_set_level(LOG_DEBUG);
    log_debug("kept too");
    expect_lines("^" LINES "warning kept FENCE_EVENT=rule-odd\n" LINES "debug kept too\n$");
}

static void test_a_message_is_one_line_and_errno_stays(void **state)
{
    (void)state;
    errno = ENOTTY;
    log_info("a\r\nb\x1b[2J \xff");
    assert_int_equal(errno, ENOTTY);
    expect_lines("^" LINES "info a[?][?]b[?]\\[2J [?]\n$");
}

static void test_a_very_long_message_ends_in_dots(void **state)
{
    (void)state;
    log_info("%20000s", "x");
    char *lines = all_lines();
    size_t length = strlen(lines);
    assert_true(length > 8000 && length < 9000);
    assert_string_equal(lines + length - 4, "...\n");
}

static void test_a_reader_that_sleeps_never_holds_the_daemon(void **state)
{
    (void)state;
    assert_int_equal(log_start(), 0);
    int64_t begin = clock_now_ms();
    for (int i = 0; i < 5000; i++)
        log_info("%200d", i);
    assert_true(clock_now_ms() - begin < 5000);
    assert_true(log_lost() > 0);

    /* the reader wakes up; the answers are taken from the loop, and the gap is told */
    struct event_base *base = event_base_new();
    assert_int_equal(log_attach(base), 0);
    uint64_t lost = log_lost(), attempts = 0;
    fcntl(reader, F_SETFL, O_NONBLOCK);
    static char buffer[8 * 1024 * 1024];
    size_t length = 0;
    char *words = NULL;
    int64_t limit = clock_now_ms() + WAIT_MS;
    while (!words && clock_now_ms() < limit) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ssize_t count = read(reader, buffer + length, sizeof(buffer) - 1 - length);
        if (count > 0) {
            length += (size_t)count;
            buffer[length] = '\0';
            words = strstr(buffer, " log records were lost");
        } else {
            log_info("room again?");
            attempts++;
        }
    }
    assert_non_null(words);
    while (words > buffer && words[-1] >= '0' && words[-1] <= '9')
        words--;
    /* the attempts that found no room are among them, each once */
    uint64_t told = strtoull(words, NULL, 10);
    assert_true(told >= lost && told <= lost + attempts);
    log_stop(WAIT_MS);
    event_base_free(base);
}

static void test_a_reader_that_is_gone_does_no_harm(void **state)
{
    (void)state;
    close(reader);
    reader = -1;
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < 100; i++)
        log_info("nobody reads");
    log_stop(WAIT_MS);
}

/* ---- the journal -------------------------------------------------------------------------------------- */

#define JOURNAL "/run/systemd/journal/socket"

static bool has(const char *entry, size_t length, const char *field)
{
    return memmem(entry, length, field, strlen(field)) != NULL;
}

/* In a mount namespace of its own, with a journald that is a socket. 77: not permitted here. */
static int log_to_journal(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, NULL) != 0)
        return 77;
    mkdir("/run/systemd", 0755);
    mkdir("/run/systemd/journal", 0755);
    int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(journal, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return 2;

    struct stat file;
    char stream[64], pid[32], entry[4096];
    fstat(STDERR_FILENO, &file);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)file.st_dev, (uintmax_t)file.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    if (log_start() != 0)
        return 3;
    log_say(KIND_OPERATION_DONE, fields, "guest %d", 101);
    ssize_t received = recv(journal, entry, sizeof(entry), 0);
    log_stop(WAIT_MS);
    size_t length = received > 0 ? (size_t)received : 0;
    snprintf(pid, sizeof(pid), "SYSLOG_PID=%d\n", (int)getpid());
    bool fine = has(entry, length, "PRIORITY=5\n") &&
                has(entry, length, "MESSAGE_ID=ff2ef16d6b144cfc8142cacfe91d9bfa\n") &&
                has(entry, length, "FENCE_EVENT=operation-done\n") &&
                has(entry, length, "SYSLOG_IDENTIFIER=fence_brokerd\n") && has(entry, length, pid) &&
                has(entry, length, "MESSAGE=guest 101\n") && has(entry, length, "FENCE_TARGET=node1\n") &&
                has(entry, length, "EVIL=a?MESSAGE=b\n") && !has(entry, length, "LEFT_OUT");
    return fine ? 0 : 4;
}

static void test_the_journal_gets_structured_entries_when_stderr_is_its_stream(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(log_to_journal());
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_stream_that_is_not_stderr_means_lines(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "1:2", 1);
    assert_int_equal(log_start(), 0);
    unsetenv("JOURNAL_STREAM");
    log_info("a line");
    expect_lines("^" LINES "info a line\n$");
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM(test_a_line_has_time_priority_message_and_fields),
        ROOM(test_the_child_writes_the_same_line),
        ROOM(test_what_is_less_important_than_the_level_is_dropped),
        ROOM(test_a_message_is_one_line_and_errno_stays),
        ROOM(test_a_very_long_message_ends_in_dots),
        ROOM(test_a_reader_that_sleeps_never_holds_the_daemon),
        ROOM(test_a_reader_that_is_gone_does_no_harm),
        ROOM(test_the_journal_gets_structured_entries_when_stderr_is_its_stream),
        ROOM(test_a_stream_that_is_not_stderr_means_lines),
    };
    alarm(120); /* a test that hangs must not hold up the others */
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
