/*
 * Evidence in, verdict out (P10); pure. In this version the evidence is the poller's and the session's.
 *
 * Reasons are bits, so that a guest can have several; one table gives each its word, severity, message and
 * hint.
 */
#pragma once

#include "fence/evidence.h"
#include "proxmox/grants.h"
#include "proxmox/inventory.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict { VERDICT_READY, VERDICT_DEGRADED, VERDICT_BLOCKED };

/* In the order of gravity: where nothing answers, that explains why there is no session, and so on. */
enum reason {
    REASON_NO_ENDPOINT,
    REASON_NO_SESSION,
    REASON_NO_INVENTORY, /* nothing was learnt yet */
    REASON_EMPTY_POOL,
    REASON_STALE,
    REASON_MINORITY,
    REASON_EXCESS_REFUSED, /* both are "excess-privileges": this one blocks, */
    REASON_NO_POWER_RIGHT,
    REASON_TEMPLATE,
    REASON_SUSPENDED,
    REASON_LOCKED,
    REASON_NODE_OFFLINE,
    REASON_HA_ERROR,
    REASON_HA_FROZEN,
    REASON_HA_UNSERVED,
    REASON_HA_MANAGED,
    REASON_EXCESS_PRIVILEGES, /* and with this one we fence all the same */
    REASON_AMBIGUOUS_NAME,
    REASON_ONE_ENDPOINT,
    REASON_CERTIFICATE_EXPIRES,
    REASON_HISTORY_NOT_WRITTEN,
    REASON_COUNT,
};

typedef uint32_t reason_set; /* bit REASON_x */

/* Gathered by readiness_gather() and nobody else, but for tests. */
struct readiness_facts {
    int64_t boottime_ms; /* now, for the ages of evidence */
    bool session_ready;
    unsigned endpoints_up, endpoints_total;
    const struct inventory *inventory; /* may be NULL */
    int64_t inventory_age_ms;
    int64_t poll_interval_ms;
    int min_online_nodes;     /* 0: majority */
    bool certificate_expires; /* an endpoint's, within 30 days */
    bool history_failing;
    enum grants_state grants;
    const struct evidence *evidence; /* NULL: none is collected, and none is missed */
};

/* Reasons that concern every guest; those of one guest (with the former ones included). */
reason_set readiness_overall(const struct readiness_facts *facts);
reason_set readiness_guest(const struct readiness_facts *facts, const struct guest *guest);
enum verdict readiness_verdict(reason_set reasons);

const char *verdict_name(enum verdict verdict);
const char *reason_name(enum reason reason);
const char *reason_message(enum reason reason);
const char *reason_hint(enum reason reason);
enum verdict reason_severity(enum reason reason);
/* The gravest reason of a set; REASON_COUNT if it is empty. */
enum reason readiness_worst(reason_set reasons);
