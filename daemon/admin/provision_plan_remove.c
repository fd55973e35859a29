/*
 * What --remove takes away: the named tokens, the grants, and then user, group, role and pool, as far as they
 * bear our mark and nobody else needs them. The rest stays, and the plan says why.
 */
#include "admin/provision_private.h"

#include "system/json.h"

#include <string.h>

static bool is_ours(struct json_object *object)
{
    const char *comment = "";
    json_get_string(object, "comment", &comment);
    return strcmp(comment, PROVISION_MARK) == 0;
}

static void stays(struct provision_plan *plan, const char *what, const char *name, const char *why)
{
    provision_plan_add(plan, PROVISION_NOTE, "the %s %s stays: %s", what, name, why);
}

static struct provision_step *go(struct provision_plan *plan, enum provision_call call, const char *what,
                                 const char *name)
{
    struct provision_step *step = provision_plan_add(plan, PROVISION_DO, "remove the %s %s", what, name);
    step->call = call;
    return step;
}

/* Grants of anything to the subject but our rights. */
static bool holds_more(const struct provision_wish *wish, const struct provision_found *found,
                       struct provision_plan *plan, const char *type, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(found->acl); i++) {
        struct json_object *grant = json_object_array_get_idx(found->acl, i);
        const char *role = "", *where = "", *who = "", *kind = "";
        json_get_string(grant, "roleid", &role);
        json_get_string(grant, "path", &where);
        json_get_string(grant, "ugid", &who);
        json_get_string(grant, "type", &kind);
        bool ours = false;
        for (size_t k = 0; k < provision_rights(wish); k++) {
            const struct provision_right right = provision_right(wish, plan, k);
            ours |= strcmp(role, right.role) == 0 && strcmp(where, right.path) == 0;
        }
        if (strcmp(who, name) == 0 && strcmp(kind, type) == 0 && !ours)
            return true;
    }
    return false;
}

static void remove_grants(const struct provision_wish *wish, const struct provision_found *found,
                          const struct provision_right *right, struct provision_plan *plan)
{
    for (size_t k = 0; k <= wish->token_count; k++) {
        struct provision_subject subject = provision_subject(wish, plan, k);
        for (size_t i = 0; i < json_object_array_length(found->acl); i++) {
            struct json_object *grant = json_object_array_get_idx(found->acl, i);
            const char *role = "", *where = "", *who = "", *type = "";
            json_get_string(grant, "roleid", &role);
            json_get_string(grant, "path", &where);
            json_get_string(grant, "ugid", &who);
            json_get_string(grant, "type", &type);
            if (strcmp(role, right->role) != 0 || strcmp(where, right->path) != 0 ||
                strcmp(who, subject.name) != 0 || strcmp(type, subject.type) != 0)
                continue;
            struct provision_step *step = provision_plan_add(plan, PROVISION_DO, "take %s on %s from %s",
                                                             role, right->path, subject.name);
            step->call = PROVISION_REVOKE;
            step->parts = (struct provision_parts){
                .path = right->path, .kind = subject.kind, .subject = subject.name, .role = right->role};
        }
    }
}

/* Returns how many tokens of the user stay. */
static size_t remove_tokens(const struct provision_wish *wish, const struct provision_found *found,
                            struct provision_plan *plan)
{
    struct json_object *tokens = NULL, *token = NULL;
    if (!found->user || !json_get_object(found->user, "tokens", &tokens))
        return 0;
    size_t left = (size_t)json_object_object_length(tokens);
    for (size_t i = 0; i < wish->token_count; i++) {
        if (!json_get_object(tokens, wish->tokens[i], &token))
            continue;
        if (!is_ours(token)) {
            stays(plan, "token", wish->tokens[i], "provision did not create it");
            continue;
        }
        struct provision_step *step = go(plan, PROVISION_TOKEN_DELETE, "token",
                                         provision_plan_string(plan, "%s!%s", wish->user, wish->tokens[i]));
        step->parts = (struct provision_parts){.user = wish->user, .token = wish->tokens[i]};
        left--;
    }
    return left;
}

/* Whether it goes. */
static bool remove_user(const struct provision_wish *wish, const struct provision_found *found,
                        size_t tokens_left, struct provision_plan *plan)
{
    struct json_object *groups = NULL;
    size_t other_groups = 0;
    if (!found->user)
        return true;
    for (size_t i = 0; json_get_array(found->user, "groups", &groups) && i < json_object_array_length(groups);
         i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(groups, i));
        other_groups += !wish->group || !name || strcmp(name, wish->group) != 0;
    }
    const char *why = !is_ours(found->user)                               ? "provision did not create it"
                      : tokens_left                                       ? "it has other tokens"
                      : other_groups                                      ? "it is in other groups"
                      : holds_more(wish, found, plan, "user", wish->user) ? "it has other grants"
                                                                          : NULL;
    if (why) {
        stays(plan, "user", wish->user, why);
        return false;
    }
    go(plan, PROVISION_USER_DELETE, "user", wish->user)->parts = (struct provision_parts){.user = wish->user};
    return true;
}

static void remove_group(const struct provision_wish *wish, const struct provision_found *found,
                         bool user_goes, struct provision_plan *plan)
{
    struct json_object *group = provision_find(found->groups, "groupid", wish->group);
    const char *users = "";
    if (!group)
        return;
    json_get_string(group, "users", &users);
    const char *why = !is_ours(group)                                       ? "provision did not create it"
                      : *users && (strcmp(users, wish->user) || !user_goes) ? "it has members"
                      : holds_more(wish, found, plan, "group", wish->group) ? "it has other grants"
                                                                            : NULL;
    if (why) {
        stays(plan, "group", wish->group, why);
        return;
    }
    go(plan, PROVISION_GROUP_DELETE, "group", wish->group)->parts =
        (struct provision_parts){.group = wish->group};
}

/* Roles have no comments: one that gives just what ours gives and that nobody else is granted is taken for
 * ours. */
static void remove_role(const struct provision_wish *wish, const struct provision_found *found,
                        const struct provision_right *right, struct provision_plan *plan)
{
    struct json_object *role = provision_find(found->roles, "roleid", right->role);
    bool special = false, used = false;
    if (!role)
        return;
    for (size_t i = 0; i < json_object_array_length(found->acl); i++) {
        struct json_object *grant = json_object_array_get_idx(found->acl, i);
        const char *name = "", *where = "", *who = "";
        json_get_string(grant, "roleid", &name);
        json_get_string(grant, "path", &where);
        json_get_string(grant, "ugid", &who);
        bool ours = false;
        for (size_t k = 0; k <= wish->token_count; k++)
            ours |=
                strcmp(where, right->path) == 0 && strcmp(who, provision_subject(wish, plan, k).name) == 0;
        used |= strcmp(name, right->role) == 0 && !ours;
    }
    json_get_flag(role, "special", &special);
    if (special || used) {
        stays(plan, "role", right->role, special ? "it is Proxmox's own" : "others are granted it");
        return;
    }
    go(plan, PROVISION_ROLE_DELETE, "role", right->role)->parts =
        (struct provision_parts){.role = right->role};
}

static void remove_pool(const struct provision_wish *wish, const struct provision_found *found,
                        struct provision_plan *plan)
{
    struct json_object *members = NULL, *known = provision_find(found->pools, "poolid", wish->pool);
    struct text guests = {0};
    bool others = false;
    if (!found->pool)
        return;
    if (!is_ours(found->pool) && !(known && is_ours(known))) {
        stays(plan, "pool", wish->pool, "provision did not create it; its guests stay in it");
        return;
    }
    for (size_t i = 0;
         json_get_array(found->pool, "members", &members) && i < json_object_array_length(members); i++) {
        int64_t vmid = 0;
        bool wanted = false;
        bool guest =
            json_get_int_or_digits(json_object_array_get_idx(members, i), "vmid", 1, 999999999, &vmid);
        for (size_t k = 0; guest && k < wish->guest_count; k++)
            wanted |= wish->guests[k] == vmid;
        if (wanted)
            text_printf(&guests, "%s%lld", guests.length ? "," : "", (long long)vmid);
        others |= !wanted;
    }
    if (guests.length) {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "take out of the pool: %s", guests.data);
        step->call = provision_is_nested(wish->pool) ? PROVISION_POOL_EMPTY_NESTED : PROVISION_POOL_EMPTY;
        step->parts = (struct provision_parts){.pool = wish->pool,
                                               .guests = provision_plan_string(plan, "%s", guests.data)};
    }
    plan->failed |= guests.failed;
    text_clear(&guests);
    if (others)
        stays(plan, "pool", wish->pool, "it has other members");
    else
        go(plan, provision_is_nested(wish->pool) ? PROVISION_POOL_DELETE_NESTED : PROVISION_POOL_DELETE,
           "pool", wish->pool)
            ->parts = (struct provision_parts){.pool = wish->pool};
}

void provision_plan_remove(const struct provision_wish *wish, const struct provision_found *found,
                           struct provision_plan *plan)
{
    for (size_t i = 0; i < provision_rights(wish); i++) {
        const struct provision_right right = provision_right(wish, plan, i);
        remove_grants(wish, found, &right, plan);
    }
    size_t left = remove_tokens(wish, found, plan);
    bool user_goes = remove_user(wish, found, left, plan);
    if (wish->group)
        remove_group(wish, found, user_goes, plan);
    for (size_t i = 0; i < provision_rights(wish); i++) {
        const struct provision_right right = provision_right(wish, plan, i);
        remove_role(wish, found, &right, plan);
    }
    remove_pool(wish, found, plan);
}
