/*
 * The stage of test_engine.c: a Proxmox without faults of its own whose calls can be held back, guests that
 * obey, askers that remember their answers. Knows nothing of what is right.
 */
#pragma once

#include "engine_rooms.h"

#include "fence/engine.h"

#define STAGE_ASKERS_MAX 1024
#define STAGE_TASKS_MAX  1024
#define DEADLINE_MS      240000
#define CALL_MS          5   /* every call takes so long */
#define HA_TASK_MS       100 /* a hastop or hastart; what it asks for comes later */
#define HELD(call)       (1u << (call))

struct staged_guest {
    bool running;
    int64_t started_ms, resets;
    int64_t turns_ms; /* when a stop or start of it takes effect, 0: none under way */
    bool turns_on;
    char lock[PVE_LOCK_MAX];
    bool undead; /* reads stopped, and shows its network devices */
    bool no_nics;
    const char *ha;    /* the state of its service; NULL: HA does not manage it */
    const char *moved; /* the host that it is on; NULL: pve1 */
};

struct asker_record {
    uint64_t id;
    unsigned answers;
    enum error_code code;
    struct error error;
    char operation[OPERATION_ID_LEN];
    int64_t at_ms;
    enum engine_power power;
    bool asks_again; /* from inside its answer */
    bool gone;       /* it has hung up, and nobody has noticed yet */
};

struct staged_task {
    int vmid;
    const char *type;
    char host[PVE_NODE_MAX], upid[PVE_UPID_MAX];
    int64_t begins_ms, ends_ms;
};

static struct {
    struct engine *engine;
    struct staged_guest guests[200]; /* by VMID - 100 */
    struct staged_task task[STAGE_TASKS_MAX];
    unsigned tasks, held;
    bool lose_stops;         /* the answer to a stop is lost; it is never carried out … */
    bool lose_answers;       /* … or it is */
    struct flight last_stop; /* as it was asked for */
    int64_t stop_takes_ms, start_takes_ms;
    struct asker_record askers[STAGE_ASKERS_MAX];
    size_t asker_count;
    bool submitting, drained;
} stage;

static const struct engine_settings stage_settings = {
    .deadline_ms = DEADLINE_MS, .lock_wait_ms = 5000, .stop_timeout_ms = 3000, .answer_timeout_ms = 4000};

static inline struct staged_guest *guest_of(int vmid)
{
    return &stage.guests[vmid - 100];
}

static inline const char *host_of(int vmid)
{
    return guest_of(vmid)->moved ? guest_of(vmid)->moved : "pve1";
}

/* ---- Proxmox ---- */

static inline void guest_goes_on(struct staged_guest *guest)
{
    if (!guest->turns_ms || clock_now_ms() < guest->turns_ms)
        return;
    if (guest->turns_on && !guest->running)
        guest->started_ms = guest->turns_ms;
    guest->running = guest->turns_on;
    guest->turns_ms = 0;
    if (guest->ha)
        guest->ha = guest->running ? "started" : "stopped";
}

static inline const char *task_type(const struct flight *flight)
{
    bool ha = guest_of(flight->vmid)->ha;
    return flight->call == API_STOP ? (ha ? "hastop" : "qmstop") : ha ? "hastart" : "qmstart";
}

static struct json_object *begin_task(const struct flight *flight, int64_t takes_ms)
{
    assert_true(stage.tasks < STAGE_TASKS_MAX);
    struct staged_task *task = &stage.task[stage.tasks];
    *task =
        (struct staged_task){.vmid = flight->vmid, .type = task_type(flight), .begins_ms = clock_now_ms()};
    task->ends_ms = clock_now_ms() + takes_ms;
    snprintf(task->host, sizeof(task->host), "%s", flight->node);
    name_task(task->upid, flight->node, stage.tasks, task->begins_ms, task->type, flight->vmid);
    stage.tasks++;
    return json_word(task->upid);
}

static struct json_object *carry_out(const struct flight *flight)
{
    struct staged_guest *guest = guest_of(flight->vmid);
    int64_t takes_ms = flight->call == API_STOP ? stage.stop_takes_ms : stage.start_takes_ms;
    if (flight->call == API_RESET) {
        guest->resets++;
    } else {
        guest->turns_ms = clock_now_ms() + takes_ms;
        guest->turns_on = flight->call == API_START;
    }
    if (guest->ha && flight->call == API_STOP)
        guest->ha = "request_stop";
    return begin_task(flight, guest->ha ? HA_TASK_MS : takes_ms);
}

static struct json_object *read_status(const struct flight *flight)
{
    struct staged_guest *guest = guest_of(flight->vmid);
    guest_goes_on(guest);
    struct pve_status status = {.vmid = flight->vmid, .running = guest->running};
    status.nics = (guest->running || guest->undead) && !guest->no_nics;
    status.uptime_s = guest->running ? (clock_now_ms() - guest->started_ms) / 1000 : 0;
    memcpy(status.lock, guest->lock, sizeof(status.lock));
    status.ha_managed = guest->ha;
    snprintf(status.ha_state, sizeof(status.ha_state), "%s", guest->ha ? guest->ha : "");
    return status_document(&status);
}

static struct json_object *list_hosts(void)
{
    struct json_object *list = json_object_new_array();
    for (char name[] = "pve1"; name[3] <= '3'; name[3]++)
        json_object_array_add(list, listed_host(name, true));
    return list;
}

static struct json_object *list_tasks(const struct flight *flight)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < stage.tasks; i++) {
        const struct staged_task *task = &stage.task[i];
        if (task->vmid == flight->vmid && strcmp(task->host, flight->node) == 0)
            json_object_array_add(list, listed_task(task->upid, task->begins_ms,
                                                    clock_now_ms() >= task->ends_ms ? "OK" : NULL));
    }
    return list;
}

static struct json_object *answer_of(const struct flight *flight)
{
    unsigned number = 0;
    switch (flight->call) {
    case API_STOP:
    case API_START:
    case API_RESET:
        return carry_out(flight);
    case API_STATUS:
        return read_status(flight);
    case API_TASK:
        sscanf(flight->upid, "UPID:%*4s:%8X", &number);
        return task_document(clock_now_ms() >= stage.task[number].ends_ms, "OK");
    case API_NODES:
        return list_hosts();
    case API_TASKS:
        return list_tasks(flight);
    case API_HA_STATUS:
    case API_GUESTS:
    case API_CONFIG:
    case API_RESOURCES:
    case API_VERSION:
    case API_TICKET:
    case API_DOMAINS:
    case API_PERMISSIONS:
    case API_POOL:
    case API_POOL_NESTED:
    case API_REHEARSE:
    case API_CALL_COUNT:
        break;
    }
    struct json_object *list = json_object_new_array();
    for (int vmid = 101; vmid <= 108; vmid++)
        json_object_array_add(list, listed_guest(vmid, "qemu", host_of(vmid)));
    return list;
}

static inline void on_landing(evutil_socket_t fd, short what, void *context)
{
    struct flight *flight = context;
    (void)fd;
    (void)what;
    if (flight->call == API_STATUS && strcmp(flight->node, host_of(flight->vmid)) != 0) {
        struct api_result elsewhere = {
            .outcome = API_REFUSED,
            .http_status = 500,
            .reason = "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"};
        error_set(&elsewhere.error, ERROR_PROTOCOL, "%s", elsewhere.reason);
        flight_land(flight, &elsewhere);
        return;
    }
    if (flight->call == API_STOP && (stage.lose_stops || stage.lose_answers)) {
        struct api_result lost = {.outcome = API_LOST};
        if (stage.lose_answers)
            json_object_put(carry_out(flight));
        error_set(&lost.error, ERROR_NO_ENDPOINT, "no answer");
        flight_land(flight, &lost);
        return;
    }
    struct api_result result = {.outcome = API_OK, .http_status = 200, .data = answer_of(flight)};
    flight_land(flight, &result);
}

static inline void on_call(struct flight *flight)
{
    struct timeval after = {.tv_usec = CALL_MS * 1000};
    if (flight->call == API_STOP)
        stage.last_stop = *flight;
    flight->held = stage.held & HELD(flight->call);
    flight->event = event_new(NULL, -1, 0, on_landing, flight);
    if (!flight->held)
        event_add(flight->event, &after);
}

static inline void hold(unsigned calls)
{
    stage.held = calls;
}

/* What was held back is answered now, with the state that is now. */
static inline void release(void)
{
    struct flight *flight;
    stage.held = 0;
    DL_FOREACH (rooms.flights, flight) {
        if (flight->held)
            event_active(flight->event, EV_TIMEOUT, 0);
        flight->held = false;
    }
}

/* A held call fails with these words of Proxmox. */
static inline void refuse_held(enum api_call call, int status, const char *reason)
{
    struct flight *flight, *next;
    DL_FOREACH_SAFE (rooms.flights, flight, next) {
        if (!flight->held || flight->call != call)
            continue;
        struct api_result result = {.outcome = API_REFUSED, .http_status = status, .reason = reason};
        error_set(&result.error, ERROR_TASK_FAILED, "%s", reason);
        flight_land(flight, &result);
    }
}

/* What was held and asked for was never sent, for this. */
static inline void fail_held(enum api_call call, enum error_code code)
{
    struct flight *flight, *next;
    DL_FOREACH_SAFE (rooms.flights, flight, next) {
        if (!flight->held || flight->call != call)
            continue;
        struct api_result result = {.outcome = API_UNSENT, .reason = ""};
        error_set(&result.error, code, "not sent");
        flight_land(flight, &result);
    }
}

/* ---- time ---- */

static inline void run_for(int64_t ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    while (loop_turn(until_ms))
        ;
}

/* Until it has an answer, or so much time is over. */
static inline void run_until_answered(const struct asker_record *asker, int64_t ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    while (!asker->answers && loop_turn(until_ms))
        ;
}

static inline void run_until_made(enum api_call call, unsigned count)
{
    int64_t until_ms = clock_now_ms() + DEADLINE_MS;
    while (rooms.made[call] < count && loop_turn(until_ms))
        ;
    assert_int_equal(rooms.made[call], count);
}

/* ---- askers ---- */

static inline void on_answer(void *context, const struct operation *operation, const struct error *error)
{
    struct asker_record *asker = context;
    assert_false(stage.submitting);
    asker->answers++;
    asker->code = error ? error->code : ERROR_NONE;
    asker->error = error ? *error : (struct error){0};
    asker->at_ms = clock_now_ms();
    snprintf(asker->operation, sizeof(asker->operation), "%s", operation ? operation->id : "");
    if (asker->asks_again) {
        struct engine_request request = {.action = FENCE_OFF, .plug = "101"};
        struct error none = {0};
        asker->asks_again = false;
        asker->id = engine_submit(stage.engine, &request, on_answer, asker, &none);
        assert_true(asker->id > 0);
    }
}

static inline struct asker_record *submit(const struct engine_request *request)
{
    struct error error = {0};
    assert_true(stage.asker_count < STAGE_ASKERS_MAX);
    struct asker_record *asker = &stage.askers[stage.asker_count++];
    stage.submitting = true;
    asker->id = engine_submit(stage.engine, request, on_answer, asker, &error);
    stage.submitting = false;
    asker->error = error;
    return asker;
}

static inline bool is_there(void *context)
{
    const struct asker_record *asker = context;
    return !asker->gone;
}

/* Root's, if nothing else is said. */
static inline struct asker_record *ask(enum fence_action action, const char *plug)
{
    return submit(&(struct engine_request){.action = action, .plug = plug, .privileged = true});
}

static inline struct asker_record *ask_by(uid_t uid, enum fence_action action, const char *plug)
{
    return submit(&(struct engine_request){.action = action, .plug = plug, .peer = {.uid = uid}});
}

static inline struct asker_record *ask_as(enum fence_action action, const char *plug, const char *request_id)
{
    return submit(&(struct engine_request){.action = action, .plug = plug, .request_id = request_id});
}

/* Root's, and it asked so long ago. */
static inline struct asker_record *ask_since_ms(enum fence_action action, const char *plug, int64_t age_ms)
{
    return submit(&(struct engine_request){
        .action = action, .plug = plug, .privileged = true, .asked_ms = clock_now_ms() - age_ms});
}

/* Root's, of whom it can be asked whether it is there. */
static inline struct asker_record *ask_and_look(enum fence_action action, const char *plug)
{
    return submit(
        &(struct engine_request){.action = action, .plug = plug, .privileged = true, .is_there = is_there});
}

static inline void assert_answered(const struct asker_record *asker, enum error_code code)
{
    assert_int_equal(asker->answers, 1);
    assert_string_equal(error_code_name(asker->code), error_code_name(code));
}

static inline const struct operation *operation_at(size_t index)
{
    assert_true(index < rooms.history.operation_count);
    return rooms.history.operations[index];
}

/* ---- live reads ---- */

static inline void on_power(void *context, enum engine_power power, const struct pve_status *status,
                            const char *node, const struct error *error)
{
    struct asker_record *asker = context;
    (void)node;
    assert_false(stage.submitting);
    assert_true(error || status);
    asker->answers++;
    asker->power = power;
    asker->code = error ? error->code : ERROR_NONE;
}

static inline struct asker_record *read_power_by(const struct engine_reader *by, const char *plug)
{
    struct error error = {0};
    struct asker_record *asker = &stage.askers[stage.asker_count++];
    stage.submitting = true;
    asker->id = engine_read_power(stage.engine, plug, by, on_power, asker, &error);
    stage.submitting = false;
    assert_true(asker->id > 0);
    return asker;
}

static inline struct asker_record *read_power(const char *plug)
{
    return read_power_by(&(struct engine_reader){.privileged = true}, plug);
}

/* ---- set up ---- */

static inline void learn_guests(void)
{
    static const struct {
        int vmid;
        const char *name;
        const char *hastate;
        bool template, powerless;
    } known[] = {{101, "web1", NULL, false, false},   {102, "web2", NULL, false, false},
                 {103, "twin", NULL, false, false},   {104, "twin", NULL, false, false},
                 {105, "ha", "error", false, false},  {106, "tpl", NULL, true, false},
                 {107, "foreign", NULL, false, true}, {108, "havm", "started", false, false}};
    struct inventory_builder *builder = inventory_builder_new(NULL);
    for (int vmid = 101; vmid < 300; vmid++) {
        struct guest guest = {
            .vmid = vmid, .type = PVE_QEMU, .node = (char *)(uintptr_t) "pve1", .may_power = true};
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (known[i].vmid != vmid)
                continue;
            guest.name = (char *)(uintptr_t)known[i].name;
            guest.hastate = (char *)(uintptr_t)known[i].hastate;
            guest.template = known[i].template;
            guest.may_power = !known[i].powerless;
        }
        assert_true(inventory_builder_guest(builder, &guest));
    }
    for (char name[] = "pve1"; name[3] <= '3'; name[3]++)
        assert_true(inventory_builder_node(builder, name, true));
    rooms.inventory = inventory_builder_finish(builder, clock_now_ms());
    assert_non_null(rooms.inventory);
}

static inline void begin_daemon(void)
{
    stage.engine = engine_new(NULL, NULL, NULL, &rooms.history, &stage_settings);
    assert_non_null(stage.engine);
}

/* The daemon ends without a word to its askers, and another one begins. */
static inline void restart_daemon(void)
{
    engine_free(stage.engine);
    history_restart(&rooms.history);
    begin_daemon();
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    loop.tell = getenv("TRACE") != NULL;
    rooms.on_call = on_call;
    rooms.session_ready = true;
    stage.stop_takes_ms = stage.start_takes_ms = 300;
    for (size_t i = 0; i < sizeof(stage.guests) / sizeof(stage.guests[0]); i++)
        stage.guests[i] = (struct staged_guest){.running = true, .started_ms = clock_now_ms() - 500000};
    guest_of(105)->ha = "error";
    guest_of(108)->ha = "started";
    learn_guests();
    begin_daemon();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    engine_free(stage.engine);
    assert_null(rooms.flights);
    rooms_free();
    assert_int_equal(loop.alive, 0);
    return 0;
}
