/*
 * Facts → one line. Its first words are those that matter most, for a screen may cut the rest off. It decides
 * nothing: verdicts and reasons are readiness's, errors their rooms'.
 */
#include "fence/status_line.h"

#include "system/clock.h"

#include <arpa/inet.h>
#include <string.h>

#define GUESTS_NAMED    3 /* of each verdict; the others are counted */
#define ENDPOINTS_NAMED 4

/* The newest off or reboot of all, whatever became of it; NULL: none is remembered. */
static const struct operation *last_fence(const struct history *history)
{
    const struct operation *operation;
    for (size_t i = 0; (operation = history_get(history, i)); i++) {
        if (operation->action != FENCE_ON)
            return operation;
    }
    return NULL;
}

/* "2 s ago"; what is younger than a second is "just now". */
static void put_ago(struct text *out, int64_t age_ms)
{
    char age[CLOCK_AGE_LEN];
    if (age_ms < 1000)
        text_puts(out, "just now");
    else
        text_printf(out, "%s ago", clock_age(age_ms, age));
}

void status_line_checking(struct text *out, int64_t left_ms)
{
    char left[CLOCK_AGE_LEN];
    text_printf(out, "checking, %s to go", clock_age(left_ms > 1000 ? left_ms : 1000, left));
}

/* ---- what is wrong ---- */

static bool said(const struct error *error)
{
    return error && error->code != ERROR_NONE;
}

static const struct error *excess_of(const struct facts *facts)
{
    return facts->grants ? grants_excess(facts->grants) : NULL;
}

/* The reasons of one gravity, "locked, ha-managed". */
static void put_reasons(struct text *out, reason_set reasons, enum verdict verdict)
{
    const char *before = "";
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        if (!(reasons & (reason_set)1 << reason) || reason_severity(reason) != verdict)
            continue;
        text_printf(out, "%s%s", before, reason_name(reason));
        before = ", ";
    }
}

static bool has_any(reason_set reasons, enum verdict verdict)
{
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        if (reasons & (reason_set)1 << reason && reason_severity(reason) == verdict)
            return true;
    }
    return false;
}

/* What concerns all guests, said once. */
static void put_overall(struct text *out, reason_set overall, enum verdict verdict)
{
    if (!has_any(overall, verdict))
        return;
    text_printf(out, "; all %s (", verdict_name(verdict));
    put_reasons(out, overall, verdict);
    text_puts(out, ")");
}

/* "; n3 blocked (locked), 2 more blocked": guests with reasons of their own. */
static void put_guests(struct text *out, const struct readiness_facts *facts, reason_set overall,
                       enum verdict verdict)
{
    size_t count = facts->inventory ? inventory_count(facts->inventory) : 0, named = 0, more = 0;
    for (size_t i = 0; i < count; i++) {
        const struct guest *guest = inventory_get(facts->inventory, i);
        reason_set reasons = readiness_guest(facts, guest), own = reasons & ~overall;
        if (readiness_is_unchecked(facts, guest, reasons)) /* said already */
            own &= ~((reason_set)1 << REASON_NO_EVIDENCE);
        if (readiness_verdict(reasons) != verdict || !has_any(own, verdict))
            continue;
        if (named == GUESTS_NAMED) {
            more++;
            continue;
        }
        text_puts(out, named++ ? ", " : "; ");
        if (guest->name)
            text_puts(out, guest->name);
        else
            text_printf(out, "%d", guest->vmid);
        text_printf(out, " %s (", verdict_name(verdict));
        put_reasons(out, own, verdict);
        text_puts(out, ")");
    }
    if (more)
        text_printf(out, ", %zu more %s", more, verdict_name(verdict));
}

static void put_targets(struct text *out, const struct facts *facts)
{
    const struct readiness_facts *readiness = &facts->readiness;
    size_t count = inventory_count(readiness->inventory), good = 0;
    int64_t left_ms;
    size_t unchecked = readiness_unchecked(readiness, &left_ms);
    const struct error *excess = excess_of(facts),
                       *missing = facts->grants ? grants_missing(facts->grants) : NULL;
    for (size_t i = 0; i < count; i++)
        good += readiness_verdict(readiness_guest(readiness, inventory_get(readiness->inventory, i))) !=
                VERDICT_BLOCKED;
    text_printf(out, "%zu/%zu targets ready", good - unchecked, count);
    if (unchecked) {
        text_puts(out, "; ");
        status_line_checking(out, left_ms);
    }

    reason_set overall = readiness_overall(readiness);
    if (said(facts->poll_error)) {
        text_printf(out, "; %s", facts->poll_error->message);
    } else if (readiness->grants == GRANTS_TOLERATED && said(excess)) {
        text_printf(out, "; %s: %s", reason_name(REASON_EXCESS_PRIVILEGES), excess->message);
        overall &= ~((reason_set)1 << REASON_EXCESS_PRIVILEGES);
    } else if (said(missing)) {
        text_printf(out, "; %s: %s", reason_name(REASON_NO_POWER_RIGHT), missing->message);
    }
    put_overall(out, overall, VERDICT_BLOCKED);
    put_overall(out, overall, VERDICT_DEGRADED);
    overall = readiness_overall(readiness);
    put_guests(out, readiness, overall, VERDICT_BLOCKED);
    put_guests(out, readiness, overall, VERDICT_DEGRADED);
}

/* ---- endpoints ---- */

/* "pve1" of pve1.example.com; an address as it is. */
static void put_name(struct text *out, const struct endpoint *endpoint)
{
    struct in6_addr address;
    const char *name = endpoint->name;
    bool numeric = inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
    text_append(out, name, numeric ? strlen(name) : strcspn(name, "."));
}

/* "; pve1, pve2 ok (2 s ago)": of those in one state, with the age of the oldest knowledge. */
static void put_endpoints(struct text *out, const struct facts *facts, enum endpoint_state state,
                          const char *word)
{
    size_t count = endpoints_count(facts->endpoints), named = 0, more = 0;
    int64_t oldest_ms = facts->now_ms;
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = endpoints_get(facts->endpoints, i);
        if (endpoint->state != state)
            continue;
        int64_t since_ms = state == ENDPOINT_UP ? endpoint->last_ok_ms : endpoint->since_ms;
        if (since_ms < oldest_ms)
            oldest_ms = since_ms;
        if (named == ENDPOINTS_NAMED) {
            more++;
            continue;
        }
        text_puts(out, named++ ? ", " : "; ");
        put_name(out, endpoint);
    }
    if (named == 0)
        return;
    if (more)
        text_printf(out, " and %zu more", more);
    text_printf(out, " %s", word);
    if (state == ENDPOINT_UP) {
        text_puts(out, " (");
        put_ago(out, facts->now_ms - oldest_ms);
        text_puts(out, ")");
    } else if (state == ENDPOINT_DOWN) {
        char age[CLOCK_AGE_LEN];
        int64_t age_ms = facts->now_ms - oldest_ms;
        if (age_ms < 1000)
            text_puts(out, " (just now)");
        else
            text_printf(out, " (for %s)", clock_age(age_ms, age));
    }
}

/* ---- the last fence ---- */

static void put_fence(struct text *out, const struct facts *facts)
{
    const struct operation *fence = facts->history ? last_fence(facts->history) : NULL;
    if (!fence) {
        text_puts(out, "; no fence yet");
        return;
    }
    text_printf(out, "; last fence %s %s ", fence->guest ? fence->guest : fence->plug,
                fence_action_name(fence->action));
    /* proven is done, whatever came after it */
    if (fence->outcome == OPERATION_RUNNING && fence->verified_ms == 0) {
        text_puts(out, "under way");
        return;
    }
    if (fence->verified_ms == 0 && fence->outcome != OPERATION_DONE) {
        text_printf(out, "%s ", operation_outcome_name(fence->outcome));
        if (said(&fence->error))
            text_printf(out, "(%s) ", error_code_name(fence->error.code));
    }
    put_ago(out, facts->realtime_ms - fence->requested_realtime_ms);
}

void status_line(struct text *out, const struct facts *facts)
{
    const struct readiness_facts *readiness = &facts->readiness;
    const struct error *excess = excess_of(facts);
    if (readiness->grants == GRANTS_REFUSED && said(excess))
        text_printf(out, "not ready: %s: %s; %s", reason_name(REASON_EXCESS_REFUSED), excess->message,
                    excess->hint);
    else if (!readiness->inventory)
        text_printf(out, "not ready: %s",
                    said(facts->poll_error) ? facts->poll_error->message
                                            : reason_message(REASON_NO_INVENTORY));
    else
        put_targets(out, facts);
    put_endpoints(out, facts, ENDPOINT_UP, "ok");
    put_endpoints(out, facts, ENDPOINT_DOWN, "down");
    put_endpoints(out, facts, ENDPOINT_UNKNOWN, "not asked yet");
    put_fence(out, facts);
}
