/*
 * The recorder: a small child process that does what can block on a disk or on journald, so that the daemon's
 * loop never does. The daemon hands it records over a socketpair (SOCK_SEQPACKET, non-blocking at the
 * daemon's side); what does not fit is lost and counted. One recorder is one child with one sink: the daemon
 * has one for the history file and one for the log (journal and stderr), so that neither can hold up the
 * other.
 *
 * This room knows nothing of what the records mean.
 */
#pragma once

#include "system/error.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORDER_RECORD_MAX  (64 * 1024) /* bytes of one record */
#define RECORDER_PENDING_MAX 1024        /* records awaiting "on disk" */
#define RECORDER_BATCH_MAX   64

struct recorder;

/* A sink runs in the child. write() gets one record and returns 0 or a negative errno, which goes back to the
 * daemon as the record's result. With flush(), results wait for it: it runs when no further record is there,
 * at the latest after RECORDER_BATCH_MAX, and its failure is that of all records written since the last one:
 * a burst of records costs one wait for the disk. close() runs at a clean end. */
struct recorder_sink {
    int (*open)(void *state); /* once, in the child; 0 or -errno (reported as the result of every record until
                                 it works) */
    int (*write)(void *state, const char *record, size_t length);
    int (*flush)(void *state); /* may be NULL */
    void (*close)(void *state);
    /* For a child that comes later than the first one: `name` and the state as a text, from which revive()
     * makes it again in another process. NULL: such a child is forked like the first. */
    const char *name;
    char *(*describe)(const void *state); /* allocated; NULL: no memory */
    void *(*revive)(const char *description);
};

/* What became of a record; called from the loop, never from inside recorder_write(). 0, or a negative errno.
 */
typedef void recorder_done_fn(void *context, uint64_t id, int result);

/* Fork the child. It dies with the daemon (EOF on the socketpair after writing what it was given; PDEATHSIG
 * is not used, so that records handed over survive a kill -9 of the daemon), closes every descriptor it does
 * not need, ignores SIGINT/SIGTERM/SIGHUP/SIGABRT (a Ctrl-C reaches the whole process group; the child must
 * see the daemon's end first), and is named `name` in ps. `sink` and `state` must outlive the recorder. Call
 * before any thread exists. NULL and errno on failure.
 * held_fd: a descriptor that the child keeps for as long as it lives, be it longer than the daemon: a lock
 * that says when all is written. -1: none; else it must stay open as long as the recorder, for a child that
 * comes later. */
struct recorder *recorder_new(const char *name, const struct recorder_sink *sink, void *state, int held_fd);
/* After recorder_new() has failed: why, and what to do. `what` it was to record: "the history". */
void recorder_say_not_started(struct error *error, const char *what);
/* A child that is started anew is not to have copies of what the daemon knows by now, secrets above all: it
 * executes this program (an open descriptor of it, taken over) as `PROGRAM recorder SINK NAME DESCRIPTION`.
 */
void recorder_set_program(int fd);
/* What that runs; `argv` from the word recorder on, `sinks` all there are. Its exit status. */
int recorder_main(int argc, char **argv, const struct recorder_sink *const *sinks, size_t count);

/* From here on results are delivered through this loop. */
int recorder_attach(struct recorder *recorder, struct event_base *base);
/* Hand a record over, without waiting. Returns its id (> 0; done is called once with it), or 0 if it was lost
 * (full, too long, or the child is gone): counted. `done` may be NULL. */
uint64_t recorder_write(struct recorder *recorder, const char *record, size_t length, recorder_done_fn *done,
                        void *context);
uint64_t recorder_lost(const struct recorder *recorder);   /* records not handed over */
uint64_t recorder_failed(const struct recorder *recorder); /* records whose sink answered with an error */
int64_t recorder_oldest_pending_ms(const struct recorder *recorder,
                                   int64_t now_ms); /* age, 0 if none is pending */
/* Detach from the loop, tell the child that this was all, and wait at most wait_ms until it has written what
 * it was given (a writer on a frozen file system cannot be killed; it must not hold the daemon's own end).
 * What is still pending is told to nobody: `done` is not called any more. Not from inside `done`. NULL is
 * fine. */
void recorder_free(struct recorder *recorder, int64_t wait_ms);

/* The sink for files of lines: appends the record and a newline, fdatasync once a batch; when the file would
 * exceed max_bytes it is renamed to PATH.1 (replacing an older one) and begun anew. Created 0640, opened with
 * O_APPEND|O_CLOEXEC|O_NOFOLLOW. A file whose last byte is no newline (a torn write) gets one first. Reopened
 * when writing failed. */
struct recorder_file {
    char *path;
    int64_t max_bytes;
    int fd; /* -1 before open */
    /* the sink's own */
    bool unsynced; /* written, and not yet known to be on disk */
    int lost;      /* what was written could not be brought to the disk: to be reported by the next flush */
};
extern const struct recorder_sink recorder_file_sink;
/* The file of this name in a directory, whose path is made a whole one, because the child works in "/"; a
 * directory that is not there yet is used as it is. False: no memory. recorder_file_clear() frees the path.
 */
bool recorder_file_init(struct recorder_file *file, const char *directory, const char *name,
                        int64_t max_bytes);
void recorder_file_clear(struct recorder_file *file);
