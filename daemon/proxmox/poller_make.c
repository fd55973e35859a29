/*
 * From the answers of a round to an inventory: whose guests are ours (P2), where they run, and what we may do
 * with them. Knows no calls and keeps nothing.
 */
#include "proxmox/poller_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <string.h>

static void set_privileges(const struct poller *poller, struct guest *guest)
{
    guest->may_power = privileges_on_guest(poller->permissions, guest->vmid, "VM.PowerMgmt");
    guest->may_audit = privileges_on_guest(poller->permissions, guest->vmid, "VM.Audit");
}

/* ---- a guest of a list ---- */

/* The pool does not tell its members, and our privileges say that this is one. */
static bool is_powered_member(const struct poller *poller, const struct pool_answer *pool,
                              const struct guest *guest)
{
    return pool->by_privileges && privileges_by_pool(poller->permissions, guest->vmid) &&
           (!guest->pool || strcmp(guest->pool, pool->name) == 0);
}

static bool add_powered(const struct poller *poller, struct inventory_builder *builder,
                        const struct pool_answer *pool, const struct guest *listed)
{
    struct guest guest = *listed;
    if (!is_powered_member(poller, pool, &guest))
        return true;
    guest.pool = NULL;
    set_privileges(poller, &guest);
    return inventory_builder_guest(builder, &guest);
}

/* The pool's own list shows also guests that we may not audit. */
static bool add_member(const struct poller *poller, struct inventory_builder *builder,
                       const struct pool_answer *pool, const struct guest *member)
{
    /* the resource list has the lock and the HA state, which the pool's list may lack */
    const struct guest *listed = guest_list_find(poller->known_guests, member->vmid);
    struct guest guest = listed ? *listed : *member;
    guest.pool = pool->name;
    set_privileges(poller, &guest);
    return inventory_builder_guest(builder, &guest);
}

static bool add_stranger(const struct poller *poller, struct inventory_builder *builder,
                         const struct guest *guest)
{
    for (size_t i = 0; i < poller->pool_count; i++) {
        const struct pool_answer *pool = &poller->pools[i];
        if ((pool->known && guest_list_find(pool->known, guest->vmid)) ||
            is_powered_member(poller, pool, guest))
            return true;
    }
    return inventory_builder_stranger(builder, guest);
}

static bool add_nodes(const struct poller *poller, struct inventory_builder *builder)
{
    size_t listed = json_object_array_length(poller->known_nodes);
    for (size_t i = 0; i < listed; i++) {
        struct json_object *entry = json_object_array_get_idx(poller->known_nodes, i);
        const char *node = NULL, *status = "", *hastate = NULL;
        if (!json_get_string(entry, "node", &node))
            continue;
        (void)json_get_string(entry, "status", &status);
        if (!inventory_builder_node(builder, node, nodes_is_member(poller->inventory, node, status, listed)))
            return false;
        if (strcmp(status, "unknown") == 0)
            inventory_builder_unknown(builder, node);
        if (json_get_string(entry, "hastate", &hastate) && strcmp(hastate, "maintenance") == 0)
            inventory_builder_maintenance(builder, node);
    }
    return true;
}

/* ---- what is kept from round to round ---- */

void poller_keep_answers(struct poller *poller)
{
    if (poller->guests && poller->nodes) {
        guest_list_unref(poller->known_guests);
        poller_put_json(&poller->known_nodes);
        poller->known_guests = TAKE(poller->guests);
        poller->known_nodes = TAKE(poller->nodes);
        poller->known_ms = poller->guests_ms;
    }
    for (size_t i = 0; i < poller->pool_count; i++) {
        struct pool_answer *pool = &poller->pools[i];
        if (!pool->asked)
            continue;
        guest_list_unref(pool->known);
        pool->known = TAKE(pool->members);
    }
}

bool poller_pool_changed(const struct poller *poller, const struct pool_answer *pool)
{
    size_t members = pool->known ? guest_list_count(pool->known) : 0, shown = 0;
    if (members == 0)
        return true;
    for (size_t i = 0; i < guest_list_count(poller->guests); i++) {
        const struct guest *guest = guest_list_get(poller->guests, i);
        if (!guest->pool || strcmp(guest->pool, pool->name) != 0)
            continue;
        if (!guest_list_find(pool->known, guest->vmid))
            return true;
        shown++;
    }
    return shown != members;
}

/* ---- in slices ---- */

bool poller_make_begin(struct poller *poller)
{
    poller_make_cancel(poller);
    poller->making.builder = inventory_builder_new(poller->inventory);
    return poller->making.builder != NULL;
}

void poller_make_cancel(struct poller *poller)
{
    inventory_builder_free(poller->making.builder);
    poller->making = (struct poller_making){.builder = NULL};
}

/* What this pass reads for this pool; NULL: nothing. */
static const struct guest_list *list_of_pass(const struct poller *poller)
{
    const struct poller_making *making = &poller->making;
    if (making->pass == MAKING_MEMBERS)
        return poller->pools[making->pool].known;
    if (making->pass == MAKING_POWERED && !poller->pools[making->pool].by_privileges)
        return NULL;
    return poller->known_guests;
}

static bool add_one(const struct poller *poller, const struct guest *guest)
{
    const struct poller_making *making = &poller->making;
    switch (making->pass) {
    case MAKING_POWERED:
        return add_powered(poller, making->builder, &poller->pools[making->pool], guest);
    case MAKING_MEMBERS:
        return add_member(poller, making->builder, &poller->pools[making->pool], guest);
    case MAKING_STRANGERS:
        return add_stranger(poller, making->builder, guest);
    case MAKING_REST:
        break;
    }
    return true;
}

/* To the next pool, or to the first one of the next pass; other guests are sought once for all pools. */
static void next_list(struct poller *poller)
{
    struct poller_making *making = &poller->making;
    making->next = 0;
    if (making->pass != MAKING_STRANGERS && ++making->pool < poller->pool_count)
        return;
    making->pool = 0;
    making->pass++;
}

static struct inventory *finish(struct poller *poller)
{
    struct inventory_builder *builder = poller->making.builder;
    if (!add_nodes(poller, builder))
        return NULL;
    for (size_t i = 0; i < poller->alias_count; i++) {
        if (!inventory_builder_alias(builder, poller->aliases[i].node, poller->aliases[i].target))
            return NULL;
    }
    for (size_t i = 0; i < poller->pool_count; i++)
        inventory_builder_pool(builder, poller->pools[i].name);
    if (poller->leads && !leads_give(poller->leads, builder))
        return NULL;
    return inventory_builder_finish(TAKE(poller->making.builder), poller->known_ms);
}

int poller_make_slice(struct poller *poller, struct inventory **made)
{
    struct poller_making *making = &poller->making;
    *made = NULL;
    for (size_t looked_at = 0; making->pass != MAKING_REST; looked_at++) {
        const struct guest_list *list = list_of_pass(poller);
        if (looked_at == POLLER_SLICE_GUESTS)
            return 1;
        if (!list || making->next == guest_list_count(list))
            next_list(poller);
        else if (!add_one(poller, guest_list_get(list, making->next++)))
            return -ENOMEM;
    }
    *made = finish(poller);
    poller_make_cancel(poller);
    return *made ? 0 : -ENOMEM;
}

/* ---- own privileges against what they are for ---- */

static void add_scope_guests(const struct inventory *made, struct privileges_guest *guests)
{
    for (size_t i = 0; made && i < inventory_count(made); i++) {
        const struct guest *guest = inventory_get(made, i);
        guests[i] = (struct privileges_guest){.vmid = guest->vmid, .pool = guest->pool};
    }
}

/* Of this round, else of the last good one. */
static const struct guest_list *shown_guests(const struct poller *poller)
{
    return poller->guests ? poller->guests : poller->known_guests;
}

/* Those that the resource list shows, and that are none of ours. */
static size_t add_scope_others(const struct poller *poller, const struct inventory *made, int *others)
{
    const struct guest_list *shown = shown_guests(poller);
    size_t count = 0;
    for (size_t i = 0; shown && i < guest_list_count(shown); i++) {
        int vmid = guest_list_get(shown, i)->vmid;
        if (!made || !inventory_by_vmid(made, vmid))
            others[count++] = vmid;
    }
    return count;
}

bool poller_judge(struct poller *poller, const struct inventory *made)
{
    size_t count = made ? inventory_count(made) : 0;
    _cleanup_(freep) const char **pools = calloc(poller->pool_count, sizeof(*pools));
    _cleanup_(freep) struct privileges_guest *guests = calloc(count ? count : 1, sizeof(*guests));
    size_t listed = shown_guests(poller) ? guest_list_count(shown_guests(poller)) : 0;
    _cleanup_(freep) int *others = calloc(listed ? listed : 1, sizeof(*others));
    struct privileges_scope scope = {.pools = pools,
                                     .pool_count = poller->pool_count,
                                     .guests = guests,
                                     .guest_count = count,
                                     .others = others,
                                     .ha_status = poller->trust_ha,
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
