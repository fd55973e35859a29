/* Would Pacemaker call the broker, and wait for it? The properties of the cluster, the devices of our agent,
 * and their time-outs. Reads through Pacemaker's own tools and changes nothing: each finding has the line
 * that does. What the names lead to is in cluster_nodes.c. */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster_private.h"
#include "corosync.h"
#include "request.h"
#include "system/cleanup.h"
#include "tool.h"

#define TOOL       "cibadmin"
#define DEFAULT_MS 60000 /* Pacemaker's stonith-timeout */
#define HUNG_MS    75000 /* a guest whose QEMU hangs is stopped after 71 s */
#define HUNG_TEXT  "a guest whose QEMU hangs takes 71 s to stop"
#define HA_MS      180000
#define NAMES_MOST 6000 /* bytes of a request's head */

/* ---- properties -----------------------------------------------------------------------------------------
 */

static void judge_properties(struct cluster *cluster)
{
    /* the second one is what later versions call it */
    static const char *const names[] = {"stonith-enabled", "fencing-enabled"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = cib_property(&cluster->cib, names[i]);
        if (!value || cib_is_true(value))
            continue;
        findings_add(cluster->findings, FINDING_FAILURE, "%s is %s: Pacemaker fences nobody", names[i],
                     value);
        findings_hint(cluster->findings, "on one node of the cluster:");
        findings_paste(cluster->findings, "crm_attribute --type crm_config --name %s --update true",
                       names[i]);
        return;
    }
    findings_add(cluster->findings, FINDING_OK, "fencing is enabled");
}

/* ---- devices --------------------------------------------------------------------------------------------
 */

static long long proposed_s(const struct cluster *cluster)
{
    return cluster->deadline_ms / 1000 + CLUSTER_SPARE_S;
}

static void propose_device(struct cluster *cluster)
{
    static const char id[] = CLUSTER_DEVICE_ID;
    long long s = proposed_s(cluster);
    findings_add(cluster->findings, FINDING_FAILURE, "no stonith device runs " CLUSTER_AGENT "%s",
                 cluster->others ? "; there are others, which the broker knows nothing of" : "");
    findings_hint(cluster->findings,
                  "on one node (or `pcs stonith create %s " CLUSTER_AGENT
                  "`, `crm configure primitive %s stonith:" CLUSTER_AGENT "`, with these time-outs):",
                  id, id);
    findings_paste(
        cluster->findings,
        "cibadmin --create --scope resources --xml-text '<primitive id=\"%s\" class=\"stonith\" "
        "type=\"" CLUSTER_AGENT "\"><instance_attributes id=\"%s-parameters\"><nvpair id=\"%s-reboot\" "
        "name=\"pcmk_reboot_timeout\" value=\"%llds\"/><nvpair id=\"%s-off\" name=\"pcmk_off_timeout\" "
        "value=\"%llds\"/></instance_attributes><operations><op id=\"%s-monitor\" name=\"monitor\" "
        "interval=\"60s\"/></operations></primitive>'",
        id, id, id, s, id, s, id);
}

/* What Pacemaker waits for this action of the device. */
static long long timeout_of(const struct cluster *cluster, const struct cib_device *device, const char *name)
{
    long long ms = cib_milliseconds(cib_parameter(&cluster->cib, device, name));
    if (ms < 0)
        ms = cib_milliseconds(cib_property(&cluster->cib, "stonith-timeout"));
    return ms < 0 ? DEFAULT_MS : ms;
}

static void say_short(struct cluster *cluster, const struct cib_device *device, long long reboot_ms,
                      long long off_ms)
{
    long long least = reboot_ms < off_ms ? reboot_ms : off_ms;
    const char *ha = least < HA_MS ? cluster_ha_guest(cluster) : NULL;
    findings_add(
        cluster->findings, FINDING_WARNING,
        "Pacemaker waits %lld s for a reboot by %s and %lld s for an off, and the broker goes on for up "
        "to %lld s: it would be killed before%s%s%s%s",
        reboot_ms / 1000, device->id, off_ms / 1000, cluster->deadline_ms / 1000,
        least < HUNG_MS ? "; " HUNG_TEXT : "", ha ? "; Proxmox HA, which manages " : "", ha ? ha : "",
        ha ? ", takes 95 s, and 180 s when its host died" : "");
    findings_hint(cluster->findings, "on one node of the cluster:");
    findings_paste(
        cluster->findings,
        "crm_resource --resource %s --set-parameter pcmk_reboot_timeout --parameter-value %llds && "
        "crm_resource --resource %s --set-parameter pcmk_off_timeout --parameter-value %llds",
        device->id, proposed_s(cluster), device->id, proposed_s(cluster));
}

static void judge_device(struct cluster *cluster, const struct cib_device *device)
{
    const char *role = cib_meta(&cluster->cib, device, "target-role");
    long long reboot_ms = timeout_of(cluster, device, "pcmk_reboot_timeout");
    long long off_ms = timeout_of(cluster, device, "pcmk_off_timeout");
    if (role && strcasecmp(role, "Stopped") == 0) {
        findings_add(cluster->findings, FINDING_FAILURE, "the device %s is disabled (target-role is %s)",
                     device->id, role);
        findings_hint(cluster->findings, "on one node of the cluster:");
        findings_paste(cluster->findings, "crm_resource --resource %s --meta --delete-parameter target-role",
                       device->id);
    }
    if (reboot_ms < cluster->deadline_ms || off_ms < cluster->deadline_ms)
        say_short(cluster, device, reboot_ms, off_ms);
    else
        findings_add(
            cluster->findings, FINDING_OK,
            "Pacemaker waits %lld s for a reboot by %s and %lld s for an off; the broker ends after at "
            "most %lld s",
            reboot_ms / 1000, device->id, off_ms / 1000, cluster->deadline_ms / 1000);
}

/* ---- the whole ------------------------------------------------------------------------------------------
 */

static bool find_devices(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    cluster->devices = calloc(cib->device_count ? cib->device_count : 1, sizeof(*cluster->devices));
    if (!cluster->devices)
        return false;
    for (size_t i = 0; i < cib->device_count; i++) {
        if (cib_is_device(cib, &cib->devices[i], CLUSTER_AGENT)) {
            if (hosts_read(&cluster->devices[cluster->device_count++], cib, &cib->devices[i]) < 0)
                return false;
        } else if (cib_is_device(cib, &cib->devices[i], NULL)) {
            cluster->others++;
        }
    }
    return true;
}

static void ask_names(struct cluster *cluster, const char *socket, bool broker)
{
    struct failure failure = {0};
    cluster->deadline_ms = CLUSTER_USUAL_MS;
    if (!cluster_want_names(cluster)) {
        cluster->findings->failed = true;
        return;
    }
    cluster->plugs_known = broker && plugs_ask(&cluster->plugs, socket, &failure) == 0;
    if (cluster->plugs_known && cluster->plugs.deadline_ms > 0)
        cluster->deadline_ms = cluster->plugs.deadline_ms;
    if (!cluster->plugs_known)
        findings_add(cluster->findings, FINDING_SKIPPED,
                     "whom the nodes' names lead to was not looked at: %s",
                     !broker         ? "there is no daemon to ask"
                     : failure.cause ? failure.cause
                                     : "out of memory");
    failure_clear(&failure);
}

static void examine(struct cluster *cluster, const char *socket, bool broker)
{
    if (!find_devices(cluster)) {
        cluster->findings->failed = true;
        return;
    }
    judge_properties(cluster);
    ask_names(cluster, socket, broker);
    for (size_t i = 0; i < cluster->device_count; i++) {
        judge_device(cluster, cluster->devices[i].device);
        cluster_judge_map(cluster, &cluster->devices[i]);
    }
    if (cluster->device_count == 0)
        propose_device(cluster);
    if (cluster->plugs_known)
        cluster_judge_nodes(cluster);
    if (cib_members(&cluster->cib) == 2)
        cluster_judge_two(cluster);
}

void cluster_examine(struct findings *findings, const char *socket, bool broker)
{
    struct cluster cluster = {.findings = findings};
    struct failure failure = {0};
    if (!tool_exists(TOOL)) {
        findings_add(findings, FINDING_SKIPPED, "not looked at: Pacemaker's " TOOL " is not installed here");
        return;
    }
    if (cib_query(&cluster.cib, CIB_WAIT_MS, &failure) < 0) {
        findings_add(findings, FINDING_SKIPPED, "not looked at: %s",
                     failure.cause ? failure.cause : "out of memory");
        findings_hint(findings, "%s", failure.hint ? failure.hint : "free some memory");
    } else {
        examine(&cluster, socket, broker);
    }
    failure_clear(&failure);
    for (size_t i = 0; i < cluster.device_count; i++)
        hosts_clear(&cluster.devices[i]);
    free(cluster.devices);
    cluster_clear_targets(&cluster);
    plugs_clear(&cluster.plugs);
    cib_clear(&cluster.cib);
}

/* ---- names of nodes -------------------------------------------------------------------------------------
 */

static bool append_name(void *context, const char *name)
{
    char **names = context;
    _cleanup_(freep) char *encoded = request_encode(name);
    char *longer = NULL;
    if (!encoded || asprintf(&longer, "%s%s%s", *names ? *names : "", *names ? "," : "", encoded) < 0)
        longer = NULL;
    free(*names);
    *names = longer;
    return longer;
}

char *cluster_node_names(void)
{
    _cleanup_(freep) char *names = NULL;
    struct failure failure = {0};
    struct cib cib;
    bool complete = true;
    if (cib_query(&cib, CIB_AGENT_WAIT_MS, &failure) == 0) {
        for (size_t i = 0; i < cib.node_count && complete; i++)
            complete = append_name(&names, cib.nodes[i].name);
        cib_clear(&cib);
    }
    if (complete && !names && corosync_each_node(append_name, &names, &failure) < 0)
        complete = false;
    if (!names)
        say_debug("the cluster's nodes are not known (%s), so every guest counts",
                  failure.cause ? failure.cause : "no nodes");
    failure_clear(&failure);
    return complete && names && strlen(names) <= NAMES_MOST ? TAKE(names) : NULL;
}
