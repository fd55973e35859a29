/*
 * The closed list of Proxmox calls that provision makes, beside the daemon's own (proxmox/api.h), which has
 * none of them: a const table of templates. Whatever fills them is percent-encoded.
 */
#pragma once

#include <stdbool.h>

enum provision_call {
    PROVISION_VERSION,
    PROVISION_TICKET,
    PROVISION_TICKET_TOTP,
    PROVISION_ROLES,
    PROVISION_POOLS,
    PROVISION_POOL,
    PROVISION_GUESTS,
    PROVISION_GROUPS,
    PROVISION_USER,
    PROVISION_ACL,
    PROVISION_PERMISSIONS,
    PROVISION_ROLE_ADD,
    PROVISION_ROLE_SET,
    PROVISION_ROLE_DELETE,
    PROVISION_POOL_ADD,
    PROVISION_POOL_FILL,
    PROVISION_POOL_EMPTY,
    PROVISION_POOL_DELETE,
    PROVISION_GROUP_ADD,
    PROVISION_GROUP_DELETE,
    PROVISION_USER_ADD,
    PROVISION_USER_ADD_IN_GROUP,
    PROVISION_USER_JOIN,
    PROVISION_USER_DELETE,
    PROVISION_TOKEN_ADD,
    PROVISION_TOKEN_DELETE,
    PROVISION_GRANT,
    PROVISION_REVOKE,
    PROVISION_CALL_COUNT,
};

/* What fills the placeholders of the same names. Borrowed. */
struct provision_parts {
    const char *as, *password, *challenge;
    const char *role, *privs, *pool, *guests, *group, *user, *token, *path, *comment;
    const char *kind, *subject; /* "users", "groups" or "tokens", and its name */
};

/* A pool in another one has a slash in its name, and a form of its own. The method, borrowed; path with query
 * and form (NULL if there is none), malloc'd. False if a part is missing or memory ran out. The form may hold
 * a password: wipe it. */
bool provision_call_build(enum provision_call call, const struct provision_parts *parts, const char **method,
                          char **path, char **form);
