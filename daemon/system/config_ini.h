/*
 * The lines of an INI file: sections and keys, without any idea of which ones exist.
 *
 * Comments are whole lines (`#` or `;`); blanks (space, tab) around sections, keys and values mean nothing;
 * lines may be as long as they like. What a careful reader would stumble over is an error: NUL and other
 * control characters, carriage returns, a byte order mark, bytes that are not UTF-8, a line that is neither
 * section, key nor comment.
 */
#pragma once

#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>

struct config_slice {
    const char *bytes; /* borrowed from the text; not NUL-terminated */
    size_t length;
};

/* Fills *error with what is wrong and the way out. -EINVAL. */
int config_refuse(struct error *error, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool config_slice_is(struct config_slice slice, const char *word);

enum config_item_kind {
    CONFIG_ITEM_END,
    CONFIG_ITEM_SECTION, /* name */
    CONFIG_ITEM_KEY,     /* name, value: neither is empty */
};

struct config_item {
    enum config_item_kind kind;
    size_t line; /* the first is 1 */
    struct config_slice name, value;
};

struct config_reader {
    const char *text;
    size_t length, position, line;
    const char *path; /* for messages */
};

void config_reader_init(struct config_reader *reader, const char *text, size_t length, const char *path);
/* The next section or key, or the end; 0, or -EINVAL with *error filled ("FILE:LINE: …"). */
int config_reader_next(struct config_reader *reader, struct config_item *item, struct error *error)
    __attribute__((warn_unused_result));
