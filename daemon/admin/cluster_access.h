/* Do Pacemaker's access rules and the broker's say the same? */
#pragma once

#include "fence/diagnosis.h"

/* Adds a finding where Pacemaker has rules in force and ours allow something else. Takes root, and asks the
 * name service however long that takes. `config` is the broker's configuration; `socket`: NULL: no daemon. */
void cluster_compare_access(struct diagnosis *report, const char *config, const char *socket);
