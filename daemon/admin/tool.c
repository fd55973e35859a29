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

#include "client/request.h"
#include "system/cleanup.h"

#define READ_CHUNK    65536
#define WORDS_MAX     4096 /* read of stderr */
#define REAP_TRIES    50   /* of REAP_PAUSE_MS: one that is stuck in the kernel is left to init */
#define REAP_PAUSE_MS 20
/* members of haclient often lack it in their PATH */
#define MORE_PLACES ":/usr/sbin:/sbin"

void tool_output_clear(struct tool_output *output)
{
    free(output->text);
    *output = (struct tool_output){0};
}

static bool find(const char *name, char path[static PATH_MAX])
{
    const char *given = getenv("PATH");
    _cleanup_(freep) char *places = NULL;
    if (strchr(name, '/'))
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && access(path, X_OK) == 0;
    if (asprintf(&places, "%s" MORE_PLACES, given ? given : "/usr/bin:/bin") < 0) {
        places = NULL;
        return false;
    }
    char *rest = places;
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

static void become(const char *path, char *const arguments[], int out, int err)
{
    int null = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(err, STDERR_FILENO) >= 0)
        execv(path, arguments);
    _exit(127);
}

static int start(const char *path, char *const arguments[], struct child *child, struct failure *failure)
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
    char *data;
    size_t used, size, most;
    bool cut; /* read on beyond `most`, and forgotten; else that is an error */
};

/* False: no memory, or too much. */
static bool take(struct sink *sink)
{
    if (sink->size - sink->used <= READ_CHUNK) {
        size_t size = sink->size ? 2 * sink->size : 2 * READ_CHUNK;
        char *data = realloc(sink->data, size);
        if (!data)
            return false;
        sink->data = data;
        sink->size = size;
    }
    ssize_t n = read(sink->fd, sink->data + sink->used, READ_CHUNK);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0) {
        close(sink->fd);
        sink->fd = -1;
    }
    sink->used += (size_t)n;
    if (sink->used <= sink->most)
        return true;
    sink->used = sink->most;
    return sink->cut;
}

/* 1: both are at their end, 0: too late, -1: too much (or no memory). */
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

static char *first_line(const struct sink *sink)
{
    size_t length = 0;
    while (length < sink->used && sink->data[length] != '\n' && sink->data[length] != '\0')
        length++;
    return length ? strndup(sink->data, length) : NULL;
}

static void close_sink(struct sink *sink)
{
    if (sink->fd >= 0)
        close(sink->fd);
    free(sink->data);
}

/* What came of it, once its pipes are closed and it has ended. */
static int judge(const char *name, int read_well, int ended, int64_t wait_ms, struct sink *out,
                 struct tool_output *output, struct failure *failure)
{
    static const char hint[] = "run it by hand";
    if (read_well == 0)
        return failure_set(failure, hint, "%s did not end within %lld s", name, (long long)(wait_ms / 1000));
    if (read_well < 0)
        return failure_set(failure, hint, "%s printed more than %zu bytes", name, out->most);
    if (ended == -1 || !WIFEXITED(ended))
        return failure_set(failure, hint, "%s was killed", name);
    if (out->used + 1 > out->size)
        return failure_set(failure, NULL, "out of memory");
    out->data[out->used] = '\0';
    output->text = TAKE(out->data);
    output->length = out->used;
    output->status = WEXITSTATUS(ended);
    return 0;
}

int tool_run(const char *name, char *const arguments[], int64_t wait_ms, size_t most,
             struct tool_output *output, char **words, struct failure *failure)
{
    char path[PATH_MAX];
    struct child child;
    int64_t deadline = request_now_ms() + wait_ms;
    *output = (struct tool_output){0};
    if (words)
        *words = NULL;
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
    int rc = judge(name, read_well, ended, wait_ms, &out, output, failure);
    if (rc == 0 && output->status != 0 && words)
        *words = first_line(&err);
    close_sink(&out);
    close_sink(&err);
    return rc;
}
