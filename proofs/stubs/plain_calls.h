/*
 * The plain records of step_calls.c beside the real ones, under names of their own.
 */
#pragma once

#include "calls_world.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* calls.h has those of the real ones */

#define calls_own            plain_own
#define calls_last           plain_last
#define calls_sending        plain_sending
#define calls_of_task        plain_of_task
#define calls_with_task      plain_with_task
#define calls_last_upid      plain_last_upid
#define calls_add            plain_add
#define calls_count          plain_count
#define calls_sent           plain_sent
#define calls_left           plain_left
#define calls_listed         plain_listed
#define calls_unnamed        plain_unnamed
#define calls_until          plain_until
#define calls_ended_ms       plain_ended_ms
#define calls_end_open       plain_end_open
#define calls_effect_ms      plain_effect_ms
#define calls_forget_effects plain_forget_effects
#define calls_prove_off      plain_prove_off
#define calls_see_boot       plain_see_boot
#include "step_calls.c"
#pragma GCC diagnostic pop
#undef calls_own
#undef calls_last
#undef calls_sending
#undef calls_of_task
#undef calls_with_task
#undef calls_last_upid
#undef calls_add
#undef calls_count
#undef calls_sent
#undef calls_left
#undef calls_listed
#undef calls_unnamed
#undef calls_until
#undef calls_ended_ms
#undef calls_end_open
#undef calls_effect_ms
#undef calls_forget_effects
#undef calls_prove_off
#undef calls_see_boot
