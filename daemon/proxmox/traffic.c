/*
 * Counters by the endpoint's text, which outlives a reload that moves it to another place in the list.
 */
#include "proxmox/traffic.h"

#include "system/cleanup.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int status; /* 0: no status of its own */
} codes[TRAFFIC_CODE_COUNT] = {
    [TRAFFIC_200] = {"200", 200},     [TRAFFIC_400] = {"400", 400},   [TRAFFIC_401] = {"401", 401},
    [TRAFFIC_403] = {"403", 403},     [TRAFFIC_500] = {"500", 500},   [TRAFFIC_501] = {"501", 501},
    [TRAFFIC_595] = {"595", 595},     [TRAFFIC_596] = {"596", 596},   [TRAFFIC_597] = {"597", 597},
    [TRAFFIC_599] = {"599", 599},     [TRAFFIC_OTHER] = {"other", 0}, [TRAFFIC_LOST] = {"lost", 0},
    [TRAFFIC_UNSENT] = {"unsent", 0},
};

const char *traffic_code_name(enum traffic_code code)
{
    return codes[code].name;
}

const char *traffic_purpose_name(enum traffic_purpose purpose)
{
    static const char *const names[TRAFFIC_PURPOSE_COUNT] = {
        [TRAFFIC_POLL] = "poll",   [TRAFFIC_CHECK] = "check", [TRAFFIC_REHEARSAL] = "rehearsal",
        [TRAFFIC_LOGIN] = "login", [TRAFFIC_FENCE] = "fence",
    };

    return names[purpose];
}

enum traffic_code traffic_code_of(const struct api_result *result)
{
    if (result->outcome == API_LOST)
        return TRAFFIC_LOST;
    if (result->outcome == API_UNSENT)
        return TRAFFIC_UNSENT;
    for (enum traffic_code code = 0; code < TRAFFIC_CODE_COUNT; code++) {
        if (codes[code].status && codes[code].status == result->http_status)
            return code;
    }
    return TRAFFIC_OTHER;
}

static struct traffic_endpoint *endpoint_of(struct traffic *traffic, const char *text)
{
    struct traffic_endpoint *endpoint = NULL;

    HASH_FIND_STR(traffic->endpoints, text, endpoint);
    if (endpoint)
        return endpoint;
    if (HASH_COUNT(traffic->endpoints) >= TRAFFIC_ENDPOINTS_MAX || !(endpoint = calloc(1, sizeof(*endpoint))))
        return &traffic->others;
    endpoint->text = strdup(text);
    if (endpoint->text)
        HASH_ADD_KEYPTR(hh, traffic->endpoints, endpoint->text, strlen(endpoint->text), endpoint);
    if (endpoint->hh.tbl)
        return endpoint;
    free(endpoint->text);
    free(endpoint);
    return &traffic->others;
}

void traffic_add(struct traffic *traffic, const char *endpoint, enum traffic_purpose purpose,
                 enum api_call call, const struct api_result *result, unsigned connections)
{
    enum traffic_code code = traffic_code_of(result);

    endpoint_of(traffic, endpoint)->calls[call][code]++;
    traffic->requests[purpose]++;
    traffic->connections[purpose] += connections;
    if (code != TRAFFIC_UNSENT)
        histogram_add(&traffic->durations[call], result->received_ms - result->asked_ms);
}

const struct traffic_endpoint *traffic_find(const struct traffic *traffic, const char *endpoint)
{
    struct traffic_endpoint *found = NULL;

    HASH_FIND_STR(traffic->endpoints, endpoint, found);
    return found;
}

void traffic_clear(struct traffic *traffic)
{
    struct traffic_endpoint *endpoint, *next;

    HASH_ITER (hh, traffic->endpoints, endpoint, next) {
        HASH_DEL(traffic->endpoints, endpoint);
        free(endpoint->text);
        free(endpoint);
    }
    *traffic = (struct traffic){0};
}
