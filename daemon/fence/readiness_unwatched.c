/*
 * What a dead host means, and what one would mean, told beforehand: would a fence of this guest succeed if
 * its host died now? Only where Proxmox HA watches that host (dead_hosts). Each word of that room has its
 * cause and its way out here.
 */
#include "fence/readiness.h"

#include "system/cleanup.h"

static const struct error of_option = {
    .code = ERROR_NODE_OFFLINE,
    .message = "dead-host = fail",
};

/* By what is missing for a host that is online. */
static const struct error of_host[] = {
    [DEAD_HOSTS_HA_NOT_READ] = {.code = ERROR_NODE_OFFLINE,
                                .message = "the state of Proxmox HA cannot be read",
                                .hint = "dead-host = trust-ha takes Sys.Audit on / without propagation: "
                                        "`/usr/sbin/fence_broker permissions`"},
    [DEAD_HOSTS_DISARMED] = {.code = ERROR_NODE_OFFLINE,
                             .message = "Proxmox HA is disarmed",
                             .hint = "on a Proxmox host: `ha-manager crm-command arm-ha`"},
    [DEAD_HOSTS_UNWATCHED] = {.code = ERROR_NODE_OFFLINE,
                              .message = "no guest of Proxmox HA runs on its host, so HA does not watch it",
                              .hint = "keep a guest on that host that HA runs, whoever's it is: `ha-manager "
                                      "add vm:VMID --state started`, and a rule of HA's that holds it there"},
    [DEAD_HOSTS_SHORTLY] = {.code = ERROR_NODE_OFFLINE,
                            .message = "Proxmox HA has watched its host for less than 30 s",
                            .hint = "wait"},
};

static const struct error not_known = {
    .code = ERROR_NODE_OFFLINE,
    .message = "Proxmox HA and the hosts were not looked at for long enough yet",
    .hint = "wait; if it does not end, see `journalctl -u fence-broker`",
};

bool readiness_host_fenced(const struct readiness_facts *facts, const char *node)
{
    return facts->dead_hosts &&
           dead_hosts_ask(facts->dead_hosts, node, facts->boottime_ms).state == DEAD_HOSTS_FENCED;
}

const struct error *readiness_unwatched(const struct readiness_facts *facts, const struct guest *guest)
{
    if (guest->template || !guest->node || !facts->inventory ||
        (!inventory_node_online(facts->inventory, guest->node) &&
         !inventory_node_unknown(facts->inventory, guest->node)))
        return NULL;
    if (facts->dead_host_fails)
        return &of_option;
    if (!facts->dead_hosts)
        return NULL;
    struct dead_hosts_answer host = dead_hosts_ask(facts->dead_hosts, guest->node, facts->boottime_ms);
    if (host.watched || host.state == DEAD_HOSTS_OFFLINE || host.state == DEAD_HOSTS_FENCED)
        return NULL;
    if ((size_t)host.missing < ARRAY_LEN(of_host) && of_host[host.missing].code != ERROR_NONE)
        return &of_host[host.missing];
    return &not_known;
}
