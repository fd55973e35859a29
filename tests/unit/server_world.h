/*
 * A server over real sockets, and clients of it, for the tests of what it does. The rooms behind it (engine,
 * poller, session, history) are stand-ins defined here, which the linker takes instead: what is tested is the
 * way to them and back.
 */
#pragma once

#include "fence/host_watch.h"
#include "server/connection.h"
#include "server/listener.h"
#include "server/server.h"
#include "server_fixture.h"
#include "system/cleanup.h"
#include "system/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define STRANGER   ((uid_t)54321)
#define OTHER_USER ((uid_t)54322)
#define GUARD_S    90 /* no test waits longer for anything: a machine may be busy */

/* ---- the rooms behind ---- */

static struct {
    struct inventory *inventory;
    struct error poll_error;
    unsigned polls_asked, described;
    /* the engine: one asker at a time */
    uint64_t next_asker, asker, left;
    uid_t order[32]; /* who asked for power, one after the other */
    char plug[128], request_id[HTTP_REQUEST_ID_MAX + 1];
    int64_t asked_ms;
    engine_there_fn *is_there;
    enum fence_action action;
    enum fence_method method;
    struct operation_peer peer;
    engine_answer_fn *answer;
    engine_power_fn *power;
    rehearsal_answer_fn *rehearsed;
    void *context;
    struct error refusal; /* of the next submit */
} rooms;

struct inventory *poller_inventory(const struct poller *poller)
{
    (void)poller;
    return rooms.inventory;
}

const struct error *poller_error(const struct poller *poller)
{
    (void)poller;
    return &rooms.poll_error;
}

static unsigned looks; /* at the guests, or at the status */

void poller_looked_at(struct poller *poller)
{
    (void)poller;
    looks++;
}

const char *poller_version(const struct poller *poller)
{
    (void)poller;
    return "9.2.11";
}

const struct poller_times *poller_times(const struct poller *poller)
{
    (void)poller;
    return NULL;
}

unsigned poller_backoff(const struct poller *poller)
{
    (void)poller;
    return 1;
}

int64_t poller_interval_ms(const struct poller *poller)
{
    (void)poller;
    return 10000;
}

void poller_wanted(struct poller *poller)
{
    (void)poller;
}

void poller_poll_now(struct poller *poller)
{
    (void)poller;
    rooms.polls_asked++;
}

void session_describe(const struct session *session, struct session_description *description)
{
    (void)session;
    rooms.described++;
    *description =
        (struct session_description){.identity = "fence@pve!broker", .is_token = true, .ready = true};
}

const struct dead_hosts *host_watch_hosts(const struct host_watch *watch)
{
    (void)watch;
    return NULL;
}

static inline uint64_t new_asker(struct error *error, void *context)
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
    rooms.asked_ms = request->asked_ms;
    rooms.is_there = request->is_there;
    rooms.answer = answer;
    if (rooms.next_asker < ARRAY_LEN(rooms.order))
        rooms.order[rooms.next_asker] = request->peer.uid;
    return new_asker(error, context);
}

uint64_t engine_read_power(struct engine *engine, const char *plug, const struct engine_reader *by,
                           engine_power_fn *answer, void *context, struct error *error)
{
    (void)engine;
    (void)by;
    snprintf(rooms.plug, sizeof(rooms.plug), "%s", plug);
    rooms.power = answer;
    return new_asker(error, context);
}

uint64_t rehearsals_ask(struct rehearsals *rehearsals, const char *plug, rehearsal_answer_fn *answer,
                        void *context, struct error *error)
{
    (void)rehearsals;
    snprintf(rooms.plug, sizeof(rooms.plug), "%s", plug);
    rooms.rehearsed = answer;
    return new_asker(error, context);
}

void rehearsals_leave(struct rehearsals *rehearsals, uint64_t id)
{
    (void)rehearsals;
    rooms.left = id;
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
    return rooms.asker ? 1 : 0;
}

struct unsettled_kill_doubts engine_kill_doubts(const struct engine *engine)
{
    (void)engine;
    return (struct unsettled_kill_doubts){.list = NULL};
}

const struct engine_counters *engine_counters(const struct engine *engine)
{
    static const struct engine_counters counters;

    (void)engine;
    return &counters;
}

const struct request_stats *engine_request_stats(const struct engine *engine)
{
    static const struct request_stats tally;

    (void)engine;
    return &tally;
}

/* ---- one server, one client ---- */

static struct {
    struct event_base *base;
    struct server *server;
    struct endpoints *endpoints;
    struct rooms rooms;
    char directory[64], path[96], metrics_path[96];
} world;

static const struct access_gate open_gate = {
    .group = ACCESS_NO_GID, .hacluster = ACCESS_NOBODY, .overflow_uid = 65534};

static inline void set_gate(const struct access_gate *gate)
{
    const struct access_policy policy = {.gate = *gate};

    server_set_policy(world.server, &policy);
}

static inline int set_up(void **state)
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

    const struct access_policy policy = {.gate = open_gate};
    world.rooms = (struct rooms){.endpoints = world.endpoints,
                                 .history = fixture_history(),
                                 .engine = (struct engine *)(void *)&rooms}; /* never looked into */
    world.base = event_base_new();
    world.server = server_new(world.base, &world.rooms, &policy);
    assert_non_null(world.server);
    struct access_gate gate = open_gate;
    gate.hacluster = geteuid(); /* whoever runs the tests is privileged */
    set_gate(&gate);
    assert_int_equal(server_listen_at(world.server, SERVER_DOOR_BROKER, world.path, ACCESS_NO_GID, &error),
                     0);
    assert_int_equal(
        server_listen_at(world.server, SERVER_DOOR_METRICS, world.metrics_path, ACCESS_NO_GID, &error), 0);
    assert_int_equal(chmod(world.path, 0666), 0); /* strangers get as far as the gate */
    return 0;
}

static inline int tear_down(void **state)
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

static inline int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The kernel notes the effective user at connect time. False where this process may not become somebody else.
 */
static inline bool connect_as(uid_t uid, const char *path, int *fd)
{
    if (geteuid() != 0)
        return false;
    assert_int_equal(seteuid(uid), 0);
    *fd = connect_to(path);
    assert_int_equal(seteuid(0), 0);
    return true;
}

static inline void say(int fd, const char *bytes)
{
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

static inline void on_guard(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    *(bool *)context = true;
}

/* Run the loop until `done(context)`. */
static inline void run_until(bool (*done)(void *context), void *context)
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

static inline void on_client_readable(evutil_socket_t fd, short what, void *context)
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

static inline bool client_ended(void *context)
{
    return ((struct client *)context)->ended;
}

/* What comes until the other end closes; takes `fd`. The caller frees. */
static inline struct text hear(int fd)
{
    struct client client = {.fd = fd};
    struct event *event = event_new(world.base, fd, EV_READ | EV_PERSIST, on_client_readable, &client);

    event_add(event, NULL);
    run_until(client_ended, &client);
    event_free(event);
    close(fd);
    return client.got;
}

static inline void expect(int fd, const char *status_line, const char *part)
{
    _cleanup_(text_clear) struct text got = hear(fd);

    if (!got.data || strncmp(got.data, status_line, strlen(status_line)) != 0 || !strstr(got.data, part))
        fail_msg("expected '%s' and '%s', got:\n%s", status_line, part, got.data ? got.data : "(nothing)");
}

static inline void expect_nothing(int fd)
{
    _cleanup_(text_clear) struct text got = hear(fd);

    assert_int_equal(got.length, 0);
}

static inline bool somebody_asks(void *context)
{
    (void)context;
    return rooms.asker != 0;
}

static inline bool the_asker_left(void *context)
{
    (void)context;
    return rooms.left == rooms.asker;
}

static inline bool nobody_is_there(void *context)
{
    (void)context;
    return server_connections(world.server) == 0;
}

static inline bool one_is_there(void *context)
{
    (void)context;
    return server_connections(world.server) == 1;
}

#define TEXT_REQUEST(line) line " HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n"

static inline int ask(const char *request)
{
    int fd = connect_to(world.path);

    say(fd, request);
    return fd;
}
