/*
 * The parser of user.cfg: text in, the model of usercfg_model.h out.
 *
 * Follows PVE::AccessControl::parse_user_config statement by statement, odd corners included. Knows nothing
 * of what grants mean; that is usercfg.c.
 */
#include "policy/usercfg_model.h"
#include "system/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define USERCFG_POOL_DEPTH 3 /* a/b/c, since 8.1 */
#define USERCFG_FIELDS     9 /* more than any kind of line has */

/* ---- text --------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(char **text)
{
    while (is_blank(**text))
        (*text)++;
    size_t length = strlen(*text);
    while (length > 0 && is_blank((*text)[length - 1]))
        (*text)[--length] = '\0';
}

/* Perl's truth: everything but "" and "0" */
static bool is_true(const char *text)
{
    return *text && strcmp(text, "0") != 0;
}

static bool is_name(const char *text)
{
    return usercfg_is_word(text, strlen(text), "._-");
}

static bool is_pool_name(const char *text, int version)
{
    int depth = 1;
    for (const char *part = text;; depth++) {
        size_t length = strcspn(part, "/");
        if (!usercfg_is_word(part, length, "._-"))
            return false;
        if (!part[length])
            break;
        part += length + 1;
    }
    return depth <= (version >= 8 ? USERCFG_POOL_DEPTH : 1);
}

/* [a-z][a-z0-9-_.]*[a-z0-9], any case */
static bool is_storage(const char *text)
{
    size_t length = strlen(text);
    return length >= 2 && isalpha((unsigned char)*text) && isalnum((unsigned char)text[length - 1]) &&
           usercfg_is_word(text, length, "._-");
}

/* digits only; what is greater than any number that means anything stays the greatest */
static bool parse_digits(const char *text, int64_t *out)
{
    int64_t number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *text - '0', &number))
            number = INT64_MAX;
    }
    *out = number;
    return true;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* percent-decoding, in a new string */
static char *decoded(const char *text)
{
    char *copy = strdup(text), *to = copy;
    if (!copy)
        return NULL;
    for (const char *from = copy; *from; from++) {
        if (*from == '%' && hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0) {
            int byte = hex_value(from[1]) * 16 + hex_value(from[2]);
            *to++ = byte ? (char)byte : ' ';
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return copy;
}

/* the next word of a list; Proxmox splits on blanks, commas and semicolons */
static char *next_word(char **list)
{
    char *word = *list + strspn(*list, " \t\r\v\f,;");
    if (!*word)
        return NULL;
    char *end = word + strcspn(word, " \t\r\v\f,;");
    *list = end + (*end != '\0');
    *end = '\0';
    return word;
}

/* in place; false if Proxmox would not take it for a path */
static bool normalize_path(char *path)
{
    char *to = path;
    for (const char *from = path; *from; from++) {
        if (*from != '/' || from[1] != '/')
            *to++ = *from;
    }
    if (to > path && to[-1] == '/')
        to--;
    *to = '\0';
    return !*path || usercfg_is_word(path, strlen(path), ".-_/");
}

/* ---- parsing ------------------------------------------------------------------------------------------ */

static int warn(struct usercfg *cfg, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int warn(struct usercfg *cfg, const char *format, ...)
{
    if (cfg->warning_count == cfg->warning_room) {
        size_t room = cfg->warning_room ? cfg->warning_room * 2 : 16;
        char **grown = reallocarray(cfg->warnings, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        cfg->warnings = grown;
        cfg->warning_room = room;
    }
    va_list args;
    va_start(args, format);
    int length = vasprintf(&cfg->warnings[cfg->warning_count], format, args);
    va_end(args);
    if (length < 0)
        return -ENOMEM;
    cfg->warning_count++;
    return 0;
}

static struct role *role_get(struct usercfg *cfg, const char *name)
{
    struct role *role = NULL;
    HASH_FIND_STR(cfg->roles, name, role);
    if (role)
        return role;
    role = calloc(1, sizeof(*role));
    if (role && (role->name = strdup(name)))
        HASH_ADD_KEYPTR(hh, cfg->roles, role->name, strlen(role->name), role);
    if (role && role->hh.tbl)
        return role;
    if (role)
        free(role->name);
    free(role);
    return NULL;
}

static int add_builtin_role(const char *name, uint64_t privileges, void *context)
{
    struct usercfg *cfg = context;
    struct role *role = role_get(cfg, name);
    if (!role)
        return -ENOMEM;
    role->builtin = true;
    role->privileges = privileges;
    cfg->known |= privileges;
    return 0;
}

static int user_put(struct usercfg *cfg, const char *name, bool enabled, int64_t expire)
{
    struct user *user = NULL;
    HASH_FIND_STR(cfg->users, name, user);
    if (!user) {
        user = calloc(1, sizeof(*user));
        if (user && (user->name = strdup(name)))
            HASH_ADD_KEYPTR(hh, cfg->users, user->name, strlen(user->name), user);
        if (!user || !user->hh.tbl) {
            if (user)
                free(user->name);
            free(user);
            return -ENOMEM;
        }
    }
    /* a second line replaces the user, and its tokens go with it */
    for (struct token *token; (token = user->tokens);) {
        user->tokens = token->next;
        HASH_DEL(cfg->tokens, token);
        free(token->id);
        free(token);
    }
    user->enabled = enabled;
    user->expire = expire;
    return 0;
}

static int parse_user(struct usercfg *cfg, char **field)
{
    int64_t expire = 0;
    if (!usercfg_is_user(field[0], strlen(field[0])))
        return warn(cfg, "ignored user '%s': invalid user name", field[0]);
    if (is_true(field[2]) && !parse_digits(field[2], &expire))
        return warn(cfg, "ignored user '%s': illegal characters in expire '%s'", field[0], field[2]);
    return user_put(cfg, field[0], is_true(field[1]), expire);
}

static int parse_token(struct usercfg *cfg, char **field)
{
    int64_t expire = 0;
    size_t length = usercfg_token_user_length(field[0]);
    struct user *user = NULL;
    struct token *token = NULL;
    if (!length)
        return warn(cfg, "ignored invalid token id '%s'", field[0]);
    if (is_true(field[1]) && !parse_digits(field[1], &expire))
        return warn(cfg, "ignored token '%s': illegal characters in expire '%s'", field[0], field[1]);
    HASH_FIND(hh, cfg->users, field[0], length, user);
    if (!user)
        return warn(cfg, "ignored token '%s': its user does not exist (or only further down)", field[0]);
    HASH_FIND_STR(cfg->tokens, field[0], token);
    if (!token) {
        token = calloc(1, sizeof(*token));
        if (token && (token->id = strdup(field[0])))
            HASH_ADD_KEYPTR(hh, cfg->tokens, token->id, strlen(token->id), token);
        if (!token || !token->hh.tbl) {
            if (token)
                free(token->id);
            free(token);
            return -ENOMEM;
        }
        token->user = user;
        token->next = user->tokens;
        user->tokens = token;
    }
    token->expire = expire;
    token->privsep = is_true(field[2]);
    return 0;
}

static int group_add(struct group *group, const char *user)
{
    struct member *member = NULL;
    HASH_FIND_STR(group->members, user, member);
    if (member)
        return 0;
    member = calloc(1, sizeof(*member));
    if (member && (member->user = strdup(user)))
        HASH_ADD_KEYPTR(hh, group->members, member->user, strlen(member->user), member);
    if (member && member->hh.tbl)
        return 0;
    if (member)
        free(member->user);
    free(member);
    return -ENOMEM;
}

static int parse_group(struct usercfg *cfg, char **field)
{
    struct group *group = NULL;
    if (!is_name(field[0]))
        return warn(cfg, "ignored group '%s': illegal characters in group name", field[0]);
    HASH_FIND_STR(cfg->groups, field[0], group);
    if (!group) {
        group = calloc(1, sizeof(*group));
        if (group && (group->name = strdup(field[0])))
            HASH_ADD_KEYPTR(hh, cfg->groups, group->name, strlen(group->name), group);
        if (!group || !group->hh.tbl) {
            if (group)
                free(group->name);
            free(group);
            return -ENOMEM;
        }
    }
    int error = 0;
    for (char *word; !error && (word = next_word(&field[1]));) {
        struct user *user = NULL;
        HASH_FIND_STR(cfg->users, word, user);
        if (!user)
            error = warn(cfg, "unknown member '%s' of group '%s'", word, group->name);
        if (!error && usercfg_is_user(word, strlen(word)))
            error = group_add(group, word); /* kept although unknown */
    }
    return error;
}

static int parse_role(struct usercfg *cfg, char **field)
{
    if (!is_name(field[0]))
        return warn(cfg, "ignored role '%s': illegal characters in role name", field[0]);
    struct role *role = role_get(cfg, field[0]);
    int error = role ? 0 : -ENOMEM;
    for (char *word; !error && (word = next_word(&field[1]));) {
        int number = usercfg_privilege_number(word);
        if (number >= 0 && cfg->known & UINT64_C(1) << number)
            role->privileges |= UINT64_C(1) << number;
        else
            error = warn(cfg, "ignored invalid privilege '%s' in role '%s'", word, field[0]);
    }
    return error;
}

static int pool_add_guest(struct usercfg *cfg, struct pool *pool, const char *word)
{
    int64_t vmid = 0;
    struct usercfg_guest *guest = NULL;
    if (!parse_digits(word, &vmid))
        return warn(cfg, "ignored invalid guest '%s' in pool '%s'", word, pool->name);
    HASH_FIND(hh, cfg->guests, &vmid, sizeof(vmid), guest);
    if (guest)
        return warn(cfg, "ignored guest '%s' in pool '%s': it is in '%s' already", word, pool->name,
                    guest->pool->name);
    if (pool->vmid_count == pool->vmid_room) {
        size_t room = pool->vmid_room ? pool->vmid_room * 2 : 16;
        int64_t *grown = reallocarray(pool->vmids, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        pool->vmids = grown;
        pool->vmid_room = room;
    }
    guest = calloc(1, sizeof(*guest));
    if (!guest)
        return -ENOMEM;
    guest->vmid = vmid;
    guest->pool = pool;
    HASH_ADD(hh, cfg->guests, vmid, sizeof(vmid), guest);
    if (!guest->hh.tbl) {
        free(guest);
        return -ENOMEM;
    }
    pool->vmids[pool->vmid_count++] = vmid;
    return 0;
}

static int pool_add_storage(struct usercfg *cfg, struct pool *pool, const char *word)
{
    if (!is_storage(word))
        return warn(cfg, "ignored invalid storage '%s' in pool '%s'", word, pool->name);
    for (size_t i = 0; i < pool->storage_count; i++) {
        if (strcmp(pool->storages[i] + strlen("/storage/"), word) == 0)
            return 0;
    }
    char **grown = reallocarray(pool->storages, pool->storage_count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    pool->storages = grown;
    if (asprintf(&pool->storages[pool->storage_count], "/storage/%s", word) < 0)
        return -ENOMEM;
    pool->storage_count++;
    return 0;
}

static struct pool *pool_get(struct usercfg *cfg, const char *name)
{
    struct pool *pool = NULL;
    HASH_FIND_STR(cfg->pools, name, pool);
    if (pool)
        return pool;
    pool = calloc(1, sizeof(*pool));
    if (pool && asprintf(&pool->path, "/pool/%s", name) < 0)
        pool->path = NULL;
    if (pool && pool->path) {
        pool->name = pool->path + strlen("/pool/");
        HASH_ADD_KEYPTR(hh, cfg->pools, pool->name, strlen(pool->name), pool);
    }
    if (pool && pool->hh.tbl)
        return pool;
    if (pool)
        free(pool->path);
    free(pool);
    return NULL;
}

static int parse_pool(struct usercfg *cfg, char **field)
{
    if (!is_pool_name(field[0], cfg->version))
        return warn(cfg, "ignored pool '%s': illegal characters in pool name", field[0]);
    /* "a/b/c" makes "a" and "a/b", too */
    for (char *slash = field[0]; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (!pool_get(cfg, field[0]))
            return -ENOMEM;
    }
    struct pool *pool = pool_get(cfg, field[0]);
    if (!pool)
        return -ENOMEM;
    if (is_true(field[1])) {
        free(pool->comment);
        if (!(pool->comment = decoded(field[1])))
            return -ENOMEM;
    }
    int error = 0;
    for (char *word; !error && (word = next_word(&field[2]));)
        error = pool_add_guest(cfg, pool, word);
    for (char *word; !error && (word = next_word(&field[3]));)
        error = pool_add_storage(cfg, pool, word);
    return error;
}

/* ---- grants ------------------------------------------------------------------------------------------- */

static struct acl *acl_get(struct usercfg *cfg, const char *path)
{
    struct acl *acl = NULL;
    HASH_FIND_STR(cfg->acls, path, acl);
    if (acl)
        return acl;
    acl = calloc(1, sizeof(*acl));
    if (acl && (acl->path = strdup(path)))
        HASH_ADD_KEYPTR(hh, cfg->acls, acl->path, strlen(acl->path), acl);
    if (acl && acl->hh.tbl)
        return acl;
    if (acl)
        free(acl->path);
    free(acl);
    return NULL;
}

static struct subject *subject_get(struct acl *acl, enum subject_kind kind, const char *name)
{
    struct subject *subject = NULL;
    HASH_FIND_STR(acl->subjects[kind], name, subject);
    if (subject)
        return subject;
    subject = calloc(1, sizeof(*subject));
    if (subject && (subject->name = strdup(name)))
        HASH_ADD_KEYPTR(hh, acl->subjects[kind], subject->name, strlen(subject->name), subject);
    if (subject && subject->hh.tbl)
        return subject;
    if (subject)
        free(subject->name);
    free(subject);
    return NULL;
}

static int acl_add(struct acl *acl, enum subject_kind kind, const char *name, const struct role *role,
                   bool propagate)
{
    struct subject *subject = subject_get(acl, kind, name);
    if (!subject)
        return -ENOMEM;
    struct grant *grant = subject->grants;
    while (grant && grant->role != role)
        grant = grant->next;
    if (!grant) {
        grant = calloc(1, sizeof(*grant));
        if (!grant)
            return -ENOMEM;
        grant->role = role;
        grant->next = subject->grants;
        subject->grants = grant;
    }
    grant->propagate = propagate; /* the last line about the same counts */
    return 0;
}

static int parse_acl_subject(struct usercfg *cfg, const char *path, const char *word, const struct role *role,
                             bool propagate)
{
    enum subject_kind kind = SUBJECT_TOKEN;
    int error = 0;
    if (word[0] == '@' && is_name(word + 1)) {
        struct group *group = NULL;
        kind = SUBJECT_GROUP;
        word++;
        HASH_FIND_STR(cfg->groups, word, group);
        if (!group)
            error = warn(cfg, "grant on '%s' names the unknown group '%s'", path, word);
    } else if (usercfg_is_user(word, strlen(word))) {
        struct user *user = NULL;
        kind = SUBJECT_USER;
        HASH_FIND_STR(cfg->users, word, user);
        if (!user)
            error = warn(cfg, "grant on '%s' names the unknown user '%s'", path, word);
    } else if (usercfg_token_user_length(word)) {
        struct token *token = NULL;
        HASH_FIND_STR(cfg->tokens, word, token);
        if (!token)
            return warn(cfg, "ignored grant on '%s' to the unknown token '%s'", path, word);
    } else {
        return warn(cfg, "ignored grant on '%s': invalid user or group '%s'", path, word);
    }
    struct acl *acl = error ? NULL : acl_get(cfg, path);
    if (!acl)
        return -ENOMEM;
    return acl_add(acl, kind, word, role, propagate);
}

static int parse_acl(struct usercfg *cfg, char **field)
{
    bool propagate = is_true(field[0]);
    if (!normalize_path(field[1]))
        return warn(cfg, "ignored invalid path in a grant: '%s'", field[1]);
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "%s%s", *field[1] == '/' ? "" : "/", field[1]) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int error = 0;
    for (char *word; !error && (word = next_word(&field[3]));) {
        struct role *role = NULL;
        if (!is_name(word)) {
            error = warn(cfg, "ignored invalid role name '%s' in a grant on '%s'", word, path);
            continue;
        }
        HASH_FIND_STR(cfg->roles, word, role);
        if (!role) {
            error = warn(cfg, "ignored unknown role '%s' in a grant on '%s'", word, path);
            continue;
        }
        _cleanup_(freep) char *subjects = strdup(field[2]);
        char *rest = subjects;
        if (!subjects)
            return -ENOMEM;
        for (char *subject; !error && (subject = next_word(&rest));)
            error = parse_acl_subject(cfg, path, subject, role, propagate);
    }
    return error;
}

static const struct line_kind {
    const char *kind;
    int (*parse)(struct usercfg *cfg, char **field);
    /* Perl's own warnings about the undefined name of a line with nothing behind the kind, by version 7 and
     * later; Proxmox's log shows them beside the parser's, so they count */
    int unnamed_7, unnamed;
} line_kinds[] = {{"user", parse_user, 0, 0}, {"group", parse_group, 2, 2}, {"role", parse_role, 2, 2},
                  {"acl", parse_acl, 0, 0},   {"pool", parse_pool, 2, 3},   {"token", parse_token, 0, 0}};

static int warn_unnamed(struct usercfg *cfg, const struct line_kind *kind)
{
    int error = 0;
    for (int left = cfg->version == 7 ? kind->unnamed_7 : kind->unnamed; left > 0 && !error; left--)
        error = warn(cfg, "a %s line without a name", kind->kind);
    return error;
}

static int parse_line(struct usercfg *cfg, char *line)
{
    char none[] = "", *field[USERCFG_FIELDS];

    trim(&line);
    if (!*line)
        return 0;
    _cleanup_(freep) char *whole = strdup(line);
    if (!whole)
        return -ENOMEM;
    for (size_t i = 0; i < USERCFG_FIELDS; i++) {
        field[i] = line ? strsep(&line, ":") : none;
        trim(&field[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(line_kinds); i++) {
        if (strcmp(field[0], line_kinds[i].kind) != 0)
            continue;
        const char *rest = whole + strcspn(whole, ":");
        int error = rest[strspn(rest, ":")] ? 0 : warn_unnamed(cfg, &line_kinds[i]);
        return error ? error : line_kinds[i].parse(cfg, field + 1);
    }
    return warn(cfg, "ignored line: %s", whole);
}

int usercfg_parse(const char *text, size_t length, int pve_version, struct usercfg **out)
{
    if (pve_version < 7 || pve_version > 9)
        return -EINVAL;
    _cleanup_(usercfg_freep) struct usercfg *cfg = calloc(1, sizeof(*cfg));
    if (!cfg)
        return -ENOMEM;
    cfg->version = pve_version;
    int error = usercfg_each_builtin_role(pve_version, add_builtin_role, cfg);
    if (!error)
        error = user_put(cfg, "root@pam", true, 0);
    for (size_t at = 0; !error && at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line_length = end ? (size_t)(end - text) - at : length - at;
        _cleanup_(freep) char *line = strndup(text + at, line_length);
        error = line ? parse_line(cfg, line) : -ENOMEM;
        at += line_length + 1;
    }
    if (error)
        return error;
    *out = TAKE(cfg);
    return 0;
}
