/*
 * The Prometheus exposition, as Prometheus' own text format 0.0.4 or as OpenMetrics 1.0.0: one table of
 * families, each with its type, its labels, its help and what writes its samples. Takes facts; asks nobody.
 *
 * Labels hold no peer, no rule and no secret, and their values are closed lists, VMIDs, or what the
 * configuration names. How many samples there can be is bounded by METRICS_TARGETS_FULL.
 */
#pragma once

#include "policy/access.h"
#include "server/sockets.h"
#include "server/view.h"
#include "system/process.h"

#define METRICS_CONTENT_TYPE             "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_CONTENT_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/*
 * In a pool of up to so many guests each has all of its samples from the start, most of them 0 (some 50 a
 * guest). In a larger one those are left out that would be 0: of a guest remains target_ready, and what was
 * asked for it or speaks against it.
 */
#define METRICS_TARGETS_FULL 256

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* What only the server counts. */
struct metrics_server {
    uint64_t denied[ACCESS_VERDICT_COUNT]; /* by verdict; those that allow stay 0 and are not shown */
    uint64_t connections_refused[SERVER_SOCKET_COUNT];
    unsigned connections[SERVER_SOCKET_COUNT];
    uint64_t log_lost;
    uint64_t fences_unproven; /* Pacemaker believes in them, and there is no evidence */
    int64_t loop_stall_ms;
    struct process_facts process;
    int64_t start_realtime_ms;
};

void metrics_put_all(struct text *out, enum metrics_format format, const struct metrics_server *server,
                     const struct facts *facts);

/* The table, for whoever compares it with what is written about it. `labels` are separated by blanks.
 */
enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM };
struct metrics_sink;
struct metrics_family {
    const char *name;
    enum metrics_type type;
    const char *labels, *help;
    void (*write)(struct metrics_sink *sink);
};
const struct metrics_family *metrics_families(size_t *count);
const char *metrics_type_name(enum metrics_type type);
