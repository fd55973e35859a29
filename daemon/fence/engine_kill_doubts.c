/*
 * What operations have left in doubt (point 7 of the off-proof), for those who judge a guest between two of
 * them, and what others read of the guest that ends it.
 */
#include "fence/engine_private.h"
#include "fence/evidence.h"

#include "system/clock.h"

struct unsettled_kill_doubts engine_kill_doubts(const struct engine *engine)
{
    return (struct unsettled_kill_doubts){.list = &engine->unsettled,
                                          .now_ms = clock_now_ms(),
                                          .stop_timeout_ms = engine->settings.stop_timeout_ms};
}

void engine_use_host_watch(struct engine *engine, struct host_watch *watch)
{
    engine->host_watch = watch;
}

void engine_use_evidence(struct engine *engine, const struct evidence *evidence)
{
    engine->evidence = evidence;
}

bool engine_saw_devices(const struct engine *engine, int vmid)
{
    const struct evidence_guest *known = evidence_of(engine->evidence, vmid);
    return known && known->devices_ms && clock_boottime_ms() - known->devices_ms <= ENGINE_DEVICES_MS;
}

bool engine_wants_status(const struct engine *engine, int vmid)
{
    const struct unsettled *unsettled = unsettled_find(&engine->unsettled, vmid);
    return unsettled_killing_since(unsettled) && unsettled->reading == UNSETTLED_NOT_READ;
}

void engine_status_seen(struct engine *engine, enum pve_guest_type type, const struct pve_status *status,
                        int64_t asked_ms)
{
    if (engine_guest_busy(engine, status->vmid)) /* it reads for itself, and knows what it has sent */
        return;
    if (!unsettled_see(&engine->unsettled, type, status, asked_ms))
        return;
    const struct unsettled *unsettled = unsettled_find(&engine->unsettled, status->vmid);
    history_write_open(engine->history, NULL, unsettled);
    if (clock_now_ms() >= unsettled->until_ms)
        unsettled_put(&engine->unsettled, status->vmid, NULL);
}
