/*
 * Several guests of a Proxmox that knows the truth (step_world.h, one world each) answer the engine's calls:
 * late, lost, refused, or as they should. Knows what a call does, and not what the engine promises.
 */
#pragma once

#include "engine_rooms.h"
#include "property.h"
#include "step_world.h"

#define PLAY_GUESTS_MAX 5

enum trouble {
    LOSSES = 1,
    LATE = 2,
    ERRORS_5XX = 4,
    SLOW = 8,
    UNSENT = 16,
    NO_MEMORY = 32,
    GARBLED = 64,
    TROUBLES_END = 128
};

struct played_guest {
    struct world world;
    int64_t last_running_ms;
};

/* What becomes of a call. */
struct plan {
    bool served, lost;
    int endpoint;
    int64_t due_ms;
    struct api_result result;
    char reason[96];
};

static struct {
    struct played_guest guests[PLAY_GUESTS_MAX]; /* VMIDs from WORLD_VMID on */
    int guest_count;
    unsigned troubles;
    struct world dice;   /* for chance only */
    struct world people; /* the same, of those who ask: they do as they do whatever becomes of calls */
} play;

static bool has(enum trouble trouble, unsigned percent)
{
    bool chosen = world_chance(&play.dice, percent); /* also when left out: the rest stays as it is */
    return chosen && (play.troubles & trouble);
}

static struct played_guest *played(int vmid)
{
    return &play.guests[vmid - WORLD_VMID];
}

static void name_world_task(char upid[static PVE_UPID_MAX], struct world *world, unsigned number,
                            const struct flight *flight)
{
    static const char *const types[2][3] = {{"qmstop", "qmstart", "qmreset"},
                                            {"vzstop", "vzstart", "vzreset"}};
    const struct world_task *task = world_task_numbered(world, number);
    int kind = task->kind == WORLD_STOP ? 0 : task->kind == WORLD_START ? 1 : 2;
    name_task(upid, flight->node, number, task->begun_ms, types[world->container][kind], flight->vmid);
}

/* ---- the guests' time ---- */

static struct world_call *next_pending(struct world *world)
{
    struct world_call *next = NULL;
    for (unsigned i = 0; i < world->call_count; i++) {
        struct world_call *call = &world->calls[i];
        if (call->pending && (!next || call->due_ms < next->due_ms))
            next = call;
    }
    return next;
}

static void step_to(struct played_guest *guest, int64_t now_ms)
{
    world_advance(&guest->world, now_ms);
    for (int host = 0; host < WORLD_HOSTS; host++) {
        if (world_reads_running(&guest->world, host))
            guest->last_running_ms = now_ms;
    }
}

/* All that happened to it until now, in its order. */
static void catch_up(struct played_guest *guest)
{
    for (;;) {
        struct world_call *call = next_pending(&guest->world);
        int64_t next_ms = world_next(&guest->world);
        if (call && call->due_ms < next_ms)
            next_ms = call->due_ms;
        if (next_ms > clock_now_ms())
            break;
        if (next_ms > guest->world.now_ms)
            step_to(guest, next_ms);
        if (call && call->due_ms <= next_ms)
            world_carry_out(&guest->world, call);
        step_to(guest, guest->world.now_ms);
    }
    step_to(guest, clock_now_ms());
}

/* ---- answers ---- */

static void refuse(struct plan *plan, int status, enum error_code code, const char *reason)
{
    snprintf(plan->reason, sizeof(plan->reason), "%s", reason);
    plan->result.outcome = API_REFUSED;
    plan->result.http_status = status;
    error_set(&plan->result.error, code, "%s", reason);
}

static void serve_power(struct flight *flight, struct plan *plan)
{
    struct world *world = &played(flight->vmid)->world;
    char upid[PVE_UPID_MAX];
    int host = world_host_number(flight->node);
    enum world_task_kind kind = flight->call == API_STOP    ? WORLD_STOP
                                : flight->call == API_START ? WORLD_START
                                                            : WORLD_RESET;
    const char *refusal = world_refuses(world, kind, host);
    if (refusal) {
        refuse(plan, 500, ERROR_TASK_FAILED, refusal);
        return;
    }
    bool hidden = plan->lost || has(ERRORS_5XX, 15);
    const struct world_call *call = world_call(
        world, &play.dice, play.troubles & LATE,
        &(struct world_call){.kind = kind, .host = host, .sent_ms = flight->asked_ms, .hidden = hidden});
    if (hidden && !plan->lost) {
        refuse(plan, world_chance(&play.dice, 50) ? 500 : 596, ERROR_TASK_FAILED, "Broken pipe");
    } else if (!hidden) {
        name_world_task(upid, world, call->task, flight);
        plan->result.data = json_word(upid);
    }
}

static void serve_status(struct flight *flight, struct plan *plan)
{
    struct world *world = &played(flight->vmid)->world;
    struct pve_status status;
    int host = world_host_number(flight->node);
    if (!world_finds(world, host)) {
        refuse(plan, 500, ERROR_PROTOCOL, "Configuration file 'nodes/x/qemu-server/100.conf' does not exist");
        return;
    }
    world_status(world, host, &status);
    status.vmid = flight->vmid;
    plan->result.data = status_document(&status);
}

static void serve_task(struct flight *flight, struct plan *plan)
{
    unsigned number = 0;
    sscanf(flight->upid, "UPID:%*4s:%8X", &number);
    struct world_task *task = world_task_numbered(&played(flight->vmid)->world, number);
    if (!task)
        refuse(plan, 400, ERROR_PROTOCOL, "Parameter verification failed.");
    else
        plan->result.data = task_document(task->state == WORLD_ENDED, task->exit);
}

static void serve_tasks(struct flight *flight, struct plan *plan)
{
    struct world *world = &played(flight->vmid)->world;
    plan->result.data = json_object_new_array();
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct world_task *task = &world->tasks[i];
        char upid[PVE_UPID_MAX];
        if (!task->ours || (task->kind != WORLD_STOP && task->kind != WORLD_START) ||
            task->host != world_host_number(flight->node))
            continue;
        name_world_task(upid, world, task->number, flight);
        json_object_array_add(plan->result.data, listed_task(upid, task->begun_ms,
                                                             task->state == WORLD_ENDED ? task->exit : NULL));
    }
}

/* Only a guest that is alone in its play has hosts that are cut off: then its world is the cluster's. */
static void serve_lists(struct flight *flight, struct plan *plan)
{
    plan->result.data = json_object_new_array();
    for (int i = 0; i < play.guest_count && flight->call == API_GUESTS; i++) {
        const struct world *world = &play.guests[i].world;
        json_object_array_add(plan->result.data,
                              listed_guest(WORLD_VMID + i, world->container ? "lxc" : "qemu",
                                           world_host_name(world_view(world, plan->endpoint))));
    }
    const struct world *cluster = &play.guests[0].world;
    unsigned online = 0;
    for (int host = 0; host < WORLD_HOSTS && flight->call == API_NODES; host++) {
        bool reached = world_reaches(cluster, plan->endpoint, host);
        online += reached;
        json_object_array_add(plan->result.data, listed_host(world_host_name(host), reached));
    }
    assert_true(flight->call != API_NODES || online == world_online(cluster, plan->endpoint));
}

/* A good answer that cannot be read, or is another guest's. */
static void garble(const struct flight *flight, struct plan *plan)
{
    struct json_object *data = plan->result.data, *vmid = NULL;
    if (flight->call == API_STATUS && json_object_object_get_ex(data, "vmid", &vmid)) {
        bool runs = strcmp(json_object_get_string(json_object_object_get(data, "status")), "running") == 0;
        json_put(data, "vmid", json_object_new_int(flight->vmid + 1));
        json_put(data, "status", json_word(runs ? "stopped" : "running"));
        json_object_object_del(data, "nics");
        return;
    }
    json_object_put(data);
    plan->result.data = json_object_new_object();
    if (flight->call == API_STOP || flight->call == API_START || flight->call == API_RESET) {
        plan->result.outcome = API_LOST; /* it names no task of ours */
        error_set(&plan->result.error, ERROR_PROTOCOL, "something that is not a task");
    }
}

/* The moment at which a call takes effect, and at which a read sees what it sees. */
static void serve(struct flight *flight, struct plan *plan)
{
    bool list = flight->call == API_GUESTS || flight->call == API_NODES;
    bool power = flight->call == API_STOP || flight->call == API_START || flight->call == API_RESET;
    for (int i = 0; i < play.guest_count; i++) {
        if (list || flight->vmid == WORLD_VMID + i)
            catch_up(&play.guests[i]);
    }
    plan->served = true;
    plan->result.http_status = 200;
    if (!list &&
        !world_reaches(&played(flight->vmid)->world, plan->endpoint, world_host_number(flight->node))) {
        refuse(plan, 595, ERROR_NO_ENDPOINT, "No route to host");
        plan->due_ms += 3000;
    } else if (!power && has(ERRORS_5XX, 15)) {
        refuse(plan, 500, ERROR_PROTOCOL, "internal");
    } else if (power) {
        serve_power(flight, plan);
    } else if (flight->call == API_STATUS) {
        serve_status(flight, plan);
    } else if (flight->call == API_TASK) {
        serve_task(flight, plan);
    } else if (flight->call == API_TASKS) {
        serve_tasks(flight, plan);
    } else {
        serve_lists(flight, plan);
    }
    if (plan->result.outcome == API_OK && has(GARBLED, 15))
        garble(flight, plan);
    if (plan->lost) {
        json_object_put(plan->result.data);
        plan->result.data = NULL;
        plan->result.outcome = API_LOST;
        plan->result.http_status = 0;
        plan->due_ms = flight->asked_ms + ANSWER_TIMEOUT_MS;
        error_set(&plan->result.error, ERROR_NO_ENDPOINT, "no answer");
    }
}

/* ---- the way of a call ---- */

static void wait_until(struct event *event, int64_t at_ms)
{
    int64_t left_ms = at_ms > clock_now_ms() ? at_ms - clock_now_ms() : 0;
    struct timeval after = {.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
    event_add(event, &after);
}

static void on_moment(evutil_socket_t fd, short what, void *context)
{
    struct flight *flight = context;
    struct plan *plan = flight->plan;
    (void)fd;
    (void)what;
    if (!plan->served && plan->result.outcome != API_UNSENT) {
        serve(flight, plan);
        wait_until(flight->event, plan->due_ms);
        return;
    }
    struct api_result result = plan->result;
    char reason[sizeof(plan->reason)];
    memcpy(reason, plan->reason, sizeof(reason));
    plan->result.data = NULL;
    result.reason = reason;
    result.endpoint = (size_t)plan->endpoint;
    result.endpoint_text = result.outcome == API_UNSENT ? "" : world_host_name(plan->endpoint);
    flight_land(flight, &result);
}

static void free_plan(void *context)
{
    struct plan *plan = context;
    json_object_put(plan->result.data);
    free(plan);
}

static void plan_call(struct flight *flight)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    assert_non_null(plan);
    int64_t longest_ms = has(SLOW, 20) ? 3000 : 30;
    int64_t served_ms = clock_now_ms() + world_between(&play.dice, 1, longest_ms / 2);
    plan->due_ms = served_ms + world_between(&play.dice, 1, longest_ms / 2);
    plan->endpoint = (int)world_between(&play.dice, 0, WORLD_HOSTS - 1);
    plan->lost = has(LOSSES, 20);
    if (has(UNSENT, 15)) {
        plan->result.outcome = API_UNSENT;
        error_set(&plan->result.error, ERROR_NO_ENDPOINT, "no endpoint answers");
    }
    flight->plan = plan;
    flight->event = event_new(NULL, -1, 0, on_moment, flight);
    wait_until(flight->event, served_ms);
}

/* What comes from the seed, without what is to be left out. */
static void play_init(const struct property_case *one)
{
    uint64_t seed = one->seed;
    memset(&play, 0, sizeof(play));
    play.dice.random = seed * UINT64_C(0xD1342543DE82EF95) + 1;
    for (int i = 0; i < 4; i++)
        world_random(&play.dice);
    play.people.random = play.dice.random ^ UINT64_C(0x5851F42D4C957F2D);
    play.guest_count = (int)world_between(&play.dice, 1, PLAY_GUESTS_MAX);
    for (int i = 0; i < play.guest_count; i++) {
        world_init(&play.guests[i].world, seed * PLAY_GUESTS_MAX + (uint64_t)i,
                   (unsigned)one->without[PROPERTY_FAULTS], one->at_most[PROPERTY_WHIMS]);
        play.guests[i].world.ha.managed = false; /* test_step_model.c plays with HA */
        if (play.guest_count > 1)
            play.guests[i].world.faults &= ~(unsigned)WORLD_CUTS;
    }
    bool calm = world_chance(&play.dice, 10);
    for (int i = 0; calm && i < play.guest_count; i++)
        play.guests[i].world.faults = 0;
    for (unsigned trouble = 1; !calm && trouble < TROUBLES_END; trouble <<= 1)
        play.troubles |= world_chance(&play.dice, 25) ? trouble : 0;
    play.troubles &= ~(unsigned)one->without[PROPERTY_TROUBLES];
    if ((unsigned)play.guest_count > one->at_most[PROPERTY_GUESTS])
        play.guest_count = one->at_most[PROPERTY_GUESTS] > 0 ? (int)one->at_most[PROPERTY_GUESTS] : 1;
    loop.now_us = 1000 * play.guests[0].world.now_ms;
}
