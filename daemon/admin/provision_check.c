/*
 * The audit of what was made: what Proxmox itself says that the user and each token may do, against what
 * fencing takes.
 */
#include "admin/provision_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const minimal[] = {"VM.PowerMgmt", "VM.Audit", "Pool.Audit"};

struct verdict {
    const struct provision_wish *wish;
    const char *id;
    struct json_object *permissions;
    size_t problems;
};

static bool is_minimal(const struct provision_wish *wish, const char *privilege)
{
    for (size_t i = 0; i < ARRAY_LEN(minimal); i++) {
        if (strcmp(minimal[i], privilege) == 0)
            return true;
    }
    return wish->with_vm_monitor && strcmp(privilege, "VM.Monitor") == 0;
}

/* The pool and its members hold what the pool is granted. Which guests are members Proxmox has been asked
 * already: a pool with others in it was noted in the plan. */
static bool is_of_pool(const struct provision_wish *wish, const char *path)
{
    if (strncmp(path, "/pool/", strlen("/pool/")) == 0)
        return strcmp(path + strlen("/pool/"), wish->pool) == 0;
    return strncmp(path, "/vms/", strlen("/vms/")) == 0 ||
           strncmp(path, "/storage/", strlen("/storage/")) == 0;
}

static void tell_excess(struct verdict *verdict)
{
    json_object_object_foreach(verdict->permissions, path, held)
    {
        struct text more = {0};
        if (!json_object_is_type(held, json_type_object))
            continue;
        json_object_object_foreach(held, privilege, propagates)
        {
            (void)propagates;
            if (!is_of_pool(verdict->wish, path) || !is_minimal(verdict->wish, privilege))
                text_printf(&more, "%s%s", more.length ? ", " : "", privilege);
        }
        if (more.length) {
            printf("  too much: %s holds %s on %s\n", verdict->id, more.data, path);
            verdict->problems++;
        }
        text_clear(&more);
    }
}

static void need(struct verdict *verdict, const char *path, const char *privilege)
{
    struct json_object *held = NULL;
    if (json_get_object(verdict->permissions, path, &held) &&
        json_object_object_get_ex(held, privilege, NULL))
        return;
    printf("  missing: %s on %s for %s\n", privilege, path, verdict->id);
    verdict->problems++;
}

static void tell_missing(struct verdict *verdict)
{
    _cleanup_(freep) char *pool = NULL;
    char path[32];
    if (asprintf(&pool, "/pool/%s", verdict->wish->pool) < 0) {
        pool = NULL;
        return;
    }
    need(verdict, pool, "Pool.Audit");
    for (size_t i = 0; i < verdict->wish->guest_count; i++) {
        snprintf(path, sizeof(path), "/vms/%d", verdict->wish->guests[i]);
        need(verdict, path, "VM.PowerMgmt");
        need(verdict, path, "VM.Audit");
    }
}

static int check_one(struct provision_session *session, const struct provision_wish *wish, const char *id,
                     struct error *error)
{
    _cleanup_(json_putp) struct json_object *permissions = NULL;
    struct provision_parts parts = {.subject = id};
    int result = provision_call(session, PROVISION_PERMISSIONS, &parts, &permissions, error);
    if (result == -ENOENT ||
        (result == 0 && (!permissions || !json_object_is_type(permissions, json_type_object)))) {
        error_set(error, ERROR_PROTOCOL, "Proxmox does not tell what %s may do", id);
        return -1;
    }
    if (result)
        return -1;
    struct verdict verdict = {.wish = wish, .id = id, .permissions = permissions};
    tell_missing(&verdict);
    tell_excess(&verdict);
    if (!verdict.problems)
        printf("  %s: just what fencing takes\n", id);
    return verdict.problems > 0;
}

int provision_check(struct provision_session *session, const struct provision_wish *wish, struct error *error)
{
    puts("audit of what is there now:");
    int result = check_one(session, wish, wish->user, error);
    for (size_t i = 0; i < wish->token_count && result >= 0; i++) {
        _cleanup_(freep) char *id = NULL;
        if (asprintf(&id, "%s!%s", wish->user, wish->tokens[i]) < 0) {
            id = NULL;
            error_set(error, ERROR_INTERNAL, "no memory");
            return -1;
        }
        int one = check_one(session, wish, id, error);
        result = one < 0 ? one : result | one;
    }
    return result;
}
