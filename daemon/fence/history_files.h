/*
 * The files of the history: one for what root and hacluster asked for, and one for what others did, so that
 * no flood of these pushes a fence of root out. Knows nothing of what a record says.
 */
#pragma once

#include "system/recorder.h"

#define HISTORY_OF_OTHERS '-' /* before a record for the recorder: it goes to the file of others */

struct history_files {
    struct recorder_file own, others;
};

/* The paths are NULL without memory. */
void history_files_init(struct history_files *files, const char *directory, int64_t max_bytes);
void history_files_free(struct history_files *files);
/* 0 if this process can make files there; else -errno. */
int history_files_check(const char *directory);

/* Its state is a struct history_files. */
extern const struct recorder_sink history_files_sink;
