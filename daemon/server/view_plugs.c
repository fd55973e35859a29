/*
 * Whom a list of plugs leads to: what the client needs when it holds Pacemaker's names against the pool. A
 * line for each plug in the order of the question, as text with tabs between the fields, made for programs.
 * Knows no Pacemaker.
 */
#include "server/view.h"

#include "system/cleanup.h"

#include <string.h>

/* Would a fence fail if the guest's host died? */
static bool is_unwatched(reason_set reasons)
{
    return reasons & (reason_set)1 << REASON_HOST_UNWATCHED;
}

/* Would Pacemaker find this name in our list? It compares without regard to case, and knows no short names.
 */
static bool is_listed(const struct guest *guest, const char *plug)
{
    bool listed = strcasecmp(guest->label, plug) == 0 || strcasecmp(guest_label(guest), plug) == 0;

    for (size_t i = 0; i < guest->alias_count && !listed; i++)
        listed = strcasecmp(guest->aliases[i], plug) == 0;
    return listed;
}

static void put_guest(struct text *out, const struct facts *facts, const struct guest *guest,
                      const char *plug)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    text_printf(out, "\t%d\t", guest->vmid);
    view_put_cell(out, guest_label(guest));
    text_printf(out, "\t%s\t%s\t%s\t%s\n", is_listed(guest, plug) ? "listed" : "unlisted",
                verdict_name(readiness_verdict(reasons)), guest->hastate ? "ha" : "-",
                is_unwatched(reasons) ? reason_name(REASON_HOST_UNWATCHED) : "-");
}

static void put_guest_members(struct text *out, const struct facts *facts, const struct guest *guest,
                              const char *plug)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    json_put_int(out, "vmid", guest->vmid);
    json_put_string(out, "name", guest->name);
    json_put_bool(out, "listed", is_listed(guest, plug));
    json_put_string(out, "verdict", verdict_name(readiness_verdict(reasons)));
    json_put_bool(out, "ha_managed", guest->hastate);
    json_put_bool(out, "host_unwatched", is_unwatched(reasons));
}

static void put_error(struct text *out, const struct error *error)
{
    text_printf(out, "\t-\t%s\t", error_code_name(error->code));
    view_put_cell(out, error->message);
    text_puts(out, "\t");
    view_put_cell(out, error->hint);
    text_puts(out, "\n");
}

/* One plug: a line, or an element of an array. */
static void put_plug(struct text *out, enum http_form form, const struct facts *facts, const char *plug)
{
    struct access_decision decision;
    struct error error = {0};
    const struct guest *guest =
        visibility_find(facts->subject, facts->readiness.inventory, plug, &decision, &error);

    if (form == HTTP_TEXT) {
        view_put_cell(out, plug);
        if (guest)
            put_guest(out, facts, guest, plug);
        else
            put_error(out, &error);
        return;
    }
    json_put_open(out, NULL, '{');
    json_put_string(out, "plug", plug);
    if (guest)
        put_guest_members(out, facts, guest, plug);
    else
        view_put_error_object(out, "error", &error);
    json_put_close(out, '}');
}

void view_plugs(struct text *out, enum http_form form, const struct facts *facts, const char *plugs)
{
    int64_t deadline_s = facts->config ? facts->config->deadline_ms / 1000 : 0;
    _cleanup_(freep) char *names = strdup(plugs);
    char *rest = names;

    out->failed |= !names;
    if (form == HTTP_TEXT) {
        text_printf(out, "deadline\t%lld\n", (long long)deadline_s);
    } else {
        json_put_open(out, NULL, '{');
        json_put_int(out, "deadline_s", deadline_s);
        json_put_open(out, "plugs", '[');
    }
    for (const char *plug; (plug = strsep(&rest, ","));) {
        if (*plug)
            put_plug(out, form, facts, plug);
    }
    if (form == HTTP_TEXT)
        return;
    json_put_close(out, ']');
    view_put_end(out);
}
