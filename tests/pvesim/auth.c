/* See auth.h. */
#include "auth.h"
#include "call.h"
#include "cluster.h"
#include "realms.h"
#include "system/cleanup.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define KEY_BYTES          32
#define SIGNATURE_BYTES    256 /* as many as Proxmox's RSA keys give */
#define TOTP_STEP_S        30
#define TICKET_PREFIX      "PVE:"
#define CHALLENGE_USER     "!tfa!{\"totp\"%3Atrue}"
#define OLD_CHALLENGE_USER "tfa!totp"
#define CLOCK_SKEW_MAX_S   300

/* a password, token secret or TOTP secret: "p user@realm", "t user@realm" */
struct secret {
    char *key, *value;
    int64_t last_step; /* TOTP: no code is taken twice */
    UT_hash_handle hh;
};

struct stamp {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct auth {
    struct usercfg *usercfg;
    struct secret *secrets;
    struct stamp usercfg_stamp, secrets_stamp;
    unsigned char key[KEY_BYTES];
    int64_t ticket_life_s;
};

/* ---- files -------------------------------------------------------------------------------------------- */

static void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

static char *file_path(const struct sim *sim, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", sim->dir, name) < 0 ? NULL : path;
}

static bool stamp_changed(const char *path, struct stamp *stamp)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return false;
    if (info.st_mtim.tv_sec == stamp->changed.tv_sec && info.st_mtim.tv_nsec == stamp->changed.tv_nsec &&
        info.st_size == stamp->size && info.st_ino == stamp->inode)
        return false;
    *stamp = (struct stamp){info.st_mtim, info.st_size, info.st_ino};
    return true;
}

/* the whole file as a string of its own */
static int file_read(const char *path, char **text, size_t *length)
{
    _cleanup_(fclosep) FILE *file = fopen(path, "re");
    _cleanup_(freep) char *data = NULL;
    size_t room = 0;
    if (!file)
        return -errno;
    ssize_t got = getdelim(&data, &room, EOF, file);
    if (got < 0 && ferror(file))
        return -EIO;
    *length = got < 0 ? 0 : (size_t)got;
    *text = got < 0 ? strdup("") : TAKE(data);
    return *text ? 0 : -ENOMEM;
}

static void free_secrets(struct auth *auth)
{
    struct secret *secret = NULL, *next = NULL;
    HASH_ITER (hh, auth->secrets, secret, next) {
        HASH_DEL(auth->secrets, secret);
        free(secret->key);
        free(secret->value);
        free(secret);
    }
}

static int add_secret(struct auth *auth, char kind, const char *id, const char *value)
{
    struct secret *secret = calloc(1, sizeof(*secret)), *old = NULL;
    if (!secret || asprintf(&secret->key, "%c %s", kind, id) < 0 || !(secret->value = strdup(value))) {
        if (secret)
            free(secret->key);
        free(secret);
        return -ENOMEM;
    }
    HASH_FIND_STR(auth->secrets, secret->key, old);
    if (old) {
        HASH_DEL(auth->secrets, old);
        free(old->key);
        free(old->value);
        free(old);
    }
    HASH_ADD_KEYPTR(hh, auth->secrets, secret->key, strlen(secret->key), secret);
    return secret->hh.tbl ? 0 : -ENOMEM;
}

static int load_secrets(struct auth *auth, const char *path)
{
    _cleanup_(freep) char *text = NULL;
    size_t length = 0;
    int error = file_read(path, &text, &length);
    if (error == -ENOENT)
        return 0;
    if (error)
        return error;
    free_secrets(auth);
    char *rest = text;
    for (char *line; !error && (line = strsep(&rest, "\n"));) {
        const char *word = strsep(&line, " ");
        char kind = 'p';
        if (strcmp(word, "totp") == 0) {
            kind = 't';
            word = strsep(&line, " ");
        }
        if (word && *word && *word != '#' && line)
            error = add_secret(auth, kind, word, line);
    }
    return error;
}

static int load_usercfg(struct sim *sim, const char *path)
{
    _cleanup_(freep) char *text = NULL;
    size_t length = 0;
    struct usercfg *usercfg = NULL;
    int error = file_read(path, &text, &length);
    if (error)
        return error;
    error = usercfg_parse(text, length, cluster_pve(sim->cluster), &usercfg);
    if (error)
        return error;
    usercfg_free(sim->auth->usercfg);
    sim->auth->usercfg = usercfg;
    return 0;
}

static int load_key(struct sim *sim, bool renew)
{
    _cleanup_(freep) char *path = file_path(sim, "authkey");
    if (!path)
        return -ENOMEM;
    _cleanup_(fclosep) FILE *file = renew ? NULL : fopen(path, "re");
    if (file && fread(sim->auth->key, 1, KEY_BYTES, file) == KEY_BYTES)
        return 0;
    if (RAND_bytes(sim->auth->key, KEY_BYTES) != 1)
        return -EIO;
    _cleanup_(fclosep) FILE *made = fopen(path, "we");
    return made && fwrite(sim->auth->key, 1, KEY_BYTES, made) == KEY_BYTES ? 0 : -errno;
}

void auth_refresh(struct sim *sim, bool force)
{
    struct auth *auth = sim->auth;
    _cleanup_(freep) char *usercfg = file_path(sim, "user.cfg");
    _cleanup_(freep) char *secrets = file_path(sim, "secrets");
    int error =
        usercfg && (stamp_changed(usercfg, &auth->usercfg_stamp) || force) ? load_usercfg(sim, usercfg) : 0;
    if (error)
        fprintf(stderr, "pvesim: %s: %s\n", usercfg, strerror(-error));
    error =
        secrets && (stamp_changed(secrets, &auth->secrets_stamp) || force) ? load_secrets(auth, secrets) : 0;
    if (error)
        fprintf(stderr, "pvesim: %s: %s\n", secrets, strerror(-error));
}

int auth_load(struct sim *sim, char **message)
{
    struct auth *auth = sim->auth = calloc(1, sizeof(*auth));
    _cleanup_(freep) char *path = file_path(sim, "user.cfg");
    if (!auth || !path)
        return -ENOMEM;
    auth->ticket_life_s = AUTH_TICKET_LIFE_S;
    int error = load_key(sim, false);
    if (!error) {
        auth_refresh(sim, true);
        error = auth->usercfg ? 0 : -ENOENT;
    }
    if (error && asprintf(message, "%s: %s", path, strerror(-error)) < 0)
        *message = NULL;
    return error;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    usercfg_free(auth->usercfg);
    free_secrets(auth);
    OPENSSL_cleanse(auth->key, sizeof(auth->key));
    free(auth);
}

const struct usercfg *auth_usercfg(const struct sim *sim)
{
    return sim->auth->usercfg;
}

bool auth_holds(const struct sim *sim, const char *id, const char *path, const char *privilege)
{
    int number = usercfg_privilege_number(privilege);
    return number >= 0 && usercfg_privileges(sim->auth->usercfg, id, path).held >> number & 1;
}

int auth_add_secret(struct sim *sim, const char *id, const char *secret)
{
    _cleanup_(freep) char *path = file_path(sim, "secrets");
    _cleanup_(fclosep) FILE *file = path ? fopen(path, "ae") : NULL;
    if (!file)
        return path ? -errno : -ENOMEM;
    if (fprintf(file, "%s %s\n", id, secret) < 0 || fflush(file) != 0)
        return -EIO;
    return 0;
}

static struct secret *find_secret(const struct auth *auth, char kind, const char *id)
{
    _cleanup_(freep) char *key = NULL;
    struct secret *secret = NULL;
    if (asprintf(&key, "%c %s", kind, id) < 0) {
        key = NULL;
        return NULL;
    }
    HASH_FIND_STR(auth->secrets, key, secret);
    return secret;
}

static bool same(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}

/* ---- tickets ------------------------------------------------------------------------------------------ */

/* "<text>::<signature>", the signature over text and salt, as long as Proxmox's */
static char *signed_text(const struct auth *auth, const char *text, const char *salt)
{
    unsigned char signature[SIGNATURE_BYTES];
    char encoded[SIGNATURE_BYTES / 3 * 4 + 8], *out = NULL;
    for (unsigned part = 0; part < SIGNATURE_BYTES / 64; part++) {
        _cleanup_(freep) char *input = NULL;
        unsigned length = 0;
        int input_length = asprintf(&input, "%u %s %s", part, text, salt);
        if (input_length < 0) {
            input = NULL;
            return NULL;
        }
        HMAC(EVP_sha512(), auth->key, KEY_BYTES, (unsigned char *)input, (size_t)input_length,
             signature + (size_t)part * 64, &length);
    }
    EVP_EncodeBlock((unsigned char *)encoded, signature, SIGNATURE_BYTES);
    return asprintf(&out, "%s::%s", text, encoded) < 0 ? NULL : out;
}

static char *ticket_make(const struct sim *sim, const char *user, const char *salt)
{
    _cleanup_(freep) char *text = NULL;
    if (asprintf(&text, TICKET_PREFIX "%s:%08llX", user, (unsigned long long)sim_wall_s(sim)) < 0) {
        text = NULL;
        return NULL;
    }
    return signed_text(sim->auth, text, salt);
}

/* The user that a valid ticket names, owned by the caller; NULL for any other. */
static char *ticket_user(const struct sim *sim, const char *ticket, const char *salt)
{
    const char *end = strstr(ticket, "::"), *time_at = NULL;
    if (strncmp(ticket, TICKET_PREFIX, strlen(TICKET_PREFIX)) != 0 || !end)
        return NULL;
    time_at = memrchr(ticket, ':', (size_t)(end - ticket));
    if (!time_at || end - time_at != 9)
        return NULL;
    _cleanup_(freep) char *text = strndup(ticket, (size_t)(end - ticket));
    _cleanup_(freep) char *wanted = text ? signed_text(sim->auth, text, salt) : NULL;
    if (!wanted || !same(wanted, ticket))
        return NULL;
    int64_t age = sim_wall_s(sim) - (int64_t)strtoll(time_at + 1, NULL, 16);
    if (age < -CLOCK_SKEW_MAX_S || age > sim->auth->ticket_life_s)
        return NULL;
    return strndup(ticket + strlen(TICKET_PREFIX), (size_t)(time_at - ticket) - strlen(TICKET_PREFIX));
}

/* HEX8:base64 over the time and the user */
static char *csrf_at(const struct auth *auth, const char *user, int64_t when)
{
    unsigned char digest[32];
    char encoded[sizeof(digest) / 3 * 4 + 8], *token = NULL;
    _cleanup_(freep) char *input = NULL;
    int length = asprintf(&input, "csrf %08llX %s", (unsigned long long)when, user);
    if (length < 0) {
        input = NULL;
        return NULL;
    }
    HMAC(EVP_sha256(), auth->key, KEY_BYTES, (unsigned char *)input, (size_t)length, digest, NULL);
    EVP_EncodeBlock((unsigned char *)encoded, digest, sizeof(digest));
    encoded[strcspn(encoded, "=")] = '\0';
    return asprintf(&token, "%08llX:%s", (unsigned long long)when, encoded) < 0 ? NULL : token;
}

static bool csrf_valid(const struct sim *sim, const char *user, const char *token)
{
    int64_t when = (int64_t)strtoll(token, NULL, 16), age = sim_wall_s(sim) - when;
    _cleanup_(freep) char *wanted = csrf_at(sim->auth, user, when);
    return wanted && same(wanted, token) && age >= -CLOCK_SKEW_MAX_S && age <= sim->auth->ticket_life_s;
}

void auth_expire_tickets(struct sim *sim)
{
    if (load_key(sim, true) < 0)
        fprintf(stderr, "pvesim: cannot renew the key for tickets\n");
}

void auth_ticket_life(struct sim *sim, int64_t seconds)
{
    sim->auth->ticket_life_s = seconds;
}

/* ---- second factor ------------------------------------------------------------------------------------ */

static size_t base32(const char *text, unsigned char *out, size_t room)
{
    size_t length = 0;
    unsigned bits = 0, held = 0;
    for (; *text && *text != '='; text++) {
        char c = *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text;
        if (c == ' ')
            continue;
        unsigned value = c >= 'A' && c <= 'Z'   ? (unsigned)(c - 'A')
                         : c >= '2' && c <= '7' ? (unsigned)(c - '2') + 26
                                                : 32;
        if (value > 31)
            return 0;
        bits = bits << 5 | value;
        held += 5;
        if (held >= 8) {
            held -= 8;
            if (length == room)
                return 0;
            out[length++] = (unsigned char)(bits >> held);
        }
    }
    return length;
}

static bool totp_matches(const char *secret, int64_t step, const char *code)
{
    unsigned char key[128], counter[8], digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    char wanted[8];
    size_t key_length = base32(secret, key, sizeof(key));
    for (int i = 0; i < 8; i++)
        counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
    if (!key_length || !HMAC(EVP_sha1(), key, (int)key_length, counter, sizeof(counter), digest, &length))
        return false;
    const unsigned char *at = digest + (digest[length - 1] & 15);
    unsigned number =
        ((at[0] & 0x7fU) << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3]) % 1000000;
    snprintf(wanted, sizeof(wanted), "%06u", number);
    return same(wanted, code);
}

static bool totp_accepted(const struct sim *sim, const char *user, const char *code)
{
    struct secret *secret = find_secret(sim->auth, 't', user);
    int64_t now = sim_wall_s(sim) / TOTP_STEP_S;
    for (int64_t step = now - 1; secret && step <= now + 1; step++) {
        if (step > secret->last_step && totp_matches(secret->value, step, code)) {
            secret->last_step = step;
            return true;
        }
    }
    return false;
}

/* ---- who is it ---------------------------------------------------------------------------------------- */

enum login auth_login(struct sim *sim, const char *user, const char *password, const char *challenge,
                      bool old_challenge, char **ticket, char **csrf)
{
    struct auth *auth = sim->auth;
    bool full = true;
    if (usercfg_token_user_length(user) || !usercfg_may_log_in(auth->usercfg, user, sim_wall_s(sim)) ||
        !realms_have_passwords(sim, user))
        return LOGIN_REFUSED;
    if (challenge) {
        _cleanup_(freep) char *of = ticket_user(sim, challenge, user);
        if (!of || strcmp(of, CHALLENGE_USER) != 0 || strncmp(password, "totp:", 5) != 0 ||
            !totp_accepted(sim, user, password + 5))
            return LOGIN_REFUSED;
    } else if (strncmp(password, TICKET_PREFIX, strlen(TICKET_PREFIX)) == 0) {
        _cleanup_(freep) char *of = ticket_user(sim, password, "");
        if (!of || strcmp(of, user) != 0)
            return LOGIN_REFUSED;
    } else {
        const struct secret *secret = find_secret(auth, 'p', user);
        if (!secret || !same(secret->value, password))
            return LOGIN_REFUSED;
        full = !find_secret(auth, 't', user);
    }
    /* a challenge is signed for its user only, though it does not name him */
    *ticket = full ? ticket_make(sim, user, "")
                   : ticket_make(sim, old_challenge ? OLD_CHALLENGE_USER : CHALLENGE_USER, user);
    *csrf = csrf_at(auth, user, sim_wall_s(sim));
    return !*ticket || !*csrf ? LOGIN_REFUSED : full ? LOGIN_OK : LOGIN_NEEDS_TFA;
}

/* user@realm!token=SECRET */
static bool token_valid(const struct sim *sim, const char *text, char **id)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return false;
    _cleanup_(freep) char *token = strndup(text, (size_t)(equals - text));
    const struct secret *secret = token ? find_secret(sim->auth, 'p', token) : NULL;
    if (!secret || !usercfg_token_user_length(token) || !same(secret->value, equals + 1) ||
        !usercfg_may_log_in(sim->auth->usercfg, token, sim_wall_s(sim)))
        return false;
    *id = TAKE(token);
    return true;
}

/* the value of PVEAuthCookie in a Cookie header, decoded, owned by the caller; NULL if it is not there */
static char *cookie_ticket(const char *header)
{
    static const char name[] = "PVEAuthCookie=";
    for (const char *at = header; at && (at = strstr(at, name)); at++) {
        if (at != header && !strchr("; ,", at[-1]))
            continue;
        at += strlen(name);
        char *ticket = strndup(at, strcspn(at, ";"));
        if (ticket)
            call_decode(ticket, false);
        return ticket;
    }
    return NULL;
}

const char *auth_identify(struct sim *sim, struct call *call)
{
    static const char token_prefix[] = "PVEAPIToken=";
    if (call->authorization && strncmp(call->authorization, token_prefix, strlen(token_prefix)) == 0)
        return token_valid(sim, call->authorization + strlen(token_prefix), &call->id)
                   ? NULL
                   : "Authentication failed!";
    _cleanup_(freep) char *ticket = cookie_ticket(call->cookie);
    if (!ticket || !*ticket)
        return "No ticket";
    _cleanup_(freep) char *user = ticket_user(sim, ticket, "");
    if (!user || !usercfg_may_log_in(sim->auth->usercfg, user, sim_wall_s(sim)))
        return "Authentication failed!";
    if (strcmp(call->method, "GET") != 0 && (!call->csrf || !csrf_valid(sim, user, call->csrf)))
        return "Permission denied - invalid csrf token";
    call->id = TAKE(user);
    return NULL;
}
