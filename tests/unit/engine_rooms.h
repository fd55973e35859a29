/*
 * The rooms around the engine, replaced: a session whose calls the test answers, a poller that holds an
 * inventory, and a history in memory whose disk can be slow, broken or absent. All their public symbols are
 * defined here, so that the real ones are not linked.
 */
#pragma once

#include "simulated_time.h"

#include "fence/history.h"
#include "proxmox/guest_list.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"

#include <string.h>

#define ROOMS_OPERATIONS_MAX 4096

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

/* A record of an intent on its way to the disk. */
struct intent {
    uint64_t id;
    const struct operation *operation;
    int64_t written_ms;
    bool settled;
    int result;
    recorder_done_fn *done;
    void *context;
    struct event *event;
    struct intent *prev, *next;
};

enum disk { DISK_FINE, DISK_SLOW, DISK_FAILS, DISK_SILENT, DISK_LOST };

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

    struct operation *operations[ROOMS_OPERATIONS_MAX];
    size_t operation_count;
    struct intent *intents;
    uint64_t last_record;
    enum disk disk;
    unsigned joins, verified, outcomes;
    void (*on_outcome)(const struct operation *operation);
    void (*on_added)(const struct operation *operation);
    struct json_object *left; /* by VMID: what is open of its calls, as the file has it */
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

/* ---- history ---- */

void history_add(struct history *history, struct operation *operation)
{
    static uint64_t number;
    (void)history;
    if (rooms.operation_count == ROOMS_OPERATIONS_MAX)
        abort();
    snprintf(operation->id, sizeof(operation->id), "o%" PRIu64, ++number);
    rooms.operations[rooms.operation_count++] = operation;
    if (rooms.on_added)
        rooms.on_added(operation);
}

static void intent_free(struct intent *intent)
{
    DL_DELETE(rooms.intents, intent);
    if (intent->event)
        event_free(intent->event);
    free(intent);
}

static void on_disk(evutil_socket_t fd, short what, void *context)
{
    struct intent *intent = context;
    (void)fd;
    (void)what;
    intent->settled = true;
    intent->done(intent->context, intent->id, intent->result);
}

uint64_t history_write_intent(struct history *history, const struct operation *operation,
                              recorder_done_fn *done, void *context)
{
    (void)history;
    struct intent *intent = calloc(1, sizeof(*intent));
    if (!intent)
        abort();
    *intent = (struct intent){.id = ++rooms.last_record,
                              .operation = operation,
                              .written_ms = clock_now_ms(),
                              .done = done,
                              .context = context};
    DL_APPEND(rooms.intents, intent);
    if (rooms.disk == DISK_LOST) {
        intent->settled = true;
        return 0;
    }
    if (rooms.disk == DISK_SILENT)
        return intent->id;
    struct timeval after = {.tv_usec = (rooms.disk == DISK_SLOW ? 700 : 2) * 1000};
    intent->result = rooms.disk == DISK_FAILS ? -28 : 0;
    intent->event = event_new(NULL, -1, 0, on_disk, intent);
    event_add(intent->event, &after);
    return intent->id;
}

static inline const struct intent *intent_of(const struct operation *operation)
{
    struct intent *intent, *found = NULL;
    DL_FOREACH (rooms.intents, intent) {
        if (intent->operation == operation)
            found = intent;
    }
    return found;
}

void history_write_transition(struct history *history, const struct operation *operation,
                              const struct operation_transition *transition)
{
    (void)history;
    (void)operation;
    (void)transition;
}

void history_write_join(struct history *history, const struct operation *operation, const char *request_id)
{
    (void)history;
    (void)operation;
    (void)request_id;
    rooms.joins++;
}

void history_write_verified(struct history *history, const struct operation *operation)
{
    (void)history;
    (void)operation;
    rooms.verified++;
}

void history_write_outcome(struct history *history, const struct operation *operation)
{
    (void)history;
    rooms.outcomes++;
    if (rooms.on_outcome)
        rooms.on_outcome(operation);
}

void history_write_open(struct history *history, const struct operation *operation,
                        const struct unsettled *unsettled)
{
    (void)history;
    struct json_object *document = json_object_new_object();
    char vmid[16];
    if (!rooms.left)
        rooms.left = json_object_new_object();
    int guest = operation ? operation->vmid : unsettled->vmid;
    snprintf(vmid, sizeof(vmid), "%d", guest);
    json_object_object_add(document, "vmid", json_object_new_int(guest));
    if (unsettled)
        assert_true(unsettled_write(unsettled, clock_realtime_ms() - clock_now_ms(), document));
    json_object_object_add(rooms.left, vmid, document);
}

struct unsettled *history_take_unsettled(struct history *history)
{
    (void)history;
    struct unsettled *list = NULL;
    if (!rooms.left)
        return NULL;
    json_object_object_foreach(rooms.left, vmid, document)
    {
        struct unsettled unsettled;
        (void)vmid;
        if (unsettled_read(&unsettled, document, clock_realtime_ms() - clock_now_ms(), clock_now_ms()))
            unsettled_put(&list, unsettled.vmid, &unsettled);
    }
    return list;
}

size_t history_count(const struct history *history)
{
    (void)history;
    return rooms.operation_count;
}

const struct operation *history_get(const struct history *history, size_t index)
{
    (void)history;
    return index < rooms.operation_count ? rooms.operations[rooms.operation_count - 1 - index] : NULL;
}

const struct operation *history_find(const struct history *history, const char *id)
{
    (void)history;
    for (size_t i = rooms.operation_count; i-- > 0;) {
        if (strcmp(rooms.operations[i]->id, id) == 0)
            return rooms.operations[i];
    }
    return NULL;
}

const struct operation *history_find_request(const struct history *history, const char *request_id)
{
    (void)history;
    for (size_t i = rooms.operation_count; i-- > 0;) {
        if (operation_has_request_id(rooms.operations[i], request_id))
            return rooms.operations[i];
    }
    return NULL;
}

/* What the next daemon reads of an operation that had not ended well: see end_loaded() in history.c. */
static inline void history_restart(void)
{
    struct intent *intent, *next;
    DL_FOREACH_SAFE (rooms.intents, intent, next) {
        intent_free(intent);
    }
    for (size_t i = 0; i < rooms.operation_count; i++) {
        struct operation *operation = rooms.operations[i];
        if (operation->power_on == POWER_ON_PENDING) {
            operation->power_on = POWER_ON_FAILED;
            error_set(&operation->power_on_error, ERROR_INTERRUPTED,
                      "the daemon stopped before the power-on");
        }
    }
}

/* ---- all of them ---- */

static void rooms_free(void)
{
    struct flight *flight, *next_flight;
    history_restart();
    DL_FOREACH_SAFE (rooms.flights, flight, next_flight) {
        flight_free(flight);
    }
    for (size_t i = 0; i < rooms.operation_count; i++)
        operation_free(rooms.operations[i]);
    inventory_unref(rooms.inventory);
    json_object_put(rooms.left);
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
