/*
 * The Proxmox that a fleet of brokers asks, in place of the daemon's transport: three hosts, each with three
 * workers that take the CPU time which was measured on a real one, connections with the rules of pveproxy and
 * of the real transport, guests that obey, and troubles to be brought about. What was asked is counted by
 * second and host. Knows no broker but by its number.
 */
#pragma once

#include "fleet_loop.h"

#include "proxmox/guest_list.h"
#include "proxmox/transport.h"

#include <stdarg.h>
#include <string.h>

#define PVE_HOSTS       3
#define PVE_WORKERS     3 /* of a host: pveproxy has three, and so has pvedaemon */
#define PVE_SECONDS     8192
#define PVE_WIRE_US     300             /* there and back */
#define PVE_KEEPS_US    (4 * SECOND_US) /* curl uses a connection that was idle for 3 whole seconds */
#define PVE_IDLE_MAX    8
#define PVE_BROKERS_MAX 1024
#define PVE_FIRST_VMID  100
#define PVE_STOP_US     (500 * 1000) /* until QEMU has ended, and the task with it … */
#define PVE_START_US    (900 * 1000)

/* CPU time on a real 9.2, in microseconds (stop, start, a task's status and a ticket: assumed). */
#define PVE_HANDSHAKE_US 3700
#define PVE_FORWARD_US   7000 /* what is passed on to the guest's host costs the one that was asked, … */
static const int64_t pve_cost_us[API_CALL_COUNT] = {
    [API_VERSION] = 1000,   [API_TICKET] = 5000,      [API_DOMAINS] = 1000, [API_PERMISSIONS] = 1500,
    [API_RESOURCES] = 3000, [API_GUESTS] = 2000,      [API_NODES] = 1500,   [API_HA_STATUS] = 2000,
    [API_POOL] = 1300,      [API_POOL_NESTED] = 1300, [API_STATUS] = 12000, [API_CONFIG] = 1200,
    [API_START] = 12000,    [API_STOP] = 12000,       [API_RESET] = 12000,  [API_REHEARSE] = 6300,
    [API_TASK] = 1500,      [API_TASKS] = 2200,
};
#define PVE_FORWARD_STATUS_US 10000 /* … and a status more */

enum pve_mode { PVE_UP, PVE_REFUSES, PVE_SILENT, PVE_FAILS, PVE_SLOW };

struct pve_host {
    enum pve_mode mode;                 /* of its API */
    bool offline, maintenance, unknown; /* by the list of hosts */
    int64_t free_us[PVE_WORKERS];
    unsigned requests[PVE_SECONDS]; /* by second, from pve.since_us on */
};

struct pve_guest {
    int vmid;
    unsigned host, pool; /* a broker's number, from 0 on */
    bool running, turns_on, undead;
    int64_t started_us, turns_us; /* 0: no stop or start is under way */
    /* troubles */
    const char *lock, *hastate, *name;
    bool template, hookscript, no_nic, no_right;
    int status_fails, rehearsal_fails; /* with this HTTP status */
    int64_t slow_us;
};

struct pve_pool {
    struct pve_guest *guests;
    unsigned count;
    bool empty, excess, unknown_login;
    /* answers that are given again until something changes */
    struct guest_list *list;
    struct json_object *permissions;
};

static struct {
    struct pve_host hosts[PVE_HOSTS];
    struct pve_pool pools[PVE_BROKERS_MAX];
    unsigned pool_count, tasks;
    bool certificates_expire;
    /* counted since pve_count() */
    int64_t since_us, cpu_us;
    uint64_t requests[TRAFFIC_PURPOSE_COUNT], handshakes[TRAFFIC_PURPOSE_COUNT], calls[API_CALL_COUNT];
} pve;

static inline void pve_count(void)
{
    for (unsigned i = 0; i < PVE_HOSTS; i++)
        memset(pve.hosts[i].requests, 0, sizeof(pve.hosts[i].requests));
    memset(pve.requests, 0, sizeof(pve.requests));
    memset(pve.handshakes, 0, sizeof(pve.handshakes));
    memset(pve.calls, 0, sizeof(pve.calls));
    pve.since_us = loop.now_us;
    pve.cpu_us = 0;
}

/* ---- answers ---- */

static const char *const pve_names[PVE_HOSTS] = {"pve1", "pve2", "pve3"};

static unsigned pve_host_of(const char *name)
{
    unsigned number = 0;
    return sscanf(name, "pve%u", &number) == 1 && number >= 1 && number <= PVE_HOSTS ? number - 1 : 0;
}

/* All pools are of one size. */
static struct pve_guest *pve_guest_of(int vmid)
{
    unsigned index = (unsigned)vmid - PVE_FIRST_VMID, size = pve.pools[0].count;
    return &pve.pools[index / size].guests[index % size];
}

static struct json_object *pve_json(const char *format, ...) __attribute__((format(printf, 1, 2)));
static struct json_object *pve_json(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct json_object *object = json_tokener_parse(text);
    if (!object)
        abort();
    return object;
}

static void pve_list_guest(struct guest_list *list, const struct pve_guest *guest)
{
    char text[512];
    int length = snprintf(text, sizeof(text),
                          "{\"type\":\"qemu\",\"vmid\":%d,\"node\":\"%s\",\"name\":\"%s%d\",\"pool\":\"p%u\","
                          "\"status\":\"%s\"",
                          guest->vmid, pve_names[guest->host], guest->name ? guest->name : "vm",
                          guest->name ? 0 : guest->vmid, guest->pool, guest->running ? "running" : "stopped");
    if (guest->lock)
        length += snprintf(text + length, sizeof(text) - (size_t)length, ",\"lock\":\"%s\"", guest->lock);
    if (guest->hastate)
        length +=
            snprintf(text + length, sizeof(text) - (size_t)length, ",\"hastate\":\"%s\"", guest->hastate);
    length += snprintf(text + length, sizeof(text) - (size_t)length, "%s}",
                       guest->template ? ",\"template\":1" : "");
    if (guest_list_add(list, text, (size_t)length) < 0)
        abort();
}

static struct guest_list *pve_list(struct pve_pool *pool)
{
    if (!pool->list) {
        pool->list = guest_list_new();
        for (unsigned i = 0; !pool->empty && i < pool->count; i++)
            pve_list_guest(pool->list, &pool->guests[i]);
        guest_list_finish(pool->list);
    }
    return guest_list_ref(pool->list);
}

static struct json_object *pve_hosts_listed(void)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < PVE_HOSTS; i++) {
        const struct pve_host *host = &pve.hosts[i];
        json_object_array_add(list, pve_json("{\"type\":\"node\",\"node\":\"%s\",\"status\":\"%s\"%s}",
                                             pve_names[i],
                                             host->offline   ? "offline"
                                             : host->unknown ? "unknown"
                                                             : "online",
                                             host->maintenance ? ",\"hastate\":\"maintenance\"" : ""));
    }
    return list;
}

static struct json_object *pve_permissions(struct pve_pool *pool)
{
    char key[32];
    if (!pool->permissions) {
        pool->permissions = json_object_new_object();
        for (unsigned i = 0; i < pool->count; i++) {
            snprintf(key, sizeof(key), "/vms/%d", pool->guests[i].vmid);
            json_object_object_add(pool->permissions, key,
                                   pve_json(pool->guests[i].no_right
                                                ? "{\"VM.Audit\":0}"
                                                : "{\"VM.PowerMgmt\":0,\"VM.Audit\":0}"));
        }
        snprintf(key, sizeof(key), "/pool/p%u", (unsigned)(pool - pve.pools));
        json_object_object_add(pool->permissions, key,
                               pve_json("{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1}"));
        if (pool->excess)
            json_object_object_add(pool->permissions, "/storage", pve_json("{\"Datastore.Audit\":1}"));
    }
    return json_object_get(pool->permissions);
}

/* After a trouble was brought about, or has ended. */
static inline void pve_changed(unsigned number)
{
    struct pve_pool *pool = &pve.pools[number];
    guest_list_unrefp(&pool->list);
    json_object_put(pool->permissions);
    pool->permissions = NULL;
}

static void pve_goes_on(struct pve_guest *guest)
{
    if (!guest->turns_us || loop.now_us < guest->turns_us)
        return;
    if (guest->turns_on && !guest->running)
        guest->started_us = guest->turns_us;
    guest->running = guest->turns_on;
    guest->turns_us = 0;
    pve_changed(guest->pool);
}

static struct json_object *pve_status(struct pve_guest *guest)
{
    pve_goes_on(guest);
    return pve_json("{\"vmid\":%d,\"status\":\"%s\",\"uptime\":%lld%s}", guest->vmid,
                    guest->running ? "running" : "stopped",
                    guest->running ? (long long)((loop.now_us - guest->started_us) / SECOND_US) : 0,
                    guest->running || guest->undead ? ",\"nics\":{\"tap100i0\":{}}" : "");
}

static struct json_object *pve_power(struct pve_guest *guest, bool on)
{
    char upid[PVE_UPID_MAX];
    guest->turns_on = on;
    guest->turns_us = loop.now_us + (on ? PVE_START_US : PVE_STOP_US);
    snprintf(upid, sizeof(upid), "UPID:%s:%08X:10000000:%08X:%s:%d:fence@pve!t:", pve_names[guest->host],
             ++pve.tasks, (unsigned)(clock_realtime_ms() / 1000), on ? "qmstart" : "qmstop", guest->vmid);
    return json_object_new_string(upid);
}

/* ---- transport ---- */

struct transfer {
    struct transport *transport;
    uint64_t id;
    enum traffic_purpose purpose;
    struct api_request request; /* of its strings the host alone */
    char node[PVE_NODE_MAX], endpoint_text[16];
    size_t endpoint;
    unsigned host, connections;
    bool written;
    int64_t asked_us, timeout_ms;
    struct event *landing, *timeout;
    transport_done_fn *done;
    void *context;
    struct transfer *prev, *next;
};

struct connection {
    unsigned host;
    bool fences; /* the lane: polls and checks have one, fences and logins another; rehearsals keep none */
    int64_t until_us;
};

struct transport {
    unsigned number; /* of the broker */
    uint64_t last_id;
    struct transfer *transfers;
    struct connection idle[PVE_IDLE_MAX];
};

static void transfer_end(struct transfer *transfer, struct api_result *result)
{
    struct transport *transport = transfer->transport;
    result->endpoint = transfer->endpoint;
    result->endpoint_text = transfer->endpoint_text;
    result->asked_ms = transfer->asked_us / 1000;
    result->received_ms = clock_now_ms();
    result->timings = TIMINGS_NONE;
    result->reason = result->reason ? result->reason : "";
    if (transfer->connections && pve.certificates_expire)
        result->certificate_expires_ms = clock_realtime_ms() + 1000;
    DL_DELETE(transport->transfers, transfer);
    event_free(transfer->landing);
    event_free(transfer->timeout);
    if (transfer->done)
        transfer->done(transfer->context, transfer->id, result, result->outcome == API_OK ? "192.0.2.1" : "");
    guest_list_unref(result->guests);
    json_object_put(result->data);
    json_object_put(result->errors);
    free(transfer);
}

/* An answer leaves its connection open; a refusal closes it. */
static void pve_keep(const struct transfer *transfer)
{
    struct connection *place = &transfer->transport->idle[0];
    if (transfer->purpose == TRAFFIC_REHEARSAL)
        return;
    for (unsigned i = 1; i < PVE_IDLE_MAX; i++) {
        if (transfer->transport->idle[i].until_us < place->until_us)
            place = &transfer->transport->idle[i];
    }
    *place = (struct connection){.host = transfer->host,
                                 .fences = transfer->purpose >= TRAFFIC_LOGIN,
                                 .until_us = loop.now_us + PVE_KEEPS_US};
}

static void pve_refuse(struct transfer *transfer, int status, const char *reason, struct json_object *errors)
{
    struct api_result result = {
        .outcome = API_REFUSED, .http_status = status, .reason = reason, .errors = errors};
    error_set(&result.error,
              status == 401   ? ERROR_NO_SESSION
              : status == 403 ? ERROR_NO_POWER_RIGHT
                              : ERROR_PROTOCOL,
              "Proxmox at %s answered with %d %s", transfer->endpoint_text, status, reason);
    transfer_end(transfer, &result);
}

static struct json_object *pve_task(struct pve_guest *guest)
{
    pve_goes_on(guest);
    return pve_json(guest->turns_us ? "{\"status\":\"running\"}"
                                    : "{\"status\":\"stopped\",\"exitstatus\":\"OK\"}");
}

static bool pve_is_of_guest(enum api_call call)
{
    return call == API_STATUS || call == API_CONFIG || call >= API_START;
}

/* Of the guest; data, or a refusal: then the transfer has ended. */
static bool pve_ask_guest(struct transfer *transfer, struct json_object **data)
{
    struct pve_guest *guest = pve_guest_of(transfer->request.vmid);
    const struct pve_host *host = &pve.hosts[guest->host];
    int status = host->mode == PVE_UP || host->mode == PVE_SLOW || transfer->host == guest->host ? 0
                 : host->mode == PVE_REFUSES                                                     ? 595
                                                                                                 : 596;
    if (!status && transfer->request.call == API_STATUS)
        status = guest->status_fails;
    if (!status && transfer->request.call == API_REHEARSE)
        status = guest->no_right ? 403 : guest->rehearsal_fails ? guest->rehearsal_fails : 400;
    if (status) {
        pve_refuse(transfer, status, "simulated",
                   status == 400 ? pve_json("{\"timeout\":\"type check ('integer') failed\"}") : NULL);
        return false;
    }
    enum api_call call = transfer->request.call;
    if (call == API_STATUS)
        *data = pve_status(guest);
    else if (call == API_CONFIG)
        *data = pve_json("{\"smbios1\":\"uuid=11111111-2222-3333-4444-%012d\"%s%s}", guest->vmid,
                         guest->no_nic ? "" : ",\"net0\":\"virtio\"",
                         guest->hookscript ? ",\"hookscript\":\"local:snippets/a\"" : "");
    else if (call == API_TASK)
        *data = pve_task(guest);
    else if (call == API_TASKS)
        *data = json_object_new_array();
    else
        *data = pve_power(guest, call == API_START);
    return true;
}

static void pve_answer(struct transfer *transfer)
{
    struct pve_pool *pool = &pve.pools[transfer->transport->number];
    struct api_result result = {.outcome = API_OK, .http_status = 200};
    enum api_call call = transfer->request.call;
    if (call == API_VERSION)
        result.data = pve_json("{\"version\":\"9.2.11\"}");
    else if (call == API_TICKET)
        result.data = pve_json("{\"ticket\":\"PVE:fence@pve:0::a\",\"CSRFPreventionToken\":\"0:a\"}");
    else if (call == API_PERMISSIONS)
        result.data = pve_permissions(pool);
    else if (pve_is_of_guest(call) && !pve_ask_guest(transfer, &result.data))
        return;
    if (call == API_RESOURCES || call == API_GUESTS || call == API_POOL)
        result.guests = pve_list(pool);
    if (call == API_RESOURCES || call == API_NODES)
        result.data = pve_hosts_listed();
    pve_keep(transfer);
    transfer_end(transfer, &result);
}

static void pve_on_landing(evutil_socket_t fd, short what, void *context)
{
    struct transfer *transfer = context;
    struct api_result result = {.outcome = API_UNSENT};
    (void)fd;
    (void)what;
    switch (pve.hosts[transfer->host].mode) {
    case PVE_REFUSES:
        error_set(&result.error, ERROR_NO_ENDPOINT, "connection refused");
        transfer_end(transfer, &result);
        return;
    case PVE_SILENT: /* it fell silent meanwhile: until its time is over */
        return;
    case PVE_FAILS:
        pve_refuse(transfer, 500, "simulated", NULL);
        return;
    case PVE_UP:
    case PVE_SLOW:
        break;
    }
    if (pve.pools[transfer->transport->number].unknown_login)
        pve_refuse(transfer, 401, "authentication failure", NULL);
    else
        pve_answer(transfer);
}

static void pve_on_timeout(evutil_socket_t fd, short what, void *context)
{
    struct transfer *transfer = context;
    struct api_result result = {.outcome = transfer->written ? API_LOST : API_UNSENT};
    (void)fd;
    (void)what;
    error_set(&result.error, transfer->written ? ERROR_PROTOCOL : ERROR_NO_ENDPOINT, "no answer in time");
    transfer_end(transfer, &result);
}

/* When a worker of this host has done it. */
static int64_t pve_work(struct pve_host *host, int64_t from_us, int64_t cost_us)
{
    unsigned first = 0;
    for (unsigned i = 1; i < PVE_WORKERS; i++)
        first = host->free_us[i] < host->free_us[first] ? i : first;
    int64_t begins_us = host->free_us[first] > from_us ? host->free_us[first] : from_us;
    pve.cpu_us += cost_us;
    return host->free_us[first] = begins_us + cost_us;
}

static bool pve_take_connection(struct transfer *transfer)
{
    for (unsigned i = 0; i < PVE_IDLE_MAX && transfer->purpose != TRAFFIC_REHEARSAL; i++) {
        struct connection *connection = &transfer->transport->idle[i];
        if (connection->until_us <= loop.now_us || connection->host != transfer->host ||
            connection->fences != (transfer->purpose >= TRAFFIC_LOGIN))
            continue;
        connection->until_us = 0;
        return true;
    }
    return false;
}

/* Through the hosts, and back. */
static int64_t pve_ends_us(struct transfer *transfer, bool kept)
{
    struct pve_host *host = &pve.hosts[transfer->host];
    enum api_call call = transfer->request.call;
    const struct pve_guest *guest = pve_is_of_guest(call) ? pve_guest_of(transfer->request.vmid) : NULL;
    int64_t now_us = loop.now_us, cost_us = pve_cost_us[call], own_us = kept ? 0 : PVE_HANDSHAKE_US;
    size_t second = (size_t)((now_us - pve.since_us) / SECOND_US);
    if (second < PVE_SECONDS)
        host->requests[second]++;
    transfer->connections = !kept;
    bool elsewhere = guest && guest->host != transfer->host;
    own_us += !elsewhere ? cost_us : call == API_STATUS ? PVE_FORWARD_STATUS_US : PVE_FORWARD_US;
    int64_t end_us = pve_work(host, now_us, own_us);
    if (elsewhere)
        end_us = pve_work(&pve.hosts[guest->host], end_us, cost_us);
    if (guest && call == API_STATUS)
        end_us += guest->slow_us;
    return end_us + PVE_WIRE_US + (host->mode == PVE_SLOW ? 3 * SECOND_US : 0);
}

uint64_t transport_send(struct transport *transport, enum traffic_purpose purpose,
                        const struct endpoint *endpoint, size_t endpoint_index,
                        const struct api_request *request, const struct transport_auth *auth,
                        int64_t timeout_ms, transport_done_fn *done, void *context)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    (void)auth;
    if (!transfer)
        abort();
    *transfer = (struct transfer){.transport = transport,
                                  .id = ++transport->last_id,
                                  .purpose = purpose,
                                  .request = *request,
                                  .endpoint = endpoint_index,
                                  .host = pve_host_of(endpoint->text),
                                  .asked_us = loop.now_us,
                                  .done = done,
                                  .context = context};
    snprintf(transfer->endpoint_text, sizeof(transfer->endpoint_text), "%s", endpoint->text);
    if (request->call == API_TASK) /* its guest stands in the name of the task */
        sscanf(request->upid, "UPID:%*[^:]:%*[^:]:%*[^:]:%*[^:]:%*[^:]:%d", &transfer->request.vmid);
    transfer->request.node = transfer->request.upid = transfer->request.pool = NULL;
    transfer->landing = event_new(NULL, -1, 0, pve_on_landing, transfer);
    transfer->timeout = event_new(NULL, -1, 0, pve_on_timeout, transfer);
    DL_APPEND(transport->transfers, transfer);
    enum pve_mode mode = pve.hosts[transfer->host].mode;
    bool kept = mode != PVE_REFUSES && pve_take_connection(transfer);
    transfer->written = kept || mode == PVE_UP || mode == PVE_FAILS || mode == PVE_SLOW;
    pve.requests[purpose]++;
    pve.calls[request->call]++;
    if (mode != PVE_SILENT)
        loop_after_us(transfer->landing,
                      mode == PVE_REFUSES ? 1000 : pve_ends_us(transfer, kept) - loop.now_us);
    pve.handshakes[purpose] += transfer->connections;
    loop_after_us(transfer->timeout, 1000 * (timeout_ms > 0 ? timeout_ms : 1));
    return transfer->id;
}

const struct traffic *transport_traffic(const struct transport *transport)
{
    (void)transport;
    return NULL;
}

void transport_forget(struct transport *transport, uint64_t id)
{
    struct transfer *transfer;
    DL_FOREACH (transport->transfers, transfer) {
        if (transfer->id == id)
            transfer->done = NULL;
    }
}
