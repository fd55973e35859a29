/* Repeating a command until somebody ends it. */
#pragma once

#include <stdbool.h>

#include "say.h"
#include "screen.h"

#define WATCH_USUAL_MS 2000

/* "2", "0.5": seconds between two answers, 0.1 to 3600. 0, or -1 and `failure` is set. NULL: the usual. */
int watch_read_interval(const char *text, int *interval_ms, struct failure *failure)
    __attribute__((warn_unused_result));

/* Asks once and writes what there is to say to stdout; `max_lines` as for screen_put(). -1: failed, and
 * `failure` is set. */
typedef int watch_show_fn(void *context, const struct screen *screen, unsigned max_lines,
                          struct failure *failure);

/* Calls `show` again and again. On a terminal each answer takes the place of the one before, on a page of its
 * own that is left again when the user interrupts; else one follows the other. A failure is shown in the
 * answer's place, and it goes on: a daemon that is restarted comes back. With `json` each answer is a line,
 * and failures go to stderr. `title` is shown above. Returns only when stdout fails: -1, `failure` is set. */
int watch_run(const char *title, int interval_ms, bool json, watch_show_fn *show, void *context,
              struct failure *failure) __attribute__((warn_unused_result));
