/*
 * Families about Proxmox: what it shows of its hosts, how session, endpoints and certificates stand, what was
 * asked of it. An endpoint's label is its text in the configuration.
 */
#include "server/metrics_private.h"

#include "system/cleanup.h"

#include <string.h>

/* ---- hosts and guests ---- */

void metrics_inventory_age(struct metrics_sink *sink)
{
    const struct readiness_facts *readiness = &sink->scrape->view->readiness;

    if (readiness->inventory)
        metrics_put_seconds(sink, METRICS_NO_LABELS, readiness->inventory_age_ms);
    else
        metrics_put_infinity(sink, METRICS_NO_LABELS); /* older than any threshold of an alert */
}

void metrics_hosts_online(struct metrics_sink *sink)
{
    const struct inventory *inventory = sink->scrape->view->readiness.inventory;

    metrics_put(sink, METRICS_NO_LABELS, inventory ? inventory_nodes_online(inventory) : 0);
}

void metrics_hosts_known(struct metrics_sink *sink)
{
    const struct inventory *inventory = sink->scrape->view->readiness.inventory;

    metrics_put(sink, METRICS_NO_LABELS, inventory ? inventory_nodes_known(inventory) : 0);
}

/* ---- privileges ---- */

/* NULL before the first reading, and no sample: 0 would be a promise. */
static const struct privileges_report *report_of(const struct metrics_sink *sink)
{
    return sink->scrape->view->grants ? grants_report(sink->scrape->view->grants) : NULL;
}

void metrics_missing_privileges(struct metrics_sink *sink)
{
    const struct privileges_report *report = report_of(sink);

    if (report)
        metrics_put(sink, METRICS_NO_LABELS, report->missing);
}

void metrics_excess_privileges(struct metrics_sink *sink)
{
    const struct privileges_report *report = report_of(sink);

    if (report)
        metrics_put(sink, METRICS_NO_LABELS, report->excess);
}

/* ---- session ---- */

void metrics_session_ready(struct metrics_sink *sink)
{
    metrics_put(sink, METRICS_NO_LABELS, sink->scrape->view->session.ready);
}

void metrics_session_logins(struct metrics_sink *sink)
{
    metrics_put(sink, METRICS_NO_LABELS, sink->scrape->view->session.logins);
}

void metrics_session_login_failures(struct metrics_sink *sink)
{
    metrics_put(sink, METRICS_NO_LABELS, sink->scrape->view->session.login_failures);
}

/* A token has none, and no sample: 0 would read as expired long ago. */
void metrics_session_expiry(struct metrics_sink *sink)
{
    const struct facts *view = sink->scrape->view;

    if (view->session.expires_ms)
        metrics_put_seconds(sink, METRICS_NO_LABELS,
                            view->realtime_ms + view->session.expires_ms - view->boottime_ms);
}

/* ---- endpoints ---- */

static size_t endpoint_count(const struct metrics_sink *sink)
{
    return sink->scrape->view->endpoints ? endpoints_count(sink->scrape->view->endpoints) : 0;
}

static const struct endpoint *endpoint_at(const struct metrics_sink *sink, size_t index)
{
    return endpoints_get(sink->scrape->view->endpoints, index);
}

void metrics_endpoint_up(struct metrics_sink *sink)
{
    for (size_t i = 0; i < endpoint_count(sink); i++)
        metrics_put(sink, METRICS_LABELS({"endpoint", endpoint_at(sink, i)->text}),
                    endpoint_at(sink, i)->state == ENDPOINT_UP);
}

/* No sample before a certificate was seen: 0 would read as expired long ago. */
void metrics_certificate_expiry(struct metrics_sink *sink)
{
    for (size_t i = 0; i < endpoint_count(sink); i++) {
        const struct endpoint *endpoint = endpoint_at(sink, i);

        if (endpoint->certificate_expires_ms > 0)
            metrics_put(sink, METRICS_LABELS({"endpoint", endpoint->text}),
                        (uint64_t)endpoint->certificate_expires_ms / 1000);
    }
}

/* ---- calls ---- */

/* Rows of the same name are one sample: the same series twice is not valid. */
static bool is_first_of_its_name(enum api_call call)
{
    for (enum api_call other = 0; other < call; other++) {
        if (!strcmp(api_row(other)->name, api_row(call)->name))
            return false;
    }
    return true;
}

static uint64_t count_of(const struct traffic_endpoint *endpoint, enum api_call call, enum traffic_code code)
{
    uint64_t sum = 0;

    for (enum api_call other = call; endpoint && other < API_CALL_COUNT; other++) {
        if (!strcmp(api_row(other)->name, api_row(call)->name))
            sum += endpoint->calls[other][code];
    }
    return sum;
}

static void put_endpoint_calls(struct metrics_sink *sink, const char *text,
                               const struct traffic_endpoint *endpoint, bool zeros)
{
    for (enum api_call call = 0; call < API_CALL_COUNT; call++) {
        for (enum traffic_code code = 0; is_first_of_its_name(call) && code < TRAFFIC_CODE_COUNT; code++) {
            uint64_t count = count_of(endpoint, call, code);

            if (count > 0 || zeros)
                metrics_put(sink,
                            METRICS_LABELS({"endpoint", text}, {"call", api_row(call)->name},
                                           {"code", traffic_code_name(code)}),
                            count);
        }
    }
}

void metrics_proxmox_requests(struct metrics_sink *sink)
{
    const struct traffic *traffic = sink->scrape->view->traffic;

    for (size_t i = 0; i < endpoint_count(sink); i++) {
        const char *text = endpoint_at(sink, i)->text;

        put_endpoint_calls(sink, text, traffic ? traffic_find(traffic, text) : NULL, true);
    }
    if (traffic)
        put_endpoint_calls(sink, TRAFFIC_OTHERS, &traffic->others, false);
}

void metrics_proxmox_duration(struct metrics_sink *sink)
{
    const struct traffic *traffic = sink->scrape->view->traffic;

    for (enum api_call call = 0; call < API_CALL_COUNT; call++) {
        struct histogram sum = {0};

        if (!is_first_of_its_name(call))
            continue;
        for (enum api_call other = call; traffic && other < API_CALL_COUNT; other++) {
            if (!strcmp(api_row(other)->name, api_row(call)->name))
                histogram_merge(&sum, &traffic->durations[other]);
        }
        metrics_put_histogram(sink, METRICS_LABELS({"call", api_row(call)->name}), &sum);
    }
}

static void put_by_purpose(struct metrics_sink *sink, const uint64_t *counts)
{
    for (enum traffic_purpose purpose = 0; purpose < TRAFFIC_PURPOSE_COUNT; purpose++)
        metrics_put(sink, METRICS_LABELS({"purpose", traffic_purpose_name(purpose)}),
                    counts ? counts[purpose] : 0);
}

void metrics_proxmox_purposes(struct metrics_sink *sink)
{
    const struct traffic *traffic = sink->scrape->view->traffic;

    put_by_purpose(sink, traffic ? traffic->requests : NULL);
}

void metrics_proxmox_connections(struct metrics_sink *sink)
{
    const struct traffic *traffic = sink->scrape->view->traffic;

    put_by_purpose(sink, traffic ? traffic->connections : NULL);
}

void metrics_proxmox_backoff(struct metrics_sink *sink)
{
    unsigned backoff = sink->scrape->view->readiness.backoff;

    metrics_put(sink, METRICS_NO_LABELS, backoff > 0 ? backoff : 1);
}
