/* Would Pacemaker call the broker, and wait for it? The properties of the cluster, the devices of our agent,
 * and their time-outs. Reads through Pacemaker's own tools and changes nothing: each finding has the line
 * that does. What the names lead to is in cluster_nodes.c. */
#include "admin/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/cluster_private.h"
#include "admin/heap.h"
#include "admin/levels.h"
#include "admin/tool.h"
#include "client/request.h"
#include "system/cleanup.h"

#define TOOL       "cibadmin"
#define DEFAULT_MS 60000 /* Pacemaker's stonith-timeout */
#define HUNG_MS    75000 /* a guest whose QEMU hangs is stopped after 71 s */
#define HUNG_TEXT  "a guest whose QEMU hangs takes 71 s to stop"
#define HA_MS      180000

/* ---- properties -----------------------------------------------------------------------------------------
 */

static void judge_properties(struct cluster *cluster)
{
    const char *name, *value = cib_fencing(&cluster->cib, CIB_FENCING_ENABLED, &name);
    if (!value || cib_is_true(value)) {
        cluster_say(cluster, DIAGNOSIS_OK, "fencing is enabled");
        return;
    }
    cluster_say(cluster, DIAGNOSIS_FAILURE, "%s is %s: Pacemaker fences nobody", name, value);
    cluster_mend(cluster, "crm_attribute --type crm_config --name %s --update true", name);
}

/* A new name that this version does not know, and a value that it does not know any more. */
static void judge_names(struct cluster *cluster)
{
    const struct cib *cib = &cluster->cib;
    const char *version = cib_property(cib, "dc-version"), *name, *value;
    for (enum cib_fencing which = 0; which < CIB_FENCINGS; which++) {
        value = cib_fencing_unknown(cib, which, &name);
        if (!value)
            continue;
        cluster_say(cluster, DIAGNOSIS_WARNING, "%s is %s, but Pacemaker %s does not know that name", name,
                    value, version);
        cluster_hint(cluster, "on one node of the cluster, by the name that it knows:");
        cluster_paste(cluster, "crm_attribute --type crm_config --name %s --update %s",
                      cib_fencing_name(cib, which), heap_word(value));
    }
    value = cib_fencing(cib, CIB_FENCING_ACTION, &name);
    if (!value || strcmp(value, "poweroff") != 0)
        return;
    cluster_say(cluster, DIAGNOSIS_WARNING,
                "%s is poweroff, which Pacemaker 3 does not know any more: it reboots", name);
    cluster_mend(cluster, "crm_attribute --type crm_config --name %s --update off", name);
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
    cluster_say(cluster, DIAGNOSIS_FAILURE, "no stonith device runs " CLUSTER_AGENT "%s",
                cluster->others ? "; there are other devices, which the broker knows nothing about" : "");
    cluster_hint(cluster,
                 "on one node (pcs stonith create %s " CLUSTER_AGENT
                 " and crm configure primitive %s stonith:" CLUSTER_AGENT
                 " do as well, with these time-outs):",
                 id, id);
    cluster_paste(
        cluster,
        "cibadmin --create --scope resources --xml-text '<primitive id=\"%s\" class=\"stonith\" "
        "type=\"" CLUSTER_AGENT "\"><instance_attributes id=\"%s-parameters\"><nvpair id=\"%s-reboot\" "
        "name=\"pcmk_reboot_timeout\" value=\"%llds\"/><nvpair id=\"%s-off\" name=\"pcmk_off_timeout\" "
        "value=\"%llds\"/></instance_attributes><operations><op id=\"%s-monitor\" name=\"monitor\" "
        "interval=\"60s\"/></operations></primitive>'",
        id, id, id, s, id, s, id);
}

/* What holds at some times, or on some nodes. */
static void say_rules(struct cluster *cluster, const char *whose, const struct cib_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        cluster_say(cluster, DIAGNOSIS_SKIPPED, "%s: %s holds only under a rule, and was not looked at",
                    whose, rules->list[i].name);
}

/* What Pacemaker waits for this action of the device. */
static long long timeout_of(const struct cluster *cluster, const struct cib_device *device, const char *name)
{
    long long ms = cib_milliseconds(cib_parameter(device, name));
    if (ms < 0)
        ms = cib_milliseconds(cib_fencing(&cluster->cib, CIB_FENCING_TIMEOUT, NULL));
    return ms < 0 ? DEFAULT_MS : ms;
}

static void say_short(struct cluster *cluster, const struct cib_device *device, long long reboot_ms,
                      long long off_ms)
{
    long long least = reboot_ms < off_ms ? reboot_ms : off_ms;
    const char *ha = least < HA_MS ? cluster_ha_guest(cluster) : NULL;
    cluster_say(cluster, DIAGNOSIS_WARNING,
                "Pacemaker waits %lld s for a reboot by %s and %lld s for an off, but the broker may take up "
                "to %lld s: Pacemaker would kill the agent first%s%s%s%s",
                reboot_ms / 1000, device->id, off_ms / 1000, cluster->deadline_ms / 1000,
                least < HUNG_MS ? "; " HUNG_TEXT : "", ha ? "; Proxmox HA, which manages " : "", ha ? ha : "",
                ha ? ", takes 95 s, or 180 s if its host died" : "");
    cluster_mend(cluster,
                 "crm_resource --resource %s --set-parameter pcmk_reboot_timeout --parameter-value %llds && "
                 "crm_resource --resource %s --set-parameter pcmk_off_timeout --parameter-value %llds",
                 device->id, proposed_s(cluster), device->id, proposed_s(cluster));
}

static void judge_device(struct cluster *cluster, const struct cib_device *device)
{
    const char *role = cib_meta(device, "target-role");
    long long reboot_ms = timeout_of(cluster, device, "pcmk_reboot_timeout");
    long long off_ms = timeout_of(cluster, device, "pcmk_off_timeout");
    if (!cib_is_enabled(device)) {
        cluster_say(cluster, DIAGNOSIS_FAILURE, "the device %s is disabled (target-role is %s)", device->id,
                    role);
        cluster_mend(cluster, "crm_resource --resource %s --meta --delete-parameter target-role", device->id);
    }
    if (reboot_ms < cluster->deadline_ms || off_ms < cluster->deadline_ms)
        say_short(cluster, device, reboot_ms, off_ms);
    else
        cluster_say(
            cluster, DIAGNOSIS_OK,
            "Pacemaker waits %lld s for a reboot by %s and %lld s for an off; the broker ends after at "
            "most %lld s",
            reboot_ms / 1000, device->id, off_ms / 1000, cluster->deadline_ms / 1000);
}

/* ---- the whole ------------------------------------------------------------------------------------------
 */

static bool is_agent(const struct cib_device *device)
{
    return strcmp(device->agent, CLUSTER_AGENT) == 0;
}

/* Does the device ask at this socket? NULL: does it name none? */
static bool asks_at(const struct cib_device *device, const char *socket)
{
    const char *own = cib_parameter(device, "socket");
    return is_agent(device) && (socket ? strcmp(own ? own : BROKER_SOCKET, socket) == 0 : !own);
}

static bool any_asks_at(const struct cib *cib, const char *socket)
{
    for (size_t i = 0; i < cib->device_count; i++)
        if (asks_at(&cib->devices[i], socket))
            return true;
    return false;
}

/* Those of this broker. With a second one, for a second Proxmox cluster, there are devices that name its
 * socket: where none asks at this one, they are those that name none, and else all of the agent. */
static void find_devices(struct cluster *cluster, const char *socket)
{
    const struct cib *cib = &cluster->cib;
    const char *theirs = socket && any_asks_at(cib, socket) ? socket : NULL;
    bool some = theirs || (socket && any_asks_at(cib, NULL));
    for (size_t i = 0; i < cib->device_count; i++) {
        struct cib_device *device = &cib->devices[i];
        if (some ? !asks_at(device, theirs) : !is_agent(device))
            cluster->others++;
        else
            *heap_add(cluster->devices, cluster->device_count) = hosts_of(cib, device);
    }
}

static void ask_names(struct cluster *cluster, const char *socket)
{
    struct failure failure = {0};
    cluster_want_names(cluster);
    cluster->plugs_known = socket && plugs_ask(&cluster->plugs, socket, &failure) == 0;
    if (cluster->plugs_known && cluster->plugs.deadline_ms > 0)
        cluster->deadline_ms = cluster->plugs.deadline_ms;
    if (!cluster->plugs_known)
        cluster_say(cluster, DIAGNOSIS_SKIPPED, "not checked which guests the nodes' names lead to: %s",
                    !socket         ? "no daemon was asked"
                    : failure.cause ? failure.cause
                                    : "out of memory");
    failure_clear(&failure);
}

static void examine(struct cluster *cluster, const char *socket)
{
    find_devices(cluster, socket);
    judge_properties(cluster);
    judge_names(cluster);
    say_rules(cluster, "the cluster's properties", &cluster->cib.property_rules);
    ask_names(cluster, socket);
    for (size_t i = 0; i < cluster->device_count; i++) {
        const struct hosts *device = cluster->devices[i];
        judge_device(cluster, device->device);
        say_rules(cluster, device->device->id, &device->device->rules);
        cluster_judge_map(cluster, device);
    }
    if (cluster->device_count == 0)
        propose_device(cluster);
    if (cluster->plugs_known) {
        cluster_judge_nodes(cluster);
        cluster_judge_levels(cluster);
        cluster_judge_history(cluster, socket);
    }
    if (cib_members(&cluster->cib) == 2)
        cluster_judge_two(cluster);
}

int cluster_only_ours(const char *socket, const char *node, const char *by, const char **vmid,
                      struct failure *failure)
{
    struct cluster cluster = {.report = NULL};
    struct text others = {0};
    const char *here = cluster_find_here();
    *vmid = NULL;
    if (strcasecmp(here, by) != 0 || strcasecmp(node, by) == 0)
        return 0;
    if (cib_query(&cluster.cib, CIB_WAIT_MS, failure) < 0)
        return -1;
    find_devices(&cluster, socket);
    cluster_want_names(&cluster);
    int rc = plugs_ask(&cluster.plugs, socket, failure);
    const char *guest = rc == 0 ? cluster_guest_of(&cluster, node) : NULL;
    levels_put_others(&cluster.cib, node, cluster.devices, cluster.device_count, &others);
    if (guest && !*heap_text(&others))
        *vmid = heap_copy(guest);
    cib_clear(&cluster.cib);
    return rc;
}

static bool has_access_rules(const struct cib *cib)
{
    const struct _xmlNode *root = cib_root(cib);
    return cib_after(root, NULL, "acl_target") || cib_after(root, NULL, "acl_group") ||
           cib_after(root, NULL, "acl_user");
}

bool cluster_examine(struct diagnosis *report, const char *socket, int64_t deadline_ms)
{
    bool rules = false;
    struct cluster cluster = {.report = report,
                              .deadline_ms = deadline_ms > 0 ? deadline_ms : CLUSTER_USUAL_MS};
    struct failure failure = {0};
    if (!tool_exists(TOOL)) {
        cluster_say(&cluster, DIAGNOSIS_SKIPPED, "not checked: Pacemaker's " TOOL " is not installed here");
        return false;
    }
    if (cib_query(&cluster.cib, CIB_WAIT_MS, &failure) < 0) {
        cluster_say(&cluster, DIAGNOSIS_SKIPPED, "not checked: %s",
                    failure.cause ? failure.cause : "out of memory");
        cluster_hint(&cluster, "%s", failure.hint ? failure.hint : "free some memory");
    } else {
        examine(&cluster, socket);
        rules = has_access_rules(&cluster.cib);
    }
    failure_clear(&failure);
    cib_clear(&cluster.cib);
    return rules;
}
