/* The event loop of the daemon. */
#pragma once

#include <stdint.h>

struct event;
struct event_base;

/* With timers as exact as the clock; NULL: no memory. */
struct event_base *loop_new(void);
/* The timer is due in so many milliseconds; one that runs already begins anew. */
void loop_arm(struct event *timer, int64_t ms);
