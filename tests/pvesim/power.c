/* See power.h. */
#include "power.h"
#include "fault.h"
#include "ha.h"
#include "system/cleanup.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* delays of the real thing, scaled where they are used */
#define HA_TASK_MS       1000  /* a hastart or hastop */
#define QUIT_TIMEOUT_MS  60000 /* for QEMU to quit, if the call names none */
#define QUIT_POLL_MS     300   /* until the end of a terminated QEMU is noticed */
#define HUNG_QUIT_9_MS   71000 /* 60 s for QMP in version 9, in 7 and 8 less, 10 s for SIGTERM, and 1 s */
#define HUNG_QUIT_MS     16000
#define HUNG_RESET_MS    5000
#define RESET_POLL_MS    2 /* unscaled: between two looks for the new payload */
#define SHUTDOWN_MAX_MS  180000
#define PROCESS_GRACE_MS 1000 /* unscaled: for PID 1 to follow SIGTERM */

static struct guest *guest_of(const struct task *task)
{
    return cluster_guest(task->sim->cluster, task->vmid);
}

/* the guest's type prefix and name as Proxmox's texts have them */
static const char *kind(bool is_lxc)
{
    return is_lxc ? "CT" : "VM";
}

static const char *task_type(const char *qemu, const char *lxc, bool is_lxc)
{
    return is_lxc ? lxc : qemu;
}

/* the guest, if its configuration is on the host by that host's own view */
static struct guest *guest_on(const struct sim *sim, const struct node *node, int vmid, bool is_lxc)
{
    struct guest *guest = cluster_guest(sim->cluster, vmid);
    if (!guest || guest->is_lxc != is_lxc || cluster_config(guest, node)->node != node)
        return NULL;
    return guest;
}

static bool is_lxc_task(const struct task *task)
{
    return strncmp(task->type, "vz", 2) == 0;
}

static bool task_error_fault(struct task *task, const char *call)
{
    struct fault_at at = {.call = call, .vmid = task->vmid, .endpoint = task->node->name};
    const struct fault *fault = fault_fires(task->sim, "task-error", &at);
    if (fault)
        task_end(task, "%s", fault_text(fault, "text", "simulated error"));
    return fault != NULL;
}

/* Whether the configuration's lock forbids what the task is about; ends it then. */
static bool config_locked(struct task *task, const struct guest *guest)
{
    const char *lock = cluster_config(guest, task->node)->lock;
    if (!lock || task->skiplock)
        return false;
    task_end(task, "%s is locked (%s)", kind(guest->is_lxc), lock);
    return true;
}

static struct task *begin(struct sim *sim, const struct power_call *call, const char *type,
                          void (*first)(struct task *task), char **error)
{
    struct task *task = task_new(sim, call->node, type, call->vmid, call->user, first);
    if (!task) {
        *error = strdup("unable to fork worker - Cannot allocate memory");
        return NULL;
    }
    task->timeout_ms = call->timeout_ms;
    task->skiplock = call->skiplock;
    return task;
}

static struct task *refuse(char **error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static struct task *refuse(char **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vasprintf(error, format, args) < 0)
        *error = NULL;
    va_end(args);
    return NULL;
}

/* ---- HA ----------------------------------------------------------------------------------------------- */

static void ha_task_done(struct task *task)
{
    struct guest *guest = guest_of(task);
    if (guest)
        ha_request(guest, strcmp(task->type, "hastop") == 0 ? "stopped" : "started");
    task_ok(task);
}

static void ha_task_step(struct task *task)
{
    if (!task_error_fault(task, strcmp(task->type, "hastop") == 0 ? "stop" : "start"))
        task_act_after(task, sim_scaled(task->sim, HA_TASK_MS), ha_task_done);
}

/* The user's calls for an HA service go to the HA manager, and any host takes them. The manager's own go
 * through. */
static bool goes_to_ha(const struct sim *sim, const struct power_call *call)
{
    const struct guest *guest = cluster_guest(sim->cluster, call->vmid);
    return guest && guest->is_lxc == call->is_lxc && ha_managed(guest) && !call->by_ha;
}

/* ---- stop --------------------------------------------------------------------------------------------- */

static void undead_dies(evutil_socket_t fd, short what, void *context)
{
    struct guest *guest = context;
    (void)fd, (void)what;
    guest_kill(guest);
}

/* reads stopped, lives on; for so long, or for ever (-1) */
static void make_undead(struct guest *guest, int64_t ms)
{
    struct timeval later = sim_timeval(ms);
    guest->hidden = true;
    if (ms < 0)
        return;
    if (!guest->death)
        guest->death = event_new(guest->sim->base, -1, 0, undead_dies, guest);
    if (!guest->death || event_add(guest->death, &later) < 0)
        fprintf(stderr, "pvesim: out of memory: guest %d stays undead\n", guest->vmid);
}

/* The task's end comes with the processes' end: power_guest_changed(). Here only what has not ended in time.
 */
static void stop_kill(struct task *task)
{
    struct guest *guest = guest_of(task);
    if (guest)
        guest_kill(guest);
    task_after(task, PROCESS_GRACE_MS, stop_kill);
}

static void stop_terminate(struct task *task)
{
    struct guest *guest = guest_of(task);
    struct fault_at at = {.call = "stop", .vmid = task->vmid, .endpoint = task->node->name};
    const struct fault *fault = NULL;
    if (!guest || !guest_lives_on(guest, task->node)) {
        task_ok(task);
    } else if ((fault = fault_fires(task->sim, "undead", &at))) {
        make_undead(guest, fault_int(fault, "ms", -1));
        task_ok(task);
    } else {
        task->waits_for_end = true;
        tree_signal(guest->tree, SIGTERM);
        task_after(task, PROCESS_GRACE_MS, stop_kill);
    }
}

static int64_t stop_delay_ms(const struct task *task, const struct guest *guest)
{
    int64_t timeout = task->timeout_ms >= 0 ? task->timeout_ms : QUIT_TIMEOUT_MS, ms = 0;
    if (guest->hung)
        ms = cluster_pve(task->sim->cluster) >= 9 ? HUNG_QUIT_9_MS : HUNG_QUIT_MS;
    else if (guest->deaf)
        ms = timeout + QUIT_POLL_MS;
    return sim_scaled(task->sim, ms) + guest->stop_ms;
}

static void stop_locked(struct task *task)
{
    struct guest *guest = guest_of(task);
    struct fault_at at = {.call = "stop", .vmid = task->vmid, .endpoint = task->node->name};
    if (task_error_fault(task, "stop"))
        return;
    if (!guest_reads_running(guest, task->node)) {
        task_ok(task);
        return;
    }
    if (config_locked(task, guest))
        return;
    if (fault_fires(task->sim, "task-ok-but-running", &at)) {
        task_act_after(task, stop_delay_ms(task, guest), task_ok);
        return;
    }
    task_act_after(task, stop_delay_ms(task, guest), stop_terminate);
}

static void stop_step(struct task *task)
{
    struct guest *guest = guest_on(task->sim, task->node, task->vmid, is_lxc_task(task));
    if (guest)
        task_lock(task, guest, stop_locked);
    else
        task_end(task, "unable to find configuration file for %s %d on node '%s'", kind(is_lxc_task(task)),
                 task->vmid, task->node->name);
}

/* ends our own shutdown tasks, which then give the lock back */
static void overrule(struct sim *sim, const struct power_call *call)
{
    for (struct task *task = task_newest(sim); task; task = task->older) {
        if (!task->exitstatus && task->vmid == call->vmid && task->node == call->node &&
            strcmp(task->type + 2, "shutdown") == 0 && strcmp(task->user, call->user) == 0)
            task_end(task, "unexpected status");
    }
}

struct task *power_stop(struct sim *sim, const struct power_call *call, char **error)
{
    const struct guest *guest = guest_on(sim, call->node, call->vmid, call->is_lxc);
    if (call->is_lxc && !(guest && guest_reads_running(guest, call->node)))
        return refuse(error, "CT %d not running", call->vmid);
    if (goes_to_ha(sim, call))
        return begin(sim, call, "hastop", ha_task_step, error);
    if (call->overrule_shutdown)
        overrule(sim, call);
    return begin(sim, call, task_type("qmstop", "vzstop", call->is_lxc), stop_step, error);
}

/* ---- start -------------------------------------------------------------------------------------------- */

static void start_now(struct task *task)
{
    struct guest *guest = guest_of(task);
    int error = guest ? guest_start(guest) : 0;
    if (error)
        task_end(task, "start failed: %s", strerror(-error));
    else
        task_ok(task);
}

static void start_fails(struct task *task)
{
    task_end(task, "start failed: QEMU exited with code 1");
}

static void start_locked(struct task *task)
{
    struct guest *guest = guest_of(task);
    const struct guest_config *config = cluster_config(guest, task->node);
    bool backup = config->lock && strcmp(config->lock, "backup") == 0;
    if (task_error_fault(task, "start"))
        return;
    if (guest->template)
        task_end(task, guest->is_lxc ? "you can't start a CT if it's a template"
                                     : "you can't start a vm if it's a template");
    else if (backup && guest_reads_running(guest, task->node))
        task_ok(task); /* resumes it */
    else if (config_locked(task, guest))
        return;
    else if (guest->tree)
        task_end(task, "%s %d already running", kind(guest->is_lxc), guest->vmid);
    else
        task_act_after(task, guest->start_ms, guest->nostart ? start_fails : start_now);
}

static void start_step(struct task *task)
{
    struct guest *guest = guest_on(task->sim, task->node, task->vmid, is_lxc_task(task));
    if (!cluster_quorate(task->sim->cluster, task->node))
        task_end(task, "cluster not ready - no quorum?");
    else if (!guest)
        task_end(task, "Configuration file 'nodes/%s/%s/%d.conf' does not exist", task->node->name,
                 is_lxc_task(task) ? "lxc" : "qemu-server", task->vmid);
    else
        task_lock(task, guest, start_locked);
}

struct task *power_start(struct sim *sim, const struct power_call *call, char **error)
{
    const struct guest *guest = guest_on(sim, call->node, call->vmid, call->is_lxc);
    if (call->is_lxc && guest && guest_reads_running(guest, call->node))
        return refuse(error, "CT %d already running", call->vmid);
    if (goes_to_ha(sim, call))
        return begin(sim, call, "hastart", ha_task_step, error);
    return begin(sim, call, task_type("qmstart", "vzstart", call->is_lxc), start_step, error);
}

/* ---- reset -------------------------------------------------------------------------------------------- */

static void reset_hung(struct task *task)
{
    task_end(task, "VM %d qmp command 'system_reset' failed - got timeout", task->vmid);
}

/* QEMU's word comes after the deed: the old guest system is gone when the task ends */
static void reset_done(struct task *task)
{
    const struct guest *guest = guest_of(task);
    pid_t payload = guest && guest->tree ? tree_payload_pid(guest->tree) : 0;
    if (guest && guest->tree && (payload == 0 || payload == task->old_payload))
        task_after(task, RESET_POLL_MS, reset_done);
    else
        task_ok(task);
}

static void reset_acts(struct task *task)
{
    const struct guest *guest = guest_of(task);
    task->old_payload = guest && guest->tree ? tree_payload_pid(guest->tree) : 0;
    if (guest && guest->tree)
        tree_reset(guest->tree);
    task_after(task, RESET_POLL_MS, reset_done);
}

static void reset_locked(struct task *task)
{
    struct guest *guest = guest_of(task);
    if (task_error_fault(task, "reset") || config_locked(task, guest))
        return;
    if (!guest_reads_running(guest, task->node)) {
        task_end(task, "VM %d not running", task->vmid);
    } else if (guest->hung) {
        task_after(task, sim_scaled(task->sim, HUNG_RESET_MS), reset_hung);
    } else {
        task_act_after(task, 0, reset_acts);
    }
}

static void reset_step(struct task *task)
{
    task_lock(task, guest_of(task), reset_locked);
}

/* the check that reset, reboot and shutdown make before they make a task */
static struct guest *running_guest(struct sim *sim, const struct power_call *call, char **error)
{
    struct guest *guest = guest_on(sim, call->node, call->vmid, call->is_lxc);
    if (guest && guest_reads_running(guest, call->node))
        return guest;
    if (guest || call->is_lxc)
        refuse(error, "%s %d not running", kind(call->is_lxc), call->vmid);
    else
        refuse(error, "unable to find configuration file for VM %d on node '%s'", call->vmid,
               call->node->name);
    return NULL;
}

struct task *power_reset(struct sim *sim, const struct power_call *call, char **error)
{
    return running_guest(sim, call, error) ? begin(sim, call, "qmreset", reset_step, error) : NULL;
}

/* ---- shutdown and reboot ------------------------------------------------------------------------------ */

static void shutdown_expires(struct task *task)
{
    task_end(task, "VM quit/powerdown failed - got timeout");
}

static void shutdown_acts(struct task *task)
{
    struct guest *guest = guest_of(task);
    if (guest && guest_lives_on(guest, task->node))
        tree_signal(guest->tree, SIGTERM);
    task_after(task, PROCESS_GRACE_MS, stop_kill);
}

/* It ends with the guest's processes, whoever ends them (_do_vm_stop() of qemu-server looks once a second).
 */
static void shutdown_locked(struct task *task)
{
    const struct guest *guest = guest_of(task);
    int64_t limit = sim_scaled(task->sim, task->timeout_ms >= 0 ? task->timeout_ms : SHUTDOWN_MAX_MS);
    if (!guest_reads_running(guest, task->node)) {
        task_ok(task);
        return;
    }
    if (config_locked(task, guest))
        return;
    task->waits_for_end = true;
    if (guest->shutdown_ms >= 0 && guest->shutdown_ms < limit)
        task_act_after(task, guest->shutdown_ms, shutdown_acts);
    else
        task_after(task, limit, shutdown_expires);
}

static void shutdown_step(struct task *task)
{
    task_lock(task, guest_of(task), shutdown_locked);
}

struct task *power_shutdown(struct sim *sim, const struct power_call *call, char **error)
{
    if (goes_to_ha(sim, call))
        return begin(sim, call, "hastop", ha_task_step, error);
    if (!running_guest(sim, call, error))
        return NULL;
    return begin(sim, call, task_type("qmshutdown", "vzshutdown", call->is_lxc), shutdown_step, error);
}

static void reboot_restart(struct task *task)
{
    struct guest *guest = guest_of(task);
    if (guest && !guest->tree && guest_start(guest) < 0)
        fprintf(stderr, "pvesim: cannot start guest %d again\n", guest->vmid);
}

struct task *power_reboot(struct sim *sim, const struct power_call *call, char **error)
{
    if (!running_guest(sim, call, error))
        return NULL;
    struct task *task =
        begin(sim, call, task_type("qmreboot", "vzreboot", call->is_lxc), shutdown_step, error);
    if (task)
        task->ended = reboot_restart;
    return task;
}

void power_guest_changed(struct guest *guest)
{
    if (!guest->tree && guest->lock_holder && guest->lock_holder->waits_for_end)
        task_ok(guest->lock_holder);
}
