/*
 * A table by name. Knows neither guests nor when anybody is checked.
 */
#include "fence/guest_checks_hosts.h"

#include <stdio.h>
#include <stdlib.h>

struct guest_checks_host *guest_checks_host_of(struct guest_checks_host *hosts, const char *name)
{
    struct guest_checks_host *host = NULL;

    HASH_FIND_STR(hosts, name, host);
    return host;
}

static struct guest_checks_host *add(struct guest_checks_host **hosts, const char *name)
{
    struct guest_checks_host *host = calloc(1, sizeof(*host));

    if (!host)
        return NULL;
    snprintf(host->name, sizeof(host->name), "%s", name);
    HASH_ADD_STR(*hosts, name, host);
    if (host->hh.tbl)
        return host;
    free(host);
    return NULL;
}

bool guest_checks_host_note(struct guest_checks_host **hosts, const char *name, int64_t took_ms,
                            int64_t now_ms)
{
    struct guest_checks_host *host = guest_checks_host_of(*hosts, name);
    bool answered = took_ms >= 0;
    bool changed = !host || (host->failed_ms > host->answered_ms) == answered;

    if (!host && !(host = add(hosts, name)))
        return false;
    *(answered ? &host->answered_ms : &host->failed_ms) = now_ms;
    host->bad = !answered || took_ms >= GUEST_CHECKS_HOST_SLOW_MS ? host->bad + 1 : 0;
    return changed;
}

unsigned guest_checks_host_rest(struct guest_checks_host *hosts, const char *name)
{
    const struct guest_checks_host *host = guest_checks_host_of(hosts, name);

    return host && host->bad >= GUEST_CHECKS_HOST_BAD ? GUEST_CHECKS_HOST_REST : 1;
}

bool guest_checks_host_fails(struct guest_checks_host *hosts, const char *name)
{
    const struct guest_checks_host *host = guest_checks_host_of(hosts, name);

    return host && host->bad >= GUEST_CHECKS_HOST_BAD && host->failed_ms > host->answered_ms;
}

void guest_checks_hosts_wake(struct guest_checks_host *hosts)
{
    struct guest_checks_host *host, *next;

    HASH_ITER (hh, hosts, host, next)
        host->bad = 0;
}

void guest_checks_hosts_forget(struct guest_checks_host **hosts, const struct inventory *inventory)
{
    struct guest_checks_host *host, *next;

    HASH_ITER (hh, *hosts, host, next) {
        if (inventory && inventory_node_online(inventory, host->name))
            continue;
        HASH_DEL(*hosts, host);
        free(host);
    }
}
