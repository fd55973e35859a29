/*
 * Families about the daemon itself: its requests, sockets, records and process. What is asked of it for one
 * guest is in metrics_targets.c.
 */
#include "server/metrics_private.h"

#include "system/cleanup.h"

static void put_alone(struct metrics_sink *sink, uint64_t value)
{
    metrics_put(sink, METRICS_NO_LABELS, value);
}

/* What the kernel did not tell has no sample. */
static void put_known(struct metrics_sink *sink, int64_t value)
{
    if (value >= 0)
        put_alone(sink, (uint64_t)value);
}

/* ---- the daemon ---- */

void metrics_build_info(struct metrics_sink *sink)
{
    metrics_put(sink, METRICS_LABELS({"version", FENCE_BROKER_VERSION}), 1);
}

void metrics_loop_stall(struct metrics_sink *sink)
{
    metrics_put_seconds(sink, METRICS_NO_LABELS, sink->scrape->server->loop_stall_ms);
}

void metrics_log_lost_records(struct metrics_sink *sink)
{
    put_alone(sink, sink->scrape->server->log_lost);
}

void metrics_history_write_errors(struct metrics_sink *sink)
{
    const struct history *history = sink->scrape->view->history;

    put_alone(sink, history ? history_lost(history) : 0);
}

/* ---- requests ---- */

void metrics_requests_in_flight(struct metrics_sink *sink)
{
    put_alone(sink, sink->scrape->view->operations_running);
}

void metrics_request_duration(struct metrics_sink *sink)
{
    static const struct histogram none;
    const struct request_stats *stats = sink->scrape->view->stats;

    for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
        for (enum request_stats_result result = 0; result < REQUEST_STATS_RESULT_COUNT; result++)
            metrics_put_histogram(sink,
                                  METRICS_LABELS({"action", fence_action_name(action)},
                                                 {"result", request_stats_result_name(result)}),
                                  stats ? &stats->durations[action][result] : &none);
    }
}

void metrics_joined(struct metrics_sink *sink)
{
    const struct engine_counters *engine = sink->scrape->view->engine;

    put_alone(sink, engine ? engine->joined : 0);
}

void metrics_power_on_failures(struct metrics_sink *sink)
{
    const struct engine_counters *engine = sink->scrape->view->engine;

    put_alone(sink, engine ? engine->power_on_failed : 0);
}

void metrics_intents_not_awaited(struct metrics_sink *sink)
{
    const struct engine_counters *engine = sink->scrape->view->engine;

    put_alone(sink, engine ? engine->intents_not_awaited : 0);
}

void metrics_fences_unproven(struct metrics_sink *sink)
{
    put_alone(sink, sink->scrape->server->fences_unproven);
}

void metrics_denied(struct metrics_sink *sink)
{
    for (enum access_verdict v = 0; v < ACCESS_VERDICT_COUNT; v++) {
        if (!access_allows(v))
            metrics_put(sink, METRICS_LABELS({"reason", access_verdict_name(v)}),
                        sink->scrape->server->denied[v]);
    }
}

/* ---- sockets ---- */

static const char *const sockets[SERVER_SOCKET_COUNT] = {
    [SERVER_BROKER] = "broker",
    [SERVER_METRICS] = "metrics",
};

void metrics_connections(struct metrics_sink *sink)
{
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        metrics_put(sink, METRICS_LABELS({"socket", sockets[i]}), sink->scrape->server->connections[i]);
}

void metrics_connections_refused(struct metrics_sink *sink)
{
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        metrics_put(sink, METRICS_LABELS({"socket", sockets[i]}),
                    sink->scrape->server->connections_refused[i]);
}

/* ---- the process: the names that all client libraries use ---- */

void metrics_process_cpu(struct metrics_sink *sink)
{
    if (sink->scrape->server->process.cpu_ms >= 0)
        metrics_put_seconds(sink, METRICS_NO_LABELS, sink->scrape->server->process.cpu_ms);
}

void metrics_process_max_fds(struct metrics_sink *sink)
{
    put_known(sink, sink->scrape->server->process.max_fds);
}

void metrics_process_open_fds(struct metrics_sink *sink)
{
    put_known(sink, sink->scrape->server->process.open_fds);
}

void metrics_process_resident(struct metrics_sink *sink)
{
    put_known(sink, sink->scrape->server->process.resident_bytes);
}

void metrics_process_start(struct metrics_sink *sink)
{
    metrics_put_seconds(sink, METRICS_NO_LABELS, sink->scrape->server->start_realtime_ms);
}

void metrics_process_virtual(struct metrics_sink *sink)
{
    put_known(sink, sink->scrape->server->process.virtual_bytes);
}
