/*
 * From accepted socket to dispatched request, and what all requests share. A peer is judged before a byte of
 * it is read (gate, then shares), its right is judged again, once, before its handler runs, because a reload
 * may lie in between.
 */
#include "server/server.h"

#include "server/audit_trail.h"
#include "server/authorize.h"
#include "server/exchange.h"
#include "server/listener.h"
#include "server/metrics.h"
#include "server/quota.h"
#include "server/routes.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/descriptors.h"
#include "system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define REFUSAL_LOG_MS 1000 /* a flood of connections is one line a second */

struct server {
    struct event_base *base;
    struct exchanges *all;
    struct door {
        struct server *server;
        enum server_door is;
        struct listener *listener;
    } doors[SERVER_DOOR_COUNT];
    struct quota *quotas[SERVER_SOCKET_COUNT];
    int64_t refusal_logged_ms;
};

static const struct door_row {
    enum server_socket socket;
    mode_t mode;
    bool for_group;
} door_rows[SERVER_DOOR_COUNT] = {
    [SERVER_DOOR_BROKER] = {SERVER_BROKER, 0660, true},
    [SERVER_DOOR_ROOT] = {SERVER_BROKER, 0600, false},
    [SERVER_DOOR_METRICS] = {SERVER_METRICS, 0666, false},
};

void server_round_ended(struct server *server)
{
    exchanges_round_ended(server->all);
}

/* ---- one connection ---- */

static bool is_privileged(const struct exchange *exchange)
{
    return exchange->verdict == ACCESS_PRIVILEGED;
}

static void dispatch(struct exchange *exchange, const struct http_request *request)
{
    const char *allow;
    struct error error = {0};
    const struct route *route = route_find(request, exchange->socket == SERVER_METRICS, &allow, &error);
    if (!route) {
        exchange_answer_error_as(exchange, 0, allow, &error, NULL);
        return;
    }
    poller_wanted(exchange->all->rooms->poller);
    if (exchange->socket == SERVER_BROKER)
        authorize_request(exchange, route, request);
    else
        route->handler(exchange, request);
}

/* The exchange ends, and its place is free again. */
static void end_exchange(struct server *server, struct exchange *exchange)
{
    uid_t uid = connection_peer(exchange->connection)->uid;
    bool privileged = is_privileged(exchange);
    enum server_socket kind = exchange->socket;

    exchange_free(exchange);
    quota_give(server->quotas[kind], uid, privileged);
}

static void on_gone(void *context, struct connection *connection)
{
    struct server *server = context;
    struct exchange *exchange = exchange_find(server->all, connection_id(connection));

    if (!exchange)
        return;
    if (!connection_answered(connection) && !is_privileged(exchange))
        listener_calm(
            server->doors[exchange->socket == SERVER_METRICS ? SERVER_DOOR_METRICS : SERVER_DOOR_BROKER]
                .listener);
    end_exchange(server, exchange);
}

static void dispatch_kept(struct exchange *exchange)
{
    dispatch(exchange, exchange->kept);
}

static void on_request(void *context, struct connection *connection, const struct http_request *request)
{
    struct server *server = context;
    struct exchange *exchange = exchange_find(server->all, connection_id(connection));

    if (!exchange)
        return;
    exchange->form = request->form;
    if (is_privileged(exchange)) {
        dispatch(exchange, request);
        return;
    }
    exchange->kept = connection_keep(connection, request);
    if (exchange->kept)
        exchange_in_turn(exchange, dispatch_kept);
    else
        exchange_answer_no_memory(exchange);
}

static void on_refused(void *context, struct connection *connection, enum http_form form,
                       const struct error *error)
{
    struct server *server = context;
    struct exchange *exchange = exchange_find(server->all, connection_id(connection));

    if (!exchange)
        return;
    exchange->form = form;
    exchange_answer_error(exchange, error);
}

/* ---- accepting ---- */

/* No memory, no descriptor and no deadline is spent on a connection too many: a fresh socket takes these few
 * bytes. */
static void refuse_connection(struct server *server, enum server_socket socket, int fd,
                              const struct access_peer *peer)
{
    static const char body[] =
        "too-many: the broker has too many connections\nhint: wait a moment, then ask again\n";
    char answer[512];
    int64_t now = clock_now_ms();
    int length = snprintf(answer, sizeof(answer),
                          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          sizeof(body) - 1, body);

    server->all->counters.connections_refused[socket]++;
    if (!server->refusal_logged_ms || now - server->refusal_logged_ms >= REFUSAL_LOG_MS) {
        server->refusal_logged_ms = now;
        char uid[24] = "";
        if (peer)
            snprintf(uid, sizeof(uid), "%lu", (unsigned long)peer->uid);
        log_say(KIND_CONNECTION_REFUSED, (const struct log_field[]){{"PEER_UID", uid}, {NULL, NULL}},
                "%s%s was closed; %" PRIu64 " so far",
                peer ? "too many connections: one of uid "
                     : "too few descriptors (LimitNOFILE=): a connection",
                uid, server->all->counters.connections_refused[socket]);
    }
    (void)!send(fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

/* What root left behind is recorded, though nobody waits for it; of all others nothing is read. */
static bool is_dropped(const struct server *server, int fd, struct access_peer *peer)
{
    const char *rule = "";

    if (!listener_peer_gone(fd) || access_gate(peer, &server->all->policy.gate, &rule) == ACCESS_PRIVILEGED)
        return false;
    access_peer_clear(peer);
    close(fd);
    return true;
}

static void serve(struct server *server, enum server_socket socket, int fd, struct access_peer *peer)
{
    const char *rule = "";
    enum access_verdict verdict = access_gate(peer, &server->all->policy.gate, &rule);
    bool privileged = verdict == ACCESS_PRIVILEGED;
    uid_t uid = peer->uid;

    if (quota_take(server->quotas[socket], uid, privileged) != QUOTA_TAKEN) {
        refuse_connection(server, socket, fd, peer);
        access_peer_clear(peer);
        return;
    }
    const struct connection_owner owner = {on_request, on_refused, on_gone, server};
    struct exchange *exchange = exchange_new(server->all, socket, fd, peer, verdict, &owner);
    if (!exchange) {
        quota_give(server->quotas[socket], uid, privileged);
        return;
    }
    /* Answered at once: what such a peer sends is thrown away unread. */
    if (socket == SERVER_BROKER && !access_allows(verdict))
        authorize_deny_connection(exchange, rule);
    else
        connection_begin(exchange->connection);
}

static bool on_accept(void *context, int fd, struct access_peer *peer)
{
    struct door *door = context;
    enum server_socket socket = door_rows[door->is].socket;

    if (!peer) {
        refuse_connection(door->server, socket, fd, NULL);
        return true;
    }
    if (is_dropped(door->server, fd, peer))
        return false;
    serve(door->server, socket, fd, peer);
    return true;
}

int server_listen(struct server *server, enum server_door is, int fd)
{
    struct door *door = &server->doors[is];

    listener_free(TAKE(door->listener));
    door->listener = listener_new(server->base, fd, NULL, on_accept, door);
    return door->listener ? 0 : -errno;
}

int server_listen_at(struct server *server, enum server_door is, const char *path, gid_t group,
                     struct error *error)
{
    const struct door_row *row = &door_rows[is];
    struct door *door = &server->doors[is];

    listener_free(TAKE(door->listener));
    int fd = listener_open(path, row->mode, row->for_group ? group : ACCESS_NO_GID, error);
    if (fd < 0)
        return fd;
    door->listener = listener_new(server->base, fd, path, on_accept, door);
    if (!door->listener) {
        error_set(error, ERROR_INTERNAL, "cannot serve at %s: %s", path, strerror(errno));
        return -errno;
    }
    return 0;
}

void server_close_listeners(struct server *server)
{
    for (size_t i = 0; i < SERVER_DOOR_COUNT; i++)
        listener_free(TAKE(server->doors[i].listener));
}

/* ---- life ---- */

/* As many as leave the daemon the descriptors that it needs itself. */
static unsigned connections_max(void)
{
    const unsigned others = SERVER_DESCRIPTORS_OWN + SERVER_METRICS_MAX;

    return descriptors_limit(SERVER_CONNECTIONS_MAX + others) - others;
}

struct server *server_new(struct event_base *base, const struct rooms *rooms,
                          const struct access_policy *policy)
{
    const unsigned most = connections_max();
    const struct quota_limits limits[SERVER_SOCKET_COUNT] = {
        [SERVER_BROKER] = {most, SERVER_CONNECTIONS_PER_UID, most / SERVER_CONNECTIONS_RESERVE},
        [SERVER_METRICS] = {SERVER_METRICS_MAX, SERVER_METRICS_PER_UID, 0},
    };
    struct server *server = calloc(1, sizeof(*server));
    bool good;

    if (!server)
        return NULL;
    *server = (struct server){.base = base};
    server->all = exchanges_new(base, rooms);
    if (server->all)
        server->all->policy = *policy;
    good = server->all != NULL;
    for (size_t i = 0; i < SERVER_DOOR_COUNT; i++)
        server->doors[i] = (struct door){.server = server, .is = (enum server_door)i};
    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++)
        good &= (server->quotas[i] = quota_new(&limits[i])) != NULL;
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

    if (!server->all)
        return;
    HASH_ITER (hh, server->all->table, exchange, next) {
        if (!waiting_only || !connection_answered(exchange->connection))
            end_exchange(server, exchange);
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
        quota_free(server->quotas[i]);
    exchanges_free(server->all);
    free(server);
}

void server_set_policy(struct server *server, const struct access_policy *policy)
{
    int result = listener_set_group(server->doors[SERVER_DOOR_BROKER].listener, policy->gate.group);

    server->all->policy = *policy;
    if (result < 0)
        log_say(KIND_SOCKET_GROUP, NULL, "the socket cannot be given to group %lu: %s",
                (unsigned long)policy->gate.group, strerror(-result));
}

unsigned server_connections(const struct server *server)
{
    unsigned sum = 0;

    for (size_t i = 0; i < SERVER_SOCKET_COUNT; i++)
        sum += quota_used(server->quotas[i]);
    return sum;
}
