/*
 * Both ends of a recorder: the daemon's, which never waits, and the child's, which does nothing but wait.
 * Between them a SOCK_SEQPACKET pair, whose buffer is the queue: {id, record} there, {id, result} back, in
 * the same order.
 *
 * Knows nothing of what the records mean, of files (recorder_file.c) or of the journal (log.c).
 */
#include "system/recorder.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORDER_NAME_MAX      16                /* with its NUL: what the kernel keeps of a process name */
#define RECORDER_BUFFER        (4 * 1024 * 1024) /* asked for; the kernel gives what net.core.wmem_max allows */
#define RECORDER_RESTART_MS    1000              /* at most one new child in so long */
#define RECORDER_ANSWERS_BURST 64 /* answers a turn of the loop, so that nothing else starves */
#define RECORDER_CHILD_FD      3
#define RECORDER_HELD_FD       4

struct record_head {
    uint64_t id;
};

struct answer {
    uint64_t id;
    int32_t result;
    int32_t reserved;
};

struct pending {
    uint64_t id;
    int64_t since_ms;
    recorder_done_fn *done;
    void *context;
};

struct recorder {
    char name[RECORDER_NAME_MAX];
    const struct recorder_sink *sink;
    void *state;
    int fd;      /* -1: no child */
    int held_fd; /* the child's as long as it lives; -1: none */
    pid_t child;
    bool again; /* there was a child before */
    int64_t started_ms;
    struct event_base *base;
    struct event *readable;
    uint64_t last_id, lost, failed;
    /* a ring: answers come in the order of the records */
    struct pending pending[RECORDER_PENDING_MAX];
    size_t pending_first, pending_count;
};

static int program = -1; /* see recorder_set_program() */

void recorder_set_program(int fd)
{
    if (program >= 0)
        close(program);
    /* above the numbers that a child's own descriptors get */
    program = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, RECORDER_HELD_FD + 1) : -1;
    if (fd >= 0)
        close(fd);
}

/* ---- the child --------------------------------------------------------------------------------------- */

static void child_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL); /* refused for KILL, STOP and libc's own: fine */
    action.sa_handler = SIG_IGN;
    /* the terminal's, the service manager's, its watchdog's (all processes get it): records come first */
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGABRT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void)sigaction(ignored[i], &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Keeps stderr, the socket and what it is to hold. Somebody waits for the end of our stdout, perhaps: it must
 * not last as long as a writer on a frozen file system. */
static bool child_descriptors(int fd, int held_fd, bool keep_program)
{
    /* out of the way first: any of them may have the number that another is to get */
    int held = held_fd >= 0 ? fcntl(held_fd, F_DUPFD, RECORDER_HELD_FD + 1) : -1;
    if (dup2(fd, RECORDER_CHILD_FD) < 0 || (held >= 0 && dup2(held, RECORDER_HELD_FD) < 0))
        return false;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
    }
    /* one that executes another program still needs the descriptor of that */
    (void)close_range(held >= 0 ? RECORDER_HELD_FD + 1 : RECORDER_HELD_FD, ~0U,
                      keep_program ? CLOSE_RANGE_CLOEXEC : 0);
    return true;
}

static ssize_t child_receive(char *buffer, size_t size, int flags)
{
    ssize_t length;
    do {
        /* ECONNRESET: the daemon ended with answers unread. Reported once; records that it sent are still
         * there. */
        length = recv(RECORDER_CHILD_FD, buffer, size, flags);
    } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    return length;
}

static void child_answer(uint64_t id, int result)
{
    struct answer answer = {.id = id, .result = result};
    ssize_t sent;
    do {
        sent = send(RECORDER_CHILD_FD, &answer, sizeof(answer), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    /* any other failure: the daemon has ended; what it gave us is written nevertheless */
}

/* Written, and not answered before the flush. */
struct batch {
    struct answer answers[RECORDER_BATCH_MAX];
    unsigned count;
};

static void end_batch(const struct recorder *recorder, struct batch *batch)
{
    int flushed = batch->count && recorder->sink->flush ? recorder->sink->flush(recorder->state) : 0;
    for (unsigned i = 0; i < batch->count; i++) {
        struct answer *answer = &batch->answers[i];
        child_answer(answer->id, answer->result ? answer->result : flushed);
    }
    batch->count = 0;
}

/* The next record, after the batch was ended if there is none yet. */
static ssize_t next_record(const struct recorder *recorder, struct batch *batch, char *buffer, size_t size)
{
    if (batch->count == RECORDER_BATCH_MAX || (batch->count && !recorder->sink->flush))
        end_batch(recorder, batch);
    if (batch->count) {
        ssize_t length = child_receive(buffer, size, MSG_DONTWAIT);
        if (length >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            return length;
        end_batch(recorder, batch);
    }
    return child_receive(buffer, size, 0);
}

static void __attribute__((noreturn)) child_run(const struct recorder *recorder)
{
    static char buffer[sizeof(struct record_head) + RECORDER_RECORD_MAX];
    static struct batch batch;
    (void)prctl(PR_SET_NAME, recorder->name);
    const struct recorder_sink *sink = recorder->sink;
    int opened = sink->open ? sink->open(recorder->state) : 0;
    for (;;) {
        ssize_t length = next_record(recorder, &batch, buffer, sizeof(buffer));
        if (length < (ssize_t)sizeof(struct record_head))
            break;
        struct record_head head;
        memcpy(&head, buffer, sizeof(head));
        if (opened != 0)
            opened = sink->open(recorder->state);
        int result = opened;
        if (opened == 0)
            result = sink->write(recorder->state, buffer + sizeof(head), (size_t)length - sizeof(head));
        batch.answers[batch.count++] = (struct answer){.id = head.id, .result = result};
    }
    end_batch(recorder, &batch);
    if (opened == 0 && sink->close)
        sink->close(recorder->state);
    _exit(0);
}

/* `description` NULL: as it is, forked. */
static void __attribute__((noreturn)) child_begin(struct recorder *recorder, int fd, char *description)
{
    child_signals();
    if (!child_descriptors(fd, recorder->held_fd, description != NULL) || chdir("/") != 0)
        _exit(1);
    if (!description)
        child_run(recorder);
    char *const argv[] = {
        (char *)"fence_brokerd", (char *)"recorder", (char *)(uintptr_t)recorder->sink->name,
        recorder->name,          description,        NULL};
    (void)fexecve(program, argv, environ);
    _exit(1); /* and no other way: what the daemon knows must not live on here */
}

int recorder_main(int argc, char **argv, const struct recorder_sink *const *sinks, size_t count)
{
    struct recorder recorder = {.fd = -1, .held_fd = -1};
    for (size_t i = 0; argc == 4 && i < count; i++) {
        if (strcmp(argv[1], sinks[i]->name) == 0)
            recorder.sink = sinks[i];
    }
    if (!recorder.sink || fcntl(RECORDER_CHILD_FD, F_GETFD) < 0)
        return 2; /* a person's idea: this is between the daemon and its children */
    snprintf(recorder.name, sizeof(recorder.name), "%s", argv[2]);
    recorder.state = recorder.sink->revive(argv[3]);
    if (!recorder.state)
        return 1;
    child_run(&recorder);
}

/* ---- the daemon's end -------------------------------------------------------------------------------- */

/* What a child that comes later is to be told, as text; NULL: it is forked as it is. False: no memory. */
static bool describe(const struct recorder *recorder, char **description)
{
    *description = NULL;
    if (!recorder->again || program < 0 || !recorder->sink->describe)
        return true;
    *description = recorder->sink->describe(recorder->state);
    return *description != NULL;
}

static int start_child(struct recorder *recorder)
{
    int ends[2];
    _cleanup_(freep) char *description = NULL;
    recorder->started_ms = clock_now_ms();
    if (!describe(recorder, &description))
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    int size = RECORDER_BUFFER;
    if (setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    int flags = fcntl(ends[0], F_GETFL);
    if (flags < 0 || fcntl(ends[0], F_SETFL, flags | O_NONBLOCK) != 0) {
        int problem = errno;
        close(ends[0]);
        close(ends[1]);
        return -problem;
    }

    /* no handler of ours may run in the child before it has put them back */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    int problem = errno;
    if (child == 0)
        child_begin(recorder, ends[1], description);
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return -problem;
    }
    recorder->fd = ends[0];
    recorder->child = child;
    recorder->again = true;
    return 0;
}

void recorder_say_not_started(struct error *error, const char *what)
{
    error_set(error, ERROR_INTERNAL, "cannot start the recorder of %s: %s", what, strerror(errno));
    error_hint(error, "check the limits on processes and descriptors (TasksMax, LimitNOFILE)");
}

struct recorder *recorder_new(const char *name, const struct recorder_sink *sink, void *state, int held_fd)
{
    assert(program < 0 || sink->describe); /* else a later child would be a copy of the daemon */
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    if (!recorder)
        return NULL;
    snprintf(recorder->name, sizeof(recorder->name), "%s", name);
    recorder->sink = sink;
    recorder->state = state;
    recorder->fd = -1;
    recorder->held_fd = held_fd;
    int result = start_child(recorder);
    if (result < 0) {
        free(recorder);
        errno = -result;
        return NULL;
    }
    return recorder;
}

static void finish_first(struct recorder *recorder, int result)
{
    struct pending first = recorder->pending[recorder->pending_first];
    recorder->pending_first = (recorder->pending_first + 1) % RECORDER_PENDING_MAX;
    recorder->pending_count--;
    if (result != 0)
        recorder->failed++;
    if (first.done)
        first.done(first.context, first.id, result);
}

static void lose_child(struct recorder *recorder)
{
    if (recorder->readable)
        event_free(TAKE(recorder->readable));
    if (recorder->fd >= 0)
        close(recorder->fd);
    recorder->fd = -1;
    /* what `done` writes meanwhile is lost at once (the restart is rate-limited, or a new child's) and not
     * ours */
    for (size_t left = recorder->pending_count; left > 0; left--)
        finish_first(recorder, -EPIPE);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct recorder *recorder = context;
    (void)what;
    for (int turn = 0; turn < RECORDER_ANSWERS_BURST; turn++) {
        struct answer answer;
        ssize_t length = recv((int)fd, &answer, sizeof(answer), MSG_DONTWAIT);
        if (length < 0 && errno == EAGAIN)
            return;
        /* ECONNRESET: the child ended with records unread; its answers may still be there, then comes the end
         */
        if (length < 0 && (errno == EINTR || errno == ECONNRESET))
            continue;
        bool expected = length == (ssize_t)sizeof(answer) && recorder->pending_count > 0 &&
                        recorder->pending[recorder->pending_first].id == answer.id;
        if (!expected) {
            lose_child(recorder);
            return;
        }
        finish_first(recorder, answer.result);
    }
}

static int watch(struct recorder *recorder)
{
    if (!recorder->base || recorder->fd < 0)
        return 0;
    recorder->readable = event_new(recorder->base, recorder->fd, EV_READ | EV_PERSIST, on_readable, recorder);
    if (!recorder->readable || event_add(recorder->readable, NULL) != 0)
        return -ENOMEM;
    return 0;
}

int recorder_attach(struct recorder *recorder, struct event_base *base)
{
    if (recorder->readable)
        return -EALREADY;
    recorder->base = base;
    return watch(recorder);
}

static void restart(struct recorder *recorder)
{
    int64_t now = clock_now_ms();
    /* pending ones of the old child first get their end from the loop */
    if (now - recorder->started_ms < RECORDER_RESTART_MS || recorder->pending_count > 0)
        return;
    if (recorder->child > 0)
        (void)waitpid(recorder->child, NULL, WNOHANG);
    recorder->child = 0;
    if (start_child(recorder) == 0 && watch(recorder) != 0)
        lose_child(recorder);
}

uint64_t recorder_write(struct recorder *recorder, const char *record, size_t length, recorder_done_fn *done,
                        void *context)
{
    if (recorder->fd < 0)
        restart(recorder);
    if (recorder->fd < 0 || length > RECORDER_RECORD_MAX || recorder->pending_count == RECORDER_PENDING_MAX) {
        recorder->lost++;
        return 0;
    }
    struct record_head head = {.id = recorder->last_id + 1};
    struct iovec parts[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)record, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts)};
    ssize_t sent;
    do {
        sent = sendmsg(recorder->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) { /* full, or a dead child: the loop sees its end and tells those who wait */
        recorder->lost++;
        return 0;
    }
    recorder->last_id = head.id;
    size_t last = (recorder->pending_first + recorder->pending_count) % RECORDER_PENDING_MAX;
    recorder->pending[last] =
        (struct pending){.id = head.id, .since_ms = clock_now_ms(), .done = done, .context = context};
    recorder->pending_count++;
    return head.id;
}

uint64_t recorder_lost(const struct recorder *recorder)
{
    return recorder->lost;
}

uint64_t recorder_failed(const struct recorder *recorder)
{
    return recorder->failed;
}

int64_t recorder_oldest_pending_ms(const struct recorder *recorder, int64_t now_ms)
{
    if (recorder->pending_count == 0)
        return 0;
    int64_t age = now_ms - recorder->pending[recorder->pending_first].since_ms;
    return age > 0 ? age : 0;
}

/* Nothing more will come; waits for the end of the child's socket, which is that of its last record. Answers
 * are taken off meanwhile, so that the child need not wait for room. */
static void drain(int fd, int64_t wait_ms)
{
    int64_t deadline = clock_now_ms() + wait_ms;
    (void)shutdown(fd, SHUT_WR);
    for (int64_t left = wait_ms; left > 0; left = deadline - clock_now_ms()) {
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        struct answer answer;
        if (poll(&ended, 1, left > INT32_MAX ? INT32_MAX : (int)left) <= 0)
            continue;
        if (recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) == 0)
            return;
    }
}

void recorder_free(struct recorder *recorder, int64_t wait_ms)
{
    if (!recorder)
        return;
    if (recorder->readable)
        event_free(recorder->readable);
    if (recorder->fd >= 0) {
        drain(recorder->fd, wait_ms);
        close(recorder->fd);
    }
    if (recorder->child > 0)
        (void)waitpid(recorder->child, NULL, WNOHANG); /* one that is stuck is left to init */
    free(recorder);
}
