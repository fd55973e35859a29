/*
 * When and whom to rehearse next; pure. Guests take turns, evenly over the interval; many guests stretch it
 * to a rate that has a name. Who was never rehearsed, or moved to another host since, comes first. What
 * cannot be reached is asked more and more seldom; who was not accepted has another turn before its time, the
 * same way.
 */
#pragma once

#include "proxmox/inventory.h"
#include "proxmox/probe.h"

#include <stdbool.h>
#include <stdint.h>

#define REHEARSAL_GAP_MIN_MS   100 /* between any two: ten a second, for 600 guests in the default interval */
#define REHEARSAL_GAP_FIRST_MS 250 /* while there are guests that were not rehearsed yet */
#define REHEARSAL_PAUSE_MS     1000 /* after a failure; doubled with each, up to the interval */

struct rehearsal_plan;

struct rehearsal_plan *rehearsal_plan_new(void); /* NULL: no memory */
void rehearsal_plan_free(struct rehearsal_plan *plan);
/* 0: never. What is counted and who was rehearsed stays. */
void rehearsal_plan_set_interval(struct rehearsal_plan *plan, int64_t interval_ms);
/* Another identity asks from now on: nobody was rehearsed by it, and each guest has its turn soon. */
void rehearsal_plan_forget(struct rehearsal_plan *plan);
/* A new list of guests. Without memory some of them are left out until the next one. */
void rehearsal_plan_follow(struct rehearsal_plan *plan, const struct inventory *inventory);

/* Turns come earlier, once, by so many thousandths of the time between two of them; who was never rehearsed
 * is not meant. */
void rehearsal_plan_set_apart(struct rehearsal_plan *plan, unsigned thousandths);

/* How often each guest has its turn: the interval, or longer for many guests; 0: never. */
int64_t rehearsal_plan_period_ms(const struct rehearsal_plan *plan);

/* Who was not rehearsed yet follows another one after so long at the earliest; REHEARSAL_GAP_FIRST_MS at
 * least. */
void rehearsal_plan_set_first_gap(struct rehearsal_plan *plan, int64_t gap_ms);
/* While it is held nobody has another turn before its time. When it is let go (true) what has failed may have
 * ended: those that were not accepted have another turn soon. */
bool rehearsal_plan_hold(struct rehearsal_plan *plan, bool hold);
bool rehearsal_plan_is_held(const struct rehearsal_plan *plan);

/* There are guests that were not rehearsed yet: their turns follow each other quickly. */
bool rehearsal_plan_hurries(const struct rehearsal_plan *plan);

/* Between the turns of two guests. */
int64_t rehearsal_plan_gap_ms(const struct rehearsal_plan *plan);

typedef bool rehearsal_busy_fn(void *context, int vmid);
/* The VMID whose turn it is, or 0; then *wake_ms is when to look again (INT64_MAX: after a change). A guest
 * that is busy, or whose host is offline, is passed over and keeps its place: its turn comes at once when
 * that has ended. */
int rehearsal_plan_next(const struct rehearsal_plan *plan, int64_t now_ms, rehearsal_busy_fn *busy,
                        void *context, int64_t *wake_ms);
/* It was sent for this guest, in its turn or on demand. */
void rehearsal_plan_began(struct rehearsal_plan *plan, int vmid, int64_t now_ms);
/* How it ended. `speaks`: of this guest, or its host: unanswered, those of the same host wait. Else it was
 * not sent, or Proxmox did not know us, or suffers: all wait, and one that was sent has its turn as soon as
 * anybody may. One that was not wanted any more is not told here. */
void rehearsal_plan_ended(struct rehearsal_plan *plan, int vmid, enum probe_result result, bool sent,
                          bool speaks, int64_t now_ms);

uint64_t rehearsal_plan_count(const struct rehearsal_plan *plan, int vmid, enum probe_result result);
