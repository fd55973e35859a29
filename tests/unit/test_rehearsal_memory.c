/*
 * The file that ends rehearsals for good: written without waiting, believed whatever stands in it, and gone
 * only when an administrator removes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/rehearsal_memory.h"
#include "system/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static char directory[64], path[128];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_CRIT);
    strcpy(directory, "/tmp/fence-broker-test-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/rehearsals-ended.json", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static struct rehearsal_memory *open_memory(const char *where)
{
    struct error error;
    struct rehearsal_memory *memory = rehearsal_memory_new(where, &error);
    assert_non_null(memory);
    return memory;
}

/* Freed with patience: what was handed over is on disk then. */
static void write_one(const char *words)
{
    struct rehearsal_memory *memory = open_memory(directory);
    struct error alarm;
    error_set(&alarm, ERROR_PROTOCOL, "%s", words);
    rehearsal_memory_write(memory, 101, &alarm);
    rehearsal_memory_free(memory, PATIENCE_MS);
}

static bool read_it(struct error *alarm)
{
    struct rehearsal_memory *memory = open_memory(directory);
    bool there = rehearsal_memory_read(memory, alarm);
    assert_string_equal(rehearsal_memory_path(memory), path);
    rehearsal_memory_free(memory, PATIENCE_MS);
    return there;
}

static void put_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_it_is_remembered_until_the_file_is_removed(void **state)
{
    struct error alarm = {0};
    struct stat file;
    (void)state;
    assert_false(read_it(&alarm));
    write_one("guest 101: it was carried out \"so\"");
    assert_true(read_it(&alarm));
    assert_string_equal(alarm.message, "guest 101: it was carried out \"so\"");
    assert_non_null(strstr(alarm.hint, path));
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07777 & ~(mode_t)0640, 0);
    assert_int_equal(unlink(path), 0);
    assert_false(read_it(&alarm));
}

static void test_the_same_process_writes_it_anew_after_it_was_removed(void **state)
{
    struct rehearsal_memory *memory = open_memory(directory);
    struct error alarm = {0};
    (void)state;
    error_set(&alarm, ERROR_PROTOCOL, "%s", "once");
    rehearsal_memory_write(memory, 101, &alarm);
    for (unsigned i = 0; access(path, F_OK) != 0; i++) {
        assert_true(i < PATIENCE_MS);
        usleep(1000);
    }
    assert_int_equal(unlink(path), 0);
    error_set(&alarm, ERROR_PROTOCOL, "%s", "twice");
    rehearsal_memory_write(memory, 101, &alarm);
    rehearsal_memory_free(memory, PATIENCE_MS);
    assert_true(read_it(&alarm));
    assert_string_equal(alarm.message, "twice");
}

static void test_a_file_that_says_nothing_counts_all_the_same(void **state)
{
    static const char *const texts[] = {"", "{", "{\"v\":1}", "ended\n"};
    struct error alarm;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put_file(texts[i]);
        alarm = (struct error){0};
        assert_true(read_it(&alarm));
        assert_int_equal(alarm.code, ERROR_PROTOCOL);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0); /* nobody can tell */
    assert_true(read_it(&alarm));
}

static void test_without_a_directory_nothing_is_kept(void **state)
{
    struct error alarm = {0};
    (void)state;
    struct rehearsal_memory *memory = open_memory(NULL);
    assert_false(rehearsal_memory_read(memory, &alarm));
    error_set(&alarm, ERROR_PROTOCOL, "%s", "once");
    rehearsal_memory_write(memory, 101, &alarm);
    alarm = (struct error){0};
    assert_true(rehearsal_memory_read(memory, &alarm)); /* by this process */
    assert_string_equal(alarm.message, "once");
    assert_string_equal(rehearsal_memory_path(memory), "");
    rehearsal_memory_free(memory, PATIENCE_MS);
}

static void test_what_is_not_on_disk_counts_until_the_end_of_the_process(void **state)
{
    char nowhere[128];
    struct error alarm = {0};
    (void)state;
    snprintf(nowhere, sizeof(nowhere), "%s/nowhere", directory); /* the disk refuses */
    struct rehearsal_memory *memory = open_memory(nowhere);
    error_set(&alarm, ERROR_PROTOCOL, "%s", "once");
    rehearsal_memory_write(memory, 101, &alarm);
    alarm = (struct error){0};
    assert_true(rehearsal_memory_read(memory, &alarm));
    assert_string_equal(alarm.message, "once");
    rehearsal_memory_free(memory, PATIENCE_MS);
}

/* Also before its recorder has told that it is. */
static void test_a_file_that_was_there_and_is_removed_takes_it_back(void **state)
{
    struct error alarm = {0};
    (void)state;
    struct rehearsal_memory *memory = open_memory(directory);
    error_set(&alarm, ERROR_PROTOCOL, "%s", "once");
    rehearsal_memory_write(memory, 101, &alarm);
    for (unsigned i = 0; access(path, F_OK) != 0; i++) {
        assert_true(i < PATIENCE_MS);
        usleep(1000);
    }
    assert_true(rehearsal_memory_read(memory, &alarm));
    assert_int_equal(unlink(path), 0);
    assert_false(rehearsal_memory_read(memory, &alarm));
    rehearsal_memory_free(memory, PATIENCE_MS);
}

static void test_without_a_recorder_it_says_why_and_what_to_do(void **state)
{
    (void)state;
    struct rlimit limit = {0}, none;
    struct error error = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct rehearsal_memory *memory = rehearsal_memory_new(directory, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_null(memory);
    assert_string_equal(error.message, "cannot start the recorder of rehearsals: Too many open files");
    assert_non_null(strstr(error.hint, "LimitNOFILE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_is_remembered_until_the_file_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_process_writes_it_anew_after_it_was_removed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_says_nothing_counts_all_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_directory_nothing_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_recorder_it_says_why_and_what_to_do, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_on_disk_counts_until_the_end_of_the_process, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_was_there_and_is_removed_takes_it_back, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("rehearsal_memory", tests, NULL, NULL);
}
