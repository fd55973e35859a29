/*
 * From what a round of polls brought to an immutable snapshot; and the count of hosts that a fence takes
 * live.
 *
 * All copying, sorting and resolving of names is done here, once a round, so that looking up needs none. Two
 * things are remembered over rounds: the hosts, for a list that leaves some out may come from the wrong side
 * of a partition; and what only a guest's own host tells of it, its name above all, for when that host is
 * dead the guest must be found more than ever.
 */
#include "proxmox/inventory_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>

#define CAPACITY_FIRST 16

struct inventory_builder {
    struct inventory *inventory; /* under construction: nobody else sees it */
    struct inventory *previous;  /* a reference, or NULL */
    size_t guest_capacity, alias_capacity, node_capacity, lead_capacity;
    struct lead {
        const char *name; /* borrowed */
        int vmid;
    } * leads;
    size_t lead_count;
    size_t remembered; /* the first ones of nodes come from the previous snapshot, ordered by name */
};

bool is_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* The array with room for one more (it grows by doubling), or NULL: then the old one stays as it was. */
static void *with_room(void *array, size_t count, size_t *capacity, size_t size)
{
    size_t more = *capacity ? *capacity * 2 : CAPACITY_FIRST;
    void *grown;

    if (count < *capacity)
        return array;
    grown = reallocarray(array, more, size);
    if (grown)
        *capacity = more;
    return grown;
}

static bool add_node(struct inventory_builder *builder, const char *name, bool online, bool listed)
{
    struct inventory *inventory = builder->inventory;
    struct node *nodes =
        with_room(inventory->nodes, inventory->node_count, &builder->node_capacity, sizeof(*nodes));
    const char *copy;

    if (!nodes)
        return false;
    inventory->nodes = nodes;
    copy = arena_copy(&inventory->texts, name, strlen(name));
    if (!copy)
        return false;
    nodes[inventory->node_count++] = (struct node){.name = copy, .online = online, .listed = listed};
    return true;
}

struct inventory_builder *inventory_builder_new(struct inventory *previous)
{
    _cleanup_(inventory_builder_freep) struct inventory_builder *builder = calloc(1, sizeof(*builder));

    if (!builder)
        return NULL;
    builder->inventory = calloc(1, sizeof(*builder->inventory));
    if (!builder->inventory)
        return NULL;
    builder->inventory->references = 1;
    builder->previous = previous ? inventory_ref(previous) : NULL;
    for (size_t i = 0; previous && i < previous->node_count; i++)
        if (!add_node(builder, previous->nodes[i].name, false, false))
            return NULL;
    builder->remembered = builder->inventory->node_count;
    return TAKE(builder);
}

void inventory_builder_free(struct inventory_builder *builder)
{
    if (!builder)
        return;
    inventory_unref(builder->inventory);
    inventory_unref(builder->previous);
    free(builder->leads);
    free(builder);
}

void inventory_builder_freep(struct inventory_builder **builder)
{
    inventory_builder_free(*builder);
    *builder = NULL;
}

struct inventory *inventory_builder_made(struct inventory_builder *builder)
{
    return builder->inventory;
}

/* Into the snapshot; words that many guests share are there once. *ok is cleared if there was no memory. */
static char *copy_text(struct inventory *inventory, const char *text, bool *ok)
{
    char *copy = text ? arena_share(&inventory->texts, text, strlen(text)) : NULL;

    *ok &= copy || !text;
    return copy;
}

/* Whom to believe about name, tags and template: the guest itself, unless it comes without a name, as those
 * of a dead host do; then its earlier self, if there was one. */
static const struct guest *who_tells(const struct inventory_builder *builder, const struct guest *guest)
{
    const struct guest *earlier;

    if ((guest->name && *guest->name) || !builder->previous)
        return guest;
    earlier = inventory_by_vmid(builder->previous, guest->vmid);
    return earlier && earlier->type == guest->type ? earlier : guest;
}

bool inventory_builder_guest(struct inventory_builder *builder, const struct guest *guest)
{
    struct inventory *inventory = builder->inventory;
    const struct guest *teller = who_tells(builder, guest);
    struct guest *guests =
        with_room(inventory->guests, inventory->guest_count, &builder->guest_capacity, sizeof(*guests));
    bool ok = guests != NULL;
    struct guest copy = {
        .vmid = guest->vmid,
        .type = guest->type,
        .name = copy_text(inventory, teller->name, &ok),
        .node = copy_text(inventory, guest->node, &ok),
        .pool = copy_text(inventory, guest->pool, &ok),
        .status = copy_text(inventory, guest->status, &ok),
        .lock = copy_text(inventory, guest->lock, &ok),
        .hastate = copy_text(inventory, guest->hastate, &ok),
        .tags = copy_text(inventory, teller->tags, &ok),
        .template = teller->template,
        .may_power = guest->may_power,
        .may_audit = guest->may_audit,
    };

    if (guests)
        inventory->guests = guests;
    if (!ok)
        return false;
    snprintf(copy.label, sizeof(copy.label), "%d", guest->vmid);
    guests[inventory->guest_count++] = copy;
    return true;
}

bool inventory_builder_alias(struct inventory_builder *builder, const char *node, const char *target)
{
    struct inventory *inventory = builder->inventory;
    const char *node_copy = arena_copy(&inventory->texts, node, strlen(node));
    const char *target_copy = arena_copy(&inventory->texts, target, strlen(target));
    struct alias *aliases =
        with_room(inventory->aliases, inventory->alias_count, &builder->alias_capacity, sizeof(*aliases));

    if (aliases)
        inventory->aliases = aliases;
    if (!node_copy || !target_copy || !aliases)
        return false;
    aliases[inventory->alias_count++] = (struct alias){.node = node_copy, .target = target_copy};
    return true;
}

bool inventory_builder_lead(struct inventory_builder *builder, const char *name, int vmid)
{
    struct lead *leads =
        with_room(builder->leads, builder->lead_count, &builder->lead_capacity, sizeof(*leads));

    if (!leads)
        return false;
    builder->leads = leads;
    leads[builder->lead_count++] = (struct lead){.name = name, .vmid = vmid};
    return true;
}

static int compare_node_to(const void *key, const void *element)
{
    return strcmp(key, ((const struct node *)element)->name);
}

static struct node *find_remembered(const struct inventory_builder *builder, const char *name)
{
    return builder->remembered > 0 ? bsearch(name, builder->inventory->nodes, builder->remembered,
                                             sizeof(*builder->inventory->nodes), compare_node_to)
                                   : NULL;
}

bool inventory_builder_node(struct inventory_builder *builder, const char *name, bool online)
{
    struct node *known = find_remembered(builder, name);

    if (!known)
        return strlen(name) >= PVE_NODE_MAX || builder->inventory->node_count >= INVENTORY_HOSTS_MAX ||
               add_node(builder, name, online, true);
    known->online = online && (!known->listed || known->online);
    known->listed = true;
    return true;
}

/* One that was just given is the last. NULL: it was passed over. */
static struct node *find_node(const struct inventory_builder *builder, const char *name)
{
    for (size_t i = builder->inventory->node_count; i-- > builder->remembered;) {
        if (strcmp(builder->inventory->nodes[i].name, name) == 0)
            return &builder->inventory->nodes[i];
    }
    return find_remembered(builder, name);
}

void inventory_builder_maintenance(struct inventory_builder *builder, const char *name)
{
    struct node *known = find_node(builder, name);

    if (known)
        known->maintenance = true;
}

void inventory_builder_unknown(struct inventory_builder *builder, const char *name)
{
    struct node *known = find_node(builder, name);

    if (known)
        known->unknown = true;
}

/* ---- finishing ---- */

static int compare_guests(const void *a, const void *b)
{
    int left = ((const struct guest *)a)->vmid, right = ((const struct guest *)b)->vmid;

    return (left > right) - (left < right);
}

/* Order by VMID; of one given twice the later stays. glibc's qsort is stable only by accident, so the number
 * of arrival stands in alias_count, which is not used yet. */
static int compare_arrivals(const void *a, const void *b)
{
    size_t left = ((const struct guest *)a)->alias_count, right = ((const struct guest *)b)->alias_count;
    int by_vmid = compare_guests(a, b);

    return by_vmid ? by_vmid : (left > right) - (left < right);
}

static void order_guests(struct inventory *inventory)
{
    size_t kept = 0;
    bool ordered = true;

    for (size_t i = 1; i < inventory->guest_count && ordered; i++)
        ordered = inventory->guests[i - 1].vmid < inventory->guests[i].vmid;
    if (ordered) /* as one list brings them */
        return;
    for (size_t i = 0; i < inventory->guest_count; i++)
        inventory->guests[i].alias_count = i;
    qsort(inventory->guests, inventory->guest_count, sizeof(*inventory->guests), compare_arrivals);
    for (size_t i = 0; i < inventory->guest_count; i++)
        inventory->guests[i].alias_count = 0;
    for (size_t i = 0; i < inventory->guest_count; i++) {
        if (i + 1 == inventory->guest_count || inventory->guests[i].vmid != inventory->guests[i + 1].vmid)
            inventory->guests[kept++] = inventory->guests[i];
    }
    inventory->guest_count = kept;
}

static int compare_nodes(const void *a, const void *b)
{
    return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

/* Forget what a majority no longer names, then order; a host that the list had twice is online only if both
 * say so. */
static void order_nodes(struct inventory_builder *builder)
{
    struct inventory *inventory = builder->inventory;
    size_t online = 0, kept = 0;
    bool forget;

    for (size_t i = 0; i < builder->remembered; i++)
        if (inventory->nodes[i].listed && inventory->nodes[i].online)
            online++;
    forget = online * 2 > builder->remembered;
    for (size_t i = 0; i < inventory->node_count; i++) {
        if (!forget || inventory->nodes[i].listed)
            inventory->nodes[kept++] = inventory->nodes[i];
    }
    inventory->node_count = kept;
    if (kept == 0)
        return;
    qsort(inventory->nodes, kept, sizeof(*inventory->nodes), compare_nodes);
    kept = 1;
    for (size_t i = 1; i < inventory->node_count; i++) {
        struct node *last = &inventory->nodes[kept - 1];

        if (strcmp(last->name, inventory->nodes[i].name) == 0) {
            last->online = last->online && inventory->nodes[i].online;
            last->maintenance |= inventory->nodes[i].maintenance;
            last->unknown |= inventory->nodes[i].unknown;
        } else {
            inventory->nodes[kept++] = inventory->nodes[i];
        }
    }
    inventory->node_count = kept;
}

static int compare_entries(const void *a, const void *b)
{
    const struct name_entry *left = a, *right = b;
    int by_key = name_compare(left, right);

    return by_key ? by_key : (left->guest > right->guest) - (left->guest < right->guest);
}

/* The first `length` bytes of a name as a key, which it borrows. Digits alone never become one. */
static void index_add(struct name_index *index, const char *name, size_t length, size_t guest)
{
    if (length == 0 || strspn(name, "0123456789") >= length)
        return;
    index->entries[index->count++] =
        (struct name_entry){.hash = name_hash(name, length), .key = name, .length = length, .guest = guest};
}

static void index_sort(struct name_index *index)
{
    if (index->count > 0)
        qsort(index->entries, index->count, sizeof(*index->entries), compare_entries);
}

static void mark_shared_names(struct inventory *inventory)
{
    const struct name_index *names = &inventory->by_name;

    for (size_t i = 1; i < names->count; i++) {
        const struct name_entry *one = &names->entries[i - 1], *next = &names->entries[i];

        if (name_compare(one, next) == 0)
            inventory->guests[one->guest].name_shared = inventory->guests[next->guest].name_shared = true;
    }
}

static bool index_guests(struct inventory *inventory)
{
    struct name_index *names = &inventory->by_name, *shorts = &inventory->by_short;

    names->entries = calloc(inventory->guest_count + 1, sizeof(*names->entries));
    shorts->entries = calloc(inventory->guest_count + 1, sizeof(*shorts->entries));
    if (!names->entries || !shorts->entries)
        return false;
    for (size_t i = 0; i < inventory->guest_count; i++) {
        const char *name = inventory->guests[i].name;

        if (!name)
            continue;
        index_add(names, name, strlen(name), i);
        index_add(shorts, name, strcspn(name, "."), i);
    }
    index_sort(names);
    index_sort(shorts);
    mark_shared_names(inventory);
    return true;
}

static bool name_guest(struct inventory *inventory, struct guest *guest, const char *alias)
{
    char **grown = reallocarray(guest->aliases, guest->alias_count + 1, sizeof(*grown));

    if (!grown)
        return false;
    guest->aliases = grown;
    grown[guest->alias_count] = arena_copy(&inventory->texts, alias, strlen(alias));
    if (!grown[guest->alias_count])
        return false;
    guest->alias_count++;
    return true;
}

static bool resolve(struct inventory *inventory, struct alias *alias)
{
    struct lookup lookup = {.match = MATCH_NONE};

    if (!is_digits(alias->node))
        match_guest(inventory, alias->target, &lookup);
    alias->resolved = lookup.match == MATCH_ONE;
    alias->ambiguous = lookup.match == MATCH_SEVERAL;
    if (!alias->resolved) {
        inventory->unresolved[inventory->unresolved_count++] = (struct unresolved_alias){
            .node = alias->node, .target = alias->target, .ambiguous = alias->ambiguous};
        return true;
    }
    alias->guest = (size_t)(lookup.guest - inventory->guests);
    return name_guest(inventory, &inventory->guests[alias->guest], alias->node);
}

static bool resolve_aliases(struct inventory *inventory)
{
    struct name_index *index = &inventory->by_alias, *shorts = &inventory->by_alias_short;

    index->entries = calloc(inventory->alias_count + 1, sizeof(*index->entries));
    shorts->entries = calloc(inventory->alias_count + 1, sizeof(*shorts->entries));
    inventory->unresolved = calloc(inventory->alias_count + 1, sizeof(*inventory->unresolved));
    if (!index->entries || !shorts->entries || !inventory->unresolved)
        return false;
    for (size_t i = 0; i < inventory->alias_count; i++) {
        struct alias *alias = &inventory->aliases[i];

        if (!resolve(inventory, alias))
            return false;
        index_add(index, alias->node, strlen(alias->node), i);
        index_add(shorts, alias->node, strcspn(alias->node, "."), i);
    }
    index_sort(index);
    index_sort(shorts);
    return true;
}

/* By a line of [nodes]: for the name itself, or for its short form, if it has no other. */
static void mark_settled_names(struct inventory *inventory)
{
    struct lookup lookup;

    for (size_t i = 0; i < inventory->guest_count && inventory->alias_count > 0; i++) {
        struct guest *guest = &inventory->guests[i];

        if (!guest->name_shared)
            continue;
        match_plug(inventory, guest->name, &lookup);
        guest->name_settled = lookup.aliased;
    }
}

/* The last name that led to it; of a name with a domain and its short form the former. NULL: none did. */
static const char *led_by(const struct inventory_builder *builder, int vmid)
{
    const char *name = NULL;

    for (size_t i = 0; i < builder->lead_count; i++) {
        const struct lead *lead = &builder->leads[i];
        size_t length = strlen(lead->name);
        bool is_short = name && strncmp(name, lead->name, length) == 0 && name[length] == '.';

        if (lead->vmid == vmid && !is_short)
            name = lead->name;
    }
    return name;
}

static bool is_offline(const struct inventory *inventory, const char *name)
{
    const struct node *node = name ? inventory_node(inventory, name) : NULL;

    return node && !node->online;
}

/* A guest of a dead host comes without a name. Whoever has not seen it since the start remembers what led to
 * it. Not of a host that is there: a guest that was just made has no name yet either, and the number may have
 * been another's before (P2). */
static bool name_nameless(struct inventory_builder *builder)
{
    struct inventory *inventory = builder->inventory;
    bool ok = true;

    for (size_t i = 0; i < inventory->guest_count; i++) {
        struct guest *guest = &inventory->guests[i];
        bool seen = builder->previous && inventory_by_vmid(builder->previous, guest->vmid);

        if (!seen && (!guest->name || !*guest->name) && is_offline(inventory, guest->node))
            guest->name = copy_text(inventory, led_by(builder, guest->vmid), &ok);
    }
    return ok;
}

static bool judge_leads(struct inventory_builder *builder)
{
    struct inventory *inventory = builder->inventory;

    inventory->moved = calloc(builder->lead_count + 1, sizeof(*inventory->moved));
    for (size_t i = 0; inventory->moved && i < builder->lead_count; i++) {
        if (!moved_judge(inventory, builder->leads[i].name, builder->leads[i].vmid))
            return false;
    }
    return inventory->moved != NULL;
}

struct inventory *inventory_builder_finish(struct inventory_builder *owned, int64_t taken_ms)
{
    _cleanup_(inventory_builder_freep) struct inventory_builder *builder = owned;
    struct inventory *inventory = builder->inventory;

    inventory->taken_ms = taken_ms;
    order_guests(inventory);
    order_nodes(builder);
    strangers_forget_guests(inventory);
    if (!name_nameless(builder) || !index_guests(inventory) || !resolve_aliases(inventory) ||
        !judge_leads(builder))
        return NULL;
    mark_settled_names(inventory);
    return TAKE(builder->inventory);
}
