/*
 * Whom we believe: a CA file's text, fingerprints, or the system's store; and what a certificate is. Knows
 * OpenSSL, and no files and no curl.
 */
#pragma once

#include "system/config.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRUST_FINGERPRINT_ROOM (CONFIG_SHA256_LENGTH * 3)
#define TRUST_NAME_ROOM        254
#define TRUST_NAMES_ROOM       256
#define TRUST_ISSUER_ROOM      160

/* What to believe; borrowed. Fingerprints replace chain and name; with neither the system's store counts. */
struct trust_source {
    const char *ca_pem; /* or NULL */
    const struct config_fingerprint *fingerprints;
    size_t fingerprint_count;
};

struct trust;

/* Copies what it needs. Text without any certificate makes one that trusts nobody. NULL: no memory. */
struct trust *trust_new(const struct trust_source *source);
void trust_free(struct trust *trust);               /* NULL is fine */
X509_STORE *trust_store(const struct trust *trust); /* borrowed; NULL: the system's */
bool trust_by_fingerprint(const struct trust *trust);

/* What a host has shown. */
struct trust_seen {
    char fingerprint[TRUST_FINGERPRINT_ROOM]; /* "AB:CD:…" as Proxmox shows it; "" if none was seen */
    char name[TRUST_NAME_ROOM];               /* the first host name it is for but localhost, or "" */
    char names[TRUST_NAMES_ROOM];             /* host names and addresses, without localhost: "a, b" */
    char issuer[TRUST_ISSUER_ROOM];           /* whose certificate is missing, or not trusted; or "" */
    int64_t expires_ms;                       /* time of day; 0: unknown */
    bool stranger;                            /* its fingerprint is none of ours */
    const char
        *problem; /* with its chain, in OpenSSL's words; NULL: none. curl's may tell of the alert only */
};

/* What a certificate says of itself; NULL is fine. */
void trust_look_at(X509 *certificate, struct trust_seen *seen);

/* What a handshake that failed with these words (curl's) means, and the line that mends it. */
void trust_explain(const struct trust *trust, const struct trust_seen *seen, const char *endpoint,
                   const char *words, struct error *error);

/* The verdict during the handshake, in place of X509_verify_cert(): 1, or 0 with an error in the context.
 * `seen` may be NULL. */
int trust_judge(const struct trust *trust, X509_STORE_CTX *context, struct trust_seen *seen);
