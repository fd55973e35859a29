/* From the access rules of Pacemaker's configuration to the broker's: what its parts share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "admin/cib.h"
#include "admin/heap.h"
#include "client/say.h"
#include "system/text.h"

#define ACL_PERMISSIONS_MOST 4096    /* of all roles together */
#define ACL_HOLDERS_MOST     4096    /* users and groups */
#define ACL_HELD_MOST        100000  /* permissions, of each who holds it */
#define ACL_XPATH_MOST       4096    /* bytes of an expression; longer ones are not evaluated */
#define ACL_XPATH_STEPS      1000000 /* libxml2's operations for one expression and one document */
#define ACL_DEPTH_MOST       16      /* elements from <cib> down to what decides, as bits of a mask */

enum acl_kind { ACL_READ, ACL_WRITE, ACL_DENY, ACL_KIND_COUNT };

enum acl_trouble {
    ACL_FINE,
    ACL_INVALID,  /* no XPath: Pacemaker ignores it */
    ACL_TOO_MUCH, /* too long or too costly: nobody knows what it matches */
};

/* What is enforced today, and what `cibadmin --upgrade` would make of it, where that is something else. */
enum acl_form { ACL_AS_IT_IS, ACL_UPGRADED, ACL_FORM_COUNT };

struct acl_permission {
    const struct _xmlNode *xml;
    const char *id, *role; /* the section that it stands in */
    enum acl_kind kind;
    const char *xpath[ACL_FORM_COUNT]; /* the second one is NULL where it is the same */
    enum acl_trouble trouble;
    size_t matches;    /* elements, of the document as it is */
    const char *about; /* the name of the first of them, and its "name", if it has one */
    const char *about_name;
    uint16_t *masks[ACL_FORM_COUNT]; /* owned; for each chain, which of its elements it matches */
};

/* One that somebody holds. */
struct acl_held {
    size_t number; /* of the permission */
    size_t place;  /* in the order in which Pacemaker comes to it */
};

/* An <acl_target> or <acl_group>; several of one name are one. */
struct acl_holder {
    bool group;
    const char *name;
    const char *role; /* the only one that it has; NULL: none, several, or rules of its own */
    size_t role_count;
    struct acl_held *held; /* one that comes twice is there twice */
    size_t count;
};

/* A way down from <cib> to an element, and what follows for whom. */
enum acl_use {
    ACL_USE_LOOK,       /* reading <node>: may look at the node */
    ACL_USE_POWER,      /* writing its attribute standby, in one of the ways in which it can be written */
    ACL_USE_NODE,       /* writing <node> itself: only told */
    ACL_USE_STATE,      /* writing its <node_state>: only told */
    ACL_USE_SET,        /* an <instance_attributes> of the node: where standby could be made */
    ACL_USE_EVERYTHING, /* reading what is about no node */
    ACL_USE_COUNT,
};

struct acl_chain {
    enum acl_use use;
    size_t node; /* its number */
    size_t depth;
    const struct _xmlNode *elements[ACL_DEPTH_MOST]; /* from the root on */
};

struct acl_node {
    const char *name;
    bool nameable;  /* a rule of ours can name it, and nothing else with it */
    bool elsewhere; /* no <node> of <nodes>: a Pacemaker Remote node, say */
};

#define ACL_LOOK       1u
#define ACL_POWER      2u
#define ACL_POWER_SOME 4u /* some ways of writing standby, but not all */
#define ACL_NODE       8u
#define ACL_STATE      16u
#define ACL_HIDDEN     32u /* may read it, but a deny takes it out of the answer to a query */

/* What somebody may. */
struct acl_table {
    uint8_t *nodes; /* owned; for each node */
    bool everything;
};

/* A group of the system, as far as anything depends on it. */
struct acl_group {
    const char *name;
    const char **members; /* those that are listed with it: Pacemaker's */
    size_t member_count;
    gid_t gid;
    const char **primary; /* those whose primary group it is: the kernel's, too */
    size_t primary_count;
};

/* What a query shows to whoever holds just these. */
struct acl_answer {
    struct acl_answer *next;
    bool *seen; /* for each chain */
    size_t count;
    struct acl_held held[];
};

struct acl {
    struct cib cib;
    bool users_listed;    /* by a file: those whose primary group a group is are all known */
    bool on, sets_differ; /* enable-acl; its property sets say different things */
    bool older;           /* the rules are of the form that Pacemaker 3 knows no more */
    bool upgraded;        /* some permission has a second form */
    struct acl_permission *permissions;
    size_t permission_count;
    size_t places; /* that were given to what is held */
    struct acl_holder *holders;
    size_t holder_count;
    struct acl_node *nodes;
    size_t node_count;
    struct acl_chain *chains;
    size_t chain_count;
    struct acl_group *groups;
    size_t group_count;
    struct acl_answer *answers;
    struct text told; /* lines: what is not taken over */
};

/* ---- acl_read: the document ---- */

int acl_read(struct acl *acl, struct failure *failure) __attribute__((warn_unused_result));
void acl_clear(struct acl *acl);
void acl_put_told(struct acl *acl, char *line);
#define acl_tell(acl, ...) acl_put_told(acl, heap_printf(__VA_ARGS__))

/* ---- acl_xpath: which elements a permission is about ---- */

/* Fills the chains, and each permission's masks. 0; -1: `failure` is set. */
int acl_match(struct acl *acl, struct failure *failure) __attribute__((warn_unused_result));
/* Pacemaker answers a query by taking away what each deny matches, one after the other, by the positions of
 * what is left then. In `seen`, for each chain to a <node>, whether it is there in the end. */
void acl_filter(struct acl *acl, const struct acl_held *held, size_t count, bool *seen);
/* An expression for people: what may be a secret in it is left out. */
void acl_put_xpath(struct text *out, const char *xpath);

/* ---- acl_people: who is in which group ---- */

/* From these files (the form of passwd(5), group(5)), or, where one is NULL, from the name service. */
void acl_people(struct acl *acl, FILE *passwd, FILE *group);
const struct acl_group *acl_group(const struct acl *acl, const char *name); /* NULL: not known here */
/* With `kernel`, as the kernel sees it: whose primary group it is, too. */
bool acl_is_member(const struct acl_group *group, const char *user, bool kernel);
/* The group of all who may ask Pacemaker at all: everybody is in it. */
bool acl_is_everybody(const char *group);

/* ---- acl_judge: what somebody may ---- */

/* Of the user: as target, and by the groups that it is in; with `group`, of nothing but that. `without` is
 * the number of a permission that is left out; SIZE_MAX: none. */
void acl_judge(struct acl *acl, const char *user, const struct acl_holder *group, size_t without,
               struct acl_table *table);
/* The same, and what a query would show; whoever is judged so often that it matters takes the one above. */
void acl_judge_query(struct acl *acl, const char *user, const struct acl_holder *group,
                     struct acl_table *table);
void acl_table_clear(struct acl_table *table);
bool acl_table_is_empty(const struct acl *acl, const struct acl_table *table);
bool acl_table_equal(const struct acl *acl, const struct acl_table *one, const struct acl_table *other);
/* All who are named: targets, and members of groups. */
const char **acl_users(const struct acl *acl, size_t *count);

/* ---- acl_text: the sections ---- */

void acl_put(struct acl *acl, struct text *out);
