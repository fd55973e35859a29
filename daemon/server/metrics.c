/*
 * Metrics: a new one is a row of the table and a function that writes its samples. Every counter is there
 * from the start, at 0: increase() does not see a counter that is born with its first event.
 */
#include "server/metrics.h"

#include "system/cleanup.h"

#include <inttypes.h>
#include <string.h>

struct scrape {
    const struct view_facts *view;
    const struct metrics_server *server;
};

typedef void family_write_fn(struct text *out, const char *name, const struct scrape *scrape);

/* ---- samples ---- */

static void put_label(struct text *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            text_append(out, "\\", 1);
        if (*value == '\n')
            text_puts(out, "\\n");
        else
            text_append(out, value, 1);
    }
}

static void put_count(struct text *out, const char *name, const char *label, const char *value,
                      uint64_t count)
{
    text_puts(out, name);
    if (label) {
        text_printf(out, "{%s=\"", label);
        put_label(out, value);
        text_puts(out, "\"}");
    }
    text_printf(out, " %" PRIu64 "\n", count);
}

static void put_seconds(struct text *out, const char *name, int64_t ms)
{
    text_printf(out, "%s %s%" PRId64 ".%03d\n", name, ms < 0 ? "-" : "", ms < 0 ? -(ms / 1000) : ms / 1000,
                (int)(ms < 0 ? -(ms % 1000) : ms % 1000));
}

/* ---- the daemon itself ---- */

static void build_info(struct text *out, const char *name, const struct scrape *scrape)
{
    (void)scrape;
    put_count(out, name, "version", FENCE_BROKER_VERSION, 1);
}

static void resident_memory(struct text *out, const char *name, const struct scrape *scrape)
{
    if (scrape->server->resident_bytes >= 0)
        put_count(out, name, NULL, NULL, (uint64_t)scrape->server->resident_bytes);
}

static void start_time(struct text *out, const char *name, const struct scrape *scrape)
{
    put_seconds(out, name, scrape->server->start_realtime_ms);
}

static void log_lost_records(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->server->log_lost);
}

/* ---- requests ---- */

static void requests(struct text *out, const char *name, const struct scrape *scrape)
{
    static const char *const results[ENGINE_RESULT_COUNT] = {
        [ENGINE_RESULT_DONE] = "done",
        [ENGINE_RESULT_FAILED] = "failed",
        [ENGINE_RESULT_ABANDONED] = "abandoned",
    };
    const struct engine_counters *engine = scrape->view->engine;

    for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
        for (size_t result = 0; result < ARRAY_LEN(results); result++) {
            text_printf(out, "%s{action=\"%s\",result=\"%s\"} %" PRIu64 "\n", name, fence_action_name(action),
                        results[result], engine ? engine->answered[action][result] : 0);
        }
    }
}

static void in_flight(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->operations_running);
}

static void joined(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->engine ? scrape->view->engine->joined : 0);
}

static void power_on_failures(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->engine ? scrape->view->engine->power_on_failed : 0);
}

static void intents_not_awaited(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->engine ? scrape->view->engine->intents_not_awaited : 0);
}

static void denied(struct text *out, const char *name, const struct scrape *scrape)
{
    for (enum access_verdict v = 0; v < ACCESS_VERDICT_COUNT; v++) {
        if (!access_allows(v))
            put_count(out, name, "reason", access_verdict_name(v), scrape->server->denied[v]);
    }
}

static const char *const sockets[METRICS_SOCKET_COUNT] = {
    [METRICS_SOCKET_BROKER] = "broker",
    [METRICS_SOCKET_METRICS] = "metrics",
};

static void connections(struct text *out, const char *name, const struct scrape *scrape)
{
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        put_count(out, name, "socket", sockets[i], scrape->server->connections[i]);
}

static void connections_refused(struct text *out, const char *name, const struct scrape *scrape)
{
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        put_count(out, name, "socket", sockets[i], scrape->server->connections_refused[i]);
}

/* ---- guests and history ---- */

static void last_fence(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct history *history = scrape->view->history;
    const struct operation *last = history ? history_last_fence(history) : NULL;

    put_seconds(out, name, last ? last->requested_realtime_ms : 0);
}

static void history_lost_records(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->history ? history_lost(scrape->view->history) : 0);
}

static enum verdict verdict_of(const struct scrape *scrape, const struct guest *guest)
{
    return readiness_verdict(readiness_guest(&scrape->view->readiness, guest));
}

static void guests(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct inventory *inventory = scrape->view->readiness.inventory;
    uint64_t count[VERDICT_BLOCKED + 1] = {0};

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++)
        count[verdict_of(scrape, inventory_get(inventory, i))]++;
    for (enum verdict v = VERDICT_READY; v <= VERDICT_BLOCKED; v++)
        put_count(out, name, "verdict", verdict_name(v), count[v]);
}

static void target_ready(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct inventory *inventory = scrape->view->readiness.inventory;

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        text_printf(out, "%s{target=\"%d\"} %d\n", name, guest->vmid,
                    verdict_of(scrape, guest) != VERDICT_BLOCKED);
    }
}

static void inventory_age(struct text *out, const char *name, const struct scrape *scrape)
{
    if (scrape->view->readiness.inventory)
        put_seconds(out, name, scrape->view->readiness.inventory_age_ms);
    else
        text_printf(out, "%s +Inf\n", name); /* older than any threshold of an alert */
}

static void hosts_online(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct inventory *inventory = scrape->view->readiness.inventory;

    put_count(out, name, NULL, NULL, inventory ? inventory_nodes_online(inventory) : 0);
}

static void hosts_known(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct inventory *inventory = scrape->view->readiness.inventory;

    put_count(out, name, NULL, NULL, inventory ? inventory_nodes_known(inventory) : 0);
}

/* ---- session, endpoints, calls ---- */

/* Nothing before the first reading: 0 would be a promise. */
static void missing_privileges(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct privileges_report *report =
        scrape->view->grants ? grants_report(scrape->view->grants) : NULL;

    if (report)
        put_count(out, name, NULL, NULL, report->missing);
}

static void excess_privileges(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct privileges_report *report =
        scrape->view->grants ? grants_report(scrape->view->grants) : NULL;

    if (report)
        put_count(out, name, NULL, NULL, report->excess);
}

static void session_ready(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->session.ready);
}

static void session_logins(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->session.logins);
}

static void session_login_failures(struct text *out, const char *name, const struct scrape *scrape)
{
    put_count(out, name, NULL, NULL, scrape->view->session.login_failures);
}

/* A token has none, and no sample: 0 would read as expired long ago. */
static void session_expiry(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct view_facts *view = scrape->view;

    if (view->session.expires_ms)
        put_seconds(out, name, view->realtime_ms + view->session.expires_ms - view->boottime_ms);
}

static void each_endpoint(struct text *out, const char *name, const struct scrape *scrape,
                          uint64_t (*value)(const struct endpoint *endpoint))
{
    size_t count = scrape->view->endpoints ? endpoints_count(scrape->view->endpoints) : 0;

    for (size_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = endpoints_get(scrape->view->endpoints, i);

        put_count(out, name, "endpoint", endpoint->text, value(endpoint));
    }
}

static uint64_t is_up(const struct endpoint *endpoint)
{
    return endpoint->state == ENDPOINT_UP;
}

static uint64_t requests_of(const struct endpoint *endpoint)
{
    return endpoint->requests;
}

static uint64_t failures_of(const struct endpoint *endpoint)
{
    return endpoint->failures;
}

static void endpoint_up(struct text *out, const char *name, const struct scrape *scrape)
{
    each_endpoint(out, name, scrape, is_up);
}

static void endpoint_requests(struct text *out, const char *name, const struct scrape *scrape)
{
    each_endpoint(out, name, scrape, requests_of);
}

static void endpoint_failures(struct text *out, const char *name, const struct scrape *scrape)
{
    each_endpoint(out, name, scrape, failures_of);
}

/* No sample before a certificate was seen: 0 would read as expired long ago. */
static void certificate_expiry(struct text *out, const char *name, const struct scrape *scrape)
{
    size_t count = scrape->view->endpoints ? endpoints_count(scrape->view->endpoints) : 0;

    for (size_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = endpoints_get(scrape->view->endpoints, i);

        if (endpoint->certificate_expires_ms > 0)
            put_count(out, name, "endpoint", endpoint->text,
                      (uint64_t)endpoint->certificate_expires_ms / 1000);
    }
}

static uint64_t call_count(const struct view_facts *view, enum api_call call, bool lost)
{
    const struct transport_counters *transport = view->transport;

    if (!transport)
        return 0;
    return lost ? transport->lost[call] : transport->requests[call];
}

/* Rows of the same name are one sample: the same series twice is not valid. */
static void each_call(struct text *out, const char *name, const struct scrape *scrape, bool lost)
{
    for (enum api_call call = 0; call < API_CALL_COUNT; call++) {
        bool first = true;
        uint64_t sum = 0;

        for (enum api_call other = 0; other < API_CALL_COUNT; other++) {
            if (strcmp(api_row(other)->name, api_row(call)->name) != 0)
                continue;
            first &= other >= call;
            sum += call_count(scrape->view, other, lost);
        }
        if (first)
            put_count(out, name, "call", api_row(call)->name, sum);
    }
}

static void calls(struct text *out, const char *name, const struct scrape *scrape)
{
    each_call(out, name, scrape, false);
}

static void calls_lost(struct text *out, const char *name, const struct scrape *scrape)
{
    each_call(out, name, scrape, true);
}

static void handshakes(struct text *out, const char *name, const struct scrape *scrape)
{
    const struct transport_counters *transport = scrape->view->transport;

    put_count(out, name, NULL, NULL, transport ? transport->connections : 0);
}

/* ---- the table ---- */

static const struct family {
    const char *name, *type, *help;
    family_write_fn *write;
} families[] = {
    {"fence_broker_build_info", "gauge", "Version of the running broker; the value is always 1.", build_info},
    {"fence_broker_requests_total", "counter", "Requests for off, on and reboot by how they were answered.",
     requests},
    {"fence_broker_requests_in_flight", "gauge", "Operations under way, queued ones included.", in_flight},
    {"fence_broker_joined_total", "counter", "Requests that joined an equal operation under way.", joined},
    {"fence_broker_power_on_failures_total", "counter",
     "Reboots whose guest was proven off and could not be started again.", power_on_failures},
    {"fence_broker_intents_not_awaited_total", "counter",
     "Fences that went on before their intent was known to be on disk.", intents_not_awaited},
    {"fence_broker_denied_total", "counter", "Peers that were refused at the socket.", denied},
    {"fence_broker_connections", "gauge", "Open connections.", connections},
    {"fence_broker_connections_refused_total", "counter", "Connections closed because a limit was reached.",
     connections_refused},
    {"fence_broker_last_fence_timestamp_seconds", "gauge",
     "When the newest off or reboot that was proven was asked for; 0 if there was none.", last_fence},
    {"fence_broker_guests", "gauge", "Guests of the pool by verdict.", guests},
    {"fence_broker_target_ready", "gauge", "1 if a fence of the guest with this VMID would succeed now.",
     target_ready},
    {"fence_broker_inventory_age_seconds", "gauge", "Age of the list of guests; +Inf before the first.",
     inventory_age},
    {"fence_broker_proxmox_nodes_online", "gauge", "Proxmox hosts that are online.", hosts_online},
    {"fence_broker_proxmox_nodes_known", "gauge", "Proxmox hosts that were ever seen.", hosts_known},
    {"fence_broker_missing_privileges", "gauge",
     "Privileges that a fence takes and the broker lacks; no sample before they were read.",
     missing_privileges},
    {"fence_broker_excess_privileges", "gauge",
     "Privileges beyond the minimal set, counted where they are granted; no sample before they were read.",
     excess_privileges},
    {"fence_broker_session_ready", "gauge",
     "1 if Proxmox accepted the credentials with its last word on them.", session_ready},
    {"fence_broker_session_logins_total", "counter", "Logins that succeeded.", session_logins},
    {"fence_broker_session_login_failures_total", "counter", "Logins that failed.", session_login_failures},
    {"fence_broker_session_expiry_timestamp_seconds", "gauge",
     "When the present ticket expires; no sample for an API token.", session_expiry},
    {"fence_broker_proxmox_endpoint_up", "gauge", "1 if the endpoint answered last time.", endpoint_up},
    {"fence_broker_proxmox_endpoint_requests_total", "counter", "Requests sent to the endpoint.",
     endpoint_requests},
    {"fence_broker_proxmox_endpoint_failures_total", "counter", "Requests that the endpoint did not answer.",
     endpoint_failures},
    {"fence_broker_certificate_expiry_timestamp_seconds", "gauge",
     "When the certificate of the endpoint expires; no sample before it was seen.", certificate_expiry},
    {"fence_broker_proxmox_calls_total", "counter", "Proxmox calls sent.", calls},
    {"fence_broker_proxmox_calls_lost_total", "counter",
     "Proxmox calls without an answer that could be read.", calls_lost},
    {"fence_broker_proxmox_connections_total", "counter",
     "Connections made to Proxmox, each with a TLS handshake.", handshakes},
    {"fence_broker_history_lost_records_total", "counter", "History records that did not reach the disk.",
     history_lost_records},
    {"fence_broker_log_lost_records_total", "counter", "Log records that were lost.", log_lost_records},
    {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident_memory},
    {"process_start_time_seconds", "gauge", "Start time of the process since the epoch in seconds.",
     start_time},
};

void metrics_write(struct text *out, const struct view_facts *facts, const struct metrics_server *server)
{
    const struct scrape scrape = {.view = facts, .server = server};

    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help, families[i].name,
                    families[i].type);
        families[i].write(out, families[i].name, &scrape);
    }
}
