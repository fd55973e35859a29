/* Looking at Pacemaker takes XML, and asking Proxmox without a daemon takes TLS: neither has a place in a
 * fence agent, so another program does it. Both are installed, and built, in one folder, and only the kernel
 * is asked which one that is: root runs the agent, and nobody's environment may send it elsewhere. */
#include "admin.h"

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

#include "request.h"
#include "system/cleanup.h"

#define ADMIN      "fence-broker-admin"
#define NODES_MS   6000 /* it waits for Pacemaker itself, and not as long */
#define LINES_SIZE 16384
#define NAMES_MOST 6000 /* bytes of a request's head */

static int find(char path[static PATH_MAX], struct failure *failure)
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (!slash || (size_t)(slash + 1 - path) + sizeof(ADMIN) > PATH_MAX)
        return failure_set(failure, "mount /proc", "cannot tell where " ADMIN " is");
    memcpy(slash + 1, ADMIN, sizeof(ADMIN));
    if (access(path, X_OK) == 0)
        return 0;
    return failure_set(failure, "it is part of the client's package: reinstall that", "cannot run %s: %s",
                       path, strerror(errno));
}

int admin_doctor(const char *socket, bool json, struct failure *failure)
{
    char path[PATH_MAX];
    char program[] = ADMIN, command[] = "doctor", with_socket[] = "--socket", as_json[] = "--json";
    _cleanup_(freep) char *copy = strdup(socket);
    char *arguments[] = {program, command, with_socket, copy, json ? as_json : NULL, NULL};
    if (!copy)
        return failure_set(failure, NULL, "out of memory");
    if (find(path, failure) < 0)
        return -1;
    execv(path, arguments);
    return failure_set(failure, "reinstall the client's package", "cannot run %s: %s", path, strerror(errno));
}

/* ---- the nodes ------------------------------------------------------------------------------------------
 */

static void become(const char *path, int out)
{
    char program[] = ADMIN, command[] = "nodes";
    char *arguments[] = {program, command, NULL};
    int null = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
        dup2(out, STDOUT_FILENO) >= 0)
        execv(path, arguments);
    _exit(127);
}

/* Up to the end of `fd`, or of patience. False: there is no whole answer. */
static bool read_all(int fd, char lines[static LINES_SIZE])
{
    int64_t deadline_ms = request_now_ms() + NODES_MS;
    for (size_t used = 0; used < LINES_SIZE && request_wait(fd, POLLIN, deadline_ms);) {
        ssize_t n = read(fd, lines + used, LINES_SIZE - used);
        if (n == 0)
            lines[used] = '\0';
        if (n == 0 || (n < 0 && errno != EINTR))
            return n == 0;
        used += n > 0 ? (size_t)n : 0;
    }
    return false;
}

static bool ask(const char *path, char lines[static LINES_SIZE])
{
    int pipes[2], status = -1;
    fflush(stdout);
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        become(path, pipes[1]);
    close(pipes[1]);
    bool whole = pid > 0 && read_all(pipes[0], lines);
    close(pipes[0]);
    if (pid > 0 && !whole)
        kill(pid, SIGKILL); /* whoever cannot be killed is not waited for */
    return whole && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Lines in, a list for a query out; NULL: none, too many, or no memory. */
static char *join(char *lines)
{
    char *names = NULL;
    for (const char *line; (line = strsep(&lines, "\n"));) {
        if (!*line)
            continue;
        _cleanup_(freep) char *encoded = request_encode(line), *former = names;
        names = encoded ? say_text("%s%s%s", former ? former : "", former ? "," : "", encoded) : NULL;
        if (!names)
            return NULL;
    }
    if (!names || strlen(names) <= NAMES_MOST)
        return names;
    free(names);
    return NULL;
}

char *admin_node_names(void)
{
    char path[PATH_MAX], lines[LINES_SIZE];
    struct failure failure = {0};
    char *names = find(path, &failure) == 0 && ask(path, lines) ? join(lines) : NULL;
    if (!names)
        say_debug("the names of the cluster's nodes are unknown (%s), so every guest is checked",
                  failure.cause ? failure.cause : "see `" ADMIN " nodes`");
    failure_clear(&failure);
    return names;
}
