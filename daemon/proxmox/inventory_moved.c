/*
 * Names that led to a guest of the pool before, and do not lead to it any more. Somebody has renamed guests
 * at Proxmox, and no rename there has made one node of the cluster into another: whoever asks for such a name
 * is refused, instead of the guest that has it now being powered off.
 */
#include "proxmox/inventory_private.h"

#include "system/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_NAME_LENGTH 60

void moved_clear(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->moved_count; i++)
        free(inventory->moved[i].error);
    free(inventory->moved);
}

const struct moved_name *moved_find(const struct inventory *inventory, const char *plug)
{
    for (size_t i = 0; i < inventory->moved_count; i++) {
        if (strcasecmp(inventory->moved[i].name, plug) == 0)
            return &inventory->moved[i];
    }
    return NULL;
}

static void describe(struct moved_name *moved)
{
    const char *name = moved->name;
    int before = moved->before->vmid, now = moved->now->vmid;

    *moved->error = (struct error){0};
    error_set(moved->error, ERROR_NAME_MOVED,
              "%.*s led to guest %d before (now called %.*s), and guest %d has the name now",
              SHOWN_NAME_LENGTH, name, before, SHOWN_NAME_LENGTH, guest_label(moved->before), now);
    error_hint(moved->error,
               "say in [nodes] of fence-broker.conf which one is meant: `%.*s = %d`, or `%.*s = %d`",
               SHOWN_NAME_LENGTH, name, before, SHOWN_NAME_LENGTH, name, now);
}

static void mark(struct inventory *inventory, const struct guest *guest, const struct guest *with,
                 const struct error *error)
{
    struct guest *one = &inventory->guests[guest - inventory->guests];

    one->moved = error;
    one->moved_with = with;
}

bool moved_judge(struct inventory *inventory, const char *name, int vmid)
{
    const struct guest *before = inventory_by_vmid(inventory, vmid);
    struct lookup lookup;

    if (!before)
        return true; /* it has left the pool: nothing speaks for it any more */
    match_plug(inventory, name, &lookup);
    if (lookup.aliased || lookup.match == MATCH_SEVERAL || lookup.guest == before)
        return true;
    struct moved_name *moved = &inventory->moved[inventory->moved_count];

    *moved = (struct moved_name){
        .name = arena_copy(&inventory->texts, name, strlen(name)), .before = before, .now = lookup.guest};
    if (!moved->name)
        return false;
    if (moved->now && !(moved->error = malloc(sizeof(*moved->error))))
        return false;
    inventory->moved_count++;
    if (!moved->now)
        return true;
    describe(moved);
    mark(inventory, before, lookup.guest, moved->error);
    mark(inventory, lookup.guest, before, moved->error);
    return true;
}
