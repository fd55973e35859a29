/*
 * All that is read from outside at start and at reload, and checked before any of it counts: the
 * configuration file, the secret, the CA; and the numbers of the groups and users that decide who may ask,
 * when the name service has told them.
 */
#pragma once

#include "policy/access.h"
#include "policy/access_rules.h"
#include "proxmox/totp.h"
#include "system/config.h"
#include "system/error.h"
#include "system/names.h"
#include "system/secret.h"

#define SETTINGS_DEFAULT_PATH "/etc/fence-broker/fence-broker.conf"

struct settings {
    struct config *config;
    struct secret *secret;
    struct totp *totp;           /* NULL: no second factor */
    bool credential_secrets;     /* some of them came from systemd, which passes them once, at the start */
    char *ca_pem;                /* NULL: the system's store */
    struct access_rules *rules;  /* of config */
    struct names *names;         /* NULL: the name service has not answered yet */
    struct access_policy policy; /* who may ask; borrows rules */
    bool group_missing;          /* no such group here: only root and hacluster may ask */
};

/* NULL and *error with the file, the cause and the way out. All that needs the name service is open still. */
struct settings *settings_load(const char *path, struct error *error);
/* Whom to ask the name service about; borrowed from the settings, settings_wanted_clear() frees the lists
 * only. */
bool settings_wanted_names(const struct settings *settings, struct names_wanted *wanted);
void settings_wanted_clear(struct names_wanted *wanted);
/* What it said; taken over (NULL: it did not answer, and only root may ask). */
void settings_take_names(struct settings *settings, struct names *names);
void settings_free(struct settings *settings); /* NULL is fine */
void settings_freep(struct settings **settings);

/* What is odd in what counts now, in the log; what does not count before a restart; and, once the guests are
 * known, what is odd in the rules about them. */
void settings_warn(const struct settings *settings);
void settings_warn_of_restart(const struct config *old, const struct config *new);
void settings_lint_guests(const struct settings *settings, const struct access_guest *guests, size_t count);

/* ---- a command that ends ---- */

void settings_print_error(const struct error *error); /* on stderr */
/* settings_load() with the rights of the service's user, if we are root: *user is its name then, else NULL.
 */
struct settings *settings_load_as_service(const char *path, const char **user, struct error *error);
/* The same, and the name service was asked, however long that takes. */
struct settings *settings_load_with_names(const char *path, const char **user, struct error *error);
/* Reads all, says what is wrong or odd, and gives the exit status. */
int settings_check(const char *path);
