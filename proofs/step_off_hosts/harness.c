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
    return step->read.known && step->read.asked_ms >= step->course.not_before_ms &&
           !step->read.status.running;
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

static bool went_here(const struct step *step, const struct call *call)
{
    return call->ha || call->node[0] == '\0' || is(call->node, step->place.node);
}

/* A start that an earlier operation left on this host: its task is not known to have ended, and the start is
 * not 60 s old; or it was found ended, but not before the read was asked for. */
static bool start_is_under_way(const struct step *step)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i >= step->calls.count || call->power != STEP_SEND_START || !call->inherited ||
            !went_here(step, call))
            continue;
        if (call->state == CALL_TASK && step->read.received_ms - call->sent_ms < 60 * SECOND)
            return true;
        if (call->state == CALL_ENDED && call->upid[0] && step->read.asked_ms < call->settled_ms)
            return true;
    }
    return false;
}

/* The last stop of this operation. */
static struct call our_stop(const struct step *step)
{
    struct call stop = {.state = CALL_NONE};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i < step->calls.count && call->power == STEP_SEND_STOP && !call->inherited)
            stop = *call;
    }
    return stop;
}

static bool point_4(const struct step *step)
{
    struct call stop = our_stop(step);
    bool after = step->read.asked_ms >= stop.settled_ms;
    bool stopped = step->seen.running || (stop.state == CALL_OK && after) ||
                   (step->seen.idle && after && step->seen.idle_ms != 0 &&
                    step->read.asked_ms - step->seen.idle_ms >= 2 * SECOND);
    return stopped && !start_is_under_way(step);
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

/* Of this stop, of this operation or an earlier one, it is not certain that it had no effect: may it have
 * come to SIGKILL before the guest was stopped? What HA has stopped has begun after it was seen calm. */
static bool may_have_killed(const struct step *step, const struct call *call)
{
    int64_t since_ms = call->effect_ms;
    int64_t stopped_ms = step->seen.stopped_ms ? step->seen.stopped_ms : step->read.received_ms;
    if (since_ms == 0)
        return false;
    if (step->ha.calm_ms != 0 && step->ha.calm_ms > since_ms)
        since_ms = step->ha.calm_ms;
    return stopped_ms - since_ms > step->params.stop_timeout_ms + 10 * SECOND;
}

static bool point_7(const struct step *step)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < step->calls.count && !step->seen.devices && may_have_killed(step, &step->calls.list[i]))
            return false;
    }
    return true;
}

/* The second way: Proxmox HA has fenced the host, by its last word; the guest was listed there after the
 * request and since it was fenced (a guest of HA's: since it left), with no lock that hides it; this list of
 * the hosts, asked for after that one, shows the host offline; and the guest was not read running there since
 * HA can have fenced it, 90 s after it left. */
static bool died_with_host(const struct step *step, const struct step_event *event)
{
    const struct dead_hosts_answer *host = &event->word.host;
    int64_t since_ms = step->ha.managed ? host->left_ms : host->fenced_ms;
    const char *lock = step->death.lock;
    bool ran = step->seen.running_ms != 0 && step->seen.running_ms - host->left_ms >= 90 * SECOND;
    return !ran && event->word.trusted && host->state == DEAD_HOSTS_FENCED && step->death.listed_ms != 0 &&
           step->death.listed_ms >= step->course.not_before_ms && step->death.listed_ms >= since_ms &&
           !is(lock, "migrate") && !is(lock, "suspended") && !is(lock, "suspending") &&
           !is(lock, "rollback") && event->result->asked_ms >= step->death.listed_received_ms &&
           event->result->outcome == API_OK && event->decoded && event->node &&
           is(event->node, step->place.node) && !event->census.host_online &&
           event->census.online >= nodes_required(step->params.min_online_nodes, event->census.known);
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
    bool dead = died_with_host(&before, &event), off = effects.verified && !dead;
    CLAIM(!off || point_1(&before), "off is answered only with point 1");
    CLAIM(!off || point_2(&before), "off is answered only with point 2");
    CLAIM(!off || point_3(&before), "off is answered only with point 3");
    CLAIM(!off || before.ha.managed || point_4(&before), "off is answered only with point 4");
    CLAIM(!off || point_5(&before, &event), "off is answered only with point 5");
    CLAIM(!off || !before.ha.managed || point_6(&before), "off is answered only with point 6");
    CLAIM(!off || point_7(&before), "off is answered only with point 7");
    CLAIM(effects.send == STEP_SEND_NONE, "and nothing is sent before that is told");
    CLAIM(before.phase == STEP_POWERING_ON || step.phase != STEP_POWERING_ON || effects.verified,
          "no power-on without it");
    REACHED(off && before.ha.managed);
    REACHED(off && !before.ha.managed && step.phase == STEP_POWERING_ON);
    REACHED(off && step.phase == STEP_WATCHING);
    REACHED(effects.ended && !effects.verified);
    REACHED(effects.verified && dead && before.ha.managed);
    REACHED(effects.verified && dead && step.phase == STEP_POWERING_ON);
}
