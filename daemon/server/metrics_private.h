/* What the files of the metrics share: metrics.c (the table), metrics_sample.c (how a sample is written), and
 * the writers of the families: metrics_broker.c, metrics_targets.c, metrics_proxmox.c. */
#pragma once

#include "server/metrics.h"

#include "system/histogram.h"

#define METRICS_VMID_MAX 12

/* A guest of the inventory. */
struct metrics_target {
    int vmid;
    char label[METRICS_VMID_MAX];
    bool shown; /* the asker may see it */
    reason_set reasons;
    int64_t fenced_ms; /* wall clock of its last proven fence, 0: none is known */
};

/* What is looked at once for one exposition. */
struct metrics_scrape {
    enum metrics_format format;
    const struct metrics_server *server;
    const struct facts *view;
    struct metrics_target *targets; /* in the order of the inventory */
    size_t target_count;
    bool full; /* with the samples of the guests that are 0 */
};

struct metrics_sink {
    struct text *out;
    const struct metrics_scrape *scrape;
    const struct metrics_family *family;
};

struct metrics_label {
    const char *name, *value;
};
/* {"action", "off"}, {"result", "done"} */
#define METRICS_LABELS(...) ((const struct metrics_label[]){__VA_ARGS__, {NULL, NULL}})
#define METRICS_NO_LABELS   NULL

/* metrics_sample.c */
void metrics_put_head(struct metrics_sink *sink);
void metrics_put(struct metrics_sink *sink, const struct metrics_label *labels, uint64_t value);
void metrics_put_seconds(struct metrics_sink *sink, const struct metrics_label *labels, int64_t ms);
void metrics_put_infinity(struct metrics_sink *sink, const struct metrics_label *labels);
void metrics_put_histogram(struct metrics_sink *sink, const struct metrics_label *labels,
                           const struct histogram *histogram);

/* metrics_broker.c: the daemon, its requests, sockets, history, log, process */
void metrics_build_info(struct metrics_sink *sink);
void metrics_requests_in_flight(struct metrics_sink *sink);
void metrics_request_duration(struct metrics_sink *sink);
void metrics_joined(struct metrics_sink *sink);
void metrics_power_on_failures(struct metrics_sink *sink);
void metrics_intents_not_awaited(struct metrics_sink *sink);
void metrics_fences_unproven(struct metrics_sink *sink);
void metrics_denied(struct metrics_sink *sink);
void metrics_connections(struct metrics_sink *sink);
void metrics_connections_refused(struct metrics_sink *sink);
void metrics_history_write_errors(struct metrics_sink *sink);
void metrics_log_lost_records(struct metrics_sink *sink);
void metrics_loop_stall(struct metrics_sink *sink);
void metrics_process_cpu(struct metrics_sink *sink);
void metrics_process_max_fds(struct metrics_sink *sink);
void metrics_process_open_fds(struct metrics_sink *sink);
void metrics_process_resident(struct metrics_sink *sink);
void metrics_process_start(struct metrics_sink *sink);
void metrics_process_virtual(struct metrics_sink *sink);

/* metrics_targets.c: what is told of each guest */
/* Fills what `scrape` holds of the guests; false without memory. */
bool metrics_look_at_targets(struct metrics_scrape *scrape);
void metrics_requests(struct metrics_sink *sink);
void metrics_rehearsals(struct metrics_sink *sink);
void metrics_last_fence(struct metrics_sink *sink);
void metrics_guests(struct metrics_sink *sink);
void metrics_target_ready(struct metrics_sink *sink);
void metrics_target_blocked_reason(struct metrics_sink *sink);
void metrics_target_degraded_reason(struct metrics_sink *sink);
void metrics_reasons(struct metrics_sink *sink);

/* metrics_proxmox.c: session, endpoints, calls, privileges, hosts */
void metrics_inventory_age(struct metrics_sink *sink);
void metrics_hosts_online(struct metrics_sink *sink);
void metrics_hosts_known(struct metrics_sink *sink);
void metrics_missing_privileges(struct metrics_sink *sink);
void metrics_excess_privileges(struct metrics_sink *sink);
void metrics_session_ready(struct metrics_sink *sink);
void metrics_session_logins(struct metrics_sink *sink);
void metrics_session_login_failures(struct metrics_sink *sink);
void metrics_session_expiry(struct metrics_sink *sink);
void metrics_certificate_expiry(struct metrics_sink *sink);
void metrics_endpoint_up(struct metrics_sink *sink);
void metrics_proxmox_requests(struct metrics_sink *sink);
void metrics_proxmox_duration(struct metrics_sink *sink);
void metrics_proxmox_purposes(struct metrics_sink *sink);
void metrics_proxmox_backoff(struct metrics_sink *sink);
void metrics_proxmox_connections(struct metrics_sink *sink);
