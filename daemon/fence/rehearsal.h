/*
 * Rehearsals: asks Proxmox, guest by guest, whether it would accept a stop, and posts the answer as evidence.
 *
 * On its own turns (see rehearsal_plan.h), if these are seldom at the end of a round of polls, where they
 * stand for checks; and on demand; one at a time, never while an operation runs on the
 * guest or waits for it. One that Proxmox carried out ends all of them for good, over restarts, until an
 * administrator takes that back (see rehearsal_memory.h). Holds a probe, which can send this one call.
 */
#pragma once

#include "fence/evidence.h"
#include "fence/rooms.h"
#include "proxmox/probe.h"
#include "system/error.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct config;
struct rehearsals;

#define REHEARSAL_ATTEMPTS     2  /* at endpoints that differ, if the first one brings no answer */
#define REHEARSAL_FIRST_REST   4  /* who was not rehearsed yet waits so many times what the last one took */
#define REHEARSALS_WAITING_MAX 64 /* on demand, all users together */

/* Starts the recorder of the memory (a child process): call before threads exist. `directory`: of the state;
 * NULL remembers nothing. NULL and *error when memory or a process is lacking. */
struct rehearsals *rehearsals_new(const char *directory, struct error *error);
/* Begins, as soon as there are guests. Looks into the memory. False: no memory; the probe is taken over all
 * the same. Until then only rehearsals_free() may be called. */
bool rehearsals_start(struct rehearsals *rehearsals, struct event_base *base, struct probe *probe,
                      const struct rooms *rooms, const struct config *config);
/* NULL is fine; nobody is called back any more. Waits so long for what is to be remembered. */
void rehearsals_free(struct rehearsals *rehearsals, int64_t wait_ms);
/* After a reload; looks into the memory again. */
void rehearsals_set_config(struct rehearsals *rehearsals, const struct config *config);
/* The poller has another list of guests. */
/* Another identity asks from now on: what was shown to the former one is dropped. */
void rehearsals_forget(struct rehearsals *rehearsals);
void rehearsals_round_ended(struct rehearsals *rehearsals);
/* The daemon goes down: no more of them. Who waits is answered ERROR_INTERRUPTED. */
void rehearsals_stop(struct rehearsals *rehearsals);

/* What came of one that was asked for. */
struct rehearsal_report {
    int vmid;
    const char *node;
    const char *endpoint; /* "": none was reached */
    enum probe_result result;
    int64_t took_ms;
    const struct error *error; /* unless accepted */
};
/* `report`, or an error that says why none was made. Exactly once, from the loop; both are valid only during
 * the call. */
typedef void rehearsal_answer_fn(void *context, const struct rehearsal_report *report,
                                 const struct error *error);
/* Returns an id (> 0), or 0 and *error. */
uint64_t rehearsals_ask(struct rehearsals *rehearsals, const char *plug, rehearsal_answer_fn *answer,
                        void *context, struct error *error);
void rehearsals_leave(struct rehearsals *rehearsals, uint64_t id); /* no callback any more */

uint64_t rehearsals_count(const struct rehearsals *rehearsals, int vmid, enum probe_result result);
