/*
 * From accepted socket to dispatched request, and what all requests share. A peer is judged before a byte of
 * it is read (gate, then shares), its right is judged again, once, before its handler runs, because a reload
 * may lie in between.
 */
#include "server/server.h"

#include "server/exchange.h"
#include "server/listener.h"
#include "server/metrics.h"
#include "server/quota.h"
#include "server/routes.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LARGE_ANSWER   (64 * 1024) /* smaller ones are never refused for the memory they take */
#define REFUSAL_LOG_MS 1000        /* a flood of connections is one line a second */
#define HOLD_CHECK_MS  200         /* how exactly the end of a hold is met */

_Static_assert((int)SERVER_SOCKET_COUNT == (int)METRICS_SOCKET_COUNT, "the sockets have their labels");

struct server {
    struct event_base *base;
    struct server_parts parts;
    struct access_gate gate;
    struct socket {
        struct server *server;
        enum server_socket kind;
        struct listener *listener;
        struct quota *quota;
    } sockets[SERVER_SOCKET_COUNT];
    struct exchange *exchanges; /* by id */
    uint64_t last_id;
    struct event *hold_timer;
    struct metrics_server counters;
    int64_t started_ms, refusal_logged_ms;
    int statm; /* /proc/self/statm, open from the start: no file is opened later */
};

const struct server_parts *server_parts(const struct server *server)
{
    return &server->parts;
}

int64_t server_age_ms(const struct server *server)
{
    return clock_now_ms() - server->started_ms;
}

/* ---- facts ---- */

void server_facts(const struct server *server, struct view_facts *facts)
{
    const struct server_parts *parts = &server->parts;
    const struct inventory *inventory = poller_inventory(parts->poller);

    *facts = (struct view_facts){
        .now_ms = clock_now_ms(),
        .boottime_ms = clock_boottime_ms(),
        .realtime_ms = clock_realtime_ms(),
        .started_realtime_ms = server->counters.start_realtime_ms,
        .endpoints = parts->endpoints,
        .poll_error = poller_error(parts->poller),
        .pve_version = poller_version(parts->poller),
        .history = parts->history,
        .engine = engine_counters(parts->engine),
        .operations_running = engine_running(parts->engine),
        .transport = {parts->fences ? transport_counters(parts->fences) : NULL,
                      parts->polls ? transport_counters(parts->polls) : NULL},
    };
    session_describe(parts->session, &facts->session);
    facts->readiness = (struct readiness_facts){
        .session_ready = facts->session.ready,
        .endpoints_up = endpoints_up(parts->endpoints),
        .endpoints_total = (unsigned)endpoints_count(parts->endpoints),
        .inventory = inventory,
        .inventory_age_ms = inventory ? facts->now_ms - inventory_taken_ms(inventory) : 0,
        .poll_interval_ms = poller_interval_ms(parts->poller),
        .min_online_nodes = parts->min_online_nodes,
        .history_failing = history_write_error(parts->history) != 0,
    };
}

static int64_t resident_bytes(int statm)
{
    char buffer[128];
    long long total, resident;
    ssize_t n = statm < 0 ? -1 : pread(statm, buffer, sizeof(buffer) - 1, 0);

    if (n <= 0)
        return -1;
    buffer[n] = '\0';
    if (sscanf(buffer, "%lld %lld", &total, &resident) != 2)
        return -1;
    return resident * sysconf(_SC_PAGESIZE);
}

void server_write_metrics(const struct server *server, struct text *out)
{
    struct metrics_server counters = server->counters;
    struct view_facts facts;

    server_facts(server, &facts);
    counters.resident_bytes = resident_bytes(server->statm);
    counters.log_lost = log_lost();
    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++)
        counters.connections[i] = quota_used(server->sockets[i].quota);
    metrics_write(out, &facts, &counters);
}

/* ---- answers ---- */

static size_t unwritten_bytes(const struct server *server)
{
    size_t sum = 0;

    for (const struct exchange *e = server->exchanges; e; e = e->hh.next)
        sum += connection_unwritten(e->connection);
    return sum;
}

static void send_answer(struct exchange *exchange, int status, const char *content_type, const char *allow,
                        struct text *body)
{
    _cleanup_(text_clear) struct text answer = {0};

    http_write_answer(&answer, status, content_type, allow, body->data ? body->data : "", body->length);
    answer.failed |= body->failed;
    text_clear(body);
    exchange->wait = WAIT_NONE;
    exchange->asker = 0;
    connection_answer(exchange->connection, &answer);
}

void exchange_answer(struct exchange *exchange, int status, const char *content_type, struct text *body)
{
    if (body->length > LARGE_ANSWER && exchange->verdict != ACCESS_PRIVILEGED &&
        unwritten_bytes(exchange->server) + body->length > SERVER_ANSWERS_BYTES_MAX) {
        struct error error;

        text_clear(body);
        error_set(&error, ERROR_TOO_MANY, "too many answers wait to be read by their askers");
        exchange_answer_error(exchange, 0, NULL, &error, NULL);
        return;
    }
    send_answer(exchange, status, content_type, NULL, body);
}

void exchange_answer_error(struct exchange *exchange, int status, const char *allow,
                           const struct error *error, const char *operation)
{
    _cleanup_(text_clear) struct text body = {0};

    view_error(&body, exchange->form, error, operation);
    send_answer(exchange, status ? status : error_code_http_status(error->code),
                http_content_type(exchange->form), allow, &body);
}

/* ---- waiting for knowledge ---- */

void exchange_hold(struct exchange *exchange, int64_t hold_until_ms,
                   void (*resume)(struct server *server, struct exchange *exchange))
{
    const struct timeval check = {.tv_usec = HOLD_CHECK_MS * 1000};

    exchange->wait = WAIT_ROUND;
    exchange->hold_until_ms = hold_until_ms;
    exchange->resume = resume;
    if (!event_pending(exchange->server->hold_timer, EV_TIMEOUT, NULL))
        event_add(exchange->server->hold_timer, &check);
}

/* Look again at those that wait: all of them after a round, else those whose time is up. */
static bool resume_held(struct server *server, bool all)
{
    int64_t now = clock_now_ms();
    bool left = false;

    for (struct exchange *e = server->exchanges; e; e = e->hh.next) {
        if (e->wait == WAIT_ROUND && (all || now >= e->hold_until_ms))
            e->resume(server, e);
        left |= e->wait == WAIT_ROUND;
    }
    return left;
}

static void on_hold_timer(evutil_socket_t fd, short what, void *context)
{
    const struct timeval check = {.tv_usec = HOLD_CHECK_MS * 1000};
    struct server *server = context;

    (void)fd;
    (void)what;
    if (resume_held(server, false))
        event_add(server->hold_timer, &check);
}

void server_round_ended(struct server *server)
{
    resume_held(server, true);
}

/* ---- one connection ---- */

static bool is_privileged(const struct exchange *exchange)
{
    return exchange->verdict == ACCESS_PRIVILEGED;
}

/* Nobody is called back for this exchange any more: the engine has forgotten its asker. */
static void exchange_free(struct exchange *exchange)
{
    struct server *server = exchange->server;

    if (exchange->wait == WAIT_ENGINE)
        engine_leave(server->parts.engine, exchange->asker);
    HASH_DEL(server->exchanges, exchange);
    quota_give(server->sockets[exchange->socket].quota, connection_peer(exchange->connection)->uid,
               is_privileged(exchange));
    connection_free(exchange->connection);
    free(exchange->plug);
    free(exchange);
}

static void log_denied(const struct access_peer *peer, enum access_verdict verdict, const char *rule,
                       const char *what)
{
    char uid[24], gid[24], pid[24];

    snprintf(uid, sizeof(uid), "%lu", (unsigned long)peer->uid);
    snprintf(gid, sizeof(gid), "%lu", (unsigned long)peer->gid);
    snprintf(pid, sizeof(pid), "%ld", (long)peer->pid);
    log_event(LOG_WARNING,
              (const struct log_field[]){{"PEER_UID", uid},
                                         {"PEER_GID", gid},
                                         {"PEER_PID", pid},
                                         {"FENCE_DENIED", access_verdict_name(verdict)},
                                         {NULL, NULL}},
              "denied: uid %s, gid %s, pid %s, %s: %s", uid, gid, pid, what, rule);
}

static void deny(struct exchange *exchange, enum access_verdict verdict, const char *rule, const char *what)
{
    const struct access_peer *peer = connection_peer(exchange->connection);
    struct error error;

    exchange->server->counters.denied[verdict]++;
    log_denied(peer, verdict, rule, what);
    error_set(&error, ERROR_DENIED, "uid %lu may not ask the broker: %s", (unsigned long)peer->uid, rule);
    exchange_answer_error(exchange, 0, NULL, &error, NULL);
}

static struct exchange *find_exchange(struct server *server, uint64_t id)
{
    struct exchange *exchange;

    HASH_FIND(hh, server->exchanges, &id, sizeof(id), exchange);
    return exchange;
}

static void on_request(void *context, struct connection *connection, const struct http_request *request)
{
    struct server *server = context;
    struct exchange *exchange = find_exchange(server, connection_id(connection));
    const char *allow, *rule = "";
    struct error error = {0};

    if (!exchange)
        return;
    exchange->form = request->form;
    const struct route *route = route_find(request, exchange->socket == SERVER_METRICS, &allow, &error);
    if (!route) {
        exchange_answer_error(exchange, 0, allow, &error, NULL);
        return;
    }
    if (exchange->socket == SERVER_BROKER) {
        enum access_verdict verdict = access_request(connection_peer(connection), &server->gate, route->right,
                                                     route->what, route_guest(route, request), &rule);

        if (!access_allows(verdict)) {
            deny(exchange, verdict, rule, route->path);
            return;
        }
    }
    route->handler(server, exchange, request);
}

static void on_refused(void *context, struct connection *connection, enum http_form form,
                       const struct error *error)
{
    struct exchange *exchange = find_exchange(context, connection_id(connection));

    if (!exchange)
        return;
    exchange->form = form;
    exchange_answer_error(exchange, 0, NULL, error, NULL);
}

static void on_gone(void *context, struct connection *connection)
{
    struct exchange *exchange = find_exchange(context, connection_id(connection));

    if (exchange)
        exchange_free(exchange);
}

/* ---- accepting ---- */

/* No memory, no descriptor and no deadline is spent on a connection too many: a fresh socket takes these few
 * bytes. */
static void refuse_connection(struct socket *socket, int fd, const struct access_peer *peer)
{
    static const char body[] =
        "too-many: the broker has too many connections\nhint: wait a moment, then ask again\n";
    struct server *server = socket->server;
    char answer[512];
    int64_t now = clock_now_ms();
    int length = snprintf(answer, sizeof(answer),
                          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          sizeof(body) - 1, body);

    server->counters.connections_refused[socket->kind]++;
    if (!server->refusal_logged_ms || now - server->refusal_logged_ms >= REFUSAL_LOG_MS) {
        server->refusal_logged_ms = now;
        log_warning("too many connections: one of uid %lu was closed; %" PRIu64 " so far",
                    (unsigned long)peer->uid, server->counters.connections_refused[socket->kind]);
    }
    (void)!send(fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static struct exchange *add_exchange(struct socket *socket, int fd, struct access_peer *peer,
                                     enum access_verdict verdict)
{
    struct server *server = socket->server;
    const struct connection_owner owner = {on_request, on_refused, on_gone, server};
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange) {
        close(fd);
        access_peer_clear(peer);
        return NULL;
    }
    *exchange = (struct exchange){.id = ++server->last_id,
                                  .server = server,
                                  .socket = socket->kind,
                                  .verdict = verdict,
                                  .form = HTTP_TEXT};
    exchange->connection = connection_new(server->base, fd, peer, exchange->id, &owner);
    if (exchange->connection) {
        HASH_ADD(hh, server->exchanges, id, sizeof(exchange->id), exchange);
        if (find_exchange(server, exchange->id))
            return exchange;
    }
    connection_free(exchange->connection);
    free(exchange);
    return NULL;
}

static void on_accept(void *context, int fd, struct access_peer *peer)
{
    struct socket *socket = context;
    struct server *server = socket->server;
    const char *rule = "";
    enum access_verdict verdict = access_gate(peer, &server->gate, &rule);
    bool privileged = verdict == ACCESS_PRIVILEGED;
    uid_t uid = peer->uid;

    if (quota_take(socket->quota, uid, privileged) != QUOTA_TAKEN) {
        refuse_connection(socket, fd, peer);
        access_peer_clear(peer);
        return;
    }
    struct exchange *exchange = add_exchange(socket, fd, peer, verdict);
    if (!exchange) {
        quota_give(socket->quota, uid, privileged);
        return;
    }
    /* Answered at once: what such a peer sends is thrown away unread. */
    if (socket->kind == SERVER_BROKER && !access_allows(verdict))
        deny(exchange, verdict, rule, "connection");
}

int server_listen(struct server *server, enum server_socket kind, int fd)
{
    struct socket *socket = &server->sockets[kind];

    listener_free(TAKE(socket->listener));
    socket->listener = listener_new(server->base, fd, NULL, on_accept, socket);
    return socket->listener ? 0 : -errno;
}

int server_listen_at(struct server *server, enum server_socket kind, const char *path, gid_t group,
                     struct error *error)
{
    struct socket *socket = &server->sockets[kind];
    mode_t mode = kind == SERVER_BROKER ? 0660 : 0666;

    listener_free(TAKE(socket->listener));
    int fd = listener_open(path, mode, kind == SERVER_BROKER ? group : ACCESS_NO_GID, error);
    if (fd < 0)
        return fd;
    socket->listener = listener_new(server->base, fd, path, on_accept, socket);
    if (!socket->listener) {
        error_set(error, ERROR_INTERNAL, "cannot serve at %s: %s", path, strerror(errno));
        return -errno;
    }
    return 0;
}

void server_close_listeners(struct server *server)
{
    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++)
        listener_free(TAKE(server->sockets[i].listener));
}

/* ---- life ---- */

struct server *server_new(struct event_base *base, const struct server_parts *parts,
                          const struct access_gate *gate)
{
    static const struct quota_limits limits[SERVER_SOCKET_COUNT] = {
        [SERVER_BROKER] = {SERVER_CONNECTIONS_MAX, SERVER_CONNECTIONS_PER_UID, SERVER_CONNECTIONS_RESERVE},
        [SERVER_METRICS] = {SERVER_METRICS_MAX, SERVER_METRICS_PER_UID, 0},
    };
    struct server *server = calloc(1, sizeof(*server));
    bool good;

    if (!server)
        return NULL;
    *server = (struct server){.base = base, .parts = *parts, .gate = *gate, .started_ms = clock_now_ms()};
    server->counters.start_realtime_ms = clock_realtime_ms();
    server->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    good = (server->hold_timer = event_new(base, -1, 0, on_hold_timer, server)) != NULL;
    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++) {
        server->sockets[i].server = server;
        server->sockets[i].kind = (enum server_socket)i;
        good &= (server->sockets[i].quota = quota_new(&limits[i])) != NULL;
    }
    if (!good) {
        server_free(server);
        errno = ENOMEM;
        return NULL;
    }
    return server;
}

static void drop(struct server *server, bool waiting_only)
{
    struct exchange *exchange, *next;

    HASH_ITER (hh, server->exchanges, exchange, next) {
        if (!waiting_only || !connection_answered(exchange->connection))
            exchange_free(exchange);
    }
}

void server_drop_waiting(struct server *server)
{
    drop(server, true);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    server_close_listeners(server);
    drop(server, false);
    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++)
        quota_free(server->sockets[i].quota);
    if (server->hold_timer)
        event_free(server->hold_timer);
    if (server->statm >= 0)
        close(server->statm);
    free(server);
}

void server_set_parts(struct server *server, const struct server_parts *parts)
{
    server->parts = *parts;
}

void server_set_gate(struct server *server, const struct access_gate *gate)
{
    server->gate = *gate;
}

unsigned server_connections(const struct server *server)
{
    unsigned sum = 0;

    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++)
        sum += quota_used(server->sockets[i].quota);
    return sum;
}
