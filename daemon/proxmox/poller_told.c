/*
 * What others ask the poller: what is known, how often it asks, and whether Proxmox is to be spared.
 */
#include "proxmox/poller_private.h"

#include "system/jitter.h"

struct inventory *poller_inventory(const struct poller *poller)
{
    return poller->inventory;
}

const struct poller_times *poller_times(const struct poller *poller)
{
    return &poller->times;
}

int64_t poller_interval_ms(const struct poller *poller)
{
    return poller->expected_ms;
}

unsigned poller_backoff(const struct poller *poller)
{
    return poller->pace.backoff;
}

unsigned poller_checks_backoff(const struct poller *poller)
{
    unsigned backoff = poller->pace.backoff;
    return backoff < PACE_CHECKS_BACKOFF_MAX ? backoff : PACE_CHECKS_BACKOFF_MAX;
}

int64_t poller_ease_ms(const struct poller *poller)
{
    const struct poller_times *times = &poller->times;
    int64_t took_ms = times->guests_ms > times->privileges_ms ? times->guests_ms : times->privileges_ms;
    int64_t span_ms = POLLER_EASE_TIMES * took_ms;
    if (took_ms < POLLER_EASE_AFTER_MS)
        return 0;
    return jitter_ms(JITTER_CHECKS, span_ms < poller->pace.interval_ms ? span_ms : poller->pace.interval_ms);
}

const struct error *poller_error(const struct poller *poller)
{
    return &poller->error;
}

const struct error *poller_refusal(const struct poller *poller)
{
    static const struct error none = {.code = ERROR_NONE};
    return grants_state(poller->grants) == GRANTS_REFUSED ? grants_excess(poller->grants) : &none;
}

int poller_release(const struct poller *poller)
{
    return poller->release;
}

const char *poller_version(const struct poller *poller)
{
    return poller->version;
}
