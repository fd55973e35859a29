/*
 * What the tests of the poller share: two scripted hosts whose answers are a table, a poller that asks them,
 * and a clock that the test can set ahead.
 */
#pragma once

#include "proxmox/poller_private.h"

#include "fake_pve.h"
#include "patience.h"
#include "proxmox/transport.h"
#include "system/clock.h"
#include "system/log.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

static _Atomic int64_t monotonic_ahead_ms;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += monotonic_ahead_ms / 1000;
    return result;
}

/* ---- the hosts ---- */

#define API "GET /api2/json"

enum topic { VERSION, GUESTS, NODES, PERMISSIONS, POOL, OTHER_POOL, NESTED, TOPICS };

static const char *const targets[TOPICS] = {
    [VERSION] = API "/version",        [GUESTS] = API "/cluster/resources", /* with the hosts behind them */
    [NODES] = "never asked for alone", [PERMISSIONS] = API "/access/permissions", [POOL] = API "/pools/p",
    [OTHER_POOL] = API "/pools/q",     [NESTED] = API "/pools?poolid=p%2Fsub",
};

#define GUEST(id, node, more) "{\"type\":\"qemu\",\"vmid\":" #id ",\"node\":\"" node "\"" more "}"
/* what fencing takes, and no more */
#define TIDY    "{" MAY(101) "," MAY(102) ",\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1}}"
#define MAY(id) "\"/vms/" #id "\":{\"VM.PowerMgmt\":0,\"VM.Audit\":0}"

static const char *const usual[TOPICS] = {
    [VERSION] = "{\"version\":\"9.2.11\",\"release\":\"9.2\"}",
    [GUESTS] =
        "[" GUEST(101, "pve1", ",\"name\":\"web\",\"status\":\"running\",\"lock\":\"backup\"") "," GUEST(
            102, "pve2", ",\"name\":\"db\",\"hastate\":\"started\"") "," GUEST(900, "pve1",
                                                                               ",\"name\":\"foreign\"") "]",
    [NODES] = "[{\"type\":\"node\",\"node\":\"pve1\",\"status\":\"online\"},"
              "{\"type\":\"node\",\"node\":\"pve2\",\"status\":\"offline\"}]",
    [PERMISSIONS] =
        "{" MAY(101) "," MAY(102) ",\"/vms/900\":{\"VM.Audit\":0},\"/pool/p\":{\"VM.PowerMgmt\":1}}",
    [POOL] = "{\"members\":[" GUEST(102, "pve2", ",\"name\":\"db\"") "," GUEST(101, "pve1",
                                                                               ",\"name\":\"web\"") "]}",
    [OTHER_POOL] = "{\"members\":[" GUEST(900, "pve1", ",\"name\":\"foreign\"") "]}",
    [NESTED] = "[{\"poolid\":\"p/sub\",\"members\":[" GUEST(101, "pve1", ",\"name\":\"web\"") "]}]",
};

struct book {
    pthread_mutex_t lock;
    const char *data[TOPICS];
    int status[TOPICS]; /* 0: 200 */
    bool held[TOPICS];
};

static void pve(struct fake_exchange *exchange)
{
    struct book *book = exchange->fake->state;
    for (size_t i = 0; i < TOPICS; i++) {
        if (!fake_is(exchange, targets[i]))
            continue;
        pthread_mutex_lock(&book->lock);
        const char *data = book->data[i];
        const char *nodes = book->data[NODES];
        int status = book->status[i];
        if (i == GUESTS && !status)
            status = book->status[NODES];
        bool held = book->held[i];
        pthread_mutex_unlock(&book->lock);
        char both[2048];
        size_t length = data ? strlen(data) : 0;
        if (i == GUESTS && !status && length > 0 && data[length - 1] == ']') {
            bool bare = strcmp(data, "[]") == 0 || strcmp(nodes, "[]") == 0;
            snprintf(both, sizeof(both), "%.*s%s%s", (int)length - 1, data, bare ? "" : ",", nodes + 1);
            data = both;
        }
        if (held)
            fake_hold(exchange);
        if (status)
            fake_answer(exchange, status, "Permission check failed", "");
        else
            fake_data(exchange, data);
        return;
    }
    fake_answer(exchange, 501, "Method not implemented", "");
}

/* ---- the fixture ---- */

struct world {
    struct event_base *base;
    struct transport *transport;
    struct endpoints *endpoints;
    struct session *session;
    struct grants *grants;
    struct poller *poller;
    struct book book;
    struct fake_pve *hosts[2];
    struct config_endpoint configured[2];
    char *pools[2];
    struct config_alias alias;
    struct config config;
    unsigned rounds, wanted;
};

static struct fake_ca *ca;

static void on_round(void *context)
{
    struct world *world = context;
    if (++world->rounds >= world->wanted)
        event_base_loopbreak(world->base);
}

static struct world *begin(void)
{
    struct world *world = calloc(1, sizeof(*world));
    struct session_credentials credentials = {.token_id = "fence@pve!t", .secret = secret_new("s", 1)};
    static char names[][5] = {"pve1", "pve2"}, address[] = "127.0.0.1";
    struct error error = {0};
    monotonic_ahead_ms = 0;
    pthread_mutex_init(&world->book.lock, NULL);
    memcpy(world->book.data, usual, sizeof(usual));
    for (int i = 0; i < 2; i++) {
        world->hosts[i] = fake_new(ca, "DNS:pve1,DNS:pve2", pve);
        world->hosts[i]->state = &world->book;
        world->configured[i] = (struct config_endpoint){
            .address = address, .name = names[i], .text = names[i], .port = world->hosts[i]->port};
    }
    world->pools[0] = (char *)(uintptr_t) "p";
    world->pools[1] = (char *)(uintptr_t) "q";
    world->alias =
        (struct config_alias){.node = (char *)(uintptr_t) "node1", .target = (char *)(uintptr_t) "101"};
    world->config = (struct config){.pools = world->pools,
                                    .pool_count = 1,
                                    .aliases = &world->alias,
                                    .alias_count = 1,
                                    .poll_interval_ms = 60000,
                                    .answer_timeout_ms = 4000};
    world->base = event_base_new();
    world->transport = transport_new(world->base, &(struct trust_source){.ca_pem = ca->pem});
    world->endpoints = endpoints_new(world->configured, 2);
    world->session = session_new(world->base, world->transport, world->endpoints, &credentials);
    world->grants = grants_new(NULL, &error);
    world->poller = poller_new(world->base, world->session, world->endpoints, world->grants, NULL,
                               &world->config, on_round, world);
    assert_non_null(world->poller);
    return world;
}

static void end(struct world *world)
{
    poller_free(world->poller);
    grants_free(world->grants, 0);
    session_free(world->session);
    transport_free(world->transport);
    endpoints_free(world->endpoints);
    event_base_free(world->base);
    for (int i = 0; i < 2; i++)
        fake_free(world->hosts[i]);
    pthread_mutex_destroy(&world->book.lock);
    free(world);
}

#define SET(world, what)                                                                                     \
    do {                                                                                                     \
        pthread_mutex_lock(&(world)->book.lock);                                                             \
        (world)->book.what;                                                                                  \
        pthread_mutex_unlock(&(world)->book.lock);                                                           \
    } while (0)

static void await_rounds(struct world *world, unsigned count)
{
    world->wanted = count;
    if (world->rounds < count)
        dispatch_with_patience(world->base);
    assert_int_equal(world->rounds, count);
}

static void poll_once(struct world *world)
{
    poller_poll_now(world->poller);
    await_rounds(world, world->rounds + 1);
}

/* The one that comes by itself. */
static inline void next_round(struct world *world)
{
    monotonic_ahead_ms += world->config.poll_interval_ms;
    world->poller->times.privileges_ms = 0;            /* on a busy machine they take long */
    event_active(world->poller->timer, EV_TIMEOUT, 0); /* libevent has a clock of its own */
    await_rounds(world, world->rounds + 1);
}

/* A round does not wait for the other endpoints: let their probes end. */
static inline void await_all_up(struct world *world)
{
    for (int round = 0; round < 10 && endpoints_up(world->endpoints) < 2; round++) {
        poll_once(world);
        for (int i = 0; i < 200 && endpoints_up(world->endpoints) < 2; i++) {
            event_base_loop(world->base, EVLOOP_NONBLOCK);
            poll(NULL, 0, 2);
        }
    }
}

static unsigned total(struct world *world, enum topic topic)
{
    return fake_count(world->hosts[0], targets[topic]) + fake_count(world->hosts[1], targets[topic]);
}

static inline void turn_until(struct world *world, enum topic topic, unsigned count)
{
    while (total(world, topic) < count)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
}

static const struct guest *guest(struct world *world, int vmid)
{
    assert_non_null(poller_inventory(world->poller));
    return inventory_by_vmid(poller_inventory(world->poller), vmid);
}

static int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
    log_set_level(LOG_CRIT);
    ca = fake_ca_new("Proxmox Virtual Environment");
    return transport_global_init(&error);
}

static int tear_down(void **state)
{
    (void)state;
    fake_ca_free(ca);
    transport_global_cleanup();
    return 0;
}
