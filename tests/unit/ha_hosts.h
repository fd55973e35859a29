/*
 * A small model of Proxmox HA on hosts that fail, second by second: corosync's membership with its delays,
 * the locks of pmxcfs, an LRM and a CRM a host with their rounds, watchdog-mux and its device. It follows
 * pve-ha-manager 5: who renews which lock when, who gives a watchdog back when, what the manager writes of
 * hosts and services. It knows the truth: on which hosts guests run.
 *
 * What is left to chance is drawn from a seed; what happens from outside comes from the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HA_HOSTS_MAX   5
#define HA_SERVICES    4
#define HA_LOCK_S      120
#define HA_FENCE_S     60
#define HA_MUX_S       60
#define HA_DEVICE_S    10
#define HA_STOP_S      12 /* what the stop of a host's services takes */
#define HA_GUESTS_S    6  /* from quorum after a boot until guests are started */
#define HA_REPEATS_MAX 10
#define HA_NOBODY      (-1)

enum ha_lrm_state { HA_LRM_NONE, HA_LRM_WAIT, HA_LRM_ACTIVE, HA_LRM_LOST };
enum ha_mode { HA_MODE_ACTIVE, HA_MODE_RESTART, HA_MODE_SHUTDOWN, HA_MODE_DISARM, HA_MODE_MAINTENANCE };
enum ha_node { HA_NODE_ONLINE, HA_NODE_UNKNOWN, HA_NODE_FENCE, HA_NODE_MAINTENANCE };
enum ha_service_state {
    HA_ABSENT,
    HA_REQUEST_START,
    HA_STARTED,
    HA_REQUEST_STOP,
    HA_STOPPED,
    HA_FREEZE,
    HA_FENCE,
    HA_RECOVERY,
    HA_MIGRATE
};
enum ha_wish { HA_WISH_NONE, HA_WISH_STARTED, HA_WISH_STOPPED, HA_WISH_DISABLED, HA_WISH_IGNORED };
enum ha_disarm { HA_ARMED, HA_DISARMING, HA_DISARMED };

struct ha_service {
    enum ha_service_state state;
    int node, target;
    bool running; /* its LRM has said that it was started */
};

/* What the manager writes: every member of the cluster has it, and who is cut off has it as it was. */
struct ha_status {
    struct ha_service services[HA_SERVICES];
    enum ha_node nodes[HA_HOSTS_MAX];
    bool maintenance[HA_HOSTS_MAX];
    enum ha_disarm disarm;
    bool ignore;
    int master, timestamp;
};

struct ha_lock {
    bool exists;
    int changed; /* when it was renewed last */
};

/* What a process remembers of a lock: pmxcfs lets it renew within 120 s whatever lies there. */
struct ha_hold {
    int last; /* 0: never had it */
};

struct ha_lrm {
    enum ha_lrm_state state; /* NONE: no process */
    enum ha_mode mode;
    bool wrote, leaving, done;
    int next, start, work_until, idle;
    struct ha_hold hold;
};

struct ha_lrm_file {
    enum ha_lrm_state state; /* NONE: never written */
    enum ha_mode mode;
    int timestamp;
};

struct ha_host {
    bool powered, member, quorate, seen; /* seen: online in the eyes of the quorate members */
    int side, since;                     /* which part of the network; since when member or not */
    int slow_join, slow_leave, slow_seen;
    int boot, guests_start, power_off;
    bool guests;                         /* guests run here */
    bool mux, watched;                   /* watchdog-mux works; the LRM's connection to it is open */
    int fed, dies;                       /* last update; the device fires then. 0: not */
    bool comes_back, lrm_starts;         /* after a reset; with the boot */
    bool cut_in_release, cut_in_renewal; /* the network fails in the middle of the next one */
    int crm_next, crm_start;
    bool master;
    struct ha_hold manager_hold, fence_hold[HA_HOSTS_MAX];
    int last_online[HA_HOSTS_MAX];
    struct ha_lrm lrm;
    struct ha_status copy; /* of when it was a member last */
};

struct ha_world {
    uint64_t random;
    int now, hosts;
    struct ha_host host[HA_HOSTS_MAX];
    struct ha_status status;
    struct ha_lrm_file files[HA_HOSTS_MAX];
    struct ha_lock agent[HA_HOSTS_MAX], manager;
    enum ha_wish wish[HA_SERVICES];
    int home[HA_SERVICES]; /* where its configuration lies */
    bool strict[HA_SERVICES];
    enum ha_disarm command; /* DISARMING: to disarm; ARMED with `commanded`: to arm */
    bool commanded, command_ignore;
    int migrate_to[HA_SERVICES]; /* HA_NOBODY: nowhere */
    int idle_rounds;
};

static inline unsigned ha_random(struct ha_world *world, unsigned below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (unsigned)((world->random * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

static inline bool ha_chance(struct ha_world *world, unsigned percent)
{
    return ha_random(world, 100) < percent;
}

/* ---- locks ---- */

/* Renewed or taken? One that nobody renewed for 120 s is free. Without membership it seems to work for a
 * moment. */
static inline bool ha_lock_get(const struct ha_world *world, const struct ha_host *host, struct ha_lock *lock,
                               struct ha_hold *hold)
{
    bool renewing = hold->last && world->now - hold->last < HA_LOCK_S;

    if (!host->quorate)
        return false;
    if (!host->member)
        return renewing;
    if (lock->exists && !renewing && world->now - lock->changed >= HA_LOCK_S)
        lock->exists = false;
    if (renewing ? !lock->exists : lock->exists)
        return false;
    *lock = (struct ha_lock){.exists = true, .changed = world->now};
    hold->last = world->now;
    return true;
}

static inline void ha_lock_release(const struct ha_host *host, struct ha_lock *lock, struct ha_hold *hold)
{
    hold->last = 0;
    if (host->member)
        lock->exists = false;
}

/* ---- power and membership ---- */

static inline void ha_power_off(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    host->powered = host->guests = host->quorate = host->master = false;
    host->watched = false;
    host->dies = host->power_off = host->guests_start = host->boot = 0;
    host->lrm = (struct ha_lrm){.state = HA_LRM_NONE};
    host->manager_hold = (struct ha_hold){0};
    memset(host->fence_hold, 0, sizeof(host->fence_hold));
}

static inline void ha_power_on(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    host->powered = true;
    host->boot = world->now;
    host->crm_start = world->now + 1 + (int)ha_random(world, 20);
    host->lrm.start = host->lrm_starts ? world->now + 1 : 0;
}

static inline void ha_cut(struct ha_world *world, int h)
{
    world->host[h].side = 1;
}

/* The side with a majority of all; HA_NOBODY: none. */
static inline int ha_majority_side(const struct ha_world *world)
{
    int count[2] = {0, 0};

    for (int h = 0; h < world->hosts; h++)
        count[world->host[h].side] += world->host[h].powered;
    return 2 * count[0] > world->hosts ? 0 : 2 * count[1] > world->hosts ? 1 : HA_NOBODY;
}

static inline void ha_membership(struct ha_world *world)
{
    int side = ha_majority_side(world);

    for (int h = 0; h < world->hosts; h++) {
        struct ha_host *host = &world->host[h];
        bool member = host->powered && host->side == side;
        if (member != host->member) {
            if (!member)
                host->copy = world->status;
            host->member = member;
            host->since = world->now;
        }
        int age = world->now - host->since;
        host->quorate =
            host->powered && (member ? age >= host->slow_join : age < host->slow_leave && host->quorate);
        host->seen = member ? age >= host->slow_join : age < host->slow_seen && host->seen;
        if (member && host->quorate && host->boot && !host->guests && !host->guests_start)
            host->guests_start = world->now + HA_GUESTS_S;
        if (host->guests_start && world->now >= host->guests_start && host->quorate) {
            host->guests = true;
            host->guests_start = 0;
        }
    }
}

static inline void ha_watchdog(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    if (host->watched && !host->dies && world->now - host->fed > HA_MUX_S)
        host->dies = world->now + HA_DEVICE_S;
    if ((host->dies && world->now >= host->dies) || (host->power_off && world->now >= host->power_off)) {
        bool back = host->dies && host->comes_back;
        ha_power_off(world, h);
        if (back)
            host->boot = -(world->now + 20 + (int)ha_random(world, 60)); /* switched on again then */
    }
    if (host->boot < 0 && world->now >= -host->boot)
        ha_power_on(world, h);
}

/* ---- the LRM ---- */

static inline const struct ha_status *ha_view(const struct ha_world *world, int h)
{
    return world->host[h].member ? &world->status : &world->host[h].copy;
}

static inline void ha_lrm_write(struct ha_world *world, int h)
{
    const struct ha_lrm *lrm = &world->host[h].lrm;

    if (world->host[h].member && world->host[h].quorate)
        world->files[h] =
            (struct ha_lrm_file){.state = lrm->state, .mode = lrm->mode, .timestamp = world->now};
}

/* The lock, and with it the watchdog. Without watchdog-mux the LRM dies of it, with the lock in its hand. */
static inline bool ha_lrm_protect(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    if (!ha_lock_get(world, host, &world->agent[h], &host->lrm.hold))
        return false;
    if (!host->watched && !host->mux) {
        host->lrm = (struct ha_lrm){.state = HA_LRM_NONE, .start = world->now + 5};
        return false;
    }
    host->watched = true;
    host->fed = world->now;
    if (host->cut_in_renewal) {
        host->cut_in_renewal = false;
        ha_cut(world, h);
        ha_membership(world);
    }
    return true;
}

static inline void ha_lrm_give_up(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];

    if (host->cut_in_release) {
        host->cut_in_release = false;
        ha_cut(world, h);
        ha_membership(world);
    }
    ha_lock_release(host, &world->agent[h], &host->lrm.hold);
    host->watched = false;
}

static inline int ha_active_services(const struct ha_status *status, int h)
{
    int count = 0;

    for (int i = 0; i < HA_SERVICES; i++) {
        const struct ha_service *service = &status->services[i];
        bool here = service->node == h || (service->state == HA_MIGRATE && service->target == h);
        count += here && service->state != HA_ABSENT && service->state != HA_STOPPED &&
                 service->state != HA_FREEZE && service->state != HA_REQUEST_START;
    }
    return count;
}

static inline bool ha_has_services(const struct ha_status *status, int h)
{
    for (int i = 0; i < HA_SERVICES; i++) {
        if (status->services[i].state != HA_ABSENT && status->services[i].node == h)
            return true;
    }
    return false;
}

static inline bool ha_fence_wanted(const struct ha_status *status, int h)
{
    for (int i = 0; i < HA_SERVICES; i++) {
        if (status->services[i].state == HA_FENCE && status->services[i].node == h)
            return true;
    }
    return status->nodes[h] == HA_NODE_FENCE;
}

static inline void ha_lrm_exit(struct ha_world *world, int h)
{
    struct ha_lrm *lrm = &world->host[h].lrm;

    *lrm = (struct ha_lrm){.state = HA_LRM_NONE, .start = lrm->start};
}

static inline void ha_lrm_choose_mode(const struct ha_status *view, int h, struct ha_lrm *lrm)
{
    if (lrm->leaving)
        return;
    if (view->maintenance[h])
        lrm->mode = HA_MODE_MAINTENANCE;
    else if (view->disarm != HA_ARMED)
        lrm->mode = HA_MODE_DISARM;
    else
        lrm->mode = HA_MODE_ACTIVE;
}

/* An active round: may end without the lock, without the watchdog, or without the process. */
static inline void ha_lrm_change(struct ha_world *world, int h, const struct ha_status *view)
{
    struct ha_lrm *lrm = &world->host[h].lrm;
    bool fence = ha_fence_wanted(view, h);

    if (lrm->state == HA_LRM_WAIT && lrm->mode != HA_MODE_DISARM && !fence &&
        ha_active_services(view, h) > 0 && ha_lrm_protect(world, h))
        lrm->state = HA_LRM_ACTIVE;
    else if (lrm->state == HA_LRM_LOST && !fence && ha_lrm_protect(world, h))
        lrm->state = HA_LRM_ACTIVE;
    else if (lrm->state == HA_LRM_ACTIVE && (fence || !ha_lrm_protect(world, h)))
        lrm->state = lrm->state == HA_LRM_NONE ? HA_LRM_NONE : HA_LRM_LOST;
    else if (lrm->state == HA_LRM_ACTIVE && lrm->mode == HA_MODE_DISARM) {
        ha_lrm_give_up(world, h);
        lrm->state = HA_LRM_WAIT;
    } else if (lrm->state == HA_LRM_ACTIVE && !ha_has_services(view, h)) {
        if (++lrm->idle > world->idle_rounds) {
            ha_lrm_give_up(world, h);
            lrm->state = HA_LRM_WAIT;
            lrm->idle = 0;
        }
    } else {
        lrm->idle = 0;
    }
}

static inline void ha_lrm_work(struct ha_world *world, int h)
{
    struct ha_lrm *lrm = &world->host[h].lrm;
    const struct ha_status *view = ha_view(world, h);
    int active = ha_active_services(view, h);

    if (lrm->state == HA_LRM_WAIT) {
        if (lrm->leaving) {
            ha_lrm_exit(world, h);
            return;
        }
        ha_lrm_write(world, h);
    } else if (lrm->state == HA_LRM_ACTIVE) {
        /* services are stopped in its active rounds only, and end between two of them */
        bool stopped = lrm->mode == HA_MODE_SHUTDOWN && lrm->work_until && world->now >= lrm->work_until;
        bool frozen = lrm->mode == HA_MODE_RESTART && active == 0;
        if (lrm->leaving && lrm->mode == HA_MODE_SHUTDOWN && !lrm->work_until)
            lrm->work_until = world->now + HA_STOP_S;
        if (lrm->mode == HA_MODE_MAINTENANCE && active == 0) {
            ha_lrm_give_up(world, h);
            ha_lrm_write(world, h);
        } else if (lrm->leaving && (stopped || frozen)) {
            ha_lrm_give_up(world, h);
            ha_lrm_write(world, h);
            ha_lrm_exit(world, h);
            return;
        }
        ha_lrm_write(world, h);
    } else if (lrm->state == HA_LRM_LOST && lrm->leaving && active == 0) {
        world->host[h].watched = false;
        ha_lrm_exit(world, h);
        return;
    }
    lrm->next = world->now + (lrm->state == HA_LRM_ACTIVE ? 10 : 5);
}

static inline void ha_lrm_round(struct ha_world *world, int h)
{
    struct ha_host *host = &world->host[h];
    struct ha_lrm *lrm = &host->lrm;

    if (lrm->state == HA_LRM_NONE && host->powered && lrm->start && world->now >= lrm->start) {
        *lrm = (struct ha_lrm){.state = HA_LRM_WAIT, .next = world->now};
        if (host->watched) /* its connection was closed without a word: mux waits no longer */
            host->dies = host->dies ? host->dies : world->now + HA_DEVICE_S;
    }
    if (lrm->state == HA_LRM_NONE || world->now < lrm->next)
        return;
    if (!lrm->wrote) {
        if (!host->member || !host->quorate) {
            lrm->next = world->now + 5;
            return;
        }
        ha_lrm_write(world, h);
        lrm->wrote = true;
    }
    ha_lrm_choose_mode(ha_view(world, h), h, lrm);
    ha_lrm_change(world, h, ha_view(world, h));
    if (lrm->state != HA_LRM_NONE)
        ha_lrm_work(world, h);
}

/* From outside: systemd stops it, for a restart `start` seconds after its end (0: not again), or with the
 * host. */
static inline void ha_lrm_leave(struct ha_world *world, int h, enum ha_mode mode, int start)
{
    struct ha_lrm *lrm = &world->host[h].lrm;

    if (lrm->state == HA_LRM_NONE || lrm->leaving)
        return;
    lrm->leaving = true;
    lrm->mode = mode;
    lrm->start = start ? world->now + start : 0;
    ha_lrm_write(world, h);
}

static inline void ha_lrm_kill(struct ha_world *world, int h, int start)
{
    struct ha_host *host = &world->host[h];

    if (host->lrm.state == HA_LRM_NONE)
        return;
    if (host->watched && !host->dies)
        host->dies = world->now + 1 + (int)ha_random(world, HA_DEVICE_S);
    host->lrm = (struct ha_lrm){.state = HA_LRM_NONE, .start = start ? world->now + start : 0};
}
