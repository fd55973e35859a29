/*
 * The sections [role NAME], [group NAME] and [user NAME]: who has which entries, in the order of the file.
 * Private to the configuration's room. It knows that an entry is "rule = …" or "role = NAME"; what a rule
 * says, policy/access knows.
 */
#pragma once

#include "system/config.h"
#include "system/config_ini.h"

#define CONFIG_ACCESS_SECTIONS "[role NAME], [group NAME], [user NAME]"

/* Is this section head one of the three? "role" alone is: its name is missing then. */
bool config_access_is(struct config_slice head);
/* Both return 0, or -EINVAL or -ENOMEM with *error ("FILE:LINE: …"). An entry belongs to the section begun
 * last. */
int config_access_begin(struct config *config, const struct config_item *item, struct error *error)
    __attribute__((warn_unused_result));
int config_access_entry(struct config *config, const struct config_item *item, struct error *error)
    __attribute__((warn_unused_result));
/* Adds the roles monitor, operator and administrator where somebody has them and the file does not say what
 * they are. 0, or -ENOMEM with *error. */
int config_access_finish(struct config *config, struct error *error) __attribute__((warn_unused_result));
void config_access_free(struct config *config);
