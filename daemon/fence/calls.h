/*
 * The power calls of a guest, a record each, from the sending to what became of it: those of an operation,
 * and those that earlier ones left to it. They tell whether a stop (start, reset) may still be carried out on
 * a host, and until when; how many the host's list of tasks has to show (rule 6); and since when a stop may
 * have killed what nothing would show (point 7).
 *
 * A host is asked for by its name; NULL: by none, since the calls matter wherever they went (Proxmox HA).
 * Knows no clock, no loop, and not why a call was sent.
 */
#pragma once

#include "proxmox/upid.h"

#include <stdbool.h>
#include <stdint.h>

#define CALLS_MAX     16     /* records; when there are more, two become one */
#define CALLS_OPEN_MS 60000  /* so long a call without a known end may still be carried out (rule 6) */
#define CALLS_HA_MS   180000 /* so long after a request Proxmox HA may still begin to stop a guest */

enum step_power { STEP_SEND_NONE, STEP_SEND_STOP, STEP_SEND_START, STEP_SEND_RESET };

enum call_state {
    CALL_NONE, /* there is none */
    CALL_SENDING,
    CALL_TASK,   /* Proxmox took it: a task runs, and its UPID is to tell its end */
    CALL_OK,     /* its task ended OK */
    CALL_FAILED, /* certainly not, or not successfully, carried out */
    CALL_OPEN,   /* nothing is known: it may be carried out now, later, or never (rule 6) */
    CALL_ENDED,  /* it cannot come any more; what it did nobody knows */
};
#define CALL_IS(state) (1u << (state)) /* for the functions that take several */
#define CALLS_COMING   (CALL_IS(CALL_TASK) | CALL_IS(CALL_OPEN))

struct call {
    enum step_power power;
    enum call_state state;
    bool inherited;          /* an earlier operation sent it */
    bool ha;                 /* the HA manager has it: it may act on any host */
    unsigned sent;           /* so many it stands for … */
    unsigned listed;         /* … of which so many can have left a task in their host's list */
    char node[PVE_NODE_MAX]; /* whom they were sent to; "": to several */
    char upid[PVE_UPID_MAX]; /* the last known of theirs; "": none is */
    int64_t sent_ms;         /* the last one was sent */
    /* The last one of this kind was settled, or taken: only reads asked for since then tell what it did.
     * CALL_ENDED: it can have begun until then. */
    int64_t settled_ms;
    int64_t effect_ms; /* a stop: since then it may have killed (point 7); 0: it has not */
};

struct calls {
    unsigned count;
    struct call list[CALLS_MAX];
    int64_t since_realtime_ms; /* since when stops of these count in a list of tasks (wall clock) */
};

/* One is being sent, by this operation. Never NULL: there is always room. */
struct call *calls_add(struct calls *calls, enum step_power power, const char *node, int64_t now_ms);
/* One that somebody else remembers. A task whose UPID is none is an open call; but a start's, of which
 * several became one, is waited for as long (point 4). */
void calls_take_up(struct calls *calls, const struct call *call, int64_t now_ms);

/* This operation's last one of the kind. Never NULL: where there is none its state is CALL_NONE. */
const struct call *calls_last(const struct calls *calls, enum step_power power);
/* The same, to be changed; and the one that is being sent, whatever its kind. NULL: there is none. */
struct call *calls_own(struct calls *calls, enum step_power power);
struct call *calls_sending(struct calls *calls);
/* The one whose task runs, by its UPID; the last one of the kind whose task runs on this host. NULL: none. */
struct call *calls_of_task(struct calls *calls, const char *upid);
const struct call *calls_with_task(const struct calls *calls, enum step_power power, const char *node);
/* The last task of this operation on this host, of a call sent until then; "": none is known. */
const char *calls_last_upid(const struct calls *calls, const char *node, int64_t until_ms);

/* So many of the kind are in one of these states (CALL_IS()) on this host. */
unsigned calls_count(const struct calls *calls, enum step_power power, unsigned states, const char *node);
/* So many of the kind this operation has sent; so many of these can have left a task, wherever. */
unsigned calls_sent(const struct calls *calls, enum step_power power);
unsigned calls_left(const struct calls *calls, enum step_power power);
/* So many of the kind can be in this host's list of tasks; so many of those that are newer there than our
 * last UPID can be ours all the same. */
unsigned calls_listed(const struct calls *calls, enum step_power power, const char *node);
unsigned calls_unnamed(const struct calls *calls, enum step_power power, const char *node);
/* Until when one of the kind in one of these states (of CALLS_COMING) may still be carried out on this host;
 * 0: there is none. */
int64_t calls_until(const struct calls *calls, enum step_power power, unsigned states, const char *node);
/* When the last task that an earlier operation left was found to have ended here; 0: none was. */
int64_t calls_ended_ms(const struct calls *calls, enum step_power power, const char *node);
/* The open ones of the kind on this host have ended. */
void calls_end_open(struct calls *calls, enum step_power power, const char *node, int64_t now_ms);

/* Whose; of both: CALLS_OWN | CALLS_INHERITED. */
#define CALLS_OWN       1u
#define CALLS_INHERITED 2u
/* Since when a stop may have killed (point 7); 0: none has. */
int64_t calls_effect_ms(const struct calls *calls, unsigned whose);
/* Nothing is left of what they have done: of those that can have begun until then, at the latest. */
void calls_forget_effects(struct calls *calls, unsigned whose, int64_t until_ms);
/* Off is proven: nothing is left of what they have done; open ones may still kill what is started now. */
void calls_prove_off(struct calls *calls, int64_t now_ms);
/* That host has booted then: nothing is left of what was done there before. */
void calls_see_boot(struct calls *calls, const char *node, int64_t booted_ms);

/* Others may have acted for these stops: nobody knows where. */
void calls_lose_places(struct calls *calls);
/* What may have killed was asked of the HA manager, and of nobody else. */
bool calls_are_of_ha(const struct calls *calls);

/* Make them those of an earlier operation, without what cannot matter any more. With `ended` that operation
 * is over: nobody waits for the answer to what is being sent. Returns until when they may be carried out or
 * are counted; 0: they are not. */
int64_t calls_hand_on(struct calls *calls, bool ended, int64_t now_ms);
bool calls_equal(const struct calls *one, const struct calls *other);
