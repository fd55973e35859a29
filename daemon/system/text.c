/*
 * Text: a growable buffer, columns for screens, and what makes bytes of others fit to be shown. Knows no
 * meaning of any text and no place where it goes.
 */
#include "system/text.h"

#include "system/cleanup.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE_FIRST 256
#define COLUMN_GAP      2

static bool reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more >= SIZE_MAX / 2 - text->length) {
        text->failed = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    if (needed <= text->size)
        return true;
    size_t size = text->size ? text->size : TEXT_SIZE_FIRST;
    while (size < needed)
        size *= 2;
    char *data = realloc(text->data, size);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->size = size;
    return true;
}

void text_append(struct text *text, const char *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

char *text_room(struct text *text, size_t size)
{
    return reserve(text, size) ? text->data + text->length : NULL;
}

void text_grow(struct text *text, char *end)
{
    *end = '\0';
    text->length = (size_t)(end - text->data);
}

void text_prepend(struct text *text, const struct text *before)
{
    if (before->failed)
        text->failed = true;
    if (before->length == 0 || !reserve(text, before->length))
        return;
    memmove(text->data + before->length, text->data, text->length);
    memcpy(text->data, before->data, before->length);
    text->length += before->length;
    text->data[text->length] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    /* into the room that is there; again, if it was too little */
    size_t room = text->failed ? 0 : text->size - text->length;
    int length = vsnprintf(room ? text->data + text->length : NULL, room, format, arguments);
    if (length < 0) {
        text->failed = true;
    } else if ((size_t)length < room) {
        text->length += (size_t)length;
    } else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    } else if (room) {
        text->data[text->length] = '\0';
    }
    va_end(again);
    va_end(arguments);
}

void text_put_word(struct text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";

    if (*word && strspn(word, plain) == strlen(word)) {
        text_puts(text, word);
        return;
    }
    text_puts(text, "'");
    for (; *word; word++) {
        if (*word == '\'')
            text_puts(text, "'\\''");
        else
            text_append(text, word, 1);
    }
    text_puts(text, "'");
}

const char *text_word(struct text *text, const char *word)
{
    text_put_word(text, word);
    return text->data && !text->failed ? text->data : "";
}

void text_clear(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

static void append_blanks(struct text *text, size_t count)
{
    if (!reserve(text, count))
        return;
    memset(text->data + text->length, ' ', count);
    text->length += count;
    text->data[text->length] = '\0';
}

static size_t code_points(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return count;
}

/* The cell at *cursor, moved behind its separator; *last says that the row ends with it. */
static size_t next_cell(const char **cursor, const char **cell, bool *last)
{
    size_t length = strcspn(*cursor, "\t\n");
    *cell = *cursor;
    *last = (*cursor)[length] != '\t';
    *cursor += length + ((*cursor)[length] != '\0');
    return length;
}

static size_t *column_widths(const char *table)
{
    /* no row has more cells than the table has separators */
    size_t columns = 1;
    for (const char *c = table; *c; c++)
        columns += *c == '\t';
    size_t *widths = calloc(columns, sizeof(*widths));
    size_t column = 0;
    while (widths && *table) {
        const char *cell;
        bool last;
        size_t length = next_cell(&table, &cell, &last);
        size_t width = code_points(cell, length);
        if (width > widths[column])
            widths[column] = width;
        column = last ? 0 : column + 1;
    }
    return widths;
}

void text_append_table(struct text *text, const char *tab_separated)
{
    _cleanup_(freep) size_t *widths = column_widths(tab_separated);
    if (!widths) {
        text->failed = true;
        return;
    }
    /* blanks are owed and paid only before something visible, so that no line ends in them */
    size_t column = 0, owed = 0;
    while (*tab_separated) {
        const char *cell;
        bool last;
        size_t length = next_cell(&tab_separated, &cell, &last);
        size_t width = code_points(cell, length);
        if (length > 0) {
            append_blanks(text, owed);
            text_append(text, cell, length);
            owed = 0;
        }
        owed += widths[column] - width + COLUMN_GAP;
        column++;
        if (last) {
            text_puts(text, "\n");
            column = 0;
            owed = 0;
        }
    }
}

/* Bytes of the UTF-8 character at `bytes` (RFC 3629), or 0 if there is none. */
static size_t utf8_character(const unsigned char *bytes, size_t length)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t length;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        if (bytes[0] < forms[f].first_min || bytes[0] > forms[f].first_max)
            continue;
        if (length < forms[f].length)
            return 0;
        if (forms[f].length > 1 && (bytes[1] < forms[f].second_min || bytes[1] > forms[f].second_max))
            return 0;
        for (size_t i = 2; i < forms[f].length; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
        }
        return forms[f].length;
    }
    return 0;
}

bool text_is_utf8(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t step = utf8_character((const unsigned char *)bytes + i, length - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

static uint32_t code_point(const unsigned char *bytes, size_t length)
{
    uint32_t point = length == 1 ? bytes[0] : bytes[0] & (0x7fU >> length);

    for (size_t i = 1; i < length; i++)
        point = point << 6 | (bytes[i] & 0x3fU);
    return point;
}

/* What is not seen, or changes how the rest is seen: controls, blanks without width, ends of lines, and what
 * turns the direction of writing. */
static bool is_unseen(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    }
    return false;
}

/* Bytes from `at` on that are no printable character; 0: there is one, of *step bytes. */
static size_t unprintable(const char *at, size_t length, size_t *step)
{
    const unsigned char *bytes = (const unsigned char *)at;

    *step = utf8_character(bytes, length);
    if (*step == 0)
        return 1;
    return is_unseen(code_point(bytes, *step)) ? *step : 0;
}

bool text_is_printable(const char *string)
{
    size_t length = strlen(string);

    for (size_t i = 0, step; i < length; i += step) {
        if (unprintable(string + i, length - i, &step))
            return false;
    }
    return true;
}

void text_make_printable(char *string)
{
    size_t length = strlen(string);

    for (size_t i = 0, step; i < length;) {
        size_t bad = unprintable(string + i, length - i, &step);

        memset(string + i, '?', bad);
        i += bad ? bad : step;
    }
}
