/*
 * What the tests of session and login share: three scripted hosts that know tickets and tokens, a session
 * that asks them, and clocks and a resolver that the test decides about.
 */
#pragma once

#include "proxmox/session.h"

#include "fake_pve.h"
#include "patience.h"
#include "proxmox/login.h"
#include "proxmox/transport.h"
#include "system/clock.h"
#include "system/log.h"

#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#define HOSTS       3
#define ANSWERS_MAX 64
#define LONG_MS     60000
#define HOUR_MS     INT64_C(3600000)

/* ---- what the rooms find instead of libc's ---- */

static _Atomic int64_t boottime_ahead_ms, monotonic_ahead_ms, realtime_ahead_ms;
static atomic_uint resolved;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_BOOTTIME)
        now->tv_sec += boottime_ahead_ms / 1000;
    if (clock == CLOCK_REALTIME) {
        int64_t ms = (int64_t)now->tv_sec * 1000 + now->tv_nsec / 1000000 + realtime_ahead_ms;
        *now = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    }
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += monotonic_ahead_ms / 1000;
    return result;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    resolved++;
    return real(node && strstr(node, "example") ? "127.0.0.1" : node, service, hints, result);
}

/* ---- the hosts ---- */

struct cluster {
    pthread_mutex_t lock;
    unsigned tickets, oldest_valid; /* numbers of tickets */
    bool refuse_password, refuse_renewal, hold_logins;
    const char *cut_logins_at; /* "Host: pve1"; NULL: nowhere */
    const char *token;
    const char *ticket; /* what a login gets instead of a ticket; NULL: a ticket */
    fake_script *calls;
    fake_script *logins; /* NULL: a ticket, or a refusal */
    const char *realms;  /* NULL: nobody may see them */
};

static inline void give_ticket(struct fake_exchange *exchange)
{
    struct cluster *cluster = exchange->fake->state;
    char answer[200];
    bool renewal = strstr(exchange->request->body, "&password=PVE%3A") != NULL;
    pthread_mutex_lock(&cluster->lock);
    bool refuse = renewal ? cluster->refuse_renewal : cluster->refuse_password;
    bool held = cluster->hold_logins;
    pthread_mutex_unlock(&cluster->lock);
    if (held)
        fake_hold(exchange);
    if (!exchange->open)
        return;
    pthread_mutex_lock(&cluster->lock);
    bool cut = cluster->cut_logins_at && strstr(exchange->request->raw, cluster->cut_logins_at);
    if (!refuse && !cut)
        snprintf(answer, sizeof(answer),
                 "{\"ticket\":\"PVE:fence@pve:%08X::a+/b=\",\"CSRFPreventionToken\":\"csrf%u\"}",
                 cluster->tickets + 1, cluster->tickets + 1);
    cluster->tickets += !refuse && !cut;
    pthread_mutex_unlock(&cluster->lock);
    if (cut)
        fake_cut(exchange);
    else if (refuse)
        fake_answer(exchange, 401, "authentication failure", "");
    else
        fake_data(exchange, cluster->ticket ? cluster->ticket : answer);
}

static inline bool is_known(const struct fake_exchange *exchange, const struct cluster *cluster)
{
    const char *cookie = strstr(exchange->request->raw, "PVEAuthCookie=PVE%3Afence%40pve%3A");
    if (cookie)
        return strtoul(cookie + 34, NULL, 16) >= cluster->oldest_valid;
    return cluster->token && strstr(exchange->request->raw, cluster->token);
}

static inline void pve(struct fake_exchange *exchange)
{
    struct cluster *cluster = exchange->fake->state;
    pthread_mutex_lock(&cluster->lock);
    bool known = is_known(exchange, cluster);
    fake_script *calls = cluster->calls, *logins = cluster->logins ? cluster->logins : give_ticket;
    const char *realms = cluster->realms;
    pthread_mutex_unlock(&cluster->lock);
    if (fake_is(exchange, "POST /api2/json/access/ticket"))
        logins(exchange);
    else if (realms && fake_is(exchange, "GET /api2/json/access/domains"))
        fake_data(exchange, realms);
    else if (!known)
        fake_answer(exchange, 401, "No ticket", "");
    else if (calls)
        calls(exchange);
    else
        fake_fitting(exchange);
}

/* ---- the fixture ---- */

struct answer {
    uint64_t id;
    enum api_outcome outcome;
    int status;
    struct error error;
    char endpoint[32];
};

struct world {
    struct event_base *base;
    struct transport *transport;
    struct endpoints *endpoints;
    struct session *session;
    struct cluster cluster;
    struct fake_pve *hosts[HOSTS];
    struct config_endpoint configured[HOSTS];
    struct answer answers[ANSWERS_MAX];
    unsigned answered, wanted;
    uint64_t victim; /* cancelled in the first callback */
    enum traffic_purpose purpose;
};

static struct fake_ca *ca;
static struct config_endpoint names[HOSTS] = {
    {.address = (char[]){"127.0.0.1"}, .name = (char[]){"pve1"}, .text = (char[]){"pve1"}},
    {.address = (char[]){"127.0.0.1"}, .name = (char[]){"pve2"}, .text = (char[]){"pve2"}},
    {.address = (char[]){"127.0.0.1"}, .name = (char[]){"pve3"}, .text = (char[]){"pve3"}},
};

static inline struct session_credentials password(const char *text)
{
    return (struct session_credentials){.user = "fence@pve", .secret = secret_new(text, strlen(text))};
}

static inline struct session_credentials token(const char *text)
{
    return (struct session_credentials){.token_id = "fence@pve!t", .secret = secret_new(text, strlen(text))};
}

static inline struct world *begin_as(struct session_credentials credentials)
{
    struct world *world = calloc(1, sizeof(*world));
    char alt[32];
    boottime_ahead_ms = monotonic_ahead_ms = realtime_ahead_ms = 0;
    pthread_mutex_init(&world->cluster.lock, NULL);
    for (int i = 0; i < HOSTS; i++) {
        snprintf(alt, sizeof(alt), "DNS:pve%d", i + 1);
        world->hosts[i] = fake_new(ca, alt, pve);
        world->hosts[i]->state = &world->cluster;
        world->configured[i] = names[i];
        world->configured[i].port = world->hosts[i]->port;
    }
    world->base = event_base_new();
    world->transport = transport_new(world->base, &(struct trust_source){.ca_pem = ca->pem});
    world->endpoints = endpoints_new(world->configured, HOSTS);
    world->session = session_new(world->base, world->transport, world->endpoints, &credentials);
    assert_non_null(world->session);
    world->purpose = TRAFFIC_FENCE;
    return world;
}

static inline struct world *begin(void)
{
    return begin_as(password("p+w d"));
}

static inline void end(struct world *world)
{
    session_free(world->session);
    transport_free(world->transport);
    endpoints_free(world->endpoints);
    event_base_free(world->base);
    for (int i = 0; i < HOSTS; i++)
        fake_free(world->hosts[i]);
    pthread_mutex_destroy(&world->cluster.lock);
    free(world);
}

#define SET(world, what)                                                                                     \
    do {                                                                                                     \
        pthread_mutex_lock(&(world)->cluster.lock);                                                          \
        (world)->cluster.what;                                                                               \
        pthread_mutex_unlock(&(world)->cluster.lock);                                                        \
    } while (0)

static inline void on_result(void *context, uint64_t id, const struct api_result *result)
{
    struct world *world = context;
    struct answer *answer = &world->answers[world->answered++];
    *answer = (struct answer){
        .id = id, .outcome = result->outcome, .status = result->http_status, .error = result->error};
    snprintf(answer->endpoint, sizeof(answer->endpoint), "%s", result->endpoint_text);
    if (world->victim)
        session_cancel(world->session, world->victim);
    if (world->answered >= world->wanted)
        event_base_loopbreak(world->base);
}

static inline uint64_t send_for(struct world *world, enum api_call call, const char *node,
                                int64_t deadline_ms, uint64_t avoid)
{
    struct api_request request = {
        .call = call, .node = node, .type = PVE_QEMU, .vmid = 101, .stop_timeout_s = 3};
    struct session_route route = {.purpose = world->purpose,
                                  .deadline_ms = clock_now_ms() + deadline_ms,
                                  .answer_timeout_ms = 4000,
                                  .avoid = avoid};
    uint64_t id = session_call(world->session, &request, &route, on_result, world);
    assert_true(id != 0);
    return id;
}

static inline uint64_t send_call(struct world *world, enum api_call call)
{
    return send_for(world, call, "pve1", LONG_MS, 0);
}

static inline void await(struct world *world, unsigned count)
{
    world->wanted = count;
    if (world->answered < count)
        dispatch_with_patience(world->base);
    assert_int_equal(world->answered, count);
}

static inline const struct answer *ask(struct world *world, enum api_call call)
{
    send_call(world, call);
    await(world, world->answered + 1);
    return &world->answers[world->answered - 1];
}

static inline unsigned total(struct world *world, const char *target)
{
    unsigned count = 0;
    for (int i = 0; i < HOSTS; i++)
        count += fake_count(world->hosts[i], target);
    return count;
}

#define LOGIN "POST /api2/json/access/ticket"
#define STOP  "POST /api2/json/nodes/pve1/qemu/101/status/stop"
#define READ  "GET /api2/json/nodes/pve1/qemu/101/status/current"

/* The loop turns until the hosts have seen so many requests of a kind. */
static inline void turn_until(struct world *world, const char *target, unsigned count)
{
    while (total(world, target) < count)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
}

/* The loop turns until so many exchanges were ever held. */
static inline void turn_until_held(struct world *world, unsigned count)
{
    unsigned held = 0;
    while (held < count) {
        event_base_loop(world->base, EVLOOP_NONBLOCK);
        held = 0;
        for (int i = 0; i < HOSTS; i++)
            held += fake_holds(world->hosts[i]);
    }
}

static inline void break_host(struct world *world, int index)
{
    fake_set_greeting(world->hosts[index], FAKE_SLAM);
    fake_drop_connections(world->hosts[index]);
}

static inline const struct fake_request *last_request(struct world *world, const char *target)
{
    for (int i = 0; i < HOSTS; i++) {
        for (unsigned k = world->hosts[i]->request_count; k > 0; k--) {
            if (strcmp(world->hosts[i]->requests[k - 1].target, target) == 0)
                return &world->hosts[i]->requests[k - 1];
        }
    }
    fail_msg("no request %s", target);
    return NULL;
}

static inline void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static inline void hold_calls(struct fake_exchange *exchange)
{
    fake_hold(exchange);
    if (exchange->open)
        fake_answer(exchange, 401, "No ticket", "");
}

static inline int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
    log_set_level(LOG_CRIT);
    ca = fake_ca_new("Proxmox Virtual Environment");
    return transport_global_init(&error);
}

static inline int tear_down(void **state)
{
    (void)state;
    fake_ca_free(ca);
    transport_global_cleanup();
    return 0;
}
