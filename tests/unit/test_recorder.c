/* system/recorder: the daemon never waits, nothing handed over is lost, and every record's end is told once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/clock.h"
#include "system/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_FD_MAX 512   /* above are those of a tool that we may run under */
#define WAIT_MS    10000 /* for what comes at once, on a busy machine */

static char directory[64];
static char file_path[96], older_path[96], fifo_path[96];
static struct event_base *base;

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_recorder.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(file_path, sizeof(file_path), "%s/lines", directory);
    snprintf(older_path, sizeof(older_path), "%s/lines.1", directory);
    snprintf(fifo_path, sizeof(fifo_path), "%s/gate", directory);
    base = event_base_new();
    return base ? mkfifo(fifo_path, 0600) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    unlink(file_path);
    unlink(older_path);
    unlink(fifo_path);
    return rmdir(directory);
}

/* ---- what the tests collect --------------------------------------------------------------------------- */

static struct {
    size_t count;
    uint64_t last_id;
    int last_result;
    bool in_order;
} done;

static void on_done(void *context, uint64_t id, int result)
{
    assert_ptr_equal(context, &done);
    done.in_order = done.in_order && id > done.last_id;
    done.count++;
    done.last_id = id;
    done.last_result = result;
}

static void forget(void)
{
    memset(&done, 0, sizeof(done));
    done.in_order = true;
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    *(bool *)context = true;
}

/* Runs the loop until `count` records have ended. */
static void await(size_t count)
{
    bool late = false;
    struct event *timer = evtimer_new(base, on_timeout, &late);
    struct timeval limit = {WAIT_MS / 1000, 0};
    evtimer_add(timer, &limit);
    while (done.count < count && !late)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(timer);
    assert_int_equal(done.count, count);
}

static struct recorder *start(const struct recorder_sink *sink, void *state)
{
    struct recorder *recorder = recorder_new("test-recorder", sink, state, -1);
    assert_non_null(recorder);
    assert_int_equal(recorder_attach(recorder, base), 0);
    forget();
    return recorder;
}

static uint64_t put(struct recorder *recorder, const char *record)
{
    return recorder_write(recorder, record, strlen(record), on_done, &done);
}

static int write_and_await(struct recorder *recorder, const char *record)
{
    size_t before = done.count;
    assert_true(put(recorder, record) > 0);
    await(before + 1);
    return done.last_result;
}

static void expect_file(const char *path, const char *content)
{
    char buffer[4096] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t length = read(fd, buffer, sizeof(buffer) - 1);
    close(fd);
    assert_true(length >= 0);
    buffer[length] = '\0';
    assert_string_equal(buffer, content);
}

static void make_file(const char *content)
{
    FILE *file = fopen(file_path, "we");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

/* ---- the file sink ------------------------------------------------------------------------------------ */

static void test_a_record_is_a_line_on_disk_when_it_is_answered(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    struct stat info;
    (void)state;
    mode_t before = umask(077);
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(write_and_await(recorder, "{\"one\":1}"), 0);
    expect_file(file_path, "{\"one\":1}\n");
    assert_int_equal(write_and_await(recorder, ""), 0);
    assert_int_equal(write_and_await(recorder, "two"), 0);
    expect_file(file_path, "{\"one\":1}\n\ntwo\n");
    assert_int_equal(stat(file_path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    recorder_free(recorder, WAIT_MS);
    umask(before);
}

static void test_records_end_in_order_each_once(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    struct recorder *recorder = start(&recorder_file_sink, &file);
    for (int i = 0; i < 500; i++)
        assert_int_equal(put(recorder, "x"), i + 1);
    assert_int_equal(done.count, 0); /* never from inside the call */
    await(500);
    assert_true(done.in_order);
    assert_int_equal(recorder_lost(recorder), 0);
    assert_int_equal(recorder_failed(recorder), 0);
    assert_int_equal(recorder_oldest_pending_ms(recorder, clock_now_ms()), 0);
    recorder_free(recorder, WAIT_MS);
}

static void test_a_full_file_moves_aside_and_a_new_one_begins(void **state)
{
    struct recorder_file file = {.path = file_path, .max_bytes = 10, .fd = -1};
    (void)state;
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(write_and_await(recorder, "1234"), 0);
    assert_int_equal(write_and_await(recorder, "5678"), 0);
    expect_file(file_path, "1234\n5678\n");
    assert_int_equal(write_and_await(recorder, "9"), 0);
    expect_file(older_path, "1234\n5678\n");
    expect_file(file_path, "9\n");
    /* one record larger than a whole file is not lost, nor does it move an empty file */
    assert_int_equal(write_and_await(recorder, "a long record"), 0);
    expect_file(older_path, "9\n");
    expect_file(file_path, "a long record\n");
    recorder_free(recorder, WAIT_MS);
}

static void test_a_torn_last_line_does_not_spoil_the_next(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    make_file("whole\nto");
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(write_and_await(recorder, "next"), 0);
    expect_file(file_path, "whole\nto\nnext\n");
    recorder_free(recorder, WAIT_MS);
}

static void test_a_record_of_two_lines_is_refused(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(write_and_await(recorder, "two\nlines"), -EINVAL);
    assert_int_equal(recorder_failed(recorder), 1);
    assert_int_equal(write_and_await(recorder, "fine"), 0);
    recorder_free(recorder, WAIT_MS);
}

static void test_what_is_no_file_of_ours_is_never_written_through(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    assert_int_equal(symlink("/dev/null", file_path), 0);
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(write_and_await(recorder, "x"), -ELOOP);
    unlink(file_path);
    assert_int_equal(mkfifo(file_path, 0600), 0);
    assert_true(write_and_await(recorder, "x") < 0);
    unlink(file_path);
    /* the way is free: the next record goes through without a restart */
    assert_int_equal(write_and_await(recorder, "y"), 0);
    expect_file(file_path, "y\n");
    recorder_free(recorder, WAIT_MS);
}

static void test_a_missing_directory_is_each_records_result_until_it_is_there(void **state)
{
    char deep[128];
    (void)state;
    snprintf(deep, sizeof(deep), "%s/state", directory);
    char path[160];
    snprintf(path, sizeof(path), "%s/lines", deep);
    struct recorder_file file = {.path = path, .fd = -1};
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(write_and_await(recorder, "x"), -ENOENT);
    assert_int_equal(mkdir(deep, 0700), 0);
    assert_int_equal(write_and_await(recorder, "y"), 0);
    expect_file(path, "y\n");
    assert_int_equal(recorder_failed(recorder), 1);
    recorder_free(recorder, WAIT_MS);
    unlink(path);
    rmdir(deep);
}

/* A disk that is full after ten bytes, as the child sees it. */
static int small_disk_open(void *state)
{
    signal(SIGXFSZ, SIG_IGN); /* then it is EFBIG */
    struct rlimit limit = {10, 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    return recorder_file_sink.open(state);
}

static void test_a_full_disk_leaves_no_half_line(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    struct recorder_sink sink = recorder_file_sink;
    (void)state;
    sink.open = small_disk_open;
    struct recorder *recorder = start(&sink, &file);
    assert_int_equal(write_and_await(recorder, "kept"), 0);
    assert_int_equal(write_and_await(recorder, "too long for it"), -EFBIG);
    expect_file(file_path, "kept\n");
    /* and when there is room again, it goes on */
    assert_int_equal(write_and_await(recorder, "fits"), 0);
    expect_file(file_path, "kept\nfits\n");
    recorder_free(recorder, WAIT_MS);
}

/* ---- a child that is slow, stuck or dead -------------------------------------------------------------- */

/* Waits until the test opens the gate, once. */
static int gate_write(void *state, const char *record, size_t length)
{
    bool *open_already = state;
    (void)record, (void)length;
    if (!*open_already) {
        char byte;
        int fd = open(fifo_path, O_RDONLY | O_CLOEXEC);
        ssize_t ignored = read(fd, &byte, 1);
        (void)ignored;
        close(fd);
        *open_already = true;
    }
    return 0;
}

static const struct recorder_sink gate_sink = {.write = gate_write};

static void open_gate(void)
{
    int fd = open(fifo_path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
}

static void test_a_stuck_child_never_holds_the_daemon(void **state)
{
    bool open_already = false;
    static char large[RECORDER_RECORD_MAX];
    size_t taken = 0;
    (void)state;
    struct recorder *recorder = start(&gate_sink, &open_already);
    int64_t begin = clock_now_ms();
    memset(large, 'x', sizeof(large));
    for (int i = 0; i < 2 * RECORDER_PENDING_MAX; i++)
        taken += recorder_write(recorder, large, i % 2 ? sizeof(large) : 1, on_done, &done) > 0;
    assert_true(clock_now_ms() - begin < 3000);
    assert_true(taken > 0 && taken < RECORDER_PENDING_MAX + 1);
    assert_int_equal(recorder_lost(recorder), 2 * RECORDER_PENDING_MAX - taken);
    assert_true(recorder_oldest_pending_ms(recorder, clock_now_ms() + 5000) >= 5000);
    open_gate();
    await(taken);
    assert_int_equal(done.last_result, 0);
    assert_true(put(recorder, "goes on") > 0);
    await(taken + 1);
    recorder_free(recorder, WAIT_MS);
}

static void test_small_records_are_bounded_by_their_number(void **state)
{
    bool open_already = false;
    (void)state;
    struct recorder *recorder = start(&gate_sink, &open_already);
    size_t taken = 0;
    for (int i = 0; i < RECORDER_PENDING_MAX + 100; i++)
        taken += put(recorder, "x") > 0;
    assert_true(taken <= RECORDER_PENDING_MAX && taken >= RECORDER_PENDING_MAX / 8);
    open_gate();
    await(taken);
    recorder_free(recorder, WAIT_MS);
}

static void test_the_end_does_not_wait_for_a_stuck_child(void **state)
{
    bool open_already = false;
    (void)state;
    struct recorder *recorder = start(&gate_sink, &open_already);
    assert_true(put(recorder, "x") > 0);
    int64_t begin = clock_now_ms();
    recorder_free(recorder, 100);
    int64_t took = clock_now_ms() - begin;
    assert_true(took >= 90 && took < 3000);
    open_gate(); /* now it ends by itself */
    recorder_free(NULL, 100);
}

static void test_a_record_that_is_too_long_is_lost_and_counted(void **state)
{
    static char record[RECORDER_RECORD_MAX + 1];
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    memset(record, 'x', sizeof(record));
    struct recorder *recorder = start(&recorder_file_sink, &file);
    assert_int_equal(recorder_write(recorder, record, sizeof(record), on_done, &done), 0);
    assert_int_equal(recorder_lost(recorder), 1);
    assert_true(recorder_write(recorder, record, sizeof(record) - 1, on_done, &done) > 0);
    await(1);
    assert_int_equal(done.last_result, 0);
    struct stat info;
    assert_int_equal(stat(file_path, &info), 0);
    assert_int_equal(info.st_size, RECORDER_RECORD_MAX + 1);
    recorder_free(recorder, WAIT_MS);
}

static int crash_write(void *state, const char *record, size_t length)
{
    (void)state;
    if (length == 5 && memcmp(record, "crash", 5) == 0)
        _exit(7);
    return 0;
}

static void test_records_of_a_dead_child_end_with_epipe_and_a_new_child_comes(void **state)
{
    static const struct recorder_sink sink = {.write = crash_write};
    (void)state;
    struct recorder *recorder = start(&sink, NULL);
    assert_int_equal(write_and_await(recorder, "fine"), 0);
    size_t handed_over = 0;
    handed_over += put(recorder, "crash") > 0;
    handed_over += put(recorder, "behind it") > 0;
    await(1 + handed_over);
    assert_int_equal(done.last_result, -EPIPE);
    assert_int_equal(recorder_failed(recorder), handed_over);

    /* rate-limited: lost and counted until then, and the ids go on */
    int64_t limit = clock_now_ms() + WAIT_MS;
    uint64_t id;
    while ((id = put(recorder, "again")) == 0 && clock_now_ms() < limit) {
        struct timeval pause = {0, 20000};
        event_base_loopexit(base, &pause);
        event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    }
    assert_true(id > done.last_id);
    await(2 + handed_over);
    assert_int_equal(done.last_result, 0);
    recorder_free(recorder, WAIT_MS);
}

/* ---- the child's surroundings ------------------------------------------------------------------------- */

/* Tells the number of open descriptors as its result, as a negative number. */
static int count_write(void *state, const char *record, size_t length)
{
    (void)state, (void)record, (void)length;
    int count = 0;
    DIR *open_ones = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (open_ones && (entry = readdir(open_ones)))
        count += entry->d_name[0] != '.' && atoi(entry->d_name) < OWN_FD_MAX;
    if (open_ones)
        closedir(open_ones);
    return -(count - 1); /* without the directory itself */
}

static void test_the_child_holds_nothing_of_the_daemon(void **state)
{
    static const struct recorder_sink sink = {.write = count_write};
    int extra[8];
    (void)state;
    for (size_t i = 0; i < 8; i++)
        extra[i] = open("/dev/null", O_RDONLY); /* without close-on-exec, too */
    struct recorder *recorder = start(&sink, NULL);
    assert_int_equal(write_and_await(recorder, "x"), -4); /* 0, 1, 2 and the socket */
    recorder_free(recorder, WAIT_MS);
    for (size_t i = 0; i < 8; i++)
        close(extra[i]);
}

static int signal_write(void *state, const char *record, size_t length)
{
    (void)state, (void)record, (void)length;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGABRT};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        raise(numbers[i]);
    char name[64] = "", where[64] = "";
    FILE *comm = fopen("/proc/self/comm", "re");
    if (!comm || !fgets(name, sizeof(name), comm))
        return -EIO;
    fclose(comm);
    bool fine =
        strcmp(name, "test-recorder\n") == 0 && getcwd(where, sizeof(where)) && strcmp(where, "/") == 0;
    return fine ? 0 : -EPROTO;
}

static void on_signal(int number)
{
    (void)number;
    abort();
}

static void test_the_child_outlives_the_signals_of_the_group_and_has_a_name(void **state)
{
    static const struct recorder_sink sink = {.write = signal_write};
    (void)state;
    void (*before)(int) = signal(SIGTERM, on_signal);
    struct recorder *recorder = start(&sink, NULL);
    assert_int_equal(write_and_await(recorder, "x"), 0);
    recorder_free(recorder, WAIT_MS);
    signal(SIGTERM, before);
}

static void gate_close(void *state)
{
    recorder_file_sink.close(state);
    int fd = open(fifo_path, O_WRONLY | O_CLOEXEC);
    close(fd);
}

static void test_records_survive_a_kill_of_the_daemon(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    struct recorder_sink sink = recorder_file_sink;
    (void)state;
    sink.close = gate_close;
    pid_t daemon_pid = fork();
    if (daemon_pid == 0) {
        struct recorder *recorder = recorder_new("test-recorder", &sink, &file, -1);
        for (int i = 0; i < 100; i++) {
            if (!recorder || recorder_write(recorder, "record", 6, NULL, NULL) == 0)
                _exit(1);
        }
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(daemon_pid, &status, 0), daemon_pid);
    assert_true(WIFSIGNALED(status));
    /* the child opens the gate when it has written all and ends */
    int fd = open(fifo_path, O_RDONLY | O_CLOEXEC);
    char byte;
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    struct stat info;
    assert_int_equal(stat(file_path, &info), 0);
    assert_int_equal(info.st_size, 100 * 7);
}

static void test_records_before_the_end_are_written_before_the_end(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    struct recorder *recorder =
        recorder_new("test-recorder", &recorder_file_sink, &file, -1); /* never attached */
    assert_non_null(recorder);
    for (int i = 0; i < 200; i++)
        assert_true(recorder_write(recorder, "record", 6, NULL, NULL) > 0);
    recorder_free(recorder, WAIT_MS);
    struct stat info;
    assert_int_equal(stat(file_path, &info), 0);
    assert_int_equal(info.st_size, 200 * 7);
}

static struct recorder *chained;

static void on_chain(void *context, uint64_t id, int result)
{
    (void)context, (void)result;
    done.count++;
    if (id < 50)
        assert_int_equal(recorder_write(chained, "x", 1, on_chain, NULL), id + 1);
}

static void test_an_answer_may_lead_to_the_next_record(void **state)
{
    struct recorder_file file = {.path = file_path, .fd = -1};
    (void)state;
    chained = start(&recorder_file_sink, &file);
    assert_int_equal(recorder_write(chained, "x", 1, on_chain, NULL), 1);
    await(50);
    recorder_free(chained, WAIT_MS);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM(test_a_record_is_a_line_on_disk_when_it_is_answered),
        ROOM(test_records_end_in_order_each_once),
        ROOM(test_a_full_file_moves_aside_and_a_new_one_begins),
        ROOM(test_a_torn_last_line_does_not_spoil_the_next),
        ROOM(test_a_record_of_two_lines_is_refused),
        ROOM(test_what_is_no_file_of_ours_is_never_written_through),
        ROOM(test_a_missing_directory_is_each_records_result_until_it_is_there),
        ROOM(test_a_full_disk_leaves_no_half_line),
        ROOM(test_a_stuck_child_never_holds_the_daemon),
        ROOM(test_small_records_are_bounded_by_their_number),
        ROOM(test_the_end_does_not_wait_for_a_stuck_child),
        ROOM(test_a_record_that_is_too_long_is_lost_and_counted),
        ROOM(test_records_of_a_dead_child_end_with_epipe_and_a_new_child_comes),
        ROOM(test_the_child_holds_nothing_of_the_daemon),
        ROOM(test_the_child_outlives_the_signals_of_the_group_and_has_a_name),
        ROOM(test_records_survive_a_kill_of_the_daemon),
        ROOM(test_records_before_the_end_are_written_before_the_end),
        ROOM(test_an_answer_may_lead_to_the_next_record),
    };
    alarm(120); /* a test that hangs must not hold up the others */
    return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
