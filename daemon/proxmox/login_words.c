/*
 * What a refused login means, and the way out. Proxmox answers a wrong password, an unknown, disabled or
 * expired user, a user of OpenID Connect and a wrong code with the same words; what can be told apart beyond
 * them is told here. Knows no network and changes nothing.
 */
#include "proxmox/login_private.h"

#include "system/cleanup.h"
#include "system/json.h"
#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *login_realm(const char *user)
{
    const char *at = strrchr(user, '@');
    return at ? at + 1 : "";
}

void login_words_password(const char *user, const struct api_result *result, struct error *error)
{
    *error = result->error;
    error->code = ERROR_NO_SESSION;
    if (result->http_status != 401)
        error_hint(error, "check user = %s in fence-broker.conf", user);
    else if (strcmp(login_realm(user), "pam") == 0)
        error_hint(
            error,
            "Proxmox says the same for a wrong password and for a user that is unknown, disabled or "
            "expired in `pveum user list`, or unknown to Linux on that host: users of the realm pam need "
            "an account and the password on each host. Check %s and the secret file, then reload",
            user);
    else
        error_hint(error,
                   "Proxmox says the same for a wrong password, an unknown, disabled or expired user: check "
                   "`pveum user list` for %s and the secret file, then reload",
                   user);
}

void login_words_code(const char *user, bool stopped, const struct api_result *result, struct error *error)
{
    _cleanup_(text_clear) struct text word = {0};
    error_set(error, ERROR_NO_SESSION,
              "Proxmox at %s accepted the password of %s and refused the TOTP code%s", result->endpoint_text,
              user,
              stopped ? "; it was the last one: Proxmox locks a second factor that fails too often" : "");
    error_hint(error,
               "check the TOTP secret (totp-file) and this machine's clock (timedatectl); a locked second "
               "factor: `pveum user tfa unlock %s`%s. If several brokers share the user, use tokens instead",
               text_word(&word, user), stopped ? "; then reload" : "");
}

void login_words_factor(const char *user, bool have_totp, struct error *error)
{
    if (have_totp) {
        error_set(error, ERROR_NO_SESSION,
                  "Proxmox asks %s for a second factor, and accepts no TOTP code for it", user);
        error_hint(error,
                   "add TOTP to the user in Proxmox, or use an API token (token-id): tokens need no second "
                   "factor");
        return;
    }
    error_set(error, ERROR_NO_SESSION,
              "Proxmox asks %s for a second factor, and no TOTP secret is configured", user);
    error_hint(
        error,
        "write its base32 secret into a file and add totp-file = FILE to [proxmox], or use an API token "
        "(token-id): tokens need no second factor");
}

static const char *realm_type(struct json_object *realms, const char *realm, struct text *names)
{
    const char *name = NULL, *type = NULL;
    for (size_t i = 0; i < json_object_array_length(realms); i++) {
        struct json_object *entry = json_object_array_get_idx(realms, i);
        if (!json_get_string(entry, "realm", &name) || !json_get_string(entry, "type", &type))
            continue;
        if (strcmp(name, realm) == 0)
            return type;
        text_printf(names, "%s%s", names->length ? ", " : "", name);
    }
    return NULL;
}

void login_words_realm(const char *user, struct json_object *realms, struct error *error)
{
    const char *realm = login_realm(user);
    _cleanup_(text_clear) struct text names = {0}, word = {0};
    if (!realms || !json_object_is_type(realms, json_type_array))
        return;
    const char *type = realm_type(realms, realm, &names);
    if (!type && names.length > 0) {
        error_set(error, ERROR_NO_SESSION, "Proxmox has no realm %s, which user = %s names; it has: %s",
                  realm, user, names.data);
        error_hint(error, "fix user = USER@REALM in fence-broker.conf, then reload");
    } else if (type && strcmp(type, "openid") == 0) {
        error_set(
            error, ERROR_NO_SESSION,
            "%s is of an OpenID Connect realm, whose users have no password: they log in with a browser",
            user);
        error_hint(
            error,
            "use an API token of that user: `pveum user token add %s broker --privsep 1`, then token-id = "
            "%s!broker instead of user",
            text_word(&word, user), user);
    } else if (type && (strcmp(type, "ldap") == 0 || strcmp(type, "ad") == 0)) {
        error_hint(
            error,
            "Proxmox says the same for a wrong password, an unknown, disabled or expired user, and when "
            "the host cannot reach the %s server of realm %s: check `pveum user list` for %s and the "
            "secret file, then reload",
            strcmp(type, "ad") == 0 ? "Active Directory" : "LDAP", realm, user);
    }
}

void login_words_token(const char *token_id, const struct error *said, struct error *error)
{
    size_t length = strcspn(token_id, "!");
    _cleanup_(text_clear) struct text word = {0};
    _cleanup_(freep) char *user = strndup(token_id, length);
    const char *shown = user ? text_word(&word, user) : "USER@REALM";
    *error = *said;
    error_hint(error,
               "Proxmox says the same for a wrong secret, an unknown or expired token and a disabled or "
               "expired user: check `pveum user token list %s`, `pveum user list` and the secret file, then "
               "reload; if it was never created: `pveum user add %s; pveum user token add %s %s --privsep 1`",
               shown, shown, shown, token_id[length] ? token_id + length + 1 : "TOKEN");
}
