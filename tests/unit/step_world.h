/*
 * A small Proxmox cluster for test_step_model.c: three hosts, one guest, its processes, tasks, locks, and
 * people who interfere, and our power calls as they truly are. It knows the truth (which process lives, since
 * when), which the API may hide, and it answers calls as the real one does, bugs included. It knows nothing
 * of the state machine.
 */
#pragma once

#include "fence/dead_hosts.h"
#include "proxmox/api.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLD_HOSTS    3
#define WORLD_VMID     100
#define WORLD_TASKS    256 /* of one episode; the oldest ended ones are forgotten (400 "no such task") */
#define WORLD_CALLS    1024
#define WORLD_FLOCK_MS 10000

#define LATE_CALL_MS      45000 /* the longest that a lost call was seen to be carried out later */
#define ANSWER_TIMEOUT_MS 4000

enum world_fault {
    WORLD_FOREIGN_STARTS = 1 << 0,
    WORLD_FOREIGN_STOPS = 1 << 1,
    WORLD_LOCKS = 1 << 2,  /* backup, rollback, suspended … set and cleared by people */
    WORLD_FLOCKS = 1 << 3, /* somebody's task holds the lock file */
    WORLD_MIGRATION = 1 << 4,
    WORLD_CUTS = 1 << 5, /* a host leaves the membership, keeps its view, and may come back */
    WORLD_HUNG = 1 << 6, /* the guest hangs in the kernel: killed, and still there */
    WORLD_SLOW_STOPS = 1 << 7,
    WORLD_TASK_ERRORS = 1 << 8,
    WORLD_HA_TROUBLE = 1 << 9, /* its service goes to error, freeze, migrate and back */
    WORLD_ABSENT = 1 << 10,    /* its host says for a moment that it has no such guest */
    WORLD_TWINS = 1 << 11,     /* another broker of our identity acts at the same time */
    WORLD_FAULTS = 12,
};

enum world_task_kind { WORLD_STOP, WORLD_START, WORLD_RESET, WORLD_HASTOP, WORLD_HASTART };
enum world_task_state { WORLD_WAITING, WORLD_RUNNING, WORLD_ENDED };

struct world_task {
    enum world_task_kind kind;
    enum world_task_state state;
    bool ours;   /* of our identity */
    bool twin;   /* … by another broker */
    bool for_us; /* the HA manager's own, after our request */
    bool kills;  /* the stop came to SIGKILL */
    int host;
    unsigned number;
    int64_t begun_ms, run_ms, end_ms;
    char exit[96];
};

/* A power call of ours. */
struct world_call {
    enum world_task_kind kind; /* as it was asked for: of a guest of HA it becomes a hastop or hastart */
    int host;
    unsigned task; /* 0: no task yet */
    int64_t sent_ms, due_ms;
    bool pending; /* written, and to be carried out at due_ms */
    bool hidden;  /* nobody told us its task */
};

/* The states of an HA service that matter; a request is dropped in all behind `stopped`. */
enum world_ha_state {
    WORLD_HA_STARTED,
    WORLD_HA_REQUEST_STOP,
    WORLD_HA_STOPPED,
    WORLD_HA_FENCE,
    WORLD_HA_MIGRATE,
    WORLD_HA_FREEZE,
    WORLD_HA_ERROR,
    WORLD_HA_UNSERVED,
};

#define WORLD_HA_ROUND_MS 10000 /* CRM and LRM each have a round within this */
#define WORLD_HA_FENCE_MS 60000 /* a host that is cut off resets itself */
#define WORLD_WATCHDOG_MS 71000 /* … at most so long after it was cut off */
#define WORLD_OFFLINE_MS  5000  /* until samples show it offline */
#define WORLD_LASTING_MS  180000
#define WORLD_HA_GONE_MS  120000 /* … and then its services are brought up elsewhere */

/* The HA manager: what it was asked, what it believes, and when it looks next. */
struct world_ha {
    bool managed;
    enum world_ha_state state, cut_state;
    int64_t since_ms;             /* in this state */
    bool stop_wanted;             /* its configuration, which requests change */
    bool wish_is_ours;            /* the request that changed it last was */
    int64_t wished_ms;            /* when it came */
    int64_t crm_ms, lrm_ms;       /* next rounds */
    unsigned task;                /* the LRM's worker: one at a time */
    bool worker_ended, worker_ok; /* in this state */
};

/* The guest's process on one host. */
struct world_process {
    bool alive;  /* the truth */
    bool killed; /* Proxmox takes it for dead: the pid is gone for it, the thread is not */
    int64_t started_ms, reset_ms, thaw_ms;
};

struct world {
    uint64_t random;
    unsigned faults;
    bool container, has_nics;
    bool lasting; /* who is cut off stays so for a while */
    bool trusted; /* dead-host = trust-ha */
    bool watched; /* a guest's host that is cut off is reset by its watchdog, also without an HA service of
                     ours */
    int home;     /* where the guest's configuration is, by the majority's view */
    int cut;      /* the host that is cut off, -1 */
    int cut_home; /* its view, from then */
    int64_t rejoined_ms; /* when a host last came back: its old answers may just be taken for fresh ones */
    char lock[PVE_LOCK_MAX];
    int64_t lock_until_ms;
    int migrating_to;        /* with the lock "migrate", else -1 */
    int64_t absent_until_ms; /* so long its host does not find it */
    int64_t flock_until_ms;  /* a foreign task holds the lock file */
    struct world_process process[WORLD_HOSTS];
    struct world_task tasks[WORLD_TASKS];
    unsigned task_count, task_number;
    struct world_call calls[WORLD_CALLS];
    unsigned call_count;
    int64_t now_ms, next_whim_ms;
    struct world_ha ha;
    int64_t cut_ms;
    unsigned whims, whims_max; /* so many there were; there will not be more */
    bool foreign_kill;         /* somebody else's stop came to SIGKILL: without nics nobody can tell */
};

/* ---- chance ---- */

static uint64_t world_random(struct world *world)
{
    uint64_t x = world->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    world->random = x;
    return x * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

static int64_t world_between(struct world *world, int64_t low, int64_t high)
{
    return low + (int64_t)(world_random(world) % (uint64_t)(high - low + 1));
}

static bool world_chance(struct world *world, unsigned percent)
{
    return world_random(world) % 100 < percent;
}

static bool world_may(struct world *world, unsigned fault, unsigned percent)
{
    bool chosen = world_chance(world, percent); /* also when left out: the rest stays as it is */
    return chosen && (world->faults & fault);
}

/* ---- views ---- */

static const char *world_host_name(int host)
{
    static const char *const names[WORLD_HOSTS] = {"pve1", "pve2", "pve3"};
    return names[host];
}

static int world_host_number(const char *name)
{
    return name[3] - '1';
}

/* Where the guest is, as `host` sees it. */
static int world_view(const struct world *world, int host)
{
    return host == world->cut ? world->cut_home : world->home;
}

/* The host finds the guest's configuration. */
static bool world_finds(const struct world *world, int host)
{
    return world_view(world, host) == host && world->now_ms >= world->absent_until_ms;
}

static bool world_reaches(const struct world *world, int from, int to)
{
    return from == to || (from != world->cut && to != world->cut);
}

static unsigned world_online(const struct world *world, int as_seen_by)
{
    return world->cut < 0 ? WORLD_HOSTS : as_seen_by == world->cut ? 1 : WORLD_HOSTS - 1;
}

static bool world_reads_running(const struct world *world, int host)
{
    return world->process[host].alive && !world->process[host].killed;
}

/* ---- processes and tasks ---- */

static void world_boot(struct world *world, int host, int64_t now_ms)
{
    world->process[host] = (struct world_process){.alive = true, .started_ms = now_ms};
}

/* SIGKILL, or a quit: what hangs in the kernel lives on until its storage thaws. */
static void world_kill(struct world *world, struct world_process *process, int64_t now_ms)
{
    if (process->thaw_ms > now_ms)
        process->killed = true;
    else
        *process = (struct world_process){.alive = false};
    (void)world;
}

static struct world_task *world_begin_task(struct world *world, enum world_task_kind kind, int host,
                                           bool ours)
{
    if (world->task_count == WORLD_TASKS) {
        memmove(world->tasks, world->tasks + 1, sizeof(world->tasks) - sizeof(world->tasks[0]));
        world->task_count--;
    }
    struct world_task *task = &world->tasks[world->task_count++];
    *task = (struct world_task){
        .kind = kind, .host = host, .ours = ours, .number = ++world->task_number, .begun_ms = world->now_ms};
    return task;
}

static void world_end_task(struct world *world, struct world_task *task, const char *exit)
{
    task->state = WORLD_ENDED;
    task->end_ms = world->now_ms;
    snprintf(task->exit, sizeof(task->exit), "%s", exit);
}

static bool world_lock_file_is_held(const struct world *world, int host)
{
    if (host == world->home && world->now_ms < world->flock_until_ms)
        return true;
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct world_task *task = &world->tasks[i];
        if (task->state == WORLD_RUNNING && task->host == host && task->kind <= WORLD_RESET)
            return true;
    }
    return false;
}

/* How long a stop takes, and whether it kills. */
static int64_t world_stop_ms(struct world *world, struct world_task *task)
{
    const struct world_process *process = &world->process[task->host];
    if (!world_reads_running(world, task->host))
        return world_between(world, 5, 50);
    if (process->thaw_ms > world->now_ms) {
        task->kills = true;
        return world_between(world, 14000, 16000);
    }
    if (world_may(world, WORLD_SLOW_STOPS, 50))
        return world_chance(world, 30) ? 61000 : 3300;
    return world_between(world, 50, 1500);
}

/* A container that starts shows life within the time that two reads of it are apart; a VM may take longer. */
static int64_t world_start_ms(struct world *world)
{
    return world_between(world, 100, world->container ? 1800 : 8000);
}

/* A request to the HA manager arrives, once its task has ended. */
static void world_ha_wish(struct world *world, bool stop, bool ours)
{
    struct world_ha *ha = &world->ha;
    if (ha->state > WORLD_HA_STOPPED)
        return; /* dropped */
    if (ha->stop_wanted != stop)
        ha->wish_is_ours = ours;
    ha->stop_wanted = stop;
    ha->wished_ms = world->now_ms;
}

/* It has the lock file: does it go on? */
static void world_run_task(struct world *world, struct world_task *task)
{
    char exit[96];
    bool running = world_reads_running(world, task->host);
    task->state = WORLD_RUNNING;
    task->run_ms = world->now_ms;
    if (!world_finds(world, task->host)) {
        snprintf(exit, sizeof(exit), "unable to find configuration file for VM 100 on node '%s'",
                 world_host_name(task->host));
        world_end_task(world, task, exit);
    } else if (world->lock[0] && task->host == world->home && (running || task->kind != WORLD_STOP)) {
        snprintf(exit, sizeof(exit), "VM is locked (%s)", world->lock);
        world_end_task(world, task, exit);
    } else if (task->kind == WORLD_START && running) {
        world_end_task(world, task, "VM 100 already running");
    } else if (task->kind == WORLD_RESET && !running) {
        world_end_task(world, task, "VM 100 not running");
    } else if (world_may(world, WORLD_TASK_ERRORS, 20)) {
        world_end_task(world, task,
                       task->kind == WORLD_START ? "start failed: QEMU exited with code 1"
                                                 : "unexpected status");
    } else {
        task->end_ms = world->now_ms + (task->kind == WORLD_STOP    ? world_stop_ms(world, task)
                                        : task->kind == WORLD_START ? world_start_ms(world)
                                                                    : world_between(world, 100, 2000));
    }
}

static void world_finish_task(struct world *world, struct world_task *task)
{
    struct world_process *process = &world->process[task->host];
    switch (task->kind) {
    case WORLD_STOP:
        if (process->alive && process->thaw_ms > world->now_ms && !task->kills) {
            task->kills = true; /* it began to hang meanwhile, and does not go by itself */
            task->end_ms = world->now_ms + world_between(world, 14000, 16000);
            return;
        }
        if (process->alive && task->kills && (!task->ours || task->twin) && !task->for_us)
            world->foreign_kill = true;
        world_kill(world, process, world->now_ms);
        break;
    case WORLD_START:
        /* the new process could not open its disks while the old one holds them; a killed one does not */
        if (!process->alive)
            world_boot(world, task->host, world->now_ms);
        break;
    case WORLD_RESET:
        process->reset_ms = world->now_ms;
        break;
    case WORLD_HASTOP:
    case WORLD_HASTART:
        if (task->host == world->cut) {
            world_end_task(world, task, "cluster not ready - no quorum?");
            return;
        }
        world_ha_wish(world, task->kind == WORLD_HASTOP, task->ours && !task->twin);
        break;
    }
    world_end_task(world, task, "OK");
}

static void world_advance_task(struct world *world, struct world_task *task)
{
    if (task->state == WORLD_RUNNING && task->end_ms <= world->now_ms)
        world_finish_task(world, task);
    if (task->state != WORLD_WAITING)
        return;
    if (task->kind >= WORLD_HASTOP) {
        task->state = WORLD_RUNNING;
        task->end_ms = world->now_ms + world_between(world, 500, 1500);
        return;
    }
    if (!world_lock_file_is_held(world, task->host))
        world_run_task(world, task);
    else if (world->now_ms - task->begun_ms >= WORLD_FLOCK_MS)
        world_end_task(world, task, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
}

/* ---- calls of ours ---- */

static struct world_task *world_task_numbered(struct world *world, unsigned number)
{
    for (unsigned i = 0; i < world->task_count; i++) {
        if (world->tasks[i].number == number)
            return &world->tasks[i];
    }
    return NULL;
}

static void world_carry_out(struct world *world, struct world_call *call)
{
    enum world_task_kind kind = call->kind;
    if (world->ha.managed && kind != WORLD_RESET)
        kind = kind == WORLD_STOP ? WORLD_HASTOP : WORLD_HASTART;
    call->pending = false;
    call->task = world_begin_task(world, kind, call->host, true)->number;
}

/* A call has arrived. One whose answer is hidden may never be carried out (NULL), or later, as the dice fall.
 */
static struct world_call *world_call(struct world *world, struct world *dice, bool may_be_late,
                                     const struct world_call *asked)
{
    if (world->call_count == WORLD_CALLS)
        abort();
    struct world_call *call = &world->calls[world->call_count];
    *call = *asked;
    call->due_ms = world->now_ms;
    if (call->hidden && world_chance(dice, 30))
        return NULL;
    world->call_count++;
    if (call->hidden && may_be_late && world_chance(dice, 40)) {
        call->pending = true;
        call->due_ms += world_between(dice, 1, LATE_CALL_MS - ANSWER_TIMEOUT_MS);
    } else {
        world_carry_out(world, call);
    }
    return call;
}

/* Why a call has no task at all: a reset of a stopped guest, or a stop on the host where a container does not
 * run. NULL: it has one. */
static const char *world_refuses(const struct world *world, enum world_task_kind kind, int host)
{
    static char text[96];
    bool running = world_reads_running(world, host);
    if (kind == WORLD_RESET && !world_finds(world, host)) {
        snprintf(text, sizeof(text), "Configuration file 'nodes/%s/qemu-server/100.conf' does not exist",
                 world_host_name(host));
        return text;
    }
    if (kind == WORLD_RESET && !running)
        return "VM 100 not running";
    return kind == WORLD_STOP && world->container && !running && !world->ha.managed ? "CT 100 not running"
                                                                                    : NULL;
}

/* A stop or reset of ours, sent less than so long ago, may still hit what is started there now. */
static bool world_stop_is_open(struct world *world, int host, int64_t open_ms)
{
    for (unsigned i = 0; i < world->call_count; i++) {
        const struct world_call *call = &world->calls[i];
        const struct world_task *task = call->task ? world_task_numbered(world, call->task) : NULL;
        bool under_way = call->pending || (task && task->state != WORLD_ENDED);
        /* which of two stops in the list was the lost one, and which another broker's, nobody can tell */
        if ((world->faults & WORLD_TWINS) && call->hidden)
            continue;
        if (call->kind != WORLD_START && (call->host == host || world->ha.managed) && under_way &&
            world->now_ms - call->sent_ms <= open_ms)
            return true;
    }
    return false;
}

/* ---- people ---- */

static void world_finish_migration(struct world *world)
{
    struct world_process *from = &world->process[world->home];
    int to = world->migrating_to;
    world->migrating_to = -1;
    world->lock[0] = '\0';
    if (world_lock_file_is_held(world, world->home) || !world_reaches(world, world->home, to))
        return; /* it fails, the guest stays */
    if (from->alive) {
        if (from->killed || from->thaw_ms > world->now_ms)
            return;
        world->process[to] = *from;
        from->alive = false;
    }
    world->home = to;
}

static void world_cut(struct world *world)
{
    if (world->lasting && world->cut >= 0 && world->now_ms - world->cut_ms < WORLD_LASTING_MS)
        return;
    if (world->cut >= 0) {
        world->cut = -1; /* its own view is the cluster's again */
        world->rejoined_ms = world->now_ms;
        return;
    }
    world->cut = (int)world_between(world, 0, WORLD_HOSTS - 1);
    if (world->lasting)
        world->cut = world->home;
    world->cut_home = world->home;
    world->cut_ms = world->now_ms;
    world->ha.cut_state = world->ha.state;
    if (world->migrating_to >= 0) {
        world->migrating_to = -1;
        world->lock[0] = '\0';
    }
    if (world->cut == world->home && !world->ha.managed && world_chance(world, 50)) {
        /* it has rebooted alone, and its guest is brought up elsewhere */
        for (unsigned i = 0; i < world->task_count; i++) {
            if (world->tasks[i].host == world->cut && world->tasks[i].state != WORLD_ENDED)
                world_end_task(world, &world->tasks[i], "unexpected status");
        }
        world->process[world->cut] = (struct world_process){0};
        world->home = (world->cut + 1) % WORLD_HOSTS;
        world->lock[0] = '\0';
        world_boot(world, world->home, world->now_ms);
    }
}

static void world_set_lock(struct world *world)
{
    static const char *const names[] = {"backup", "snapshot", "rollback", "suspended", "suspending", "clone"};
    bool running = world_reads_running(world, world->home);
    const char *name = names[world_between(world, 0, 5)];
    if (world->lock[0] || (running && strcmp(name, "suspended") == 0))
        return;
    snprintf(world->lock, sizeof(world->lock), "%s", name);
    world->lock_until_ms = world->now_ms + world_between(world, 500, world_chance(world, 50) ? 4000 : 60000);
}

/* ---- the HA manager ---- */

static void world_ha_goes(struct world *world, enum world_ha_state state)
{
    world->ha.state = state;
    world->ha.since_ms = world->now_ms;
    world->ha.worker_ended = false;
}

static void world_ha_trouble(struct world *world)
{
    static const enum world_ha_state states[] = {WORLD_HA_MIGRATE, WORLD_HA_FREEZE, WORLD_HA_ERROR,
                                                 WORLD_HA_UNSERVED};
    if (world->ha.state <= WORLD_HA_STOPPED)
        world_ha_goes(world, states[world_between(world, 0, 3)]);
    else if (world->ha.state != WORLD_HA_FENCE)
        world_ha_goes(world, world->ha.stop_wanted ? WORLD_HA_REQUEST_STOP : WORLD_HA_STARTED);
}

/* Its host is gone for good as far as the others know: it has reset itself, and the service moves. */
static void world_ha_recover(struct world *world)
{
    world->home = (world->cut + 1) % WORLD_HOSTS;
    world->lock[0] = '\0';
    world_ha_goes(world, WORLD_HA_STARTED);
}

/* The CRM's round: one state to the next. */
static void world_ha_crm(struct world *world)
{
    struct world_ha *ha = &world->ha;
    bool alone = world->cut >= 0 && world->cut == world->home;
    int64_t gone_ms = alone ? world->now_ms - world->cut_ms : 0;
    if (ha->state == WORLD_HA_FENCE) {
        if (!alone)
            world_ha_goes(world, WORLD_HA_STARTED);
        else if (gone_ms > WORLD_HA_GONE_MS)
            world_ha_recover(world);
    } else if (ha->state > WORLD_HA_STOPPED) {
        return;
    } else if (alone) {
        if (gone_ms > WORLD_HA_FENCE_MS)
            world_ha_goes(world, WORLD_HA_FENCE);
    } else if (ha->state == WORLD_HA_STARTED && ha->stop_wanted) {
        world_ha_goes(world, WORLD_HA_REQUEST_STOP);
    } else if (ha->state == WORLD_HA_REQUEST_STOP && ha->worker_ended) {
        world_ha_goes(world, ha->worker_ok ? WORLD_HA_STOPPED : WORLD_HA_ERROR);
    } else if (ha->state == WORLD_HA_STOPPED && !ha->stop_wanted) {
        world_ha_goes(world, WORLD_HA_STARTED);
    }
}

/* The LRM's round on the service's host: one worker at a time. */
static void world_ha_lrm(struct world *world)
{
    struct world_ha *ha = &world->ha;
    bool running = world_reads_running(world, world->home);
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct world_task *task = &world->tasks[i];
        if (task->number == ha->task && task->state != WORLD_ENDED)
            return;
    }
    if (world->cut == world->home || ha->state > WORLD_HA_STOPPED || world->migrating_to >= 0)
        return;
    enum world_task_kind kind = ha->state == WORLD_HA_STARTED ? WORLD_START : WORLD_STOP;
    if (ha->state == WORLD_HA_REQUEST_STOP ? ha->worker_ended : running == (kind == WORLD_START))
        return;
    struct world_task *task = world_begin_task(world, kind, world->home, false);
    task->for_us = ha->wish_is_ours;
    ha->task = task->number;
}

static void world_ha_advance(struct world *world)
{
    struct world_ha *ha = &world->ha;
    for (unsigned i = 0; i < world->task_count && ha->task; i++) {
        const struct world_task *task = &world->tasks[i];
        if (task->number != ha->task || task->state != WORLD_ENDED)
            continue;
        ha->worker_ended = ha->state == WORLD_HA_REQUEST_STOP && task->kind == WORLD_STOP;
        ha->worker_ok = strcmp(task->exit, "OK") == 0;
        ha->task = 0;
    }
    if (world->cut >= 0 && world->now_ms - world->cut_ms > WORLD_HA_FENCE_MS)
        world->process[world->cut] = (struct world_process){0}; /* its watchdog */
    if (world->now_ms >= ha->crm_ms) {
        ha->crm_ms = world->now_ms + world_between(world, 1000, WORLD_HA_ROUND_MS);
        world_ha_crm(world);
    }
    if (world->now_ms >= ha->lrm_ms) {
        ha->lrm_ms = world->now_ms + world_between(world, 1000, WORLD_HA_ROUND_MS);
        world_ha_lrm(world);
    }
}

/* Another broker of our identity: its tasks are in the lists of ours. */
static void world_twin_acts(struct world *world)
{
    bool ha = world->ha.managed, stop = world_chance(world, 60);
    enum world_task_kind kind = stop ? (ha ? WORLD_HASTOP : WORLD_STOP) : (ha ? WORLD_HASTART : WORLD_START);
    world_begin_task(world, kind, world->home, true)->twin = true;
}

/* Something that nobody asked the broker for. */

static void world_whim(struct world *world)
{
    struct world_process *process = &world->process[world->home];
    world->next_whim_ms = world->now_ms + world_between(world, 200, 20000);
    if (world->whims == world->whims_max)
        return;
    world->whims++;
    bool ha = world->ha.managed;
    if (world_may(world, WORLD_FOREIGN_STARTS, 30))
        world_begin_task(world, ha ? WORLD_HASTART : WORLD_START, world->home, false);
    if (world_may(world, WORLD_FOREIGN_STOPS, 20))
        world_begin_task(world, ha ? WORLD_HASTOP : WORLD_STOP, world->home, false);
    if (ha && world_may(world, WORLD_HA_TROUBLE, 30))
        world_ha_trouble(world);
    if (world_may(world, WORLD_LOCKS, 30))
        world_set_lock(world);
    if (world_may(world, WORLD_FLOCKS, 30))
        world->flock_until_ms = world->now_ms + world_between(world, 100, 30000);
    if (world_may(world, WORLD_HUNG, 30) && process->alive && !process->killed)
        process->thaw_ms = world->now_ms + world_between(world, 1000, 120000);
    if (world_may(world, WORLD_MIGRATION, 30) && !world->lock[0] && world->cut < 0) {
        snprintf(world->lock, sizeof(world->lock), "migrate");
        world->migrating_to = (world->home + 1) % WORLD_HOSTS;
        world->lock_until_ms = world->now_ms + world_between(world, 300, 15000);
    }
    if (world_may(world, WORLD_MIGRATION, 15) && !world->lock[0] && world->cut < 0) {
        world->migrating_to = (world->home + 1) % WORLD_HOSTS; /* there at once, and maybe back soon */
        world_finish_migration(world);
    }
    if (world_may(world, WORLD_CUTS, 25))
        world_cut(world);
    if (world_may(world, WORLD_ABSENT, 30))
        world->absent_until_ms =
            world->now_ms + world_between(world, 1, world_chance(world, 80) ? 300 : 5000);
    if (world_may(world, WORLD_TWINS, 30))
        world_twin_acts(world);
}

/* ---- dead hosts ---- */

static bool world_is_watched(const struct world *world)
{
    return world->watched || world->ha.managed;
}

/* What dead_hosts says of a host by all that is known at this moment: late, and only where a watchdog is. */
__attribute__((unused)) static struct dead_hosts_word world_death(const struct world *world, int host)
{
    struct dead_hosts_word word = {.trusted = world->trusted};
    struct dead_hosts_answer *answer = &word.host;
    int64_t age_ms = world->now_ms - world->cut_ms - WORLD_OFFLINE_MS;
    if (!world->trusted)
        return word;
    answer->missing = world_is_watched(world) ? DEAD_HOSTS_NOTHING : DEAD_HOSTS_UNWATCHED;
    answer->state = DEAD_HOSTS_ONLINE;
    answer->watched = world_is_watched(world);
    if (host != world->cut || age_ms < 0)
        return word;
    answer->state = DEAD_HOSTS_OFFLINE;
    answer->left_ms = world->cut_ms + WORLD_OFFLINE_MS;
    answer->due_ms = answer->left_ms + DEAD_HOSTS_LOCK_MS;
    bool recovered = world->ha.managed && world->home != world->cut && age_ms >= DEAD_HOSTS_RECOVERED_MS;
    if (!answer->watched || !(recovered || age_ms >= DEAD_HOSTS_LOCK_MS)) {
        answer->missing = answer->watched ? DEAD_HOSTS_TIME : answer->missing;
        return word;
    }
    *answer = (struct dead_hosts_answer){.state = DEAD_HOSTS_FENCED,
                                         .left_ms = answer->left_ms,
                                         .reason = recovered ? DEAD_HOSTS_RECOVERED : DEAD_HOSTS_LOCK_EXPIRED,
                                         .fenced_ms = recovered ? world->now_ms : answer->due_ms,
                                         .seen_ms = world->now_ms};
    return word;
}

/* ---- time ---- */

static void world_advance(struct world *world, int64_t now_ms)
{
    world->now_ms = now_ms;
    if (now_ms >= world->next_whim_ms)
        world_whim(world);
    if (world->lock[0] && now_ms >= world->lock_until_ms) {
        if (world->migrating_to >= 0)
            world_finish_migration(world);
        world->lock[0] = '\0';
    }
    for (int host = 0; host < WORLD_HOSTS; host++) {
        struct world_process *process = &world->process[host];
        if (process->killed && now_ms >= process->thaw_ms)
            *process = (struct world_process){0};
    }
    for (unsigned i = 0; i < world->task_count; i++)
        world_advance_task(world, &world->tasks[i]);
    if (world->watched && world->cut >= 0 && now_ms - world->cut_ms > WORLD_WATCHDOG_MS)
        world->process[world->cut] = (struct world_process){0};
    if (world->ha.managed)
        world_ha_advance(world);
}

/* When something happens by itself next. */
static int64_t world_next(const struct world *world)
{
    int64_t next_ms = world->next_whim_ms;
    if (world->ha.managed && world->ha.crm_ms < next_ms)
        next_ms = world->ha.crm_ms;
    if (world->ha.managed && world->ha.lrm_ms < next_ms)
        next_ms = world->ha.lrm_ms;
    if (world->lock[0] && world->lock_until_ms < next_ms)
        next_ms = world->lock_until_ms;
    if (world->flock_until_ms > world->now_ms && world->flock_until_ms < next_ms)
        next_ms = world->flock_until_ms;
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct world_task *task = &world->tasks[i];
        int64_t at_ms = task->state == WORLD_RUNNING   ? task->end_ms
                        : task->state == WORLD_WAITING ? task->begun_ms + WORLD_FLOCK_MS
                                                       : INT64_MAX;
        if (at_ms < next_ms)
            next_ms = at_ms;
    }
    for (int host = 0; host < WORLD_HOSTS; host++) {
        if (world->process[host].killed && world->process[host].thaw_ms < next_ms)
            next_ms = world->process[host].thaw_ms;
    }
    return next_ms <= world->now_ms ? world->now_ms + 1 : next_ms;
}

/* `without` : faults that do not happen, whatever the seed says. */
static void world_init(struct world *world, uint64_t seed, unsigned without, unsigned whims_max)
{
    *world = (struct world){.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1,
                            .whims_max = whims_max,
                            .cut = -1,
                            .migrating_to = -1};
    for (int i = 0; i < 4; i++)
        world_random(world);
    world->now_ms = 1000000;
    world->faults = 0;
    if (!world_chance(world, 15)) {
        for (unsigned fault = 0; fault < WORLD_FAULTS; fault++)
            world->faults |= world_chance(world, 30) ? 1u << fault : 0;
        world->faults &= ~without;
    }
    world->next_whim_ms = world->now_ms + world_between(world, 0, 3000);
    world->container = world_chance(world, 15);
    world->has_nics = world_chance(world, 85);
    world->home = (int)world_between(world, 0, WORLD_HOSTS - 1);
    if (world_chance(world, 80))
        world_boot(world, world->home, world->now_ms - world_between(world, 1, 100000));
    world->ha.managed = world_chance(world, 20);
    if (world->ha.managed && !world->process[world->home].alive) {
        world->ha.state = WORLD_HA_STOPPED;
        world->ha.stop_wanted = true;
    }
    world->ha.crm_ms = world->now_ms + world_between(world, 0, WORLD_HA_ROUND_MS);
    world->ha.lrm_ms = world->now_ms + world_between(world, 0, WORLD_HA_ROUND_MS);
    world->trusted = world_chance(world, 50);
    world->watched = world_chance(world, 50);
    world->lasting = world_chance(world, 50);
}

/* ---- what the API shows ---- */

static const char *world_ha_state_name(enum world_ha_state state)
{
    static const char *const names[] = {"started", "request_stop", "stopped", "fence",
                                        "migrate", "freeze",       "error",   ""};
    return names[state];
}

static void world_status(const struct world *world, int host, struct pve_status *status)
{
    const struct world_process *process = &world->process[host];
    *status = (struct pve_status){.vmid = WORLD_VMID, .running = world_reads_running(world, host)};
    bool devices = process->alive && world->has_nics;
    status->nics = devices && !world->container;
    status->traffic = devices && world->container;
    status->uptime_s = status->running ? (world->now_ms - process->started_ms) / 1000 : 0;
    if (host == world->home)
        memcpy(status->lock, world->lock, sizeof(status->lock));
    status->ha_managed = world->ha.managed;
    if (world->ha.managed)
        snprintf(status->ha_state, sizeof(status->ha_state), "%s",
                 world_ha_state_name(host == world->cut ? world->ha.cut_state : world->ha.state));
}
