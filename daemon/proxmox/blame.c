/*
 * What is asked of the endpoint itself tells how the endpoint is; what it passes on to the guest's host tells
 * nothing of it, whoever of the two has failed. Proxmox VE answers with 200, 400, 401, 403, 500, 501 and 595
 * to 599: any other status comes from something else.
 */
#include "proxmox/blame.h"

#include <string.h>

bool blame_is_own(enum api_call call)
{
    switch (call) {
    case API_VERSION:
    case API_TICKET:
    case API_DOMAINS:
    case API_PERMISSIONS:
    case API_RESOURCES:
    case API_GUESTS:
    case API_NODES:
    case API_HA_STATUS:
    case API_POOL:
    case API_POOL_NESTED:
        return true;
    case API_STATUS:
    case API_CONFIG:
    case API_START:
    case API_STOP:
    case API_RESET:
    case API_REHEARSE:
    case API_TASK:
    case API_TASKS:
    case API_CALL_COUNT:
        break;
    }
    return false;
}

static bool is_of_pools(enum api_call call)
{
    return call == API_POOL || call == API_POOL_NESTED;
}

/* 500 is Proxmox's word for any error; what it means stands in the reason. */
static enum blame blame_of_server_error(enum api_call call, const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];
    if (is_of_pools(call) && (result->http_status == 501 || strstr(result->reason, "does not exist")))
        return BLAME_NOBODY; /* no such pool, or a nested one where Proxmox cannot be asked for it */
    if (blame_is_own(call))
        return BLAME_ENDPOINT;
    if (result->http_status >= 595)
        return BLAME_HOST;
    return api_classify(result->reason, lock) == PVE_REFUSAL_OTHER ? BLAME_HOST : BLAME_NOBODY;
}

enum blame blame_of(enum api_call call, const struct api_result *result)
{
    if (result->outcome == API_OK)
        return BLAME_NOBODY;
    if (result->outcome != API_REFUSED)
        return BLAME_ENDPOINT;
    switch (result->http_status) {
    case 400:
    case 403:
        return BLAME_NOBODY;
    case 401:
        return BLAME_LOGIN;
    default:
        return result->http_status >= 500 ? blame_of_server_error(call, result) : BLAME_ENDPOINT;
    }
}
