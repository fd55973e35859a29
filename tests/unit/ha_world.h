/*
 * The manager (CRM) of the model of Proxmox HA, and the model as a whole: ha_hosts.h has its words, the hosts
 * and their LRMs.
 */
#pragma once

#include "ha_hosts.h"

/* ---- the manager ---- */

static inline bool ha_offline_delayed(struct ha_world *world, struct ha_host *manager, int node)
{
    if (world->status.nodes[node] == HA_NODE_ONLINE)
        return false;
    if (!manager->last_online[node]) {
        manager->last_online[node] = world->now;
        return false;
    }
    return world->now - manager->last_online[node] >= HA_FENCE_S;
}

static inline void ha_update_nodes(struct ha_world *world, struct ha_host *manager)
{
    for (int n = 0; n < world->hosts; n++) {
        enum ha_node *node = &world->status.nodes[n];
        bool maintenance = world->files[n].mode == HA_MODE_MAINTENANCE;
        if (world->host[n].seen) {
            manager->last_online[n] = world->now;
            if (*node == HA_NODE_UNKNOWN || (*node == HA_NODE_MAINTENANCE && !maintenance))
                *node = HA_NODE_ONLINE;
            else if (*node == HA_NODE_ONLINE && maintenance)
                *node = HA_NODE_MAINTENANCE;
        } else if (*node == HA_NODE_ONLINE || (*node == HA_NODE_MAINTENANCE && !maintenance)) {
            *node = HA_NODE_UNKNOWN;
        }
    }
}

static inline void ha_update_services(struct ha_world *world)
{
    for (int i = 0; i < HA_SERVICES; i++) {
        struct ha_service *service = &world->status.services[i];
        bool wanted = world->wish[i] != HA_WISH_NONE && world->wish[i] != HA_WISH_IGNORED;
        if (!wanted)
            service->state = HA_ABSENT;
        else if (service->state == HA_ABSENT)
            *service = (struct ha_service){.state = world->wish[i] == HA_WISH_STARTED ? HA_REQUEST_START
                                                                                      : HA_REQUEST_STOP,
                                           .node = world->home[i]};
    }
}

static inline void ha_take_commands(struct ha_world *world)
{
    struct ha_status *status = &world->status;

    if (world->commanded && world->command == HA_DISARMING && status->disarm == HA_ARMED) {
        status->disarm = HA_DISARMING;
        status->ignore = world->command_ignore;
    } else if (world->commanded && world->command == HA_ARMED) {
        status->disarm = HA_ARMED;
    }
    world->commanded = false;
    for (int i = 0; i < HA_SERVICES; i++) {
        struct ha_service *service = &status->services[i];
        int target = world->migrate_to[i];
        if (target != HA_NOBODY && status->disarm == HA_ARMED && service->state == HA_STARTED &&
            service->node != target && status->nodes[target] == HA_NODE_ONLINE &&
            status->nodes[service->node] == HA_NODE_ONLINE) {
            service->state = HA_MIGRATE;
            service->target = target;
        }
        world->migrate_to[i] = HA_NOBODY;
    }
}

/* True: nothing else is done in this round. */
static inline bool ha_disarm(struct ha_world *world)
{
    struct ha_status *status = &world->status;
    bool all = true;

    for (int i = 0; i < HA_SERVICES; i++) {
        enum ha_service_state state = status->services[i].state;
        if (state == HA_FENCE || state == HA_RECOVERY || state == HA_MIGRATE)
            return false;
    }
    for (int i = 0; i < HA_SERVICES && !status->ignore; i++) {
        if (status->services[i].state != HA_ABSENT)
            status->services[i].state = HA_FREEZE;
    }
    for (int n = 0; n < world->hosts; n++)
        all &= status->nodes[n] != HA_NODE_ONLINE || world->files[n].mode == HA_MODE_DISARM;
    if (all)
        status->disarm = HA_DISARMED;
    return true;
}

static inline void ha_recover(struct ha_world *world, int i)
{
    struct ha_service *service = &world->status.services[i];

    for (int n = 0; n < world->hosts; n++) {
        int node = world->strict[i] ? service->node : (n + i) % world->hosts;
        if (world->status.nodes[node] != HA_NODE_ONLINE)
            continue;
        world->home[i] = service->node = node;
        service->state = world->wish[i] == HA_WISH_STARTED ? HA_STARTED : HA_REQUEST_STOP;
        return;
    }
    if (world->wish[i] == HA_WISH_DISABLED)
        service->state = HA_STOPPED;
}

static inline void ha_follow_service(struct ha_world *world, struct ha_host *manager, int i)
{
    struct ha_service *service = &world->status.services[i];
    const struct ha_lrm_file *file = &world->files[service->node];
    enum ha_wish wish = world->wish[i];
    bool late = ha_offline_delayed(world, manager, service->node);
    bool served = world->host[service->node].member && file->state == HA_LRM_ACTIVE;

    switch (service->state) {
    case HA_REQUEST_START:
        service->state = HA_STARTED;
        break;
    case HA_STARTED:
        if (late)
            service->state = HA_FENCE;
        else if (world->status.nodes[service->node] == HA_NODE_ONLINE && wish != HA_WISH_STARTED)
            service->state = HA_REQUEST_STOP;
        else if (world->status.nodes[service->node] == HA_NODE_MAINTENANCE && !world->strict[i] && served) {
            service->state = HA_MIGRATE;
            service->target = (service->node + 1) % world->hosts;
        }
        break;
    case HA_REQUEST_STOP:
        if (served)
            service->state = HA_STOPPED;
        else if (late)
            service->state = HA_FENCE;
        break;
    case HA_STOPPED:
        if (wish != HA_WISH_DISABLED && late && world->status.nodes[service->node] != HA_NODE_MAINTENANCE)
            service->state = HA_FENCE;
        else if (wish == HA_WISH_STARTED)
            service->state = HA_REQUEST_START;
        break;
    case HA_MIGRATE:
        if (late) {
            service->state = HA_FENCE;
        } else if (served) {
            bool there = world->host[service->target].member && ha_chance(world, 70);
            service->node = world->home[i] = there ? service->target : service->node;
            service->state = wish == HA_WISH_STARTED ? HA_STARTED : HA_REQUEST_STOP;
        }
        break;
    case HA_FREEZE:
        if (file->mode == HA_MODE_ACTIVE)
            service->state = wish == HA_WISH_STARTED ? HA_STARTED : HA_REQUEST_STOP;
        break;
    case HA_RECOVERY:
        ha_recover(world, i);
        break;
    case HA_ABSENT:
    case HA_FENCE:
        break;
    }
    if (world->files[service->node].mode == HA_MODE_RESTART &&
        (service->state == HA_STARTED || service->state == HA_STOPPED || service->state == HA_REQUEST_STOP))
        service->state = HA_FREEZE;
}

static inline bool ha_fence_node(struct ha_world *world, struct ha_host *manager, int node)
{
    world->status.nodes[node] = HA_NODE_FENCE;
    if (!ha_lock_get(world, manager, &world->agent[node], &manager->fence_hold[node]))
        return false;
    world->status.nodes[node] = HA_NODE_UNKNOWN;
    return true;
}

static inline bool ha_fence_nodes(struct ha_world *world, struct ha_host *manager)
{
    bool repeat = false;

    for (int n = 0; n < world->hosts; n++) {
        bool wanted = world->status.nodes[n] == HA_NODE_FENCE;
        for (int i = 0; i < HA_SERVICES; i++)
            wanted |= world->status.services[i].state == HA_FENCE && world->status.services[i].node == n;
        if (!wanted || !ha_fence_node(world, manager, n))
            continue;
        for (int i = 0; i < HA_SERVICES; i++) {
            if (world->status.services[i].state == HA_FENCE && world->status.services[i].node == n)
                world->status.services[i].state = HA_RECOVERY;
        }
        repeat = true;
    }
    return repeat;
}

static inline void ha_manage(struct ha_world *world, struct ha_host *manager)
{
    ha_update_nodes(world, manager);
    if (world->status.disarm == HA_ARMED)
        ha_update_services(world);
    ha_take_commands(world);
    if (world->status.disarm != HA_ARMED && ha_disarm(world))
        return;
    for (int repeat = 0; repeat < HA_REPEATS_MAX; repeat++) {
        for (int i = 0; i < HA_SERVICES; i++) {
            enum ha_service_state state = world->status.services[i].state;
            bool passing = state == HA_FENCE || state == HA_RECOVERY || state == HA_MIGRATE;
            if (state != HA_ABSENT && (world->status.disarm == HA_ARMED || passing))
                ha_follow_service(world, manager, i);
        }
        if (!ha_fence_nodes(world, manager))
            break;
    }
}

static inline void ha_crm_round(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    if (!host->powered || world->now < host->crm_start || world->now < host->crm_next)
        return;
    host->crm_next = world->now + (host->master ? 10 : 5);
    if (!host->member || !host->quorate || ha_fence_wanted(&world->status, h) ||
        !ha_lock_get(world, host, &world->manager, &host->manager_hold)) {
        host->master = false;
        return;
    }
    if (!host->master) {
        host->master = true;
        memset(host->last_online, 0, sizeof(host->last_online));
    }
    world->status.master = h;
    world->status.timestamp = world->now;
    ha_manage(world, host);
    host->crm_next = world->now + 10;
}

static inline void ha_crm_leave(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    if (host->master)
        ha_lock_release(host, &world->manager, &host->manager_hold);
    host->master = false;
    host->crm_start = world->now + 1 + (int)ha_random(world, 60);
}

/* ---- the world ---- */

static inline void ha_world_init(struct ha_world *world, uint64_t seed)
{
    *world = (struct ha_world){.random = seed * UINT64_C(0xD1342543DE82EF95) + 1, .now = 1000};
    world->hosts = ha_chance(world, 70) ? 3 : 5;
    world->idle_rounds = ha_chance(world, 50) ? 60 : 2 + (int)ha_random(world, 10);
    world->status.master = HA_NOBODY;
    for (int h = 0; h < world->hosts; h++) {
        struct ha_host *host = &world->host[h];
        host->slow_join = 1 + (int)ha_random(world, 5);
        host->slow_leave = 1 + (int)ha_random(world, 5);
        host->slow_seen = 1 + (int)ha_random(world, 8);
        host->mux = host->lrm_starts = true;
        host->comes_back = ha_chance(world, 50);
        host->powered = host->guests = true;
        host->boot = world->now;
        host->crm_start = world->now + (int)ha_random(world, 10);
        host->lrm.start = world->now + (int)ha_random(world, 10);
    }
    for (int i = 0; i < HA_SERVICES; i++) {
        static const enum ha_wish wishes[] = {HA_WISH_STARTED, HA_WISH_STARTED,  HA_WISH_STARTED,
                                              HA_WISH_STOPPED, HA_WISH_DISABLED, HA_WISH_IGNORED,
                                              HA_WISH_NONE};
        world->wish[i] = wishes[ha_random(world, sizeof(wishes) / sizeof(wishes[0]))];
        world->home[i] = (int)ha_random(world, (unsigned)world->hosts);
        world->strict[i] = ha_chance(world, 30);
        world->migrate_to[i] = HA_NOBODY;
    }
}

/* A second passes. */
static inline void ha_world_step(struct ha_world *world)
{
    int first = (int)ha_random(world, (unsigned)world->hosts);

    world->now++;
    for (int h = 0; h < world->hosts; h++)
        ha_watchdog(world, h);
    ha_membership(world);
    for (int k = 0; k < world->hosts; k++) {
        int h = (first + k) % world->hosts;
        ha_lrm_round(world, h);
        ha_crm_round(world, h);
    }
}
