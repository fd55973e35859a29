/*
 * Listening sockets. The accept loop is level-triggered and never blocks, whatever systemd handed over. When
 * the process runs out of descriptors it pauses instead of spinning on a socket that stays readable.
 */
#include "server/listener.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"
#include "system/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define PEER_GROUPS_GUESS 32 /* one call is enough for most */

struct listener {
    int fd;
    int spare;      /* a descriptor to give up when there is no other; -1: none */
    char *own_path; /* NULL: not ours to remove */
    dev_t device;   /* of the socket's name, to remove no other's */
    ino_t inode;
    struct event *readable, *resume;
    int failures; /* of accept(), in a row */
    listener_accept_fn *accept;
    void *context;
};

/* ---- making the socket ---- */

static int make_directory(const char *path, struct error *error)
{
    _cleanup_(freep) char *copy = strdup(path);
    const char *directory = copy ? dirname(copy) : NULL;

    if (directory && mkdir(directory, 0755) == 0)
        return chmod(directory, 0755) < 0 ? -errno : 0; /* whatever the umask is */
    if (!directory || errno != EEXIST) {
        int code = directory ? errno : ENOMEM;

        error_set(error, ERROR_INTERNAL, "cannot create the directory of the socket %s: %s", path,
                  strerror(code));
        error_hint(error, "create it, or set another path in [socket]");
        return -code;
    }
    return 0;
}

/* 0 if nobody listens there (any more); a stale socket is gone then. */
static int clear_path(const char *path, const struct sockaddr_un *address, struct error *error)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode)) {
        error_set(error, ERROR_INTERNAL, "%s exists and is not a socket", path);
        error_hint(error, "remove it, or set another path in [socket]");
        return -EEXIST;
    }

    _cleanup_(closep) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return -errno;
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno != ECONNREFUSED) {
        error_set(error, ERROR_INTERNAL, "something already listens on %s", path);
        error_hint(error, "another broker? `ss -xlp src %s` shows it; `systemctl status fence-broker`", path);
        return -EADDRINUSE;
    }
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_closed(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0777); /* nobody connects until mode and group are right */
    int result = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

    umask(before);
    return result;
}

static int set_rights(const char *path, mode_t mode, gid_t group)
{
    if (group != ACCESS_NO_GID && chown(path, (uid_t)-1, group) < 0)
        return -errno;
    return chmod(path, mode) < 0 ? -errno : 0;
}

int listener_open(const char *path, mode_t mode, gid_t group, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int result = 0;

    error->code = ERROR_NONE;
    if (strlen(path) >= sizeof(address.sun_path)) {
        error_set(error, ERROR_INTERNAL, "the socket's path is longer than %zu bytes: %s",
                  sizeof(address.sun_path) - 1, path);
        error_hint(error, "set a shorter path in [socket]");
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path));

    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        result = -errno;
    if (result == 0)
        result = make_directory(path, error);
    if (result == 0)
        result = clear_path(path, &address, error);
    if (result == 0)
        result = bind_closed(fd, &address);
    if (result == 0 && (result = set_rights(path, mode, group)) < 0)
        unlink(path);
    if (result == 0 && listen(fd, SOMAXCONN) < 0)
        result = -errno;
    if (result < 0) {
        if (error->code == ERROR_NONE) {
            error_set(error, ERROR_INTERNAL, "cannot listen on %s: %s", path, strerror(-result));
            error_hint(error, "check the owner and mode of its directory, and path and group in [socket]");
        }
        return result;
    }

    int listening = fd;
    fd = -1;
    return listening;
}

/* ---- who is there ---- */

bool listener_peer_gone(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static int read_groups(int fd, struct access_peer *peer)
{
    socklen_t size = PEER_GROUPS_GUESS * sizeof(gid_t);

    for (;;) {
        gid_t *groups = realloc(peer->groups, size ? size : sizeof(gid_t));

        if (!groups)
            return -ENOMEM;
        peer->groups = groups;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
            break;
        if (errno != ERANGE) /* else the kernel has said how much it needs */
            return -errno;
    }
    peer->group_count = size / sizeof(gid_t);
    return 0;
}

static int listener_peer(int fd, struct access_peer *peer)
{
    struct ucred cred = {.pid = 0};
    socklen_t size = sizeof(cred);

    *peer = (struct access_peer){.uid = ACCESS_NOBODY, .gid = ACCESS_NO_GID};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return -errno;
    peer->uid = cred.uid;
    peer->gid = cred.gid;
    peer->pid = cred.pid;

    int result = read_groups(fd, peer);
    if (result < 0)
        access_peer_clear(peer);
    return result;
}

/* ---- accepting ---- */

static void pause_for(struct listener *listener, int ms)
{
    event_del(listener->readable);
    loop_arm(listener->resume, ms);
}

static void pause_accept(struct listener *listener, int code)
{
    log_say(KIND_ACCEPT_PAUSED, NULL, "cannot accept connections for a moment: %s", strerror(code));
    pause_for(listener, LISTENER_PAUSE_MS);
}

void listener_calm(struct listener *listener)
{
    if (listener && !event_pending(listener->resume, EV_TIMEOUT, NULL))
        pause_for(listener, LISTENER_CALM_MS);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    struct listener *listener = context;

    (void)fd;
    (void)what;
    event_add(listener->readable, NULL);
}

/* There is no descriptor, and there was none for a while: whoever is in the line is refused, one by one, with
 * the descriptor that was kept for this. Else all would wait for an answer that nobody can give. */
static void turn_away(struct listener *listener, int listening)
{
    for (int i = 0; i < LISTENER_BATCH && listener->spare >= 0; i++) {
        close(listener->spare);
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            (void)listener->accept(listener->context, fd, NULL);
        listener->spare = fcntl(listening, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return;
    }
}

static void accept_failed(struct listener *listener, int listening)
{
    int code = errno;

    if (code != EMFILE && code != ENFILE && code != ENOMEM && code != ENOBUFS)
        return;
    if (listener->spare < 0)
        listener->spare = fcntl(listening, F_DUPFD_CLOEXEC, 0);
    if (++listener->failures > LISTENER_PATIENCE)
        turn_away(listener, listening);
    pause_accept(listener, code);
}

/* False if nobody is there any more. */
static bool hand_on(struct listener *listener, int fd)
{
    struct access_peer peer;
    int result = listener_peer(fd, &peer);

    if (result == 0)
        return listener->accept(listener->context, fd, &peer);
    log_say(KIND_PEER_UNKNOWN, NULL, "a connection was closed: the kernel does not say whose it is: %s",
            strerror(-result));
    close(fd);
    return false;
}

/* Whoever has hung up again costs a few system calls. */
static void on_readable(evutil_socket_t listening, short what, void *context)
{
    struct listener *listener = context;
    int64_t began_us = clock_cpu_us();
    int there = 0, gone = 0;

    (void)what;
    while (there < LISTENER_BATCH && gone < LISTENER_BATCH_GONE &&
           (there + gone == 0 || clock_cpu_us() - began_us < LISTENER_BATCH_US)) {
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && errno != EINTR && errno != ECONNABORTED) {
            accept_failed(listener, listening);
            return;
        }
        if (fd >= 0)
            listener->failures = 0;
        if (fd >= 0 && hand_on(listener, fd))
            there++;
        else
            gone++;
    }
    if (gone)
        listener_calm(listener);
}

struct listener *listener_new(struct event_base *base, int fd, const char *own_path,
                              listener_accept_fn *accept, void *context)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    struct stat st;

    if (!listener) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    *listener = (struct listener){.fd = fd, .accept = accept, .context = context};
    listener->spare = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own_path && lstat(own_path, &st) == 0) {
        listener->own_path = strdup(own_path);
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
    }
    listener->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, listener);
    listener->resume = event_new(base, -1, 0, on_resume, listener);
    if (evutil_make_socket_nonblocking(fd) < 0 || !listener->readable || !listener->resume ||
        event_add(listener->readable, NULL) < 0) {
        listener_free(listener);
        errno = ENOMEM;
        return NULL;
    }
    return listener;
}

int listener_set_group(struct listener *listener, gid_t group)
{
    struct stat st;

    if (!listener || !listener->own_path || group == ACCESS_NO_GID)
        return 0;
    if (lstat(listener->own_path, &st) < 0)
        return -errno;
    if (st.st_dev != listener->device || st.st_ino != listener->inode || st.st_gid == group)
        return 0;
    return lchown(listener->own_path, (uid_t)-1, group) < 0 ? -errno : 0;
}

void listener_free(struct listener *listener)
{
    struct stat st;

    if (!listener)
        return;
    if (listener->readable)
        event_free(listener->readable);
    if (listener->resume)
        event_free(listener->resume);
    if (listener->own_path && lstat(listener->own_path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(listener->own_path);
    free(listener->own_path);
    if (listener->spare >= 0)
        close(listener->spare);
    close(listener->fd);
    free(listener);
}
