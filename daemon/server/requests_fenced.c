/*
 * Pacemaker believes that a guest was fenced on this node, by us: is there evidence of it? Whoever asks has
 * made sure that no other device can have done it. Nothing is powered, and nobody is answered by it.
 */
#include "server/requests.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json_put.h"
#include "system/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FENCED_WITHIN_MS INT64_C(900000) /* before it is told: several levels of devices take long */

/* The wall clock may have been set since: it counts only for operations of before this daemon, whose other
 * clock is gone. */
static bool is_recent_proof(const struct operation *operation, const struct facts *facts, int vmid)
{
    if (operation->vmid != vmid || operation->action == FENCE_ON || !operation->verified_ms)
        return false;
    if (operation->requested_ms != OPERATION_RESTORED_MS)
        return facts->now_ms - operation->verified_ms <= FENCED_WITHIN_MS;
    int64_t age_ms = facts->realtime_ms - operation->requested_realtime_ms -
                     (operation->verified_ms - operation->requested_ms);
    return llabs(age_ms) <= FENCED_WITHIN_MS;
}

/* A proof is evidence of one fence, the oldest of those that are free. What is told in the same moment as
 * another fence may be the same one: requests that joined, and Pacemaker's own duplicates. */
static const struct operation *proof_of_fence(struct exchange *exchange, const struct facts *facts, int vmid)
{
    struct history *history = exchange->all->rooms->history;
    const struct operation *same = NULL;

    for (size_t i = history_count(history); i-- > 0;) {
        const struct operation *operation = history_get(history, i);
        int64_t believed_ms = history_believed(history, i);

        if (!is_recent_proof(operation, facts, vmid))
            continue;
        if (!believed_ms) {
            history_believe(history, i, facts->now_ms);
            return operation;
        }
        if (facts->now_ms - believed_ms <= HISTORY_SAME_FENCE_MS)
            same = operation;
    }
    return same;
}

/* Since when an off that was proven would be known here: one of before may have been lost. */
static int64_t known_since(const struct facts *facts)
{
    const struct operation *operation;
    int64_t since_ms = facts->started_realtime_ms;

    for (size_t i = 0; (operation = history_get(facts->history, i)); i++) {
        if (operation->requested_realtime_ms < since_ms)
            since_ms = operation->requested_realtime_ms;
    }
    return since_ms;
}

static void tell_missing(struct exchange *exchange, const struct guest *guest, const struct facts *facts)
{
    char vmid[16], time[CLOCK_RFC3339_LEN];
    int64_t since_ms = known_since(facts);
    bool whole = since_ms <= facts->realtime_ms - FENCED_WITHIN_MS;

    exchange->all->counters.fences_unproven++;
    snprintf(vmid, sizeof(vmid), "%d", guest->vmid);
    log_say(
        KIND_FENCE_UNPROVEN,
        (const struct log_field[]){{"FENCE_TARGET", exchange->fenced_node}, {"PVE_VMID", vmid}, {NULL, NULL}},
        "Pacemaker believes %s (guest %s) was fenced by fence_broker on this node; there is no evidence of "
        "it%s%s",
        exchange->fenced_node, vmid, whole ? "" : ", and of nothing before ",
        whole ? "" : clock_rfc3339(since_ms, time));
}

static void judge(struct exchange *exchange)
{
    _cleanup_(text_clear) struct text body = {0};
    struct error error = {0};
    struct facts facts;

    exchange_facts(exchange, &facts);
    if (!exchange_await_inventory(exchange, &facts, judge))
        return;
    const struct guest *guest = inventory_find(facts.readiness.inventory, exchange->plug, &error);
    if (!guest) {
        exchange_answer_error(exchange, &error);
        return;
    }
    const struct operation *evidence = proof_of_fence(exchange, &facts, guest->vmid);
    if (!evidence)
        tell_missing(exchange, guest, &facts);
    if (exchange->form == HTTP_TEXT) {
        text_printf(&body, "%s\n", evidence ? evidence->id : "no evidence");
    } else {
        json_put_open(&body, NULL, '{');
        json_put_string(&body, "evidence", evidence ? evidence->id : NULL);
        view_put_end(&body);
    }
    exchange_answer(exchange, &body);
}

void request_fenced(struct exchange *exchange, const struct http_request *request)
{
    if (exchange->verdict != ACCESS_PRIVILEGED) {
        struct error error;

        error_set(&error, ERROR_DENIED, "only root and hacluster can say what Pacemaker has fenced");
        exchange_answer_error(exchange, &error);
        return;
    }
    const char *node = http_query(request, "node");
    exchange->fenced_node = strdup(node && *node ? node : request->segments[2]);
    if (!exchange->fenced_node)
        exchange_answer_no_memory(exchange);
    else if (exchange_set_plug(exchange, request->segments[2]))
        judge(exchange);
}
