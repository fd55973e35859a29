/*
 * The reader of configuration lines. Pure: bytes in, sections and keys out; no file, no allocation, no
 * meaning. The common INI libraries cut long lines and take an indented section head for a value; rules that
 * decide who may cut power deserve better.
 */
#include "system/config_ini.h"

#include "system/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

int config_refuse(struct error *error, const char *hint, const char *format, ...)
{
    char message[ERROR_MESSAGE_MAX + 1]; /* one too long ends in "..." */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    error_set(error, ERROR_BAD_REQUEST, "%s", message);
    error_hint(error, "%s", hint);
    return -EINVAL;
}

bool config_slice_is(struct config_slice slice, const char *word)
{
    return slice.length == strlen(word) && memcmp(slice.bytes, word, slice.length) == 0;
}

void config_reader_init(struct config_reader *reader, const char *text, size_t length, const char *path)
{
    *reader = (struct config_reader){.text = text, .length = length, .path = path};
}

static struct config_slice trim(const char *bytes, size_t length)
{
    while (length > 0 && (*bytes == ' ' || *bytes == '\t')) {
        bytes++;
        length--;
    }
    while (length > 0 && (bytes[length - 1] == ' ' || bytes[length - 1] == '\t'))
        length--;
    return (struct config_slice){bytes, length};
}

static int fail(const struct config_reader *reader, struct error *error, const char *problem,
                const char *hint)
{
    return config_refuse(error, hint, "%s:%zu: %s", reader->path, reader->line, problem);
}

/* Holds for comments too: an editor that hides a byte there hides it everywhere. */
static int check_bytes(const struct config_reader *reader, const char *line, size_t length,
                       struct error *error)
{
    if (reader->line == 1 && length >= 3 && memcmp(line, BYTE_ORDER_MARK, 3) == 0)
        return fail(reader, error, "begins with a byte order mark", "save the file as UTF-8 without one");
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte == '\0')
            return fail(reader, error, "has a NUL byte", "the file is damaged or not text: write it again");
        if (byte == '\r')
            return fail(reader, error, "has a carriage return (Windows line end?)",
                        "convert the file: sed -i 's/\\r$//' FILE");
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return fail(reader, error, "has a control character", "remove it; cat -A FILE shows where it is");
    }
    if (!text_is_utf8(line, length))
        return fail(reader, error, "is not UTF-8", "convert the file: iconv -f LATIN1 -t UTF-8");
    return 0;
}

static int read_section(const struct config_reader *reader, struct config_slice line,
                        struct config_item *item, struct error *error)
{
    const char *end = memchr(line.bytes, ']', line.length);
    if (!end)
        return fail(reader, error, "a section begins with '[' but has no ']'",
                    "write [section] alone on its line");
    if (end != line.bytes + line.length - 1)
        return fail(reader, error, "there is something after the ']' of a section",
                    "write [section] alone on its line; comments are lines of their own");
    item->kind = CONFIG_ITEM_SECTION;
    item->name = trim(line.bytes + 1, line.length - 2);
    if (item->name.length == 0)
        return fail(reader, error, "a section has no name", "write [section]");
    return 0;
}

static bool has_comment(struct config_slice value)
{
    for (size_t i = 1; i < value.length; i++) {
        bool blank = value.bytes[i - 1] == ' ' || value.bytes[i - 1] == '\t';
        if (blank && (value.bytes[i] == '#' || value.bytes[i] == ';'))
            return true;
    }
    return false;
}

static int read_key(const struct config_reader *reader, struct config_slice line, struct config_item *item,
                    struct error *error)
{
    const char *equals = memchr(line.bytes, '=', line.length);
    if (!equals)
        return fail(reader, error, "is neither a section, nor 'key = value', nor a comment",
                    "a comment begins with '#' or ';'");
    item->kind = CONFIG_ITEM_KEY;
    item->name = trim(line.bytes, (size_t)(equals - line.bytes));
    item->value = trim(equals + 1, line.length - (size_t)(equals + 1 - line.bytes));
    if (item->name.length == 0)
        return fail(reader, error, "there is no key before '='", "write key = value");
    if (item->value.length == 0)
        return fail(reader, error, "there is no value after '='",
                    "write a value, or put '#' before the line for the default");
    /* no value of ours has a blank and then one of these: it is a comment that would become part of the value
     */
    if (has_comment(item->value))
        return fail(reader, error, "has a comment after the value", "put the comment on a line of its own");
    return 0;
}

int config_reader_next(struct config_reader *reader, struct config_item *item, struct error *error)
{
    while (reader->position < reader->length) {
        const char *start = reader->text + reader->position;
        size_t rest = reader->length - reader->position;
        const char *newline = memchr(start, '\n', rest);
        size_t length = newline ? (size_t)(newline - start) : rest;
        reader->position += length + (newline ? 1 : 0);
        reader->line++;

        int result = check_bytes(reader, start, length, error);
        if (result < 0)
            return result;
        struct config_slice line = trim(start, length);
        if (line.length == 0 || line.bytes[0] == '#' || line.bytes[0] == ';')
            continue;
        *item = (struct config_item){.line = reader->line};
        return line.bytes[0] == '[' ? read_section(reader, line, item, error)
                                    : read_key(reader, line, item, error);
    }
    *item = (struct config_item){.kind = CONFIG_ITEM_END, .line = reader->line};
    return 0;
}
