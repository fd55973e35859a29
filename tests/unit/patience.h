/*
 * A loop that runs until somebody breaks it, and not for ever. event_base_loopexit() would leave its timer
 * behind, and that would end a later wait of the same test on a busy machine.
 */
#pragma once

#include <event2/event.h>

#define PATIENCE_S 20

static inline void patience_ends(evutil_socket_t fd, short what, void *base)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(base);
}

static inline void dispatch_with_patience(struct event_base *base)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct event *end = evtimer_new(base, patience_ends, base);
    event_add(end, &patience);
    event_base_dispatch(base);
    event_free(end);
}
