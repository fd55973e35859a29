/*
 * What a request would do now, from what is known already: no call to Proxmox is made, and none is promised
 * to work.
 */
#include "fence/engine_private.h"

#include <stdio.h>

bool engine_dry_run(struct engine *engine, const struct engine_request *request, char *message, size_t size,
                    struct error *error)
{
    struct session_description session;
    struct inventory *inventory = poller_inventory(engine->poller);
    session_describe(engine->session, &session);
    if (!inventory) {
        *error = *poller_error(engine->poller);
        if (error->code == ERROR_NONE)
            error_set(error, ERROR_NO_INVENTORY, "the guests of the pool are not known yet");
        return false;
    }
    const struct guest *guest = inventory_find(inventory, request->plug, error);
    if (!guest)
        return false;
    if (!session.ready) {
        *error = session.error;
        if (error->code == ERROR_NONE)
            error_set(error, ERROR_NO_SESSION, "there is no Proxmox session");
        return false;
    }
    if (poller_refusal(engine->poller)->code != ERROR_NONE) {
        *error = *poller_refusal(engine->poller);
        return false;
    }
    if (!guest->may_power) {
        error_set(error, ERROR_NO_POWER_RIGHT, "%s may not power guest %d", session.identity, guest->vmid);
        return false;
    }
    if (guest->template) {
        error_set(error, ERROR_TEMPLATE, "guest %d is a template", guest->vmid);
        return false;
    }
    enum error_code ha = guest->hastate ? ha_hopeless(guest->hastate) : ERROR_NONE;
    if (ha != ERROR_NONE) {
        error_set(error, ha, "guest %d is managed by Proxmox HA, which takes no request for it (%s)",
                  guest->vmid, guest->hastate);
        return false;
    }
    if (guest->lock) {
        error_set(error, ERROR_LOCKED, "guest %d is locked (%s) on %s", guest->vmid, guest->lock,
                  guest->node);
        return false;
    }
    if (!inventory_node_online(inventory, guest->node)) {
        error_set(error, ERROR_NODE_OFFLINE, "the host %s of guest %d is offline", guest->node, guest->vmid);
        return false;
    }
    snprintf(message, size, "%s of guest %d (%s) on %s would be tried now; nothing was done",
             fence_action_name(request->action), guest->vmid, guest_label(guest), guest->node);
    return true;
}
