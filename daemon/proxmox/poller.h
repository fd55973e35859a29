/*
 * Keeps the inventory fresh, and costs Proxmox next to nothing: a round per interval, each at the next
 * endpoint, and they ask for guests and hosts and for our own privileges by turns; for pools only where the
 * list of guests shows that they have changed; for everything, seldom. Where something happens, or somebody
 * looks, rounds come sooner and ask for both. Tells when a round ended. Knows no operation.
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

#define POLLER_WHOLE_MS        (10 * 60 * 1000) /* pools are read so often, whatever the lists show, … */
#define POLLER_VERSION_MS      (60 * 60 * 1000) /* … and the version with one of these rounds */
#define POLLER_FIRST_SPREAD_MS 2000 /* of brokers that start together, unless somebody asks them */
/* Reading the own privileges takes Proxmox long if it has many guests: at most one part in so many of the
 * time. */
#define POLLER_PRIVILEGES_SHARE 100

#define POLLER_EASE_AFTER_MS 250 /* an answer that took longer was late, … */
#define POLLER_EASE_TIMES    20 /* … and checks are spread over so many times as long, an interval at most */

#define POLLER_SLICE_GUESTS 1000 /* of the lists are looked at before the loop has its turn */

/* A round ended: learnt or failed (then the old inventory stays). From the loop. */
typedef void poller_round_fn(void *context);

/* Borrows all rooms; `leads` knows where names led before, NULL: nobody does. `grants` gets its policy from
 * `config`, and each reading of the own privileges. While they are such that nothing, or not everything,
 * could be fenced they are re-read with every round. */
struct poller *poller_new(struct event_base *base, struct session *session, struct endpoints *endpoints,
                          struct grants *grants, struct leads *leads, const struct config *config,
                          poller_round_fn *round, void *context);
void poller_free(struct poller *poller);
/* After a reload: copies what it needs, polls at once. false if memory ran out. */
bool poller_set_config(struct poller *poller, const struct config *config);
void poller_poll_now(struct poller *poller); /* a round that asks for everything, at once */
/* Somebody asks: the first round does not wait for the moment that sets it apart from other brokers'. */
void poller_wanted(struct poller *poller);
/* Something has happened: rounds come sooner for a while. */
void poller_hurry(struct poller *poller);
/* Something has failed: the same, but no more often than every PACE_ALARM_MS. */
void poller_trouble(struct poller *poller);
bool poller_hurries(const struct poller *poller);
/* Somebody has looked; who looks again and again is shown what is new. */
void poller_looked_at(struct poller *poller);
/* All endpoints but the one whose turn it is, a bit each: who asks it, too, finds its connection open. */
uint64_t poller_elsewhere(const struct poller *poller);
void poller_reread_privileges(struct poller *poller); /* after a 403; with the next round */

struct inventory *
poller_inventory(const struct poller *poller); /* borrowed, NULL before the first; ref it to keep it */
/* Between rounds; more than configured where Proxmox is spared. */
int64_t poller_interval_ms(const struct poller *poller);
/* Because Proxmox suffers, polls are so many times rarer than configured (1: they are not; see pace.h), … */
unsigned poller_backoff(const struct poller *poller);
/* … and checks and rehearsals. */
unsigned poller_checks_backoff(const struct poller *poller);
/* Where the answers of the last round came late, checks wait so long after it, each broker's so long as suits
 * it: many that have something to look at in one moment, after an outage, say, spread. 0: they need not. */
int64_t poller_ease_ms(const struct poller *poller);
/* How long the last answers took, in milliseconds; -1: there was none. */
struct poller_times {
    int64_t privileges_ms;
    int64_t guests_ms; /* with the hosts */
    int64_t pools_ms;  /* all that were asked for */
};
const struct poller_times *poller_times(const struct poller *poller);
const struct error *
poller_error(const struct poller *poller); /* of the last round; code ERROR_NONE if it was fine */
/* Why nothing may be powered; code ERROR_NONE if it may. */
const struct error *poller_refusal(const struct poller *poller);
/* Proxmox's release, "9.2" → 902; 0 before the first answer. */
int poller_release(const struct poller *poller);
#define POLLER_VERSION_MAX 32                            /* with its NUL; a longer one is none of Proxmox's */
const char *poller_version(const struct poller *poller); /* "9.2.11" or NULL */
