/*
 * The hosts that checks ask: when each has answered last for a guest and when it has not, and whether it is
 * to be asked less. What a host suffers from is not made worse by asking: one that has failed or was slow
 * twice in a row rests.
 */
#pragma once

#include "proxmox/inventory.h"

#include <stdbool.h>
#include <stdint.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define GUEST_CHECKS_HOST_SLOW_MS                                                                            \
    2000                         /* an answer that takes so long is slow, as the reason host-slow has it */
#define GUEST_CHECKS_HOST_BAD  2 /* so many bad answers in a row make it rest: … */
#define GUEST_CHECKS_HOST_REST 2 /* … it is asked so many times less */

struct guest_checks_host {
    char name[PVE_NODE_MAX];
    int64_t answered_ms, failed_ms;
    unsigned bad; /* answers in a row: none, or a slow one */
    UT_hash_handle hh;
};

/* NULL: it was never asked. */
struct guest_checks_host *guest_checks_host_of(struct guest_checks_host *hosts, const char *name);
/* It has answered for a guest (after `took_ms`), or has not (-1). True: that is another state than before.
 * Without memory it is forgotten. */
bool guest_checks_host_note(struct guest_checks_host **hosts, const char *name, int64_t took_ms,
                            int64_t now_ms);
/* So many times less is it asked; 1: it does not rest. */
unsigned guest_checks_host_rest(struct guest_checks_host *hosts, const char *name);
/* It rests because it has failed, not because it is slow. */
bool guest_checks_host_fails(struct guest_checks_host *hosts, const char *name);
/* What has failed may have ended with what ends now: none of them rests. */
void guest_checks_hosts_wake(struct guest_checks_host *hosts);
/* Those that are not online, or not there (NULL: all): INVENTORY_HOSTS_MAX remain at most. */
void guest_checks_hosts_forget(struct guest_checks_host **hosts, const struct inventory *inventory);
