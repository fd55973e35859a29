/* What the files of the look at Pacemaker share. */
#pragma once

#include "admin/cib.h"
#include "admin/cluster.h"
#include "admin/heap.h"
#include "admin/hosts.h"
#include "admin/plugs.h"

#define CLUSTER_AGENT "fence_broker"
/* of a device that doctor proposes, and added to the deadline */
#define CLUSTER_SPARE_S   60
#define CLUSTER_USUAL_MS  240000 /* the broker's deadline where it is not known */
#define CLUSTER_DEVICE_ID "fence-broker"

/* Whom a fence of a node is for, by one device. */
struct cluster_target {
    const struct cib_node *node;
    const struct hosts *device;
    const char *source; /* the device's parameter that names the plug; NULL: it is the node's name */
    const char *plug;   /* one of several, perhaps */
};

struct cluster {
    struct diagnosis *report;
    struct cib cib;
    const struct hosts **devices; /* those of our agent */
    size_t device_count;
    size_t others;                  /* stonith devices of other agents, and of other brokers */
    struct cluster_target *targets; /* by node, then by device */
    size_t target_count;
    struct plugs plugs; /* all names that matter, asked */
    bool plugs_known;
    long long deadline_ms;
};

/* A finding; hint and paste are about the last one. A paste is one whole line for a shell; one that mends is
 * for one node of the cluster. */
#define cluster_say(cluster, level, ...)                                                                     \
    diagnosis_add((cluster)->report, DIAGNOSIS_CLUSTER, level, DIAGNOSIS_AGE_NONE, __VA_ARGS__)
#define cluster_hint(cluster, ...)  diagnosis_hint((cluster)->report, heap_printf(__VA_ARGS__))
#define cluster_paste(cluster, ...) diagnosis_paste((cluster)->report, heap_printf(__VA_ARGS__))
#define cluster_mend(cluster, ...)                                                                           \
    (cluster_hint(cluster, "on one node of the cluster:"), cluster_paste(cluster, __VA_ARGS__))

/* cluster_targets.c: which names matter, and whom they lead to. */
void cluster_want_names(struct cluster *cluster);
/* Is the device for this node, as Pacemaker sees it? */
bool cluster_serves(const struct cluster *cluster, const struct hosts *device, const char *node);
/* What is known of the target's plug. */
const struct plug *cluster_plug(const struct cluster *cluster, const struct cluster_target *target);
/* Is the guest of one of the cluster's nodes managed by Proxmox HA? Its name, or NULL. */
const char *cluster_ha_guest(const struct cluster *cluster);
/* cluster_nodes.c: is each node's guest its own? */
void cluster_judge_nodes(struct cluster *cluster);
/* cluster_map.c: the parameters that name nodes and plugs. */
void cluster_judge_map(struct cluster *cluster, const struct hosts *device);
/* cluster_levels.c: what fences a node whose Proxmox host died? */
void cluster_judge_levels(struct cluster *cluster);
/* cluster_history.c: has the broker at `socket` evidence of what Pacemaker has fenced? */
/* The guest that a device of ours powers for this node; NULL: none does. */
const char *cluster_guest_of(const struct cluster *cluster, const char *node);
/* This node's name, as Pacemaker calls it. */
const char *cluster_find_here(void);
void cluster_judge_history(struct cluster *cluster, const char *socket);
/* cluster_two.c: a cluster of two nodes. */
void cluster_judge_two(struct cluster *cluster);
