/* The names that a fence of each node would use, by each device that may be for it: what Pacemaker passes on,
 * cut as the agent cuts it. Whom they lead to, the broker says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cluster_private.h"
#include "admin/heap.h"

static void add_target(struct cluster *cluster, const struct cluster_target *like, const char *plug)
{
    struct cluster_target *target = heap_add(cluster->targets, cluster->target_count);
    *target = *like;
    target->plug = plug;
    plugs_want(&cluster->plugs, plug);
}

/* Several plugs; the agent refuses an empty one among them, so then they are asked for as a whole, which is
 * nobody. */
static void add_several(struct cluster *cluster, const struct cluster_target *like, char *plugs,
                        const char *separator)
{
    size_t width = strlen(separator), length = strlen(plugs);
    const char *empty = heap_printf("%s%s", separator, separator);
    bool cut = width > 0 && !strstr(plugs, empty) && strncmp(plugs, separator, width) != 0 &&
               (length < width || strcmp(plugs + length - width, separator) != 0);
    for (char *at = plugs, *end; at; at = end ? end + width : NULL) {
        end = cut ? strstr(at, separator) : NULL;
        if (end)
            *end = '\0';
        add_target(cluster, like, at);
    }
}

static void add_device(struct cluster *cluster, const struct cib_node *node, const struct hosts *device)
{
    struct cluster_target target = {.node = node, .device = device};
    char *plugs = heap_copy(hosts_plug(device, node->name, &target.source));
    plugs_want(&cluster->plugs, hosts_alias(device, node->name));
    add_several(cluster, &target, plugs, hosts_separator(device));
}

void cluster_want_names(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->cib.node_count; i++) {
        const struct cib_node *node = &cluster->cib.nodes[i];
        plugs_want(&cluster->plugs, node->name);
        for (size_t d = 0; d < cluster->device_count; d++) {
            const struct hosts *device = cluster->devices[d];
            if (device->check != HOST_CHECK_STATIC || hosts_name(device, node->name))
                add_device(cluster, node, device);
        }
    }
}

bool cluster_serves(const struct cluster *cluster, const struct hosts *device, const char *node)
{
    const struct plug *plug;
    switch (device->check) {
    case HOST_CHECK_STATIC:
        return hosts_name(device, node);
    case HOST_CHECK_DYNAMIC:
        plug = plugs_get(&cluster->plugs, hosts_alias(device, node));
        return plug && plug->vmid && plug->listed;
    case HOST_CHECK_ALL:
        return true;
    }
    return false;
}

const struct plug *cluster_plug(const struct cluster *cluster, const struct cluster_target *target)
{
    return plugs_get(&cluster->plugs, target->plug);
}

const char *cluster_ha_guest(const struct cluster *cluster)
{
    for (size_t i = 0; cluster->plugs_known && i < cluster->target_count; i++) {
        const struct plug *plug = cluster_plug(cluster, &cluster->targets[i]);
        if (plug && plug->vmid && plug->ha)
            return plug->guest;
    }
    return NULL;
}
