/* A small pool for the tests of readiness and views: two ordinary guests, and one for each trouble. */
#pragma once

#include "proxmox/inventory.h"

#include <assert.h>

#define FIXTURE_TAKEN_MS 1000

static inline struct inventory *fixture_inventory(const struct guest *guests, size_t count,
                                                  unsigned nodes_online, unsigned nodes_offline)
{
    static const char *const online[] = {"pve1", "pve2", "pve3"}, *const offline[] = {"pve7", "pve8", "pve9"};
    struct inventory_builder *builder = inventory_builder_new(NULL);
    bool good = builder != NULL;

    for (size_t i = 0; good && i < count; i++)
        good = inventory_builder_guest(builder, &guests[i]);
    for (unsigned i = 0; good && i < nodes_online; i++)
        good = inventory_builder_node(builder, online[i], true);
    for (unsigned i = 0; good && i < nodes_offline; i++)
        good = inventory_builder_node(builder, offline[i], false);
    good = good && inventory_builder_alias(builder, "node1", "101");
    assert(good);
    return inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
}

#define FIXTURE_GUEST(number, called, host, ...)                                                             \
    {                                                                                                        \
        .vmid = (number), .type = PVE_QEMU, .name = (char *)(called), .node = (char *)(host),                \
        .pool = (char *)"p", .status = (char *)"running", .may_power = true, .may_audit = true, __VA_ARGS__  \
    }
