/* See connection.h. */
#include "connection.h"
#include "api.h"
#include "cluster.h"
#include "fault.h"
#include "http.h"
#include "server.h"
#include "system/cleanup.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum conn_state {
    CONN_READING, /* a request, or nothing yet */
    CONN_WAITING, /* until a call's work is to begin, or its answer to go out */
    CONN_MUTE,    /* nothing will be said any more; the client may hang up */
    CONN_CLOSING, /* the last answer is being written */
};

struct connection {
    struct sim *sim;
    struct node *endpoint;
    struct bufferevent *bev; /* NULL: a fault keeps even TLS silent */
    int fd;
    enum conn_state state;
    int requests;
    struct event *timer;
    void (*step)(struct connection *connection); /* what the timer does */
    struct http_request request;
    struct reply reply;
    struct connection *next, **at;
};

/* ---- ends --------------------------------------------------------------------------------------------- */

static void drop_request(struct connection *connection)
{
    call_free(TAKE(connection->request.call));
    reply_clear(&connection->reply);
}

void connection_free(struct connection *connection)
{
    *connection->at = connection->next;
    if (connection->next)
        connection->next->at = connection->at;
    drop_request(connection);
    if (connection->timer)
        event_free(connection->timer);
    if (connection->bev)
        bufferevent_free(connection->bev);
    else
        close(connection->fd);
    free(connection);
}

/* with a TLS goodbye, as a proper server says it */
static void close_politely(struct connection *connection)
{
    SSL *tls = bufferevent_openssl_get_ssl(connection->bev);
    SSL_set_shutdown(tls, SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(tls);
    connection_free(connection);
}

/* without any: the client sees a reset */
static void cut(struct connection *connection)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    if (connection->bev)
        SSL_set_quiet_shutdown(bufferevent_openssl_get_ssl(connection->bev), 1);
    connection_free(connection);
}

void connection_cut_all(struct sim *sim, const struct node *endpoint)
{
    for (struct connection *connection = *server_connections(sim), *next = NULL; connection;
         connection = next) {
        next = connection->next;
        if (connection->endpoint == endpoint)
            cut(connection);
    }
}

/* ---- timers ------------------------------------------------------------------------------------------- */

static void timer_cb(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    (void)fd, (void)what;
    connection->step(connection);
}

static void after(struct connection *connection, int64_t ms, void (*step)(struct connection *connection))
{
    struct timeval delay = sim_timeval(ms);
    connection->step = step;
    if (event_add(connection->timer, &delay) < 0)
        fprintf(stderr, "pvesim: cannot set a timer\n");
}

static void mute(struct connection *connection)
{
    connection->state = CONN_MUTE;
    event_del(connection->timer);
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static void next_request(struct connection *connection);

/* a Content-Length that promises more than comes */
static void write_truncated(struct connection *connection)
{
    struct evbuffer *output = bufferevent_get_output(connection->bev);
    size_t length = evbuffer_get_length(connection->reply.body);
    evbuffer_add_printf(output, "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: %zu\r\n\r\n",
                        length + 100);
    evbuffer_add_buffer(output, connection->reply.body);
    connection->state = CONN_CLOSING;
}

static void answer(struct connection *connection)
{
    struct call *call = connection->request.call;
    struct fault_at at = {.call = call && call->name ? call->name : "unknown",
                          .vmid = call ? call->vmid : 0,
                          .endpoint = connection->endpoint->name};
    bool keep_alive = connection->request.keep_alive && connection->reply.status < 400 &&
                      ++connection->requests < SERVER_REQUESTS_MAX;
    if (call && call->name)
        server_log_call(connection->sim, call, connection->reply.status);
    if (fault_fires(connection->sim, "truncated", &at)) {
        write_truncated(connection);
    } else {
        http_write(bufferevent_get_output(connection->bev), &connection->reply, keep_alive);
        connection->state = keep_alive ? CONN_READING : CONN_CLOSING;
    }
    drop_request(connection);
    if (connection->state == CONN_READING)
        next_request(connection);
}

/* ---- calls -------------------------------------------------------------------------------------------- */

/* the fault "carried-out-late": nobody gets this answer */
struct late_call {
    struct sim *sim;
    struct call *call;
    struct event *timer;
    struct late_call *next, **at;
};

void connection_late_free(struct late_call *late)
{
    *late->at = late->next;
    if (late->next)
        late->next->at = late->at;
    if (late->timer)
        event_free(late->timer);
    call_free(late->call);
    free(late);
}

static void late_cb(evutil_socket_t fd, short what, void *context)
{
    struct late_call *late = context;
    struct reply reply;
    (void)fd, (void)what;
    if (reply_init(&reply) == 0) {
        api_run(late->sim, late->call, &reply);
        server_log_call(late->sim, late->call, reply.status);
        reply_clear(&reply);
    }
    connection_late_free(late);
}

static void carry_out_late(struct connection *connection, const struct fault *fault)
{
    struct timeval delay = sim_timeval(fault_int(fault, "ms", 1000));
    struct late_call *late = calloc(1, sizeof(*late)), **first = server_late_calls(connection->sim);
    if (!late)
        return;
    late->sim = connection->sim;
    late->call = TAKE(connection->request.call);
    late->at = first;
    late->next = *first;
    if (*first)
        (*first)->at = &late->next;
    *first = late;
    late->timer = event_new(connection->sim->base, -1, 0, late_cb, late);
    if (!late->timer || event_add(late->timer, &delay) < 0)
        connection_late_free(late);
    if (!fault_int(fault, "status", 0)) {
        mute(connection);
        return;
    }
    reply_empty(&connection->reply, (int)fault_int(fault, "status", 0),
                fault_text(fault, "reason", "Simulated"));
    after(connection, fault_int(fault, "answer-ms", 0), answer);
}

static void set_body(struct reply *reply, const char *text)
{
    evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
    evbuffer_add(reply->body, text, strlen(text));
}

/* the work, and the faults that come after it */
static void run(struct connection *connection)
{
    struct sim *sim = connection->sim;
    struct call *call = connection->request.call;
    struct reply *reply = &connection->reply;
    struct fault_at at = {.call = call->name, .vmid = call->vmid, .endpoint = connection->endpoint->name};
    const struct fault *fault = NULL;

    api_run(sim, call, reply);
    if (fault_fires(sim, "reply-lost-after", &at)) {
        server_log_call(sim, call, reply->status);
        cut(connection);
        return;
    }
    if ((fault = fault_fires(sim, "no-upid-500", &at)))
        reply_error(reply, true, 500, "%s",
                    fault_text(fault, "reason", "unable to create task log: No space left on device"));
    if ((fault = fault_fires(sim, "garbage", &at)))
        set_body(reply, fault_text(fault, "text", "<html><body>It works!</body></html>"));
    if ((fault = fault_fires(sim, "reply-late", &at)))
        reply->delay_ms += fault_int(fault, "ms", 1000);
    if (reply->delay_ms > 0)
        after(connection, reply->delay_ms, answer);
    else
        answer(connection);
}

/* A host's pveproxy reads users and grants there before anything else; who passes a call on to it passes the
 * answer back. It takes as long as a 401. */
static bool cannot_read_users(struct connection *connection, const struct call *call, struct fault_at at)
{
    struct sim *sim = connection->sim;
    const struct fault *fault = fault_fires(sim, "pmxcfs-down", &at);
    if (!fault && call->node && call->node != call->endpoint) {
        at.endpoint = call->node->name;
        fault = fault_fires(sim, "pmxcfs-down", &at);
    }
    if (!fault)
        return false;
    reply_empty(
        &connection->reply, 500,
        fault_text(fault, "reason",
                   "RPCEnvironment init request failed: Unable to load access control list: Connection "
                   "refused"));
    after(connection, api_denied_delay_ms(sim), answer);
    return true;
}

/* the faults that come before the work */
static void begin(struct connection *connection)
{
    struct sim *sim = connection->sim;
    struct call *call = connection->request.call;
    const struct fault *fault = NULL;

    call->endpoint = connection->endpoint;
    api_route(sim, call);
    server_count_call(sim, call);
    struct fault_at at = {.call = call->name, .vmid = call->vmid, .endpoint = connection->endpoint->name};
    bool stops = strcmp(call->name, "stop") == 0 || strcmp(call->name, "rehearse") == 0;
    if (fault_fires(sim, "body-lost", &at))
        call_drop_body(call);
    if ((fault = fault_fires(sim, "param-lost", &at)))
        call_drop_param(call, fault_text(fault, "name", "timeout"));
    if (fault_fires(sim, "silent", &at)) {
        mute(connection);
    } else if (cannot_read_users(connection, call, at)) {
        return;
    } else if (fault_fires(sim, "reset", &at) || fault_fires(sim, "reply-lost-before", &at)) {
        cut(connection);
    } else if ((fault = fault_fires(sim, "carried-out-late", &at))) {
        carry_out_late(connection, fault);
    } else if ((fault = fault_fires(sim, "http", &at))) {
        reply_empty(&connection->reply, (int)fault_int(fault, "status", 503),
                    fault_text(fault, "reason", "Simulated"));
        set_body(&connection->reply, "{\"data\":null}");
        answer(connection);
    } else if ((fault = fault_fires(sim, "param-error", &at))) {
        api_param_error(sim, &connection->reply, fault_text(fault, "name", "node"), "%s",
                        fault_text(fault, "text", "simulated"));
        answer(connection);
    } else if (stops && fault_fires(sim, "stop-403", &at)) {
        api_error(sim, &connection->reply, 403, "Permission check failed (/vms/%d, VM.PowerMgmt)",
                  call->vmid);
        answer(connection);
    } else if ((fault = fault_fires(sim, "slow", &at))) {
        after(connection, fault_int(fault, "ms", 1000), run);
    } else {
        run(connection);
    }
}

static void idle(struct connection *connection)
{
    if (connection->bev)
        close_politely(connection);
    else
        connection_free(connection);
}

/* idle-ms is for a connection that has been used: a handshake and the first request have pveproxy's own time,
 * however busy this machine is. */
static void wait_for_request(struct connection *connection)
{
    after(connection, connection->requests > 0 ? server_idle(connection->sim) : SERVER_IDLE_MS, idle);
}

static void next_request(struct connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->bev);
    wait_for_request(connection);
    if (connection->state != CONN_READING || evbuffer_get_length(input) == 0)
        return;
    if (reply_init(&connection->reply) < 0) {
        cut(connection);
        return;
    }
    enum http_state state = http_read(input, &connection->request, &connection->reply);
    if (state == HTTP_MORE) {
        drop_request(connection);
        return;
    }
    if (state == HTTP_CLOSE) {
        close_politely(connection);
        return;
    }
    event_del(connection->timer);
    connection->state = CONN_WAITING;
    if (state == HTTP_ANSWER)
        answer(connection);
    else
        begin(connection);
}

/* ---- events ------------------------------------------------------------------------------------------- */

static void read_cb(struct bufferevent *bev, void *context)
{
    struct connection *connection = context;
    (void)bev;
    if (connection->state == CONN_READING)
        next_request(connection);
}

static void written_cb(struct bufferevent *bev, void *context)
{
    struct connection *connection = context;
    if (connection->state == CONN_CLOSING && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        close_politely(connection);
}

static void event_cb(struct bufferevent *bev, short what, void *context)
{
    struct connection *connection = context;
    (void)bev;
    if (what & BEV_EVENT_CONNECTED)
        server_count_handshake(connection->sim);
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        connection_free(connection);
}

static void silent_end(struct connection *connection)
{
    connection_free(connection);
}

void connection_new(struct sim *sim, struct node *endpoint, SSL_CTX *tls, int fd)
{
    struct fault_at at = {.endpoint = endpoint->name};
    struct connection *connection = calloc(1, sizeof(*connection)), **first = server_connections(sim);
    int on = 1;
    if (!connection || !(connection->timer = event_new(sim->base, -1, 0, timer_cb, connection))) {
        free(connection);
        close(fd);
        return;
    }
    connection->sim = sim;
    connection->endpoint = endpoint;
    connection->fd = fd;
    connection->at = first;
    connection->next = *first;
    if (*first)
        (*first)->at = &connection->next;
    *first = connection;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fault_fires(sim, "reset", &at)) {
        cut(connection);
        return;
    }
    if (fault_fires(sim, "silent", &at)) {
        after(connection, INT32_MAX, silent_end);
        return;
    }
    SSL *ssl = SSL_new(tls);
    connection->bev = ssl ? bufferevent_openssl_socket_new(sim->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                           BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
                          : NULL;
    if (!connection->bev) {
        SSL_free(ssl);
        connection_free(connection);
        return;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(connection->bev, 1);
    bufferevent_setcb(connection->bev, read_cb, written_cb, event_cb, connection);
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
    wait_for_request(connection);
}
