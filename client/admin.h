/* What fence-broker-admin does for the client. */
#pragma once

#include <stdbool.h>

#include "say.h"

/* Becomes its doctor, which asks the broker at `socket`. Returns, -1 and `failure` is set, only if it cannot.
 */
int admin_doctor(const char *socket, bool json, struct failure *failure);

/* The names of the cluster's nodes, percent-encoded and separated by commas. NULL: not known (or too many for
 * a request). The caller frees. */
char *admin_node_names(void);
