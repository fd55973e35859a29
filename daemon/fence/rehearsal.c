/*
 * One rehearsal at a time: whose turn it is, on its way, and what came of it. The plan knows the turns, the
 * probe the call, evidence what follows for a guest; this room brings them together, and keeps the rules that
 * must hold at the very moment of sending.
 */
#include "fence/rehearsal.h"

#include "fence/engine.h"
#include "fence/rehearsal_memory.h"
#include "fence/rehearsal_plan.h"
#include "proxmox/poller.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/jitter.h"
#include "system/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define IDLE_LOOK_MS 1000 /* how often to look whether there is a login again */

/* One who asked for it. */
struct demand {
    uint64_t id;
    int vmid;
    bool under_way;
    rehearsal_answer_fn *answer;
    void *context;
    struct demand *prev, *next;
};

/* The one that is on its way. */
struct flight {
    int vmid; /* 0: none */
    enum pve_guest_type type;
    char node[PVE_NODE_MAX];
    unsigned attempt;
    bool sent;   /* one attempt at least, maybe */
    bool former; /* of an identity that is not ours any more: it shows nothing */
    uint64_t avoid;
    int64_t began_ms, deadline_ms;
};

struct rehearsals {
    struct probe *probe; /* owned */
    struct rooms rooms;
    struct rehearsal_memory *memory;
    int64_t answer_timeout_ms, interval_ms;
    unsigned backoff; /* the plan has so many times the interval */
    struct rehearsal_plan *plan;
    struct event *wake;
    struct demand *demands;
    uint64_t last_id;
    struct flight flight;
    int64_t sent_ms;        /* the last attempt; 0: none yet */
    int64_t eased_until_ms; /* nobody has a turn before */
    bool at_round;          /* a round of polls has just ended */
    bool ended, stopping;
    struct error alarm;
};

static void look_at(struct rehearsals *rehearsals, int64_t when_ms);
static void look_now(struct rehearsals *rehearsals);

/* ---- what may be sent ---- */

static bool is_busy(void *context, int vmid)
{
    const struct rehearsals *rehearsals = context;
    return engine_guest_busy(rehearsals->rooms.engine, vmid);
}

static const struct guest *guest_of(const struct rehearsals *rehearsals, int vmid)
{
    const struct inventory *inventory = poller_inventory(rehearsals->rooms.poller);
    return inventory ? inventory_by_vmid(inventory, vmid) : NULL;
}

/* At the moment of sending; much may have happened since it was decided. */
static bool may_go(void *context)
{
    struct rehearsals *rehearsals = context;
    const struct flight *flight = &rehearsals->flight;
    const struct guest *guest = guest_of(rehearsals, flight->vmid);
    bool there = guest && guest->type == flight->type && guest->node && !strcmp(guest->node, flight->node);
    return there && !rehearsals->ended && !rehearsals->stopping &&
           poller_refusal(rehearsals->rooms.poller)->code == ERROR_NONE && !is_busy(rehearsals, flight->vmid);
}

/* Why this guest cannot be rehearsed now; false: it can. */
static bool is_out_of_question(const struct rehearsals *rehearsals, int vmid, struct error *error)
{
    const struct error *refusal = poller_refusal(rehearsals->rooms.poller);
    if (rehearsals->stopping) {
        error_set(error, ERROR_INTERRUPTED, "the broker is being stopped");
    } else if (rehearsals->ended) {
        *error = rehearsals->alarm;
    } else if (refusal->code != ERROR_NONE) {
        *error = *refusal;
    } else if (engine_guest_busy(rehearsals->rooms.engine, vmid)) {
        error_set(error, ERROR_TOO_MANY, "an operation on guest %d is under way: it is not rehearsed now",
                  vmid);
        error_hint(error, "wait for its end: /usr/sbin/fence_broker history");
    } else {
        return false;
    }
    return true;
}

/* ---- what came of it ---- */

static void give(struct rehearsals *rehearsals, struct demand *demand, const struct rehearsal_report *report,
                 const struct error *error)
{
    DL_DELETE(rehearsals->demands, demand);
    demand->answer(demand->context, report, error);
    free(demand);
}

/* Everybody who waits for this one. The list may change under the callbacks. */
static void answer_waiting(struct rehearsals *rehearsals, int vmid, const struct rehearsal_report *report,
                           const struct error *error)
{
    struct demand *demand;
    do {
        DL_FOREACH (rehearsals->demands, demand) {
            if (demand->vmid == vmid && demand->under_way)
                break;
        }
        if (demand)
            give(rehearsals, demand, report, error);
    } while (demand);
}

/* The gravest thing that can happen here: the promise that nothing happens did not hold. */
static void end_for_good(struct rehearsals *rehearsals, const struct error *why)
{
    const char *path = rehearsal_memory_path(rehearsals->memory);
    char vmid[16];
    snprintf(vmid, sizeof(vmid), "%d", rehearsals->flight.vmid);
    rehearsals->ended = true;
    error_set(&rehearsals->alarm, ERROR_PROTOCOL, "guest %s: %s; nothing is rehearsed any more", vmid,
              why->message);
    error_hint(&rehearsals->alarm, "%s%s%s%s", why->hint, path[0] ? "; afterwards `rm " : "", path,
               path[0] ? "` and reload" : "");
    rehearsals->alarm.names_guests = true;
    const struct log_field fields[] = {{"PVE_VMID", vmid},
                                       {"PVE_NODE", rehearsals->flight.node},
                                       LOG_ERROR_CODE(&rehearsals->alarm),
                                       LOG_ERROR_HINT(&rehearsals->alarm),
                                       {NULL, NULL}};
    log_say(KIND_REHEARSALS_ENDED, fields, "%s", rehearsals->alarm.message);
    evidence_rehearsals_unsafe(rehearsals->rooms.evidence, &rehearsals->alarm);
    evidence_expect(rehearsals->rooms.evidence, EVIDENCE_REHEARSAL, 0);
    rehearsal_memory_write(rehearsals->memory, rehearsals->flight.vmid, &rehearsals->alarm);
}

static void post(struct rehearsals *rehearsals, const struct probe_answer *answer, int64_t took_ms)
{
    const struct flight *flight = &rehearsals->flight;
    const struct evidence_answer evidence = {
        .node = flight->node,
        .endpoint = answer->endpoint_text,
        .error = answer->result == PROBE_ACCEPTED ? NULL : &answer->error,
        .at_ms = clock_boottime_ms(),
        .took_ms = took_ms,
    };
    const struct evidence_guest *known = evidence_of(rehearsals->rooms.evidence, flight->vmid);
    if (evidence.error && known && !known->entries[EVIDENCE_REHEARSAL].error)
        poller_trouble(rehearsals->rooms.poller); /* it was accepted before */
    if (!evidence_rehearsed(rehearsals->rooms.evidence, flight->vmid, &evidence))
        log_info("no memory for what the rehearsal of guest %d has shown", flight->vmid);
    if (answer->http_status == 403)
        poller_reread_privileges(rehearsals->rooms.poller);
}

static bool send_flight(struct rehearsals *rehearsals);

/* A fence would go on at the next endpoint; so does this. */
static bool again(struct rehearsals *rehearsals, const struct probe_answer *answer)
{
    struct flight *flight = &rehearsals->flight;
    if (!answer->elsewhere || answer->result == PROBE_CARRIED_OUT || flight->attempt >= REHEARSAL_ATTEMPTS ||
        endpoints_count(rehearsals->rooms.endpoints) < 2 || clock_now_ms() >= flight->deadline_ms)
        return false;
    flight->avoid |= UINT64_C(1) << answer->endpoint;
    return send_flight(rehearsals);
}

static void on_answer(void *context, const struct probe_answer *answer)
{
    struct rehearsals *rehearsals = context;
    struct flight *flight = &rehearsals->flight;
    int64_t now_ms = clock_now_ms(), took_ms = now_ms - flight->began_ms;
    bool unwanted = !answer->sent && answer->error.code == ERROR_ABANDONED;
    struct error error = answer->error;
    flight->sent |= answer->sent;
    rehearsal_plan_set_first_gap(rehearsals->plan, took_ms * REHEARSAL_FIRST_REST);
    if (again(rehearsals, answer))
        return;
    /* where polls fail, too, only one that was accepted says something of this guest */
    bool speaks = flight->sent && answer->http_status != 401 &&
                  (answer->result == PROBE_ACCEPTED || !rehearsal_plan_is_held(rehearsals->plan));
    if (!unwanted)
        rehearsal_plan_ended(rehearsals->plan, flight->vmid, answer->result, flight->sent, speaks, now_ms);
    /* what could not be sent says something of the way, which has evidence of its own; one that was carried
     * out says that a fence would be, too */
    if (flight->sent && !unwanted && !flight->former && answer->result != PROBE_CARRIED_OUT)
        post(rehearsals, answer, took_ms);
    log_debug("rehearsal of guest %d: %s in %lld ms%s%s", flight->vmid, probe_result_name(answer->result),
              (long long)took_ms, answer->error.code ? ": " : "", answer->error.message);
    if (answer->result == PROBE_CARRIED_OUT)
        end_for_good(rehearsals, &answer->error);

    struct rehearsal_report report = {
        .vmid = flight->vmid,
        .node = flight->node,
        .endpoint = answer->endpoint_text,
        .result = answer->result,
        .took_ms = took_ms,
        .error = answer->result == PROBE_ACCEPTED ? NULL : &answer->error,
    };
    if (unwanted && !is_out_of_question(rehearsals, flight->vmid, &error))
        error_set(&error, ERROR_ABANDONED, "guest %d has moved meanwhile, or left the pool", flight->vmid);
    answer_waiting(rehearsals, flight->vmid, unwanted ? NULL : &report, unwanted ? &error : NULL);
    if (flight->former)
        rehearsal_plan_forget(rehearsals->plan);
    *flight = (struct flight){0};
    look_now(rehearsals);
}

/* ---- sending ---- */

static bool send_flight(struct rehearsals *rehearsals)
{
    struct flight *flight = &rehearsals->flight;
    const struct probe_target target = {.node = flight->node, .type = flight->type, .vmid = flight->vmid};
    flight->attempt++;
    rehearsals->sent_ms = clock_now_ms();
    return probe_send(rehearsals->probe, &target, flight->avoid, flight->deadline_ms,
                      rehearsals->answer_timeout_ms, may_go, on_answer, rehearsals);
}

static bool begin(struct rehearsals *rehearsals, const struct guest *guest)
{
    int64_t now_ms = clock_now_ms();
    rehearsals->flight = (struct flight){
        .vmid = guest->vmid,
        .type = guest->type,
        .began_ms = now_ms,
        .deadline_ms = now_ms + REHEARSAL_ATTEMPTS * rehearsals->answer_timeout_ms,
    };
    snprintf(rehearsals->flight.node, sizeof(rehearsals->flight.node), "%s", guest->node ? guest->node : "");
    rehearsal_plan_began(rehearsals->plan, guest->vmid, now_ms);
    if (send_flight(rehearsals))
        return true;
    rehearsals->flight = (struct flight){0};
    return false;
}

/* ---- on demand ---- */

/* Takes the next one that was asked for; false if there is none. */
static bool serve_demand(struct rehearsals *rehearsals)
{
    struct error error;
    while (rehearsals->demands) {
        struct demand *demand = rehearsals->demands, *other;
        const struct guest *guest = guest_of(rehearsals, demand->vmid);
        if (is_out_of_question(rehearsals, demand->vmid, &error)) {
            give(rehearsals, demand, NULL, &error);
            continue;
        }
        if (!guest)
            error_set(&error, ERROR_UNKNOWN_PLUG, "guest %d has left the pool", demand->vmid);
        else
            error_set(&error, ERROR_INTERNAL, "no memory for a call to Proxmox");
        if (!guest || !begin(rehearsals, guest)) {
            give(rehearsals, demand, NULL, &error);
            continue;
        }
        DL_FOREACH (rehearsals->demands, other) /* one answer for all who ask for it now */
            other->under_way = other->vmid == demand->vmid;
        return true;
    }
    return false;
}

uint64_t rehearsals_ask(struct rehearsals *rehearsals, const char *plug, rehearsal_answer_fn *answer,
                        void *context, struct error *error)
{
    const struct inventory *inventory = poller_inventory(rehearsals->rooms.poller);
    const struct demand *other;
    size_t waiting;
    if (!inventory) {
        const struct error *cause = poller_error(rehearsals->rooms.poller);
        error_set(error, cause->code ? cause->code : ERROR_NO_INVENTORY,
                  "the guests of the pool are not known yet%s%s", cause->code ? ": " : "", cause->message);
        return 0;
    }
    const struct guest *guest = inventory_find(inventory, plug, error);
    if (guest && guest->template) { /* Proxmox would take a stop of it, and a fence does not send one */
        error_set(error, ERROR_TEMPLATE, "guest %d is a template; it never runs", guest->vmid);
        return 0;
    }
    if (!guest || is_out_of_question(rehearsals, guest->vmid, error))
        return 0;
    DL_COUNT(rehearsals->demands, other, waiting);
    if (waiting >= REHEARSALS_WAITING_MAX) {
        error_set(error, ERROR_TOO_MANY, "%zu rehearsals wait already", waiting);
        return 0;
    }
    struct demand *demand = calloc(1, sizeof(*demand));
    if (!demand) {
        error_set(error, ERROR_INTERNAL, "no memory for a request");
        return 0;
    }
    *demand = (struct demand){
        .id = ++rehearsals->last_id, .vmid = guest->vmid, .answer = answer, .context = context};
    DL_APPEND(rehearsals->demands, demand);
    look_now(rehearsals);
    return demand->id;
}

void rehearsals_leave(struct rehearsals *rehearsals, uint64_t id)
{
    struct demand *demand, *next;
    DL_FOREACH_SAFE (rehearsals->demands, demand, next) {
        if (demand->id != id)
            continue;
        DL_DELETE(rehearsals->demands, demand);
        free(demand);
    }
}

/* ---- turns ---- */

/* So few that each turn waits for the end of a round, or comes up to half a poll before its time: checks
 * follow then, and leave out who has just been asked for. */
static int64_t tied_to_rounds_ms(const struct rehearsals *rehearsals, int64_t left_ms)
{
    int64_t poll_ms = poller_interval_ms(rehearsals->rooms.poller);
    bool tied = left_ms > REHEARSAL_GAP_FIRST_MS && rehearsal_plan_gap_ms(rehearsals->plan) >= poll_ms;
    return tied ? poll_ms : 0;
}

/* The next turn of the plan's; when to look again if there is none, also if no round should end. */
static int64_t take_turn(struct rehearsals *rehearsals, int64_t now_ms)
{
    int64_t wake_ms = INT64_MAX;
    if (rehearsals->ended || rehearsals->stopping)
        return wake_ms;
    if (now_ms < rehearsals->eased_until_ms)
        return rehearsals->eased_until_ms;
    int vmid = rehearsal_plan_next(rehearsals->plan, now_ms, is_busy, rehearsals, &wake_ms);
    int64_t tied_ms = wake_ms < INT64_MAX ? tied_to_rounds_ms(rehearsals, wake_ms - now_ms) : 0;
    if (vmid == 0 && rehearsals->at_round && wake_ms - now_ms <= tied_ms / 2)
        vmid = rehearsal_plan_next(rehearsals->plan, wake_ms, is_busy, rehearsals, &wake_ms);
    rehearsals->at_round = false;
    if (vmid == 0)
        return wake_ms < INT64_MAX ? wake_ms + tied_ms : wake_ms;
    const struct guest *guest = guest_of(rehearsals, vmid);
    /* without a login a fence would wait for one; a rehearsal need not: why there is none is known */
    if (!guest || !probe_can_go(rehearsals->probe) ||
        poller_refusal(rehearsals->rooms.poller)->code != ERROR_NONE || !begin(rehearsals, guest))
        return now_ms + IDLE_LOOK_MS;
    return INT64_MAX;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct rehearsals *rehearsals = context;
    int64_t now_ms = clock_now_ms();
    (void)fd;
    (void)what;
    if (rehearsals->flight.vmid != 0)
        return;
    if (rehearsals->sent_ms && now_ms < rehearsals->sent_ms + REHEARSAL_GAP_MIN_MS) {
        look_at(rehearsals, rehearsals->sent_ms + REHEARSAL_GAP_MIN_MS);
        return;
    }
    if (!serve_demand(rehearsals))
        look_at(rehearsals, take_turn(rehearsals, now_ms));
}

static void look_at(struct rehearsals *rehearsals, int64_t when_ms)
{
    int64_t left_ms = when_ms - clock_now_ms();
    if (when_ms == INT64_MAX)
        return;
    left_ms = left_ms > 0 ? left_ms : 0;
    struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
    event_add(rehearsals->wake, &tv);
}

static void look_now(struct rehearsals *rehearsals)
{
    event_active(rehearsals->wake, EV_TIMEOUT, 0);
}

/* ---- the room itself ---- */

static void expect(struct rehearsals *rehearsals)
{
    evidence_expect(rehearsals->rooms.evidence, EVIDENCE_REHEARSAL,
                    rehearsals->ended ? 0 : rehearsal_plan_period_ms(rehearsals->plan));
}

static void set_interval(struct rehearsals *rehearsals)
{
    rehearsals->backoff = poller_checks_backoff(rehearsals->rooms.poller);
    rehearsal_plan_set_interval(rehearsals->plan, rehearsals->interval_ms * rehearsals->backoff);
}

void rehearsals_round_ended(struct rehearsals *rehearsals)
{
    const struct inventory *inventory = poller_inventory(rehearsals->rooms.poller);
    if (rehearsals->backoff != poller_checks_backoff(rehearsals->rooms.poller))
        set_interval(rehearsals);
    if (inventory)
        rehearsal_plan_follow(rehearsals->plan, inventory);
    expect(rehearsals);
    bool fail = poller_error(rehearsals->rooms.poller)->code != ERROR_NONE;
    bool mended = rehearsal_plan_hold(rehearsals->plan, fail);
    if ((mended || rehearsal_plan_hurries(rehearsals->plan)) && clock_now_ms() >= rehearsals->eased_until_ms)
        rehearsals->eased_until_ms = clock_now_ms() + poller_ease_ms(rehearsals->rooms.poller);
    rehearsals->at_round = true;
    look_now(rehearsals);
}

/* What an earlier daemon has met, or an administrator has taken back. */
static void remember(struct rehearsals *rehearsals)
{
    bool before = rehearsals->ended;
    rehearsals->ended = rehearsal_memory_read(rehearsals->memory, &rehearsals->alarm);
    const struct log_field fields[] = {
        LOG_ERROR_CODE(&rehearsals->alarm), LOG_ERROR_HINT(&rehearsals->alarm), {NULL, NULL}};
    if (rehearsals->ended)
        log_say(KIND_REHEARSALS_ENDED, fields, "nothing is rehearsed: %s", rehearsals->alarm.message);
    else if (before)
        log_say(KIND_REHEARSALS_RESUMED, NULL, "rehearsals are taken up again");
    evidence_rehearsals_unsafe(rehearsals->rooms.evidence, rehearsals->ended ? &rehearsals->alarm : NULL);
}

void rehearsals_set_config(struct rehearsals *rehearsals, const struct config *config)
{
    rehearsals->answer_timeout_ms = config->answer_timeout_ms;
    remember(rehearsals);
    if (config->rehearse_interval_ms == 0 && rehearsal_plan_period_ms(rehearsals->plan) > 0)
        evidence_drop(rehearsals->rooms.evidence, EVIDENCE_REHEARSAL);
    rehearsals->interval_ms = config->rehearse_interval_ms;
    set_interval(rehearsals);
    rehearsals_round_ended(rehearsals);
}

void rehearsals_forget(struct rehearsals *rehearsals)
{
    rehearsals->flight.former = rehearsals->flight.vmid != 0;
    evidence_drop(rehearsals->rooms.evidence, EVIDENCE_REHEARSAL);
    rehearsal_plan_forget(rehearsals->plan);
}

void rehearsals_stop(struct rehearsals *rehearsals)
{
    rehearsals->stopping = true;
    look_now(rehearsals); /* it answers who waits */
}

struct rehearsals *rehearsals_new(const char *directory, struct error *error)
{
    struct rehearsals *rehearsals = calloc(1, sizeof(*rehearsals));
    if (rehearsals)
        rehearsals->plan = rehearsal_plan_new();
    if (!rehearsals || !rehearsals->plan) {
        error_set(error, ERROR_INTERNAL, "no memory at the start");
        rehearsals_free(rehearsals, 0);
        return NULL;
    }
    rehearsals->memory = rehearsal_memory_new(directory, error);
    if (!rehearsals->memory) {
        rehearsals_free(rehearsals, 0);
        return NULL;
    }
    return rehearsals;
}

bool rehearsals_start(struct rehearsals *rehearsals, struct event_base *base, struct probe *probe,
                      const struct rooms *rooms, const struct config *config)
{
    rehearsals->probe = probe;
    rehearsals->rooms = *rooms;
    rehearsal_plan_set_apart(rehearsals->plan, (unsigned)jitter_ms(JITTER_REHEARSALS, 1000));
    rehearsals->wake = event_new(base, -1, 0, on_wake, rehearsals);
    if (!probe || !rehearsals->wake || rehearsal_memory_attach(rehearsals->memory, base) < 0)
        return false;
    rehearsals_set_config(rehearsals, config);
    return true;
}

void rehearsals_free(struct rehearsals *rehearsals, int64_t wait_ms)
{
    struct demand *demand, *next;
    if (!rehearsals)
        return;
    DL_FOREACH_SAFE (rehearsals->demands, demand, next)
        free(demand);
    probe_free(rehearsals->probe);
    rehearsal_plan_free(rehearsals->plan);
    rehearsal_memory_free(rehearsals->memory, wait_ms);
    if (rehearsals->wake)
        event_free(rehearsals->wake);
    free(rehearsals);
}

uint64_t rehearsals_count(const struct rehearsals *rehearsals, int vmid, enum probe_result result)
{
    return rehearsal_plan_count(rehearsals->plan, vmid, result);
}
