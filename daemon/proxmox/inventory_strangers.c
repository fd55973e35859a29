/*
 * Guests that Proxmox shows and that are in none of the pools: nothing is ever done to them, but who asks for
 * one is told that it is there, and what keeps it out of reach. With the privileges that fencing takes there
 * are none.
 */
#include "proxmox/inventory_private.h"

#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

#define STRANGERS_FIRST 64

bool inventory_builder_stranger(struct inventory_builder *builder, int vmid, const char *name)
{
    struct inventory *inventory = inventory_builder_made(builder);
    struct strangers *strangers = &inventory->strangers;

    if (strangers->count == strangers->size) {
        size_t size = strangers->size ? 2 * strangers->size : STRANGERS_FIRST;
        struct stranger *list = reallocarray(strangers->list, size, sizeof(*list));

        if (!list)
            return false;
        strangers->list = list;
        strangers->size = size;
    }
    const char *copy = name ? arena_copy(&inventory->texts, name, strlen(name)) : NULL;

    if (name && !copy)
        return false;
    strangers->list[strangers->count++] = (struct stranger){vmid, copy};
    return true;
}

void strangers_forget_guests(struct inventory *inventory)
{
    struct strangers *strangers = &inventory->strangers;
    size_t kept = 0;

    for (size_t i = 0; i < strangers->count; i++) {
        if (!inventory_by_vmid(inventory, strangers->list[i].vmid))
            strangers->list[kept++] = strangers->list[i];
    }
    strangers->count = kept;
}

static bool is_called(const struct stranger *stranger, const char *plug)
{
    char digits[12];

    snprintf(digits, sizeof(digits), "%d", stranger->vmid);
    if (is_digits(plug))
        return strcmp(plug, digits) == 0;
    if (!stranger->name)
        return false;
    size_t first = strcspn(stranger->name, ".");

    return strcasecmp(stranger->name, plug) == 0 ||
           (strlen(plug) == first && strncasecmp(stranger->name, plug, first) == 0);
}

const struct stranger *strangers_find(const struct strangers *strangers, const char *plug)
{
    for (size_t i = 0; *plug && i < strangers->count; i++) {
        if (is_called(&strangers->list[i], plug))
            return &strangers->list[i];
    }
    return NULL;
}
