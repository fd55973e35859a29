/*
 * What Proxmox has answered, as a sample for dead_hosts. Pure; all strings are borrowed from the documents.
 */
#pragma once

#include "fence/dead_hosts.h"
#include "proxmox/inventory.h"

#include <json-c/json.h>

/* `nodes` is that of cluster/resources?type=node, `ha` of cluster/ha/status/current, or NULL: it was not
 * read, or not in a form that is understood. `inventory` (may be NULL) remembers hosts. The caller fills in
 * asked_ms and came_ms, and ends it with host_watch_sample_clear(). False, and nothing to clear: no list of
 * hosts, or no memory. */
bool host_watch_sample(struct dead_hosts_sample *sample, struct json_object *nodes, struct json_object *ha,
                       const struct inventory *inventory, int min_online_nodes);
void host_watch_sample_clear(struct dead_hosts_sample *sample);
