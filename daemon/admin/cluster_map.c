/* Is what the device says about nodes and plugs what Pacemaker and the agent make of it? Each finding about
 * the map has the line with the map as it should be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/cluster_private.h"
#include "admin/heap.h"

/* The map that was read, as it should be written; NULL: not to be put into a line for a shell. */
static const char *write_map(const struct hosts *device)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;_-";
    struct text out = {0};
    for (size_t i = 0; i < device->count; i++)
        if (device->list[i].plug)
            text_printf(&out, "%s%s:%s", out.length ? ";" : "", device->list[i].node, device->list[i].plug);
    const char *map = heap_text(&out);
    return map[strspn(map, plain)] ? NULL : map;
}

static void paste_map(struct cluster *cluster, const struct hosts *device)
{
    const char *map = write_map(device);
    cluster_hint(cluster, map ? "on one node of the cluster:" : "rewrite it, as in n1:101;n2:102");
    if (map)
        cluster_paste(cluster,
                      "crm_resource --resource %s --set-parameter pcmk_host_map --parameter-value '%s'",
                      device->device->id, map);
}

/* Entries that are for no node of this cluster: typing errors, mostly. */
static void judge_strangers(struct cluster *cluster, const struct hosts *device)
{
    for (size_t i = 0; i < device->count; i++) {
        const char *name = device->list[i].node;
        if (cib_node(&cluster->cib, name))
            continue;
        cluster_say(cluster, DIAGNOSIS_WARNING, "%s names %s, which is no node of this cluster",
                    device->device->id, name);
        cluster_hint(cluster, "compare pcmk_host_map and pcmk_host_list with `crm_node --list`");
    }
}

void cluster_judge_map(struct cluster *cluster, const struct hosts *device)
{
    const char *id = device->device->id;
    if (device->commas) {
        cluster_say(cluster, DIAGNOSIS_FAILURE,
                    "pcmk_host_map of %s has a comma between nodes, or one too many: separate nodes with "
                    "';'; ',' separates the guests of one node",
                    id);
        paste_map(cluster, device);
    } else if (device->backslashes) {
        cluster_say(
            cluster, DIAGNOSIS_WARNING,
            "pcmk_host_map of %s has a backslash: Pacemaker before 3.0.2 drops it, newer ones keep it", id);
        paste_map(cluster, device);
    }
    if (!hosts_argument_known(device)) {
        cluster_say(cluster, DIAGNOSIS_WARNING,
                    "pcmk_host_argument of %s is %s, which fence_broker does not read: it uses the node's "
                    "name, and pcmk_host_map has no effect",
                    id, device->argument);
        cluster_mend(cluster, "crm_resource --resource %s --delete-parameter pcmk_host_argument", id);
    }
    judge_strangers(cluster, device);
}
