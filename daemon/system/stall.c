/*
 * Two windows, the present one and the one before: the answer is the greater maximum of both.
 */
#include "system/stall.h"

#include "system/clock.h"
#include "system/loop.h"

#include <stdlib.h>

struct stall {
    struct event *timer;
    int64_t last_ms; /* of the last tick; 0: none yet, the daemon may still be starting */
    int64_t window_ms;
    int64_t now_max_ms, before_max_ms;
};

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct stall *stall = context;
    int64_t now = clock_now_ms(), late = stall->last_ms ? now - stall->last_ms - STALL_TICK_MS : 0;

    (void)fd;
    (void)what;
    stall->last_ms = now;
    if (now - stall->window_ms >= STALL_WINDOW_MS) {
        stall->before_max_ms = now - stall->window_ms < 2 * STALL_WINDOW_MS ? stall->now_max_ms : 0;
        stall->now_max_ms = 0;
        stall->window_ms = now;
    }
    if (late > stall->now_max_ms)
        stall->now_max_ms = late;
    loop_arm(stall->timer, STALL_TICK_MS);
}

struct stall *stall_new(struct event_base *base)
{
    struct stall *stall = calloc(1, sizeof(*stall));

    if (!stall)
        return NULL;
    stall->window_ms = clock_now_ms();
    stall->timer = event_new(base, -1, 0, on_tick, stall);
    if (!stall->timer || event_add(stall->timer, &(struct timeval){0}) < 0) {
        stall_free(stall);
        return NULL;
    }
    return stall;
}

void stall_free(struct stall *stall)
{
    if (!stall)
        return;
    if (stall->timer)
        event_free(stall->timer);
    free(stall);
}

int64_t stall_max_ms(const struct stall *stall)
{
    return stall->now_max_ms > stall->before_max_ms ? stall->now_max_ms : stall->before_max_ms;
}
