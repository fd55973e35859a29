/* The doctor's look at Pacemaker on this node. */
#pragma once

#include "fence/diagnosis.h"

/* Looks at the set-up of Pacemaker, as the caller, and holds it against what the broker at `socket` knows;
 * NULL: there is none, and only what needs none is looked at. Adds its findings behind the others. */
void cluster_examine(struct diagnosis *report, const char *socket);
