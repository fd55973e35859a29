/* A request to the broker: connect, see who is there, ask, read to the end. When the connection ends without
 * a whole answer (the daemon was restarted), it connects once more and repeats the request under the same
 * Request-Id, so that the broker can answer what is already done from its history. Never waits without a
 * deadline. Knows nothing of what is asked, nor of what the answer means. */
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "peer.h"
#include "system/cleanup.h"

/* how long a broker that hung up may take until it listens again */
#define RETURN_WAIT_MS   5000
#define CONNECT_PAUSE_MS 20
#define READ_CHUNK       65536
#define ID_BYTES         16
#define ID_LENGTH        (2 * ID_BYTES)
#define POST_HEADERS_MAX 128

#define START_HINT                                                                                           \
    "start it: systemctl start fence-broker.socket fence-broker.service; or name its socket with --socket "  \
    "PATH (socket=PATH)"

enum outcome {
    OUTCOME_ANSWER,
    OUTCOME_CUT,    /* the connection ended before the answer did */
    OUTCOME_UNREAD, /* it ended before the broker had read the request */
    OUTCOME_FAILED, /* the failure is set */
};

int64_t request_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool request_wait(int fd, short events, int64_t deadline_ms)
{
    for (int64_t left; (left = deadline_ms - request_now_ms()) > 0;) {
        struct pollfd item = {.fd = fd, .events = events};
        if (poll(&item, 1, left > 60000 ? 60000 : (int)left) > 0)
            return true;
    }
    return false;
}

int request_socket_check(const char *path, struct failure *failure)
{
    static const char hint[] = "the broker's own is " BROKER_SOCKET;
    struct sockaddr_un address;
    if (path[0] != '/')
        return failure_set(failure, hint, "the socket's path must be absolute, and '%s' is not", path);
    if (strlen(path) >= sizeof(address.sun_path))
        return failure_set(failure, hint, "a socket's path has at most %zu bytes, and '%s' has %zu",
                           sizeof(address.sun_path) - 1, path, strlen(path));
    if (path[strlen(path) - 1] == '/')
        return failure_set(failure, hint, "'%s' is a directory's path, not a socket's", path);
    return 0;
}

char *request_encode(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    static const char hex[] = "0123456789ABCDEF";
    char *encoded = malloc(3 * strlen(text) + 1);
    if (!encoded)
        return NULL;
    char *out = encoded;
    for (; *text; text++) {
        if (strchr(plain, *text)) {
            *out++ = *text;
            continue;
        }
        *out++ = '%';
        *out++ = hex[(unsigned char)*text >> 4];
        *out++ = hex[(unsigned char)*text & 15];
    }
    *out = '\0';
    return encoded;
}

/* Random where the kernel has randomness; else unique enough, for an id is no secret. */
static void make_id(char id[ID_LENGTH + 1])
{
    unsigned char bytes[ID_BYTES] = {0};
    if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes)) {
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        uint64_t when = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
        pid_t pid = getpid();
        memcpy(bytes, &when, sizeof(when));
        memcpy(bytes + sizeof(when), &pid, sizeof(pid));
    }
    for (size_t i = 0; i < ID_BYTES; i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

/* The daemon may come to it much later: the request's age counts from here, also when it is repeated. */
static char *make_head(const struct request *request, int64_t asked_ms)
{
    char id[ID_LENGTH + 1] = "", post[POST_HEADERS_MAX] = "";
    if (strcmp(request->method, "POST") == 0) {
        make_id(id);
        snprintf(post, sizeof(post), "Content-Length: 0\r\nRequest-Id: %s\r\nAsked-At: %lld\r\n", id,
                 (long long)asked_ms);
    }
    return say_text("%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n%s\r\n", request->method,
                    request->target, request->json ? "application/json" : "text/plain", post);
}

/* ---- connecting -----------------------------------------------------------------------------------------
 */

static int connect_failure(const char *path, int error, struct failure *failure)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return failure_set(failure, START_HINT,
                           "there is no socket %s: the broker is not running or not installed", path);
    case ECONNREFUSED:
        return failure_set(failure, START_HINT, "the broker is not running: nobody listens on %s", path);
    case EACCES:
    case EPERM:
        return failure_set(failure,
                           "be root or a member of the socket's group: as root, usermod -aG haclient USER, "
                           "then log in again",
                           "uid %u may not use the broker's socket %s: permission denied",
                           (unsigned)geteuid(), path);
    case ENOTSOCK:
        return failure_set(failure, "name the broker's socket with --socket PATH (socket=PATH)",
                           "%s is not a socket", path);
    case EPROTOTYPE:
        return failure_set(failure, "name the broker's socket with --socket PATH (socket=PATH)",
                           "%s is a socket of another kind than the broker's", path);
    case EAGAIN:
        return failure_set(failure, "see what the broker does: systemctl status fence-broker.service",
                           "the broker accepts no connection on %s (timed out)", path);
    case EMFILE:
    case ENFILE:
        return failure_set(failure, "raise that limit", "cannot create a socket: %s", strerror(error));
    default:
        return failure_set(failure, "check that the socket is the broker's: " BROKER_SOCKET,
                           "cannot connect to %s: %s", path, strerror(error));
    }
}

/* A connection to the broker, or a negative errno; -EXDEV: whoever listens there is not the broker, and
 * `failure` says so. */
static int connect_to(const char *path, const char *suffix, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, suffix);
    if (n >= (int)sizeof(address.sun_path))
        return -ENAMETOOLONG;
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == ECONNREFUSED && stat(address.sun_path, &st) == 0 && !S_ISSOCK(st.st_mode) ? -ENOTSOCK
                                                                                                  : -errno;
    if (peer_check(fd, address.sun_path, failure) < 0)
        return -EXDEV;
    int connected = fd;
    fd = -1;
    return connected;
}

static int connect_to_root_door(const char *path)
{
    struct failure stranger = {0};
    int fd = connect_to(path, BROKER_ROOT_SUFFIX, &stranger);
    if (fd == -EXDEV)
        say_debug("%s", stranger.cause ? stranger.cause : "out of memory");
    failure_clear(&stranger);
    return fd;
}

/* A full backlog (EAGAIN) is waited for until the deadline; a broker that is gone until `patience`. Whatever
 * is wrong with root's own door, there is the other. */
static int connect_broker(const char *path, int64_t patience, int64_t deadline, struct failure *failure)
{
    for (;;) {
        int fd = geteuid() == 0 ? connect_to_root_door(path) : -ENOENT;
        if (fd < 0)
            fd = connect_to(path, "", failure);
        if (fd >= 0 || fd == -EXDEV)
            return fd;
        if (fd == -EINTR)
            continue;
        bool gone = fd == -ENOENT || fd == -ENOTDIR || fd == -ECONNREFUSED;
        int64_t until = gone ? patience : fd == -EAGAIN ? deadline : 0;
        if (request_now_ms() + CONNECT_PAUSE_MS >= until) {
            connect_failure(path, -fd, failure);
            failure->no_daemon = gone;
            return fd;
        }
        poll(NULL, 0, CONNECT_PAUSE_MS);
    }
}

/* ---- asking ---------------------------------------------------------------------------------------------
 */

static enum outcome late(const struct request *request, struct failure *failure)
{
    failure_set(failure,
                "the broker finishes what it has begun: /usr/sbin/fence_broker history shows how it ended, "
                "and power_timeout sets how long the client waits",
                "no answer from the broker within %lld s (timed out)", (long long)request->wait_s);
    return OUTCOME_FAILED;
}

static bool cut_off(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

static enum outcome io_failure(const char *what, int error, struct failure *failure)
{
    failure_set(failure, "try again", "cannot %s the broker: %s", what, strerror(error));
    return OUTCOME_FAILED;
}

static enum outcome send_head(int fd, const struct request *request, const char *head, int64_t deadline,
                              struct failure *failure)
{
    for (size_t left = strlen(head); left > 0;) {
        ssize_t n = send(fd, head, left, MSG_NOSIGNAL);
        if (n >= 0) {
            head += n;
            left -= (size_t)n;
        } else if (cut_off(errno)) {
            /* it may have answered (a refusal) before it hung up: the reader finds out */
            return OUTCOME_UNREAD;
        } else if (errno == EAGAIN) {
            if (!request_wait(fd, POLLOUT, deadline))
                return late(request, failure);
        } else if (errno != EINTR) {
            return io_failure("write to", errno, failure);
        }
    }
    return OUTCOME_ANSWER;
}

static enum outcome read_answer(int fd, const struct request *request, struct answer *answer,
                                int64_t deadline, struct failure *failure)
{
    for (;;) {
        if (answer_reserve(answer, READ_CHUNK) < 0) {
            failure_set(failure, NULL, "out of memory");
            return OUTCOME_FAILED;
        }
        ssize_t n = recv(fd, answer->data + answer->used, READ_CHUNK, 0);
        /* what is closed with bytes that nobody has read is reset */
        if (n < 0 && errno == ECONNRESET && answer->used == 0)
            return OUTCOME_UNREAD;
        if (n == 0 || (n < 0 && cut_off(errno)))
            return OUTCOME_CUT;
        if (n < 0 && errno == EAGAIN && !request_wait(fd, POLLIN, deadline))
            return late(request, failure);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return io_failure("read from", errno, failure);
        if (n < 0)
            continue;
        answer->used += (size_t)n;
        switch (answer_parse(answer)) {
        case ANSWER_COMPLETE:
            return OUTCOME_ANSWER;
        case ANSWER_GARBLED:
            failure_set(failure,
                        "client and daemon must have the same version, and the socket must be the broker's",
                        "what answers on %s does not speak the broker's protocol", request->socket);
            return OUTCOME_FAILED;
        case ANSWER_MORE:
            break;
        }
    }
}

static enum outcome ask(const struct request *request, const char *head, int64_t patience, int64_t deadline,
                        struct answer *answer, struct failure *failure)
{
    _cleanup_(closep) int fd = connect_broker(request->socket, patience, deadline, failure);
    if (fd < 0)
        return OUTCOME_FAILED;
    enum outcome sent = send_head(fd, request, head, deadline, failure);
    if (sent == OUTCOME_FAILED)
        return OUTCOME_FAILED;
    enum outcome outcome = read_answer(fd, request, answer, deadline, failure);
    return outcome == OUTCOME_CUT && sent == OUTCOME_UNREAD && answer->used == 0 ? OUTCOME_UNREAD : outcome;
}

/* Once more. A broker that was killed closes its connections first and its socket a moment later: who is
 * quick is connected to nobody then. What no broker has read does not count as asked. */
static enum outcome ask_again(const struct request *request, const char *head, int64_t deadline,
                              struct answer *answer, struct failure *failure)
{
    int64_t patience = request_now_ms() + RETURN_WAIT_MS;
    if (patience > deadline)
        patience = deadline;
    for (;;) {
        answer_clear(answer);
        enum outcome outcome = ask(request, head, patience, deadline, answer, failure);
        if (outcome != OUTCOME_UNREAD || request_now_ms() + CONNECT_PAUSE_MS >= patience)
            return outcome;
        poll(NULL, 0, CONNECT_PAUSE_MS);
    }
}

int request_perform(const struct request *request, struct answer *answer, struct failure *failure)
{
    if (request_socket_check(request->socket, failure) < 0)
        return -1;
    int64_t start = request_now_ms();
    _cleanup_(freep) char *head = make_head(request, start);
    if (!head)
        return failure_set(failure, NULL, "out of memory");
    int64_t deadline = request->deadline_ms ? request->deadline_ms : start + request->wait_s * 1000;
    say_debug("%s: %s %s", request->socket, request->method, request->target);
    enum outcome outcome = ask(request, head, 0, deadline, answer, failure);
    if (outcome == OUTCOME_CUT || outcome == OUTCOME_UNREAD) {
        say_debug("the connection ended without an answer; asking once more");
        outcome = ask_again(request, head, deadline, answer, failure);
        if (outcome == OUTCOME_FAILED)
            failure_prefix(failure, "the broker closed the connection without an answer, and then");
    }
    if (outcome == OUTCOME_CUT || outcome == OUTCOME_UNREAD)
        failure_set(failure,
                    "see why the daemon stops, and how the operation ended: journalctl -u "
                    "fence-broker.service, /usr/sbin/fence_broker history",
                    "the broker closed the connection twice without an answer");
    if (outcome != OUTCOME_ANSWER) {
        answer_clear(answer);
        return -1;
    }
    say_debug("answered %d with %zu bytes after %lld ms", answer->status, answer->length,
              (long long)(request_now_ms() - start));
    return 0;
}
