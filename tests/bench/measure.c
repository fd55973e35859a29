/*
 * What one run of a command costs: wall time, CPU time of it and all its children, CPU time of a daemon that
 * works for it, and memory:
 *
 *   measure DAEMON_PID STDIN_FILE COMMAND…
 *
 * prints "WALL CPU DAEMON RSS": microseconds, and the largest resident set of the command or one of its
 * children in KiB. The daemon (0: none) is counted with its threads and children, up to SETTLE_US after the
 * command's end, so that what it does after its answer is counted too; its CPU times are the scheduler's own,
 * not ticks. The command is started without a copy of this program's memory (vfork), so that what measuring
 * costs is not in the figures; of resident sets this program's own, some 1.2 MiB, is the least that is told.
 * Ends with the command's exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_US 250000 /* longer than COLD_IDLE_MS in run */

extern char **environ;

static _Noreturn void die(const char *what, int error)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(error));
    exit(125);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* CPU nanoseconds of a process, all its threads and all its descendants. */
static unsigned long long tree_cpu_ns(long pid)
{
    unsigned long long sum = 0, used;
    char pattern[64];
    glob_t tasks;
    snprintf(pattern, sizeof(pattern), "/proc/%ld/task/*", pid);
    if (glob(pattern, 0, NULL, &tasks))
        return 0;
    for (size_t i = 0; i < tasks.gl_pathc; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/schedstat", tasks.gl_pathv[i]);
        FILE *file = fopen(path, "re");
        if (file) {
            if (fscanf(file, "%llu", &used) == 1)
                sum += used;
            fclose(file);
        }
        snprintf(path, sizeof(path), "%s/children", tasks.gl_pathv[i]);
        file = fopen(path, "re");
        if (file) {
            long child;
            while (fscanf(file, "%ld", &child) == 1)
                sum += tree_cpu_ns(child);
            fclose(file);
        }
    }
    globfree(&tasks);
    return sum;
}

static double us(struct timeval time)
{
    return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: measure DAEMON_PID STDIN_FILE COMMAND...\n");
        return 125;
    }
    long daemon = atol(argv[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, argv[2], O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);

    unsigned long long before_ns = daemon ? tree_cpu_ns(daemon) : 0;
    double began_us = now_us();
    pid_t child;
    int status, error = posix_spawnp(&child, argv[3], &actions, NULL, argv + 3, environ);
    struct rusage usage;
    if (error)
        die(argv[3], error);
    if (wait4(child, &status, 0, &usage) != child)
        die("wait4", errno);
    double wall_us = now_us() - began_us, daemon_us = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (daemon) {
        usleep(SETTLE_US);
        daemon_us = ((double)tree_cpu_ns(daemon) - (double)before_ns) / 1e3;
    }
    printf("%.0f %.0f %.0f %ld\n", wall_us, us(usage.ru_utime) + us(usage.ru_stime), daemon_us,
           usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
