/*
 * Evidence in, verdict out (P10); pure. The table of reasons is readiness_reasons.c.
 *
 * Reasons are bits, so that a guest can have several; one table gives each its word, severity, message and
 * hint.
 */
#pragma once

#include "fence/dead_hosts.h"
#include "fence/evidence.h"
#include "fence/unsettled.h"
#include "proxmox/grants.h"
#include "proxmox/inventory.h"
#include "system/machine.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict { VERDICT_READY, VERDICT_DEGRADED, VERDICT_BLOCKED };

/* In the order of gravity: where nothing answers, that explains why there is no session, and so on. */
enum reason {
    REASON_CLOCK_WRONG, /* no endpoint is left because of it */
    REASON_NO_ENDPOINT,
    REASON_NO_SESSION,
    REASON_NO_INVENTORY, /* nothing was learnt yet */
    REASON_EMPTY_POOL,
    REASON_STALE, /* of all: polls have failed */
    REASON_MINORITY,
    REASON_EXCESS_REFUSED, /* both are "excess-privileges": this one blocks, */
    REASON_WRONG_GUEST,
    REASON_NAME_MOVED,
    REASON_AMBIGUOUS_NAME, /* and nothing in [nodes] leads to it */
    REASON_NO_POWER_RIGHT,
    REASON_TEMPLATE,
    REASON_SUSPENDED,
    REASON_LOCKED,
    REASON_NODE_OFFLINE,
    REASON_HOST_SILENT,
    REASON_HA_ERROR,
    REASON_HA_FROZEN,
    REASON_HA_UNSERVED,
    REASON_UNPROVEN, /* a doubt that an earlier fence left, or a process that is still there */
    REASON_REHEARSAL_FAILED,
    REASON_OLD_EVIDENCE, /* of one guest, the same word as for all */
    REASON_NO_EVIDENCE,
    REASON_REHEARSAL_UNSAFE,
    REASON_HA_MANAGED,
    REASON_HOST_FENCED,
    REASON_NODE_MAINTENANCE,
    REASON_NODE_UNKNOWN,
    REASON_HOST_SLOW,
    REASON_PROXMOX_SLOW, /* which is spared for it */
    REASON_HOOKSCRIPT,
    REASON_NO_NIC,
    REASON_MIGRATING,         /* "locked" as well: by a migration, which a fence waits for */
    REASON_EXCESS_PRIVILEGES, /* and with this one we fence all the same */
    REASON_MOVED_ALIASED,     /* both words again: an alias leads to it all the same */
    REASON_AMBIGUOUS_ALIASED,
    REASON_ONE_ENDPOINT,
    REASON_CLOCK_DOUBTED, /* the same, and others answer */
    REASON_CERTIFICATE_EXPIRES,
    REASON_HISTORY_NOT_WRITTEN,
    REASON_HOST_UNWATCHED, /* a caveat: nothing is wrong, but nobody would vouch for a dead host */
    REASON_COUNT,
};

typedef uint64_t reason_set; /* bit REASON_x */

_Static_assert(REASON_COUNT <= 64, "a bit each");

/* Gathered by facts_gather() and nobody else, but for tests. */
struct readiness_facts {
    int64_t boottime_ms; /* now, for the ages of evidence */
    bool session_ready;
    unsigned endpoints_up, endpoints_total;
    const struct inventory *inventory; /* may be NULL */
    int64_t inventory_age_ms;
    int64_t poll_interval_ms;
    unsigned backoff;         /* polls are so many times rarer than configured; 0 and 1: they are not */
    int min_online_nodes;     /* 0: majority */
    bool certificate_expires; /* an endpoint's, within 30 days */
    bool clock_wrong;         /* an endpoint's is not yet valid */
    bool history_failing;
    enum grants_state grants;
    const struct evidence *evidence;     /* NULL: none is collected, and none is missed */
    const struct machine *self;          /* this node; NULL: not to be compared */
    int self_vmid;                       /* the guest that its name leads to; 0: none */
    struct unsettled_kill_doubts doubts; /* what earlier operations left */
    bool dead_host_fails;                /* dead-host = fail */
    const struct dead_hosts *dead_hosts; /* NULL: nobody watches the hosts, or that is not known */
};

/* Reasons that concern every guest; those of one guest (with the former ones included). */
reason_set readiness_overall(const struct readiness_facts *facts);
reason_set readiness_guest(const struct readiness_facts *facts, const struct guest *guest);
enum verdict readiness_verdict(reason_set reasons);
/* Those of a set that leave the verdict as it is: told to who asks, and no trouble. */
reason_set readiness_caveats(reason_set reasons);

/* Proxmox HA has fenced this host, and it was not online since: its guests are off. */
bool readiness_host_fenced(const struct readiness_facts *facts, const char *node);
/* Why a fence of the guest would fail if its host died now; NULL: it would not, by what is known, or the host
 * is offline already. */
const struct error *readiness_unwatched(const struct readiness_facts *facts, const struct guest *guest);

/* What lies behind a reason of this guest (NULL: of all) in Proxmox's own words, by its evidence; NULL:
 * nothing more is known. */
const struct error *readiness_cause(const struct readiness_facts *facts, const struct guest *guest,
                                    enum reason reason);

/* The age of the oldest evidence that a verdict of this guest rests on. */
#define READINESS_NO_EVIDENCE INT64_C(-1) /* some of it is missing */
#define READINESS_NOT_NEEDED  INT64_C(-2) /* none is collected */
int64_t readiness_evidence_age_ms(const struct readiness_facts *facts, const struct guest *guest);

/* Nothing is wrong with this guest, whose reasons these are, but that not everything was tried since the
 * start. */
bool readiness_is_unchecked(const struct readiness_facts *facts, const struct guest *guest,
                            reason_set reasons);
/* The guests that are being checked: nothing is wrong with them but that not everything was tried yet, as in
 * the first moments after a start. *left_ms: about so long until all were; 0 if there are none. */
size_t readiness_unchecked(const struct readiness_facts *facts, int64_t *left_ms);

const char *verdict_name(enum verdict verdict);
const char *reason_name(enum reason reason);
const char *reason_message(enum reason reason);
const char *reason_hint(enum reason reason);
enum verdict reason_severity(enum reason reason);
/* The gravest reason of a set; REASON_COUNT if it has none but caveats. */
enum reason readiness_worst(reason_set reasons);
/* The longest time until it is told, as long as Proxmox answers: "2 polls", "2 checks", "10 min". */
const char *reason_seen(enum reason reason);
/* Where it is explained: "fence_broker(8), REASONS, stale". */
#define REASON_DOCUMENTATION_LEN 64
const char *reason_documentation(enum reason reason, char buffer[static REASON_DOCUMENTATION_LEN]);
