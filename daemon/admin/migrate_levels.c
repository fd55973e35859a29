/* Fencing levels: those of today, those that put the broker in front of the old devices, and those that
 * remain when these have gone. With levels Pacemaker uses no device outside them, so a node that had none
 * gets one for each device that is for it. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

bool migrate_level_gives(const struct migrate *migrate, const char *node, const char *device)
{
    for (size_t i = 0; i < migrate->cib.levels.count; i++) {
        const struct cib_level *level = &migrate->cib.levels.list[i];
        if (level->kind == CIB_KEY_NODE && strcasecmp(level->target, node) == 0 &&
            cib_level_has(level, device))
            return true;
    }
    return false;
}

static bool has_levels(const struct migrate *migrate, const char *node)
{
    for (size_t i = 0; i < migrate->cib.levels.count; i++)
        if (cib_level_is_for(&migrate->cib, &migrate->cib.levels.list[i], node))
            return true;
    return false;
}

/* ---- the plan -------------------------------------------------------------------------------------------
 */

static bool is_old(const struct migrate *migrate, const char *id)
{
    for (size_t i = 0; i < migrate->old_count; i++)
        if (strcmp(migrate->old[i]->id, id) == 0)
            return true;
    return false;
}

/* The level with the broker in the place of the first old device, and without the others. */
static const char *with_broker(const struct migrate *migrate, const struct cib_level *level)
{
    struct text out = {0};
    bool broker = cib_level_has(level, migrate->new_id);
    for (size_t i = 0; i < level->id_count; i++) {
        bool old = is_old(migrate, level->ids[i]);
        if (!old || !broker)
            text_printf(&out, "%s%s", out.length ? "," : "", old ? migrate->new_id : level->ids[i]);
        broker |= old;
    }
    return heap_text(&out);
}

bool migrate_level_has_old(const struct migrate *migrate, const struct cib_level *level)
{
    for (size_t i = 0; i < level->id_count; i++)
        if (is_old(migrate, level->ids[i]))
            return true;
    return false;
}

/* Behind those of the same key, unless it is there. */
static void append(struct cib_levels *levels, const struct cib_level *key, const char *devices)
{
    struct cib_level level = *key;
    level.index = 1;
    level.devices = devices;
    for (size_t i = 0; i < levels->count; i++) {
        if (!cib_same_key(&levels->list[i], key))
            continue;
        if (strcmp(levels->list[i].devices, devices) == 0)
            return;
        level.index = levels->list[i].index + 1;
    }
    cib_levels_add(levels, level);
}

/* Is the old device for this node, and does not hit another guest in its place? */
static bool fences(const struct migrate_device *device, const char *node)
{
    for (size_t i = 0; i < device->target_count; i++)
        if (strcasecmp(device->targets[i].node, node) == 0)
            return device->targets[i].vmid_count || device->targets[i].likely ||
                   (!migrate_parameter(device, "port") && !migrate_parameter(device, "plug"));
    return false;
}

static void plan_node(struct migrate *migrate, const struct migrate_node *node)
{
    struct cib_level key = {.kind = CIB_KEY_NODE, .target = node->name};
    append(&migrate->both, &key, migrate->new_id);
    append(&migrate->after, &key, migrate->new_id);
    for (int old = 1; old >= 0; old--) {
        for (size_t i = 0; i < migrate->device_count; i++) {
            const struct migrate_device *device = &migrate->devices[i];
            if (!device->enabled || device->old != old || device->broker ||
                !(old ? fences(device, node->name) : migrate_serves(device, node->name)))
                continue;
            append(&migrate->both, &key, device->id);
            if (!old)
                append(&migrate->after, &key, device->id);
        }
    }
}

static bool key_has_old(const struct migrate *migrate, const struct cib_level *key)
{
    for (size_t i = 0; i < migrate->cib.levels.count; i++)
        if (cib_same_key(&migrate->cib.levels.list[i], key) &&
            migrate_level_has_old(migrate, &migrate->cib.levels.list[i]))
            return true;
    return false;
}

/* Today's levels as they would be without the broker's device, which can be in them already. */
static void plan_back(struct migrate *migrate, const struct cib_level *level)
{
    struct text out = {0};
    for (size_t i = 0; i < level->id_count; i++)
        if (!migrate->new_is_there || strcmp(migrate->new_id, level->ids[i]) != 0)
            text_printf(&out, "%s%s", out.length ? "," : "", level->ids[i]);
    struct cib_level back = *level;
    back.devices = heap_text(&out);
    if (*back.devices)
        cib_levels_add(&migrate->back, back);
}

void migrate_plan_levels(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->cib.levels.count; i++) {
        const struct cib_level *level = &migrate->cib.levels.list[i];
        plan_back(migrate, level);
        if (!key_has_old(migrate, level)) {
            cib_levels_add(&migrate->both, *level);
            cib_levels_add(&migrate->after, *level);
            continue;
        }
        const char *devices = with_broker(migrate, level);
        append(&migrate->both, level, devices);
        append(&migrate->after, level, devices);
        if (migrate_level_has_old(migrate, level))
            append(&migrate->both, level, level->devices);
    }
    for (size_t i = 0; i < migrate->node_count; i++)
        if (migrate->nodes[i].device && !has_levels(migrate, migrate->nodes[i].name))
            plan_node(migrate, &migrate->nodes[i]);
}
