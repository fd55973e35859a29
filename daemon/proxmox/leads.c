/*
 * A table of names, and a file of lines that grows by each name that is new, or leads elsewhere than before:
 * the last line of a name counts, and that of a guest is what it is called. It is written by a recorder of
 * its own, for the daemon touches no disk after READY. What a line says that is not understood, one of a
 * later version say, is nobody's lead.
 */
#include "proxmox/leads.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"
#include "system/log.h"
#include "system/record_file.h"
#include "system/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define FILE_NAME "names.jsonl"
#define FILE_BYTES                                                                                           \
    (1024 * 1024) /* then it is renamed to names.jsonl.1; LEADS_MAX usual lines are a third                  \
                   */
#define RECORDER_NAME   "fence-names"
#define FORMAT          1
#define WRITTEN_AT_ONCE 256 /* lines a round: the recorder holds no more than so many */

struct lead {
    int vmid;
    bool written; /* on disk, or on its way there */
    uint64_t record;
    UT_hash_handle hh;
    char name[]; /* in lower case */
};

struct leads {
    struct recorder *recorder; /* NULL: nothing is kept */
    struct recorder_file file;
    struct lead *table; /* in the order in which guests were called so last, as is the file */
    size_t unwritten;
    size_t newer; /* lines of a newer version that say something else, while reading */
    bool told_full, told_lost;
    bool older; /* reading the file of before the last change */
};

/* ---- the table ---- */

/* False: it is too long, or empty. */
static bool fold(char folded[static LEADS_NAME_MAX + 1], const char *name, size_t length)
{
    if (length == 0 || length > LEADS_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    folded[length] = '\0';
    return true;
}

static struct lead *find(const struct leads *leads, const char *folded)
{
    struct lead *lead = NULL;

    HASH_FIND_STR(leads->table, folded, lead);
    return lead;
}

/* NULL: no memory, and it is gone. */
static struct lead *append(struct leads *leads, struct lead *lead)
{
    HASH_ADD_KEYPTR(hh, leads->table, lead->name, strlen(lead->name), lead);
    if (lead->hh.tbl)
        return lead;
    leads->unwritten -= !lead->written;
    free(lead);
    return NULL;
}

static struct lead *add(struct leads *leads, const char *folded)
{
    size_t length = strlen(folded);
    struct lead *lead = HASH_COUNT(leads->table) < LEADS_MAX ? calloc(1, sizeof(*lead) + length + 1) : NULL;

    if (!lead)
        return NULL;
    memcpy(lead->name, folded, length);
    leads->unwritten++;
    return append(leads, lead);
}

static struct lead *move_to_end(struct leads *leads, struct lead *lead)
{
    HASH_DEL(leads->table, lead);
    return append(leads, lead);
}

static void set_written(struct leads *leads, struct lead *lead, bool written)
{
    leads->unwritten -= !lead->written;
    leads->unwritten += !written;
    lead->written = written;
}

static void drop(struct leads *leads, struct lead *lead)
{
    leads->unwritten -= !lead->written;
    HASH_DEL(leads->table, lead);
    free(lead);
}

/* ---- reading ---- */

/* What only the older file says is written once more: it will be the one that is given up. */
static void load_line(void *context, const char *line, size_t length)
{
    struct leads *leads = context;
    _cleanup_(json_putp) struct json_object *record = line ? json_parse(line, length) : NULL;
    char folded[LEADS_NAME_MAX + 1];
    const char *name = NULL;
    int64_t vmid = 0, version = 0;

    if (!json_get_string(record, "name", &name) || !json_get_int(record, "vmid", 1, INT32_MAX, &vmid) ||
        !fold(folded, name, strlen(name))) {
        leads->newer += json_get_int(record, "v", FORMAT + 1, INT32_MAX, &version);
        return;
    }
    struct lead *lead = find(leads, folded);

    lead = lead ? move_to_end(leads, lead) : add(leads, folded);
    if (!lead)
        return;
    lead->vmid = (int)vmid;
    set_written(leads, lead, !leads->older);
}

static void load_file(struct leads *leads, const char *path)
{
    int result = record_file_read(path, FILE_BYTES, load_line, leads);

    if (result < 0)
        log_say(KIND_NAMES_NOT_KEPT, NULL,
                "%s cannot be read: %s; the guests that names led to before are forgotten, and learnt again",
                path, strerror(-result));
    if (leads->newer)
        log_say(
            KIND_NAMES_NOT_KEPT, NULL,
            "%zu lines of %s were written by a newer version: they stay there, and which guests these names "
            "led to before is not known; to read them install that version again",
            leads->newer, path);
    leads->newer = 0;
}

static bool load(struct leads *leads)
{
    _cleanup_(freep) char *older = NULL;

    if (asprintf(&older, "%s.1", leads->file.path) < 0) {
        older = NULL;
        return false;
    }
    leads->older = true;
    load_file(leads, older);
    leads->older = false;
    load_file(leads, leads->file.path);
    return true;
}

/* ---- writing ---- */

/* Tried again with the next round. */
static void on_written(void *context, uint64_t id, int result)
{
    struct leads *leads = context;

    if (result == 0) {
        leads->told_lost = false;
        return;
    }
    for (struct lead *lead = leads->table; lead; lead = lead->hh.next) {
        if (lead->written && lead->record == id)
            set_written(leads, lead, false);
    }
    if (!leads->told_lost)
        log_say(KIND_NAMES_NOT_KEPT, NULL,
                "%s could not be written: %s; a restart would not know which guests names led to before",
                leads->file.path, strerror(-result));
    leads->told_lost = true;
}

static bool write_lead(struct leads *leads, struct lead *lead)
{
    char stamp[CLOCK_RFC3339_LEN];
    _cleanup_(json_putp) struct json_object *record = json_object_new_object();

    if (!record)
        return false;
    json_object_object_add(record, "v", json_object_new_int(FORMAT));
    json_object_object_add(record, "name", json_object_new_string(lead->name));
    json_object_object_add(record, "vmid", json_object_new_int(lead->vmid));
    json_object_object_add(record, "at", json_object_new_string(clock_rfc3339(clock_realtime_ms(), stamp)));
    const char *line = json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN);

    lead->record = line ? recorder_write(leads->recorder, line, strlen(line), on_written, leads) : 0;
    if (lead->record)
        set_written(leads, lead, true);
    return lead->record != 0;
}

/* What stands behind one that is to be written is written once more. */
static void keep_order(struct leads *leads)
{
    bool behind = false;

    for (struct lead *lead = leads->table; lead && leads->unwritten > 0; lead = lead->hh.next) {
        behind |= !lead->written;
        if (behind)
            set_written(leads, lead, false);
    }
}

static void write_some(struct leads *leads)
{
    size_t tried = 0;

    if (!leads->recorder)
        return;
    keep_order(leads);
    for (struct lead *lead = leads->table; lead && tried < WRITTEN_AT_ONCE; lead = lead->hh.next) {
        if (lead->written)
            continue;
        tried++;
        if (!write_lead(leads, lead))
            return;
    }
}

/* ---- learning ---- */

/* Those of guests that have left the pool are given up for names of guests that are there. */
static bool make_room(struct leads *leads, const struct inventory *inventory)
{
    struct lead *lead, *next;

    if (HASH_COUNT(leads->table) < LEADS_MAX)
        return true;
    HASH_ITER (hh, leads->table, lead, next) {
        if (!inventory_by_vmid(inventory, lead->vmid))
            drop(leads, lead);
    }
    if (HASH_COUNT(leads->table) < LEADS_MAX)
        return true;
    if (!leads->told_full)
        log_say(KIND_NAMES_NOT_KEPT, NULL,
                "the guests of %d names are remembered, and no more: for others a rename in Proxmox takes "
                "effect at once",
                LEADS_MAX);
    leads->told_full = true;
    return false;
}

/* From now on it is the last one that leads to its guest. */
static void call_so(struct leads *leads, struct lead *lead)
{
    set_written(leads, lead, false);
    (void)move_to_end(leads, lead);
}

/* The first `length` bytes of a guest's name. False: there is no room for more. */
static bool learn(struct leads *leads, const struct inventory *inventory, const struct guest *guest,
                  const char *name, size_t length)
{
    char folded[LEADS_NAME_MAX + 1];

    if (!fold(folded, name, length))
        return true;
    struct lead *lead = find(leads, folded);

    if ((lead && lead->vmid == guest->vmid) || inventory_leads(inventory, folded) != guest)
        return true;
    if (!lead) {
        if (!make_room(leads, inventory))
            return false;
        lead = add(leads, folded);
        if (!lead)
            return true;
    }
    lead->vmid = guest->vmid;
    call_so(leads, lead);
    return true;
}

static bool is_short_of(const struct lead *lead, const struct lead *other)
{
    size_t length = strlen(lead->name);

    return strncmp(lead->name, other->name, length) == 0 && other->name[length] == '.';
}

/* The last lead to each guest, by its place in the inventory, short forms left out. NULL: no memory. */
static struct lead **last_leads(const struct leads *leads, const struct inventory *inventory)
{
    struct lead **last = calloc(inventory_count(inventory) + 1, sizeof(struct lead *));

    for (struct lead *lead = leads->table; last && lead; lead = lead->hh.next) {
        const struct guest *guest = inventory_by_vmid(inventory, lead->vmid);
        struct lead **its = guest ? &last[guest - inventory_get(inventory, 0)] : NULL;

        if (its && !(*its && is_short_of(lead, *its)))
            *its = lead;
    }
    return last;
}

/* What a guest is called that has had another name meanwhile leads to it last again. */
static void renew(struct leads *leads, const struct inventory *inventory)
{
    _cleanup_(freep) struct lead **last = last_leads(leads, inventory);

    for (size_t i = 0; last && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        char folded[LEADS_NAME_MAX + 1];
        struct lead *lead =
            guest->name && fold(folded, guest->name, strlen(guest->name)) ? find(leads, folded) : NULL;

        if (lead && lead->vmid == guest->vmid && lead != last[i] && !is_short_of(lead, last[i]))
            call_so(leads, lead);
    }
}

void leads_learn(struct leads *leads, const struct inventory *inventory)
{
    bool room = true;

    for (size_t i = 0; i < inventory_count(inventory) && room; i++) {
        const struct guest *guest = inventory_get(inventory, i);
        size_t length = guest->name ? strlen(guest->name) : 0, first = length ? strcspn(guest->name, ".") : 0;

        room = learn(leads, inventory, guest, guest->name, length);
        if (room && first < length)
            room = learn(leads, inventory, guest, guest->name, first);
    }
    renew(leads, inventory);
    write_some(leads);
}

bool leads_give(const struct leads *leads, struct inventory_builder *builder)
{
    for (const struct lead *lead = leads->table; lead; lead = lead->hh.next) {
        if (!inventory_builder_lead(builder, lead->name, lead->vmid))
            return false;
    }
    return true;
}

/* ---- the room ---- */

static bool open_file(struct leads *leads, const char *directory, bool write, struct error *error)
{
    if (!recorder_file_init(&leads->file, directory, FILE_NAME, FILE_BYTES))
        return false;
    if (write && !(leads->recorder = recorder_new(RECORDER_NAME, &recorder_file_sink, &leads->file, -1))) {
        recorder_say_not_started(error, "names");
        return false;
    }
    return load(leads);
}

static struct leads *make(const char *directory, bool write, struct error *error)
{
    struct leads *leads = calloc(1, sizeof(*leads));

    error_set(error, ERROR_INTERNAL, "no memory at the start");
    if (!leads)
        return NULL;
    if (!open_file(leads, directory, write, error)) {
        leads_free(leads, 0);
        return NULL;
    }
    *error = (struct error){0};
    return leads;
}

struct leads *leads_new(const char *directory, struct error *error)
{
    return make(directory, true, error);
}

struct leads *leads_new_reading(const char *directory, struct error *error)
{
    return make(directory, false, error);
}

int leads_attach(struct leads *leads, struct event_base *base)
{
    return leads->recorder ? recorder_attach(leads->recorder, base) : 0;
}

void leads_free(struct leads *leads, int64_t wait_ms)
{
    struct lead *lead, *next;

    if (!leads)
        return;
    if (leads->recorder)
        recorder_free(leads->recorder, wait_ms);
    HASH_ITER (hh, leads->table, lead, next) {
        HASH_DEL(leads->table, lead);
        free(lead);
    }
    recorder_file_clear(&leads->file);
    free(leads);
}
