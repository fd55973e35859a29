/*
 * A table by name. Knows neither guests nor when anybody is visited.
 */
#include "fence/visits_hosts.h"

#include <stdio.h>
#include <stdlib.h>

struct visits_host *visits_host_of(struct visits_host *hosts, const char *name)
{
    struct visits_host *host = NULL;

    HASH_FIND_STR(hosts, name, host);
    return host;
}

static struct visits_host *add(struct visits_host **hosts, const char *name)
{
    struct visits_host *host = calloc(1, sizeof(*host));

    if (!host)
        return NULL;
    snprintf(host->name, sizeof(host->name), "%s", name);
    HASH_ADD_STR(*hosts, name, host);
    if (host->hh.tbl)
        return host;
    free(host);
    return NULL;
}

bool visits_host_note(struct visits_host **hosts, const char *name, int64_t took_ms, int64_t now_ms)
{
    struct visits_host *host = visits_host_of(*hosts, name);
    bool answered = took_ms >= 0;
    bool changed = !host || (host->failed_ms > host->answered_ms) == answered;

    if (!host && !(host = add(hosts, name)))
        return false;
    *(answered ? &host->answered_ms : &host->failed_ms) = now_ms;
    host->bad = !answered || took_ms >= VISITS_HOST_SLOW_MS ? host->bad + 1 : 0;
    return changed;
}

unsigned visits_host_rest(struct visits_host *hosts, const char *name)
{
    const struct visits_host *host = visits_host_of(hosts, name);

    return host && host->bad >= VISITS_HOST_BAD ? VISITS_HOST_REST : 1;
}

bool visits_host_fails(struct visits_host *hosts, const char *name)
{
    const struct visits_host *host = visits_host_of(hosts, name);

    return host && host->bad >= VISITS_HOST_BAD && host->failed_ms > host->answered_ms;
}

void visits_hosts_wake(struct visits_host *hosts)
{
    struct visits_host *host, *next;

    HASH_ITER (hh, hosts, host, next)
        host->bad = 0;
}

void visits_hosts_forget(struct visits_host **hosts, const struct inventory *inventory)
{
    struct visits_host *host, *next;

    HASH_ITER (hh, *hosts, host, next) {
        if (inventory && inventory_node_online(inventory, host->name))
            continue;
        HASH_DEL(*hosts, host);
        free(host);
    }
}
