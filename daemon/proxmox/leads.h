/*
 * Where the names of guests led: each name of a guest of the pool, and the guest that it led to. Kept in the
 * state directory, so that a guest which was renamed at Proxmox, now or while no broker ran, is not powered
 * off in another one's stead. What [nodes] names is explicit, and needs no memory.
 */
#pragma once

#include "proxmox/inventory.h"
#include "system/error.h"

#include <event2/event.h>
#include <stdint.h>

#define LEADS_MAX      4096 /* names; two for each guest with a domain */
#define LEADS_NAME_MAX 255  /* bytes of one; a longer one is none of Proxmox's */

struct leads;

/* Reads DIRECTORY/names.jsonl(.1) and starts the recorder that adds to it (a child process): call before
 * READY. A file that cannot be read is logged, and begun anew. NULL on failure. */
struct leads *leads_new(const char *directory, struct error *error);
/* The same for a command that ends: nothing is written. */
struct leads *leads_new_reading(const char *directory, struct error *error);
int leads_attach(struct leads *leads, struct event_base *base);
void leads_free(struct leads *leads, int64_t wait_ms); /* NULL is fine */

/* All of them; false: no memory. They must stay as they are until the builder ends. */
bool leads_give(const struct leads *leads, struct inventory_builder *builder);
/* Takes note of every name of a guest that leads to it. What leads elsewhere than before, while that guest is
 * still in the pool, leads nowhere, and so it stays as it was. */
void leads_learn(struct leads *leads, const struct inventory *inventory);
