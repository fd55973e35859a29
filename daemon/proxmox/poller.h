/*
 * Keeps the inventory fresh: polls version, guests, pools, hosts and own privileges, one round per interval,
 * and tells when a round ended. Knows no operation.
 */
#pragma once

#include "proxmox/inventory.h"
#include "proxmox/session.h"
#include "system/config.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct poller;

#define POLLER_PRIVILEGES_MS (10 * 60 * 1000) /* own privileges are re-read so often, and after any 403 */

/* A round ended: learnt or failed (then the old inventory stays). From the loop. */
typedef void poller_round_fn(void *context);

struct poller *poller_new(struct event_base *base, struct session *session, struct endpoints *endpoints,
                          const struct config *config, poller_round_fn *round, void *context);
void poller_free(struct poller *poller);
/* After a reload: copies what it needs, polls at once. false if memory ran out. */
bool poller_set_config(struct poller *poller, const struct config *config);
void poller_poll_now(struct poller *poller);
void poller_reread_privileges(struct poller *poller); /* after a 403; at most once a poll interval */

struct inventory *
poller_inventory(const struct poller *poller);      /* borrowed, NULL before the first; ref it to keep it */
bool poller_had_round(const struct poller *poller); /* at least one round has ended, well or not */
int64_t poller_interval_ms(const struct poller *poller);
const struct error *
poller_error(const struct poller *poller); /* of the last round; code ERROR_NONE if it was fine */
/* Proxmox's release, "9.2" → 902; 0 before the first answer. */
int poller_release(const struct poller *poller);
const char *poller_version(const struct poller *poller); /* "9.2.11" or NULL */
