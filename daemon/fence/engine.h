/*
 * Runs operations: a queue per guest, joins, deadlines, and the effects of step.
 *
 * One guest, one operation (P6). Askers come and go; an operation outlives them (P4). The engine knows no
 * sockets: whoever asks gives a callback, and may leave.
 */
#pragma once

#include "fence/operation.h"
#include "fence/request_stats.h"
#include "fence/unsettled.h"
#include "system/error.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct evidence;
struct host_watch;
struct session;
struct poller;
struct history;

#define ENGINE_QUEUE_MAX      16  /* operations per guest that wait or run */
#define ENGINE_OPERATIONS_MAX 512 /* operations under way in all */
/* Of both, the rest for root's and hacluster's requests alone; and of one other user */
#define ENGINE_QUEUE_RESERVE      4
#define ENGINE_OPERATIONS_RESERVE 128
#define ENGINE_OPERATIONS_PER_UID 64
#define ENGINE_BLIND_WAIT_MS      10000 /* a request waits so long for guests that Proxmox refuses to show */
#define ENGINE_INTENT_WAIT_MS     250   /* how long a first power call waits for "on disk" (P5) */
/* Reads for members: of one uid so many at once, then one in ENGINE_READS_MS; of all of them so many at a
 * time, fewer than the workers of a host (three) */
#define ENGINE_READS_BURST      32
#define ENGINE_READS_MS         50
#define ENGINE_MEMBER_READS_MAX 2
/* A Request-Id means the same request only for so long beyond the deadline: later, somebody uses it again */
#define ENGINE_REPEAT_ROOM_MS 60000
/* What others saw of a guest's devices counts for so long (point 7): its host may be dead for a while */
#define ENGINE_DEVICES_MS 600000

struct engine_settings {
    int64_t deadline_ms, lock_wait_ms, stop_timeout_ms, answer_timeout_ms;
    int min_online_nodes; /* 0: majority */
};

/* Does the asker still wait? Asked with the context of its answer, when the operation is about to begin. */
typedef bool engine_there_fn(void *context);

struct engine_request {
    enum fence_action action;
    enum fence_method method;
    const char *plug;
    const char *request_id; /* may be NULL */
    struct operation_peer peer;
    int64_t asked_ms; /* since when its asker waits: its age and its deadline count from then; 0: now */
    engine_there_fn *is_there; /* NULL: it is */
    /* Root's and hacluster's: has room kept for it, and ends what others asked for the guest that has not
     * begun: what waited before it must not come after it. */
    bool privileged;
};

/* The answer to one asker, exactly once, never from inside engine_submit(): `error` NULL means that what was
 * asked holds (off is proven; the guest runs). `operation` may be NULL (unknown plug, say) and is valid only
 * during the call. Whoever is called may submit, leave and drain, but not free the engine. */
typedef void engine_answer_fn(void *context, const struct operation *operation, const struct error *error);

struct engine *engine_new(struct event_base *base, struct session *session, struct poller *poller,
                          struct history *history, const struct engine_settings *settings);
void engine_free(struct engine *engine);
/* Where others note whether a guest that runs shows its devices; borrowed. Without it nobody does. */
void engine_use_evidence(struct engine *engine, const struct evidence *evidence);
/* Who knows which hosts are dead; borrowed. Without it nobody does. */
void engine_use_host_watch(struct engine *engine, struct host_watch *watch);
void engine_set_settings(struct engine *engine,
                         const struct engine_settings *settings); /* for operations to come */

/* The poller's round ended: requests that waited for the first inventory are looked up now. */
void engine_round_ended(struct engine *engine);

/* Returns the asker's id (> 0), or 0 with *error filled: then there is no callback. */
uint64_t engine_submit(struct engine *engine, const struct engine_request *request, engine_answer_fn *answer,
                       void *context, struct error *error);
/* The asker went away: no callback any more; what was begun is still verified to its end, and what nobody
 * waits for any more before it has begun is not (P4). Unknown ids are fine. */
void engine_leave(struct engine *engine, uint64_t asker);

/* What a request would do now, without doing it: fills *message for people. false and *error if it would fail
 * at once. */
bool engine_dry_run(struct engine *engine, const struct engine_request *request, char *message, size_t size,
                    struct error *error);

/* A live read of one guest: is it on? "off" only with points 1 to 3 of the off-proof. Waits, within
 * answer-timeout and a few attempts, for a session. Same calling rules as engine_submit(); end it with
 * engine_leave(). */
enum engine_power { ENGINE_POWER_OFF, ENGINE_POWER_ON };
struct engine_reader {
    uid_t uid;
    bool privileged; /* as of a request: it is never measured */
};
typedef void engine_power_fn(void *context, enum engine_power power, const struct pve_status *status,
                             const char *node, const struct error *error);
uint64_t engine_read_power(struct engine *engine, const char *plug, const struct engine_reader *by,
                           engine_power_fn *answer, void *context, struct error *error);

/* What earlier operations left in doubt (point 7 of the off-proof). Valid as long as the engine, as of now.
 */
struct unsettled_kill_doubts engine_kill_doubts(const struct engine *engine);
/* Such a doubt is on record, and the guest's status was not read since. */
bool engine_wants_status(const struct engine *engine, int vmid);
/* It was read, asked for at `asked_ms`, by somebody else than its operations: what ends a doubt for a fence
 * ends it now, so that it does not come back when the guest is off again. */
void engine_status_seen(struct engine *engine, enum pve_guest_type type, const struct pve_status *status,
                        int64_t asked_ms);

bool engine_guest_busy(const struct engine *engine, int vmid);
unsigned engine_running(const struct engine *engine); /* operations under way, queued ones included */

/* Shutdown: no new requests (ERROR_INTERRUPTED). `drained` fires once when nothing runs any more, or when
 * wait_ms are over and what still ran has been recorded as interrupted and its askers' connections are to be
 * closed without an answer, so that the clients repeat their request to the restarted daemon. */
typedef void engine_drained_fn(void *context);
void engine_drain(struct engine *engine, int64_t wait_ms, engine_drained_fn *drained, void *context);

/* Counters for metrics: requests by action and how they were answered. */
enum engine_result { ENGINE_RESULT_DONE, ENGINE_RESULT_FAILED, ENGINE_RESULT_ABANDONED, ENGINE_RESULT_COUNT };
struct engine_counters {
    uint64_t answered[3 /* enum fence_action */][ENGINE_RESULT_COUNT];
    uint64_t joined;
    uint64_t power_on_failed;
    uint64_t intents_not_awaited; /* a fence went on although "on disk" had not come within
                                     ENGINE_INTENT_WAIT_MS */
};
const struct engine_counters *engine_counters(const struct engine *engine);
/* The same by guest, with those who left before they had an answer; and how long it took. */
const struct request_stats *engine_request_stats(const struct engine *engine);
