/*
 * The state machine of one operation: what happened in, what to do about it out. Pure: no clock, no loop, no
 * allocation.
 *
 * It decides by level, not by edge: every event only changes what is known, and one function then derives
 * from all that is known what is wanted now. What is under way is marked busy, and is ended by its own event.
 * Points (of the off-proof, proof.c) and rules are those of doc/design.md.
 */
#pragma once

#include "fence/asks.h"
#include "fence/calls.h"
#include "fence/dead_hosts.h"
#include "fence/ha.h"
#include "fence/operation.h"
#include "fence/proof.h"
#include "proxmox/api.h"
#include "proxmox/inventory.h"

#include <stdbool.h>
#include <stdint.h>

#define STEP_STATUS_FIRST_MS 2     /* between two reads of the status, growing soon … */
#define STEP_STATUS_SOON_MS  20    /* … to this, by half of the time waited so far, and slowly … */
#define STEP_STATUS_SHARE    150   /* … with that time, by this part of it, … */
#define STEP_STATUS_LAST_MS  500   /* … up to this (rule 2) */
#define STEP_SLOW_READ_MS    500   /* after a read that failed; and what is slow for the first one */
#define STEP_NEWS_MS         50    /* so old may be what a late power call is decided on (P4) */
#define STEP_RESEND_FIRST_MS 250   /* before a power call is sent again, doubled each time … */
#define STEP_RESEND_LOST_MS  50    /* the same after the first lost stop: another endpoint takes it */
#define STEP_RESEND_LAST_MS  5000  /* … up to this, or, if that is longer, to what is left for each call */
#define STEP_CALLS_MAX       64    /* so many power calls of a kind one operation sends (P7) */
#define STEP_MIGRATION_MS    1000  /* between two looks for a guest that is being migrated */
#define STEP_LATE_MS         30000 /* a stop after so long is late (rule 7, P4) */
#define STEP_WATCH_MS        1000  /* between two reads of a guest that is watched (rule 6) */
#define STEP_PRIOR_STARTS_MS 5000  /* between two lists that say which starts have failed (rule 6) */
#define STEP_TASK_LISTS_MAX  3     /* so many unreadable task lists hold back a start (rule 6) */
#define STEP_START_ROOM_MS   60000 /* a power-on may take so long beyond the operation's deadline */
#define STEP_REFUSED_MS      10000 /* so long a login may be refused */
#define STEP_DEATH_MS        1000  /* between two looks at a host that is being fenced */
#define STEP_CLOCK_DRIFT     1000  /* two machines' clocks differ by at most this part of the time */
#define STEP_REFUSALS_MAX    3     /* 401s in a row: then the credentials are refused, not the moment bad */
#define STEP_NOTES_MAX       6
#define STEP_NOTE_LEN        200

/* For a hint: the rest of a grep that finds a QEMU that was killed and has not ended (in state D, or a zombie
 * with threads left). It has no arguments any more, so that nobody can tell whose it is. */
#define STEP_GREP_KILLED "-e '[[]kvm]' -e '[[]qemu-system'"

enum step_phase {
    STEP_POWERING_OFF, /* until off is proven */
    STEP_CYCLING,      /* method=cycle: until the reset's task ended OK and the guest reads running */
    STEP_POWERING_ON,
    STEP_WATCHING, /* done and answered, but a call of ours may still undo it (rule 6) */
    STEP_ENDED,
};

struct step_params {
    enum fence_action action;
    enum fence_method method;
    int vmid;
    enum pve_guest_type type;
    const char *node;  /* where the inventory saw the guest; NULL: to be located */
    bool node_offline; /* by the inventory's word, which is old: the hosts are asked at once (rule 8) */
    bool ha_managed;   /* by the inventory's word; its host has the last one */
    bool template;     /* by anybody's word: no guest ceases to be one */
    int release;       /* of Proxmox, 902 for 9.2; 0: unknown */
    int64_t requested_ms, deadline_ms, lock_wait_ms, stop_timeout_ms;
    int64_t newest_ms; /* when the newest request for it came that joined before it began; 0: the only one */
    int64_t begun_ms;  /* 0: when it was requested */
    int64_t begun_realtime_ms; /* the same by the wall clock */
    int min_online_nodes;      /* 0: majority */
    bool shows_devices;        /* seen running a while ago, it had devices that show it (point 7) */
};

/* How far it is. */
struct step_course {
    int64_t
        not_before_ms;   /* arrival of the newest request: reads asked before prove nothing to it (point 1) */
    bool may_send;       /* the intent is on disk, or has been waited for long enough (P5) */
    bool no_asker;       /* nobody waits any more (P4) */
    bool cycle_failed;   /* the reset did not work: power off and on instead */
    bool lost_before;    /* an answer to a stop was lost before */
    bool waits;          /* it was noted that the HA manager is waited for */
    int64_t verified_ms; /* 0: not yet */
    int64_t watch_until_ms; /* a call of ours may still undo what was done; 0: none */
    int64_t repaired_ms;    /* what one of them undid, by a read of then, was done once more; 0: not so */
};

/* Where the guest is. */
struct step_place {
    char node[PVE_NODE_MAX];      /* "" : to be located */
    char lost_node[PVE_NODE_MAX]; /* where it was before it had to be located */
    bool suspect;             /* a read failed on the way to that host: ask whether it is online (rule 8) */
    bool offline;             /* by the word of a majority: requests to HA go to `other` */
    char other[PVE_NODE_MAX]; /* "" : there is none */
};

/* The guest's status, as its host told it last. */
struct step_read {
    bool known;
    struct pve_status status;
    int64_t asked_ms, received_ms;
    int64_t since_ms; /* it is waited for since then: the pauses grow with that */
    int64_t slow_ms;  /* when the first read, if under way, has taken long; 0: it is not */
};

/* What the reads have shown, for the proof. */
struct step_seen {
    bool running;       /* from this host, in this operation (point 4) */
    int64_t running_ms; /* the last read from this host that showed it running was asked for then; 0: none */
    bool devices;       /* it has those that show it, seen by this operation or before (point 7) */
    int64_t stopped_ms; /* when it first read stopped after it ran, or the stop's task ended: 0 not yet */
    int64_t stopped_read_ms; /* when the last such read was asked for */
    bool idle;               /* its host said "CT n not running" to a stop (point 4) … */
    int64_t idle_ms;         /* … and the first read that held after that was asked for then */
    bool off;                /* a read holds for points 1–4, 6 and 7; only the hosts' word is missing … */
    int64_t off_received_ms; /* … which is to be asked for since then */
    enum proof_point told;   /* the last one that was noted since it last ran */
};

/* The last list of tasks of the guest's host that could be read. */
struct step_list {
    int64_t asked_ms, received_ms;
    unsigned failed;                            /* so many since could not be */
    bool wanted;                                /* the stop's task could not be read: it may tell its end */
    unsigned newer_stops, newer_starts;         /* of our identity, since our last task there … */
    unsigned failed_stops, failed_starts;       /* … of these have failed … */
    bool newer_running;                         /* … or one of them has not ended */
    unsigned prior_starts, prior_failed_starts; /* so many of them had ended before the guest read stopped */
};

/* The host of the guest is offline: is it dead? (step_dead.c) Forgotten when it is online, or not the guest's
 * host any more. */
struct step_death {
    struct dead_hosts_word word; /* of the last list of hosts, which shows it offline … */
    int64_t told_ms;             /* … and was asked for then; 0: there is none */
    int64_t listed_ms; /* a list of guests, asked for then, names the guest there, and a majority of hosts
                          that shows it offline stands behind it; 0: none */
    int64_t listed_received_ms; /* a list of hosts asked for since then was asked for after it */
    char lock[PVE_LOCK_MAX];    /* in that list; "": none */
    bool waits;                 /* it was noted that Proxmox HA is waited for */
};

/* The guest's lock. */
struct step_lock {
    char name[PVE_LOCK_MAX];
    int64_t since_ms; /* 0: it has none */
    bool read;        /* a read showed it: another one tells when it is gone */
};

struct step_trouble {
    unsigned refusals;        /* 401s in a row */
    int64_t refused_since_ms; /* no login since then, by Proxmox's word; 0: not so */
    struct error error;       /* the last thing that went wrong, for the deadline's message */
};

struct step {
    struct step_params params; /* params.node is not kept */
    enum step_phase phase;
    struct step_course course;
    struct step_place place;
    struct ask asks[ASK_KINDS];
    struct step_read read;
    struct step_seen seen;
    struct ha ha;
    struct calls calls; /* ours, and what earlier operations left of theirs */
    struct step_list list;
    struct step_death death;
    struct step_lock lock;
    struct step_trouble trouble;
};

enum step_event_kind {
    STEP_EVENT_BEGIN,
    STEP_EVENT_INTENT, /* recorded, or waited for long enough */
    STEP_EVENT_WAKE,
    STEP_EVENT_JOINED,      /* an equal request joined */
    STEP_EVENT_DESERTED,    /* no asker is left */
    STEP_EVENT_ASKED_AGAIN, /* one is back whose connection had ended */
    STEP_EVENT_YIELD,       /* a newer request, or the daemon's end: what is only watched is done */
    STEP_EVENT_LEAVE_OFF,   /* a newer request to power it off, and step_can_leave_off() */
    STEP_EVENT_POWER,       /* the answers, in the order of enum ask_kind */
    STEP_EVENT_STATUS,
    STEP_EVENT_TASK,
    STEP_EVENT_TASKS,
    STEP_EVENT_HOSTS,
    STEP_EVENT_LOCATED,
};

struct step_event {
    enum step_event_kind kind;
    int64_t now_ms;
    int64_t asked_ms;    /* JOINED: when the newest request came, which may have waited since … */
    int64_t deadline_ms; /* … and until when the operation has time now */
    const struct api_result *result; /* POWER, STATUS, TASK, TASKS, HOSTS, LOCATED: how the call went */
    bool decoded; /* STATUS, TASK, TASKS, HOSTS: the member below is filled; else the answer was no such thing
                   */
    struct pve_status status;
    struct pve_task task;         /* TASK; TASKS: the same of the one that `upid` names, as listed there */
    struct pve_task_count tasks;  /* TASKS: of stops since the request */
    struct pve_task_count starts; /* the same of starts */
    struct node_census census;    /* HOSTS; LOCATED with_hosts: of the host where it is listed */
    char upid[PVE_UPID_MAX];      /* POWER, API_OK: the new task; TASK: the one that was read; TASKS: our
                                     last stop's, "" if it is not listed */
    const char *node; /* STATUS, TASKS: the host that was asked; LOCATED: where the guest is, NULL: nowhere */
    enum pve_guest_type type;    /* LOCATED */
    const char *ha_state;        /* LOCATED: NULL: none */
    bool with_hosts;             /* LOCATED: the same answer tells the hosts */
    const char *lock;            /* LOCATED: of the guest, as listed; NULL: none */
    struct dead_hosts_word word; /* HOSTS: of the host that was asked about, with this list taken in */
};

struct step_effects {
    enum step_power send;
    const char *send_to;    /* with send: the host whose API path it goes to */
    bool overrule_shutdown; /* with STEP_SEND_STOP */
    bool by_ha;             /* with STEP_SEND_STOP: the HA manager takes it, and no timeout */
    bool ask[ASK_KINDS];    /* of these: all but ASK_POWER */
    bool with_hosts;        /* with ASK_PLACE: the hosts are to be told in the same answer */
    const char *upid;       /* with ASK_TASK */
    const char *node;       /* where the guest is; "": to be located */
    enum pve_guest_type type;
    enum operation_state state;
    int64_t wake_ms; /* absolute; send STEP_EVENT_WAKE then */
    bool verified;   /* now: off is proven (off, reboot), or the guest runs (on, cycle): answer the askers */
    bool proven;     /* now: by these facts, with `hosts` in the place of facts.hosts */
    struct proof_facts facts;
    struct proof_hosts hosts;
    bool running;                /* now: the guest runs; what follows is only watched */
    bool left_off;               /* with `ended`: the power-on was left to somebody else; why: */
    struct error left_off_error; /* for those who asked for it */
    bool ended;
    enum operation_outcome outcome;
    struct error error;                        /* of the outcome; after `verified` it is the power-on's */
    char notes[STEP_NOTES_MAX][STEP_NOTE_LEN]; /* for the timeline */
    unsigned note_count;
};

void step_begin(struct step *step, const struct step_params *params);
void step_handle(struct step *step, const struct step_event *event, struct step_effects *effects);

/* A stop or reset that was decided on goes now, maybe much later: is it still to? A late one is to be decided
 * on anew (P4). */
bool step_may_go(const struct step *step, int64_t now_ms);
/* An equal request may join: what is still to be verified would be verified for it too (P6). */
bool step_can_join(const struct step *step);
/* A power-on that was not sent yet: the guest can still be left off (a newer fence does not wait for it). */
bool step_can_leave_off(const struct step *step);
/* Point 2: the host's side of the guest is still there. Tap devices live as long as any thread of QEMU does;
 * a container's counters as long as it runs. */
bool step_shows_life(enum pve_guest_type type, const struct pve_status *status);
/* Nobody waits any more, as is found out when a call is to go: what is sent now is late. */
void step_desert(struct step *step);
/* The second half of a reboot: off is proven, and the guest does not run yet. */
bool step_is_powering_on_again(const struct step *step);
/* So long it may go on, and its calls wait for their answers. */
int64_t step_deadline(const struct step *step);
/* Whose task list is wanted, and what is looked for in it. */
struct step_task_list {
    const char *node;          /* "": the guest is to be located */
    int64_t since_realtime_ms; /* what began before does not count */
    bool of_ha;                /* its stops are requests to the HA manager */
    const char *after_upid;    /* what is newer than this one counts as newer; "": nothing does */
    const char *stop_upid;     /* the task whose end it may tell; "": none */
};
struct step_task_list step_task_list(const struct step *step);
/* A guest that runs by this status, asked for then, was certainly started after this moment. */
int64_t step_started_ms(const struct pve_status *status, int64_t asked_ms);
/* Point 3: a guest with such a lock may run elsewhere, or come back with its old memory. */
bool step_lock_hides_the_truth(const char *lock);
enum operation_state step_state(const struct step *step);
