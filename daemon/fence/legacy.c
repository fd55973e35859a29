/*
 * Open calls and doubts, from one operation of a guest to its next. A call that was sent and not settled may
 * come for CALLS_OPEN_MS; the task of one whose end nobody saw, too. What the HA manager was asked for
 * comes later than its task ends.
 */
#include "fence/legacy.h"

#include "system/json.h"

#include <stdio.h>
#include <string.h>

#define TASK_TIME_MS                                                                                         \
    2000 /* a task list counts whole seconds: what began so long ago may count as begun now */
#define LOCK_FILE_MS 10000   /* so long a task of Proxmox waits for a guest's lock file */
#define HA_STOP_MS   180000  /* so long after a request Proxmox HA may still begin to stop a guest */
#define COUNT_MAX    1000000 /* a bound on what is believed of a file */

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- from the state machine ---- */

/* Nobody waits for its answer any more: it may still be carried out, as far as anybody knows. */
static void give_up_sending(struct step_call *call, int64_t now_ms)
{
    if (call->state != STEP_CALL_SENDING)
        return;
    call->state = STEP_CALL_OPEN;
    call->open++;
    call->last_open_ms = now_ms;
}

static void forget_settled(struct step_call *call, bool settled, int64_t now_ms)
{
    if (settled || (call->open > 0 && now_ms >= call->last_open_ms + CALLS_OPEN_MS))
        call->open = 0;
    if (settled && call->state == STEP_CALL_TASK) /* it has ended, one way or the other */
        call->state = STEP_CALL_FAILED;
}

static bool is_left_open(const struct step_call *call)
{
    return call->open > 0 || call->state == STEP_CALL_TASK || call->state == STEP_CALL_SENDING;
}

static int64_t open_until(const struct step_call *call, int64_t now_ms)
{
    int64_t until_ms = call->open > 0 ? call->last_open_ms + CALLS_OPEN_MS : 0;
    if (call->state == STEP_CALL_TASK)
        until_ms = latest(until_ms, call->last_sent_ms + CALLS_OPEN_MS);
    if (call->state == STEP_CALL_SENDING)
        until_ms = now_ms + CALLS_OPEN_MS;
    return until_ms;
}

static int64_t kind_until(const struct legacy *legacy, enum step_power power, const struct step_call *call,
                          int64_t now_ms)
{
    return latest(open_until(call, now_ms), calls_until(&legacy->former, power, NULL));
}

static int64_t all_until(const struct legacy *legacy, int64_t now_ms)
{
    int64_t until_ms = latest(kind_until(legacy, STEP_SEND_STOP, &legacy->stop, now_ms),
                              latest(kind_until(legacy, STEP_SEND_START, &legacy->start, now_ms),
                                     kind_until(legacy, STEP_SEND_RESET, &legacy->reset, now_ms)));
    return until_ms > now_ms ? until_ms : 0;
}

/* The next operation's stops are found in the same list as these: as long as one may come, and so long that
 * the list's whole seconds tell them apart. */
static int64_t stops_until(const struct legacy *legacy, int64_t now_ms)
{
    const struct step_call *stop = &legacy->stop;
    int64_t counted_ms = stop->tasks ? latest(stop->last_sent_ms, stop->settled_ms) + TASK_TIME_MS : 0;
    int64_t until_ms = latest(kind_until(legacy, STEP_SEND_STOP, stop, now_ms), counted_ms);
    return until_ms > now_ms ? until_ms : 0;
}

/* Since when a stop may have killed what nothing would have shown (point 7). */
static int64_t killing_since(const struct step *step)
{
    const struct step_call *stop = &step->calls.stop;
    bool fence = step->params.action != FENCE_ON;
    if (step->seen.devices || step->params.template)
        return 0;
    if (step->params.killing_since_ms)
        return step->params.killing_since_ms;
    if (!fence || stop->effect_since_ms == 0)
        return 0;
    int64_t ended_ms =
        latest(stop->settled_ms, step->seen.stopped_ms); /* the latter after a gap (is_gap()) */
    bool in_time = !step->ha.managed && stop->state == STEP_CALL_OK &&
                   !proof_may_have_killed(stop->effect_since_ms, ended_ms, step->params.stop_timeout_ms);
    return in_time ? 0 : stop->effect_since_ms;
}

/* Where that was. */
static const char *killing_node(const struct step *step)
{
    const struct step_params *params = &step->params;
    bool own = params->action != FENCE_ON && step->calls.stop.effect_since_ms;
    const char *node = params->killing_since_ms ? params->killing_node : step->calls.stop.effect_node;
    bool elsewhere = step->ha.changed || step->ha.unasked;
    return elsewhere || (own && strcmp(node, step->calls.stop.effect_node) != 0) ? "" : node;
}

/* Until when a stop can have begun to kill: one that ended, until its end; a task, until it had the guest's
 * lock file or gave up; an open call as long as it may come. */
static int64_t killing_until(const struct step *step, int64_t answer_timeout_ms)
{
    const struct step_call *stop = &step->calls.stop;
    int64_t until_ms = step->params.killing_until_ms;
    if (stop->effect_since_ms)
        until_ms = latest(until_ms, stop->settled_ms);
    if (stop->effect_since_ms && step->ha.managed)
        until_ms = latest(until_ms, stop->last_sent_ms + HA_STOP_MS);
    if (stop->state == STEP_CALL_TASK)
        until_ms = latest(until_ms, stop->last_sent_ms + answer_timeout_ms + LOCK_FILE_MS);
    if (stop->state == STEP_CALL_SENDING)
        until_ms = latest(until_ms, stop->last_sent_ms + CALLS_OPEN_MS);
    if (stop->open > 0 && stop->last_open_ms >= stop->first_sent_ms) /* not only inherited ones */
        until_ms = latest(until_ms, stop->last_open_ms + CALLS_OPEN_MS);
    return until_ms;
}

static void set_killing(struct legacy *legacy, const struct step *step, const struct legacy_facts *facts)
{
    legacy->killing_until_ms = killing_until(step, facts->answer_timeout_ms);
    snprintf(legacy->killing_node, sizeof(legacy->killing_node), "%s", killing_node(step));
}

bool legacy_derive(struct legacy *legacy, const struct step *step, const struct legacy_facts *facts)
{
    int64_t now_ms = facts->now_ms;
    unsigned elsewhere = step->calls.stop.open - step_stops_open(step);
    *legacy = (struct legacy){.vmid = step->params.vmid,
                              .stop = step->calls.stop,
                              .start = step->calls.start,
                              .reset = step->calls.reset,
                              .former = step->calls.former,
                              .since_realtime_ms = step->calls.since_realtime_ms,
                              .killing_since_ms = killing_since(step)};
    if (legacy->killing_since_ms)
        set_killing(legacy, step, facts);
    if (step->phase == STEP_ENDED) {
        give_up_sending(&legacy->stop, now_ms);
        give_up_sending(&legacy->start, now_ms);
        give_up_sending(&legacy->reset, now_ms);
    }
    calls_forget_old(&legacy->former, now_ms);
    forget_settled(&legacy->stop, step->list.settled, now_ms);
    if (step->list.settled) {
        if (now_ms < step->calls.stop.last_open_ms + CALLS_OPEN_MS)
            legacy->stop.open = elsewhere; /* of which this host's list says nothing */
        /* a lost one may have begun long after it was sent */
        legacy->stop.settled_ms = latest(legacy->stop.settled_ms, step->list.settled_ms);
    }
    forget_settled(&legacy->start, false, now_ms);
    forget_settled(&legacy->reset, false, now_ms);
    legacy->stop.tasks = step_stops_listed(step) + elsewhere;
    legacy->stop.strays = legacy->stop.strays_open = 0; /* those that count are among them */
    legacy->stops_until_ms = stops_until(legacy, now_ms);
    /* also by one that sends none itself */
    if (legacy->stop.tasks && !step->list.settled && step->calls.inherited_until_ms > now_ms)
        legacy->stops_until_ms = latest(legacy->stops_until_ms, step->calls.inherited_until_ms);
    legacy->until_ms = latest(all_until(legacy, now_ms), legacy->stops_until_ms);
    return legacy->until_ms || legacy->killing_since_ms;
}

static bool call_equal(const struct step_call *one, const struct step_call *other)
{
    return one->state == other->state && one->open == other->open && one->tasks == other->tasks &&
           one->last_sent_ms == other->last_sent_ms && one->last_open_ms == other->last_open_ms &&
           strcmp(one->upid, other->upid) == 0;
}

bool legacy_equal(const struct legacy *one, const struct legacy *other)
{
    return call_equal(&one->stop, &other->stop) && call_equal(&one->start, &other->start) &&
           call_equal(&one->reset, &other->reset) && calls_equal(&one->former, &other->former) &&
           one->killing_since_ms == other->killing_since_ms &&
           one->killing_until_ms == other->killing_until_ms &&
           strcmp(one->killing_node, other->killing_node) == 0 && !one->until_ms == !other->until_ms;
}

/* ---- to the next one ---- */

/* The calls of one kind: what is open stays so, and a task is followed to its end. */
static void inherit(struct step *step, enum step_power power, struct step_call *call,
                    const struct step_call *left)
{
    call->open = left->open;
    call->last_open_ms = left->last_open_ms;
    memcpy(call->node, left->node, sizeof(call->node));
    if (left->state == STEP_CALL_TASK &&
        !calls_add(&step->calls.former, power, left->upid, left->last_sent_ms)) {
        call->open++;
        call->last_open_ms = latest(call->last_open_ms, left->last_sent_ms);
    }
}

void legacy_inherit(const struct legacy *legacy, struct step *step, int64_t now_ms)
{
    step->params.killing_since_ms = legacy->killing_since_ms;
    step->params.killing_until_ms = legacy->killing_until_ms;
    memcpy(step->params.killing_node, legacy->killing_node, sizeof(step->params.killing_node));
    step->seen.devices &= legacy->killing_since_ms == 0; /* who sees them after that ends the doubt */
    if (now_ms >= legacy->until_ms)
        return;
    step->calls.former = legacy->former;
    calls_forget_old(&step->calls.former, now_ms);
    inherit(step, STEP_SEND_STOP, &step->calls.stop, &legacy->stop);
    inherit(step, STEP_SEND_START, &step->calls.start, &legacy->start);
    inherit(step, STEP_SEND_RESET, &step->calls.reset, &legacy->reset);
    if (now_ms >= legacy->stops_until_ms)
        return;
    step->calls.inherited = legacy->stop.tasks;
    step->calls.inherited_until_ms = legacy->stops_until_ms;
    step->calls.since_realtime_ms = legacy->since_realtime_ms;
}

/* ---- in the history ---- */

static const char *const state_names[] = {
    [STEP_CALL_NONE] = "none", [STEP_CALL_SENDING] = "sending", [STEP_CALL_TASK] = "task",
    [STEP_CALL_OK] = "ok",     [STEP_CALL_FAILED] = "failed",   [STEP_CALL_OPEN] = "open",
};

static bool add(struct json_object *object, const char *key, struct json_object *value)
{
    if (value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

static bool add_moment(struct json_object *object, const char *key, int64_t moment_ms, int64_t offset_ms)
{
    return !moment_ms || add(object, key, json_object_new_int64(moment_ms + offset_ms));
}

static bool add_call(struct json_object *document, const char *key, const struct step_call *call,
                     int64_t offset_ms)
{
    if (!is_left_open(call) && !call->tasks)
        return true;
    struct json_object *object = json_object_new_object();
    return add(document, key, object) &&
           add(object, "state", json_object_new_string(state_names[call->state])) &&
           add(object, "sent", json_object_new_int64(call->sent)) &&
           add(object, "open", json_object_new_int64(call->open)) &&
           add(object, "tasks", json_object_new_int64(call->tasks)) &&
           add(object, "upid", json_object_new_string(call->upid)) &&
           add(object, "node", json_object_new_string(call->node)) &&
           add_moment(object, "first_sent_ms", call->first_sent_ms, offset_ms) &&
           add_moment(object, "last_sent_ms", call->last_sent_ms, offset_ms) &&
           add_moment(object, "settled_ms", call->settled_ms, offset_ms) &&
           add_moment(object, "last_open_ms", call->last_open_ms, offset_ms);
}

static const char *const power_names[] = {
    [STEP_SEND_STOP] = "stop", [STEP_SEND_START] = "start", [STEP_SEND_RESET] = "reset"};

static bool add_former(struct json_object *document, const struct calls *former, int64_t offset_ms)
{
    struct json_object *array = former->count ? json_object_new_array() : NULL;
    bool added = !former->count || add(document, "former", array);
    for (unsigned i = 0; added && i < former->count; i++) {
        const struct call *call = &former->list[i];
        struct json_object *object = json_object_new_object();
        added = object && json_object_array_add(array, object) == 0;
        if (!added)
            json_object_put(object);
        added = added && add(object, "call", json_object_new_string(power_names[call->power])) &&
                add(object, "upid", json_object_new_string(call->upid)) &&
                add_moment(object, "sent_ms", call->sent_ms, offset_ms);
    }
    return added;
}

bool legacy_write(const struct legacy *legacy, int64_t offset_ms, struct json_object *document)
{
    if (legacy->until_ms && !(add(document, "since_ms", json_object_new_int64(legacy->since_realtime_ms)) &&
                              add_moment(document, "until_ms", legacy->until_ms, offset_ms) &&
                              add_call(document, "stop", &legacy->stop, offset_ms) &&
                              add_call(document, "start", &legacy->start, offset_ms) &&
                              add_call(document, "reset", &legacy->reset, offset_ms) &&
                              add_former(document, &legacy->former, offset_ms)))
        return false;
    return add_moment(document, "killing_since_ms", legacy->killing_since_ms, offset_ms) &&
           add_moment(document, "killing_until_ms", legacy->killing_until_ms, offset_ms) &&
           (!legacy->killing_node[0] ||
            add(document, "killing_node", json_object_new_string(legacy->killing_node)));
}

/* A moment of the past; one that lies ahead (the clock was set back) is now. */
static int64_t get_moment(struct json_object *object, const char *key, int64_t offset_ms, int64_t now_ms)
{
    int64_t moment_ms = 0;
    if (!json_get_int(object, key, 1, INT64_MAX / 2, &moment_ms))
        return 0;
    moment_ms -= offset_ms;
    if (moment_ms == 0) /* "never" */
        moment_ms = 1;
    return moment_ms < now_ms ? moment_ms : now_ms;
}

static unsigned get_count(struct json_object *object, const char *key)
{
    int64_t count = 0;
    (void)json_get_int(object, key, 0, COUNT_MAX, &count);
    return (unsigned)count;
}

static void get_word(struct json_object *object, const char *key, char *out, size_t size)
{
    const char *word = "";
    (void)json_get_string(object, key, &word);
    if (strlen(word) < size)
        memcpy(out, word, strlen(word) + 1);
}

static void read_call(struct step_call *call, struct json_object *document, const char *key,
                      int64_t offset_ms, int64_t now_ms)
{
    struct json_object *object;
    const char *state = "";
    if (!json_get_object(document, key, &object))
        return;
    (void)json_get_string(object, "state", &state);
    for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
        if (strcmp(state, state_names[i]) == 0)
            call->state = (enum step_call_state)i;
    }
    call->sent = get_count(object, "sent");
    call->open = get_count(object, "open");
    call->tasks = get_count(object, "tasks");
    get_word(object, "upid", call->upid, sizeof(call->upid));
    get_word(object, "node", call->node, sizeof(call->node));
    call->first_sent_ms = get_moment(object, "first_sent_ms", offset_ms, now_ms);
    call->last_sent_ms = get_moment(object, "last_sent_ms", offset_ms, now_ms);
    call->settled_ms = get_moment(object, "settled_ms", offset_ms, now_ms);
    call->last_open_ms = get_moment(object, "last_open_ms", offset_ms, now_ms);
    if (call->state == STEP_CALL_TASK && !upid_parse(call->upid, &(struct pve_upid){0}))
        call->state = STEP_CALL_OPEN; /* nothing to follow up */
    give_up_sending(call, now_ms);    /* of a daemon that ended meanwhile */
}

static void read_former(struct calls *former, struct json_object *document, int64_t offset_ms, int64_t now_ms)
{
    struct json_object *array = NULL;
    if (!json_object_object_get_ex(document, "former", &array) ||
        !json_object_is_type(array, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(array) && i < CALLS_MAX; i++) {
        struct json_object *object = json_object_array_get_idx(array, i);
        const char *name = "", *upid = "";
        (void)json_get_string(object, "call", &name);
        (void)json_get_string(object, "upid", &upid);
        for (int power = STEP_SEND_STOP; power <= STEP_SEND_RESET; power++) {
            if (strcmp(name, power_names[power]) == 0 && upid_parse(upid, &(struct pve_upid){0}))
                (void)calls_add(former, (enum step_power)power, upid,
                                get_moment(object, "sent_ms", offset_ms, now_ms));
        }
    }
    calls_forget_old(former, now_ms);
}

bool legacy_read(struct legacy *legacy, struct json_object *document, int64_t offset_ms, int64_t now_ms)
{
    int64_t vmid = 0;
    *legacy = (struct legacy){0};
    if (!json_get_int(document, "vmid", 1, INT32_MAX, &vmid))
        return false;
    legacy->vmid = (int)vmid;
    (void)json_get_int(document, "since_ms", 0, INT64_MAX / 2, &legacy->since_realtime_ms);
    read_call(&legacy->stop, document, "stop", offset_ms, now_ms);
    read_call(&legacy->start, document, "start", offset_ms, now_ms);
    read_call(&legacy->reset, document, "reset", offset_ms, now_ms);
    read_former(&legacy->former, document, offset_ms, now_ms);
    legacy->stops_until_ms = stops_until(legacy, now_ms);
    legacy->until_ms = latest(all_until(legacy, now_ms), legacy->stops_until_ms);
    legacy->killing_since_ms = get_moment(document, "killing_since_ms", offset_ms, now_ms);
    int64_t until_ms = 0;
    if (legacy->killing_since_ms && json_get_int(document, "killing_until_ms", 1, INT64_MAX / 2, &until_ms))
        legacy->killing_until_ms = until_ms - offset_ms;
    get_word(document, "killing_node", legacy->killing_node, sizeof(legacy->killing_node));
    return legacy->until_ms || legacy->killing_since_ms;
}

/* ---- by guest ---- */

static struct legacy *find(struct legacy *legacies, int vmid)
{
    struct legacy *legacy = NULL;
    HASH_FIND_INT(legacies, &vmid, legacy);
    return legacy;
}

const struct legacy *legacies_find(struct legacy *const *legacies, int vmid)
{
    return find(*legacies, vmid);
}

void legacies_put(struct legacy **legacies, int vmid, const struct legacy *legacy)
{
    struct legacy *kept = find(*legacies, vmid);
    if (kept) {
        HASH_DEL(*legacies, kept);
        free(kept);
    }
    kept = legacy ? malloc(sizeof(*kept)) : NULL;
    if (!kept)
        return; /* then the next operation knows nothing of this one */
    *kept = *legacy;
    kept->vmid = vmid;
    HASH_ADD_INT(*legacies, vmid, kept);
    if (!kept->hh.tbl)
        free(kept);
}

bool legacies_see(struct legacy *const *legacies, enum pve_guest_type type, const struct pve_status *status,
                  int64_t asked_ms)
{
    struct legacy *legacy = find(*legacies, status->vmid);
    if (!legacy || !legacy->killing_since_ms || asked_ms <= legacy->killing_since_ms)
        return false;
    legacy->reading = step_ha_is_calm(status) ? LEGACY_READ_HA_CALM
                      : status->running       ? LEGACY_READ_RUNNING
                                              : LEGACY_READ_STOPPED;
    if (!step_shows_life(type, status) && !step_started_after(status, asked_ms, legacy->killing_until_ms))
        return false;
    legacy->killing_since_ms = legacy->killing_until_ms = 0;
    return true;
}

/* Nobody knows how long a guest that runs will take to stop. */
bool legacy_in_doubt(const struct legacy_doubts *doubts, int vmid)
{
    const struct legacy *legacy = doubts->legacies ? find(*doubts->legacies, vmid) : NULL;
    if (!legacy || !legacy->killing_since_ms || legacy->reading == LEGACY_READ_HA_CALM)
        return false;
    return legacy->reading == LEGACY_READ_RUNNING ||
           proof_may_have_killed(legacy->killing_since_ms, doubts->now_ms, doubts->stop_timeout_ms);
}

void legacies_free(struct legacy **legacies)
{
    struct legacy *legacy, *next;
    HASH_ITER (hh, *legacies, legacy, next) {
        HASH_DEL(*legacies, legacy);
        free(legacy);
    }
}
