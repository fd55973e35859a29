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
    free(inventory->strangers.list);
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

/* The run of entries whose key is `plug`, folded; its length, 0 if there is none. */
static size_t index_find(const struct name_index *index, const char *plug, const struct name_entry **first)
{
    struct name_entry wanted = {.key = plug, .length = strlen(plug)};
    size_t low = 0, high = index->count, end;

    wanted.hash = name_hash(plug, wanted.length);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (name_compare(&index->entries[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < index->count && name_compare(&index->entries[end], &wanted) == 0; end++)
        ;
    *first = index->entries ? &index->entries[low] : NULL;
    return end - low;
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
    error_hint(error, "put the guest into the pool, or mend [nodes]: fence_broker targets shows the guests");
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
static void say_stranger(const struct stranger *stranger, const char *shown, struct error *error)
{
    char name[SHOWN_PLUG_MAX];

    show_plug(stranger->name ? stranger->name : "without a name", name);
    error_set(error, ERROR_UNKNOWN_PLUG, "%s is guest %d (%s), which is not in the pool: it is never touched",
              shown, stranger->vmid, name);
    error_hint(error, "if it is to be fenced, on a Proxmox host: `pveum pool modify POOL --vms %d`",
               stranger->vmid);
}

static void say_unknown(const struct inventory *inventory, const char *plug, struct error *error)
{
    char shown[SHOWN_PLUG_MAX];
    struct guest_list list = {.length = 0};
    const struct guest *similar = same_first_label(inventory, plug);
    const struct stranger *stranger = strangers_find(&inventory->strangers, plug);

    show_plug(plug, shown);
    if (stranger) {
        say_stranger(stranger, shown, error);
        return;
    }
    if (inventory->guest_count == 0) {
        error_set(error, ERROR_UNKNOWN_PLUG, "no guest is called %s: the pool shows no guests at all", shown);
        error_hint(error, "put the guests into the pool, and grant VM.Audit and VM.PowerMgmt on it");
        return;
    }
    for (size_t i = 0; i < inventory->guest_count && i < SHOWN_GUESTS_MAX; i++)
        list_guest(&list, &inventory->guests[i]);
    list_end(&list, inventory->guest_count);
    error_set(error, ERROR_UNKNOWN_PLUG, "no guest is called %s; there are %s", shown, list.text);
    if (similar)
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

enum match match_guest(const struct inventory *inventory, const char *plug, const struct guest **guest,
                       const struct name_entry **candidates, size_t *count)
{
    const struct name_index *indexes[] = {&inventory->by_name, &inventory->by_short};
    int vmid;

    if (*plug == '\0')
        return MATCH_NONE;
    if (is_digits(plug)) {
        *guest = parse_vmid(plug, &vmid) ? inventory_by_vmid(inventory, vmid) : NULL;
        return *guest ? MATCH_ONE : MATCH_NONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
        *count = index_find(indexes[i], plug, candidates);
        if (*count > 1)
            return MATCH_SEVERAL;
        if (*count == 1) {
            *guest = &inventory->guests[(*candidates)->guest];
            return MATCH_ONE;
        }
    }
    return MATCH_NONE;
}

/* The alias of this name, if it decides. Two lines that differ in case only must agree. */
static enum match match_alias(const struct inventory *inventory, const char *plug, const struct alias **alias)
{
    const struct name_entry *first;
    size_t count = index_find(&inventory->by_alias, plug, &first);

    if (count == 0)
        return MATCH_NONE;
    *alias = &inventory->aliases[first->guest];
    for (size_t i = 1; i < count; i++) {
        const struct alias *other = &inventory->aliases[first[i].guest];

        if (!other->resolved || !(*alias)->resolved || other->guest != (*alias)->guest)
            return MATCH_SEVERAL;
    }
    return MATCH_ONE;
}

const struct guest *inventory_find(const struct inventory *inventory, const char *plug, struct error *error)
{
    const struct name_entry *candidates = NULL;
    const struct guest *guest = NULL;
    const struct alias *alias = NULL;
    char shown[SHOWN_PLUG_MAX];
    size_t count = 0;

    switch (match_alias(inventory, plug, &alias)) {
    case MATCH_ONE:
        if (alias->resolved)
            return &inventory->guests[alias->guest];
        say_unresolved(inventory, alias, error);
        return NULL;
    case MATCH_SEVERAL:
        show_plug(plug, shown);
        error_set(error, ERROR_AMBIGUOUS_NAME, "[nodes] names %s more than once, and not the same guest",
                  shown);
        error_hint(error, "leave one of the lines that differ in upper and lower case only");
        return NULL;
    case MATCH_NONE:
        break;
    }
    switch (match_guest(inventory, plug, &guest, &candidates, &count)) {
    case MATCH_ONE:
        return guest;
    case MATCH_SEVERAL:
        say_ambiguous(inventory, plug, candidates, count, error);
        return NULL;
    case MATCH_NONE:
        break;
    }
    say_unknown(inventory, plug, error);
    return NULL;
}

bool inventory_name_ambiguous(const struct inventory *inventory, const struct guest *guest)
{
    (void)inventory;
    return guest->name_shared;
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
