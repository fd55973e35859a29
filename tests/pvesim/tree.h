/*
 * A guest's process tree: what is "running" about a running guest.
 *
 * PID 1 of a PID namespace of its own stands for QEMU. It runs the payload (the guest's operating system) and
 * one more process, restarts the payload on a reset, and ends when the payload ends. When it dies, the kernel
 * kills whatever is left in the namespace; when pvesim dies, the kernel kills PID 1. Without the right to
 * make namespaces the tree is a process group, which is weaker: a process that leaves the group outlives the
 * guest.
 *
 * Knows no VMIDs' meaning, no tasks, no API.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tree;

struct tree_spec {
    int vmid;
    const char *name;
    const char *disk;              /* file that the default payload writes to; GUEST_DISK of a command */
    const char *command;           /* for /bin/sh -c; NULL: the built-in payload */
    bool namespaces;               /* false: process group */
    void (*on_end)(void *context); /* once, from the event loop, when all processes have ended; the tree is
                                      gone when it returns */
    void *context;
};

/* Whether this process may make PID namespaces. */
bool tree_namespaces_work(void);
/* Start. 0, or a negative errno. */
int tree_start(struct event_base *base, const struct tree_spec *spec, struct tree **out)
    __attribute__((warn_unused_result));
/* Kill at once, do not call on_end, release. Accepts NULL. */
void tree_free(struct tree *tree);

/* SIGTERM ends it as an orderly QEMU would, SIGKILL at once; on_end follows when it has happened. */
void tree_signal(struct tree *tree, int signal);
/* Kill the payload and start it anew; PID 1 stays. */
void tree_reset(struct tree *tree);

pid_t tree_pid(const struct tree *tree);         /* of PID 1, as this process sees it */
pid_t tree_payload_pid(const struct tree *tree); /* 0 if there is none just now */
int tree_alive(const struct tree *tree);         /* number of living processes */
int64_t tree_age_ms(const struct tree *tree);    /* since PID 1 was started */
