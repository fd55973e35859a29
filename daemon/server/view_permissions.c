/*
 * Own privileges: whether the identity may be used, what it holds too much or too little and the line that
 * mends it, then what Proxmox has listed. Knows no rule of what is too much: it shows what was judged.
 */
#include "server/view.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"

#define HASH_NONFATAL_OOM 1
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define SHOWN_PRIVILEGES 6 /* of a path in the table; JSON has all */

/* ---- the screen ---- */

static const char *judgement(const struct grants *grants)
{
    switch (grants_state(grants)) {
    case GRANTS_UNKNOWN:
        return "not read yet";
    case GRANTS_ACCEPTED:
        return "accepted";
    case GRANTS_TOLERATED:
        return grants_enforced(grants) ? "more than fencing needs; still used, because it was accepted before"
                                       : "more than fencing needs; used, because of least-privilege = warn";
    case GRANTS_REFUSED:
        return "more than fencing needs: not accepted, nothing is fenced";
    }
    return "unknown";
}

static void put_head(struct text *out, const struct facts *facts)
{
    const struct privileges_report *report = grants_report(facts->grants);
    _cleanup_(text_clear) struct text table = {0};
    char age[CLOCK_AGE_LEN];

    text_puts(&table, "Identity\t");
    view_put_cell(&table, grants_identity(facts->grants));
    text_printf(&table, " (%s)\nJudgement\t%s\n", facts->session.is_token ? "token" : "password",
                judgement(facts->grants));
    if (report)
        text_printf(&table, "Privileges\t%zu too many, %zu missing; read %s ago\n", report->excess,
                    report->missing, clock_age(facts->now_ms - grants_read_ms(facts->grants), age));
    text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed;
}

static void put_finding(struct text *out, const struct privileges_finding *finding)
{
    text_printf(out, "\n%s: %s\n", privileges_kind_name(finding->kind), finding->message);
    if (finding->privilege_count > SHOWN_PRIVILEGES) {
        text_puts(out, "  all of it:");
        for (size_t i = 0; i < finding->privilege_count; i++) {
            text_puts(out, i ? ", " : " ");
            view_put_cell(out, finding->privileges[i]);
        }
        text_puts(out, "\n");
    }
    text_printf(out, "  on a Proxmox host: %s\n", finding->mend);
}

/* For whom rules keep from guests only how many there are: one finding may be about a hundred guests. */
static bool is_hidden(const struct facts *facts, const struct privileges_finding *finding)
{
    return facts->subject && finding->names_guests;
}

static void put_findings(struct text *out, const struct facts *facts, const struct privileges_report *report)
{
    size_t hidden = 0;

    for (size_t i = 0; i < report->count; i++) {
        if (is_hidden(facts, &report->findings[i]))
            hidden++;
        else
            put_finding(out, &report->findings[i]);
    }
    if (hidden)
        text_printf(out, "\n%zu more about guests, some of which you may not see\n", hidden);
    if (report->count)
        text_puts(out,
                  "\n`pveum acl list` on a Proxmox host shows each ROLE, and whether it is granted to the\n"
                  "token, to its user or to a group: what --tokens does not remove, --users\n"
                  "USER@REALM or --groups GROUP removes.\n");
}

/* ---- what is held ---- */

struct line {
    const char *path; /* of several guests with the same privileges the first one */
    char *privileges;
    bool guest;
    size_t more;       /* guests like it */
    UT_hash_handle hh; /* of guests, by their privileges */
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Guests last. */
static int compare_lines(const void *a, const void *b)
{
    const struct line *left = a, *right = b;
    int order = (int)left->guest - (int)right->guest;

    if (order == 0 && left->guest)
        order = strcmp(left->privileges, right->privileges);
    return order ? order : strcmp(left->path, right->path);
}

static char *privileges_text(struct json_object *held)
{
    size_t count = (size_t)json_object_object_length(held), used = 0;
    _cleanup_(freep) const char **names = calloc(count ? count : 1, sizeof(*names));
    struct text text = {0};

    text.failed = !names;
    if (names && count) {
        json_object_object_foreach(held, name, value)
        {
            (void)value;
            names[used++] = name;
        }
        qsort(names, used, sizeof(*names), compare_names);
    }
    for (size_t i = 0; names && i < used && (i < SHOWN_PRIVILEGES || used <= SHOWN_PRIVILEGES + 1); i++) {
        text_puts(&text, i ? ", " : "");
        view_put_cell(&text, names[i]);
    }
    if (used > SHOWN_PRIVILEGES + 1)
        text_printf(&text, " and %zu more", used - SHOWN_PRIVILEGES);
    if (text.failed)
        text_clear(&text);
    return text.data;
}

/* True if there is a line already that it belongs to: ten thousand guests are mostly one. */
static bool join_line(struct line *groups, const char *path, const char *privileges)
{
    struct line *line;

    HASH_FIND_STR(groups, privileges, line);
    if (!line)
        return false;
    line->more++;
    if (strcmp(path, line->path) < 0)
        line->path = path;
    return true;
}

static struct line *collect_lines(const struct facts *facts, struct json_object *listing, size_t *count)
{
    size_t length = (size_t)json_object_object_length(listing);
    struct line *lines = calloc(length ? length : 1, sizeof(*lines)), *groups = NULL;

    *count = 0;
    if (!lines || !length)
        return lines;
    json_object_object_foreach(listing, path, held)
    {
        bool shown = json_object_is_type(held, json_type_object) &&
                     visibility_of_path(facts->subject, facts->readiness.inventory, path);
        char *privileges = shown ? privileges_text(held) : NULL;
        bool guest = !strncmp(path, "/vms/", 5);

        if (!privileges)
            continue;
        if (guest && join_line(groups, path, privileges)) {
            free(privileges);
            continue;
        }
        struct line *line = &lines[(*count)++];
        *line = (struct line){.path = path, .privileges = privileges, .guest = guest};
        if (guest)
            HASH_ADD_KEYPTR(hh, groups, privileges, strlen(privileges), line);
    }
    HASH_CLEAR(hh, groups); /* before they are moved */
    qsort(lines, *count, sizeof(*lines), compare_lines);
    return lines;
}

static void put_listing(struct text *out, const struct facts *facts, struct json_object *listing)
{
    _cleanup_(text_clear) struct text table = {0};
    size_t count = 0;
    _cleanup_(freep) struct line *lines = collect_lines(facts, listing, &count);

    text_puts(&table, "PATH\tPRIVILEGES\n");
    for (size_t i = 0; lines && i < count; i++) {
        view_put_cell(&table, lines[i].path);
        if (lines[i].more)
            text_printf(&table, " and %zu more", lines[i].more);
        text_printf(&table, "\t%s\n", lines[i].privileges);
    }
    text_puts(out, "\n");
    text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed || !lines;
    for (size_t i = 0; lines && i < count; i++)
        free(lines[i].privileges);
}

static void permissions_screen(struct text *out, const struct facts *facts)
{
    put_head(out, facts);
    if (!grants_report(facts->grants))
        return;
    put_findings(out, facts, grants_report(facts->grants));
    if (json_object_is_type(grants_listing(facts->grants), json_type_object))
        put_listing(out, facts, grants_listing(facts->grants));
}

/* ---- JSON ---- */

static void put_finding_objects(struct text *out, const char *key, const struct facts *facts,
                                enum privileges_kind kind)
{
    const struct privileges_report *report = grants_report(facts->grants);

    json_put_open(out, key, '[');
    for (size_t i = 0; report && i < report->count; i++) {
        const struct privileges_finding *finding = &report->findings[i];

        if (finding->kind != kind || is_hidden(facts, finding))
            continue;
        json_put_open(out, NULL, '{');
        json_put_string(out, "path", finding->path);
        json_put_open(out, "privileges", '[');
        for (size_t p = 0; p < finding->privilege_count; p++)
            json_put_string(out, NULL, finding->privileges[p]);
        json_put_close(out, ']');
        json_put_string(out, "message", finding->message);
        json_put_string(out, "mend", finding->mend);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

/* What may be seen of them. */
static void put_paths(struct text *out, const struct facts *facts)
{
    struct json_object *listing = grants_listing(facts->grants);

    if (!json_object_is_type(listing, json_type_object)) {
        json_put_string(out, "paths", NULL);
        return;
    }
    json_put_open(out, "paths", '{');
    json_object_object_foreach(listing, path, held)
    {
        const char *json = json_object_to_json_string_ext(held, JSON_C_TO_STRING_PLAIN);

        if (visibility_of_path(facts->subject, facts->readiness.inventory, path))
            json_put_raw(out, path, json ? json : "null");
    }
    json_put_close(out, '}');
}

static void permissions_json(struct text *out, const struct facts *facts)
{
    const struct grants *grants = facts->grants;
    const struct privileges_report *report = grants_report(grants);
    int64_t age_ms = facts->now_ms - grants_read_ms(grants);

    json_put_open(out, NULL, '{');
    json_put_string(out, "identity", grants_identity(grants));
    json_put_bool(out, "token", facts->session.is_token);
    json_put_string(out, "least_privilege", grants_enforced(grants) ? "enforce" : "warn");
    json_put_string(out, "judgement", grants_state_name(grants_state(grants)));
    json_put_bool(out, "accepted_before", grants_remembered(grants));
    view_put_time(out, "read", report ? facts->realtime_ms - age_ms : 0, facts);
    put_finding_objects(out, "excess", facts, PRIVILEGES_EXCESS);
    put_finding_objects(out, "missing", facts, PRIVILEGES_MISSING);
    put_finding_objects(out, "hints", facts, PRIVILEGES_HINT);
    put_paths(out, facts);
    view_put_end(out);
}

void view_permissions(struct text *out, enum http_form form, const struct facts *facts)
{
    if (form == HTTP_TEXT)
        permissions_screen(out, facts);
    else
        permissions_json(out, facts);
}
