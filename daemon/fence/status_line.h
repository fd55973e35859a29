/*
 * The one line in which `systemctl status` says whether a fence would work: how many guests are ready and
 * what is wrong with the others, how the endpoints are, and what became of the last fence. Pure: facts in,
 * text out.
 *
 *   3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago
 */
#pragma once

#include "fence/facts.h"
#include "system/text.h"

#include <stdint.h>

/* "checking, 8 s to go": while guests are being checked, see readiness_unchecked(). */
void status_line_checking(struct text *out, int64_t left_ms);

/* Appends the line, without a newline. */
void status_line(struct text *out, const struct facts *facts);
