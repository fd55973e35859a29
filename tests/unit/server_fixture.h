/*
 * For the tests of what the server shows: a history that is an array, and facts of a healthy broker to be
 * spoilt. The history's functions are defined here, so that the linker takes them instead of the room.
 */
#pragma once

#include "inventory_fixture.h"
#include "server/view.h"

#include <string.h>

#define FIXTURE_NOW_MS      100000
#define FIXTURE_REALTIME_MS 1763812800000 /* 2025-11-22T12:00:00Z */

static const struct operation *const *fixture_operations;
static size_t fixture_operation_count;

size_t history_count(const struct history *history)
{
    (void)history;
    return fixture_operation_count;
}

const struct operation *history_get(const struct history *history, size_t index)
{
    (void)history;
    return index < fixture_operation_count ? fixture_operations[index] : NULL;
}

const struct operation *history_find(const struct history *history, const char *id)
{
    (void)history;
    for (size_t i = 0; i < fixture_operation_count; i++) {
        if (!strcmp(fixture_operations[i]->id, id))
            return fixture_operations[i];
    }
    return NULL;
}

const struct operation *history_last_fence(const struct history *history)
{
    return history_count(history) ? history_get(history, 0) : NULL;
}

static int64_t fixture_believed_ms[4];

int64_t history_believed(const struct history *history, size_t index)
{
    (void)history;
    return fixture_believed_ms[index];
}

void history_believe(struct history *history, size_t index, int64_t now_ms)
{
    (void)history;
    fixture_believed_ms[index] = now_ms;
}

static struct denial fixture_denied;
static unsigned fixture_denials;

void history_add_denial(struct history *history, const struct denial *denial)
{
    (void)history;
    fixture_denied = *denial;
    fixture_denials++;
}

const struct denial *history_denial(const struct history *history, size_t index)
{
    (void)history;
    return index == 0 && fixture_denials ? &fixture_denied : NULL;
}

uint64_t history_lost(const struct history *history)
{
    (void)history;
    return 3;
}

size_t history_unreadable(const struct history *history)
{
    (void)history;
    return 0;
}

static int fixture_write_error;

int history_write_error(const struct history *history)
{
    (void)history;
    return fixture_write_error;
}

uint64_t rehearsals_count(const struct rehearsals *rehearsals, int vmid, enum probe_result result)
{
    (void)rehearsals;
    return vmid == 101 && result == PROBE_ACCEPTED ? 7 : 0;
}

static inline struct history *fixture_history(void)
{
    static char any;

    return (struct history *)&any; /* never looked into */
}

static inline struct endpoints *fixture_endpoints(void)
{
    struct config_endpoint configured[] = {
        {.address = (char *)"pve1", .name = (char *)"pve1", .port = 8006, .text = (char *)"pve1"},
        {.address = (char *)"192.0.2.12",
         .name = (char *)"pve2",
         .port = 8006,
         .text = (char *)"192.0.2.12 as pve2"},
    };
    struct endpoints *endpoints = endpoints_new(configured, 2);
    struct error error;

    error_set(&error, ERROR_NO_ENDPOINT, "connection refused by 192.0.2.12");
    endpoints_answered(endpoints, 0, "192.0.2.11", FIXTURE_NOW_MS - 2000);
    endpoints_failed(endpoints, 1, &error, FIXTURE_NOW_MS - 60000);
    return endpoints;
}

static inline struct facts fixture_facts(const struct inventory *inventory, const struct endpoints *endpoints)
{
    return (struct facts){
        .now_ms = FIXTURE_NOW_MS,
        .boottime_ms = FIXTURE_NOW_MS,
        .realtime_ms = FIXTURE_REALTIME_MS,
        .started_realtime_ms = FIXTURE_REALTIME_MS - 99000,
        .readiness = {.session_ready = true,
                      .endpoints_up = 2,
                      .endpoints_total = 2,
                      .inventory = inventory,
                      .inventory_age_ms = 4000,
                      .poll_interval_ms = 10000},
        .session = {.identity = "fence@pve!broker", .is_token = true, .ready = true, .logins = 1},
        .endpoints = endpoints,
        .pve_version = "9.2.11",
        .history = fixture_history(),
    };
}
