/* See asks.h. */
#include "fence/asks.h"

bool ask_begin(struct ask *ask, int64_t now_ms)
{
    if (ask->busy || now_ms < ask->next_ms)
        return false;
    ask->busy = true;
    return true;
}

void ask_not_before(struct ask *ask, int64_t at_ms)
{
    if (ask->next_ms < at_ms)
        ask->next_ms = at_ms;
}
