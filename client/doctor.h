/* The command doctor: whether a fence would work, by the daemon's word, or without one. */
#pragma once

#include <stdbool.h>

#include "answer.h"

/* 0 fine, 1 a fence would fail, 2 it would work but something is off; 1 for an answer of another form. */
int doctor_exit_status(const struct answer *answer);

/* Becomes `fence_brokerd doctor`, the one beside this program. Returns only if it cannot: -1, and `failure`
 * says why. */
int doctor_run_alone(bool json, struct failure *failure);
