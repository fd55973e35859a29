/* See loop.h. */
#include "system/loop.h"

#include <event2/event.h>
#include <stddef.h>

/* By default libevent reads a clock that ticks every 4 ms, waits for whole ms, and counts them from the
 * beginning of the loop's turn, so that a timer may come before its millisecond and be set again: the 2 ms
 * between two reads of a dying guest were up to 6. */
struct event_base *loop_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base ? base : event_base_new();
}

void loop_arm(struct event *timer, int64_t ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(timer, &tv);
}
