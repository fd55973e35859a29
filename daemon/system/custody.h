/*
 * Who besides us can have written a file that decides whom the daemon trusts, and with whose rights a command
 * of root's looks at such files: those of the service's user, whom they are for.
 */
#pragma once

#include "system/error.h"

#include <stdbool.h>
#include <sys/stat.h>

#define CUSTODY_USER "fence-broker" /* of the systemd unit, and its group */

/* Refused: a file that belongs to another user than root and us, that everybody may write, or that lies in a
 * folder in which everybody may put another in its place (a sticky one is fine). `label`: how messages begin,
 * `path` included. False: *error is set. */
bool custody_check(const char *label, const char *path, const struct stat *file, enum error_code code,
                   struct error *error);
/* The group of the service, by /etc/group alone: no name service is waited for. */
bool custody_is_group(gid_t group);

/* From now on, where we are root and the service's user exists, files are opened as that user; the user's
 * name, or NULL: nothing has changed. One thread, and not for long. */
const char *custody_enter(void);
void custody_leave(const char *entered);
