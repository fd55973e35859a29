/* What still hangs on the old devices: these themselves, templates of them, levels, constraints and access
 * rules that name them. */
#include "admin/migrate_private.h"

#include <libxml/tree.h>
#include <stdio.h>
#include <string.h>

#include "system/cleanup.h"

static bool is_old_id(const struct migrate *migrate, const char *id)
{
    for (size_t i = 0; id && i < migrate->old_count; i++) {
        const struct migrate_device *device = migrate->old[i];
        if (strcmp(device->id, id) == 0 ||
            (device->parent && device->parent_empties && strcmp(device->parent, id) == 0))
            return true;
    }
    return false;
}

/* Of what names resources elsewhere in the configuration. */
static const char *names_old(const struct migrate *migrate, const xmlNode *node)
{
    static const char *const attributes[] = {"rsc", "with-rsc", "first", "then", "reference"};
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        const char *id = cib_get(node, attributes[i]);
        if (is_old_id(migrate, id))
            return id;
    }
    return cib_is(node, "resource_ref") && is_old_id(migrate, cib_get(node, "id")) ? cib_get(node, "id")
                                                                                   : NULL;
}

static bool put_elsewhere(const struct migrate *migrate, struct text *out)
{
    const xmlNode *root = cib_root(&migrate->cib);
    bool any = false;
    for (const xmlNode *node = NULL; (node = cib_after(root, node, NULL));) {
        const char *old = names_old(migrate, node);
        if (!old)
            continue;
        const char *id = cib_is(node, "resource_ref") ? NULL : cib_get(node, "id");
        text_printf(out, "%s %s names %s\n", (const char *)node->name, id ? id : "(set)", old);
        any = true;
    }
    return any;
}

bool migrate_put_check(struct migrate *migrate, struct text *out)
{
    bool any = false;
    for (size_t i = 0; i < migrate->old_count; i++) {
        const struct migrate_device *device = migrate->old[i];
        text_printf(out, "device %s (%s%s)", device->id, MIGRATE_OLD, device->enabled ? "" : ", disabled");
        if (device->parent)
            text_printf(out, ", in the %s %s", device->parent_kind, device->parent);
        text_puts(out, device->password_in_cib ? ": its password is in the CIB\n" : "\n");
        any = true;
    }
    for (size_t i = 0; i < migrate->template_count; i++) {
        text_printf(out, "template %s (%s)\n", migrate->templates[i], MIGRATE_OLD);
        any = true;
    }
    for (size_t i = 0; i < migrate->cib.levels.count; i++) {
        const struct cib_level *level = &migrate->cib.levels.list[i];
        if (!migrate_level_has_old(migrate, level))
            continue;
        text_printf(out, "level %ld of %s%s%s: %s\n", level->index, level->target, level->value ? "=" : "",
                    level->value ? level->value : "", level->devices);
        any = true;
    }
    any |= put_elsewhere(migrate, out);
    if (!any)
        text_puts(out, "Nothing hangs on " MIGRATE_OLD ".\n");
    return any;
}
