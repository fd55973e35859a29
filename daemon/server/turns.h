/*
 * Work that is too long for one turn of the loop: each turn one piece of one of the works, so that whatever
 * else there is to do waits for a piece at most. Knows neither answers nor peers.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

struct turns; /* the works that wait, */
struct turn;  /* and one of them */

/* Do a piece; true: that was the last one, and the work is forgotten. */
typedef bool turn_fn(void *context);

struct turns *turns_new(struct event_base *base); /* NULL: no memory */
void turns_free(struct turns *turns);             /* no work may be left; NULL is fine */

/* Urgent works go before all others; else who comes first is served first, to its end, so that only one of a
 * kind is half done. Calls `piece` from the loop, not from here. NULL: no memory. */
struct turn *turns_add(struct turns *turns, bool urgent, turn_fn *piece, void *context);
/* Would such a work have its turn at once? */
bool turns_are_free(const struct turns *turns, bool urgent);
void turn_leave(struct turn *turn); /* the work is not to be done any more */
