/*
 * Families with a sample for each guest ("target": its VMID). A guest of the pool has its counters before it
 * was ever asked for, unless the pool is too large for that (METRICS_TARGETS_FULL); a guest that left the
 * pool keeps those it has, because a counter must not vanish.
 */
#include "server/metrics_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- looking at the guests once ---- */

static bool is_proven_fence(const struct operation *operation)
{
    return operation->action != FENCE_ON && operation->verified_ms &&
           (operation->outcome == OPERATION_DONE || operation->outcome == OPERATION_INTERRUPTED);
}

/* NULL: it is not in the inventory. */
static struct metrics_target *target_of(const struct metrics_scrape *scrape, int vmid)
{
    size_t low = 0, high = scrape->target_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (scrape->targets[middle].vmid < vmid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < scrape->target_count && scrape->targets[low].vmid == vmid ? &scrape->targets[low] : NULL;
}

/* The history has the newest first. */
static void find_last_fences(struct metrics_scrape *scrape)
{
    const struct history *history = scrape->view->history;
    size_t operations = history ? history_count(history) : 0;

    for (size_t i = 0; i < operations; i++) {
        const struct operation *operation = history_get(history, i);
        struct metrics_target *target = NULL;

        if (is_proven_fence(operation))
            target = target_of(scrape, operation->vmid);
        if (target && !target->fenced_ms)
            target->fenced_ms = operation->requested_realtime_ms;
    }
}

bool metrics_look_at_targets(struct metrics_scrape *scrape)
{
    const struct inventory *inventory = scrape->view->readiness.inventory;
    size_t count = inventory ? inventory_count(inventory) : 0;

    scrape->full = count <= METRICS_TARGETS_FULL;
    scrape->targets = calloc(count ? count : 1, sizeof(*scrape->targets));
    if (!scrape->targets)
        return false;
    scrape->target_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct guest *guest = inventory_get(inventory, i);
        struct metrics_target *target = &scrape->targets[i];

        *target = (struct metrics_target){.vmid = guest->vmid,
                                          .shown = visibility_of_guest(scrape->view->subject, guest),
                                          .reasons = readiness_guest(&scrape->view->readiness, guest)};
        snprintf(target->label, sizeof(target->label), "%d", guest->vmid);
    }
    find_last_fences(scrape);
    return true;
}

/* The next one that the asker may see, behind `last` (NULL: the first); NULL: there is none. */
static const struct metrics_target *next_shown(const struct metrics_scrape *scrape,
                                               const struct metrics_target *last)
{
    const struct metrics_target *next = last ? last + 1 : scrape->targets;
    const struct metrics_target *end = scrape->targets + scrape->target_count;

    while (next < end && !next->shown)
        next++;
    return next < end ? next : NULL;
}

/* ---- what was asked for them ---- */

static void put_requests(struct metrics_sink *sink, const char *target,
                         const struct request_stats_target *asked)
{
    for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
        for (enum request_stats_result result = 0; result < REQUEST_STATS_RESULT_COUNT; result++) {
            uint64_t count = asked ? asked->answered[action][result] : 0;

            if (count > 0 || sink->scrape->full)
                metrics_put(sink,
                            METRICS_LABELS({"action", fence_action_name(action)}, {"target", target},
                                           {"result", request_stats_result_name(result)}),
                            count);
        }
    }
}

void metrics_requests(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    const struct request_stats *stats = scrape->view->stats;
    char vmid[METRICS_VMID_MAX];

    for (const struct metrics_target *t = NULL; (t = next_shown(scrape, t));)
        put_requests(sink, t->label, stats ? request_stats_find(stats, t->vmid) : NULL);
    for (const struct request_stats_target *t = stats ? stats->targets : NULL; t; t = t->hh.next) {
        if (target_of(scrape, t->vmid) ||
            !visibility_of_vmid(scrape->view->subject, scrape->view->readiness.inventory, t->vmid))
            continue;
        snprintf(vmid, sizeof(vmid), "%d", t->vmid);
        put_requests(sink, vmid, t);
    }
    put_requests(sink, "unknown", stats ? &stats->no_target : NULL);
}

void metrics_last_fence(struct metrics_sink *sink)
{
    for (const struct metrics_target *t = NULL; (t = next_shown(sink->scrape, t));) {
        if (t->fenced_ms || sink->scrape->full)
            metrics_put_seconds(sink, METRICS_LABELS({"target", t->label}), t->fenced_ms);
    }
}

/* ---- rehearsals ---- */

void metrics_rehearsals(struct metrics_sink *sink)
{
    const struct rehearsals *rehearsals = sink->scrape->view->rehearsals;

    if (!rehearsals)
        return;
    for (const struct metrics_target *t = NULL; (t = next_shown(sink->scrape, t));) {
        for (enum probe_result result = 0; result < PROBE_RESULT_COUNT; result++) {
            uint64_t count = rehearsals_count(rehearsals, t->vmid, result);

            if (count > 0 || sink->scrape->full)
                metrics_put(sink, METRICS_LABELS({"target", t->label}, {"result", probe_result_name(result)}),
                            count);
        }
    }
}

/* ---- how they stand ---- */

void metrics_guests(struct metrics_sink *sink)
{
    const struct metrics_scrape *scrape = sink->scrape;
    uint64_t count[VERDICT_BLOCKED + 1] = {0};

    for (size_t i = 0; i < scrape->target_count; i++)
        count[readiness_verdict(scrape->targets[i].reasons)]++;
    for (enum verdict v = VERDICT_READY; v <= VERDICT_BLOCKED; v++)
        metrics_put(sink, METRICS_LABELS({"verdict", verdict_name(v)}), count[v]);
}

void metrics_target_ready(struct metrics_sink *sink)
{
    for (const struct metrics_target *t = NULL; (t = next_shown(sink->scrape, t));)
        metrics_put(sink, METRICS_LABELS({"target", t->label}),
                    readiness_verdict(t->reasons) != VERDICT_BLOCKED);
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
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        reason_set set;

        if (reason_severity(reason) != severity || !same_name(reason, severity, &set))
            continue;
        for (const struct metrics_target *t = NULL; (t = next_shown(sink->scrape, t));) {
            bool has = (t->reasons & set) != 0;

            if (has || sink->scrape->full)
                metrics_put(sink, METRICS_LABELS({"target", t->label}, {"reason", reason_name(reason)}), has);
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

        for (size_t i = 0; i < scrape->target_count; i++)
            count += (scrape->targets[i].reasons & bit) != 0;
        if (scrape->target_count == 0)
            count = (overall & bit) != 0;
        metrics_put(sink,
                    METRICS_LABELS({"reason", reason_name(reason)},
                                   {"verdict", verdict_name(reason_severity(reason))}),
                    count);
    }
}
