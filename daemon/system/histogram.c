/*
 * The buckets and the counting. A bound belongs to its bucket, as Prometheus has it ("le").
 */
#include "system/histogram.h"

/* "1.0", not "1": OpenMetrics wants it so, and a series must have one name in both formats. */
static const struct {
    int64_t ms;
    const char *text;
} bounds[HISTOGRAM_BUCKETS] = {
    {5, "0.005"},    {10, "0.01"},    {25, "0.025"},   {50, "0.05"},      {100, "0.1"},      {250, "0.25"},
    {500, "0.5"},    {1000, "1.0"},   {2500, "2.5"},   {5000, "5.0"},     {10000, "10.0"},   {15000, "15.0"},
    {30000, "30.0"}, {60000, "60.0"}, {90000, "90.0"}, {120000, "120.0"}, {180000, "180.0"},
};

void histogram_add(struct histogram *histogram, int64_t duration_ms)
{
    size_t bucket = 0;

    while (bucket < HISTOGRAM_BUCKETS && duration_ms > bounds[bucket].ms)
        bucket++;
    histogram->counts[bucket]++;
    histogram->sum_ms += duration_ms > 0 ? (uint64_t)duration_ms : 0;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->sum_ms += from->sum_ms;
}

const char *histogram_bound_text(size_t bucket)
{
    return bounds[bucket].text;
}
