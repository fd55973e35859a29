/*
 * Calls wait, are sent, fail over and are repeated here; login is one state beside them.
 *
 * A call is a record found by its id; transport's answers carry that id, so one that ended early is simply
 * not found. What may be repeated is said by the table in api.c: a power call is sent again only if it
 * certainly was not written, or if Proxmox refused the credentials before looking at it (401). Where else to
 * ask an answer is no answer is decided by whom it speaks of (blame.h), and so is what endpoints hear of it.
 */
#include "proxmox/session.h"

#include "proxmox/blame.h"
#include "proxmox/login.h"
#include "proxmox/transport.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <stdio.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* An attempt with less time than this says nothing about the endpoint, and is not made after another. */
#define SESSION_ATTEMPT_MIN_MS 50

struct call {
    uint64_t id;
    struct session *session;
    struct api_request request; /* its strings are this record's own */
    char *node, *upid, *pool, *prefer;
    struct session_route route;
    uint64_t barred; /* endpoints that are not to be asked: all but one, for a probe */
    uint64_t tried;  /* endpoints, one bit each */
    unsigned layout; /* which set of endpoints `tried` speaks of */
    bool repeated;   /* once after a 401 */
    bool waiting;    /* for a login */
    bool probe;      /* of one endpoint: look the name up anew if the known address does not answer */
    bool cut_short;  /* this attempt: the deadline left less than the time for an answer */
    /* what the last endpoint said that took the request and gave no good answer; `set`: there was one */
    struct {
        bool set;
        enum api_outcome outcome;
        int http_status;
        struct error error;
    } met;
    uint64_t transfer;          /* 0: none */
    size_t endpoint;            /* whom it was sent to … */
    int64_t sent_ms;            /* … and when */
    uint64_t credential;        /* the login it was sent with */
    uint64_t doubted;           /* the login that was refused, and is not to be used again at once; 0: none */
    struct event *turn, *timer; /* to look again; the deadline */
    session_result_fn *done;
    void *context;
    UT_hash_handle hh;
};

struct session {
    struct event_base *base;
    struct transport *transport;
    struct endpoints *endpoints;
    struct login *login;
    struct call *calls;
    uint64_t last_id;
};

static void call_free(struct call *call)
{
    if (call->turn)
        event_free(call->turn);
    if (call->timer)
        event_free(call->timer);
    free(call->node);
    free(call->upid);
    free(call->pool);
    free(call->prefer);
    free(call);
}

/* The one end of every call. */
static void finish(struct call *call, const struct api_result *result)
{
    HASH_DEL(call->session->calls, call);
    if (call->done)
        call->done(call->context, call->id, result);
    call_free(call);
}

/* End without an answer from Proxmox. */
static void finish_unsent(struct call *call, const struct error *error)
{
    int64_t now = clock_now_ms();
    struct api_result result = {
        .outcome = API_UNSENT, .reason = "", .endpoint_text = "", .asked_ms = now, .received_ms = now};
    result.error = *error;
    finish(call, &result);
}

static void on_answer(void *context, uint64_t transfer, const struct api_result *result, const char *address);

static void arm_deadline(struct call *call)
{
    int64_t left_ms = call->route.deadline_ms - clock_now_ms();
    left_ms = left_ms > 0 ? left_ms : 0;
    struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
    event_add(call->timer, &tv);
}

/* After a reload the bits speak of other endpoints. */
static void follow_layout(struct call *call)
{
    unsigned layout = endpoints_layout(call->session->endpoints);
    if (call->layout == layout)
        return;
    call->layout = layout;
    call->tried = call->route.avoid = 0;
}

/* The endpoint to ask now, or -1. Those to be avoided come last. */
static int choose(const struct call *call)
{
    const struct endpoints *endpoints = call->session->endpoints;
    uint64_t out = call->tried | call->barred;
    int index = endpoints_choose(endpoints, call->prefer, out | call->route.avoid);
    return index >= 0 ? index : endpoints_choose(endpoints, call->prefer, out);
}

/* To one endpoint. An endpoint that is down may have moved: every other probe of it asks the resolver, the
 * others the address that answered last, for the resolver may be what is broken. */
static uint64_t send_to(struct call *call, size_t index, const struct transport_auth *auth, int64_t left_ms)
{
    const struct endpoint *endpoint = endpoints_get(call->session->endpoints, index);
    struct endpoint anew = *endpoint;
    if (call->probe && endpoint->state == ENDPOINT_DOWN && endpoint->failures % 2 == 1)
        anew.last_address = NULL;
    call->tried |= UINT64_C(1) << index;
    call->endpoint = index;
    call->sent_ms = clock_now_ms();
    call->cut_short = left_ms < call->route.answer_timeout_ms;
    return transport_send(call->session->transport, call->route.purpose, &anew, index, &call->request, auth,
                          call->cut_short ? left_ms : call->route.answer_timeout_ms, on_answer, call);
}

static void advance(struct call *call)
{
    struct session *session = call->session;
    int64_t left_ms = call->route.deadline_ms - clock_now_ms();
    struct error error = {0};
    struct transport_auth auth = {0};

    if (left_ms <= 0) {
        error_set(&error, ERROR_DEADLINE, "the deadline passed before Proxmox could be asked for %s",
                  api_row(call->request.call)->name);
        finish_unsent(call, &error);
        return;
    }
    if (call->route.may_go && !call->route.may_go(call->context)) {
        error_set(&error, ERROR_ABANDONED, "%s was not sent: it is not wanted any more",
                  api_row(call->request.call)->name);
        finish_unsent(call, &error);
        return;
    }
    switch (login_auth(session->login, call->route.purpose == TRAFFIC_FENCE, call->doubted, &auth,
                       &call->credential, &error)) {
    case LOGIN_USABLE:
        break;
    case LOGIN_UNDER_WAY:
        call->waiting = true;
        arm_deadline(call); /* it may have passed unused while a transfer was under way */
        return;
    case LOGIN_IMPOSSIBLE:
        finish_unsent(call, &error);
        return;
    }
    follow_layout(call);
    int index = choose(call);
    if (index < 0) {
        error_set(&error, ERROR_NO_ENDPOINT, "no Proxmox endpoint is left to ask for %s",
                  api_row(call->request.call)->name);
        finish_unsent(call, &error);
        return;
    }
    call->transfer = send_to(call, (size_t)index, &auth, left_ms);
    if (!call->transfer) {
        error_set(&error, ERROR_INTERNAL, "the request %s could not be built or memory is short",
                  api_row(call->request.call)->name);
        finish_unsent(call, &error);
    }
}

static bool may_go_elsewhere(struct call *call, const struct api_result *result, enum blame blame)
{
    follow_layout(call);
    if (blame == BLAME_NOBODY || choose(call) < 0 ||
        call->route.deadline_ms - clock_now_ms() < SESSION_ATTEMPT_MIN_MS)
        return false;
    if (result->outcome == API_UNSENT || blame == BLAME_LOGIN)
        return true;
    return api_row(call->request.call)->repeatable;
}

/* What it answers itself. A 401 is held against it only if the login is the present one. */
static void note_answer(const struct call *call, const struct api_result *result, enum blame blame)
{
    struct session *session = call->session;
    if (!blame_is_own(call->request.call))
        return;
    if (blame == BLAME_NOBODY)
        endpoints_served(session->endpoints, result->endpoint, call->request.call, result->received_ms);
    else if (blame == BLAME_ENDPOINT || login_is_present(session->login, call->credential)) {
        struct error error = result->error;
        if (blame == BLAME_LOGIN)
            error_hint(&error,
                       "another endpoint accepts this login: on that host check the clock (`timedatectl`) "
                       "and the cluster file system (`systemctl status pve-cluster`, `pvecm status`)");
        endpoints_refused(session->endpoints, result->endpoint, call->request.call, &error,
                          result->received_ms);
    }
}

static void note_endpoint(const struct call *call, const struct api_result *result, enum blame blame,
                          const char *address)
{
    struct endpoints *endpoints = call->session->endpoints;
    if (call->layout != endpoints_layout(endpoints))
        return; /* a reload came in between: the index speaks of another endpoint */
    endpoints_certificate(endpoints, result->endpoint, result->certificate_expires_ms, clock_realtime_ms());
    endpoints_timings(endpoints, result->endpoint, &result->timings);
    if (result->outcome == API_OK || result->outcome == API_REFUSED) {
        endpoints_answered(endpoints, result->endpoint, address, result->received_ms);
        note_answer(call, result, blame);
    } else if (call->route.purpose == TRAFFIC_REHEARSAL ||
               (call->route.purpose == TRAFFIC_CHECK && result->outcome == API_LOST))
        return; /* what only a rehearsal met, or a check, must not change whom a fence asks first */
    else if (!call->cut_short || result->received_ms < call->route.deadline_ms - SESSION_ATTEMPT_MIN_MS)
        endpoints_failed(endpoints, result->endpoint, &result->error, result->received_ms);
}

/* 401: with a new login it is asked once more, elsewhere first. True: it is under way. */
static bool log_in_anew(struct call *call, const struct api_result *result)
{
    struct login *login = call->session->login;
    follow_layout(call);
    if (call->probe || call->repeated || !login_can_repeat(login, call->credential))
        return false;
    login_doubt(login, call->credential, result->endpoint);
    call->repeated = true;
    call->doubted = call->credential;
    call->tried = 0;
    call->route.avoid |= UINT64_C(1) << result->endpoint;
    advance(call);
    return true;
}

/* Nobody is left to ask. A 401 to what an endpoint answers itself is the last word on the login; the guest's
 * host, which may not know better, has none. */
static void end(struct call *call, const struct api_result *result)
{
    struct session *session = call->session;
    struct api_result all = *result;
    /* that the last endpoint was not reached says less than that another one gave no good answer */
    if (call->met.set && all.outcome == API_UNSENT) {
        all.outcome = call->met.outcome;
        all.http_status = call->met.http_status;
        all.error = call->met.error;
    }
    if (all.http_status == 401) {
        if (!call->probe && blame_is_own(call->request.call))
            login_refused(session->login, call->credential, &all.error);
        login_explain(session->login, &all.error);
    }
    finish(call, &all);
}

/* Proxmox has looked at the credentials before it said this. */
static bool accepts_login(const struct api_result *result, enum blame blame)
{
    return result->outcome == API_OK ||
           (result->outcome == API_REFUSED &&
            (blame == BLAME_NOBODY || (blame == BLAME_HOST && result->http_status >= 595)));
}

static void on_answer(void *context, uint64_t transfer, const struct api_result *result, const char *address)
{
    struct call *call = context;
    if (call->transfer != transfer)
        return;
    enum blame blame = blame_of(call->request.call, result);
    call->transfer = 0;
    note_endpoint(call, result, blame, address);
    if (blame != BLAME_NOBODY && result->outcome != API_UNSENT) {
        call->met.set = true;
        call->met.outcome = result->outcome;
        call->met.http_status = result->http_status;
        call->met.error = result->error;
    }
    if (accepts_login(result, blame))
        login_accepted(call->session->login, call->credential);
    if (blame == BLAME_LOGIN && log_in_anew(call, result))
        return;
    if (may_go_elsewhere(call, result, blame)) {
        log_debug("%s: %s; asking the next endpoint", api_row(call->request.call)->name,
                  result->error.message);
        advance(call);
        return;
    }
    end(call, result);
}

/* A login ended, well or not: everybody who waited for it looks again. */
static void on_login(void *context)
{
    struct session *session = context;
    struct call *call, *next;
    endpoints_pardon(session->endpoints, clock_now_ms());
    HASH_ITER (hh, session->calls, call, next) {
        if (call->waiting) {
            /* from the loop: advance() may finish the call, and its asker may cancel others */
            call->waiting = false;
            event_active(call->turn, EV_TIMEOUT, 0);
        }
    }
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct call *call = context;
    if (!call->transfer)
        advance(call);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct call *call = context;
    struct error error = {0};
    if (call->transfer)
        return; /* transport's own time-out is due now too, and tells more precisely what happened */
    struct session_description description;
    login_describe(call->session->login, &description);
    error = description.error;
    if (error.code == ERROR_NONE)
        error_set(&error, ERROR_NO_SESSION, "there was no Proxmox session within the deadline");
    finish_unsent(call, &error);
}

static bool copy_text(char **to, const char **slot, const char *text)
{
    if (!text)
        return true;
    *to = strdup(text);
    *slot = *to;
    return *to != NULL;
}

uint64_t session_call(struct session *session, const struct api_request *request,
                      const struct session_route *route, session_result_fn *done, void *context)
{
    struct call *call = calloc(1, sizeof(*call));
    if (!call)
        return 0;
    call->session = session;
    call->request = *request;
    call->request.node = call->request.upid = call->request.pool = NULL;
    call->route = *route;
    call->layout = endpoints_layout(session->endpoints);
    call->done = done;
    call->context = context;
    call->turn = event_new(session->base, -1, 0, on_turn, call);
    call->timer = event_new(session->base, -1, 0, on_deadline, call);

    const char *prefer = NULL;
    if (!call->turn || !call->timer || !copy_text(&call->node, &call->request.node, request->node) ||
        !copy_text(&call->upid, &call->request.upid, request->upid) ||
        !copy_text(&call->pool, &call->request.pool, request->pool) ||
        !copy_text(&call->prefer, &prefer, request->node)) {
        call_free(call);
        return 0;
    }
    call->id = ++session->last_id;
    HASH_ADD(hh, session->calls, id, sizeof(call->id), call);
    if (!call->hh.tbl) {
        call_free(call);
        return 0;
    }
    arm_deadline(call);
    event_active(call->turn, EV_TIMEOUT, 0); /* never call back from inside */
    return call->id;
}

uint64_t session_probe(struct session *session, size_t endpoint, const struct api_request *request,
                       int64_t answer_timeout_ms, session_result_fn *done, void *context)
{
    struct session_route route = {
        .purpose = TRAFFIC_POLL,
        .deadline_ms =
            clock_now_ms() + LOGIN_ANSWER_MS + answer_timeout_ms, /* room for a login and its own answer */
        .answer_timeout_ms = answer_timeout_ms,
    };
    uint64_t id = session_call(session, request, &route, done, context);
    struct call *call = NULL;
    HASH_FIND(hh, session->calls, &id, sizeof(id), call);
    if (call) {
        call->barred = ~(UINT64_C(1) << endpoint);
        call->probe = true;
    }
    return id;
}

uint64_t session_kept_waiting_by(const struct session *session, uint64_t id, int64_t patience_ms)
{
    const struct call *call = NULL;
    HASH_FIND(hh, session->calls, &id, sizeof(id), call);
    bool waits = call && call->transfer && call->layout == endpoints_layout(session->endpoints) &&
                 clock_now_ms() - call->sent_ms >= patience_ms;
    return waits ? UINT64_C(1) << call->endpoint : 0;
}

void session_cancel(struct session *session, uint64_t id)
{
    struct call *call = NULL;
    HASH_FIND(hh, session->calls, &id, sizeof(id), call);
    if (!call)
        return;
    if (call->transfer)
        transport_forget(session->transport, call->transfer);
    HASH_DEL(session->calls, call);
    call_free(call);
}

struct session *session_new(struct event_base *base, struct transport *transport, struct endpoints *endpoints,
                            struct session_credentials *credentials)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    session->base = base;
    session->transport = transport;
    session->endpoints = endpoints;
    session->login = login_new(base, transport, endpoints, on_login, session);
    if (!session->login || !login_set_credentials(session->login, credentials)) {
        session_free(session);
        return NULL;
    }
    return session;
}

bool session_set_credentials(struct session *session, struct session_credentials *credentials)
{
    return login_set_credentials(session->login, credentials);
}

void session_free(struct session *session)
{
    if (!session)
        return;
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        if (call->transfer)
            transport_forget(session->transport, call->transfer);
        HASH_DEL(session->calls, call);
        call_free(call);
    }
    login_free(session->login);
    free(session);
}

void session_describe(const struct session *session, struct session_description *description)
{
    login_describe(session->login, description);
}
