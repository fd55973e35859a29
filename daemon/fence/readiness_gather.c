/*
 * From rooms to facts. Judges nothing and keeps nothing.
 */
#include "fence/readiness_gather.h"

#include "system/clock.h"

/* By the same rules as any plug; 0: it leads to no guest. */
static int vmid_of(const struct inventory *inventory, const char *name)
{
    struct error error;
    const struct guest *guest = name[0] ? inventory_find(inventory, name, &error) : NULL;

    return guest ? guest->vmid : 0;
}

void readiness_gather(struct readiness_facts *facts, const struct readiness_sources *sources)
{
    const struct inventory *inventory = poller_inventory(sources->poller);
    const struct grants *grants = poller_grants(sources->poller);
    struct session_description session;

    session_describe(sources->session, &session);
    *facts = (struct readiness_facts){
        .boottime_ms = clock_boottime_ms(),
        .session_ready = session.ready,
        .endpoints_up = endpoints_up(sources->endpoints),
        .endpoints_total = (unsigned)endpoints_count(sources->endpoints),
        .inventory = inventory,
        .inventory_age_ms = inventory ? clock_now_ms() - inventory_taken_ms(inventory) : 0,
        .poll_interval_ms = poller_interval_ms(sources->poller),
        .min_online_nodes = sources->min_online_nodes,
        .certificate_expires = endpoints_certificate_expires(sources->endpoints, clock_realtime_ms()),
        .history_failing = sources->history && history_write_error(sources->history) != 0,
        .grants = grants ? grants_state(grants) : GRANTS_UNKNOWN,
        .evidence = sources->evidence,
        .clock_wrong = endpoints_clock_wrong(sources->endpoints),
        .self = sources->self,
        .doubts = sources->engine ? engine_doubts(sources->engine) : (struct legacy_doubts){0},
        .self_vmid = inventory && sources->self ? vmid_of(inventory, sources->self->name) : 0,
    };
}
