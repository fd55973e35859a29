/*
 * Reading and checking what comes from outside. Nothing of it reaches a room before all of it is good.
 */
#include "settings.h"

#include "system/cleanup.h"

#include <errno.h>
#include <grp.h>
#include <openssl/pem.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define CA_FILE_MAX (1024 * 1024)

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

/* Names are resolved here and never during a request: a directory service may hang. */
static void resolve_gate(struct settings *settings)
{
    const struct group *group = getgrnam(settings->config->socket_group);
    settings->gate.group = group ? group->gr_gid : ACCESS_NO_GID;
    settings->group_missing = group == NULL;
    const struct passwd *user = getpwnam("hacluster");
    settings->gate.hacluster = user ? user->pw_uid : ACCESS_NOBODY;

    unsigned overflow = 65534;
    FILE *file = fopen("/proc/sys/kernel/overflowuid", "re");
    if (file) {
        if (fscanf(file, "%u", &overflow) != 1)
            overflow = 65534;
        fclose(file);
    }
    settings->gate.overflow_uid = overflow;
}

/* From its file, or from systemd. */
static struct secret *load_secret(struct settings *settings, const char *file, const char *credential,
                                  struct error *error)
{
    settings->credential_secrets |= !file;
    return file ? secret_from_file(file, error) : secret_from_credential(credential, error);
}

static bool load_secrets(struct settings *settings, struct error *error)
{
    const struct config *config = settings->config;
    settings->secret = load_secret(settings, config->secret_file, "proxmox-secret", error);
    if (!settings->secret)
        return false;
    if (config->token_id || (!config->totp_file && !secret_credential_exists("proxmox-totp")))
        return true;
    _cleanup_(secret_freep) struct secret *base32 =
        load_secret(settings, config->totp_file, "proxmox-totp", error);
    if (!base32)
        return false;
    settings->totp =
        totp_new(base32, config->totp_file ? config->totp_file : "the credential \"proxmox-totp\"", error);
    return settings->totp != NULL;
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
    if (!load_secrets(settings, error))
        return NULL;
    if (settings->config->ca_file) {
        settings->ca_pem = read_ca(settings->config->ca_file, error);
        if (!settings->ca_pem)
            return NULL;
    }
    resolve_gate(settings);
    return TAKE(settings);
}

void settings_free(struct settings *settings)
{
    if (!settings)
        return;
    config_free(settings->config);
    secret_free(settings->secret);
    totp_free(settings->totp);
    free(settings->ca_pem);
    free(settings);
}

void settings_freep(struct settings **settings)
{
    settings_free(*settings);
    *settings = NULL;
}
