/*
 * The table of what may stand in the configuration: sections, keys, how each value becomes a member of struct
 * config, and its default. Private to the configuration's room; it knows no lines and no messages about them.
 */
#pragma once

#include "system/config_value.h"

enum config_section {
    CONFIG_PROXMOX,
    CONFIG_FENCE,
    CONFIG_NODES, /* its keys are names, not words: not in the table */
    CONFIG_SOCKET,
    CONFIG_STATE,
    CONFIG_ACCESS,
    CONFIG_SECTION_COUNT,
};

struct config_key;
/* 0; -EINVAL with *problem filled; -ENOMEM. What was set before stays owned by config. */
typedef int config_set_fn(struct config *config, const struct config_key *key, const char *value,
                          struct config_problem *problem);

struct config_key {
    enum config_section section;
    const char *name;
    config_set_fn *set;
    bool repeatable;
    size_t offset; /* of the member of struct config, for types that several keys share */
    int (*check)(const char *value, struct config_problem *problem); /* of a string */
    const char *words[2]; /* of a bool: what false and true are called */
    const char *fallback; /* the default, as it could be written; NULL: none */
    const char *former;   /* what it was called in earlier versions; still taken. NULL: it never was */
    int64_t min, max, step;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;
#define CONFIG_KEYS_MAX 64 /* rows of the table, checked where it is defined */

extern const char *const config_section_names[CONFIG_SECTION_COUNT];

/* Room for one more element behind `count`, doubling at powers of two; 0 or -ENOMEM. */
int config_grow(void **array, size_t count, size_t size);
/* -ENOMEM, with *error. */
int config_out_of_memory(const char *path, struct error *error);
