/*
 * What Pacemaker's monitor is told: could a fence be carried out? From facts alone; pure. When to wait for
 * better facts is asked here as well, the waiting is done by others.
 */
#pragma once

#include "server/view.h"

#define MONITOR_START_MS    15000 /* after the daemon's start, so long it waits for the first knowledge */
#define MONITOR_HOLD_MS     15000 /* a monitor waits at most so long for the poll it has asked for */
#define MONITOR_FRESH_POLLS 3     /* knowledge younger than so many polls needs no Proxmox call */

/* Nothing was learnt yet, or too long ago. */
bool monitor_facts_old(const struct facts *facts);
/* True if a fence could be carried out; else *error has the worst reason. Without `strict` a single blocked
 * guest does not count (a backup's lock would take the whole device away); with it, it does if it is a node
 * of the cluster: it has a line in [nodes], or one of `nodes` (names, separated by commas) leads to it.
 * `nodes` NULL, or none of them leading anywhere: the asker knows no names, and every guest counts. */
bool monitor_passes(const struct facts *facts, bool strict, const char *nodes, struct error *error);
