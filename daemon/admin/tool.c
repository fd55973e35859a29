/* Programs of others: looked for where administrators' programs are, run with a time limit, read with a size
 * limit, and killed with all that they started when they keep to neither. What they say is for others to
 * understand. */
#include "admin/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/heap.h"
#include "client/request.h"
#include "system/cleanup.h"

#define READ_CHUNK    65536
#define WORDS_MAX     4096 /* read of stderr */
#define REAP_TRIES    50   /* of REAP_PAUSE_MS: one that is stuck in the kernel is left to init */
#define REAP_PAUSE_MS 20
/* members of haclient often lack it in their PATH */
#define MORE_PLACES ":/usr/sbin:/sbin"

static bool find(const char *name, char path[static PATH_MAX])
{
    const char *given = getenv("PATH");
    if (strchr(name, '/'))
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && access(path, X_OK) == 0;
    char *rest = heap_printf("%s" MORE_PLACES, given ? given : "/usr/bin:/bin");
    for (const char *place; (place = strsep(&rest, ":"));)
        if (*place == '/' && snprintf(path, PATH_MAX, "%s/%s", place, name) < PATH_MAX &&
            access(path, X_OK) == 0)
            return true;
    return false;
}

bool tool_exists(const char *name)
{
    char path[PATH_MAX];
    return find(name, path);
}

/* ---- the child ------------------------------------------------------------------------------------------
 */

struct child {
    pid_t pid;
    int out, err;
};

static void become(const char *path, const char *const arguments[], int out, int err)
{
    int null = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(err, STDERR_FILENO) >= 0)
        execv(path, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static int start(const char *path, const char *const arguments[], struct child *child,
                 struct failure *failure)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    *child = (struct child){.pid = -1, .out = -1, .err = -1};
    fflush(stdout);
    if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
        child->pid = fork();
    int error = errno;
    if (child->pid == 0)
        become(path, arguments, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (child->pid > 0) {
        setpgid(child->pid, child->pid);
        child->out = out[0];
        child->err = err[0];
        return 0;
    }
    close(out[0]);
    close(err[0]);
    return failure_set(failure, "raise that limit", "cannot run %s: %s", path, strerror(error));
}

/* Its wait status, or -1 if it would not end. */
static int reap(pid_t pid)
{
    int status = 0;
    for (int i = 0; i < REAP_TRIES; i++) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            return status;
        if (ended < 0 && errno != EINTR)
            break;
        poll(NULL, 0, REAP_PAUSE_MS);
    }
    return -1;
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

struct sink {
    int fd; /* -1: at its end */
    struct text text;
    size_t most;
    bool cut; /* read on beyond `most`, and forgotten; else that is an error */
};

/* False: too much. */
static bool take(struct sink *sink)
{
    char *room = heap_need(text_room(&sink->text, READ_CHUNK));
    ssize_t n = read(sink->fd, room, READ_CHUNK);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0) {
        close(sink->fd);
        sink->fd = -1;
    }
    text_grow(&sink->text, room + n);
    if (sink->text.length <= sink->most)
        return true;
    text_grow(&sink->text, sink->text.data + sink->most);
    return sink->cut;
}

/* 1: both are at their end, 0: too late, -1: too much. */
static int read_all(struct sink *out, struct sink *err, int64_t deadline)
{
    while (out->fd >= 0 || err->fd >= 0) {
        struct pollfd items[] = {{.fd = out->fd, .events = POLLIN}, {.fd = err->fd, .events = POLLIN}};
        int64_t left = deadline - request_now_ms();
        if (left <= 0)
            return 0;
        if (poll(items, 2, left > INT_MAX ? INT_MAX : (int)left) <= 0)
            continue;
        if ((items[0].revents && !take(out)) || (items[1].revents && !take(err)))
            return -1;
    }
    return 1;
}

int tool_run(const char *const arguments[], int64_t wait_ms, size_t most, struct text *answer,
             const char *hint, struct failure *failure)
{
    static const char by_hand[] = "run it by hand";
    const char *name = arguments[0];
    char path[PATH_MAX];
    struct child child;
    int64_t deadline = request_now_ms() + wait_ms;
    if (!find(name, path))
        return failure_set(failure, "install the package that contains it", "%s is not installed here", name);
    if (start(path, arguments, &child, failure) < 0)
        return -1;
    struct sink out = {.fd = child.out, .most = most};
    struct sink err = {.fd = child.err, .most = WORDS_MAX, .cut = true};
    int read_well = read_all(&out, &err, deadline);
    if (read_well != 1)
        kill(-child.pid, SIGKILL);
    int ended = reap(child.pid);
    if (ended == -1) {
        kill(-child.pid, SIGKILL);
        ended = reap(child.pid);
    }
    if (out.fd >= 0)
        close(out.fd);
    if (err.fd >= 0)
        close(err.fd);
    const char *words = heap_text(&err.text);
    *answer = out.text;
    if (read_well == 0)
        return failure_set(failure, by_hand, "%s did not end within %lld s", name,
                           (long long)(wait_ms / 1000));
    if (read_well < 0)
        return failure_set(failure, by_hand, "%s printed more than %zu bytes", name, most);
    if (ended == -1 || !WIFEXITED(ended))
        return failure_set(failure, by_hand, "%s was killed", name);
    if (WEXITSTATUS(ended) == 0)
        return 0;
    size_t line = strcspn(words, "\n");
    return failure_set(failure, hint, "%s: %.*s", name, line ? (int)line : INT_MAX,
                       line ? words : "it failed without a message");
}
