/*
 * Open calls and doubts, from one operation of a guest to its next. A call that was sent and not settled may
 * come for CALLS_OPEN_MS; the task of one whose end nobody saw, too. What the HA manager was asked for
 * comes later than its task ends.
 */
#include "fence/unsettled.h"

#include "system/json.h"

#include <stdio.h>
#include <string.h>

#define COUNT_MAX 1000000 /* a bound on what is believed of a file */
#define ASSUMED_BEFORE_MS                                                                                    \
    3600000 /* the longest deadline: a stop of a record that cannot be read was sent since then */

/* ---- from one to the next ---- */

/* Proxmox did not come to kill, by the end of the last stop or, after a gap, by the first reading of stopped.
 */
static bool has_not_killed(const struct step *step)
{
    const struct call *stop = calls_last(&step->calls, STEP_SEND_STOP);
    int64_t ended_ms = stop->settled_ms > step->seen.stopped_ms ? stop->settled_ms : step->seen.stopped_ms;
    return !step->ha.managed && stop->state == CALL_OK &&
           !proof_may_have_killed(calls_effect_ms(&step->calls, CALLS_OWN), ended_ms,
                                  step->params.stop_timeout_ms);
}

bool unsettled_derive(struct unsettled *unsettled, const struct step *step, int64_t now_ms)
{
    struct calls *calls = &unsettled->calls;
    *unsettled = (struct unsettled){.vmid = step->params.vmid, .calls = step->calls};
    if (step->seen.devices || step->params.template)
        calls_forget_effects(calls, CALLS_OWN | CALLS_INHERITED, INT64_MAX);
    else if (has_not_killed(step))
        calls_forget_effects(calls, CALLS_OWN, now_ms + 1); /* an open one may come yet */
    if (step->ha.changed || step->ha.unasked)
        calls_lose_places(calls);
    unsettled->until_ms = calls_hand_on(calls, step->phase == STEP_ENDED, now_ms);
    return unsettled->until_ms || unsettled_killing_since(unsettled);
}

int64_t unsettled_killing_since(const struct unsettled *unsettled)
{
    return unsettled ? calls_effect_ms(&unsettled->calls, CALLS_INHERITED) : 0;
}

bool unsettled_equal(const struct unsettled *one, const struct unsettled *other)
{
    return calls_equal(&one->calls, &other->calls);
}

void unsettled_inherit(const struct unsettled *unsettled, struct step *step, int64_t now_ms)
{
    int64_t since_realtime_ms = step->calls.since_realtime_ms;
    step->calls = unsettled->calls;
    calls_hand_on(&step->calls, true, now_ms);
    if (calls_listed(&step->calls, STEP_SEND_STOP, NULL) == 0)
        step->calls.since_realtime_ms = since_realtime_ms;
    step->seen.devices &=
        calls_effect_ms(&step->calls, CALLS_INHERITED) == 0; /* seen now, they end the doubt */
    step->ha.changed = step->ha.managed && !calls_are_of_ha(&step->calls);
}

/* ---- in the history ---- */

static const char *const power_names[] = {
    [STEP_SEND_STOP] = "stop", [STEP_SEND_START] = "start", [STEP_SEND_RESET] = "reset"};
static const char *const state_names[] = {
    [CALL_SENDING] = "sending", [CALL_TASK] = "task", [CALL_OPEN] = "open", [CALL_ENDED] = "ended"};

/* Which of these words it is; 0: none. */
static unsigned which(const char *word, const char *const names[], unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        if (names[i] && strcmp(word, names[i]) == 0)
            return i;
    }
    return 0;
}

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

static bool add_call(struct json_object *array, const struct call *call, int64_t offset_ms)
{
    struct json_object *object = json_object_new_object();
    if (!object || json_object_array_add(array, object) != 0) {
        json_object_put(object);
        return false;
    }
    return add(object, "call", json_object_new_string(power_names[call->power])) &&
           add(object, "state", json_object_new_string(state_names[call->state])) &&
           add(object, "ha", json_object_new_boolean(call->ha)) &&
           add(object, "sent", json_object_new_int64(call->sent)) &&
           add(object, "listed", json_object_new_int64(call->listed)) &&
           add(object, "upid", json_object_new_string(call->upid)) &&
           add(object, "node", json_object_new_string(call->node)) &&
           add_moment(object, "sent_ms", call->sent_ms, offset_ms) &&
           add_moment(object, "settled_ms", call->settled_ms, offset_ms) &&
           add_moment(object, "effect_ms", call->effect_ms, offset_ms);
}

bool unsettled_write(const struct unsettled *unsettled, int64_t offset_ms, struct json_object *document)
{
    const struct calls *calls = &unsettled->calls;
    struct json_object *array = json_object_new_array();
    bool added = add(document, "calls", array);
    for (unsigned i = 0; added && i < calls->count; i++)
        added = add_call(array, &calls->list[i], offset_ms);
    return added && add(document, "since_ms", json_object_new_int64(calls->since_realtime_ms)) &&
           add_moment(document, "until_ms", unsettled->until_ms, offset_ms);
}

/* A moment until then; one that lies ahead of that (the clock was set back) is then. */
static int64_t get_moment(struct json_object *object, const char *key, int64_t offset_ms, int64_t latest_ms)
{
    int64_t moment_ms = 0;
    if (!json_get_int(object, key, 1, INT64_MAX / 2, &moment_ms))
        return 0;
    moment_ms -= offset_ms;
    if (moment_ms == 0) /* "never" */
        moment_ms = 1;
    return moment_ms < latest_ms ? moment_ms : latest_ms;
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

/* The worst that a record from then, which nobody can read, may have said: a stop that has killed, or will,
 * and a start. */
static void assume(struct calls *calls, int64_t moment_ms, int64_t now_ms)
{
    int64_t until_ms = moment_ms + CALLS_HA_MS;
    struct call killed = {.power = STEP_SEND_STOP,
                          .state = CALL_ENDED,
                          .sent = 1,
                          .effect_ms = moment_ms - ASSUMED_BEFORE_MS,
                          .settled_ms = until_ms};
    struct call open = {.state = CALL_OPEN, .sent = 1, .sent_ms = moment_ms, .settled_ms = moment_ms};
    if (killed.effect_ms == 0) /* "never" */
        killed.effect_ms = 1;
    calls_take_up(calls, &killed, now_ms);
    open.power = STEP_SEND_STOP;
    calls_take_up(calls, &open, now_ms);
    open.power = STEP_SEND_START;
    calls_take_up(calls, &open, now_ms);
}

static void read_call(struct calls *calls, struct json_object *object, int64_t offset_ms, int64_t now_ms)
{
    const char *power = "", *state = "";
    (void)json_get_string(object, "call", &power);
    (void)json_get_string(object, "state", &state);
    struct call call = {
        .power = (enum step_power)which(power, power_names, sizeof(power_names) / sizeof(power_names[0])),
        .state = (enum call_state)which(state, state_names, sizeof(state_names) / sizeof(state_names[0])),
        .sent = get_count(object, "sent"),
        .listed = get_count(object, "listed"),
        .sent_ms = get_moment(object, "sent_ms", offset_ms, now_ms),
        .effect_ms = get_moment(object, "effect_ms", offset_ms, now_ms)};
    /* one that has ended can have begun until a little later */
    call.settled_ms = get_moment(object, "settled_ms", offset_ms,
                                 call.state == CALL_ENDED ? now_ms + CALLS_OPEN_MS : now_ms);
    (void)json_get_flag(object, "ha", &call.ha);
    get_word(object, "upid", call.upid, sizeof(call.upid));
    get_word(object, "node", call.node, sizeof(call.node));
    call.sent += call.sent == 0;
    if (call.power && call.state)
        calls_take_up(calls, &call, now_ms);
    else if (*power || *state) /* words of a newer version */
        assume(calls, call.sent_ms ? call.sent_ms : now_ms, now_ms);
}

/* As it was written in former versions: for each kind the last call, and how many of those before it … */
static void read_old_call(struct calls *calls, struct json_object *document, enum step_power power,
                          int64_t offset_ms, int64_t now_ms)
{
    struct json_object *object;
    const char *state = "";
    if (!json_get_object(document, power_names[power], &object))
        return;
    (void)json_get_string(object, "state", &state);
    struct call last = {
        .power = power,
        .state = (enum call_state)which(state, state_names, sizeof(state_names) / sizeof(state_names[0])),
        .sent = 1,
        .listed = 1,
        .sent_ms = get_moment(object, "last_sent_ms", offset_ms, now_ms)};
    last.settled_ms = last.sent_ms;
    struct call open = {.power = power,
                        .state = CALL_OPEN, /* … are open, on whatever host … */
                        .sent = get_count(object, "open"),
                        .sent_ms = last.sent_ms,
                        .settled_ms = get_moment(object, "last_open_ms", offset_ms, now_ms)};
    struct call ended = {.power = power,
                         .state = CALL_ENDED, /* … or have left a task */
                         .sent_ms = last.sent_ms,
                         .settled_ms = get_moment(object, "settled_ms", offset_ms, now_ms)};
    bool under_way = last.state == CALL_SENDING || last.state == CALL_TASK;
    unsigned tasks = get_count(object, "tasks");
    get_word(object, "upid", last.upid, sizeof(last.upid));
    open.listed = open.sent;
    ended.sent = ended.listed = tasks > open.sent + under_way ? tasks - open.sent - under_way : 0;
    if (ended.sent)
        calls_take_up(calls, &ended, now_ms);
    if (open.sent)
        calls_take_up(calls, &open, now_ms);
    if (under_way)
        calls_take_up(calls, &last, now_ms);
}

static void read_old_doubt(struct calls *calls, struct json_object *document, int64_t offset_ms,
                           int64_t now_ms)
{
    struct call stop = {.power = STEP_SEND_STOP,
                        .state = CALL_ENDED,
                        .effect_ms = get_moment(document, "killing_since_ms", offset_ms, now_ms),
                        .settled_ms =
                            get_moment(document, "killing_until_ms", offset_ms, now_ms + CALLS_HA_MS)};
    get_word(document, "killing_node", stop.node, sizeof(stop.node));
    if (stop.effect_ms)
        calls_take_up(calls, &stop, now_ms);
}

static void read_calls(struct calls *calls, struct json_object *document, int64_t offset_ms, int64_t now_ms)
{
    struct json_object *array = NULL;
    (void)json_get_int(document, "since_ms", 0, INT64_MAX / 2, &calls->since_realtime_ms);
    for (enum step_power power = STEP_SEND_STOP; power <= STEP_SEND_RESET; power++)
        read_old_call(calls, document, power, offset_ms, now_ms);
    read_old_doubt(calls, document, offset_ms, now_ms);
    if (!json_object_object_get_ex(document, "calls", &array) || !json_object_is_type(array, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(array) && i < CALLS_MAX; i++)
        read_call(calls, json_object_array_get_idx(array, i), offset_ms, now_ms);
}

bool unsettled_read(struct unsettled *unsettled, struct json_object *document, int64_t offset_ms,
                    int64_t now_ms)
{
    int64_t vmid = 0;
    *unsettled = (struct unsettled){0};
    if (!json_get_int(document, "vmid", 1, INT32_MAX, &vmid))
        return false;
    unsettled->vmid = (int)vmid;
    read_calls(&unsettled->calls, document, offset_ms, now_ms);
    unsettled->until_ms = calls_hand_on(&unsettled->calls, true, now_ms);
    return unsettled->until_ms || unsettled_killing_since(unsettled);
}

/* It has a call, or more than this version knows of. */
static bool says_something(struct json_object *document)
{
    static const char *const known[] = {"v",      "kind", "time", "ms",       "id",      "requested_ms",
                                        "action", "plug", "vmid", "since_ms", "until_ms"};
    struct json_object *calls = NULL;
    int rest = json_object_object_length(document);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        rest -= json_object_object_get_ex(document, known[i], NULL);
    return rest > (json_get_array(document, "calls", &calls) && json_object_array_length(calls) == 0);
}

bool unsettled_assume(struct unsettled *unsettled, struct json_object *document, int64_t offset_ms,
                      int64_t now_ms)
{
    int64_t vmid = 0, moment_ms = get_moment(document, "ms", offset_ms, now_ms);
    *unsettled = (struct unsettled){0};
    if (!json_get_int(document, "vmid", 1, INT32_MAX, &vmid))
        return false;
    unsettled->vmid = (int)vmid;
    if (!says_something(document))
        return false;
    assume(&unsettled->calls, moment_ms ? moment_ms : now_ms, now_ms);
    unsettled->until_ms = calls_hand_on(&unsettled->calls, true, now_ms);
    return true;
}

/* ---- by guest ---- */

static struct unsettled *find(struct unsettled *list, int vmid)
{
    struct unsettled *unsettled = NULL;
    HASH_FIND_INT(list, &vmid, unsettled);
    return unsettled;
}

const struct unsettled *unsettled_find(struct unsettled *const *list, int vmid)
{
    return find(*list, vmid);
}

void unsettled_put(struct unsettled **list, int vmid, const struct unsettled *unsettled)
{
    struct unsettled *kept = find(*list, vmid);
    if (kept) {
        HASH_DEL(*list, kept);
        free(kept);
    }
    kept = unsettled ? malloc(sizeof(*kept)) : NULL;
    if (!kept)
        return; /* then the next operation knows nothing of this one */
    *kept = *unsettled;
    kept->vmid = vmid;
    HASH_ADD_INT(*list, vmid, kept);
    if (!kept->hh.tbl)
        free(kept);
}

bool unsettled_see(struct unsettled *const *list, enum pve_guest_type type, const struct pve_status *status,
                   int64_t asked_ms)
{
    struct unsettled *unsettled = find(*list, status->vmid);
    int64_t since_ms = unsettled_killing_since(unsettled);
    if (!since_ms || asked_ms <= since_ms)
        return false;
    unsettled->reading = ha_is_calm(status) && calls_are_of_ha(&unsettled->calls) ? UNSETTLED_READ_HA_CALM
                         : status->running                                        ? UNSETTLED_READ_RUNNING
                                                                                  : UNSETTLED_READ_STOPPED;
    if (step_shows_life(type, status))
        calls_forget_effects(&unsettled->calls, CALLS_INHERITED, INT64_MAX);
    else if (status->running)
        calls_forget_effects(&unsettled->calls, CALLS_INHERITED, step_started_ms(status, asked_ms));
    return unsettled_killing_since(unsettled) == 0;
}

/* Nobody knows how long a guest that runs will take to stop. */
bool unsettled_kill_doubt(const struct unsettled_kill_doubts *doubts, int vmid)
{
    const struct unsettled *unsettled = doubts->list ? find(*doubts->list, vmid) : NULL;
    int64_t since_ms = unsettled_killing_since(unsettled);
    if (!since_ms || unsettled->reading == UNSETTLED_READ_HA_CALM)
        return false;
    return unsettled->reading == UNSETTLED_READ_RUNNING ||
           proof_may_have_killed(since_ms, doubts->now_ms, doubts->stop_timeout_ms);
}

void unsettled_free(struct unsettled **list)
{
    struct unsettled *unsettled, *next;
    HASH_ITER (hh, *list, unsettled, next) {
        HASH_DEL(*list, unsettled);
        free(unsettled);
    }
}
