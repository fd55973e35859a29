/*
 * Families with a sample for each guest ("target": its VMID). A guest of the pool has its counters before it
 * was ever asked for, unless the pool is too large for that (METRICS_TARGETS_FULL); a guest that left the
 * pool keeps those it has, because a counter must not vanish.
 */
#include "server/metrics_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- looking at the guests once ---- */

static bool is_proven_fence(const struct operation *operation)
{
    return operation->action != FENCE_ON && operation->verified_ms &&
           (operation->outcome == OPERATION_DONE || operation->outcome == OPERATION_INTERRUPTED);
}

static size_t index_of(const struct inventory *inventory, size_t count, int vmid)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (inventory_get(inventory, middle)->vmid < vmid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && inventory_get(inventory, low)->vmid == vmid ? low : count;
}

/* The history has the newest first. */
static void find_last_fences(struct metrics_scrape *scrape)
{
    const struct history *history = scrape->view->history;
    size_t operations = history ? history_count(history) : 0;

    for (size_t i = 0; i < operations; i++) {
        const struct operation *operation = history_get(history, i);
        size_t at = scrape->guest_count;

        if (is_proven_fence(operation))
            at = index_of(scrape->inventory, scrape->guest_count, operation->vmid);
        if (at < scrape->guest_count && !scrape->fenced_ms[at])
            scrape->fenced_ms[at] = operation->requested_realtime_ms;
    }
}

bool metrics_look_at_targets(struct metrics_scrape *scrape)
{
    const struct inventory *inventory = scrape->view->readiness.inventory;
    size_t count = inventory ? inventory_count(inventory) : 0;

    scrape->inventory = inventory;
    scrape->guest_count = count;
    scrape->full = count <= METRICS_TARGETS_FULL;
    if (count == 0)
        return true;
    scrape->reasons = calloc(count, sizeof(*scrape->reasons));
    scrape->fenced_ms = calloc(count, sizeof(*scrape->fenced_ms));
    if (scrape->view->subject)
        scrape->hidden = calloc(count, sizeof(*scrape->hidden));
    if (!scrape->reasons || !scrape->fenced_ms || (scrape->view->subject && !scrape->hidden))
        return false;
    find_last_fences(scrape);
    return true;
}

size_t metrics_judge_targets(struct metrics_scrape *scrape, size_t most)
{
    size_t left = scrape->guest_count - scrape->judged, end = scrape->judged + (left < most ? left : most);
    size_t from = scrape->judged;

    for (; scrape->judged < end; scrape->judged++) {
        const struct guest *guest = inventory_get(scrape->inventory, scrape->judged);

        scrape->reasons[scrape->judged] = readiness_guest(&scrape->view->readiness, guest);
        if (scrape->hidden)
            scrape->hidden[scrape->judged] = !sight_of_guest(scrape->view->subject, guest);
    }
    return end - from;
}

bool metrics_shows(const struct metrics_scrape *scrape, size_t guest)
{
    return !scrape->hidden || !scrape->hidden[guest];
}

/* ---- what was asked for them ---- */

static void put_requests(struct metrics_sink *sink, const char *target, const struct tally_target *asked)
{
    for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
        for (enum tally_result result = 0; result < TALLY_RESULT_COUNT; result++) {
            uint64_t count = asked ? asked->answered[action][result] : 0;

            if (count > 0 || sink->scrape->full)
                metrics_put(sink,
                            METRICS_LABELS({"action", fence_action_name(action)}, {"target", target},
                                           {"result", tally_result_name(result)}),
                            count);
        }
    }
}

void metrics_requests(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    const struct tally *tally = scrape->view->tally;
    char vmid[METRICS_VMID_MAX];

    for (size_t i = sink->from; i < sink->to; i++) {
        int of = inventory_get(scrape->inventory, i)->vmid;

        if (metrics_shows(scrape, i))
            put_requests(sink, metrics_vmid(of, vmid), tally ? tally_find(tally, of) : NULL);
    }
    if (sink->to < scrape->guest_count)
        return;
    for (const struct tally_target *t = tally ? tally->targets : NULL; t; t = t->hh.next) {
        if (index_of(scrape->inventory, scrape->guest_count, t->vmid) == scrape->guest_count &&
            sight_of_vmid(scrape->view->subject, scrape->inventory, t->vmid))
            put_requests(sink, metrics_vmid(t->vmid, vmid), t);
    }
    put_requests(sink, "unknown", tally ? &tally->no_target : NULL);
}

void metrics_last_fence(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    char vmid[METRICS_VMID_MAX];

    for (size_t i = sink->from; i < sink->to; i++) {
        if (metrics_shows(scrape, i) && (scrape->fenced_ms[i] || scrape->full))
            metrics_put_seconds(
                sink,
                METRICS_LABELS({"target", metrics_vmid(inventory_get(scrape->inventory, i)->vmid, vmid)}),
                scrape->fenced_ms[i]);
    }
}

/* ---- rehearsals ---- */

void metrics_rehearsals(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    const struct rehearsals *rehearsals = scrape->view->rehearsals;
    char vmid[METRICS_VMID_MAX];

    for (size_t i = sink->from; rehearsals && i < sink->to; i++) {
        int guest = inventory_get(scrape->inventory, i)->vmid;

        for (enum probe_result result = 0; result < PROBE_RESULT_COUNT; result++) {
            uint64_t count = rehearsals_count(rehearsals, guest, result);

            if (metrics_shows(scrape, i) && (count > 0 || scrape->full))
                metrics_put(sink,
                            METRICS_LABELS({"target", metrics_vmid(guest, vmid)},
                                           {"result", probe_result_name(result)}),
                            count);
        }
    }
}

/* ---- how they stand ---- */

void metrics_guests(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    uint64_t count[VERDICT_BLOCKED + 1] = {0};

    for (size_t i = 0; i < scrape->guest_count; i++)
        count[readiness_verdict(scrape->reasons[i])]++;
    for (enum verdict v = VERDICT_READY; v <= VERDICT_BLOCKED; v++)
        metrics_put(sink, METRICS_LABELS({"verdict", verdict_name(v)}), count[v]);
}

void metrics_target_ready(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    char vmid[METRICS_VMID_MAX];

    for (size_t i = sink->from; i < sink->to; i++) {
        int of = inventory_get(scrape->inventory, i)->vmid;

        if (metrics_shows(scrape, i))
            metrics_put(sink, METRICS_LABELS({"target", metrics_vmid(of, vmid)}),
                        readiness_verdict(scrape->reasons[i]) != VERDICT_BLOCKED);
    }
}

/* Reasons of the same name are one sample. False if an earlier one has it already. */
static bool same_name(enum reason reason, enum verdict severity, reason_set *set)
{
    *set = 0;
    for (enum reason other = 0; other < REASON_COUNT; other++) {
        if (reason_severity(other) != severity || strcmp(reason_name(other), reason_name(reason)) != 0)
            continue;
        if (other < reason)
            return false;
        *set |= (reason_set)1 << other;
    }
    return true;
}

static void put_reasons(struct metrics_sink *sink, enum verdict severity)
{
    const struct metrics_scrape *scrape = sink->scrape;
    char vmid[METRICS_VMID_MAX];

    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        reason_set set;

        if (reason_severity(reason) != severity || !same_name(reason, severity, &set))
            continue;
        for (size_t i = sink->from; i < sink->to; i++) {
            bool has = (scrape->reasons[i] & set) != 0;

            if (metrics_shows(scrape, i) && (has || scrape->full))
                metrics_put(
                    sink,
                    METRICS_LABELS({"target", metrics_vmid(inventory_get(scrape->inventory, i)->vmid, vmid)},
                                   {"reason", reason_name(reason)}),
                    has);
        }
    }
}

void metrics_target_blocked_reason(struct metrics_sink *sink)
{
    put_reasons(sink, VERDICT_BLOCKED);
}

void metrics_target_degraded_reason(struct metrics_sink *sink)
{
    put_reasons(sink, VERDICT_DEGRADED);
}

/* Every reason from the start on, with 0, so that an alert on it can be written before it comes. */
void metrics_reasons(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    reason_set overall = readiness_overall(&scrape->view->readiness);

    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        const reason_set bit = (reason_set)1 << reason;
        uint64_t count = 0;

        for (size_t i = 0; i < scrape->guest_count; i++)
            count += (scrape->reasons[i] & bit) != 0;
        if (scrape->guest_count == 0)
            count = (overall & bit) != 0;
        metrics_put(sink,
                    METRICS_LABELS({"reason", reason_name(reason)},
                                   {"verdict", verdict_name(reason_severity(reason))}),
                    count);
    }
}
