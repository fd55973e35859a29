/*
 * /proc/self/statm and /proc/self/fd, read through descriptors that are kept; the rest are system calls.
 */
#include "system/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct process {
    int statm; /* -1: not there */
    DIR *fds;  /* may be NULL */
};

struct process *process_open(void)
{
    struct process *process = calloc(1, sizeof(*process));

    if (!process)
        return NULL;
    process->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    process->fds = opendir("/proc/self/fd");
    return process;
}

void process_close(struct process *process)
{
    if (!process)
        return;
    if (process->statm >= 0)
        close(process->statm);
    if (process->fds)
        closedir(process->fds);
    free(process);
}

static void read_memory(int statm, struct process_facts *facts)
{
    char buffer[128];
    long long total, resident;
    ssize_t n = statm < 0 ? -1 : pread(statm, buffer, sizeof(buffer) - 1, 0);

    if (n <= 0)
        return;
    buffer[n] = '\0';
    if (sscanf(buffer, "%lld %lld", &total, &resident) != 2)
        return;
    facts->virtual_bytes = total * sysconf(_SC_PAGESIZE);
    facts->resident_bytes = resident * sysconf(_SC_PAGESIZE);
}

static void count_descriptors(DIR *fds, struct process_facts *facts)
{
    struct rlimit limit;
    const struct dirent *entry;
    int64_t count = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        facts->max_fds = (int64_t)limit.rlim_cur;
    if (!fds)
        return;
    rewinddir(fds);
    while ((entry = readdir(fds)))
        count += entry->d_name[0] != '.';
    facts->open_fds = count;
}

void process_read(struct process *process, struct process_facts *facts)
{
    struct rusage usage;

    *facts = (struct process_facts){-1, -1, -1, -1, -1};
    read_memory(process->statm, facts);
    count_descriptors(process->fds, facts);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        facts->cpu_ms = ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                        (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}
