/*
 * What the parts of provision share: the wish (options, checked), the calls, the plan, and the session that
 * carries it out.
 */
#pragma once

#include "admin/heap.h"
#include "admin/https.h"
#include "admin/provision_calls.h"
#include "system/text.h"

#include <json-c/json.h>

/* The mark on what we make, in its comment; --remove takes away nothing without it. */
#define PROVISION_MARK "made by fence_brokerd provision"

/* What is wanted. Strings are argv's. */
struct provision_wish {
    const char *pool, *user, *group, *role;
    int *guests; /* sorted, each once */
    size_t guest_count;
    const char **tokens; /* names, without the user */
    size_t token_count;
    bool with_vm_monitor, trust_ha, remove;
    int version; /* of Proxmox VE: 7, 8, 9; 0: not known */
};

/* How it is to be carried out. */
struct provision_way {
    struct config_endpoint endpoint;
    const char *as; /* user@realm */
    const char *ca_file;
    struct config_fingerprint *fingerprints;
    const char **fingerprint_texts; /* the same, as given */
    size_t fingerprint_count;
    int password_fd, totp_fd; /* -1: the terminal */
    const char *secret_file;
    bool yes;
};

/* "VM.PowerMgmt,VM.Audit,Pool.Audit", with VM.Monitor where it is wished for */
const char *provision_privileges(const struct provision_wish *wish);

/* ---- provision_script.c: for a shell of a Proxmox VE host ---- */
void provision_script(const struct provision_wish *wish, struct text *out);
void provision_script_remove(const struct provision_wish *wish, struct text *out);
/* an administrator who is not root; `as` is NULL or a user of the realm pam */
void provision_script_admin(const char *as, struct text *out);

/* ---- provision_session.c: logged in ---- */
struct provision_session;

/* Logs in; password and code are asked for. NULL and *error. The way must outlive it. */
struct provision_session *provision_login(const struct provision_way *way, struct error *error);
void provision_logout(struct provision_session *session); /* NULL is fine */
static inline void provision_logoutp(struct provision_session **session)
{
    provision_logout(*session);
}
/* The answer's data (owned by the caller; NULL for a JSON null), or -EIO and *error. -ENOENT without an
 * error: Proxmox says that it does not exist. */
int provision_call(struct provision_session *session, enum provision_call call,
                   const struct provision_parts *parts, struct json_object **data, struct error *error)
    __attribute__((warn_unused_result));

/* ---- provision_found.c: what is there ---- */
struct provision_found {
    int version; /* 7, 8, 9, … */
    struct json_object *roles, *pools, *pool, *guests, *groups, *user,
        *acl; /* pool, user: NULL if not there */
};
int provision_look(struct provision_session *session, const struct provision_wish *wish,
                   struct provision_found *found, struct error *error) __attribute__((warn_unused_result));
/* Of that name; NULL and 0 if there is none. */
int provision_read_pool(struct provision_session *session, const char *name, struct json_object **pool,
                        struct error *error) __attribute__((warn_unused_result));
void provision_found_clear(struct provision_found *found);

/* ---- provision_plan.c, provision_plan_remove.c: what is to be done; pure ---- */
enum provision_step_kind {
    PROVISION_KEEP,  /* is there as it should be */
    PROVISION_DO,    /* a call */
    PROVISION_TOKEN, /* a call whose answer is a token's secret */
    PROVISION_NOTE,  /* worth knowing, not in the way */
    PROVISION_STOP,  /* in the way: nothing is done at all */
};
struct provision_step {
    enum provision_step_kind kind;
    const char *text; /* "create the pool nfs_cluster" */
    const char *mend; /* the way out of a STOP, the line for a NOTE; or NULL */
    enum provision_call call;
    struct provision_parts parts;
    size_t token; /* of the wish, for PROVISION_TOKEN */
};
/* Who is granted our rights. */
struct provision_subject {
    const char *kind; /* "users", "groups", "tokens": the parameter */
    const char *type; /* "user", "group", "token": in lists */
    const char *name;
};
/* What each of them is granted. */
struct provision_right {
    const char *role, *path, *privileges;
};
/* What is granted today, to whomever. */
struct provision_grant {
    const char *role, *path, *who, *type;
};
struct provision_plan {
    const struct provision_wish *wish;
    const struct provision_found *found;
    struct provision_right *rights; /* our role on the pool, and for dead-host = trust-ha another one on / */
    struct provision_subject *subjects; /* the group or the user, then each token */
    struct provision_grant *grants;
    struct provision_step *steps;
    size_t right_count, subject_count, grant_count, count;
};
void provision_plan_make(const struct provision_wish *wish, const struct provision_found *found,
                         struct provision_plan *plan);
void provision_plan_remove(const struct provision_wish *wish, const struct provision_found *found,
                           struct provision_plan *plan);
size_t provision_plan_count(const struct provision_plan *plan, enum provision_step_kind kind);

/* for the two planners */
void provision_plan_begin(const struct provision_wish *wish, const struct provision_found *found,
                          struct provision_plan *plan);
#define provision_plan_add(plan, kind, ...) provision_plan_put(plan, kind, heap_printf(__VA_ARGS__))
/* of the last step */
#define provision_plan_mend(plan, ...) ((plan)->steps[(plan)->count - 1].mend = heap_printf(__VA_ARGS__))
/* A call whose parts are those of the wish; what differs is set afterwards. */
#define provision_plan_do(plan, call, ...) provision_plan_call(plan, call, heap_printf(__VA_ARGS__))
struct provision_step *provision_plan_put(struct provision_plan *plan, enum provision_step_kind kind,
                                          const char *text);
struct provision_step *provision_plan_call(struct provision_plan *plan, enum provision_call call,
                                           const char *text);
void provision_plan_grant(struct provision_plan *plan, enum provision_call call,
                          const struct provision_right *right, const struct provision_subject *subject);
/* the element of a list whose member `key` is `value`, or NULL; borrowed */
struct json_object *provision_find(struct json_object *list, const char *key, const char *value);
/* a member's string; "" if it has none */
const char *provision_string(struct json_object *object, const char *key);
/* the guest in place `i` of a list; 0: it is none */
int provision_vmid(struct json_object *list, size_t i);
bool provision_wants(const struct provision_wish *wish, int vmid);
bool provision_holds(const struct provision_grant *grant, const struct provision_subject *subject);
bool provision_is(const struct provision_grant *grant, const struct provision_right *right);
/* a grant of the role to somebody else, or somewhere else; NULL if there is none */
const struct provision_grant *provision_foreign(const struct provision_plan *plan,
                                                const struct provision_right *right);

/* ---- provision_apply.c ---- */
void provision_show(const char *prefix, const char *text); /* a line of stdout */
/* The exit status. Tells on stdout what it does. */
int provision_apply(const struct provision_wish *wish, const struct provision_way *way);
/* ---- provision_check.c: the audit of what was made ---- */
/* 0 all minimal, 1 something is missing or too much; -1 and *error */
int provision_check(struct provision_session *session, const struct provision_wish *wish, int version,
                    struct error *error);
