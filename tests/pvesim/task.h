/*
 * Tasks: UPIDs, what is known about them, and the lock of the guest that most of them take.
 *
 * A worker of the real thing is a process; here it is a chain of timers. Knows nothing of what a task does.
 */
#pragma once

#include "sim.h"

#include <event2/event.h>
#define HASH_NONFATAL_OOM 1
#include <sys/types.h>
#include <uthash.h>

#define TASKS_KEPT_MAX 20000 /* finished ones; older ones are forgotten */

struct fault;
struct guest;
struct node;

struct task {
    char *upid;
    struct node *node;
    const char *type; /* qmstop …; static */
    int vmid;
    char *user; /* user or token */
    uint32_t pid, pstart;
    int64_t start_s, end_s;
    char *exitstatus; /* NULL while it runs */

    /* its work */
    struct sim *sim;
    struct event *timer;
    void (*step)(struct task *task);
    void (*locked)(struct task *task); /* what waits for the lock */
    void (*act)(struct task *task);    /* what may be held */
    const struct fault *held_by;       /* NULL: goes on */
    void (*ended)(struct task *task);  /* NULL, or called once at the end */
    struct task *next_waiter;          /* for the guest's lock */
    int64_t timeout_ms;                /* what the call asked for; -1: default */
    bool skiplock, waits_for_end;
    pid_t old_payload; /* of a reset: what must be gone at its end */
    char *ha_target;

    struct task *newer, *older; /* of all */
    UT_hash_handle hh;
};

int tasks_init(struct sim *sim) __attribute__((warn_unused_result));
void tasks_free(struct tasks *tasks);

/* A new running task; `first` is called from the event loop. NULL without memory. */
struct task *task_new(struct sim *sim, struct node *node, const char *type, int vmid, const char *user,
                      void (*first)(struct task *task));
/* Call `step` after so many milliseconds (not scaled). */
void task_after(struct task *task, int64_t ms, void (*step)(struct task *task));
/* Likewise, for the deed itself: the fault "held" keeps the task before it until it is cleared. */
void task_act_after(struct task *task, int64_t ms, void (*step)(struct task *task));
bool task_is_held(const struct guest *guest);
void tasks_release(struct sim *sim); /* those whose fault is gone */
/* Take the guest's lock, then call `step`; ends the task with "got timeout" if it cannot be had. */
void task_lock(struct task *task, struct guest *guest, void (*step)(struct task *task));
/* The end, with its exit status: releases the lock. A task that has ended stays as it ended. */
void task_end(struct task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));
void task_ok(struct task *task);

struct task *task_find(const struct sim *sim, const char *upid);
struct task *task_newest(const struct sim *sim); /* then ->older */
/* Whether `id` may see it as its own: a token its own, a user its own and its tokens'. */
bool task_is_of(const struct task *task, const char *id);
