/* Corosync's configuration, as far as a cluster of two goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/say.h"

#define COROSYNC_CONF "/etc/corosync/corosync.conf"

struct corosync {
    bool two_node;
    int wait_for_all; /* 1, 0; -1: not said */
    bool device;      /* a quorum device */
};

/* The file's path: COROSYNC_MAIN_CONFIG_FILE of the environment, as corosync itself has it, or the usual one.
 */
const char *corosync_path(void);
/* Reads it. 0, or -1 and `failure` is set. */
int corosync_read(struct corosync *corosync, struct failure *failure) __attribute__((warn_unused_result));

/* Calls `name` with the name of every node in it (their "name:", or the first address of one without). 0, or
 * -1 and `failure` is set. */
int corosync_each_node(void (*name)(void *context, const char *name), void *context, struct failure *failure)
    __attribute__((warn_unused_result));
