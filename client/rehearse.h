/* Rehearsals on demand: of one guest, or of all that one may power, one after the other. */
#pragma once

#include <stdbool.h>

#include "say.h"
#include "screen.h"

/* Shows what came of them on stdout. `plug` NULL: all. The exit status: 0 all were accepted, 1 one was not;
 * -1: there is no answer, and `failure` is set. */
int rehearse_show(const char *socket, const char *plug, bool json, const struct screen *screen,
                  struct failure *failure) __attribute__((warn_unused_result));
