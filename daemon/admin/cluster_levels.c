/* Nodes whose Proxmox host may die: where nothing proves the guest off then (host-unwatched), somebody else
 * has to fence the node (levels.h), or its services stay down. The ways out, and what each can prove:
 * doc/book/30-levels.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cluster_private.h"
#include "admin/heap.h"
#include "admin/levels.h"
#include "system/cleanup.h"

#define NAMED_MOST 8 /* nodes of one finding; the others are counted */

/* ---- what is said ---------------------------------------------------------------------------------------
 */

/* The first device of ours that is for the node, which is a guest of the broker's; NULL: there is none. */
static const struct cluster_target *target_of(const struct cluster *cluster, const struct cib_node *node)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];
        const struct plug *plug = cluster_plug(cluster, target);
        if (target->node == node && plug && plug->vmid && cluster_serves(cluster, target->device, node->name))
            return target;
    }
    return NULL;
}

/* The whole topology, for crmsh knows no part of it, with these levels more. */
static const char *topology_with(const struct cluster *cluster, const struct cib_level *more, size_t count)
{
    struct cib_levels levels = {.list = NULL};
    struct text out = {0};
    for (size_t i = 0; i < cluster->cib.levels.count; i++)
        cib_levels_add(&levels, cluster->cib.levels.list[i]);
    for (size_t i = 0; i < count; i++)
        cib_levels_add(&levels, more[i]);
    cib_levels_sort(&levels);
    text_puts(&out, "fencing_topology");
    cib_levels_put_crm(&out, &levels, "");
    return heap_text(&out);
}

static void put_word(struct text *out, const char *word)
{
    text_puts(out, " ");
    text_put_word(out, word);
}

/* A device more, and the node's levels with it behind those that it has by its name, or behind ours. */
struct more {
    const char *device;
    const char *pcs;    /* what makes the device */
    const char *crm[2]; /* … in commands of crm configure */
};

static void paste_more(struct cluster *cluster, const struct cluster_target *target, const struct more *more)
{
    const char *node = target->node->name, *ours = target->device->device->id;
    const struct levels levels = levels_of(&cluster->cib, node);
    const long next = levels.by_name ? levels.highest + 1 : 2;
    const struct cib_level added[] = {{.target = node, .index = next, .devices = more->device},
                                      {.target = node, .index = 1, .devices = ours}};
    struct text pcs = {0}, crm = {0};
    text_puts(&pcs, more->pcs);
    for (long index = levels.by_name ? next : 1; index <= next; index++) {
        text_printf(&pcs, " && pcs stonith level add %ld", index);
        put_word(&pcs, node);
        put_word(&pcs, index == next ? more->device : ours);
    }
    text_puts(&crm, "printf '%s\\n'");
    for (size_t i = 0; i < ARRAY_LEN(more->crm) && more->crm[i]; i++)
        put_word(&crm, more->crm[i]);
    if (cluster->cib.levels.section)
        put_word(&crm, "delete fencing_topology");
    put_word(&crm, topology_with(cluster, added, levels.by_name ? 1 : 2));
    text_puts(&crm, " commit | crm configure");
    cluster_paste(cluster, "%s", heap_text(&pcs));
    cluster_paste(cluster, "%s", heap_text(&crm));
}

/* What can be done, for one node. */
static void paste_ways(struct cluster *cluster, const struct cluster_target *target)
{
    static const char parameters[] = "ip=ADDRESS username=USER password=PASSWORD lanplus=1 pcmk_host_list=";
    const char *node = target->node->name;
    const char *property = cib_fencing_name(&cluster->cib, CIB_FENCING_WATCHDOG_TIMEOUT);
    const char *id = heap_printf("bmc-%s", node);
    struct text pcs = {0};
    text_puts(&pcs, "pcs stonith create");
    put_word(&pcs, id);
    text_printf(&pcs, " fence_ipmilan %s", parameters);
    text_put_word(&pcs, node);
    paste_more(cluster, target,
               &(struct more){.device = id,
                              .pcs = heap_text(&pcs),
                              .crm = {heap_printf("primitive %s stonith:fence_ipmilan params %s%s", id,
                                                  parameters, node)}});
    cluster_paste(cluster, "qm set %s --watchdog model=i6300esb,action=reset",
                  cluster_plug(cluster, target)->vmid);
    paste_more(
        cluster, target,
        &(struct more){.device = LEVELS_WATCHDOG,
                       .pcs = heap_printf("pcs property set %s=10 && pcs stonith create " LEVELS_WATCHDOG
                                          " " LEVELS_WATCHDOG_AGENT,
                                          property),
                       .crm = {heap_printf("property %s=10", property),
                               "primitive " LEVELS_WATCHDOG " stonith:" LEVELS_WATCHDOG_AGENT}});
    cluster_paste(cluster, "ha-manager add vm:WITNESS --state started");
}

/* Nodes of one finding. */
struct nodes {
    struct text names;
    size_t count;
    const struct cluster_target *first;
};

static void add(struct nodes *nodes, const struct cluster_target *target)
{
    if (nodes->count < NAMED_MOST)
        text_printf(&nodes->names, "%s%s", nodes->count ? ", " : "", target->node->name);
    if (nodes->count++ == 0)
        nodes->first = target;
}

static const char *names_of(struct nodes *nodes)
{
    if (nodes->count > NAMED_MOST)
        text_printf(&nodes->names, " and %zu more", nodes->count - NAMED_MOST);
    return heap_text(&nodes->names);
}

static void say_alone(struct cluster *cluster, struct nodes *nodes)
{
    cluster_say(cluster, DIAGNOSIS_WARNING,
                "no second fencing level for %s: if its Proxmox host dies, nothing proves it off "
                "(host-unwatched), its fence fails, and its services stay down",
                names_of(nodes));
    cluster_hint(
        cluster,
        "one of three, and /usr/share/doc/fence-broker/book/30-levels.md tells what each can prove: the "
        "BMC of the host as level 2, if the guest never moves; SBD and a watchdog of QEMU, its "
        "property once SBD runs; dead-host = trust-ha and a guest of Proxmox HA on each host. For %s, "
        "by pcs and by crm:",
        nodes->first->node->name);
    paste_ways(cluster, nodes->first);
}

void cluster_judge_levels(struct cluster *cluster)
{
    struct nodes alone = {.count = 0}, helped = {.count = 0};
    for (size_t i = 0; i < cluster->cib.node_count; i++) {
        const struct cib_node *node = &cluster->cib.nodes[i];
        const struct cluster_target *target = target_of(cluster, node);
        if (target && cluster_plug(cluster, target)->unwatched)
            add(levels_of(&cluster->cib, node->name).help ? &helped : &alone, target);
    }
    if (helped.count)
        cluster_say(cluster, DIAGNOSIS_OK, "something else fences %s if its Proxmox host dies",
                    names_of(&helped));
    if (alone.count)
        say_alone(cluster, &alone);
}
