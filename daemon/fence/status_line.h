/*
 * The one line in which `systemctl status` says whether a fence would work: how many guests are ready and
 * what is wrong with the others, how the endpoints are, and what became of the last fence. Pure: facts in,
 * text out.
 *
 *   3/3 targets ready; pve1, pve2 ok (2 s ago); last fence n2 off 14 d ago
 */
#pragma once

#include "fence/history.h"
#include "fence/operation.h"
#include "fence/readiness.h"
#include "proxmox/endpoints.h"
#include "system/error.h"
#include "system/text.h"

#include <stdint.h>

/* Borrowed. */
struct status_line_facts {
    const struct readiness_facts *readiness;
    const struct endpoints *endpoints;
    const struct operation *last_fence; /* the newest off or reboot, running or ended; NULL: none */
    /* In their owners' words; each with code ERROR_NONE, or NULL, if there is none. */
    const struct error *excess;     /* what Proxmox grants beyond what fencing takes */
    const struct error *missing;    /* what it does not grant */
    const struct error *poll_error; /* why the last round failed */
    int64_t now_ms, realtime_ms;
};

/* The newest off or reboot of all, whatever became of it; NULL: none is remembered. */
const struct operation *status_line_fence(const struct history *history);

/* "checking, 8 s to go": while guests are being checked, see readiness_unchecked(). */
void status_line_checking(struct text *out, int64_t left_ms);

/* Appends the line, without a newline. */
void status_line(struct text *out, const struct status_line_facts *facts);
