/*
 * A guest's service of Proxmox HA, as its host or the list of guests has shown it: what a state of it means
 * to a request, and what was seen for point 6 and point 7. A manager (CRM) decides about it every ten seconds
 * or so, and the host's agent (LRM) carries that out.
 *
 * Knows no clock, and not what was sent.
 */
#pragma once

#include "fence/proof.h"
#include "proxmox/api.h"

#include <stdbool.h>
#include <stdint.h>

struct ha {
    bool managed;            /* the guest is HA's, by the newest word */
    bool moved;              /* its service was read in another state than stopped */
    bool stopping;           /* it was read running while its service was in request_stop */
    bool fenced;             /* its host was offline, and HA set out to recover it: it resets that host */
    bool changed;            /* a stop was sent before or after HA managed it, … */
    bool unasked;            /* … or its host stops it unasked: calm_ms is not for that one */
    int64_t calm_ms;         /* what stops it has begun after this (point 7): 0: nothing is known */
    int64_t taken_ms;        /* a hastop of ours has ended OK: reads asked for since then count; 0: none */
    char listed[PVE_HA_MAX]; /* the state in the list of guests, for want of the host's own word */
    int64_t listed_ms;       /* when that was asked for; 0: never */
};

/* A service in this state takes no request, now or ever: why. ERROR_NONE: it does, or will. */
enum error_code ha_hopeless(const char *state);
/* A request would be dropped now, and the manager may bring the guest up elsewhere: it ends by itself. */
bool ha_drops_requests(const char *state);
enum proof_ha_state ha_state(const char *state);
/* Its service runs, and the manager says nothing else: a stop that was asked for before is not under way, but
 * for one that its host has begun by itself (see ha_read()). */
bool ha_is_calm(const struct pve_status *status);

/* HA manages the guest now, or does not any more; what is known says nothing of that. `sent`: a stop was sent
 * before. */
void ha_take_over(struct ha *ha, bool managed, bool sent);
/* Its host has told that of a guest that HA manages, asked for then. */
void ha_read(struct ha *ha, const struct pve_status *status, int64_t asked_ms);
/* The list of guests, asked for then, has that state of it; "": none. */
void ha_list(struct ha *ha, const char *state, int64_t asked_ms);
