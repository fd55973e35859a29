/* A growable text buffer. An allocation failure is remembered (text_failed) and further appends do nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *data; /* NUL-terminated once anything was appended; may be NULL */
    size_t length, size;
    bool failed;
};

void text_append(struct text *text, const char *bytes, size_t length);
/* Room for so many bytes behind what there is, to be written to; NULL without memory. text_grow() says where
 * they end. */
char *text_room(struct text *text, size_t size);
void text_grow(struct text *text, char *end);
void text_prepend(struct text *text, const struct text *before); /* its failure, too */
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As one word of a shell, quoted where that is needed. */
void text_put_word(struct text *text, const char *word);
/* The same in a text of its own, for a format: what it holds, "" without memory. */
const char *text_word(struct text *text, const char *word);
void text_clear(struct text *text); /* frees; usable again */

/* Columns for screens: rows of cells separated by '\t' and ended by '\n' come out aligned, two blanks between
 * columns, no trailing blanks. Width is counted in UTF-8 code points. */
void text_append_table(struct text *text, const char *tab_separated);

/* Is this well-formed UTF-8 (no overlong forms, no surrogates)? NUL counts as a character. */
bool text_is_utf8(const char *bytes, size_t length);
/* Make a text fit for one line on a terminal, in place and without changing its length: control characters
 * (C0, DEL, C1), ends of lines, what is not seen or turns the direction of writing (U+200B, U+202E …), and
 * bytes that are not UTF-8 become '?'. For what comes from the network or from a file. */
void text_make_printable(char *string);
bool text_is_printable(const char *string); /* it would not be changed */
