/*
 * Remembers over restarts that a rehearsal was carried out: a file in the state directory. As long as it is
 * there, whatever stands in it, nobody rehearses; whoever has found out why removes it.
 */
#pragma once

#include "system/error.h"
#include "system/recorder.h"

#include <event2/event.h>

struct rehearsal_memory;

extern const struct recorder_sink rehearsal_memory_sink; /* of its recorder */

/* Starts the recorder that writes the file (a child process): call before threads exist. `directory` NULL
 * remembers nothing. NULL and *error when memory or a process is lacking. */
struct rehearsal_memory *rehearsal_memory_new(const char *directory, struct error *error);
int rehearsal_memory_attach(struct rehearsal_memory *memory, struct event_base *base);
void rehearsal_memory_free(struct rehearsal_memory *memory, int64_t wait_ms); /* NULL is fine */

/* Looks for the file: at the start and at a reload only, for it may block. True if it is there, or if nobody
 * can tell, or if what was to be written has not reached the disk; *alarm says what it tells. */
bool rehearsal_memory_read(struct rehearsal_memory *memory, struct error *alarm);
/* Writes it, without waiting. A failure is logged. */
void rehearsal_memory_write(struct rehearsal_memory *memory, int vmid, const struct error *alarm);
/* How it is taken back, for a hint. */
const char *rehearsal_memory_path(const struct rehearsal_memory *memory); /* "" without a directory */
