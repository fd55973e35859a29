/*
 * Reads a file of lines that may have been torn, filled with NULs or grown without end, in bounded memory.
 * Knows nothing of what a line says; the writing is the recorder's.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* One line, without its newline and not empty; `line` NULL: one that was longer than RECORDER_RECORD_MAX and
 * is skipped. */
typedef void record_line_fn(void *context, const char *line, size_t length);

/* Of a file longer than max_bytes only its end is read; then the first line is most likely half of one. A
 * last line without newline counts. 0 (also if there is no such file), or a negative errno: -EINVAL for what
 * is no regular file. */
int record_file_read(const char *path, off_t max_bytes, record_line_fn *line, void *context);
