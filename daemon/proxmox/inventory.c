/*
 * A snapshot of guests and hosts, and who a plug means.
 *
 * A snapshot never changes after inventory_builder_finish(), so it needs no locks, no invalidation and no
 * allocation at the moment of a fence: guests lie ordered by VMID, and names, short names and aliases in
 * sorted indexes of their own, where those that share a name lie side by side. This room does not know where
 * the facts came from, nor how old is too old.
 */
#include "proxmox/inventory_private.h"

#include "system/cleanup.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_PLUG_MAX     80 /* of a plug in messages, with its NUL */
#define SHOWN_GUESTS_MAX   6  /* guests or candidates in one message */
#define SHOWN_GUEST_LENGTH 40 /* bytes of each one's name */

struct inventory *inventory_ref(struct inventory *inventory)
{
    inventory->references++;
    return inventory;
}

void inventory_unref(struct inventory *inventory)
{
    if (!inventory || --inventory->references > 0)
        return;
    for (size_t i = 0; i < inventory->guest_count; i++)
        free(inventory->guests[i].aliases);
    free(inventory->guests);
    free(inventory->nodes);
    free(inventory->aliases);
    free(inventory->unresolved);
    free(inventory->by_name.entries);
    free(inventory->by_short.entries);
    free(inventory->by_alias.entries);
    free(inventory->by_alias_short.entries);
    moved_clear(inventory);
    free(inventory->others.list);
    arena_clear(&inventory->texts);
    free(inventory);
}

void inventory_unrefp(struct inventory **inventory)
{
    inventory_unref(*inventory);
    *inventory = NULL;
}

size_t inventory_count(const struct inventory *inventory)
{
    return inventory->guest_count;
}

const struct guest *inventory_get(const struct inventory *inventory, size_t index)
{
    return index < inventory->guest_count ? &inventory->guests[index] : NULL;
}

static int compare_vmid(const void *key, const void *element)
{
    int vmid = *(const int *)key, other = ((const struct guest *)element)->vmid;

    return (vmid > other) - (vmid < other);
}

const struct guest *inventory_by_vmid(const struct inventory *inventory, int vmid)
{
    if (inventory->guest_count == 0)
        return NULL;
    return bsearch(&vmid, inventory->guests, inventory->guest_count, sizeof(*inventory->guests),
                   compare_vmid);
}

const char *guest_label(const struct guest *guest)
{
    if (!guest)
        return "";
    return guest->name && *guest->name ? guest->name : guest->label;
}

const char *guest_second_alias(const struct guest *guest)
{
    for (size_t i = 1; i < guest->alias_count; i++) {
        size_t first = strcspn(guest->aliases[0], "."), length = strcspn(guest->aliases[i], ".");

        if (first != length || strncasecmp(guest->aliases[0], guest->aliases[i], first) != 0)
            return guest->aliases[i];
    }
    return NULL;
}

uint64_t name_hash(const char *name, size_t length)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */

    for (size_t i = 0; i < length; i++) {
        char c = name[i];

        hash = (hash ^ (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c)) * 1099511628211U;
    }
    return hash;
}

int name_compare(const struct name_entry *a, const struct name_entry *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return strncasecmp(a->key, b->key, a->length);
}

/* How many entries stand before that key; with `behind`, before the end of its run. */
static size_t index_bound(const struct name_index *index, const struct name_entry *key, bool behind)
{
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = name_compare(&index->entries[middle], key);

        if (order < 0 || (behind && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The run of entries whose key is `plug`, folded; its length, 0 if there is none. Thousands may have one
 * name. */
static size_t index_find(const struct name_index *index, const char *plug, const struct name_entry **first)
{
    struct name_entry wanted = {.key = plug, .length = strlen(plug)};

    wanted.hash = name_hash(plug, wanted.length);
    size_t begin = index_bound(index, &wanted, false);

    *first = index->entries ? &index->entries[begin] : NULL;
    if (begin == index->count || name_compare(*first, &wanted) != 0)
        return 0;
    return index_bound(index, &wanted, true) - begin;
}

/* ---- what a user reads when a plug leads nowhere ---- */

static void show_plug(const char *plug, char shown[static SHOWN_PLUG_MAX])
{
    bool cut = snprintf(shown, SHOWN_PLUG_MAX, "%s", plug) >= SHOWN_PLUG_MAX;

    if (cut)
        memcpy(shown + SHOWN_PLUG_MAX - 4, "...", 4);
    text_make_printable(shown);
}

/* "web1 (101), web2 (102) and 7 more"; the buffer has room for SHOWN_GUESTS_MAX of them. */
struct guest_list {
    char text[SHOWN_GUESTS_MAX * (SHOWN_GUEST_LENGTH + 24) + 40];
    size_t length, shown;
};

static void list_guest(struct guest_list *list, const struct guest *guest)
{
    int added;

    if (list->shown >= SHOWN_GUESTS_MAX)
        return;
    added = snprintf(list->text + list->length, sizeof(list->text) - list->length, "%s%.*s (%d)",
                     list->shown ? ", " : "", SHOWN_GUEST_LENGTH, guest_label(guest), guest->vmid);
    if (added > 0 && (size_t)added < sizeof(list->text) - list->length)
        list->length += (size_t)added;
    list->shown++;
}

static void list_end(struct guest_list *list, size_t total)
{
    if (total > list->shown)
        snprintf(list->text + list->length, sizeof(list->text) - list->length, " and %zu more",
                 total - list->shown);
    text_make_printable(list->text);
}

static void say_ambiguous(const struct inventory *inventory, const char *plug, const struct name_entry *first,
                          size_t count, struct error *error)
{
    char shown[SHOWN_PLUG_MAX];
    struct guest_list list = {.length = 0};

    show_plug(plug, shown);
    for (size_t i = 0; i < count; i++)
        list_guest(&list, &inventory->guests[first[i].guest]);
    list_end(&list, count);
    error_set(error, ERROR_AMBIGUOUS_NAME, "%zu guests are called %s: %s", count, shown, list.text);
    error_hint(error, "use the VMID, or put \"%s = %d\" into [nodes]", shown,
               inventory->guests[first[0].guest].vmid);
}

static void say_unresolved(const struct inventory *inventory, const struct alias *alias, struct error *error)
{
    char node[SHOWN_PLUG_MAX], target[SHOWN_PLUG_MAX];

    show_plug(alias->node, node);
    show_plug(alias->target, target);
    if (alias->ambiguous) {
        error_set(error, ERROR_AMBIGUOUS_NAME,
                  "[nodes] says that %s is %s, and several guests are called that", node, target);
        error_hint(error, "put the VMID into [nodes]: fence_broker targets shows them");
        return;
    }
    error_set(error, ERROR_UNKNOWN_PLUG, "[nodes] says that %s is %s, which is none of the pool's %zu guests",
              node, target, inventory->guest_count);
    error_hint(error, "put the guest into the pool, or fix [nodes]: fence_broker targets shows the guests");
}

/* "web1.example.com" where the pool has a guest "web1": likely meant, but not ours to decide. */
static const struct guest *same_first_label(const struct inventory *inventory, const char *plug)
{
    const struct name_entry *first;
    char label[SHOWN_PLUG_MAX];
    size_t length = strcspn(plug, ".");

    if (plug[length] == '\0' || length == 0 || length >= sizeof(label))
        return NULL;
    memcpy(label, plug, length);
    label[length] = '\0';
    return index_find(&inventory->by_short, label, &first) == 1 ? &inventory->guests[first->guest] : NULL;
}

/* Our privileges show it, so no secret is told. */
static void say_other_guest(const struct other_guest *other, const char *shown, struct error *error)
{
    char name[SHOWN_PLUG_MAX];

    show_plug(other->name ? other->name : "without a name", name);
    if (other->pool) { /* to put it into ours would take it out of that one */
        error_set(
            error, ERROR_UNKNOWN_PLUG,
            "%s is guest %d (%s), which is in %.100s and not in a pool of the broker: it is never touched",
            shown, other->vmid, name, other->pool);
        error_hint(error, "to have it fenced, add `pool = %.100s` to [proxmox] of fence-broker.conf",
                   other->pool);
        return;
    }
    error_set(error, ERROR_UNKNOWN_PLUG, "%s is guest %d (%s), which is not in the pool: it is never touched",
              shown, other->vmid, name);
    error_hint(error, "to have it fenced, on a Proxmox host: `pveum pool modify POOL --vms %d`", other->vmid);
}

static void say_unknown(const struct inventory *inventory, const char *plug, struct error *error)
{
    char shown[SHOWN_PLUG_MAX];
    struct guest_list list = {.length = 0};
    const struct guest *similar = same_first_label(inventory, plug);
    const struct moved_name *moved = moved_find(inventory, plug);
    const struct other_guest *other = other_guests_find(&inventory->others, plug);

    show_plug(plug, shown);
    if (other) {
        say_other_guest(other, shown, error);
        return;
    }
    if (inventory->guest_count == 0) {
        error_set(error, ERROR_UNKNOWN_PLUG, "no guest is called %s: the broker sees no guests in the pool",
                  shown);
        error_hint(error, "put the guests into the pool, and grant VM.Audit and VM.PowerMgmt on it");
        return;
    }
    for (size_t i = 0; i < inventory->guest_count && i < SHOWN_GUESTS_MAX; i++)
        list_guest(&list, &inventory->guests[i]);
    list_end(&list, inventory->guest_count);
    error_set(error, ERROR_UNKNOWN_PLUG, "no guest is called %s; there are %s", shown, list.text);
    if (moved)
        error_hint(error,
                   "it was guest %d, which is called %s now: if that one is meant, put \"%s = %d\" into "
                   "[nodes]",
                   moved->before->vmid, guest_label(moved->before), shown, moved->before->vmid);
    else if (similar)
        error_hint(
            error,
            "if guest %d is meant, put \"%s = %d\" into [nodes]; fence_broker targets shows the guests",
            similar->vmid, shown, similar->vmid);
    else
        error_hint(error, "fence_broker targets shows the guests; names that differ go into [nodes]");
}

/* ---- who a plug means ---- */

/* Digits alone, as Proxmox writes them: "0101" is not guest 101. */
static bool parse_vmid(const char *plug, int *vmid)
{
    int64_t value = 0;

    if (*plug == '0')
        return false;
    for (const char *c = plug; *c; c++) {
        value = value * 10 + (*c - '0');
        if (value > INT32_MAX)
            return false;
    }
    *vmid = (int)value;
    return true;
}

void match_guest(const struct inventory *inventory, const char *plug, struct lookup *lookup)
{
    const struct name_index *indexes[] = {&inventory->by_name, &inventory->by_short};
    int vmid;

    *lookup = (struct lookup){.match = MATCH_NONE};
    if (is_digits(plug)) {
        lookup->guest = parse_vmid(plug, &vmid) ? inventory_by_vmid(inventory, vmid) : NULL;
        lookup->match = lookup->guest ? MATCH_ONE : MATCH_NONE;
        return;
    }
    for (size_t i = 0; *plug && i < ARRAY_LEN(indexes) && lookup->match == MATCH_NONE; i++) {
        lookup->count = index_find(indexes[i], plug, &lookup->candidates);
        if (lookup->count > 1)
            lookup->match = MATCH_SEVERAL;
        if (lookup->count != 1)
            continue;
        lookup->match = MATCH_ONE;
        lookup->guest = &inventory->guests[lookup->candidates->guest];
    }
}

/* By the alias of this name, or of this short name. Several lines must agree. */
static void match_alias(const struct inventory *inventory, const struct name_index *index, const char *plug,
                        struct lookup *lookup)
{
    const struct name_entry *first;
    size_t count = index_find(index, plug, &first);

    *lookup = (struct lookup){.match = count ? MATCH_ONE : MATCH_NONE, .aliased = count > 0};
    for (size_t i = 0; i < count; i++) {
        const struct alias *alias = &inventory->aliases[first[i].guest];
        const struct alias *leader = lookup->alias ? lookup->alias : alias;

        if (alias != leader && (!alias->resolved || !leader->resolved || alias->guest != leader->guest))
            lookup->match = MATCH_SEVERAL;
        lookup->alias = leader;
    }
    if (lookup->match == MATCH_ONE && lookup->alias->resolved)
        lookup->guest = &inventory->guests[lookup->alias->guest];
}

/* The short name of an alias is as good as that of a guest: where they differ, neither counts. */
static void add_alias_short(const struct inventory *inventory, const char *plug, struct lookup *lookup)
{
    const struct name_entry *first;
    struct lookup by_alias;

    if (lookup->match == MATCH_ONE && (is_digits(plug) || index_find(&inventory->by_name, plug, &first) > 0))
        return;
    match_alias(inventory, &inventory->by_alias_short, plug, &by_alias);
    if (by_alias.match == MATCH_NONE || lookup->match == MATCH_SEVERAL)
        return;
    if (lookup->match == MATCH_ONE && by_alias.guest && by_alias.guest != lookup->guest)
        by_alias.match = MATCH_SEVERAL;
    *lookup = by_alias;
}

void match_plug(const struct inventory *inventory, const char *plug, struct lookup *lookup)
{
    match_alias(inventory, &inventory->by_alias, plug, lookup);
    if (lookup->match != MATCH_NONE)
        return;
    match_guest(inventory, plug, lookup);
    add_alias_short(inventory, plug, lookup);
}

static void say_aliases_differ(const struct inventory *inventory, const char *plug, struct error *error)
{
    const struct name_entry *first;
    char shown[SHOWN_PLUG_MAX];

    show_plug(plug, shown);
    if (index_find(&inventory->by_alias, plug, &first) == 0) {
        error_set(error, ERROR_AMBIGUOUS_NAME,
                  "%s is the short name of several guests, one of them by [nodes]", shown);
        error_hint(error, "put \"%s = VMID\" into [nodes]: fence_broker targets shows the guests", shown);
        return;
    }
    error_set(error, ERROR_AMBIGUOUS_NAME, "[nodes] names %s more than once, and not the same guest", shown);
    error_hint(error, "keep one of the lines that differ only in upper and lower case");
}

/* A name that has moved leads nowhere, unless [nodes] decides. */
static const struct moved_name *moved_by(const struct inventory *inventory, const char *plug,
                                         const struct lookup *lookup)
{
    if (lookup->match != MATCH_ONE || lookup->aliased || !lookup->guest->moved)
        return NULL;
    const struct moved_name *moved = moved_find(inventory, plug);

    return moved && moved->now == lookup->guest ? moved : NULL;
}

const struct guest *inventory_leads(const struct inventory *inventory, const char *plug)
{
    struct lookup lookup;

    match_plug(inventory, plug, &lookup);
    return lookup.match == MATCH_ONE && !moved_by(inventory, plug, &lookup) ? lookup.guest : NULL;
}

bool inventory_moved(const struct inventory *inventory, const char *plug, const struct guest **before,
                     const struct guest **now)
{
    struct lookup lookup;

    match_plug(inventory, plug, &lookup);
    const struct moved_name *moved = moved_by(inventory, plug, &lookup);

    if (!moved)
        return false;
    *before = moved->before;
    *now = moved->now;
    return true;
}

const struct guest *inventory_find(const struct inventory *inventory, const char *plug, struct error *error)
{
    struct lookup lookup;

    match_plug(inventory, plug, &lookup);
    const struct moved_name *moved = moved_by(inventory, plug, &lookup);

    if (moved)
        *error = *moved->error;
    else if (lookup.match == MATCH_ONE && lookup.guest)
        return lookup.guest;
    else if (lookup.match == MATCH_ONE)
        say_unresolved(inventory, lookup.alias, error);
    else if (lookup.match == MATCH_NONE)
        say_unknown(inventory, plug, error);
    else if (lookup.aliased)
        say_aliases_differ(inventory, plug, error);
    else
        say_ambiguous(inventory, plug, lookup.candidates, lookup.count, error);
    return NULL;
}

size_t inventory_unresolved_alias_count(const struct inventory *inventory)
{
    return inventory->unresolved_count;
}

const struct unresolved_alias *inventory_unresolved_alias_get(const struct inventory *inventory, size_t index)
{
    return index < inventory->unresolved_count ? &inventory->unresolved[index] : NULL;
}

/* ---- hosts ---- */

static int compare_node(const void *key, const void *element)
{
    return strcmp(key, ((const struct node *)element)->name);
}

const struct node *inventory_node(const struct inventory *inventory, const char *name)
{
    if (!name || inventory->node_count == 0)
        return NULL;
    return bsearch(name, inventory->nodes, inventory->node_count, sizeof(*inventory->nodes), compare_node);
}

bool inventory_node_maintenance(const struct inventory *inventory, const char *node)
{
    const struct node *found = inventory_node(inventory, node);

    return found && found->maintenance;
}

bool inventory_node_unknown(const struct inventory *inventory, const char *node)
{
    const struct node *found = inventory_node(inventory, node);

    return found && found->unknown;
}

bool inventory_node_online(const struct inventory *inventory, const char *node)
{
    const struct node *found = inventory_node(inventory, node);

    return found && found->online;
}

bool inventory_node_vouches_alone(const struct inventory *inventory, const char *node)
{
    if (!inventory_node_online(inventory, node))
        return false;
    for (size_t i = 0; i < inventory->node_count; i++) {
        const struct node *other = &inventory->nodes[i];

        if (other->online && other->unknown == (strcmp(other->name, node) == 0))
            return false;
    }
    return true;
}

unsigned inventory_nodes_online(const struct inventory *inventory)
{
    unsigned online = 0;

    for (size_t i = 0; i < inventory->node_count; i++)
        if (inventory->nodes[i].online)
            online++;
    return online;
}

unsigned inventory_nodes_known(const struct inventory *inventory)
{
    return (unsigned)inventory->node_count;
}

int64_t inventory_taken_ms(const struct inventory *inventory)
{
    return inventory->taken_ms;
}
