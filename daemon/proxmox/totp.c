/*
 * liboath makes the codes; the decoded secret lives in memory that is wiped and kept out of core dumps. Which
 * codes were used is no secret, and may live in memory that systemd keeps over a restart.
 */
#include "proxmox/totp.h"

#include "system/cleanup.h"

#include <errno.h>
#include <liboath/oath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define TOTP_DIGITS   6
#define TOTP_USED_MAX 8 /* logins that are remembered; a ticket lasts for hours, a code for a minute */

/* Steps since 1970; the newest one overwrites the oldest. */
struct used {
    int64_t steps[TOTP_USED_MAX];
    uint64_t next;
};

struct totp {
    struct secret *key;
    struct used own, *used; /* `used` is &own, or shared memory */
};

/* What a person who pasted something else needs to hear. */
static const char *problem_of(const char *text)
{
    if (strncasecmp(text, "otpauth:", 8) == 0)
        return "is the whole otpauth:// address: only what follows \"secret=\" belongs here";
    return "is not a secret in base32 (letters A to Z and digits 2 to 7)";
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
    if (totp && totp->key) {
        totp->used = &totp->own;
        return totp;
    }
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
    if (totp->used != &totp->own)
        (void)munmap(totp->used, sizeof(*totp->used));
    free(totp);
}

void totp_freep(struct totp **totp)
{
    totp_free(*totp);
    *totp = NULL;
}

static bool was_used(const struct totp *totp, int64_t step)
{
    for (size_t i = 0; i < TOTP_USED_MAX; i++) {
        if (totp->used->steps[i] == step)
            return true;
    }
    return false;
}

static void note_used(struct totp *totp, int64_t step)
{
    totp->used->steps[totp->used->next++ % TOTP_USED_MAX] = step;
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
    if (taken)
        note_used(totp, step);
    return taken;
}

void totp_inherit(struct totp *totp, const struct totp *older)
{
    for (size_t i = 0; i < TOTP_USED_MAX; i++) {
        if (!was_used(totp, older->used->steps[i]))
            note_used(totp, older->used->steps[i]);
    }
}

/* ---- over a restart ---- */

int totp_memory_new(void)
{
    int memory = memfd_create("totp-used", MFD_CLOEXEC);
    if (memory < 0)
        return -errno;
    if (ftruncate(memory, (off_t)sizeof(struct used)) == 0)
        return memory;
    int problem = errno;
    close(memory);
    return -problem;
}

void totp_remember_in(struct totp *totp, int memory)
{
    struct stat file;
    if (fstat(memory, &file) != 0 || file.st_size < (off_t)sizeof(struct used) || totp->used != &totp->own)
        return;
    struct used *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (shared == MAP_FAILED)
        return;
    totp->used = shared;
    for (size_t i = 0; i < TOTP_USED_MAX; i++) {
        if (!was_used(totp, totp->own.steps[i]))
            note_used(totp, totp->own.steps[i]);
    }
}
