/* The doctor: the running daemon's report, or that of the daemon's program where none runs, and what the
 * client itself sees of Pacemaker. */
#pragma once

#include <stdbool.h>

#include "request.h"
#include "say.h"
#include "screen.h"

/* Shows the report on stdout. The exit status that it stands for (0 fine, 1 a fence would fail, 2 it would
 * work but something is off); -1: there is none, and `failure` is set. */
int doctor_show(const struct request *request, const struct screen *screen, struct failure *failure)
    __attribute__((warn_unused_result));
