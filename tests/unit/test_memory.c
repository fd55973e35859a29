/* What is locked stays usable: with the right to lock all is in memory, and without it nothing is locked and
 * everything works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY      65534
#define NOT_ALLOWED 77
#define BIG_BYTES   ((size_t)32 * 1024 * 1024)

/* Each case runs in a process of its own: locked is locked. */
static int in_child(int (*run)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* "VmLck:" of this process, in KiB; -1 if there is none. */
static long own_kib(const char *key)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && kib < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtol(line + strlen(key), NULL, 10);
    }
    if (file)
        fclose(file);
    return kib;
}

static bool maps_own_file_whole(void)
{
    char line[4096];
    bool found = false;
    struct stat self;
    if (stat("/proc/self/exe", &self) != 0)
        return false;
    FILE *file = fopen("/proc/self/maps", "re");
    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned long begin = 0, end = 0;
        if (!strstr(line, "/test_memory") || sscanf(line, "%lx-%lx r--p 00000000", &begin, &end) != 2)
            continue;
        found = end - begin >= (unsigned long)self.st_size; /* the loader maps it in parts */
    }
    if (file)
        fclose(file);
    return found;
}

static void *idle(void *context)
{
    return context;
}

static bool memory_can_be_had(void)
{
    char *big = malloc(BIG_BYTES);
    pthread_t thread;
    if (!big)
        return false;
    memset(big, 1, BIG_BYTES);
    free(big);
    return pthread_create(&thread, NULL, idle, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static bool limit_to(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

static int limited(void)
{
    struct error error = {0};
    if (!limit_to(64 * 1024) || (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return 1;
    if (memory_lock("test_memory", &error) || own_kib("VmLck:") != 0)
        return 2;
    if (!strstr(error.message, "only 64 KiB") || !strstr(error.hint, "LimitMEMLOCK=infinity"))
        return 3;
    return memory_can_be_had() ? 0 : 4;
}

static int allowed(void)
{
    struct error error = {0};
    bool limit_lowered = limit_to(64 * 1024);
    if (!memory_lock("test_memory", &error))
        return NOT_ALLOWED; /* CAP_IPC_LOCK that does not count: a container */
    if (own_kib("VmLck:") < 1000)
        return 1;
    if (!maps_own_file_whole())
        return 2;
    long before = own_kib("VmRSS:");
    pthread_t thread;
    if (pthread_create(&thread, NULL, idle, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 3;
    /* its stack of 8 MiB is locked as far as it was used */
    if (own_kib("VmRSS:") - before > 4096)
        return 4;
    return limit_lowered && memory_can_be_had() ? 0 : 5;
}

static void test_under_a_limit_nothing_is_locked_and_memory_can_be_had(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they take mlockall() away */
    assert_int_equal(in_child(limited), 0);
#else
    (void)limited;
    skip();
#endif
}

static void test_with_the_right_all_is_locked_and_memory_can_be_had(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they take mlockall() away */
    int result = geteuid() == 0 ? in_child(allowed) : NOT_ALLOWED;
    if (result != NOT_ALLOWED) /* tests/systemd tries it as the unit has it */
        assert_int_equal(result, 0);
#endif
}

static void test_a_program_that_is_not_there_is_left_out(void **state)
{
    (void)state;
    struct error error = {0};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)memory_lock("no-such-program", &error);
        (void)memory_lock(NULL, &error);
        _exit(memory_can_be_had() ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_under_a_limit_nothing_is_locked_and_memory_can_be_had),
        cmocka_unit_test(test_with_the_right_all_is_locked_and_memory_can_be_had),
        cmocka_unit_test(test_a_program_that_is_not_there_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
