/*
 * What all views share: errors in both forms, and small helpers around json-c and the tables. Knows no
 * resource.
 */
#include "server/view.h"

#include "system/clock.h"

#include <string.h>

void view_put_time(struct text *out, const char *key, int64_t realtime_ms, const struct facts *facts)
{
    char name[64], stamp[CLOCK_RFC3339_LEN];
    size_t length = strnlen(key, sizeof(name) - sizeof("_age_s"));

    memcpy(name, key, length);
    memcpy(name + length, "_at", sizeof("_at"));
    json_put_string(out, name, realtime_ms ? clock_rfc3339(realtime_ms, stamp) : NULL);
    memcpy(name + length, "_age_s", sizeof("_age_s"));
    if (realtime_ms)
        json_put_int(out, name, (facts->realtime_ms - realtime_ms) / 1000);
    else
        json_put_string(out, name, NULL);
}

/* What the first endpoint fails with; with this code, unless that is ERROR_NONE. */
static const struct error *endpoint_error(const struct facts *facts, enum error_code code)
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

static const struct error *cause_for_all(const struct facts *facts, enum reason reason)
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
static const struct error *cause_of(const struct facts *facts, enum reason reason)
{
    const struct error *cause = cause_for_all(facts, reason);

    return cause && cause->names_guests && facts->subject ? NULL : cause;
}

const struct error *view_guest_cause(const struct facts *facts, const struct guest *guest, enum reason reason)
{
    const struct error *cause = guest ? readiness_cause(&facts->readiness, guest, reason) : NULL;

    if (cause && cause == guest->moved && !visibility_of_guest(facts->subject, guest->moved_with))
        return NULL; /* it names the other one */
    return cause ? cause : cause_of(facts, reason);
}

static const char *hint_of(const struct error *cause, enum reason reason)
{
    return cause && cause->hint[0] ? cause->hint : reason_hint(reason);
}

static void put_reason_objects(struct text *out, const char *key, const struct facts *facts,
                               const struct guest *guest, reason_set reasons)
{
    char place[REASON_DOCUMENTATION_LEN];

    json_put_open(out, key, '[');
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        if (!(reasons & (reason_set)1 << r))
            continue;
        const struct error *cause = view_guest_cause(facts, guest, r);

        json_put_open(out, NULL, '{');
        json_put_string(out, "reason", reason_name(r));
        json_put_string(out, "severity", verdict_name(reason_severity(r)));
        json_put_string(out, "message", reason_message(r));
        json_put_string(out, "hint", hint_of(cause, r));
        json_put_string(out, "cause", cause ? cause->message : NULL);
        json_put_string(out, "seen_within", reason_seen(r));
        json_put_string(out, "documentation", reason_documentation(r, place));
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

void view_put_reason_objects(struct text *out, const struct facts *facts, const struct guest *guest,
                             reason_set reasons)
{
    const reason_set caveats = readiness_caveats(reasons);

    put_reason_objects(out, "reasons", facts, guest, reasons & ~caveats);
    put_reason_objects(out, "caveats", facts, guest, caveats);
}

void view_put_reason_lines(struct text *out, const struct facts *facts, reason_set reasons)
{
    reasons &= ~readiness_caveats(reasons);
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        const struct error *cause = cause_of(facts, r);

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

static void put_error_object(struct text *out, const char *key, const struct error *error,
                             const char *operation)
{
    json_put_open(out, key, '{');
    json_put_string(out, "code", error_code_name(error->code));
    json_put_string(out, "message", error->message);
    json_put_string(out, "hint", error->hint);
    if (operation)
        json_put_string(out, "operation", operation);
    json_put_close(out, '}');
}

void view_put_error_object(struct text *out, const char *key, const struct error *error)
{
    if (error && error->code != ERROR_NONE)
        put_error_object(out, key, error, NULL);
    else
        json_put_string(out, key, NULL);
}

void view_put_end(struct text *out)
{
    json_put_close(out, '}');
    text_puts(out, "\n");
}

void view_error(struct text *out, enum http_form form, const struct error *error, const char *operation)
{
    if (form == HTTP_TEXT) {
        text_printf(out, "%s: %s\n", error_code_name(error->code), error->message);
        if (error->hint[0])
            text_printf(out, "hint: %s\n", error->hint);
        return;
    }
    json_put_open(out, NULL, '{');
    put_error_object(out, "error", error, operation);
    view_put_end(out);
}
