/*
 * What our own effective privileges (the data of GET /access/permissions) say about a guest; pure.
 *
 * Proxmox lists a path where something is granted on it or through a pool; what is listed for a path replaces
 * what comes from above, and a privilege reaches lower paths only with its propagate flag (1).
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* `permissions`: {"/vms/100": {"VM.Audit": 0, …}, …}. False if nothing there grants it. */
bool privileges_on_guest(struct json_object *permissions, int vmid, const char *privilege);

/* Without Pool.Audit nobody tells which guests a pool has; our privileges do, if they can come from nowhere
 * else: power is granted on /pool/`pool`, and on no pool but the configured ones. */
bool privileges_stand_for_pool(struct json_object *permissions, const char *pool,
                               const char *const *configured, size_t count);
/* The guest may be powered, and by a grant on its pool: such a privilege does not propagate, one on the guest
 * itself would. */
bool privileges_by_pool(struct json_object *permissions, int vmid);
