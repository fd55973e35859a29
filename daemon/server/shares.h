/*
 * Whose request is worked on next, and how much of the loop's time it may take; root's and hacluster's are
 * not here, they are answered at once. All others wait in a line for each uid: who has cost least is next, a
 * little in each turn of the loop, and who has cost more than its share of the time waits until it has not.
 * Knows neither requests nor answers.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct shares; /* the works that wait, */
struct work;   /* and one of them */

/* CPU time of the loop's thread. A debt grows by what a work cost, and shrinks by the share as time passes.
 */
#define SHARES_TURN_US       500   /* in one turn of the loop; a work more at most */
#define SHARES_PER_MILLE     200   /* what one uid's debt shrinks by: 200 ms a second */
#define SHARES_BURST_US      50000 /* the debt from which on it waits */
#define SHARES_ALL_PER_MILLE 400   /* the same of all of them together */
#define SHARES_ALL_BURST_US  100000
#define SHARES_UIDS_MAX      1024 /* uids that are remembered; those who owe nothing are forgotten first */

typedef void work_fn(void *context);

struct shares *shares_new(struct event_base *base); /* NULL: no memory */
void shares_free(struct shares *shares);            /* no work may be left; NULL is fine */

/* Have it done once, from the loop and not from here; the works of one uid in their order. From the call of
 * it on there is nothing to leave. NULL: no memory. */
struct work *shares_add(struct shares *shares, uid_t uid, work_fn *work, void *context);
void shares_leave(struct work *work); /* the work is not to be done any more */
