/*
 * What was asked of Proxmox and what came back, counted for the metrics: by endpoint, call and answer, and
 * how long it took. The labels are closed lists, so that no answer of Proxmox makes a new series. Knows no
 * transfer and no session.
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

struct traffic_endpoint {
    char *text; /* as configured */
    uint64_t calls[API_CALL_COUNT][TRAFFIC_CODE_COUNT];
    UT_hash_handle hh;
};

/* Zero-initialise. */
struct traffic {
    struct traffic_endpoint *endpoints; /* by text */
    struct traffic_endpoint others;     /* beyond TRAFFIC_ENDPOINTS_MAX, or without memory; has no text */
    struct histogram durations[API_CALL_COUNT]; /* of what was sent, until its answer or its end */
};

void traffic_add(struct traffic *traffic, const char *endpoint, enum api_call call,
                 const struct api_result *result);
const struct traffic_endpoint *traffic_find(const struct traffic *traffic, const char *endpoint); /* or NULL
                                                                                                   */
void traffic_clear(struct traffic *traffic); /* frees; usable again */
