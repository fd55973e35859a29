/*
 * Where users come from: pam and pve, and what DIR/domains.cfg names beside them.
 *
 * Knows no passwords.
 */
#pragma once

#include "sim.h"

struct realm {
    char *name, *type, *comment; /* comment may be NULL */
    struct realm *next;
};

/* All realms, pam and pve first; read anew each time. NULL without memory. */
struct realm *realms_load(const struct sim *sim);
void realms_free(struct realm *realms);
/* Whether users of user@realm's realm have passwords: there is such a realm, and it is not OpenID Connect. */
bool realms_have_passwords(const struct sim *sim, const char *user);
