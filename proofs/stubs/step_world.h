/*
 * Any state of the state machine, and any event: what the harnesses of step begin with. A state is any
 * content of its memory in which each enum has one of its values and each text an end.
 */
#pragma once

#include "harness.h"

#include "fence/step_private.h"

/* Into *step, and *event with what it points to. */
void any_step(struct step *step);
void any_event(struct step_event *event);
