/*
 * The rooms around the engine, replaced: a session whose calls the test answers, a poller that holds an
 * inventory, and a history in memory. All their public symbols are defined here, so that the real ones are
 * not linked.
 */
#pragma once

#include "memory_history.h"
#include "simulated_time.h"

#include "proxmox/guest_list.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"

#include <string.h>

/* ---- session ---- */

/* A call under way. */
struct flight {
    uint64_t id;
    enum api_call call;
    char node[PVE_NODE_MAX], upid[PVE_UPID_MAX];
    int vmid;
    bool overrule_shutdown, held;
    int stop_timeout_s;
    struct session_route route;
    session_result_fn *done;
    void *context;
    int64_t asked_ms;
    struct event *event; /* the test's; freed with the flight */
    void *plan;          /* the same, by rooms.free_plan */
    struct flight *prev, *next;
};

static struct {
    struct flight *flights;
    uint64_t last_call;
    unsigned made[API_CALL_COUNT];
    bool no_memory; /* session_call() makes no call */
    void (*on_call)(struct flight *flight);
    void (*free_plan)(void *plan);
    uint64_t endpoint; /* where calls stand, as a bit */
    struct error session_error;
    bool session_ready;

    struct inventory *inventory;
    struct error poll_error, refusal;
    unsigned privileges_reread;

    struct history history;
} rooms;

static void flight_free(struct flight *flight)
{
    DL_DELETE(rooms.flights, flight);
    if (flight->event)
        event_free(flight->event);
    if (flight->plan)
        rooms.free_plan(flight->plan);
    free(flight);
}

/* As transport takes a list of guests in; NULL: it is none. */
static struct guest_list *guests_of(struct json_object *data)
{
    struct guest_list *guests = json_object_is_type(data, json_type_array) ? guest_list_new() : NULL;
    for (size_t i = 0; guests && i < json_object_array_length(data); i++) {
        const char *text = json_object_to_json_string(json_object_array_get_idx(data, i));
        assert_int_equal(guest_list_add(guests, text, strlen(text)), 0);
    }
    if (guests)
        guest_list_finish(guests);
    return guests;
}

/* Takes over result->data and result->errors. */
static void flight_land(struct flight *flight, struct api_result *result)
{
    session_result_fn *done = flight->done;
    void *context = flight->context;
    uint64_t id = flight->id;
    result->asked_ms = flight->asked_ms;
    result->received_ms = clock_now_ms();
    if (!result->reason)
        result->reason = "";
    if (!result->endpoint_text)
        result->endpoint_text = "pve1";
    if ((flight->call == API_GUESTS || flight->call == API_RESOURCES) && result->outcome == API_OK)
        result->guests = guests_of(result->data);
    flight_free(flight);
    done(context, id, result);
    guest_list_unref(result->guests);
    json_object_put(result->data);
    json_object_put(result->errors);
}

uint64_t session_call(struct session *session, const struct api_request *request,
                      const struct session_route *route, session_result_fn *done, void *context)
{
    (void)session;
    struct flight *flight = rooms.no_memory ? NULL : calloc(1, sizeof(*flight));
    if (!flight)
        return 0;
    flight->id = ++rooms.last_call;
    flight->call = request->call;
    snprintf(flight->node, sizeof(flight->node), "%s", request->node ? request->node : "");
    snprintf(flight->upid, sizeof(flight->upid), "%s", request->upid ? request->upid : "");
    flight->vmid = request->vmid;
    flight->overrule_shutdown = request->overrule_shutdown;
    flight->stop_timeout_s = request->stop_timeout_s;
    flight->route = *route;
    flight->done = done;
    flight->context = context;
    flight->asked_ms = clock_now_ms();
    DL_APPEND(rooms.flights, flight);
    rooms.made[request->call]++;
    rooms.on_call(flight);
    return rooms.last_call;
}

uint64_t session_kept_waiting_by(const struct session *session, uint64_t id, int64_t patience_ms)
{
    (void)session;
    struct flight *flight;
    DL_FOREACH (rooms.flights, flight) {
        if (flight->id == id)
            return clock_now_ms() - flight->asked_ms >= patience_ms ? rooms.endpoint : 0;
    }
    return 0;
}

void session_cancel(struct session *session, uint64_t id)
{
    (void)session;
    struct flight *flight, *next;
    DL_FOREACH_SAFE (rooms.flights, flight, next) {
        if (flight->id == id)
            flight_free(flight);
    }
}

void session_describe(const struct session *session, struct session_description *description)
{
    (void)session;
    *description = (struct session_description){
        .identity = "fence@pve!broker", .ready = rooms.session_ready, .error = rooms.session_error};
}

/* ---- poller ---- */

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

static unsigned hurried; /* how often the poller was told to */

void poller_hurry(struct poller *poller)
{
    (void)poller;
    hurried++;
}

int poller_release(const struct poller *poller)
{
    (void)poller;
    return 902;
}

void poller_reread_privileges(struct poller *poller)
{
    (void)poller;
    rooms.privileges_reread++;
}

/* ---- all of them ---- */

static void rooms_free(void)
{
    struct flight *flight, *next_flight;
    DL_FOREACH_SAFE (rooms.flights, flight, next_flight) {
        flight_free(flight);
    }
    history_forget(&rooms.history);
    inventory_unref(rooms.inventory);
    memset(&rooms, 0, sizeof(rooms));
}

static struct json_object *json_word(const char *word)
{
    return json_object_new_string(word);
}

static void json_put(struct json_object *object, const char *key, struct json_object *value)
{
    json_object_object_add(object, key, value);
}

/* status/current, as the host gives it. */
static struct json_object *status_document(const struct pve_status *status)
{
    struct json_object *data = json_object_new_object();
    json_put(data, "vmid", json_object_new_int(status->vmid));
    json_put(data, "status", json_word(status->running ? "running" : "stopped"));
    json_put(data, "uptime", json_object_new_int64(status->uptime_s));
    json_put(data, "netin", json_object_new_int(status->traffic ? 1000 : 0));
    if (status->nics) {
        struct json_object *nics = json_object_new_object();
        json_put(nics, "tap100i0", json_object_new_object());
        json_put(data, "nics", nics);
    }
    if (status->lock[0])
        json_put(data, "lock", json_word(status->lock));
    if (status->ha_managed) {
        struct json_object *ha = json_object_new_object();
        json_put(ha, "managed", json_object_new_int(1));
        json_put(ha, "state", json_word(status->ha_state));
        json_put(data, "ha", ha);
    }
    return data;
}

static struct json_object *task_document(bool ended, const char *exit)
{
    struct json_object *data = json_object_new_object();
    json_put(data, "status", json_word(ended ? "stopped" : "running"));
    if (ended)
        json_put(data, "exitstatus", json_word(exit));
    return data;
}

static inline struct json_object *listed_guest(int vmid, const char *type, const char *node)
{
    struct json_object *data = json_object_new_object();
    json_put(data, "vmid", json_object_new_int(vmid));
    json_put(data, "type", json_word(type));
    json_put(data, "node", json_word(node));
    return data;
}

static struct json_object *listed_host(const char *node, bool online)
{
    struct json_object *data = json_object_new_object();
    json_put(data, "type", json_word("node"));
    json_put(data, "node", json_word(node));
    json_put(data, "status", json_word(online ? "online" : "offline"));
    return data;
}

/* The wall clock in seconds, as in a task list. */
/* The one that began later is the newer one, and of two of the same second the one with the higher number. */
static inline void name_task(char upid[static PVE_UPID_MAX], const char *node, unsigned number,
                             int64_t began_ms, const char *type, int vmid)
{
    snprintf(upid, PVE_UPID_MAX, "UPID:%s:%08X:1%07X:%08X:%s:%d:fence@pve!t:", node, number, number,
             (unsigned)((LOOP_REALTIME_MS + began_ms) / 1000), type, vmid);
}

static inline struct json_object *listed_task(const char *upid, int64_t began_ms, const char *exit)
{
    struct json_object *data = json_object_new_object();
    json_put(data, "upid", json_word(upid));
    if (exit) {
        json_put(data, "endtime", json_object_new_int64((LOOP_REALTIME_MS + began_ms) / 1000 + 1));
        json_put(data, "status", json_word(exit));
    }
    return data;
}
