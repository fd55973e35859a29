/*
 * Reading and checking what comes from outside. Nothing of it reaches a room before all of it is good.
 */
#include "settings.h"

#include "system/cleanup.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CA_FILE_MAX (1024 * 1024)
#define HACLUSTER   "hacluster" /* Pacemaker's user */

/* At least one certificate, and none that cannot be read: curl would take such a file for an empty one. */
static bool is_pem(const char *text, size_t length)
{
    BIO *bio = BIO_new_mem_buf(text, (int)length);
    unsigned count = 0;
    X509 *certificate;
    while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        X509_free(certificate);
        count++;
    }
    BIO_free(bio);
    return count > 0;
}

static char *read_ca(const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        error_set(error, ERROR_CERTIFICATE, "ca-file %s: %s", path, strerror(errno));
        if (errno == EACCES)
            error_hint(error, "let fence_brokerd read it: chmod 0644 '%s'", path);
        else
            error_hint(error, "copy /etc/pve/pve-root-ca.pem from a Proxmox host to that place");
        return NULL;
    }
    _cleanup_(freep) char *text = malloc(CA_FILE_MAX + 1);
    size_t length = text ? fread(text, 1, CA_FILE_MAX + 1, file) : 0;
    bool failed = !text || ferror(file) || length > CA_FILE_MAX;
    fclose(file);
    if (!failed) {
        text[length] = '\0';
        failed = strlen(text) != length || !is_pem(text, length);
    }
    if (failed) {
        error_set(error, ERROR_CERTIFICATE, "ca-file %s holds no certificate in PEM form", path);
        error_hint(error, "copy /etc/pve/pve-root-ca.pem from a Proxmox host to that place");
        return NULL;
    }
    return strdup(text);
}

static uid_t overflow_uid(void)
{
    unsigned overflow = 65534;
    FILE *file = fopen("/proc/sys/kernel/overflowuid", "re");
    if (file) {
        if (fscanf(file, "%u", &overflow) != 1)
            overflow = 65534;
        fclose(file);
    }
    return overflow;
}

bool settings_wanted_names(const struct settings *settings, struct names_wanted *wanted)
{
    const struct access_rules *rules = settings->rules;
    *wanted = (struct names_wanted){
        .users = calloc(rules->user_count + 1, sizeof(char *)),
        .groups = calloc(rules->group_count + 1, sizeof(char *)),
    };
    if (!wanted->users || !wanted->groups) {
        settings_wanted_clear(wanted);
        return false;
    }
    wanted->users[wanted->user_count++] = (char *)(uintptr_t)HACLUSTER;
    wanted->groups[wanted->group_count++] = settings->config->socket_group;
    for (size_t i = 0; i < rules->user_count; i++)
        wanted->users[wanted->user_count++] = rules->users[i].config->name;
    for (size_t i = 0; i < rules->group_count; i++)
        wanted->groups[wanted->group_count++] = rules->groups[i].config->name;
    return true;
}

void settings_wanted_clear(struct names_wanted *wanted)
{
    free(wanted->users);
    free(wanted->groups);
    *wanted = (struct names_wanted){0};
}

static enum access_name_state state_of(enum names_state state)
{
    switch (state) {
    case NAMES_FOUND:
        return ACCESS_NAME_KNOWN;
    case NAMES_NONE:
        return ACCESS_NAME_UNKNOWN;
    case NAMES_FAILED:
        break; /* as good as no answer: whether a "deny" is about somebody is open */
    }
    return ACCESS_NAME_PENDING;
}

void settings_take_names(struct settings *settings, struct names *names)
{
    struct access_rules *rules = settings->rules;
    struct access_gate *gate = &settings->policy.gate;
    uid_t uid = ACCESS_NOBODY;
    gid_t gid = ACCESS_NO_GID;
    if (names != settings->names)
        names_free(settings->names);
    settings->names = names;
    if (!names)
        return;
    enum names_state group = names_group(names, settings->config->socket_group, &gid);
    gate->group = group == NAMES_FOUND ? gid : ACCESS_NO_GID;
    settings->group_missing = group != NAMES_FOUND;
    gate->hacluster = names_user(names, HACLUSTER, &uid) == NAMES_FOUND ? uid : ACCESS_NOBODY;
    for (size_t i = 0; i < rules->user_count; i++) {
        enum names_state state = names_user(names, rules->users[i].config->name, &uid);
        access_rules_set_user(rules, i, state_of(state), uid);
    }
    for (size_t i = 0; i < rules->group_count; i++) {
        enum names_state state = names_group(names, rules->groups[i].config->name, &gid);
        access_rules_set_group(rules, i, state_of(state), gid);
    }
}

struct settings *settings_load(const char *path, struct error *error)
{
    _cleanup_(settings_freep) struct settings *settings = calloc(1, sizeof(*settings));
    if (!settings) {
        error_set(error, ERROR_INTERNAL, "no memory for the configuration");
        return NULL;
    }
    settings->config = config_load(path, error);
    if (!settings->config)
        return NULL;
    const char *file = settings->config->secret_file;
    settings->secret = file ? secret_from_file(file, error) : secret_from_credential("proxmox-secret", error);
    if (!settings->secret)
        return NULL;
    if (settings->config->ca_file) {
        settings->ca_pem = read_ca(settings->config->ca_file, error);
        if (!settings->ca_pem)
            return NULL;
    }
    settings->rules = access_rules_new(settings->config, error);
    if (!settings->rules)
        return NULL;
    settings->policy = (struct access_policy){
        .gate = {.group = ACCESS_NO_GID, .hacluster = ACCESS_NOBODY, .overflow_uid = overflow_uid()},
        .enable_acl = settings->config->enable_acl,
        .rules = settings->rules,
    };
    return TAKE(settings);
}

void settings_free(struct settings *settings)
{
    if (!settings)
        return;
    access_rules_free(settings->rules);
    names_free(settings->names);
    config_free(settings->config);
    secret_free(settings->secret);
    free(settings->ca_pem);
    free(settings);
}

void settings_freep(struct settings **settings)
{
    settings_free(*settings);
    *settings = NULL;
}
