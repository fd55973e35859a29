/*
 * What the kernel counts of this process, for the metrics that every Prometheus client library has. The files
 * in /proc are opened once: no file is opened later. Knows nothing of what the process does.
 */
#pragma once

#include <stdint.h>

struct process;

/* -1: unknown */
struct process_facts {
    int64_t resident_bytes, virtual_bytes;
    int64_t cpu_ms; /* user and system, of all threads */
    int64_t open_fds, max_fds;
};

struct process *process_open(void);          /* NULL: no memory */
void process_close(struct process *process); /* NULL is fine */
void process_read(struct process *process, struct process_facts *facts);
