/* system/notify: what systemd is told and when, that it is never waited for, and how its sockets are taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/clock.h"
#include "system/notify.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64], path[96];
static int manager = -1; /* systemd's end */

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_notify.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/notify", directory);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(manager, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    setenv("NOTIFY_SOCKET", path, 1);
    notify_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(manager);
    unlink(path);
    unsetenv("NOTIFY_SOCKET");
    notify_init();
    return rmdir(directory);
}

static void expect(const char *state)
{
    char buffer[1024];
    ssize_t length = recv(manager, buffer, sizeof(buffer) - 1, 0);
    assert_true(length >= 0);
    buffer[length] = '\0';
    assert_string_equal(buffer, state);
}

static void expect_nothing(void)
{
    char byte;
    assert_int_equal(recv(manager, &byte, 1, 0), -1);
}

static void test_states_are_said_in_the_words_of_systemd(void **state)
{
    char buffer[256];
    long long monotonic_us = 0;
    (void)state;
    notify_ready();
    expect("READY=1");
    notify_watchdog();
    expect("WATCHDOG=1");
    int64_t before = clock_now_ms();
    notify_reloading();
    ssize_t length = recv(manager, buffer, sizeof(buffer) - 1, 0);
    assert_true(length > 0);
    buffer[length] = '\0';
    assert_int_equal(sscanf(buffer, "RELOADING=1\nMONOTONIC_USEC=%lld", &monotonic_us), 1);
    assert_true(monotonic_us / 1000 >= before && monotonic_us / 1000 <= clock_now_ms());
    notify_stopping();
    expect("STOPPING=1");
    assert_null(getenv("NOTIFY_SOCKET"));
}

static void test_a_status_is_said_once_until_it_changes(void **state)
{
    (void)state;
    notify_status("%d guests", 3);
    expect("STATUS=3 guests");
    notify_status("%d guests", 3);
    expect_nothing();
    notify_status("%d guests", 4);
    expect("STATUS=4 guests");
}

static void test_a_status_cannot_smuggle_in_another_assignment(void **state)
{
    (void)state;
    notify_status("%s", "pve1: x\nMAINPID=1");
    expect("STATUS=pve1: x?MAINPID=1");
}

static void test_a_busy_manager_is_never_waited_for_and_ready_is_owed(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) /* more than any queue of datagrams is long */
        notify_watchdog();
    notify_status("not heard");
    notify_ready();
    char buffer[256];
    while (recv(manager, buffer, sizeof(buffer), 0) >= 0)
        assert_memory_equal(buffer, "WATCHDOG=1", 10);
    /* READY goes ahead of what comes next, and the status is not taken for known */
    notify_status("not heard");
    expect("READY=1");
    expect("STATUS=not heard");
    expect_nothing();
}

static void test_a_descriptor_is_handed_over_to_be_kept(void **state)
{
    (void)state;
    int ends[2] = {-1, -1}, kept = -1;
    char text[64] = "", control[CMSG_SPACE(sizeof(int))], byte = 0;
    struct iovec into = {.iov_base = text, .iov_len = sizeof(text) - 1};
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    assert_int_equal(pipe(ends), 0);
    assert_true(notify_store("codes", ends[1]));
    assert_true(recvmsg(manager, &message, 0) > 0);
    assert_string_equal(text, "FDSTORE=1\nFDNAME=codes");
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    assert_true(header && header->cmsg_type == SCM_RIGHTS);
    memcpy(&kept, CMSG_DATA(header), sizeof(kept));
    assert_int_equal(write(kept, "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

static void test_an_abstract_address_works(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    (void)state;
    int length = snprintf(name, sizeof(name), "@test_notify-%d", (int)getpid());
    memcpy(address.sun_path, name, (size_t)length);
    address.sun_path[0] = '\0';
    close(manager);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_init();
    notify_ready();
    expect("READY=1");
}

static void test_without_systemd_every_call_does_nothing(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify_init();
    notify_ready();
    notify_status("x");
    notify_watchdog();
    notify_stopping();
    assert_false(notify_store("codes", 0));
    expect_nothing();
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_init();
    notify_ready();
    expect_nothing();
    assert_int_equal(notify_take_socket("broker"), -1);
}

static void test_the_watchdog_is_fed_at_half_its_time(void **state)
{
    char pid[32];
    (void)state;
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_interval_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_interval_ms(), 15000);
    setenv("WATCHDOG_USEC", "1", 1);
    assert_int_equal(notify_watchdog_interval_ms(), 1);
    snprintf(pid, sizeof(pid), "%d", (int)getppid()); /* meant for somebody else */
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_interval_ms(), 0);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

/* ---- listening sockets -------------------------------------------------------------------------------- */

/* In a child that looks as if systemd had just executed it; the result is the number of the step that failed.
 */
static int take_sockets(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char pid[32];
    int sockets[3];
    for (int i = 0; i < 2; i++) {
        sockets[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        /* autobind: an abstract address that is free */
        if (bind(sockets[i], (const struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
            listen(sockets[i], 1) != 0)
            return 1;
    }
    sockets[2] = socket(AF_UNIX, SOCK_DGRAM, 0);
    for (int i = 0; i < 3; i++)
        sockets[i] = fcntl(sockets[i], F_DUPFD, 20);
    for (int i = 0; i < 3; i++)
        dup2(sockets[i], 3 + i);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    dup2(sockets[2], 6);
    setenv("LISTEN_FDS", "4", 1);
    setenv("LISTEN_FDNAMES", "broker:metrics:other:deaf", 1);
    if (notify_take_socket("nobody") != -1)
        return 2;
    if (notify_take_socket("metrics") != 4 || notify_take_socket("broker") != 3)
        return 3;
    if (notify_take_socket("broker") != -1) /* given away */
        return 4;
    if (notify_take_stored("other") != 5 || notify_take_stored("other") != -1)
        return 5;
    if (notify_take_socket("deaf") != -1) /* not listening */
        return 8;
    if (!(fcntl(3, F_GETFL) & O_NONBLOCK) || !(fcntl(3, F_GETFD) & FD_CLOEXEC))
        return 6;
    return getenv("LISTEN_FDS") ? 7 : 0;
}

static void test_sockets_of_systemd_are_given_away_once_by_name(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(take_sockets());
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets_of_systemd_are_given_away_once_by_name),
        ROOM(test_states_are_said_in_the_words_of_systemd),
        ROOM(test_a_status_is_said_once_until_it_changes),
        ROOM(test_a_status_cannot_smuggle_in_another_assignment),
        ROOM(test_a_busy_manager_is_never_waited_for_and_ready_is_owed),
        ROOM(test_a_descriptor_is_handed_over_to_be_kept),
        ROOM(test_an_abstract_address_works),
        ROOM(test_without_systemd_every_call_does_nothing),
        ROOM(test_the_watchdog_is_fed_at_half_its_time),
    };
    alarm(60); /* a call that waits must not hold up the others */
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
