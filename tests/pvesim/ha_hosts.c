/* See ha_hosts.h. */
#include "ha_hosts.h"
#include "ha.h"
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* of the real ones, scaled where they are used */
#define TICK_MS     1000
#define ROUND_TICKS 10     /* of LRM and manager */
#define WATCHDOG_MS 71000  /* watchdog-mux waits 60 s, the device 10 s */
#define FENCE_MS    60000  /* the manager waits so long for a host that has left */
#define LOCK_MS     120000 /* an agent lock expires */
#define LEAST_MS    10     /* unscaled: between two ticks */

struct ha_hosts {
    struct sim *sim;
    struct event *timer;
    unsigned ticks;
    int64_t begun_s; /* Unix seconds */
    int64_t seen_ms; /* of the real clock, when now_ms was set */
    double now_ms;   /* since the beginning, by the scaled clock */
    enum ha_armed armed;
};

static int64_t now_ms(struct ha_hosts *hosts)
{
    int64_t seen_ms = sim_now_ms();
    if (hosts->sim->scale > 0)
        hosts->now_ms += (double)(seen_ms - hosts->seen_ms) / hosts->sim->scale;
    hosts->seen_ms = seen_ms;
    return (int64_t)hosts->now_ms;
}

int64_t ha_hosts_now_s(struct ha_hosts *hosts)
{
    return hosts->begun_s + now_ms(hosts) / 1000;
}

int64_t ha_hosts_written_s(const struct ha_hosts *hosts, const struct node *node)
{
    return hosts->begun_s + node->ha.written_ms / 1000;
}

static bool has_service(const struct sim *sim, const struct node *node)
{
    for (const struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        if (guest->config.node == node && ha_managed(guest) && guest->config.ha_state &&
            strcmp(guest->config.ha_state, "stopped") != 0)
            return true;
    }
    return false;
}

/* A manager runs: it looks after a service. */
static bool is_used(const struct sim *sim)
{
    for (const struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        if (ha_managed(guest) && guest->config.ha_state)
            return true;
    }
    return false;
}

const struct node *ha_hosts_master(const struct sim *sim, const struct node *view)
{
    for (const struct node *node = sim->cluster->nodes; node; node = node->next) {
        if (cluster_sees(view, node) && cluster_quorate(sim->cluster, node))
            return node;
    }
    return NULL;
}

const char *ha_hosts_state(const struct sim *sim, const struct node *node)
{
    static const char *const names[] = {"online", "unknown", "fence"};
    if (node->ha_state)
        return *node->ha_state ? node->ha_state : NULL;
    return is_used(sim) ? names[node->ha.state] : NULL;
}

/* ---- LRM ---------------------------------------------------------------------------------------------- */

/* Its watchdog was renewed with its timestamp, and with its lock. */
static void reset_if_due(struct ha_hosts *hosts, struct node *node, int64_t now)
{
    if (node->state != NODE_CUT || !node->ha.active || node->ha.no_watchdog ||
        now - node->ha.written_ms < WATCHDOG_MS)
        return;
    cluster_node_set(hosts->sim, node, NODE_DEAD);
    server_update(hosts->sim);
}

static void run_lrm(struct ha_hosts *hosts, struct node *node, int64_t now)
{
    if (node->state != NODE_ONLINE || !cluster_quorate(hosts->sim->cluster, node))
        return;
    node->ha.written_ms = now;
    node->ha.active = hosts->armed == HA_ARMED && has_service(hosts->sim, node);
}

/* ---- manager ------------------------------------------------------------------------------------------ */

static void mind_host(struct ha_hosts *hosts, struct node *node, int64_t now)
{
    struct ha_host *ha = &node->ha;
    if (node->state == NODE_ONLINE) {
        *ha = (struct ha_host){
            .active = ha->active, .no_watchdog = ha->no_watchdog, .written_ms = ha->written_ms};
    } else if (ha->left_ms == 0) {
        ha->left_ms = now;
        ha->state = HA_HOST_UNKNOWN;
    } else if (ha->state == HA_HOST_UNKNOWN && now - ha->left_ms >= FENCE_MS &&
               has_service(hosts->sim, node)) {
        ha->state = HA_HOST_FENCE;
        ha_fence(hosts->sim, node);
    } else if (ha->state == HA_HOST_FENCE && (!ha->active || now - ha->written_ms >= LOCK_MS)) {
        ha->state = HA_HOST_UNKNOWN;
        ha_recover(hosts->sim, node);
    }
}

static void run_manager(struct ha_hosts *hosts, int64_t now)
{
    const struct node *first = hosts->sim->cluster->nodes;
    while (first && (first->state != NODE_ONLINE || !cluster_quorate(hosts->sim->cluster, first)))
        first = first->next;
    if (!first)
        return;
    if (hosts->armed == HA_DISARMING)
        hosts->armed = HA_DISARMED;
    for (struct node *node = hosts->sim->cluster->nodes; node && hosts->armed == HA_ARMED; node = node->next)
        mind_host(hosts, node, now);
}

/* ---- rounds ------------------------------------------------------------------------------------------- */

static void arm_timer(struct ha_hosts *hosts)
{
    int64_t ms = sim_scaled(hosts->sim, TICK_MS);
    struct timeval delay = sim_timeval(ms > LEAST_MS ? ms : LEAST_MS);
    if (event_add(hosts->timer, &delay) < 0)
        fprintf(stderr, "pvesim: out of memory: HA stands still\n");
}

static void tick_cb(evutil_socket_t fd, short what, void *context)
{
    struct ha_hosts *hosts = context;
    struct node *nodes = hosts->sim->cluster->nodes;
    int64_t now = now_ms(hosts);
    bool round = hosts->ticks++ % ROUND_TICKS == 0;
    (void)fd, (void)what;
    arm_timer(hosts);
    if (!is_used(hosts->sim))
        return;
    for (struct node *node = nodes; node; node = node->next)
        reset_if_due(hosts, node, now);
    for (struct node *node = nodes; node && round; node = node->next)
        run_lrm(hosts, node, now);
    if (round)
        run_manager(hosts, now);
}

void ha_hosts_arm(struct ha_hosts *hosts, bool arm)
{
    hosts->armed = arm ? HA_ARMED : HA_DISARMING;
}

enum ha_armed ha_hosts_armed(const struct ha_hosts *hosts)
{
    return hosts->armed;
}

int ha_hosts_open(struct sim *sim)
{
    struct ha_hosts *hosts = calloc(1, sizeof(*hosts));
    if (!hosts)
        return -ENOMEM;
    sim->ha = hosts;
    hosts->sim = sim;
    hosts->begun_s = sim_wall_s(sim);
    hosts->seen_ms = sim_now_ms();
    hosts->timer = event_new(sim->base, -1, 0, tick_cb, hosts);
    if (!hosts->timer)
        return -ENOMEM;
    event_active(hosts->timer, EV_TIMEOUT, 0);
    return 0;
}

void ha_hosts_free(struct ha_hosts *hosts)
{
    if (!hosts)
        return;
    if (hosts->timer)
        event_free(hosts->timer);
    free(hosts);
}
