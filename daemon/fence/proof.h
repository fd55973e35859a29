/*
 * The off-proof (promise P1): what is known of a guest, as numbers, in; "off", or which point is missing,
 * out. Pure, and without words: what a point means to people is told in step_off.c.
 *
 * Times are milliseconds of one clock. Hosts, states and locks are compared before this: a fact says what
 * came of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROOF_CONTAINER_GAP_MS 2000  /* between two reads of a container that did not run (point 4) */
#define PROOF_HA_ROUND_MS      15000 /* within this the HA manager has acted on a request (rule 5) */
#define PROOF_KILL_AFTER_MS    10000 /* what Proxmox waits beyond stop-timeout before SIGKILL (point 7) */

/* The first point that is missing, in the order in which they are looked at. */
enum proof_point {
    PROOF_NOT_LISTED,     /* 1, dead host: no list of guests names it there since its host left */
    PROOF_NOT_READ,       /* 1: nothing of the guest was read since the newest request */
    PROOF_RUNS,           /* 1 */
    PROOF_SHOWS_LIFE,     /* 2: its host still has something of it */
    PROOF_HIDDEN,         /* 3: its lock says that it may run elsewhere, or come back */
    PROOF_NOT_TAKEN,      /* 6: no hastop of ours had ended OK before it was read */
    PROOF_HA_UNDECIDED,   /* 6: nor has the HA manager acted on it */
    PROOF_NOT_OURS,       /* 4: neither seen running before, nor stopped by us: a start may be under way */
    PROOF_READ_AGAIN,     /* 4: a container that did not run is to be read once more, a little later */
    PROOF_START_MAY_COME, /* 4: a start of an earlier operation of ours was still under way */
    PROOF_UNDEAD,         /* 7: it may have been killed, and nothing would show what survived that */
    PROOF_HOSTS,          /* 5: no list of the hosts that was asked for after the read */
    PROOF_MINORITY,       /* 5: too few of them are online */
    PROOF_HOST_OFFLINE,   /* 5: its own one is not */
    PROOF_OFF,            /* none: off is proven */
};

enum proof_ha_state { PROOF_HA_OTHER, PROOF_HA_REQUEST_STOP, PROOF_HA_STOPPED };

/* What the hosts say of each other, in a list that could be read. */
struct proof_hosts {
    int64_t asked_ms;
    unsigned online, required;
    bool host_online; /* the guest's */
};

struct proof_facts {
    int64_t request_ms; /* from then on a read counts as asked for after the newest request */

    /* the read S: the newest status of this guest, from the host that it is on */
    bool read; /* there is one */
    int64_t asked_ms, received_ms;
    bool running;
    bool shows_life;
    bool hidden;                  /* by its lock */
    enum proof_ha_state ha_state; /* of its service */

    /* before it */
    bool seen_running; /* on that host, by this operation */
    bool stopped_ok;   /* the task of our last stop, on that host, ended OK … */
    bool idle;         /* … or that host said to it that the container does not run … */
    int64_t ended_ms;  /* … and a read asked for since then was asked for after that */
    int64_t idle_ms;   /* when the first read that showed it stopped after `idle` was asked for; 0: none */
    int64_t start_until_ms; /* so long a start that an earlier operation sent may still come; 0: none may */
    int64_t start_ended_ms; /* and a read asked for since then was asked for after its end */

    /* Proxmox HA (point 6 instead of 4) */
    bool ha;             /* it manages the guest */
    int64_t ha_taken_ms; /* a read asked for since then was asked for after a hastop ended OK; 0: none has */
    bool ha_moved;       /* its service was read in another state than stopped */
    bool ha_stopping;    /* the guest was read running while its service was in request_stop */

    /* point 7 */
    bool devices;             /* it was seen to have what would show a process that lives on */
    int64_t killing_since_ms; /* when the first stop that may have killed it was sent; 0: there is none */
    int64_t ha_calm_ms;       /* those of HA began after this; 0: nothing is known */
    int64_t stopped_ms;       /* since when it has been stopped without a gap; 0: since this read */
    int64_t stop_timeout_ms;

    /* the second way: the host is dead */
    bool dead;                  /* Proxmox HA has fenced it, and by `hosts` it was not online since */
    int64_t dead_from_ms;       /* from then on a list of guests says what died with it */
    bool listed;                /* the newest one of those names the guest there … */
    int64_t listed_ms;          /* … and was asked for then */
    int64_t listed_received_ms; /* a list of hosts asked for since then was asked for after it */
    bool listed_hidden;         /* by its lock there */

    const struct proof_hosts *hosts; /* NULL: there is none */
    bool hosts_under_way; /* when S came, a list was: that was asked for before, be it in the same moment */
};

/* PROOF_OFF: the guest is off, or what ran since the newest request is dead with its host. Otherwise the
 * first point that is missing. */
enum proof_point proof_of(const struct proof_facts *facts);
/* Point 5 alone: PROOF_MINORITY, PROOF_HOST_OFFLINE or PROOF_OFF. */
enum proof_point proof_of_hosts(const struct proof_hosts *hosts);

/* Point 7: a stop that began then may have come to SIGKILL by that time. */
bool proof_may_have_killed(int64_t since_ms, int64_t until_ms, int64_t stop_timeout_ms);

/* So long had the first stop that may have killed it, until it read stopped. Only where there is one. */
int64_t proof_killing_ms(const struct proof_facts *facts);

/* What may have stopped the guest between two reads that both show it stopped. */
struct proof_between {
    int64_t asked_ms;    /* the earlier read was asked for */
    int64_t received_ms; /* the later one came */
    bool others;         /* stops come that we do not see: those of HA */
    bool under_way;      /* a stop of ours is */
    int64_t until_ms;    /* so long one whose answer was lost may come; 0: there is none */
    int64_t ended_ms;    /* the last one that we know of has ended */
    int64_t stop_timeout_ms;
};
/* Point 7: somebody may have started it in between, and a stop killed it. */
bool proof_is_gap(const struct proof_between *between);
