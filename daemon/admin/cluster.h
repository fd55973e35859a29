/* The doctor's look at Pacemaker on this node. */
#pragma once

#include <stdbool.h>

#include "client/say.h"
#include "fence/diagnosis.h"

/* A fence of `node` that ran on the node `by`: if that is this one, and no other device than ours can have
 * done it, *vmid is the guest's; else NULL. 0, or -1 and `failure` is set. */
int cluster_only_ours(const char *socket, const char *node, const char *by, const char **vmid,
                      struct failure *failure);

/* Looks at the set-up of Pacemaker, as the caller, and holds it against what the broker at `socket` knows;
 * NULL: none is asked, and only what needs none is looked at. Adds its findings behind the others.
 * `deadline_ms`: of the broker's operations, if it is not asked; 0: not known. */
/* True: Pacemaker answered, and its configuration has access rules. */
bool cluster_examine(struct diagnosis *report, const char *socket, int64_t deadline_ms);
