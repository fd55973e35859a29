/*
 * What deserves a look whatever the question was: tokens of root, tokens that can do all that their user can,
 * power granted above the pools, and grants to users and groups that do not exist.
 */
#include "admin/audit_private.h"
#include "system/cleanup.h"
#include "system/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
    const struct audit *audit;
    audit_each_finding_f *each;
    void *context;
};

/* Takes message and mend over. */
static int tell(const struct search *search, struct audit_finding finding, char *message, char *mend)
{
    finding.message = message;
    finding.mend = mend;
    if (message && mend)
        search->each(search->context, &finding);
    int error = message && mend ? 0 : -ENOMEM;
    free(message);
    free(mend);
    return error;
}

static char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *say(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return length < 0 ? NULL : text;
}

static int look_at_token(const char *id, void *context)
{
    const struct search *search = context;
    size_t length = usercfg_token_user_length(id);
    struct usercfg_identity token;
    if (!length || !usercfg_identity(search->audit->cfg, id, &token))
        return 0;
    const char *name = id + length + 1;
    _cleanup_(text_clear) struct text user = {0};
    _cleanup_(freep) char *owner = strndup(id, length);
    if (!owner)
        return -ENOMEM;
    if (length == strlen("root@pam") && strncmp(id, "root@pam", length) == 0)
        return tell(
            search, (struct audit_finding){.code = "root-token", .subject = id},
            say("%s is a token of root: %s", id,
                token.privsep ? "it does what it is granted as root" : "it can do everything on every host"),
            say("pveum user token remove root@pam %s", name));
    if (token.privsep)
        return 0;
    return tell(search, (struct audit_finding){.code = "token-without-separation", .subject = id},
                say("%s has no privilege separation: it can do all that %.*s can; separated, it needs a "
                    "grant of its own",
                    id, (int)length, id),
                say("pveum user token modify %s %s --privsep 1", text_word(&user, owner), name));
}

static int look_at_grant(const struct usercfg_grant *grant, void *context)
{
    const struct search *search = context;
    const char *at = grant->kind == USERCFG_GROUP ? "@" : "";
    const char *option = grant->kind == USERCFG_GROUP   ? "groups"
                         : grant->kind == USERCFG_TOKEN ? "tokens"
                                                        : "users";
    uint64_t privileges = 0;
    bool builtin = false;
    _cleanup_(freep) char *subject = say("%s%s", at, grant->subject);
    if (!subject)
        return -ENOMEM;
    _cleanup_(text_clear) struct text who = {0};
    struct audit_finding finding = {.subject = subject, .path = grant->path};
    if (!grant->known) {
        finding.code = grant->kind == USERCFG_GROUP ? "unknown-group" : "unknown-user";
        return tell(
            search, finding,
            say("%s is granted %s on %s and does not exist: whoever is created with that name gets it",
                subject, grant->role, grant->path),
            say("pveum acl delete %s --%s %s --roles %s", grant->path, option,
                text_word(&who, grant->subject), grant->role));
    }
    usercfg_role(search->audit->cfg, grant->role, &privileges, &builtin);
    bool above = strcmp(grant->path, "/") == 0 || strcmp(grant->path, "/vms") == 0 ||
                 strcmp(grant->path, "/pool") == 0;
    if (!above || !grant->propagate || !(privileges & search->audit->power))
        return 0;
    finding.code = "grant-above-pool";
    return tell(
        search, finding,
        say("%s has %s on %s, which reaches the guests of every pool", subject, grant->role, grant->path),
        say("pveum acl delete %s --%s %s --roles %s", grant->path, option, text_word(&who, grant->subject),
            grant->role));
}

int audit_each_finding(const struct audit *audit, audit_each_finding_f *each, void *context)
{
    struct search search = {.audit = audit, .each = each, .context = context};
    int error = usercfg_each_identity(audit->cfg, look_at_token, &search);
    return error ? error : usercfg_each_grant(audit->cfg, look_at_grant, &search);
}
