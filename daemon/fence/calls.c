#include "fence/calls.h"

#include <stdio.h>
#include <string.h>

bool calls_add(struct calls *calls, enum step_power power, const char *upid, int64_t sent_ms)
{
    if (calls->count == CALLS_MAX)
        return false;
    struct call *call = &calls->list[calls->count++];
    *call = (struct call){.power = power, .sent_ms = sent_ms};
    snprintf(call->upid, sizeof(call->upid), "%s", upid);
    return true;
}

void calls_drop(struct calls *calls, const struct call *call)
{
    size_t index = (size_t)(call - calls->list);
    calls->count--;
    memmove(&calls->list[index], &calls->list[index + 1], (calls->count - index) * sizeof(*call));
}

const struct call *calls_of_task(const struct calls *calls, const char *upid)
{
    for (unsigned i = 0; i < calls->count; i++) {
        if (strcmp(calls->list[i].upid, upid) == 0)
            return &calls->list[i];
    }
    return NULL;
}

static bool is_on(const struct call *call, const char *node)
{
    char host[PVE_NODE_MAX];
    upid_copy_node(call->upid, host);
    return !node || strcmp(host, node) == 0;
}

const struct call *calls_next(const struct calls *calls, enum step_power power, const char *node,
                              const struct call *last)
{
    for (size_t i = last ? (size_t)(last - calls->list) + 1 : 0; i < calls->count; i++) {
        if (calls->list[i].power == power && is_on(&calls->list[i], node))
            return &calls->list[i];
    }
    return NULL;
}

int64_t calls_until(const struct calls *calls, enum step_power power, const char *node)
{
    int64_t until_ms = 0;
    const struct call *call = NULL;
    while ((call = calls_next(calls, power, node, call)) != NULL) {
        if (until_ms < call->sent_ms + CALLS_OPEN_MS)
            until_ms = call->sent_ms + CALLS_OPEN_MS;
    }
    return until_ms;
}

void calls_forget_old(struct calls *calls, int64_t now_ms)
{
    for (unsigned i = calls->count; i-- > 0;) {
        if (now_ms >= calls->list[i].sent_ms + CALLS_OPEN_MS)
            calls_drop(calls, &calls->list[i]);
    }
}

bool calls_equal(const struct calls *one, const struct calls *other)
{
    bool equal = one->count == other->count;
    for (unsigned i = 0; equal && i < one->count; i++) {
        const struct call *call = &one->list[i];
        equal = call->power == other->list[i].power && strcmp(call->upid, other->list[i].upid) == 0;
    }
    return equal;
}
