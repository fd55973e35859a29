/*
 * The evaluator of user.cfg; see usercfg.h.
 *
 * Follows PVE::RPCEnvironment::permissions and PVE::AccessControl::roles. Reads the model that
 * usercfg_parse.c has built, allocates nothing, and knows nothing of what its callers do with the answer.
 */
#include "policy/usercfg_model.h"

#include "system/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- effective privileges ----------------------------------------------------------------------------- */

static void add_role(struct roles *roles, const struct role *role, bool propagate)
{
    struct usercfg_privileges *sum = &roles->sum;
    if (strcmp(role->name, "NoAccess") == 0) {
        roles->no_access = true;
        sum = &roles->no_access_sum;
    }
    sum->held |= role->privileges;
    if (propagate)
        sum->propagates |= role->privileges;
}

/* Entries count where the walk ends, or if they propagate. Returns whether any did. */
static bool add_subject(struct roles *roles, const struct subject *subject, bool final)
{
    bool any = false;
    for (const struct grant *grant = subject ? subject->grants : NULL; grant; grant = grant->next) {
        if (!final && !grant->propagate)
            continue;
        add_role(roles, grant->role, grant->propagate);
        any = true;
    }
    return any;
}

static bool is_member(const struct usercfg *cfg, const char *group_name, const char *user)
{
    struct group *group = NULL;
    struct member *member = NULL;
    HASH_FIND_STR(cfg->groups, group_name, group);
    if (group)
        HASH_FIND_STR(group->members, user, member);
    return member != NULL;
}

bool usercfg_visit(const struct usercfg *cfg, const struct acl *acl, const char *id, bool is_token,
                   bool final, struct roles *roles)
{
    struct subject *subject = NULL, *next = NULL;

    HASH_FIND_STR(acl->subjects[is_token ? SUBJECT_TOKEN : SUBJECT_USER], id, subject);
    bool any = add_subject(roles, subject, final);
    if (!any && !is_token) {
        HASH_ITER (hh, acl->subjects[SUBJECT_GROUP], subject, next) {
            if (is_member(cfg, subject->name, id))
                any |= add_subject(roles, subject, final);
        }
    }
    return any;
}

/* What one node of the tree says about the identity replaces what came from above. */
static void visit(const struct usercfg *cfg, const char *id, bool is_token, const char *path, size_t length,
                  bool final, struct roles *roles)
{
    struct acl *acl = NULL;
    struct roles here = {0};

    HASH_FIND(hh, cfg->acls, path, length, acl);
    if (acl && usercfg_visit(cfg, acl, id, is_token, final, &here))
        *roles = here;
}

static struct roles roles_at(const struct usercfg *cfg, const char *id, bool is_token, const char *path)
{
    struct roles roles = {0};
    size_t length = strlen(path);
    bool root = length <= 1;

    visit(cfg, id, is_token, "/", 1, root, &roles);
    for (size_t end = 1; !root && end <= length; end++) {
        if (path[end] == '/' || end == length)
            visit(cfg, id, is_token, path, end, end == length, &roles);
    }
    if (roles.no_access)
        roles.sum = roles.no_access_sum;
    return roles;
}

/* What a pool gives reaches its guests and storages, and nothing below them. */
static void add_pool(const struct usercfg *cfg, const char *id, bool is_token, const struct pool *pool,
                     struct roles *roles)
{
    struct roles from_pool = roles_at(cfg, id, is_token, pool->path);
    if (from_pool.no_access) {
        *roles = from_pool;
        roles->sum.propagates = 0;
    } else {
        roles->sum.held |= from_pool.sum.held;
    }
}

/* "/vms/100" → 100, else -1 */
static int64_t vmid_of(const char *path)
{
    if (strncmp(path, "/vms/", 5) != 0 || !path[5] || strspn(path + 5, "0123456789") != strlen(path + 5))
        return -1;
    errno = 0;
    long long vmid = strtoll(path + 5, NULL, 10);
    return errno ? -1 : vmid;
}

static void add_pools(const struct usercfg *cfg, const char *id, bool is_token, const char *path,
                      struct roles *roles)
{
    int64_t vmid = vmid_of(path);
    if (vmid >= 0) {
        struct usercfg_guest *guest = NULL;
        HASH_FIND(hh, cfg->guests, &vmid, sizeof(vmid), guest);
        if (guest && !roles->no_access)
            add_pool(cfg, id, is_token, guest->pool, roles);
    } else if (strncmp(path, "/storage/", 9) == 0) {
        struct pool *pool = NULL, *next = NULL;
        HASH_ITER (hh, cfg->pools, pool, next) {
            for (size_t i = 0; i < pool->storage_count && !roles->no_access; i++) {
                if (strcmp(pool->storages[i], path) == 0)
                    add_pool(cfg, id, is_token, pool, roles);
            }
        }
    }
}

static struct usercfg_privileges own_privileges(const struct usercfg *cfg, const char *id, bool is_token,
                                                const char *path)
{
    if (strcmp(id, "root@pam") == 0)
        return (struct usercfg_privileges){cfg->known, cfg->known};
    struct roles roles = roles_at(cfg, id, is_token, path);
    add_pools(cfg, id, is_token, path, &roles);
    return roles.sum;
}

struct usercfg_privileges usercfg_privileges(const struct usercfg *cfg, const char *id, const char *path)
{
    struct usercfg_privileges none = {0};
    if (!usercfg_token_user_length(id))
        return usercfg_is_user(id, strlen(id)) ? own_privileges(cfg, id, false, path) : none;

    struct token *token = NULL;
    HASH_FIND_STR(cfg->tokens, id, token);
    if (!token)
        return none;
    struct usercfg_privileges of_user = own_privileges(cfg, token->user->name, false, path);
    if (!token->privsep)
        return of_user;
    struct usercfg_privileges own = own_privileges(cfg, id, true, path);
    own.held &= of_user.held;
    own.propagates &= of_user.propagates;
    return own;
}

bool usercfg_may_log_in(const struct usercfg *cfg, const char *id, int64_t now_s)
{
    struct token *token = NULL;
    struct user *user = NULL;
    HASH_FIND_STR(cfg->users, id, user);
    if (!user) {
        HASH_FIND_STR(cfg->tokens, id, token);
        if (!token || (token->expire && token->expire <= now_s))
            return false;
        user = token->user;
    }
    return user->enabled && (!user->expire || user->expire > now_s);
}

bool usercfg_identity(const struct usercfg *cfg, const char *id, struct usercfg_identity *out)
{
    struct token *token = NULL;
    struct user *user = NULL;
    HASH_FIND_STR(cfg->users, id, user);
    if (!user)
        HASH_FIND_STR(cfg->tokens, id, token);
    if (!user && !token)
        return false;
    *out = (struct usercfg_identity){.enabled = user ? user->enabled : token->user->enabled,
                                     .expire = user ? user->expire : token->expire,
                                     .privsep = token && token->privsep};
    return true;
}

/* ---- what is there ------------------------------------------------------------------------------------ */

size_t usercfg_warning_count(const struct usercfg *cfg)
{
    return cfg->warning_count;
}

const char *usercfg_warning(const struct usercfg *cfg, size_t index)
{
    return index < cfg->warning_count ? cfg->warnings[index] : NULL;
}

uint64_t usercfg_known_privileges(const struct usercfg *cfg)
{
    return cfg->known;
}

const char *usercfg_pool_of(const struct usercfg *cfg, int64_t vmid)
{
    struct usercfg_guest *guest = NULL;
    HASH_FIND(hh, cfg->guests, &vmid, sizeof(vmid), guest);
    return guest ? guest->pool->name : NULL;
}

bool usercfg_pool(const struct usercfg *cfg, const char *name, struct usercfg_pool *out)
{
    struct pool *pool = NULL;
    HASH_FIND_STR(cfg->pools, name, pool);
    if (!pool)
        return false;
    *out = (struct usercfg_pool){.name = pool->name,
                                 .comment = pool->comment ? pool->comment : "",
                                 .vmids = pool->vmids,
                                 .vmid_count = pool->vmid_count,
                                 .storage_paths = (const char *const *)pool->storages,
                                 .storage_count = pool->storage_count};
    return true;
}

int usercfg_each_pool(const struct usercfg *cfg, usercfg_each_f *each, void *context)
{
    int result = 0;
    for (const struct pool *pool = cfg->pools; pool && !result; pool = pool->hh.next)
        result = each(pool->name, context);
    return result;
}

bool usercfg_role(const struct usercfg *cfg, const char *name, uint64_t *privileges, bool *builtin)
{
    struct role *role = NULL;
    HASH_FIND_STR(cfg->roles, name, role);
    if (!role)
        return false;
    *privileges = role->privileges;
    *builtin = role->builtin;
    return true;
}

int usercfg_each_role(const struct usercfg *cfg, usercfg_each_f *each, void *context)
{
    int result = 0;
    for (const struct role *role = cfg->roles; role && !result; role = role->hh.next)
        result = each(role->name, context);
    return result;
}

int usercfg_each_identity(const struct usercfg *cfg, usercfg_each_f *each, void *context)
{
    int result = 0;
    for (const struct user *user = cfg->users; user && !result; user = user->hh.next) {
        result = each(user->name, context);
        for (const struct token *token = user->tokens; token && !result; token = token->next)
            result = each(token->id, context);
    }
    return result;
}

/* Of "/sdn/zones/a" "/sdn" and "/sdn/zones": Proxmox keeps its grants in a tree, whose every node is a path.
 */
static int each_path_above(const char *path, usercfg_each_f *each, void *context)
{
    _cleanup_(freep) char *above = strdup(path);
    int result = above ? 0 : -ENOMEM;
    for (char *end = above ? strrchr(above, '/') : NULL; end && end != above && !result;
         end = strrchr(above, '/')) {
        *end = '\0';
        result = each(above, context);
    }
    return result;
}

int usercfg_each_acl_path(const struct usercfg *cfg, usercfg_each_f *each, void *context)
{
    int result = 0;
    for (const struct acl *acl = cfg->acls; acl && !result; acl = acl->hh.next) {
        result = each(acl->path, context);
        if (!result)
            result = each_path_above(acl->path, each, context);
    }
    return result;
}

static bool is_known(const struct usercfg *cfg, int kind, const char *name)
{
    struct user *user = NULL;
    struct group *group = NULL;
    if (kind == SUBJECT_USER)
        HASH_FIND_STR(cfg->users, name, user);
    else if (kind == SUBJECT_GROUP)
        HASH_FIND_STR(cfg->groups, name, group);
    return user || group || kind == SUBJECT_TOKEN; /* grants to unknown tokens are not kept */
}

int usercfg_each_grant(const struct usercfg *cfg, usercfg_each_grant_f *each, void *context)
{
    static const enum usercfg_subject kinds[SUBJECT_KINDS] = {
        [SUBJECT_TOKEN] = USERCFG_TOKEN, [SUBJECT_USER] = USERCFG_USER, [SUBJECT_GROUP] = USERCFG_GROUP};
    int result = 0;
    for (const struct acl *acl = cfg->acls; acl; acl = acl->hh.next) {
        for (int kind = 0; kind < SUBJECT_KINDS; kind++) {
            for (const struct subject *subject = acl->subjects[kind]; subject; subject = subject->hh.next) {
                struct usercfg_grant grant = {.path = acl->path,
                                              .kind = kinds[kind],
                                              .subject = subject->name,
                                              .known = is_known(cfg, kind, subject->name)};
                for (const struct grant *one = subject->grants; one && !result; one = one->next) {
                    grant.role = one->role->name;
                    grant.propagate = one->propagate;
                    result = each(&grant, context);
                }
                if (result)
                    return result;
            }
        }
    }
    return 0;
}

static int each_member_path(const struct pool *pool, usercfg_each_f *each, void *context)
{
    char path[sizeof("/vms/") + 20];
    int result = 0;
    for (size_t i = 0; i < pool->vmid_count && !result; i++) {
        snprintf(path, sizeof(path), "/vms/%lld", (long long)pool->vmids[i]);
        result = each(path, context);
    }
    for (size_t i = 0; i < pool->storage_count && !result; i++)
        result = each(pool->storages[i], context);
    return result;
}

int usercfg_each_path(const struct usercfg *cfg, usercfg_each_f *each, void *context)
{
    static const char *const top[] = {"/",     "/access", "/access/groups", "/nodes",
                                      "/pool", "/sdn",    "/storage",       "/vms"};
    int result = 0;
    for (size_t i = 0; i < sizeof(top) / sizeof(*top) && !result; i++)
        result = each(top[i], context);
    if (!result)
        result = usercfg_each_acl_path(cfg, each, context);
    for (const struct pool *pool = cfg->pools; pool && !result; pool = pool->hh.next)
        result = each_member_path(pool, each, context);
    return result;
}

/* ---- release ------------------------------------------------------------------------------------------ */

static void free_acls(struct usercfg *cfg)
{
    struct acl *acl = NULL, *next_acl = NULL;
    struct subject *subject = NULL, *next_subject = NULL;
    HASH_ITER (hh, cfg->acls, acl, next_acl) {
        for (int kind = 0; kind < SUBJECT_KINDS; kind++) {
            HASH_ITER (hh, acl->subjects[kind], subject, next_subject) {
                for (struct grant *grant; (grant = subject->grants);) {
                    subject->grants = grant->next;
                    free(grant);
                }
                HASH_DEL(acl->subjects[kind], subject);
                free(subject->name);
                free(subject);
            }
        }
        HASH_DEL(cfg->acls, acl);
        free(acl->path);
        free(acl);
    }
}

static void free_pools(struct usercfg *cfg)
{
    struct pool *pool = NULL, *next_pool = NULL;
    struct usercfg_guest *guest = NULL, *next_guest = NULL;
    HASH_ITER (hh, cfg->guests, guest, next_guest) {
        HASH_DEL(cfg->guests, guest);
        free(guest);
    }
    HASH_ITER (hh, cfg->pools, pool, next_pool) {
        HASH_DEL(cfg->pools, pool);
        for (size_t i = 0; i < pool->storage_count; i++)
            free(pool->storages[i]);
        free(pool->storages);
        free(pool->vmids);
        free(pool->comment);
        free(pool->path);
        free(pool);
    }
}

static void free_identities(struct usercfg *cfg)
{
    struct user *user = NULL, *next_user = NULL;
    struct token *token = NULL, *next_token = NULL;
    struct group *group = NULL, *next_group = NULL;
    struct member *member = NULL, *next_member = NULL;
    HASH_ITER (hh, cfg->tokens, token, next_token) {
        HASH_DEL(cfg->tokens, token);
        free(token->id);
        free(token);
    }
    HASH_ITER (hh, cfg->users, user, next_user) {
        HASH_DEL(cfg->users, user);
        free(user->name);
        free(user);
    }
    HASH_ITER (hh, cfg->groups, group, next_group) {
        HASH_ITER (hh, group->members, member, next_member) {
            HASH_DEL(group->members, member);
            free(member->user);
            free(member);
        }
        HASH_DEL(cfg->groups, group);
        free(group->name);
        free(group);
    }
}

void usercfg_free(struct usercfg *cfg)
{
    struct role *role = NULL, *next = NULL;
    if (!cfg)
        return;
    free_acls(cfg);
    free_pools(cfg);
    free_identities(cfg);
    HASH_ITER (hh, cfg->roles, role, next) {
        HASH_DEL(cfg->roles, role);
        free(role->name);
        free(role);
    }
    for (size_t i = 0; i < cfg->warning_count; i++)
        free(cfg->warnings[i]);
    free(cfg->warnings);
    free(cfg);
}
