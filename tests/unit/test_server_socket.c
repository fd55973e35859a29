/*
 * The server's sockets: deadlines, exhaustion, and how listening begins and ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server_world.h"
#include "system/config_value.h"

#include <sys/resource.h>

/* ---- deadlines and exhaustion ---- */

static void on_trickle(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)!send(*(int *)context, "x", 1, MSG_NOSIGNAL);
}

/* Takes its five seconds. */
static void test_a_byte_now_and_then_does_not_hold_a_connection(void **state)
{
    const struct timeval pause = {.tv_usec = 300000};
    int slow = ask("GET /"), silent = connect_to(world.path);
    struct event *trickle = event_new(world.base, -1, EV_PERSIST, on_trickle, &slow);
    int64_t begin = clock_now_ms();

    (void)state;
    event_add(trickle, &pause);
    expect(silent, "HTTP/1.1 408 ", "request-timeout: ");
    event_free(trickle);
    expect(slow, "HTTP/1.1 408 ", "request-timeout: ");
    assert_in_range(clock_now_ms() - begin, CONNECTION_HEAD_MS - 100, CONNECTION_HEAD_MS + 3000);
}

static void test_accepting_goes_on_after_descriptors_ran_out(void **state)
{
    int fd = connect_to(world.path), spare = dup(fd);
    struct rlimit limit, none;

    (void)state;
    close(spare); /* the lowest free number: with this limit accept() finds none */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)spare, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    event_base_loop(world.base, EVLOOP_ONCE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(server_connections(world.server), 0);
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=list")), "HTTP/1.1 200 ", "101,web1\n");
    close(fd);
}

/* Takes more than a second: so long the broker hopes for better times. */
static void test_without_descriptors_nobody_waits_for_ever(void **state)
{
    int fd = ask(TEXT_REQUEST("GET /v1/guests?view=list")), spare = dup(fd);
    struct rlimit limit, none;

    (void)state;
    close(spare);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)spare, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect(fd, "HTTP/1.1 503 ", "too-many: ");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=list")), "HTTP/1.1 200 ", "101,web1\n");
}

/* ---- listening ---- */

static void test_a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct error error;
    struct stat st;
    char path[128];

    (void)state;
    assert_int_equal(listener_open(world.path, 0600, ACCESS_NO_GID, &error), -EADDRINUSE);
    assert_non_null(strstr(error.message, "something already listens"));

    snprintf(path, sizeof(path), "%s/run/other.sock", world.directory);
    int first = listener_open(path, 0660, getegid(), &error);
    assert_true(first >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(fcntl(first, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(first);
    int second = listener_open(path, 0666, ACCESS_NO_GID, &error);
    assert_true(second >= 0);
    close(second);
    unlink(path);

    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    assert_int_equal(listener_open(path, 0660, ACCESS_NO_GID, &error), -EEXIST);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    snprintf(path, sizeof(path), "%s/no/such/dir.sock", world.directory);
    assert_int_equal(listener_open(path, 0660, ACCESS_NO_GID, &error), -ENOENT);
    assert_true(error.hint[0] != '\0');
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
    char path[200] = "/tmp/";
    struct error error;

    (void)state;
    memset(path + 5, 'x', sizeof(path) - 6);
    assert_int_equal(listener_open(path, 0660, ACCESS_NO_GID, &error), -ENAMETOOLONG);
}

static void test_closing_removes_our_own_socket_only(void **state)
{
    struct error error;
    struct stat st;

    (void)state;
    unlink(world.metrics_path);
    int other = listener_open(world.metrics_path, 0666, ACCESS_NO_GID, &error); /* of the next daemon */
    server_close_listeners(world.server);
    assert_int_equal(stat(world.path, &st), -1);
    assert_int_equal(stat(world.metrics_path, &st), 0);
    close(other);
    unlink(world.metrics_path);
}

static void test_a_socket_of_systemd_is_served_and_left_alone(void **state)
{
    struct error error;
    struct stat st;
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/run/systemd.sock", world.directory);
    int fd = listener_open(path, 0666, ACCESS_NO_GID, &error);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* as some systemd versions pass it: blocking */
    assert_int_equal(server_listen(world.server, SERVER_DOOR_BROKER, fd), 0);
    int client = connect_to(path);
    say(client, TEXT_REQUEST("GET /v1/guests?view=list"));
    expect(client, "HTTP/1.1 200 ", "101,web1\n");
    server_close_listeners(world.server);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
}

static void test_roots_door_is_roots_alone(void **state)
{
    struct error error;
    struct stat st;
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s" CONFIG_ROOT_SUFFIX, world.path);
    assert_int_equal(server_listen_at(world.server, SERVER_DOOR_ROOT, path, getgid(), &error), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    int client = connect_to(path);
    say(client, TEXT_REQUEST("GET /v1/guests?view=list"));
    expect(client, "HTTP/1.1 200 ", "101,web1\n");
    server_close_listeners(world.server);
    assert_int_equal(stat(path, &st), -1);
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_byte_now_and_then_does_not_hold_a_connection),
        SERVER_TEST(test_accepting_goes_on_after_descriptors_ran_out),
        SERVER_TEST(test_without_descriptors_nobody_waits_for_ever),
        SERVER_TEST(test_a_stale_socket_is_replaced_and_a_live_one_is_not),
        SERVER_TEST(test_a_path_that_is_too_long_is_refused),
        SERVER_TEST(test_closing_removes_our_own_socket_only),
        SERVER_TEST(test_a_socket_of_systemd_is_served_and_left_alone),
        SERVER_TEST(test_roots_door_is_roots_alone),
    };

    return cmocka_run_group_tests_name("server_socket", tests, NULL, NULL);
}
