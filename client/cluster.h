/* The doctor's look at Pacemaker on this node. */
#pragma once

#include "findings.h"
#include "say.h"

#define CLUSTER_STEP "cluster"

/* Looks at the set-up of Pacemaker, as the caller, and holds it against what the broker at `socket` knows;
 * `broker` false: there is none, and only what needs none is looked at. */
void cluster_examine(struct findings *findings, const char *socket, bool broker);

/* The names of the cluster's nodes, percent-encoded and separated by commas, from Pacemaker or, where it does
 * not answer in time, from corosync.conf. NULL: not known (or too many for a request). The caller frees. */
char *cluster_node_names(void);
