/*
 * Power calls: what a start, stop, reset, shutdown or reboot does to a guest, and the task that does it.
 *
 * Gives the real thing's errors word for word. Knows no HTTP; parameters have been checked.
 */
#pragma once

#include "cluster.h"
#include "task.h"

struct power_call {
    struct node *node; /* the host that was asked, and has its own view of the cluster */
    int vmid;
    bool is_lxc;
    const char *user;
    int64_t timeout_ms; /* -1: default */
    bool skiplock, overrule_shutdown;
    bool by_ha; /* the HA manager's own: not handed to the HA manager again */
};

/* Begin. The task, or NULL with *error (owned by the caller): the text of an HTTP 500. */
struct task *power_start(struct sim *sim, const struct power_call *call, char **error);
struct task *power_stop(struct sim *sim, const struct power_call *call, char **error);
struct task *power_reset(struct sim *sim, const struct power_call *call, char **error);
struct task *power_shutdown(struct sim *sim, const struct power_call *call, char **error);
struct task *power_reboot(struct sim *sim, const struct power_call *call, char **error);

/* A guest began or ceased to run: wakes the tasks that wait for that. */
void power_guest_changed(struct guest *guest);
