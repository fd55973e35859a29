/*
 * json-c and the inventory, as far as the room asks them: an entry of the document is a struct of numbers,
 * whose words are found here; the inventory is a set of names.
 */
#include "document.h"

#include "harness.h"
#include "proxmox/inventory_private.h"
#include "system/json.h"

#include <stdlib.h>
#include <string.h>

struct document document;
int host;
static bool remembered[NAMES], has_memory;

static const char *const names[NAMES] = {"a", "b", "c", "d"};

void document_make(void)
{
    struct document any;
    int any_host;
    bool any_memory, any_remembered[NAMES];
    ASSUME(any.count <= ENTRIES);
    for (size_t i = 0; i < ENTRIES; i++) {
        ASSUME(any.entries[i].type >= MISSING && any.entries[i].type <= TYPE_OTHER);
        ASSUME(any.entries[i].name >= MISSING && any.entries[i].name < NAMES);
        ASSUME(any.entries[i].status >= MISSING && any.entries[i].status <= STATUS_OFFLINE);
    }
    ASSUME(any_host >= MISSING && any_host < NAMES);
    document = any;
    host = any_host;
    has_memory = any_memory;
    for (size_t i = 0; i < NAMES; i++)
        remembered[i] = any_memory && any_remembered[i];
}

bool remembers(unsigned name)
{
    return remembered[name];
}

bool take_census(struct node_census *census)
{
    struct inventory inventory;
    return nodes_take_census(has_memory ? &inventory : NULL, (struct json_object *)&document,
                             host == MISSING ? NULL : names[host], census);
}

/* ---- the inventory ---- */

unsigned inventory_nodes_known(const struct inventory *inventory)
{
    unsigned count = 0;
    (void)inventory;
    for (size_t i = 0; i < NAMES; i++)
        count += remembered[i];
    return count;
}

const struct node *inventory_node(const struct inventory *inventory, const char *name)
{
    static const struct node node;
    (void)inventory;
    return remembered[name[0] - 'a'] ? &node : NULL;
}

/* ---- json-c ---- */

int json_object_is_type(const struct json_object *object, enum json_type type)
{
    (void)object;
    return type == json_type_array;
}

size_t json_object_array_length(const struct json_object *object)
{
    (void)object;
    return document.count;
}

struct json_object *json_object_array_get_idx(const struct json_object *object, size_t i)
{
    (void)object;
    return (struct json_object *)&document.entries[i];
}

bool json_get_string(struct json_object *object, const char *key, const char **out)
{
    static const char *const types[] = {"node", "storage"}, *const statuses[] = {"online", "unknown",
                                                                                 "offline"};
    const struct entry *entry = (const struct entry *)object;
    int word = key[0] == 't' ? entry->type : key[0] == 'n' ? entry->name : entry->status;
    if (word == MISSING)
        return false;
    *out = key[0] == 't' ? types[word] : key[0] == 'n' ? names[word] : statuses[word];
    return true;
}

/* ---- the C library, for what is in this document ---- */

/* Words that differ do so in one of their first two letters. */
int strcmp(const char *one, const char *other)
{
    if (one[0] != other[0] || one[0] == '\0')
        return one[0] - other[0];
    return one[1] - other[1];
}

/* Only a host's name is measured. */
size_t strlen(const char *text)
{
    CLAIM(text[0] >= 'a' && text[0] < 'a' + NAMES && text[1] == '\0', "a host's name");
    return 1;
}

/* Two pointers, as what the room sorts. */
struct pair {
    const char *name, *status;
};
static struct pair list[ENTRIES + 1];

void *calloc(size_t count, size_t size)
{
    CLAIM(count <= ENTRIES + 1 && size == sizeof(struct pair), "a list of pairs");
    for (size_t i = 0; i <= ENTRIES; i++)
        list[i] = (struct pair){0};
    return list;
}

void free(void *memory)
{
    (void)memory;
}

void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    struct pair *pairs = base;
    CLAIM(count <= ENTRIES && size == sizeof(struct pair), "a list of pairs");
    for (size_t end = ENTRIES; end > 1; end--) {
        for (size_t i = 1; i < end; i++) {
            if (i >= count || compare(&pairs[i - 1], &pairs[i]) <= 0)
                continue;
            struct pair swap = pairs[i];
            pairs[i] = pairs[i - 1];
            pairs[i - 1] = swap;
        }
    }
}
