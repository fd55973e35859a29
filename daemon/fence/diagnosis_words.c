/*
 * The report as a screen and as JSON. The first line of the screen is the verdict in one of three fixed
 * texts, by which the client knows its exit status; in JSON that is `exit_status`, the first member. Knows
 * nothing of how findings come about.
 */
#include "fence/diagnosis.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <json-c/json.h>

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

static void put_finding(struct text *out, const struct diagnosis_finding *finding)
{
    char age[CLOCK_AGE_LEN];

    text_printf(out, "  %-8s %s", diagnosis_level_name(finding->level), finding->message);
    if (finding->age_ms != DIAGNOSIS_AGE_NONE)
        text_printf(out, " (%s ago)", clock_age(finding->age_ms, age));
    text_puts(out, "\n");
    if (finding->hint)
        text_printf(out, "           hint: %s\n", finding->hint);
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
    }
}

/* ---- JSON ---- */

static void add(struct json_object *object, const char *key, struct json_object *value)
{
    if (!object || json_object_object_add(object, key, value) != 0)
        json_object_put(value);
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
