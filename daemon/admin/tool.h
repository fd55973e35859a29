/* Another program's answer, within bounds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/say.h"
#include "system/text.h"

/* Is there a program of this name, in PATH or where those of administrators are? */
bool tool_exists(const char *name);

#define TOOL_LIST(...) ((const char *const[]){__VA_ARGS__, NULL}) /* its name and its arguments */

/* Runs it as the caller, with the caller's environment and nothing on stdin, and waits for its end. At most
 * `wait_ms` and `most` bytes: then it is killed with all its children. 0, and `answer` (to be cleared in any
 * case) has what it wrote to stdout; -1: `failure` says why there is none. If it ended with another status
 * than 0, that is the first line that it wrote to stderr, with `hint`. */
int tool_run(const char *const arguments[], int64_t wait_ms, size_t most, struct text *answer,
             const char *hint, struct failure *failure) __attribute__((warn_unused_result));
