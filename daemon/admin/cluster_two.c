/* Two nodes that lose sight of each other fence each other: without a delay both can end up off, and without
 * wait_for_all the one that comes back alone fences the survivor. */
#include "admin/cluster_private.h"

#include <string.h>

#include "admin/corosync.h"

/* Is this delay another one for one node than for the other? "5s" is the same for both, "a:5s;b:0s" is not.
 */
static bool tells_apart(const char *base)
{
    return base && strchr(base, ':');
}

/* Does the device make one of the two wait, or is it for one of them only and makes that wait? */
static bool device_delays(const struct cluster *cluster, const struct hosts *device)
{
    const char *base = cib_parameter(device->device, "pcmk_delay_base");
    const char *most = cib_parameter(device->device, "pcmk_delay_max");
    size_t nodes = 0;
    if (cib_milliseconds(most) > 0 || tells_apart(base))
        return true;
    for (size_t i = 0; i < cluster->cib.node_count; i++)
        nodes += device->check != HOST_CHECK_STATIC || hosts_name(device, cluster->cib.nodes[i].name);
    return nodes < 2 && cib_milliseconds(base) > 0;
}

static void judge_delay(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    const char *first = NULL, *second = NULL;
    bool delayed = cib_milliseconds(cib_property(cib, "priority-fencing-delay")) > 0;
    for (size_t i = 0; i < cluster->device_count; i++)
        delayed |= device_delays(cluster, &cluster->devices[i]);
    if (delayed) {
        cluster_say(cluster, DIAGNOSIS_OK, "one of the two nodes waits before it fences the other");
        return;
    }
    for (size_t i = 0; i < cib->node_count; i++)
        if (!cib->nodes[i].remote)
            *(first ? &second : &first) = cib->nodes[i].name;
    cluster_say(
        cluster, DIAGNOSIS_WARNING,
        "two nodes and no delay: when they lose contact, they can fence each other, and both end up off");
    cluster_hint(cluster, "this lets %s survive; on one node of the cluster:", first);
    cluster_paste(
        cluster, "crm_resource --resource %s --set-parameter pcmk_delay_base --parameter-value '%s:5s;%s:0s'",
        cluster->device_count ? cluster->devices[0].device->id : CLUSTER_DEVICE_ID, first, second);
}

static void judge_quorum(struct cluster *cluster, const struct corosync *corosync)
{
    const char *path = corosync_path();
    if (corosync->device)
        cluster_say(cluster, DIAGNOSIS_OK, "a quorum device decides between the two nodes");
    else if (!corosync->two_node) {
        cluster_say(
            cluster, DIAGNOSIS_WARNING,
            "two nodes without two_node: the node that is left alone has no quorum, and fences nobody");
        cluster_hint(cluster, "on both nodes, then restart corosync (pcs quorum update does it too):");
        cluster_paste(cluster, "sed -i '/^[[:space:]]*quorum[[:space:]]*{/a\\    two_node: 1' %s", path);
    } else if (corosync->wait_for_all == 0) {
        cluster_say(cluster, DIAGNOSIS_WARNING,
                    "wait_for_all is 0: a fenced node that comes back alone fences the survivor");
        cluster_hint(cluster, "on both nodes, then restart corosync:");
        cluster_paste(cluster, "sed -i 's/^\\([[:space:]]*wait_for_all:\\).*/\\1 1/' %s", path);
    } else {
        cluster_say(cluster, DIAGNOSIS_OK,
                    "a node that comes back waits for the other one before it fences (wait_for_all)");
    }
}

void cluster_judge_two(struct cluster *cluster)
{
    struct failure failure = {0};
    struct corosync corosync;
    judge_delay(cluster);
    if (corosync_read(&corosync, &failure) == 0)
        judge_quorum(cluster, &corosync);
    else
        cluster_say(cluster, DIAGNOSIS_SKIPPED, "wait_for_all was not checked: %s",
                    failure.cause ? failure.cause : "out of memory");
    failure_clear(&failure);
}
