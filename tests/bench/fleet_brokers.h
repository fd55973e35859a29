/*
 * Brokers of a fleet: each has the daemon's own rooms, wired as main.c does, over the Proxmox of fleet_pve.h,
 * with a history in memory.
 */
#pragma once

#include "fleet_pve.h"

#include "tests/unit/memory_history.h"

#include "fence/engine.h"
#include "fence/evidence.h"
#include "fence/facts.h"
#include "fence/guest_checks.h"
#include "fence/readiness.h"
#include "fence/rehearsal.h"
#include "fence/rooms.h"
#include "proxmox/poller.h"
#include "proxmox/probe.h"
#include "proxmox/session.h"
#include "system/config.h"

#define FLEET_ENDPOINTS 2

int history_write_error(const struct history *history)
{
    (void)history;
    return 0;
}

/* ---- a broker ---- */

struct broker {
    unsigned number; /* from 0 on; of its pool, too */
    struct config config;
    struct config_endpoint endpoints[FLEET_ENDPOINTS];
    char pool[8], *pools[1];
    struct transport transport;
    struct history history;
    struct rooms rooms;
    struct guest_checks *checks;
    int64_t ready_us; /* since when all its guests are; 0: they are not */
    int64_t fence_us; /* how long the last one took; 0: none, -1: it failed */
    int64_t asked_us;
};

static struct fleet {
    struct broker *brokers;
    unsigned count, guests; /* of a broker */
} fleet;

static void fleet_on_round(void *context)
{
    struct broker *broker = context;
    if (poller_inventory(broker->rooms.poller))
        evidence_keep(broker->rooms.evidence, poller_inventory(broker->rooms.poller));
    guest_checks_round_ended(broker->checks);
    engine_round_ended(broker->rooms.engine);
    rehearsals_round_ended(broker->rooms.rehearsals);
}

static void fleet_configure(struct broker *broker)
{
    static char address[] = "192.0.2.1", identity[] = "fence@pve!t", user[] = "fence@pve";
    for (unsigned i = 0; i < FLEET_ENDPOINTS; i++) {
        char *name = (char *)(uintptr_t)pve_names[(broker->number + i) % PVE_HOSTS];
        broker->endpoints[i] =
            (struct config_endpoint){.address = address, .name = name, .text = name, .port = 8006};
    }
    snprintf(broker->pool, sizeof(broker->pool), "p%u", broker->number);
    broker->pools[0] = broker->pool;
    /* as the configuration has them by default */
    broker->config = (struct config){
        .endpoints = broker->endpoints,
        .endpoint_count = FLEET_ENDPOINTS,
        .pools = broker->pools,
        .pool_count = 1,
        .poll_interval_ms = 14000,
        .check_interval_ms = 120000,
        .rehearse_interval_ms = 120000,
        .answer_timeout_ms = 4000,
        .deadline_ms = 240000,
        .lock_wait_ms = 5000,
        .stop_timeout_ms = 3000,
    };
    /* every other one logs in with a password */
    *(broker->number % 2 ? &broker->config.user : &broker->config.token_id) =
        broker->number % 2 ? user : identity;
}

static void fleet_begin(struct broker *broker)
{
    const struct config *config = &broker->config;
    struct error error = {0};
    struct rooms *rooms = &broker->rooms;
    fleet_be(broker->number + 1);
    struct session_credentials credentials = {
        .token_id = config->token_id, .user = config->user, .secret = secret_new("s", 1)};
    const struct engine_settings settings = {.deadline_ms = config->deadline_ms,
                                             .lock_wait_ms = config->lock_wait_ms,
                                             .stop_timeout_ms = config->stop_timeout_ms,
                                             .answer_timeout_ms = config->answer_timeout_ms};
    broker->transport.number = broker->number;
    rooms->config = config;
    rooms->transport = &broker->transport;
    rooms->history = &broker->history;
    rooms->evidence = evidence_new();
    rooms->grants = grants_new(NULL, &error);
    rooms->endpoints = endpoints_new(config->endpoints, config->endpoint_count);
    rooms->session = session_new(NULL, rooms->transport, rooms->endpoints, &credentials);
    rooms->poller = poller_new(NULL, rooms->session, rooms->endpoints, rooms->grants, NULL, config,
                               fleet_on_round, broker);
    rooms->engine = engine_new(NULL, rooms->session, rooms->poller, rooms->history, &settings);
    rooms->rehearsals = rehearsals_new(NULL, &error);
    if (!rooms->engine || !rooms->rehearsals ||
        !rehearsals_start(rooms->rehearsals, NULL, probe_new(rooms->session), rooms, config))
        abort();
    engine_use_evidence(rooms->engine, rooms->evidence);
    broker->checks = guest_checks_new(NULL, rooms, config->check_interval_ms, config->answer_timeout_ms);
    if (!broker->checks)
        abort();
    fleet_be(0);
}

static void fleet_end(struct broker *broker)
{
    struct transfer *transfer, *next;
    guest_checks_free(broker->checks);
    rehearsals_free(broker->rooms.rehearsals, 0);
    engine_free(broker->rooms.engine);
    poller_free(broker->rooms.poller);
    evidence_free(broker->rooms.evidence);
    session_free(broker->rooms.session);
    endpoints_free(broker->rooms.endpoints);
    grants_free(broker->rooms.grants, 0);
    history_forget(&broker->history);
    DL_FOREACH_SAFE (broker->transport.transfers, transfer, next) {
        event_free(transfer->landing);
        event_free(transfer->timeout);
        free(transfer);
    }
}

/* So many, with so many guests each, that all start in this moment. */
static inline void fleet_start(unsigned count, unsigned guests)
{
    if (count > PVE_BROKERS_MAX)
        abort();
    fleet = (struct fleet){.count = count, .guests = guests, .brokers = calloc(count, sizeof(struct broker))};
    memset(&pve, 0, sizeof(pve));
    pve.pool_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct pve_pool *pool = &pve.pools[i];
        *pool = (struct pve_pool){.guests = calloc(guests, sizeof(struct pve_guest)), .count = guests};
        for (unsigned j = 0; j < guests; j++)
            pool->guests[j] = (struct pve_guest){.vmid = (int)(PVE_FIRST_VMID + i * guests + j),
                                                 .host = (i + j) % PVE_HOSTS,
                                                 .pool = i,
                                                 .running = true,
                                                 .started_us = loop.now_us - 3600 * SECOND_US};
    }
    pve_count();
    for (unsigned i = 0; i < count; i++) {
        fleet.brokers[i].number = i;
        fleet_configure(&fleet.brokers[i]);
        fleet_begin(&fleet.brokers[i]);
    }
}

static inline void fleet_stop(void)
{
    for (unsigned i = 0; i < fleet.count; i++) {
        fleet_end(&fleet.brokers[i]);
        pve_changed(i);
        free(pve.pools[i].guests);
    }
    free(fleet.brokers);
    loop_forget();
}

/* ---- verdicts ---- */

static reason_set fleet_reasons(const struct broker *broker, unsigned guest)
{
    struct facts known;
    facts_gather(&known, &broker->rooms);
    const struct readiness_facts facts = known.readiness;
    const struct guest *one =
        facts.inventory ? inventory_by_vmid(facts.inventory, pve.pools[broker->number].guests[guest].vmid)
                        : NULL;
    return one ? readiness_guest(&facts, one) : readiness_overall(&facts);
}

static bool fleet_is_ready(const struct broker *broker)
{
    struct facts known;
    facts_gather(&known, &broker->rooms);
    const struct readiness_facts facts = known.readiness;
    bool ready = facts.inventory && inventory_count(facts.inventory) == fleet.guests;
    for (unsigned i = 0; ready && i < fleet.guests; i++)
        ready =
            readiness_verdict(readiness_guest(&facts, inventory_get(facts.inventory, i))) == VERDICT_READY;
    return ready;
}

/* Who was ready once need not be looked at again. */
static inline unsigned fleet_look(void)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < fleet.count; i++) {
        struct broker *broker = &fleet.brokers[i];
        if (!broker->ready_us && fleet_is_ready(broker))
            broker->ready_us = loop.now_us;
        ready += broker->ready_us != 0;
    }
    return ready;
}

static inline void fleet_forget_ready(void)
{
    for (unsigned i = 0; i < fleet.count; i++)
        fleet.brokers[i].ready_us = 0;
}

static inline unsigned fleet_ready_now(void)
{
    fleet_forget_ready();
    return fleet_look();
}

/* Until each of them has been ready since fleet_forget_ready(), by looks that are 0.1 s apart, or so long. */
static inline bool fleet_await_ready(int64_t limit_s)
{
    int64_t until_us = loop.now_us + limit_s * SECOND_US;
    while (fleet_look() < fleet.count) {
        if (loop.now_us >= until_us)
            return false;
        fleet_run_until(loop.now_us + SECOND_US / 10);
    }
    return true;
}

/* ---- fences ---- */

static void fleet_on_answer(void *context, const struct operation *operation, const struct error *error)
{
    struct broker *broker = context;
    (void)operation;
    broker->fence_us = error ? -1 : loop.now_us - broker->asked_us;
}

static inline void fleet_fence(struct broker *broker)
{
    char plug[16];
    struct error error = {0};
    snprintf(plug, sizeof(plug), "%d", pve.pools[broker->number].guests[0].vmid);
    struct engine_request request = {.action = FENCE_REBOOT, .plug = plug, .privileged = true};
    broker->fence_us = 0;
    broker->asked_us = loop.now_us;
    fleet_be(broker->number + 1);
    if (!engine_submit(broker->rooms.engine, &request, fleet_on_answer, broker, &error))
        broker->fence_us = -1;
    fleet_be(0);
}
