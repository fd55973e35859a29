/*
 * The server: who may ask, and how much at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server_world.h"

/* ---- who may ask ---- */

static void test_a_stranger_is_refused_before_it_has_said_a_word(void **state)
{
    int fd;

    (void)state;
    if (!connect_as(STRANGER, world.path, &fd))
        skip();
    expect(fd, "HTTP/1.1 403 Forbidden\r\n", "denied: uid 54321 may not ask the broker");
    expect(ask(TEXT_REQUEST("GET /metrics")), "HTTP/1.1 200 ",
           "fence_broker_denied_total{reason=\"not-member\"} 1\n");
}

static void test_a_stranger_that_talks_is_not_listened_to(void **state)
{
    int fd;

    (void)state;
    if (!connect_as(STRANGER, world.path, &fd))
        skip();
    say(fd, TEXT_REQUEST("POST /v1/guests/web1/off"));
    expect(fd, "HTTP/1.1 403 Forbidden\r\n", "denied: ");
    assert_int_equal(rooms.asker, 0);
}

static void test_a_right_that_was_taken_meanwhile_is_gone(void **state)
{
    struct access_gate gate = open_gate;
    int fd;

    (void)state;
    gate.hacluster = STRANGER;
    set_gate(&gate);
    if (!connect_as(STRANGER, world.path, &fd))
        skip();
    run_until(one_is_there, NULL);
    set_gate(&open_gate);
    say(fd, TEXT_REQUEST("POST /v1/guests/web1/off"));
    expect(fd, "HTTP/1.1 403 Forbidden\r\n", "denied: ");
    assert_int_equal(rooms.asker, 0);
}

static void test_the_metrics_socket_is_open_to_all_for_metrics_alone(void **state)
{
    int fd;

    (void)state;
    if (!connect_as(STRANGER, world.metrics_path, &fd))
        fd = connect_to(world.metrics_path);
    say(fd, TEXT_REQUEST("GET /metrics"));
    expect(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4",
           "# TYPE fence_broker_build_info gauge\n");
    if (!connect_as(STRANGER, world.metrics_path, &fd))
        fd = connect_to(world.metrics_path);
    say(fd, TEXT_REQUEST("POST /v1/guests/web1/off"));
    expect(fd, "HTTP/1.1 404 ", "this socket serves GET /metrics only");
    assert_int_equal(rooms.asker, 0);
}

static void test_one_user_cannot_hold_all_connections(void **state)
{
    struct access_gate gate = open_gate;
    int held[SERVER_CONNECTIONS_PER_UID], extra = -1;

    (void)state;
    gate.group = getegid();
    set_gate(&gate);
    if (!connect_as(STRANGER, world.path, &held[0]))
        skip();
    for (size_t i = 1; i < ARRAY_LEN(held); i++)
        assert_true(connect_as(STRANGER, world.path, &held[i]));
    assert_true(connect_as(STRANGER, world.path, &extra));
    expect(extra, "HTTP/1.1 503 ", "too-many: ");
    assert_true(connect_as(OTHER_USER, world.path, &extra));
    say(extra, TEXT_REQUEST("GET /v1/guests?view=list"));
    expect(extra, "HTTP/1.1 200 ", "101,web1");
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=list")), "HTTP/1.1 200 ", "101,web1");
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        close(held[i]);
    run_until(nobody_is_there, NULL);
}

/* ---- how much of the loop's time ---- */

/* `count` members that have asked this; false where this process may not become somebody else. */
static bool members_ask(const char *request, int *fds, size_t count)
{
    struct access_gate gate = open_gate;

    gate.group = getegid();
    set_gate(&gate);
    for (size_t i = 0; i < count; i++) {
        if (!connect_as(STRANGER, world.path, &fds[i]))
            return false;
        say(fds[i], request);
    }
    return true;
}

static bool four_have_asked(void *context)
{
    (void)context;
    return rooms.next_asker == 4;
}

static void test_root_is_served_before_those_that_came_first(void **state)
{
    int fds[3], root;

    (void)state;
    if (!members_ask(TEXT_REQUEST("POST /v1/guests/web1/off"), fds, ARRAY_LEN(fds)))
        skip();
    root = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));
    run_until(four_have_asked, NULL);
    assert_int_equal(rooms.order[0], 0);
    assert_int_equal(rooms.order[1], STRANGER);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    close(root);
    run_until(nobody_is_there, NULL);
}

static bool gone_or_served(void *context)
{
    return nobody_is_there(context) || rooms.next_asker != 0;
}

static void test_members_that_hang_up_while_they_wait_are_not_served(void **state)
{
    int fds[8];

    (void)state;
    if (!members_ask(TEXT_REQUEST("POST /v1/guests/web1/off"), fds, ARRAY_LEN(fds)))
        skip();
    event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_in_range(server_connections(world.server), 1, ARRAY_LEN(fds));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    run_until(gone_or_served, NULL);
    assert_int_equal(rooms.next_asker, 0);
}

/* One at least; on a machine that stands still between them some more, and never as many as asked. */
static void test_an_answer_is_written_once_for_all_members_that_ask_at_once(void **state)
{
    static const struct {
        const char *request, *part;
    } answers[] = {{TEXT_REQUEST("GET /v1/doctor"), "endpoints"}, {TEXT_REQUEST("GET /v1/guests"), "web1"}};
    int fds[24];

    (void)state;
    for (size_t a = 0; a < ARRAY_LEN(answers); a++) {
        rooms.described = 0;
        if (!members_ask(answers[a].request, fds, ARRAY_LEN(fds)))
            skip();
        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
            expect(fds[i], "HTTP/1.1 200 ", answers[a].part);
        assert_in_range(rooms.described, 1, ARRAY_LEN(fds) / 2);
        rooms.described = 0;
        expect(ask(answers[a].request), "HTTP/1.1 200 ", answers[a].part);
        assert_in_range(rooms.described, 0, 1); /* once for a report, unless it is of this millisecond */
    }
}

static bool three_were_looked_at(void *context)
{
    (void)context;
    return rooms.described == 3; /* once for the facts of each */
}

static void test_members_that_waited_for_the_first_list_have_it_in_their_turns(void **state)
{
    struct inventory *first = TAKE(rooms.inventory);
    int fds[3];

    (void)state;
    rooms.described = 0;
    if (!members_ask(TEXT_REQUEST("GET /v1/guests?view=list"), fds, ARRAY_LEN(fds))) {
        rooms.inventory = first;
        skip();
    }
    run_until(three_were_looked_at, NULL);
    rooms.inventory = first;
    server_round_ended(world.server);
    assert_true(three_were_looked_at(NULL)); /* and are not again before it is their turn */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        expect(fds[i], "HTTP/1.1 200 ", "101,web1");
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_stranger_is_refused_before_it_has_said_a_word),
        SERVER_TEST(test_a_stranger_that_talks_is_not_listened_to),
        SERVER_TEST(test_a_right_that_was_taken_meanwhile_is_gone),
        SERVER_TEST(test_the_metrics_socket_is_open_to_all_for_metrics_alone),
        SERVER_TEST(test_one_user_cannot_hold_all_connections),
        SERVER_TEST(test_root_is_served_before_those_that_came_first),
        SERVER_TEST(test_members_that_hang_up_while_they_wait_are_not_served),
        SERVER_TEST(test_an_answer_is_written_once_for_all_members_that_ask_at_once),
        SERVER_TEST(test_members_that_waited_for_the_first_list_have_it_in_their_turns),
    };

    return cmocka_run_group_tests_name("server_access", tests, NULL, NULL);
}
