/* Another program's answer, within bounds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/say.h"

struct tool_output {
    char *text; /* owned; what it wrote to stdout, NUL-terminated */
    size_t length;
    int status; /* its exit status */
};

void tool_output_clear(struct tool_output *output);

/* Is there a program of this name, in PATH or where those of administrators are? */
bool tool_exists(const char *name);

/* Runs it as the caller, with the caller's environment and nothing on stdin, and waits for its end. At most
 * `wait_ms` and `most` bytes: then it is killed with all its children. 0: it ended by itself (see `status`);
 * -1: `failure` says why there is no answer. If it ended with another status than 0, *words (may be NULL) is
 * the first line that it wrote to stderr; the caller frees. */
int tool_run(const char *name, char *const arguments[], int64_t wait_ms, size_t most,
             struct tool_output *output, char **words, struct failure *failure)
    __attribute__((warn_unused_result));
