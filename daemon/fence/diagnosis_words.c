/*
 * The report as a screen and as JSON. Knows nothing of how findings come about.
 */
#include "fence/diagnosis_private.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json_put.h"

#include <stdio.h>
#include <string.h>

const char *diagnosis_step_name(enum diagnosis_step step)
{
    static const char *const names[DIAGNOSIS_STEP_COUNT + 1] = {
        [DIAGNOSIS_CONFIGURATION] = "configuration",
        [DIAGNOSIS_ENDPOINTS] = "endpoints",
        [DIAGNOSIS_LOGIN] = "login",
        [DIAGNOSIS_PRIVILEGES] = "privileges",
        [DIAGNOSIS_POOL] = "pool",
        [DIAGNOSIS_NAMES] = "names",
        [DIAGNOSIS_GUESTS] = "guests",
        [DIAGNOSIS_LOCAL] = "this node",
        [DIAGNOSIS_CLUSTER] = "cluster",
    };

    return (size_t)step < ARRAY_LEN(names) ? names[step] : "unknown";
}

const char *diagnosis_level_name(enum diagnosis_level level)
{
    static const char *const names[] = {"skipped", "ok", "unknown", "warning", "failure"};

    return (size_t)level < ARRAY_LEN(names) ? names[level] : "unknown";
}

static const char *verdict_words(const struct diagnosis *diagnosis)
{
    static const char *const words[] = {"fine", "a fence would fail",
                                        "a fence would work, but something needs attention"};

    return words[diagnosis_exit_status(diagnosis)];
}

/* The next span between backticks, from *at on; *at ends behind it. False: there is none. */
static bool next_paste(const char **at, const char **begin, size_t *length)
{
    const char *open = strchr(*at, '`'), *close = open ? strchr(open + 1, '`') : NULL;

    if (!close)
        return false;
    *begin = open + 1;
    *length = (size_t)(close - open - 1);
    *at = close + 1;
    return true;
}

/* Lines to be pasted stand alone, so that they can be picked with one click; a hint that ends in all of its
 * lines gives them away. */
static void put_hint(struct text *out, const char *hint)
{
    const char *at = hint, *begin = NULL, *first = NULL, *last = hint;
    size_t length = 0, words = strlen(hint);
    bool in_a_row = true;

    for (; next_paste(&at, &begin, &length); last = at) {
        in_a_row = in_a_row && (!first || last + strspn(last, " ") == begin - 1);
        first = first ? first : begin - 1;
    }
    if (first && in_a_row && !*at)
        words = (size_t)(first - hint);
    while (words > 0 && hint[words - 1] == ' ')
        words--;
    if (words > 0)
        text_printf(out, "           hint: %.*s\n", (int)words, hint);
    for (at = hint; next_paste(&at, &begin, &length);)
        text_printf(out, "           paste: %.*s\n", (int)length, begin);
}

static void put_finding(struct text *out, const struct diagnosis_finding *finding)
{
    char age[CLOCK_AGE_LEN];

    text_printf(out, "  %-8s %s", diagnosis_level_name(finding->level), finding->message);
    if (finding->age_ms != DIAGNOSIS_AGE_NONE)
        text_printf(out, " (%s ago)", clock_age(finding->age_ms, age));
    text_puts(out, "\n");
    if (finding->hint)
        put_hint(out, finding->hint);
}

/* Behind the last finding of a step. */
static void put_time(struct text *out, const struct diagnosis *diagnosis, enum diagnosis_step step)
{
    if (step == DIAGNOSIS_CLUSTER || diagnosis->took_us[step] < 0)
        return;
    text_puts(out, "  time     ");
    diagnosis_put_us(out, diagnosis->took_us[step]);
    text_puts(out, "\n");
}

void diagnosis_put_text(struct text *out, const struct diagnosis *diagnosis, bool daemon)
{
    out->failed |= diagnosis->failed;
    text_printf(out, "Verdict: %s\n%s\n", verdict_words(diagnosis),
                daemon ? "As the running daemon sees it." : "Seen without a daemon.");
    for (size_t i = 0; i < diagnosis->count; i++) {
        const struct diagnosis_finding *finding = &diagnosis->findings[i];

        if (i == 0 || finding->step != diagnosis->findings[i - 1].step)
            text_printf(out, "\n%s\n", diagnosis_step_name(finding->step));
        put_finding(out, finding);
        if (i + 1 == diagnosis->count || finding->step != finding[1].step)
            put_time(out, diagnosis, finding->step);
    }
}

/* ---- JSON ---- */

static void put_pastes(struct text *out, const char *hint)
{
    const char *begin = NULL;
    size_t length = 0;

    json_put_open(out, "paste", '[');
    while (hint && next_paste(&hint, &begin, &length)) {
        _cleanup_(freep) char *line = strndup(begin, length);

        out->failed |= !line;
        json_put_string(out, NULL, line);
    }
    json_put_close(out, ']');
}

/* Milliseconds with a digit behind the point. */
static void put_milliseconds(struct text *out, const char *key, int64_t us)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld.%lld", (long long)(us / 1000), (long long)(us % 1000 / 100));
    json_put_raw(out, key, us < 0 ? "null" : text);
}

static void put_step_objects(struct text *out, const struct diagnosis *diagnosis)
{
    json_put_open(out, "steps", '[');
    for (enum diagnosis_step step = 0; step < DIAGNOSIS_STEP_COUNT; step++) {
        json_put_open(out, NULL, '{');
        json_put_string(out, "step", diagnosis_step_name(step));
        put_milliseconds(out, "took_ms", diagnosis->took_us[step]);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_finding_object(struct text *out, const struct diagnosis_finding *finding, int64_t realtime_ms)
{
    bool aged = finding->age_ms != DIAGNOSIS_AGE_NONE;
    char stamp[CLOCK_RFC3339_LEN];

    json_put_open(out, NULL, '{');
    json_put_string(out, "step", diagnosis_step_name(finding->step));
    json_put_string(out, "level", diagnosis_level_name(finding->level));
    json_put_string(out, "message", finding->message);
    json_put_string(out, "hint", finding->hint);
    put_pastes(out, finding->hint);
    json_put_string(out, "seen_at", aged ? clock_rfc3339(realtime_ms - finding->age_ms, stamp) : NULL);
    if (aged)
        json_put_int(out, "seen_age_s", finding->age_ms / 1000);
    else
        json_put_string(out, "seen_age_s", NULL);
    json_put_close(out, '}');
}

void diagnosis_put_json(struct text *out, const struct diagnosis *diagnosis, bool daemon, int64_t realtime_ms)
{
    json_put_open(out, NULL, '{');
    json_put_int(out, "exit_status", diagnosis_exit_status(diagnosis));
    json_put_string(out, "verdict", verdict_words(diagnosis));
    json_put_bool(out, "daemon", daemon);
    put_step_objects(out, diagnosis);
    json_put_open(out, "findings", '[');
    for (size_t i = 0; i < diagnosis->count; i++)
        put_finding_object(out, &diagnosis->findings[i], realtime_ms);
    json_put_close(out, ']');
    json_put_close(out, '}');
    text_puts(out, "\n");
    out->failed |= diagnosis->failed;
}
