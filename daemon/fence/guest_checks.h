/*
 * Checks: what the list of guests cannot tell is read from each guest's own host: its status, and its
 * configuration where that can have changed. After each round of polls those go that are due, one guest of a
 * host at a time, and by the connection that the round has left open: a guest whose check interval is over,
 * and one of each host that nobody has asked for two polls. What came of it is posted as evidence, and told
 * to the engine where an operation has left a doubt.
 *
 * A host that fails or is slow twice in a row is asked less (guest_checks_hosts.h).
 *
 * A guest that an operation runs on is left alone (the operation reads it itself), and so is one whose host
 * is offline or that we may not read. Checks fail over once, and blame no endpoint for a host that does not
 * answer.
 */
#pragma once

#include "fence/evidence.h"
#include "fence/rooms.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_checks;

#define GUEST_CHECKS_GAP_MIN_MS                                                                              \
    100 /* with many guests the interval is stretched, so that Proxmox is asked no faster */
#define GUEST_CHECKS_AT_ONCE                                                                                 \
    4 /* each of another host: one that does not answer keeps the others' guests waiting for nothing */
#define GUEST_CHECKS_GAP_MAX_MS 500   /* between those that are due: few enough to find the connection open */
#define GUEST_CHECKS_FEW        28    /* so many fit between two polls with that gap */
#define GUEST_CHECKS_HURRIED_MS 20000 /* the interval while the poller hurries, if it is longer */
#define GUEST_CHECKS_CONFIG_EVERY                                                                            \
    5 /* intervals the configuration is read anew, if the guest was neither moved nor started before */
#define GUEST_CHECKS_HURRY_MS                                                                                \
    20 /* the gap between guests of which nothing is known yet, after the start, say, …                    \
        */
#define GUEST_CHECKS_HURRY_REST 4 /* … and so many times what the last answer took, if that is more */

/* All rooms are borrowed. NULL: no memory. Begins with the first guest_checks_round_ended(). */
struct guest_checks *guest_checks_new(struct event_base *base, const struct rooms *rooms, int64_t interval_ms,
                                      int64_t answer_timeout_ms);
void guest_checks_free(struct guest_checks *checks);
/* 0: no checks from now on, and nobody misses them. */
void guest_checks_set_interval(struct guest_checks *checks, int64_t interval_ms, int64_t answer_timeout_ms);
/* From the poller's callback: the list of guests may be another one. */
void guest_checks_round_ended(struct guest_checks *checks);
/* In this round, has every guest been tried that nothing was known of, and is there none that must be seen
 * once more before it can be told of what remains of it? */
bool guest_checks_settled(const struct guest_checks *checks);
/* How long one check to each guest takes with so many guests. */
int64_t guest_checks_period_ms(int64_t interval_ms, size_t guests);
