/*
 * The report as a screen and as JSON. The first line of the screen is the verdict in one of three fixed
 * texts, by which the client knows its exit status; in JSON that is `exit_status`, the first member. Knows
 * nothing of how findings come about.
 */
#include "fence/diagnosis_private.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

const char *diagnosis_step_name(enum diagnosis_step step)
{
    static const char *const names[DIAGNOSIS_STEP_COUNT] = {
        [DIAGNOSIS_CONFIGURATION] = "configuration",
        [DIAGNOSIS_ENDPOINTS] = "endpoints",
        [DIAGNOSIS_LOGIN] = "login",
        [DIAGNOSIS_PRIVILEGES] = "privileges",
        [DIAGNOSIS_POOL] = "pool",
        [DIAGNOSIS_NAMES] = "names",
        [DIAGNOSIS_GUESTS] = "guests",
        [DIAGNOSIS_LOCAL] = "this node",
    };

    return (size_t)step < ARRAY_LEN(names) ? names[step] : "unknown";
}

const char *diagnosis_level_name(enum diagnosis_level level)
{
    static const char *const names[] = {"ok", "unknown", "warning", "failure"};

    return (size_t)level < ARRAY_LEN(names) ? names[level] : "unknown";
}

static const char *verdict_words(const struct diagnosis *diagnosis)
{
    static const char *const words[] = {"fine", "a fence would fail",
                                        "a fence would work, but something is off"};

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

/* Lines to be pasted stand alone, so that they can be picked with one click; a hint that ends in one gives it
 * away to that line. */
static void put_hint(struct text *out, const char *hint)
{
    const char *at = hint, *begin = NULL;
    size_t length = 0, lines = 0, words = strlen(hint);

    while (next_paste(&at, &begin, &length))
        lines++;
    if (lines == 1 && !*at)
        words = (size_t)(begin - 1 - hint);
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
    if (diagnosis->took_us[step] < 0)
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

static void add(struct json_object *object, const char *key, struct json_object *value)
{
    if (!object || json_object_object_add(object, key, value) != 0)
        json_object_put(value);
}

static struct json_object *paste_array(const char *hint)
{
    struct json_object *array = json_object_new_array();
    const char *begin = NULL;
    size_t length = 0;

    while (array && hint && next_paste(&hint, &begin, &length))
        json_object_array_add(array, json_object_new_string_len(begin, (int)length));
    return array;
}

/* Milliseconds with a digit behind the point: double has more of them than was measured. */
static struct json_object *milliseconds(int64_t us)
{
    char text[32];

    if (us < 0)
        return NULL;
    snprintf(text, sizeof(text), "%lld.%lld", (long long)(us / 1000), (long long)(us % 1000 / 100));
    return json_object_new_double_s((double)us / 1000, text);
}

static struct json_object *steps_array(const struct diagnosis *diagnosis)
{
    struct json_object *array = json_object_new_array();

    for (enum diagnosis_step step = 0; array && step < DIAGNOSIS_STEP_COUNT; step++) {
        struct json_object *one = json_object_new_object();

        add(one, "step", json_object_new_string(diagnosis_step_name(step)));
        add(one, "took_ms", milliseconds(diagnosis->took_us[step]));
        json_object_array_add(array, one);
    }
    return array;
}

static struct json_object *finding_object(const struct diagnosis_finding *finding, int64_t realtime_ms)
{
    struct json_object *object = json_object_new_object();
    bool aged = finding->age_ms != DIAGNOSIS_AGE_NONE;
    char stamp[CLOCK_RFC3339_LEN];

    add(object, "step", json_object_new_string(diagnosis_step_name(finding->step)));
    add(object, "level", json_object_new_string(diagnosis_level_name(finding->level)));
    add(object, "message", json_object_new_string(finding->message));
    add(object, "hint", finding->hint ? json_object_new_string(finding->hint) : NULL);
    add(object, "paste", paste_array(finding->hint));
    add(object, "seen_at",
        aged ? json_object_new_string(clock_rfc3339(realtime_ms - finding->age_ms, stamp)) : NULL);
    add(object, "seen_age_s", aged ? json_object_new_int64(finding->age_ms / 1000) : NULL);
    return object;
}

void diagnosis_put_json(struct text *out, const struct diagnosis *diagnosis, bool daemon, int64_t realtime_ms)
{
    struct json_object *object = json_object_new_object(), *array = json_object_new_array();

    add(object, "exit_status", json_object_new_int(diagnosis_exit_status(diagnosis)));
    add(object, "verdict", json_object_new_string(verdict_words(diagnosis)));
    add(object, "daemon", json_object_new_boolean(daemon));
    add(object, "steps", steps_array(diagnosis));
    /* the last member: the client puts its own findings behind the last one */
    for (size_t i = 0; array && i < diagnosis->count; i++)
        json_object_array_add(array, finding_object(&diagnosis->findings[i], realtime_ms));
    add(object, "findings", array);
    const char *string =
        object
            ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
            : NULL;
    out->failed |= diagnosis->failed || !string;
    text_puts(out, string ? string : "{}");
    text_puts(out, "\n");
    json_object_put(object);
}
