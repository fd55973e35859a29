/*
 * The guests of the pool: a screen, JSON, and the two lists that Pacemaker reads. With ten thousand guests
 * each is written on its own, so that no tree of all of them is ever held, and so many at a time that nobody
 * waits for all of them.
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

/* ---- piece by piece ---- */

/* Writes a guest; `first`: none was written before it. */
typedef void put_fn(struct text *out, const struct view_facts *facts, const struct guest *guest, bool first,
                    const void *how);

struct view_roll {
    bool (*chosen)(const struct access_subject *subject, const struct guest *guest);
    put_fn *put;
    const void *how;
};

void view_cursor_clear(struct view_cursor *cursor)
{
    text_clear(&cursor->table);
    *cursor = (struct view_cursor){0};
}

/* True when all guests were looked at. A piece is of those that may not be seen, too: they cost as much. */
static bool put_guests(struct text *out, const struct view_facts *facts, const struct view_roll *roll,
                       struct view_cursor *cursor)
{
    const struct inventory *inventory = facts->readiness.inventory;
    size_t most = cursor->most ? cursor->most : VIEW_PIECE_GUESTS;
    size_t count = inventory ? inventory_count(inventory) : 0;
    size_t end = count - cursor->next > most ? cursor->next + most : count;

    for (; cursor->next < end; cursor->next++) {
        const struct guest *guest = inventory_get(inventory, cursor->next);

        if (roll->chosen(facts->subject, guest))
            roll->put(out, facts, guest, cursor->shown++ == 0, roll->how);
    }
    return end == count;
}

/* Head, guests and tail, in as many pieces as it takes; NULL for what a form does not have. */
static bool write_roll(struct text *out, const struct view_facts *facts, const struct view_roll *roll,
                       const char *head, const char *tail, struct view_cursor *cursor)
{
    if (head && cursor->next == 0)
        text_puts(out, head);
    if (!put_guests(out, facts, roll, cursor))
        return false;
    if (tail)
        text_puts(out, tail);
    return true;
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
static void put_evidence(struct text *table, const struct view_facts *facts, const struct guest *guest)
{
    int64_t age_ms = readiness_evidence_age_ms(&facts->readiness, guest);
    char age[CLOCK_AGE_LEN];

    text_puts(table, age_ms == READINESS_NO_EVIDENCE  ? "none"
                     : age_ms == READINESS_NOT_NEEDED ? "-"
                                                      : clock_age(age_ms, age));
}

static void put_row(struct text *table, const struct view_facts *facts, const struct guest *guest, bool first,
                    const void *how)
{
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    (void)first;
    (void)how;
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
    view_put_reasons(table, reasons);
    text_puts(table, "\n");
}

static bool guests_screen(struct text *out, const struct view_facts *facts, struct view_cursor *cursor)
{
    static const struct view_roll roll = {sight_of_guest, put_row, NULL};
    static const char head[] = "VMID\tNAME\tALIAS\tNODE\tSTATE\tVERDICT\tEVIDENCE\tREASONS\n";
    char age[CLOCK_AGE_LEN];

    if (!facts->readiness.inventory) {
        text_printf(out, "%s.\n", reason_message(REASON_NO_INVENTORY));
        return true;
    }
    if (cursor->next == 0)
        text_puts(&cursor->table, head);
    if (!put_guests(&cursor->table, facts, &roll, cursor))
        return false;
    text_append_table(out, cursor->table.data ? cursor->table.data : "");
    out->failed |= cursor->table.failed;
    text_printf(out, "%zu guests%s, seen %s ago\n", cursor->shown, facts->subject ? " that you may see" : "",
                clock_age(facts->readiness.inventory_age_ms, age));
    view_put_reason_lines(out, facts,
                          readiness_overall(&facts->readiness) & (reason_set)1 << REASON_EMPTY_POOL);
    return true;
}

/* ---- JSON ---- */

static struct json_object *entry_object(const struct view_facts *facts, const struct guest *guest,
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
    struct json_object *object = json_object_new_object();

    view_add_string(object, "state",
                    states[evidence_state(facts->readiness.evidence, known, kind, guest->node,
                                          facts->readiness.boottime_ms)]);
    view_add_time(object, "seen", entry ? facts->realtime_ms - age_ms : 0, facts);
    view_add(object, "took_ms", entry ? json_object_new_int64(entry->took_ms) : NULL);
    view_add_string(object, "node", entry ? entry->node : NULL);
    view_add_string(object, "endpoint", entry ? entry->endpoint : NULL);
    view_add(object, "error", entry && entry->error ? view_error_object(entry->error, NULL) : NULL);
    return object;
}

static struct json_object *evidence_object(const struct view_facts *facts, const struct guest *guest)
{
    struct json_object *object = json_object_new_object();

    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++)
        view_add(object, evidence_kind_name(kind), entry_object(facts, guest, kind));
    return object;
}

static struct json_object *guest_object(const struct view_facts *facts, const struct guest *guest)
{
    struct json_object *object = json_object_new_object();
    struct json_object *aliases = json_object_new_array();
    reason_set reasons = readiness_guest(&facts->readiness, guest);

    view_add_int(object, "vmid", guest->vmid);
    view_add_string(object, "name", guest->name);
    for (size_t i = 0; aliases && i < guest->alias_count; i++)
        json_object_array_add(aliases, json_object_new_string(guest->aliases[i]));
    view_add(object, "aliases", aliases);
    view_add_string(object, "type", pve_guest_type_name(guest->type));
    view_add_string(object, "node", guest->node);
    view_add_string(object, "pool", guest->pool);
    view_add_string(object, "tags", guest->tags);
    view_add_string(object, "status", guest->status);
    view_add_string(object, "lock", guest->lock);
    view_add_string(object, "ha_state", guest->hastate);
    view_add_bool(object, "template", guest->template);
    view_add_string(object, "verdict", verdict_name(readiness_verdict(reasons)));
    view_add_reasons(object, facts, guest, reasons);
    view_add(object, "evidence", evidence_object(facts, guest));
    return object;
}

static void put_object(struct text *out, const struct view_facts *facts, const struct guest *guest,
                       bool first, const void *how)
{
    (void)how;
    text_puts(out, first ? "" : ",");
    view_put_json(out, guest_object(facts, guest));
}

static bool guests_json(struct text *out, const struct view_facts *facts, struct view_cursor *cursor)
{
    static const struct view_roll roll = {sight_of_guest, put_object, NULL};

    if (!write_roll(out, facts, &roll, "{\"guests\":[", "],\"inventory_age_s\":", cursor))
        return false;
    if (facts->readiness.inventory)
        text_printf(out, "%lld}\n", (long long)(facts->readiness.inventory_age_ms / 1000));
    else
        text_puts(out, "null}\n");
    return true;
}

bool view_guests(struct text *out, enum http_form form, const struct view_facts *facts,
                 struct view_cursor *cursor)
{
    return form == HTTP_TEXT ? guests_screen(out, facts, cursor) : guests_json(out, facts, cursor);
}

/* ---- what Pacemaker reads ---- */

struct line_form {
    bool text, with_status, with_aliases;
};

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
    struct json_object *object = json_object_new_object();

    view_add_int(object, "vmid", guest->vmid);
    view_add_string(object, "name", name);
    if (with_status)
        view_add_string(object, "status", power_word(guest));
    view_put_json(out, object);
}

static void put_lines(struct text *out, const struct view_facts *facts, const struct guest *guest, bool first,
                      const void *how)
{
    const struct line_form *form = how;

    (void)facts;
    for (size_t n = 0; n <= (form->with_aliases ? guest->alias_count : 0); n++) {
        const char *name = n == 0 ? guest_label(guest) : guest->aliases[n - 1];

        if (form->text) {
            put_line(out, guest, name, form->with_status);
        } else {
            text_puts(out, first && n == 0 ? "" : ",");
            put_line_object(out, guest, name, form->with_status);
        }
    }
}

static bool write_lines(struct text *out, const struct view_facts *facts, const struct line_form *form,
                        bool (*chosen)(const struct access_subject *subject, const struct guest *guest),
                        struct view_cursor *cursor)
{
    const struct view_roll roll = {chosen, put_lines, form};

    return write_roll(out, facts, &roll, form->text ? NULL : "{\"targets\":[", form->text ? NULL : "]}\n",
                      cursor);
}

bool view_guest_list(struct text *out, enum http_form form, const struct view_facts *facts, bool with_status,
                     struct view_cursor *cursor)
{
    const struct line_form lines = {form == HTTP_TEXT, with_status, true};

    return write_lines(out, facts, &lines, sight_of_guest, cursor);
}

bool view_guest_choice(struct text *out, enum http_form form, const struct view_facts *facts,
                       bool (*chosen)(const struct access_subject *subject, const struct guest *guest),
                       struct view_cursor *cursor)
{
    const struct line_form lines = {form == HTTP_TEXT, false, false};

    return write_lines(out, facts, &lines, chosen, cursor);
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

void view_guest_power(struct text *out, enum http_form form, const struct view_facts *facts,
                      const struct guest *guest, enum engine_power power, const struct pve_status *status,
                      const char *node)
{
    const char *word = power == ENGINE_POWER_ON ? "on" : "off";

    if (form == HTTP_TEXT) {
        power_line(out, guest, word, status, node);
        return;
    }

    struct json_object *object = guest ? guest_object(facts, guest) : json_object_new_object();
    if (!guest && status)
        view_add_int(object, "vmid", status->vmid);
    view_add_string(object, "power", word);
    if (node)
        view_add_string(object, "node", node);
    if (status) {
        view_add_string(object, "status", status->running ? "running" : "stopped");
        view_add_string(object, "lock", status->lock[0] ? status->lock : NULL);
        view_add_string(object, "ha_state", status->ha_state[0] ? status->ha_state : NULL);
        view_add_int(object, "uptime_s", status->uptime_s);
    }
    view_put_json(out, object);
}
