/*
 * From evidence to a verdict per guest. One table holds every reason with its word, severity, message and way
 * out; the rest is a handful of comparisons. Refuses to know where the evidence comes from, what time it is,
 * and how a verdict is shown. It decides nothing about a fence under way: that one asks Proxmox itself (P1).
 */
#include "fence/readiness.h"

#include "fence/step.h"
#include "system/cleanup.h"

#include <string.h>

static const struct reason_row {
    const char *name;
    enum verdict severity;
    const char *message;
    const char *hint;
} rows[REASON_COUNT] = {
    [REASON_NO_SESSION] = {"no-session", VERDICT_BLOCKED,
                           "Proxmox has not accepted the broker's credentials (yet)",
                           "see `journalctl -u fence-broker`; check token-id (or user) and the secret file"},
    [REASON_NO_ENDPOINT] = {"no-endpoint", VERDICT_BLOCKED, "no Proxmox endpoint answers",
                            "see the endpoints in `/usr/sbin/fence_broker status`; try one with "
                            "`curl -k https://HOST:8006/api2/json/version` (401 is a good sign)"},
    [REASON_NO_INVENTORY] = {"no-inventory", VERDICT_BLOCKED, "the guests of the pool are not known yet",
                             "wait for the first poll; if it does not end, see `journalctl -u fence-broker`"},
    [REASON_EMPTY_POOL] = {"empty-pool", VERDICT_BLOCKED, "the pool has no guest that the broker can see",
                           "on a Proxmox host: `pveum pool modify POOL --vms VMID,…`, and grant the broker's "
                           "role on /pool/POOL (to the user and to its token)"},
    [REASON_STALE] = {"stale", VERDICT_BLOCKED, "the last polls have failed, so nothing is known for sure",
                      "see the last poll's error in `/usr/sbin/fence_broker status`"},
    [REASON_MINORITY] = {"minority", VERDICT_BLOCKED,
                         "too few Proxmox hosts are online to prove that a guest is off",
                         "on a Proxmox host: `pvecm status`; two hosts with a QDevice: min-online-nodes = 1"},
    [REASON_EXCESS_REFUSED] = {"excess-privileges", VERDICT_BLOCKED,
                               "the broker's identity holds more than fencing takes, and is not accepted",
                               "`/usr/sbin/fence_broker permissions` has the lines that mend it; to use it "
                               "all the same: least-privilege = warn"},
    [REASON_EXCESS_PRIVILEGES] = {"excess-privileges", VERDICT_DEGRADED,
                                  "the broker's identity holds more than fencing takes",
                                  "`/usr/sbin/fence_broker permissions` has the lines that mend it"},
    [REASON_NO_POWER_RIGHT] =
        {"no-power-right", VERDICT_BLOCKED, "Proxmox does not grant VM.PowerMgmt and VM.Audit on the guest",
         "on a Proxmox host: `pveum acl modify /pool/POOL --roles ROLE --users USER@REALM` (and "
         "--tokens for a token with privilege separation)"},
    [REASON_TEMPLATE] = {"template", VERDICT_BLOCKED, "it is a template and never runs",
                         "take it out of the pool: `pveum pool modify POOL --vms VMID --delete 1`"},
    [REASON_SUSPENDED] =
        {"suspended", VERDICT_BLOCKED, "it is suspended: a start would resume its old memory",
         "resume it (`qm resume VMID`) or discard its state: `qm unlock VMID; qm stop VMID`"},
    [REASON_LOCKED] =
        {"locked", VERDICT_BLOCKED, "Proxmox refuses power calls while the guest is locked",
         "wait for the task that holds the lock; a stale lock: `qm unlock VMID` (`pct unlock VMID`)"},
    [REASON_NODE_OFFLINE] = {"node-offline", VERDICT_BLOCKED, "its Proxmox host is offline",
                             "bring the host back, or move the guest's configuration to another one"},
    [REASON_HA_ERROR] =
        {"ha-error", VERDICT_BLOCKED, "its HA service is in the state error",
         "`ha-manager set vm:VMID --state disabled`, then `--state started` (ct:VMID for containers)"},
    [REASON_HA_FROZEN] = {"ha-frozen", VERDICT_BLOCKED, "its HA service is frozen: requests would be lost",
                          "wait until pve-ha-lrm of its host is back: `ha-manager status`"},
    [REASON_HA_UNSERVED] = {"ha-unserved", VERDICT_BLOCKED, "no HA manager serves it: requests would be lost",
                            "on the Proxmox hosts: `systemctl status pve-ha-crm pve-ha-lrm`"},
    [REASON_HA_MANAGED] =
        {"ha-managed", VERDICT_DEGRADED,
         "Proxmox HA stops and starts it: a fence takes up to 95 s, and 180 s when its host died",
         "give Pacemaker that time (pcmk_off_timeout), or let it alone decide: `ha-manager remove vm:VMID`"},
    [REASON_AMBIGUOUS_NAME] = {"ambiguous-name", VERDICT_DEGRADED,
                               "another guest of the pool has the same name: only VMID and aliases work",
                               "rename one (`qm set VMID --name NAME`), or name it in [nodes]"},
    [REASON_ONE_ENDPOINT] = {"one-endpoint", VERDICT_DEGRADED,
                             "only one Proxmox endpoint answers: with it the fence would be lost",
                             "mend the others, or add `endpoint = HOST` lines to the configuration"},
    [REASON_CERTIFICATE_EXPIRES] =
        {"certificate-expires", VERDICT_DEGRADED,
         "the certificate of an endpoint expires within 30 days, or has expired",
         "see the endpoints in `/usr/sbin/fence_broker status`; on that host: `pvecm updatecerts --force` "
         "(with fingerprint lines: add the new one, `pvenode cert info`)"},
    [REASON_HISTORY_NOT_WRITTEN] = {"history-not-written", VERDICT_DEGRADED,
                                    "the history does not reach the disk: a restart would forget it",
                                    "see `df -h /var/lib/fence-broker` and the owner of that directory"},
};

/* Polls that may fail before what they taught counts as unknown. */
#define STALE_AFTER_POLLS 3

static reason_set bit(enum reason reason)
{
    return (reason_set)1 << reason;
}

static bool minority(const struct readiness_facts *facts)
{
    unsigned online = inventory_nodes_online(facts->inventory);
    unsigned known = inventory_nodes_known(facts->inventory);

    if (facts->min_online_nodes > 0)
        return online < (unsigned)facts->min_online_nodes;
    return online < known / 2 + 1;
}

reason_set readiness_overall(const struct readiness_facts *facts)
{
    reason_set reasons = 0;

    if (!facts->session_ready)
        reasons |= bit(REASON_NO_SESSION);
    if (facts->endpoints_up == 0)
        reasons |= bit(REASON_NO_ENDPOINT);
    else if (facts->endpoints_up == 1)
        reasons |= bit(REASON_ONE_ENDPOINT);
    if (facts->certificate_expires)
        reasons |= bit(REASON_CERTIFICATE_EXPIRES);
    if (facts->history_failing)
        reasons |= bit(REASON_HISTORY_NOT_WRITTEN);
    if (facts->grants == GRANTS_REFUSED)
        reasons |= bit(REASON_EXCESS_REFUSED);
    if (facts->grants == GRANTS_TOLERATED)
        reasons |= bit(REASON_EXCESS_PRIVILEGES);
    if (!facts->inventory)
        return reasons | bit(REASON_NO_INVENTORY);
    if (inventory_count(facts->inventory) == 0)
        reasons |= bit(REASON_EMPTY_POOL);
    if (facts->inventory_age_ms > STALE_AFTER_POLLS * facts->poll_interval_ms)
        reasons |= bit(REASON_STALE);
    if (minority(facts))
        reasons |= bit(REASON_MINORITY);
    return reasons;
}

/* A lock that forbids a proof or a stop. A migration is waited for by the fence itself, within its deadline.
 */
static reason_set lock_reasons(const char *lock)
{
    if (!lock || !*lock || !strcmp(lock, "migrate"))
        return 0;
    if (!strcmp(lock, "suspended") || !strcmp(lock, "suspending"))
        return bit(REASON_SUSPENDED);
    return bit(REASON_LOCKED);
}

static reason_set ha_reasons(const char *state)
{
    enum error_code code = step_ha_hopeless(state);

    return bit(code == ERROR_HA_ERROR      ? REASON_HA_ERROR
               : code == ERROR_HA_FROZEN   ? REASON_HA_FROZEN
               : code == ERROR_HA_UNSERVED ? REASON_HA_UNSERVED
                                           : REASON_HA_MANAGED);
}

reason_set readiness_guest(const struct readiness_facts *facts, const struct guest *guest)
{
    reason_set reasons = readiness_overall(facts);

    if (!guest->may_power || !guest->may_audit)
        reasons |= bit(REASON_NO_POWER_RIGHT);
    if (guest->template)
        reasons |= bit(REASON_TEMPLATE);
    reasons |= lock_reasons(guest->lock);
    if (guest->hastate)
        reasons |= ha_reasons(guest->hastate);
    if (facts->inventory && guest->node && !inventory_node_online(facts->inventory, guest->node))
        reasons |= bit(REASON_NODE_OFFLINE);
    if (facts->inventory && inventory_name_ambiguous(facts->inventory, guest))
        reasons |= bit(REASON_AMBIGUOUS_NAME);
    return reasons;
}

/* The enum's order is the order of gravity within a severity; no session, before all, explains most others.
 */
enum reason readiness_worst(reason_set reasons)
{
    enum reason worst = REASON_COUNT;

    for (enum reason r = 0; r < REASON_COUNT; r++) {
        if ((reasons & bit(r)) && (worst == REASON_COUNT || rows[r].severity > rows[worst].severity))
            worst = r;
    }
    return worst;
}

enum verdict readiness_verdict(reason_set reasons)
{
    enum reason worst = readiness_worst(reasons);

    return worst == REASON_COUNT ? VERDICT_READY : rows[worst].severity;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"ready", "degraded", "blocked"};

    return (size_t)verdict < ARRAY_LEN(names) ? names[verdict] : "unknown";
}

static const struct reason_row *row(enum reason reason)
{
    static const struct reason_row none = {"unknown", VERDICT_BLOCKED, "unknown reason", ""};

    return (size_t)reason < ARRAY_LEN(rows) ? &rows[reason] : &none;
}

const char *reason_name(enum reason reason)
{
    return row(reason)->name;
}

const char *reason_message(enum reason reason)
{
    return row(reason)->message;
}

const char *reason_hint(enum reason reason)
{
    return row(reason)->hint;
}

enum verdict reason_severity(enum reason reason)
{
    return row(reason)->severity;
}
