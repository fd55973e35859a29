/*
 * One login at a time. The ticket's age is measured on CLOCK_BOOTTIME: a resumed guest must notice that it is
 * old.
 */
#include "proxmox/login.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"
#include "system/log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct login {
    struct event_base *base;
    struct transport *transport;
    struct endpoints *endpoints;
    struct event *ended_event;
    login_ended_fn *ended;
    void *context;

    char *identity; /* token id or user */
    bool is_token;
    struct secret *password;               /* or the token's secret */
    struct secret *authorization;          /* token: the header's value */
    struct secret *cookie, *csrf, *ticket; /* NULL: none */
    int64_t issued_boottime_ms;

    uint64_t credential; /* counts what login_auth() hands out */
    uint64_t transfer;   /* of a login under way */
    bool renewing;       /* that login sends the ticket as the password */
    uint64_t tried;
    unsigned layout;
    bool ready;
    bool renewal_failing; /* said once */
    struct error error;
    int64_t pause_ms, paused_until_ms;
    uint64_t logins, failures;
};

static void forget_ticket(struct login *login)
{
    secret_freep(&login->cookie);
    secret_freep(&login->csrf);
    secret_freep(&login->ticket);
}

static void clear(struct login *login)
{
    if (login->transfer)
        transport_forget(login->transport, login->transfer);
    login->transfer = 0;
    forget_ticket(login);
    secret_freep(&login->password);
    secret_freep(&login->authorization);
    free(login->identity);
    login->identity = NULL;
    login->ready = login->renewal_failing = false;
    login->pause_ms = login->paused_until_ms = 0;
    login->error = (struct error){0};
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct login *login = context;
    login->ended(login->context);
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
    if (!login->ended_event) {
        free(login);
        return NULL;
    }
    return login;
}

void login_free(struct login *login)
{
    if (!login)
        return;
    clear(login);
    event_free(login->ended_event);
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
    clear(login);
    login->identity = identity;
    login->is_token = is_token;
    login->authorization = authorization;
    login->password = TAKE(credentials->secret);
    login->credential++;
    event_active(login->ended_event, 0, 0); /* a login that calls waited for may just have been dropped */
    return true;
}

/* ---- fetching a ticket ---- */

static void pause_for(struct login *login, int64_t pause_ms)
{
    login->paused_until_ms = clock_now_ms() + pause_ms;
}

/* A renewal that failed is no reason to doubt the ticket: Proxmox still takes it. */
static void fail_renewal(struct login *login, const struct error *error)
{
    if (!login->renewal_failing)
        log_warning("the ticket of %s could not be renewed yet: %s", login->identity, error->message);
    login->renewal_failing = true;
    login->failures++;
    pause_for(login, LOGIN_RENEWAL_PAUSE_MS);
}

/* The message alternates between endpoints, so that only a change of the code is news. */
static void fail(struct login *login, const struct error *error)
{
    login->failures++;
    login->ready = false;
    if (login->error.code != error->code)
        log_error("login as %s failed: %s", login->identity, error->message);
    login->error = *error;
    event_active(login->ended_event, 0, 0);
}

static void fail_unreached(struct login *login, const struct error *error)
{
    if (login->renewing && login->ticket) {
        fail_renewal(login, error);
        return;
    }
    pause_for(login, LOGIN_UNREACHED_PAUSE_MS);
    fail(login, error);
}

static void fail_refused(struct login *login, const struct error *error)
{
    if (login->renewing && login->ticket) {
        fail_renewal(login, error);
        return;
    }
    login->pause_ms = login->pause_ms ? login->pause_ms * 2 : LOGIN_REFUSED_PAUSE_MS;
    if (login->pause_ms > LOGIN_REFUSED_PAUSE_MAX_MS)
        login->pause_ms = LOGIN_REFUSED_PAUSE_MAX_MS;
    pause_for(login, login->pause_ms);
    fail(login, error);
}

/* The cookie's value is URL-encoded: a ticket holds '+', '/' and '='. */
static struct secret *encode_cookie(const char *ticket)
{
    size_t length = strlen(ticket), used = 0;
    _cleanup_(freep) char *encoded = malloc(length * 3 + 1);
    if (!encoded)
        return NULL;
    for (; *ticket; ticket++) {
        unsigned char c = (unsigned char)*ticket;
        if (isalnum(c) || strchr("-._~", c))
            encoded[used++] = (char)c;
        else
            used += (size_t)snprintf(encoded + used, 4, "%%%02X", c);
    }
    encoded[used] = '\0';
    struct secret *cookie = secret_new(encoded, used);
    explicit_bzero(encoded, used);
    return cookie;
}

/* json-c would free it as it is. */
static void wipe_text(const char *text)
{
    if (text)
        explicit_bzero((char *)(uintptr_t)text, strlen(text));
}

static bool take_ticket(struct login *login, struct json_object *data, struct error *error)
{
    const char *ticket = NULL, *csrf = NULL;
    bool needs_factor = false;
    json_get_flag(data, "NeedTFA", &needs_factor);
    if (needs_factor) {
        error_set(error, ERROR_NO_SESSION,
                  "Proxmox asks %s for a second factor, which this version cannot give", login->identity);
        error_hint(error, "use an API token (token-id) instead; tokens need no second factor");
        return false;
    }
    if (!json_get_string(data, "ticket", &ticket) || !json_get_string(data, "CSRFPreventionToken", &csrf) ||
        strncmp(ticket, "PVE:", 4) != 0) {
        error_set(error, ERROR_PROTOCOL, "Proxmox took the password of %s but sent no ticket",
                  login->identity);
        return false;
    }
    struct secret *new_ticket = secret_new(ticket, strlen(ticket)),
                  *new_csrf = secret_new(csrf, strlen(csrf));
    struct secret *new_cookie = encode_cookie(ticket);
    wipe_text(ticket);
    wipe_text(csrf);
    if (!new_ticket || !new_csrf || !new_cookie) {
        secret_free(new_ticket);
        secret_free(new_csrf);
        secret_free(new_cookie);
        error_set(error, ERROR_INTERNAL, "no memory for a ticket");
        return false;
    }
    forget_ticket(login);
    login->ticket = new_ticket;
    login->csrf = new_csrf;
    login->cookie = new_cookie;
    return true;
}

static void start(struct login *login, bool renew);

static void succeed(struct login *login)
{
    if (login->logins == 0 || login->error.code != ERROR_NONE)
        log_info("logged in to Proxmox as %s", login->identity);
    login->logins++;
    login->credential++;
    login->issued_boottime_ms = clock_boottime_ms();
    login->pause_ms = login->paused_until_ms = 0;
    login->ready = true;
    login->renewal_failing = false;
    login->error = (struct error){0};
    event_active(login->ended_event, 0, 0);
}

static void on_ticket(void *context, uint64_t id, const struct api_result *result, const char *address);

/* Send to the next endpoint not tried yet; false if there is none. */
static bool send_login(struct login *login)
{
    if (login->layout != endpoints_layout(login->endpoints)) {
        login->layout = endpoints_layout(login->endpoints);
        login->tried = 0;
    }
    int index = endpoints_choose(login->endpoints, NULL, login->tried);
    if (index < 0)
        return false;
    login->tried |= UINT64_C(1) << index;
    login->renewing = login->renewing && login->ticket; /* it may have been refused meanwhile */
    struct api_request request = {
        .call = API_TICKET,
        .username = login->identity,
        .password = secret_reveal(login->renewing ? login->ticket : login->password),
    };
    login->transfer =
        transport_send(login->transport, TRANSPORT_FENCES, endpoints_get(login->endpoints, (size_t)index),
                       (size_t)index, &request, NULL, LOGIN_ANSWER_MS, on_ticket, login);
    return login->transfer != 0;
}

static void explain_refusal(const struct login *login, const struct api_result *result, struct error *error)
{
    *error = result->error;
    error->code = ERROR_NO_SESSION;
    if (result->http_status == 401)
        error_hint(error,
                   "Proxmox says the same for a wrong password, an unknown, disabled or expired user: check "
                   "`pveum user list` for %s and the secret file, then reload",
                   login->identity);
    else
        error_hint(error, "check user = %s in fence-broker.conf", login->identity);
}

static void on_ticket(void *context, uint64_t id, const struct api_result *result, const char *address)
{
    (void)id;
    struct login *login = context;
    struct error error = {0};
    login->transfer = 0;
    if (login->layout == endpoints_layout(login->endpoints)) {
        if (result->outcome == API_OK || result->outcome == API_REFUSED)
            endpoints_answered(login->endpoints, result->endpoint, address, result->received_ms);
        else
            endpoints_failed(login->endpoints, result->endpoint, &result->error, result->received_ms);
    }
    if (result->outcome == API_OK) {
        if (take_ticket(login, result->data, &error))
            succeed(login);
        else
            fail_refused(login, &error);
        return;
    }
    if (result->outcome == API_REFUSED && result->http_status == 401 && login->renewing) {
        forget_ticket(login); /* the key changed, or the clock: the password still counts */
        start(login, false);
        return;
    }
    if (result->outcome == API_REFUSED && result->http_status < 500) {
        explain_refusal(login, result, &error);
        fail_refused(login, &error);
        return;
    }
    if (!send_login(login))
        fail_unreached(login, &result->error);
}

static void start(struct login *login, bool renew)
{
    struct error error = {0};
    login->renewing = renew && login->ticket;
    login->tried = 0;
    if (!send_login(login)) {
        error_set(&error, ERROR_NO_ENDPOINT, "there is no Proxmox endpoint to log in to");
        fail_unreached(login, &error);
    }
}

/* ---- what the session asks ---- */

static enum login_answer token_auth(struct login *login, struct transport_auth *auth)
{
    auth->authorization = secret_reveal(login->authorization);
    return LOGIN_USABLE;
}

enum login_answer login_auth(struct login *login, struct transport_auth *auth, uint64_t *credential,
                             struct error *error)
{
    *credential = login->credential;
    if (login->is_token)
        return token_auth(login, auth);

    int64_t age_ms = clock_boottime_ms() - login->issued_boottime_ms;
    if (login->ticket && age_ms >= LOGIN_TICKET_LIFE_MS)
        forget_ticket(login);
    if (!login->ticket) {
        if (login->transfer)
            return LOGIN_UNDER_WAY;
        if (clock_now_ms() < login->paused_until_ms) {
            *error = login->error;
            return LOGIN_IMPOSSIBLE;
        }
        start(login, false);
        if (login->transfer)
            return LOGIN_UNDER_WAY;
        *error = login->error;
        return LOGIN_IMPOSSIBLE;
    }
    if (age_ms >= LOGIN_TICKET_LIFE_MS / 2 && !login->transfer && clock_now_ms() >= login->paused_until_ms)
        start(login, true); /* meanwhile the old ticket is good */
    auth->ticket = secret_reveal(login->cookie);
    auth->csrf = secret_reveal(login->csrf);
    return LOGIN_USABLE;
}

void login_refused(struct login *login, uint64_t credential, const struct error *error)
{
    if (credential != login->credential)
        return; /* an older login: the news is old too */
    login->ready = false;
    if (login->is_token) {
        if (login->error.code == ERROR_NONE)
            log_error("Proxmox does not accept the token %s: %s", login->identity, error->message);
        login->failures++;
        login->error = *error;
        error_hint(&login->error,
                   "Proxmox says the same for a wrong secret, an unknown or expired token and a disabled "
                   "user: check `pveum user token list %.*s` and the secret file, then reload",
                   (int)strcspn(login->identity, "!"), login->identity);
        return;
    }
    forget_ticket(login);
}

void login_accepted(struct login *login, uint64_t credential)
{
    if (credential != login->credential)
        return;
    if (login->is_token && !login->ready) {
        log_info("Proxmox accepts the token %s", login->identity);
        login->logins++;
    }
    login->ready = true;
    login->error = (struct error){0};
}

bool login_can_repeat(const struct login *login, uint64_t credential)
{
    return !login->is_token || credential != login->credential;
}

void login_describe(const struct login *login, struct session_description *description)
{
    *description = (struct session_description){
        .identity = login->identity,
        .is_token = login->is_token,
        .ready = login->ready,
        .expires_ms = login->ticket ? login->issued_boottime_ms + LOGIN_TICKET_LIFE_MS : 0,
        .logins = login->logins,
        .login_failures = login->failures,
        .error = login->error,
    };
}
