/*
 * What our own effective privileges (the data of GET /access/permissions) say about a guest; pure.
 *
 * Proxmox lists a path where something is granted on it or through a pool; what is listed for a path replaces what
 * comes from above, and a privilege reaches lower paths only with its propagate flag (1).
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

/* `permissions`: {"/vms/100": {"VM.Audit": 0, …}, …}. False if nothing there grants it. */
bool privileges_on_guest(struct json_object *permissions, int vmid, const char *privilege);
