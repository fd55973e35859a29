/* A screen on a terminal: the same text as anywhere, but painted where a verdict stands, and broken where the
 * terminal would break it in the middle of a word. Knows the words that verdicts are made of, and nothing of
 * what the rest means. Lines that are there to be pasted stay in one piece: the terminal itself breaks them,
 * and then they are copied whole. */
#include "screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "system/cleanup.h"

#define NARROWEST 40 /* columns; on less nothing is broken */
#define PASTE     "paste: "

struct screen screen_of_stdout(void)
{
    struct screen screen = {0};
    struct winsize size = {0};
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    if (!isatty(STDOUT_FILENO))
        return screen;
    screen.terminal = term && *term && strcmp(term, "dumb") != 0;
    screen.colour = screen.terminal && !(no_color && *no_color);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        screen.columns = size.ws_col;
        screen.rows = size.ws_row;
    }
    return screen;
}

/* ---- paint ----------------------------------------------------------------------------------------------
 */

/* The words of verdicts, levels, outcomes and states, and how they are painted. */
static const struct paint {
    const char *word, *sequence;
} paints[] = {
    {"ready", "\033[32m"},
    {"fine", "\033[32m"},
    {"ok", "\033[32m"},
    {"done", "\033[32m"},
    {"up", "\033[32m"},
    {"accepted", "\033[32m"},
    {"degraded", "\033[33m"},
    {"warning", "\033[33m"},
    {"unknown", "\033[33m"},
    {"abandoned", "\033[33m"},
    {"skipped", "\033[33m"},
    {"interrupted", "\033[33m"},
    {"blocked", "\033[31m"},
    {"failure", "\033[31m"},
    {"failed", "\033[31m"},
    {"down", "\033[31m"},
    {"no daemon", "\033[31m"},
    {"a fence would fail", "\033[31m"},
    {"denied", "\033[31m"},
    {"not accepted", "\033[31m"},
    {"a fence would work, but something needs attention", "\033[33m"},
};

/* A word is a verdict where it fills a cell of a table, a pair of brackets, or what follows a colon: in the
 * middle of a sentence it is just a word. */
static bool cell_begins(const char *line, const char *at)
{
    size_t before = (size_t)(at - line);
    return before == 0 || at[-1] == '(' ||
           (before >= 2 && at[-1] == ' ' && (at[-2] == ' ' || at[-2] == ':' || at[-2] == ','));
}

static bool cell_ends(const char *at, const char *end)
{
    return at == end || *at == ')' || *at == ',' || *at == '\n' ||
           (end - at >= 2 && at[0] == ' ' && at[1] == ' ') || (*at == ':' && end - at >= 2 && at[1] == ' ');
}

/* The row for the word that begins at `at`, NULL if it is none. */
static const struct paint *find_paint(const char *line, const char *at, const char *end)
{
    if (!cell_begins(line, at))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(paints); i++) {
        size_t length = strlen(paints[i].word);
        if ((size_t)(end - at) >= length && memcmp(at, paints[i].word, length) == 0 &&
            cell_ends(at + length, end))
            return &paints[i];
    }
    return NULL;
}

/* The part [from, to) of the line [line, end). */
static void put_part(const struct screen *screen, const char *line, const char *end, const char *from,
                     const char *to)
{
    while (from < to) {
        const struct paint *paint = screen->colour ? find_paint(line, from, end) : NULL;
        size_t length = paint ? strlen(paint->word) : 0;
        if (paint && from + length <= to) {
            printf("%s%s\033[0m", paint->sequence, paint->word);
            from += length;
        } else {
            putchar(*from++);
        }
    }
}

/* ---- breaking lines -------------------------------------------------------------------------------------
 */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t width_of(const char *from, const char *to)
{
    size_t width = 0;
    for (; from < to; from++)
        width += !is_continuation(*from);
    return width;
}

/* Where the rest of a broken line goes: below the beginning of its last cell, if that leaves room. */
static size_t hanging_indent(const char *line, const char *end, size_t columns)
{
    const char *text = line, *cell;
    while (text < end && *text == ' ')
        text++;
    cell = text;
    for (const char *at = text; at + 2 < end; at++)
        if (at[0] == ' ' && at[1] == ' ' && at[2] != ' ' && width_of(line, at + 2) <= columns * 2 / 3)
            cell = at + 2;
    size_t indent = width_of(line, cell);
    if (cell == text)
        indent += 2;
    return indent <= columns * 2 / 3 ? indent : 2;
}

static bool to_be_pasted(const char *line, const char *end)
{
    while (line < end && *line == ' ')
        line++;
    return (size_t)(end - line) >= strlen(PASTE) && memcmp(line, PASTE, strlen(PASTE)) == 0;
}

/* The end of the piece of the line that begins at `from` and fits into `room` columns: at a blank outside of
 * backticks, or where the first word ends. */
static const char *piece_end(const char *from, const char *end, size_t room)
{
    const char *best = NULL;
    bool quoted = false;
    size_t width = 0;
    for (const char *at = from; at < end; at++) {
        if (*at == '`')
            quoted = !quoted;
        if (*at == ' ' && !quoted && at > from && at[-1] != ' ') {
            if (width > room)
                return best ? best : at;
            best = at;
        }
        width += !is_continuation(*at);
    }
    return width <= room || !best ? end : best;
}

/* One line of the text; how many lines of the terminal it took. */
static unsigned put_line(const struct screen *screen, const char *line, const char *end)
{
    size_t columns = screen->terminal ? screen->columns : 0;
    if (columns < NARROWEST || width_of(line, end) <= columns || to_be_pasted(line, end)) {
        put_part(screen, line, end, line, end);
        size_t width = width_of(line, end);
        return columns && width > columns ? (unsigned)((width + columns - 1) / columns) : 1;
    }
    size_t indent = hanging_indent(line, end, columns);
    const char *from = line + strspn(line, " ");
    size_t room = columns - width_of(line, from);
    unsigned lines = 0;
    printf("%*s", (int)(from - line), "");
    while (from < end) {
        const char *to = piece_end(from, end, room);
        if (lines > 0)
            printf("\n%*s", (int)indent, "");
        put_part(screen, line, end, from, to);
        size_t width = width_of(from, to);
        lines += 1 + (unsigned)(width > room ? (width - room + columns - 1) / columns : 0);
        for (from = to; from < end && *from == ' ';)
            from++;
        room = columns - indent;
    }
    return lines;
}

void screen_put(const struct screen *screen, const char *text, size_t length, unsigned max_lines)
{
    const char *end = text + length;
    unsigned used = 0;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        if (max_lines && used + 1 >= max_lines && newline && newline + 1 < end) {
            size_t left = 0;
            for (const char *at = text; at < end; at++)
                left += *at == '\n';
            printf("(%zu more lines; make the window taller)%s\n", left, screen->terminal ? "\033[K" : "");
            return;
        }
        used += put_line(screen, text, line_end);
        fputs(max_lines ? "\033[K\n" : "\n", stdout);
        text = newline ? newline + 1 : end;
    }
}
