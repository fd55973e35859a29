/*
 * A long answer, taken in as it comes: split at the borders of its elements, each of which is read and
 * forgotten, so that neither the text nor a tree of ten thousand guests is ever held, and no more is done at
 * a time than a few kilobytes are worth. What is around the elements is kept and judged by json-c at the end:
 * the answer is a good one only if all of it is JSON.
 */
#pragma once

#include "proxmox/guest_list.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define LISTING_ELEMENT_MAX (256 * 1024) /* bytes of one element */
#define LISTING_HOSTS_MAX   4096         /* that are kept of a list of resources */

struct listing;

struct listing *listing_new(enum api_elements elements); /* not API_ELEMENTS_NONE; NULL: no memory */
void listing_free(struct listing *listing);              /* NULL is fine */

/* The next bytes. False: it cannot become a good answer any more; memory, a broken element, or one that is
 * too long. */
bool listing_feed(struct listing *listing, const char *bytes, size_t length);

/* After the last byte: the document (the caller puts it), and in *guests its guests (the caller unrefs them).
 * NULL if it is not JSON, or memory ran out.
 *
 * API_ELEMENTS_GUESTS, API_ELEMENTS_MEMBERS: the list in the document holds one number in place of all its
 * objects; *guests is NULL if the document has no such list.
 * API_ELEMENTS_RESOURCES: in place of that list stand the hosts that it held.
 * API_ELEMENTS_LEAVES: the document is whole, but equal objects in it are one and the same: it is for reading
 * only. *guests is NULL. */
struct json_object *listing_end(struct listing *listing, struct guest_list **guests);
