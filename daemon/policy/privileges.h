/*
 * What our own effective privileges (the data of GET /access/permissions) say about a guest, and how they
 * compare with what fencing takes (P8); pure.
 *
 * Proxmox lists a path where something is granted on it or through a pool; what is listed for a path replaces
 * what comes from above, and a privilege reaches lower paths only with its propagate flag (1).
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* `permissions`: {"/vms/100": {"VM.Audit": 0, …}, …}. False if nothing there grants it. */
bool privileges_on_guest(struct json_object *permissions, int vmid, const char *privilege);

/* Without Pool.Audit nobody tells which guests a pool has; our privileges do, if they can come from nowhere
 * else: power is granted on /pool/`pool`, and on no pool but the configured ones. */
bool privileges_stand_for_pool(struct json_object *permissions, const char *pool,
                               const char *const *configured, size_t count);
/* The guest may be powered, and by a grant on its pool: such a privilege does not propagate, one on the guest
 * itself would. */
bool privileges_by_pool(struct json_object *permissions, int vmid);

/* ---- against the minimal set ----
 *
 * What fencing takes: VM.PowerMgmt and VM.Audit on the guests of the pools, Pool.Audit on the pools
 * (recommended). VM.Monitor there is tolerated. Where HA's status is to be read, Sys.Audit on / without
 * propagation, too. Anything else, anywhere, is excess.
 */

/* The role that the manuals make, and that mending lines grant. */
#define PRIVILEGES_ROLE    "FenceBroker"
#define PRIVILEGES_MINIMAL "VM.PowerMgmt VM.Audit Pool.Audit"
/* The same for HA's status, on / */
#define PRIVILEGES_HA_ROLE "FenceBrokerHA"
#define PRIVILEGES_HA      "Sys.Audit"

struct privileges_guest {
    int vmid;
    const char *pool; /* NULL: known by our privileges only */
};

/* What the privileges are for. All borrowed. */
struct privileges_scope {
    const char *identity;     /* "fence@pve", or a token's "fence@pve!broker" */
    const char *const *pools; /* the configured ones */
    size_t pool_count;
    const struct privileges_guest *guests; /* of these pools, ordered by VMID */
    size_t guest_count;
    const int
        *others; /* VMIDs of other guests that we see, ascending: a pool may list some that are no more */
    size_t other_count;
    bool ha_status;       /* HA's status is to be read: dead-host = trust-ha */
    bool members_unknown; /* a pool does not tell its members: guests were found by our privileges */
    int release;          /* of Proxmox VE: 902; 0: not known */
};

enum privileges_kind { PRIVILEGES_EXCESS, PRIVILEGES_MISSING, PRIVILEGES_HINT };

struct privileges_finding {
    enum privileges_kind kind;
    char *path; /* "/", "/pool/other"; of several guests the first */
    char **privileges;
    size_t privilege_count; /* at least one, in alphabetical order */
    char *message;          /* one line: what is wrong */
    char *mend;             /* one line for the shell of a Proxmox host; ROLE: `pveum acl list` names it */
    bool names_guests;      /* message and mend do */
    bool minor;             /* missing, but fences work without it */
};

/* Excess first, then what is missing, then hints. What is granted on one path and seen on
 * others, because it propagates or by way of a pool, is one finding. */
struct privileges_report {
    struct privileges_finding *findings;
    size_t count;
    size_t excess, missing, hints; /* privileges in the findings of each kind */
    bool may_fence;                /* a guest at least has all that a fence takes */
};

/* Owned by the caller. NULL: no memory. */
struct privileges_report *privileges_judge(struct json_object *permissions,
                                           const struct privileges_scope *scope);
void privileges_report_free(struct privileges_report *report); /* NULL is fine */
void privileges_report_freep(struct privileges_report **report);
/* The same findings in the same order; NULL equals NULL only. */
bool privileges_report_same(const struct privileges_report *a, const struct privileges_report *b);
/* The first finding of that kind that is not minor, or NULL (also for no report). */
const struct privileges_finding *privileges_first(const struct privileges_report *report,
                                                  enum privileges_kind kind);
const char *privileges_kind_name(enum privileges_kind kind); /* "excess", "missing", "hint" */
