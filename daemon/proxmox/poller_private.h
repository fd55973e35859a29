/*
 * What the parts of the poller share: poller.c asks, poller_take.c takes the answers in, poller_make.c makes
 * the inventory of them.
 */
#pragma once

#include "proxmox/guest_list.h"
#include "proxmox/pace.h"
#include "proxmox/poller.h"

#include <json-c/json.h>

struct pool_answer {
    char *name;
    struct guest_list *known;   /* its members by the last good answer; NULL: it does not tell them */
    struct guest_list *members; /* the same of the round under way */
    bool asked;                 /* in this round */
    bool by_query;              /* asked by query: it is nested, or has refused to be asked by path */
    bool by_privileges;         /* it does not tell its members: our privileges do */
};

/* In this order; what a round does not need is passed over. */
enum question { ASK_VERSION, ASK_RESOURCES, ASK_PERMISSIONS, ASK_POOLS, ASK_NOTHING };
_Static_assert(ASK_NOTHING <= PACE_QUESTIONS_MAX, "each has its usual time");

/* The passes over the lists, in this order: where a pool tells its members, its word counts, and comes later.
 */
enum making_pass { MAKING_POWERED, MAKING_MEMBERS, MAKING_STRANGERS, MAKING_REST };

/* What is done after a round's last answer, with the loop's turn between them. */
enum poller_turn { TURN_MAKE, TURN_END, TURN_TELL };

/* An inventory under construction. */
struct poller_making {
    struct inventory_builder *builder; /* NULL: none */
    enum making_pass pass;
    size_t pool, next; /* of this pass, and of its list */
};

struct poller {
    struct event_base *base;
    struct session *session;
    struct endpoints *endpoints;
    struct grants *grants;
    struct leads *leads; /* NULL: nobody remembers */
    struct event *timer, *turn;
    poller_round_fn *round;
    void *context;

    struct pace pace;
    int64_t expected_ms; /* between rounds, by the pace after the last good one */
    int64_t answer_timeout_ms;
    bool trust_ha; /* HA's status is to be read */
    struct config_alias *aliases;
    size_t alias_count;
    struct pool_answer *pools;
    size_t pool_count;

    /* the round under way */
    bool running, again;
    bool asks[ASK_NOTHING]; /* what it is for; pools: those that are due */
    bool whole;             /* all of them */
    int64_t began_ms;
    size_t turn_of_round; /* the endpoint's whose turn it is */
    enum question question;
    size_t pool; /* which one ASK_POOLS is at */
    uint64_t call;
    uint64_t probes[ENDPOINTS_MAX]; /* 0: not under way; one that hangs outlives its round */
    struct guest_list *guests;
    struct json_object *nodes;
    bool permissions_read; /* in this round */
    bool pool_hidden;      /* a pool does not tell its members, and our privileges do not either */
    int64_t guests_ms;
    struct error round_error;
    enum poller_turn next_turn;
    struct poller_making making;
    struct inventory *made; /* and not in use yet */

    /* the pace */
    bool whole_wanted; /* by somebody who waits */
    bool set_apart;    /* from other brokers, after the first round, … */
    int64_t slot_ms;   /* … and here in each interval a round comes, on the loop's clock */
    bool lists_next;   /* guests and hosts, and not the privileges */
    int64_t whole_ms;  /* when everything was asked for last; 0: never */
    unsigned up;       /* endpoints, after the last round */
    uint64_t round_number, asked_in[ENDPOINTS_MAX]; /* an endpoint's last turn; 0: none yet */
    unsigned layout;                                /* of the endpoints that these speak of */

    /* what is known */
    struct guest_list *known_guests;
    struct json_object *known_nodes;
    int64_t known_ms; /* when these were asked for */
    struct json_object *permissions;
    int64_t permissions_ms;
    bool permissions_due;
    struct inventory *inventory;
    uint64_t told; /* the codes of failures that were logged since the last good round; a bit each */
    bool had_round;
    struct error error;
    char *version;
    int64_t version_ms; /* when it was asked for last */
    int release;
    size_t last_count;
    struct poller_times times;
};

/* poller_make.c */
/* What this round has read replaces what was known. */
void poller_keep_answers(struct poller *poller);
/* The list of guests shows other members of this pool than it has told; where nothing tells, always. */
bool poller_pool_changed(const struct poller *poller, const struct pool_answer *pool);
/* Of the round's answers, in slices, so that the loop has its turn between them. False: no memory. */
bool poller_make_begin(struct poller *poller);
void poller_make_cancel(struct poller *poller);
/* Looks at POLLER_SLICE_GUESTS entries of the lists at most. 1: call again; 0: *made is done, and the
 * caller's; -ENOMEM. */
int poller_make_slice(struct poller *poller, struct inventory **made);

/* Own privileges against what they are for: the guests of `made`, or none if that is NULL. False: no memory.
 */
bool poller_judge(struct poller *poller, const struct inventory *made);
/* poller_take.c */
/* Keeps the answer to the question that the round is at, or its error, and goes on to the next question. */
void poller_take_answer(struct poller *poller, const struct api_result *result);
void poller_put_json(struct json_object **slot); /* releases; NULL is left behind */
