/*
 * How a family and its samples are written, in both formats. They differ in the name that a counter has above
 * its samples, and in the end of the document. Knows no family by name.
 */
#include "server/metrics_private.h"

#include "system/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TOTAL "_total"

const char *metrics_type_name(enum metrics_type type)
{
    static const char *const names[] = {
        [METRICS_GAUGE] = "gauge", [METRICS_COUNTER] = "counter", [METRICS_HISTOGRAM] = "histogram"};

    return names[type];
}

const char *metrics_vmid(int vmid, char text[static METRICS_VMID_MAX])
{
    snprintf(text, METRICS_VMID_MAX, "%d", vmid);
    return text;
}

/* OpenMetrics names a family of counters without the ending that its samples have. */
void metrics_put_head(struct metrics_sink *sink)
{
    const struct metrics_family *family = sink->family;
    size_t length = strlen(family->name);

    if (sink->scrape->format == METRICS_OPENMETRICS && family->type == METRICS_COUNTER)
        length -= sizeof(TOTAL) - 1;
    text_printf(sink->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)length, family->name, family->help,
                (int)length, family->name, metrics_type_name(family->type));
}

static void put_value_of_label(struct text *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            text_append(out, "\\", 1);
        if (*value == '\n')
            text_puts(out, "\\n");
        else
            text_append(out, value, 1);
    }
}

static void put_label(struct text *out, bool first, const char *name, const char *value)
{
    text_puts(out, first ? "{" : ",");
    text_puts(out, name);
    text_puts(out, "=\"");
    put_value_of_label(out, value);
    text_append(out, "\"", 1);
}

/* "name_bucket{action="off",le="0.5"}"; `suffix` may be "", `le` NULL. */
static void put_series(struct metrics_sink *sink, const char *suffix, const struct metrics_label *labels,
                       const char *le)
{
    bool first = true;

    text_puts(sink->out, sink->family->name);
    text_puts(sink->out, suffix);
    for (; labels && labels->name; labels++, first = false)
        put_label(sink->out, first, labels->name, labels->value);
    if (le) {
        put_label(sink->out, first, "le", le);
        first = false;
    }
    if (!first)
        text_append(sink->out, "}", 1);
}

static void put_seconds(struct text *out, int64_t ms)
{
    uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

    text_printf(out, " %s%" PRIu64 ".%03d\n", ms < 0 ? "-" : "", size / 1000, (int)(size % 1000));
}

void metrics_put(struct metrics_sink *sink, const struct metrics_label *labels, uint64_t value)
{
    put_series(sink, "", labels, NULL);
    text_printf(sink->out, " %" PRIu64 "\n", value);
}

void metrics_put_seconds(struct metrics_sink *sink, const struct metrics_label *labels, int64_t ms)
{
    put_series(sink, "", labels, NULL);
    put_seconds(sink->out, ms);
}

void metrics_put_infinity(struct metrics_sink *sink, const struct metrics_label *labels)
{
    put_series(sink, "", labels, NULL);
    text_puts(sink->out, " +Inf\n");
}

void metrics_put_histogram(struct metrics_sink *sink, const struct metrics_label *labels,
                           const struct histogram *histogram)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        sum += histogram->counts[i];
        put_series(sink, "_bucket", labels, i < HISTOGRAM_BUCKETS ? histogram_bound_text(i) : "+Inf");
        text_printf(sink->out, " %" PRIu64 "\n", sum);
    }
    put_series(sink, "_sum", labels, NULL);
    put_seconds(sink->out, (int64_t)histogram->sum_ms);
    put_series(sink, "_count", labels, NULL);
    text_printf(sink->out, " %" PRIu64 "\n", sum);
}
