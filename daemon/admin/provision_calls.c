/*
 * The table and how a row becomes a request. A row that is not here cannot be asked for.
 */
#include "admin/provision_calls.h"

#include "system/cleanup.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *method, *path, *form;
} calls[PROVISION_CALL_COUNT] = {
    [PROVISION_VERSION] = {"GET", "/version", NULL},
    [PROVISION_TICKET] = {"POST", "/access/ticket", "username={as}&password={password}&new-format=1"},
    [PROVISION_TICKET_TOTP] =
        {"POST", "/access/ticket",
         "username={as}&password=totp:{password}&tfa-challenge={challenge}&new-format=1"},
    [PROVISION_ROLES] = {"GET", "/access/roles", NULL},
    [PROVISION_POOLS] = {"GET", "/pools", NULL},
    [PROVISION_POOL] = {"GET", "/pools/{pool}", NULL},
    [PROVISION_GUESTS] = {"GET", "/cluster/resources?type=vm", NULL},
    [PROVISION_GROUPS] = {"GET", "/access/groups", NULL},
    [PROVISION_USER] = {"GET", "/access/users/{user}", NULL},
    [PROVISION_ACL] = {"GET", "/access/acl", NULL},
    [PROVISION_PERMISSIONS] = {"GET", "/access/permissions?userid={subject}", NULL},
    [PROVISION_ROLE_ADD] = {"POST", "/access/roles", "roleid={role}&privs={privs}"},
    [PROVISION_ROLE_SET] = {"PUT", "/access/roles/{role}", "privs={privs}"},
    [PROVISION_ROLE_DELETE] = {"DELETE", "/access/roles/{role}", NULL},
    [PROVISION_POOL_ADD] = {"POST", "/pools", "poolid={pool}&comment={comment}"},
    [PROVISION_POOL_FILL] = {"PUT", "/pools/{pool}", "vms={guests}"},
    [PROVISION_POOL_EMPTY] = {"PUT", "/pools/{pool}", "vms={guests}&delete=1"},
    [PROVISION_POOL_DELETE] = {"DELETE", "/pools/{pool}", NULL},
    [PROVISION_GROUP_ADD] = {"POST", "/access/groups", "groupid={group}&comment={comment}"},
    [PROVISION_GROUP_DELETE] = {"DELETE", "/access/groups/{group}", NULL},
    [PROVISION_USER_ADD] = {"POST", "/access/users", "userid={user}&comment={comment}"},
    [PROVISION_USER_ADD_IN_GROUP] = {"POST", "/access/users",
                                     "userid={user}&groups={group}&comment={comment}"},
    [PROVISION_USER_JOIN] = {"PUT", "/access/users/{user}", "groups={group}&append=1"},
    [PROVISION_USER_DELETE] = {"DELETE", "/access/users/{user}", NULL},
    [PROVISION_TOKEN_ADD] = {"POST", "/access/users/{user}/token/{token}", "privsep=1&comment={comment}"},
    [PROVISION_TOKEN_DELETE] = {"DELETE", "/access/users/{user}/token/{token}", NULL},
    [PROVISION_GRANT] = {"PUT", "/access/acl", "path={path}&{kind}={subject}&roles={role}&propagate=0"},
    [PROVISION_REVOKE] = {"PUT", "/access/acl", "path={path}&{kind}={subject}&roles={role}&delete=1"},
};

/* The same of a pool in another one. */
static const struct {
    const char *path, *form;
} nested_calls[PROVISION_CALL_COUNT] = {
    [PROVISION_POOL] = {"/pools?poolid={pool}", NULL},
    [PROVISION_POOL_FILL] = {"/pools", "poolid={pool}&vms={guests}"},
    [PROVISION_POOL_EMPTY] = {"/pools", "poolid={pool}&vms={guests}&delete=1"},
    [PROVISION_POOL_DELETE] = {"/pools?poolid={pool}", NULL},
};

#define PART(name)                                                                                           \
    {                                                                                                        \
#name, offsetof(struct provision_parts, name)                                                        \
    }
static const struct {
    const char *name;
    size_t offset;
} parts_by_name[] = {PART(as),   PART(password), PART(challenge), PART(role),   PART(privs),
                     PART(pool), PART(guests),   PART(group),     PART(user),   PART(token),
                     PART(path), PART(comment),  PART(kind),      PART(subject)};

static const char *part_of(const struct provision_parts *parts, const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(parts_by_name); i++) {
        if (strlen(parts_by_name[i].name) == length && memcmp(parts_by_name[i].name, name, length) == 0)
            return *(const char *const *)((const char *)parts + parts_by_name[i].offset);
    }
    return NULL;
}

/* '@' and '!' of user and token stay readable where they are allowed, in a path */
static size_t encode(const char *text, const char *also, char *to)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t length = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) || strchr(also, c)) {
            to[length++] = (char)c;
        } else {
            to[length++] = '%';
            to[length++] = hex[c >> 4];
            to[length++] = hex[c & 15];
        }
    }
    return length;
}

/* In one allocation that is large enough from the start, so that no copy of a password stays behind. */
static char *filled(const char *head, const char *template, const struct provision_parts *parts,
                    const char *also)
{
    size_t room = strlen(head) + strlen(template) + 1;
    for (const char *open = template; (open = strchr(open, '{')); open++) {
        const char *part = part_of(parts, open + 1, strcspn(open + 1, "}"));
        if (!part)
            return NULL;
        room += strlen(part) * 3;
    }
    char *text = malloc(room), *to = text;
    if (!text)
        return NULL;
    to = stpcpy(to, head);
    for (const char *at = template; *at;) {
        if (*at != '{') {
            *to++ = *at++;
            continue;
        }
        size_t length = strcspn(at + 1, "}");
        to += encode(part_of(parts, at + 1, length), also, to);
        at += length + 2;
    }
    *to = '\0';
    return text;
}

bool provision_call_build(enum provision_call call, const struct provision_parts *parts, const char **method,
                          char **path, char **form)
{
    bool nested = nested_calls[call].path && parts->pool && strchr(parts->pool, '/');
    const char *to = nested ? nested_calls[call].path : calls[call].path;
    const char *with = nested ? nested_calls[call].form : calls[call].form;
    _cleanup_(freep) char *new_path = filled("/api2/json", to, parts, strchr(to, '?') ? "" : "@!");
    if (!new_path)
        return false;
    *form = NULL;
    if (with && !(*form = filled("", with, parts, "")))
        return false;
    *method = calls[call].method;
    *path = TAKE(new_path);
    return true;
}
