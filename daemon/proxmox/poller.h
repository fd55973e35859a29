/*
 * Keeps the inventory fresh: polls version, guests, pools, hosts and own privileges, one round per interval,
 * and tells when a round ended. Knows no operation.
 */
#pragma once

#include "proxmox/grants.h"
#include "proxmox/inventory.h"
#include "proxmox/leads.h"
#include "proxmox/session.h"
#include "system/config.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct poller;

#define POLLER_PRIVILEGES_MS (10 * 60 * 1000) /* own privileges are re-read so often, and after any 403 */
#define POLLER_EXCESS_MS     (60 * 1000) /* the same while they are too many, and we fence all the same */

#define POLLER_SLICE_GUESTS 1000 /* of the lists are looked at before the loop has its turn */

/* A round ended: learnt or failed (then the old inventory stays). From the loop. */
typedef void poller_round_fn(void *context);

/* Borrows all rooms. `grants` gets its policy from `config`, and each reading of the own privileges. While
 * they are such that nothing, or not everything, could be fenced they are re-read with every round. */
struct poller *poller_new(struct event_base *base, struct session *session, struct endpoints *endpoints,
                          struct grants *grants, const struct config *config, poller_round_fn *round,
                          void *context);
void poller_free(struct poller *poller);
/* Where names led before; borrowed. Before the first round ends. */
void poller_set_leads(struct poller *poller, struct leads *leads);
/* After a reload: copies what it needs, polls at once. false if memory ran out. */
bool poller_set_config(struct poller *poller, const struct config *config);
void poller_poll_now(struct poller *poller);
void poller_reread_privileges(struct poller *poller); /* after a 403; at most once a poll interval */

struct inventory *
poller_inventory(const struct poller *poller);      /* borrowed, NULL before the first; ref it to keep it */
bool poller_had_round(const struct poller *poller); /* at least one round has ended, well or not */
int64_t poller_interval_ms(const struct poller *poller);
/* How long the last answers took, in milliseconds; -1: there was none. */
struct poller_times {
    int64_t privileges_ms, guests_ms, hosts_ms;
    int64_t pools_ms; /* all of them */
};
const struct poller_times *poller_times(const struct poller *poller);
const struct error *
poller_error(const struct poller *poller); /* of the last round; code ERROR_NONE if it was fine */
const struct grants *poller_grants(const struct poller *poller);
/* Why nothing may be powered; code ERROR_NONE if it may. */
const struct error *poller_refusal(const struct poller *poller);
/* Proxmox's release, "9.2" → 902; 0 before the first answer. */
int poller_release(const struct poller *poller);
const char *poller_version(const struct poller *poller); /* "9.2.11" or NULL */
