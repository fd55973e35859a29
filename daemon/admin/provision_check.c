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

/* The pool's guests, all of them; to be freed. */
struct members {
    struct privileges_guest *list;
    size_t count;
};

static int compare_guests(const void *a, const void *b)
{
    int x = ((const struct privileges_guest *)a)->vmid, y = ((const struct privileges_guest *)b)->vmid;
    return (x > y) - (x < y);
}

static int read_members(struct provision_session *session, const struct provision_wish *wish,
                        struct members *members, struct error *error)
{
    struct provision_parts parts = {.pool = wish->pool};
    _cleanup_(json_putp) struct json_object *data = NULL;
    struct json_object *pool = NULL, *list = NULL;
    bool nested = provision_is_nested(wish->pool);
    int result =
        provision_call(session, nested ? PROVISION_POOL_NESTED : PROVISION_POOL, &parts, &data, error);
    if (result == 0)
        pool = json_object_is_type(data, json_type_array) ? json_object_array_get_idx(data, 0) : data;
    if (result == 0 && json_get_array(pool, "members", &list)) {
        members->list = calloc(json_object_array_length(list) + 1, sizeof(*members->list));
        for (size_t i = 0; members->list && i < json_object_array_length(list); i++) {
            int64_t vmid = 0;
            if (json_get_int_or_digits(json_object_array_get_idx(list, i), "vmid", 1, 999999999, &vmid))
                members->list[members->count++] = (struct privileges_guest){(int)vmid, wish->pool};
        }
    }
    if (members->list) {
        qsort(members->list, members->count, sizeof(*members->list), compare_guests);
        return 0;
    }
    if (result != -EIO)
        error_set(error, ERROR_PROTOCOL, "Proxmox does not tell which guests the pool %s has", wish->pool);
    return -EIO;
}

static void show(const char *prefix, const char *text)
{
    _cleanup_(freep) char *copy = strdup(text);
    if (copy)
        text_make_printable(copy);
    printf("%s%s\n", prefix, copy ? copy : "");
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
        show("  ", report->findings[i].message);
        show("      ", report->findings[i].mend);
    }
    bool good = report->excess == 0 && report->missing == 0;
    if (good)
        printf("  %s: just what fencing needs\n", id);
    return !good;
}

int provision_check(struct provision_session *session, const struct provision_wish *wish, int version,
                    struct error *error)
{
    struct members members = {0};
    struct privileges_scope scope = {
        .pools = &wish->pool, .pool_count = 1, .release = version * 100, .ha_status = wish->trust_ha};
    if (read_members(session, wish, &members, error))
        return -1;
    scope.guests = members.list;
    scope.guest_count = members.count;
    puts("audit of what is there now:");
    int result = check_one(session, &scope, wish->user, error);
    for (size_t i = 0; i < wish->token_count && result >= 0; i++) {
        _cleanup_(freep) char *id = NULL;
        int one = -1;
        if (asprintf(&id, "%s!%s", wish->user, wish->tokens[i]) >= 0)
            one = check_one(session, &scope, id, error);
        else
            id = NULL;
        result = one < 0 ? one : result | one;
    }
    free(members.list);
    return result;
}
