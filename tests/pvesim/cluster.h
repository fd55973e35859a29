/*
 * The hosts and guests of the simulated cluster: configuration, and the process trees of what runs.
 *
 * Read from DIR/cluster.conf, changed by power calls and by the control socket. Knows no HTTP, no users and
 * no tasks.
 */
#pragma once

#include "sim.h"
#include "tree.h"

#include <stddef.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define CLUSTER_PVE_DEFAULT "9.2.11"

enum node_state {
    NODE_ONLINE,
    NODE_DEAD, /* without power: answers nothing, its guests are gone */
    NODE_CUT,  /* without network to the others: goes on with what it knew, alone */
};

/* The part of a guest that all hosts share through /etc/pve; a host that is cut off keeps an old copy. */
struct guest_config {
    struct node *node;
    char *lock;       /* NULL: none */
    char *ha_state;   /* NULL: no HA manager serves it */
    char *ha_request; /* started, stopped …; NULL: not an HA service */
};

struct frozen_guest {
    int vmid;
    struct guest_config config;
    UT_hash_handle hh;
};

/* What a host's HA does (ha_hosts.h). */
enum ha_host_state { HA_HOST_ONLINE, HA_HOST_UNKNOWN, HA_HOST_FENCE };
struct ha_host {
    enum ha_host_state state; /* by the manager's word */
    bool active;              /* its LRM is: it holds its agent lock and its watchdog */
    bool no_watchdog;         /* of the hardware: nothing ever resets it */
    int64_t written_ms;       /* the timestamp of its LRM, by the clock of HA */
    int64_t left_ms;          /* when the manager missed it; 0: it is there */
};

struct node {
    char *name;
    enum node_state state;
    int64_t booted_ms;           /* CLOCK_BOOTTIME: when it came back from NODE_DEAD; 0: with this machine */
    char *listen;                /* HOST:PORT wanted; NULL: no endpoint of its own */
    struct frozen_guest *frozen; /* what it knew when it was cut off */
    struct ha_host ha;
    char *ha_state;      /* shown by cluster/resources instead of what HA says; NULL: that */
    bool pvestatd_hangs; /* for five minutes and more: its statistics are gone */
    bool corosync_died;  /* likewise, and so it was cut off: still shows the members it had */
    struct node *next;
};

struct guest {
    int vmid;
    bool is_lxc, template, deaf, hung, nostart, nic;
    char *name, *uuid, *tags, *hookscript, *command;
    int64_t stop_ms, start_ms, ha_ms, shutdown_ms; /* shutdown_ms < 0: ignores ACPI */
    bool autostart;
    struct guest_config config;

    struct sim *sim;
    struct tree *tree;   /* NULL: no process lives */
    struct node *host;   /* where the tree runs, while there is one */
    bool hidden;         /* fault: reads stopped although it runs */
    struct event *death; /* fault: when an undead guest really dies */

    /* power.c */
    struct task *lock_holder, *waiters;
    struct event *ha_timer;

    /* what lists show while they are frozen */
    bool listed_running;
    int64_t listed_uptime_s;
    struct node *listed_node;

    UT_hash_handle hh;
};

struct cluster {
    char *version; /* 9.2.11 */
    char *command; /* of guests that have none of their own */
    struct node *nodes;
    struct guest *guests;
    bool lists_frozen;
    void (*changed)(struct guest *guest); /* a guest began or ceased to run */
};

/* Read DIR/cluster.conf. 0, or a negative errno with *message (owned by the caller) saying where and why. */
int cluster_load(struct sim *sim, char **message) __attribute__((warn_unused_result));
void cluster_free(struct cluster *cluster);

int cluster_pve(const struct cluster *cluster); /* 9 */
bool cluster_at_least(const struct cluster *cluster, int major, int minor);
struct node *cluster_node(const struct cluster *cluster, const char *name);
struct guest *cluster_guest(const struct cluster *cluster, int64_t vmid);
/* The guest's configuration as `view` sees it: the shared one, or the old copy of a host that is cut off. */
const struct guest_config *cluster_config(const struct guest *guest, const struct node *view);
/* Whether `view` sees `node` online. */
bool cluster_sees(const struct node *view, const struct node *node);
/* Whether hosts that `view` sees are a majority. */
bool cluster_quorate(const struct cluster *cluster, const struct node *view);

/* Set a key of the guest (lock, ha, node, stop-ms …), as in cluster.conf. 0, -EINVAL, -ENOMEM. */
int cluster_guest_set(struct cluster *cluster, struct guest *guest, const char *key, const char *value)
    __attribute__((warn_unused_result));
void cluster_node_set(struct sim *sim, struct node *node, enum node_state state);
/* Show in lists what is true now until they are thawed. */
void cluster_freeze_lists(struct cluster *cluster, bool frozen);
/* NULL clears. */
int cluster_string_set(char **string, const char *value) __attribute__((warn_unused_result));

/* Processes. */
int guest_start(struct guest *guest) __attribute__((warn_unused_result)); /* on its configured host */
void guest_kill(struct guest *guest);
/* What its host would say: a process lives, and no fault hides it. */
bool guest_reads_running(const struct guest *guest, const struct node *node);
/* Whether any process of it lives on the host. */
bool guest_lives_on(const struct guest *guest, const struct node *node);
const char *guest_type(const struct guest *guest); /* qemu or lxc */
