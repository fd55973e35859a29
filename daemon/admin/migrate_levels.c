/* Fencing levels: those of today, those that put the broker in front of the old devices, and those that
 * remain when these have gone. With levels Pacemaker uses no device outside them, so a node that had none
 * gets one for each device that is for it. */
#include "admin/migrate_private.h"

#include <libxml/tree.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define LEVELS_MOST 4096 /* more than any cluster has; the rest is not read */

static void add(struct migrate *migrate, struct migrate_levels *levels, struct migrate_level level)
{
    struct migrate_level *list =
        levels->count == LEVELS_MOST
            ? NULL
            : migrate_grow(migrate, levels->list, levels->count, &levels->size, sizeof(*list));
    if (!list)
        return;
    levels->list = list;
    list[levels->count++] = level;
}

bool migrate_same_key(const struct migrate_level *one, const struct migrate_level *other)
{
    return one->kind == other->kind && strcmp(one->target, other->target) == 0 &&
           (!one->value || !other->value ? one->value == other->value
                                         : strcmp(one->value, other->value) == 0);
}

/* By key in the order of the document, and in it by index. */
static void sort(struct migrate_levels *levels)
{
    for (size_t i = 1; i < levels->count; i++) {
        struct migrate_level level = levels->list[i];
        size_t to = i;
        for (size_t j = 0; j < i && to == i; j++) {
            bool same = migrate_same_key(&levels->list[j], &level);
            bool last = j + 1 == i || !migrate_same_key(&levels->list[j + 1], &level);
            if (same && levels->list[j].index > level.index)
                to = j;
            else if (same && last)
                to = j + 1;
        }
        memmove(&levels->list[to + 1], &levels->list[to], (i - to) * sizeof(level));
        levels->list[to] = level;
    }
}

void migrate_read_levels(struct migrate *migrate)
{
    const xmlNode *root = xmlDocGetRootElement(migrate->cib.document);
    for (const xmlNode *node = root; node; node = cib_next(root, node)) {
        const char *devices = cib_is(node, "fencing-level") ? cib_get(node, "devices") : NULL;
        const char *index = devices ? cib_get(node, "index") : NULL;
        struct migrate_level level = {.kind = KEY_NODE, .devices = devices};
        if (!index)
            continue;
        level.index = strtol(index, NULL, 10);
        if (cib_get(node, "target")) {
            level.target = cib_get(node, "target");
        } else if (cib_get(node, "target-pattern")) {
            level.kind = KEY_PATTERN;
            level.target = cib_get(node, "target-pattern");
        } else {
            level.kind = KEY_ATTRIBUTE;
            level.target = cib_get(node, "target-attribute");
            level.value = cib_get(node, "target-value");
        }
        if (level.target && (level.kind != KEY_ATTRIBUTE || level.value))
            add(migrate, &migrate->levels, level);
    }
    sort(&migrate->levels);
}

bool migrate_level_gives(const struct migrate *migrate, const char *node, const char *device)
{
    for (size_t i = 0; i < migrate->levels.count; i++) {
        const struct migrate_level *level = &migrate->levels.list[i];
        if (level->kind == KEY_NODE && strcasecmp(level->target, node) == 0 &&
            migrate_has_word(level->devices, device, ", "))
            return true;
    }
    return false;
}

/* ---- which level is for which node ----------------------------------------------------------------------
 */

static bool has_attribute(const struct migrate *migrate, const char *node, const struct migrate_level *level)
{
    const xmlNode *root = xmlDocGetRootElement(migrate->cib.document);
    for (const xmlNode *at = root; at; at = cib_next(root, at)) {
        const char *name = cib_is(at, "nvpair") ? cib_get(at, "name") : NULL;
        const char *value = name ? cib_get(at, "value") : NULL;
        const xmlNode *owner = value && at->parent ? at->parent->parent : NULL;
        const char *uname = owner && cib_is(owner, "node") ? cib_get(owner, "uname") : NULL;
        if (uname && strcasecmp(uname, node) == 0 && strcmp(name, level->target) == 0 &&
            strcmp(value, level->value) == 0)
            return true;
    }
    return false;
}

static bool is_for(const struct migrate *migrate, const struct migrate_level *level, const char *node)
{
    regex_t pattern;
    switch (level->kind) {
    case KEY_NODE:
        return strcasecmp(level->target, node) == 0;
    case KEY_ATTRIBUTE:
        return has_attribute(migrate, node, level);
    case KEY_PATTERN:
        break;
    }
    if (regcomp(&pattern, level->target, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool matches = regexec(&pattern, node, 0, NULL, 0) == 0;
    regfree(&pattern);
    return matches;
}

static bool has_levels(const struct migrate *migrate, const char *node)
{
    for (size_t i = 0; i < migrate->levels.count; i++)
        if (is_for(migrate, &migrate->levels.list[i], node))
            return true;
    return false;
}

/* ---- the plan -------------------------------------------------------------------------------------------
 */

static bool is_old(const struct migrate *migrate, const char *id, size_t length)
{
    for (size_t i = 0; i < migrate->device_count; i++)
        if (migrate->devices[i].old && strlen(migrate->devices[i].id) == length &&
            strncmp(migrate->devices[i].id, id, length) == 0)
            return true;
    return false;
}

/* The level with the broker in the place of the first old device, and without the others. */
static const char *with_broker(struct migrate *migrate, const struct migrate_level *level, bool *had_old)
{
    struct text out = {0};
    bool broker = migrate_has_word(level->devices, migrate->new_id, ", ");
    *had_old = false;
    for (const char *at = level->devices; *(at += strspn(at, ", "));) {
        size_t length = strcspn(at, ", ");
        bool old = is_old(migrate, at, length);
        if (!old || !broker) {
            text_puts(&out, out.length ? "," : "");
            text_append(&out, old ? migrate->new_id : at, old ? strlen(migrate->new_id) : length);
        }
        broker |= old;
        *had_old |= old;
        at += length;
    }
    migrate->failed |= out.failed;
    const char *devices = migrate_text(migrate, "%s", out.data ? out.data : "");
    text_clear(&out);
    return devices;
}

bool migrate_level_has_old(const struct migrate *migrate, const struct migrate_level *level)
{
    for (const char *at = level->devices; *(at += strspn(at, ", "));) {
        size_t length = strcspn(at, ", ");
        if (is_old(migrate, at, length))
            return true;
        at += length;
    }
    return false;
}

/* Behind those of the same key, unless it is there. */
static void append(struct migrate *migrate, struct migrate_levels *levels, const struct migrate_level *key,
                   const char *devices)
{
    struct migrate_level level = *key;
    level.index = 1;
    level.devices = devices;
    for (size_t i = 0; i < levels->count; i++) {
        if (!migrate_same_key(&levels->list[i], key))
            continue;
        if (strcmp(levels->list[i].devices, devices) == 0)
            return;
        level.index = levels->list[i].index + 1;
    }
    add(migrate, levels, level);
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
    struct migrate_level key = {.kind = KEY_NODE, .target = node->name};
    append(migrate, &migrate->both, &key, migrate->new_id);
    append(migrate, &migrate->after, &key, migrate->new_id);
    for (int old = 1; old >= 0; old--) {
        for (size_t i = 0; i < migrate->device_count; i++) {
            const struct migrate_device *device = &migrate->devices[i];
            if (!device->enabled || device->old != old || device->broker ||
                !(old ? fences(device, node->name) : migrate_serves(device, node->name)))
                continue;
            append(migrate, &migrate->both, &key, device->id);
            if (!old)
                append(migrate, &migrate->after, &key, device->id);
        }
    }
}

static bool key_has_old(const struct migrate *migrate, const struct migrate_level *key)
{
    for (size_t i = 0; i < migrate->levels.count; i++)
        if (migrate_same_key(&migrate->levels.list[i], key) &&
            migrate_level_has_old(migrate, &migrate->levels.list[i]))
            return true;
    return false;
}

/* Today's levels as they would be without the broker's device, which can be in them already. */
static void plan_back(struct migrate *migrate, const struct migrate_level *level)
{
    struct text out = {0};
    for (const char *at = level->devices; *(at += strspn(at, ", "));) {
        size_t length = strcspn(at, ", ");
        if (!migrate->new_is_there || strlen(migrate->new_id) != length ||
            strncmp(migrate->new_id, at, length) != 0) {
            text_puts(&out, out.length ? "," : "");
            text_append(&out, at, length);
        }
        at += length;
    }
    migrate->failed |= out.failed;
    if (out.length) {
        struct migrate_level back = *level;
        back.devices = migrate_text(migrate, "%s", out.data);
        add(migrate, &migrate->back, back);
    }
    text_clear(&out);
}

void migrate_plan_levels(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->levels.count; i++) {
        const struct migrate_level *level = &migrate->levels.list[i];
        bool had_old;
        plan_back(migrate, level);
        if (!key_has_old(migrate, level)) {
            add(migrate, &migrate->both, *level);
            add(migrate, &migrate->after, *level);
            continue;
        }
        const char *devices = with_broker(migrate, level, &had_old);
        append(migrate, &migrate->both, level, devices);
        append(migrate, &migrate->after, level, devices);
        if (had_old)
            append(migrate, &migrate->both, level, level->devices);
    }
    for (size_t i = 0; i < migrate->node_count; i++)
        if (migrate->nodes[i].device && !has_levels(migrate, migrate->nodes[i].name))
            plan_node(migrate, &migrate->nodes[i]);
}
