/* The event loop of the daemon. */
#pragma once

struct event_base;

/* With timers as exact as the clock; NULL: no memory. */
struct event_base *loop_new(void);
