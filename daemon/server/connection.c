/*
 * The life of one connection. Whoever asks may be slow, hostile or dead: each state has its deadline, nothing
 * is read beyond what a head may have, and a peer that has gone is noticed while its request is still under
 * way, so that the engine learns that an asker left (P4).
 *
 * Most requests are there when the connection is accepted, and most answers go out at once: then neither the
 * loop nor the kernel is told what to wait for.
 */
#include "server/connection.h"

#include "server/listener.h"
#include "system/cleanup.h"
#include "system/loop.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <string.h>
#include <sys/socket.h>

enum connection_state { CONNECTION_READING, CONNECTION_WAITING, CONNECTION_WRITING, CONNECTION_DRAINING };

struct connection {
    int fd;
    uint64_t id;
    struct access_peer peer;
    struct connection_owner owner;
    enum connection_state state;
    struct event readable, writable, timer;
    bool asking; /* the owner is being called with a request or a refusal: what it answers is sent afterwards
                  */
    struct http_reader *reader; /* while reading, and while a request is kept */
    struct http_request *kept;  /* points into the reader */
    size_t stray;               /* bytes thrown away behind the head */
    bool clean;                 /* the whole request was read and nothing else: no need to drain */
    struct text answer;
    const char *unwritten; /* into answer, or a constant */
    size_t unwritten_length;
};

static const char memory_answer[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n"
                                    "Content-Length: 24\r\nConnection: close\r\n\r\n"
                                    "internal: out of memory\n";

static void finish(struct connection *connection)
{
    connection->owner.gone(connection->owner.context, connection);
}

/* One place for what each state listens to and how long it may last. */
static void set_state(struct connection *connection, enum connection_state state)
{
    connection->state = state;
    event_del(&connection->timer);
    switch (state) {
    case CONNECTION_READING:
        event_add(&connection->readable, NULL);
        loop_arm(&connection->timer, CONNECTION_HEAD_MS);
        break;
    case CONNECTION_WAITING: /* the operation has its own deadline */
        event_add(&connection->readable, NULL);
        break;
    case CONNECTION_WRITING:
        event_del(&connection->readable);
        event_add(&connection->writable, NULL);
        loop_arm(&connection->timer, CONNECTION_WRITE_MS);
        break;
    case CONNECTION_DRAINING:
        event_del(&connection->writable);
        event_add(&connection->readable, NULL);
        loop_arm(&connection->timer, CONNECTION_DRAIN_MS);
        break;
    }
}

bool connection_peer_gone(const struct connection *connection)
{
    return listener_peer_gone(connection->fd);
}

/* ---- writing ---- */

static bool has_more(const struct connection *connection)
{
    char byte;

    return !connection->clean || recv(connection->fd, &byte, 1, MSG_PEEK) > 0;
}

/* False if the peer has yet to take more. */
static bool write_out(struct connection *connection)
{
    ssize_t n = send(connection->fd, connection->unwritten, connection->unwritten_length, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0) {
        finish(connection);
        return true;
    }
    connection->unwritten += n;
    connection->unwritten_length -= (size_t)n;
    if (connection->unwritten_length > 0)
        return false;
    text_clear(&connection->answer);
    if (!has_more(connection)) {
        finish(connection);
        return true;
    }
    /* Closing with unread bytes would be a reset for a peer that is still sending. */
    shutdown(connection->fd, SHUT_WR);
    set_state(connection, CONNECTION_DRAINING);
    return true;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)write_out(context);
}

void connection_answer(struct connection *connection, struct text *answer)
{
    struct text taken = *answer;

    *answer = (struct text){0};
    if (connection_answered(connection)) {
        text_clear(&taken);
        return;
    }
    connection->answer = taken;
    connection->unwritten = taken.failed ? memory_answer : taken.data;
    connection->unwritten_length = taken.failed ? sizeof(memory_answer) - 1 : taken.length;
    if (connection->asking)
        connection->state = CONNECTION_WRITING;
    else
        set_state(connection, CONNECTION_WRITING);
}

/* The owner has been asked, and answers now or later. */
static void asked(struct connection *connection)
{
    connection->asking = false;
    if (!connection_answered(connection))
        set_state(connection, CONNECTION_WAITING);
    else if (!write_out(connection))
        set_state(connection, CONNECTION_WRITING);
}

/* ---- reading ---- */

static void refuse(struct connection *connection, enum http_form form, const struct error *error)
{
    connection->asking = true;
    connection->owner.refused(connection->owner.context, connection, form, error);
    asked(connection);
}

static void read_complete(struct connection *connection, bool more_behind)
{
    struct http_request request;
    struct error error = {0};
    bool good = http_parse(connection->reader, &request, &error);

    connection->clean = !more_behind;
    if (good && more_behind) {
        error_set(&error, ERROR_BAD_REQUEST,
                  "there are bytes after the request: one request per connection, no body");
        good = false;
    }
    if (!good) {
        refuse(connection, request.form, &error);
        return;
    }
    connection->asking = true;
    connection->state = CONNECTION_WAITING;
    connection->owner.request(connection->owner.context, connection, &request);
    if (!connection->kept)
        free(TAKE(connection->reader));
    asked(connection);
}

const struct http_request *connection_keep(struct connection *connection, const struct http_request *request)
{
    if (!connection->kept)
        connection->kept = malloc(sizeof(*connection->kept));
    if (connection->kept)
        *connection->kept = *request;
    return connection->kept;
}

/* False if more must come. */
static bool read_head(struct connection *connection)
{
    char bytes[2048];
    struct error error = {0};
    size_t used = 0;
    ssize_t n;

    n = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0 || (n == 0 && connection->reader->length == 0)) {
        finish(connection);
        return true;
    }
    if (n == 0) {
        connection->clean = true;
        error_set(&error, ERROR_BAD_REQUEST, "the request ended before its empty line");
        refuse(connection, HTTP_TEXT, &error);
        return true;
    }
    switch (http_feed(connection->reader, bytes, (size_t)n, &used, &error)) {
    case HTTP_MORE:
        return false;
    case HTTP_BAD:
        refuse(connection, HTTP_TEXT, &error);
        return true;
    case HTTP_COMPLETE:
        read_complete(connection, used < (size_t)n);
        return true;
    }
    return true;
}

void connection_begin(struct connection *connection)
{
    if (!read_head(connection))
        set_state(connection, CONNECTION_READING);
}

/* Behind the head nothing counts but whether the peer is still there. */
static void read_stray(struct connection *connection)
{
    char bytes[2048];
    ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        connection->stray += (size_t)n;
        connection->clean = false;
        if (connection->stray <= CONNECTION_STRAY_MAX || connection->state == CONNECTION_DRAINING)
            return;
    }
    if (n == 0 && connection->state == CONNECTION_WAITING && !connection_peer_gone(connection)) {
        /* It has only closed its own direction ("printf … | socat"), and still waits for the answer. */
        event_del(&connection->readable);
        loop_arm(&connection->timer, CONNECTION_HALF_OPEN_MS);
        return;
    }
    finish(connection);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;

    (void)fd;
    (void)what;
    if (connection->state == CONNECTION_READING)
        (void)read_head(connection);
    else
        read_stray(connection);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    struct error error = {0};

    (void)fd;
    (void)what;
    switch (connection->state) {
    case CONNECTION_READING:
        error_set(&error, ERROR_REQUEST_TIMEOUT, "the request's head was not complete within %d s",
                  CONNECTION_HEAD_MS / 1000);
        refuse(connection, HTTP_TEXT, &error);
        return;
    case CONNECTION_WAITING:
        if (connection_peer_gone(connection))
            finish(connection);
        else
            loop_arm(&connection->timer, CONNECTION_HALF_OPEN_MS);
        return;
    case CONNECTION_WRITING:
    case CONNECTION_DRAINING:
        finish(connection);
        return;
    }
}

/* ---- life ---- */

struct connection *connection_new(struct event_base *base, int fd, struct access_peer *peer, uint64_t id,
                                  const struct connection_owner *owner)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        close(fd);
        access_peer_clear(peer);
        return NULL;
    }
    *connection = (struct connection){.fd = fd, .id = id, .peer = *peer, .owner = *owner};
    *peer = (struct access_peer){.uid = peer->uid, .gid = peer->gid, .pid = peer->pid};
    connection->reader = calloc(1, sizeof(*connection->reader));
    event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    event_assign(&connection->timer, base, -1, 0, on_timer, connection);
    if (!connection->reader) {
        connection_free(connection);
        return NULL;
    }
    return connection;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    event_del(&connection->readable);
    event_del(&connection->writable);
    event_del(&connection->timer);
    free(connection->reader);
    free(connection->kept);
    text_clear(&connection->answer);
    access_peer_clear(&connection->peer);
    close(connection->fd);
    free(connection);
}

uint64_t connection_id(const struct connection *connection)
{
    return connection->id;
}

const struct access_peer *connection_peer(const struct connection *connection)
{
    return &connection->peer;
}

bool connection_answered(const struct connection *connection)
{
    return connection->state == CONNECTION_WRITING || connection->state == CONNECTION_DRAINING;
}

size_t connection_unwritten(const struct connection *connection)
{
    return connection->answer.length;
}
