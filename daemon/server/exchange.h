/*
 * One request and what it waits for, and what all requests share: the rooms, the facts of this moment, the
 * counters. The server makes exchanges and dispatches them; the handlers answer them. Knows no sockets, no
 * shares and no rights.
 */
#pragma once

#include "fence/rooms.h"
#include "policy/access.h"
#include "server/connection.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/shares.h"
#include "server/sockets.h"
#include "server/view.h"
#include "system/process.h"
#include "system/stall.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Answers held in memory for peers that read slowly; beyond it only the privileged get large ones. */
#define SERVER_ANSWERS_BYTES_MAX (64 * 1024 * 1024)

struct audit_trail;
struct route;

enum exchange_wait {
    WAIT_NONE,
    WAIT_ENGINE,    /* for engine_submit() or engine_read_power(): `asker` */
    WAIT_REHEARSAL, /* for rehearsals_ask(): `asker` */
    WAIT_ROUND,     /* for knowledge from the poller, until hold_until_ms: `resume` */
    WAIT_TURN,      /* for its share of the loop's time: `work`, then `resume` */
};

struct exchange {
    uint64_t id; /* of the connection */
    struct exchanges *all;
    struct connection *connection; /* owned */
    enum server_socket socket;
    enum access_verdict verdict; /* at accept; decides from which share the connection is counted */
    int64_t accepted_ms;
    enum http_form form;
    enum exchange_wait wait;
    uint64_t asker;
    char *plug;         /* of a live read or a power request; a strict monitor's nodes, */
    const char *action; /* of a power request */
    char *fenced_node;  /* that Pacemaker believes fenced */
    bool audited;       /* that it was asked */
    bool bare; /* a live read's answer is the word alone; a list has the state; a monitor is strict */
    int64_t hold_until_ms;
    void (*resume)(struct exchange *exchange);
    struct work *work;               /* while it waits for its turn */
    const struct route *route;       /* of a request that waits to be permitted */
    const struct http_request *kept; /* of one that waits */
    struct access_subject subject;   /* see exchange_subject() */
    char rule[ACCESS_WORDS_MAX];     /* what permitted the request */
    UT_hash_handle hh;
};

/* Views that are the same for all who may see all: whoever asks in the same moment has the same answer. */
enum exchange_common {
    COMMON_STATUS,
    COMMON_GUESTS,
    COMMON_LIST,
    COMMON_LIST_STATUS,
    COMMON_DOCTOR,
    COMMON_PERMISSIONS,
    COMMON_COUNT,
};
#define COMMON_MS            100 /* the moment, for others than */
#define COMMON_PRIVILEGED_MS 1   /* the privileged, who read it fresh: the same millisecond, and no change */

struct exchanges_common {
    int64_t made_ms;  /* 0: none */
    uint64_t changes; /* at that time */
    struct text body;
};

struct exchanges {
    struct event_base *base;
    const struct rooms *rooms;
    struct access_policy policy;
    struct audit_trail *audit;
    struct exchange *table; /* by id */
    uint64_t last_id;
    struct event *hold_timer;
    struct shares *shares;
    struct exchanges_common common[COMMON_COUNT][2]; /* by form */
    struct event *common_timer;                      /* when they are forgotten */
    uint64_t changes; /* operations that were asked for or answered: the privileged see at once what became of
                         each */
    struct metrics_server counters;
    int64_t started_ms;
    struct process *process;
    struct stall *stall;
};

/* Answers the exchange, or leaves it waiting for an asynchronous answer. `request` is valid only during the
 * call. */
typedef void exchange_handler_fn(struct exchange *exchange, const struct http_request *request);

struct exchanges *exchanges_new(struct event_base *base, const struct rooms *rooms);
void exchanges_free(struct exchanges *all); /* the table must be empty; NULL is fine */
/* The facts of this moment for this exchange's answer, which shows what its peer may see. What they point to
 * is borrowed from the rooms. */
void exchange_facts(struct exchange *exchange, struct facts *facts);
/* The peer and the rules of this moment; NULL if it may see and do all. Valid until the next call. */
const struct access_subject *exchange_subject(struct exchange *exchange);
/* What only the server counts, as it is now. */
void exchanges_count(const struct exchanges *all, struct metrics_server *counters);
/* How long first knowledge is waited for, after exchanges_new(); 0 or less: no longer. */
int64_t exchanges_start_left_ms(const struct exchanges *all);
/* The poller's round ended: look again at all that wait for it. */
void exchanges_round_ended(struct exchanges *all);

/* Takes `fd` and what `peer` owns over in any case; NULL without memory. */
struct exchange *exchange_new(struct exchanges *all, enum server_socket socket, int fd,
                              struct access_peer *peer, enum access_verdict verdict,
                              const struct connection_owner *owner);
struct exchange *exchange_find(struct exchanges *all, uint64_t id);
/* Nobody is called back for it any more: the engine forgets its asker. */
void exchange_free(struct exchange *exchange);

/* Answer with this body (taken over), in the exchange's form or as another type. */
void exchange_answer(struct exchange *exchange, struct text *body);
void exchange_answer_as(struct exchange *exchange, const char *content_type, struct text *body);
/* Answer with an error (while the daemon goes down: with nothing); the other way with another status than the
 * code's own (0), with the method that is allowed, or with the operation that failed (NULL: none). */
void exchange_answer_error(struct exchange *exchange, const struct error *error);
void exchange_answer_error_as(struct exchange *exchange, int status, const char *allow,
                              const struct error *error, const char *operation);
void exchange_answer_no_memory(struct exchange *exchange);
/* Remembers the plug. False after having answered: no memory. */
bool exchange_set_plug(struct exchange *exchange, const char *plug);
typedef void exchange_view_fn(struct text *out, enum http_form form, const struct facts *facts);
/* Answer with a view that is written once for all who ask for it in the same moment and may see all. */
void exchange_answer_common(struct exchange *exchange, enum exchange_common common, exchange_view_fn *view);
/* Its peer was refused this ("off web1"): count and record it; the answer is the caller's. */
void exchange_note_denial(struct exchange *exchange, const struct access_decision *decision,
                          const char *asked);
/* resume() is called when it is its turn: at once for the privileged; of all others no more of the loop's
 * time is spent on a uid than is its share. */
void exchange_in_turn(struct exchange *exchange, void (*resume)(struct exchange *exchange));
/* Wait for the poller's next round, at most until hold_until_ms (monotonic); then resume() is called in its
 * turn, and answers or holds again. */
void exchange_hold(struct exchange *exchange, int64_t hold_until_ms,
                   void (*resume)(struct exchange *exchange));
/* True if there is an inventory; else the exchange waits for the first one just after the daemon's start, or
 * has its error. */
bool exchange_await_inventory(struct exchange *exchange, const struct facts *facts,
                              void (*resume)(struct exchange *exchange));
