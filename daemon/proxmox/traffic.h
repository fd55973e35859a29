/*
 * What was asked of Proxmox and what came back, counted for the metrics: by endpoint, call and answer, by
 * what it was for, and how long it took. The labels are closed lists, so that no answer of Proxmox makes a
 * new series. Knows no transfer and no session.
 */
#pragma once

#include "proxmox/api.h"
#include "system/histogram.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TRAFFIC_ENDPOINTS_MAX 128 /* that were ever configured since the start */
#define TRAFFIC_OTHERS        "(others)"

/* HTTP statuses that Proxmox and its proxy give; any other is "other". */
enum traffic_code {
    TRAFFIC_200,
    TRAFFIC_400,
    TRAFFIC_401,
    TRAFFIC_403,
    TRAFFIC_500,
    TRAFFIC_501,
    TRAFFIC_595,
    TRAFFIC_596,
    TRAFFIC_597,
    TRAFFIC_599,
    TRAFFIC_OTHER,
    TRAFFIC_LOST,   /* sent, and no answer that could be read */
    TRAFFIC_UNSENT, /* nobody was reached */
    TRAFFIC_CODE_COUNT,
};
const char *traffic_code_name(enum traffic_code code); /* "200", "lost" */
enum traffic_code traffic_code_of(const struct api_result *result);

/* What a request is for: said where the call is made, and carried to its connection. */
enum traffic_purpose {
    TRAFFIC_POLL,  /* with the probes of endpoints */
    TRAFFIC_CHECK, /* a guest read from its own host */
    TRAFFIC_REHEARSAL,
    TRAFFIC_LOGIN, /* whoever needs it */
    TRAFFIC_FENCE, /* or a status that somebody waits for */
    TRAFFIC_PURPOSE_COUNT,
};
const char *traffic_purpose_name(enum traffic_purpose purpose); /* "poll", "fence" */

struct traffic_endpoint {
    char *text; /* as configured */
    uint64_t calls[API_CALL_COUNT][TRAFFIC_CODE_COUNT];
    UT_hash_handle hh;
};

/* Zero-initialise. */
struct traffic {
    struct traffic_endpoint *endpoints; /* by text */
    struct traffic_endpoint others;     /* beyond TRAFFIC_ENDPOINTS_MAX, or without memory; has no text */
    struct histogram durations[API_CALL_COUNT];  /* of what was sent, until its answer or its end */
    uint64_t requests[TRAFFIC_PURPOSE_COUNT];    /* that have ended */
    uint64_t connections[TRAFFIC_PURPOSE_COUNT]; /* made for them, each with one TLS handshake */
};

/* A request has ended, and has made so many connections of its own. */
void traffic_add(struct traffic *traffic, const char *endpoint, enum traffic_purpose purpose,
                 enum api_call call, const struct api_result *result, unsigned connections);
const struct traffic_endpoint *traffic_find(const struct traffic *traffic, const char *endpoint); /* or NULL
                                                                                                   */
void traffic_clear(struct traffic *traffic); /* frees; usable again */
