/*
 * One login at a time; how it is made is login_ticket.c's. The ticket's age is measured on CLOCK_BOOTTIME: a
 * resumed guest must notice that it is old.
 */
#include "proxmox/login_private.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/jitter.h"
#include "system/log.h"

#include <stdio.h>
#include <string.h>

static void clear(struct login *login)
{
    login_drop(login);
    login_forget_ticket(login);
    secret_freep(&login->password);
    totp_freep(&login->totp);
    secret_freep(&login->authorization);
    free(login->identity);
    login->identity = NULL;
    login->ready = login->renewal_failing = false;
    login->pause_ms = login->unreached_ms = login->paused_until_ms = login->resting_until_ms = 0;
    login->codes_refused = 0;
    login->old_format = login->stopped = false;
    login->error = login->aside = (struct error){0};
    login->distrusted = 0;
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct login *login = context;
    login->ended(login->context);
}

static void on_code_due(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    login_code_due(context);
}

struct login *login_new(struct event_base *base, struct transport *transport, struct endpoints *endpoints,
                        login_ended_fn *ended, void *context)
{
    struct login *login = calloc(1, sizeof(*login));
    if (!login)
        return NULL;
    login->base = base;
    login->transport = transport;
    login->endpoints = endpoints;
    login->ended = ended;
    login->context = context;
    login->ended_event = event_new(base, -1, 0, on_ended, login);
    login->code_event = evtimer_new(base, on_code_due, login);
    if (login->ended_event && login->code_event)
        return login;
    if (login->ended_event)
        event_free(login->ended_event);
    free(login);
    return NULL;
}

void login_free(struct login *login)
{
    if (!login)
        return;
    clear(login);
    event_free(login->ended_event);
    event_free(login->code_event);
    free(login);
}

/* "PVEAPIToken=ID=SECRET" in memory that is wiped. */
static struct secret *make_authorization(const char *token_id, const struct secret *secret)
{
    _cleanup_(freep) char *line = NULL;
    if (asprintf(&line, "PVEAPIToken=%s=%s", token_id, secret_reveal(secret)) < 0) {
        line = NULL;
        return NULL;
    }
    struct secret *made = secret_new(line, strlen(line));
    explicit_bzero(line, strlen(line));
    return made;
}

bool login_set_credentials(struct login *login, struct session_credentials *credentials)
{
    bool is_token = credentials->token_id != NULL;
    char *identity = strdup(is_token ? credentials->token_id : credentials->user);
    struct secret *authorization =
        is_token && identity ? make_authorization(identity, credentials->secret) : NULL;
    if (!identity || (is_token && !authorization)) {
        free(identity);
        return false;
    }
    if (credentials->totp && login->totp)
        totp_inherit(credentials->totp, login->totp);
    clear(login);
    login->identity = identity;
    login->is_token = is_token;
    login->authorization = authorization;
    login->password = TAKE(credentials->secret);
    login->totp = TAKE(credentials->totp);
    login->credential++;
    event_active(login->ended_event, 0, 0); /* a login that calls waited for may just have been dropped */
    return true;
}

/* ---- what the session asks ---- */

static enum login_answer token_auth(struct login *login, struct transport_auth *auth)
{
    auth->authorization = secret_reveal(login->authorization);
    return LOGIN_USABLE;
}

/* What was refused because of a wrong clock may be right when somebody sets it. */
static bool is_stopped(struct login *login)
{
    int64_t ahead_ms = clock_realtime_ms() - clock_boottime_ms();
    if (login->stopped && llabs(ahead_ms - login->stopped_at_ahead_ms) >= TOTP_STEP_MS) {
        login->stopped = false;
        login->codes_refused = LOGIN_CODES_REFUSED_MAX - 1;
    }
    return login->stopped;
}

enum login_answer login_auth(struct login *login, bool fence, uint64_t doubted, struct transport_auth *auth,
                             uint64_t *credential, struct error *error)
{
    int64_t from_ms = fence ? login->paused_until_ms : login->resting_until_ms;
    *credential = login->credential;
    if (login->is_token)
        return token_auth(login, auth);

    int64_t age_ms = clock_boottime_ms() - login->issued_boottime_ms;
    if (login->ticket && age_ms >= LOGIN_TICKET_LIFE_MS)
        login_forget_ticket(login);
    if (!login->ticket) {
        if (login->stage == LOGIN_IDLE && clock_now_ms() >= from_ms && !is_stopped(login))
            login_start(login, false);
        if (login->stage != LOGIN_IDLE)
            return LOGIN_UNDER_WAY;
        *error = login->error;
        return LOGIN_IMPOSSIBLE;
    }
    if (doubted == login->credential && login->stage != LOGIN_IDLE)
        return LOGIN_UNDER_WAY;
    if (age_ms >= LOGIN_TICKET_LIFE_MS / 2 - jitter_ms(JITTER_RENEWAL, LOGIN_RENEWAL_SPREAD_MS) &&
        login->stage == LOGIN_IDLE && clock_now_ms() >= login->resting_until_ms)
        login_start(login, true); /* meanwhile the old ticket is good */
    auth->ticket = secret_reveal(login->cookie);
    auth->csrf = secret_reveal(login->csrf);
    return LOGIN_USABLE;
}

void login_doubt(struct login *login, uint64_t credential, size_t endpoint)
{
    if (credential != login->credential || login->is_token || !login->ticket || login->doubted)
        return;
    if (!login->totp)
        login_give_ticket_up(login, endpoint);
    else if (login->stage == LOGIN_IDLE)
        login_show_ticket(login, endpoint);
    else if (login->stage == LOGIN_RENEWAL)
        login->doubted = true;
}

void login_refused(struct login *login, uint64_t credential, const struct error *error)
{
    if (credential != login->credential)
        return; /* an older login: the news is old too */
    login->ready = false;
    if (login->is_token) {
        if (login->error.code == ERROR_NONE)
            log_say(KIND_LOGIN_FAILED,
                    (const struct log_field[]){{"PVE_USER", login->identity},
                                               LOG_ERROR_CODE(error),
                                               LOG_ERROR_HINT(error),
                                               {NULL, NULL}},
                    "Proxmox does not accept the token %s: %s", login->identity, error->message);
        login->failures++;
        login_words_token(login->identity, error, &login->error);
        return;
    }
    login_forget_ticket(login);
}

void login_accepted(struct login *login, uint64_t credential)
{
    if (credential != login->credential)
        return;
    if (login->is_token && !login->ready) {
        log_say(KIND_SESSION_BEGUN, (const struct log_field[]){{"PVE_USER", login->identity}, {NULL, NULL}},
                "Proxmox accepts the token %s", login->identity);
        login->logins++;
    }
    login->ready = true;
    login->error = (struct error){0};
}

void login_explain(const struct login *login, struct error *error)
{
    struct error said = *error;
    if (login->error.code != ERROR_NONE)
        *error = login->error;
    else if (login->is_token)
        login_words_token(login->identity, &said, error);
}

bool login_can_repeat(const struct login *login, uint64_t credential)
{
    return !login->is_token || credential != login->credential;
}

bool login_is_present(const struct login *login, uint64_t credential)
{
    return credential == login->credential;
}

void login_describe(const struct login *login, struct session_description *description)
{
    *description = (struct session_description){
        .identity = login->identity,
        .is_token = login->is_token,
        .second_factor = login->totp != NULL,
        .ready = login->ready,
        .expires_ms = login->ticket ? login->issued_boottime_ms + LOGIN_TICKET_LIFE_MS : 0,
        .logins = login->logins,
        .login_failures = login->failures,
        .login_ms = login->ticket ? login->took_ms : -1,
        .error = login->error,
        .aside = login->aside,
    };
}
