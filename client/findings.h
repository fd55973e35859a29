/* What the client itself has found out for the doctor's report. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum finding_level {
    FINDING_OK,
    FINDING_SKIPPED, /* not looked at, for there is nothing to look at, or no way to */
    FINDING_WARNING, /* a fence would work, but something is off */
    FINDING_FAILURE, /* a fence would fail, or hit the wrong one */
};

struct finding {
    enum finding_level level;
    char *message, *hint, *paste; /* hint and paste may be NULL */
};

struct findings {
    struct finding *list;
    size_t count, size;
    bool failed; /* memory ran out: not to be shown */
};

void findings_clear(struct findings *findings);
/* Adds one; findings_hint() and findings_paste() are about the last one. `paste`: a whole line for a shell.
 */
void findings_add(struct findings *findings, enum finding_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void findings_hint(struct findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));
void findings_paste(struct findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As an exit status: 0, or 2 with a warning, or 1 with a failure. */
int findings_status(const struct findings *findings);

/* In the doctor's form: lines of the step `step`, or elements of its JSON array, each behind a comma unless
 * `first`. */
void findings_put_text(const struct findings *findings, const char *step, FILE *out);
void findings_put_json(const struct findings *findings, const char *step, bool first, FILE *out);
