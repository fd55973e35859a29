/*
 * Changes of verdicts, each told once: what is worse at once, what is better (or blocked for another reason)
 * only after it was seen VERDICT_LOG_STEADY times in a row, so that a guest whose verdict flaps does not fill
 * the log. What concerns all guests is told once, and not with each of them.
 *
 * A guest of which not everything was tried yet has no verdict here: after the start nothing is told before
 * something is known.
 */
#pragma once

#include "fence/readiness.h"

#define VERDICT_LOG_STEADY 3 /* equal observations, one with each round of polls */
#define VERDICT_LOG_LINES_MAX                                                                                \
    20 /* guests told one by one in a round; how many more there are is told, too                            \
        */

struct verdict_log;

/* One line to be told. `guest` NULL: all of them, or (with `more`) so many others in this round. */
struct verdict_change {
    const struct guest *guest;
    size_t more;
    enum verdict old, new;
    enum reason reason;        /* the gravest of the new ones, or of the old ones when it is ready */
    const struct error *cause; /* NULL: no more is known */
};
typedef void verdict_log_tell_fn(void *context, const struct verdict_change *change);

/* `tell` NULL: to the log. NULL: no memory. */
struct verdict_log *verdict_log_new(verdict_log_tell_fn *tell, void *context);
void verdict_log_free(struct verdict_log *log);
/* A round of polls has ended: look at all of them. A guest for which there is no memory is looked at again.
 */
void verdict_log_observe(struct verdict_log *log, const struct readiness_facts *facts);
