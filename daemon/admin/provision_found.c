/*
 * What is there: the lists that a plan is made from. Reads only.
 */
#include "admin/provision_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <string.h>

static int read_list(struct provision_session *session, enum provision_call call,
                     const struct provision_parts *parts, struct json_object **list, struct error *error)
{
    int result = provision_call(session, call, parts, list, error);
    if (result == 0 && *list && json_object_is_type(*list, json_type_array))
        return 0;
    if (result != -EIO)
        error_set(error, ERROR_PROTOCOL, "Proxmox answered with something that is not a list");
    return -EIO;
}

static int read_version(struct provision_session *session, const struct provision_parts *parts,
                        struct provision_found *found, struct error *error)
{
    _cleanup_(json_putp) struct json_object *data = NULL;
    const char *version = "";
    int result = provision_call(session, PROVISION_VERSION, parts, &data, error);
    if (result == 0 && json_get_string(data, "version", &version))
        found->version = (int)strtol(version, NULL, 10);
    if (result == 0 && found->version >= 7)
        return 0;
    if (result == 0)
        error_set(error, ERROR_PROTOCOL, "this is Proxmox VE %s; the oldest supported version is 7",
                  *version ? version : "of an unknown version");
    return -EIO;
}

int provision_read_pool(struct provision_session *session, const char *name, struct json_object **pool,
                        struct error *error)
{
    const struct provision_parts parts = {.pool = name};
    _cleanup_(json_putp) struct json_object *data = NULL;
    int result = provision_call(session, PROVISION_POOL, &parts, &data, error);
    if (result)
        return result == -ENOENT ? 0 : result;
    if (data && json_object_is_type(data, json_type_array) && json_object_array_length(data) == 1)
        *pool = json_object_get(json_object_array_get_idx(data, 0)); /* as one in another one comes */
    else
        *pool = TAKE(data);
    return 0;
}

int provision_look(struct provision_session *session, const struct provision_wish *wish,
                   struct provision_found *found, struct error *error)
{
    struct provision_parts parts = {.pool = wish->pool, .user = wish->user};
    *found = (struct provision_found){0};
    if (read_version(session, &parts, found, error) ||
        read_list(session, PROVISION_ROLES, &parts, &found->roles, error) ||
        read_list(session, PROVISION_POOLS, &parts, &found->pools, error) ||
        (provision_find(found->pools, "poolid", wish->pool) &&
         provision_read_pool(session, wish->pool, &found->pool, error)) ||
        read_list(session, PROVISION_GUESTS, &parts, &found->guests, error) ||
        read_list(session, PROVISION_GROUPS, &parts, &found->groups, error) ||
        read_list(session, PROVISION_ACL, &parts, &found->acl, error))
        return -EIO;
    int result = provision_call(session, PROVISION_USER, &parts, &found->user, error);
    return result == -ENOENT ? 0 : result;
}

void provision_found_clear(struct provision_found *found)
{
    struct json_object *documents[] = {found->roles,  found->pools, found->pool, found->guests,
                                       found->groups, found->user,  found->acl};
    for (size_t i = 0; i < ARRAY_LEN(documents); i++)
        json_object_put(documents[i]);
    *found = (struct provision_found){0};
}
