/* What the files of the engine share: engine.c (requests, queues, askers), engine_run.c (one operation under
 * way), engine_read.c (live reads), engine_count.c (the counters),
 * engine_share.c (who may have how much), engine_log.c, engine_dry_run.c, engine_kill_doubts.c (what is left
 * in doubt). */
#pragma once

#include "fence/engine.h"
#include "fence/history.h"
#include "fence/step.h"
#include "fence/unsettled.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "system/log.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* One who waits for an answer. Without a runner it waits for the inventory, or only for its answer to be
 * delivered: an answer is always given from the loop, so that whoever gets it may ask again or leave. */
struct asker {
    uint64_t id;
    struct engine *engine;
    struct runner *runner;
    bool wants_running; /* an `on` that joined a reboot's power-on: answered when the guest runs */
    struct event *timer;
    int64_t asked_ms, deadline_ms;
    int64_t came_ms; /* to this daemon */
    /* until the plug is resolved */
    struct engine_request request; /* plug is a copy of its own, and request_id, which is a key */
    /* the answer, once it is known; it goes out by the timer's event */
    bool answering;
    char operation[OPERATION_ID_LEN]; /* "" : none */
    struct error error;
    engine_answer_fn *answer;
    void *context;
    struct asker *prev, *next; /* among the askers of one runner */
    UT_hash_handle hh;
};

/* An operation that waits or runs. */
struct runner {
    struct engine *engine;
    struct operation *operation; /* the history's */
    struct step step;
    bool started;
    bool privileged;       /* one of its askers is */
    unsigned others_noted; /* so often its time line tells of others than root */
    bool desertion_noted;  /* … and that nobody waits any more */
    struct asker *askers;
    struct event *wake;
    uint64_t calls[ASK_KINDS]; /* ids of what is under way, 0: nothing */
    unsigned unmade;           /* calls that were not made, for lack of memory or of an asker, a bit each */
    char status_node[PVE_NODE_MAX], hosts_node[PVE_NODE_MAX],
        tasks_node[PVE_NODE_MAX]; /* whom these were about */
    bool place_with_hosts;        /* the list under way tells the hosts, too */
    char task_upid[PVE_UPID_MAX];
    uint64_t avoid;                 /* endpoints that gave no good answer to this operation */
    int64_t deadline_ms, newest_ms; /* of the newest request */
    uint64_t intent;                /* the record that is awaited, 0: none */
    bool intent_settled;
    struct event *intent_timer;
    struct guest_queue *queue;
    struct runner *prev, *next;
};

struct guest_queue {
    int vmid;
    struct runner *runners; /* the head runs */
    UT_hash_handle hh;
};

struct reading;
struct guest_read;
struct read_share;

struct engine {
    struct event_base *base;
    struct session *session;
    struct poller *poller;
    struct history *history;
    const struct evidence *evidence; /* NULL: nobody collects any */
    struct host_watch *host_watch;   /* NULL: nobody watches the hosts */
    struct engine_settings settings;
    struct asker *askers;           /* by id */
    struct guest_queue *queues;     /* by vmid */
    struct reading *readings;       /* by id */
    struct guest_read *reads;       /* by vmid */
    struct read_share *read_shares; /* by uid */
    unsigned member_reads;          /* of these, under way for members alone */
    struct unsettled *unsettled;    /* by vmid; of running operations as they stand */
    uint64_t last_id;               /* of askers and readings */
    unsigned running;
    bool draining;
    struct event *drain_timer;
    engine_drained_fn *drained;
    void *drained_context;
    struct engine_counters counters;
    struct request_stats stats;
};

/* engine.c */
/* Answer everybody who waits for `verified`; with `all` also those who wait for the guest to run. The answers
 * go out from the loop, a moment later. */
void engine_answer_askers(struct runner *runner, const struct error *error, bool all);
/* One of a queue has ended: take it away, begin the next. */
void engine_runner_ended(struct runner *runner);
/* Those who are not there any more leave; nothing is told to the runner. */
void engine_drop_the_gone(struct runner *runner);

/* engine_run.c */
struct runner *runner_new(struct engine *engine, struct operation *operation);
void runner_free(struct runner *runner);  /* nothing is under way any more; no callback comes */
void runner_start(struct runner *runner); /* with the loop's next turn */
void runner_joined(struct runner *runner, const struct engine_request *request);
/* Nobody waits any more: one that has not begun ends here, and is freed. */
void runner_deserted(struct runner *runner);
/* An asker is back whose connection had ended. */
void runner_asked_again(struct runner *runner, const struct engine_request *request);
void runner_yield(struct runner *runner); /* what is only watched ends */
void runner_leave_off(struct runner *runner);
void runner_interrupt(struct runner *runner);

/* The operation has not begun, and nobody waits for it any more: its end. */
void engine_abandon_unbegun(struct engine *engine, struct operation *operation);
void runner_overtaken(struct runner *runner); /* it has not begun, and never will */

/* engine_log.c */
void engine_log(const struct operation *operation, enum log_kind kind, const struct error *error,
                const char *text);
enum log_kind engine_ended_kind(enum operation_outcome outcome);

/* engine_share.c */
/* May one more operation wait in this queue? False and *error if not. */
bool engine_has_room(const struct engine *engine, const struct guest_queue *queue,
                     const struct engine_request *request, struct error *error);
/* A privileged request came for this guest: end what waits of the others. */
void engine_overtake(struct engine *engine, struct guest_queue *queue);

/* engine_kill_doubts.c: seen running a while ago, it had devices that would show a process of it (point 7).
 */
bool engine_saw_devices(const struct engine *engine, int vmid);

/* engine_count.c */
/* An asker gets its answer, or leaves before it has one. `operation` may be NULL. */
void engine_count_answer(struct asker *asker, const struct operation *operation, const struct error *error);
void engine_count_left(struct asker *asker);

/* engine_read.c */
void engine_readings_resolve(struct engine *engine);
bool engine_reading_leave(struct engine *engine, uint64_t id);
void engine_readings_free(struct engine *engine);
