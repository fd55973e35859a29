/* Who else fences a node: another level of its topology; without a topology another device that is for it, or
 * the watchdog. Who asks Proxmox as the broker does is of no help when a host has died, nor is a level that
 * needs the broker, too. */
#include "admin/levels.h"

#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

/* They ask the Proxmox API as we do, or wait for a word of the very node. */
static bool helps(const char *agent)
{
    static const char *const none[] = {"fence_broker", "fence_pve", "fence_kdump", LEVELS_WATCHDOG_AGENT};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (strcmp(agent, none[i]) == 0)
            return false;
    return true;
}

/* By its parameters; whom its agent would name, nobody knows here. */
static bool may_fence(const struct cib *cib, struct cib_device *device, const char *node)
{
    const struct hosts *hosts = hosts_of(cib, device);
    return hosts->check != HOST_CHECK_STATIC || hosts_name(hosts, node);
}

/* Does Pacemaker count on SBD to reset the node? */
static bool has_watchdog(const struct cib *cib, const char *node)
{
    struct cib_device *device = cib_device(cib, LEVELS_WATCHDOG);
    const char *value = cib_fencing(cib, CIB_FENCING_WATCHDOG_TIMEOUT, NULL);
    bool counted = value && (*value == '-' || cib_milliseconds(value) > 0); /* negative: twice SBD's */
    return counted && cib_is_true(cib_property(cib, "have-watchdog")) &&
           (!device || (cib_is_enabled(device) && may_fence(cib, device, node)));
}

static bool is_one_of(const struct hosts *const *devices, size_t count, const struct cib_device *device)
{
    for (size_t i = 0; i < count; i++)
        if (devices[i]->device == device)
            return true;
    return false;
}

void levels_put_others(const struct cib *cib, const char *node, const struct hosts *const *ours, size_t count,
                       struct text *out)
{
    for (size_t i = 0; i < cib->device_count; i++) {
        struct cib_device *device = &cib->devices[i];
        if (!is_one_of(ours, count, device) && strcmp(device->agent, LEVELS_WATCHDOG_AGENT) != 0 &&
            cib_is_enabled(device) && may_fence(cib, device, node))
            text_printf(out, "%s%s", out->length ? ", " : "", device->id);
    }
    if (has_watchdog(cib, node))
        text_printf(out, "%s" LEVELS_WATCHDOG, out->length ? ", " : "");
}

static bool devices_help(const struct cib *cib, const struct cib_level *level, const char *node)
{
    for (size_t i = 0; i < level->id_count; i++) {
        struct cib_device *device = cib_device(cib, level->ids[i]);
        if (strcmp(level->ids[i], LEVELS_WATCHDOG) == 0
                ? !has_watchdog(cib, node)
                : !device || !helps(device->agent) || !cib_is_enabled(device) ||
                      !may_fence(cib, device, node))
            return false;
    }
    return level->id_count > 0;
}

/* Pacemaker takes the levels that name the node, or else those of one other key that is for it; which, if
 * there are several, nobody knows, so that each has to do. */
static bool key_counts(const struct cib *cib, const struct cib_level *level, const char *node, bool by_name)
{
    return (level->kind == CIB_KEY_NODE) == by_name && cib_level_is_for(cib, level, node);
}

/* Without levels Pacemaker tries all devices that are for the node. */
static bool any_helps(const struct cib *cib, const char *node)
{
    for (size_t i = 0; i < cib->device_count; i++) {
        struct cib_device *device = &cib->devices[i];
        if (helps(device->agent) && cib_is_enabled(device) && may_fence(cib, device, node))
            return true;
    }
    return has_watchdog(cib, node);
}

/* All devices of an index are one level. `*at`: its first entry, and then what comes behind it. */
static bool level_helps(const struct cib *cib, size_t *at, const char *node)
{
    const struct cib_level *first = &cib->levels.list[*at];
    bool help = true;
    for (; *at < cib->levels.count; ++*at) {
        const struct cib_level *level = &cib->levels.list[*at];
        if (!cib_same_key(first, level) || level->index != first->index)
            break;
        help = help && devices_help(cib, level, node);
    }
    return help;
}

struct levels levels_of(const struct cib *cib, const char *node)
{
    struct levels found = {.help = true};
    for (int by_name = 1; by_name >= 0 && !found.any; by_name--) {
        for (size_t i = 0; i < cib->levels.count;) {
            const struct cib_level *first = &cib->levels.list[i], *level = first;
            bool counts = key_counts(cib, first, node, by_name), help = false;
            while (i < cib->levels.count && cib_same_key(first, &cib->levels.list[i])) {
                level = &cib->levels.list[i];
                help |= level_helps(cib, &i, node);
            }
            found.highest = counts && by_name && level->index > found.highest ? level->index : found.highest;
            found.any |= counts;
            found.by_name |= counts && by_name;
            found.help &= help || !counts;
        }
    }
    if (!found.any)
        found.help = any_helps(cib, node);
    return found;
}
