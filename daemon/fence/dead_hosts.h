/*
 * Dead hosts: which hosts has Proxmox HA fenced, and which were not online since? Told by what the polls show
 * of the hosts and of HA, and by nothing that one answer says alone: a host in `fence`, a service in
 * `recovery` or one that moved was each seen while the host that was cut off went on running its guests.
 *
 * What holds: an LRM (HA's local resource manager) that is `active` holds its host's agent lock and its
 * watchdog, renews both in one step, can do so in a quorate partition only, and does not give the watchdog
 * back while a service is started there. So a host that left a majority with its LRM active and a service
 * started has been reset by its watchdog 71 s after its last renewal. "Fenced" is said only when HA itself
 * counts it so: it has recovered the service, or its lock (120 s) has expired.
 *
 * It takes for granted that watchdog-mux and its device work, that clocks of quorate hosts do not jump, and
 * that two parts of a cluster are never quorate at once. "Dead" is said of the guests that ran
 * there before: a host that booted and is still cut off can start none.
 *
 * Pure: no clock, no input or output, memory of a fixed size. Times are milliseconds of one clock that goes
 * on while the machine sleeps (clock_boottime_ms()). The argument in full, and figures: doc/dead-hosts.md.
 */
#pragma once

#include "proxmox/upid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEAD_HOSTS_MAX        128 /* of what lies beyond nothing is claimed */
#define DEAD_HOSTS_WITNESSES  8   /* services that are remembered for a host */
#define DEAD_HOSTS_SID_MAX    32  /* "vm:100"; a longer name is no witness */
#define DEAD_HOSTS_RECORD_MAX 384 /* a record with its NUL */
#define DEAD_HOSTS_WHERE_MAX  64  /* of which machine's boot, and which cluster, with its NUL */

/* How long what must have been seen. */
#define DEAD_HOSTS_WATCHED_MS 30000 /* LRM active and service started, before the host left */
#define DEAD_HOSTS_LOCK_MS                                                                                   \
    130000 /* offline: the lock (120 s) has expired, with a round of the LRM's (10 s) */
#define DEAD_HOSTS_RECOVERED_MS                                                                              \
    90000 /* offline, before HA can recover: what does so earlier got a lock that was free */
/* How long nothing may be seen. */
/* Between two samples: HA cannot be disarmed and armed again, nor an LRM give its watchdog back and take it
 * again, within two rounds of the manager (10 s). */
#define DEAD_HOSTS_GAP_MS 20000
#define DEAD_HOSTS_LEAVE_MS                                                                                  \
    12000 /* before the first one without the host, if its LRM's status is of no help */

/* ---- what is fed ---- */

/* What the entry of an LRM in cluster/ha/status/current says. */
enum dead_hosts_lrm {
    DEAD_HOSTS_LRM_UNKNOWN, /* no entry, or one that HA could not read */
    DEAD_HOSTS_LRM_ACTIVE,  /* state and mode active, timestamp at most 30 s old */
    DEAD_HOSTS_LRM_OLD,     /* "old timestamp - dead?" */
    DEAD_HOSTS_LRM_DRIFT,   /* "detected time drift!": its timestamp is one of the future */
    DEAD_HOSTS_LRM_OTHER,   /* anything else */
};
/* Of its `status`: "pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)". */
enum dead_hosts_lrm dead_hosts_lrm_of(const char *status);
/* May what HA says count? Of the entry `fencing`: "armed" and "standby" (the manager is not there); NULL, for
 * older versions, which cannot be disarmed. */
bool dead_hosts_armed(const char *armed_state);

struct dead_hosts_host {
    const char *name;
    const char *hastate; /* NULL: none */
    bool online;
};

struct dead_hosts_agent {
    const char *host;
    enum dead_hosts_lrm lrm;
    int64_t timestamp_s; /* 0: none */
};

struct dead_hosts_service {
    const char *sid, *host;
    const char *state; /* crm_state; NULL: HA has not taken it yet */
};

/* One poll: cluster/resources?type=node, then cluster/ha/status/current. All is borrowed; no string is NULL
 * but where it says so, and what has no host is left out. */
struct dead_hosts_sample {
    int64_t asked_ms, came_ms; /* the first question, the last answer */
    bool majority;             /* the hosts are a majority's word, and `quorate` where HA's status was read */
    const struct dead_hosts_host *hosts;
    size_t host_count;
    bool ha_read; /* what follows was read, too */
    bool armed;
    const struct dead_hosts_agent *agents;
    size_t agent_count;
    const struct dead_hosts_service *services;
    size_t service_count;
};

/* ---- what is told ---- */

enum dead_hosts_state {
    DEAD_HOSTS_UNKNOWN,
    DEAD_HOSTS_ONLINE,
    DEAD_HOSTS_OFFLINE, /* that is all */
    DEAD_HOSTS_FENCED,  /* by Proxmox HA, and not online since */
};

/* Why fenced. */
enum dead_hosts_reason {
    DEAD_HOSTS_RECOVERED,    /* HA has fenced it and recovers its services */
    DEAD_HOSTS_LOCK_EXPIRED, /* HA watched it, and its lock must have expired */
};

/* Why not fenced; of a host that is online: why it would not be called so if it left now. */
enum dead_hosts_missing {
    DEAD_HOSTS_NOTHING,
    DEAD_HOSTS_NOT_LISTED,   /* no such host, or one too many */
    DEAD_HOSTS_NO_MAJORITY,  /* no recent answer that a majority stands behind */
    DEAD_HOSTS_HA_NOT_READ,  /* HA's status could not be read lately */
    DEAD_HOSTS_DISARMED,     /* HA is disarmed or disarming, or was since it left */
    DEAD_HOSTS_UNWATCHED,    /* no active LRM, or no service started there */
    DEAD_HOSTS_SHORTLY,      /* watched, but not for long enough */
    DEAD_HOSTS_UNSEEN,       /* it left before it was seen online, or while nobody looked */
    DEAD_HOSTS_LRM_CHANGED,  /* its LRM did something else just before it left */
    DEAD_HOSTS_WITNESS_LOST, /* its services were stopped, removed, or moved before HA can have fenced it */
    DEAD_HOSTS_CAME_BACK,    /* it gave a sign of life since */
    DEAD_HOSTS_TIME,         /* only time */
};

struct dead_hosts_answer {
    enum dead_hosts_state state;
    enum dead_hosts_missing missing;
    /* Offline: it can still turn out to be fenced, if nothing happens at due_ms. Online: it would, if it
     * left. */
    bool watched;
    enum dead_hosts_reason reason; /* if fenced */
    int64_t seen_ms;               /* that it is so was true then, or later; 0: never */
    int64_t left_ms, fenced_ms;    /* first seen offline; fenced by then. 0: not known */
    int64_t due_ms;                /* when it is called fenced at the latest */
    int64_t lrm_s; /* offline: the last time that its LRM wrote, by its own clock, since 1970; 0: none told */
};

/* What a fence is told of a host (host_watch). Its times are those of the clock that the fence uses, and may
 * lie before its zero. */
struct dead_hosts_word {
    bool trusted;  /* dead-host = trust-ha; else nothing below is known */
    bool disarmed; /* HA is, or is being, disarmed by its own last word: nothing that it says counts */
    struct dead_hosts_answer host;
};

struct dead_hosts;

struct dead_hosts *dead_hosts_new(void); /* NULL: no memory */
void dead_hosts_free(struct dead_hosts *room);

/* Samples come in any order; one that was asked for before another one that was taken says only who is
 * online. */
void dead_hosts_take(struct dead_hosts *room, const struct dead_hosts_sample *sample);
struct dead_hosts_answer dead_hosts_ask(const struct dead_hosts *room, const char *host, int64_t now_ms);
/* For who must not believe what was so before since_ms: "fenced" only by a whole sample that was asked for
 * after it. This machine may have been paused, and its clock with it, and the host been back meanwhile: a
 * list of hosts alone does not tell. Else as a host that will turn out to be fenced, or not. */
struct dead_hosts_answer dead_hosts_ask_since(const struct dead_hosts *room, const char *host,
                                              int64_t since_ms, int64_t now_ms);

const char *dead_hosts_reason_name(enum dead_hosts_reason reason); /* "recovered", "lock-expired" */
bool dead_hosts_reason_from_name(const char *name, enum dead_hosts_reason *reason);

/* ---- over a restart ---- */

/*
 * What is to be written down of a fenced host, one line of JSON, with each sample. `where`: of which boot of
 * the machine (its clock goes on only so long), and of which cluster. False: nothing (not fenced, or not seen
 * since the last restart, or HA gave no timestamps of its LRM and of others, or no room).
 */
bool dead_hosts_write(const struct dead_hosts *room, const char *host, const char *where,
                      char record[static DEAD_HOSTS_RECORD_MAX]);
/* That it is so no longer. */
bool dead_hosts_write_end(const char *host, const char *where, char record[static DEAD_HOSTS_RECORD_MAX]);
/*
 * Before the first sample, line by line in their order. A record is as good as a sample of the time at which
 * it was written: it counts once the first whole sample, DEAD_HOSTS_GAP_MS later at most by both our clock
 * and the cluster's, shows the host still offline, with the same timestamp of its LRM. False: not a record of
 * this boot, cluster and version.
 */
bool dead_hosts_read(struct dead_hosts *room, const char *where, const char *record, size_t length);
void dead_hosts_forget(struct dead_hosts *room); /* all of it */
