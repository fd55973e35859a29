/*
 * fence-broker-admin check --can: may a user do something, by the rules of the file and without a daemon. It
 * runs the code that decides in the daemon, and says what decided.
 */
#pragma once

#include "policy/access.h"

/* `arguments`: USER ACTION PLUG [name=N] [vmid=N] [pool=P] [tag=T …], NULL-terminated. Prints the verdict.
 * The exit status: 0 yes, 2 no, 1 it cannot be told (an unknown user, or it depends on what only Proxmox
 * knows). */
int can_run(const struct config *config, const struct access_policy *policy, char *const *arguments);
