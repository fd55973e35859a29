/*
 * liboath makes the codes; the decoded secret lives in memory that is wiped and kept out of core dumps.
 */
#include "proxmox/totp.h"

#include "system/cleanup.h"

#include <liboath/oath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOTP_DIGITS   6
#define TOTP_USED_MAX 8 /* logins that are remembered; a ticket lasts for hours, a code for a minute */

struct totp {
    struct secret *key;
    int64_t used[TOTP_USED_MAX]; /* steps since 1970, the newest one overwrites the oldest */
    unsigned used_next;
};

/* What a person who pasted something else needs to hear. */
static const char *problem_of(const char *text)
{
    if (strncasecmp(text, "otpauth:", 8) == 0)
        return "is the whole otpauth:// address: only what follows \"secret=\" belongs here";
    return "is no secret in base32 (letters A to Z and digits 2 to 7)";
}

static struct secret *decode(const struct secret *base32)
{
    char *bytes = NULL;
    size_t length = 0;
    struct secret *key = NULL;
    if (oath_base32_decode(secret_reveal(base32), secret_length(base32), &bytes, &length) != OATH_OK)
        return NULL;
    if (length > 0)
        key = secret_new(bytes, length);
    explicit_bzero(bytes, length);
    free(bytes);
    return key;
}

struct totp *totp_new(const struct secret *base32, const char *source, struct error *error)
{
    struct totp *totp = calloc(1, sizeof(*totp));
    if (totp && oath_init() == OATH_OK)
        totp->key = decode(base32);
    if (totp && totp->key)
        return totp;
    free(totp);
    error_set(error, ERROR_NO_SESSION, "the TOTP secret in %s %s", source, problem_of(secret_reveal(base32)));
    error_hint(error,
               "write the secret that Proxmox shows when TOTP is added to the user, alone on one line");
    return NULL;
}

void totp_free(struct totp *totp)
{
    if (!totp)
        return;
    secret_free(totp->key);
    free(totp);
}

void totp_freep(struct totp **totp)
{
    totp_free(*totp);
    *totp = NULL;
}

static bool was_used(const struct totp *totp, int64_t step)
{
    for (size_t i = 0; i < ARRAY_LEN(totp->used); i++) {
        if (totp->used[i] == step)
            return true;
    }
    return false;
}

int64_t totp_wait_ms(const struct totp *totp, int64_t realtime_ms)
{
    int64_t now = realtime_ms / TOTP_STEP_MS, step = now;
    while (was_used(totp, step))
        step++;
    return step == now ? 0 : step * TOTP_STEP_MS - realtime_ms;
}

struct secret *totp_take(struct totp *totp, int64_t realtime_ms)
{
    int64_t step = realtime_ms / TOTP_STEP_MS;
    char password[sizeof("totp:") + TOTP_DIGITS] = "totp:";
    if (was_used(totp, step) ||
        oath_totp_generate(secret_reveal(totp->key), secret_length(totp->key), (time_t)(realtime_ms / 1000),
                           TOTP_STEP_MS / 1000, 0, TOTP_DIGITS, password + strlen("totp:")) != OATH_OK)
        return NULL;
    struct secret *taken = secret_new(password, strlen(password));
    explicit_bzero(password, sizeof(password));
    if (taken) {
        totp->used[totp->used_next] = step;
        totp->used_next = (totp->used_next + 1) % TOTP_USED_MAX;
    }
    return taken;
}

void totp_inherit(struct totp *totp, const struct totp *older)
{
    memcpy(totp->used, older->used, sizeof(totp->used));
    totp->used_next = older->used_next;
}
