/*
 * The conversation with systemd: state datagrams out, listening sockets in. Knows neither why the daemon is
 * ready nor what is served on a socket.
 *
 * The socket is opened once at the start and written without waiting: a PID 1 that is busy must not stop the
 * loop. A state that did not go through (READY above all: systemd would kill us for its lack) is owed, and
 * goes ahead of whatever is sent next; a running daemon sends something with every poll.
 */
#include "system/notify.h"

#include "system/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "system/text.h"

#define STATUS_MAX 512 /* bytes of one STATUS line, for a screen */
#define STATE_MAX  128 /* bytes of what may be owed */

static struct {
    int fd;
    struct sockaddr_un address;
    socklen_t address_length;
    char status[STATUS_MAX]; /* what systemd was told last */
    char owed[STATE_MAX];
} notify = {.fd = -1};

static struct {
    bool asked;
    int count;
    char **names; /* NULL where given away */
} passed;

void notify_init(void)
{
    if (notify.fd >= 0)
        close(notify.fd);
    notify.fd = -1;
    notify.status[0] = notify.owed[0] = '\0';

    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    bool usable =
        length > 1 && length < sizeof(notify.address.sun_path) && (path[0] == '/' || path[0] == '@');
    if (usable) {
        notify.address = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(notify.address.sun_path, path, length);
        if (path[0] == '@')
            notify.address.sun_path[0] = '\0';
        /* an abstract name ends where the address ends */
        notify.address_length =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/' ? 1 : 0));
        notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    /* nobody whom we start speaks for us */
    unsetenv("NOTIFY_SOCKET");
}

static bool send_datagram(const char *state)
{
    ssize_t sent;
    do {
        sent = sendto(notify.fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify.address, notify.address_length);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* Sends what is owed first, so that states arrive in their order. */
static bool send_state(const char *state)
{
    if (notify.fd < 0)
        return false;
    if (notify.owed[0] != '\0') {
        if (!send_datagram(notify.owed))
            return false;
        notify.owed[0] = '\0';
    }
    return send_datagram(state);
}

/* Only the newest state matters: a READY that was not heard is worth nothing once we are stopping. */
static void send_or_owe(const char *state)
{
    notify.owed[0] = '\0';
    if (notify.fd >= 0 && !send_datagram(state))
        snprintf(notify.owed, sizeof(notify.owed), "%s", state);
}

void notify_ready(void)
{
    send_or_owe("READY=1");
}

void notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char state[STATE_MAX];
    /* systemd compares this with its own clock, in microseconds; system/clock has milliseconds */
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             (uint64_t)now.tv_sec * UINT64_C(1000000) + (uint64_t)now.tv_nsec / 1000U);
    send_or_owe(state);
}

void notify_stopping(void)
{
    send_or_owe("STOPPING=1");
}

void notify_watchdog(void)
{
    (void)send_state("WATCHDOG=1");
}

void notify_status(const char *format, ...)
{
    char state[sizeof("STATUS=") + STATUS_MAX] = "STATUS=";
    char *status = state + strlen(state);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(status, STATUS_MAX, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    text_make_printable(status); /* a newline would begin another assignment */
    if (strcmp(status, notify.status) == 0)
        return;
    if (send_state(state))
        memcpy(notify.status, status, strlen(status) + 1);
    else /* not heard: the same words are a change next time */
        notify.status[0] = '\0';
}

int64_t notify_watchdog_interval_ms(void)
{
    uint64_t interval_us = 0;
    if (sd_watchdog_enabled(0, &interval_us) <= 0 || interval_us == 0)
        return 0;
    int64_t half_ms = (int64_t)(interval_us / 2000U);
    return half_ms > 0 ? half_ms : 1;
}

static void ask_for_sockets(void)
{
    passed.asked = true;
    /* the environment is cleared: a child must not take them for its own */
    int count = sd_listen_fds_with_names(1, &passed.names);
    passed.count = count > 0 ? count : 0;
}

/* The next descriptor of that name, which is given away; -1 if there is none. */
static int take(const char *name)
{
    if (!passed.asked)
        ask_for_sockets();
    for (int i = 0; i < passed.count; i++) {
        if (!passed.names[i] || strcmp(passed.names[i], name) != 0)
            continue;
        free(TAKE(passed.names[i]));
        return SD_LISTEN_FDS_START + i;
    }
    return -1;
}

int notify_take_socket(const char *name)
{
    for (int fd; (fd = take(name)) >= 0;) {
        int flags = fcntl(fd, F_GETFL);
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0 || flags < 0)
            continue; /* a unit that passes something else: as if it had passed nothing */
        if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            continue;
        return fd;
    }
    return -1;
}

int notify_take_stored(const char *name)
{
    int fd = take(name);
    return fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

bool notify_store(const char *name, int fd)
{
    char state[STATE_MAX];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    int length = snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
    if (notify.fd < 0 || length < 0 || (size_t)length >= sizeof(state))
        return false;
    struct iovec text = {.iov_base = state, .iov_len = (size_t)length};
    struct msghdr message = {
        .msg_name = &notify.address,
        .msg_namelen = notify.address_length,
        .msg_iov = &text,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    control.header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    return sendmsg(notify.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}
