/*
 * A room with three guests, of which one is locked and one is HA's, and two operations: what views and the
 * monitor are made of in tests, to be spoilt by each as it likes.
 */
#pragma once

#include "server_fixture.h"
#include "system/text.h"

static struct operation done_off = {
    .id = "mi9x7k2p",
    .action = FENCE_OFF,
    .plug = (char *)"node1",
    .vmid = 101,
    .guest = (char *)"web1",
    .node = (char *)"pve1",
    .peer = {.uid = 0, .gid = 0, .pid = 4711},
    .requested_realtime_ms = FIXTURE_REALTIME_MS - 12000,
    .requested_ms = 88000,
    .verified_ms = 89250,
    .ended_ms = 89260,
    .state = OPERATION_ENDED,
    .outcome = OPERATION_DONE,
};
static struct operation failed_reboot = {
    .id = "mi9x7k1a",
    .action = FENCE_REBOOT,
    .plug = (char *)"web2",
    .vmid = 102,
    .peer = {.uid = 1000, .gid = 1000, .pid = 4712},
    .requested_realtime_ms = FIXTURE_REALTIME_MS - 3600000 * 5,
    .requested_ms = 1,
    .ended_ms = 5001,
    .state = OPERATION_ENDED,
    .outcome = OPERATION_FAILED,
};
static const struct operation *const both[] = {&done_off, &failed_reboot};

struct room {
    struct inventory *inventory;
    struct endpoints *endpoints;
    struct facts facts;
    struct text out;
};

static inline int set_up(void **state)
{
    static struct room room;
    const struct guest guests[] = {
        FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL),
        FIXTURE_GUEST(102, "web2", "pve2", .lock = (char *)"backup"),
        FIXTURE_GUEST(103, NULL, "pve2", .hastate = (char *)"started"),
    };

    room = (struct room){.inventory = fixture_inventory(guests, 3, 2, 1), .endpoints = fixture_endpoints()};
    room.facts = fixture_facts(room.inventory, room.endpoints);
    error_set(&failed_reboot.error, ERROR_LOCKED, "guest 102 is locked (backup)");
    fixture_operations = both;
    fixture_operation_count = 2;
    *state = &room;
    return 0;
}

static inline int tear_down(void **state)
{
    struct room *room = *state;

    text_clear(&room->out);
    endpoints_free(room->endpoints);
    inventory_unref(room->inventory);
    return 0;
}
