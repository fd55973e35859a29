/* See server.h. */
#include "server.h"
#include "api.h"
#include "cluster.h"
#include "connection.h"
#include "fault.h"
#include "system/cleanup.h"
#include "tls.h"

#include <errno.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESS_ROOM (NI_MAXHOST + NI_MAXSERV + 4)
#define BACKLOG      128

struct endpoint {
    struct sim *sim;
    struct node *node;
    struct sockaddr_storage address;
    socklen_t address_length;
    char shown[ADDRESS_ROOM];
    int reserved; /* bound and never listening: keeps the port while nobody listens */
    struct evconnlistener *listener;
    SSL_CTX *tls;
    char fingerprint[TLS_FINGERPRINT_ROOM];
    struct endpoint *next;
};

struct counter {
    const char *name; /* of the call; borrowed */
    uint64_t count;
    UT_hash_handle hh;
};

struct server {
    struct endpoint *endpoints;
    struct connection *connections;
    struct late_call *late_calls;
    struct counter *counters;
    uint64_t requests, handshakes, accepted, logins, codes;
    char **log; /* a ring */
    size_t log_next, log_dropped;
    int64_t idle_ms;
};

/* ---- statistics and log ------------------------------------------------------------------------------- */

void server_count_handshake(struct sim *sim)
{
    sim->server->handshakes++;
}

void server_count_code(struct sim *sim)
{
    sim->server->codes++;
}

void server_count_call(struct sim *sim, const struct call *call)
{
    struct counter *counter = NULL;
    sim->server->requests++;
    if (strcmp(call->name, "ticket") == 0)
        sim->server->logins++;
    HASH_FIND_STR(sim->server->counters, call->name, counter);
    if (!counter && (counter = calloc(1, sizeof(*counter)))) {
        counter->name = call->name;
        HASH_ADD_KEYPTR(hh, sim->server->counters, counter->name, strlen(counter->name), counter);
    }
    if (counter)
        counter->count++;
}

void server_log_call(struct sim *sim, const struct call *call, int status)
{
    struct server *server = sim->server;
    char **line = &server->log[server->log_next];
    if (*line)
        server->log_dropped++;
    free(*line);
    if (asprintf(line, "%lld %s %s %d as=%s endpoint=%s body=%zu call=%s", (long long)sim_now_ms(),
                 call->method ? call->method : "?", call->path ? call->path : "?", status,
                 call->id ? call->id : "-", call->endpoint->name, call->body_bytes, call->name) < 0)
        *line = NULL;
    server->log_next = (server->log_next + 1) % SERVER_LOG_LINES_MAX;
}

void server_log(struct sim *sim, struct evbuffer *to)
{
    struct server *server = sim->server;
    if (server->log_dropped)
        evbuffer_add_printf(to, "dropped %zu\n", server->log_dropped);
    for (size_t i = 0; i < SERVER_LOG_LINES_MAX; i++) {
        const char *line = server->log[(server->log_next + i) % SERVER_LOG_LINES_MAX];
        if (line)
            evbuffer_add_printf(to, "%s\n", line);
    }
}

void server_stats(struct sim *sim, struct evbuffer *to)
{
    const struct server *server = sim->server;
    evbuffer_add_printf(to, "requests %llu\nhandshakes %llu\nconnections %llu\nlogins %llu\ncodes %llu\n",
                        (unsigned long long)server->requests, (unsigned long long)server->handshakes,
                        (unsigned long long)server->accepted, (unsigned long long)server->logins,
                        (unsigned long long)server->codes);
    for (const struct counter *counter = server->counters; counter; counter = counter->hh.next)
        evbuffer_add_printf(to, "call %s %llu\n", counter->name, (unsigned long long)counter->count);
}

static void free_counters(struct server *server)
{
    struct counter *counter = NULL, *next = NULL;
    HASH_ITER (hh, server->counters, counter, next) {
        HASH_DEL(server->counters, counter);
        free(counter);
    }
}

void server_stats_reset(struct sim *sim)
{
    struct server *server = sim->server;
    free_counters(server);
    server->requests = server->handshakes = server->accepted = server->logins = server->codes = 0;
    for (size_t i = 0; i < SERVER_LOG_LINES_MAX; i++)
        free(TAKE(server->log[i]));
    server->log_dropped = 0;
}

void server_idle_ms(struct sim *sim, int64_t ms)
{
    sim->server->idle_ms = ms;
}

int64_t server_idle(const struct sim *sim)
{
    return sim->server->idle_ms;
}

struct connection **server_connections(const struct sim *sim)
{
    return &sim->server->connections;
}

struct late_call **server_late_calls(const struct sim *sim)
{
    return &sim->server->late_calls;
}

/* ---- endpoints ---------------------------------------------------------------------------------------- */

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int length,
                      void *context)
{
    struct endpoint *endpoint = context;
    (void)listener, (void)from, (void)length;
    endpoint->sim->server->accepted++;
    connection_new(endpoint->sim, endpoint->node, endpoint->tls, fd);
}

static int bound_socket(const struct endpoint *endpoint)
{
    int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->address_length) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static int resolve(struct endpoint *endpoint, const char *listen)
{
    _cleanup_(freep) char *host = strdup(listen);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *found = NULL;
    char *port = host ? strrchr(host, ':') : NULL, *name = host;
    if (!port)
        return -EINVAL;
    *port++ = '\0';
    if (*name == '[' && port - name > 2) {
        name++;
        port[-2] = '\0';
    }
    if (getaddrinfo(name, port, &hints, &found) != 0)
        return -EADDRNOTAVAIL;
    memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
    endpoint->address_length = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* Reserve the port and learn its number. */
static int reserve(struct endpoint *endpoint)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int error = resolve(endpoint, endpoint->node->listen);
    if (error)
        return error;
    endpoint->reserved = bound_socket(endpoint);
    if (endpoint->reserved < 0)
        return endpoint->reserved;
    if (getsockname(endpoint->reserved, (struct sockaddr *)&endpoint->address, &endpoint->address_length) < 0)
        return -errno;
    if (getnameinfo((struct sockaddr *)&endpoint->address, endpoint->address_length, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    snprintf(endpoint->shown, sizeof(endpoint->shown), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

static int endpoint_listen(struct endpoint *endpoint)
{
    int fd = bound_socket(endpoint);
    if (fd < 0)
        return fd;
    endpoint->listener = evconnlistener_new(endpoint->sim->base, accept_cb, endpoint,
                                            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (endpoint->listener)
        return 0;
    close(fd);
    return -EADDRINUSE;
}

void server_update(struct sim *sim)
{
    for (struct endpoint *endpoint = sim->server->endpoints; endpoint; endpoint = endpoint->next) {
        struct fault_at at = {.endpoint = endpoint->node->name};
        bool wanted = endpoint->node->state != NODE_DEAD && !fault_holds(sim, "refuse", &at);
        int error = 0;
        if (wanted && !endpoint->listener)
            error = endpoint_listen(endpoint);
        if (!wanted && endpoint->listener) {
            evconnlistener_free(TAKE(endpoint->listener));
            connection_cut_all(sim, endpoint->node);
        }
        if (error)
            fprintf(stderr, "pvesim: cannot listen on %s: %s\n", endpoint->shown, strerror(-error));
    }
}

static int endpoint_open(struct sim *sim, struct node *node)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint)), **last = &sim->server->endpoints;
    if (!endpoint)
        return -ENOMEM;
    while (*last)
        last = &(*last)->next;
    *last = endpoint;
    endpoint->sim = sim;
    endpoint->node = node;
    endpoint->reserved = -1;
    endpoint->tls = tls_server(sim->dir, node->name);
    if (!endpoint->tls)
        return -EIO;
    tls_fingerprint(endpoint->tls, endpoint->fingerprint);
    int error = reserve(endpoint);
    if (error)
        fprintf(stderr, "pvesim: cannot listen on %s: %s\n", node->listen, strerror(-error));
    return error;
}

int server_open(struct sim *sim)
{
    struct server *server = sim->server = calloc(1, sizeof(*sim->server));
    if (!server || !(server->log = calloc(SERVER_LOG_LINES_MAX, sizeof(*server->log))))
        return -ENOMEM;
    server->idle_ms = SERVER_IDLE_MS;
    int error = tls_ca(sim->dir);
    if (error)
        fprintf(stderr, "pvesim: cannot make a CA in %s\n", sim->dir);
    for (struct node *node = sim->cluster->nodes; node && !error; node = node->next) {
        if (node->listen)
            error = endpoint_open(sim, node);
    }
    if (!error)
        server_update(sim);
    return error;
}

int server_announce(const struct sim *sim)
{
    _cleanup_(freep) char *path = NULL, *fresh = NULL;
    if (asprintf(&path, "%s/endpoints", sim->dir) < 0 || asprintf(&fresh, "%s/endpoints.new", sim->dir) < 0)
        return -ENOMEM;
    FILE *file = fopen(fresh, "we");
    if (!file)
        return -errno;
    for (const struct endpoint *endpoint = sim->server->endpoints; endpoint; endpoint = endpoint->next)
        fprintf(file, "%s %s\n", endpoint->node->name, endpoint->shown);
    if (fclose(file) != 0 || rename(fresh, path) < 0)
        return -errno;
    return 0;
}

static struct endpoint *endpoint_of(const struct server *server, const struct node *node)
{
    struct endpoint *endpoint = server->endpoints;
    while (endpoint && endpoint->node != node)
        endpoint = endpoint->next;
    return endpoint;
}

int server_renew_certificate(struct sim *sim, const struct node *node, const char *shown_name,
                             struct tls_life life)
{
    struct endpoint *endpoint = endpoint_of(sim->server, node);
    int error = endpoint ? tls_renew(sim->dir, node->name, shown_name, life) : -ENOENT;
    SSL_CTX *fresh = error ? NULL : tls_server(sim->dir, node->name);
    if (!fresh)
        return error ? error : -EIO;
    SSL_CTX_free(endpoint->tls);
    endpoint->tls = fresh;
    tls_fingerprint(fresh, endpoint->fingerprint);
    connection_cut_all(sim, endpoint->node); /* pveproxy restarts */
    return 0;
}

const char *server_fingerprint(const struct server *server, const struct node *node)
{
    const struct endpoint *endpoint = endpoint_of(server, node);
    return endpoint ? endpoint->fingerprint : NULL;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    while (server->connections)
        connection_free(server->connections);
    while (server->late_calls)
        connection_late_free(server->late_calls);
    for (struct endpoint *endpoint; (endpoint = server->endpoints);) {
        server->endpoints = endpoint->next;
        if (endpoint->listener)
            evconnlistener_free(endpoint->listener);
        if (endpoint->reserved >= 0)
            close(endpoint->reserved);
        SSL_CTX_free(endpoint->tls);
        free(endpoint);
    }
    free_counters(server);
    for (size_t i = 0; server->log && i < SERVER_LOG_LINES_MAX; i++)
        free(server->log[i]);
    free(server->log);
    free(server);
}
