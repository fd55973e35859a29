/*
 * The status screen: would a fence succeed now, and if not, why and what to do; then what that rests on. One
 * screen, as in `chronyc tracking`. Knows no rule of readiness: it shows what readiness says.
 */
#include "server/view.h"

#include "fence/status_line.h"
#include "system/cleanup.h"
#include "system/clock.h"

struct counts {
    size_t by_verdict[3];
    reason_set reasons; /* of all guests together, and the overall ones */
};

static struct counts count_guests(const struct facts *facts)
{
    const struct inventory *inventory = facts->readiness.inventory;
    struct counts counts = {.reasons = readiness_overall(&facts->readiness)};

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        reason_set reasons = readiness_guest(&facts->readiness, inventory_get(inventory, i));

        counts.by_verdict[readiness_verdict(reasons)]++;
        counts.reasons |= reasons;
    }
    return counts;
}

/* Of the broker as a whole: blocked when no guest could be fenced, degraded when not all could. */
static enum verdict overall_verdict(const struct facts *facts, const struct counts *counts)
{
    size_t guests = counts->by_verdict[VERDICT_READY] + counts->by_verdict[VERDICT_DEGRADED] +
                    counts->by_verdict[VERDICT_BLOCKED];

    if (readiness_verdict(readiness_overall(&facts->readiness)) == VERDICT_BLOCKED ||
        counts->by_verdict[VERDICT_BLOCKED] == guests)
        return VERDICT_BLOCKED;
    if (readiness_verdict(counts->reasons) != VERDICT_READY ||
        inventory_unresolved_alias_count(facts->readiness.inventory) > 0)
        return VERDICT_DEGRADED;
    return VERDICT_READY;
}

static const char *endpoint_state_name(enum endpoint_state state)
{
    switch (state) {
    case ENDPOINT_UNKNOWN:
        return "unknown";
    case ENDPOINT_UP:
        return "up";
    case ENDPOINT_DOWN:
        return "down";
    }
    return "unknown";
}

/* ---- the screen ---- */

static void put_privileges(struct text *table, const struct facts *facts)
{
    const struct privileges_report *report = facts->grants ? grants_report(facts->grants) : NULL;

    text_puts(table, "\nPrivileges\t");
    if (!report)
        text_puts(table, "not known yet");
    else if (!report->count)
        text_puts(table, "what fencing needs, and no more");
    else
        text_printf(table, "%zu too many, %zu missing, %zu hints; see fence_broker permissions",
                    report->excess, report->missing, report->hints);
}

static const char *how_logged_in(const struct session_description *session)
{
    if (session->is_token)
        return "token";
    return session->second_factor ? "password and TOTP" : "password";
}

static void put_session(struct text *table, const struct facts *facts)
{
    const struct session_description *session = &facts->session;
    char age[CLOCK_AGE_LEN];

    text_puts(table, "Identity\t");
    view_put_cell(table, session->identity);
    text_printf(table, " (%s), %s%s", how_logged_in(session), session->ready ? "accepted" : "not accepted",
                facts->readiness.grants == GRANTS_REFUSED ? " by Proxmox, and not by the broker" : "");
    if (session->expires_ms)
        text_printf(table, ", ticket expires in %s",
                    clock_age(session->expires_ms - facts->boottime_ms, age));
    put_privileges(table, facts);
    text_puts(table, "\nProxmox VE\t");
    view_put_cell(table, facts->pve_version);
    text_puts(table, "\n");
}

static void put_certificate(struct text *table, const struct facts *facts, const struct endpoint *endpoint)
{
    int64_t left_ms = endpoint->certificate_expires_ms - facts->realtime_ms;
    char age[CLOCK_AGE_LEN];

    if (!endpoint->certificate_expires_ms)
        text_puts(table, "-");
    else if (left_ms <= 0)
        text_puts(table, "expired");
    else
        text_puts(table, clock_age(left_ms, age));
}

static void put_endpoint(struct text *table, const struct facts *facts, const struct endpoint *endpoint)
{
    char age[CLOCK_AGE_LEN];

    view_put_cell(table, endpoint->text);
    text_printf(table, "\t%s\t", endpoint_state_name(endpoint->state));
    text_puts(table,
              endpoint->state == ENDPOINT_UNKNOWN ? "-" : clock_age(facts->now_ms - endpoint->since_ms, age));
    text_puts(table, "\t");
    text_puts(table, endpoint->last_ok_ms ? clock_age(facts->now_ms - endpoint->last_ok_ms, age) : "never");
    text_puts(table, "\t");
    put_certificate(table, facts, endpoint);
    text_puts(table, "\t");
    view_put_cell(table, endpoint->error.code == ERROR_NONE ? NULL : endpoint->error.message);
    text_puts(table, "\n");
}

static void put_endpoints(struct text *out, const struct facts *facts)
{
    _cleanup_(text_clear) struct text table = {0};
    size_t count = facts->endpoints ? endpoints_count(facts->endpoints) : 0;

    text_puts(&table, "ENDPOINT\tSTATE\tFOR\tANSWERED\tCERTIFICATE\tERROR\n");
    for (size_t i = 0; i < count; i++)
        put_endpoint(&table, facts, endpoints_get(facts->endpoints, i));
    text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed;
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = endpoints_get(facts->endpoints, i);

        if (endpoint->failing || endpoint->error.code == ERROR_CERTIFICATE ||
            endpoint->error.code == ERROR_CLOCK_WRONG)
            text_printf(out, "hint for %s: %s\n", endpoint->text, endpoint->error.hint);
    }
}

static void put_inventory(struct text *table, const struct facts *facts, const struct counts *counts)
{
    const struct inventory *inventory = facts->readiness.inventory;
    char age[CLOCK_AGE_LEN];

    if (!inventory) {
        text_puts(table, "Guests\tnot known yet\n");
        return;
    }
    text_printf(table, "Guests\t%zu ready, %zu degraded, %zu blocked; seen %s ago\n",
                counts->by_verdict[VERDICT_READY], counts->by_verdict[VERDICT_DEGRADED],
                counts->by_verdict[VERDICT_BLOCKED], clock_age(facts->readiness.inventory_age_ms, age));
    text_printf(table, "Hosts\t%u of %u online\n", inventory_nodes_online(inventory),
                inventory_nodes_known(inventory));
}

/* NULL also if it was of a guest that the asker may not see. */
static const struct operation *last_fence(const struct facts *facts)
{
    const struct operation *last = facts->history ? history_last_fence(facts->history) : NULL;

    return last && visibility_of_operation(facts->subject, facts->readiness.inventory, last) ? last : NULL;
}

static void put_history(struct text *table, const struct facts *facts)
{
    const struct operation *last = last_fence(facts);
    char age[CLOCK_AGE_LEN];

    text_puts(table, "Last fence\t");
    if (last) {
        text_printf(table, "%s of ", fence_action_name(last->action));
        view_put_cell(table, last->guest ? last->guest : last->plug);
        text_printf(table, " %s ago, %s", clock_age(facts->realtime_ms - last->requested_realtime_ms, age),
                    operation_outcome_name(last->outcome));
    } else {
        text_puts(table, facts->subject ? "none that you may see" : "none");
    }
    text_printf(table, "\nUnder way\t%u operations\nHistory\t", facts->operations_running);
    if (!facts->history || !facts->readiness.history_failing)
        text_puts(table, "written");
    else
        text_puts(table, "not written");
    if (facts->history && history_lost(facts->history))
        text_printf(table, ", %llu records lost", (unsigned long long)history_lost(facts->history));
    if (facts->history && history_unreadable(facts->history))
        text_printf(table, ", %zu lines unreadable", history_unreadable(facts->history));
    text_puts(table, "\n");
}

/* A line of [nodes] that leads to no guest is a node that cannot be fenced, and no guest's verdict shows it.
 */
static void put_unresolved_aliases(struct text *out, const struct facts *facts)
{
    const struct inventory *inventory = facts->subject ? NULL : facts->readiness.inventory;
    size_t count = inventory ? inventory_unresolved_alias_count(inventory) : 0;

    for (size_t i = 0; i < count; i++) {
        const struct unresolved_alias *alias = inventory_unresolved_alias_get(inventory, i);

        text_puts(out, "  [nodes] ");
        view_put_cell(out, alias->node);
        text_puts(out, " = ");
        view_put_cell(out, alias->target);
        text_puts(out, alias->ambiguous
                           ? ": several guests have this name\n    hint: write the VMID instead\n"
                           : ": no such guest in the pool\n"
                             "    hint: fix the line, or put the guest into the pool\n");
    }
}

/* In the first moments there is nothing wrong but that not everything was tried yet. */
static void put_verdict(struct text *out, const struct facts *facts, const struct counts *counts)
{
    enum verdict verdict = overall_verdict(facts, counts);
    reason_set others = counts->reasons & ~((reason_set)1 << REASON_NO_EVIDENCE);
    int64_t left_ms;

    if (verdict == VERDICT_DEGRADED && readiness_verdict(others) == VERDICT_READY &&
        readiness_unchecked(&facts->readiness, &left_ms) > 0)
        status_line_checking(out, left_ms);
    else
        text_puts(out, verdict_name(verdict));
}

static void status_screen(struct text *out, const struct facts *facts)
{
    struct counts counts = count_guests(facts);
    _cleanup_(text_clear) struct text table = {0};
    char age[CLOCK_AGE_LEN];

    text_puts(out, "Verdict: ");
    put_verdict(out, facts, &counts);
    text_puts(out, "\n");
    view_put_reason_lines(out, facts, counts.reasons);
    put_unresolved_aliases(out, facts);
    text_puts(out, "\n");
    put_session(&table, facts);
    put_inventory(&table, facts, &counts);
    put_history(&table, facts);
    text_printf(&table, "Broker\t%s, running for %s\n", FENCE_BROKER_VERSION,
                clock_age(facts->realtime_ms - facts->started_realtime_ms, age));
    text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed;
    text_puts(out, "\n");
    put_endpoints(out, facts);
}

/* ---- JSON ---- */

static void put_unresolved_alias_objects(struct text *out, const struct facts *facts)
{
    const struct inventory *inventory = facts->subject ? NULL : facts->readiness.inventory;
    size_t count = inventory ? inventory_unresolved_alias_count(inventory) : 0;

    json_put_open(out, "unresolved_aliases", '[');
    for (size_t i = 0; i < count; i++) {
        const struct unresolved_alias *alias = inventory_unresolved_alias_get(inventory, i);

        json_put_open(out, NULL, '{');
        json_put_string(out, "node", alias->node);
        json_put_string(out, "target", alias->target);
        json_put_bool(out, "ambiguous", alias->ambiguous);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_session_object(struct text *out, const struct facts *facts)
{
    const struct session_description *session = &facts->session;
    int64_t left_ms = session->expires_ms - facts->boottime_ms;

    json_put_open(out, "session", '{');
    json_put_string(out, "identity", session->identity);
    json_put_bool(out, "token", session->is_token);
    json_put_bool(out, "second_factor", session->second_factor);
    json_put_bool(out, "ready", session->ready);
    /* the ticket's age runs on CLOCK_BOOTTIME; shown on the wall clock */
    view_put_time(out, "expires", session->expires_ms ? facts->realtime_ms + left_ms : 0, facts);
    json_put_int(out, "logins", (int64_t)session->logins);
    json_put_int(out, "login_failures", (int64_t)session->login_failures);
    view_put_error_object(out, "error", &session->error);
    json_put_close(out, '}');
}

static void put_privileges_object(struct text *out, const struct facts *facts)
{
    const struct privileges_report *report = facts->grants ? grants_report(facts->grants) : NULL;

    if (!report) {
        json_put_string(out, "privileges", NULL);
        return;
    }
    json_put_open(out, "privileges", '{');
    json_put_string(out, "judgement", grants_state_name(grants_state(facts->grants)));
    json_put_int(out, "excess", (int64_t)report->excess);
    json_put_int(out, "missing", (int64_t)report->missing);
    json_put_int(out, "hints", (int64_t)report->hints);
    json_put_close(out, '}');
}

static int64_t monotonic_to_realtime(const struct facts *facts, int64_t monotonic_ms)
{
    return monotonic_ms ? facts->realtime_ms - (facts->now_ms - monotonic_ms) : 0;
}

static void put_endpoint_objects(struct text *out, const struct facts *facts)
{
    size_t count = facts->endpoints ? endpoints_count(facts->endpoints) : 0;

    json_put_open(out, "endpoints", '[');
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = endpoints_get(facts->endpoints, i);

        json_put_open(out, NULL, '{');
        json_put_string(out, "endpoint", endpoint->text);
        json_put_string(out, "state", endpoint_state_name(endpoint->state));
        view_put_time(out, "since", monotonic_to_realtime(facts, endpoint->since_ms), facts);
        view_put_time(out, "answered", monotonic_to_realtime(facts, endpoint->last_ok_ms), facts);
        view_put_time(out, "certificate_expires", endpoint->certificate_expires_ms, facts);
        json_put_int(out, "requests", (int64_t)endpoint->requests);
        json_put_int(out, "failures", (int64_t)endpoint->failures);
        view_put_error_object(out, "error", &endpoint->error);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_inventory_objects(struct text *out, const struct facts *facts, const struct counts *counts)
{
    const struct inventory *inventory = facts->readiness.inventory;

    json_put_open(out, "guests", '{');
    for (enum verdict v = VERDICT_READY; v <= VERDICT_BLOCKED; v++)
        json_put_int(out, verdict_name(v), (int64_t)counts->by_verdict[v]);
    json_put_close(out, '}');
    view_put_time(out, "inventory", inventory ? facts->realtime_ms - facts->readiness.inventory_age_ms : 0,
                  facts);
    json_put_open(out, "hosts", '{');
    json_put_int(out, "online", inventory ? inventory_nodes_online(inventory) : 0);
    json_put_int(out, "known", inventory ? inventory_nodes_known(inventory) : 0);
    json_put_close(out, '}');
    view_put_error_object(out, "poll_error", facts->poll_error);
}

static void put_history_object(struct text *out, const struct facts *facts)
{
    const struct operation *last = last_fence(facts);

    json_put_open(out, "history", '{');
    json_put_bool(out, "written", !facts->readiness.history_failing);
    json_put_int(out, "lost_records", facts->history ? (int64_t)history_lost(facts->history) : 0);
    json_put_int(out, "unreadable_lines", facts->history ? (int64_t)history_unreadable(facts->history) : 0);
    json_put_string(out, "last_fence", last ? last->id : NULL);
    view_put_time(out, "last_fence", last ? last->requested_realtime_ms : 0, facts);
    json_put_close(out, '}');
}

static void status_json(struct text *out, const struct facts *facts)
{
    struct counts counts = count_guests(facts);

    json_put_open(out, NULL, '{');
    json_put_string(out, "verdict", verdict_name(overall_verdict(facts, &counts)));
    view_put_reason_objects(out, facts, NULL, counts.reasons);
    put_session_object(out, facts);
    put_privileges_object(out, facts);
    json_put_string(out, "proxmox_version", facts->pve_version);
    put_endpoint_objects(out, facts);
    put_inventory_objects(out, facts, &counts);
    put_unresolved_alias_objects(out, facts);
    put_history_object(out, facts);
    json_put_int(out, "operations_running", (int64_t)facts->operations_running);
    json_put_string(out, "version", FENCE_BROKER_VERSION);
    view_put_time(out, "started", facts->started_realtime_ms, facts);
    view_put_end(out);
}

void view_status(struct text *out, enum http_form form, const struct facts *facts)
{
    if (form == HTTP_TEXT)
        status_screen(out, facts);
    else
        status_json(out, facts);
}
