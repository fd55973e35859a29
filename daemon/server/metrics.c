/*
 * The table. A new metric is a row here and a function that writes its samples. Every counter is there from
 * the start, at 0: increase() does not see a counter that is born with its first event.
 */
#include "server/metrics_private.h"

#include "system/cleanup.h"

#include <stdlib.h>

static const struct metrics_family families[] = {
    {"fence_broker_build_info", METRICS_GAUGE, "version",
     "Version of the running broker; the value is always 1.", metrics_build_info},
    /* requests */
    {"fence_broker_requests_total", METRICS_COUNTER, "action target result",
     "Requests for off, on and reboot by guest and by how they were answered.", metrics_requests},
    {"fence_broker_requests_in_flight", METRICS_GAUGE, "", "Operations under way, queued ones included.",
     metrics_requests_in_flight},
    {"fence_broker_request_duration_seconds", METRICS_HISTOGRAM, "action result",
     "Time from a request to its answer; off and reboot are answered when off is proven.",
     metrics_request_duration},
    {"fence_broker_joined_total", METRICS_COUNTER, "", "Requests that joined an equal operation under way.",
     metrics_joined},
    {"fence_broker_power_on_failures_total", METRICS_COUNTER, "",
     "Reboots whose guest was proven off and could not be started again.", metrics_power_on_failures},
    {"fence_broker_intents_not_awaited_total", METRICS_COUNTER, "",
     "Fences that continued before their intent was known to be on disk.", metrics_intents_not_awaited},
    {"fence_broker_fences_unproven_total", METRICS_COUNTER, "",
     "Fences that Pacemaker believes in, by fence_broker on this node, and the broker has no evidence of.",
     metrics_fences_unproven},
    {"fence_broker_denied_total", METRICS_COUNTER, "reason",
     "Peers and requests refused because a right is missing.", metrics_denied},
    {"fence_broker_connections", METRICS_GAUGE, "socket", "Open connections.", metrics_connections},
    {"fence_broker_connections_refused_total", METRICS_COUNTER, "socket",
     "Connections closed because a limit was reached.", metrics_connections_refused},
    {"fence_broker_last_fence_timestamp_seconds", METRICS_GAUGE, "target",
     "When the latest proven off or reboot of the guest was requested; 0 if none is known.",
     metrics_last_fence},
    /* readiness */
    {"fence_broker_rehearsals_total", METRICS_COUNTER, "target result",
     "Rehearsals by guest and result: accepted, refused, unanswered, and carried-out, which ends them all.",
     metrics_rehearsals},
    {"fence_broker_guests", METRICS_GAUGE, "verdict", "Guests of the pool by verdict.", metrics_guests},
    {"fence_broker_target_ready", METRICS_GAUGE, "target",
     "1 if a fence of the guest with this VMID would succeed now.", metrics_target_ready},
    {"fence_broker_target_blocked_reason", METRICS_GAUGE, "target reason",
     "1 if this is a reason why a fence of the guest would fail now.", metrics_target_blocked_reason},
    {"fence_broker_target_degraded_reason", METRICS_GAUGE, "target reason",
     "1 if this is a reason why a fence of the guest would be slower, or has a caveat.",
     metrics_target_degraded_reason},
    {"fence_broker_reasons", METRICS_GAUGE, "reason verdict",
     "Guests that have this reason, or, while no guest is known, 1 if the broker has it.", metrics_reasons},
    {"fence_broker_inventory_age_seconds", METRICS_GAUGE, "",
     "Age of the list of guests; +Inf before the first.", metrics_inventory_age},
    {"fence_broker_proxmox_nodes_online", METRICS_GAUGE, "", "Proxmox hosts that are online.",
     metrics_hosts_online},
    {"fence_broker_proxmox_nodes_known", METRICS_GAUGE, "", "Proxmox hosts that were ever seen.",
     metrics_hosts_known},
    {"fence_broker_missing_privileges", METRICS_GAUGE, "",
     "Privileges that a fence needs and the broker lacks; no sample until they are read.",
     metrics_missing_privileges},
    {"fence_broker_excess_privileges", METRICS_GAUGE, "",
     "Privileges beyond the minimal set, counted where they are granted; no sample before they were read.",
     metrics_excess_privileges},
    /* Proxmox */
    {"fence_broker_session_ready", METRICS_GAUGE, "",
     "1 if Proxmox accepted the credentials the last time it judged them.", metrics_session_ready},
    {"fence_broker_session_logins_total", METRICS_COUNTER, "", "Logins that succeeded.",
     metrics_session_logins},
    {"fence_broker_session_login_failures_total", METRICS_COUNTER, "", "Logins that failed.",
     metrics_session_login_failures},
    {"fence_broker_session_expiry_timestamp_seconds", METRICS_GAUGE, "",
     "When the present ticket expires; no sample for an API token.", metrics_session_expiry},
    {"fence_broker_certificate_expiry_timestamp_seconds", METRICS_GAUGE, "endpoint",
     "When the certificate of the endpoint expires; no sample before it was seen.",
     metrics_certificate_expiry},
    {"fence_broker_proxmox_endpoint_up", METRICS_GAUGE, "endpoint",
     "1 if the endpoint answered last time and fails no call that another one serves.", metrics_endpoint_up},
    {"fence_broker_proxmox_requests_total", METRICS_COUNTER, "endpoint call code",
     "Completed Proxmox calls, by their HTTP status or what came instead.", metrics_proxmox_requests},
    {"fence_broker_proxmox_request_duration_seconds", METRICS_HISTOGRAM, "call",
     "Duration of Proxmox calls, from sending to the answer or to giving up.", metrics_proxmox_duration},
    {"fence_broker_proxmox_requests_by_purpose_total", METRICS_COUNTER, "purpose",
     "Completed Proxmox calls, by their purpose.", metrics_proxmox_purposes},
    {"fence_broker_proxmox_connections_total", METRICS_COUNTER, "purpose",
     "Connections made to Proxmox, each with a TLS handshake, by their purpose.",
     metrics_proxmox_connections},
    {"fence_broker_proxmox_backoff", METRICS_GAUGE, "",
     "Polls are so many times rarer than configured, because Proxmox answers slowly or fails; 1 if not.",
     metrics_proxmox_backoff},
    /* the daemon */
    {"fence_broker_history_write_errors_total", METRICS_COUNTER, "",
     "History records that did not reach the disk.", metrics_history_write_errors},
    {"fence_broker_log_lost_records_total", METRICS_COUNTER, "", "Log records that were lost.",
     metrics_log_lost_records},
    {"fence_broker_loop_stall_seconds_max", METRICS_GAUGE, "",
     "Longest stall of the event loop in the last five to ten minutes.", metrics_loop_stall},
    {"process_cpu_seconds_total", METRICS_COUNTER, "", "Total user and system CPU time spent in seconds.",
     metrics_process_cpu},
    {"process_max_fds", METRICS_GAUGE, "", "Maximum number of open file descriptors.",
     metrics_process_max_fds},
    {"process_open_fds", METRICS_GAUGE, "", "Number of open file descriptors.", metrics_process_open_fds},
    {"process_resident_memory_bytes", METRICS_GAUGE, "", "Resident memory size in bytes.",
     metrics_process_resident},
    {"process_start_time_seconds", METRICS_GAUGE, "", "Start time of the process since the epoch in seconds.",
     metrics_process_start},
    {"process_virtual_memory_bytes", METRICS_GAUGE, "", "Virtual memory size in bytes.",
     metrics_process_virtual},
};

const struct metrics_family *metrics_families(size_t *count)
{
    *count = ARRAY_LEN(families);
    return families;
}

void metrics_put_all(struct text *out, enum metrics_format format, const struct metrics_server *server,
                     const struct facts *facts)
{
    struct metrics_scrape scrape = {.format = format, .server = server, .view = facts};

    out->failed |= !metrics_look_at_targets(&scrape);
    for (size_t i = 0; !out->failed && i < ARRAY_LEN(families); i++) {
        struct metrics_sink sink = {.out = out, .scrape = &scrape, .family = &families[i]};

        metrics_put_head(&sink);
        families[i].write(&sink);
    }
    if (format == METRICS_OPENMETRICS)
        text_puts(out, "# EOF\n");
    free(scrape.targets);
}
