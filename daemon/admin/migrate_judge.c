/* What a person has to know: what cannot be taken over or must be confirmed, and why; and what is insecure
 * today. Each line names the device or the node that it is about. */
#include "admin/migrate_private.h"

#include <libxml/hash.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define QUOTES "\"'"

/* ---- telling --------------------------------------------------------------------------------------------
 */

/* The same about several is told once. */
void migrate_put_told(struct migrate *migrate, bool note, const char *who, const char *what)
{
    for (size_t i = 0; i < migrate->told_count; i++) {
        struct migrate_told *told = &migrate->told[i];
        if (told->note != note || strcmp(told->what, what) != 0)
            continue;
        if (!cib_has_word(told->who, who, ", "))
            told->who = heap_printf("%s, %s", told->who, who);
        return;
    }
    *heap_add(migrate->told, migrate->told_count) = (struct migrate_told){who, what, note};
}

/* ---- what is insecure -----------------------------------------------------------------------------------
 */

static bool has_fault(const struct migrate_device *device, enum migrate_fault fault, bool *perhaps)
{
    switch (fault) {
    case FAULT_ROOT:
        for (size_t i = 0; device->user.conflict && i < device->user.count; i++)
            *perhaps |= strcmp(device->user.list[i], "root@pam") == 0;
        return device->user.value && strcmp(device->user.value, "root@pam") == 0;
    case FAULT_PASSWORD:
        return device->password_in_cib;
    case FAULT_VERIFY:
        return !device->verify;
    case FAULT_CYCLE:
        return device->cycle;
    case FAULT_COUNT:
        break;
    }
    return false;
}

const char *migrate_insecure(const struct migrate *migrate, enum migrate_fault fault)
{
    static const char *const words[FAULT_COUNT][3] = {
        {"root@pam", "root@pam (in the disabled device only)", "root@pam (perhaps unused)"},
        {"password in CIB", "password in CIB (in the disabled device only)", ""},
        {"verification off", "verification off (in the disabled device only)", ""},
        {"method=cycle: reset without confirming power off",
         "method=cycle: reset without confirming power off (in the disabled device only)", ""},
    };
    bool enabled = false, disabled = false, perhaps = false;
    for (size_t i = 0; i < migrate->old_count; i++) {
        const struct migrate_device *device = migrate->old[i];
        bool has = has_fault(device, fault, &perhaps);
        enabled |= has && device->enabled;
        disabled |= has && !device->enabled;
    }
    return enabled ? words[fault][0] : perhaps ? words[fault][2] : disabled ? words[fault][1] : NULL;
}

/* ---- one device -----------------------------------------------------------------------------------------
 */

static void judge_use(struct migrate *migrate, const struct migrate_device *device)
{
    if (!device->enabled)
        migrate_tell(migrate, device->id,
                     "disabled (target-role=Stopped): nothing of it is taken over, but %s in the CIB",
                     device->password_in_cib ? "its password still lies" : "it still is");
    if (!device->managed)
        migrate_tell(migrate, device->id, "unmanaged (is-managed=false), and fencing uses it all the same");
    if (device->parent && strcmp(device->parent_kind, "group") != 0)
        migrate_tell(
            migrate, device->id,
            "in the clone %s, which fencing does not need: one device is for all nodes. The clone goes "
            "with it",
            device->parent);
    else if (device->parent)
        migrate_tell(migrate, device->id, "in the group %s, which %s", device->parent,
                     device->parent_empties ? "goes with its devices" : "stays with what else it has");
    if (device->template_id)
        migrate_tell(
            migrate, device->id,
            "made of the template %s, which has class, type%s: remove it as well, when nothing else is "
            "made of it",
            device->template_id, device->password_in_cib ? " and the password" : " and parameters");
}

/* What is wrong with an address that the agent cannot use. */
static const char *address_fault(const char *ip)
{
    if (strstr(ip, "://"))
        return "is a URL, of which the agent makes https://https://…";
    if (strpbrk(ip, ",; "))
        return "is a list, and the agent takes one host";
    if (*ip != '[' && strchr(ip, ':') != strrchr(ip, ':'))
        return "is an IPv6 address, which takes brackets";
    if (strchr(ip, ':'))
        return "has a port, which belongs into ipport";
    return "or ipport is not what the agent takes";
}

static void judge_endpoint(struct migrate *migrate, const struct migrate_device *device)
{
    const struct migrate_choice *endpoint = &device->endpoint;
    const char *ip = migrate_value(device, "ip");
    struct text list = {0};
    ip = ip ? ip : migrate_value(device, "ipaddr");
    for (size_t i = 0; i < endpoint->count; i++)
        text_printf(&list, "%s%s", i ? ", " : "", endpoint->list[i]);
    const char *meant = list.length ? heap_text(&list) : "nothing that can be seen";
    if (endpoint->conflict)
        migrate_tell(
            migrate, device->id,
            "ipaddr and ip differ (%s): the agent takes the one that comes last, and Pacemaker writes "
            "them in any order; say which is right",
            meant);
    else if (!endpoint->value && (!ip || !*ip))
        migrate_tell(migrate, device->id, "no ip: it never worked; say which host to ask");
    else if (!endpoint->value)
        migrate_tell(migrate, device->id, "ip %s: it never worked. Confirm what was meant: %s",
                     address_fault(ip), meant);
}

static void judge_login(struct migrate *migrate, const struct migrate_device *device)
{
    const char *user = device->user.value;
    if (device->user.conflict)
        migrate_tell(migrate, device->id,
                     "login and username differ (%s, %s): the agent takes the one that comes last, and "
                     "Pacemaker writes them in any order",
                     device->user.list[0], device->user.list[1]);
    if (device->user_is_default)
        migrate_tell(migrate, device->id, "no user is named, and the agent takes root@pam then");
    if (migrate_parameter(device, "realm"))
        migrate_tell(migrate, device->id, "realm= is no option of the agent, which ignores it");
    if (user && !strchr(user, '@'))
        migrate_tell(migrate, device->id, "user %s without a realm (@pve, @pam): Proxmox refuses it", user);
    if (device->password == PASSWORD_NONE)
        migrate_tell(migrate, device->id, "no password: the agent ends at once, it never fenced");
    if (device->password == PASSWORD_EMPTY)
        migrate_tell(migrate, device->id, "an empty password: the login is refused");
    if (device->password == PASSWORD_SCRIPT)
        migrate_tell(migrate, device->id,
                     "the password comes from a script, which stays on the nodes: remove it there, and "
                     "change the password if others could run it");
    if (device->password == PASSWORD_SECRET)
        migrate_tell(migrate, device->id,
                     "the password is a secret of cibsecret, in files below /var/lib/pacemaker/lrm/secrets: "
                     "remove it from every node afterwards");
}

static void judge_kind(struct migrate *migrate, const struct migrate_device *device)
{
    if (strcmp(device->vmtype, "lxc") == 0)
        migrate_tell(migrate, device->id,
                     "containers (vmtype=lxc): the broker sees by itself what a guest is; confirm "
                     "that the VMIDs are containers");
    else if (strcmp(device->vmtype, "qemu") != 0)
        migrate_tell(migrate, device->id, "vmtype=%s is neither qemu nor lxc: it never worked",
                     device->vmtype);
    if (device->cycle)
        migrate_tell(migrate, device->id,
                     "method=cycle is not taken over: it is one reset, whose answer is taken for success, "
                     "and nobody sees the guest off. The broker stops, proves and starts");
    if (migrate_parameter(device, "pve_node_auto") && migrate_parameter(device, "pve_node"))
        migrate_tell(migrate, device->id, "pve_node_auto overrides pve_node; the broker needs neither");
    else if (device->pve_node)
        migrate_note(
            migrate, device->id,
            "pve_node=%s: the guest is looked for on this host only; the broker finds it where it is",
            device->pve_node);
    else if (!migrate_parameter(device, "pve_node_auto"))
        migrate_tell(migrate, device->id,
                     "neither pve_node_auto nor pve_node: today's agent takes the cluster node's name "
                     "for a Proxmox host's (nodename= overrides node_name=), and fails");
}

/* ---- nodes of a device ----------------------------------------------------------------------------------
 */

static void judge_plug(struct migrate *migrate, const struct migrate_device *device)
{
    const char *port = migrate_parameter(device, "port"), *plug = migrate_parameter(device, "plug");
    const char *map = migrate_parameter(device, "pcmk_host_map");
    const char *argument = cib_argument(&migrate->cib, device->view);
    if (port && plug && strcmp(port, plug) != 0)
        migrate_tell(migrate, device->id,
                     "port=%s and plug=%s are one option: which of them counts depends on their order", port,
                     plug);
    else if (plug && !port && strcmp(argument, "port") == 0)
        migrate_tell(
            migrate, device->id,
            "static plug=: Pacemaker up to 3.0.0 also sends port=<%s>, and which of them counts "
            "depends on their order on the agent's stdin%s",
            map ? "what the map says" : "node name",
            map ? "" : "; where it is port, the request goes to /qemu/<node name>, and nothing was fenced");
    bool beaten = device->target_count > 1;
    for (size_t i = 0; i < device->target_count; i++)
        beaten |= device->targets[i].likely != 0;
    if (map && beaten && (port || (plug && strcmp(argument, "plug") == 0)))
        migrate_tell(migrate, device->id,
                     "static %s=%s beats pcmk_host_map: whatever the node, this guest is meant",
                     port ? "port" : "plug", port ? port : plug);
    if (strcmp(argument, "port") != 0 && strcmp(argument, "plug") != 0 && !port && !plug)
        migrate_tell(migrate, device->id,
                     "pcmk_host_argument=%s: nothing tells the agent which guest is meant", argument);
}

/* Is a VMID sent that can hardly be this node's? */
static bool is_static(const struct migrate_device *device, const struct migrate_target *target)
{
    return !target->vmid_count && target->sent && !migrate_parameter(device, "pcmk_host_map") &&
           (migrate_parameter(device, "port") || migrate_parameter(device, "plug"));
}

static void judge_map(struct migrate *migrate, const struct migrate_device *device)
{
    const char *map = migrate_parameter(device, "pcmk_host_map");
    const char *list = migrate_parameter(device, "pcmk_host_list");
    if ((map && strpbrk(map, QUOTES)) || (list && strpbrk(list, QUOTES)))
        migrate_tell(migrate, device->id,
                     "quote marks are part of the %s: Pacemaker does not take them away, names and VMIDs "
                     "with them match nothing, and fencing does not work as configured",
                     map && strpbrk(map, QUOTES) ? "map (pcmk_host_map)" : "list (pcmk_host_list)");
    if (map && strchr(map, '\\'))
        migrate_tell(migrate, device->id,
                     "pcmk_host_map has backslashes, which Pacemaker reads differently from 3.0.2 on");
    for (const char *at = map; at && *at; at += strcspn(at, "; \t\r\n")) {
        at += strspn(at, "; \t\r\n");
        size_t length = strcspn(at, "; \t\r\n"), first = strcspn(at, ":="), second;
        second = first < length ? first + 1 + strcspn(at + first + 1, ":=") : length;
        if (second < length && memchr(at, ',', length)) {
            migrate_tell(migrate, device->id,
                         "a comma does not separate entries of pcmk_host_map (it separates VMIDs of one "
                         "node): releases of Pacemaker read \"%.*s\" differently, and nodes in it are never "
                         "matched",
                         (int)length, at);
            break;
        }
    }
    for (size_t i = 0; !map && !list && i < device->target_count; i++)
        if (is_static(device, &device->targets[i]))
            migrate_tell(
                migrate, device->id,
                "one VMID and no pcmk_host_list: Pacemaker uses it for every node that the agent lists, "
                "and each such fence hits this one guest");
}

/* Pacemaker makes a node of the resource that has this meta attribute. */
static bool is_guest_node(const struct migrate *migrate, const char *name)
{
    const xmlNode *root = cib_root(&migrate->cib);
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "nvpair"));) {
        const char *value = cib_says(node, "name", "remote-node") ? cib_get(node, "value") : NULL;
        if (value && strcasecmp(value, name) == 0)
            return true;
    }
    return false;
}

static void judge_target(struct migrate *migrate, const struct migrate_device *device,
                         const struct migrate_target *target)
{
    if (!target->known && is_guest_node(migrate, target->node))
        migrate_tell(migrate, device->id,
                     "names %s, a guest node, which Pacemaker fences by its resource: it needs no device",
                     target->node);
    else if (!target->known && migrate->cib.node_count)
        migrate_tell(migrate, device->id, "names %s, which is no node of this cluster", target->node);
    if (target->vmid_count > 1)
        migrate_tell(
            migrate, target->node,
            "%s maps it to %zu guests (%ld, %ld%s): fence_pve powers off all of them, the broker takes "
            "one VMID a node; say which is the node",
            device->id, target->vmid_count, target->vmids[0], target->vmids[1],
            target->vmid_count > 2 ? " …" : "");
    if (target->vmid_count && target->likely)
        migrate_tell(migrate, target->node, "%s sends %ld for it, and the map says %ld: say which is right",
                     device->id, target->vmids[0], target->likely);
    if (target->vmid_count || target->likely || is_static(device, target))
        return;
    if (!target->sent)
        migrate_tell(migrate, target->node, "no VMID is known for it, %s sends none", device->id);
    else if (strcasecmp(target->sent, target->node) == 0)
        migrate_tell(migrate, target->node,
                     "no VMID in the configuration: %s sends the node's name where a VMID is needed "
                     "(\"Unable to obtain correct plug status\"); look it up: qm list",
                     device->id);
    else
        migrate_tell(migrate, target->node, "no VMID: %s has \"%s\" for it%s", device->id, target->sent,
                     migrate_parameter(device, "pcmk_host_map") ? ", where a VMID is needed" : "");
}

/* ---- constraints ----------------------------------------------------------------------------------------
 */

static bool is_ban(const xmlNode *location)
{
    const char *score = cib_get(location, "score");
    return score && strcasestr(score, "-INFINITY");
}

static void judge_bans(struct migrate *migrate, const struct migrate_device *device)
{
    const xmlNode *root = cib_root(&migrate->cib);
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "rsc_location"));) {
        const char *resource = cib_get(node, "rsc"), *where = resource ? cib_get(node, "node") : NULL;
        bool group = resource && device->parent && strcmp(resource, device->parent) == 0;
        if (resource && !where && (group || strcmp(resource, device->id) == 0))
            migrate_tell(migrate, device->id,
                         "the constraint %s decides by a rule where it may be used, and is not taken over",
                         cib_get(node, "id") ? cib_get(node, "id") : "");
        if (!where || !is_ban(node) || (!group && strcmp(resource, device->id) != 0))
            continue;
        if (group)
            migrate_tell(migrate, device->id,
                         "banned from %s by the constraint %s on %s %s, so that %s may use it against "
                         "nobody; the broker's device needs no such constraint",
                         where, cib_get(node, "id") ? cib_get(node, "id") : "", device->parent_kind, resource,
                         where);
        else if (!migrate_serves(device, where) || device->target_count > 1)
            migrate_tell(migrate, device->id,
                         "banned from %s, which can then fence nobody with it; the broker's device needs "
                         "no such constraint",
                         where);
        else
            migrate_note(migrate, device->id,
                         "kept away from the node that it fences, which fencing does not need");
    }
}

/* Sets and values that others use by reference go with the device that has them. */
static void judge_references(struct migrate *migrate, const struct migrate_device *device)
{
    for (const xmlNode *node = NULL; (node = cib_after(device->view->xml, node, NULL));) {
        const xmlNode *said = cib_find(&migrate->cib, cib_get(node, "id-ref"));
        while (said && !cib_is(said, "primitive") && !cib_is(said, "template"))
            said = said->parent && said->parent->type == XML_ELEMENT_NODE ? said->parent : NULL;
        if (said && said != device->view->xml && cib_get(said, "id"))
            migrate_note(migrate, device->id,
                         "parameters of %s by reference (id-ref): to be removed before that one",
                         cib_get(said, "id"));
    }
}

static void judge_sets(struct migrate *migrate, const struct migrate_device *device)
{
    if (device->view->equal)
        migrate_tell(migrate, device->id,
                     "sets of attributes with the same score and different values: Pacemaker 2.1 takes "
                     "the last one written, as shown here; confirm it");
    else if (device->view->disagree)
        migrate_tell(migrate, device->id,
                     "several sets of attributes: the one with the higher score wins, and what it does not "
                     "say comes from the other; the values that lose are dead text");
    for (size_t i = 0; i < device->view->rules.count; i++) {
        const struct cib_rule *rule = &device->view->rules.list[i];
        const char *name = rule->name;
        bool secret = strcmp(name, "passwd") == 0 || strcmp(name, "password") == 0;
        migrate_tell(migrate, device->id, "%s=%s holds only by a rule (%s): it is not taken over", name,
                     secret ? "…" : rule->value, migrate_rule(rule->rule));
    }
}

/* ---- the cluster ----------------------------------------------------------------------------------------
 */

static void judge_nodes(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->node_count; i++) {
        const struct migrate_node *node = &migrate->nodes[i];
        struct text others = {0};
        if (node->likely)
            migrate_tell(migrate, node->name, "VMID %ld is only likely: confirm it", node->likely);
        for (size_t d = 0; !node->device && d < migrate->device_count; d++) {
            const struct migrate_device *device = &migrate->devices[d];
            if (!device->old && !device->broker && device->enabled && migrate_serves(device, node->name))
                text_printf(&others, "%s%s", others.length ? ", " : "", device->id);
        }
        const char *left_to = heap_text(&others);
        if (!node->device && *left_to)
            migrate_tell(migrate, node->name,
                         "in no fence_pve device that is in use, so that its VMID is not known, if it "
                         "is a Proxmox guest at all; it is left to %s",
                         left_to);
        else if (!node->device)
            migrate_tell(migrate, node->name,
                         "in no device: it cannot be fenced today, and its VMID is not known");
        for (size_t j = 0; node->device && !node->vmid && j < i; j++)
            if (migrate->nodes[j].device && !migrate->nodes[j].vmid && node->candidate_count == 1 &&
                migrate->nodes[j].candidate_count == 1 &&
                node->candidates[0] == migrate->nodes[j].candidates[0])
                migrate_tell(migrate, node->name, "and %s are one guest (%ld) to fence_pve: say who is it",
                             migrate->nodes[j].name, node->candidates[0]);
        for (size_t j = 0; node->vmid && j < i; j++)
            if (migrate->nodes[j].vmid == node->vmid)
                migrate_tell(
                    migrate, node->name,
                    "VMID %ld is %s's as well, at another address: these are two Proxmox clusters, and "
                    "each takes a broker of its own (fence-broker@NAME)",
                    node->vmid, migrate->nodes[j].name);
        if (node->device && !node->vmid && !node->several && node->candidate_count > 1 && !node->likely)
            migrate_tell(migrate, node->name, "may be guest %ld or %ld: say which", node->candidates[0],
                         node->candidates[1]);
    }
}

static void judge_endpoints(struct migrate *migrate)
{
    const char *first = NULL, *first_id = NULL;
    for (size_t i = 0; i < migrate->used_count; i++) {
        const struct migrate_device *device = migrate->used[i];
        const char *endpoint = device->endpoint.value;
        if (!endpoint || (first && strcmp(first, endpoint) == 0))
            continue;
        if (first)
            migrate_tell(
                migrate, device->id,
                "asks %s, and %s asks %s: whether both are of one Proxmox cluster cannot be seen "
                "here. If so, the broker has both for all nodes (today a device that asks the host of "
                "its own guest dies with it); if not, each cluster needs a broker (fence-broker@NAME)",
                endpoint, first_id, first);
        if (!first) {
            first = endpoint;
            first_id = device->id;
        }
    }
}

/* What each of several devices has, and one device has only once. */
static void judge_differences(struct migrate *migrate)
{
    size_t off = 0;
    bool differ = false;
    const struct migrate_node *first = NULL;
    for (size_t i = 0; i < migrate->used_count; i++) {
        const char *action = migrate_parameter(migrate->used[i], "pcmk_reboot_action");
        off += action && strcmp(action, "off") == 0;
    }
    for (size_t i = 0; i < migrate->node_count; i++) {
        const struct migrate_node *node = &migrate->nodes[i];
        if (!node->device)
            continue;
        first = first ? first : node;
        differ |= node->max_ms != first->max_ms;
    }
    if (off && off < migrate->used_count)
        migrate_tell(
            migrate, "cluster",
            "pcmk_reboot_action=off holds for some devices only, and the broker's has one for all nodes: "
            "it is not taken over; add it if nodes are to stay down");
    if (differ)
        migrate_tell(
            migrate, "cluster",
            "pcmk_delay_max differs from device to device, and the broker's has one for all nodes: the "
            "longest is taken");
}

static void judge_levels(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->cib.levels.count; i++) {
        const struct cib_level *level = &migrate->cib.levels.list[i];
        if (!migrate_level_has_old(migrate, level))
            continue;
        if (strpbrk(level->devices, ","))
            migrate_tell(
                migrate, level->target,
                "all devices of level %ld (%s) must succeed, in this order, which is kept; a reboot is "
                "off by all and then on: pcmk_off_timeout and pcmk_on_timeout count there",
                level->index, level->devices);
    }
    for (size_t i = 0; i < migrate->both.count; i++)
        if (migrate->both.list[i].index == CIB_LEVEL_HIGHEST + 1)
            migrate_tell(migrate, migrate->both.list[i].target,
                         "has no room for all levels beside each other: Pacemaker has %d; leave out what "
                         "is doubled",
                         CIB_LEVEL_HIGHEST);
}

static void judge_properties(struct migrate *migrate)
{
    const char *name, *value = cib_fencing(&migrate->cib, CIB_FENCING_ENABLED, &name);
    if (value && !cib_is_true(value))
        migrate_tell(migrate, "cluster", "%s=%s: nothing is fenced today; set it to true", name, value);
    if (cib_property(&migrate->cib, "priority-fencing-delay"))
        migrate_note(migrate, "cluster", "priority-fencing-delay=%s is the cluster's own, and stays",
                     cib_property(&migrate->cib, "priority-fencing-delay"));
    for (size_t i = 0; i < migrate->cib.properties.count; i++)
        if (strncmp(migrate->cib.properties.list[i].name, "fencing-", 8) == 0)
            migrate_note(migrate, "cluster",
                         "fencing-… are the new names of stonith-…, which Pacemaker knows from 3.0.2 on");
}

void migrate_judge(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->old_count; i++) {
        const struct migrate_device *device = migrate->old[i];
        judge_use(migrate, device);
        judge_references(migrate, device);
        if (!device->enabled)
            continue;
        judge_sets(migrate, device);
        judge_endpoint(migrate, device);
        judge_login(migrate, device);
        judge_kind(migrate, device);
        judge_plug(migrate, device);
        judge_map(migrate, device);
        for (size_t t = 0; t < device->target_count; t++)
            judge_target(migrate, device, &device->targets[t]);
        judge_bans(migrate, device);
        migrate_judge_parameters(migrate, device);
    }
    if (!migrate->old_count)
        return;
    judge_nodes(migrate);
    judge_endpoints(migrate);
    judge_differences(migrate);
    judge_levels(migrate);
    judge_properties(migrate);
}
