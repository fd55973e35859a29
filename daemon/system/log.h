/*
 * The log: structured records to the journal, or lines on stderr for runs by hand, handed to a recorder child
 * so that a journald that reads nothing cannot stop the loop.
 *
 * Before log_start() (and in unit tests) lines go straight to stderr. Which one of the two afterwards: the
 * journal if stderr is connected to it ($JOURNAL_STREAM names stderr's device and inode), else stderr lines
 * "2026-11-22T12:00:00.123Z info message FENCE_TARGET=n2 …".
 * No secret is ever passed here; struct secret has no accessor the formatter could use.
 */
#pragma once

#include "system/recorder.h"

#include <syslog.h>

struct log_field {
    const char *name;  /* journal field: FENCE_TARGET, PEER_UID, … */
    const char *value; /* NULL: the field is left out */
};

/* LOG_ERR … LOG_DEBUG; what is less important than the level is dropped. Default LOG_INFO. */
void log_set_level(int level);
int log_level(void);
/* Create the log's recorder (a child process); 0 or -errno. attach: see recorder.h. */
int log_start(void);
int log_attach(struct event_base *base);
uint64_t log_lost(void);
void log_stop(int64_t wait_ms);

/* `fields` is terminated by a member whose name is NULL; may be NULL. Control characters in the message
 * become '?'. */
void log_event(int priority, const struct log_field *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...)   log_event(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_event(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...)  log_event(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...)    log_event(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_event(LOG_DEBUG, NULL, __VA_ARGS__)
