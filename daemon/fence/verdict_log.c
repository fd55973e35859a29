/*
 * What was told of each guest, and what has been seen since. Knows no rule of readiness.
 */
#include "fence/verdict_log.h"

#include "system/log.h"

#include <stdlib.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct standing {
    enum verdict verdict;
    enum reason reason; /* REASON_COUNT: none */
};

struct row {
    int vmid;
    bool listed; /* in this round */
    struct standing told, seen;
    unsigned times; /* that `seen` was seen in a row */
    UT_hash_handle hh;
};

struct verdict_log {
    verdict_log_tell_fn *tell;
    void *context;
    struct row *rows;
    struct row all; /* what concerns all guests */
    size_t lines;   /* told in this round */
    struct verdict_change last_more;
};

/* ---- telling ---- */

static void log_change(void *context, const struct verdict_change *change)
{
    static const enum log_kind kinds[] = {KIND_VERDICT_READY, KIND_VERDICT_DEGRADED, KIND_VERDICT_BLOCKED};
    const char *name = change->guest ? guest_label(change->guest) : NULL;
    const char *reason = change->reason == REASON_COUNT ? NULL : reason_name(change->reason);
    const char *hint = change->cause && change->cause->hint[0] ? change->cause->hint
                       : reason                                ? reason_hint(change->reason)
                                                               : "";
    const struct log_field fields[] = {{"FENCE_TARGET", name},
                                       {"FENCE_VERDICT", verdict_name(change->new)},
                                       {"FENCE_REASON", reason},
                                       {NULL, NULL}};

    (void)context;
    if (change->more)
        log_say(kinds[change->new], fields,
                "%zu more guests: changed in the same poll; see fence_broker targets", change->more);
    else if (change->new == VERDICT_READY)
        log_say(kinds[VERDICT_READY], fields, "%s: %s -> ready%s%s%s", name ? name : "all guests",
                verdict_name(change->old), reason ? " (no longer " : "", reason ? reason : "",
                reason ? ")" : "");
    else
        log_say(kinds[change->new], fields, "%s: %s -> %s: %s: %s%s%s%s; %s", name ? name : "all guests",
                verdict_name(change->old), verdict_name(change->new), reason, reason_message(change->reason),
                change->cause ? " (" : "", change->cause ? change->cause->message : "",
                change->cause ? ")" : "", hint);
}

static void tell(struct verdict_log *log, struct row *row, const struct guest *guest,
                 const struct readiness_facts *facts)
{
    struct verdict_change change = {
        .guest = guest,
        .old = row->told.verdict,
        .new = row->seen.verdict,
        .reason = row->seen.reason == REASON_COUNT ? row->told.reason : row->seen.reason,
    };

    row->told = row->seen;
    if (guest && log->lines++ >= VERDICT_LOG_LINES_MAX) {
        log->last_more = change;
        return;
    }
    if (row->seen.reason != REASON_COUNT)
        change.cause = readiness_cause(facts, guest, row->seen.reason);
    log->tell(log->context, &change);
}

/* ---- observing ---- */

static struct standing standing_of(reason_set reasons)
{
    return (struct standing){.verdict = readiness_verdict(reasons), .reason = readiness_worst(reasons)};
}

static bool same(const struct standing *one, const struct standing *other)
{
    return one->verdict == other->verdict && one->reason == other->reason;
}

static void observe(struct verdict_log *log, struct row *row, const struct guest *guest,
                    const struct readiness_facts *facts, reason_set reasons)
{
    const struct standing now = standing_of(reasons);

    row->times = same(&now, &row->seen) ? row->times + 1 : 1;
    row->seen = now;
    if (same(&now, &row->told))
        return;
    /* just after the start the other endpoints have not answered yet */
    bool at_once = guest || now.verdict == VERDICT_BLOCKED || row->times > 1;
    if ((now.verdict > row->told.verdict && at_once) || row->times >= VERDICT_LOG_STEADY)
        tell(log, row, guest, facts);
}

static struct row *find_or_add(struct verdict_log *log, int vmid)
{
    struct row *row = NULL;

    HASH_FIND_INT(log->rows, &vmid, row);
    if (row || !(row = calloc(1, sizeof(*row))))
        return row;
    row->vmid = vmid;
    row->told = row->seen = (struct standing){.verdict = VERDICT_READY, .reason = REASON_COUNT};
    HASH_ADD_INT(log->rows, vmid, row);
    if (row->hh.tbl)
        return row;
    free(row);
    return NULL;
}

static void observe_guest(struct verdict_log *log, const struct readiness_facts *facts,
                          const struct guest *guest, reason_set overall)
{
    const reason_set untried = (reason_set)1 << REASON_NO_EVIDENCE;
    reason_set own = readiness_guest(facts, guest) & ~overall;
    struct row *row = find_or_add(log, guest->vmid);

    if (!row)
        return;
    row->listed = true;
    if (readiness_verdict(own & ~untried) == VERDICT_BLOCKED || !(own & untried))
        observe(log, row, guest, facts, own & ~untried);
}

static void forget_unlisted(struct verdict_log *log)
{
    struct row *row, *next;

    HASH_ITER (hh, log->rows, row, next) {
        if (!row->listed) {
            HASH_DEL(log->rows, row);
            free(row);
            continue;
        }
        row->listed = false;
    }
}

void verdict_log_observe(struct verdict_log *log, const struct readiness_facts *facts)
{
    const reason_set overall = readiness_overall(facts);

    log->lines = 0;
    observe(log, &log->all, NULL, facts, overall);
    for (size_t i = 0; facts->inventory && i < inventory_count(facts->inventory); i++)
        observe_guest(log, facts, inventory_get(facts->inventory, i), overall);
    if (facts->inventory)
        forget_unlisted(log);
    if (log->lines > VERDICT_LOG_LINES_MAX) {
        log->last_more.guest = NULL;
        log->last_more.more = log->lines - VERDICT_LOG_LINES_MAX;
        log->tell(log->context, &log->last_more);
    }
}

struct verdict_log *verdict_log_new(verdict_log_tell_fn *tell_fn, void *context)
{
    struct verdict_log *log = calloc(1, sizeof(*log));

    if (!log)
        return NULL;
    log->tell = tell_fn ? tell_fn : log_change;
    log->context = context;
    log->all.told = log->all.seen = (struct standing){.reason = REASON_COUNT};
    return log;
}

void verdict_log_free(struct verdict_log *log)
{
    if (!log)
        return;
    struct row *row, *next;
    HASH_ITER (hh, log->rows, row, next) {
        HASH_DEL(log->rows, row);
        free(row);
    }
    free(log);
}
