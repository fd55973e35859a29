/*
 * All of the daemon in memory, and with it what the client is made of, so that a fence needs no disk: a node
 * whose disk hangs is just the one that must fence. Best effort; knows nothing of what the memory is for.
 */
#pragma once

#include "system/error.h"

#include <stdbool.h>

/* One heap for all threads, which gives back what is free at its end: an address space of 64 MiB for each
 * thread would count against a limit of locked memory. To be called before there are threads. */
void memory_keep_small(void);
/*
 * Locks what is mapped now, and of what comes later each page once it is touched: the stacks of threads would
 * fill megabytes otherwise. To be called when what the daemon needs has been loaded. `program`, a file in the
 * folder of our own program or in the sbin that goes with it, is held in memory too, with all that a dynamic
 * program of libc's needs to begin; NULL: none, and one that is not there is left out. False, with the reason
 * and what to do about it, if that is not allowed: then nothing is locked.
 */
bool memory_lock(const char *program, struct error *error);
