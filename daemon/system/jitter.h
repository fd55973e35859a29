/*
 * What sets this broker's moments apart from those of all others: parts of a period that are the same after
 * each restart, and another one's on another machine, so that a thousand brokers that are started in one
 * second ask Proxmox evenly. No clock and no chance is in it.
 */
#pragma once

#include <stdint.h>

/* What is set apart; each on its own. */
enum jitter {
    JITTER_POLLS,       /* when rounds come */
    JITTER_TURNS,       /* what the first of them asks for */
    JITTER_WHOLE,       /* when everything is read for the first time again */
    JITTER_CHECK_ROUND, /* in which of two rounds hosts are checked */
    JITTER_REHEARSALS,  /* when the first turn comes */
    JITTER_RENEWAL,     /* of a ticket */
    JITTER_LOGIN,       /* after one that failed */
    JITTER_FIRST,       /* when the first round of polls comes */
    JITTER_CHECKS,      /* when checks and rehearsals follow a round that was answered late */
};

/* Once, at the start: texts that no other broker has, all of them. Before it, and with none, there is no
 * jitter: every part is 0. */
void jitter_begin(const char *const *texts, unsigned count);
/* From 0 to below `span_ms`. */
int64_t jitter_ms(enum jitter what, int64_t span_ms);
