/*
 * One operation's calls to a Proxmox that knows the truth (step_world.h), for test_step_model.c: answered
 * late, lost, garbled, refused, or as they should be. Knows what a call does, and not what the state machine
 * promises.
 */
#pragma once

#include "fence/step.h"
#include "property.h"
#include "step_world.h"

enum kind { POWER, STATUS, TASK, TASKS, HOSTS, LOCATE, KINDS };

/* A call under way: it takes effect at `served_ms`, its answer comes at `due_ms`. */
struct flight {
    bool under_way, served;
    int64_t asked_ms, served_ms, due_ms;
    int endpoint;
    const char *node;
    char upid[PVE_UPID_MAX];
    enum step_power power;
    bool overrule, lost;
    struct step_event event;
    struct api_result result;
    char reason[96], lock[PVE_LOCK_MAX];
};

enum trouble {
    LOSSES = 1,
    LATE = 2,
    ERRORS_5XX = 4,
    UNAUTHORISED = 8,
    SLOW = 16,
    UNSENT = 32,
    GARBLED = 64,
    LEAVE = 128,
    JOIN = 256
};

struct episode {
    struct world world;
    struct step step;
    struct step_params params;
    struct flight flights[KINDS];
    unsigned resets, troubles, events_now;
    int64_t wake_ms, intent_ms, desert_ms, join_ms, last_ms;
    int64_t verified_ms, newest_ms, hosts_asked_ms; /* newest_ms: of the newest request */
    bool ended, old_proxmox, deserted;
    enum operation_outcome outcome;
    struct error error;
    uint64_t *events;
};

#define CHECK(episode, condition, promise)                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            property_break(promise, "%s: not %s, at +%" PRId64 " ms", promise, #condition,                   \
                           (episode)->world.now_ms - (episode)->params.requested_ms);                        \
    } while (0)

static bool has(struct episode *episode, enum trouble trouble, unsigned percent)
{
    bool chosen = world_chance(&episode->world, percent); /* also when left out: the rest stays as it is */
    return chosen && (episode->troubles & trouble);
}

/* ---- Proxmox answers ---- */

static void refuse(struct flight *flight, int status, enum error_code code, const char *reason)
{
    snprintf(flight->reason, sizeof(flight->reason), "%s", reason);
    flight->result.outcome = API_REFUSED;
    flight->result.http_status = status;
    error_set(&flight->result.error, code, "%s", reason);
}

static void serve_power(struct episode *episode, struct flight *flight)
{
    static const enum world_task_kind kinds[] = {
        [STEP_SEND_STOP] = WORLD_STOP, [STEP_SEND_START] = WORLD_START, [STEP_SEND_RESET] = WORLD_RESET};
    struct world *world = &episode->world;
    int host = world_host_number(flight->node);
    if (flight->overrule && (episode->old_proxmox || world->ha.managed)) {
        static struct json_object *errors[2];
        bool ha = !episode->old_proxmox;
        if (!errors[ha]) {
            errors[ha] = json_object_new_object();
            json_object_object_add(
                errors[ha], "overrule-shutdown",
                json_object_new_string(ha ? "Not applicable for HA resources." : "not defined in schema"));
        }
        refuse(flight, 400, ERROR_PROTOCOL, "Parameter verification failed.");
        flight->result.errors = errors[ha];
        return;
    }
    const char *refusal = world_refuses(world, kinds[flight->power], host);
    if (refusal) {
        refuse(flight, 500, ERROR_TASK_FAILED, refusal);
        return;
    }
    bool hidden = flight->lost || has(episode, ERRORS_5XX, 15);
    const struct world_call *call = world_call(
        world, world, episode->troubles & LATE,
        &(struct world_call){
            .kind = kinds[flight->power], .host = host, .sent_ms = flight->asked_ms, .hidden = hidden});
    if (hidden && !flight->lost)
        refuse(flight, world_chance(world, 50) ? 500 : 596, ERROR_TASK_FAILED, "Broken pipe");
    else if (!hidden)
        snprintf(flight->event.upid, PVE_UPID_MAX, "UPID:%s:%08X:0:0:%s:100:fence@pve!t:", flight->node,
                 call->task, world->ha.managed ? "hastop" : "qmstop");
}

static void serve_status(struct episode *episode, struct flight *flight)
{
    struct world *world = &episode->world;
    int host = world_host_number(flight->node);
    char text[96];
    if (!world_finds(world, host)) {
        snprintf(text, sizeof(text), "Configuration file 'nodes/%s/qemu-server/100.conf' does not exist",
                 flight->node);
        refuse(flight, 500, ERROR_PROTOCOL, text);
        return;
    }
    world_status(world, host, &flight->event.status);
    flight->event.decoded = true;
}

static struct pve_task task_of(const struct world_task *task)
{
    struct pve_task told = {.ended = task->state == WORLD_ENDED};
    told.ok = told.ended && strcmp(task->exit, "OK") == 0;
    if (told.ended)
        snprintf(told.exit, sizeof(told.exit), "%s", task->exit);
    return told;
}

static void serve_task(struct episode *episode, struct flight *flight)
{
    unsigned number = 0;
    memcpy(flight->event.upid, flight->upid, PVE_UPID_MAX);
    sscanf(flight->upid + 10, "%8X", &number);
    struct world_task *task = world_task_numbered(&episode->world, number);
    if (!task) {
        refuse(flight, 400, ERROR_PROTOCOL, "Parameter verification failed.");
        return;
    }
    flight->event.decoded = true;
    flight->event.task = task_of(task);
}

static struct node_census census_of(const struct world *world, int endpoint, int host)
{
    return (struct node_census){.online = world_online(world, endpoint),
                                .known = WORLD_HOSTS,
                                .host_online = world_reaches(world, endpoint, host)};
}

static void serve_lists(struct episode *episode, struct flight *flight, enum kind kind)
{
    struct world *world = &episode->world;
    flight->event.decoded = true;
    if (kind == LOCATE) {
        flight->event.node = world_host_name(world_view(world, flight->endpoint));
        flight->event.type = world->container ? PVE_LXC : PVE_QEMU;
        if (world->ha.managed && world->ha.state != WORLD_HA_UNSERVED)
            flight->event.ha_state = world_ha_state_name(world->ha.state);
        memcpy(flight->lock, world->lock, sizeof(flight->lock));
        flight->event.lock = flight->lock[0] ? episode->flights[kind].lock : NULL;
        flight->event.with_hosts = true;
        flight->event.census = census_of(world, flight->endpoint, world_host_number(flight->event.node));
    } else if (kind == HOSTS) {
        int host = world_host_number(flight->node);
        flight->event.census = census_of(world, flight->endpoint, host);
        flight->event.word = world_death(world, host);
        for (int other = 0; other < WORLD_HOSTS; other++) {
            if (other != host && world_reaches(world, flight->endpoint, other))
                snprintf(flight->event.census.other, PVE_NODE_MAX, "%s", world_host_name(other));
        }
    } else {
        unsigned last = 0, stop = 0;
        const struct step_task_list wanted = step_task_list(&episode->step);
        if (wanted.stop_upid[0])
            sscanf(wanted.stop_upid + 10, "%8X", &stop);
        const struct world_task *listed = stop ? world_task_numbered(world, stop) : NULL;
        if (listed && listed->host == world_host_number(flight->node)) {
            snprintf(flight->event.upid, PVE_UPID_MAX, "%s", wanted.stop_upid);
            flight->event.task = task_of(listed);
        }
        if (wanted.after_upid[0])
            sscanf(wanted.after_upid + 10, "%8X", &last);
        for (unsigned i = 0; i < world->task_count; i++) {
            const struct world_task *task = &world->tasks[i];
            enum world_task_kind kind_of_stop = world->ha.managed ? WORLD_HASTOP : WORLD_STOP;
            struct pve_task_count *count =
                task->kind == WORLD_START ? &flight->event.starts : &flight->event.tasks;
            if (!task->ours || (task->kind != kind_of_stop && task->kind != WORLD_START) ||
                task->host != world_host_number(flight->node))
                continue;
            bool running = task->state != WORLD_ENDED, failed = !running && strcmp(task->exit, "OK") != 0;
            count->begun++;
            count->running += running;
            count->failed += failed;
            if (last && task->number > last) {
                count->newer++;
                count->newer_running += running;
                count->newer_failed += failed;
            }
        }
    }
}

/* A good answer that cannot be read, or is another guest's; one that names no task of ours is lost. */
static void garble(struct episode *episode, struct flight *flight, enum kind kind)
{
    flight->event.upid[0] = '\0';
    if (kind == POWER) {
        flight->result.outcome = API_LOST;
        error_set(&flight->result.error, ERROR_PROTOCOL, "something that is not a task");
    } else if (kind == STATUS && flight->event.decoded && world_chance(&episode->world, 50)) {
        flight->event.status.vmid++;
        flight->event.status.running = !flight->event.status.running;
        flight->event.status.nics = flight->event.status.traffic = false;
    } else {
        flight->event.decoded = false;
    }
    if (kind == TASK) /* it is known which task was asked for */
        memcpy(flight->event.upid, flight->upid, PVE_UPID_MAX);
}

/* The moment at which a call takes effect, and at which a read sees what it sees. */
static void serve(struct episode *episode, struct flight *flight, enum kind kind)
{
    struct world *world = &episode->world;
    flight->served = true;
    if (flight->result.outcome == API_UNSENT)
        return;
    bool proxied = kind == POWER || kind == STATUS || kind == TASK || kind == TASKS;
    if (has(episode, UNAUTHORISED, 20)) {
        refuse(flight, 401, ERROR_NO_SESSION, "authentication failure");
    } else if (proxied && !world_reaches(world, flight->endpoint, world_host_number(flight->node))) {
        refuse(flight, 595, ERROR_NO_ENDPOINT, "No route to host");
        flight->due_ms += 3000;
    } else if (kind != POWER && has(episode, ERRORS_5XX, 15)) {
        refuse(flight, 500, ERROR_PROTOCOL, "internal");
    } else if (kind == POWER) {
        serve_power(episode, flight);
    } else if (kind == STATUS) {
        serve_status(episode, flight);
    } else if (kind == TASK) {
        serve_task(episode, flight);
    } else {
        serve_lists(episode, flight, kind);
    }
    if (flight->result.outcome == API_OK && has(episode, GARBLED, 15))
        garble(episode, flight, kind);
    if (flight->lost) {
        flight->result.outcome = API_LOST;
        flight->result.http_status = 0;
        flight->due_ms = flight->asked_ms + ANSWER_TIMEOUT_MS;
        flight->event.decoded = false;
        flight->event.upid[0] = '\0';
        error_set(&flight->result.error, ERROR_NO_ENDPOINT, "no answer");
    }
}

/* ---- effects become calls ---- */

static void take_off(struct episode *episode, enum kind kind, const char *node)
{
    struct world *world = &episode->world;
    struct flight *flight = &episode->flights[kind];
    CHECK(episode, !flight->under_way, "P7: one call of each kind at a time");
    *flight = (struct flight){.under_way = true, .asked_ms = world->now_ms};
    flight->endpoint = (int)world_between(world, 0, WORLD_HOSTS - 1);
    flight->node = *node ? world_host_name(world_host_number(node)) : "";
    int64_t longest = has(episode, SLOW, 20) ? 3000 : 30;
    flight->served_ms = world->now_ms + world_between(world, 1, longest / 2);
    flight->due_ms = flight->served_ms + world_between(world, 1, longest / 2);
    flight->lost = has(episode, LOSSES, 20);
    flight->result.reason = "";
    flight->result.endpoint_text = world_host_name(flight->endpoint);
    if (has(episode, UNSENT, 15)) {
        flight->result.outcome = API_UNSENT;
        error_set(&flight->result.error, ERROR_NO_ENDPOINT, "no endpoint answers");
    }
}
