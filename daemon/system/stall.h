/*
 * How long the event loop was kept from its work: by a callback that computed or blocked, or because the
 * process got no turn. Measured by a timer that should come every STALL_TICK_MS, so what is told is at most
 * that much too short, and never too long. Knows only the loop.
 */
#pragma once

#include <event2/event.h>
#include <stdint.h>

#define STALL_TICK_MS   250
#define STALL_WINDOW_MS (5 * 60 * 1000)

struct stall;

struct stall *stall_new(struct event_base *base); /* NULL: no memory */
void stall_free(struct stall *stall);             /* NULL is fine */
/* The longest of the last STALL_WINDOW_MS to twice as long, so that it goes back by itself. */
int64_t stall_max_ms(const struct stall *stall);
