/*
 * What an operation asks of Proxmox: one call of each kind at a time, and when the next one may go. Knows no
 * clock, and not what is asked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum ask_kind {
    ASK_POWER,
    ASK_STATUS,
    ASK_TASK,
    ASK_TASKS, /* the list of tasks of a host */
    ASK_HOSTS,
    ASK_PLACE, /* where the guest is: the list of guests */
    ASK_KINDS,
};

struct ask {
    bool busy; /* one is under way */
    int64_t next_ms;
    int64_t gap_ms; /* the pause before the next one, where it grows */
};

/* It is due, and no other one is under way: now this one is. */
bool ask_begin(struct ask *ask, int64_t now_ms);
/* Not before that, whatever was planned. */
void ask_not_before(struct ask *ask, int64_t at_ms);
