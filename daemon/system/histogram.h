/*
 * Durations, counted in buckets: the same ones for all of the broker's histograms, from what a fence takes
 * over a kept connection (some milliseconds) to what Proxmox HA takes when a host died (three minutes). Plain
 * data; knows no metric and no clock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 17

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* each its own, not summed up; the last: longer than all */
    uint64_t sum_ms;
};

/* A negative duration counts as none. */
void histogram_add(struct histogram *histogram, int64_t duration_ms);
/* `to` gets what both have counted. */
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The longest duration of bucket 0 … HISTOGRAM_BUCKETS - 1, in seconds as metrics write it. */
const char *histogram_bound_text(size_t bucket);
