/*
 * What a peer may see of guests and operations: the access rules, put to the guests of the inventory. One
 * that it may not read is not there for it, in lists and in errors alike. Answers nobody, logs nothing.
 */
#pragma once

#include "fence/operation.h"
#include "policy/access.h"
#include "proxmox/inventory.h"

/* Everywhere: `subject` NULL sees all. */

/* As the rules see it; borrowed from the guest. */
void visibility_guest_of(const struct guest *guest, struct access_guest *out);
bool visibility_of_guest(const struct access_subject *subject, const struct guest *guest);
/* By VMID, also of one that is not in the inventory (any more), which may be NULL. */
bool visibility_of_vmid(const struct access_subject *subject, const struct inventory *inventory, int vmid);
/* A path of Proxmox's: "/vms/101" is as the guest is, all others may be seen. */
bool visibility_of_path(const struct access_subject *subject, const struct inventory *inventory,
                        const char *path);
/* By the guest that it was about, as it is called now. `inventory` may be NULL. */
bool visibility_of_operation(const struct access_subject *subject, const struct inventory *inventory,
                             const struct operation *operation);
/* The decision about an operation, for whoever must say why. */
struct access_decision visibility_decide_operation(const struct access_subject *subject,
                                                   const struct inventory *inventory,
                                                   const struct operation *operation);

/* inventory_find() for a peer: a guest that it may not read is unknown, and errors name none of those.
 * *decision is about reading (what decided, if it was found and may not be read). */
const struct guest *visibility_find(const struct access_subject *subject, const struct inventory *inventory,
                                    const char *plug, struct access_decision *decision, struct error *error);
