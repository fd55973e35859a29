/*
 * Any records of power calls: what the harnesses of calls and step begin with. A record is any content of its
 * memory in which each enum has one of its values and each text an end.
 */
#pragma once

#include "harness.h"

#include "fence/calls.h"

/* The text ends within its room. */
#define END(text) (text)[sizeof(text) - 1] = '\0'

/* A time or a span that no clock reaches, to both sides of zero: 285 thousand years. */
#define NEAR(ms) ASSUME((ms) > -(INT64_C(1) << 53) && (ms) < INT64_C(1) << 53)

/* Ends what is in it as a record must, and assumes the rest. */
void end_call(struct call *call);
void end_calls(struct calls *calls);
