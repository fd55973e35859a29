/* What Proxmox may list and the broker may remember, in a few numbers, and the room's view of it. */
#pragma once

#include "proxmox/inventory.h"

#include <stddef.h>

#define NAMES   4 /* "a", "b", … */
#define ENTRIES 3
#define MISSING (-1)

enum { TYPE_NODE, TYPE_OTHER };
enum { STATUS_ONLINE, STATUS_UNKNOWN, STATUS_OFFLINE };

struct document {
    size_t count;
    struct entry {
        int type, name, status;
    } entries[ENTRIES];
};

extern struct document document;
extern int host; /* the guest's, MISSING: none is asked for */

void document_make(void);
bool remembers(unsigned name);
bool take_census(struct node_census *census);
