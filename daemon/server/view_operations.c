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

static void put_row(struct text *table, const struct view_facts *facts, const struct operation *operation)
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
static const struct operation *next_operation(const struct view_facts *facts,
                                              const struct view_choice *choice, size_t *index, size_t shown)
{
    size_t count = facts->history ? history_count(facts->history) : 0;

    while (*index < count && (!choice->most || shown < choice->most)) {
        const struct operation *operation = history_get(facts->history, (*index)++);

        if (operation->requested_realtime_ms >= choice->since_ms &&
            sight_of_operation(facts->subject, facts->readiness.inventory, operation))
            return operation;
    }
    return NULL;
}

/* What was denied is for those who may see all. */
static const struct denial *get_denial(const struct view_facts *facts, const struct view_choice *choice,
                                       size_t index)
{
    const struct denial *denial = NULL;

    if (!facts->subject && facts->history && (!choice->most || index < choice->most))
        denial = history_denial(facts->history, index);
    return denial && denial->realtime_ms >= choice->since_ms ? denial : NULL;
}

/* Who was refused what; without a head of its own where there is none. */
static void put_denials(struct text *out, const struct view_facts *facts, const struct view_choice *choice)
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

static void operations_screen(struct text *out, const struct view_facts *facts,
                              const struct view_choice *choice)
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

static void operation_screen(struct text *out, const struct view_facts *facts,
                             const struct operation *operation)
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

static void add_after(struct json_object *object, const char *key, int64_t at_ms,
                      const struct operation *operation)
{
    if (at_ms)
        view_add_int(object, key, at_ms - operation->requested_ms);
    else
        view_add_string(object, key, NULL);
}

static struct json_object *peer_object(const struct operation_peer *peer)
{
    struct json_object *object = json_object_new_object();

    view_add_int(object, "uid", (int64_t)peer->uid);
    view_add_int(object, "gid", (int64_t)peer->gid);
    view_add_int(object, "pid", (int64_t)peer->pid);
    view_add_string(object, "user", peer->user[0] ? peer->user : NULL);
    view_add_string(object, "rule", peer->rule[0] ? peer->rule : NULL);
    return object;
}

static struct json_object *operation_object(const struct view_facts *facts, const struct operation *operation)
{
    struct json_object *object = json_object_new_object();
    struct json_object *request_ids = json_object_new_array();

    view_add_string(object, "id", operation->id);
    view_add_string(object, "action", fence_action_name(operation->action));
    view_add_string(object, "method", fence_method_name(operation->method));
    view_add_string(object, "plug", operation->plug);
    if (operation->vmid > 0)
        view_add_int(object, "vmid", operation->vmid);
    else
        view_add_string(object, "vmid", NULL);
    view_add_string(object, "type", pve_guest_type_name(operation->type));
    view_add_string(object, "guest", operation->guest);
    view_add_string(object, "node", operation->node);
    view_add_time(object, "requested", operation->requested_realtime_ms, facts);
    view_add_string(object, "state", operation_state_name(operation->state));
    view_add_string(object, "outcome", operation_outcome_name(operation->outcome));
    add_after(object, "verified_after_ms", operation->verified_ms, operation);
    add_after(object, "ended_after_ms", operation->ended_ms, operation);
    view_add(object, "asked_by", peer_object(&operation->peer));
    for (size_t i = 0; request_ids && i < operation->request_id_count; i++) {
        const char *own = operation_request_id_of(operation->request_ids[i], facts->uid);

        if (own)
            json_object_array_add(request_ids, json_object_new_string(own));
    }
    view_add(object, "request_ids", request_ids);
    view_add(object, "error",
             operation->error.code == ERROR_NONE ? NULL : view_error_object(&operation->error, NULL));
    view_add_string(object, "power_on", operation_power_on_name(operation->power_on));
    view_add(object, "power_on_error",
             operation->power_on_error.code == ERROR_NONE
                 ? NULL
                 : view_error_object(&operation->power_on_error, NULL));
    return object;
}

static void add_transitions(struct json_object *object, const struct view_facts *facts,
                            const struct operation *operation)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; array && i < operation->transition_count; i++) {
        const struct operation_transition *transition = &operation->transitions[i];
        struct json_object *one = json_object_new_object();

        view_add_time(one, "seen", transition->realtime_ms, facts);
        view_add_int(one, "after_ms", transition->offset_ms);
        view_add_string(one, "text", transition->text);
        json_object_array_add(array, one);
    }
    view_add(object, "transitions", array);
}

static struct json_object *denial_object(const struct view_facts *facts, const struct denial *denial)
{
    struct json_object *object = json_object_new_object();

    view_add_time(object, "denied", denial->realtime_ms, facts);
    view_add(object, "asked_by", peer_object(&denial->peer));
    view_add_string(object, "request", denial->request);
    view_add_string(object, "reason", denial->reason);
    view_add_int(object, "unrecorded_before", (int64_t)denial->unrecorded);
    return object;
}

static void operations_json(struct text *out, const struct view_facts *facts,
                            const struct view_choice *choice)
{
    const struct operation *operation;
    const struct denial *denial;

    text_puts(out, "{\"operations\":[");
    for (size_t i = 0, shown = 0; (operation = next_operation(facts, choice, &i, shown)); shown++) {
        text_puts(out, shown ? "," : "");
        view_put_json(out, operation_object(facts, operation));
    }
    text_puts(out, "],\"denials\":[");
    for (size_t i = 0; (denial = get_denial(facts, choice, i)); i++) {
        text_puts(out, i ? "," : "");
        view_put_json(out, denial_object(facts, denial));
    }
    text_puts(out, "]}\n");
}

/* ---- */

void view_operations(struct text *out, enum http_form form, const struct view_facts *facts,
                     const struct view_choice *choice)
{
    if (form == HTTP_TEXT)
        operations_screen(out, facts, choice);
    else
        operations_json(out, facts, choice);
}

void view_operation(struct text *out, enum http_form form, const struct view_facts *facts,
                    const struct operation *operation)
{
    struct json_object *object;

    if (form == HTTP_TEXT) {
        operation_screen(out, facts, operation);
        return;
    }
    object = operation_object(facts, operation);
    add_transitions(object, facts, operation);
    view_put_json(out, object);
}

void view_done(struct text *out, enum http_form form, const struct view_facts *facts,
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
    struct json_object *object = json_object_new_object();
    view_add(object, "operation", operation_object(facts, operation));
    view_put_json(out, object);
}
