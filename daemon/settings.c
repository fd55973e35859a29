/*
 * Reading and checking what comes from outside. Nothing of it reaches a room before all of it is good.
 */
#include "settings.h"

#include "policy/access_lint.h"
#include "proxmox/inventory.h"
#include "system/cleanup.h"
#include "system/custody.h"
#include "system/log.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CA_FILE_MAX (1024 * 1024)
#define HACLUSTER   "hacluster" /* Pacemaker's user */
#define RENAMED     "%s is called %s now; its former name is still taken"

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
    struct stat st;
    char label[ERROR_MESSAGE_MAX];
    if (!file || fstat(fileno(file), &st) < 0) {
        if (file)
            fclose(file);
        error_set(error, ERROR_CERTIFICATE, "ca-file %s: %s", path, strerror(errno));
        if (errno == EACCES)
            error_hint(error, "let fence_brokerd read it: chmod 0644 '%s'", path);
        else
            error_hint(error, "copy /etc/pve/pve-root-ca.pem from a Proxmox host to that place");
        return NULL;
    }
    snprintf(label, sizeof(label), "ca-file %s", path);
    if (!custody_check(label, path, &st, ERROR_CERTIFICATE, error)) {
        fclose(file);
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

/* From its file, or from systemd. */
static struct secret *load_secret(struct settings *settings, const char *file, const char *credential,
                                  struct error *error)
{
    settings->credential_secrets |= !file;
    return file ? secret_from_file(file, error) : secret_from_credential(credential, error);
}

/* A token's secret is a UUID: what was copied along with it is told here, and not by Proxmox as a wrong one.
 */
static bool is_token_secret(const struct config *config, const struct secret *secret, struct error *error)
{
    if (!strpbrk(secret_reveal(secret), " \t'\"=!"))
        return true;
    error_set(error, ERROR_NO_SESSION,
              "the secret %s%s has blanks, quotes, '=' or '!' in it: the secret of a token is a UUID",
              config->secret_file ? "file " : "of the credential ",
              config->secret_file ? config->secret_file : "proxmox-secret");
    error_hint(error, "write the value that `pveum user token add` printed, and nothing else, on one line");
    return false;
}

static bool load_secrets(struct settings *settings, struct error *error)
{
    const struct config *config = settings->config;
    settings->secret = load_secret(settings, config->secret_file, "proxmox-secret", error);
    if (!settings->secret || (config->token_id && !is_token_secret(config, settings->secret, error)))
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
    totp_free(settings->totp);
    free(settings->ca_pem);
    free(settings);
}

void settings_freep(struct settings **settings)
{
    settings_free(*settings);
    *settings = NULL;
}

/* ---- what is odd in them, in the log ---- */

static void log_note(void *context, size_t line, const char *text)
{
    const struct config *config = context;
    if (line)
        log_say(KIND_RULE_ODD, NULL, "%s:%zu: %s", config->path, line, text);
    else
        log_say(KIND_RULE_ODD, NULL, "%s: %s", config->path, text);
}

void settings_warn(const struct settings *settings)
{
    for (size_t i = 0; i < settings->config->renamed_count; i++) {
        const struct config_renamed *key = &settings->config->renamed[i];
        log_say(KIND_KEY_RENAMED, NULL, "%s:%zu: " RENAMED, settings->config->path, key->line, key->former,
                key->name);
    }
    if (settings->group_missing)
        log_say(KIND_GROUP_MISSING, NULL,
                "group %s does not exist on this machine: only root and hacluster may ask",
                settings->config->socket_group);
    if (!settings->names)
        log_say(KIND_NAME_SERVICE_SILENT, NULL,
                "the name service does not answer: only root may ask, until it does");
    else if (settings->policy.enable_acl && settings->rules->pending > 0)
        log_say(KIND_NAME_SERVICE_SILENT, NULL,
                "the name service failed for %zu users and groups of the rules: only root and hacluster may "
                "ask, until a reload finds them",
                settings->rules->pending);
    access_lint(&settings->policy, settings->config, log_note, settings->config);
}

void settings_warn_of_restart(const struct config *old, const struct config *new)
{
    if (strcmp(old->socket_path, new->socket_path) != 0 ||
        strcmp(old->metrics_path, new->metrics_path) != 0 ||
        strcmp(old->state_directory, new->state_directory) != 0)
        log_say(KIND_RESTART_NEEDED, NULL,
                "a changed socket path or state directory takes effect at the next restart");
}

void settings_lint_guests(const struct settings *settings, const struct access_guest *guests, size_t count)
{
    access_lint_guests(settings->rules, guests, count, log_note, settings->config);
}

/* ---- a command that ends ---- */

void settings_print_error(const struct error *error)
{
    fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, error->message, error->hint[0] ? "; " : "",
            error->hint);
}

static void print_note(void *context, size_t line, const char *text)
{
    (void)context;
    if (line)
        printf("warning: line %zu: %s\n", line, text);
    else
        printf("warning: %s\n", text);
}

struct settings *settings_load_as_service(const char *path, const char **user, struct error *error)
{
    *user = custody_enter();
    struct settings *settings = settings_load(path, error);
    custody_leave(*user);
    if (!settings && *user) {
        struct error found = *error;
        error_set(error, found.code, "%s (checked as the user %s)", found.message, *user);
        error_hint(error, "%s", found.hint);
    }
    return settings;
}

static bool look_up_names(struct settings *settings)
{
    struct names_wanted wanted;
    if (!settings_wanted_names(settings, &wanted))
        return false;
    settings_take_names(settings, names_look_up(&wanted));
    settings_wanted_clear(&wanted);
    return settings->names != NULL;
}

struct settings *settings_load_with_names(const char *path, const char **user, struct error *error)
{
    _cleanup_(settings_freep) struct settings *settings = settings_load_as_service(path, user, error);
    if (!settings || look_up_names(settings))
        return TAKE(settings);
    error_set(error, ERROR_INTERNAL, "no memory for the names of users and groups");
    return NULL;
}

/* A password may be like that, but hardly is. */
static void check_password(const struct settings *settings)
{
    const char *word = settings->secret ? secret_reveal(settings->secret) : "";
    char first = *word, last = first ? word[strlen(word) - 1] : '\0';
    if (settings->config->user && (first == ' ' || first == '\t' || last == ' ' || last == '\t'))
        printf("warning: the password begins or ends with a blank, which is part of it\n");
    else if (settings->config->user && (first == '"' || first == '\'') && first == last)
        printf("warning: the password is in quotes, which are part of it\n");
}

/* By what the file says alone: that a VMID and a name are the same guest only Proxmox knows. */
static bool are_two_nodes(const struct config_alias *one, const struct config_alias *other)
{
    char *names[] = {other->node, one->node};
    const struct guest guest = {.aliases = names, .alias_count = ARRAY_LEN(names)};
    return guest_second_alias(&guest);
}

static void warn_of_two_names(const struct config *config)
{
    for (size_t i = 0; i < config->alias_count; i++) {
        const struct config_alias *one = &config->aliases[i], *other = config->aliases;
        while (strcasecmp(one->target, other->target) != 0) /* the first line for this guest */
            other++;
        if (are_two_nodes(one, other))
            printf("warning: [nodes] has two names for guest %s, %s and %s: fencing one of them powers off "
                   "the other\n",
                   one->target, other->node, one->node);
    }
}

int settings_check(const char *config_path)
{
    struct error error = {0};
    const char *user = NULL;
    _cleanup_(settings_freep) struct settings *settings =
        settings_load_with_names(config_path, &user, &error);
    if (!settings) {
        settings_print_error(&error);
        return 1;
    }
    if (settings->group_missing) {
        error_set(&error, ERROR_BAD_REQUEST,
                  "group %s does not exist on this machine: systemd makes no socket without it, and "
                  "otherwise only root and hacluster may ask",
                  settings->config->socket_group);
        error_hint(&error, "groupadd --system %s (installing Pacemaker creates haclient)",
                   settings->config->socket_group);
        settings_print_error(&error);
        return 1;
    }
    printf("%s: ok%s%s; %zu endpoints, %zu pools, %zu names, as %s\n", settings->config->path,
           user ? " for the user " : "", user ? user : "", settings->config->endpoint_count,
           settings->config->pool_count, settings->config->alias_count,
           settings->config->token_id ? settings->config->token_id : settings->config->user);
    check_password(settings);
    warn_of_two_names(settings->config);
    for (size_t i = 0; i < settings->config->renamed_count; i++) {
        const struct config_renamed *key = &settings->config->renamed[i];
        printf("warning: line %zu: " RENAMED "\n", key->line, key->former, key->name);
    }
    access_lint(&settings->policy, settings->config, print_note, NULL);
    return 0;
}
