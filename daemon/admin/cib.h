/* Pacemaker's configuration, as far as fencing goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/say.h"

struct _xmlNode; /* of libxml2 */

/* More nodes, or more fence devices, than any cluster has: such a CIB is refused. */
#define CIB_NODES_MOST   1024
#define CIB_DEVICES_MOST 1024

struct cib_pair {
    const char *name, *value;
};

struct cib_pairs {
    struct cib_pair *list;
    size_t count, size;
};

/* The value of the first pair of that name; NULL: there is none. */
const char *cib_pairs_get(const struct cib_pairs *pairs, const char *name);
bool cib_pairs_add(struct cib_pairs *pairs, const char *name, const char *value); /* false: no memory */
/* The list with room for one more than `count` elements of this width; `*size` have room. NULL: no memory,
 * and the list is as it was. */
void *cib_grow(void *list, size_t count, size_t *size, size_t width);

/* A stonith resource (or a template of one). */
struct cib_device {
    const char *id, *agent; /* agent: NULL until it is known from the template */
    const char *based_on;   /* the template's id, or NULL */
    bool stonith, is_template;
    struct cib_pairs parameters, meta;
};

struct cib_node {
    const char *name;
    bool remote; /* no member of the membership: a Pacemaker Remote node */
};

struct cib {
    struct cib_pairs properties; /* of the cluster */
    struct cib_node *nodes;
    size_t node_count, node_size;
    struct cib_device *devices;
    size_t device_count, device_size;
    struct _xmlDoc *document; /* owned: all names and values point into it */
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

/* The value that counts, NULL: not set. A device's own comes before its template's. */
const char *cib_property(const struct cib *cib, const char *name);
const char *cib_parameter(const struct cib *cib, const struct cib_device *device, const char *name);
const char *cib_meta(const struct cib *cib, const struct cib_device *device, const char *name);
/* Is it a stonith resource of this agent, and none but a template? */
bool cib_is_device(const struct cib *cib, const struct cib_device *device, const char *agent);
/* By name, without regard to case; NULL: there is none. */
const struct cib_node *cib_node(const struct cib *cib, const char *name);
/* Nodes that are members: those whose number decides whether the cluster is one of two. */
size_t cib_members(const struct cib *cib);

/* Of an element of the document: the attribute's value, which lives as long as the document; NULL: it has
 * none. */
const char *cib_get(const struct _xmlNode *node, const char *name);

/* What Pacemaker makes of values: "true", "yes" …; "60s", "2min", "500ms" in milliseconds (-1: nothing). */
bool cib_is_true(const char *value);
long long cib_milliseconds(const char *value);
