/*
 * The log: structured records to the journal, or lines on stderr for runs by hand, handed to a recorder child
 * so that a journald that reads nothing cannot stop the loop.
 *
 * Before log_start() (and in unit tests) lines go straight to stderr. Which one of the two afterwards: the
 * journal if stderr is connected to it ($JOURNAL_STREAM names stderr's device and inode), else stderr lines
 * "2026-11-22T12:00:00.123Z info message FENCE_EVENT=operation-done FENCE_TARGET=n2 …". The journal has a
 * MESSAGE_ID beside FENCE_EVENT, which leads to the catalog (journalctl -x).
 * No secret is ever passed here; struct secret has no accessor the formatter could use.
 */
#pragma once

#include "system/error.h"
#include "system/log_kinds.h"
#include "system/recorder.h"

#include <syslog.h>

/* Fields of a struct error, in a list of fields; the hint where the message does not have it. */
#define LOG_ERROR_CODE(error)                                                                                \
    {                                                                                                        \
        "ERROR_CODE", error_code_name((error)->code)                                                         \
    }
#define LOG_ERROR_HINT(error)                                                                                \
    {                                                                                                        \
        "ERROR_HINT", (error)->hint[0] ? (error)->hint : NULL                                                \
    }

struct log_field {
    const char *name;  /* journal field: FENCE_TARGET, PEER_UID, … */
    const char *value; /* NULL: the field is left out */
};

/* LOG_ERR … LOG_DEBUG; what is less important than the level is dropped. Default LOG_INFO. */
void log_set_level(int level);
/* Decides where records go, as log_start() does; true: to the journal. */
bool log_choose(void);
extern const struct recorder_sink log_sink; /* of the log's recorder */
/* Create the log's recorder (a child process); 0 or -errno. attach: see recorder.h. */
int log_start(void);
int log_attach(struct event_base *base);
uint64_t log_lost(void);
void log_stop(int64_t wait_ms);

/* What an operator may act on, with the priority of its kind. `fields` is terminated by a member whose name
 * is NULL; may be NULL. Control characters in the message become '?'. */
void log_say(enum log_kind kind, const struct log_field *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What is merely good to know: LOG_INFO or LOG_DEBUG. */
void log_remark(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_info(...)  log_remark(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_remark(LOG_DEBUG, __VA_ARGS__)
