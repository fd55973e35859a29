/*
 * Recordings of clusters with Proxmox HA, and the room of dead hosts fed with what polls would have seen of
 * them. A recording has a JSON object a line, the whole state, a line when something changed; several lines
 * may share one `t` (seconds; the last one counts), and `"end": true` closes a scenario. Visible to a poll:
 * online, node_status, services, quorate, disarm, lrm_status, lrm_fresh. The truth, which the room is not
 * shown: power, boot.
 */
#pragma once

#include "fence/dead_hosts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorded_host {
    const char *name;
    const char *hastate; /* NULL: none */
    const char *lrm;     /* "active/active": state and mode; "-": none */
    bool listed, online, lrm_fresh;
    bool powered; /* the truth: power, and how often it was switched on */
    int64_t boot;
};

struct recorded_state {
    int64_t t_ms;
    bool quorate, disarmed;
    struct recorded_host *hosts;
    size_t host_count;
    struct dead_hosts_service *services;
    size_t service_count;
};

struct recorded_scenario {
    const char *name;
    struct recorded_state *states;
    size_t count;
};

struct recording {
    struct recorded_scenario *scenarios;
    size_t count;
};

/* Packed with gzip or not. Ends the program with a line on stderr if it cannot be read. Words live on. */
struct recording recording_read(const char *path);
void recording_free(struct recording *recording);

struct recorded_claim {
    const char *scenario, *host;
    int64_t from_ms,
        to_ms; /* the first sample that made it, and the one that ended it, or the recording's end */
    enum dead_hosts_reason reason;
};
typedef void recording_claim_fn(void *context, const struct recorded_claim *claim);

/* Feeds a room with a sample at phase_ms, and then each interval_ms; tells each claim at its end. */
void recording_play(const struct recorded_scenario *scenario, int64_t interval_ms, int64_t phase_ms,
                    recording_claim_fn *tell, void *context);

/* The host in that state; one without a name if there is none. */
const struct recorded_host *recorded_host_of(const struct recorded_state *state, const char *name);
/* Do more than half of the listed hosts form a quorate partition? */
bool recorded_majority(const struct recorded_state *state);
