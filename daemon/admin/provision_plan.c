/*
 * From what is wanted and what is there to what is to be done. What would change rights of others, or what a
 * second run could not mend, is in the way: then nothing is done.
 */
#include "admin/provision_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <string.h>

/* ---- the plan itself ---- */

struct provision_step *provision_plan_put(struct provision_plan *plan, enum provision_step_kind kind,
                                          const char *text)
{
    struct provision_step *step = heap_add(plan->steps, plan->count);
    *step = (struct provision_step){.kind = kind, .text = text};
    return step;
}

struct provision_step *provision_plan_call(struct provision_plan *plan, enum provision_call call,
                                           const char *text)
{
    const struct provision_wish *wish = plan->wish;
    struct provision_step *step = provision_plan_put(plan, PROVISION_DO, text);
    step->call = call;
    step->parts = (struct provision_parts){.role = wish->role,
                                           .pool = wish->pool,
                                           .group = wish->group,
                                           .user = wish->user,
                                           .comment = PROVISION_MARK};
    return step;
}

void provision_plan_grant(struct provision_plan *plan, enum provision_call call,
                          const struct provision_right *right, const struct provision_subject *subject)
{
    struct provision_step *step =
        call == PROVISION_GRANT
            ? provision_plan_do(plan, call, "grant %s on %s to %s", right->role, right->path, subject->name)
            : provision_plan_do(plan, call, "take %s on %s from %s", right->role, right->path, subject->name);
    step->parts.role = right->role;
    step->parts.path = right->path;
    step->parts.kind = subject->kind;
    step->parts.subject = subject->name;
}

size_t provision_plan_count(const struct provision_plan *plan, enum provision_step_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++)
        count += plan->steps[i].kind == kind;
    return count;
}

void provision_plan_begin(const struct provision_wish *wish, const struct provision_found *found,
                          struct provision_plan *plan)
{
    *plan = (struct provision_plan){.wish = wish, .found = found};
    *heap_add(plan->rights, plan->right_count) =
        (struct provision_right){wish->role, heap_printf("/pool/%s", wish->pool), provision_privileges(wish)};
    if (wish->trust_ha)
        *heap_add(plan->rights, plan->right_count) =
            (struct provision_right){PRIVILEGES_HA_ROLE, "/", PRIVILEGES_HA};
    *heap_add(plan->subjects, plan->subject_count) =
        wish->group ? (struct provision_subject){"groups", "group", wish->group}
                    : (struct provision_subject){"users", "user", wish->user};
    for (size_t i = 0; i < wish->token_count; i++)
        *heap_add(plan->subjects, plan->subject_count) =
            (struct provision_subject){"tokens", "token", heap_printf("%s!%s", wish->user, wish->tokens[i])};
    for (size_t i = 0; i < json_object_array_length(found->acl); i++) {
        struct json_object *grant = json_object_array_get_idx(found->acl, i);
        *heap_add(plan->grants, plan->grant_count) =
            (struct provision_grant){provision_string(grant, "roleid"), provision_string(grant, "path"),
                                     provision_string(grant, "ugid"), provision_string(grant, "type")};
    }
}

/* ---- reading what is there ---- */

const char *provision_string(struct json_object *object, const char *key)
{
    const char *string = "";
    json_get_string(object, key, &string);
    return string;
}

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

int provision_vmid(struct json_object *list, size_t i)
{
    int64_t vmid = 0;
    return json_get_int_or_digits(json_object_array_get_idx(list, i), "vmid", 1, 999999999, &vmid) ? (int)vmid
                                                                                                   : 0;
}

bool provision_wants(const struct provision_wish *wish, int vmid)
{
    for (size_t i = 0; i < wish->guest_count; i++)
        if (wish->guests[i] == vmid)
            return true;
    return false;
}

bool provision_holds(const struct provision_grant *grant, const struct provision_subject *subject)
{
    return strcmp(grant->who, subject->name) == 0 && strcmp(grant->type, subject->type) == 0;
}

bool provision_is(const struct provision_grant *grant, const struct provision_right *right)
{
    return strcmp(grant->role, right->role) == 0 && strcmp(grant->path, right->path) == 0;
}

const struct provision_grant *provision_foreign(const struct provision_plan *plan,
                                                const struct provision_right *right)
{
    for (size_t i = 0; i < plan->grant_count; i++) {
        const struct provision_grant *grant = &plan->grants[i];
        bool ours = false;
        for (size_t k = 0; k < plan->subject_count; k++)
            ours |= strcmp(grant->path, right->path) == 0 && strcmp(grant->who, plan->subjects[k].name) == 0;
        if (strcmp(grant->role, right->role) == 0 && !ours)
            return grant;
    }
    return NULL;
}

/* ---- role ---- */

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

static void plan_role(struct provision_plan *plan, const struct provision_right *right)
{
    const char *privileges = right->privileges;
    struct json_object *role = provision_find(plan->found->roles, "roleid", right->role);
    const char *has = provision_string(role, "privs"), *had = *has ? has : "nothing";
    const struct provision_grant *used = NULL;
    struct provision_step *step = NULL;
    bool special = false;
    json_get_flag(role, "special", &special);
    if (!role) {
        step = provision_plan_do(plan, PROVISION_ROLE_ADD, "create the role %s: %s", right->role, privileges);
    } else if (special) {
        provision_plan_add(plan, PROVISION_STOP,
                           "%s is a role of Proxmox's own and gives more than fencing needs", right->role);
        provision_plan_mend(plan, "choose a name of your own: --role FenceBroker");
    } else if (same_words(has, privileges)) {
        provision_plan_add(plan, PROVISION_KEEP, "the role %s: %s", right->role, privileges);
    } else if ((used = provision_foreign(plan, right))) {
        provision_plan_add(
            plan, PROVISION_STOP,
            "the role %s is there, with %s, and others use it (%s on %s): changing it would change "
            "their rights",
            right->role, had, used->who, used->path);
        provision_plan_mend(plan, "choose another name: --role FenceBroker2");
    } else {
        step = provision_plan_do(plan, PROVISION_ROLE_SET, "change the role %s from %s to %s", right->role,
                                 had, privileges);
    }
    if (step) {
        step->parts.role = right->role;
        step->parts.privs = privileges;
    }
}

/* ---- pool ---- */

static void plan_guest(struct provision_plan *plan, int vmid, struct text *missing)
{
    struct json_object *guests = plan->found->guests, *guest = NULL;
    bool template = false;
    for (size_t i = 0; i < json_object_array_length(guests) && !guest; i++)
        if (provision_vmid(guests, i) == vmid)
            guest = json_object_array_get_idx(guests, i);
    if (!guest) {
        provision_plan_add(plan, PROVISION_STOP,
                           "there is no guest %d (or this administrator may not see it)", vmid);
        provision_plan_mend(plan, "look at: qm list; pct list; and correct --guests");
        return;
    }
    const char *pool = provision_string(guest, "pool");
    json_get_flag(guest, "template", &template);
    if (template) {
        provision_plan_add(plan, PROVISION_STOP, "%d is a template, which is never a cluster node", vmid);
        provision_plan_mend(plan, "correct --guests");
    } else if (*pool && strcmp(pool, plan->wish->pool) != 0) {
        provision_plan_add(plan, PROVISION_STOP,
                           "guest %d is in the pool %s, and a guest is in one pool only", vmid, pool);
        provision_plan_mend(plan,
                            "if nobody's rights depend on that: pveum pool modify %s --vms %d --delete 1",
                            heap_word(pool), vmid);
    } else if (!*pool) {
        text_printf(missing, "%s%d", missing->length ? "," : "", vmid);
    }
}

static void note_other_guests(struct provision_plan *plan)
{
    struct json_object *members = NULL;
    if (!plan->found->pool || !json_get_array(plan->found->pool, "members", &members))
        return;
    for (size_t i = 0; i < json_object_array_length(members); i++) {
        int vmid = provision_vmid(members, i);
        if (vmid && !provision_wants(plan->wish, vmid))
            provision_plan_add(plan, PROVISION_NOTE,
                               "guest %d is in the pool too, and could be fenced as well", vmid);
    }
}

static void plan_pool(struct provision_plan *plan)
{
    const struct provision_wish *wish = plan->wish;
    struct text text = {0};
    if (plan->found->pool)
        provision_plan_add(plan, PROVISION_KEEP, "the pool %s", wish->pool);
    else
        provision_plan_do(plan, PROVISION_POOL_ADD, "create the pool %s", wish->pool);
    for (size_t i = 0; i < wish->guest_count; i++)
        plan_guest(plan, wish->guests[i], &text);
    const char *missing = heap_text(&text);
    if (*missing)
        provision_plan_do(plan, PROVISION_POOL_FILL, "put into the pool: %s", missing)->parts.guests =
            missing;
    note_other_guests(plan);
}

/* ---- group and user ---- */

static void plan_group(struct provision_plan *plan)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *group = provision_find(plan->found->groups, "groupid", wish->group);
    const char *users = provision_string(group, "users");
    if (!group)
        provision_plan_do(plan, PROVISION_GROUP_ADD, "create the group %s", wish->group);
    else
        provision_plan_add(plan, PROVISION_KEEP, "the group %s", wish->group);
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

static bool expires(struct json_object *object)
{
    int64_t expire = 0;
    return json_get_int_or_digits(object, "expire", 0, INT64_MAX, &expire) && expire;
}

static void plan_user(struct provision_plan *plan)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *user = plan->found->user;
    bool enabled = true;
    if (!user && wish->group) {
        provision_plan_do(plan, PROVISION_USER_ADD_IN_GROUP, "create the user %s in %s", wish->user,
                          wish->group);
        return;
    }
    if (!user) {
        provision_plan_do(plan, PROVISION_USER_ADD, "create the user %s", wish->user);
        return;
    }
    provision_plan_add(plan, PROVISION_KEEP, "the user %s", wish->user);
    if (json_get_flag(user, "enable", &enabled) && !enabled) {
        provision_plan_add(plan, PROVISION_STOP, "%s is disabled, and so are its tokens", wish->user);
        provision_plan_mend(plan, "pveum user modify %s --enable 1", heap_word(wish->user));
    }
    if (expires(user)) {
        provision_plan_add(plan, PROVISION_STOP, "%s expires, and its tokens with it", wish->user);
        provision_plan_mend(plan, "pveum user modify %s --expire 0", heap_word(wish->user));
    }
    if (wish->group && !is_member(wish, plan->found))
        provision_plan_do(plan, PROVISION_USER_JOIN, "put %s into the group %s", wish->user, wish->group);
}

/* ---- tokens and grants ---- */

static void plan_token(struct provision_plan *plan, size_t index)
{
    const struct provision_wish *wish = plan->wish;
    struct json_object *tokens = NULL, *token = NULL;
    const char *name = wish->tokens[index];
    bool privsep = true;
    if (!plan->found->user || !json_get_object(plan->found->user, "tokens", &tokens) ||
        !json_get_object(tokens, name, &token)) {
        struct provision_step *step =
            provision_plan_do(plan, PROVISION_TOKEN_ADD, "create the token %s!%s, with privileges of its own",
                              wish->user, name);
        step->kind = PROVISION_TOKEN;
        step->parts.token = name;
        step->token = index;
        return;
    }
    provision_plan_add(plan, PROVISION_KEEP, "the token %s!%s (its secret cannot be shown again)", wish->user,
                       name);
    if (json_get_flag(token, "privsep", &privsep) && !privsep) {
        provision_plan_add(plan, PROVISION_STOP, "%s!%s can do all that %s can", wish->user, name,
                           wish->user);
        provision_plan_mend(plan, "pveum user token modify %s %s --privsep 1", heap_word(wish->user), name);
    }
    if (expires(token)) {
        provision_plan_add(plan, PROVISION_STOP, "%s!%s expires", wish->user, name);
        provision_plan_mend(plan, "pveum user token modify %s %s --expire 0", heap_word(wish->user), name);
    }
}

/* Notes what the subject holds besides. */
static void note_others(struct provision_plan *plan, const struct provision_subject *subject)
{
    for (size_t i = 0; i < plan->grant_count; i++) {
        const struct provision_grant *grant = &plan->grants[i];
        bool ours = false;
        for (size_t k = 0; k < plan->right_count; k++)
            ours |= provision_is(grant, &plan->rights[k]);
        if (ours || !provision_holds(grant, subject))
            continue;
        provision_plan_add(plan, PROVISION_NOTE, "%s also holds %s on %s, which fencing does not take",
                           grant->who, grant->role, grant->path);
        provision_plan_mend(plan, "pveum acl delete %s --%s %s --roles %s", heap_word(grant->path),
                            subject->kind, heap_word(grant->who), heap_word(grant->role));
    }
}

static void plan_grants(struct provision_plan *plan, const struct provision_subject *subject)
{
    note_others(plan, subject);
    for (size_t i = 0; i < plan->right_count; i++) {
        const struct provision_right *right = &plan->rights[i];
        bool granted = false;
        for (size_t k = 0; k < plan->grant_count; k++)
            granted |= provision_holds(&plan->grants[k], subject) && provision_is(&plan->grants[k], right);
        if (granted)
            provision_plan_add(plan, PROVISION_KEEP, "%s on %s for %s", right->role, right->path,
                               subject->name);
        else
            provision_plan_grant(plan, PROVISION_GRANT, right, subject);
    }
}

void provision_plan_make(const struct provision_wish *wish, const struct provision_found *found,
                         struct provision_plan *plan)
{
    provision_plan_begin(wish, found, plan);
    if (wish->with_vm_monitor && found->version >= 9) {
        provision_plan_add(plan, PROVISION_STOP,
                           "Proxmox VE %d has no VM.Monitor, and fencing never needed it", found->version);
        provision_plan_mend(plan, "leave --with-vm-monitor out");
    }
    for (size_t i = 0; i < plan->right_count; i++)
        plan_role(plan, &plan->rights[i]);
    plan_pool(plan);
    if (wish->group)
        plan_group(plan);
    plan_user(plan);
    for (size_t i = 0; i < plan->subject_count; i++) {
        if (i > 0)
            plan_token(plan, i - 1);
        plan_grants(plan, &plan->subjects[i]);
    }
}
