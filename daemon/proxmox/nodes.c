/*
 * The hosts' word within a fence: how many are online, of how many that exist, and is the guest's own among
 * them (point 5 of the off-proof). Pure: a document and a memory in, a few facts out. Whether that is
 * enough is decided by step.
 */
#include "proxmox/inventory_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <string.h>

struct listed_node {
    const char *name, *status; /* borrowed from the document */
};

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const struct listed_node *)a)->name, ((const struct listed_node *)b)->name);
}

/* The hosts of the document, ordered by name; false if one entry is not what the call gives. Entries of
 * another type (guests, storages) are not there when type=node was asked for, and say nothing about hosts. */
static bool read_list(struct json_object *data, struct listed_node *list, size_t *count)
{
    size_t length = json_object_array_length(data);

    *count = 0;
    for (size_t i = 0; i < length; i++) {
        struct json_object *entry = json_object_array_get_idx(data, i);
        const char *type, *name, *status;

        if (!json_get_string(entry, "type", &type))
            return false;
        if (strcmp(type, "node") != 0)
            continue;
        if (!json_get_string(entry, "node", &name) || *name == '\0' ||
            !json_get_string(entry, "status", &status))
            return false;
        list[(*count)++] = (struct listed_node){.name = name, .status = status};
    }
    qsort(list, *count, sizeof(*list), compare_listed);
    for (size_t i = 1; i < *count; i++)
        if (strcmp(list[i - 1].name, list[i].name) == 0)
            return false;
    return true;
}

bool nodes_is_member(const struct inventory *previous, const char *name, const char *status, size_t listed)
{
    if (strcmp(status, "online") == 0)
        return true;
    if (strcmp(status, "unknown") != 0)
        return false;
    unsigned known = previous ? inventory_nodes_known(previous) : 0;
    return listed > 1 || known == 0 || (known == 1 && inventory_node(previous, name));
}

/* A host whose corosync died shows the member list that it had then for good, and itself as online in it:
 * that no statistics of the others reach it any more is the only sign. */
static bool is_only_one_with_statistics(const struct listed_node *list, size_t count, const char *host)
{
    bool its = false;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].status, "online") != 0)
            continue;
        if (!host || strcmp(list[i].name, host) != 0)
            return false;
        its = true;
    }
    return its;
}

bool nodes_take_census(const struct inventory *previous, struct json_object *data, const char *host,
                       struct node_census *census)
{
    _cleanup_(freep) struct listed_node *list = NULL;
    struct node_census taken = {.online = 0};
    size_t count;

    if (!data || !json_object_is_type(data, json_type_array))
        return false;
    list = calloc(json_object_array_length(data) + 1, sizeof(*list));
    if (!list || !read_list(data, list, &count))
        return false;
    bool alone = is_only_one_with_statistics(list, count, host);
    for (size_t i = 0; i < count; i++) {
        bool online = strcmp(list[i].status, "online") == 0 ||
                      (!alone && nodes_is_member(previous, list[i].name, list[i].status, count));
        if (online)
            taken.online++;
        if (online && host && strcmp(list[i].name, host) == 0)
            taken.host_online = true;
        else if (online && strlen(list[i].name) < sizeof(taken.other) && !taken.other[0])
            memcpy(taken.other, list[i].name, strlen(list[i].name) + 1);
        if (!previous || !inventory_node(previous, list[i].name))
            taken.known++;
    }
    if (previous)
        taken.known += inventory_nodes_known(previous);
    *census = taken;
    return true;
}

unsigned nodes_required(int min_online_nodes, unsigned known)
{
    return min_online_nodes > 0 ? (unsigned)min_online_nodes : known / 2 + 1;
}
