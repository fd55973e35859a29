/*
 * The simulated cluster as one object that all rooms of pvesim share, and its clocks.
 *
 * Only main.c makes it. A room that needs another one reaches it through here and includes that room's
 * header.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct cluster;
struct auth;
struct faults;
struct tasks;
struct server;
struct control;
struct ha_hosts;

struct sim {
    struct event_base *base;
    const char *dir;
    struct cluster *cluster;
    struct auth *auth;
    struct faults *faults;
    struct tasks *tasks;
    struct server *server;
    struct control *control;
    struct ha_hosts *ha;
    double scale;            /* of all delays that real Proxmox has */
    int64_t denied_delay_ms; /* of a 401; -1: three seconds, scaled */
    int64_t clock_offset_s;  /* added to the wall clock */
    bool namespaces;         /* guests have PID namespaces of their own */
};

static inline int64_t sim_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* what the simulated hosts take for the time of day, Unix seconds */
static inline int64_t sim_wall_s(const struct sim *sim)
{
    return (int64_t)time(NULL) + sim->clock_offset_s;
}

/* a delay of the real thing, in this simulation's milliseconds */
static inline int64_t sim_scaled(const struct sim *sim, int64_t ms)
{
    return (int64_t)((double)ms * sim->scale);
}

static inline struct timeval sim_timeval(int64_t ms)
{
    if (ms < 0)
        ms = 0;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}
