/* See ha.h. */
#include "fence/ha.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *state, const char *name)
{
    return strcmp(state, name) == 0;
}

enum error_code ha_hopeless(const char *state)
{
    return *state == '\0'        ? ERROR_HA_UNSERVED
           : is(state, "error")  ? ERROR_HA_ERROR
           : is(state, "freeze") ? ERROR_HA_FROZEN
                                 : ERROR_NONE;
}

bool ha_drops_requests(const char *state)
{
    return is(state, "fence") || is(state, "recovery") || is(state, "migrate") || is(state, "relocate");
}

enum proof_ha_state ha_state(const char *state)
{
    return is(state, "stopped")        ? PROOF_HA_STOPPED
           : is(state, "request_stop") ? PROOF_HA_REQUEST_STOP
                                       : PROOF_HA_OTHER;
}

/* Its host stops a service in request_stop, which the manager leaves when it has stopped, and in stopped,
 * where one that runs is an exception. */
bool ha_is_calm(const struct pve_status *status)
{
    return status->ha_managed && status->running && is(status->ha_state, "started");
}

void ha_take_over(struct ha *ha, bool managed, bool sent)
{
    ha->managed = managed;
    ha->changed |= sent;
    ha->calm_ms = ha->taken_ms = 0;
    ha->moved = ha->stopping = false;
}

void ha_read(struct ha *ha, const struct pve_status *status, int64_t asked_ms)
{
    enum proof_ha_state state = ha_state(status->ha_state);
    ha->moved |= state != PROOF_HA_STOPPED;
    ha->fenced = false;
    /* in this state, too, its host stops what runs, and goes on when the manager is asked to start it */
    ha->unasked |= state == PROOF_HA_STOPPED && status->running;
    if (ha_is_calm(status) && !ha->changed && !ha->unasked)
        ha->calm_ms = asked_ms;
    ha->stopping = state == PROOF_HA_REQUEST_STOP && (status->running || ha->stopping);
}

void ha_list(struct ha *ha, const char *state, int64_t asked_ms)
{
    snprintf(ha->listed, sizeof(ha->listed), "%s", state);
    ha->listed_ms = asked_ms;
}
