/* What the files of the look at Pacemaker share. */
#pragma once

#include "cib.h"
#include "cluster.h"
#include "hosts.h"
#include "plugs.h"

#define CLUSTER_AGENT "fence_broker"
/* of a device that doctor proposes, and added to the deadline */
#define CLUSTER_SPARE_S   60
#define CLUSTER_USUAL_MS  240000 /* the broker's deadline where it is not known */
#define CLUSTER_DEVICE_ID "fence-broker"

struct cluster {
    struct findings *findings;
    struct cib cib;
    struct hosts *devices; /* those of our agent; owned */
    size_t device_count;
    size_t others;      /* stonith devices of other agents */
    struct plugs plugs; /* all names that matter, asked */
    bool plugs_known;
    long long deadline_ms;
};

/* cluster_nodes.c: whom the names lead to. */
bool cluster_want_names(struct cluster *cluster); /* false: no memory */
void cluster_judge_nodes(struct cluster *cluster);
/* Is the guest of one of the cluster's nodes managed by Proxmox HA? Its name, or NULL. */
const char *cluster_ha_guest(const struct cluster *cluster);
/* cluster_two.c: a cluster of two nodes. */
void cluster_judge_two(struct cluster *cluster);
