/*
 * The handlers. Each is short: check the query's values, ask the engine or take the facts of this moment,
 * choose the view. Whoever may ask was decided before; what a fence is, the engine knows.
 */
#include "server/requests.h"

#include "server/audit_trail.h"
#include "server/metrics.h"
#include "server/monitor.h"
#include "system/cleanup.h"
#include "system/clock.h"

#include <stdlib.h>
#include <string.h>

#define DRY_RUN_TEXT_MAX 1024

/* The value of a query key that knows only these words; index into them, -1 if the key is not there. False
 * after having answered with an error. */
static bool query_word(struct exchange *exchange, const struct http_request *request, const char *key,
                       const char *const *words, int *index)
{
    const char *value = http_query(request, key);
    _cleanup_(text_clear) struct text allowed = {0};
    struct error error;

    *index = -1;
    if (!value)
        return true;
    for (int i = 0; words[i]; i++) {
        if (!strcmp(value, words[i])) {
            *index = i;
            return true;
        }
        text_printf(&allowed, "%s%s", i ? ", " : "", words[i]);
    }
    error_set(&error, ERROR_BAD_REQUEST, "%s=%s is not known", key, value);
    error_hint(&error, "allowed: %s", allowed.data ? allowed.data : "");
    exchange_answer_error(exchange, &error);
    return false;
}

static const char *const yes_no[] = {"0", "1", NULL};

/* ---- off, on, reboot ---- */

/* What the asker of a power request was told. */
static void audit_power(struct exchange *exchange, const struct operation *operation,
                        const struct error *error)
{
    struct operation_peer peer;

    if (!exchange->audited)
        return;
    audit_trail_peer(exchange->all->audit, connection_peer(exchange->connection), exchange->rule, &peer);
    audit_trail_answered(exchange->all->audit, &peer, exchange->action, exchange->plug,
                         operation ? operation->id : NULL, error);
}

static void on_operation_answer(void *context, const struct operation *operation, const struct error *error)
{
    struct exchange *exchange = context;
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;

    exchange->wait = WAIT_NONE;
    exchange->all->changes++;
    audit_power(exchange, operation, error);
    if (error) {
        exchange_answer_error_as(exchange, 0, NULL, error, operation ? operation->id : NULL);
        return;
    }
    exchange_facts(exchange, &facts);
    if (operation)
        view_done(&body, exchange->form, &facts, operation);
    else
        text_puts(&body, exchange->form == HTTP_TEXT ? "done\n" : "{}\n");
    exchange_answer(exchange, &body);
}

/* Asked by the engine when it is about to begin: what is still to be read of a peer that hung up, or the end
 * of its connection, may lie unread while the daemon is busy or stopped (P4). */
static bool is_there(void *context)
{
    const struct exchange *exchange = context;

    return !connection_peer_gone(exchange->connection);
}

/* The asker's word is believed when it makes the request older. */
static int64_t asked_since(const struct exchange *exchange, const struct http_request *request)
{
    bool said = request->asked_at_ms > 0 && request->asked_at_ms < exchange->accepted_ms;

    return said ? request->asked_at_ms : exchange->accepted_ms;
}

static void dry_run(struct exchange *exchange, const struct engine_request *ask)
{
    _cleanup_(text_clear) struct text body = {0};
    char message[DRY_RUN_TEXT_MAX] = "";
    struct error error = {0};

    if (!engine_dry_run(exchange->all->rooms->engine, ask, message, sizeof(message), &error)) {
        exchange_answer_error(exchange, &error);
        return;
    }
    if (exchange->form == HTTP_TEXT) {
        text_printf(&body, "%s\n", message);
    } else {
        json_put_open(&body, NULL, '{');
        json_put_bool(&body, "dry_run", true);
        json_put_string(&body, "message", message);
        view_put_end(&body);
    }
    exchange_answer(exchange, &body);
}

void request_power(struct exchange *exchange, const struct http_request *request)
{
    static const char *const methods[] = {"onoff", "cycle", NULL};
    struct engine_request ask = {
        .method = FENCE_ONOFF,
        .plug = request->segments[2],
        .request_id = request->request_id,
        .asked_ms = asked_since(exchange, request),
        .is_there = is_there,
        .privileged = exchange->verdict == ACCESS_PRIVILEGED,
    };
    struct error error = {0};
    int method, dry;

    if (!query_word(exchange, request, "method", methods, &method) ||
        !query_word(exchange, request, "dry-run", yes_no, &dry))
        return;
    if (!fence_action_from_name(request->segments[3], &ask.action)) {
        error_set(&error, ERROR_NOT_FOUND, "there is no such action");
        exchange_answer_error(exchange, &error);
        return;
    }
    if (method == 1 && ask.action == FENCE_REBOOT) /* off and on know one way only */
        ask.method = FENCE_CYCLE;
    if (dry == 1) {
        dry_run(exchange, &ask);
        return;
    }
    audit_trail_peer(exchange->all->audit, connection_peer(exchange->connection), exchange->rule, &ask.peer);
    exchange->action = fence_action_name(ask.action);
    if (!exchange_set_plug(exchange, ask.plug))
        return;
    exchange->audited =
        audit_trail_asked(exchange->all->audit, &ask.peer, ask.privileged, exchange->action, exchange->plug);
    exchange->all->changes++;
    exchange->asker =
        engine_submit(exchange->all->rooms->engine, &ask, on_operation_answer, exchange, &error);
    if (exchange->asker) {
        exchange->wait = WAIT_ENGINE;
        return;
    }
    audit_power(exchange, NULL, &error);
    exchange_answer_error(exchange, &error);
}

/* ---- guests ---- */

static void answer_list(struct exchange *exchange)
{
    struct facts facts;

    exchange_facts(exchange, &facts);
    if (!exchange_await_inventory(exchange, &facts, answer_list))
        return;
    if (exchange->bare)
        exchange_answer_common(exchange, COMMON_LIST_STATUS, view_list_status);
    else
        exchange_answer_common(exchange, COMMON_LIST, view_list);
}

void request_guests(struct exchange *exchange, const struct http_request *request)
{
    static const char *const views[] = {"list", "list-status", "rehearse", NULL};
    int view;

    if (!query_word(exchange, request, "view", views, &view))
        return;
    exchange->bare = view == 1;
    if (view < 0) {
        poller_looked_at(exchange->all->rooms->poller);
        exchange_answer_common(exchange, COMMON_GUESTS, view_guests);
    } else if (view == 2) {
        request_rehearsable(exchange);
    } else {
        answer_list(exchange);
    }
}

static void on_power_read(void *context, enum engine_power power, const struct pve_status *status,
                          const char *node, const struct error *error)
{
    struct exchange *exchange = context;
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;
    struct error unknown = {0};

    exchange->wait = WAIT_NONE;
    if (error) {
        exchange_answer_error(exchange, error);
        return;
    }
    if (exchange->bare && exchange->form == HTTP_TEXT) {
        text_puts(&body, power == ENGINE_POWER_ON ? "on\n" : "off\n");
    } else {
        exchange_facts(exchange, &facts);
        const struct inventory *inventory = facts.readiness.inventory;
        const struct guest *guest = inventory ? inventory_find(inventory, exchange->plug, &unknown) : NULL;

        view_guest_power(&body, exchange->form, &facts, guest, power, status, node);
    }
    exchange_answer(exchange, &body);
}

void request_guest(struct exchange *exchange, const struct http_request *request)
{
    static const char *const views[] = {"power", NULL};
    struct error error = {0};
    int view;

    if (!query_word(exchange, request, "view", views, &view))
        return;
    exchange->bare = view == 0;
    if (!exchange_set_plug(exchange, request->segments[2]))
        return;
    const struct engine_reader by = {.uid = connection_peer(exchange->connection)->uid,
                                     .privileged = exchange->verdict == ACCESS_PRIVILEGED};
    exchange->asker =
        engine_read_power(exchange->all->rooms->engine, exchange->plug, &by, on_power_read, exchange, &error);
    if (exchange->asker)
        exchange->wait = WAIT_ENGINE;
    else
        exchange_answer_error(exchange, &error);
}

/* ---- operations ---- */

/* False after having answered with an error. */
static bool query_choice(struct exchange *exchange, const struct http_request *request, int64_t now_ms,
                         struct view_choice *choice)
{
    const char *limit = http_query(request, "limit"), *since = http_query(request, "since");
    struct error error = {0};

    *choice = (struct view_choice){0};
    if (limit) {
        bool digits = *limit && strlen(limit) <= 6 && !limit[strspn(limit, "0123456789")];

        choice->most = digits ? (size_t)strtoul(limit, NULL, 10) : 0;
        if (!choice->most) {
            error_set(&error, ERROR_BAD_REQUEST, "limit=%s is not a number from 1 up", limit);
            error_hint(&error, "give the largest number of operations: limit=20");
        }
    }
    if (since) {
        choice->since_ms = clock_parse(since, now_ms);
        if (choice->since_ms < 0) {
            error_set(&error, ERROR_BAD_REQUEST, "since=%s is not a time", since);
            error_hint(&error, "write an age (90s, 10min, 2h, 3d), a day (2026-11-22), or "
                               "2026-11-22T12:00:00Z, as in RFC 3339");
        }
    }
    if (error.code != ERROR_NONE)
        exchange_answer_error(exchange, &error);
    return error.code == ERROR_NONE;
}

void request_operations(struct exchange *exchange, const struct http_request *request)
{
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;
    struct view_choice choice;

    exchange_facts(exchange, &facts);
    if (!query_choice(exchange, request, facts.realtime_ms, &choice))
        return;
    view_operations(&body, exchange->form, &facts, &choice);
    exchange_answer(exchange, &body);
}

/* One that may be seen. JSON, whatever was asked for: it is for `fence-broker-admin verify`. */
static void answer_evidence(struct exchange *exchange, const struct operation *operation)
{
    _cleanup_(text_clear) struct text body = {0};
    struct error error = {0};

    if (operation->evidence) {
        exchange->form = HTTP_JSON;
        view_evidence(&body, operation);
        exchange_answer(exchange, &body);
        return;
    }
    bool proven = operation->action != FENCE_ON && operation->verified_ms != 0;
    error_set(&error, ERROR_NOT_FOUND, "there is no evidence of operation '%s': %s", operation->id,
              proven ? "nothing proved off (method=cycle), or it was not kept"
                     : "it has not proven that the guest is off");
    error_hint(&error, "what was done is in `/usr/sbin/fence_broker explain %s`", operation->id);
    exchange_answer_error(exchange, &error);
}

void request_operation(struct exchange *exchange, const struct http_request *request)
{
    static const char *const views[] = {"evidence", NULL};
    const struct operation *operation = history_find(exchange->all->rooms->history, request->segments[2]);
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;
    struct error error;
    int view;

    if (!query_word(exchange, request, "view", views, &view))
        return;
    exchange_facts(exchange, &facts);
    if (operation && !visibility_of_operation(facts.subject, facts.readiness.inventory, operation)) {
        const struct access_decision decision =
            visibility_decide_operation(facts.subject, facts.readiness.inventory, operation);

        exchange_note_denial(exchange, &decision, operation->id);
        operation = NULL; /* one that may not be seen is not there */
    }
    if (!operation) {
        error_set(&error, ERROR_NOT_FOUND, "there is no operation '%s' in the history", request->segments[2]);
        error_hint(&error, "`/usr/sbin/fence_broker history` lists them; the oldest are dropped after %d",
                   HISTORY_KEPT);
        exchange_answer_error(exchange, &error);
        return;
    }
    if (view == 0) {
        answer_evidence(exchange, operation);
        return;
    }
    view_operation(&body, exchange->form, &facts, operation);
    exchange_answer(exchange, &body);
}

/* ---- status, monitor, metrics ---- */

static void answer_monitor(struct exchange *exchange, const struct facts *facts)
{
    _cleanup_(text_clear) struct text body = {0};
    struct error error = {0};

    if (!monitor_passes(facts, exchange->bare, exchange->plug, &error)) {
        exchange_answer_error_as(exchange, 503, NULL, &error, NULL);
        return;
    }
    text_puts(&body, exchange->form == HTTP_TEXT ? "ok\n" : "{\"monitor\":\"ok\"}\n");
    exchange_answer(exchange, &body);
}

/* The poll that the monitor asked for has ended, or it has waited long enough. */
static void resume_monitor(struct exchange *exchange)
{
    struct facts facts;

    exchange_facts(exchange, &facts);
    if (!facts.readiness.inventory && facts.now_ms < exchange->hold_until_ms &&
        exchanges_start_left_ms(exchange->all) > 0)
        /* a first round that failed: the network may just be coming up */
        exchange_hold(exchange, exchange->hold_until_ms, resume_monitor);
    else
        answer_monitor(exchange, &facts);
}

static void begin_monitor(struct exchange *exchange)
{
    struct facts facts;
    int64_t left = exchanges_start_left_ms(exchange->all);

    exchange_facts(exchange, &facts);
    if (!monitor_facts_old(&facts)) {
        answer_monitor(exchange, &facts);
    } else if (!facts.readiness.inventory && left > 0) {
        exchange_hold(exchange, facts.now_ms + left, resume_monitor);
    } else {
        exchange_hold(exchange, facts.now_ms + MONITOR_HOLD_MS, resume_monitor);
        poller_poll_now(exchange->all->rooms->poller);
    }
}

void request_status(struct exchange *exchange, const struct http_request *request)
{
    static const char *const views[] = {"monitor", NULL};
    const char *nodes = http_query(request, "nodes");
    struct error error;
    int view, strict;

    if (!query_word(exchange, request, "view", views, &view) ||
        !query_word(exchange, request, "strict", yes_no, &strict))
        return;
    if (view == 0 && (!nodes || strict == 1)) {
        exchange->bare = strict == 1;
        if (!nodes || exchange_set_plug(exchange, nodes))
            begin_monitor(exchange);
        return;
    }
    if (strict >= 0 || nodes) {
        error_set(&error, ERROR_BAD_REQUEST, "strict works with view=monitor only, and nodes with strict=1");
        exchange_answer_error(exchange, &error);
        return;
    }
    poller_looked_at(exchange->all->rooms->poller);
    exchange_answer_common(exchange, COMMON_STATUS, view_status);
}

/* Without an inventory no name leads anywhere, and that would be no answer. */
static void answer_plugs(struct exchange *exchange, const char *plugs)
{
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;
    struct error error;

    exchange_facts(exchange, &facts);
    if (!facts.readiness.inventory) {
        error_set(&error, ERROR_NO_INVENTORY, "%s", reason_message(REASON_NO_INVENTORY));
        error_hint(&error, "%s", reason_hint(REASON_NO_INVENTORY));
        exchange_answer_error(exchange, &error);
        return;
    }
    view_plugs(&body, exchange->form, &facts, plugs);
    exchange_answer(exchange, &body);
}

/* Whoever reads it sees the guests that it may read, as in status. */
void request_doctor(struct exchange *exchange, const struct http_request *request)
{
    static const char *const views[] = {"plugs", NULL};
    const char *plugs = http_query(request, "plugs");
    struct error error;
    int view;

    if (!query_word(exchange, request, "view", views, &view))
        return;
    if ((view == 0) != (plugs != NULL)) {
        error_set(&error, ERROR_BAD_REQUEST, "view=plugs and plugs=NAME,… go together");
        exchange_answer_error(exchange, &error);
        return;
    }
    if (plugs) {
        answer_plugs(exchange, plugs);
        return;
    }
    exchange_answer_common(exchange, COMMON_DOCTOR, view_doctor);
}

void request_permissions(struct exchange *exchange, const struct http_request *request)
{
    (void)request;
    exchange_answer_common(exchange, COMMON_PERMISSIONS, view_permissions);
}

void request_metrics(struct exchange *exchange, const struct http_request *request)
{
    enum metrics_format format = request->openmetrics ? METRICS_OPENMETRICS : METRICS_TEXT;
    _cleanup_(text_clear) struct text body = {0};
    struct metrics_server counters;
    struct facts facts;

    exchange_facts(exchange, &facts);
    exchanges_count(exchange->all, &counters);
    metrics_put_all(&body, format, &counters, &facts);
    exchange_answer_as(exchange,
                       request->openmetrics ? METRICS_CONTENT_TYPE_OPENMETRICS : METRICS_CONTENT_TYPE, &body);
}
