/*
 * From rooms to facts. Judges nothing and keeps nothing.
 */
#include "fence/facts.h"

#include "fence/engine.h"
#include "fence/history.h"
#include "fence/host_watch.h"
#include "proxmox/endpoints.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "system/clock.h"
#include "system/config.h"

/* By the same rules as any plug; 0: it leads to no guest. */
static int vmid_of(const struct inventory *inventory, const char *name)
{
    struct error error;
    const struct guest *guest = name[0] ? inventory_find(inventory, name, &error) : NULL;

    return guest ? guest->vmid : 0;
}

static struct readiness_facts readiness_of(const struct rooms *rooms, bool session_ready)
{
    const struct inventory *inventory = poller_inventory(rooms->poller);

    return (struct readiness_facts){
        .boottime_ms = clock_boottime_ms(),
        .session_ready = session_ready,
        .endpoints_up = endpoints_up(rooms->endpoints),
        .endpoints_total = (unsigned)endpoints_count(rooms->endpoints),
        .inventory = inventory,
        .inventory_age_ms = inventory ? clock_now_ms() - inventory_taken_ms(inventory) : 0,
        .poll_interval_ms = poller_interval_ms(rooms->poller),
        .backoff = poller_backoff(rooms->poller),
        .min_online_nodes = rooms->config ? rooms->config->min_online_nodes : 0,
        .certificate_expires = endpoints_certificate_expires(rooms->endpoints, clock_realtime_ms()),
        .history_failing = rooms->history && history_write_error(rooms->history) != 0,
        .grants = rooms->grants ? grants_state(rooms->grants) : GRANTS_UNKNOWN,
        .evidence = rooms->evidence,
        .clock_wrong = endpoints_clock_wrong(rooms->endpoints),
        .self = rooms->machine,
        .doubts = rooms->engine ? engine_kill_doubts(rooms->engine) : (struct unsettled_kill_doubts){0},
        .dead_host_fails = rooms->config && !rooms->config->trust_ha,
        .dead_hosts = host_watch_hosts(rooms->host_watch),
        .self_vmid = inventory && rooms->machine ? vmid_of(inventory, rooms->machine->name) : 0,
    };
}

void facts_gather(struct facts *facts, const struct rooms *rooms)
{
    *facts = (struct facts){
        .now_ms = clock_now_ms(),
        .boottime_ms = clock_boottime_ms(),
        .realtime_ms = clock_realtime_ms(),
        .endpoints = rooms->endpoints,
        .poll_error = poller_error(rooms->poller),
        .pve_version = poller_version(rooms->poller),
        .times = poller_times(rooms->poller),
        .grants = rooms->grants,
        .history = rooms->history,
        .rehearsals = rooms->rehearsals,
        .traffic = rooms->transport ? transport_traffic(rooms->transport) : NULL,
        .config = rooms->config,
        .names_known = rooms->names != NULL,
        .uid = ACCESS_NOBODY,
    };
    if (rooms->engine) {
        facts->engine = engine_counters(rooms->engine);
        facts->stats = engine_request_stats(rooms->engine);
        facts->operations_running = engine_running(rooms->engine);
    }
    session_describe(rooms->session, &facts->session);
    facts->readiness = readiness_of(rooms, facts->session.ready);
}
