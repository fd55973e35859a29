/*
 * The guests of the pool: a screen, JSON, and the lists that Pacemaker reads. Each is written at once: of a
 * thousand guests it must not take longer than the loop may be kept from its work (tests/bench/inventory).
 */
#include "server/view.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <stdlib.h>
#include <string.h>

static const char *power_word(const struct guest *guest)
{
    if (guest->status && !strcmp(guest->status, "running"))
        return "on";
    if (guest->status && !strcmp(guest->status, "stopped"))
        return "off";
    return "unknown";
}

/* ---- the screen ---- */

static void put_aliases(struct text *table, const struct guest *guest)
{
    if (guest->alias_count == 0)
        text_puts(table, "-");
    for (size_t i = 0; i < guest->alias_count; i++)
        text_printf(table, "%s%s", i ? "," : "", guest->aliases[i]);
}

/* How old the oldest evidence is that the verdict rests on. */
static void put_evidence(struct text *table, const struct facts *facts, const struct guest *guest)
{
    int64_t age_ms = readiness_evidence_age_ms(&facts->readiness, guest);
    char age[CLOCK_AGE_LEN];

    text_puts(table, age_ms == READINESS_NO_EVIDENCE  ? "none"
                     : age_ms == READINESS_NOT_NEEDED ? "-"
                                                      : clock_age(age_ms, age));
}

static void put_row(struct text *table, const struct facts *facts, const struct guest *guest)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    text_printf(table, "%d\t", guest->vmid);
    view_put_cell(table, guest->name);
    text_puts(table, "\t");
    put_aliases(table, guest);
    text_puts(table, "\t");
    view_put_cell(table, guest->node);
    text_printf(table, "\t%s\t%s\t", guest->status ? guest->status : "unknown",
                verdict_name(readiness_verdict(reasons)));
    put_evidence(table, facts, guest);
    text_puts(table, "\t");
    if (facts->readiness.dead_host_fails) /* each guest has that one, in most clusters: doctor says it */
        reasons &= ~((reason_set)1 << REASON_HOST_UNWATCHED);
    view_put_reasons(table, reasons);
    text_puts(table, "\n");
}

static void guests_screen(struct text *out, const struct facts *facts)
{
    const struct inventory *inventory = facts->readiness.inventory;
    _cleanup_(text_clear) struct text table = {0};
    char age[CLOCK_AGE_LEN];
    size_t shown = 0;

    if (!inventory) {
        text_printf(out, "%s.\n", reason_message(REASON_NO_INVENTORY));
        return;
    }
    text_puts(&table, "VMID\tNAME\tALIAS\tNODE\tSTATE\tVERDICT\tEVIDENCE\tREASONS\n");
    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (!visibility_of_guest(facts->subject, guest))
            continue;
        put_row(&table, facts, guest);
        shown++;
    }
    text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed;
    text_printf(out, "%zu guests%s, seen %s ago\n", shown, facts->subject ? " that you may see" : "",
                clock_age(facts->readiness.inventory_age_ms, age));
    view_put_reason_lines(out, facts,
                          readiness_overall(&facts->readiness) & (reason_set)1 << REASON_EMPTY_POOL);
}

/* ---- JSON ---- */

static void put_entry(struct text *out, const struct facts *facts, const struct guest *guest,
                      enum evidence_kind kind)
{
    static const char *const states[] = {
        [EVIDENCE_NOT_NEEDED] = "not-needed",
        [EVIDENCE_MISSING] = "missing",
        [EVIDENCE_OLD] = "old",
        [EVIDENCE_FRESH] = "fresh",
    };
    const struct evidence_guest *known = evidence_of(facts->readiness.evidence, guest->vmid);
    const struct evidence_entry *entry = known && known->entries[kind].at_ms ? &known->entries[kind] : NULL;
    int64_t age_ms = evidence_age_ms(known, kind, facts->readiness.boottime_ms);

    json_put_open(out, evidence_kind_name(kind), '{');
    json_put_string(out, "state",
                    states[evidence_state(facts->readiness.evidence, known, kind, guest->node,
                                          facts->readiness.boottime_ms)]);
    view_put_time(out, "seen", entry ? facts->realtime_ms - age_ms : 0, facts);
    if (entry)
        json_put_int(out, "took_ms", entry->took_ms);
    else
        json_put_string(out, "took_ms", NULL);
    json_put_string(out, "node", entry ? entry->node : NULL);
    json_put_string(out, "endpoint", entry ? entry->endpoint : NULL);
    view_put_error_object(out, "error", entry ? entry->error : NULL);
    json_put_close(out, '}');
}

static void put_live(struct text *out, const struct pve_status *live)
{
    json_put_string(out, "status", live->running ? "running" : "stopped");
    json_put_string(out, "lock", live->lock[0] ? live->lock : NULL);
    json_put_string(out, "ha_state", live->ha_state[0] ? live->ha_state : NULL);
}

/* The members of the object; `node` and `live`, unless they are NULL, are newer than what the inventory has.
 */
static void put_guest(struct text *out, const struct facts *facts, const struct guest *guest,
                      const char *node, const struct pve_status *live)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    json_put_int(out, "vmid", guest->vmid);
    json_put_string(out, "name", guest->name);
    json_put_open(out, "aliases", '[');
    for (size_t i = 0; i < guest->alias_count; i++)
        json_put_string(out, NULL, guest->aliases[i]);
    json_put_close(out, ']');
    json_put_string(out, "type", pve_guest_type_name(guest->type));
    json_put_string(out, "node", node ? node : guest->node);
    json_put_string(out, "pool", guest->pool);
    json_put_string(out, "tags", guest->tags);
    if (live) {
        put_live(out, live);
    } else {
        json_put_string(out, "status", guest->status);
        json_put_string(out, "lock", guest->lock);
        json_put_string(out, "ha_state", guest->hastate);
    }
    json_put_bool(out, "template", guest->template);
    json_put_string(out, "verdict", verdict_name(readiness_verdict(reasons)));
    view_put_reason_objects(out, facts, guest, reasons);
    json_put_open(out, "evidence", '{');
    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++)
        put_entry(out, facts, guest, kind);
    json_put_close(out, '}');
}

static void guests_json(struct text *out, const struct facts *facts)
{
    const struct inventory *inventory = facts->readiness.inventory;

    json_put_open(out, NULL, '{');
    json_put_open(out, "guests", '[');
    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (!visibility_of_guest(facts->subject, guest))
            continue;
        json_put_open(out, NULL, '{');
        put_guest(out, facts, guest, NULL, NULL);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
    if (inventory)
        json_put_int(out, "inventory_age_s", facts->readiness.inventory_age_ms / 1000);
    else
        json_put_string(out, "inventory_age_s", NULL);
    view_put_end(out);
}

void view_guests(struct text *out, enum http_form form, const struct facts *facts)
{
    if (form == HTTP_TEXT)
        guests_screen(out, facts);
    else
        guests_json(out, facts);
}

/* ---- what Pacemaker reads ---- */

/* Which guests, and what of each. */
struct list_form {
    bool (*has)(const struct access_subject *subject, const struct guest *guest);
    bool with_aliases, with_status;
};

static bool may_rehearse(const struct access_subject *subject, const struct guest *guest)
{
    struct access_guest seen;
    const struct access_question question = {ACCESS_WRITE, ACCESS_WHAT_GUESTS, ACCESS_ACTION_REHEARSE, &seen};

    visibility_guest_of(guest, &seen);
    return !subject || access_allows(access_decide(subject, &question).verdict);
}

/* Pacemaker takes a line apart at blanks, commas and semicolons, and cuts what is left at the first character
 * that names of its nodes do not have: each piece would be a target of its own. */
static void put_target(struct text *out, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    while (*name) {
        size_t length = strspn(name, plain);

        text_append(out, name, length);
        name += length;
        if (!*name)
            return;
        text_puts(out, "_");
        name++;
    }
}

static void put_line(struct text *out, const struct guest *guest, const char *name, bool with_status)
{
    text_printf(out, "%d,", guest->vmid);
    put_target(out, name);
    if (with_status)
        text_printf(out, ",%s", power_word(guest));
    text_puts(out, "\n");
}

static void put_line_object(struct text *out, const struct guest *guest, const char *name, bool with_status)
{
    json_put_open(out, NULL, '{');
    json_put_int(out, "vmid", guest->vmid);
    json_put_string(out, "name", name);
    if (with_status)
        json_put_string(out, "status", power_word(guest));
    json_put_close(out, '}');
}

static void put_lines(struct text *out, enum http_form form, const struct guest *guest,
                      const struct list_form *list)
{
    for (size_t n = 0; n <= (list->with_aliases ? guest->alias_count : 0); n++) {
        const char *name = n == 0 ? guest_label(guest) : guest->aliases[n - 1];

        if (form == HTTP_TEXT)
            put_line(out, guest, name, list->with_status);
        else
            put_line_object(out, guest, name, list->with_status);
    }
}

static void put_list(struct text *out, enum http_form form, const struct facts *facts,
                     const struct list_form *list)
{
    const struct inventory *inventory = facts->readiness.inventory;

    if (form == HTTP_JSON) {
        json_put_open(out, NULL, '{');
        json_put_open(out, "targets", '[');
    }
    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (list->has(facts->subject, guest))
            put_lines(out, form, guest, list);
    }
    if (form == HTTP_JSON) {
        json_put_close(out, ']');
        view_put_end(out);
    }
}

void view_list(struct text *out, enum http_form form, const struct facts *facts)
{
    put_list(out, form, facts, &(const struct list_form){.has = visibility_of_guest, .with_aliases = true});
}

void view_list_status(struct text *out, enum http_form form, const struct facts *facts)
{
    put_list(
        out, form, facts,
        &(const struct list_form){.has = visibility_of_guest, .with_aliases = true, .with_status = true});
}

void view_rehearsable(struct text *out, enum http_form form, const struct facts *facts)
{
    put_list(out, form, facts, &(const struct list_form){.has = may_rehearse});
}

/* ---- one guest, live ---- */

static void power_line(struct text *out, const struct guest *guest, const char *power,
                       const struct pve_status *status, const char *node)
{
    char age[CLOCK_AGE_LEN];

    text_printf(out, "%s (%d)",
                guest                       ? guest_label(guest)
                : status && status->name[0] ? status->name
                                            : "guest",
                guest    ? guest->vmid
                : status ? status->vmid
                         : 0);
    if (node)
        text_printf(out, " on %s", node);
    text_printf(out, ": %s", power);
    if (status && status->running && status->uptime_s > 0)
        text_printf(out, ", up %s", clock_age(status->uptime_s * 1000, age));
    if (status && status->lock[0])
        text_printf(out, ", locked (%s)", status->lock);
    if (status && status->ha_state[0])
        text_printf(out, ", HA state %s", status->ha_state);
    text_puts(out, "\n");
}

/* One that has just left the pool. */
static void put_stranger(struct text *out, const char *node, const struct pve_status *live)
{
    if (live)
        json_put_int(out, "vmid", live->vmid);
    if (node)
        json_put_string(out, "node", node);
    if (live)
        put_live(out, live);
}

void view_guest_power(struct text *out, enum http_form form, const struct facts *facts,
                      const struct guest *guest, enum engine_power power, const struct pve_status *status,
                      const char *node)
{
    const char *word = power == ENGINE_POWER_ON ? "on" : "off";

    if (form == HTTP_TEXT) {
        power_line(out, guest, word, status, node);
        return;
    }

    json_put_open(out, NULL, '{');
    if (guest)
        put_guest(out, facts, guest, node, status);
    else
        put_stranger(out, node, status);
    json_put_string(out, "power", word);
    if (status)
        json_put_int(out, "uptime_s", status->uptime_s);
    view_put_end(out);
}
