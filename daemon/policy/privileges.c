#include "policy/privileges.h"

#include "system/json.h"

#include <stdio.h>

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
