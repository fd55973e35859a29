/* What the client says beside its answers: the one line of a failure, warnings and debugging. */
#pragma once

#include <stdbool.h>

/* As asprintf() makes it; NULL: no memory. The caller frees. */
char *say_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Why something could not be done, and the way out. Both strings are owned; NULL means that there was no
 * memory for them. */
struct failure {
    char *cause;
    char *hint;
    bool no_daemon; /* there was nobody at the broker's socket */
    bool no_reader; /* whoever read stdout has gone, as `head` does when it has enough */
    bool told;      /* what stdout got says it all: exit 1, and not a word more */
};

void failure_clear(struct failure *failure);

/* Fills `failure` (what it held before is freed). Always returns -1, so that callers can end with it. */
int failure_set(struct failure *failure, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "TEXT: " before the cause. Always returns -1. */
int failure_prefix(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes `fence_broker: CAUSE; HINT` to stderr as exactly one line with one write. */
void failure_print(const struct failure *failure);

/* By what name; "fence_broker" if nothing is said. Borrowed. */
void say_as(const char *program);
/* `quiet` silences warnings, `verbose` sends debugging to stderr, `debug_file` (may be NULL) gets it
 * appended. A file that cannot be written is warned about and done without: a fence must not fail for its
 * log. */
void say_setup(bool quiet, bool verbose, const char *debug_file);
void say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout. 0, or -1 and `failure` is set: an answer that nobody got is none. */
int say_finish(struct failure *failure) __attribute__((warn_unused_result));
