/*
 * From the answers of a round to an inventory: whose guests are ours (P2), where they run, and what we may do
 * with them. Knows no calls and keeps nothing.
 */
#include "proxmox/poller_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <string.h>

static bool parse_guest(struct json_object *entry, struct guest *guest)
{
    int64_t vmid = 0;
    const char *type = NULL, *node = NULL, *text = NULL;
    *guest = (struct guest){0};
    if (!json_get_string(entry, "type", &type) ||
        !json_get_int_or_digits(entry, "vmid", 100, 999999999, &vmid) ||
        !json_get_string(entry, "node", &node))
        return false;
    if (strcmp(type, "lxc") != 0 && strcmp(type, "qemu") != 0)
        return false;
    guest->vmid = (int)vmid;
    guest->type = strcmp(type, "lxc") == 0 ? PVE_LXC : PVE_QEMU;
    /* borrowed from the document; the builder copies. The casts drop const for that only. */
    guest->node = (char *)(uintptr_t)node;
    guest->name = json_get_string(entry, "name", &text) ? (char *)(uintptr_t)text : NULL;
    guest->status = json_get_string(entry, "status", &text) ? (char *)(uintptr_t)text : NULL;
    guest->lock = json_get_string(entry, "lock", &text) ? (char *)(uintptr_t)text : NULL;
    guest->hastate = json_get_string(entry, "hastate", &text) ? (char *)(uintptr_t)text : NULL;
    guest->tags = json_get_string(entry, "tags", &text) ? (char *)(uintptr_t)text : NULL;
    json_get_flag(entry, "template", &guest->template);
    return true;
}

static int64_t vmid_of(struct json_object *entry)
{
    int64_t vmid = 0;
    json_get_int_or_digits(entry, "vmid", 1, 999999999, &vmid);
    return vmid;
}

int poller_compare_entries(const void *a, const void *b)
{
    int64_t left = vmid_of(*(struct json_object *const *)a), right = vmid_of(*(struct json_object *const *)b);
    return (left > right) - (left < right);
}

/* In a list that was sorted when it came in. */
static struct json_object *find_member(struct json_object *list, int vmid)
{
    size_t low = 0, high = list ? json_object_array_length(list) : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct json_object *entry = json_object_array_get_idx(list, middle);
        int64_t found = vmid_of(entry);
        if (found == vmid)
            return entry;
        if (found < vmid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void set_privileges(const struct poller *poller, struct guest *guest)
{
    guest->may_power = privileges_on_guest(poller->permissions, guest->vmid, "VM.PowerMgmt");
    guest->may_audit = privileges_on_guest(poller->permissions, guest->vmid, "VM.Audit");
}

/* Members of pools that could be read. The pool's own list shows also guests that we may not audit. */
static bool add_pool_members(const struct poller *poller, struct inventory_builder *builder,
                             const struct pool_answer *pool)
{
    for (size_t i = 0; pool->members && i < json_object_array_length(pool->members); i++) {
        struct guest guest, listed;
        if (!parse_guest(json_object_array_get_idx(pool->members, i), &guest))
            continue;
        /* the resource list has the lock and the HA state, which the pool's list may lack */
        struct json_object *entry = find_member(poller->guests, guest.vmid);
        if (entry && parse_guest(entry, &listed))
            guest = listed;
        guest.pool = pool->name;
        set_privileges(poller, &guest);
        if (!inventory_builder_guest(builder, &guest))
            return false;
    }
    return true;
}

static bool add_powered_guests(const struct poller *poller, struct inventory_builder *builder,
                               const struct pool_answer *pool)
{
    for (size_t i = 0; i < json_object_array_length(poller->guests); i++) {
        struct json_object *entry = json_object_array_get_idx(poller->guests, i);
        const char *other = NULL;
        struct guest guest;
        if (!parse_guest(entry, &guest) || !privileges_by_pool(poller->permissions, guest.vmid))
            continue;
        if (json_get_string(entry, "pool", &other) && strcmp(other, pool->name) != 0)
            continue;
        set_privileges(poller, &guest);
        if (!inventory_builder_guest(builder, &guest))
            return false;
    }
    return true;
}

/* All others that Proxmox shows us; the builder knows which of them have been added as guests. */
static bool add_strangers(const struct poller *poller, struct inventory_builder *builder)
{
    for (size_t i = 0; i < json_object_array_length(poller->guests); i++) {
        struct guest guest;
        if (parse_guest(json_object_array_get_idx(poller->guests, i), &guest) &&
            !inventory_builder_stranger(builder, guest.vmid, guest.name))
            return false;
    }
    return true;
}

static bool add_nodes(const struct poller *poller, struct inventory_builder *builder)
{
    for (size_t i = 0; i < json_object_array_length(poller->nodes); i++) {
        struct json_object *entry = json_object_array_get_idx(poller->nodes, i);
        const char *node = NULL, *status = NULL, *hastate = NULL;
        if (!json_get_string(entry, "node", &node))
            continue;
        bool online = json_get_string(entry, "status", &status) && strcmp(status, "online") == 0;
        if (!inventory_builder_node(builder, node, online))
            return false;
        if (json_get_string(entry, "hastate", &hastate) && strcmp(hastate, "maintenance") == 0)
            inventory_builder_maintenance(builder, node);
    }
    return true;
}

struct inventory *poller_make_inventory(const struct poller *poller)
{
    _cleanup_(inventory_builder_freep) struct inventory_builder *builder =
        inventory_builder_new(poller->inventory);
    if (!builder)
        return NULL;
    for (size_t i = 0; i < poller->pool_count; i++) {
        const struct pool_answer *pool = &poller->pools[i];
        if (pool->by_privileges && !add_powered_guests(poller, builder, pool))
            return NULL;
    }
    /* after those: where a pool tells its members, its word counts */
    for (size_t i = 0; i < poller->pool_count; i++) {
        if (!add_pool_members(poller, builder, &poller->pools[i]))
            return NULL;
    }
    if (!add_strangers(poller, builder) || !add_nodes(poller, builder))
        return NULL;
    for (size_t i = 0; i < poller->alias_count; i++) {
        if (!inventory_builder_alias(builder, poller->aliases[i].node, poller->aliases[i].target))
            return NULL;
    }
    return inventory_builder_finish(TAKE(builder), poller->guests_ms);
}

/* ---- own privileges against what they are for ---- */

static void add_scope_guests(const struct inventory *made, struct privileges_guest *guests)
{
    for (size_t i = 0; made && i < inventory_count(made); i++) {
        const struct guest *guest = inventory_get(made, i);
        guests[i] = (struct privileges_guest){.vmid = guest->vmid, .pool = guest->pool};
    }
}

/* Those that the resource list shows, and that are none of ours. */
static size_t add_scope_others(const struct poller *poller, const struct inventory *made, int *others)
{
    size_t count = 0;
    for (size_t i = 0; poller->guests && i < json_object_array_length(poller->guests); i++) {
        struct guest guest;
        if (parse_guest(json_object_array_get_idx(poller->guests, i), &guest) &&
            (!made || !inventory_by_vmid(made, guest.vmid)))
            others[count++] = guest.vmid;
    }
    return count;
}

bool poller_judge(struct poller *poller, const struct inventory *made)
{
    size_t count = made ? inventory_count(made) : 0;
    _cleanup_(freep) const char **pools = calloc(poller->pool_count, sizeof(*pools));
    _cleanup_(freep) struct privileges_guest *guests = calloc(count ? count : 1, sizeof(*guests));
    size_t listed = poller->guests ? json_object_array_length(poller->guests) : 0;
    _cleanup_(freep) int *others = calloc(listed ? listed : 1, sizeof(*others));
    struct privileges_scope scope = {.pools = pools,
                                     .pool_count = poller->pool_count,
                                     .guests = guests,
                                     .guest_count = count,
                                     .others = others,
                                     .members_unknown = !made,
                                     .release = poller->release};
    if (!pools || !guests || !others)
        return false;
    scope.other_count = add_scope_others(poller, made, others);
    add_scope_guests(made, guests);
    for (size_t i = 0; i < poller->pool_count; i++) {
        pools[i] = poller->pools[i].name;
        scope.members_unknown |= poller->pools[i].by_privileges;
    }
    return grants_take(poller->grants, poller->permissions, &scope, poller->permissions_ms);
}
