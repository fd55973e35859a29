/*
 * Visits: what the list of guests cannot tell is read from each guest's own host: its status, and its
 * configuration where that can have changed. After each round of polls those go that are due, one guest of a
 * host at a time, and by the connection that the round has left open: a guest whose visit interval is over,
 * and one of each host that nobody has asked for two polls. What came of it is posted as evidence, and told
 * to the engine where an operation has left a doubt.
 *
 * A host that fails or is slow twice in a row is asked less (visits_hosts.h).
 *
 * A guest that an operation runs on is left alone (the operation reads it itself), and so is one whose host
 * is offline or that we may not read. Visits fail over once, and blame no endpoint for a host that does not
 * answer.
 */
#pragma once

#include "fence/evidence.h"
#include "fence/rooms.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct visits;

#define VISITS_GAP_MIN_MS                                                                                    \
    100 /* with many guests the interval is stretched, so that Proxmox is asked no faster */
#define VISITS_AT_ONCE                                                                                       \
    4 /* each of another host: one that does not answer keeps the others' guests waiting for nothing */
#define VISITS_GAP_MAX_MS 500   /* between those that are due: few enough to find the connection open */
#define VISITS_FEW        28    /* so many fit between two polls with that gap */
#define VISITS_HURRIED_MS 20000 /* the interval while the poller hurries, if it is longer */
#define VISITS_CONFIG_EVERY                                                                                  \
    5 /* intervals the configuration is read anew, if the guest was neither moved nor started before */
#define VISITS_HURRY_MS                                                                                      \
    20 /* the gap between guests of which nothing is known yet, after the start, say, …                    \
        */
#define VISITS_HURRY_REST 4 /* … and so many times what the last answer took, if that is more */

/* All rooms are borrowed. NULL: no memory. Begins with the first visits_round_ended(). */
struct visits *visits_new(struct event_base *base, const struct rooms *rooms, int64_t interval_ms,
                          int64_t answer_timeout_ms);
void visits_free(struct visits *visits);
/* 0: no visits from now on, and nobody misses them. */
void visits_set_interval(struct visits *visits, int64_t interval_ms, int64_t answer_timeout_ms);
/* From the poller's callback: the list of guests may be another one. */
void visits_round_ended(struct visits *visits);
/* In this round, has every guest been tried that nothing was known of, and is there none that must be seen
 * once more before it can be told of what remains of it? */
bool visits_settled(const struct visits *visits);
/* How long one visit to each guest takes with so many guests. */
int64_t visits_period_ms(int64_t interval_ms, size_t guests);
