/*
 * How a ticket is fetched: with the old ticket as the password while there is one, else with the password
 * and, if Proxmox asks for it, a code. One stage at a time; each answer leads to the next stage or to one of
 * the two ends, succeed() and fail_…().
 *
 * No account may be locked out by us: after a refusal nothing is tried for a while that grows, a code is sent
 * once and only in its own time, and after a few refused ones none is sent any more (Proxmox locks a second
 * factor that fails eight times in a row).
 */
#include "proxmox/login_private.h"

#include "proxmox/blame.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/jitter.h"
#include "system/json.h"
#include "system/log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool send_stage(struct login *login);

void login_forget_ticket(struct login *login)
{
    secret_freep(&login->cookie);
    secret_freep(&login->csrf);
    secret_freep(&login->ticket);
}

void login_drop(struct login *login)
{
    if (login->transfer)
        transport_forget(login->transport, login->transfer);
    login->transfer = 0;
    login->stage = LOGIN_IDLE;
    event_del(login->code_event);
    secret_freep(&login->challenge);
    secret_freep(&login->code);
    login->refusal = login->passed_over = (struct error){0};
    login->doubted = false;
}

/* ---- the ends ---- */

/* A fence's login waits for `pause_ms`; all others for `rest_ms`, and a part of it more that is this
 * broker's own: many that have failed at the same time do not come back at the same time. */
static void pause_for(struct login *login, int64_t pause_ms, int64_t rest_ms)
{
    login->paused_until_ms = clock_now_ms() + pause_ms;
    login->resting_until_ms = clock_now_ms() + rest_ms + jitter_ms(JITTER_LOGIN, rest_ms / 2);
}

static int64_t doubled(int64_t last_ms, int64_t first_ms, int64_t max_ms)
{
    int64_t next_ms = last_ms ? last_ms * 2 : first_ms;
    return next_ms < max_ms ? next_ms : max_ms;
}

/* A renewal that failed is no reason to doubt the ticket: Proxmox still takes it. */
static void fail_renewal(struct login *login, const struct error *error)
{
    if (!login->renewal_failing)
        log_say(
            KIND_TICKET_NOT_RENEWED,
            (const struct log_field[]){
                {"PVE_USER", login->identity}, LOG_ERROR_CODE(error), LOG_ERROR_HINT(error), {NULL, NULL}},
            "the ticket of %s could not be renewed yet: %s", login->identity, error->message);
    login->renewal_failing = true;
    login->failures++;
    pause_for(login, 0, LOGIN_RENEWAL_PAUSE_MS);
}

/* The message alternates between endpoints, so that only a change of the code is news. */
static void fail(struct login *login, const struct error *error)
{
    login->failures++;
    login->ready = false;
    if (login->error.code != error->code)
        log_say(
            KIND_LOGIN_FAILED,
            (const struct log_field[]){
                {"PVE_USER", login->identity}, LOG_ERROR_CODE(error), LOG_ERROR_HINT(error), {NULL, NULL}},
            "login as %s failed: %s", login->identity, error->message);
    login->error = *error;
    event_active(login->ended_event, 0, 0);
}

/* Nobody vouches for a ticket that was refused: the password still counts. */
static void give_ticket_up(struct login *login)
{
    login_forget_ticket(login);
    login->ready = false;
    login_start(login, false);
}

/* False: it is no renewal that has failed. */
static bool end_renewal(struct login *login, const struct error *error)
{
    bool renewal = login->stage == LOGIN_RENEWAL && login->ticket, doubted = login->doubted;
    login_drop(login);
    if (renewal && doubted)
        give_ticket_up(login);
    else if (renewal)
        fail_renewal(login, error);
    return renewal;
}

static void fail_unreached(struct login *login, const struct error *error)
{
    if (end_renewal(login, error))
        return;
    login->unreached_ms =
        doubled(login->unreached_ms, LOGIN_UNREACHED_PAUSE_MS, LOGIN_UNREACHED_PAUSE_MAX_MS);
    pause_for(login, LOGIN_UNREACHED_PAUSE_MS, login->unreached_ms);
    fail(login, error);
}

/* Only the realm pve is known to lock nobody out; a directory server often does, after a few tries. */
static void pause_after_refusal(struct login *login)
{
    bool own_realm = strcmp(login_realm(login->identity), "pve") == 0;
    int64_t first_ms = own_realm ? LOGIN_REFUSED_PAUSE_MS : LOGIN_STRANGE_REALM_PAUSE_MS;
    int64_t max_ms = own_realm ? LOGIN_REFUSED_PAUSE_MAX_MS : LOGIN_STRANGE_REALM_PAUSE_MAX_MS;
    login->pause_ms = doubled(login->pause_ms, first_ms, max_ms);
    pause_for(login, own_realm ? first_ms : login->pause_ms, login->pause_ms);
}

static void fail_refused(struct login *login, const struct error *error)
{
    if (end_renewal(login, error))
        return;
    pause_after_refusal(login);
    fail(login, error);
}

/* Another broker of the same user may have used this code first. The next tries spread over more and more
 * steps, so that two of them do not meet again and again. */
static void fail_code(struct login *login, const struct api_result *result)
{
    struct error error = {0};
    uint32_t any = 0;
    login->codes_refused++;
    login->stopped = login->codes_refused >= LOGIN_CODES_REFUSED_MAX;
    login->stopped_at_ahead_ms = clock_realtime_ms() - clock_boottime_ms();
    login_words_code(login->identity, login->stopped, result, &error);
    if (login->stopped)
        login->error = (struct error){0}; /* this one is news, though its code is not */
    login_drop(login);
    if (getrandom(&any, sizeof(any), GRND_NONBLOCK) != sizeof(any))
        any = 0;
    uint32_t steps = any % (UINT32_C(1) << (login->codes_refused - 1));
    int64_t pause_ms = totp_wait_ms(login->totp, clock_realtime_ms()) + (int64_t)steps * TOTP_STEP_MS;
    pause_for(login, pause_ms, pause_ms);
    fail(login, &error);
}

/* An endpoint was passed over: told once, and shown until it gives a login. */
static void note_passed_over(struct login *login)
{
    const struct error *error = &login->passed_over;
    const struct endpoint *passed = endpoints_get(login->endpoints, login->passed_endpoint);
    login->distrusted &= ~(UINT64_C(1) << login->endpoint);
    if (error->code == ERROR_NONE) {
        if (login->aside_endpoint == login->endpoint)
            login->aside = (struct error){0};
        return;
    }
    if (login->aside.code == ERROR_NONE && passed)
        log_say(KIND_ENDPOINT_LOST,
                (const struct log_field[]){{"PVE_ENDPOINT", passed->text},
                                           {"PVE_USER", login->identity},
                                           LOG_ERROR_CODE(error),
                                           LOG_ERROR_HINT(error),
                                           {NULL, NULL}},
                "the endpoint %s gives %s no login, but another one does: %s", passed->text, login->identity,
                error->message);
    login->aside = *error;
    login->aside_endpoint = login->passed_endpoint;
}

static void succeed(struct login *login)
{
    note_passed_over(login);
    login_drop(login);
    if (login->logins == 0 || login->error.code != ERROR_NONE)
        log_say(KIND_SESSION_BEGUN, (const struct log_field[]){{"PVE_USER", login->identity}, {NULL, NULL}},
                "logged in to Proxmox as %s", login->identity);
    login->logins++;
    login->took_ms = clock_now_ms() - login->began_ms;
    login->credential++;
    login->issued_boottime_ms = clock_boottime_ms();
    login->pause_ms = login->unreached_ms = login->paused_until_ms = login->resting_until_ms = 0;
    login->codes_refused = 0;
    login->ready = true;
    login->renewal_failing = false;
    login->error = (struct error){0};
    event_active(login->ended_event, 0, 0);
}

/* ---- what a login brings ---- */

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
    if (!json_get_string(data, "ticket", &ticket) || !json_get_string(data, "CSRFPreventionToken", &csrf) ||
        strncmp(ticket, "PVE:", 4) != 0) {
        error_set(error, ERROR_PROTOCOL, "Proxmox accepted the password of %s but sent no ticket",
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
    login_forget_ticket(login);
    login->ticket = new_ticket;
    login->csrf = new_csrf;
    login->cookie = new_cookie;
    return true;
}

/* ---- the second factor ---- */

/* What the challenge offers stands in it: "PVE:!tfa!{"totp"%3Atrue}:…". One that cannot be read is tried. */
static bool offers_totp(const char *challenge)
{
    const char *open = strchr(challenge, '{'), *close = open ? strchr(open, '}') : NULL;
    return !close || memmem(open, (size_t)(close - open), "\"totp\"", 6) != NULL;
}

static void send_code(struct login *login)
{
    struct error error = {0};
    int64_t now_ms = clock_realtime_ms(), wait_ms = totp_wait_ms(login->totp, now_ms);
    if (wait_ms > 0) {
        struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
        login->stage = LOGIN_NEXT_CODE;
        log_info("the current TOTP code was already used: waiting %lld s for the next one",
                 (long long)(wait_ms + 999) / 1000);
        event_add(login->code_event, &tv);
        return;
    }
    login->code = totp_take(login->totp, now_ms);
    login->stage = LOGIN_CODE;
    login->tried = 0;
    if (login->code && send_stage(login))
        return;
    error_set(&error, ERROR_INTERNAL, "no memory for a second factor");
    fail_unreached(login, &error);
}

static void take_challenge(struct login *login, struct json_object *data)
{
    const char *challenge = NULL, *csrf = NULL;
    struct error error = {0};
    if (!login->totp || (json_get_string(data, "ticket", &challenge) && !offers_totp(challenge))) {
        login_words_factor(login->identity, login->totp != NULL, &error);
        fail_refused(login, &error);
        return;
    }
    login->challenge = challenge ? secret_new(challenge, strlen(challenge)) : NULL;
    wipe_text(challenge);
    if (json_get_string(data, "CSRFPreventionToken", &csrf))
        wipe_text(csrf);
    if (!login->challenge) {
        error_set(&error, ERROR_PROTOCOL, "Proxmox asks %s for a second factor without a challenge",
                  login->identity);
        fail_refused(login, &error);
        return;
    }
    send_code(login);
}

/* ---- the conversation ---- */

static void take_answer(struct login *login, const struct api_result *result)
{
    bool needs_factor = false;
    struct error error = {0};
    json_get_flag(result->data, "NeedTFA", &needs_factor);
    if (needs_factor && login->stage == LOGIN_PASSWORD)
        take_challenge(login, result->data);
    else if (needs_factor && login->stage == LOGIN_RENEWAL)
        login_start(login, false); /* a second factor was added, and the old ticket has none */
    else if (needs_factor || !take_ticket(login, result->data, &error)) {
        if (error.code == ERROR_NONE)
            error_set(&error, ERROR_PROTOCOL, "Proxmox accepted the code of %s and asks for another one",
                      login->identity);
        fail_refused(login, &error);
    } else {
        succeed(login);
    }
}

/* PVE 7.0 and what came before do not know the parameter. */
static bool is_too_old_for_new_format(const struct login *login, const struct api_result *result)
{
    struct json_object *problem = NULL;
    return !login->old_format && result->http_status == 400 && result->errors &&
           json_object_object_get_ex(result->errors, "new-format", &problem);
}

static void pass_over(struct login *login, const struct api_result *result, const struct error *error)
{
    login->passed_over = *error;
    login->passed_endpoint = result->endpoint;
    if (result->http_status == 401)
        login->distrusted |= UINT64_C(1) << login->endpoint;
}

/* The key changed, or a clock, here or everywhere: a second host decides. */
static void take_ticket_refusal(struct login *login, const struct api_result *result)
{
    bool second = login->doubted;
    pass_over(login, result, &result->error);
    login->doubted = true;
    if (second || !send_stage(login))
        give_ticket_up(login);
}

static void take_refusal(struct login *login, const struct api_result *result)
{
    struct error error = {0};
    if (login->stage == LOGIN_CODE) {
        fail_code(login, result);
        return;
    }
    if (login->stage == LOGIN_RENEWAL && result->http_status == 401) {
        take_ticket_refusal(login, result);
        return;
    }
    if (login->stage == LOGIN_PASSWORD && is_too_old_for_new_format(login, result)) {
        login->old_format = true;
        login_start(login, false);
        return;
    }
    login_words_password(login->identity, result, &error);
    if (login->stage != LOGIN_PASSWORD || result->http_status != 401) {
        fail_refused(login, &error);
        return;
    }
    login->refusal = error;
    pass_over(login, result, &error);
    /* users of Linux are known host by host, and one host may know no better: another one may know ours. A
     * directory server would count each try: there the next one, later, goes to another host. */
    if ((strcmp(login_realm(login->identity), "pam") == 0 ||
         strcmp(login_realm(login->identity), "pve") == 0) &&
        send_stage(login))
        return;
    login->stage = LOGIN_REALMS;
    if (!send_stage(login))
        fail_refused(login, &error);
}

/* Nobody is left to ask. A host that refused before others could not be reached has given the answer. */
static void end_unreached(struct login *login, const struct error *unreached)
{
    struct error refusal = login->refusal;
    if (refusal.code == ERROR_NONE)
        fail_unreached(login, unreached);
    else
        fail_refused(login, &refusal);
}

static void note_endpoint(struct login *login, const struct api_result *result, const char *address)
{
    if (login->layout != endpoints_layout(login->endpoints))
        return;
    endpoints_certificate(login->endpoints, result->endpoint, result->certificate_expires_ms,
                          clock_realtime_ms());
    endpoints_timings(login->endpoints, result->endpoint, &result->timings);
    if (result->outcome == API_OK || result->outcome == API_REFUSED)
        endpoints_answered(login->endpoints, result->endpoint, address, result->received_ms);
    else
        endpoints_failed(login->endpoints, result->endpoint, &result->error, result->received_ms);
}

static void on_answer(void *context, uint64_t id, const struct api_result *result, const char *address)
{
    (void)id;
    struct login *login = context;
    enum blame blame = blame_of(API_TICKET, result);
    login->transfer = 0;
    note_endpoint(login, result, address);
    if (login->stage == LOGIN_REALMS) {
        struct error error = login->refusal;
        login_words_realm(login->identity, result->outcome == API_OK ? result->data : NULL, &error);
        fail_refused(login, &error);
    } else if (result->outcome == API_OK) {
        take_answer(login, result);
    } else if (blame != BLAME_ENDPOINT) {
        take_refusal(login, result);
    } else {
        if (result->outcome == API_REFUSED)
            pass_over(login, result, &result->error);
        /* a code that may have been seen is not sent again */
        if ((login->stage == LOGIN_CODE && result->outcome != API_UNSENT) || !send_stage(login))
            end_unreached(login, &result->error);
    }
}

static void build_request(const struct login *login, struct api_request *request)
{
    const struct secret *password = login->stage == LOGIN_RENEWAL ? login->ticket
                                    : login->stage == LOGIN_CODE  ? login->code
                                                                  : login->password;
    *request = (struct api_request){
        .call = login->stage == LOGIN_REALMS ? API_DOMAINS : API_TICKET,
        .username = login->identity,
        .password = secret_reveal(password),
        .challenge = login->stage == LOGIN_CODE ? secret_reveal(login->challenge) : NULL,
        .new_format = login->stage == LOGIN_PASSWORD && login->totp && !login->old_format,
    };
}

/* After a reload the bits speak of other endpoints. */
static void follow_layout(struct login *login)
{
    if (login->layout == endpoints_layout(login->endpoints))
        return;
    login->layout = endpoints_layout(login->endpoints);
    login->tried = login->distrusted = 0;
    login->aside = (struct error){0};
}

/* A renewal in time has the time to try one that has refused us before. */
static int choose(const struct login *login)
{
    uint64_t last = login->stage == LOGIN_RENEWAL && !login->doubted ? 0 : login->distrusted;
    if (login->stage == LOGIN_REALMS && endpoints_get(login->endpoints, login->endpoint))
        return (int)login->endpoint;
    int index = endpoints_choose(login->endpoints, NULL, login->tried | last);
    return index >= 0 ? index : endpoints_choose(login->endpoints, NULL, login->tried);
}

/* To the next endpoint not tried yet (for the realms: to the one that refused); false if there is none. */
static bool send_stage(struct login *login)
{
    follow_layout(login);
    if (login->stage == LOGIN_RENEWAL && !login->ticket)
        login->stage = LOGIN_PASSWORD; /* it was refused meanwhile */
    int index = choose(login);
    if (index < 0)
        return false;
    login->tried |= UINT64_C(1) << index;
    login->endpoint = (size_t)index;
    struct api_request request;
    build_request(login, &request);
    login->transfer =
        transport_send(login->transport, TRAFFIC_LOGIN, endpoints_get(login->endpoints, (size_t)index),
                       (size_t)index, &request, NULL, LOGIN_ANSWER_MS, on_answer, login);
    return login->transfer != 0;
}

void login_start(struct login *login, bool renew)
{
    struct error error = {0};
    login_drop(login);
    login->stage = renew && login->ticket ? LOGIN_RENEWAL : LOGIN_PASSWORD;
    login->began_ms = clock_now_ms();
    login->tried = 0;
    if (!send_stage(login)) {
        error_set(&error, ERROR_NO_ENDPOINT, "there is no Proxmox endpoint to log in to");
        fail_unreached(login, &error);
    }
}

static void distrust(struct login *login, size_t endpoint)
{
    follow_layout(login);
    login->distrusted |= UINT64_C(1) << endpoint;
}

void login_give_ticket_up(struct login *login, size_t endpoint)
{
    distrust(login, endpoint);
    give_ticket_up(login);
}

void login_show_ticket(struct login *login, size_t endpoint)
{
    login_drop(login);
    distrust(login, endpoint);
    login->stage = LOGIN_RENEWAL;
    login->began_ms = clock_now_ms();
    login->tried = UINT64_C(1) << endpoint;
    login->doubted = true;
    if (!send_stage(login))
        give_ticket_up(login);
}

void login_code_due(struct login *login)
{
    if (login->stage == LOGIN_NEXT_CODE)
        send_code(login);
}
