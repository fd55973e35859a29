/*
 * Guests as a list of Proxmox's shows them: what the broker wants to know of each, and no more, so that ten
 * thousand of them take a megabyte or two. Shared by reference; never changes once it is finished.
 */
#pragma once

#include "proxmox/inventory.h"

#include <stdbool.h>
#include <stddef.h>

struct guest_list;

struct guest_list *guest_list_new(void); /* empty, with one reference; NULL: no memory */
struct guest_list *guest_list_ref(struct guest_list *list);
void guest_list_unref(struct guest_list *list); /* NULL is fine */
void guest_list_unrefp(struct guest_list **list);

/* Takes one element of the list in, the text of an object. What is no guest (a storage, a pool, a guest
 * without VMID, type or host) is passed over. 0, -EBADMSG if the text is not JSON, -ENOMEM. */
int guest_list_add(struct guest_list *list, const char *text, size_t length);
/* There are elements, and none of them is a guest: it is the list of something else. */
bool guest_list_is_of_others(const struct guest_list *list);
/* The last element was something else than a guest. */
bool guest_list_last_was_other(const struct guest_list *list);
/* After the last one: orders them by VMID. */
void guest_list_finish(struct guest_list *list);

/* All take a finished list. `pool` is what the element says; the privileges and aliases are not known here.
 */
size_t guest_list_count(const struct guest_list *list);
const struct guest *guest_list_get(const struct guest_list *list, size_t index);
const struct guest *guest_list_find(const struct guest_list *list, int vmid); /* NULL: it is not there */
