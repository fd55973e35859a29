/* system/secret: where secrets may come from, what is refused, and that no byte of one is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/secret.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORD "e2f5b6c1-not-for-logs"

static char directory[64];
static char path[96];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_secret.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/secret", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void put(const char *bytes, size_t length, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void expect_read(const char *bytes, size_t length, const char *secret)
{
    struct error error = {0};
    put(bytes, length, 0600);
    struct secret *read = secret_from_file(path, &error);
    if (!read)
        fail_msg("%s", error.message);
    assert_string_equal(secret_reveal(read), secret);
    assert_int_equal(secret_length(read), strlen(secret));
    secret_free(read);
}

static void expect_refused(const char *words)
{
    struct error error = {0};
    assert_null(secret_from_file(path, &error));
    assert_int_equal(error.code, ERROR_NO_SESSION);
    if (!strstr(error.message, words))
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    assert_non_null(strstr(error.message, path));
    assert_string_not_equal(error.hint, "");
    assert_null(strstr(error.message, WORD));
    assert_null(strstr(error.hint, WORD));
}

static void test_one_trailing_newline_is_not_part_of_a_secret(void **state)
{
    (void)state;
    expect_read(WORD, strlen(WORD), WORD);
    expect_read(WORD "\n", strlen(WORD) + 1, WORD);
    expect_read(" a b ", 5, " a b ");
    put(WORD "\n\n", strlen(WORD) + 2, 0600);
    expect_refused("more than one line");
}

static void test_what_cannot_be_a_secret_is_refused(void **state)
{
    char large[SECRET_FILE_MAX + 1];
    (void)state;
    put("", 0, 0600);
    expect_refused("is empty");
    put("\n", 1, 0600);
    expect_refused("is empty");
    put(WORD "\0x", strlen(WORD) + 2, 0600);
    expect_refused("NUL");
    put(WORD "\r\n", strlen(WORD) + 2, 0600);
    expect_refused("carriage return");
    memset(large, 'x', sizeof(large));
    put(large, sizeof(large), 0600);
    expect_refused("longer than 4096");
    large[SECRET_FILE_MAX - 1] = '\0';
    expect_read(large, SECRET_FILE_MAX - 1, large);
}

static void test_a_byte_order_mark_is_no_part_of_a_secret(void **state)
{
    (void)state;
    put("\xef\xbb\xbf" WORD, strlen(WORD) + 3, 0600);
    expect_refused("byte order mark");
}

static void test_a_file_that_somebody_else_may_change_is_refused(void **state)
{
    (void)state;
    put(WORD, strlen(WORD), 0600);
    assert_int_equal(chmod(directory, 0777), 0);
    expect_refused("everybody may replace the file");
    assert_int_equal(chmod(directory, 01777), 0);
    struct error error = {0};
    struct secret *secret = secret_from_file(path, &error);
    assert_non_null(secret);
    secret_free(secret);
    assert_int_equal(chmod(directory, 0700), 0);
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 12345, 0), 0);
    expect_refused("belongs to uid 12345");
}

static void test_a_file_that_everybody_may_read_or_write_is_refused(void **state)
{
    (void)state;
    put(WORD, strlen(WORD), 0644);
    expect_refused("world-readable");
    put(WORD, strlen(WORD), 0602);
    expect_refused("world-writable");
    put(WORD, strlen(WORD), 0604);
    expect_refused("(mode 0604)");
}

static void test_a_strange_group_that_may_read_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    put(WORD, strlen(WORD), 0640);
    struct error error = {0};
    struct secret *secret = secret_from_file(path, &error);
    assert_non_null(secret);
    secret_free(secret);
    assert_int_equal(chown(path, 0, 54321), 0);
    expect_refused("its group 54321 may read");
    /* a group without any right does no harm */
    assert_int_equal(chmod(path, 0600), 0);
    secret = secret_from_file(path, &error);
    assert_non_null(secret);
    secret_free(secret);
}

static void test_only_regular_files_are_read_and_nothing_is_waited_for(void **state)
{
    (void)state;
    unlink(path);
    expect_refused("cannot be opened: No such file");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused("not a regular file");
    unlink(path);
    struct error error = {0};
    assert_null(secret_from_file(directory, &error));
    assert_non_null(strstr(error.message, "not a regular file"));
}

static void test_a_link_is_followed_and_its_target_checked(void **state)
{
    char link[96];
    struct error error = {0};
    (void)state;
    snprintf(link, sizeof(link), "%s/link", directory);
    put(WORD, strlen(WORD), 0600);
    assert_int_equal(symlink(path, link), 0);
    struct secret *secret = secret_from_file(link, &error);
    assert_non_null(secret);
    secret_free(secret);
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(secret_from_file(link, &error));
    unlink(link);
}

static void test_a_credential_comes_from_the_directory_of_systemd(void **state)
{
    struct error error = {0};
    (void)state;
    put(WORD "\n", strlen(WORD) + 1, 0444); /* systemd protects the directory, not the file's mode */
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    struct secret *secret = secret_from_credential("secret", &error);
    assert_non_null(secret);
    assert_string_equal(secret_reveal(secret), WORD);
    secret_free(secret);
    assert_null(secret_from_credential("other", &error));
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_null(secret_from_credential("proxmox-secret", &error));
    assert_non_null(strstr(error.message, "proxmox-secret"));
    assert_non_null(strstr(error.hint, "secret-file"));
}

static void test_a_forked_child_does_not_see_it(void **state)
{
    (void)state;
    struct secret *secret = secret_new(WORD, strlen(WORD));
    assert_non_null(secret);
    pid_t child = fork();
    if (child == 0) {
        bool gone = secret_reveal(secret)[0] == '\0' && secret_length(secret) == 0;
        secret_free(secret);
        _exit(gone ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(secret_reveal(secret), WORD);
    secret_free(secret);
}

static void test_it_is_left_out_of_core_dumps(void **state)
{
    (void)state;
    struct secret *secret = secret_new(WORD, strlen(WORD));
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    uintptr_t address = (uintptr_t)secret_reveal(secret);
    bool inside = false, excluded = false;
    char line[512];
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = address >= from && address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            excluded = strstr(line, " dd") != NULL && strstr(line, " wf") != NULL;
    }
    fclose(maps);
    assert_true(excluded);
    secret_free(secret);
    secret_free(NULL);
}

static void test_a_protected_process_leaves_no_core(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        secret_protect_process();
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1);
        int status = -1;
        _exit(prctl(PR_GET_DUMPABLE) == 0 && waitpid(grandchild, &status, 0) == grandchild && status == 0
                  ? 0
                  : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_a_secret_that_was_forgotten_is_not_found_again(void **state)
{
    (void)state;
    struct secret *secret = secret_new("ticket", 6);
    assert_non_null(secret);
    secret_freep(&secret);
    assert_null(secret);
    secret_freep(&secret); /* once more is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_secret_that_was_forgotten_is_not_found_again),
        cmocka_unit_test(test_one_trailing_newline_is_not_part_of_a_secret),
        cmocka_unit_test(test_what_cannot_be_a_secret_is_refused),
        cmocka_unit_test(test_a_byte_order_mark_is_no_part_of_a_secret),
        cmocka_unit_test(test_a_file_that_somebody_else_may_change_is_refused),
        cmocka_unit_test(test_a_file_that_everybody_may_read_or_write_is_refused),
        cmocka_unit_test(test_a_strange_group_that_may_read_is_refused),
        cmocka_unit_test(test_only_regular_files_are_read_and_nothing_is_waited_for),
        cmocka_unit_test(test_a_link_is_followed_and_its_target_checked),
        cmocka_unit_test(test_a_credential_comes_from_the_directory_of_systemd),
        cmocka_unit_test(test_a_forked_child_does_not_see_it),
        cmocka_unit_test(test_it_is_left_out_of_core_dumps),
        cmocka_unit_test(test_a_protected_process_leaves_no_core),
    };
    return cmocka_run_group_tests_name("secret", tests, make_directory, remove_directory);
}
