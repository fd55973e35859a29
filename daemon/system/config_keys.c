/*
 * The configuration's table of keys, and the functions that put a value where it belongs. Knows neither lines
 * nor files; the shapes of values are config_value.c's.
 */
#include "system/config_keys.h"

#include "system/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENDPOINTS_MAX    64
#define POOLS_MAX        256
#define FINGERPRINTS_MAX 256 /* an old and a new one of each endpoint, and room */

#define MS     INT64_C(1)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

const char *const config_section_names[CONFIG_SECTION_COUNT] = {"proxmox", "fence", "nodes",
                                                                "socket",  "state", "access"};

/* ---- types: how a value becomes a member ------------------------------------------------------------- */

static int set_string(struct config *config, const struct config_key *key, const char *value,
                      struct config_problem *problem)
{
    char **member = (char **)((char *)config + key->offset);
    int result = key->check(value, problem);
    if (result < 0)
        return result;
    free(*member);
    *member = strdup(value);
    return *member ? 0 : -ENOMEM;
}

static int set_word(struct config *config, const struct config_key *key, const char *value,
                    struct config_problem *problem)
{
    bool *member = (bool *)((char *)config + key->offset);
    *member = strcmp(value, key->words[1]) == 0;
    if (*member || strcmp(value, key->words[0]) == 0)
        return 0;
    return config_bad(problem, "is not allowed here; allowed: %s, %s", key->words[0], key->words[1]);
}

int config_out_of_memory(const char *path, struct error *error)
{
    error_set(error, ERROR_INTERNAL, "%s: %s", path, strerror(ENOMEM));
    error_hint(error, "free some memory and try again");
    return -ENOMEM;
}

int config_grow(void **array, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return 0;
    void *larger = reallocarray(*array, count ? count * 2 : 1, size);
    if (!larger)
        return -ENOMEM;
    *array = larger;
    return 0;
}

static int set_endpoint(struct config *config, const struct config_key *key, const char *value,
                        struct config_problem *problem)
{
    (void)key;
    struct config_endpoint endpoint = {0};
    int result = config_value_endpoint(value, &endpoint, problem);
    if (result < 0)
        return result;
    for (size_t i = 0; i < config->endpoint_count; i++) {
        const struct config_endpoint *other = &config->endpoints[i];
        if (other->port == endpoint.port && strcasecmp(other->address, endpoint.address) == 0)
            result = config_bad(problem, "is already listed: a second line adds no second way to Proxmox");
    }
    if (result == 0 && config->endpoint_count == ENDPOINTS_MAX)
        result = config_bad(problem, "is one too many: at most %d endpoints", ENDPOINTS_MAX);
    if (result == 0)
        result = config_grow((void **)&config->endpoints, config->endpoint_count, sizeof(endpoint));
    if (result < 0)
        config_endpoint_clear(&endpoint);
    else
        config->endpoints[config->endpoint_count++] = endpoint;
    return result;
}

static int set_pool(struct config *config, const struct config_key *key, const char *value,
                    struct config_problem *problem)
{
    (void)key;
    int result = config_value_pool(value, problem);
    for (size_t i = 0; result == 0 && i < config->pool_count; i++) {
        if (strcmp(config->pools[i], value) == 0)
            result = config_bad(problem, "is already listed");
    }
    if (result == 0 && config->pool_count == POOLS_MAX)
        result = config_bad(problem, "is one too many: at most %d pools", POOLS_MAX);
    if (result == 0)
        result = config_grow((void **)&config->pools, config->pool_count, sizeof(*config->pools));
    if (result < 0)
        return result;
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    config->pools[config->pool_count++] = copy;
    return 0;
}

static int set_fingerprint(struct config *config, const struct config_key *key, const char *value,
                           struct config_problem *problem)
{
    (void)key;
    struct config_fingerprint fingerprint;
    int result = config_value_fingerprint(value, &fingerprint, problem);
    if (result == 0 && config->fingerprint_count == FINGERPRINTS_MAX)
        result = config_bad(problem, "is one too many: at most %d fingerprints", FINGERPRINTS_MAX);
    if (result == 0)
        result = config_grow((void **)&config->fingerprints, config->fingerprint_count, sizeof(fingerprint));
    if (result == 0)
        config->fingerprints[config->fingerprint_count++] = fingerprint;
    return result;
}

static int set_duration(struct config *config, const struct config_key *key, const char *value,
                        struct config_problem *problem)
{
    int64_t *member = (int64_t *)(void *)((char *)config + key->offset);
    return config_value_duration(value, key->min, key->max, key->step, member, problem);
}

/* One that may be 0: never. */
static int set_interval(struct config *config, const struct config_key *key, const char *value,
                        struct config_problem *problem)
{
    int64_t *member = (int64_t *)(void *)((char *)config + key->offset);
    int result = 0;
    if (strcmp(value, "0") == 0 || strcmp(value, "0s") == 0)
        *member = 0;
    else if ((result = set_duration(config, key, value, problem)) == -EINVAL)
        snprintf(
            problem->hint, sizeof(problem->hint), "%s",
            key->max == HOUR
                ? "write 0 (never), or a number and its unit, one of ms, s, min, h, together: from 1s to 1h"
                : "write 0 (never), or a number and its unit, one of ms, s, min, h, together: from 1s to "
                  "10min");
    return result;
}

static int set_online_nodes(struct config *config, const struct config_key *key, const char *value,
                            struct config_problem *problem)
{
    (void)key;
    return config_value_online_nodes(value, &config->min_online_nodes, problem);
}

/* ---- the table --------------------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct config, member)

const struct config_key config_keys[] = {
    {CONFIG_PROXMOX, "endpoint", set_endpoint, .repeatable = true},
    {CONFIG_PROXMOX, "token-id", set_string, AT(token_id), .check = config_value_token_id},
    {CONFIG_PROXMOX, "user", set_string, AT(user), .check = config_value_user},
    {CONFIG_PROXMOX, "secret-file", set_string, AT(secret_file), .check = config_value_path},
    {CONFIG_PROXMOX, "totp-file", set_string, AT(totp_file), .check = config_value_path},
    {CONFIG_PROXMOX, "ca-file", set_string, AT(ca_file), .check = config_value_path},
    {CONFIG_PROXMOX, "fingerprint", set_fingerprint, .repeatable = true},
    {CONFIG_PROXMOX, "pool", set_pool, .repeatable = true},
    {CONFIG_PROXMOX, "poll-interval", set_duration, AT(poll_interval_ms), .fallback = "14s", .min = SECOND,
     .max = 10 * MINUTE, .step = MS},
    {CONFIG_PROXMOX, "check-interval", set_interval, AT(check_interval_ms), .former = "visit-interval",
     .fallback = "2min", .min = SECOND, .max = 10 * MINUTE, .step = MS},
    {CONFIG_PROXMOX, "rehearse-interval", set_interval, AT(rehearse_interval_ms), .fallback = "2min",
     .min = SECOND, .max = HOUR, .step = MS},
    {CONFIG_PROXMOX, "answer-timeout", set_duration, AT(answer_timeout_ms), .fallback = "4s", .min = 500 * MS,
     .max = 60 * SECOND, .step = MS},
    {CONFIG_PROXMOX, "min-online-nodes", set_online_nodes, .fallback = "majority"},
    {CONFIG_PROXMOX, "least-privilege", set_word, AT(excess_tolerated), .words = {"enforce", "warn"},
     .fallback = "enforce"},
    {CONFIG_FENCE, "deadline", set_duration, AT(deadline_ms), .fallback = "240s", .min = 5 * SECOND,
     .max = HOUR, .step = MS},
    {CONFIG_FENCE, "lock-wait", set_duration, AT(lock_wait_ms), .fallback = "5s", .min = 0,
     .max = 10 * MINUTE, .step = MS},
    {CONFIG_FENCE, "stop-timeout", set_duration, AT(stop_timeout_ms), .fallback = "3s", .min = 0,
     .max = 60 * SECOND, .step = SECOND},
    {CONFIG_FENCE, "dead-host", set_word, AT(trust_ha), .words = {"fail", "trust-ha"}, .fallback = "fail"},
    {CONFIG_SOCKET, "path", set_string, AT(socket_path), .check = config_value_socket,
     .fallback = "/run/fence-broker/broker.sock"},
    {CONFIG_SOCKET, "metrics-path", set_string, AT(metrics_path), .check = config_value_socket,
     .fallback = "/run/fence-broker/metrics.sock"},
    {CONFIG_SOCKET, "group", set_string, AT(socket_group), .check = config_value_group,
     .fallback = "haclient"},
    {CONFIG_STATE, "directory", set_string, AT(state_directory), .check = config_value_path,
     .fallback = "/var/lib/fence-broker"},
    {CONFIG_ACCESS, "enable-acl", set_word, AT(enable_acl), .words = {"no", "yes"}, .fallback = "no"},
};

const size_t config_key_count = ARRAY_LEN(config_keys);
_Static_assert(ARRAY_LEN(config_keys) <= CONFIG_KEYS_MAX, "the parser remembers each key");
