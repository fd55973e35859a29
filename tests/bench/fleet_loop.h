/*
 * The simulated time of a fleet: each event belongs to the broker that made it, and that broker's jitter is
 * set when it runs. So the daemon's own code runs an hour of a thousand brokers in a minute.
 */
#pragma once

#include "tests/unit/simulated_time.h"

#include "system/jitter.h"

#define SECOND_US INT64_C(1000000)

static struct {
    unsigned jittered;
    bool no_jitter;
    uint64_t seed;
} fleet_loop = {.jittered = (unsigned)-1};

/* Of this broker is what runs from now on; 0: the fleet's own. */
static void fleet_be(unsigned owner)
{
    char name[48];
    loop.owner = owner;
    loop.be = fleet_be;
    if (fleet_loop.jittered == owner)
        return;
    fleet_loop.jittered = owner;
    snprintf(name, sizeof(name), "%" PRIu64 " machine %u", fleet_loop.seed, owner);
    jitter_begin((const char *const[]){name}, fleet_loop.no_jitter ? 0 : 1);
}

static inline void fleet_run_until(int64_t until_us)
{
    while (loop_turn_us(until_us))
        ;
    fleet_be(0);
}
