/*
 * The rules of access: from the configuration's text to what access.h decides with. A rule is level and
 * conditions; sections of users and groups hold rules in order, roles expanded in place. Pure, and fuzzed.
 * Refuses to know who asks, and asks nobody what a name's number is: it is told.
 */
#pragma once

#include "system/config.h"
#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum access_right { ACCESS_READ, ACCESS_WRITE };
enum access_what {
    ACCESS_WHAT_GUESTS,
    ACCESS_WHAT_OPERATIONS,
    ACCESS_WHAT_STATUS,
    ACCESS_WHAT_DOCTOR,
    ACCESS_WHAT_PRIVILEGES,
    ACCESS_WHAT_METRICS,
    ACCESS_WHAT_COUNT,
    ACCESS_WHAT_ONESELF = ACCESS_WHAT_COUNT, /* whoami: for all who pass the gate; no rule is about it */
};
enum access_action {
    ACCESS_ACTION_OFF,
    ACCESS_ACTION_ON,
    ACCESS_ACTION_REBOOT,
    ACCESS_ACTION_REHEARSE,
    ACCESS_ACTION_COUNT,
    ACCESS_ACTION_NONE = ACCESS_ACTION_COUNT, /* nothing is powered */
};
const char *access_what_name(enum access_what what);       /* "guests" … */
const char *access_action_name(enum access_action action); /* "off" …; "" for none */
bool access_what_from_name(const char *name, enum access_what *what);
bool access_action_from_name(const char *name, enum access_action *action);

/* A guest as the rules see it. All is borrowed, and NULL where there is none. */
struct access_guest {
    const char *vmid; /* digits */
    const char *name;
    char *const *aliases;
    size_t alias_count;
    const char *pool;
    const char *tags;                                            /* as Proxmox writes them: "a;b" */
    bool vmid_unknown, name_unknown, pool_unknown, tags_unknown; /* offline, where nobody can be asked */
};

struct access_question {
    enum access_right right;
    enum access_what what;
    enum access_action action;
    const struct access_guest *guest; /* NULL: the request is about none */
};

enum access_level { ACCESS_LEVEL_DENY, ACCESS_LEVEL_READ, ACCESS_LEVEL_WRITE };
enum access_spec_kind { ACCESS_SPEC_GUEST, ACCESS_SPEC_POOL, ACCESS_SPEC_TAG };

struct access_spec {
    enum access_spec_kind kind;
    char *glob;
};

struct access_rule {
    enum access_level level;
    unsigned whats;   /* a bit each */
    unsigned actions; /* a bit each; 0: not limited */
    struct access_spec *specs;
    size_t spec_count;
    char *text;                                /* as written, behind "rule =" */
    const struct config_access_section *owner; /* [role …], [group …] or [user …], of the configuration */
    size_t line;
};

enum access_name_state { ACCESS_NAME_PENDING, ACCESS_NAME_KNOWN, ACCESS_NAME_UNKNOWN };

/* [user NAME] or [group NAME] */
struct access_section {
    const struct config_access_section *config; /* its name, its line, its roles */
    enum access_name_state state;
    id_t id; /* uid or gid, if known */
    const struct access_rule **rules;
    size_t rule_count;
};

struct access_rules {
    struct access_rule *all; /* in file order */
    size_t count;
    struct access_section *users, *groups; /* in file order */
    size_t user_count, group_count;
    size_t pending; /* names that are not known yet */
};

/* Parses the rules of `config`, which must outlive them. NULL and *error ("FILE:LINE: …") if one cannot be
 * read or a role is not there. All names are pending. */
struct access_rules *access_rules_new(const struct config *config, struct error *error);
void access_rules_free(struct access_rules *rules); /* NULL is fine */
void access_rules_freep(struct access_rules **rules);
/* What the name service said: the number, or ACCESS_NAME_UNKNOWN if it knows that there is no such name. */
void access_rules_set_user(struct access_rules *rules, size_t index, enum access_name_state state, uid_t uid);
void access_rules_set_group(struct access_rules *rules, size_t index, enum access_name_state state,
                            gid_t gid);

enum access_match { ACCESS_MATCH_NO, ACCESS_MATCH_YES, ACCESS_MATCH_UNKNOWN };
/* Whether the rule is about this; ACCESS_MATCH_UNKNOWN only where the guest has unknown attributes. */
enum access_match access_rule_match(const struct access_rule *rule, const struct access_question *question);
/* Does its level allow the right? Write implies read. */
bool access_rule_grants(const struct access_rule *rule, enum access_right right);
/* It names guests: never about a request without one. */
static inline bool access_rule_is_per_guest(const struct access_rule *rule)
{
    return rule->spec_count > 0;
}
