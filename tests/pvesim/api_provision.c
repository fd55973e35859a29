/*
 * What an administrator does to make pool, group, user, role, grant and token: calls that change user.cfg.
 *
 * Every change is the file read, changed and written; whoever reads it next sees it. Privileges that depend
 * on parameters are checked here.
 */
#include "api.h"
#include "auth.h"
#include "system/cleanup.h"
#include "usertext.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* user.cfg while a call changes it */
struct change {
    struct sim *sim;
    struct reply *reply;
    char *path;
    struct usertext text;
    const char *what; /* "create pool": what failed, in error texts */
    bool answered;    /* with an error, or a body of the handler's own */
};

static void change_clear(struct change *change)
{
    usertext_clear(&change->text);
    free(change->path);
}

static void fail(struct change *change, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct change *change, const char *format, ...)
{
    _cleanup_(freep) char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!change->answered)
        api_error(change->sim, change->reply, 500, "%s failed: %s", change->what,
                  text ? text : "out of memory");
    change->answered = true;
}

/* a step that can only run out of memory */
static void step(struct change *change, int error)
{
    if (error)
        fail(change, "%s", strerror(-error));
}

static bool change_open(struct change *change)
{
    if (asprintf(&change->path, "%s/user.cfg", change->sim->dir) < 0) {
        change->path = NULL;
        step(change, -ENOMEM);
        return false;
    }
    step(change, usertext_load(change->path, &change->text));
    return !change->answered;
}

static void answer_null(struct reply *reply)
{
    struct out out = api_data(reply);
    out_string(&out, "data", NULL);
    api_data_end(&out);
}

/* Write it, unless something failed; {"data":null} unless the handler has answered. */
static void change_done(struct change *change, bool own_body)
{
    if (!change->answered)
        step(change, usertext_save(&change->text, change->path));
    if (change->answered)
        return;
    auth_refresh(change->sim, true);
    if (!own_body)
        answer_null(change->reply);
}

/* The line, or the error that says it is not there. */
static struct usertext_line *need(struct change *change, const char *kind, const char *name)
{
    struct usertext_line *line = usertext_find(&change->text, kind, name);
    if (!line)
        fail(change, "%s '%s' does not exist", kind, name);
    return line;
}

static struct usertext_line *make(struct change *change, const char *kind, const char *name)
{
    if (usertext_find(&change->text, kind, name)) {
        fail(change, "%s '%s' already exists", kind, name);
        return NULL;
    }
    struct usertext_line *line = usertext_add(&change->text, kind, name);
    if (!line)
        step(change, -ENOMEM);
    return line;
}

/* grants that name the subject go with it */
static void drop_grants(struct change *change, const char *subject)
{
    for (struct usertext_line *line = change->text.lines, *next = NULL; line; line = next) {
        next = line->next;
        if (strcmp(line->field[0], "acl") == 0 && strcmp(line->field[ACL_SUBJECT], subject) == 0)
            usertext_remove(&change->text, line);
    }
}

static bool require_pool(const struct sim *sim, const struct call *call, struct reply *reply,
                         const char *pool)
{
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "/pool/%s", pool) < 0) {
        path = NULL;
        return false;
    }
    return api_require(sim, call, reply, path, "Pool.Allocate");
}

/* ---- roles -------------------------------------------------------------------------------------------- */

static bool check_privileges(struct sim *sim, struct reply *reply, const char *list)
{
    _cleanup_(freep) char *copy = strdup(list);
    for (char *rest = copy, *word; rest && (word = strsep(&rest, ", ;"));) {
        int number = usercfg_privilege_number(word);
        if (!*word || (number >= 0 && usercfg_known_privileges(auth_usercfg(sim)) >> number & 1))
            continue;
        api_param_error(sim, reply, "privs", "invalid format - invalid privilege '%s'\n", word);
        return false;
    }
    return true;
}

static void out_joined(struct out *out, uint64_t privileges)
{
    struct evbuffer *text = evbuffer_new();
    for (unsigned number = 0; text && number < usercfg_privilege_count(); number++) {
        if (privileges >> number & 1)
            evbuffer_add_printf(text, "%s%s", evbuffer_get_length(text) ? "," : "",
                                usercfg_privilege_name(number));
    }
    if (text && evbuffer_add(text, "", 1) == 0)
        out_string(out, "privs", (const char *)evbuffer_pullup(text, -1));
    if (text)
        evbuffer_free(text);
}

struct role_list {
    const struct sim *sim;
    struct out out;
};

static int out_role(const char *name, void *context)
{
    struct role_list *list = context;
    uint64_t privileges = 0;
    bool builtin = false;
    usercfg_role(auth_usercfg(list->sim), name, &privileges, &builtin);
    out_open(&list->out, NULL, '{');
    out_string(&list->out, "roleid", name);
    out_int(&list->out, "special", builtin);
    out_joined(&list->out, privileges);
    out_close(&list->out, '}');
    return 0;
}

void api_roles(struct sim *sim, struct call *call, struct reply *reply)
{
    struct role_list list = {.sim = sim, .out = api_data(reply)};
    (void)call;
    out_open(&list.out, "data", '[');
    usercfg_each_role(auth_usercfg(sim), out_role, &list);
    out_close(&list.out, ']');
    api_data_end(&list.out);
}

void api_role(struct sim *sim, struct call *call, struct reply *reply)
{
    uint64_t privileges = 0;
    bool builtin = false;
    if (!usercfg_role(auth_usercfg(sim), call->segment[2], &privileges, &builtin)) {
        api_error(sim, reply, 500, "role '%s' does not exist", call->segment[2]);
        return;
    }
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    for (unsigned number = 0; number < usercfg_privilege_count(); number++) {
        if (privileges >> number & 1)
            out_int(&out, usercfg_privilege_name(number), 1);
    }
    out_close(&out, '}');
    api_data_end(&out);
}

void api_change_role(struct sim *sim, struct call *call, struct reply *reply)
{
    bool create = strcmp(call->method, "POST") == 0, drop = strcmp(call->method, "DELETE") == 0;
    const char *name = create ? call_param(call, "roleid") : call->segment[2],
               *privs = call_param(call, "privs");
    _cleanup_(change_clear) struct change change = {.sim = sim,
                                                    .reply = reply,
                                                    .what = create ? "create role"
                                                            : drop ? "delete role"
                                                                   : "modify role"};
    if ((privs && !check_privileges(sim, reply, privs)) || !change_open(&change))
        return;
    struct usertext_line *line = create ? make(&change, "role", name) : need(&change, "role", name);
    if (line && drop)
        usertext_remove(&change.text, line);
    else if (line)
        step(&change, usertext_set(line, ROLE_PRIVILEGES, privs));
    change_done(&change, false);
}

/* ---- pools -------------------------------------------------------------------------------------------- */

void api_create_pool(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call_param(call, "poolid");
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "create pool"};
    if (!require_pool(sim, call, reply, name) || !change_open(&change))
        return;
    struct usertext_line *line = make(&change, "pool", name);
    if (line)
        step(&change, usertext_set_text(line, POOL_COMMENT, call_param(call, "comment")));
    change_done(&change, false);
}

static void add_guest(struct change *change, struct usertext_line *pool, const char *vmid, bool move)
{
    for (struct usertext_line *line = change->text.lines; line; line = line->next) {
        if (strcmp(line->field[0], "pool") != 0 || line == pool ||
            !usertext_list_has(line->field[POOL_GUESTS], vmid))
            continue;
        if (!move) {
            fail(change, "VM %s belongs already to pool '%s' and 'allow-move' is not set", vmid,
                 line->field[POOL_ID]);
            return;
        }
        step(change, usertext_list_remove(line, POOL_GUESTS, vmid));
    }
    step(change, usertext_list_add(pool, POOL_GUESTS, vmid));
}

void api_update_pool(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call->segment_count > 1 ? call->segment[1] : call_param(call, "poolid");
    const char *move = call_param(call, "allow-move"), *drop = call_param(call, "delete");
    _cleanup_(freep) char *guests = strdup(call_param(call, "vms") ? call_param(call, "vms") : "");
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "update pools"};
    if (!name) {
        api_param_error(sim, reply, "poolid", "property is missing and it is not optional");
        return;
    }
    if (!require_pool(sim, call, reply, name) || !guests || !change_open(&change))
        return;
    struct usertext_line *line = need(&change, "pool", name);
    if (line && call_param(call, "comment"))
        step(&change, usertext_set_text(line, POOL_COMMENT, call_param(call, "comment")));
    for (char *rest = guests, *vmid; line && !change.answered && (vmid = strsep(&rest, ", ;"));) {
        if (*vmid && drop && *drop == '1')
            step(&change, usertext_list_remove(line, POOL_GUESTS, vmid));
        else if (*vmid)
            add_guest(&change, line, vmid, move && *move == '1');
    }
    change_done(&change, false);
}

void api_delete_pool(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call->segment_count > 1 ? call->segment[1] : call_param(call, "poolid");
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "delete pool"};
    struct usercfg_pool pool = {0};
    if (!name) {
        api_param_error(sim, reply, "poolid", "property is missing and it is not optional");
        return;
    }
    if (!require_pool(sim, call, reply, name) || !change_open(&change))
        return;
    struct usertext_line *line = need(&change, "pool", name);
    usercfg_pool(auth_usercfg(sim), name, &pool);
    for (size_t i = 0; i < pool.vmid_count; i++) {
        if (cluster_guest(sim->cluster, pool.vmids[i]))
            fail(&change, "pool '%s' is not empty (contains VM %lld)", name, (long long)pool.vmids[i]);
    }
    if (line && !change.answered)
        usertext_remove(&change.text, line);
    change_done(&change, false);
}

/* ---- groups and users --------------------------------------------------------------------------------- */

void api_change_group(struct sim *sim, struct call *call, struct reply *reply)
{
    bool create = strcmp(call->method, "POST") == 0;
    const char *name = create ? call_param(call, "groupid") : call->segment[2];
    _cleanup_(freep) char *subject = NULL;
    _cleanup_(change_clear) struct change change = {
        .sim = sim, .reply = reply, .what = create ? "create group" : "delete group"};
    if (asprintf(&subject, "@%s", name) < 0) {
        subject = NULL;
        return;
    }
    if (!change_open(&change))
        return;
    struct usertext_line *line = create ? make(&change, "group", name) : need(&change, "group", name);
    if (line && create) {
        step(&change, usertext_set_text(line, GROUP_COMMENT, call_param(call, "comment")));
    } else if (line) {
        drop_grants(&change, subject);
        usertext_remove(&change.text, line);
    }
    change_done(&change, false);
}

void api_groups(struct sim *sim, struct call *call, struct reply *reply)
{
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "read groups"};
    (void)call;
    if (!change_open(&change))
        return;
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    for (const struct usertext_line *line = change.text.lines; line; line = line->next) {
        if (strcmp(line->field[0], "group") != 0)
            continue;
        _cleanup_(freep) char *comment = usertext_text(line, GROUP_COMMENT);
        out_open(&out, NULL, '{');
        out_string(&out, "groupid", line->field[GROUP_ID]);
        out_string(&out, "users", line->field[GROUP_USERS]);
        if (comment && *comment)
            out_string(&out, "comment", comment);
        out_close(&out, '}');
    }
    out_close(&out, ']');
    api_data_end(&out);
}

/* membership, and nothing else of a user */
void api_update_user(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call->segment[2], *append = call_param(call, "append");
    _cleanup_(freep) char *groups = strdup(call_param(call, "groups") ? call_param(call, "groups") : "");
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "update user"};
    if (!groups || !change_open(&change) || !need(&change, "user", name))
        return;
    for (struct usertext_line *line = change.text.lines; line; line = line->next) {
        if (strcmp(line->field[0], "group") == 0 && !(append && *append == '1') && call_param(call, "groups"))
            step(&change, usertext_list_remove(line, GROUP_USERS, name));
    }
    for (char *rest = groups, *group; !change.answered && (group = strsep(&rest, ", ;"));) {
        struct usertext_line *its = *group ? need(&change, "group", group) : NULL;
        if (its && !usertext_list_has(its->field[GROUP_USERS], name))
            step(&change, usertext_list_add(its, GROUP_USERS, name));
    }
    change_done(&change, false);
}

void api_create_user(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call_param(call, "userid"), *enable = call_param(call, "enable");
    _cleanup_(freep) char *groups = strdup(call_param(call, "groups") ? call_param(call, "groups") : "");
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "create user"};
    if (!groups || !change_open(&change))
        return;
    struct usertext_line *line = make(&change, "user", name);
    if (line) {
        const char *expire = call_param(call, "expire");
        step(&change, usertext_set(line, USER_ENABLE, enable ? enable : "1"));
        step(&change, usertext_set(line, USER_EXPIRE, expire ? expire : "0"));
        step(&change, usertext_set_text(line, USER_COMMENT, call_param(call, "comment")));
        step(&change, usertext_set_text(line, USER_EMAIL, call_param(call, "email")));
    }
    for (char *rest = groups, *group; line && !change.answered && (group = strsep(&rest, ", ;"));) {
        struct usertext_line *its = *group ? need(&change, "group", group) : NULL;
        if (its)
            step(&change, usertext_list_add(its, GROUP_USERS, name));
    }
    if (!change.answered && call_param(call, "password"))
        step(&change, auth_add_secret(sim, name, call_param(call, "password")));
    change_done(&change, false);
}

/* the user with tokens, memberships and grants */
void api_delete_user(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call->segment[2];
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "delete user"};
    if (!change_open(&change) || !need(&change, "user", name))
        return;
    for (struct usertext_line *line = change.text.lines, *next = NULL; line; line = next) {
        const char *kind = line->field[0], *id = line->field[1];
        bool token = strcmp(kind, "token") == 0 && usercfg_token_user_length(id) == strlen(name) &&
                     strncmp(id, name, strlen(name)) == 0;
        next = line->next;
        if (strcmp(kind, "group") == 0)
            step(&change, usertext_list_remove(line, GROUP_USERS, name));
        else if (token || (strcmp(kind, "user") == 0 && strcmp(id, name) == 0))
            usertext_remove(&change.text, line);
    }
    drop_grants(&change, name);
    change_done(&change, false);
}

static void out_token(const struct usertext_line *line, const char *key, struct out *out)
{
    _cleanup_(freep) char *comment = usertext_text(line, TOKEN_COMMENT);
    out_open(out, key, '{');
    out_int(out, "privsep", strcmp(line->field[TOKEN_PRIVSEP], "1") == 0);
    out_int(out, "expire", strtoll(line->field[TOKEN_EXPIRE], NULL, 10));
    if (comment && *comment)
        out_string(out, "comment", comment);
    out_close(out, '}');
}

static void out_tokens(const struct usertext *text, const char *user, struct out *out)
{
    bool any = false;
    for (const struct usertext_line *line = text->lines; line; line = line->next) {
        size_t length = usercfg_token_user_length(line->field[1]);
        if (strcmp(line->field[0], "token") != 0 || length != strlen(user) ||
            strncmp(line->field[1], user, length) != 0)
            continue;
        if (!any)
            out_open(out, "tokens", '{');
        any = true;
        out_token(line, line->field[1] + length + 1, out);
    }
    if (any)
        out_close(out, '}');
    else
        out_string(out, "tokens", NULL);
}

void api_user(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call->segment[2];
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "read user"};
    if (!change_open(&change))
        return;
    const struct usertext_line *line = usertext_find(&change.text, "user", name);
    if (!line) {
        api_error(sim, reply, 500, "no such user ('%s')", name);
        return;
    }
    _cleanup_(freep) char *comment = usertext_text(line, USER_COMMENT);
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    out_int(&out, "enable", strcmp(line->field[USER_ENABLE], "1") == 0);
    out_int(&out, "expire", strtoll(line->field[USER_EXPIRE], NULL, 10));
    out_string(&out, "email", line->field[USER_EMAIL]);
    if (comment && *comment)
        out_string(&out, "comment", comment);
    out_tokens(&change.text, name, &out);
    out_open(&out, "groups", '[');
    for (const struct usertext_line *group = change.text.lines; group; group = group->next) {
        if (strcmp(group->field[0], "group") == 0 && usertext_list_has(group->field[GROUP_USERS], name))
            out_string(&out, NULL, group->field[GROUP_ID]);
    }
    out_close(&out, ']');
    out_close(&out, '}');
    api_data_end(&out);
}

/* ---- tokens ------------------------------------------------------------------------------------------- */

static char *token_id(const struct call *call)
{
    char *id = NULL;
    return asprintf(&id, "%s!%s", call->segment[2], call->segment[4]) < 0 ? NULL : id;
}

static int new_secret(char text[static 37])
{
    unsigned char random[16];
    if (RAND_bytes(random, sizeof(random)) != 1)
        return -EIO;
    for (size_t i = 0, at = 0; i < sizeof(random); i++)
        at += (size_t)sprintf(text + at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", random[i]);
    return 0;
}

static void create_token(struct change *change, const struct call *call, const char *id)
{
    const char *privsep = call_param(call, "privsep"), *expire = call_param(call, "expire");
    const char *comment = call_param(call, "comment");
    char secret[37];
    if (usertext_find(&change->text, "token", id)) {
        api_param_error(change->sim, change->reply, "tokenid", "Token already exists.");
        change->answered = true;
        return;
    }
    struct usertext_line *line = usertext_add(&change->text, "token", id);
    step(change, line ? new_secret(secret) : -ENOMEM);
    if (change->answered)
        return;
    step(change, usertext_set(line, TOKEN_EXPIRE, expire ? expire : "0"));
    step(change, usertext_set(line, TOKEN_PRIVSEP, privsep ? privsep : "1"));
    step(change, usertext_set_text(line, TOKEN_COMMENT, comment));
    step(change, auth_add_secret(change->sim, id, secret));
    change_done(change, true);
    if (change->answered)
        return;
    struct out out = api_data(change->reply);
    out_open(&out, "data", '{');
    out_string(&out, "value", secret);
    out_string(&out, "full-tokenid", id);
    out_open(&out, "info", '{');
    out_string(&out, "privsep", privsep ? privsep : "1");
    if (comment)
        out_string(&out, "comment", comment);
    out_close(&out, '}');
    out_close(&out, '}');
    api_data_end(&out);
}

void api_token(struct sim *sim, struct call *call, struct reply *reply)
{
    _cleanup_(freep) char *id = token_id(call);
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "token"};
    if (!id || !change_open(&change) || !need(&change, "user", call->segment[2]))
        return;
    if (strcmp(call->method, "POST") == 0) {
        create_token(&change, call, id);
        return;
    }
    struct usertext_line *line = usertext_find(&change.text, "token", id);
    if (!line) {
        api_error(sim, reply, 500, "no such token '%s' for user '%s'", call->segment[4], call->segment[2]);
    } else if (strcmp(call->method, "DELETE") == 0) {
        drop_grants(&change, id);
        usertext_remove(&change.text, line);
        change_done(&change, false);
    } else {
        struct out out = api_data(reply);
        out_token(line, "data", &out);
        api_data_end(&out);
    }
}

/* ---- grants ------------------------------------------------------------------------------------------- */

void api_acl(struct sim *sim, struct call *call, struct reply *reply)
{
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "read acl"};
    (void)call;
    if (!change_open(&change))
        return;
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    for (const struct usertext_line *line = change.text.lines; line; line = line->next) {
        const char *subject = line->field[ACL_SUBJECT];
        bool group = *subject == '@';
        if (strcmp(line->field[0], "acl") != 0)
            continue;
        out_open(&out, NULL, '{');
        out_string(&out, "path", line->field[ACL_PATH]);
        out_string(&out, "ugid", subject + group);
        out_string(&out, "type", group ? "group" : usercfg_token_user_length(subject) ? "token" : "user");
        out_string(&out, "roleid", line->field[ACL_ROLE]);
        out_int(&out, "propagate", strcmp(line->field[ACL_PROPAGATE], "1") == 0);
        out_close(&out, '}');
    }
    out_close(&out, ']');
    api_data_end(&out);
}

static void change_grant(struct change *change, const struct call *call, const char *subject,
                         const char *role)
{
    const char *drop = call_param(call, "delete"), *propagate = call_param(call, "propagate");
    const char *path = call_param(call, "path");
    struct usertext_line *line = change->text.lines;
    while (line &&
           (strcmp(line->field[0], "acl") != 0 || strcmp(line->field[ACL_PATH], path) != 0 ||
            strcmp(line->field[ACL_SUBJECT], subject) != 0 || strcmp(line->field[ACL_ROLE], role) != 0))
        line = line->next;
    if (drop && *drop == '1') {
        if (line)
            usertext_remove(&change->text, line);
        return;
    }
    if (!line)
        line = usertext_add(&change->text, "acl", "1");
    if (!line) {
        step(change, -ENOMEM);
        return;
    }
    step(change, usertext_set(line, ACL_PROPAGATE, propagate ? propagate : "1"));
    step(change, usertext_set(line, ACL_PATH, path));
    step(change, usertext_set(line, ACL_SUBJECT, subject));
    step(change, usertext_set(line, ACL_ROLE, role));
}

/* one kind of subject with all the roles */
static void change_grants(struct change *change, const struct call *call, const char *param, const char *kind,
                          const char *prefix)
{
    _cleanup_(freep) char *list = strdup(call_param(call, param) ? call_param(call, param) : "");
    for (char *rest = list, *name; rest && !change->answered && (name = strsep(&rest, ", ;"));) {
        _cleanup_(freep) char *subject = NULL, *roles = strdup(call_param(call, "roles"));
        if (!*name)
            continue;
        if (asprintf(&subject, "%s%s", prefix, name) < 0)
            subject = NULL;
        if (!need(change, kind, name) || !subject)
            return;
        for (char *left = roles, *role; left && !change->answered && (role = strsep(&left, ", ;"));) {
            uint64_t privileges = 0;
            bool builtin = false;
            if (*role && !usercfg_role(auth_usercfg(change->sim), role, &privileges, &builtin))
                fail(change, "role '%s' does not exist", role);
            else if (*role)
                change_grant(change, call, subject, role);
        }
    }
}

void api_change_acl(struct sim *sim, struct call *call, struct reply *reply)
{
    _cleanup_(change_clear) struct change change = {.sim = sim, .reply = reply, .what = "ACL update"};
    if (!api_require(sim, call, reply, call_param(call, "path"), "Permissions.Modify") ||
        !change_open(&change))
        return;
    change_grants(&change, call, "users", "user", "");
    change_grants(&change, call, "groups", "group", "@");
    change_grants(&change, call, "tokens", "token", "");
    change_done(&change, false);
}
