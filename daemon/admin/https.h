/*
 * One HTTPS request and its answer, waited for: for commands that run and end. The running daemon has
 * proxmox/transport instead, which never waits. Knows libcurl, and nothing of what is asked; certificates are
 * always verified.
 */
#pragma once

#include "proxmox/trust.h"
#include "system/error.h"
#include "system/secret.h"

#include <stddef.h>

#define HTTPS_ANSWER_MAX (32 * 1024 * 1024)
#define HTTPS_ANSWER_MS  60000L /* creating a user may wait for a lock */
#define HTTPS_CONNECT_MS 10000L
#define HTTPS_REASON_MAX 512

struct https;

/* Whom to believe. Fingerprints (as Proxmox shows them) replace chain and name; with neither a file nor any
 * of them the system's store counts. Borrowed. */
struct https_trust {
    const char *ca_file;
    const struct config_fingerprint *fingerprints;
    size_t fingerprint_count;
};

/* NULL and *error. What it is given must outlive it. Libcurl must have been initialised. */
struct https *https_new(const struct config_endpoint *endpoint, const struct https_trust *trust,
                        struct error *error);
void https_free(struct https *https); /* NULL is fine */

struct https_request {
    const char *method, *path;          /* path with query */
    const char *body;                   /* a form, or NULL */
    const struct secret *cookie, *csrf; /* or NULL */
};
struct https_answer {
    int status;
    char reason[HTTPS_REASON_MAX]; /* the reason phrase: Proxmox's own words */
    char *body;                    /* may hold secrets: https_answer_clear() wipes it */
    size_t length, room;
};
/* 0 and *answer with any HTTP status, or -EIO and *error with the cause and the way out. Clear the answer in
 * any case. */
int https_ask(struct https *https, const struct https_request *request, struct https_answer *answer,
              struct error *error) __attribute__((warn_unused_result));
void https_answer_clear(struct https_answer *answer);
