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

static const char *copy_text(struct inventory *inventory, const char *text, bool *ok)
{
    const char *copy = text ? arena_share(&inventory->texts, text, strlen(text)) : NULL;

    *ok &= copy || !text;
    return copy;
}

bool inventory_builder_stranger(struct inventory_builder *builder, const struct guest *guest)
{
    struct inventory *inventory = inventory_builder_made(builder);
    struct strangers *strangers = &inventory->strangers;
    bool ok = true;

    if (strangers->count == strangers->size) {
        size_t size = strangers->size ? 2 * strangers->size : STRANGERS_FIRST;
        struct stranger *list = reallocarray(strangers->list, size, sizeof(*list));

        if (!list)
            return false;
        strangers->list = list;
        strangers->size = size;
    }
    strangers->list[strangers->count] = (struct stranger){.vmid = guest->vmid,
                                                          .name = copy_text(inventory, guest->name, &ok),
                                                          .pool = copy_text(inventory, guest->pool, &ok)};
    strangers->count += ok;
    return ok;
}

bool inventory_say_below(const struct inventory *inventory, const char *pool, struct error *error)
{
    size_t length = strlen(pool);

    for (size_t i = 0; i < inventory->strangers.count; i++) {
        const struct stranger *stranger = &inventory->strangers.list[i];

        if (!stranger->pool || strncmp(stranger->pool, pool, length) != 0 || stranger->pool[length] != '/')
            continue;
        error_set(error, ERROR_EMPTY_POOL, "guest %d is in %.100s, and %.100s does not include that",
                  stranger->vmid, stranger->pool, pool);
        error_hint(error, "in [proxmox] of fence-broker.conf: `pool = %.100s`", stranger->pool);
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
