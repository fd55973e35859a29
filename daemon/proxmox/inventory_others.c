/*
 * Guests that Proxmox shows and that are in none of the pools: nothing is ever done to them, but who asks for
 * one is told that it is there, and what keeps it out of reach. With the privileges that fencing takes there
 * are none.
 */
#include "proxmox/inventory_private.h"

#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

#define OTHER_GUESTS_FIRST 64

static const char *copy_text(struct inventory *inventory, const char *text, bool *ok)
{
    const char *copy = text ? arena_share(&inventory->texts, text, strlen(text)) : NULL;

    *ok &= copy || !text;
    return copy;
}

bool inventory_builder_stranger(struct inventory_builder *builder, const struct guest *guest)
{
    struct inventory *inventory = inventory_builder_made(builder);
    struct other_guests *others = &inventory->others;
    bool ok = true;

    if (others->count == others->size) {
        size_t size = others->size ? 2 * others->size : OTHER_GUESTS_FIRST;
        struct other_guest *list = reallocarray(others->list, size, sizeof(*list));

        if (!list)
            return false;
        others->list = list;
        others->size = size;
    }
    others->list[others->count] = (struct other_guest){.vmid = guest->vmid,
                                                       .name = copy_text(inventory, guest->name, &ok),
                                                       .pool = copy_text(inventory, guest->pool, &ok)};
    others->count += ok;
    return ok;
}

bool inventory_say_below(const struct inventory *inventory, const char *pool, struct error *error)
{
    size_t length = strlen(pool);

    for (size_t i = 0; i < inventory->others.count; i++) {
        const struct other_guest *other = &inventory->others.list[i];

        if (!other->pool || strncmp(other->pool, pool, length) != 0 || other->pool[length] != '/')
            continue;
        error_set(error, ERROR_EMPTY_POOL, "guest %d is in %.100s, and %.100s does not include that",
                  other->vmid, other->pool, pool);
        error_hint(error, "in [proxmox] of fence-broker.conf: `pool = %.100s`", other->pool);
        error->names_guests = true;
        return true;
    }
    return false;
}

void inventory_builder_pool(struct inventory_builder *builder, const char *pool)
{
    struct inventory *inventory = inventory_builder_made(builder);

    if (inventory->below.code == ERROR_NONE)
        inventory_say_below(inventory, pool, &inventory->below);
}

const struct error *inventory_empty_cause(const struct inventory *inventory)
{
    return inventory->guest_count == 0 && inventory->below.code != ERROR_NONE ? &inventory->below : NULL;
}

void strangers_forget_guests(struct inventory *inventory)
{
    struct other_guests *others = &inventory->others;
    size_t kept = 0;

    for (size_t i = 0; i < others->count; i++) {
        if (!inventory_by_vmid(inventory, others->list[i].vmid))
            others->list[kept++] = others->list[i];
    }
    others->count = kept;
}

static bool is_called(const struct other_guest *other, const char *plug)
{
    char digits[12];

    snprintf(digits, sizeof(digits), "%d", other->vmid);
    if (is_digits(plug))
        return strcmp(plug, digits) == 0;
    if (!other->name)
        return false;
    size_t first = strcspn(other->name, ".");

    return strcasecmp(other->name, plug) == 0 ||
           (strlen(plug) == first && strncasecmp(other->name, plug, first) == 0);
}

const struct other_guest *other_guests_find(const struct other_guests *others, const char *plug)
{
    for (size_t i = 0; *plug && i < others->count; i++) {
        if (is_called(&others->list[i], plug))
            return &others->list[i];
    }
    return NULL;
}
