/*
 * What holds of the state machine between two events, whatever came: the harnesses prove that it holds when
 * an operation begins and that no event and no decision ends it, so that they may begin with any state in
 * which it does; the models look at it after each event.
 */
#pragma once

#include "fence/step.h"

#include <string.h>

/* This operation's last call of the kind, in its place; NULL: there is none. */
static inline const struct call *valid_last(const struct step *step, enum step_power power)
{
    const struct call *last = NULL;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i < step->calls.count && call->power == power && !call->inherited)
            last = call;
    }
    return last;
}

static inline unsigned valid_sending(const struct step *step)
{
    unsigned sending = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        sending += i < step->calls.count && step->calls.list[i].state == CALL_SENDING;
    return sending;
}

/* What was read of a guest was read where it is: while it is looked for nothing is known of it (point 4). */
static inline bool valid_place(const struct step *step)
{
    return step->place.node[0] || (!step->read.known && !step->seen.running && !step->seen.running_ms);
}

/* Off is answered once, and watched only after that; a cycle begins with its reset. */
static inline bool valid_phase(const struct step *step)
{
    if (step->phase == STEP_CYCLING && valid_last(step, STEP_SEND_STOP))
        return false;
    if (step->phase == STEP_POWERING_OFF || step->phase == STEP_CYCLING)
        return step->course.verified_ms == 0;
    return step->phase != STEP_WATCHING || step->course.verified_ms != 0;
}

/* One power call is being sent at a time, by this operation, and it is known which (P6). */
static inline bool valid_sends(const struct step *step)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i < step->calls.count && call->state == CALL_SENDING && call->inherited)
            return false;
    }
    return step->phase == STEP_ENDED || valid_sending(step) == (step->asks[ASK_POWER].busy ? 1u : 0u);
}

/* A stop whose task ended OK proves something only on the guest's host (point 4), or to HA (point 6). */
static inline bool valid_stop(const struct step *step)
{
    const struct call *stop = valid_last(step, STEP_SEND_STOP);
    bool proves = stop && stop->state == CALL_OK && step->phase == STEP_POWERING_OFF && !step->ha.managed;
    return !proves || (step->place.node[0] && strcmp(stop->node, step->place.node) == 0);
}

static inline bool valid_ha(const struct step *step)
{
    return step->ha.managed || step->ha.taken_ms == 0;
}

static inline bool step_is_valid(const struct step *step)
{
    return valid_place(step) && valid_phase(step) && valid_sends(step) && valid_stop(step) && valid_ha(step);
}
