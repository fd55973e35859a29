/* The fence agent: what Pacemaker runs. */
#pragma once

#include "say.h"

#define AGENT_OK     0 /* done; status: on */
#define AGENT_FAILED 1
#define AGENT_OFF    2 /* status only */

/* Without arguments (argc 1) the parameters are read from standard input, else from options. Returns the exit
 * status; with AGENT_FAILED, `failure` says why. */
int agent_run(int argc, char **argv, struct failure *failure) __attribute__((warn_unused_result));
