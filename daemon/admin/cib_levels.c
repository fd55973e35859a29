/* Fencing levels: which there are, and for which nodes. A level is for a node by its name, by a pattern of
 * names, or by an attribute that is written for the node. */
#include <libxml/tree.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/cib_private.h"
#include "admin/heap.h"

#define LEVELS_MOST 4096 /* more than any cluster has; the rest is not read */

bool cib_same_key(const struct cib_level *one, const struct cib_level *other)
{
    return one->kind == other->kind && strcmp(one->target, other->target) == 0 &&
           (!one->value || !other->value ? one->value == other->value
                                         : strcmp(one->value, other->value) == 0);
}

void cib_levels_add(struct cib_levels *levels, struct cib_level level)
{
    if (levels->count == LEVELS_MOST)
        return;
    levels->section = true;
    level.ids = NULL;
    level.id_count = 0;
    char *rest = heap_copy(level.devices);
    for (const char *id; (id = strsep(&rest, ", "));)
        if (*id)
            *heap_add(level.ids, level.id_count) = id;
    *heap_add(levels->list, levels->count) = level;
}

bool cib_level_has(const struct cib_level *level, const char *device)
{
    return cib_has_word(level->devices, device, ", ");
}

void cib_levels_sort(struct cib_levels *levels)
{
    for (size_t i = 1; i < levels->count; i++) {
        struct cib_level level = levels->list[i];
        size_t to = i;
        for (size_t j = 0; j < i && to == i; j++) {
            bool same = cib_same_key(&levels->list[j], &level);
            bool last = j + 1 == i || !cib_same_key(&levels->list[j + 1], &level);
            if (same && levels->list[j].index > level.index)
                to = j;
            else if (same && last)
                to = j + 1;
        }
        memmove(&levels->list[to + 1], &levels->list[to], (i - to) * sizeof(level));
        levels->list[to] = level;
    }
}

void cib_read_levels(struct cib *cib, const xmlNode *root)
{
    cib->levels.section = cib_after(root, NULL, "fencing-topology");
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "fencing-level"));) {
        const char *devices = cib_get(node, "devices"), *index = cib_get(node, "index");
        struct cib_level level = {.kind = CIB_KEY_NODE, .devices = devices};
        if (!devices || !index)
            continue;
        level.index = strtol(index, NULL, 10);
        if (cib_get(node, "target")) {
            level.target = cib_get(node, "target");
        } else if (cib_get(node, "target-pattern")) {
            level.kind = CIB_KEY_PATTERN;
            level.target = cib_get(node, "target-pattern");
        } else {
            level.kind = CIB_KEY_ATTRIBUTE;
            level.target = cib_get(node, "target-attribute");
            level.value = cib_get(node, "target-value");
        }
        if (level.target && (level.kind != CIB_KEY_ATTRIBUTE || level.value))
            cib_levels_add(&cib->levels, level);
    }
    cib_levels_sort(&cib->levels);
}

static bool has_attribute(const struct cib *cib, const char *node, const struct cib_level *level)
{
    const xmlNode *root = cib_root(cib);
    for (const xmlNode *pair = NULL; (pair = cib_after(root, pair, "nvpair"));) {
        const xmlNode *owner = pair->parent ? pair->parent->parent : NULL;
        const char *uname = cib_is(owner, "node") ? cib_get(owner, "uname") : NULL;
        if (uname && strcasecmp(uname, node) == 0 && cib_says(pair, "name", level->target) &&
            cib_says(pair, "value", level->value))
            return true;
    }
    return false;
}

bool cib_level_is_for(const struct cib *cib, const struct cib_level *level, const char *node)
{
    regex_t pattern;
    switch (level->kind) {
    case CIB_KEY_NODE:
        return strcasecmp(level->target, node) == 0;
    case CIB_KEY_ATTRIBUTE:
        return has_attribute(cib, node, level);
    case CIB_KEY_PATTERN:
        break;
    }
    if (regcomp(&pattern, level->target, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool matches = regexec(&pattern, node, 0, NULL, 0) == 0;
    regfree(&pattern);
    return matches;
}

void cib_levels_put_crm(struct text *out, const struct cib_levels *levels, const char *separator)
{
    for (size_t i = 0; i < levels->count; i++) {
        const struct cib_level *level = &levels->list[i];
        if (!i || !cib_same_key(&levels->list[i - 1], level)) {
            text_puts(out, separator);
            if (level->kind == CIB_KEY_NODE)
                text_printf(out, " %s:", level->target);
            else if (level->kind == CIB_KEY_PATTERN)
                text_printf(out, " pattern:%s", level->target);
            else
                text_printf(out, " attr:%s=%s", level->target, level->value);
        }
        text_printf(out, " %s", level->devices);
    }
}
