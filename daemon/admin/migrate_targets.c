/* Whom a device of fence_pve is for, and what VMID is sent for each: pcmk_host_map and pcmk_host_list as
 * Pacemaker reads them, a static port or plug in front of them or behind. Where that is not what was meant,
 * or differs from one release of Pacemaker to the next, the VMID is not known, and what was meant is kept as
 * likely. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/hosts.h"
#include "system/cleanup.h"

#define BLANKS      " \t\r\n"
#define LIST_SEPS   ",;" BLANKS
#define VMID_LEAST  100
#define VMID_MOST   999999999
#define QUOTES      "\"'"
#define NODE_LENGTH 255

static long read_vmid(const char *text, size_t length)
{
    long vmid = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || vmid > VMID_MOST)
            return 0;
        vmid = vmid * 10 + (text[i] - '0');
    }
    return vmid >= VMID_LEAST && vmid <= VMID_MOST ? vmid : 0;
}

/* The agent's plug: VMIDs, or none where a part of it is something else. */
static size_t read_vmids(const char *plug, const char *separator, long vmids[static MIGRATE_PLUGS_MOST])
{
    size_t count = 0;
    while (plug) {
        const char *end = *separator ? strstr(plug, separator) : NULL;
        long vmid = read_vmid(plug, end ? (size_t)(end - plug) : strlen(plug));
        if (!vmid || count == MIGRATE_PLUGS_MOST)
            return 0;
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= vmids[i] == vmid;
        if (!known)
            vmids[count++] = vmid;
        plug = end ? end + strlen(separator) : NULL;
    }
    return count;
}

static struct migrate_target *target_of(struct migrate *migrate, struct migrate_device *device,
                                        const char *name)
{
    const struct cib_node *node = cib_node(&migrate->cib, name);
    for (size_t i = 0; i < device->target_count; i++)
        if (strcasecmp(device->targets[i].node, name) == 0)
            return &device->targets[i];
    if (device->target_count == CIB_NODES_MOST)
        return NULL;
    struct migrate_target *target = heap_add(device->targets, device->target_count);
    *target = (struct migrate_target){.node = node ? node->name : heap_copy(name), .known = node};
    return target;
}

/* ---- what the device says itself ------------------------------------------------------------------------
 */

struct statics {
    const char *plug;       /* that is sent whatever the map says; NULL: none */
    const char *other;      /* a second one, with another value: nobody knows which one counts */
    const char *if_nothing; /* counts for a node that the map does not have, or so it was meant */
    bool nothing;           /* Pacemaker adds nothing that the agent reads */
    const char *separator;
};

static struct statics read_statics(const struct migrate *migrate, const struct migrate_device *device)
{
    const char *port = migrate_value(device, "port"), *plug = migrate_value(device, "plug");
    const char *separator = migrate_value(device, "plug_separator");
    const char *argument = cib_argument(&migrate->cib, device->view);
    bool into_plug = strcmp(argument, "plug") == 0, into_port = strcmp(argument, "port") == 0;
    struct statics statics = {.separator = separator ? separator : ",", .nothing = !into_plug && !into_port};
    port = port && *port ? port : NULL;
    plug = plug && *plug ? plug : NULL;
    if (port) { /* it is read last, and Pacemaker does not touch it */
        statics.plug = port;
        statics.other = plug && strcmp(plug, port) != 0 ? plug : NULL;
    } else if (plug && !into_port) {
        statics.plug = plug;
    } else {
        statics.if_nothing = plug;
    }
    return statics;
}

/* `alias`: what the map has for the node; NULL: nothing. */
static void set_target(struct migrate_target *target, const struct statics *statics, const char *alias)
{
    long vmids[MIGRATE_PLUGS_MOST] = {0};
    const char *sent = statics->plug         ? statics->plug
                       : statics->nothing    ? NULL
                       : alias               ? alias
                       : statics->if_nothing ? statics->if_nothing
                                             : target->node;
    target->vmid_count = sent ? read_vmids(sent, statics->separator, target->vmids) : 0;
    target->sent = target->vmid_count ? NULL : sent;
    if (statics->other)
        target->vmid_count +=
            target->vmid_count < MIGRATE_PLUGS_MOST &&
            read_vmids(statics->other, statics->separator, target->vmids + target->vmid_count) == 1;
    if (alias && statics->plug && read_vmids(alias, statics->separator, vmids) == 1 &&
        (target->vmid_count != 1 || vmids[0] != target->vmids[0]))
        target->likely = vmids[0]; /* the map is not heeded */
}

static void set_likely(struct migrate_target *target, const struct statics *statics, const char *alias)
{
    long vmids[MIGRATE_PLUGS_MOST] = {0};
    const char *meant = alias ? alias : statics->plug ? statics->plug : statics->if_nothing;
    target->vmid_count = 0;
    target->sent = meant;
    if (meant && read_vmids(meant, statics->separator, vmids) == 1)
        target->likely = vmids[0];
}

/* ---- map and list ---------------------------------------------------------------------------------------
 */

/* One entry of the map, NUL-terminated; `quoted`: the map has quotes, which nothing takes away. */
static void take_entry(struct migrate *migrate, struct migrate_device *device, const struct statics *statics,
                       const char *entry, bool quoted)
{
    struct cib_pair pair = {"pcmk_host_map", entry};
    struct cib_device one = {.parameters = {.list = &pair, .count = 1}};
    const struct hosts *hosts = hosts_of(&migrate->cib, &one);
    for (size_t i = 0; i < hosts->count; i++) {
        struct migrate_target *target = target_of(migrate, device, hosts->list[i].node);
        const char *alias = hosts->list[i].plug ? hosts->list[i].plug : "";
        if (!target)
            continue;
        *target = (struct migrate_target){.node = target->node, .known = target->known};
        if (hosts->commas || hosts->backslashes || quoted)
            set_likely(target, statics, alias);
        else
            set_target(target, statics, alias);
    }
}

/* A copy without quotes. */
static char *unquoted(const char *text)
{
    char *copy = heap_copy(text), *end = copy;
    for (; *text; text++)
        if (!strchr(QUOTES, *text))
            *end++ = *text;
    *end = '\0';
    return copy;
}

static void read_map(struct migrate *migrate, struct migrate_device *device, const struct statics *statics,
                     const char *map)
{
    bool quoted = strpbrk(map, QUOTES);
    for (char *at = unquoted(map); *at;) {
        char *entry = at;
        while (*at && *at != ';' && !strchr(BLANKS, *at))
            at += *at == '\\' && at[1] ? 2 : 1;
        if (*at)
            *at++ = '\0';
        if (*entry)
            take_entry(migrate, device, statics, entry, quoted);
    }
}

static void read_list(struct migrate *migrate, struct migrate_device *device, const struct statics *statics,
                      const char *list)
{
    bool quoted = strpbrk(list, QUOTES);
    char *rest = unquoted(list);
    for (const char *node; (node = strsep(&rest, LIST_SEPS));) {
        size_t before = device->target_count;
        struct migrate_target *target = *node ? target_of(migrate, device, node) : NULL;
        if (!target || device->target_count == before)
            continue; /* the map has it */
        if (quoted)
            set_likely(target, statics, NULL);
        else
            set_target(target, statics, NULL);
    }
}

/* ---- without any ----------------------------------------------------------------------------------------
 */

/* Is the device named after this node? "fence_n1", "pve-n1", "n1.stonith" */
static bool named_after(const char *id, const char *node)
{
    size_t length = strlen(node);
    for (const char *at = id; (at = strcasestr(at, node)); at++) {
        bool starts = at == id || strchr("-_.:", at[-1]);
        if (starts && (!at[length] || strchr("-_.:", at[length])))
            return true;
    }
    return false;
}

/* Neither map nor list: whom the agent's own list names, by VMID or by name; or every node. A static VMID is
 * for the nodes that fencing levels give the device to. */
static void take_any(struct migrate *migrate, struct migrate_device *device, const struct statics *statics)
{
    const char *plug = statics->plug ? statics->plug : statics->if_nothing;
    long vmids[MIGRATE_PLUGS_MOST] = {0};
    bool in_levels = false;
    for (size_t i = 0; plug && i < migrate->cib.node_count; i++)
        in_levels |= migrate_level_gives(migrate, migrate->cib.nodes[i].name, device->id);
    for (size_t i = 0; i < migrate->cib.node_count; i++) {
        const char *node = migrate->cib.nodes[i].name;
        if (in_levels && !migrate_level_gives(migrate, node, device->id))
            continue;
        struct migrate_target *target = target_of(migrate, device, node);
        if (!target)
            return;
        if (!plug || in_levels || migrate->cib.node_count == 1) {
            set_target(target, statics, NULL);
            continue;
        }
        target->sent = plug;
        if (named_after(device->id, node) && read_vmids(plug, statics->separator, vmids) == 1)
            target->likely = vmids[0];
    }
}

void migrate_targets(struct migrate *migrate, struct migrate_device *device)
{
    const char *map = migrate_parameter(device, "pcmk_host_map");
    const char *list = migrate_parameter(device, "pcmk_host_list");
    const char *check = migrate_parameter(device, "pcmk_host_check");
    struct statics statics = read_statics(migrate, device);
    if (map)
        read_map(migrate, device, &statics, map);
    if (list)
        read_list(migrate, device, &statics, list);
    bool named = map || list;
    if (check && strcasecmp(check, "static-list") != 0)
        named &= strcasecmp(check, "none") != 0; /* then the list is not heeded, but its names are right */
    if (!named && (!check || strcasecmp(check, "static-list") != 0))
        take_any(migrate, device, &statics);
}
