/*
 * user.cfg: who holds which privilege where, by the rules of Proxmox VE 7, 8 and 9.
 *
 * Takes the text of /etc/pve/user.cfg and answers for any identity and path what GET /access/permissions
 * would. Copies the real parser's tolerance line by line, because an auditor who is stricter than Proxmox
 * sees grants that are not there, or misses some that are. Pure: knows no files, clocks or loops, and nothing
 * of what the broker needs; the caller judges.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct usercfg;

/* A set of privileges: bit n of `held` is the privilege usercfg_privilege_name(n). A bit in `propagates` says
 * that the privilege also reaches what lies below the path; it is a subset of `held`. */
struct usercfg_privileges {
    uint64_t held;
    uint64_t propagates;
};

/* Parse `length` bytes as Proxmox VE `pve_version` (7, 8 or 9) would. Bad lines are skipped with a warning
 * and never fail the whole. 0 and *out owned by the caller, -EINVAL for an unknown version, -ENOMEM. */
int usercfg_parse(const char *text, size_t length, int pve_version, struct usercfg **out)
    __attribute__((warn_unused_result));
void usercfg_free(struct usercfg *cfg);
static inline void usercfg_freep(struct usercfg **cfg)
{
    usercfg_free(*cfg);
}

/* What the parser warned about, in file order; borrowed. NULL from `index` on that is not there. */
size_t usercfg_warning_count(const struct usercfg *cfg);
const char *usercfg_warning(const struct usercfg *cfg, size_t index);

/* Privileges by number and name. Names never end: NULL for a number that is not used, -1 for an unknown name.
 */
unsigned usercfg_privilege_count(void);
const char *usercfg_privilege_name(unsigned number);
int usercfg_privilege_number(const char *name);
/* The roles that a version (7, 8 or 9) brings along, each once, with what they give. A callback that returns
 * non-zero ends it, and that value is returned. */
typedef int usercfg_each_builtin_f(const char *name, uint64_t privileges, void *context);
int usercfg_each_builtin_role(int pve_version, usercfg_each_builtin_f *each, void *context);
/* Whether the version that the file was parsed for knows the privilege (all of them as a set of bits). */
uint64_t usercfg_known_privileges(const struct usercfg *cfg);

/* Effective privileges of a user or token on a path, enabled or not. Unknown identities hold what grants name
 * them (Proxmox keeps those), unknown tokens nothing. */
struct usercfg_privileges usercfg_privileges(const struct usercfg *cfg, const char *id, const char *path);

/* Whether the identity exists, is enabled and has not expired at `now_s` (Unix seconds); a token also needs
 * its user to be so. */
bool usercfg_may_log_in(const struct usercfg *cfg, const char *id, int64_t now_s);

/* What the file says about a user or token itself; false if it has no line. */
struct usercfg_identity {
    bool enabled;   /* a token's: its user's */
    int64_t expire; /* Unix seconds; 0: never */
    bool privsep;   /* a token with privileges of its own */
};
bool usercfg_identity(const struct usercfg *cfg, const char *id, struct usercfg_identity *out);

/* "a!b@pve!tok" is token "tok" of "a!b@pve": the length of the user's part, or 0 if `id` is no token id. */
size_t usercfg_token_user_length(const char *id);

/* What a role gives; false if there is no such role. `builtin` says that Proxmox brings it along. */
bool usercfg_role(const struct usercfg *cfg, const char *name, uint64_t *privileges, bool *builtin);

/* Pools. A guest is in one pool at most: its name, or NULL; borrowed. */
const char *usercfg_pool_of(const struct usercfg *cfg, int64_t vmid);
struct usercfg_pool {
    const char *name;
    const char *comment;  /* decoded; "" if there is none */
    const int64_t *vmids; /* in file order */
    size_t vmid_count;
    const char *const *storage_paths; /* "/storage/NAME" */
    size_t storage_count;
};
/* False if there is no such pool. What *out points to is borrowed. */
bool usercfg_pool(const struct usercfg *cfg, const char *name, struct usercfg_pool *out);

/* Iteration in file order; a callback that returns non-zero ends it, and that value is returned. Strings are
 * borrowed, and the configuration must not be freed meanwhile. */
typedef int usercfg_each_f(const char *name, void *context);
int usercfg_each_pool(const struct usercfg *cfg, usercfg_each_f *each, void *context);
/* roles, built-in ones first */
int usercfg_each_role(const struct usercfg *cfg, usercfg_each_f *each, void *context);
/* users and tokens, each token after its user */
int usercfg_each_identity(const struct usercfg *cfg, usercfg_each_f *each, void *context);
/* paths that grants name, and what lies above them; the latter come more than once */
int usercfg_each_acl_path(const struct usercfg *cfg, usercfg_each_f *each, void *context);
/* every path that GET /access/permissions looks at: top-level ones, grants' and those above, pools' members;
 * a path that is more than one of these comes more than once */
int usercfg_each_path(const struct usercfg *cfg, usercfg_each_f *each, void *context);

/* One grant of one role. All borrowed. */
enum usercfg_subject { USERCFG_TOKEN, USERCFG_USER, USERCFG_GROUP };
struct usercfg_grant {
    const char *path;
    enum usercfg_subject kind;
    const char *subject; /* without '@' */
    const char *role;
    bool propagate;
    bool known; /* there is such a user, token or group; Proxmox keeps grants to others */
};
/* 0 to go on; anything else ends the iteration and is returned. Paths in file order. */
typedef int usercfg_each_grant_f(const struct usercfg_grant *grant, void *context);
int usercfg_each_grant(const struct usercfg *cfg, usercfg_each_grant_f *each, void *context);
