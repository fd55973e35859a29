/*
 * What was asked, done and seen: in memory for views, on disk through a recorder.
 *
 * The file is lines of JSON ("v":1): "intent" before the first power call, a "transition" each, "answer" when
 * off is proven, "outcome" at the end. It can be read after a kill -9 at any point: an operation without an
 * outcome is shown as interrupted. This room knows the records' form; when to write what is the engine's
 * business.
 */
#pragma once

#include "fence/denials.h"
#include "fence/operation.h"
#include "fence/unsettled.h"
#include "system/recorder.h"

#include <stddef.h>
#include <stdint.h>

struct history;

#define HISTORY_KEPT        1000 /* ended operations in memory, … */
#define HISTORY_OTHERS_KEPT 500  /* … of others than root and hacluster, when these need the room */
#define HISTORY_FILE_BYTES                                                                                   \
    (8 * 1024 * 1024) /* then it is renamed to history.jsonl.1; the same of history-others.jsonl */
#define HISTORY_READ_MAX (4 * HISTORY_FILE_BYTES) /* of a file that grew for any other reason, its end */
#define HISTORY_STALL_MS 10000 /* a record that waits longer for its disk counts as not written */
#define HISTORY_HANDOVER_MS                                                                                  \
    2000 /* so long a start waits for the recorder of a daemon that was killed: it may still write */
#define HISTORY_RETRY_MS 60000 /* so often it is tried again, when writing failed */

/* Starts the recorder (a child process): call before threads exist. Reads DIRECTORY/history.jsonl(.1) first;
 * what cannot be read is skipped and counted. Operations left without an outcome are recorded as interrupted
 * now. NULL and *error only when memory or a process is lacking: an unusable directory is a state
 * (history_write_error), not an end. */
struct history *history_new(const char *directory, struct error *error);
int history_attach(struct history *history, struct event_base *base);
void history_free(struct history *history, int64_t wait_ms);

/* The same for tests: with a file that is renamed at `file_bytes`. */
struct history *history_new_sized(const char *directory, int64_t file_bytes, struct error *error);

/* Takes ownership of a new operation (running ones are never dropped) and gives it a unique id, above
 * all former ones. Without a requested_realtime_ms it gets the clock's. Of those that ended, HISTORY_KEPT are
 * kept: the ones that ended last. */
void history_add(struct history *history, struct operation *operation);
/* Write the intent; done fires when it is on disk (0) or will not be (-errno), or never if the return value
 * is 0 (lost). Records not yet on disk when history_free() is called have no callback either. */
uint64_t history_write_intent(struct history *history, const struct operation *operation,
                              recorder_done_fn *done, void *context);
void history_write_transition(struct history *history, const struct operation *operation,
                              const struct operation_transition *transition);
void history_write_join(struct history *history, const struct operation *operation, const char *request_id);
void history_write_verified(struct history *history, const struct operation *operation);
void history_write_outcome(struct history *history, const struct operation *operation); /* it has ended */

/* What is open of the power calls of the operation's guest; NULL: nothing any more. Without an operation, of
 * the unsettled's guest: something else than an operation has changed it. */
void history_write_open(struct history *history, const struct operation *operation,
                        const struct unsettled *unsettled);
/* What was open when the former daemon ended, by VMID: the caller's from now on. */
struct unsettled *history_take_unsettled(struct history *history);

/* Write again what was not written: an empty record, to see whether the disk takes any, and outcomes that did
 * not get there. Done every HISTORY_RETRY_MS once attached. */
void history_retry(struct history *history);

/* Newest request first; index 0 … count-1, NULL beyond. Valid until the loop's next turn. */
size_t history_count(const struct history *history);
const struct operation *history_get(const struct history *history, size_t index);
const struct operation *history_find(const struct history *history, const char *id);
const struct operation *history_find_request(const struct history *history, const char *request_id);
/* The newest off/reboot that ended done (or interrupted, but proven before), or NULL. */
const struct operation *history_last_fence(const struct history *history);

/* When Pacemaker first told of a fence that this operation has proven; 0: of none yet. Not kept over a
 * restart. */
int64_t history_believed(const struct history *history, size_t index);
void history_believe(struct history *history, size_t index, int64_t now_ms);
#define HISTORY_SAME_FENCE_MS INT64_C(10000) /* what it tells so soon after it may be the same fence */

/* What was refused to whom: copied, written, and the last DENIALS_KEPT kept; newest first. */
void history_add_denial(struct history *history, const struct denial *denial);
const struct denial *history_denial(const struct history *history, size_t index); /* NULL beyond */

uint64_t history_lost(const struct history *history); /* records that did not reach the disk */
int history_write_error(
    const struct history *history); /* 0, or the negative errno of the last write, until one works again */
size_t history_unreadable(const struct history *history); /* lines that could not be read at start */
