/*
 * What all requests share, and the one way in which each is answered, held and forgotten.
 */
#include "server/exchange.h"

#include "fence/facts.h"
#include "server/audit_trail.h"
#include "server/monitor.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"
#include "system/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define LARGE_ANSWER  (64 * 1024) /* smaller ones are never refused for the memory they take */
#define HOLD_CHECK_MS 200         /* how exactly the end of a hold is met */

int64_t exchanges_start_left_ms(const struct exchanges *all)
{
    return all->started_ms + MONITOR_START_MS - clock_now_ms();
}

/* ---- facts ---- */

const struct access_subject *exchange_subject(struct exchange *exchange)
{
    struct access_subject *subject = &exchange->subject;

    access_subject_clear(subject);
    if (exchange->socket != SERVER_BROKER)
        return NULL; /* for everybody, and what it shows is, too */
    access_subject_init(subject, &exchange->all->policy, connection_peer(exchange->connection));
    return access_allows(subject->gate) && !access_subject_is_ruled(subject) ? NULL : subject;
}

void exchange_facts(struct exchange *exchange, struct facts *facts)
{
    facts_gather(facts, exchange->all->rooms);
    facts->started_realtime_ms = exchange->all->counters.start_realtime_ms;
    facts->policy = &exchange->all->policy;
    facts->subject = exchange_subject(exchange);
    facts->uid = connection_peer(exchange->connection)->uid;
}

void exchanges_count(const struct exchanges *all, struct metrics_server *counters)
{
    *counters = all->counters;
    process_read(all->process, &counters->process);
    counters->log_lost = log_lost();
    counters->loop_stall_ms = stall_max_ms(all->stall);
}

/* ---- answers ---- */

static size_t unwritten_bytes(const struct exchanges *all)
{
    size_t sum = 0;

    for (const struct exchange *e = all->table; e; e = e->hh.next)
        sum += connection_unwritten(e->connection);
    return sum;
}

static void send_answer(struct exchange *exchange, int status, const char *content_type, const char *allow,
                        struct text *body)
{
    http_make_answer(body, status, content_type, allow);
    exchange->wait = WAIT_NONE;
    exchange->asker = 0;
    connection_answer(exchange->connection, body);
}

void exchange_answer_as(struct exchange *exchange, const char *content_type, struct text *body)
{
    if (body->length > LARGE_ANSWER && exchange->verdict != ACCESS_PRIVILEGED &&
        unwritten_bytes(exchange->all) + body->length > SERVER_ANSWERS_BYTES_MAX) {
        struct error error;

        text_clear(body);
        error_set(&error, ERROR_TOO_MANY, "too many answers wait to be read by their clients");
        exchange_answer_error(exchange, &error);
        return;
    }
    send_answer(exchange, 200, content_type, NULL, body);
}

void exchange_answer(struct exchange *exchange, struct text *body)
{
    exchange_answer_as(exchange, http_content_type(exchange->form), body);
}

void exchange_answer_error_as(struct exchange *exchange, int status, const char *allow,
                              const struct error *error, const char *operation)
{
    _cleanup_(text_clear) struct text body = {0};
    struct error seen = *error;

    exchange->wait = WAIT_NONE;
    if (error->code == ERROR_INTERRUPTED)
        return; /* server_drop_waiting() closes it, and the client repeats its request to the next daemon */
    if (error->names_guests && exchange_subject(exchange)) {
        error_set(&seen, error->code, "%s", "the cause is about guests, some of which you may not see");
        error_hint(&seen, "as root: /usr/sbin/fence_broker doctor");
    }
    view_error(&body, exchange->form, &seen, operation);
    send_answer(exchange, status ? status : error_code_http_status(error->code),
                http_content_type(exchange->form), allow, &body);
}

void exchange_answer_error(struct exchange *exchange, const struct error *error)
{
    exchange_answer_error_as(exchange, 0, NULL, error, NULL);
}

void exchange_answer_no_memory(struct exchange *exchange)
{
    struct error error;

    error_set(&error, ERROR_INTERNAL, "out of memory");
    exchange_answer_error(exchange, &error);
}

bool exchange_set_plug(struct exchange *exchange, const char *plug)
{
    exchange->plug = strdup(plug);
    if (!exchange->plug)
        exchange_answer_no_memory(exchange);
    return exchange->plug;
}

void exchange_note_denial(struct exchange *exchange, const struct access_decision *decision,
                          const char *asked)
{
    char words[ACCESS_WORDS_MAX];

    exchange->all->counters.denied[decision->verdict]++;
    audit_trail_denied(exchange->all->audit, connection_peer(exchange->connection), decision->verdict,
                       access_decision_words(decision, words), asked);
}

/* ---- answers for all ---- */

static void on_common_timer(evutil_socket_t fd, short what, void *context)
{
    struct exchanges *all = context;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < COMMON_COUNT * 2; i++) {
        text_clear(&all->common[i / 2][i % 2].body);
        all->common[i / 2][i % 2].made_ms = 0;
    }
}

static void keep_common(struct exchanges *all, struct exchanges_common *kept, const struct text *body)
{
    text_clear(&kept->body);
    kept->made_ms = 0;
    if (body->failed || !body->data)
        return;
    text_append(&kept->body, body->data, body->length);
    if (kept->body.failed)
        return;
    kept->made_ms = clock_now_ms();
    kept->changes = all->changes;
    if (!event_pending(all->common_timer, EV_TIMEOUT, NULL))
        loop_arm(all->common_timer, COMMON_MS);
}

void exchange_answer_common(struct exchange *exchange, enum exchange_common common, exchange_view_fn *view)
{
    struct exchanges *all = exchange->all;
    struct exchanges_common *kept = &all->common[common][exchange->form == HTTP_TEXT];
    bool privileged = exchange->verdict == ACCESS_PRIVILEGED;
    int64_t old_ms = privileged ? COMMON_PRIVILEGED_MS : COMMON_MS;
    bool fresh = kept->made_ms && clock_now_ms() - kept->made_ms < old_ms &&
                 (!privileged || kept->changes == all->changes);
    _cleanup_(text_clear) struct text body = {0};
    struct facts facts;

    if (fresh && !exchange_subject(exchange)) {
        text_append(&body, kept->body.data, kept->body.length);
    } else {
        exchange_facts(exchange, &facts);
        view(&body, exchange->form, &facts);
        if (!facts.subject)
            keep_common(all, kept, &body);
    }
    exchange_answer(exchange, &body);
}

/* ---- turns ---- */

static void on_turn(void *context)
{
    struct exchange *exchange = context;

    exchange->work = NULL;
    exchange->wait = WAIT_NONE;
    exchange->resume(exchange);
}

void exchange_in_turn(struct exchange *exchange, void (*resume)(struct exchange *exchange))
{
    if (exchange->verdict == ACCESS_PRIVILEGED) {
        exchange->wait = WAIT_NONE;
        resume(exchange);
        return;
    }
    exchange->wait = WAIT_TURN;
    exchange->resume = resume;
    exchange->work =
        shares_add(exchange->all->shares, connection_peer(exchange->connection)->uid, on_turn, exchange);
    if (!exchange->work)
        exchange_answer_no_memory(exchange);
}

/* ---- waiting for knowledge ---- */

void exchange_hold(struct exchange *exchange, int64_t hold_until_ms,
                   void (*resume)(struct exchange *exchange))
{
    exchange->wait = WAIT_ROUND;
    exchange->hold_until_ms = hold_until_ms;
    exchange->resume = resume;
    if (!event_pending(exchange->all->hold_timer, EV_TIMEOUT, NULL))
        loop_arm(exchange->all->hold_timer, HOLD_CHECK_MS);
}

bool exchange_await_inventory(struct exchange *exchange, const struct facts *facts,
                              void (*resume)(struct exchange *exchange))
{
    struct error error;
    int64_t left = exchanges_start_left_ms(exchange->all);

    if (facts->readiness.inventory)
        return true;
    if (left > 0) {
        exchange_hold(exchange, facts->now_ms + left, resume);
        return false;
    }
    if (facts->poll_error && facts->poll_error->code != ERROR_NONE)
        error = *facts->poll_error;
    else
        error_set(&error, ERROR_NO_INVENTORY, "%s", reason_message(REASON_NO_INVENTORY));
    exchange_answer_error(exchange, &error);
    return false;
}

/* Look again at those that wait: all of them after a round, else those whose time is up. */
static bool resume_held(struct exchanges *all, bool every)
{
    int64_t now = clock_now_ms();
    bool left = false;

    for (struct exchange *e = all->table; e; e = e->hh.next) {
        if (e->wait == WAIT_ROUND && (every || now >= e->hold_until_ms))
            exchange_in_turn(e, e->resume);
        left |= e->wait == WAIT_ROUND;
    }
    return left;
}

static void on_hold_timer(evutil_socket_t fd, short what, void *context)
{
    struct exchanges *all = context;

    (void)fd;
    (void)what;
    if (resume_held(all, false))
        loop_arm(all->hold_timer, HOLD_CHECK_MS);
}

void exchanges_round_ended(struct exchanges *all)
{
    resume_held(all, true);
}

/* ---- life ---- */

struct exchange *exchange_find(struct exchanges *all, uint64_t id)
{
    struct exchange *exchange;

    HASH_FIND(hh, all->table, &id, sizeof(id), exchange);
    return exchange;
}

struct exchange *exchange_new(struct exchanges *all, enum server_socket socket, int fd,
                              struct access_peer *peer, enum access_verdict verdict,
                              const struct connection_owner *owner)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange) {
        close(fd);
        access_peer_clear(peer);
        return NULL;
    }
    *exchange = (struct exchange){.id = ++all->last_id,
                                  .all = all,
                                  .socket = socket,
                                  .verdict = verdict,
                                  .accepted_ms = clock_now_ms(),
                                  .form = HTTP_TEXT};
    exchange->connection = connection_new(all->base, fd, peer, exchange->id, owner);
    if (exchange->connection) {
        HASH_ADD(hh, all->table, id, sizeof(exchange->id), exchange);
        if (exchange->hh.tbl) { /* else the table could not grow */
            all->counters.connections[socket]++;
            return exchange;
        }
    }
    connection_free(exchange->connection);
    free(exchange);
    return NULL;
}

void exchange_free(struct exchange *exchange)
{
    struct exchanges *all = exchange->all;

    if (exchange->wait == WAIT_ENGINE)
        engine_leave(all->rooms->engine, exchange->asker);
    if (exchange->wait == WAIT_REHEARSAL)
        rehearsals_leave(all->rooms->rehearsals, exchange->asker);
    if (exchange->work)
        shares_leave(exchange->work);
    HASH_DEL(all->table, exchange);
    all->counters.connections[exchange->socket]--;
    access_subject_clear(&exchange->subject);
    connection_free(exchange->connection);
    free(exchange->plug);
    free(exchange->fenced_node);
    free(exchange);
}

struct exchanges *exchanges_new(struct event_base *base, const struct rooms *rooms)
{
    struct exchanges *all = calloc(1, sizeof(*all));

    if (!all)
        return NULL;
    *all = (struct exchanges){.base = base, .rooms = rooms, .started_ms = clock_now_ms()};
    all->counters.start_realtime_ms = clock_realtime_ms();
    all->hold_timer = event_new(base, -1, 0, on_hold_timer, all);
    all->audit = audit_trail_new(base, rooms);
    all->process = process_open();
    all->stall = stall_new(base);
    all->shares = shares_new(base);
    all->common_timer = event_new(base, -1, 0, on_common_timer, all);
    if (!all->shares || !all->common_timer || !all->hold_timer || !all->audit || !all->process ||
        !all->stall) {
        exchanges_free(all);
        return NULL;
    }
    return all;
}

void exchanges_free(struct exchanges *all)
{
    if (!all)
        return;
    if (all->hold_timer)
        event_free(all->hold_timer);
    audit_trail_free(all->audit);
    process_close(all->process);
    stall_free(all->stall);
    shares_free(all->shares);
    if (all->common_timer)
        event_free(all->common_timer);
    on_common_timer(-1, 0, all);
    free(all);
}
