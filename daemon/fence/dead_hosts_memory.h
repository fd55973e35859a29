/*
 * What outlives a restart of the broker: the hosts that are fenced, written to a file of lines with each
 * sample, and that they are so no longer. It is written by a recorder of its own, for the daemon touches no
 * disk after READY. What counts of it, dead_hosts says. Knows nothing of polls.
 */
#pragma once

#include "fence/dead_hosts.h"
#include "system/error.h"

#include <event2/event.h>

struct dead_hosts_memory;

/* Starts the recorder that writes DIRECTORY/dead-hosts.jsonl (a child process): call before threads exist.
 * NULL and *error when memory or a process is lacking. */
struct dead_hosts_memory *dead_hosts_memory_new(const char *directory, struct error *error);
int dead_hosts_memory_attach(struct dead_hosts_memory *memory, struct event_base *base); /* NULL is fine */
void dead_hosts_memory_free(struct dead_hosts_memory *memory, int64_t wait_ms);          /* NULL is fine */

/* Which cluster is asked from now on: another one may have hosts of the same names. */
void dead_hosts_memory_use(struct dead_hosts_memory *memory, const char *cluster); /* NULL is fine */
/* The same, and reads the file: at the start only, for it may block, and before the room's first sample. */
void dead_hosts_memory_recall(struct dead_hosts_memory *memory, struct dead_hosts *room, const char *cluster);
/* After each sample: writes down what is new, without waiting. NULL is fine. */
void dead_hosts_memory_keep(struct dead_hosts_memory *memory, const struct dead_hosts *room);
