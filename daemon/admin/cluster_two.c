/* Two nodes that lose sight of each other fence each other: without a delay both can end up off, and without
 * wait_for_all the one that comes back alone fences the survivor. */
#include "admin/cluster_private.h"

#include <string.h>

#include "admin/corosync.h"

#define DELAY_MS    5000
#define HA_STOP_MS  95000  /* a fence by Proxmox HA, of a guest whose host is well */
#define HA_DELAY_MS 100000 /* what is proposed then */

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

/* The longest time that one of the nodes has to itself; 0: none has any. */
static long long longest_base(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    long long longest = 0;
    for (size_t i = 0; i < cluster->device_count; i++)
        for (size_t n = 0; n < cib->node_count; n++) {
            long long ms = hosts_delay_base(cib, cluster->devices[i]->device, cib->nodes[n].name);
            longest = ms > longest ? ms : longest;
        }
    return longest;
}

static void paste_delay(struct cluster *cluster, long long ms)
{
    const struct cib *cib = &cluster->cib;
    const char *first = NULL, *second = NULL;
    for (size_t i = 0; i < cib->node_count; i++)
        if (!cib->nodes[i].remote)
            *(first ? &second : &first) = cib->nodes[i].name;
    cluster_hint(cluster, "this lets %s survive; on one node of the cluster:", first);
    cluster_paste(
        cluster,
        "crm_resource --resource %s --set-parameter pcmk_delay_base --parameter-value '%s:%llds;%s:0s'",
        cluster->device_count ? cluster->devices[0]->device->id : CLUSTER_DEVICE_ID, first, ms / 1000,
        second);
}

/* With a quorum device only one of them has quorum, and the delay decides nothing. */
static void judge_delay(struct cluster *cluster, bool quorum_device)
{
    const char *ha = cluster_ha_guest(cluster);
    long long priority_ms = cib_milliseconds(cib_property(&cluster->cib, "priority-fencing-delay"));
    bool delayed = priority_ms > 0;
    for (size_t i = 0; i < cluster->device_count; i++)
        delayed |= device_delays(cluster, cluster->devices[i]);
    if (!delayed) {
        cluster_say(cluster, DIAGNOSIS_WARNING,
                    "two nodes and no delay: when they lose contact, they can fence each other, and both end "
                    "up off");
        paste_delay(cluster, ha ? HA_DELAY_MS : DELAY_MS);
    } else if (ha && !quorum_device &&
               longest_base(cluster) + (priority_ms > 0 ? priority_ms : 0) < HA_STOP_MS) {
        cluster_say(cluster, DIAGNOSIS_WARNING,
                    "Proxmox HA manages %s, and a fence by it takes up to 95 s: with a shorter delay the two "
                    "nodes can fence each other, and both end up off; better take them out of Proxmox HA",
                    ha);
        paste_delay(cluster, HA_DELAY_MS);
    } else {
        cluster_say(cluster, DIAGNOSIS_OK, "one of the two nodes waits before it fences the other");
    }
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
    bool known = corosync_read(&corosync, &failure) == 0;
    judge_delay(cluster, known && corosync.device);
    if (known)
        judge_quorum(cluster, &corosync);
    else
        cluster_say(cluster, DIAGNOSIS_SKIPPED, "wait_for_all was not checked: %s",
                    failure.cause ? failure.cause : "out of memory");
    failure_clear(&failure);
}
