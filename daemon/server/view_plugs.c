/*
 * Whom a list of plugs leads to: what the client needs when it holds Pacemaker's names against the pool. A
 * line for each plug in the order of the question, as text with tabs between the fields, made for programs.
 * Knows no Pacemaker.
 */
#include "server/view.h"

#include "system/cleanup.h"

#include <string.h>

/* Would Pacemaker find this name in our list? It compares without regard to case, and knows no short names.
 */
static bool is_listed(const struct guest *guest, const char *plug)
{
    bool listed = strcasecmp(guest->label, plug) == 0 || strcasecmp(guest_label(guest), plug) == 0;

    for (size_t i = 0; i < guest->alias_count && !listed; i++)
        listed = strcasecmp(guest->aliases[i], plug) == 0;
    return listed;
}

static void put_guest(struct text *out, const struct view_facts *facts, const struct guest *guest,
                      const char *plug)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    text_printf(out, "\t%d\t", guest->vmid);
    view_put_cell(out, guest_label(guest));
    text_printf(out, "\t%s\t%s\t%s\n", is_listed(guest, plug) ? "listed" : "unlisted",
                verdict_name(readiness_verdict(reasons)), guest->hastate ? "ha" : "-");
}

static void add_guest(struct json_object *object, const struct view_facts *facts, const struct guest *guest,
                      const char *plug)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    view_add_int(object, "vmid", guest->vmid);
    view_add_string(object, "name", guest->name);
    view_add_bool(object, "listed", is_listed(guest, plug));
    view_add_string(object, "verdict", verdict_name(readiness_verdict(reasons)));
    view_add_bool(object, "ha_managed", guest->hastate);
}

static void put_error(struct text *out, const struct error *error)
{
    text_printf(out, "\t-\t%s\t", error_code_name(error->code));
    view_put_cell(out, error->message);
    text_puts(out, "\t");
    view_put_cell(out, error->hint);
    text_puts(out, "\n");
}

/* One plug: a line of `out`, or an element of `array`. */
static void put_plug(struct text *out, struct json_object *array, const struct view_facts *facts,
                     const char *plug)
{
    struct access_decision decision;
    struct error error = {0};
    const struct guest *guest =
        sight_find(facts->subject, facts->readiness.inventory, plug, &decision, &error);
    struct json_object *object = array ? json_object_new_object() : NULL;

    if (!array) {
        view_put_cell(out, plug);
        if (guest)
            put_guest(out, facts, guest, plug);
        else
            put_error(out, &error);
        return;
    }
    view_add_string(object, "plug", plug);
    if (guest)
        add_guest(object, facts, guest, plug);
    else
        view_add(object, "error", view_error_object(&error, NULL));
    json_object_array_add(array, object);
}

void view_plugs(struct text *out, enum http_form form, const struct view_facts *facts, const char *plugs)
{
    struct json_object *object = form == HTTP_TEXT ? NULL : json_object_new_object();
    struct json_object *array = object ? json_object_new_array() : NULL;
    int64_t deadline_s = facts->config ? facts->config->deadline_ms / 1000 : 0;
    _cleanup_(freep) char *names = strdup(plugs);
    char *rest = names;

    out->failed |= !names || (form != HTTP_TEXT && !array);
    if (out->failed) {
        json_object_put(object);
        return;
    }
    if (form == HTTP_TEXT)
        text_printf(out, "deadline\t%lld\n", (long long)deadline_s);
    for (const char *plug; (plug = strsep(&rest, ","));) {
        if (*plug)
            put_plug(out, array, facts, plug);
    }
    if (form == HTTP_TEXT)
        return;
    view_add_int(object, "deadline_s", deadline_s);
    view_add(object, "plugs", array);
    view_put_json(out, object);
}
