/* How the broker's screens are shown: plainly, or fitted to a terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What standard output is. Without a terminal nothing is painted, wrapped or redrawn: what reads it gets the
 * broker's lines as they are. */
struct screen {
    bool terminal; /* one that understands the usual escape sequences (TERM is set, and not "dumb") */
    bool colour;   /* … and NO_COLOR is not set */
    unsigned columns, rows; /* 0: not known */
};

struct screen screen_of_stdout(void);

/* Writes the lines of `text` to stdout: verdicts painted, and lines that are too long broken between words,
 * with the rest below the last column of the line. What stands between backticks, and lines to paste, are
 * never broken. At most `max_lines` lines of the terminal (0: all), then one that says how many are left. */
void screen_put(const struct screen *screen, const char *text, size_t length, unsigned max_lines);
