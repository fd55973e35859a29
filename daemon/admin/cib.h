/* Pacemaker's configuration, as far as fencing goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/say.h"
#include "system/text.h"

struct _xmlNode; /* of libxml2 */
struct _xmlHashTable;

/* More nodes, or more fence devices, than any cluster has: such a CIB is refused. */
#define CIB_NODES_MOST   1024
#define CIB_DEVICES_MOST 1024

struct cib_pair {
    const char *name, *value;
};

struct cib_pairs {
    struct cib_pair *list;
    size_t count;
};

/* The value of the first pair of that name; NULL: there is none. */
const char *cib_pairs_get(const struct cib_pairs *pairs, const char *name);

/* A value that holds only when a rule does, and nobody knows here whether it does. */
struct cib_rule {
    const char *name, *value;
    const struct _xmlNode *rule;
};

struct cib_rules {
    struct cib_rule *list;
    size_t count;
};

/* A stonith resource. */
struct cib_device {
    const struct _xmlNode *xml, *template; /* template: NULL: none */
    const char *id, *agent;
    struct cib_pairs parameters, meta; /* what is in force */
    struct cib_rules rules;            /* parameters */
    bool disagree, equal; /* its sets give a parameter different values; those with the same score */
    const struct hosts *hosts, *delays; /* read once: hosts_of(), hosts_delay_base() */
};

struct cib_node {
    const char *name;
    bool remote; /* no member of the membership: a Pacemaker Remote node */
};

enum cib_key { CIB_KEY_NODE, CIB_KEY_PATTERN, CIB_KEY_ATTRIBUTE };

/* A fencing level. */
struct cib_level {
    enum cib_key kind;
    const char *target, *value; /* value: of the attribute */
    long index;
    const char *devices; /* separated by commas; all of them have to succeed: */
    const char **ids;
    size_t id_count;
};

/* By key in the order of the document, and in it by index. */
struct cib_levels {
    struct cib_level *list;
    size_t count;
    bool section; /* it is there, be it empty: crmsh has it to delete before it makes another one */
};

struct cib {
    struct cib_pairs properties; /* of the cluster, in force */
    struct cib_rules property_rules;
    struct cib_node *nodes;
    size_t node_count;
    struct cib_device *devices;
    size_t device_count;
    struct cib_levels levels;
    struct _xmlDoc *document;        /* owned: all names and values point into it */
    struct _xmlHashTable *ids;       /* every element that has one */
    const struct _xmlNode *defaults; /* of all resources; NULL: none */
};

/* Reads cibadmin's answer. 0, or -1 and `failure` is set. */
int cib_read(struct cib *cib, const char *text, size_t length, struct failure *failure)
    __attribute__((warn_unused_result));
/* How long people wait for cibadmin, and an agent that Pacemaker itself waits for. */
#define CIB_WAIT_MS       10000
#define CIB_AGENT_WAIT_MS 4000

/* Asks cibadmin, as the caller. 0; -1: `failure` says why nothing is known. */
int cib_query(struct cib *cib, int64_t wait_ms, struct failure *failure) __attribute__((warn_unused_result));
void cib_clear(struct cib *cib);
/* The text alone, of the whole CIB, status and all: of the running cluster, or of a file (- is standard
 * input). */
int cib_text_query(struct text *text, int64_t wait_ms, struct failure *failure)
    __attribute__((warn_unused_result));
int cib_text_read(struct text *text, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

/* The value in force, NULL: not set, or only under a rule. */
const char *cib_property(const struct cib *cib, const char *name);
/* The properties of fencing: since 3.0.2 Pacemaker calls them fencing-…, and takes the former names for want
 * of these. Before it knows the former ones alone. */
enum cib_fencing {
    CIB_FENCING_ENABLED,
    CIB_FENCING_TIMEOUT,
    CIB_FENCING_ACTION,
    CIB_FENCING_REACTION,
    CIB_FENCING_WATCHDOG_TIMEOUT,
    CIB_FENCINGS
};
/* The one in force by the version that runs (not known: a new name counts); *name, if it is not NULL: how
 * it is written there. */
const char *cib_fencing(const struct cib *cib, enum cib_fencing which, const char **name);
/* How that version wants it written. */
const char *cib_fencing_name(const struct cib *cib, enum cib_fencing which);
/* Set by a new name that the version does not know: the value; NULL: it is not so. */
const char *cib_fencing_unknown(const struct cib *cib, enum cib_fencing which, const char **name);
const char *cib_parameter(const struct cib_device *device, const char *name);
const char *cib_meta(const struct cib_device *device, const char *name);
bool cib_is_enabled(const struct cib_device *device); /* by its target-role */
/* The parameter that Pacemaker puts the node into: `port`, or (after 3.0.0) `plug`. */
const char *cib_argument(const struct cib *cib, const struct cib_device *device);
/* By name, without regard to case; NULL: there is none. */
const struct cib_node *cib_node(const struct cib *cib, const char *name);
/* Nodes that are members: those whose number decides whether the cluster is one of two. */
size_t cib_members(const struct cib *cib);

/* ---- fencing levels ---- */
#define CIB_LEVEL_HIGHEST 9                                             /* Pacemaker's */
void cib_levels_add(struct cib_levels *levels, struct cib_level level); /* behind the others */
void cib_levels_sort(struct cib_levels *levels);
bool cib_same_key(const struct cib_level *one, const struct cib_level *other);
bool cib_level_is_for(const struct cib *cib, const struct cib_level *level, const char *node);
/* What follows crmsh's word fencing_topology, with `separator` before each key. */
void cib_levels_put_crm(struct text *out, const struct cib_levels *levels, const char *separator);
/* Without regard to case. */
bool cib_has_word(const char *list, const char *word, const char *separators);
bool cib_level_has(const struct cib_level *level, const char *device);
struct cib_device *cib_device(const struct cib *cib, const char *id); /* NULL: there is none */

/* ---- the document ---- */
/* Of an element: the attribute's value, which lives as long as the document; NULL: it has none. */
const char *cib_get(const struct _xmlNode *node, const char *name);
bool cib_is(const struct _xmlNode *node, const char *name);
bool cib_says(const struct _xmlNode *node, const char *name, const char *value); /* has it just this? */
const struct _xmlNode *cib_root(const struct cib *cib);
/* The element behind `node` (NULL: from the first on), of those in `root` and itself, that is called `name`
 * (NULL: whatever it is called). NULL: there is none. */
const struct _xmlNode *cib_after(const struct _xmlNode *root, const struct _xmlNode *node, const char *name);
const struct _xmlNode *cib_find(const struct cib *cib, const char *id); /* NULL: there is none */
/* What the element stands for. */
const struct _xmlNode *cib_referred(const struct cib *cib, const struct _xmlNode *node);

/* What Pacemaker makes of values: "true", "yes" …; "60s", "2min", "500ms" in milliseconds (-1: nothing). */
bool cib_is_true(const char *value);
long long cib_milliseconds(const char *value);
