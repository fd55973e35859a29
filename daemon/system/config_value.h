/*
 * The values of the configuration, one function a type: a NUL-terminated value in, its meaning out. On a bad
 * value they return -EINVAL and say what is wrong with it (and what is allowed) in *problem; -ENOMEM without
 * words. They know no keys, no lines and no files.
 */
#pragma once

#include "system/config.h"

#define CONFIG_PROBLEM_MAX 320

struct config_problem {
    char what[CONFIG_PROBLEM_MAX]; /* "is not …": follows the quoted value */
    char hint[CONFIG_PROBLEM_MAX]; /* may be empty */
};

#define CONFIG_VALUE_CHECKED __attribute__((warn_unused_result))

/* Says what is wrong. -EINVAL. */
int config_bad(struct config_problem *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* HOST, HOST:PORT, [IPv6], [IPv6]:PORT, each with "as NAME". On failure nothing is allocated. */
int config_value_endpoint(const char *value, struct config_endpoint *out,
                          struct config_problem *problem) CONFIG_VALUE_CHECKED;
void config_endpoint_clear(struct config_endpoint *endpoint); /* frees the strings */
/* 10s, 500ms, 4min, 1h within the range, in whole units of step_ms. */
int config_value_duration(const char *value, int64_t min_ms, int64_t max_ms, int64_t step_ms, int64_t *out_ms,
                          struct config_problem *problem) CONFIG_VALUE_CHECKED;
/* "AB:CD:…", 32 pairs of hexadecimal digits. */
int config_value_fingerprint(const char *value, struct config_fingerprint *out,
                             struct config_problem *problem) CONFIG_VALUE_CHECKED;
int config_value_user(const char *value, struct config_problem *problem) CONFIG_VALUE_CHECKED;
int config_value_token_id(const char *value, struct config_problem *problem) CONFIG_VALUE_CHECKED;
int config_value_pool(const char *value, struct config_problem *problem) CONFIG_VALUE_CHECKED;
int config_value_node(const char *value,
                      struct config_problem *problem) CONFIG_VALUE_CHECKED; /* left of '=' */
int config_value_target(const char *value,
                        struct config_problem *problem) CONFIG_VALUE_CHECKED; /* right of it */
int config_value_path(const char *value, struct config_problem *problem) CONFIG_VALUE_CHECKED;
/* Root's own socket is beside the broker's, with this behind its name, and clients know it: none of the
 * configuration's may have such a name. */
#define CONFIG_ROOT_SUFFIX ".root"
int config_value_socket(const char *value, struct config_problem *problem) CONFIG_VALUE_CHECKED;
int config_value_group(const char *value, struct config_problem *problem) CONFIG_VALUE_CHECKED;
/* "majority" is 0, else a number of hosts. */
int config_value_online_nodes(const char *value, int *out,
                              struct config_problem *problem) CONFIG_VALUE_CHECKED;
