/* What people run: status, targets, history … and off, on, reboot by hand. */
#pragma once

#include <stdbool.h>

#include "say.h"

/* Is this command line one of people's commands, and not one of the agent's options? */
bool commands_wanted(int argc, char **argv);

/* Returns the exit status: 0, or 1 with `failure` set. */
int commands_run(int argc, char **argv, struct failure *failure) __attribute__((warn_unused_result));

void commands_print_help(void);
void commands_print_version(void);
