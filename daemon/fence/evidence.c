/*
 * The table of evidence: posted by whoever asks Proxmox, read by readiness and the views. Refuses to know
 * what makes a guest ready, and asks nobody itself. The error texts are kept apart, because most guests have
 * none: ten thousand of them take some 2 MiB.
 */
#include "fence/evidence.h"

#include "system/cleanup.h"

#include <ctype.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct row {
    int vmid;
    struct evidence_guest guest;
    UT_hash_handle hh;
};

struct evidence {
    struct row *rows;
    int64_t period_ms[EVIDENCE_KIND_COUNT];
    struct error alarm;
};

const char *evidence_kind_name(enum evidence_kind kind)
{
    static const char *const names[] = {"status", "config", "rehearsal"};

    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

/* ---- the room ---- */

static void entry_clear(struct evidence_entry *entry)
{
    free(entry->node);
    free(entry->endpoint);
    free(entry->error);
    *entry = (struct evidence_entry){0};
}

static void remove_row(struct evidence *evidence, struct row *row)
{
    HASH_DEL(evidence->rows, row);
    for (size_t i = 0; i < EVIDENCE_KIND_COUNT; i++)
        entry_clear(&row->guest.entries[i]);
    free(row);
}

struct evidence *evidence_new(void)
{
    return calloc(1, sizeof(struct evidence));
}

void evidence_forget(struct evidence *evidence)
{
    struct row *row, *next;

    HASH_ITER (hh, evidence->rows, row, next)
        remove_row(evidence, row);
}

void evidence_free(struct evidence *evidence)
{
    if (!evidence)
        return;
    evidence_forget(evidence);
    free(evidence);
}

void evidence_freep(struct evidence **evidence)
{
    evidence_free(*evidence);
}

void evidence_drop(struct evidence *evidence, enum evidence_kind kind)
{
    for (struct row *row = evidence->rows; row; row = row->hh.next) {
        entry_clear(&row->guest.entries[kind]);
        if (kind == EVIDENCE_STATUS)
            row->guest.remains_since_ms = row->guest.devices_ms = 0;
        if (kind != EVIDENCE_CONFIG)
            continue;
        row->guest.config_known = row->guest.has_nic = row->guest.has_hookscript = false;
        row->guest.uuid[0] = '\0';
    }
}

void evidence_expect(struct evidence *evidence, enum evidence_kind kind, int64_t period_ms)
{
    evidence->period_ms[kind] = period_ms;
}

int64_t evidence_period_ms(const struct evidence *evidence, enum evidence_kind kind)
{
    return evidence->period_ms[kind];
}

void evidence_keep(struct evidence *evidence, const struct inventory *inventory)
{
    struct row *row, *next;

    HASH_ITER (hh, evidence->rows, row, next) {
        if (!inventory_by_vmid(inventory, row->vmid))
            remove_row(evidence, row);
    }
}

static struct row *find(const struct evidence *evidence, int vmid)
{
    struct row *row = NULL;

    HASH_FIND_INT(evidence->rows, &vmid, row);
    return row;
}

const struct evidence_guest *evidence_of(const struct evidence *evidence, int vmid)
{
    const struct row *row = evidence ? find(evidence, vmid) : NULL;

    return row ? &row->guest : NULL;
}

/* ---- posting ---- */

static struct row *find_or_add(struct evidence *evidence, int vmid)
{
    struct row *row = find(evidence, vmid);

    if (row)
        return row;
    row = calloc(1, sizeof(*row));
    if (!row)
        return NULL;
    row->vmid = row->guest.vmid = vmid;
    HASH_ADD_INT(evidence->rows, vmid, row);
    if (!row->hh.tbl) {
        free(row);
        return NULL;
    }
    return row;
}

static bool copy_text(char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text;
}

static bool copy_entry(struct evidence_entry *entry, const struct evidence_answer *answer)
{
    bool speaks_against = answer->error && answer->error->code != ERROR_NONE;

    *entry = (struct evidence_entry){.at_ms = answer->at_ms, .took_ms = answer->took_ms};
    bool good = copy_text(&entry->node, answer->node);
    good &= copy_text(&entry->endpoint, answer->endpoint);
    if (speaks_against) {
        entry->error = malloc(sizeof(*entry->error));
        if (entry->error)
            *entry->error = *answer->error;
        else
            good = false;
    }
    if (!good)
        entry_clear(entry);
    return good;
}

/* NULL: no memory. */
static struct row *post(struct evidence *evidence, int vmid, enum evidence_kind kind,
                        const struct evidence_answer *answer)
{
    struct row *row = find_or_add(evidence, vmid);
    struct evidence_entry entry;

    if (!row || !copy_entry(&entry, answer))
        return NULL;
    entry_clear(&row->guest.entries[kind]);
    row->guest.entries[kind] = entry;
    return row;
}

bool evidence_tried(struct evidence *evidence, int vmid, int64_t at_ms)
{
    struct row *row = find_or_add(evidence, vmid);

    if (row)
        row->guest.tried_ms = at_ms;
    return row != NULL;
}

bool evidence_status(struct evidence *evidence, int vmid, const struct evidence_answer *answer)
{
    return post(evidence, vmid, EVIDENCE_STATUS, answer) != NULL;
}

void evidence_devices(struct evidence *evidence, int vmid, bool shown, int64_t at_ms)
{
    struct row *row = find(evidence, vmid);

    if (row)
        row->guest.devices_ms = shown ? at_ms : 0;
}

int64_t evidence_remains(struct evidence *evidence, int vmid, bool remains, int64_t at_ms)
{
    struct row *row = find(evidence, vmid);

    if (!row)
        return 0;
    if (!remains)
        row->guest.remains_since_ms = 0;
    else if (!row->guest.remains_since_ms)
        row->guest.remains_since_ms = at_ms;
    return row->guest.remains_since_ms;
}

bool evidence_rehearsed(struct evidence *evidence, int vmid, const struct evidence_answer *answer)
{
    return post(evidence, vmid, EVIDENCE_REHEARSAL, answer) != NULL;
}

/* One that does not fit is not what Proxmox writes: as if there were none. */
static void copy_uuid(char to[static EVIDENCE_UUID_LEN], const char *from)
{
    size_t length = from ? strlen(from) : 0;

    to[0] = '\0';
    if (length != EVIDENCE_UUID_LEN - 1)
        return;
    for (size_t i = 0; i <= length; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
}

bool evidence_config(struct evidence *evidence, int vmid, const struct evidence_answer *answer,
                     const struct evidence_config *config)
{
    struct row *row = post(evidence, vmid, EVIDENCE_CONFIG, answer);

    if (row && config) {
        row->guest.config_known = true;
        row->guest.has_nic = config->has_nic;
        row->guest.has_hookscript = config->has_hookscript;
        copy_uuid(row->guest.uuid, config->uuid);
    }
    return row != NULL;
}

void evidence_rehearsals_unsafe(struct evidence *evidence, const struct error *why)
{
    evidence->alarm = why ? *why : (struct error){0};
}

const struct error *evidence_rehearsals_alarm(const struct evidence *evidence)
{
    return evidence && evidence->alarm.code != ERROR_NONE ? &evidence->alarm : NULL;
}

/* ---- how it stands ---- */

int64_t evidence_age_ms(const struct evidence_guest *guest, enum evidence_kind kind, int64_t now_ms)
{
    return guest && guest->entries[kind].at_ms ? now_ms - guest->entries[kind].at_ms : -1;
}

/* Only the status is the host's own word; what the configuration says moves with the guest. */
static bool is_of_another_host(const struct evidence_entry *entry, enum evidence_kind kind, const char *node)
{
    return kind == EVIDENCE_STATUS && node && entry->node && strcmp(entry->node, node) != 0;
}

enum evidence_state evidence_state(const struct evidence *evidence, const struct evidence_guest *guest,
                                   enum evidence_kind kind, const char *node, int64_t now_ms)
{
    int64_t age_ms = evidence_age_ms(guest, kind, now_ms);

    if (!evidence || evidence->period_ms[kind] == 0 ||
        (kind == EVIDENCE_REHEARSAL && evidence_rehearsals_alarm(evidence)))
        return EVIDENCE_NOT_NEEDED;
    if (age_ms < 0 || is_of_another_host(&guest->entries[kind], kind, node))
        return EVIDENCE_MISSING;
    return age_ms > EVIDENCE_STALE_PERIODS * evidence->period_ms[kind] ? EVIDENCE_OLD : EVIDENCE_FRESH;
}
