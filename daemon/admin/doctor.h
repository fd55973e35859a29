/*
 * fence-broker-admin doctor: would a fence work with this configuration, and if not, why? For when no daemon
 * runs: logs in to Proxmox as the daemon would, learns what it would learn in its first round, and prints the
 * same report. Powers nothing, writes nothing.
 */
#pragma once

#include "policy/access.h"
#include "proxmox/credentials.h"
#include "proxmox/trust.h"
#include "system/config.h"
#include "system/error.h"

#include <stdbool.h>

#define DOCTOR_WAIT_MS 20000 /* so long Proxmox has */

struct doctor_options {
    const char *config_path;
    bool json;
};

/* `default_path` without -c. -1: go on; else the exit status (0 after --help, 1 for wrong options: 2 would
 * mean that a fence works). */
int doctor_read_options(int argc, char **argv, const char *default_path, struct doctor_options *options);

/* What was read from outside; borrowed but for the credentials' secrets. */
struct doctor_case {
    int64_t began_ms; /* monotonic: before the configuration was read */
    bool json;
    const struct config *config; /* NULL: it could not be used, and */
    struct error error;          /* this is why */
    const char *user;            /* with whose rights it was read; NULL: the caller's */
    struct session_credentials credentials;
    struct trust_source trust;
    const struct access_policy *rules; /* NULL: not to be looked over */
    bool group_missing, names_unknown;
};

/* Prints the report; the exit status (0 fine, 1 a fence would fail, 2 it would work but something is off).
 * After transport_global_init(). */
int doctor_run(struct doctor_case *patient);
