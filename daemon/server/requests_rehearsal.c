/*
 * Rehearsals on demand: one guest's, and the list of those that the peer may rehearse, for whoever wants to
 * go through them. What a rehearsal is, the room in fence knows.
 */
#include "server/requests.h"

#include "system/cleanup.h"

/* ---- one ---- */

static void on_rehearsed(void *context, const struct rehearsal_report *report, const struct error *error)
{
    struct exchange *exchange = context;
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;

    exchange->wait = WAIT_NONE;
    if (!report) {
        exchange_answer_error(exchange, error);
        return;
    }
    exchange_facts(exchange, &facts);
    view_rehearsal(&body, exchange->form, &facts, report);
    exchange_answer(exchange, &body);
}

static void begin(struct exchange *exchange)
{
    struct facts facts;
    struct error error = {0};

    exchange_facts(exchange, &facts);
    if (!exchange_await_inventory(exchange, &facts, begin))
        return;
    exchange->asker =
        rehearsals_ask(exchange->all->rooms->rehearsals, exchange->plug, on_rehearsed, exchange, &error);
    if (exchange->asker)
        exchange->wait = WAIT_REHEARSAL;
    else
        exchange_answer_error(exchange, &error);
}

void request_rehearse(struct exchange *exchange, const struct http_request *request)
{
    if (exchange_set_plug(exchange, request->segments[2]))
        begin(exchange);
}

/* ---- those that may be ---- */

void request_rehearsable(struct exchange *exchange)
{
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;

    exchange_facts(exchange, &facts);
    if (!exchange_await_inventory(exchange, &facts, request_rehearsable))
        return;
    view_rehearsable(&body, exchange->form, &facts);
    exchange_answer(exchange, &body);
}
