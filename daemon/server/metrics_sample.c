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

static char *put_value_of_label(char *at, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            *at++ = '\\';
        *at++ = *value == '\n' ? 'n' : *value;
    }
    return at;
}

static char *put_label(char *at, char before, const struct metrics_label *label)
{
    *at++ = before;
    at = stpcpy(at, label->name);
    at = stpcpy(at, "=\"");
    at = put_value_of_label(at, label->value);
    *at++ = '"';
    return at;
}

/* "name_bucket{action="off",le="0.5"}" and what follows it on the line; `suffix` may be "", `le` NULL. In one
 * go: of a large pool there are ten thousand of them. */
static void put_sample(struct metrics_sink *sink, const char *suffix, const struct metrics_label *labels,
                       const char *le, const char *value)
{
    const struct metrics_label last = {"le", le};
    const char *name = sink->family->name;
    size_t size =
        strlen(name) + strlen(suffix) + strlen(value) + sizeof(",le=\"\"} \n") + (le ? strlen(le) : 0);
    char before = '{', *at;

    for (const struct metrics_label *l = labels; l && l->name; l++)
        size += strlen(l->name) + 2 * strlen(l->value) + sizeof(",=\"\"");
    at = text_room(sink->out, size);
    if (!at)
        return;
    at = stpcpy(stpcpy(at, name), suffix);
    for (const struct metrics_label *l = labels; l && l->name; l++, before = ',')
        at = put_label(at, before, l);
    if (le) {
        at = put_label(at, before, &last);
        before = ',';
    }
    if (before == ',')
        *at++ = '}';
    *at++ = ' ';
    at = stpcpy(at, value);
    *at++ = '\n';
    text_grow(sink->out, at);
}

static void put_number(struct metrics_sink *sink, const char *suffix, const struct metrics_label *labels,
                       const char *le, uint64_t value)
{
    char digits[24] = {(char)('0' + value % 10)};

    if (value > 9)
        snprintf(digits, sizeof(digits), "%" PRIu64, value);
    put_sample(sink, suffix, labels, le, digits);
}

static void put_seconds(struct metrics_sink *sink, const char *suffix, const struct metrics_label *labels,
                        int64_t ms)
{
    uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    char digits[32];

    snprintf(digits, sizeof(digits), "%s%" PRIu64 ".%03d", ms < 0 ? "-" : "", size / 1000,
             (int)(size % 1000));
    put_sample(sink, suffix, labels, NULL, digits);
}

void metrics_put(struct metrics_sink *sink, const struct metrics_label *labels, uint64_t value)
{
    put_number(sink, "", labels, NULL, value);
}

void metrics_put_seconds(struct metrics_sink *sink, const struct metrics_label *labels, int64_t ms)
{
    put_seconds(sink, "", labels, ms);
}

void metrics_put_infinity(struct metrics_sink *sink, const struct metrics_label *labels)
{
    put_sample(sink, "", labels, NULL, "+Inf");
}

void metrics_put_histogram(struct metrics_sink *sink, const struct metrics_label *labels,
                           const struct histogram *histogram)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        sum += histogram->counts[i];
        put_number(sink, "_bucket", labels, i < HISTOGRAM_BUCKETS ? histogram_bound_text(i) : "+Inf", sum);
    }
    put_seconds(sink, "_sum", labels, (int64_t)histogram->sum_ms);
    put_number(sink, "_count", labels, NULL, sum);
}
