/*
 * What a finding says: the message, and the line for the shell of a Proxmox host that mends it.
 *
 * Proxmox tells what is held, not by which role: a built-in role is recognised by what it gives, any other
 * one is called ROLE. Whether it was granted to the token, to its user or to a group is not told either; the
 * line takes it from the identity itself. Decides nothing.
 */
#include "policy/privileges_private.h"

#include "policy/usercfg.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/text.h"

#include <string.h>

#define SHOWN_PRIVILEGES 4 /* in a message; the finding has them all */
#define SHOWN_GUESTS     10

#define MAKE_ROLE "pveum role add " PRIVILEGES_ROLE " --privs \"" PRIVILEGES_MINIMAL "\""

/* ---- pieces ---- */

/* Of "user@realm!token" the part before the token; the length of the whole for a user. */
static size_t user_length(const char *identity)
{
    size_t length = usercfg_token_user_length(identity);
    return length ? length : strlen(identity);
}

static bool is_token(const char *identity)
{
    return usercfg_token_user_length(identity) > 0;
}

/* Who is to be given a role: a token with privilege separation has only what its user has as well. */
static void put_grantees(struct text *out, const char *identity)
{
    _cleanup_(freep) char *user = strndup(identity, user_length(identity));
    if (!user) {
        out->failed = true;
        return;
    }
    text_puts(out, " --users ");
    text_put_word(out, user);
    if (is_token(identity)) {
        text_puts(out, " --tokens ");
        text_put_word(out, identity);
    }
}

/* Who is to lose one: of a token with privilege separation, to take it away there is enough. */
static void put_holder(struct text *out, const char *identity)
{
    text_puts(out, is_token(identity) ? " --tokens " : " --users ");
    text_put_word(out, identity);
}

static void put_privileges(struct text *out, const struct privileges_case *found)
{
    size_t shown = found->count <= SHOWN_PRIVILEGES + 1 ? found->count : SHOWN_PRIVILEGES;
    for (size_t i = 0; i < shown; i++)
        text_printf(out, "%s%s", i ? ", " : "", found->privileges[i]);
    if (shown < found->count)
        text_printf(out, " and %zu more", found->count - shown);
}

static void put_guests(struct text *out, const struct privileges_case *found)
{
    size_t shown = found->vmid_count <= SHOWN_GUESTS + 1 ? found->vmid_count : SHOWN_GUESTS;
    text_puts(out, found->vmid_count == 1 ? "guest " : "guests ");
    for (size_t i = 0; i < shown; i++)
        text_printf(out, "%s%d", i ? ", " : "", found->vmids[i]);
    if (shown < found->vmid_count)
        text_printf(out, " and %zu more", found->vmid_count - shown);
}

/* ---- which role ---- */

struct role_search {
    uint64_t held;
    const char *found;
};

static uint64_t bit_of(const char *privilege)
{
    int number = usercfg_privilege_number(privilege);
    return number < 0 ? 0 : UINT64_C(1) << number;
}

static int match_role(const char *name, uint64_t gives, void *context)
{
    struct role_search *search = context;
    uint64_t minimal =
        bit_of("VM.PowerMgmt") | bit_of("VM.Audit") | bit_of("Pool.Audit") | bit_of("VM.Monitor");
    if ((gives & ~search->held) != 0)
        return 0;
    bool rest_is_minimal = (search->held & ~gives & ~minimal) == 0 && (gives & ~minimal) != 0;
    if (gives == search->held || rest_is_minimal)
        search->found = name;
    return gives == search->held;
}

/* The built-in role that gives what is held (the minimal set may be there besides), else NULL. */
static const char *find_role(struct json_object *held, int release)
{
    int version = release / 100 < 7 ? 7 : release / 100 > 9 ? 9 : release / 100;
    struct role_search search = {0};
    if (!held || !release)
        return NULL;
    json_object_object_foreach(held, privilege, value)
    {
        uint64_t bit = bit_of(privilege);
        bool propagates = false;
        (void)value;
        if (!json_get_flag(held, privilege, &propagates))
            continue;
        if (!bit) /* newer than our knowledge of roles */
            return NULL;
        search.held |= bit;
    }
    usercfg_each_builtin_role(version, match_role, &search);
    return search.found;
}

/* ---- how grave it is ---- */

static bool has(const struct privileges_case *found, const char *privilege)
{
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->privileges[i], privilege) == 0)
            return true;
    }
    return false;
}

static const char *danger(const struct privileges_case *found, int release)
{
    static const struct {
        const char *privilege, *words;
        int from_release;
    } dangers[] = {
        {"Permissions.Modify", "; it could grant itself anything", 0},
        {"Sys.Modify", "; it reaches the QEMU monitor of the guests", 900},
        {"VM.Allocate", "; it could destroy guests", 0},
        {"VM.GuestAgent.Unrestricted", "; it could run commands in the guests", 0},
        {"Sys.Audit", "; it reaches the QEMU monitor of the guests", 900},
    };
    for (size_t i = 0; i < ARRAY_LEN(dangers); i++) {
        if (has(found, dangers[i].privilege) && release >= dangers[i].from_release)
            return dangers[i].words;
    }
    return "";
}

/* ---- messages ---- */

static void put_excess_message(struct text *out, const struct privileges_case *found, const char *role,
                               int release)
{
    if (found->what == CASE_GUESTS_BY_POOL) {
        put_guests(out, found);
        text_puts(out, " can be powered although they are in no configured pool, apparently through a pool "
                       "below one; if that is wanted, name that pool with `pool =`");
        return;
    }
    text_printf(out, "more than fencing needs on %s", found->path);
    switch (found->what) {
    case CASE_EVERYWHERE:
        text_puts(out, ", which reaches the whole cluster");
        break;
    case CASE_OTHER_POOL:
        text_puts(out, ", a pool that is not configured");
        break;
    case CASE_OTHER_GUEST:
        text_puts(out, ", a guest of no configured pool");
        break;
    case CASE_OWN_POOL:
    case CASE_OWN_GUEST:
    case CASE_GUESTS_BY_POOL:
    case CASE_ELSEWHERE:
    case CASE_POOL_LACKS:
    case CASE_NO_HA_STATUS:
    case CASE_GUESTS_LACK:
    case CASE_NO_POOL_AUDIT:
    case CASE_MONITOR:
        break;
    }
    text_puts(out, ": ");
    put_privileges(out, found);
    if (role)
        text_printf(out, " (the role %s)", role);
    text_puts(out, danger(found, release));
}

static void put_message(struct text *out, const struct privileges_case *found,
                        const struct privileges_scope *scope, const char *role)
{
    switch (found->what) {
    case CASE_EVERYWHERE:
    case CASE_OWN_POOL:
    case CASE_OWN_GUEST:
    case CASE_OTHER_POOL:
    case CASE_OTHER_GUEST:
    case CASE_GUESTS_BY_POOL:
    case CASE_ELSEWHERE:
        put_excess_message(out, found, role, scope->release);
        return;
    case CASE_POOL_LACKS:
        put_privileges(out, found);
        text_printf(out, " %s missing on %s for %s", found->count > 1 ? "are" : "is", found->path,
                    scope->identity);
        if (is_token(scope->identity))
            text_puts(
                out,
                ": a token with privilege separation has only what is granted to itself and to its user");
        return;
    case CASE_NO_HA_STATUS:
        text_printf(
            out,
            PRIVILEGES_HA
            " is missing on / for %s: without it nothing is known of hosts that Proxmox HA has fenced "
            "(dead-host = trust-ha)",
            scope->identity);
        return;
    case CASE_GUESTS_LACK:
        put_privileges(out, found);
        text_puts(out, found->count > 1 ? " are missing on " : " is missing on ");
        put_guests(out, found);
        text_printf(out, " in spite of /pool/%s: a role NoAccess there or above takes everything away",
                    found->pool);
        return;
    case CASE_NO_POOL_AUDIT:
        text_printf(out,
                    "Pool.Audit is missing on %s: without it the broker finds the members of the pool in a "
                    "roundabout way",
                    found->path);
        return;
    case CASE_MONITOR:
        text_printf(out, "VM.Monitor on %s is not needed, and Proxmox VE 9 does not know it", found->path);
        return;
    }
}

/* ---- mending lines ---- */

static void put_delete(struct text *out, const char *path, const char *role, const char *identity)
{
    text_puts(out, "pveum acl delete ");
    text_put_word(out, path);
    text_printf(out, " --roles %s", role ? role : "ROLE");
    put_holder(out, identity);
}

static void put_grant(struct text *out, const char *path, const char *identity)
{
    text_puts(out, "pveum acl modify ");
    text_put_word(out, path);
    text_puts(out, " --roles " PRIVILEGES_ROLE);
    put_grantees(out, identity);
}

static void put_mend(struct text *out, const struct privileges_case *found,
                     const struct privileges_scope *scope, const char *role)
{
    switch (found->what) {
    case CASE_EVERYWHERE:
    case CASE_OTHER_POOL:
    case CASE_OTHER_GUEST:
    case CASE_OWN_GUEST:
    case CASE_ELSEWHERE:
        put_delete(out, found->path, role, scope->identity);
        return;
    case CASE_OWN_POOL:
        if (!role) { /* one of their own making */
            text_puts(out, "pveum role modify ROLE --privs \"" PRIVILEGES_MINIMAL "\"");
            return;
        }
        text_puts(out, MAKE_ROLE "; ");
        put_grant(out, found->path, scope->identity);
        text_puts(out, "; ");
        put_delete(out, found->path, role, scope->identity);
        return;
    case CASE_GUESTS_BY_POOL: /* by a pool below ours: what is granted there must not reach it */
        text_puts(out, "pveum acl modify /pool/");
        text_put_word(out, found->pool);
        text_puts(out, " --propagate 0 --roles ROLE");
        put_grantees(out, scope->identity);
        return;
    case CASE_POOL_LACKS:
        if (found->held) /* there is a role already, and it gives too little */
            text_puts(out, MAKE_ROLE " || pveum role modify " PRIVILEGES_ROLE " --privs \"" PRIVILEGES_MINIMAL
                                     "\"; ");
        else if (!is_token(scope->identity))
            text_puts(out, MAKE_ROLE "; ");
        put_grant(out, found->path, scope->identity);
        return;
    case CASE_NO_HA_STATUS: /* on the way down it would be too much */
        text_puts(out, "pveum role add " PRIVILEGES_HA_ROLE " --privs " PRIVILEGES_HA
                       "; pveum acl modify / --propagate 0 --roles " PRIVILEGES_HA_ROLE);
        put_grantees(out, scope->identity);
        return;
    case CASE_GUESTS_LACK:
        text_puts(out, "pveum acl delete ");
        text_put_word(out, found->path);
        text_puts(out, " --roles NoAccess");
        put_grantees(out, scope->identity); /* either would be enough to take it away */
        return;
    case CASE_NO_POOL_AUDIT:
        text_puts(out, "pveum role modify ROLE --append 1 --privs Pool.Audit");
        return;
    case CASE_MONITOR:
        text_puts(out, "pveum role modify ROLE --privs \"" PRIVILEGES_MINIMAL "\"");
        return;
    }
}

bool privileges_describe(const struct privileges_case *found, const struct privileges_scope *scope,
                         struct privileges_finding *finding)
{
    _cleanup_(text_clear) struct text message = {0}, mend = {0};
    const char *role = found->kind == PRIVILEGES_EXCESS ? find_role(found->held, scope->release) : NULL;
    put_message(&message, found, scope, role);
    put_mend(&mend, found, scope, role);
    if (message.failed || mend.failed || !message.data || !mend.data)
        return false;
    /* paths and privileges come from the network */
    text_make_printable(message.data);
    text_make_printable(mend.data);
    finding->message = TAKE(message.data);
    finding->mend = TAKE(mend.data);
    finding->names_guests = found->vmid_count > 0 || strncmp(found->path, "/vms/", 5) == 0;
    return true;
}
