/*
 * Health and order of the Proxmox API addresses.
 *
 * Health is what the last call saw, nothing is probed here: session tells what happened and asks for the next
 * best. One that answers and refuses a call is bad only if another one serves that call: what all of them
 * refuse says something of Proxmox, or of us. The order is computed at each question from a handful of facts,
 * so there is no list that could be out of date.
 */
#include "proxmox/endpoints.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct slot {
    struct endpoint endpoint;
    int64_t last_failed_ms; /* the newest failure: since_ms is the first of a row */
    int64_t lost_logged_ms; /* when it was last said that it does not answer; 0: never */
    bool lost;              /* that was said, and not that it is back */
    bool expiry_logged;     /* of the present certificate */
    bool literal;           /* the name is a numeric address: it has no first label */
    bool lost_way;          /* the last thing that it did was to fail without an answer */
    /* A call that it has refused, and not served since; `proven`: another endpoint has served it */
    bool refusing, proven;
    enum api_call refused;
    struct error refusal;
};

struct endpoints {
    struct slot *slots;
    size_t count;
    unsigned layout;
};

static bool is_literal(const char *name)
{
    struct in6_addr address;

    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

static bool slot_init(struct slot *slot, const struct config_endpoint *configured)
{
    struct endpoint *endpoint = &slot->endpoint;

    endpoint->text = strdup(configured->text);
    endpoint->address = strdup(configured->address);
    endpoint->name = strdup(configured->name);
    endpoint->port = configured->port;
    endpoint->state = ENDPOINT_UNKNOWN;
    endpoint->timings = TIMINGS_NONE;
    slot->literal = is_literal(configured->name);
    return endpoint->text && endpoint->address && endpoint->name;
}

static void free_slots(struct slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(slots[i].endpoint.text);
        free(slots[i].endpoint.address);
        free(slots[i].endpoint.name);
        free(slots[i].endpoint.last_address);
    }
    free(slots);
}

/* What the same endpoint has learnt so far moves over; the old slot keeps nothing that it would free. */
static void inherit(struct slot *slot, struct slot *old, size_t old_count)
{
    for (size_t i = 0; i < old_count; i++) {
        if (strcmp(old[i].endpoint.text, slot->endpoint.text) != 0)
            continue;
        struct endpoint fresh = slot->endpoint;
        *slot = old[i];
        slot->endpoint.text = fresh.text;
        slot->endpoint.address = fresh.address;
        slot->endpoint.name = fresh.name;
        old[i].endpoint.last_address = NULL;
        return;
    }
}

int endpoints_reconfigure(struct endpoints *endpoints, const struct config_endpoint *configured, size_t count)
{
    if (count > ENDPOINTS_MAX)
        return -E2BIG;
    struct slot *slots = calloc(count ? count : 1, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!slot_init(&slots[i], &configured[i])) {
            free_slots(slots, count);
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < count; i++)
        inherit(&slots[i], endpoints->slots, endpoints->count);
    free_slots(endpoints->slots, endpoints->count);
    endpoints->slots = slots;
    endpoints->count = count;
    endpoints->layout++;
    return 0;
}

unsigned endpoints_layout(const struct endpoints *endpoints)
{
    return endpoints->layout;
}

struct endpoints *endpoints_new(const struct config_endpoint *configured, size_t count)
{
    struct endpoints *endpoints = calloc(1, sizeof(*endpoints));
    if (!endpoints)
        return NULL;
    int result = endpoints_reconfigure(endpoints, configured, count);
    if (result < 0) {
        free(endpoints);
        errno = -result;
        return NULL;
    }
    return endpoints;
}

void endpoints_free(struct endpoints *endpoints)
{
    if (!endpoints)
        return;
    free_slots(endpoints->slots, endpoints->count);
    free(endpoints);
}

size_t endpoints_count(const struct endpoints *endpoints)
{
    return endpoints->count;
}

const struct endpoint *endpoints_get(const struct endpoints *endpoints, size_t index)
{
    return index < endpoints->count ? &endpoints->slots[index].endpoint : NULL;
}

unsigned endpoints_up(const struct endpoints *endpoints)
{
    unsigned up = 0;

    for (size_t i = 0; i < endpoints->count; i++)
        if (endpoints->slots[i].endpoint.state == ENDPOINT_UP)
            up++;
    return up;
}

/* Node "pve1" lives behind "pve1", "PVE1.example.com", not behind "pve10". */
static bool is_own(const struct slot *slot, const char *node)
{
    const char *name = slot->endpoint.name;
    size_t label = strcspn(name, ".");

    return node && *node && !slot->literal && strlen(node) == label && strncasecmp(name, node, label) == 0;
}

static int state_rank(enum endpoint_state state)
{
    switch (state) {
    case ENDPOINT_UP:
        return 0;
    case ENDPOINT_UNKNOWN:
        return 1;
    case ENDPOINT_DOWN:
        break;
    }
    return 2;
}

/* Strictly better: equals keep the configured order. */
static bool is_better(const struct slot *a, const struct slot *b, const char *node)
{
    int a_rank = state_rank(a->endpoint.state), b_rank = state_rank(b->endpoint.state);
    bool a_own = is_own(a, node), b_own = is_own(b, node);

    if (a_rank != b_rank)
        return a_rank < b_rank;
    if (a->endpoint.failing != b->endpoint.failing)
        return a->endpoint.failing;
    /* Among those that are down the time decides alone: the node's own one is the likeliest to be dead with
     * its guest. */
    if (a->endpoint.state == ENDPOINT_DOWN)
        return a->last_failed_ms < b->last_failed_ms;
    return a_own && !b_own;
}

int endpoints_choose(const struct endpoints *endpoints, const char *prefer_node, uint64_t tried)
{
    int best = -1;

    for (size_t i = 0; i < endpoints->count; i++) {
        if (tried & (UINT64_C(1) << i))
            continue;
        if (best < 0 || is_better(&endpoints->slots[i], &endpoints->slots[best], prefer_node))
            best = (int)i;
    }
    return best;
}

static void set_state(struct endpoint *endpoint, enum endpoint_state state, int64_t now_ms)
{
    if (endpoint->state == state)
        return;
    endpoint->state = state;
    endpoint->since_ms = now_ms;
}

/* One that comes and goes is not worth a line each time. */
static void tell_lost(struct slot *slot, int64_t now_ms)
{
    const struct error *error = &slot->endpoint.error;
    const struct log_field fields[] = {
        {"PVE_ENDPOINT", slot->endpoint.text}, LOG_ERROR_CODE(error), LOG_ERROR_HINT(error), {NULL, NULL}};

    if (slot->lost || (slot->lost_logged_ms && now_ms - slot->lost_logged_ms < ENDPOINTS_LOST_LOG_MS))
        return;
    slot->lost = true;
    slot->lost_logged_ms = now_ms;
    log_say(KIND_ENDPOINT_LOST, fields, "the endpoint %s %s: %s", slot->endpoint.text,
            slot->endpoint.failing ? "fails, and another one does not" : "does not answer", error->message);
}

static void tell_back(struct slot *slot)
{
    if (slot->lost)
        log_say(KIND_ENDPOINT_BACK,
                (const struct log_field[]){{"PVE_ENDPOINT", slot->endpoint.text}, {NULL, NULL}},
                "the endpoint %s answers again", slot->endpoint.text);
    slot->lost = false;
}

static bool is_bad(const struct slot *slot)
{
    return slot->lost_way || (slot->refusing && slot->proven);
}

/* Those that answer are up, but for one whose refusal is proven, while there is one that has none. */
static void judge(struct endpoints *endpoints, int64_t now_ms)
{
    bool another = false;
    for (size_t i = 0; i < endpoints->count; i++)
        another |= endpoints->slots[i].endpoint.last_ok_ms && !is_bad(&endpoints->slots[i]);
    for (size_t i = 0; i < endpoints->count; i++) {
        struct slot *slot = &endpoints->slots[i];
        struct endpoint *endpoint = &slot->endpoint;
        if (slot->lost_way || !endpoint->last_ok_ms)
            continue;
        endpoint->failing = another && is_bad(slot);
        endpoint->error = endpoint->failing ? slot->refusal : (struct error){0};
        set_state(endpoint, endpoint->failing ? ENDPOINT_DOWN : ENDPOINT_UP, now_ms);
        if (endpoint->failing)
            tell_lost(slot, now_ms);
        else if (!slot->refusing)
            tell_back(slot);
    }
}

void endpoints_answered(struct endpoints *endpoints, size_t index, const char *address, int64_t now_ms)
{
    struct endpoint *endpoint;

    if (index >= endpoints->count)
        return;
    endpoint = &endpoints->slots[index].endpoint;
    endpoint->requests++;
    endpoint->last_ok_ms = now_ms;
    endpoints->slots[index].lost_way = false;
    judge(endpoints, now_ms);
    if (address && *address && (!endpoint->last_address || strcmp(endpoint->last_address, address) != 0)) {
        char *copy = strdup(address);

        /* Without memory the old address stays: it worked once, and a wrong one costs a failover, no more. */
        if (copy) {
            free(endpoint->last_address);
            endpoint->last_address = copy;
        }
    }
}

static bool is_of_certificate(const struct error *error)
{
    return error->code == ERROR_CERTIFICATE || error->code == ERROR_CLOCK_WRONG;
}

void endpoints_failed(struct endpoints *endpoints, size_t index, const struct error *error, int64_t now_ms)
{
    struct slot *slot;

    if (index >= endpoints->count)
        return;
    slot = &endpoints->slots[index];
    slot->endpoint.requests++;
    slot->endpoint.failures++;
    slot->last_failed_ms = now_ms;
    if (error && is_of_certificate(error) && slot->endpoint.error.code != error->code)
        log_say(KIND_CERTIFICATE_REFUSED,
                (const struct log_field[]){
                    {"PVE_ENDPOINT", slot->endpoint.text}, LOG_ERROR_CODE(error), {NULL, NULL}},
                "%s; %s", error->message, error->hint);
    if (error)
        slot->endpoint.error = *error;
    else
        error_set(&slot->endpoint.error, ERROR_NO_ENDPOINT, "%s gave no answer", slot->endpoint.text);
    slot->lost_way = true;
    slot->endpoint.failing = false;
    set_state(&slot->endpoint, ENDPOINT_DOWN, now_ms);
    if (!is_of_certificate(&slot->endpoint.error)) /* which has been said */
        tell_lost(slot, now_ms);
    judge(endpoints, now_ms); /* it may have been the one that served */
}

/* ---- what the answers were ---- */

/* The ways to ask for a pool are one call in this. */
static bool is_same_call(enum api_call a, enum api_call b)
{
    return strcmp(api_row(a)->name, api_row(b)->name) == 0;
}

void endpoints_served(struct endpoints *endpoints, size_t index, enum api_call call, int64_t now_ms)
{
    for (size_t i = 0; i < endpoints->count && index < endpoints->count; i++) {
        struct slot *slot = &endpoints->slots[i];
        if (!slot->refusing || !is_same_call(slot->refused, call))
            continue;
        if (i == index)
            slot->refusing = slot->proven = false;
        else
            slot->proven = true;
    }
    judge(endpoints, now_ms);
}

void endpoints_refused(struct endpoints *endpoints, size_t index, enum api_call call,
                       const struct error *error, int64_t now_ms)
{
    if (index >= endpoints->count)
        return;
    struct slot *slot = &endpoints->slots[index];
    slot->proven = slot->refusing && slot->proven; /* by the former call, which it has not served since */
    slot->refusing = true;
    slot->refused = call;
    slot->refusal = *error;
    slot->last_failed_ms = now_ms;
    slot->endpoint.failures++;
    judge(endpoints, now_ms);
}

void endpoints_pardon(struct endpoints *endpoints, int64_t now_ms)
{
    for (size_t i = 0; i < endpoints->count; i++)
        endpoints->slots[i].refusing &= endpoints->slots[i].proven;
    judge(endpoints, now_ms);
}

enum api_call endpoints_question(const struct endpoints *endpoints, size_t index)
{
    bool refusing = index < endpoints->count && endpoints->slots[index].refusing;
    return refusing ? endpoints->slots[index].refused : API_VERSION;
}

static bool expires_soon(const struct endpoint *endpoint, int64_t realtime_ms)
{
    return endpoint->certificate_expires_ms &&
           endpoint->certificate_expires_ms - realtime_ms < ENDPOINTS_CERTIFICATE_SOON_MS;
}

void endpoints_timings(struct endpoints *endpoints, size_t index, const struct timings *timings)
{
    if (index >= endpoints->count || timings->tcp_us < 0)
        return;
    struct timings *known = &endpoints->slots[index].endpoint.timings;
    int64_t dns_us = timings->dns_us >= 0 ? timings->dns_us : known->dns_us;
    *known = *timings;
    known->dns_us = dns_us;
}

void endpoints_certificate(struct endpoints *endpoints, size_t index, int64_t expires_ms, int64_t realtime_ms)
{
    char end[CLOCK_RFC3339_LEN];

    if (index >= endpoints->count || expires_ms == 0)
        return;
    struct slot *slot = &endpoints->slots[index];
    if (slot->endpoint.certificate_expires_ms != expires_ms)
        slot->expiry_logged = false;
    slot->endpoint.certificate_expires_ms = expires_ms;
    if (slot->expiry_logged || !expires_soon(&slot->endpoint, realtime_ms))
        return;
    slot->expiry_logged = true;
    log_say(KIND_CERTIFICATE_EXPIRES,
            (const struct log_field[]){{"PVE_ENDPOINT", slot->endpoint.text}, {NULL, NULL}},
            "the certificate of %s %s at %s; renew it on that host: pvecm updatecerts --force",
            slot->endpoint.text, expires_ms > realtime_ms ? "expires" : "has expired",
            clock_rfc3339(expires_ms, end));
}

bool endpoints_clock_wrong(const struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        if (endpoints->slots[i].endpoint.error.code == ERROR_CLOCK_WRONG)
            return true;
    }
    return false;
}

bool endpoints_certificate_expires(const struct endpoints *endpoints, int64_t realtime_ms)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        if (expires_soon(&endpoints->slots[i].endpoint, realtime_ms))
            return true;
    }
    return false;
}
