/* Does each node of the cluster lead to a guest of its own, and would Pacemaker find a device for it? The
 * broker says whom a name means, Pacemaker's parameters say which name it would use; here the two are held
 * against each other. */
#include "admin/cluster_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/heap.h"

#define CONFIGURATION "/etc/fence-broker/fence-broker.conf"

/* ---- one node -------------------------------------------------------------------------------------------
 */

/* What makes the node this plug: "pcmk_host_map", or "port of DEVICE"; "" for its own name. */
static const char *source_of(const struct cluster_target *target)
{
    if (target->source && strcmp(target->source, "pcmk_host_map") != 0)
        return heap_printf("%s of %s", target->source, target->device->device->id);
    return target->source ? target->source : "";
}

static void say_nowhere(struct cluster *cluster, const struct cluster_target *target, const struct plug *plug)
{
    const char *node = target->node->name, *source = source_of(target);
    cluster_say(cluster, DIAGNOSIS_FAILURE, "the node %s cannot be fenced: %s%s%s%s%s", node, source,
                *source ? " maps it to " : "", *source ? plug->name : "", *source ? ", and " : "",
                plug->message);
    if (*source)
        cluster_hint(cluster, "%s; or fix %s", plug->hint, source);
    else
        cluster_hint(cluster, "%s; or name it in fence-broker.conf, under [nodes]: `%s = VMID`", plug->hint,
                     node);
}

/* What keeps the device from finding its nodes by itself goes; of that what is set: to delete what is not
 * there fails from Pacemaker 3 on. */
static void paste_deletion(struct cluster *cluster, const struct cib_device *device)
{
    static const char *const names[] = {"pcmk_host_list", "pcmk_host_map", "pcmk_host_check"};
    const char *words = "";
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (cib_parameter(device, names[i]))
            words = heap_printf("%s %s", words, names[i]);
    cluster_paste(cluster, "for name in%s; do crm_resource --resource %s --delete-parameter $name; done",
                  words, device->id);
}

/* No device of ours is for it. */
static void say_unserved(struct cluster *cluster, const struct cib_node *of)
{
    const char *node = of->name;
    const struct plug *plug = plugs_get(&cluster->plugs, node);
    const struct hosts *device = cluster->devices[0];
    if (device->check == HOST_CHECK_DYNAMIC && plug && plug->vmid) {
        cluster_say(cluster, DIAGNOSIS_FAILURE,
                    "Pacemaker finds no device for the node %s: the broker knows it (guest %s, %s), but not "
                    "by exactly this name",
                    node, plug->vmid, plug->guest);
        cluster_hint(cluster,
                     "on every node, name it under [nodes] in fence-broker.conf (%s = %s), and reload; this "
                     "line does both:",
                     node, plug->vmid);
        cluster_paste(cluster,
                      "grep -q '^\\[nodes\\]' " CONFIGURATION " || echo '[nodes]' >>" CONFIGURATION
                      "; sed -i '/^\\[nodes\\]/a %s = %s' " CONFIGURATION "; systemctl reload fence-broker",
                      node, plug->vmid);
        return;
    }
    if (device->check == HOST_CHECK_DYNAMIC) {
        if (plug && plug->message)
            say_nowhere(cluster, &(struct cluster_target){.node = of, .device = device}, plug);
        return;
    }
    cluster_say(cluster, DIAGNOSIS_FAILURE,
                "Pacemaker finds no device for the node %s: it is not in the list of %s", node,
                device->device->id);
    cluster_hint(cluster,
                 "without pcmk_host_map and pcmk_host_list the device finds its nodes by itself; or add it:");
    paste_deletion(cluster, device->device);
}

/* The targets [first, end) are of one node and one device. Its own name and its plug are names of two guests:
 * whoever asks by the other one hits another machine. A node of several guests may be called like one of
 * them. */
static bool compare_names(struct cluster *cluster, const struct cluster_target *first,
                          const struct cluster_target *end)
{
    const char *node = first->node->name;
    const struct plug *own = plugs_get(&cluster->plugs, node), *other = NULL;
    for (const struct cluster_target *target = first; own && own->vmid && target < end; target++) {
        other = cluster_plug(cluster, target);
        if (strcmp(own->vmid, other->vmid) == 0)
            return true;
    }
    if (!other)
        return true;
    const char *source = source_of(first);
    cluster_say(cluster, DIAGNOSIS_FAILURE,
                "the node %s leads to two guests: %s maps it to %s, which is guest %s (%s), but to the "
                "broker %s is guest %s (%s)",
                node, source, other->name, other->vmid, other->guest, node, own->vmid, own->guest);
    cluster_hint(cluster,
                 "check on that node which one it is (`cat /sys/class/dmi/id/product_uuid`; in Proxmox `qm "
                 "config VMID`), then fix %s, or [nodes] in fence-broker.conf",
                 source);
    return false;
}

/* The targets [first, end) of one device for its node: does each lead to a guest, and to the right one? */
static bool judge_targets(struct cluster *cluster, const struct cluster_target *first,
                          const struct cluster_target *end)
{
    for (const struct cluster_target *target = first; target < end; target++) {
        const struct plug *plug = cluster_plug(cluster, target);
        if (!plug->vmid) {
            say_nowhere(cluster, target, plug);
            return false;
        }
    }
    return compare_names(cluster, first, end);
}

/* All targets of one node begin at `*at`, which moves on. True if it can be fenced, whichever device
 * Pacemaker takes. The first device that errs is told. */
static bool judge_node(struct cluster *cluster, const struct cib_node *node, size_t *at)
{
    const struct cluster_target *all = cluster->targets;
    bool served = false, good = true;
    while (*at < cluster->target_count && all[*at].node == node) {
        const struct cluster_target *first = &all[*at];
        for (; *at < cluster->target_count && all[*at].node == node && all[*at].device == first->device;)
            ++*at;
        if (!cluster_serves(cluster, first->device, node->name))
            continue;
        served = true;
        good = good && judge_targets(cluster, first, &all[*at]);
    }
    if (!served && cluster->others == 0 && cluster->device_count > 0)
        say_unserved(cluster, node);
    return served && good;
}

/* ---- all of them ----------------------------------------------------------------------------------------
 */

/* A guest, and a node that a fence would take for it. */
struct claim {
    const struct plug *plug;
    const struct cib_node *node;
};

static int compare_claims(const void *a, const void *b)
{
    const struct claim *first = a, *second = b;
    int order = strcmp(first->plug->vmid, second->plug->vmid);
    return order ? order : (first->node > second->node) - (first->node < second->node);
}

static void add_claim(struct claim **claims, size_t *count, const struct plug *plug,
                      const struct cib_node *node)
{
    if (plug && plug->vmid)
        *heap_add(*claims, *count) = (struct claim){plug, node};
}

/* True if no two nodes are one guest. */
static bool compare_nodes(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    size_t count = 0;
    bool good = true;
    struct claim *claims = NULL;
    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];
        if (cluster_serves(cluster, target->device, target->node->name))
            add_claim(&claims, &count, cluster_plug(cluster, target), target->node);
    }
    for (size_t i = 0; cluster->device_count == 0 && i < cib->node_count; i++)
        add_claim(&claims, &count, plugs_get(&cluster->plugs, cib->nodes[i].name), &cib->nodes[i]);
    if (count)
        qsort(claims, count, sizeof(*claims), compare_claims);
    for (size_t i = 1; i < count; i++) {
        const struct claim *first = &claims[i - 1], *second = &claims[i];
        if (first->node == second->node || strcmp(first->plug->vmid, second->plug->vmid) != 0)
            continue;
        good = false;
        cluster_say(cluster, DIAGNOSIS_FAILURE,
                    "the nodes %s and %s are one guest: %s (%s); fencing one of them powers off the other",
                    first->node->name, second->node->name, first->plug->vmid, first->plug->guest);
        cluster_hint(cluster, "fix pcmk_host_map (or plug and port of the devices), or [nodes] in "
                              "fence-broker.conf: `/usr/sbin/fence_broker targets` shows the guests");
    }
    return good;
}

void cluster_judge_nodes(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    size_t fenced = 0, at = 0;
    bool good = true;
    for (size_t i = 0; i < cluster->device_count; i++)
        good = good && !cluster->devices[i]->commas;
    for (size_t i = 0; i < cib->node_count; i++)
        fenced += judge_node(cluster, &cib->nodes[i], &at);
    good = compare_nodes(cluster) && good;
    /* what is not fine was told node by node */
    if (good && cluster->device_count > 0 && (fenced == cib->node_count || (fenced > 0 && cluster->others)))
        cluster_say(cluster, DIAGNOSIS_OK, "%zu of the cluster's %zu nodes lead to a guest of the pool%s",
                    fenced, cib->node_count, cluster->others ? "; other devices may fence the rest" : "");
}
