/*
 * A cluster of three hosts as polls see it, for the tests of dead hosts: pve2 is the one to watch, with the
 * HA service vm:104 on it.
 */
#pragma once

#include "fence/dead_hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROUND_MS 10000
#define START_S  1795905796 /* a cluster's time */

/* Members are what the next sample shows. */
struct world {
    struct dead_hosts *room;
    int64_t now_ms, took_ms;
    bool online, majority, ha_read, armed;
    const char *hastate, *lrm;
    int64_t timestamp_s, clock_s; /* of pve2's LRM, and of the others' */
    const char *state, *host;     /* of vm:104; NULL: HA does not know it */
    const char *state2;           /* of vm:105 on pve2; NULL: there is none */
    bool unlisted;
    const char *lrm4; /* of pve4, which has been off for long; its clock was far ahead. NULL: there is none */
};

static inline struct world world_new(void)
{
    struct world world = {
        .room = dead_hosts_new(),
        .now_ms = 1000000,
        .online = true,
        .majority = true,
        .ha_read = true,
        .armed = true,
        .hastate = "online",
        .lrm = "pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)",
        .timestamp_s = START_S,
        .clock_s = START_S,
        .state = "started",
        .host = "pve2",
    };
    assert_non_null(world.room);
    return world;
}

static inline void sample_at(struct world *world, int64_t asked_ms, int64_t came_ms)
{
    const struct dead_hosts_host hosts[] = {
        {.name = "pve1", .hastate = "online", .online = true},
        {.name = "pve3", .hastate = "online", .online = true},
        {.name = "pve2", .hastate = world->hastate, .online = world->online},
    };
    const struct dead_hosts_agent agents[] = {
        {.host = "pve1", .lrm = DEAD_HOSTS_LRM_OTHER, .timestamp_s = world->clock_s},
        {.host = "pve2", .lrm = dead_hosts_lrm_of(world->lrm), .timestamp_s = world->timestamp_s},
        {.host = "pve4", .lrm = dead_hosts_lrm_of(world->lrm4), .timestamp_s = START_S + 3600},
    };
    struct dead_hosts_service services[2];
    size_t count = 0;
    if (world->state)
        services[count++] =
            (struct dead_hosts_service){.sid = "vm:104", .host = world->host, .state = world->state};
    if (world->state2)
        services[count++] =
            (struct dead_hosts_service){.sid = "vm:105", .host = "pve2", .state = world->state2};
    const struct dead_hosts_sample sample = {
        .asked_ms = asked_ms,
        .came_ms = came_ms,
        .majority = world->majority,
        .hosts = hosts,
        .host_count = world->unlisted ? 2 : 3,
        .ha_read = world->ha_read,
        .armed = world->armed,
        .agents = agents,
        .agent_count = world->lrm4 ? 3 : 2,
        .services = services,
        .service_count = count,
    };
    dead_hosts_take(world->room, &sample);
}

static inline void see(struct world *world)
{
    sample_at(world, world->now_ms, world->now_ms + world->took_ms);
}

/* The time passes, and nobody looks. */
static inline void pass(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    world->clock_s += ms / 1000;
    if (world->online)
        world->timestamp_s += ms / 1000;
}

/* The time passes, with a poll each round: the last one at its end. */
static inline void poll(struct world *world, int64_t ms)
{
    for (; ms > 0; ms -= ROUND_MS) {
        pass(world, ROUND_MS);
        see(world);
    }
}

static inline struct dead_hosts_answer ask(const struct world *world)
{
    return dead_hosts_ask(world->room, "pve2", world->now_ms);
}

static inline void expect(const struct world *world, enum dead_hosts_state state,
                          enum dead_hosts_missing missing)
{
    struct dead_hosts_answer answer = ask(world);
    assert_int_equal(answer.missing, missing);
    assert_int_equal(answer.state, state);
}

/* Two minutes of a host on which all is well. */
static inline struct world world_watched(void)
{
    struct world world = world_new();
    see(&world);
    poll(&world, 120000);
    return world;
}

static inline void set_lost(struct world *world)
{
    world->online = false;
    world->hastate = "unknown";
}

static const char old_lrm[] = "pve2 (old timestamp - dead?, watchdog standby, Sat Nov 28 22:43:26 2026)";

/* pve2 leaves; two rounds later its LRM's timestamp is old. */
static inline void lose(struct world *world)
{
    set_lost(world);
    poll(world, ROUND_MS);
    poll(world, 2 * ROUND_MS);
    world->lrm = old_lrm;
}

static inline struct world world_lost(void)
{
    struct world world = world_watched();
    lose(&world);
    return world;
}

static inline struct world world_fenced(void)
{
    struct world world = world_lost();
    poll(&world, 130000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    return world;
}

/* Whatever comes, nothing is claimed any more until the host is online. */
static inline void expect_never(struct world *world, enum dead_hosts_missing missing)
{
    expect(world, DEAD_HOSTS_OFFLINE, missing);
    assert_false(ask(world).watched);
    world->armed = true;
    world->state = "fence";
    world->hastate = "fence";
    poll(world, 60000);
    world->state = "started";
    world->host = "pve1";
    world->hastate = "unknown";
    poll(world, 200000);
    expect(world, DEAD_HOSTS_OFFLINE, missing);
    dead_hosts_free(world->room);
}
