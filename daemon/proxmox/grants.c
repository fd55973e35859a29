/*
 * Own privileges, their judgement, and the memory of accepted identities.
 *
 * The memory is a file of lines that only grows by identities that were never accepted before: a few in a
 * cluster's life. It is written by a recorder of its own, because an identity may be accepted long after
 * READY (Proxmox was away at boot, a reload brought a new token), when the daemon must touch no disk; and not
 * into the history, which forgets. A record that was handed over survives a kill -9 of the daemon.
 */
#include "proxmox/grants.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"
#include "system/log.h"
#include "system/record_file.h"
#include "system/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME     "accepted.jsonl"
#define FILE_BYTES    (64 * 1024) /* then it is renamed to accepted.jsonl.1: some hundred identities */
#define RECORDER_NAME "fence-accepted"
#define FORMAT        1 /* of its lines */
#define LOGGED_MAX    8 /* findings; `fence_broker permissions` has them all */

struct accepted {
    char *identity;
    bool written; /* on disk, or on its way there */
    uint64_t record;
    struct accepted *next;
};

struct grants {
    struct recorder *recorder; /* NULL: nothing is kept */
    struct recorder_file file;
    struct accepted *accepted;
    size_t newer; /* lines of a newer version, while reading */

    char *identity;
    bool enforce;
    enum grants_state state;
    struct json_object *permissions;
    struct privileges_report *report;
    int64_t read_ms;
    struct error excess, missing;
};

/* ---- the memory ---- */

static struct accepted *find_accepted(const struct grants *grants, const char *identity)
{
    struct accepted *one = grants->accepted;
    while (one && strcmp(one->identity, identity) != 0)
        one = one->next;
    return one;
}

static struct accepted *add_accepted(struct grants *grants, const char *identity)
{
    struct accepted *one = find_accepted(grants, identity);
    if (one)
        return one;
    one = calloc(1, sizeof(*one));
    char *copy = strdup(identity);
    if (!one || !copy) {
        free(one);
        free(copy);
        return NULL;
    }
    *one = (struct accepted){.identity = copy, .next = grants->accepted};
    grants->accepted = one;
    return one;
}

/* A line that is no record, a torn one say, is nobody's acceptance. */
static void load_line(void *context, const char *line, size_t length)
{
    struct grants *grants = context;
    _cleanup_(json_putp) struct json_object *record = line ? json_parse(line, length) : NULL;
    const char *identity = NULL;
    int64_t version = 0;
    if (json_get_int(record, "v", FORMAT + 1, INT32_MAX, &version)) {
        grants->newer++;
        return;
    }
    if (!json_get_string(record, "accepted", &identity))
        return;
    struct accepted *one = add_accepted(grants, identity);
    if (one)
        one->written = true;
}

static void load_file(struct grants *grants, const char *path)
{
    int result = record_file_read(path, FILE_BYTES, load_line, grants);
    if (result < 0)
        log_say(KIND_ACCEPTANCE_NOT_KEPT, NULL,
                "%s cannot be read: %s; identities accepted before are not remembered", path,
                strerror(-result));
    if (grants->newer)
        log_say(KIND_ACCEPTANCE_NOT_KEPT, NULL,
                "%zu lines of %s were written by a newer version: they stay there, and identities accepted "
                "by them "
                "are judged again; to read them install that version again",
                grants->newer, path);
    grants->newer = 0;
}

static bool load(struct grants *grants)
{
    _cleanup_(freep) char *older = NULL;
    if (asprintf(&older, "%s.1", grants->file.path) < 0) {
        older = NULL;
        return false;
    }
    load_file(grants, older);
    load_file(grants, grants->file.path);
    return true;
}

/* Tried again with the next reading of the privileges. */
static void on_written(void *context, uint64_t id, int result)
{
    struct grants *grants = context;
    for (struct accepted *one = grants->accepted; result != 0 && one; one = one->next) {
        if (one->record != id)
            continue;
        one->written = false;
        log_say(KIND_ACCEPTANCE_NOT_KEPT, NULL,
                "that %s was accepted could not be written to %s: %s; a restart would judge it again",
                one->identity, grants->file.path, strerror(-result));
    }
}

static void write_accepted(struct grants *grants, struct accepted *one)
{
    char stamp[CLOCK_RFC3339_LEN];
    _cleanup_(json_putp) struct json_object *record = json_object_new_object();
    if (!record)
        return;
    json_object_object_add(record, "v", json_object_new_int(FORMAT));
    json_object_object_add(record, "accepted", json_object_new_string(one->identity));
    json_object_object_add(record, "at", json_object_new_string(clock_rfc3339(clock_realtime_ms(), stamp)));
    const char *line = json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN);
    one->record = line ? recorder_write(grants->recorder, line, strlen(line), on_written, grants) : 0;
    one->written = one->record != 0;
}

/* Accepted is who could do the work with it: an identity that holds nothing yet has shown nothing. */
static void remember(struct grants *grants)
{
    if (grants->state != GRANTS_ACCEPTED || !grants->report || !grants->report->may_fence)
        return;
    struct accepted *one = add_accepted(grants, grants->identity);
    if (one && !one->written && grants->recorder)
        write_accepted(grants, one);
}

/* ---- the judgement ---- */

static void describe(struct error *error, enum error_code code, const struct grants *grants,
                     enum privileges_kind kind)
{
    const struct privileges_finding *first = privileges_first(grants->report, kind);
    *error = (struct error){0};
    if (!first)
        return;
    if (kind == PRIVILEGES_EXCESS)
        error_set(error, code, "%s: %s", grants->identity, first->message);
    else
        error_set(error, code, "%s", first->message);
    error_hint(error, "on a Proxmox host: %s%s", first->mend,
               strstr(first->mend, "ROLE ") ? " (ROLE: see `pveum acl list`)" : "");
    error->names_guests = first->names_guests;
}

static enum grants_state judge(const struct grants *grants)
{
    if (!grants->report)
        return GRANTS_UNKNOWN;
    if (!grants->report->excess)
        return GRANTS_ACCEPTED;
    if (!grants->enforce || find_accepted(grants, grants->identity))
        return GRANTS_TOLERATED;
    return GRANTS_REFUSED;
}

static void log_state(const struct grants *grants)
{
    switch (grants->state) {
    case GRANTS_UNKNOWN:
        break;
    case GRANTS_ACCEPTED:
        if (!grants->report->count)
            log_say(KIND_PRIVILEGES_FINE, NULL, "%s holds what fencing needs, and no more", grants->identity);
        break;
    case GRANTS_TOLERATED:
        log_say(KIND_PRIVILEGES_TOLERATED,
                (const struct log_field[]){LOG_ERROR_CODE(&grants->excess), {NULL, NULL}},
                "excess-privileges: %s holds more than fencing needs, and still fences because %s",
                grants->identity, grants->enforce ? "it was accepted before" : "of least-privilege = warn");
        break;
    case GRANTS_REFUSED:
        log_say(KIND_PRIVILEGES_REFUSED,
                (const struct log_field[]){LOG_ERROR_CODE(&grants->excess), {NULL, NULL}},
                "excess-privileges: %s holds more than fencing needs and is not accepted: nothing is fenced "
                "until that is fixed (or least-privilege = warn)",
                grants->identity);
        break;
    }
}

/* `more` is 0, or how many there are from this one on, which are told in one line. */
static void log_finding(const struct privileges_finding *finding, size_t more)
{
    static const enum log_kind kinds[] = {[PRIVILEGES_EXCESS] = KIND_PRIVILEGE_EXCESS,
                                          [PRIVILEGES_MISSING] = KIND_PRIVILEGE_MISSING,
                                          [PRIVILEGES_HINT] = KIND_PRIVILEGE_HINT};
    const struct log_field fields[] = {
        {"FENCE_PATH", finding->path}, {"ERROR_HINT", finding->mend}, {NULL, NULL}};
    if (more)
        log_say(kinds[finding->kind], fields,
                "own privileges: %zu more of these, see `/usr/sbin/fence_broker permissions`", more);
    else
        log_say(kinds[finding->kind], fields, "own privileges, %s: %s; on a Proxmox host: %s",
                privileges_kind_name(finding->kind), finding->message, finding->mend);
}

static void log_findings(const struct grants *grants)
{
    const struct privileges_report *report = grants->report;
    for (size_t i = 0; i < report->count && i < LOGGED_MAX; i++)
        log_finding(&report->findings[i], 0);
    if (report->count > LOGGED_MAX)
        log_finding(&report->findings[LOGGED_MAX], report->count - LOGGED_MAX);
}

/* With a new report or a new policy. */
static void settle(struct grants *grants, bool news)
{
    enum grants_state state = judge(grants);
    news |= state != grants->state;
    grants->state = state;
    describe(&grants->excess, ERROR_EXCESS_PRIVILEGES, grants, PRIVILEGES_EXCESS);
    describe(&grants->missing, ERROR_NO_POWER_RIGHT, grants, PRIVILEGES_MISSING);
    if (news && grants->report) {
        log_state(grants);
        log_findings(grants);
    }
    remember(grants);
}

static void forget(struct grants *grants)
{
    privileges_report_free(grants->report);
    grants->report = NULL;
    json_object_put(grants->permissions);
    grants->permissions = NULL;
    grants->read_ms = 0;
}

bool grants_take(struct grants *grants, struct json_object *permissions, const struct privileges_scope *scope,
                 int64_t now_ms)
{
    struct privileges_scope own = *scope;
    own.identity = grants->identity;
    struct privileges_report *report = privileges_judge(permissions, &own);
    if (!report)
        return false;
    bool news = !privileges_report_same(report, grants->report);
    forget(grants);
    grants->report = report;
    grants->permissions = json_object_get(permissions);
    grants->read_ms = now_ms;
    settle(grants, news);
    return true;
}

bool grants_set_policy(struct grants *grants, const char *identity, bool enforce)
{
    if (!grants->identity || strcmp(grants->identity, identity) != 0) {
        char *copy = strdup(identity);
        if (!copy)
            return false;
        free(grants->identity);
        grants->identity = copy;
        forget(grants);
    }
    grants->enforce = enforce;
    settle(grants, false);
    return true;
}

/* ---- what others ask ---- */

enum grants_state grants_state(const struct grants *grants)
{
    return grants->state;
}

const char *grants_state_name(enum grants_state state)
{
    static const char *const names[] = {[GRANTS_UNKNOWN] = "unknown",
                                        [GRANTS_ACCEPTED] = "accepted",
                                        [GRANTS_TOLERATED] = "tolerated",
                                        [GRANTS_REFUSED] = "refused"};
    return (size_t)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

const char *grants_identity(const struct grants *grants)
{
    return grants->identity;
}

bool grants_enforced(const struct grants *grants)
{
    return grants->enforce;
}

bool grants_remembered(const struct grants *grants)
{
    return grants->identity && find_accepted(grants, grants->identity);
}

struct json_object *grants_listing(const struct grants *grants)
{
    return grants->permissions;
}

int64_t grants_read_ms(const struct grants *grants)
{
    return grants->read_ms;
}

const struct privileges_report *grants_report(const struct grants *grants)
{
    return grants->report;
}

const struct error *grants_excess(const struct grants *grants)
{
    return &grants->excess;
}

const struct error *grants_missing(const struct grants *grants)
{
    return &grants->missing;
}

/* ---- the room ---- */

static bool open_memory(struct grants *grants, const char *directory, bool write, struct error *error)
{
    if (!recorder_file_init(&grants->file, directory, FILE_NAME, FILE_BYTES))
        return false;
    if (!write)
        return load(grants);
    grants->recorder = recorder_new(RECORDER_NAME, &recorder_file_sink, &grants->file, -1);
    if (!grants->recorder) {
        recorder_say_not_started(error, "accepted identities");
        return false;
    }
    return load(grants);
}

static struct grants *make(const char *directory, bool write, struct error *error)
{
    struct grants *grants = calloc(1, sizeof(*grants));
    error_set(error, ERROR_INTERNAL, "no memory at the start");
    if (!grants)
        return NULL;
    if (directory && !open_memory(grants, directory, write, error)) {
        grants_free(grants, 0);
        return NULL;
    }
    *error = (struct error){0};
    return grants;
}

struct grants *grants_new(const char *directory, struct error *error)
{
    return make(directory, true, error);
}

struct grants *grants_new_reading(const char *directory, struct error *error)
{
    return make(directory, false, error);
}

int grants_attach(struct grants *grants, struct event_base *base)
{
    return grants->recorder ? recorder_attach(grants->recorder, base) : 0;
}

void grants_free(struct grants *grants, int64_t wait_ms)
{
    if (!grants)
        return;
    if (grants->recorder)
        recorder_free(grants->recorder, wait_ms);
    forget(grants);
    while (grants->accepted) {
        struct accepted *next = grants->accepted->next;
        free(grants->accepted->identity);
        free(grants->accepted);
        grants->accepted = next;
    }
    free(grants->identity);
    recorder_file_clear(&grants->file);
    free(grants);
}
