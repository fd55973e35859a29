/* The cluster's nodes: which guest each is, by all devices of fence_pve that are in use, and how long a fence
 * of it waits. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/hosts.h"
#include "system/cleanup.h"

long long migrate_seconds(long long ms)
{
    return (ms + 999) / 1000;
}

/* ---- delays ---------------------------------------------------------------------------------------------
 */

long long migrate_delay_base(const struct migrate *migrate, const struct migrate_device *device,
                             const char *node)
{
    return hosts_delay_base(&migrate->cib, device->view, node);
}

static void take_delays(struct migrate *migrate, struct migrate_node *node)
{
    node->base_ms = migrate_delay_base(migrate, node->device, node->name);
    node->max_ms = cib_milliseconds(migrate_parameter(node->device, "pcmk_delay_max"));
    node->agent_ms = cib_milliseconds(migrate_value(node->device, "delay"));
}

/* ---- guests ---------------------------------------------------------------------------------------------
 */

static void add_candidate(struct migrate_node *node, long vmid)
{
    for (size_t i = 0; i < node->candidate_count; i++)
        if (node->candidates[i] == vmid)
            return;
    if (node->candidate_count < MIGRATE_PLUGS_MOST)
        node->candidates[node->candidate_count++] = vmid;
}

static const struct migrate_target *target_of(const struct migrate_device *device, const char *node)
{
    for (size_t i = 0; i < device->target_count; i++)
        if (strcasecmp(device->targets[i].node, node) == 0)
            return &device->targets[i];
    return NULL;
}

static void take_node(struct migrate *migrate, struct migrate_node *node)
{
    bool conflict = false;
    for (size_t i = 0; i < migrate->used_count; i++) {
        const struct migrate_device *device = migrate->used[i];
        const struct migrate_target *target = target_of(device, node->name);
        if (!target)
            continue;
        node->device = node->device ? node->device : device;
        for (size_t v = 0; v < target->vmid_count; v++)
            add_candidate(node, target->vmids[v]);
        node->several |= target->vmid_count > 1;
        conflict |= target->likely && target->vmid_count; /* a static one, which beats the map */
        node->likely = node->likely ? node->likely : target->likely;
        if (!target->vmid_count && !target->likely)
            node->lookup =
                target->sent && target->sent[strspn(target->sent, "0123456789")] ? target->sent : node->name;
    }
    if (node->candidate_count == 1 && !conflict && !node->several)
        node->vmid = node->candidates[0];
    if (node->vmid || node->likely)
        node->lookup = NULL;
    if (node->vmid)
        node->likely = 0;
    if (node->device)
        take_delays(migrate, node);
}

/* Two nodes are not one guest of one Proxmox cluster. */
static void part_twins(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->node_count; i++) {
        bool twin = false;
        struct migrate_node *node = &migrate->nodes[i];
        for (size_t j = i + 1; node->vmid && j < migrate->node_count; j++) {
            struct migrate_node *other = &migrate->nodes[j];
            const char *here = node->device->endpoint.value,
                       *there = other->vmid ? other->device->endpoint.value : NULL;
            if (other->vmid != node->vmid || !here || !there || strcmp(here, there) != 0)
                continue;
            other->vmid = 0;
            twin = true;
        }
        if (twin)
            node->vmid = 0;
    }
}

void migrate_nodes(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->cib.node_count; i++) {
        struct migrate_node *node = heap_add(migrate->nodes, migrate->node_count);
        *node = (struct migrate_node){
            .name = migrate->cib.nodes[i].name, .base_ms = -1, .agent_ms = -1, .max_ms = -1};
        take_node(migrate, node);
    }
    part_twins(migrate);
}

/* Other agents' own words for whom they are for. */
bool migrate_serves(const struct migrate_device *device, const char *node)
{
    static const char *const lists[] = {"pcmk_host_list", "hostlist", "hostname"};
    const char *map = migrate_parameter(device, "pcmk_host_map");
    bool named = map, found = map && cib_has_word(map, node, ":=,; \t\r\n");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const char *list = migrate_parameter(device, lists[i]);
        named |= list != NULL;
        found |= list && cib_has_word(list, node, ":,; \t\r\n");
    }
    return found || !named;
}
