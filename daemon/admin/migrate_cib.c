/* The devices, templates and levels of the document, and which of them are of the old agent. */
#include "admin/migrate_private.h"

#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define IDS_TRIED 256

/* ---- parameters -----------------------------------------------------------------------------------------
 */

const char *migrate_parameter(const struct migrate_device *device, const char *name)
{
    return cib_parameter(device->view, name);
}

const char *migrate_value(const struct migrate_device *device, const char *name)
{
    static const char blanks[] = " \t\r\n\v\f";
    const char *value = migrate_parameter(device, name);
    if (!value)
        return NULL;
    value += strspn(value, blanks);
    size_t length = strlen(value);
    while (length && strchr(blanks, value[length - 1]))
        length--;
    if (length > 1 && value[0] == '"' && value[length - 1] == '"')
        return heap_cut(value + 1, length - 2);
    return heap_cut(value, length);
}

/* ---- devices --------------------------------------------------------------------------------------------
 */

static const char *monitor_timeout(const xmlNode *resource)
{
    for (const xmlNode *node = NULL; (node = cib_after(resource, node, "op"));)
        if (cib_says(node, "name", "monitor"))
            return cib_get(node, "timeout");
    return NULL;
}

static void take_parent(struct migrate_device *device)
{
    const xmlNode *parent = device->view->xml->parent;
    if (!cib_is(parent, "group") && !cib_is(parent, "clone") && !cib_is(parent, "master"))
        return;
    device->parent = cib_get(parent, "id");
    device->parent_kind = (const char *)parent->name;
    device->parent_empties = true;
    for (const xmlNode *node = parent->children; node; node = node->next) {
        if (cib_is(node, "primitive") && !cib_get(node, "template") && !cib_says(node, "type", MIGRATE_OLD))
            device->parent_empties = false;
    }
}

static void add_device(struct migrate *migrate, struct cib_device *view)
{
    struct migrate_device *device = heap_add(migrate->devices, migrate->device_count);
    *device = (struct migrate_device){.view = view,
                                      .id = view->id,
                                      .agent = view->agent,
                                      .template_id = view->template ? cib_get(view->template, "id") : NULL,
                                      .old = strcmp(view->agent, MIGRATE_OLD) == 0,
                                      .broker = strcmp(view->agent, MIGRATE_NEW) == 0};
    take_parent(device);
    device->monitor_timeout = monitor_timeout(view->xml);
    if (!device->monitor_timeout && view->template)
        device->monitor_timeout = monitor_timeout(view->template);
    const char *managed = cib_meta(view, "is-managed");
    device->enabled = cib_is_enabled(view);
    device->managed = !managed || cib_is_true(managed);
}

/* A password that anybody reads who may read the configuration. */
static bool tells_password(const struct migrate *migrate, const xmlNode *root)
{
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "nvpair"));) {
        const char *name = cib_get(node, "name");
        const char *value = name ? cib_get(cib_referred(&migrate->cib, node), "value") : NULL;
        if (value && (strcmp(name, "passwd") == 0 || strcmp(name, "password") == 0) && *value &&
            strcmp(value, "\"\"") != 0 && strncmp(value, "lrm://", 6) != 0)
            return true;
    }
    return false;
}

static void judge_passwords(struct migrate *migrate, struct migrate_device *device)
{
    const xmlNode *template = device->view->template;
    device->password_in_cib = device->password == PASSWORD_CIB ||
                              tells_password(migrate, device->view->xml) ||
                              (template && tells_password(migrate, template));
}

static void choose_new_id(struct migrate *migrate)
{
    migrate->new_id = MIGRATE_NEW_ID;
    for (size_t i = 0; i < migrate->device_count; i++) {
        if (migrate->devices[i].broker && !migrate->new_is_there) {
            migrate->new_id = migrate->devices[i].id;
            migrate->new_is_there = true;
        }
    }
    for (int number = 2;
         !migrate->new_is_there && number < IDS_TRIED && cib_find(&migrate->cib, migrate->new_id); number++)
        migrate->new_id = heap_printf(MIGRATE_NEW_ID "-%d", number);
}

void migrate_read(struct migrate *migrate)
{
    for (const xmlNode *node = NULL; (node = cib_after(cib_root(&migrate->cib), node, "template"));)
        if (cib_says(node, "type", MIGRATE_OLD) && cib_get(node, "id"))
            *heap_add(migrate->templates, migrate->template_count) = cib_get(node, "id");
    for (size_t i = 0; i < migrate->cib.device_count; i++)
        add_device(migrate, &migrate->cib.devices[i]);
    for (size_t i = 0; i < migrate->device_count; i++) {
        struct migrate_device *device = &migrate->devices[i];
        if (device->old)
            *heap_add(migrate->old, migrate->old_count) = device;
        if (device->old && device->enabled)
            *heap_add(migrate->used, migrate->used_count) = device;
    }
    choose_new_id(migrate);
    for (size_t i = 0; i < migrate->old_count; i++) {
        migrate_facts(migrate->old[i]);
        judge_passwords(migrate, migrate->old[i]);
        migrate_targets(migrate, migrate->old[i]);
    }
    migrate_nodes(migrate);
    migrate_plan_levels(migrate);
    migrate_judge(migrate);
}
