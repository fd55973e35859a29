/*
 * Version, realms, login and own privileges: the calls about who asks.
 */
#include "api.h"
#include "auth.h"
#include "realms.h"
#include "server.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

void api_version(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *version = sim->cluster->version, *minor = strchr(version, '.'),
               *end = version + strlen(version);
    (void)call;
    if (minor)
        end = minor + 1 + strcspn(minor + 1, ".");
    _cleanup_(freep) char *release = strndup(version, (size_t)(end - version));
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    out_string(&out, "version", version);
    out_string(&out, "release", release);
    out_string(&out, "repoid", "0000000000000000");
    out_close(&out, '}');
    api_data_end(&out);
}

void api_domains(struct sim *sim, struct call *call, struct reply *reply)
{
    struct realm *realms = realms_load(sim);
    struct out out = api_data(reply);
    (void)call;
    out_open(&out, "data", '[');
    for (const struct realm *realm = realms; realm; realm = realm->next) {
        out_open(&out, NULL, '{');
        out_string(&out, "realm", realm->name);
        out_string(&out, "type", realm->type);
        if (realm->comment)
            out_string(&out, "comment", realm->comment);
        out_close(&out, '}');
    }
    out_close(&out, ']');
    api_data_end(&out);
    realms_free(realms);
}

/* ---- login -------------------------------------------------------------------------------------------- */

/* the parts of "cap", and the privileges that each shows */
static const struct {
    const char *part, *prefixes;
} cap_parts[] = {
    {"vms", "VM.|Permissions.Modify"},
    {"access", "User.|Group.|Permissions.Modify"},
    {"storage", "Datastore.|Permissions.Modify"},
    {"nodes", "Sys.|Permissions.Modify"},
    {"sdn", "SDN.|Permissions.Modify"},
    {"dc", "Sys.Audit|Sys.Modify|SDN."},
    {"mapping", "Mapping.|Permissions.Modify"},
};

struct caps {
    const struct sim *sim;
    const char *id;
    uint64_t held[ARRAY_LEN(cap_parts)];
};

static uint64_t with_prefixes(uint64_t held, const char *prefixes)
{
    uint64_t kept = 0;
    for (unsigned number = 0; number < usercfg_privilege_count(); number++) {
        for (const char *at = prefixes; held >> number & 1 && *at; at += *at == '|') {
            size_t length = strcspn(at, "|");
            if (strncmp(usercfg_privilege_name(number), at, length) == 0)
                kept |= UINT64_C(1) << number;
            at += length;
        }
    }
    return kept;
}

/* what a path gives is shown under its first component; what a pool gives, under vms and storage */
static int add_caps(const char *path, void *context)
{
    struct caps *caps = context;
    uint64_t held = usercfg_privileges(auth_usercfg(caps->sim), caps->id, path).held;
    const char *top = path[1] ? path + 1 : "dc";
    size_t length = strcspn(top, "/");
    for (size_t i = 0; i < ARRAY_LEN(cap_parts); i++) {
        const char *part = cap_parts[i].part;
        bool of_pool = length == 4 && strncmp(top, "pool", 4) == 0 &&
                       (strcmp(part, "vms") == 0 || strcmp(part, "storage") == 0);
        if (of_pool || (strlen(part) == length && strncmp(part, top, length) == 0))
            caps->held[i] |= with_prefixes(held, cap_parts[i].prefixes);
    }
    return 0;
}

static void out_privileges(struct out *out, const char *key, uint64_t held, uint64_t one)
{
    out_open(out, key, '{');
    for (unsigned number = 0; number < usercfg_privilege_count(); number++) {
        if (held >> number & 1)
            out_int(out, usercfg_privilege_name(number), (int)(one >> number & 1));
    }
    out_close(out, '}');
}

static void out_caps(struct out *out, const struct sim *sim, const char *id)
{
    static const char *const top[] = {"/",        "/nodes", "/access/groups", "/vms",
                                      "/storage", "/sdn",   "/mapping"};
    struct caps caps = {.sim = sim, .id = id};
    for (size_t i = 0; i < ARRAY_LEN(top); i++)
        add_caps(top[i], &caps);
    usercfg_each_acl_path(auth_usercfg(sim), add_caps, &caps);
    out_open(out, "cap", '{');
    for (size_t i = 0; i < ARRAY_LEN(cap_parts); i++)
        out_privileges(out, cap_parts[i].part, caps.held[i], caps.held[i]);
    out_close(out, '}');
}

void api_ticket(struct sim *sim, struct call *call, struct reply *reply)
{
    _cleanup_(freep) char *user = NULL, *ticket = NULL, *csrf = NULL;
    const char *realm = call_param(call, "realm"), *name = call_param(call, "username");
    bool append = realm && !strchr(name, '@');
    if (asprintf(&user, "%s%s%s", name, append ? "@" : "", append ? realm : "") < 0) {
        user = NULL;
        api_error(sim, reply, 500, "out of memory");
        return;
    }
    const char *challenge = call_param(call, "tfa-challenge"), *new_format = call_param(call, "new-format");
    if (challenge)
        server_count_code(sim);
    bool old_challenge = cluster_pve(sim->cluster) < 8 && (!new_format || strcmp(new_format, "1") != 0);
    enum login login =
        auth_login(sim, user, call_param(call, "password"), challenge, old_challenge, &ticket, &csrf);
    call->id = strdup(user);
    if (login == LOGIN_REFUSED) {
        api_error(sim, reply, 401, "authentication failure");
        reply->delay_ms = api_denied_delay_ms(sim);
        return;
    }
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    if (login == LOGIN_NEEDS_TFA)
        out_int(&out, "NeedTFA", 1);
    else
        out_caps(&out, sim, user);
    out_string(&out, "ticket", ticket);
    out_string(&out, "username", user);
    out_string(&out, "CSRFPreventionToken", csrf);
    out_close(&out, '}');
    api_data_end(&out);
}

/* ---- privileges --------------------------------------------------------------------------------------- */

struct seen {
    char *path;
    UT_hash_handle hh;
};

struct permissions {
    const struct sim *sim;
    const char *id;
    struct out out;
    struct seen *seen; /* the walk names some paths more than once */
};

static int out_path(const char *path, void *context)
{
    struct permissions *permissions = context;
    struct seen *seen = NULL;
    HASH_FIND_STR(permissions->seen, path, seen);
    if (seen)
        return 0;
    seen = calloc(1, sizeof(*seen));
    if (!seen || !(seen->path = strdup(path))) {
        free(seen);
        return -1;
    }
    HASH_ADD_KEYPTR(hh, permissions->seen, seen->path, strlen(seen->path), seen);
    struct usercfg_privileges held =
        usercfg_privileges(auth_usercfg(permissions->sim), permissions->id, path);
    if (held.held)
        out_privileges(&permissions->out, path, held.held, held.propagates);
    return 0;
}

void api_permissions(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *user = call_param(call, "userid"), *path = call_param(call, "path");
    struct permissions permissions = {.sim = sim, .id = user ? user : call->id};
    struct seen *seen = NULL, *next = NULL;
    /* one's own are free; a token's user may see the token's, too */
    size_t length = user ? usercfg_token_user_length(user) : 0;
    bool own = !user || strcmp(user, call->id) == 0 ||
               (length && strlen(call->id) == length && strncmp(user, call->id, length) == 0);
    if (!own && !api_require(sim, call, reply, "/access", "Sys.Audit"))
        return;
    permissions.out = api_data(reply);
    out_open(&permissions.out, "data", '{');
    if (path)
        out_path(path, &permissions);
    else
        usercfg_each_path(auth_usercfg(sim), out_path, &permissions);
    out_close(&permissions.out, '}');
    api_data_end(&permissions.out);
    HASH_ITER (hh, permissions.seen, seen, next) {
        HASH_DEL(permissions.seen, seen);
        free(seen->path);
        free(seen);
    }
}
