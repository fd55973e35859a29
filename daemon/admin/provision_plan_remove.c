/*
 * What --remove takes away: the named tokens, the grants, and then user, group, role and pool, as far as they
 * bear our mark and nobody else needs them. The rest stays, and the plan says why.
 */
#include "admin/provision_private.h"

#include "system/json.h"

#include <string.h>

static bool is_ours(struct json_object *object)
{
    return strcmp(provision_string(object, "comment"), PROVISION_MARK) == 0;
}

static void stays(struct provision_plan *plan, const char *what, const char *name, const char *why)
{
    provision_plan_add(plan, PROVISION_NOTE, "the %s %s stays: %s", what, name, why);
}

/* Grants of anything to the subject but our rights. */
static bool holds_more(const struct provision_plan *plan, const char *type, const char *name)
{
    const struct provision_subject subject = {.type = type, .name = name};
    for (size_t i = 0; i < plan->grant_count; i++) {
        bool ours = false;
        for (size_t k = 0; k < plan->right_count; k++)
            ours |= provision_is(&plan->grants[i], &plan->rights[k]);
        if (provision_holds(&plan->grants[i], &subject) && !ours)
            return true;
    }
    return false;
}

static void remove_grants(struct provision_plan *plan, const struct provision_right *right)
{
    for (size_t k = 0; k < plan->subject_count; k++)
        for (size_t i = 0; i < plan->grant_count; i++)
            if (provision_is(&plan->grants[i], right) &&
                provision_holds(&plan->grants[i], &plan->subjects[k]))
                provision_plan_grant(plan, PROVISION_REVOKE, right, &plan->subjects[k]);
}

/* Returns how many tokens of the user stay. */
static size_t remove_tokens(struct provision_plan *plan)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *tokens = NULL, *token = NULL;
    if (!plan->found->user || !json_get_object(plan->found->user, "tokens", &tokens))
        return 0;
    size_t left = (size_t)json_object_object_length(tokens);
    for (size_t i = 0; i < wish->token_count; i++) {
        if (!json_get_object(tokens, wish->tokens[i], &token))
            continue;
        if (!is_ours(token)) {
            stays(plan, "token", wish->tokens[i], "provision did not create it");
            continue;
        }
        provision_plan_do(plan, PROVISION_TOKEN_DELETE, "remove the token %s!%s", wish->user, wish->tokens[i])
            ->parts.token = wish->tokens[i];
        left--;
    }
    return left;
}

/* Whether it goes. */
static bool remove_user(struct provision_plan *plan, size_t tokens_left)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *user = plan->found->user, *groups = NULL;
    size_t other_groups = 0;
    if (!user)
        return true;
    for (size_t i = 0; json_get_array(user, "groups", &groups) && i < json_object_array_length(groups); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(groups, i));
        other_groups += !wish->group || !name || strcmp(name, wish->group) != 0;
    }
    const char *why = !is_ours(user)                         ? "provision did not create it"
                      : tokens_left                          ? "it has other tokens"
                      : other_groups                         ? "it is in other groups"
                      : holds_more(plan, "user", wish->user) ? "it has other grants"
                                                             : NULL;
    if (why)
        stays(plan, "user", wish->user, why);
    else
        provision_plan_do(plan, PROVISION_USER_DELETE, "remove the user %s", wish->user);
    return !why;
}

static void remove_group(struct provision_plan *plan, bool user_goes)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *group = provision_find(plan->found->groups, "groupid", wish->group);
    const char *users = provision_string(group, "users");
    if (!group)
        return;
    const char *why = !is_ours(group)                                       ? "provision did not create it"
                      : *users && (strcmp(users, wish->user) || !user_goes) ? "it has members"
                      : holds_more(plan, "group", wish->group)              ? "it has other grants"
                                                                            : NULL;
    if (why)
        stays(plan, "group", wish->group, why);
    else
        provision_plan_do(plan, PROVISION_GROUP_DELETE, "remove the group %s", wish->group);
}

/* Roles have no comments: one that gives just what ours gives and that nobody else is granted is taken for
 * ours. */
static void remove_role(struct provision_plan *plan, const struct provision_right *right)
{
    struct json_object *role = provision_find(plan->found->roles, "roleid", right->role);
    bool special = false;
    json_get_flag(role, "special", &special);
    if (!role)
        return;
    if (special || provision_foreign(plan, right))
        stays(plan, "role", right->role, special ? "it is Proxmox's own" : "others are granted it");
    else
        provision_plan_do(plan, PROVISION_ROLE_DELETE, "remove the role %s", right->role)->parts.role =
            right->role;
}

static void remove_pool(struct provision_plan *plan)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *pool = plan->found->pool, *members = NULL;
    struct json_object *known = provision_find(plan->found->pools, "poolid", wish->pool);
    struct text text = {0};
    bool others = false;
    if (!pool)
        return;
    if (!is_ours(pool) && !(known && is_ours(known))) {
        stays(plan, "pool", wish->pool, "provision did not create it; its guests stay in it");
        return;
    }
    for (size_t i = 0; json_get_array(pool, "members", &members) && i < json_object_array_length(members);
         i++) {
        int vmid = provision_vmid(members, i);
        if (provision_wants(wish, vmid))
            text_printf(&text, "%s%d", text.length ? "," : "", vmid);
        else
            others = true;
    }
    const char *guests = heap_text(&text);
    if (*guests)
        provision_plan_do(plan, PROVISION_POOL_EMPTY, "take out of the pool: %s", guests)->parts.guests =
            guests;
    if (others)
        stays(plan, "pool", wish->pool, "it has other members");
    else
        provision_plan_do(plan, PROVISION_POOL_DELETE, "remove the pool %s", wish->pool);
}

void provision_plan_remove(const struct provision_wish *wish, const struct provision_found *found,
                           struct provision_plan *plan)
{
    provision_plan_begin(wish, found, plan);
    for (size_t i = 0; i < plan->right_count; i++)
        remove_grants(plan, &plan->rights[i]);
    bool user_goes = remove_user(plan, remove_tokens(plan));
    if (wish->group)
        remove_group(plan, user_goes);
    for (size_t i = 0; i < plan->right_count; i++)
        remove_role(plan, &plan->rights[i]);
    remove_pool(plan);
}
