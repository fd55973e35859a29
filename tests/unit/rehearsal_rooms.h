/*
 * What the tests of rehearsals share: simulated time, the rooms around (engine, poller, endpoints, the
 * memory) and Proxmox behind the probe, replaced by definitions in the test program itself. The rules that
 * hold for each rehearsal are asserted where one is sent: one at a time, never while an operation is under
 * way, none after one was carried out.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "inventory_fixture.h"
#include "simulated_time.h"

#include "fence/engine.h"
#include "fence/rehearsal.h"
#include "fence/rehearsal_memory.h"
#include "fence/rehearsal_plan.h"
#include "proxmox/poller.h"
#include "system/cleanup.h"
#include "system/config.h"

#include <string.h>

#define SECOND     1000
#define MINUTE     (60 * SECOND)
#define DAY        (24 * 60 * (int64_t)MINUTE)
#define GUESTS_MAX 700
#define FIRST_VMID 1000
#define LATENCY_MS 12

/* ---- the rooms around ---- */

struct seen {
    unsigned sent;
    int64_t last_ms, longest_ms, shortest_ms;
    unsigned busy; /* operations on it */
    char host[PVE_NODE_MAX];
};

static struct {
    struct inventory *inventory;
    struct error refusal, poll_error;
    unsigned reread, endpoints, troubles;
    int64_t ease_ms;
    bool login;
    /* Proxmox */
    enum probe_result (*answer)(int vmid, const char *host, uint64_t avoid, int *status);
    int64_t latency_ms;
    int64_t poll_ms; /* 0: turns are tied to no round */
    unsigned backoff;
    bool unreachable;
    unsigned sent, under_way;
    int64_t last_sent_ms, shortest_gap_ms;
    struct seen guests[GUESTS_MAX];
    uint64_t last_avoid;
    /* the memory */
    bool remembered;
    unsigned written;
} rooms;

static struct seen *seen(int vmid)
{
    assert_true(vmid >= FIRST_VMID && vmid < FIRST_VMID + GUESTS_MAX);
    return &rooms.guests[vmid - FIRST_VMID];
}

bool engine_guest_busy(const struct engine *engine, int vmid)
{
    (void)engine;
    return seen(vmid)->busy > 0;
}

struct inventory *poller_inventory(const struct poller *poller)
{
    (void)poller;
    return rooms.inventory;
}

const struct error *poller_refusal(const struct poller *poller)
{
    (void)poller;
    return &rooms.refusal;
}

const struct error *poller_error(const struct poller *poller)
{
    (void)poller;
    return &rooms.poll_error;
}

int64_t poller_interval_ms(const struct poller *poller)
{
    (void)poller;
    return rooms.poll_ms;
}

unsigned poller_checks_backoff(const struct poller *poller)
{
    (void)poller;
    return rooms.backoff ? rooms.backoff : 1;
}

int64_t poller_ease_ms(const struct poller *poller)
{
    (void)poller;
    return rooms.ease_ms;
}

void poller_trouble(struct poller *poller)
{
    (void)poller;
    rooms.troubles++;
}

void poller_reread_privileges(struct poller *poller)
{
    (void)poller;
    rooms.reread++;
}

size_t endpoints_count(const struct endpoints *endpoints)
{
    (void)endpoints;
    return rooms.endpoints;
}

struct rehearsal_memory {
    char path[32];
};

struct rehearsal_memory *rehearsal_memory_new(const char *directory, struct error *error)
{
    (void)error;
    struct rehearsal_memory *memory = calloc(1, sizeof(*memory));
    snprintf(memory->path, sizeof(memory->path), "%s/ended", directory);
    return memory;
}

int rehearsal_memory_attach(struct rehearsal_memory *memory, struct event_base *base)
{
    (void)memory;
    (void)base;
    return 0;
}

void rehearsal_memory_free(struct rehearsal_memory *memory, int64_t wait_ms)
{
    (void)wait_ms;
    free(memory);
}

bool rehearsal_memory_read(struct rehearsal_memory *memory, struct error *alarm)
{
    (void)memory;
    if (rooms.remembered)
        error_set(alarm, ERROR_PROTOCOL, "an earlier one was carried out");
    return rooms.remembered;
}

void rehearsal_memory_write(struct rehearsal_memory *memory, int vmid, const struct error *alarm)
{
    (void)memory;
    (void)vmid;
    (void)alarm;
    rooms.written++;
    rooms.remembered = true;
}

const char *rehearsal_memory_path(const struct rehearsal_memory *memory)
{
    return memory->path;
}

/* ---- Proxmox behind the probe ---- */

struct probe {
    struct event *event;
    struct probe_target target;
    char node[PVE_NODE_MAX];
    uint64_t avoid;
    bool under_way, on_its_way;
    int64_t asked_ms, deadline_ms;
    probe_may_go_fn *may_go;
    probe_done_fn *done;
    void *context;
};

static void finish(struct probe *probe, struct probe_answer *answer)
{
    probe->under_way = probe->on_its_way = false;
    rooms.under_way--;
    answer->endpoint_text = answer->sent ? "pve1" : "";
    answer->elsewhere = answer->sent && answer->result == PROBE_UNANSWERED;
    answer->asked_ms = probe->asked_ms;
    answer->received_ms = clock_now_ms();
    probe->done(probe->context, answer);
}

static void note_sent(const struct probe *probe)
{
    struct seen *guest = seen(probe->target.vmid);
    assert_int_equal(guest->busy, 0); /* never while an operation is under way */
    assert_false(rooms.remembered);   /* nor after one was carried out */
    assert_string_equal(probe->node, guest->host);
    if (guest->sent > 0 && clock_now_ms() - guest->last_ms > guest->longest_ms)
        guest->longest_ms = clock_now_ms() - guest->last_ms;
    if (guest->sent > 0 && (guest->shortest_ms == 0 || clock_now_ms() - guest->last_ms < guest->shortest_ms))
        guest->shortest_ms = clock_now_ms() - guest->last_ms;
    guest->sent++;
    guest->last_ms = clock_now_ms();
    if (probe->avoid == 0 && rooms.last_sent_ms != 0 &&
        clock_now_ms() - rooms.last_sent_ms < rooms.shortest_gap_ms)
        rooms.shortest_gap_ms = clock_now_ms() - rooms.last_sent_ms;
    rooms.last_sent_ms = clock_now_ms();
    rooms.last_avoid = probe->avoid;
    rooms.sent++;
}

static void on_probe(evutil_socket_t fd, short what, void *context)
{
    struct probe *probe = context;
    struct probe_answer answer = {.result = PROBE_UNANSWERED};
    struct timeval latency = {.tv_sec = rooms.latency_ms / 1000, .tv_usec = rooms.latency_ms % 1000 * 1000};
    (void)fd;
    (void)what;
    if (!probe->on_its_way && !probe->may_go(probe->context)) {
        error_set(&answer.error, ERROR_ABANDONED, "not wanted any more");
        finish(probe, &answer);
    } else if (!probe->on_its_way && rooms.unreachable) {
        error_set(&answer.error, ERROR_NO_ENDPOINT, "nobody is there");
        finish(probe, &answer);
    } else if (!probe->on_its_way) {
        probe->on_its_way = true;
        note_sent(probe);
        event_add(probe->event, &latency);
    } else {
        answer.sent = true;
        answer.http_status = 400;
        answer.result = rooms.answer(probe->target.vmid, probe->node, probe->avoid, &answer.http_status);
        if (answer.result != PROBE_ACCEPTED)
            error_set(&answer.error, answer.http_status == 403 ? ERROR_NO_POWER_RIGHT : ERROR_PROTOCOL,
                      "Proxmox answered %d", answer.http_status);
        finish(probe, &answer);
    }
}

struct probe *probe_new(struct session *session)
{
    (void)session;
    struct probe *probe = calloc(1, sizeof(*probe));
    probe->event = event_new(NULL, -1, 0, on_probe, probe);
    return probe;
}

void probe_free(struct probe *probe)
{
    if (!probe)
        return;
    event_free(probe->event);
    free(probe);
}

bool probe_send(struct probe *probe, const struct probe_target *target, uint64_t avoid, int64_t deadline_ms,
                int64_t answer_timeout_ms, probe_may_go_fn *may_go, probe_done_fn *done, void *context)
{
    assert_int_equal(rooms.under_way, 0); /* one at a time */
    assert_int_equal(answer_timeout_ms, 4 * SECOND);
    *probe = (struct probe){.event = probe->event,
                            .target = *target,
                            .avoid = avoid,
                            .under_way = true,
                            .asked_ms = clock_now_ms(),
                            .deadline_ms = deadline_ms,
                            .may_go = may_go,
                            .done = done,
                            .context = context};
    snprintf(probe->node, sizeof(probe->node), "%s", target->node);
    rooms.under_way++;
    event_active(probe->event, EV_TIMEOUT, 0);
    return true;
}

bool probe_can_go(const struct probe *probe)
{
    (void)probe;
    return rooms.login;
}

const char *probe_result_name(enum probe_result result)
{
    static const char *const names[] = {"accepted", "refused", "unanswered", "carried-out"};
    return names[result];
}

/* ---- the fixture ---- */

static struct {
    struct rehearsals *rehearsals;
    struct evidence *evidence;
    struct config config;
    unsigned answers;
    struct rehearsal_report report;
    struct error error, reported;
} here;

static enum probe_result accept_all(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    (void)status;
    return PROBE_ACCEPTED;
}

/* The guests 1000 … on pve1 to pve3 in turn, of which `offline` is not there. */
static void show_guests(unsigned count, const char *offline)
{
    static const char *const hosts[] = {"pve1", "pve2", "pve3"};
    struct inventory_builder *builder = inventory_builder_new(NULL);
    for (unsigned i = 0; i < count; i++) {
        struct seen *guest = &rooms.guests[i];
        char name[16];
        if (!guest->host[0])
            snprintf(guest->host, sizeof(guest->host), "%s", hosts[i % 3]);
        snprintf(name, sizeof(name), "vm%u", FIRST_VMID + i);
        const struct guest one = FIXTURE_GUEST(FIRST_VMID + (int)i, name, guest->host, .lock = NULL);
        assert_true(inventory_builder_guest(builder, &one));
    }
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_true(inventory_builder_node(builder, hosts[i], !offline || strcmp(offline, hosts[i]) != 0));
    inventory_unref(rooms.inventory);
    rooms.inventory = inventory_builder_finish(builder, clock_now_ms());
    assert_non_null(rooms.inventory);
    evidence_keep(here.evidence, rooms.inventory);
    if (here.rehearsals)
        rehearsals_round_ended(here.rehearsals);
}

static void start(unsigned guests, int64_t interval_ms)
{
    struct error error;
    struct inventory *none = NULL;
    memset(&rooms, 0, sizeof(rooms));
    memset(&here, 0, sizeof(here));
    loop.now_us = LOOP_FIRST_US;
    rooms.inventory = none;
    rooms.login = true;
    rooms.endpoints = 2;
    rooms.answer = accept_all;
    rooms.latency_ms = LATENCY_MS;
    rooms.shortest_gap_ms = INT64_MAX;
    here.evidence = evidence_new();
    here.config = (struct config){.rehearse_interval_ms = interval_ms, .answer_timeout_ms = 4 * SECOND};
    here.rehearsals = rehearsals_new("/state", &error);
    assert_non_null(here.rehearsals);
    const struct rooms with = {.evidence = here.evidence};
    assert_true(rehearsals_start(here.rehearsals, NULL, probe_new(NULL), &with, &here.config));
    if (guests > 0)
        show_guests(guests, NULL);
}

static void stop(void)
{
    rehearsals_free(here.rehearsals, 0);
    evidence_free(here.evidence);
    inventory_unref(rooms.inventory);
    assert_int_equal(loop.alive, 0);
}

static void pass(int64_t ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    while (loop_turn(until_ms))
        ;
}

static void on_report(void *context, const struct rehearsal_report *report, const struct error *error)
{
    (void)context;
    here.answers++;
    here.report = report ? *report : (struct rehearsal_report){0};
    here.reported = report && report->error ? *report->error : (struct error){0};
    here.error = error ? *error : (struct error){0};
}

static uint64_t ask(int vmid)
{
    char plug[16];
    snprintf(plug, sizeof(plug), "%d", vmid);
    return rehearsals_ask(here.rehearsals, plug, on_report, NULL, &here.error);
}

static const struct evidence_entry *evidence_for(int vmid)
{
    const struct evidence_guest *guest = evidence_of(here.evidence, vmid);
    return guest && guest->entries[EVIDENCE_REHEARSAL].at_ms ? &guest->entries[EVIDENCE_REHEARSAL] : NULL;
}
