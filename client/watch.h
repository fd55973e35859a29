/* Repeating a command until somebody ends it. */
#pragma once

#include <stdbool.h>

#include "say.h"

#define WATCH_USUAL "2" /* seconds */

/* Asks once and writes what there is to say to stdout; `max_lines` as for screen_put(). -1: failed, and
 * `failure` is set. */
typedef int watch_show_fn(const void *context, unsigned max_lines, struct failure *failure);

/* Calls `show` again and again, every `interval` seconds ("2", "0.5"; 0.1 to 3600). On a terminal each answer
 * takes the place of the one before, on a page of its own that is left again when the user interrupts; else
 * one follows the other. A failure is shown in the answer's place, and it goes on: a daemon that is restarted
 * comes back. With `json` each answer is a line, and failures go to stderr. `title` is shown above. Returns
 * only when stdout fails, or `interval` is none: -1, `failure` is set. */
int watch_run(const char *title, const char *interval, bool json, watch_show_fn *show, const void *context,
              struct failure *failure) __attribute__((warn_unused_result));
