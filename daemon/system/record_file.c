/*
 * Lines out of blocks out of a file. What is not a line of sane length is reported as one that was skipped,
 * so that its reader can count it; nothing here is an error but what the file system says.
 */
#include "system/record_file.h"

#include "system/cleanup.h"
#include "system/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_SIZE (16 * 1024)

/* Lines out of a stream of blocks: a line that is longer than any record is skipped as a whole. */
struct line_reader {
    record_line_fn *line_fn;
    void *context;
    size_t length;
    bool skipping;
    char line[RECORDER_RECORD_MAX];
};

static void end_line(struct line_reader *reader)
{
    if (reader->skipping)
        reader->line_fn(reader->context, NULL, 0);
    else if (reader->length > 0)
        reader->line_fn(reader->context, reader->line, reader->length);
    reader->skipping = false;
    reader->length = 0;
}

static void feed(struct line_reader *reader, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *newline = memchr(bytes, '\n', length);
        size_t part = newline ? (size_t)(newline - bytes) : length;

        if (part > sizeof(reader->line) - reader->length)
            reader->skipping = true;
        if (!reader->skipping) {
            memcpy(reader->line + reader->length, bytes, part);
            reader->length += part;
        }
        if (!newline)
            return;
        end_line(reader);
        bytes += part + 1;
        length -= part + 1;
    }
}

/* Anything but a regular file (a FIFO would be waited for) is not ours to read. */
static int open_file(const char *path, off_t max_bytes)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    int opened;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size > max_bytes && lseek(fd, -max_bytes, SEEK_END) < 0)
        return -errno;
    opened = fd;
    fd = -1;
    return opened;
}

int record_file_read(const char *path, off_t max_bytes, record_line_fn *line, void *context)
{
    _cleanup_(freep) struct line_reader *reader = malloc(sizeof(*reader));
    _cleanup_(closep) int fd = open_file(path, max_bytes);
    char block[BLOCK_SIZE];
    ssize_t length;

    if (!reader)
        return -ENOMEM;
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    reader->line_fn = line;
    reader->context = context;
    reader->length = 0;
    reader->skipping = false;
    while ((length = read(fd, block, sizeof(block))) != 0) {
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return -errno;
        feed(reader, block, (size_t)length);
    }
    if (reader->length > 0 || reader->skipping)
        end_line(reader);
    return 0;
}
