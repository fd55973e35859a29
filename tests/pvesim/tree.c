/*
 * Process trees of guests; see tree.h. The upper half runs in the guest's processes, the lower in pvesim.
 *
 * Namespaces are made by unshare() and left again by setns(), so that a plain fork() does, and all that libc
 * does around one.
 */
#include "tree.h"
#include "sim.h"
#include "system/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAYLOAD_WRITE_MS 20 /* how often the built-in payload writes to its disk */

struct tree {
    pid_t pid;
    int pidfd;
    struct event *ended;
    volatile pid_t *payload; /* shared with PID 1: the payload's pid as PID 1 sees it */
    int64_t started_ms;
    bool namespaces;
    ino_t namespace; /* of the namespace, if it has one */
    void (*on_end)(void *context);
    void *context;
};

/* ---- in the guest ------------------------------------------------------------------------------------- */

/* The built-in payload: a line every 20 ms shows that this guest can still write to its disk. */
static _Noreturn void payload_builtin(const struct tree_spec *spec)
{
    int fd = open(spec->disk, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    char line[64];
    for (;;) {
        int length = snprintf(line, sizeof(line), "%lld %d\n", (long long)sim_now_ms(), (int)getpid());
        if (fd >= 0 && write(fd, line, (size_t)length) < 0)
            _exit(1);
        nanosleep(&(struct timespec){.tv_nsec = PAYLOAD_WRITE_MS * 1000000L}, NULL);
    }
}

static _Noreturn void payload_run(const struct tree_spec *spec)
{
    char text[16];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    snprintf(text, sizeof(text), "guest-%d", spec->vmid);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, text);
    if (!spec->command)
        payload_builtin(spec);
    snprintf(text, sizeof(text), "%d", spec->vmid);
    setenv("GUEST_VMID", text, 1);
    setenv("GUEST_NAME", spec->name, 1);
    setenv("GUEST_DISK", spec->disk, 1);
    execl("/bin/sh", "sh", "-c", spec->command, (char *)NULL);
    _exit(127);
}

static bool payload_fork(const struct tree_spec *spec, volatile pid_t *payload)
{
    pid_t pid = fork();
    if (pid == 0)
        payload_run(spec);
    *payload = pid > 0 ? pid : 0;
    return pid > 0;
}

/* one more process, as a QEMU has threads and helpers beside it */
static void helper_fork(int vmid)
{
    char name[16];
    if (fork() != 0)
        return;
    snprintf(name, sizeof(name), "vhost-%d", vmid);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, name);
    for (;;)
        pause();
}

static bool guest_reset(const struct tree_spec *spec, volatile pid_t *payload)
{
    pid_t old = *payload;
    *payload = 0;
    if (spec->namespaces) {
        kill(-1, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0)
            ;
        helper_fork(spec->vmid);
    } else {
        kill(old, SIGKILL);
        waitpid(old, NULL, 0);
    }
    return payload_fork(spec, payload);
}

/* whether the payload is among the processes that have ended */
static bool payload_ended(pid_t payload)
{
    bool ended = false;
    for (pid_t gone; (gone = waitpid(-1, NULL, WNOHANG)) > 0;)
        ended |= gone == payload;
    return ended;
}

/* PID 1: waits for what its namespace or the host tells it. Its signals have been blocked since before the
 * fork, so that none is lost. */
static _Noreturn void init_run(const struct tree_spec *spec, volatile pid_t *payload, const sigset_t *signals)
{
    helper_fork(spec->vmid);
    bool up = payload_fork(spec, payload);
    while (up) {
        int got = sigwaitinfo(signals, NULL);
        if (got == SIGTERM)
            break;
        if (got == SIGUSR1)
            up = guest_reset(spec, payload);
        else
            up = !payload_ended(*payload);
    }
    if (!spec->namespaces)
        kill(0, SIGKILL);
    _exit(0);
}

static _Noreturn void child_run(const struct tree_spec *spec, volatile pid_t *payload, int parent,
                                const sigset_t *signals)
{
    char name[16];
    struct pollfd died = {.fd = parent, .events = POLLIN};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (poll(&died, 1, 0) != 0)
        _exit(1); /* it died before it could be asked for the signal */
    setsid();
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    if (!spec->namespaces)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(name, sizeof(name), "pvesim-%d", spec->vmid);
    prctl(PR_SET_NAME, name);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    close_range(3, ~0U, 0);
    init_run(spec, payload, signals);
}

/* ---- in pvesim ---------------------------------------------------------------------------------------- */

/* fork(), the child as PID 1 of a new namespace if wanted */
static pid_t fork_into(bool namespaces)
{
    if (!namespaces)
        return fork();
    _cleanup_(closep) int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own < 0 || unshare(CLONE_NEWPID) < 0)
        return -1;
    pid_t pid = fork();
    int error = errno;
    if (pid != 0 && setns(own, CLONE_NEWPID) < 0) {
        /* every later child would land in that namespace: not a state to go on from */
        perror("pvesim: cannot return to its own PID namespace");
        abort();
    }
    errno = error;
    return pid;
}

static ino_t namespace_of(pid_t pid)
{
    char path[32];
    struct stat info = {0};
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

bool tree_namespaces_work(void)
{
    pid_t pid = fork_into(true);
    if (pid == 0)
        _exit(getpid() == 1 ? 0 : 1);
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void release(struct tree *tree)
{
    if (tree->ended)
        event_free(tree->ended);
    if (tree->pidfd >= 0)
        close(tree->pidfd);
    if (tree->payload)
        munmap((void *)tree->payload, sizeof(*tree->payload));
    free(tree);
}

/* PID 1 has died; in a namespace the kernel has waited for all others before it says so */
static void ended_cb(evutil_socket_t fd, short what, void *context)
{
    struct tree *tree = context;
    (void)fd, (void)what;
    if (waitpid(tree->pid, NULL, WNOHANG) == 0)
        return;
    if (!tree->namespaces)
        kill(-tree->pid, SIGKILL);
    void (*on_end)(void *) = tree->on_end;
    void *its_context = tree->context;
    release(tree);
    on_end(its_context);
}

int tree_start(struct event_base *base, const struct tree_spec *spec, struct tree **out)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return -ENOMEM;
    tree->pidfd = -1;
    tree->namespaces = spec->namespaces;
    tree->on_end = spec->on_end;
    tree->context = spec->context;
    tree->started_ms = sim_now_ms();
    void *shared =
        mmap(NULL, sizeof(*tree->payload), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        free(tree);
        return -ENOMEM;
    }
    tree->payload = shared;

    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGUSR1);
    _cleanup_(closep) int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    sigprocmask(SIG_BLOCK, &signals, &before);
    tree->pid = fork_into(spec->namespaces);
    if (tree->pid == 0)
        child_run(spec, tree->payload, self, &signals);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (tree->pid < 0) {
        release(tree);
        return -error;
    }
    tree->namespace = namespace_of(tree->pid);
    tree->pidfd = (int)syscall(SYS_pidfd_open, tree->pid, 0);
    if (tree->pidfd >= 0)
        tree->ended = event_new(base, tree->pidfd, EV_READ | EV_PERSIST, ended_cb, tree);
    if (!tree->ended || event_add(tree->ended, NULL) < 0) {
        tree_free(tree);
        return -EIO;
    }
    *out = tree;
    return 0;
}

void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    tree_signal(tree, SIGKILL);
    while (waitpid(tree->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    release(tree);
}

void tree_signal(struct tree *tree, int number)
{
    if (!tree->namespaces && number == SIGKILL)
        kill(-tree->pid, SIGKILL);
    kill(tree->pid, number);
}

void tree_reset(struct tree *tree)
{
    kill(tree->pid, SIGUSR1);
}

pid_t tree_pid(const struct tree *tree)
{
    return tree->pid;
}

int64_t tree_age_ms(const struct tree *tree)
{
    return sim_now_ms() - tree->started_ms;
}

/* ---- counting ----------------------------------------------------------------------------------------- */

static bool read_proc(pid_t pid, const char *file, char *text, size_t room)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, room - 1);
    text[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

/* whether the process belongs to the tree and is not a zombie */
static bool is_ours(const struct tree *tree, pid_t pid)
{
    char text[1024], state = 0;
    int group = 0;
    if (!read_proc(pid, "stat", text, sizeof(text)))
        return false;
    const char *after_name = strrchr(text, ')');
    if (!after_name || sscanf(after_name + 1, " %c %*d %d", &state, &group) != 2 || state == 'Z' ||
        state == 'X')
        return false;
    return tree->namespaces ? namespace_of(pid) == tree->namespace : group == tree->pid;
}

/* the pid as the process's own namespace has it */
static pid_t inner_pid(pid_t pid)
{
    char text[4096];
    const char *line = read_proc(pid, "status", text, sizeof(text)) ? strstr(text, "\nNSpid:") : NULL;
    if (!line)
        return 0;
    const char *end = line + 1 + strcspn(line + 1, "\n");
    while (end > line && end[-1] >= '0' && end[-1] <= '9')
        end--;
    return (pid_t)strtol(end, NULL, 10);
}

static int count(const struct tree *tree, pid_t *payload)
{
    int alive = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || !is_ours(tree, pid))
            continue;
        alive++;
        if (*tree->payload > 0 && inner_pid(pid) == *tree->payload)
            *payload = pid;
    }
    if (proc)
        closedir(proc);
    return alive;
}

int tree_alive(const struct tree *tree)
{
    pid_t payload = 0;
    return count(tree, &payload);
}

pid_t tree_payload_pid(const struct tree *tree)
{
    pid_t payload = 0;
    count(tree, &payload);
    return payload;
}
