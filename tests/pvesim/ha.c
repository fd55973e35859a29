/* See ha.h. */
#include "ha.h"
#include "power.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

#define RECOVERY_MS 10000 /* between two attempts to bring a service up elsewhere, scaled */

bool ha_managed(const struct guest *guest)
{
    return guest->config.ha_request != NULL;
}

static bool in_state(const struct guest *guest, const char *state)
{
    return guest->config.ha_state && strcmp(guest->config.ha_state, state) == 0;
}

static void set_state(struct guest *guest, const char *state)
{
    if (cluster_string_set(&guest->config.ha_state, state) < 0)
        fprintf(stderr, "pvesim: out of memory: HA state of %d stays\n", guest->vmid);
}

/* states in which requests are lost */
static bool drops_requests(const struct guest *guest)
{
    static const char *const states[] = {"error", "freeze", "fence", "migrate", "recovery"};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (in_state(guest, states[i]))
            return true;
    }
    return !guest->config.ha_state;
}

static void act_later(struct guest *guest, int64_t ms);

/* a failed stop puts the service into error, where it stays until a human acts */
static void stop_ended(struct task *task)
{
    struct guest *guest = cluster_guest(task->sim->cluster, task->vmid);
    if (guest && ha_managed(guest))
        set_state(guest, strcmp(task->exitstatus, "OK") == 0 ? "stopped" : "error");
}

static void begin(struct guest *guest, bool start)
{
    _cleanup_(freep) char *error = NULL;
    struct power_call call = {.node = guest->config.node,
                              .vmid = guest->vmid,
                              .is_lxc = guest->is_lxc,
                              .user = "root@pam",
                              .timeout_ms = -1,
                              .by_ha = true};
    struct task *task =
        start ? power_start(guest->sim, &call, &error) : power_stop(guest->sim, &call, &error);
    if (task && !start)
        task->ended = stop_ended;
    else if (!start)
        set_state(guest, "stopped"); /* a container that does not run is refused, and is what was wanted */
}

/* to another host, in the state that was asked for */
static void recover(struct guest *guest)
{
    bool wanted = strcmp(guest->config.ha_request, "started") == 0;
    struct node *node = guest->sim->cluster->nodes;
    while (node && node->state != NODE_ONLINE)
        node = node->next;
    if (guest->tree || !node) { /* what still runs there has the disks */
        act_later(guest, RECOVERY_MS);
        return;
    }
    guest->config.node = node;
    set_state(guest, wanted ? "started" : "stopped");
    if (wanted)
        begin(guest, true);
}

/* one round of the manager for this service */
static void act_cb(evutil_socket_t fd, short what, void *context)
{
    struct guest *guest = context;
    (void)fd, (void)what;
    if (!ha_managed(guest))
        return;
    bool offline = guest->config.node->state != NODE_ONLINE;
    if (in_state(guest, "recovery")) {
        recover(guest);
    } else if (offline && in_state(guest, "stopped") && strcmp(guest->config.ha_request, "started") == 0) {
        set_state(guest, "started"); /* and its host is fenced for that */
    } else if (drops_requests(guest) || offline) {
        return;
    } else if (strcmp(guest->config.ha_request, "stopped") == 0) {
        if (in_state(guest, "request_stop"))
            begin(guest, false);
        else if (!in_state(guest, "stopped"))
            set_state(guest, "request_stop"), act_later(guest, guest->ha_ms / 2);
    } else {
        set_state(guest, "started");
        if (!guest->tree)
            begin(guest, true);
    }
}

static void act_later(struct guest *guest, int64_t ms)
{
    struct timeval delay = sim_timeval(sim_scaled(guest->sim, ms));
    if (!guest->ha_timer)
        guest->ha_timer = event_new(guest->sim->base, -1, 0, act_cb, guest);
    if (!guest->ha_timer || event_add(guest->ha_timer, &delay) < 0)
        fprintf(stderr, "pvesim: out of memory: HA forgets %d\n", guest->vmid);
}

void ha_request(struct guest *guest, const char *wanted)
{
    if (!ha_managed(guest) || drops_requests(guest))
        return;
    if (cluster_string_set(&guest->config.ha_request, wanted) == 0)
        act_later(guest, guest->ha_ms / 2);
}

void ha_guest_changed(struct guest *guest)
{
    if (ha_managed(guest) && in_state(guest, "started") && !guest->tree)
        act_later(guest, guest->ha_ms);
}

void ha_node_changed(struct sim *sim, struct node *node)
{
    for (struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        if (guest->config.node == node && ha_managed(guest) && node->state == NODE_ONLINE &&
            (in_state(guest, "fence") || in_state(guest, "started"))) {
            set_state(guest, "started");
            act_later(guest, guest->ha_ms);
        }
    }
}

void ha_fence(struct sim *sim, struct node *node)
{
    for (struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        if (guest->config.node == node && ha_managed(guest) && !drops_requests(guest) &&
            !in_state(guest, "stopped"))
            set_state(guest, "fence");
    }
}

void ha_recover(struct sim *sim, struct node *node)
{
    for (struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        if (guest->config.node != node || !ha_managed(guest) || !in_state(guest, "fence"))
            continue;
        set_state(guest, "recovery");
        act_later(guest, 0);
    }
}
