/*
 * The server over real sockets: gate, shares, deadlines' neighbours, waiting askers. The rooms behind it
 * (engine, poller, session, history) are stand-ins defined here, which the linker takes instead: what is
 * tested is the way to them and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/listener.h"
#include "server/server.h"
#include "server_fixture.h"
#include "system/cleanup.h"
#include "system/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define STRANGER   ((uid_t)54321)
#define OTHER_USER ((uid_t)54322)
#define GUARD_S    10 /* no test waits longer for anything */

/* ---- the rooms behind ---- */

static struct {
    struct inventory *inventory;
    struct error poll_error;
    unsigned polls_asked;
    /* the engine: one asker at a time */
    uint64_t next_asker, asker, left;
    char plug[128], request_id[HTTP_REQUEST_ID_MAX + 1];
    enum fence_action action;
    enum fence_method method;
    struct operation_peer peer;
    engine_answer_fn *answer;
    engine_power_fn *power;
    void *context;
    struct error refusal; /* of the next submit */
} rooms;

struct inventory *poller_inventory(const struct poller *poller)
{
    (void)poller;
    return rooms.inventory;
}

const struct grants *poller_grants(const struct poller *poller)
{
    (void)poller;
    return NULL;
}

const struct error *poller_error(const struct poller *poller)
{
    (void)poller;
    return &rooms.poll_error;
}

const char *poller_version(const struct poller *poller)
{
    (void)poller;
    return "9.2.11";
}

int64_t poller_interval_ms(const struct poller *poller)
{
    (void)poller;
    return 10000;
}

void poller_poll_now(struct poller *poller)
{
    (void)poller;
    rooms.polls_asked++;
}

void session_describe(const struct session *session, struct session_description *description)
{
    (void)session;
    *description =
        (struct session_description){.identity = "fence@pve!broker", .is_token = true, .ready = true};
}

static uint64_t new_asker(struct error *error, void *context)
{
    if (rooms.refusal.code != ERROR_NONE) {
        *error = rooms.refusal;
        return 0;
    }
    rooms.context = context;
    return rooms.asker = ++rooms.next_asker;
}

uint64_t engine_submit(struct engine *engine, const struct engine_request *request, engine_answer_fn *answer,
                       void *context, struct error *error)
{
    (void)engine;
    snprintf(rooms.plug, sizeof(rooms.plug), "%s", request->plug);
    snprintf(rooms.request_id, sizeof(rooms.request_id), "%s",
             request->request_id ? request->request_id : "");
    rooms.action = request->action;
    rooms.method = request->method;
    rooms.peer = request->peer;
    rooms.answer = answer;
    return new_asker(error, context);
}

uint64_t engine_read_power(struct engine *engine, const char *plug, engine_power_fn *answer, void *context,
                           struct error *error)
{
    (void)engine;
    snprintf(rooms.plug, sizeof(rooms.plug), "%s", plug);
    rooms.power = answer;
    return new_asker(error, context);
}

void engine_leave(struct engine *engine, uint64_t asker)
{
    (void)engine;
    rooms.left = asker;
}

bool engine_dry_run(struct engine *engine, const struct engine_request *request, char *message, size_t size,
                    struct error *error)
{
    (void)engine;
    (void)error;
    snprintf(message, size, "%s would be tried", request->plug);
    return true;
}

unsigned engine_running(const struct engine *engine)
{
    (void)engine;
    return 0;
}

const struct engine_counters *engine_counters(const struct engine *engine)
{
    static const struct engine_counters counters;

    (void)engine;
    return &counters;
}

/* ---- one server, one client ---- */

static struct {
    struct event_base *base;
    struct server *server;
    struct endpoints *endpoints;
    char directory[64], path[96], metrics_path[96];
} world;

static const struct access_gate open_gate = {
    .group = ACCESS_NO_GID, .hacluster = ACCESS_NOBODY, .overflow_uid = 65534};

static int set_up(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL)};
    struct error error;

    (void)state;
    memset(&rooms, 0, sizeof(rooms));
    rooms.inventory = fixture_inventory(guests, 1, 3, 0);
    world.endpoints = fixture_endpoints();
    strcpy(world.directory, "/tmp/fence-broker-test-XXXXXX");
    assert_non_null(mkdtemp(world.directory));
    assert_int_equal(chmod(world.directory, 0755), 0);
    snprintf(world.path, sizeof(world.path), "%s/run/broker.sock", world.directory);
    snprintf(world.metrics_path, sizeof(world.metrics_path), "%s/run/metrics.sock", world.directory);

    const struct server_parts parts = {.endpoints = world.endpoints, .history = fixture_history()};
    world.base = event_base_new();
    world.server = server_new(world.base, &parts, &open_gate);
    assert_non_null(world.server);
    struct access_gate gate = open_gate;
    gate.hacluster = geteuid(); /* whoever runs the tests is privileged */
    server_set_gate(world.server, &gate);
    assert_int_equal(server_listen_at(world.server, SERVER_BROKER, world.path, ACCESS_NO_GID, &error), 0);
    assert_int_equal(
        server_listen_at(world.server, SERVER_METRICS, world.metrics_path, ACCESS_NO_GID, &error), 0);
    assert_int_equal(chmod(world.path, 0666), 0); /* strangers get as far as the gate */
    return 0;
}

static int tear_down(void **state)
{
    char run[96];

    (void)state;
    server_free(world.server);
    event_base_free(world.base);
    endpoints_free(world.endpoints);
    inventory_unref(rooms.inventory);
    snprintf(run, sizeof(run), "%s/run", world.directory);
    rmdir(run);
    assert_int_equal(rmdir(world.directory), 0); /* so nothing was left behind */
    return 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The kernel notes the effective user at connect time. False where this process may not become somebody else.
 */
static bool connect_as(uid_t uid, const char *path, int *fd)
{
    if (geteuid() != 0)
        return false;
    assert_int_equal(seteuid(uid), 0);
    *fd = connect_to(path);
    assert_int_equal(seteuid(0), 0);
    return true;
}

static void say(int fd, const char *bytes)
{
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

static void on_guard(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    *(bool *)context = true;
}

/* Run the loop until `done(context)`. */
static void run_until(bool (*done)(void *context), void *context)
{
    const struct timeval guard = {.tv_sec = GUARD_S};
    bool expired = false;
    struct event *timer = event_new(world.base, -1, 0, on_guard, &expired);

    event_add(timer, &guard);
    while (!done(context)) {
        assert_false(expired);
        event_base_loop(world.base, EVLOOP_ONCE);
    }
    event_free(timer);
}

struct client {
    int fd;
    struct text got;
    bool ended;
};

static void on_client_readable(evutil_socket_t fd, short what, void *context)
{
    struct client *client = context;
    char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    (void)what;
    if (n > 0)
        text_append(&client->got, bytes, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        client->ended = true;
}

static bool client_ended(void *context)
{
    return ((struct client *)context)->ended;
}

/* What comes until the other end closes; takes `fd`. The caller frees. */
static struct text hear(int fd)
{
    struct client client = {.fd = fd};
    struct event *event = event_new(world.base, fd, EV_READ | EV_PERSIST, on_client_readable, &client);

    event_add(event, NULL);
    run_until(client_ended, &client);
    event_free(event);
    close(fd);
    return client.got;
}

static void expect(int fd, const char *status_line, const char *part)
{
    _cleanup_(text_clear) struct text got = hear(fd);

    if (!got.data || strncmp(got.data, status_line, strlen(status_line)) != 0 || !strstr(got.data, part))
        fail_msg("expected '%s' and '%s', got:\n%s", status_line, part, got.data ? got.data : "(nothing)");
}

static void expect_nothing(int fd)
{
    _cleanup_(text_clear) struct text got = hear(fd);

    assert_int_equal(got.length, 0);
}

static bool somebody_asks(void *context)
{
    (void)context;
    return rooms.asker != 0;
}

static bool the_asker_left(void *context)
{
    (void)context;
    return rooms.left == rooms.asker;
}

static bool nobody_is_there(void *context)
{
    (void)context;
    return server_connections(world.server) == 0;
}

static bool one_is_there(void *context)
{
    (void)context;
    return server_connections(world.server) == 1;
}

#define TEXT_REQUEST(line) line " HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n"

static int ask(const char *request)
{
    int fd = connect_to(world.path);

    say(fd, request);
    return fd;
}

/* ---- answers at once ---- */

static void test_a_question_is_answered_in_text_and_json(void **state)
{
    (void)state;
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=list")), "HTTP/1.1 200 OK\r\n",
           "\r\n\r\n101,web1\n101,node1\n");
    expect(ask("GET /v1/guests HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\nContent-Type: application/json",
           "\"web1\"");
    expect(ask(TEXT_REQUEST("GET /v1/status")), "HTTP/1.1 200 OK\r\n", "Verdict: ");
    expect(ask(TEXT_REQUEST("GET /v1/operations")), "HTTP/1.1 200 OK\r\n", "No operation");
    expect(ask(TEXT_REQUEST("GET /metrics")), "HTTP/1.1 200 OK\r\n",
           "fence_broker_connections{socket=\"broker\"} 1\n");
    expect(ask(TEXT_REQUEST("POST /v1/guests/web1/off?dry-run=1")), "HTTP/1.1 200 OK\r\n",
           "web1 would be tried\n");
}

static void test_what_cannot_be_asked_is_refused_with_its_code(void **state)
{
    (void)state;
    expect(ask(TEXT_REQUEST("GET /v1/nothing")), "HTTP/1.1 404 ", "not-found: ");
    expect(ask(TEXT_REQUEST("GET /v1/guests/web1/off")), "HTTP/1.1 405 ", "\r\nAllow: POST\r\n");
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=all")), "HTTP/1.1 400 ", "allowed: list, list-status");
    expect(ask(TEXT_REQUEST("POST /v1/guests/web1/off?method=hammer")), "HTTP/1.1 400 ",
           "allowed: onoff, cycle");
    expect(ask(TEXT_REQUEST("GET /v1/status?strict=1")), "HTTP/1.1 400 ", "view=monitor");
    expect(ask(TEXT_REQUEST("GET /v1/operations/none")), "HTTP/1.1 404 ", "not-found: ");
    expect(ask("GET /v1/operations/none HTTP/1.0\r\n\r\n"), "HTTP/1.1 404 ",
           "{\"error\":{\"code\":\"not-found\"");
    expect(ask("rubbish\n"), "HTTP/1.1 400 ", "bad-request: ");
    expect(ask(TEXT_REQUEST("GET /v1/status") "GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 400 ",
           "behind the request");
    expect(ask("POST /v1/guests/1/off HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"), "HTTP/1.1 413 ",
           "body-too-large");
}

static void test_a_head_that_is_too_long_is_answered_although_more_comes(void **state)
{
    char big[3 * HTTP_HEAD_MAX];
    int fd = connect_to(world.path);

    (void)state;
    memset(big, 'x', sizeof(big));
    memcpy(big, "GET /", 5);
    assert_int_equal(send(fd, big, sizeof(big), MSG_NOSIGNAL), sizeof(big));
    expect(fd, "HTTP/1.1 431 ", "head-too-large: ");
}

static void test_a_head_may_come_byte_by_byte(void **state)
{
    static const char head[] = TEXT_REQUEST("GET /v1/guests?view=list");
    int fd = connect_to(world.path);

    (void)state;
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        assert_int_equal(send(fd, head + i, 1, MSG_NOSIGNAL), 1);
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    }
    expect(fd, "HTTP/1.1 200 OK\r\n", "101,web1\n");
}

static void test_a_request_that_ends_early_is_told_so(void **state)
{
    int fd = ask("GET /v1/status HTTP/1.1\r\n");

    (void)state;
    shutdown(fd, SHUT_WR);
    expect(fd, "HTTP/1.1 400 ", "ended before its empty line");
    close(connect_to(world.path)); /* one that says nothing costs nothing */
    run_until(nobody_is_there, NULL);
}

static void test_a_large_answer_reaches_a_slow_reader_whole(void **state)
{
    enum { MANY = 3000 };
    struct inventory_builder *builder = inventory_builder_new(NULL);

    (void)state;
    for (int i = 0; i < MANY; i++) {
        char name[32];
        const struct guest guest = FIXTURE_GUEST(1000 + i, name, "pve1", .lock = (char *)"a-lock");

        snprintf(name, sizeof(name), "a-guest-with-a-name-%d", i);
        assert_true(inventory_builder_guest(builder, &guest));
    }
    inventory_unref(rooms.inventory);
    rooms.inventory = inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
    _cleanup_(text_clear) struct text got = hear(ask("GET /v1/guests HTTP/1.0\r\n\r\n"));
    const char *length = strstr(got.data, "Content-Length: "), *body = strstr(got.data, "\r\n\r\n");
    assert_true(length && body);
    assert_int_equal(strtoul(length + 16, NULL, 10), got.length - (size_t)(body + 4 - got.data));
    assert_true(got.length > 1000000);
}

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
    server_set_gate(world.server, &gate);
    if (!connect_as(STRANGER, world.path, &fd))
        skip();
    run_until(one_is_there, NULL);
    server_set_gate(world.server, &open_gate);
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
    int held[SERVER_CONNECTIONS_PER_UID], extra;

    (void)state;
    gate.group = getegid();
    server_set_gate(world.server, &gate);
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

/* ---- askers that wait ---- */

static void test_an_operation_is_answered_when_it_ends(void **state)
{
    const struct operation operation = {.id = "op1",
                                        .action = FENCE_REBOOT,
                                        .guest = (char *)"web1",
                                        .vmid = 101,
                                        .requested_ms = 1000,
                                        .verified_ms = 1800};
    int fd = ask("POST /v1/guests/web1/reboot?method=cycle HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n"
                 "Content-Length: 0\r\nRequest-Id: abc-1\r\n\r\n");

    (void)state;
    run_until(somebody_asks, NULL);
    assert_string_equal(rooms.plug, "web1");
    assert_string_equal(rooms.request_id, "abc-1");
    assert_int_equal(rooms.action, FENCE_REBOOT);
    assert_int_equal(rooms.method, FENCE_CYCLE);
    assert_int_equal(rooms.peer.uid, geteuid());
    assert_int_equal(rooms.peer.pid, getpid());
    rooms.answer(rooms.context, &operation, NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n", "reboot of web1 (101) done in 800 ms, operation op1\n");
    assert_int_equal(rooms.left, 0);
}

static void test_an_operation_that_failed_says_why_and_which(void **state)
{
    const struct operation operation = {.id = "op7"};
    struct error error;
    int fd = ask("POST /v1/guests/web1/off HTTP/1.0\r\n\r\n");

    (void)state;
    run_until(somebody_asks, NULL);
    error_set(&error, ERROR_LOCKED, "guest 101 is locked (backup)");
    rooms.answer(rooms.context, &operation, &error);
    expect(fd, "HTTP/1.1 503 Service Unavailable\r\n", "\"operation\":\"op7\"");
}

static void test_what_the_engine_refuses_is_answered_at_once(void **state)
{
    (void)state;
    error_set(&rooms.refusal, ERROR_UNKNOWN_PLUG, "no guest is called x");
    expect(ask(TEXT_REQUEST("POST /v1/guests/x/off")), "HTTP/1.1 404 ",
           "unknown-plug: no guest is called x\nhint: ");
    expect(ask(TEXT_REQUEST("GET /v1/guests/x?view=power")), "HTTP/1.1 404 ", "unknown-plug: ");
}

static void test_the_engine_learns_that_an_asker_left(void **state)
{
    int fd = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));

    (void)state;
    run_until(somebody_asks, NULL);
    close(fd);
    run_until(the_asker_left, NULL);
    assert_int_equal(server_connections(world.server), 0);
}

static void test_an_asker_that_closed_its_direction_still_waits(void **state)
{
    struct pve_status status = {.vmid = 101};
    int fd = ask(TEXT_REQUEST("GET /v1/guests/web1?view=power"));

    (void)state;
    shutdown(fd, SHUT_WR);
    run_until(somebody_asks, NULL);
    for (int i = 0; i < 5; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(rooms.left, 0);
    rooms.power(rooms.context, ENGINE_POWER_OFF, &status, "pve1", NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\noff\n");
}

static void test_an_asker_that_closed_its_direction_and_then_leaves_is_noticed(void **state)
{
    int fd = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));

    (void)state;
    shutdown(fd, SHUT_WR);
    run_until(somebody_asks, NULL);
    close(fd);
    run_until(the_asker_left, NULL);
}

static void test_at_the_end_waiting_askers_get_no_answer_at_all(void **state)
{
    int waiting = ask(TEXT_REQUEST("POST /v1/guests/web1/off")), late;

    (void)state;
    run_until(somebody_asks, NULL);
    error_set(&rooms.refusal, ERROR_INTERRUPTED, "the broker is going down");
    late = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));
    for (int i = 0; i < 5; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(server_connections(world.server), 2);
    server_drop_waiting(world.server);
    assert_int_equal(server_connections(world.server), 0);
    expect_nothing(waiting);
    expect_nothing(late);
}

/* ---- monitor ---- */

static void test_a_monitor_waits_for_the_first_knowledge(void **state)
{
    struct inventory *first = TAKE(rooms.inventory);
    int fd = ask(TEXT_REQUEST("GET /v1/status?view=monitor")),
        list = ask(TEXT_REQUEST("GET /v1/guests?view=list"));

    (void)state;
    for (int i = 0; i < 8; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    server_round_ended(world.server); /* a round that learnt nothing */
    for (int i = 0; i < 8; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(server_connections(world.server), 2);

    const struct guest guest = *inventory_get(first, 0);
    struct inventory_builder *builder = inventory_builder_new(first);
    assert_true(inventory_builder_guest(builder, &guest) && inventory_builder_node(builder, "pve1", true));
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    rooms.inventory = inventory_builder_finish(builder, (int64_t)now.tv_sec * 1000);
    inventory_unref(first);
    server_round_ended(world.server);
    expect(fd, "HTTP/1.1 503 ", "minority: "); /* one of three hosts: knowledge, if no good news */
    expect(list, "HTTP/1.1 200 ", "101,web1\n");
}

static void test_a_monitor_with_old_knowledge_asks_for_a_poll(void **state)
{
    int fd = ask(TEXT_REQUEST("GET /v1/status?view=monitor")); /* the inventory was taken long ago */

    (void)state;
    for (int i = 0; i < 8; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(rooms.polls_asked, 1);
    error_set(&rooms.poll_error, ERROR_NO_ENDPOINT, "pve1: no route to host");
    server_round_ended(world.server);
    expect(fd, "HTTP/1.1 503 ", "pve1: no route to host");
}

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

/* ---- listening ---- */

static void test_a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct error error;
    struct stat st;
    char path[128];

    (void)state;
    assert_int_equal(listener_open(world.path, 0600, ACCESS_NO_GID, &error), -EADDRINUSE);
    assert_non_null(strstr(error.message, "somebody listens"));

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
    assert_int_equal(server_listen(world.server, SERVER_BROKER, fd), 0);
    int client = connect_to(path);
    say(client, TEXT_REQUEST("GET /v1/guests?view=list"));
    expect(client, "HTTP/1.1 200 ", "101,web1\n");
    server_close_listeners(world.server);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_question_is_answered_in_text_and_json),
        SERVER_TEST(test_what_cannot_be_asked_is_refused_with_its_code),
        SERVER_TEST(test_a_head_that_is_too_long_is_answered_although_more_comes),
        SERVER_TEST(test_a_head_may_come_byte_by_byte),
        SERVER_TEST(test_a_request_that_ends_early_is_told_so),
        SERVER_TEST(test_a_large_answer_reaches_a_slow_reader_whole),
        SERVER_TEST(test_a_stranger_is_refused_before_it_has_said_a_word),
        SERVER_TEST(test_a_stranger_that_talks_is_not_listened_to),
        SERVER_TEST(test_a_right_that_was_taken_meanwhile_is_gone),
        SERVER_TEST(test_the_metrics_socket_is_open_to_all_for_metrics_alone),
        SERVER_TEST(test_one_user_cannot_hold_all_connections),
        SERVER_TEST(test_an_operation_is_answered_when_it_ends),
        SERVER_TEST(test_an_operation_that_failed_says_why_and_which),
        SERVER_TEST(test_what_the_engine_refuses_is_answered_at_once),
        SERVER_TEST(test_the_engine_learns_that_an_asker_left),
        SERVER_TEST(test_an_asker_that_closed_its_direction_still_waits),
        SERVER_TEST(test_an_asker_that_closed_its_direction_and_then_leaves_is_noticed),
        SERVER_TEST(test_at_the_end_waiting_askers_get_no_answer_at_all),
        SERVER_TEST(test_a_monitor_waits_for_the_first_knowledge),
        SERVER_TEST(test_a_monitor_with_old_knowledge_asks_for_a_poll),
        SERVER_TEST(test_a_byte_now_and_then_does_not_hold_a_connection),
        SERVER_TEST(test_accepting_goes_on_after_descriptors_ran_out),
        SERVER_TEST(test_a_stale_socket_is_replaced_and_a_live_one_is_not),
        SERVER_TEST(test_a_path_that_is_too_long_is_refused),
        SERVER_TEST(test_closing_removes_our_own_socket_only),
        SERVER_TEST(test_a_socket_of_systemd_is_served_and_left_alone),
    };

    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
