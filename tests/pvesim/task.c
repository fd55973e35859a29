/* See task.h. */
#include "task.h"
#include "cluster.h"
#include "control.h"
#include "fault.h"
#include "system/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOCK_WAIT_MS 10000 /* how long a worker tries to lock a guest's configuration, scaled */

struct tasks {
    struct task *by_upid;
    struct task *newest, *oldest;
    uint32_t last_pid;
    size_t count;
};

int tasks_init(struct sim *sim)
{
    sim->tasks = calloc(1, sizeof(*sim->tasks));
    if (!sim->tasks)
        return -ENOMEM;
    sim->tasks->last_pid = (uint32_t)getpid();
    return 0;
}

static void task_free(struct task *task)
{
    if (task->timer)
        event_free(task->timer);
    free(task->upid);
    free(task->user);
    free(task->exitstatus);
    free(task->ha_target);
    free(task);
}

static void forget(struct tasks *tasks, struct task *task)
{
    *(task->newer ? &task->newer->older : &tasks->newest) = task->older;
    *(task->older ? &task->older->newer : &tasks->oldest) = task->newer;
    if (task->hh.tbl)
        HASH_DEL(tasks->by_upid, task);
    tasks->count--;
    task_free(task);
}

void tasks_free(struct tasks *tasks)
{
    while (tasks && tasks->newest)
        forget(tasks, tasks->newest);
    free(tasks);
}

static void forget_old(struct tasks *tasks)
{
    for (struct task *task = tasks->oldest, *newer = NULL; task && tasks->count > TASKS_KEPT_MAX;
         task = newer) {
        newer = task->newer;
        if (task->exitstatus)
            forget(tasks, task);
    }
}

static void timer_cb(evutil_socket_t fd, short what, void *context)
{
    struct task *task = context;
    (void)fd, (void)what;
    task->step(task);
}

void task_after(struct task *task, int64_t ms, void (*step)(struct task *task))
{
    struct timeval delay = sim_timeval(ms);
    task->step = step;
    if (event_add(task->timer, &delay) < 0)
        task_end(task, "out of memory");
}

struct task *task_new(struct sim *sim, struct node *node, const char *type, int vmid, const char *user,
                      void (*first)(struct task *task))
{
    struct tasks *tasks = sim->tasks;
    struct task *task = calloc(1, sizeof(*task));
    struct timespec up;
    if (!task)
        return NULL;
    clock_gettime(CLOCK_BOOTTIME, &up);
    task->sim = sim;
    task->node = node;
    task->type = type;
    task->vmid = vmid;
    task->timeout_ms = -1;
    task->pid = ++tasks->last_pid;
    int64_t uptime_ms = up.tv_sec * 1000 + up.tv_nsec / 1000000 - node->booted_ms;
    task->pstart = (uint32_t)(uptime_ms / 10 + 1);
    task->start_s = sim_wall_s(sim);
    task->user = strdup(user);
    task->timer = event_new(sim->base, -1, 0, timer_cb, task);
    if (!task->user || !task->timer ||
        asprintf(&task->upid, "UPID:%s:%08X:%08X:%08llX:%s:%d:%s:", node->name, task->pid, task->pstart,
                 (unsigned long long)task->start_s, type, vmid, user) < 0) {
        task->upid = NULL;
        task_free(task);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, tasks->by_upid, task->upid, strlen(task->upid), task);
    task->older = tasks->newest;
    *(tasks->newest ? &tasks->newest->newer : &tasks->oldest) = task;
    tasks->newest = task;
    tasks->count++;
    forget_old(tasks);
    task_after(task, 0, first);
    return task;
}

/* ---- holds -------------------------------------------------------------------------------------------- */

/* by its power call's name; what goes to the HA manager is a hastop or hastart */
static const char *call_of(const struct task *task)
{
    return strncmp(task->type, "ha", 2) == 0 ? task->type : task->type + strlen("qm");
}

static void act_or_be_held(struct task *task)
{
    struct fault_at at = {.call = call_of(task), .vmid = task->vmid, .endpoint = task->node->name};
    task->held_by = fault_fires(task->sim, "held", &at);
    if (task->held_by)
        control_guest_changed(cluster_guest(task->sim->cluster, task->vmid));
    else
        task->act(task);
}

void task_act_after(struct task *task, int64_t ms, void (*step)(struct task *task))
{
    task->act = step;
    task_after(task, ms, act_or_be_held);
}

bool task_is_held(const struct guest *guest)
{
    const struct task *task = task_newest(guest->sim);
    while (task && !(task->held_by && task->vmid == guest->vmid))
        task = task->older;
    return task != NULL;
}

void tasks_release(struct sim *sim)
{
    for (struct task *task = task_newest(sim); task; task = task->older) {
        if (!task->held_by || fault_is_armed(sim, task->held_by))
            continue;
        task->held_by = NULL;
        task_after(task, 0, task->act);
    }
}

/* ---- the lock ----------------------------------------------------------------------------------------- */

static void lock_timeout(struct task *task)
{
    const struct guest *guest = cluster_guest(task->sim->cluster, task->vmid);
    if (guest && guest->is_lxc)
        task_end(task, "can't lock file '/run/lock/lxc/pve-config-%d.lock' - got timeout", task->vmid);
    else
        task_end(task, "can't lock file '/var/lock/qemu-server/lock-%d.conf' - got timeout", task->vmid);
}

void task_lock(struct task *task, struct guest *guest, void (*step)(struct task *task))
{
    struct fault_at at = {.call = call_of(task), .vmid = task->vmid};
    bool stolen = fault_fires(task->sim, "got-timeout", &at);
    if (!guest->lock_holder && !stolen) {
        guest->lock_holder = task;
        step(task);
        return;
    }
    task_after(task, sim_scaled(task->sim, LOCK_WAIT_MS), lock_timeout);
    if (stolen)
        return;
    struct task **last = &guest->waiters;
    while (*last)
        last = &(*last)->next_waiter;
    *last = task;
    task->next_waiter = NULL;
    task->step = lock_timeout;
    task->locked = step;
}

static void unlock(struct task *task)
{
    struct guest *guest = cluster_guest(task->sim->cluster, task->vmid);
    if (!guest)
        return;
    for (struct task **at = &guest->waiters; *at; at = &(*at)->next_waiter) {
        if (*at == task) {
            *at = task->next_waiter;
            break;
        }
    }
    if (guest->lock_holder != task)
        return;
    struct task *next = guest->waiters;
    guest->lock_holder = next;
    if (!next)
        return;
    guest->waiters = next->next_waiter;
    task_after(next, 0, next->locked);
}

void task_end(struct task *task, const char *format, ...)
{
    if (task->exitstatus)
        return;
    va_list args;
    va_start(args, format);
    if (vasprintf(&task->exitstatus, format, args) < 0)
        task->exitstatus = NULL;
    va_end(args);
    if (!task->exitstatus)
        abort(); /* without memory for two letters no simulation goes on */
    task->end_s = sim_wall_s(task->sim);
    event_del(task->timer);
    task->held_by = NULL;
    unlock(task);
    if (task->ended)
        task->ended(task);
}

void task_ok(struct task *task)
{
    task_end(task, "OK");
}

/* ---- looking ------------------------------------------------------------------------------------------ */

struct task *task_find(const struct sim *sim, const char *upid)
{
    struct task *task = NULL;
    HASH_FIND_STR(sim->tasks->by_upid, upid, task);
    return task;
}

struct task *task_newest(const struct sim *sim)
{
    return sim->tasks->newest;
}

bool task_is_of(const struct task *task, const char *id)
{
    size_t length = strlen(id);
    return strncmp(task->user, id, length) == 0 && (!task->user[length] || task->user[length] == '!');
}
