/*
 * What usercfg_parse.c builds and the others read; for the files of this room alone.
 *
 * Everything is found by name through hash tables, because an audit looks at 10,000 users and 100,000 guests.
 */
#pragma once

#include "policy/usercfg.h"

/* a failed allocation inside uthash leaves the element's hh.tbl NULL instead of ending the process */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct role {
    char *name;
    bool builtin;
    uint64_t privileges;
    UT_hash_handle hh;
};

struct token {
    char *id; /* user@realm!name */
    int64_t expire;
    bool privsep;
    struct user *user;
    struct token *next; /* of the same user */
    UT_hash_handle hh;
};

struct user {
    char *name;
    int64_t expire;
    bool enabled;
    struct token *tokens;
    UT_hash_handle hh;
};

struct member {
    char *user;
    UT_hash_handle hh;
};

struct group {
    char *name;
    struct member *members;
    UT_hash_handle hh;
};

/* one role given to one subject at one path */
struct grant {
    const struct role *role;
    bool propagate;
    struct grant *next;
};

enum subject_kind { SUBJECT_TOKEN, SUBJECT_USER, SUBJECT_GROUP, SUBJECT_KINDS };

struct subject {
    char *name;
    struct grant *grants;
    UT_hash_handle hh;
};

/* a path that is granted on */
struct acl {
    char *path;
    struct subject *subjects[SUBJECT_KINDS];
    UT_hash_handle hh;
};

struct pool {
    char *path;       /* "/pool/NAME" */
    const char *name; /* inside `path` */
    char *comment;
    int64_t *vmids;
    size_t vmid_count, vmid_room;
    char **storages; /* "/storage/NAME" */
    size_t storage_count;
    UT_hash_handle hh;
};

struct usercfg_guest {
    int64_t vmid;
    const struct pool *pool;
    UT_hash_handle hh;
};

struct usercfg {
    int version;
    uint64_t known;
    struct role *roles;
    struct user *users;
    struct token *tokens;
    struct group *groups;
    struct acl *acls;
    struct pool *pools;
    struct usercfg_guest *guests;
    char **warnings;
    size_t warning_count, warning_room;
};

/* The roles that hold on a path, already added up. NoAccess is kept apart because it beats all others. */
struct roles {
    struct usercfg_privileges sum;
    struct usercfg_privileges no_access_sum; /* somebody may have added privileges to that role, too */
    bool no_access;
};

/* What one node of the tree says about a user or token, for itself (`final`) or for what lies below it. False
 * if it says nothing: what came from above counts. */
bool usercfg_visit(const struct usercfg *cfg, const struct acl *acl, const char *id, bool is_token,
                   bool final, struct roles *roles);

/* Whether the first `length` bytes of `text` are a user id as PVE::Auth::Plugin::verify_username has it. */
bool usercfg_is_user(const char *text, size_t length);
/* Nothing but letters, digits, and what is in `also`; not empty. */
bool usercfg_is_word(const char *text, size_t length, const char *also);
