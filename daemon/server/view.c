/*
 * What all views share: errors in both forms, and small helpers around json-c and the tables. Knows no
 * resource.
 */
#include "server/view.h"

#include "system/clock.h"

#include <string.h>

void view_put_json(struct text *out, struct json_object *object)
{
    const char *string =
        object
            ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
            : NULL;

    if (string) {
        text_puts(out, string);
        text_puts(out, "\n");
    } else {
        out->failed = true;
    }
    json_object_put(object);
}

void view_add(struct json_object *object, const char *key, struct json_object *value)
{
    if (!object || json_object_object_add(object, key, value) != 0)
        json_object_put(value);
}

void view_add_string(struct json_object *object, const char *key, const char *value)
{
    view_add(object, key, value ? json_object_new_string(value) : NULL);
}

void view_add_int(struct json_object *object, const char *key, int64_t value)
{
    view_add(object, key, json_object_new_int64(value));
}

void view_add_bool(struct json_object *object, const char *key, bool value)
{
    view_add(object, key, json_object_new_boolean(value));
}

void view_add_time(struct json_object *object, const char *key, int64_t realtime_ms,
                   const struct view_facts *facts)
{
    char name[64], stamp[CLOCK_RFC3339_LEN];
    size_t length = strnlen(key, sizeof(name) - sizeof("_age_s"));

    memcpy(name, key, length);
    memcpy(name + length, "_at", sizeof("_at"));
    view_add_string(object, name, realtime_ms ? clock_rfc3339(realtime_ms, stamp) : NULL);
    memcpy(name + length, "_age_s", sizeof("_age_s"));
    if (realtime_ms)
        view_add_int(object, name, (facts->realtime_ms - realtime_ms) / 1000);
    else
        view_add_string(object, name, NULL);
}

const struct error *view_guest_cause(const struct view_facts *facts, const struct guest *guest,
                                     enum reason reason)
{
    const struct error *cause = guest ? readiness_cause(&facts->readiness, guest, reason) : NULL;

    if (cause && cause == guest->moved && !sight_of_guest(facts->subject, guest->moved_with))
        return NULL; /* it names the other one */
    return cause ? cause : view_cause(facts, reason);
}

static const char *hint_of(const struct error *cause, enum reason reason)
{
    return cause && cause->hint[0] ? cause->hint : reason_hint(reason);
}

void view_add_reasons(struct json_object *object, const struct view_facts *facts, const struct guest *guest,
                      reason_set reasons)
{
    char place[REASON_DOCUMENTATION_LEN];
    struct json_object *array = json_object_new_array();

    for (enum reason r = 0; array && r < REASON_COUNT; r++) {
        const struct error *cause = view_guest_cause(facts, guest, r);
        struct json_object *one;

        if (!(reasons & (reason_set)1 << r) || !(one = json_object_new_object()))
            continue;
        view_add_string(one, "reason", reason_name(r));
        view_add_string(one, "severity", verdict_name(reason_severity(r)));
        view_add_string(one, "message", reason_message(r));
        view_add_string(one, "hint", hint_of(cause, r));
        view_add_string(one, "cause", cause ? cause->message : NULL);
        view_add_string(one, "seen_within", reason_seen(r));
        view_add_string(one, "documentation", reason_documentation(r, place));
        if (json_object_array_add(array, one) != 0)
            json_object_put(one);
    }
    view_add(object, "reasons", array);
}

void view_put_reason_lines(struct text *out, const struct view_facts *facts, reason_set reasons)
{
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        const struct error *cause = view_cause(facts, r);

        if (!(reasons & (reason_set)1 << r))
            continue;
        text_printf(out, "  %s (%s): %s\n", reason_name(r), verdict_name(reason_severity(r)),
                    reason_message(r));
        if (cause)
            text_printf(out, "    cause: %s\n", cause->message);
        text_printf(out, "    hint: %s\n", hint_of(cause, r));
    }
}

void view_put_reasons(struct text *out, reason_set reasons)
{
    const char *separator = "";

    if (!reasons)
        text_puts(out, "-");
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        if (!(reasons & (reason_set)1 << r))
            continue;
        text_printf(out, "%s%s", separator, reason_name(r));
        separator = ", ";
    }
}

void view_put_cell(struct text *out, const char *value)
{
    if (!value || !*value)
        value = "-";
    for (; *value; value++) {
        bool control = (unsigned char)*value < 0x20 || *value == 0x7f;

        text_append(out, control ? "?" : value, 1);
    }
}

/* What the first endpoint fails with; with this code, unless that is ERROR_NONE. */
static const struct error *endpoint_error(const struct view_facts *facts, enum error_code code)
{
    for (size_t i = 0; facts->endpoints; i++) {
        const struct endpoint *endpoint = endpoints_get(facts->endpoints, i);

        if (!endpoint)
            break;
        if (endpoint->error.code != ERROR_NONE && (code == ERROR_NONE || endpoint->error.code == code))
            return &endpoint->error;
    }
    return NULL;
}

static const struct error *cause_for_all(const struct view_facts *facts, enum reason reason)
{
    if (reason == REASON_NO_SESSION && facts->session.error.code != ERROR_NONE)
        return &facts->session.error;
    if ((reason == REASON_STALE || reason == REASON_NO_INVENTORY || reason == REASON_NO_ENDPOINT) &&
        facts->poll_error && facts->poll_error->code != ERROR_NONE)
        return facts->poll_error;
    if ((reason == REASON_EXCESS_REFUSED || reason == REASON_EXCESS_PRIVILEGES) && facts->grants)
        return grants_excess(facts->grants);
    if (reason == REASON_NO_POWER_RIGHT && facts->grants && grants_missing(facts->grants)->code != ERROR_NONE)
        return grants_missing(facts->grants);
    if (reason == REASON_REHEARSAL_UNSAFE)
        return evidence_rehearsals_alarm(facts->readiness.evidence);
    if (reason == REASON_EMPTY_POOL)
        return readiness_cause(&facts->readiness, NULL, reason);
    if (reason == REASON_ONE_ENDPOINT)
        return endpoint_error(facts, ERROR_NONE);
    if (reason == REASON_CLOCK_WRONG || reason == REASON_CLOCK_DOUBTED)
        return endpoint_error(facts, ERROR_CLOCK_WRONG);
    return NULL;
}

/* The cause in Proxmox's or the network's own words, where there is one for this reason. */
const struct error *view_cause(const struct view_facts *facts, enum reason reason)
{
    const struct error *cause = cause_for_all(facts, reason);

    return cause && cause->names_guests && facts->subject ? NULL : cause;
}

struct json_object *view_error_object(const struct error *error, const char *operation)
{
    struct json_object *object = json_object_new_object();

    view_add_string(object, "code", error_code_name(error->code));
    view_add_string(object, "message", error->message);
    view_add_string(object, "hint", error->hint);
    if (operation)
        view_add_string(object, "operation", operation);
    return object;
}

void view_error(struct text *out, enum http_form form, const struct error *error, const char *operation)
{
    if (form == HTTP_TEXT) {
        text_printf(out, "%s: %s\n", error_code_name(error->code), error->message);
        if (error->hint[0])
            text_printf(out, "hint: %s\n", error->hint);
        return;
    }
    struct json_object *object = json_object_new_object();

    view_add(object, "error", view_error_object(error, operation));
    view_put_json(out, object);
}
