/*
 * The table of reasons: each with its word, how grave it is, how soon it is told, what it means, and the way
 * out. Some words have two rows: the same thing, once so that a fence would fail, once so that it works.
 */
#include "fence/readiness.h"

#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

static reason_set bit(enum reason reason)
{
    return (reason_set)1 << reason;
}

static const struct reason_row {
    const char *name;
    enum verdict severity;
    const char *seen; /* the longest time until it is told, if Proxmox answers */
    const char *message;
    const char *hint;
} rows[REASON_COUNT] = {
    [REASON_CLOCK_WRONG] = {"clock-wrong", VERDICT_BLOCKED, "2 polls",
                            "the clock of this machine (or of a Proxmox host) is wrong: a certificate is not "
                            "yet valid, and no endpoint is left",
                            "see `timedatectl` here and on the Proxmox hosts"},
    [REASON_NO_ENDPOINT] = {"no-endpoint", VERDICT_BLOCKED, "2 polls", "no Proxmox endpoint answers",
                            "see the endpoints in `/usr/sbin/fence_broker status`; try one with "
                            "`curl -k https://HOST:8006/api2/json/version` (401 is a good sign)"},
    [REASON_NO_SESSION] = {"no-session", VERDICT_BLOCKED, "2 polls",
                           "Proxmox has not accepted the broker's credentials (yet)",
                           "see `journalctl -u fence-broker`; check token-id (or user) and the secret file"},
    [REASON_NO_INVENTORY] = {"no-inventory", VERDICT_BLOCKED, "1 poll",
                             "the guests of the pool are not known yet",
                             "wait for the first poll; if it does not end, see `journalctl -u fence-broker`"},
    [REASON_EMPTY_POOL] = {"empty-pool", VERDICT_BLOCKED, "2 polls",
                           "the pool has no guest that the broker can see",
                           "on a Proxmox host: `pveum pool modify POOL --vms VMID,…`, and grant the broker's "
                           "role on /pool/POOL (to the user and to its token)"},
    [REASON_STALE] = {"stale", VERDICT_BLOCKED, "4 polls",
                      "the last polls have failed, so nothing is known for sure",
                      "see the last poll's error in `/usr/sbin/fence_broker status`"},
    [REASON_MINORITY] = {"minority", VERDICT_BLOCKED, "2 polls",
                         "too few Proxmox hosts are online to prove that a guest is off",
                         "on a Proxmox host: `pvecm status`; two hosts with a QDevice: min-online-nodes = 1"},
    [REASON_EXCESS_REFUSED] = {"excess-privileges", VERDICT_BLOCKED, "2 polls",
                               "the broker's identity holds more than fencing needs, and is not accepted",
                               "`/usr/sbin/fence_broker permissions` shows the lines that fix it; to use it "
                               "anyway: least-privilege = warn"},
    [REASON_WRONG_GUEST] =
        {"wrong-guest", VERDICT_BLOCKED, "2 checks",
         "the name of this node leads to it, and this node is another guest: a fence would hit the wrong one",
         "name the right one in fence-broker.conf, [nodes]: NODE = VMID (`cat "
         "/sys/class/dmi/id/product_uuid` here, smbios1 in `qm config VMID` there)"},
    [REASON_NAME_MOVED] = {"name-moved", VERDICT_BLOCKED, "2 polls",
                           "a guest was renamed in Proxmox, and a name leads to another guest than before: a "
                           "fence by that name is refused",
                           "say in fence-broker.conf, [nodes], which guest is meant: NODE = VMID"},
    [REASON_AMBIGUOUS_NAME] = {"ambiguous-name", VERDICT_BLOCKED, "2 polls",
                               "another guest of the pool has the same name: a fence by that name is refused",
                               "rename one (`qm set VMID --name NAME`), or name it in [nodes]"},
    [REASON_NO_POWER_RIGHT] =
        {"no-power-right", VERDICT_BLOCKED, "2 polls",
         "Proxmox does not grant VM.PowerMgmt and VM.Audit on the guest",
         "on a Proxmox host: `pveum acl modify /pool/POOL --roles ROLE --users USER@REALM` (and "
         "--tokens for a token with privilege separation)"},
    [REASON_TEMPLATE] = {"template", VERDICT_BLOCKED, "2 polls", "it is a template and never runs",
                         "take it out of the pool: `pveum pool modify POOL --vms VMID --delete 1`"},
    [REASON_SUSPENDED] =
        {"suspended", VERDICT_BLOCKED, "2 polls", "it is suspended: a start would resume its old memory",
         "resume it (`qm resume VMID`) or discard its state: `qm unlock VMID; qm stop VMID`"},
    [REASON_LOCKED] =
        {"locked", VERDICT_BLOCKED, "2 polls", "Proxmox refuses power calls while the guest is locked",
         "wait for the task that holds the lock; a stale lock: `qm unlock VMID` (`pct unlock VMID`)"},
    [REASON_NODE_OFFLINE] = {"node-offline", VERDICT_BLOCKED, "2 polls", "its Proxmox host is offline",
                             "bring the host back, or move the guest's configuration to another one"},
    [REASON_HOST_SILENT] =
        {"host-silent", VERDICT_BLOCKED, "2 polls", "its Proxmox host does not answer for it",
         "on that host: `systemctl status pveproxy pvedaemon`, `qm status VMID --verbose`"},
    [REASON_HA_ERROR] =
        {"ha-error", VERDICT_BLOCKED, "2 polls", "its HA service is in the state error",
         "`ha-manager set vm:VMID --state disabled`, then `--state started` (ct:VMID for containers)"},
    [REASON_HA_FROZEN] = {"ha-frozen", VERDICT_BLOCKED, "2 polls",
                          "its HA service is frozen: requests would be lost",
                          "wait until pve-ha-lrm of its host is back: `ha-manager status`"},
    [REASON_HA_UNSERVED] = {"ha-unserved", VERDICT_BLOCKED, "2 polls",
                            "no HA manager serves it: requests would be lost",
                            "on the Proxmox hosts: `systemctl status pve-ha-crm pve-ha-lrm`"},
    [REASON_UNPROVEN] =
        {"unproven", VERDICT_BLOCKED, "2 checks",
         "a process of it may have survived a stop: its network devices still exist on its host, or a failed "
         "fence may have killed it and nothing shows whether one survived",
         "on its host, check that none is left (`ps -eo pid,stat,args | grep -e 'kvm -id VMID ' -e '[[]kvm]' "
         "-e '[[]qemu-system'`; in brackets: killed, of whatever guest), then start it (or stop and start "
         "it): `qm start VMID` (`pct start VMID` for a container)"},
    [REASON_REHEARSAL_FAILED] = {"rehearsal-failed", VERDICT_BLOCKED, "2 rehearsals",
                                 "a rehearsed stop would not have been carried out",
                                 "see the cause; to try it now: `/usr/sbin/fence_broker rehearse VMID`"},
    [REASON_OLD_EVIDENCE] = {"stale", VERDICT_DEGRADED, "4 checks or rehearsals",
                             "the last reading of it is too old to rely on",
                             "see `/usr/sbin/fence_broker status`, and `journalctl -u fence-broker`"},
    [REASON_NO_EVIDENCE] = {"no-evidence", VERDICT_DEGRADED, "1 poll",
                            "not everything that a fence needs has been tried since the daemon started (or "
                            "since the guest came to its host)",
                            "wait for the next check and the next rehearsal"},
    [REASON_REHEARSAL_UNSAFE] =
        {"rehearsal-unsafe", VERDICT_DEGRADED, "at once",
         "Proxmox carried out a rehearsal as a real stop: there are no more rehearsals",
         "see `journalctl -u fence-broker`, and report it"},
    [REASON_HA_MANAGED] =
        {"ha-managed", VERDICT_DEGRADED, "2 polls",
         "Proxmox HA stops and starts it: a fence takes up to 95 s, or 180 s if its host died",
         "give Pacemaker that time (pcmk_off_timeout), or take the guest out of Proxmox HA: `ha-manager "
         "remove vm:VMID`"},
    [REASON_HOST_FENCED] = {"host-fenced", VERDICT_DEGRADED, "2 polls",
                            "its Proxmox host was fenced by Proxmox HA: a fence of it succeeds at once, and "
                            "nothing starts it there",
                            "bring the host back, or move the guest's configuration to another one"},
    [REASON_NODE_MAINTENANCE] = {"node-maintenance", VERDICT_DEGRADED, "2 polls",
                                 "its Proxmox host is in maintenance mode: the host may go down soon",
                                 "on a Proxmox host: `ha-manager crm-command node-maintenance disable NODE`"},
    [REASON_NODE_UNKNOWN] =
        {"node-unknown", VERDICT_DEGRADED, "2 polls",
         "pvestatd on its Proxmox host has reported nothing for five minutes: Proxmox calls the host unknown",
         "on that host: `systemctl restart pvestatd`; if it hangs again: `pvesm status` "
         "names the storage that does not answer"},
    [REASON_HOST_SLOW] =
        {"host-slow", VERDICT_DEGRADED, "2 checks",
         "reading its status took 2 s or more: a fence takes longer",
         "look at the load and the storage of its host; a hung QEMU (`qm monitor VMID`) answers after 3 s"},
    [REASON_PROXMOX_SLOW] =
        {"proxmox-slow", VERDICT_DEGRADED, "4 polls",
         "Proxmox answers polls with errors, or much slower than it did: it is asked more seldom, and what "
         "changes is told later",
         "look at the load of the endpoints, and there at `journalctl -u pveproxy -u pvedaemon -u "
         "pve-cluster`"},
    [REASON_HOOKSCRIPT] =
        {"hookscript", VERDICT_DEGRADED, "6 checks",
         "it has a hookscript, which runs while it is stopped and started, and can delay or fail both",
         "if it is not needed: `qm set VMID --delete hookscript` (`pct set` for containers)"},
    [REASON_NO_NIC] = {"no-nic", VERDICT_DEGRADED, "6 checks",
                       "it has no network device of Proxmox: a stop that has to kill it cannot be proven",
                       "give it one (`qm set VMID --net0 virtio,bridge=vmbr0`); it need not be used"},
    [REASON_MIGRATING] =
        {"locked", VERDICT_DEGRADED, "2 polls",
         "it is being migrated: a fence waits for the migration to end, within its deadline",
         "wait for the migration; one that hangs: `qm unlock VMID` (`pct unlock VMID`) after its task "
         "has ended"},
    [REASON_EXCESS_PRIVILEGES] = {"excess-privileges", VERDICT_DEGRADED, "2 polls",
                                  "the broker's identity holds more than fencing needs",
                                  "`/usr/sbin/fence_broker permissions` shows the lines that fix it"},
    [REASON_MOVED_ALIASED] = {"name-moved", VERDICT_DEGRADED, "2 polls",
                              "a guest was renamed in Proxmox, and a name leads to another guest than "
                              "before: only VMID and aliases work",
                              "say in fence-broker.conf, [nodes], which guest is meant: NODE = VMID"},
    [REASON_AMBIGUOUS_ALIASED] = {"ambiguous-name", VERDICT_DEGRADED, "2 polls",
                                  "another guest of the pool has the same name: only VMID and aliases work",
                                  "rename one (`qm set VMID --name NAME`), or name it in [nodes]"},
    [REASON_ONE_ENDPOINT] = {"one-endpoint", VERDICT_DEGRADED, "2 polls",
                             "only one Proxmox endpoint answers: if it fails, fencing fails",
                             "fix the others, or add `endpoint = HOST` lines to the configuration"},
    [REASON_CLOCK_DOUBTED] =
        {"clock-wrong", VERDICT_DEGRADED, "2 polls",
         "the clock of this machine (or of a Proxmox host) is wrong: a certificate is not yet valid",
         "see `timedatectl` here and on the Proxmox hosts"},
    [REASON_CERTIFICATE_EXPIRES] =
        {"certificate-expires", VERDICT_DEGRADED, "2 polls",
         "the certificate of an endpoint expires within 30 days, or has expired",
         "see the endpoints in `/usr/sbin/fence_broker status`; on that host: `pvecm updatecerts --force` "
         "(with fingerprint lines: add the new one, `pvenode cert info`)"},
    [REASON_HISTORY_NOT_WRITTEN] = {"history-not-written", VERDICT_DEGRADED, "1 poll",
                                    "the history cannot be written to disk: a restart would lose it",
                                    "see `df -h /var/lib/fence-broker` and the owner of that directory"},
    [REASON_HOST_UNWATCHED] =
        {"host-unwatched", VERDICT_READY, "2 polls",
         "if its Proxmox host dies, nothing proves it off, and a fence of it fails",
         "a second fencing level for it; or dead-host = trust-ha and a guest of Proxmox HA on each host, see "
         "fence-broker.conf(5)"},
};

reason_set readiness_caveats(reason_set reasons)
{
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        if (rows[r].severity != VERDICT_READY)
            reasons &= ~bit(r);
    }
    return reasons;
}

/* The enum's order is the order of gravity within a severity; no session, before all, explains most others.
 */
enum reason readiness_worst(reason_set reasons)
{
    enum reason worst = REASON_COUNT;

    reasons &= ~readiness_caveats(reasons);
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
    static const struct reason_row none = {"unknown", VERDICT_BLOCKED, "", "unknown reason", ""};

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

const char *reason_seen(enum reason reason)
{
    return row(reason)->seen;
}

const char *reason_documentation(enum reason reason, char buffer[static REASON_DOCUMENTATION_LEN])
{
    snprintf(buffer, REASON_DOCUMENTATION_LEN, "fence_broker(8), REASONS, %s", row(reason)->name);
    return buffer;
}
