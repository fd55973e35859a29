/*
 * The Prometheus exposition (text format 0.0.4): one table of families, each with its help, type and the
 * lines it writes. Takes facts; asks nobody. Labels hold no peer and no secret.
 */
#pragma once

#include "policy/access.h"
#include "server/view.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_socket { METRICS_SOCKET_BROKER, METRICS_SOCKET_METRICS, METRICS_SOCKET_COUNT };

/* What only the server counts. */
struct metrics_server {
    uint64_t denied[ACCESS_VERDICT_COUNT]; /* by verdict; those that allow stay 0 and are not shown */
    uint64_t connections_refused[METRICS_SOCKET_COUNT];
    unsigned connections[METRICS_SOCKET_COUNT];
    uint64_t log_lost;
    int64_t resident_bytes; /* -1: unknown */
    int64_t start_realtime_ms;
};

void metrics_write(struct text *out, const struct view_facts *facts, const struct metrics_server *server);
