/*
 * The memory of the state machine: what it takes to be read, sent and answered is what an event of this kind
 * has told, and nothing else. For every valid state and every event of that kind.
 */
#pragma once

#include "step_world.h"

void prove_memory(enum step_event_kind kind);

/* step_outside.c: in Proxmox's words somebody has read more than that there was an error. */
extern bool outside_words_told;
