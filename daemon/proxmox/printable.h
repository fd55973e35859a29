/*
 * Where the words of Proxmox enter: names of guests, hosts and pools, tags, texts of tasks. Whatever is shown
 * later, on a screen, in a list that Pacemaker reads, or in an answer, has come through here, and is
 * printable.
 */
#pragma once

#include "system/json.h"

/* json_parse(), and then all strings are made printable (system/text.h). NULL also without memory. */
struct json_object *printable_parse(const char *text, size_t length);
