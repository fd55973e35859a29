/*
 * Who could fence which guest, who can do more than that, and who cannot log in, from a user.cfg alone:
 * options, the file, and which form. What is computed is policy/usercfg's; what is told is in the files
 * beside this one.
 */
#include "admin/audit_private.h"
#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUDIT_FILE_MAX (256 * 1024 * 1024) /* pmxcfs holds files of 1 MiB; whoever asks for more errs */

struct audit_options {
    const char *file, *version;
    bool json, trust_ha;
    struct audit audit;
};

static const char usage[] =
    "usage: fence-broker-admin audit --user-cfg FILE --pve {7|8|9}\n"
    "                 [--identity ID]… [--path PATH]… [--pool NAME] [--trust-ha]\n"
    "                 [--json]\n"
    "      --user-cfg FILE  a copy of /etc/pve/user.cfg; - is standard input\n"
    "      --pve VERSION    of the Proxmox VE it comes from: 7, 8 or 9\n"
    "      --identity ID    only this user or token (repeatable)\n"
    "      --path PATH      only this path, e.g. /vms/101 (repeatable)\n"
    "      --pool NAME      only the guests of this pool\n"
    "      --trust-ha       Sys.Audit on / without propagation is not too much\n"
    "                       (dead-host = trust-ha)\n"
    "      --json           for programs\n"
    "Tells who could fence which guest, who can do more than that, and who cannot log\n"
    "in.\n";

/* ---- what the forms share ---- */

bool audit_asks_for(const struct audit *audit, const char *id)
{
    for (size_t i = 0; i < audit->identities.count; i++) {
        if (strcmp(audit->identities.list[i], id) == 0)
            return true;
    }
    return audit->identities.count == 0;
}

int64_t audit_vmid(const char *path)
{
    const char *digits = path + strlen("/vms/");
    if (strncmp(path, "/vms/", strlen("/vms/")) != 0 || !*digits || digits[strspn(digits, "0123456789")])
        return -1;
    errno = 0;
    long long vmid = strtoll(digits, NULL, 10);
    return errno ? -1 : vmid;
}

bool audit_concerns(const struct audit *audit, const char *path)
{
    struct usercfg_pool pool;
    if (!audit->pool)
        return true;
    if (strncmp(path, "/pool/", strlen("/pool/")) == 0)
        return strcmp(path + strlen("/pool/"), audit->pool) == 0;
    int64_t vmid = audit_vmid(path);
    const char *of = vmid >= 0 ? usercfg_pool_of(audit->cfg, vmid) : NULL;
    if (of)
        return strcmp(of, audit->pool) == 0;
    if (strncmp(path, "/storage/", strlen("/storage/")) != 0 || !usercfg_pool(audit->cfg, audit->pool, &pool))
        return false;
    for (size_t i = 0; i < pool.storage_count; i++) {
        if (strcmp(pool.storage_paths[i], path) == 0)
            return true;
    }
    return false;
}

const char *audit_why_not(const struct audit *audit, const char *id)
{
    struct usercfg_identity own, user;
    char name[128];
    size_t length = usercfg_token_user_length(id);
    if (usercfg_may_log_in(audit->cfg, id, audit->now_s))
        return NULL;
    if (!usercfg_identity(audit->cfg, id, &own))
        return "does not exist";
    if (!own.enabled)
        return length ? "its user is disabled" : "disabled";
    if (own.expire && own.expire <= audit->now_s)
        return "expired";
    snprintf(name, sizeof(name), "%.*s", (int)length, id);
    return length && usercfg_identity(audit->cfg, name, &user) ? "its user has expired" : "cannot log in";
}

static uint64_t audit_bit(const char *privilege)
{
    int number = usercfg_privilege_number(privilege);
    return number < 0 ? 0 : UINT64_C(1) << number;
}

/* ---- the command ---- */

/* Of a file without any line of a user.cfg, an empty one for instance, everything would be "nobody". */
static bool is_user_cfg(const char *path, const char *text, size_t length)
{
    static const char *const kinds[] = {"user:", "group:", "pool:", "role:", "acl:", "token:"};
    const char *end = text + length;
    for (const char *line = text; line && line < end; line = memchr(line, '\n', (size_t)(end - line))) {
        line += strspn(line, " \t\n");
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            if (strncmp(line, kinds[i], strlen(kinds[i])) == 0)
                return true;
    }
    fprintf(stderr, ADMIN " audit: %s: %s; copy /etc/pve/user.cfg from a Proxmox host%s\n",
            strcmp(path, "-") == 0 ? "standard input" : path,
            length ? "has no line of a user.cfg" : "is empty",
            strcmp(path, "-") == 0 ? ", and see whether the command before the pipe failed" : "");
    return false;
}

/* The user.cfg has it, or a rule of it names it. */
static bool identity_is_there(const struct audit *audit, const char *id)
{
    struct usercfg_identity identity;
    for (size_t i = 0; i < audit->classes->count; i++)
        for (size_t k = 0; k < audit->classes->list[i]->count; k++)
            if (strcmp(audit->classes->list[i]->ids[k], id) == 0)
                return true;
    return usercfg_identity(audit->cfg, id, &identity);
}

static bool asks_for_what_is_there(const struct audit *audit)
{
    struct usercfg_pool pool;
    if (audit->pool && !usercfg_pool(audit->cfg, audit->pool, &pool)) {
        fprintf(stderr, ADMIN " audit: there is no pool %s in this user.cfg\n", audit->pool);
        return false;
    }
    for (size_t i = 0; i < audit->identities.count; i++) {
        if (identity_is_there(audit, audit->identities.list[i]))
            continue;
        fprintf(stderr,
                ADMIN " audit: there is no user or token %s in this user.cfg; write it as "
                      "Proxmox does: "
                      "user@realm or user@realm!token\n",
                audit->identities.list[i]);
        return false;
    }
    return true;
}

static int answer(const struct audit *audit, bool json)
{
    struct text out = {0};
    if (json)
        audit_json(audit, &out);
    else
        audit_text(audit, &out);
    if (out.length && !out.failed)
        fwrite(out.data, 1, out.length, stdout);
    const char *problem = out.failed                         ? "no memory"
                          : fflush(stdout) || ferror(stdout) ? strerror(errno)
                                                             : NULL;
    text_clear(&out);
    if (problem)
        fprintf(stderr, ADMIN " audit: the answer could not be written: %s\n", problem);
    return problem ? 1 : 0;
}

static int run(struct audit_options *options)
{
    struct audit *audit = &options->audit;
    _cleanup_(usercfg_freep) struct usercfg *cfg = NULL;
    _cleanup_(usercfg_classes_freep) struct usercfg_classes *classes = NULL;
    _cleanup_(usercfg_places_freep) struct usercfg_places *places = NULL;
    _cleanup_(text_clear) struct text text = {0};
    struct failure failure = {0};
    if (command_read(options->file, AUDIT_FILE_MAX, "user.cfg", NULL, &text, &failure) < 0) {
        fprintf(stderr, ADMIN " audit: %s\n", failure.cause ? failure.cause : "no memory");
        failure_clear(&failure);
        return 1;
    }
    if (!is_user_cfg(options->file, text.data, text.length))
        return 1;
    if (usercfg_parse(text.data, text.length, audit->version, &cfg) || usercfg_classes_new(cfg, &classes) ||
        usercfg_places_new(cfg, &places)) {
        fputs(ADMIN " audit: no memory\n", stderr);
        return 1;
    }
    audit->cfg = cfg;
    audit->classes = classes;
    audit->places = places;
    audit->power = audit_bit("VM.PowerMgmt");
    audit->minimal = audit->power | audit_bit("VM.Audit") | audit_bit("Pool.Audit") | audit_bit("VM.Monitor");
    audit->on_top = options->trust_ha ? audit_bit(PRIVILEGES_HA) : 0;
    audit->now_s = clock_realtime_ms() / 1000;
    return asks_for_what_is_there(audit) ? answer(audit, options->json) : 1;
}

static int audit(const struct command *command, int argc, char **argv)
{
    struct audit_options options = {0};
    const struct command_option known[] = {{"user-cfg", .text = &options.file},
                                           {"pve", .text = &options.version},
                                           {"identity", .words = &options.audit.identities},
                                           {"path", .words = &options.audit.paths},
                                           {"pool", .text = &options.audit.pool},
                                           {"json", .flag = &options.json},
                                           {"trust-ha", .flag = &options.trust_ha},
                                           {.name = NULL}};
    int status = command_options(command, argc, argv, known, NULL);
    if (status != COMMAND_GO_ON)
        return status;
    const char *version = options.version;
    if (version && (strlen(version) != 1 || *version < '7' || *version > '9'))
        return fprintf(stderr, ADMIN " audit: --pve is 7, 8 or 9, not %s\n", version), 2;
    if (options.file && version) {
        options.audit.version = *version - '0';
        return run(&options);
    }
    fputs(options.file ? ADMIN " audit: --pve is missing: 7, 8 or 9, what `pveversion` says\n"
                       : ADMIN " audit: --user-cfg is missing: a copy of /etc/pve/user.cfg\n",
          stderr);
    return command_refuse(command);
}

const struct command audit_command = {"audit", "who could fence what, from a copy of user.cfg", usage, 2,
                                      audit};
