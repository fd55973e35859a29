/*
 * Logged in as an administrator, one call after the other. A refusal is turned into what to do about it here,
 * where the status is known.
 */
#include "admin/provision_private.h"

#include "admin/prompt.h"
#include "client/request.h"
#include "proxmox/printable.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct provision_session {
    const struct provision_way *way;
    struct https *https;
    struct secret *cookie, *csrf;
};

static void explain(const struct provision_way *way, const struct https_answer *answer,
                    struct json_object *document, struct error *error)
{
    struct json_object *errors = NULL;
    const char *words = answer->reason[0] ? answer->reason : "no reason given", *first = "", *of = "";
    if (document && json_get_object(document, "errors", &errors)) {
        json_object_object_foreach(errors, name, text)
        {
            of = name;
            first = json_object_get_string(text) ? json_object_get_string(text) : "";
            break;
        }
    }
    error_set(error, ERROR_PROTOCOL, "%s answered %d %s%s%s%s%.*s", way->endpoint.text, answer->status, words,
              *of ? " (" : "", of, *of ? ": " : "", (int)strcspn(first, "\n"), first);
    if (*of)
        error_set(error, ERROR_PROTOCOL, "%s)", error->message);
    if (answer->status == 403)
        error_hint(error,
                   "%s lacks the privilege named there; an Administrator on / has all: see --print-admin",
                   way->as);
    else if (answer->status == 401)
        error_hint(error, "user, password or code were not accepted, or the login has ended: run it again");
    else if (answer->status == 595 || answer->status == 596)
        error_hint(error, "the host could not reach another one: give --apply another host");
    else
        error_hint(error, "fix what Proxmox names, and run it again: what is already done is left alone");
}

static bool does_not_exist(const struct https_answer *answer)
{
    return answer->status == 404 || (answer->status == 500 && (strstr(answer->reason, "does not exist") ||
                                                               strstr(answer->reason, "no such user")));
}

/* The document (owned by the caller), or NULL with *result and *error as of provision_call(). */
static struct json_object *ask(struct provision_session *session, enum provision_call call,
                               const struct provision_parts *parts, int *result, struct error *error)
{
    const char *method = NULL;
    _cleanup_(freep) char *path = NULL;
    char *form = NULL;
    struct https_answer answer = {0};
    struct json_object *document = NULL, *data = NULL;
    *result = -EIO;
    if (!provision_call_build(call, parts, &method, &path, &form)) {
        error_set(error, ERROR_INTERNAL, "a request could not be built");
        return NULL;
    }
    struct https_request request = {.method = method,
                                    .path = path,
                                    .body = form,
                                    .cookie = session->cookie,
                                    .csrf = strcmp(method, "GET") == 0 ? NULL : session->csrf};
    int sent = https_ask(session->https, &request, &answer, error);
    if (form)
        explicit_bzero(form, strlen(form));
    free(form);
    if (sent == 0) {
        document = answer.length ? printable_parse(answer.body, answer.length) : NULL;
        if (does_not_exist(&answer))
            *result = -ENOENT;
        else if (answer.status != 200)
            explain(session->way, &answer, document, error);
        else if (!document || !json_object_object_get_ex(document, "data", &data))
            error_set(error, ERROR_PROTOCOL, "%s answered with something that is not an answer of Proxmox",
                      session->way->endpoint.text);
        else
            *result = 0;
    }
    https_answer_clear(&answer);
    if (*result == 0)
        return document;
    json_object_put(document);
    return NULL;
}

int provision_call(struct provision_session *session, enum provision_call call,
                   const struct provision_parts *parts, struct json_object **data, struct error *error)
{
    struct json_object *member = NULL;
    int result = 0;
    _cleanup_(json_putp) struct json_object *document = ask(session, call, parts, &result, error);
    if (document && json_object_object_get_ex(document, "data", &member))
        *data = json_object_get(member);
    return result;
}

/* ---- login ---- */

/* A ticket has '+', '/' and ':' in it, which a cookie does not carry as they are. */
static struct secret *encoded(const char *ticket)
{
    _cleanup_(freep) char *text = heap_need(request_encode(ticket));
    struct secret *secret = secret_new(text, strlen(text));
    explicit_bzero(text, strlen(text));
    return heap_need(secret);
}

static bool take_ticket(struct provision_session *session, struct json_object *data, struct error *error)
{
    const char *ticket = NULL, *csrf = NULL;
    if (!json_get_string(data, "ticket", &ticket) || !json_get_string(data, "CSRFPreventionToken", &csrf)) {
        error_set(error, ERROR_NO_SESSION, "%s gave no ticket", session->way->endpoint.text);
        return false;
    }
    session->cookie = encoded(ticket);
    session->csrf = heap_need(secret_new(csrf, strlen(csrf)));
    return true;
}

static bool second_factor(struct provision_session *session, struct json_object *first, struct error *error)
{
    const struct provision_way *way = session->way;
    const char *challenge = NULL;
    char question[256];
    _cleanup_(json_putp) struct json_object *data = NULL;
    if (!json_get_string(first, "ticket", &challenge) || !strstr(challenge, "totp")) {
        error_set(error, ERROR_NO_SESSION,
                  "%s has a second factor that is not TOTP, and only TOTP can be given here", way->as);
        error_hint(error, "add TOTP to it: Datacenter > Permissions > Two Factor > Add > TOTP");
        return false;
    }
    snprintf(question, sizeof(question), "code of the second factor (TOTP) of %s", way->as);
    _cleanup_(secret_freep) struct secret *code = prompt_secret(question, way->totp_fd, "--totp-fd", error);
    if (!code)
        return false;
    struct provision_parts parts = {.as = way->as, .password = secret_reveal(code), .challenge = challenge};
    if (provision_call(session, PROVISION_TICKET_TOTP, &parts, &data, error)) {
        error_hint(error, "a code works once, and for 30 seconds: wait for the next one; compare the clocks "
                          "of this machine and of the Proxmox host");
        return false;
    }
    return take_ticket(session, data, error);
}

static bool log_in(struct provision_session *session, struct error *error)
{
    const struct provision_way *way = session->way;
    char question[256];
    bool needs_second = false;
    _cleanup_(json_putp) struct json_object *data = NULL;
    snprintf(question, sizeof(question), "password of %s", way->as);
    _cleanup_(secret_freep) struct secret *password =
        prompt_secret(question, way->password_fd, "--password-fd", error);
    if (!password)
        return false;
    struct provision_parts parts = {.as = way->as, .password = secret_reveal(password)};
    int result = provision_call(session, PROVISION_TICKET, &parts, &data, error);
    if (result == -ENOENT)
        error_set(error, ERROR_NO_SESSION, "%s does not know the realm of %s", way->endpoint.text, way->as);
    if (result)
        return false;
    json_get_flag(data, "NeedTFA", &needs_second);
    return needs_second ? second_factor(session, data, error) : take_ticket(session, data, error);
}

struct provision_session *provision_login(const struct provision_way *way, struct error *error)
{
    _cleanup_(provision_logoutp) struct provision_session *session = heap_take(sizeof(*session));
    struct https_trust trust = {.ca_file = way->ca_file,
                                .fingerprints = way->fingerprints,
                                .fingerprint_count = way->fingerprint_count};
    session->way = way;
    session->https = https_new(&way->endpoint, &trust, error);
    if (!session->https || !log_in(session, error))
        return NULL;
    return TAKE(session);
}

void provision_logout(struct provision_session *session)
{
    if (!session)
        return;
    https_free(session->https);
    secret_free(session->cookie);
    secret_free(session->csrf);
}
