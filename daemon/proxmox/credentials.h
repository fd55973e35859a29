/* Who we are to Proxmox, and how that stands: what session and login share with those who set it up or show
 * it. */
#pragma once

#include "system/error.h"
#include "system/secret.h"

#include <stdbool.h>
#include <stdint.h>

struct totp;

struct session_credentials {
    const char *token_id;  /* or NULL */
    const char *user;      /* or NULL */
    struct secret *secret; /* taken over by session_new() and session_set_credentials() */
    struct totp *totp;     /* likewise; NULL: no second factor */
};

struct session_description {
    const char *identity; /* "fence@pve!broker" or "fence@pve" */
    bool is_token;
    bool second_factor; /* a TOTP secret is configured */
    bool ready;         /* Proxmox accepted these credentials with its last word on them */
    int64_t expires_ms; /* CLOCK_BOOTTIME; ticket only, else 0 */
    uint64_t logins, login_failures;
    int64_t login_ms;   /* how long the last login took; -1: there was none (a token needs none) */
    struct error error; /* why it is not ready */
    struct error aside; /* an endpoint that gave no login, when another one did */
};
