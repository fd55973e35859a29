/*
 * From what is wanted and what is there to what is to be done. What would change rights of others, or what a
 * second run could not mend, is in the way: then nothing is done.
 */
#include "admin/provision_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the plan itself ---- */

static bool grow(struct provision_plan *plan, void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    size_t wanted = *room ? *room * 2 : 16;
    void *grown = reallocarray(*(void **)array, wanted, size);
    if (!grown) {
        plan->failed = true;
        return false;
    }
    *(void **)array = grown;
    *room = wanted;
    return true;
}

struct provision_step *provision_plan_add(struct provision_plan *plan, enum provision_step_kind kind,
                                          const char *format, ...)
{
    static struct provision_step spare;
    va_list args;
    if (!grow(plan, &plan->steps, plan->count, &plan->room, sizeof(*plan->steps)))
        return &spare;
    struct provision_step *step = &plan->steps[plan->count];
    *step = (struct provision_step){.kind = kind};
    va_start(args, format);
    int length = vasprintf(&step->text, format, args);
    va_end(args);
    if (length < 0) {
        plan->failed = true;
        return &spare;
    }
    plan->count++;
    return step;
}

void provision_plan_mend(struct provision_plan *plan, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0 || !plan->count)
        plan->failed = true;
    else
        plan->steps[plan->count - 1].mend = text;
}

const char *provision_plan_word(struct provision_plan *plan, const char *word)
{
    _cleanup_(text_clear) struct text text = {0};
    return provision_plan_string(plan, "%s", text_word(&text, word));
}

const char *provision_plan_string(struct provision_plan *plan, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    if (!grow(plan, &plan->strings, plan->string_count, &plan->string_room, sizeof(*plan->strings)))
        return "";
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        plan->failed = true;
        return "";
    }
    plan->strings[plan->string_count++] = text;
    return text;
}

size_t provision_plan_count(const struct provision_plan *plan, enum provision_step_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++)
        count += plan->steps[i].kind == kind;
    return count;
}

void provision_plan_clear(struct provision_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->steps[i].text);
        free(plan->steps[i].mend);
    }
    for (size_t i = 0; i < plan->string_count; i++)
        free(plan->strings[i]);
    free(plan->steps);
    free(plan->strings);
    *plan = (struct provision_plan){0};
}

/* ---- reading what is there ---- */

struct json_object *provision_find(struct json_object *list, const char *key, const char *value)
{
    size_t count = list && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *element = json_object_array_get_idx(list, i);
        const char *found = NULL;
        if (json_get_string(element, key, &found) && strcmp(found, value) == 0)
            return element;
    }
    return NULL;
}

/* Has the comma-separated list the word? */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *at; at += strspn(at, ",; ")) {
        size_t here = strcspn(at, ",; ");
        if (here == length && memcmp(at, word, length) == 0)
            return true;
        at += here;
    }
    return false;
}

bool provision_is_nested(const char *pool)
{
    return strchr(pool, '/') != NULL;
}

struct provision_subject provision_subject(const struct provision_wish *wish, struct provision_plan *plan,
                                           size_t index)
{
    if (index > 0)
        return (struct provision_subject){
            "tokens", "token", provision_plan_string(plan, "%s!%s", wish->user, wish->tokens[index - 1])};
    if (wish->group)
        return (struct provision_subject){"groups", "group", wish->group};
    return (struct provision_subject){"users", "user", wish->user};
}

size_t provision_rights(const struct provision_wish *wish)
{
    return wish->trust_ha ? 2 : 1;
}

struct provision_right provision_right(const struct provision_wish *wish, struct provision_plan *plan,
                                       size_t index)
{
    if (index > 0)
        return (struct provision_right){PRIVILEGES_HA_ROLE, "/", PRIVILEGES_HA};
    return (struct provision_right){wish->role, provision_plan_string(plan, "/pool/%s", wish->pool),
                                    provision_privileges(wish)};
}

/* ---- role ---- */

static bool same_words(const char *a, const char *b)
{
    const char *lists[] = {a, b};
    for (int i = 0; i < 2; i++) {
        _cleanup_(freep) char *copy = strdup(lists[i]);
        for (char *rest = copy, *word; rest && (word = strsep(&rest, ",; "));) {
            if (*word && !list_has(lists[!i], word))
                return false;
        }
    }
    return true;
}

/* a grant of the role to somebody else, or somewhere else; NULL if there is none */
static struct json_object *foreign_grant(const struct provision_wish *wish,
                                         const struct provision_found *found,
                                         const struct provision_right *right, struct provision_plan *plan)
{
    const char *path = right->path;
    for (size_t i = 0; i < json_object_array_length(found->acl); i++) {
        struct json_object *grant = json_object_array_get_idx(found->acl, i);
        const char *role = "", *where = "", *who = "";
        json_get_string(grant, "roleid", &role);
        json_get_string(grant, "path", &where);
        json_get_string(grant, "ugid", &who);
        bool ours = strcmp(where, path) == 0 && strcmp(who, wish->group ? wish->group : wish->user) == 0;
        for (size_t k = 0; k < wish->token_count && !ours; k++)
            ours = strcmp(where, path) == 0 && strcmp(who, provision_subject(wish, plan, k + 1).name) == 0;
        if (strcmp(role, right->role) == 0 && !ours)
            return grant;
    }
    return NULL;
}

static void plan_role(const struct provision_wish *wish, const struct provision_found *found,
                      const struct provision_right *right, struct provision_plan *plan)
{
    const char *privileges = right->privileges, *has = "";
    struct json_object *role = provision_find(found->roles, "roleid", right->role), *used = NULL;
    struct provision_parts parts = {.role = right->role, .privs = privileges};
    bool special = false;
    if (!role) {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "create the role %s: %s", right->role, privileges);
        step->call = PROVISION_ROLE_ADD;
        step->parts = parts;
        return;
    }
    json_get_flag(role, "special", &special);
    json_get_string(role, "privs", &has);
    if (special) {
        provision_plan_add(plan, PROVISION_STOP,
                           "%s is a role of Proxmox's own and gives more than fencing needs", right->role);
        provision_plan_mend(plan, "choose a name of your own: --role FenceBroker");
    } else if (same_words(has, privileges)) {
        provision_plan_add(plan, PROVISION_KEEP, "the role %s: %s", right->role, privileges);
    } else if ((used = foreign_grant(wish, found, right, plan))) {
        const char *who = "", *where = "";
        json_get_string(used, "ugid", &who);
        json_get_string(used, "path", &where);
        provision_plan_add(
            plan, PROVISION_STOP,
            "the role %s is there, with %s, and others use it (%s on %s): changing it would change "
            "their rights",
            right->role, *has ? has : "nothing", who, where);
        provision_plan_mend(plan, "choose another name: --role FenceBroker2");
    } else {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "change the role %s from %s to %s", right->role,
                               *has ? has : "nothing", privileges);
        step->call = PROVISION_ROLE_SET;
        step->parts = parts;
    }
}

/* ---- pool ---- */

static void plan_guest(const struct provision_wish *wish, const struct provision_found *found, int vmid,
                       struct text *missing, struct provision_plan *plan)
{
    struct json_object *guest = NULL;
    const char *pool = "";
    bool template = false;
    for (size_t i = 0; i < json_object_array_length(found->guests) && !guest; i++) {
        struct json_object *one = json_object_array_get_idx(found->guests, i);
        int64_t number = 0;
        if (json_get_int_or_digits(one, "vmid", 1, 999999999, &number) && number == vmid)
            guest = one;
    }
    if (!guest) {
        provision_plan_add(plan, PROVISION_STOP,
                           "there is no guest %d (or this administrator may not see it)", vmid);
        provision_plan_mend(plan, "look at: qm list; pct list; and correct --guests");
        return;
    }
    json_get_flag(guest, "template", &template);
    json_get_string(guest, "pool", &pool);
    if (template) {
        provision_plan_add(plan, PROVISION_STOP, "%d is a template, which is never a cluster node", vmid);
        provision_plan_mend(plan, "correct --guests");
    } else if (*pool && strcmp(pool, wish->pool) != 0) {
        provision_plan_add(plan, PROVISION_STOP,
                           "guest %d is in the pool %s, and a guest is in one pool only", vmid, pool);
        provision_plan_mend(plan,
                            "if nobody's rights depend on that: pveum pool modify %s --vms %d --delete 1",
                            provision_plan_word(plan, pool), vmid);
    } else if (!*pool) {
        text_printf(missing, "%s%d", missing->length ? "," : "", vmid);
    }
}

static void note_other_guests(const struct provision_wish *wish, const struct provision_found *found,
                              struct provision_plan *plan)
{
    struct json_object *members = NULL;
    if (!found->pool || !json_get_array(found->pool, "members", &members))
        return;
    for (size_t i = 0; i < json_object_array_length(members); i++) {
        int64_t vmid = 0;
        bool wanted =
            !json_get_int_or_digits(json_object_array_get_idx(members, i), "vmid", 1, 999999999, &vmid);
        for (size_t k = 0; k < wish->guest_count && !wanted; k++)
            wanted = wish->guests[k] == vmid;
        if (!wanted)
            provision_plan_add(plan, PROVISION_NOTE,
                               "guest %lld is in the pool too, and could be fenced as well", (long long)vmid);
    }
}

static void plan_pool(const struct provision_wish *wish, const struct provision_found *found,
                      struct provision_plan *plan)
{
    struct text missing = {0};
    if (found->pool) {
        provision_plan_add(plan, PROVISION_KEEP, "the pool %s", wish->pool);
    } else {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "create the pool %s", wish->pool);
        step->call = PROVISION_POOL_ADD;
        step->parts = (struct provision_parts){.pool = wish->pool, .comment = PROVISION_MARK};
    }
    for (size_t i = 0; i < wish->guest_count; i++)
        plan_guest(wish, found, wish->guests[i], &missing, plan);
    if (missing.length) {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "put into the pool: %s", missing.data);
        step->call = provision_is_nested(wish->pool) ? PROVISION_POOL_FILL_NESTED : PROVISION_POOL_FILL;
        step->parts = (struct provision_parts){.pool = wish->pool,
                                               .guests = provision_plan_string(plan, "%s", missing.data)};
    }
    plan->failed |= missing.failed;
    text_clear(&missing);
    note_other_guests(wish, found, plan);
}

/* ---- group and user ---- */

static void plan_group(const struct provision_wish *wish, const struct provision_found *found,
                       struct provision_plan *plan)
{
    struct json_object *group = provision_find(found->groups, "groupid", wish->group);
    const char *users = "";
    if (!group) {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "create the group %s", wish->group);
        step->call = PROVISION_GROUP_ADD;
        step->parts = (struct provision_parts){.group = wish->group, .comment = PROVISION_MARK};
        return;
    }
    provision_plan_add(plan, PROVISION_KEEP, "the group %s", wish->group);
    json_get_string(group, "users", &users);
    if (*users && strcmp(users, wish->user) != 0)
        provision_plan_add(plan, PROVISION_NOTE, "all members of %s may fence then: %s", wish->group, users);
}

static bool is_member(const struct provision_wish *wish, const struct provision_found *found)
{
    struct json_object *groups = NULL;
    if (!json_get_array(found->user, "groups", &groups))
        return false;
    for (size_t i = 0; i < json_object_array_length(groups); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(groups, i));
        if (name && strcmp(name, wish->group) == 0)
            return true;
    }
    return false;
}

static void plan_user(const struct provision_wish *wish, const struct provision_found *found,
                      struct provision_plan *plan)
{
    struct provision_parts parts = {.user = wish->user, .group = wish->group, .comment = PROVISION_MARK};
    bool enabled = true;
    int64_t expire = 0;
    if (!found->user) {
        struct provision_step *step = provision_plan_add(
            plan, PROVISION_DO, wish->group ? "create the user %s in %s" : "create the user %s", wish->user,
            wish->group);
        step->call = wish->group ? PROVISION_USER_ADD_IN_GROUP : PROVISION_USER_ADD;
        step->parts = parts;
        return;
    }
    provision_plan_add(plan, PROVISION_KEEP, "the user %s", wish->user);
    if (json_get_flag(found->user, "enable", &enabled) && !enabled) {
        provision_plan_add(plan, PROVISION_STOP, "%s is disabled, and so are its tokens", wish->user);
        provision_plan_mend(plan, "pveum user modify %s --enable 1", provision_plan_word(plan, wish->user));
    }
    if (json_get_int_or_digits(found->user, "expire", 0, INT64_MAX, &expire) && expire) {
        provision_plan_add(plan, PROVISION_STOP, "%s expires, and its tokens with it", wish->user);
        provision_plan_mend(plan, "pveum user modify %s --expire 0", provision_plan_word(plan, wish->user));
    }
    if (wish->group && !is_member(wish, found)) {
        struct provision_step *step =
            provision_plan_add(plan, PROVISION_DO, "put %s into the group %s", wish->user, wish->group);
        step->call = PROVISION_USER_JOIN;
        step->parts = parts;
    }
}

/* ---- tokens and grants ---- */

static void plan_token(const struct provision_wish *wish, const struct provision_found *found, size_t index,
                       struct provision_plan *plan)
{
    struct json_object *tokens = NULL, *token = NULL;
    const char *name = wish->tokens[index];
    bool privsep = true;
    int64_t expire = 0;
    if (!found->user || !json_get_object(found->user, "tokens", &tokens) ||
        !json_get_object(tokens, name, &token)) {
        struct provision_step *step = provision_plan_add(
            plan, PROVISION_TOKEN, "create the token %s!%s, with privileges of its own", wish->user, name);
        step->call = PROVISION_TOKEN_ADD;
        step->parts = (struct provision_parts){.user = wish->user, .token = name, .comment = PROVISION_MARK};
        step->token = index;
        return;
    }
    provision_plan_add(plan, PROVISION_KEEP, "the token %s!%s (its secret cannot be shown again)", wish->user,
                       name);
    if (json_get_flag(token, "privsep", &privsep) && !privsep) {
        provision_plan_add(plan, PROVISION_STOP, "%s!%s can do all that %s can", wish->user, name,
                           wish->user);
        provision_plan_mend(plan, "pveum user token modify %s %s --privsep 1",
                            provision_plan_word(plan, wish->user), name);
    }
    if (json_get_int_or_digits(token, "expire", 0, INT64_MAX, &expire) && expire) {
        provision_plan_add(plan, PROVISION_STOP, "%s!%s expires", wish->user, name);
        provision_plan_mend(plan, "pveum user token modify %s %s --expire 0",
                            provision_plan_word(plan, wish->user), name);
    }
}

/* One of ours, and so nothing to be noted. */
static bool is_right(const struct provision_wish *wish, struct provision_plan *plan, const char *role,
                     const char *path)
{
    for (size_t i = 0; i < provision_rights(wish); i++) {
        const struct provision_right right = provision_right(wish, plan, i);
        if (strcmp(right.role, role) == 0 && strcmp(right.path, path) == 0)
            return true;
    }
    return false;
}

/* Of the subject; notes what else it holds. */
static bool is_granted(const struct provision_wish *wish, const struct provision_found *found,
                       const struct provision_subject *subject, const struct provision_right *right,
                       struct provision_plan *plan)
{
    bool granted = false;
    for (size_t i = 0; i < json_object_array_length(found->acl); i++) {
        struct json_object *grant = json_object_array_get_idx(found->acl, i);
        const char *role = "", *where = "", *who = "", *type = "";
        json_get_string(grant, "roleid", &role);
        json_get_string(grant, "path", &where);
        json_get_string(grant, "ugid", &who);
        json_get_string(grant, "type", &type);
        if (strcmp(who, subject->name) != 0 || strcmp(type, subject->type) != 0)
            continue;
        granted |= strcmp(where, right->path) == 0 && strcmp(role, right->role) == 0;
        if (strcmp(right->path, "/") == 0 || is_right(wish, plan, role, where))
            continue;
        provision_plan_add(plan, PROVISION_NOTE, "%s also holds %s on %s, which fencing does not take", who,
                           role, where);
        provision_plan_mend(plan, "pveum acl delete %s --%s %s --roles %s", provision_plan_word(plan, where),
                            subject->kind, provision_plan_word(plan, who), provision_plan_word(plan, role));
    }
    return granted;
}

static void plan_grant(const struct provision_wish *wish, const struct provision_found *found, size_t index,
                       const struct provision_right *right, struct provision_plan *plan)
{
    struct provision_subject subject = provision_subject(wish, plan, index);
    if (is_granted(wish, found, &subject, right, plan)) {
        provision_plan_add(plan, PROVISION_KEEP, "%s on %s for %s", right->role, right->path, subject.name);
        return;
    }
    struct provision_step *step = provision_plan_add(plan, PROVISION_DO, "grant %s on %s to %s", right->role,
                                                     right->path, subject.name);
    step->call = PROVISION_GRANT;
    step->parts = (struct provision_parts){
        .path = right->path, .kind = subject.kind, .subject = subject.name, .role = right->role};
}

static void plan_grants(const struct provision_wish *wish, const struct provision_found *found, size_t index,
                        struct provision_plan *plan)
{
    for (size_t i = 0; i < provision_rights(wish); i++) {
        const struct provision_right right = provision_right(wish, plan, i);
        plan_grant(wish, found, index, &right, plan);
    }
}

void provision_plan_make(const struct provision_wish *wish, const struct provision_found *found,
                         struct provision_plan *plan)
{
    if (wish->with_vm_monitor && found->version >= 9) {
        provision_plan_add(plan, PROVISION_STOP,
                           "Proxmox VE %d has no VM.Monitor, and fencing never needed it", found->version);
        provision_plan_mend(plan, "leave --with-vm-monitor out");
    }
    for (size_t i = 0; i < provision_rights(wish); i++) {
        const struct provision_right right = provision_right(wish, plan, i);
        plan_role(wish, found, &right, plan);
    }
    plan_pool(wish, found, plan);
    if (wish->group)
        plan_group(wish, found, plan);
    plan_user(wish, found, plan);
    plan_grants(wish, found, 0, plan);
    for (size_t i = 0; i < wish->token_count; i++) {
        plan_token(wish, found, i, plan);
        plan_grants(wish, found, i + 1, plan);
    }
}
