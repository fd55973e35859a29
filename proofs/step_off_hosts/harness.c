/*
 * P1, in the state machine: a list of the hosts makes "off" be answered only where all that the machine knows
 * is the off-proof. The points are those of doc/design.md, in words of what was read and sent.
 */
#include "step_world.h"

#include <string.h>

#define SECOND 1000

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

static bool point_1(const struct step *step)
{
    return step->read.known && step->read.asked_ms >= step->course.floor_ms && !step->read.status.running;
}

static bool point_2(const struct step *step)
{
    return step->params.type == PVE_LXC ? !step->read.status.traffic : !step->read.status.nics;
}

static bool point_3(const struct step *step)
{
    const char *lock = step->read.status.lock;
    return !is(lock, "migrate") && !is(lock, "suspended") && !is(lock, "suspending") && !is(lock, "rollback");
}

/* A start that an earlier operation left on this host, and that is not 60 s old. */
static bool start_is_under_way(const struct step *step)
{
    for (unsigned i = 0; i < step->calls.former.count; i++) {
        const struct call *call = &step->calls.former.list[i];
        char host[PVE_NODE_MAX];
        upid_copy_node(call->upid, host);
        if (call->power == STEP_SEND_START && is(host, step->place.node) &&
            step->read.received_ms - call->sent_ms < 60 * SECOND)
            return true;
    }
    return false;
}

static bool point_4(const struct step *step)
{
    const struct step_call *stop = &step->calls.stop;
    bool after = step->read.asked_ms >= stop->settled_ms;
    bool stopped = step->seen.running || (stop->state == STEP_CALL_OK && after) ||
                   (step->seen.idle && after && step->seen.idle_ms != 0 &&
                    step->read.asked_ms - step->seen.idle_ms >= 2 * SECOND);
    return stopped && !start_is_under_way(step) && step->read.asked_ms >= step->calls.former_start_ms;
}

static bool point_5(const struct step *step, const struct step_event *event)
{
    unsigned required = nodes_required(step->params.min_online_nodes, event->census.known);
    return event->result->outcome == API_OK && event->decoded && event->node &&
           is(event->node, step->place.node) && event->result->asked_ms >= step->read.received_ms &&
           event->census.online >= required && event->census.host_online;
}

static bool point_6(const struct step *step)
{
    const char *state = step->read.status.ha_state;
    if (step->ha.taken_ms == 0 || step->read.asked_ms < step->ha.taken_ms)
        return false;
    if (is(state, "stopped"))
        return step->ha.moved || step->read.asked_ms - step->ha.taken_ms >= 15 * SECOND;
    return is(state, "request_stop") && step->ha.stopping;
}

static bool point_7(const struct step *step)
{
    int64_t first_ms =
        step->params.killing_since_ms ? step->params.killing_since_ms : step->calls.stop.effect_since_ms;
    int64_t stopped_ms = step->seen.stopped_ms ? step->seen.stopped_ms : step->read.received_ms;
    if (first_ms == 0 || step->seen.devices)
        return true;
    if (step->ha.calm_ms > first_ms && step->ha.calm_ms != 0)
        first_ms = step->ha.calm_ms;
    return stopped_ms - first_ms <= step->params.stop_timeout_ms + 10 * SECOND;
}

void prove(void)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    step = before;

    step_off_hosts(&step, &effects, &event);
    bool off = effects.verified;
    CLAIM(!off || point_1(&before), "off is answered only with point 1");
    CLAIM(!off || point_2(&before), "off is answered only with point 2");
    CLAIM(!off || point_3(&before), "off is answered only with point 3");
    CLAIM(!off || before.ha.managed || point_4(&before), "off is answered only with point 4");
    CLAIM(!off || point_5(&before, &event), "off is answered only with point 5");
    CLAIM(!off || !before.ha.managed || point_6(&before), "off is answered only with point 6");
    CLAIM(!off || point_7(&before), "off is answered only with point 7");
    CLAIM(effects.send == STEP_SEND_NONE, "and nothing is sent before that is told");
    CLAIM(before.phase == STEP_POWERING_ON || step.phase != STEP_POWERING_ON || off,
          "no power-on without it");
    REACHED(off && before.ha.managed);
    REACHED(off && !before.ha.managed && step.phase == STEP_POWERING_ON);
    REACHED(off && step.phase == STEP_WATCHING);
    REACHED(effects.ended && !off);
}
