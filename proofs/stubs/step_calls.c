/*
 * The records of earlier operations' calls, as fence/calls.h says what is asked of them, without a pointer
 * that moves.
 */
#include "harness.h"

#include "fence/calls.h"

#include <string.h>

static bool is_on(const struct call *call, const char *node)
{
    char host[PVE_NODE_MAX];
    upid_copy_node(call->upid, host);
    return !node || strcmp(host, node) == 0;
}

int64_t calls_until(const struct calls *calls, enum step_power power, const char *node)
{
    int64_t until_ms = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &calls->list[i];
        if (i < calls->count && call->power == power && is_on(call, node) &&
            until_ms < call->sent_ms + CALLS_OPEN_MS)
            until_ms = call->sent_ms + CALLS_OPEN_MS;
    }
    return until_ms;
}

const struct call *calls_next(const struct calls *calls, enum step_power power, const char *node,
                              const struct call *last)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &calls->list[i];
        if (i < calls->count && (!last || last < call) && call->power == power && is_on(call, node))
            return call;
    }
    return NULL;
}

void calls_drop(struct calls *calls, const struct call *call)
{
    bool behind = false;
    for (unsigned i = 0; i + 1 < CALLS_MAX; i++) {
        behind = behind || call == &calls->list[i];
        if (behind)
            calls->list[i] = calls->list[i + 1];
    }
    calls->count--;
}

const struct call *calls_of_task(const struct calls *calls, const char *upid)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < calls->count && strcmp(calls->list[i].upid, upid) == 0)
            return &calls->list[i];
    }
    return NULL;
}
