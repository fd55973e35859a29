/*
 * All that is read from outside at start and at reload, and checked before any of it counts: the
 * configuration file, the secret, the CA, and the numbers of the group and user that decide who may ask.
 */
#pragma once

#include "policy/access.h"
#include "proxmox/totp.h"
#include "system/config.h"
#include "system/error.h"
#include "system/secret.h"

struct settings {
    struct config *config;
    struct secret *secret;
    struct totp *totp;       /* NULL: no second factor */
    bool credential_secrets; /* some of them came from systemd, which passes them once, at the start */
    char *ca_pem;            /* NULL: the system's store */
    struct access_gate gate;
    bool group_missing; /* no such group here: only root and hacluster may ask */
};

/* NULL and *error with the file, the cause and the way out. */
struct settings *settings_load(const char *path, struct error *error);
void settings_free(struct settings *settings); /* NULL is fine */
void settings_freep(struct settings **settings);
