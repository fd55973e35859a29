/*
 * What was asked, done and seen: the history as a screen or JSON, one operation with its time line, and the
 * line that an asker reads when its operation is done. Monotonic times are used as differences only: after a
 * restart they mean nothing else.
 */
#include "server/view.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <stdlib.h>

/* ---- words ---- */

static const char *guest_word(const struct operation *operation)
{
    return operation->guest ? operation->guest : operation->plug ? operation->plug : "-";
}

/* How long the asker had to wait: to the proof where there is one, else to the end. -1: it still waits. */
static int64_t took_ms(const struct operation *operation)
{
    int64_t end = operation->verified_ms ? operation->verified_ms : operation->ended_ms;

    return end ? end - operation->requested_ms : -1;
}

static void put_took(struct text *out, int64_t ms)
{
    if (ms < 0)
        text_puts(out, "-");
    else if (ms < 1000)
        text_printf(out, "%lld ms", (long long)ms);
    else
        text_printf(out, "%lld.%lld s", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}

static void put_peer(struct text *out, const struct operation_peer *peer)
{
    if (peer->uid == 0)
        text_printf(out, "root pid %ld", (long)peer->pid);
    else if (peer->user[0])
        text_printf(out, "%s (%lu) pid %ld", peer->user, (unsigned long)peer->uid, (long)peer->pid);
    else
        text_printf(out, "uid %lu pid %ld", (unsigned long)peer->uid, (long)peer->pid);
}

/* Why it ended so; for a reboot also how its power-on went. */
static void put_reason(struct text *out, const struct operation *operation)
{
    if (operation->error.code != ERROR_NONE)
        text_puts(out, error_code_name(operation->error.code));
    else if (operation->power_on == POWER_ON_FAILED)
        text_printf(out, "power-on failed: %s", error_code_name(operation->power_on_error.code));
    else if (operation->power_on == POWER_ON_PENDING)
        text_puts(out, "power-on pending");
    else
        text_puts(out, "-");
}

/* ---- the screen ---- */

static void put_row(struct text *table, const struct facts *facts, const struct operation *operation)
{
    char age[CLOCK_AGE_LEN];

    text_printf(table, "%s\t%s ago\t", operation->id,
                clock_age(facts->realtime_ms - operation->requested_realtime_ms, age));
    view_put_cell(table, guest_word(operation));
    text_printf(table, "\t%s\t%s\t", fence_action_name(operation->action),
                operation->outcome == OPERATION_RUNNING ? operation_state_name(operation->state)
                                                        : operation_outcome_name(operation->outcome));
    put_took(table, took_ms(operation));
    text_puts(table, "\t");
    put_peer(table, &operation->peer);
    text_puts(table, "\t");
    put_reason(table, operation);
    text_puts(table, "\n");
}

/* The next operation of the choice that the asker may see, from *index on, which moves behind it; `shown`
 * were before it. NULL: there is none. */
static const struct operation *next_operation(const struct facts *facts, const struct view_choice *choice,
                                              size_t *index, size_t shown)
{
    size_t count = facts->history ? history_count(facts->history) : 0;

    while (*index < count && (!choice->most || shown < choice->most)) {
        const struct operation *operation = history_get(facts->history, (*index)++);

        if (operation->requested_realtime_ms >= choice->since_ms &&
            visibility_of_operation(facts->subject, facts->readiness.inventory, operation))
            return operation;
    }
    return NULL;
}

/* What was denied is for those who may see all. */
static const struct denial *get_denial(const struct facts *facts, const struct view_choice *choice,
                                       size_t index)
{
    const struct denial *denial = NULL;

    if (!facts->subject && facts->history && (!choice->most || index < choice->most))
        denial = history_denial(facts->history, index);
    return denial && denial->realtime_ms >= choice->since_ms ? denial : NULL;
}

/* Who was refused what; without a head of its own where there is none. */
static void put_denials(struct text *out, const struct facts *facts, const struct view_choice *choice)
{
    _cleanup_(text_clear) struct text table = {0};
    const struct denial *denial;
    char age[CLOCK_AGE_LEN];

    for (size_t i = 0; (denial = get_denial(facts, choice, i)); i++) {
        text_printf(&table, "  %s ago\t", clock_age(facts->realtime_ms - denial->realtime_ms, age));
        put_peer(&table, &denial->peer);
        text_puts(&table, "\t");
        view_put_cell(&table, denial->request);
        text_puts(&table, "\t");
        view_put_cell(&table, denial->peer.rule);
        if (denial->unrecorded)
            text_printf(&table, " (and %llu more before)", (unsigned long long)denial->unrecorded);
        text_puts(&table, "\n");
    }
    if (table.length == 0)
        return;
    text_puts(out, "\nDenied:\n");
    text_append_table(out, table.data);
    out->failed |= table.failed;
}

static void operations_screen(struct text *out, const struct facts *facts, const struct view_choice *choice)
{
    _cleanup_(text_clear) struct text table = {0};
    const struct operation *operation;

    text_puts(&table, "ID\tWHEN\tGUEST\tACTION\tOUTCOME\tTIME\tASKED-BY\tREASON\n");
    for (size_t i = 0, shown = 0; (operation = next_operation(facts, choice, &i, shown)); shown++)
        put_row(&table, facts, operation);
    if (!facts->history || history_count(facts->history) == 0)
        text_puts(out, "No operation was asked for yet.\n");
    else
        text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed;
    put_denials(out, facts, choice);
}

static void put_error_lines(struct text *out, const char *what, const struct error *error)
{
    if (error->code == ERROR_NONE)
        return;
    text_printf(out, "%s: %s: %s\n", what, error_code_name(error->code), error->message);
    if (error->hint[0])
        text_printf(out, "hint: %s\n", error->hint);
}

static void operation_screen(struct text *out, const struct facts *facts, const struct operation *operation)
{
    _cleanup_(text_clear) struct text table = {0};
    char age[CLOCK_AGE_LEN];

    text_printf(out, "%s: %s of %s", operation->id, fence_action_name(operation->action),
                guest_word(operation));
    if (operation->vmid > 0)
        text_printf(out, " (%d)", operation->vmid);
    if (operation->node)
        text_printf(out, " on %s", operation->node);
    text_printf(out, ", asked %s ago by ",
                clock_age(facts->realtime_ms - operation->requested_realtime_ms, age));
    put_peer(out, &operation->peer);
    if (operation->peer.rule[0])
        text_printf(out, "\nallowed: %s", operation->peer.rule);
    text_printf(out, "\n%s", operation_outcome_name(operation->outcome));
    if (took_ms(operation) >= 0) {
        text_puts(out, operation->verified_ms ? ", verified after " : ", ended after ");
        put_took(out, took_ms(operation));
    }
    text_puts(out, "\n");
    put_error_lines(out, "error", &operation->error);
    if (operation->power_on != POWER_ON_NONE)
        text_printf(out, "power-on: %s\n", operation_power_on_name(operation->power_on));
    put_error_lines(out, "power-on error", &operation->power_on_error);

    for (size_t i = 0; i < operation->transition_count; i++) {
        text_printf(&table, "  +%lld ms\t", (long long)operation->transitions[i].offset_ms);
        view_put_cell(&table, operation->transitions[i].text);
        text_puts(&table, "\n");
    }
    text_append_table(out, table.data ? table.data : "");
    out->failed |= table.failed;
}

/* ---- JSON ---- */

static void put_after(struct text *out, const char *key, int64_t at_ms, const struct operation *operation)
{
    if (at_ms)
        json_put_int(out, key, at_ms - operation->requested_ms);
    else
        json_put_string(out, key, NULL);
}

static void put_peer_object(struct text *out, const struct operation_peer *peer)
{
    json_put_open(out, "asked_by", '{');
    json_put_int(out, "uid", (int64_t)peer->uid);
    json_put_int(out, "gid", (int64_t)peer->gid);
    json_put_int(out, "pid", (int64_t)peer->pid);
    json_put_string(out, "user", peer->user[0] ? peer->user : NULL);
    json_put_string(out, "rule", peer->rule[0] ? peer->rule : NULL);
    json_put_close(out, '}');
}

/* The members of the object. */
static void put_operation(struct text *out, const struct facts *facts, const struct operation *operation)
{
    json_put_string(out, "id", operation->id);
    json_put_string(out, "action", fence_action_name(operation->action));
    json_put_string(out, "method", fence_method_name(operation->method));
    json_put_string(out, "plug", operation->plug);
    if (operation->vmid > 0)
        json_put_int(out, "vmid", operation->vmid);
    else
        json_put_string(out, "vmid", NULL);
    json_put_string(out, "type", pve_guest_type_name(operation->type));
    json_put_string(out, "guest", operation->guest);
    json_put_string(out, "node", operation->node);
    view_put_time(out, "requested", operation->requested_realtime_ms, facts);
    json_put_string(out, "state", operation_state_name(operation->state));
    json_put_string(out, "outcome", operation_outcome_name(operation->outcome));
    put_after(out, "verified_after_ms", operation->verified_ms, operation);
    put_after(out, "ended_after_ms", operation->ended_ms, operation);
    put_peer_object(out, &operation->peer);
    json_put_open(out, "request_ids", '[');
    for (size_t i = 0; i < operation->request_id_count; i++) {
        const char *own = operation_request_id_of(operation->request_ids[i], facts->uid);

        if (own)
            json_put_string(out, NULL, own);
    }
    json_put_close(out, ']');
    view_put_error_object(out, "error", &operation->error);
    json_put_string(out, "power_on", operation_power_on_name(operation->power_on));
    view_put_error_object(out, "power_on_error", &operation->power_on_error);
}

static void put_transitions(struct text *out, const struct facts *facts, const struct operation *operation)
{
    json_put_open(out, "transitions", '[');
    for (size_t i = 0; i < operation->transition_count; i++) {
        const struct operation_transition *transition = &operation->transitions[i];

        json_put_open(out, NULL, '{');
        view_put_time(out, "seen", transition->realtime_ms, facts);
        json_put_int(out, "after_ms", transition->offset_ms);
        json_put_string(out, "text", transition->text);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_denial_object(struct text *out, const struct facts *facts, const struct denial *denial)
{
    json_put_open(out, NULL, '{');
    view_put_time(out, "denied", denial->realtime_ms, facts);
    put_peer_object(out, &denial->peer);
    json_put_string(out, "request", denial->request);
    json_put_string(out, "reason", denial->reason);
    json_put_int(out, "unrecorded_before", (int64_t)denial->unrecorded);
    json_put_close(out, '}');
}

static void operations_json(struct text *out, const struct facts *facts, const struct view_choice *choice)
{
    const struct operation *operation;
    const struct denial *denial;

    json_put_open(out, NULL, '{');
    json_put_open(out, "operations", '[');
    for (size_t i = 0, shown = 0; (operation = next_operation(facts, choice, &i, shown)); shown++) {
        json_put_open(out, NULL, '{');
        put_operation(out, facts, operation);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
    json_put_open(out, "denials", '[');
    for (size_t i = 0; (denial = get_denial(facts, choice, i)); i++)
        put_denial_object(out, facts, denial);
    json_put_close(out, ']');
    view_put_end(out);
}

/* ---- */

void view_operations(struct text *out, enum http_form form, const struct facts *facts,
                     const struct view_choice *choice)
{
    if (form == HTTP_TEXT)
        operations_screen(out, facts, choice);
    else
        operations_json(out, facts, choice);
}

void view_operation(struct text *out, enum http_form form, const struct facts *facts,
                    const struct operation *operation)
{
    if (form == HTTP_TEXT) {
        operation_screen(out, facts, operation);
        return;
    }
    json_put_open(out, NULL, '{');
    put_operation(out, facts, operation);
    put_transitions(out, facts, operation);
    view_put_end(out);
}

void view_evidence(struct text *out, const struct operation *operation)
{
    json_put_open(out, NULL, '{');
    json_put_raw(out, "evidence", operation->evidence);
    view_put_end(out);
}

void view_done(struct text *out, enum http_form form, const struct facts *facts,
               const struct operation *operation)
{
    if (form == HTTP_TEXT) {
        text_printf(out, "%s of %s", fence_action_name(operation->action), guest_word(operation));
        if (operation->vmid > 0)
            text_printf(out, " (%d)", operation->vmid);
        text_puts(out, " done");
        if (took_ms(operation) >= 0) {
            text_puts(out, " in ");
            put_took(out, took_ms(operation));
        }
        text_printf(out, ", operation %s\n", operation->id);
        return;
    }
    json_put_open(out, NULL, '{');
    json_put_open(out, "operation", '{');
    put_operation(out, facts, operation);
    json_put_close(out, '}');
    view_put_end(out);
}
