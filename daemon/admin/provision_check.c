/*
 * The audit of what was made: what Proxmox itself says that the user and each token may do, judged as the
 * daemon will judge it.
 */
#include "admin/provision_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int compare_guests(const void *a, const void *b)
{
    int x = ((const struct privileges_guest *)a)->vmid, y = ((const struct privileges_guest *)b)->vmid;
    return (x > y) - (x < y);
}

/* The pool's guests, all of them. */
static int read_members(struct provision_session *session, struct privileges_scope *scope,
                        struct error *error)
{
    _cleanup_(json_putp) struct json_object *pool = NULL;
    struct json_object *list = NULL;
    struct privileges_guest *guests = NULL;
    const char *name = scope->pools[0];
    int result = provision_read_pool(session, name, &pool, error);
    if (result)
        return result;
    if (!json_get_array(pool, "members", &list)) {
        error_set(error, ERROR_PROTOCOL, "Proxmox does not tell which guests the pool %s has", name);
        return -EIO;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        int vmid = provision_vmid(list, i);
        if (vmid)
            *heap_add(guests, scope->guest_count) = (struct privileges_guest){vmid, name};
    }
    if (guests)
        qsort(guests, scope->guest_count, sizeof(*guests), compare_guests);
    scope->guests = guests;
    return 0;
}

/* 0 just what fencing takes, 1 not; -1 and *error */
static int check_one(struct provision_session *session, struct privileges_scope *scope, const char *id,
                     struct error *error)
{
    _cleanup_(json_putp) struct json_object *permissions = NULL;
    struct provision_parts parts = {.subject = id};
    int result = provision_call(session, PROVISION_PERMISSIONS, &parts, &permissions, error);
    if (result == -ENOENT) {
        error_set(error, ERROR_PROTOCOL, "Proxmox does not tell what %s may do", id);
        return -1;
    }
    if (result)
        return -1;
    scope->identity = id;
    _cleanup_(privileges_report_freep) struct privileges_report *report =
        privileges_judge(permissions, scope);
    if (!report) {
        error_set(error, ERROR_INTERNAL, "no memory");
        return -1;
    }
    for (size_t i = 0; i < report->count; i++) {
        provision_show("  ", report->findings[i].message);
        provision_show("      ", report->findings[i].mend);
    }
    bool good = report->excess == 0 && report->missing == 0;
    if (good)
        printf("  %s: just what fencing needs\n", id);
    return !good;
}

int provision_check(struct provision_session *session, const struct provision_wish *wish, int version,
                    struct error *error)
{
    struct privileges_scope scope = {
        .pools = &wish->pool, .pool_count = 1, .release = version * 100, .ha_status = wish->trust_ha};
    if (read_members(session, &scope, error))
        return -1;
    puts("audit of what is there now:");
    int result = check_one(session, &scope, wish->user, error);
    for (size_t i = 0; i < wish->token_count && result >= 0; i++) {
        int one = check_one(session, &scope, heap_printf("%s!%s", wish->user, wish->tokens[i]), error);
        result = one < 0 ? one : result | one;
    }
    return result;
}
