/*
 * Requests against rules. A guest that may not be read answers like one that is not there, and what was
 * really the matter is in the audit trail only.
 */
#include "server/authorize.h"

#include "system/cleanup.h"
#include "system/names.h"

#include <stdio.h>
#include <string.h>

static void describe_peer(const struct exchange *exchange, struct text *out)
{
    const struct access_peer *peer = connection_peer(exchange->connection);
    const char *user = names_of_uid(exchange->all->rooms->names, peer->uid);

    text_printf(out, "uid %lu", (unsigned long)peer->uid);
    if (user)
        text_printf(out, " (%s)", user);
}

/* What was asked for, in a word or two: "off web1", "guests", "GET v1/status". */
static void say_request(const struct route *route, const struct http_request *request, struct text *out)
{
    const char *plug = route_guest(route, request);

    if (plug && request->segment_count > 3)
        text_printf(out, "%s %s", request->segments[3], plug);
    else if (plug)
        text_printf(out, "read %s", plug);
    else
        text_printf(out, "%s %s", request->method_text, route->path);
}

static void deny(struct exchange *exchange, const struct access_decision *decision, const char *asked)
{
    _cleanup_(text_clear) struct text peer = {0};
    char words[ACCESS_WORDS_MAX];
    struct error error;

    exchange_note_denial(exchange, decision, asked);
    describe_peer(exchange, &peer);
    error_set(&error, ERROR_DENIED, "%s may not ask this: %s: %s", peer.data ? peer.data : "you", asked,
              access_decision_words(decision, words));
    error_hint(&error, "/usr/sbin/fence_broker whoami shows what you may do; the rules are those of "
                       "fence-broker.conf(5), section [access]");
    exchange_answer_error(exchange, &error);
}

void authorize_deny_connection(struct exchange *exchange, const char *words)
{
    const struct access_peer *peer = connection_peer(exchange->connection);
    const struct access_decision decision = {.verdict = exchange->verdict, .words = words};
    const char *group = names_of_gid(exchange->all->rooms->names, exchange->all->policy.gate.group);
    _cleanup_(text_clear) struct text who = {0};
    struct error error;

    exchange_note_denial(exchange, &decision, "connection");
    describe_peer(exchange, &who);
    error_set(&error, ERROR_DENIED, "%s may not ask the broker: %s", who.data ? who.data : "you", words);
    if (exchange->verdict == ACCESS_NOT_MEMBER && group)
        error_hint(&error,
                   "the kernel says gid %lu and %zu other groups of you, none of them %s (%lu): become a "
                   "member, then log in again",
                   (unsigned long)peer->gid, peer->group_count, group,
                   (unsigned long)exchange->all->policy.gate.group);
    exchange_answer_error(exchange, &error);
}

static void go_on(struct exchange *exchange, const struct route *route, const struct http_request *request,
                  const struct access_decision *decision)
{
    access_decision_words(decision, exchange->rule);
    route->handler(exchange, request);
}

/* ---- requests about a guest ---- */

static void resume(struct exchange *exchange)
{
    authorize_request(exchange, exchange->route, exchange->kept);
}

/* False if it waits, or was answered. */
static bool have_guests(struct exchange *exchange, const struct route *route,
                        const struct http_request *request)
{
    struct facts facts;

    exchange_facts(exchange, &facts);
    if (facts.readiness.inventory)
        return true;
    exchange->route = route;
    exchange->kept = connection_keep(exchange->connection, request);
    if (exchange->kept)
        return exchange_await_inventory(exchange, &facts, resume);
    exchange_answer_no_memory(exchange);
    return false;
}

static void authorize_guest(struct exchange *exchange, const struct route *route,
                            const struct http_request *request, const char *asked)
{
    const struct inventory *inventory = poller_inventory(exchange->all->rooms->poller);
    const struct access_subject *subject = exchange_subject(exchange);
    struct access_question question = {route->right, route->what, ACCESS_ACTION_NONE, NULL};
    struct access_decision decision;
    struct access_guest seen;
    struct error error = {0};
    const struct guest *guest =
        visibility_find(subject, inventory, route_guest(route, request), &decision, &error);

    if (!guest) {
        if (!access_allows(decision.verdict))
            exchange_note_denial(exchange, &decision, asked);
        exchange_answer_error(exchange, &error);
        return;
    }
    if (request->segment_count > 3)
        (void)access_action_from_name(request->segments[3], &question.action);
    visibility_guest_of(guest, &seen);
    question.guest = &seen;
    decision = access_decide(subject, &question);
    if (access_allows(decision.verdict))
        go_on(exchange, route, request, &decision);
    else
        deny(exchange, &decision, asked);
}

void authorize_request(struct exchange *exchange, const struct route *route,
                       const struct http_request *request)
{
    const struct access_subject *subject = exchange_subject(exchange);
    const struct access_question question = {route->right, route->what, ACCESS_ACTION_NONE, NULL};
    _cleanup_(text_clear) struct text asked = {0};
    struct access_decision decision = {.verdict = exchange->subject.gate,
                                       .words = exchange->subject.gate_words};

    if (!subject) {
        go_on(exchange, route, request, &decision);
        return;
    }
    say_request(route, request, &asked);
    const char *words = asked.data ? asked.data : route->path;
    if (access_subject_is_ruled(subject) && route_guest(route, request)) {
        if (have_guests(exchange, route, request))
            authorize_guest(exchange, route, request, words);
        return;
    }
    decision = route->filtered ? access_decide_list(subject, route->what) : access_decide(subject, &question);
    if (access_allows(decision.verdict))
        go_on(exchange, route, request, &decision);
    else
        deny(exchange, &decision, words);
}
