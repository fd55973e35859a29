/*
 * What is known when an operation begins: what it was told, and nothing else (P1); and who waits for it then
 * (P4). For every order to begin one, and every state in which askers come and go.
 */
#include "calls_world.h"
#include "step_valid.h"
#include "step_world.h"

#include <string.h>

#include "fence/step.c" /* take_event() */

static void prove_begin(void)
{
    struct step step;
    struct step_params params;
    char node[PVE_NODE_MAX];
    bool has_node;
    END(node);
    ASSUME(params.action >= FENCE_OFF && params.action <= FENCE_REBOOT);
    ASSUME(params.type >= PVE_QEMU && params.type <= PVE_LXC);
    MAKE_BOOL(params.shows_devices);
    MAKE_BOOL(params.ha_managed);
    params.node = has_node ? node : NULL;

    step_begin(&step, &params);
    CLAIM(step_is_valid(&step), "the state is valid");
    CLAIM(step.seen.devices == params.shows_devices,
          "point 7: devices were seen where others have seen them");
    CLAIM(step.ha.managed == params.ha_managed, "rule 5: it is HA's by the list of guests");
    CLAIM(step.course.not_before_ms == (params.newest_ms ? params.newest_ms : params.requested_ms),
          "point 1: reads count from the newest request on");
    CLAIM(!step.read.known && !step.seen.running && step.seen.stopped_ms == 0 && !step.seen.idle &&
              !step.seen.off && !step.ha.moved && !step.ha.stopping && step.ha.calm_ms == 0,
          "P1: nothing was read");
    CLAIM(step.calls.count == 0 && step.course.verified_ms == 0 && !step.course.may_send,
          "P5: nothing was sent, nor is it to be before the intent is recorded");
    CLAIM(!step.course.no_asker, "P4: somebody waits");
    CLAIM(strcmp(step.place.node, has_node ? node : "") == 0, "P2: its host is the one that was named");
    REACHED(step.seen.devices && step.phase == STEP_CYCLING);
}

static void prove_askers(enum step_event_kind kind)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    event.kind = kind;
    MAKE_BOOL(before.course.no_asker);
    step = before;

    take_event(&step, &effects, &event);
    CLAIM(step.course.no_asker == (kind == STEP_EVENT_DESERTED),
          "P4: nobody waits when the last one has gone, and until one is there again");
    CLAIM(step.course.verified_ms == before.course.verified_ms && step.phase == before.phase &&
              effects.send == STEP_SEND_NONE,
          "P4: and nothing is sent or proven by that");
    REACHED(before.course.no_asker != step.course.no_asker);
}

void prove(void)
{
    prove_begin();
    prove_askers(STEP_EVENT_JOINED);
    prove_askers(STEP_EVENT_DESERTED);
    prove_askers(STEP_EVENT_ASKED_AGAIN);
}
