/*
 * The name of a Proxmox task, by its fields: UPID:NODE:PID:PSTART:STARTTIME:TYPE:ID:USER:
 *
 * The numbers are hexadecimal; pstart counts hundredths of seconds since the host's boot, and has nine digits
 * after 497 days. The user may hold whatever Proxmox lets a user be called. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PVE_UPID_MAX 512 /* a user and a token of 64 characters each, of up to four bytes */
#define PVE_NODE_MAX 64  /* a host name label and its NUL */

struct upid_word {
    const char *text; /* not NUL-terminated */
    size_t length;
};

/* Borrowed from the text that it was read from. */
struct pve_upid {
    struct upid_word node, type, id, user;
    uint32_t pid, starttime;
    uint64_t pstart;
};

/* A host's name, as it stands in paths and UPIDs. */
bool pve_is_node_name(const char *text, size_t length);

/* False: it is no UPID. NULL is none. */
bool upid_parse(const char *text, struct pve_upid *upid);
bool upid_word_is(const struct upid_word *word, const char *text);
/* Of a guest: the id is its VMID. */
bool upid_is_of_guest(const struct pve_upid *upid, int vmid);
/* A request to the HA manager ("hastop", "hastart"), which carries it out later. */
bool upid_is_of_ha(const char *text);
/* The host that runs the task; "" if it is no UPID. */
void upid_copy_node(const char *text, char node[static PVE_NODE_MAX]);
/* Which of two tasks of one host began first: <0, 0, >0. By the start of their processes, which has
 * hundredths of seconds; where that is equal, two who compare agree all the same. */
int upid_compare(const char *one, const char *other);
/* How long its host had been up when the task began, by the host's own count; 0: it does not tell. */
int64_t upid_uptime_ms(const char *text);
