/*
 * Where the history's records go: the sink, which runs in the recorder's child.
 */
#include "fence/history_files.h"

#include "system/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_NAME    "history.jsonl"
#define OTHERS_NAME "history-others.jsonl"

/* The others' is opened when there is something to write to it: whatever it is in its place keeps no record
 * of root's from the disk. */
static int files_open(void *state)
{
    struct history_files *files = state;

    return recorder_file_sink.open(&files->own);
}

static int files_write(void *state, const char *record, size_t length)
{
    struct history_files *files = state;

    return *record == HISTORY_OF_OTHERS ? recorder_file_sink.write(&files->others, record + 1, length - 1)
                                        : recorder_file_sink.write(&files->own, record, length);
}

static int files_flush(void *state)
{
    struct history_files *files = state;
    int own = recorder_file_sink.flush(&files->own), others = recorder_file_sink.flush(&files->others);

    return own != 0 ? own : others;
}

static void files_close(void *state)
{
    struct history_files *files = state;

    recorder_file_sink.close(&files->own);
    recorder_file_sink.close(&files->others);
}

/* A line of each; the configuration has no paths with line ends. */
static char *files_describe(const void *state)
{
    const struct history_files *files = state;
    _cleanup_(freep) char *own = recorder_file_sink.describe(&files->own);
    _cleanup_(freep) char *others = recorder_file_sink.describe(&files->others);
    char *description = NULL;

    return !own || !others || asprintf(&description, "%s\n%s", own, others) < 0 ? NULL : description;
}

static void *files_revive(const char *description)
{
    struct history_files *files = calloc(1, sizeof(*files));
    size_t length = strcspn(description, "\n");
    _cleanup_(freep) char *first = strndup(description, length);
    struct recorder_file *own = first ? recorder_file_sink.revive(first) : NULL;
    struct recorder_file *others =
        description[length] ? recorder_file_sink.revive(description + length + 1) : NULL;

    if (files && own && others)
        *files = (struct history_files){*own, *others}; /* paths and all: they live as long as the child */
    else
        free(TAKE(files));
    free(own);
    free(others);
    return files;
}

const struct recorder_sink history_files_sink = {
    .open = files_open,
    .write = files_write,
    .flush = files_flush,
    .close = files_close,
    .name = "history",
    .describe = files_describe,
    .revive = files_revive,
};

void history_files_init(struct history_files *files, const char *directory, int64_t max_bytes)
{
    (void)recorder_file_init(&files->own, directory, OWN_NAME, max_bytes);
    (void)recorder_file_init(&files->others, directory, OTHERS_NAME, max_bytes);
}

void history_files_free(struct history_files *files)
{
    recorder_file_clear(&files->own);
    recorder_file_clear(&files->others);
}

int history_files_check(const char *directory)
{
    struct stat status;

    if (stat(directory, &status) != 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : -errno;
}
