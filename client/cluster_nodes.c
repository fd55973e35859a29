/* Does each node of the cluster lead to a guest of its own, and would Pacemaker find a device for it? The
 * broker says whom a name means, Pacemaker's parameters say which name it would use; here the two are held
 * against each other. */
#include "cluster_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONFIGURATION "/etc/fence-broker/fence-broker.conf"

bool cluster_want_names(struct cluster *cluster)
{
    bool good = true;
    for (size_t i = 0; i < cluster->cib.node_count; i++)
        good = good && plugs_want(&cluster->plugs, cluster->cib.nodes[i].name);
    for (size_t d = 0; d < cluster->device_count; d++)
        for (size_t i = 0; i < cluster->devices[d].count; i++) {
            const struct host *host = &cluster->devices[d].list[i];
            good = good && plugs_want(&cluster->plugs, host->plug ? host->plug : host->node);
        }
    return good;
}

/* ---- one node -------------------------------------------------------------------------------------------
 */

/* Is the device for this node, as Pacemaker sees it? */
static bool serves(const struct cluster *cluster, const struct hosts *device, const char *node)
{
    const struct plug *plug;
    switch (device->check) {
    case HOST_CHECK_STATIC:
        return hosts_name(device, node);
    case HOST_CHECK_DYNAMIC:
        plug = plugs_get(&cluster->plugs, hosts_plug(device, node, 0));
        return plug && plug->vmid && plug->listed;
    case HOST_CHECK_ALL:
        return true;
    }
    return false;
}

static const struct hosts *device_for(const struct cluster *cluster, const char *node)
{
    for (size_t i = 0; i < cluster->device_count; i++)
        if (serves(cluster, &cluster->devices[i], node))
            return &cluster->devices[i];
    return NULL;
}

/* The plug that a fence of this node would use. */
static const struct plug *plug_for(const struct cluster *cluster, const char *node, size_t index)
{
    const struct hosts *device = device_for(cluster, node);
    const char *name = device ? hosts_plug(device, node, index) : index == 0 ? node : NULL;
    return name ? plugs_get(&cluster->plugs, name) : NULL;
}

const char *cluster_ha_guest(const struct cluster *cluster)
{
    for (size_t i = 0; cluster->plugs_known && i < cluster->cib.node_count; i++) {
        const struct plug *plug = plug_for(cluster, cluster->cib.nodes[i].name, 0);
        if (plug && plug->vmid && plug->ha)
            return plug->guest;
    }
    return NULL;
}

static void say_nowhere(struct cluster *cluster, const char *node, const struct plug *plug)
{
    bool mapped = strcasecmp(node, plug->name) != 0;
    findings_add(cluster->findings, FINDING_FAILURE, "the node %s cannot be fenced: %s%s%s%s", node,
                 mapped ? "pcmk_host_map makes it " : "", mapped ? plug->name : "", mapped ? ", and " : "",
                 plug->message);
    findings_hint(cluster->findings, "%s; or name it in fence-broker.conf, under [nodes]: `%s = VMID`",
                  plug->hint, node);
}

/* No device of ours is for it. */
static void say_unserved(struct cluster *cluster, const char *node)
{
    const struct plug *plug = plugs_get(&cluster->plugs, node);
    const struct hosts *device = &cluster->devices[0];
    if (device->check == HOST_CHECK_DYNAMIC && plug && plug->vmid) {
        findings_add(
            cluster->findings, FINDING_FAILURE,
            "Pacemaker finds no device for the node %s: the broker knows it (guest %s, %s), but not by "
            "this very name",
            node, plug->vmid, plug->guest);
        findings_hint(cluster->findings,
                      "on every node, under [nodes] in fence-broker.conf: `%s = %s` (this line does it), "
                      "then `systemctl reload "
                      "fence-broker`",
                      node, plug->vmid);
        findings_paste(cluster->findings,
                       "grep -q '^\\[nodes\\]' " CONFIGURATION " || echo '[nodes]' >>" CONFIGURATION
                       "; sed -i '/^\\[nodes\\]/a %s = %s' " CONFIGURATION,
                       node, plug->vmid);
        return;
    }
    if (device->check == HOST_CHECK_DYNAMIC) {
        if (plug && plug->message)
            say_nowhere(cluster, node, plug);
        return;
    }
    findings_add(cluster->findings, FINDING_FAILURE,
                 "Pacemaker finds no device for the node %s: it is not in the list of %s", node,
                 device->device->id);
    findings_hint(
        cluster->findings,
        "without pcmk_host_map and pcmk_host_list the device finds its nodes by itself; or add it:");
    findings_paste(cluster->findings,
                   "crm_resource --resource %s --delete-parameter pcmk_host_list; crm_resource --resource %s "
                   "--delete-parameter pcmk_host_map",
                   device->device->id, device->device->id);
}

/* Its own name and its plug are names of two guests: whoever asks by the other one hits another machine. A
 * node of several guests may be called like one of them. */
static void compare_names(struct cluster *cluster, const char *node)
{
    const struct plug *own = plugs_get(&cluster->plugs, node), *plug, *other = NULL;
    for (size_t i = 0; own && own->vmid && (plug = plug_for(cluster, node, i)); i++) {
        if (strcmp(own->vmid, plug->vmid) == 0)
            return;
        other = plug;
    }
    if (!other)
        return;
    findings_add(
        cluster->findings, FINDING_FAILURE,
        "the node %s is two guests: pcmk_host_map makes it %s, which is guest %s (%s), and to the broker "
        "%s is guest %s (%s)",
        node, other->name, other->vmid, other->guest, node, own->vmid, own->guest);
    findings_hint(
        cluster->findings,
        "see on that node which one it is (`cat /sys/class/dmi/id/product_uuid`; in Proxmox `qm config "
        "VMID`), then mend pcmk_host_map, or [nodes] in fence-broker.conf");
}

/* True if it can be fenced. */
static bool judge_node(struct cluster *cluster, const char *node)
{
    const struct plug *plug;
    if (!device_for(cluster, node)) {
        if (cluster->others == 0 && cluster->device_count > 0)
            say_unserved(cluster, node);
        return false;
    }
    for (size_t i = 0; (plug = plug_for(cluster, node, i)); i++) {
        if (!plug->vmid) {
            say_nowhere(cluster, node, plug);
            return false;
        }
    }
    compare_names(cluster, node);
    return true;
}

/* ---- all of them ----------------------------------------------------------------------------------------
 */

static void compare_nodes(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    for (size_t a = 0; a < cib->node_count; a++) {
        const struct plug *first = plug_for(cluster, cib->nodes[a].name, 0);
        for (size_t b = a + 1; first && first->vmid && b < cib->node_count; b++) {
            const struct plug *second = plug_for(cluster, cib->nodes[b].name, 0);
            if (!second || !second->vmid || strcmp(first->vmid, second->vmid) != 0)
                continue;
            findings_add(
                cluster->findings, FINDING_FAILURE,
                "the nodes %s and %s are one guest: %s (%s); who fences one of them powers off the other",
                cib->nodes[a].name, cib->nodes[b].name, first->vmid, first->guest);
            findings_hint(cluster->findings,
                          "mend pcmk_host_map, or [nodes] in fence-broker.conf: `/usr/sbin/fence_broker "
                          "targets` shows the guests");
        }
    }
}

/* Entries of the map that are for no node of this cluster: typing errors, mostly. */
static void judge_strangers(struct cluster *cluster, const struct hosts *device)
{
    for (size_t i = 0; i < device->count; i++) {
        const char *name = device->list[i].node;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= strcasecmp(device->list[k].node, name) == 0;
        if (again || cib_node(&cluster->cib, name))
            continue;
        findings_add(cluster->findings, FINDING_WARNING, "%s names %s, which is no node of this cluster",
                     device->device->id, name);
        findings_hint(cluster->findings, "compare pcmk_host_map and pcmk_host_list with `crm_node --list`");
    }
}

void cluster_judge_nodes(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    size_t fenced = 0;
    for (size_t i = 0; i < cib->node_count; i++)
        fenced += judge_node(cluster, cib->nodes[i].name);
    compare_nodes(cluster);
    for (size_t i = 0; i < cluster->device_count; i++)
        judge_strangers(cluster, &cluster->devices[i]);
    if (cluster->device_count > 0)
        findings_add(cluster->findings, FINDING_OK,
                     "%zu of the cluster's %zu nodes lead to a guest of the pool%s", fenced, cib->node_count,
                     cluster->others ? "; devices of other agents may fence the rest" : "");
}
