/* What the files of migrate share: the facts, which are read once and then only printed. */
#pragma once

#include "admin/cib.h"
#include "admin/heap.h"
#include "system/text.h"

#define MIGRATE_OLD        "fence_pve"
#define MIGRATE_NEW        "fence_broker"
#define MIGRATE_NEW_ID     "fence-broker"
#define MIGRATE_SPARE_S    300 /* what an operation of the broker may take (240 s), and a minute */
#define MIGRATE_PLUGS_MOST 8   /* VMIDs of one node, addresses of one device; the rest is not read */

/* What is sent for a node. No VMID: nobody can know it. */
struct migrate_target {
    const char *node; /* as the cluster spells it */
    bool known;       /* the cluster has a node of this name */
    long vmids[MIGRATE_PLUGS_MOST];
    size_t vmid_count;
    long likely;      /* what was meant, perhaps; 0: nobody knows */
    const char *sent; /* what is no VMID; NULL: nothing is */
};

enum migrate_password { PASSWORD_NONE, PASSWORD_EMPTY, PASSWORD_CIB, PASSWORD_SCRIPT, PASSWORD_SECRET };

/* One of two values, or several that might be meant. */
struct migrate_choice {
    const char *value; /* NULL: not known */
    const char *list[MIGRATE_PLUGS_MOST];
    size_t count;
    bool conflict; /* two options with different values */
};

/* A stonith device, of whatever agent. */
struct migrate_device {
    struct cib_device *view;
    const char *id, *agent, *template_id;
    const char *parent, *parent_kind; /* the clone or group that it is in; NULL: none */
    bool parent_empties;              /* … which has nothing else */
    const char *monitor_timeout;
    bool enabled, managed, broker;
    /* of fence_pve only: */
    bool old;
    struct migrate_choice endpoint, user;
    bool user_is_default, verify, cycle, password_in_cib;
    const char *vmtype, *pve_node;
    enum migrate_password password;
    struct migrate_target *targets;
    size_t target_count;
};

/* A node of the cluster. */
struct migrate_node {
    const char *name;
    long vmid, likely; /* 0: not known */
    long candidates[MIGRATE_PLUGS_MOST];
    size_t candidate_count;
    bool several;                        /* one device has several VMIDs for it */
    const struct migrate_device *device; /* that fences it today, of fence_pve, and is enabled; NULL: none */
    const char *lookup;                  /* the guest's name, perhaps */
    long long base_ms, agent_ms, max_ms; /* delays in front of a fence; -1: not set */
};

/* Something that a person has to know. */
struct migrate_told {
    const char *who, *what;
    bool note; /* nothing to do about it */
};

struct migrate {
    struct cib cib;
    struct migrate_device *devices;
    size_t device_count;
    struct migrate_device **old, **used; /* those of fence_pve, and of them those that are enabled */
    size_t old_count, used_count;
    const char *new_id; /* of the broker's device */
    bool new_is_there;
    const char **templates; /* of fence_pve */
    size_t template_count;
    struct migrate_node *nodes;
    size_t node_count;
    struct cib_levels both, after, back; /* levels with both devices; with the old one gone; without the
                                          * broker */
    struct migrate_told *told;
    size_t told_count;
};

/* ---- migrate_cib.c: what the document says ---- */
void migrate_read(struct migrate *migrate);
/* A parameter in force: Pacemaker's, or as the agent takes it (no blanks and no quotes around it). */
const char *migrate_parameter(const struct migrate_device *device, const char *name);
const char *migrate_value(const struct migrate_device *device, const char *name);

/* ---- migrate_rule.c: when a rule holds, in words ---- */
const char *migrate_rule(const struct _xmlNode *rule);

/* ---- migrate_facts.c, migrate_targets.c: a fence_pve device; migrate_nodes.c: the cluster ---- */
void migrate_facts(struct migrate_device *device);
void migrate_choice_add(struct migrate_choice *choice, const char *value); /* each once */
void migrate_targets(struct migrate *migrate, struct migrate_device *device);
void migrate_nodes(struct migrate *migrate);
bool migrate_serves(const struct migrate_device *device, const char *node);
/* Pacemaker's delay of this node, in milliseconds; -1: none. */
long long migrate_delay_base(const struct migrate *migrate, const struct migrate_device *device,
                             const char *node);
long long migrate_seconds(long long ms);

/* ---- migrate_levels.c: fencing levels, today and with the broker ---- */
void migrate_plan_levels(struct migrate *migrate);
bool migrate_level_has_old(const struct migrate *migrate, const struct cib_level *level);
/* Does a level give the node, by its name, this device? */
bool migrate_level_gives(const struct migrate *migrate, const char *node, const char *device);

/* ---- migrate_judge.c, migrate_judge_parameters.c: what a person has to know ---- */
void migrate_judge(struct migrate *migrate);
void migrate_judge_parameters(struct migrate *migrate, const struct migrate_device *device);
void migrate_put_told(struct migrate *migrate, bool note, const char *who, const char *what);
#define migrate_tell(migrate, who, ...) migrate_put_told(migrate, false, who, heap_printf(__VA_ARGS__))
#define migrate_note(migrate, who, ...) migrate_put_told(migrate, true, who, heap_printf(__VA_ARGS__))
enum migrate_fault { FAULT_ROOT, FAULT_PASSWORD, FAULT_VERIFY, FAULT_CYCLE, FAULT_COUNT };
/* What is insecure, in fixed words; NULL: it is not. */
const char *migrate_insecure(const struct migrate *migrate, enum migrate_fault fault);

/* ---- what is printed ---- */
void migrate_put_text(struct migrate *migrate, struct text *out);
void migrate_put_commands(struct migrate *migrate, struct text *out);
void migrate_put_json(struct migrate *migrate, const char *file, struct text *out);
bool migrate_put_check(struct migrate *migrate, struct text *out); /* does anything hang on it? */
