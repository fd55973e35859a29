/*
 * /etc/fence-broker/fence-broker.conf: reading and meaning.
 *
 * The reader (config_reader in config_ini.c) knows only lines, sections and keys; config.c has one table of
 * keys with their type, default and allowed words. Nothing is truncated, comments are whole lines, leading
 * blanks mean nothing; unknown, repeated or empty sections, unknown keys, repeated keys (unless repeatable)
 * and bad values are errors that name file, line and the allowed words. This room opens the configuration
 * file and nothing else: secret files are read by their users.
 */
#pragma once

#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_endpoint {
    char *address; /* what to connect to: host name, IPv4, or IPv6 without brackets */
    char *name;    /* what the certificate must name; equals address without "as NAME" */
    uint16_t port; /* default 8006 */
    char *text;    /* as written: "192.0.2.12 as pve2"; used in messages and labels */
};

#define CONFIG_SHA256_LENGTH 32

struct config_fingerprint {
    unsigned char sha256[CONFIG_SHA256_LENGTH]; /* of the host's certificate */
};

struct config_alias {
    char *node;   /* Pacemaker node name, at the left of '=' in [nodes] */
    char *target; /* VMID or guest name */
};

#define CONFIG_ACCESS_PREDEFINED 0 /* the line of what stands in no file */

/* [role NAME], [group NAME], [user NAME]: entries in the order of the file; what a rule says is
 * policy/access's. */
enum config_access_kind { CONFIG_ACCESS_ROLE, CONFIG_ACCESS_GROUP, CONFIG_ACCESS_USER };

struct config_access_entry {
    bool is_role; /* "role = NAME"; else "rule = …" */
    char *value;
    size_t line;
};

struct config_access_section {
    enum config_access_kind kind;
    char *name;
    size_t line;
    struct config_access_entry *entries;
    size_t entry_count;
};

const char *config_access_kind_name(enum config_access_kind kind); /* "role" "group" "user" */

/* A key that is written under its former name. */
struct config_renamed {
    const char *former, *name;
    size_t line;
};

struct config {
    char *path; /* where it came from */
    struct config_renamed *renamed;
    size_t renamed_count;
    /* [proxmox] */
    struct config_endpoint *endpoints;
    size_t endpoint_count;
    char *token_id; /* "user@realm!name" or NULL */
    char
        *user; /* "user@realm" or NULL; exactly one of the two is set; root@pam (and its tokens) is refused */
    char *secret_file; /* NULL: credential "proxmox-secret" */
    char *totp_file;   /* NULL: credential "proxmox-totp", if there is one */
    char *ca_file;     /* NULL: the system's CA store, or fingerprints */
    struct config_fingerprint *fingerprints;
    size_t fingerprint_count;
    char **pools;
    size_t pool_count;
    int64_t poll_interval_ms;
    int64_t check_interval_ms;    /* 0: never */
    int64_t rehearse_interval_ms; /* 0: never */
    int64_t answer_timeout_ms;
    int min_online_nodes;  /* 0: majority */
    bool excess_tolerated; /* least-privilege = warn */
    /* [fence] */
    int64_t deadline_ms;
    int64_t lock_wait_ms;
    int64_t stop_timeout_ms; /* whole seconds for Proxmox */
    bool trust_ha;           /* dead-host = trust-ha */
    /* [nodes] */
    struct config_alias *aliases;
    size_t alias_count;
    /* [socket] */
    char *socket_path;
    char *metrics_path;
    char *socket_group;
    /* [state] */
    char *state_directory;
    /* [access], and the sections of rules in the order of the file */
    bool enable_acl;
    struct config_access_section *access;
    size_t access_count;
};

/* Read, parse and validate; "-" is standard input. On failure returns NULL and fills *error
 * (ERROR_BAD_REQUEST) with "FILE:LINE: …".
 */
struct config *config_load(const char *path, struct error *error);
/* The same from memory; `path` is only for messages. Pure: used by tests and the fuzzer. */
struct config *config_parse(const char *text, size_t length, const char *path, struct error *error);
void config_free(struct config *config); /* NULL is fine */
void config_freep(struct config **config);
