/*
 * Our own privileges, read the way Proxmox lists them. Knows no calls and no other identity than our own.
 */
#include "policy/privileges.h"

#include "system/json.h"

#include <stdio.h>
#include <string.h>

bool privileges_on_guest(struct json_object *permissions, int vmid, const char *privilege)
{
    char path[32];
    snprintf(path, sizeof(path), "/vms/%d", vmid);
    const char *paths[] = {path, "/vms", "/"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct json_object *granted = NULL;
        bool propagates = false;
        if (!json_get_object(permissions, paths[i], &granted))
            continue;
        if (!json_get_flag(granted, privilege, &propagates))
            return false;
        return i == 0 || propagates;
    }
    return false;
}

static bool is_configured(const char *pool, const char *const *configured, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pool, configured[i]) == 0)
            return true;
    }
    return false;
}

bool privileges_stand_for_pool(struct json_object *permissions, const char *pool,
                               const char *const *configured, size_t count)
{
    bool granted = false, propagates = false;
    if (!permissions || !json_object_is_type(permissions, json_type_object))
        return false;
    json_object_object_foreach(permissions, path, privileges)
    {
        if (strncmp(path, "/pool/", 6) != 0 || !json_get_flag(privileges, "VM.PowerMgmt", &propagates))
            continue;
        if (!is_configured(path + 6, configured, count))
            return false;
        granted |= strcmp(path + 6, pool) == 0;
    }
    return granted;
}

bool privileges_by_pool(struct json_object *permissions, int vmid)
{
    char path[32];
    struct json_object *granted = NULL;
    bool propagates = false;
    snprintf(path, sizeof(path), "/vms/%d", vmid);
    return json_get_object(permissions, path, &granted) &&
           json_get_flag(granted, "VM.PowerMgmt", &propagates) && !propagates;
}
