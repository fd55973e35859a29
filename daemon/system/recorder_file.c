/*
 * The recorder's sink for files of lines: one record, one line, on disk before it is
 * answered (a burst of them in one go). Runs in the
 * child and may block as long as the disk does. Knows nothing of what a line says.
 */
#include "system/recorder.h"

#include "system/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int write_all(int fd, struct iovec *part, int count)
{
    while (count > 0) {
        ssize_t written = writev(fd, part, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        size_t left = (size_t)written;
        while (count > 0 && left >= part->iov_len) {
            left -= part->iov_len;
            part++;
            count--;
        }
        if (count > 0) {
            part->iov_base = (char *)part->iov_base + left;
            part->iov_len -= left;
        }
    }
    return 0;
}

/* A new name is on disk only when its directory is. */
static int sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof(directory))
        return -ENAMETOOLONG;
    memcpy(directory, path, length);
    directory[length] = '\0';
    _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return -errno;
    return 0;
}

static int check_opened(int fd, const char *path)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return -errno;
    if (!S_ISREG(file.st_mode))
        return -EINVAL;
    if (file.st_size == 0)
        return sync_directory(path);
    char last;
    if (pread(fd, &last, 1, file.st_size - 1) != 1)
        return -EIO;
    /* a torn line stays a line of its own and does not spoil the next one */
    struct iovec newline = {.iov_base = (char[]){'\n'}, .iov_len = 1};
    return last == '\n' ? 0 : write_all(fd, &newline, 1);
}

static int file_open(void *state)
{
    struct recorder_file *file = state;
    if (file->path[0] != '/') /* the child's directory is / */
        return -EINVAL;
    umask(0);
    /* O_NONBLOCK: a FIFO in this place must be refused, not waited for */
    int fd =
        open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640);
    if (fd < 0)
        return -errno;
    int result = check_opened(fd, file->path);
    if (result != 0) {
        close(fd);
        return result;
    }
    file->fd = fd;
    return 0;
}

static void file_close(void *state)
{
    struct recorder_file *file = state;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* What was written reaches the disk, or is reported by the next flush. */
static void sync_now(struct recorder_file *file)
{
    if (file->unsynced && fdatasync(file->fd) != 0)
        file->lost = -errno;
    file->unsynced = false;
}

static void give_up(struct recorder_file *file)
{
    if (file->fd >= 0)
        sync_now(file);
    file_close(file);
}

static int rotate(struct recorder_file *file)
{
    _cleanup_(freep) char *older = NULL;
    sync_now(file);
    if (asprintf(&older, "%s.1", file->path) < 0) {
        older = NULL;
        return -ENOMEM;
    }
    if (rename(file->path, older) != 0)
        return -errno;
    file_close(file);
    return file_open(file);
}

static int append(int fd, off_t size, const char *record, size_t length)
{
    struct iovec parts[] = {{(void *)(uintptr_t)record, length}, {(char[]){'\n'}, 1}};
    int result = write_all(fd, parts, (int)ARRAY_LEN(parts));
    if (result != 0) /* half a line (disk full) helps nobody; if this fails too, the next open ends it */
        (void)!ftruncate(fd, size);
    return result;
}

static int file_write(void *state, const char *record, size_t length)
{
    struct recorder_file *file = state;
    if (memchr(record, '\n', length))
        return -EINVAL; /* would be two lines */
    int result = file->fd >= 0 ? 0 : file_open(file);
    struct stat now = {0};
    if (result == 0 && fstat(file->fd, &now) != 0)
        result = -errno;
    if (result == 0 && file->max_bytes > 0 && now.st_size > 0 &&
        now.st_size + (off_t)length + 1 > (off_t)file->max_bytes) {
        /* a directory that refuses the rename: a longer file is better than a lost record */
        if (rotate(file) == 0)
            now.st_size = 0;
        result = file->fd >= 0 ? 0 : file_open(file);
    }
    if (result == 0)
        result = append(file->fd, now.st_size, record, length);
    if (result == 0)
        file->unsynced = true;
    else
        give_up(file);
    return result;
}

static int file_flush(void *state)
{
    struct recorder_file *file = state;
    sync_now(file);
    int result = file->lost;
    file->lost = 0;
    if (result != 0)
        file_close(file);
    return result;
}

static char *sink_describe(const void *state)
{
    const struct recorder_file *file = state;
    char *description = NULL;
    return asprintf(&description, "%lld %s", (long long)file->max_bytes, file->path) < 0 ? NULL : description;
}

bool recorder_file_init(struct recorder_file *file, const char *directory, const char *name,
                        int64_t max_bytes)
{
    _cleanup_(freep) char *resolved = realpath(directory, NULL);
    *file = (struct recorder_file){.max_bytes = max_bytes, .fd = -1};
    if (asprintf(&file->path, "%s/%s", resolved ? resolved : directory, name) < 0)
        file->path = NULL;
    return file->path != NULL;
}

void recorder_file_clear(struct recorder_file *file)
{
    free(TAKE(file->path));
}

static void *sink_revive(const char *description)
{
    struct recorder_file *file = calloc(1, sizeof(*file));
    const char *path = strchr(description, ' ');
    if (!file || !path || !(file->path = strdup(path + 1))) {
        free(file);
        return NULL;
    }
    file->max_bytes = strtoll(description, NULL, 10);
    file->fd = -1;
    return file;
}

const struct recorder_sink recorder_file_sink = {
    .open = file_open,
    .write = file_write,
    .flush = file_flush,
    .close = file_close,
    .name = "file",
    .describe = sink_describe,
    .revive = sink_revive,
};
