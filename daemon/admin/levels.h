/* Would something else than the broker fence a node whose Proxmox host died? By Pacemaker's configuration
 * alone: whether it works, nobody tries here. */
#pragma once

#include "admin/cib.h"
#include "admin/hosts.h"

#define LEVELS_WATCHDOG       "watchdog" /* Pacemaker's own device, whatever else is configured */
#define LEVELS_WATCHDOG_AGENT "fence_watchdog"

struct levels {
    bool help;
    bool any, by_name; /* there are levels for the node; they name it */
    long highest;      /* index, of those by name */
};

/* The devices but ours that may have fenced the node, with commas: of other agents, and of another broker. */
void levels_put_others(const struct cib *cib, const char *node, const struct hosts *const *ours, size_t count,
                       struct text *out);
struct levels levels_of(const struct cib *cib, const char *node);
