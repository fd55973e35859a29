/*
 * What deserves a look whatever the question was: tokens of root, tokens that can do all that their user can,
 * power granted above the pools, and grants to users and groups that do not exist.
 */
#include "admin/audit_private.h"
#include "admin/heap.h"

#include <string.h>

struct search {
    const struct audit *audit;
    audit_each_finding_f *each;
    void *context;
};

static void tell(const struct search *search, struct audit_finding finding, const char *message,
                 const char *mend)
{
    finding.message = message;
    finding.mend = mend;
    search->each(search->context, &finding);
}

static int look_at_token(const char *id, void *context)
{
    const struct search *search = context;
    const size_t length = usercfg_token_user_length(id);
    const char *name = id + length + 1;
    struct usercfg_identity token;
    if (!length || !usercfg_identity(search->audit->cfg, id, &token))
        return 0;
    const char *owner = heap_cut(id, length);
    if (strcmp(owner, "root@pam") == 0)
        tell(search, (struct audit_finding){.code = "root-token", .subject = id},
             heap_printf("%s is a token of root: %s", id,
                         token.privsep ? "it does what it is granted as root"
                                       : "it can do everything on every host"),
             heap_printf("pveum user token remove root@pam %s", name));
    else if (!token.privsep)
        tell(search, (struct audit_finding){.code = "token-without-separation", .subject = id},
             heap_printf("%s has no privilege separation: it can do all that %s can; separated, it needs a "
                         "grant of its own",
                         id, owner),
             heap_printf("pveum user token modify %s %s --privsep 1", heap_word(owner), name));
    return 0;
}

static int look_at_grant(const struct usercfg_grant *grant, void *context)
{
    static const char *const options[] = {
        [USERCFG_USER] = "users", [USERCFG_GROUP] = "groups", [USERCFG_TOKEN] = "tokens"};
    const struct search *search = context;
    const bool group = grant->kind == USERCFG_GROUP;
    const char *subject = heap_printf("%s%s", group ? "@" : "", grant->subject);
    const char *mend = heap_printf("pveum acl delete %s --%s %s --roles %s", grant->path,
                                   options[grant->kind], heap_word(grant->subject), grant->role);
    uint64_t privileges = 0;
    bool builtin = false;
    struct audit_finding finding = {.subject = subject, .path = grant->path};
    if (!grant->known) {
        finding.code = group ? "unknown-group" : "unknown-user";
        tell(search, finding,
             heap_printf(
                 "%s is granted %s on %s and does not exist: whoever is created with that name gets it",
                 subject, grant->role, grant->path),
             mend);
        return 0;
    }
    usercfg_role(search->audit->cfg, grant->role, &privileges, &builtin);
    bool above = strcmp(grant->path, "/") == 0 || strcmp(grant->path, "/vms") == 0 ||
                 strcmp(grant->path, "/pool") == 0;
    finding.code = "grant-above-pool";
    if (above && grant->propagate && privileges & search->audit->power)
        tell(search, finding,
             heap_printf("%s has %s on %s, which reaches the guests of every pool", subject, grant->role,
                         grant->path),
             mend);
    return 0;
}

void audit_each_finding(const struct audit *audit, audit_each_finding_f *each, void *context)
{
    struct search search = {.audit = audit, .each = each, .context = context};
    (void)usercfg_each_identity(audit->cfg, look_at_token, &search);
    (void)usercfg_each_grant(audit->cfg, look_at_grant, &search);
}
