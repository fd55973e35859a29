/*
 * Requests, queues and askers. What runs is engine_run.c's business.
 *
 * An asker is a record of its own with its own deadline; it hangs on a runner, or waits for the first
 * inventory. A queue's head runs; a request joins the queue's last operation if that one would satisfy it,
 * else it waits its turn (P6).
 */
#include "fence/engine_private.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <stdio.h>
#include <string.h>

#define ASKER_GRACE_MS 250

/* ---- askers ---- */

static void asker_detach(struct asker *asker)
{
    if (asker->runner)
        DL_DELETE(asker->runner->askers, asker);
    asker->runner = NULL;
}

static void asker_free(struct asker *asker)
{
    asker_detach(asker);
    HASH_DEL(asker->engine->askers, asker);
    if (asker->timer)
        event_free(asker->timer);
    free((char *)(uintptr_t)asker->request.plug);
    free((char *)(uintptr_t)asker->request.request_id);
    free(asker);
}

/* The one end of every asker that is still there. */
static void asker_answer(struct asker *asker, const struct operation *operation, const struct error *error)
{
    engine_answer_fn *answer = asker->answer;
    void *context = asker->context;
    engine_count_answer(asker, operation, error);
    asker_free(asker);
    answer(context, operation, error);
}

/* Its answer is known: it goes out from the loop, when nothing of the engine is half done. */
static void answer_later(struct asker *asker, const struct operation *operation, const struct error *error)
{
    asker_detach(asker);
    asker->answering = true;
    if (operation)
        memcpy(asker->operation, operation->id, sizeof(asker->operation));
    if (error)
        asker->error = *error;
    event_active(asker->timer, EV_TIMEOUT, 0);
}

void engine_answer_askers(struct runner *runner, const struct error *error, bool all)
{
    struct asker *asker, *next;
    DL_FOREACH_SAFE (runner->askers, asker, next) {
        if (all || !asker->wants_running)
            answer_later(asker, runner->operation, error);
    }
}

static void give_answer(struct asker *asker)
{
    struct error error = asker->error;
    const struct operation *operation =
        asker->operation[0] ? history_find(asker->engine->history, asker->operation) : NULL;
    asker_answer(asker, operation, error.code == ERROR_NONE ? NULL : &error);
}

/* A request that never becomes an operation leaves no history: the log has it. */
static void log_refused(const struct asker *asker, const struct error *error)
{
    if (!asker->request.privileged)
        return; /* those of others cost them nothing: the audit trail has them, measured */
    char uid[24];
    snprintf(uid, sizeof(uid), "%lu", (unsigned long)asker->request.peer.uid);
    const struct log_field fields[] = {
        {"FENCE_ACTION", fence_action_name(asker->request.action)},
        {"FENCE_TARGET", asker->request.plug},
        {"FENCE_RESULT", error_code_name(error->code)},
        {"PEER_UID", uid},
        LOG_ERROR_CODE(error),
        LOG_ERROR_HINT(error),
        {NULL, NULL},
    };
    log_say(KIND_REQUEST_NOT_BEGUN, fields, "%s of %s, asked by uid %s, was not begun: %s: %s",
            fence_action_name(asker->request.action), asker->request.plug, uid, error_code_name(error->code),
            error->message);
}

/* Nothing is known of the guests, and why. */
static void describe_blindness(const struct engine *engine, struct error *error)
{
    const struct error *cause = poller_error(engine->poller);
    error_set(error, cause->code ? cause->code : ERROR_NO_INVENTORY,
              "the guests of the pool are not known yet%s%s", cause->code ? ": " : "", cause->message);
    if (cause->hint[0])
        error_hint(error, "%s", cause->hint);
}

static void on_asker_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct asker *asker = context;
    struct error error = {0};
    if (asker->answering) {
        give_answer(asker);
        return;
    }
    struct runner *runner = asker->runner;
    if (!runner) {
        describe_blindness(asker->engine, &error);
        log_refused(asker, &error);
        asker_answer(asker, NULL, &error);
        return;
    }
    error_set(&error, ERROR_DEADLINE, "%s of %s was not %s within the deadline%s%s%s",
              fence_action_name(asker->request.action), runner->operation->plug,
              runner->started ? "verified" : "begun", runner->started ? "; operation " : "",
              runner->started ? runner->operation->id : "", runner->started ? " goes on" : "");
    error_hint(&error, "fence_broker explain %s", runner->operation->id);
    const struct operation *operation = runner->operation; /* the history's: it outlives the runner */
    asker_detach(asker);
    if (!runner->askers)
        runner_deserted(runner);
    asker_answer(asker, operation, &error);
}

/* Its word counts as far as it matters: one that is older than the deadline has missed it, and no history or
 * metric is to show what it makes up. */
static int64_t asked_since(const struct engine *engine, const struct engine_request *request, int64_t now_ms)
{
    int64_t oldest_ms = now_ms - engine->settings.deadline_ms;
    int64_t asked_ms = request->asked_ms ? request->asked_ms : now_ms;
    return asked_ms > oldest_ms ? asked_ms : oldest_ms;
}

static struct asker *asker_new(struct engine *engine, const struct engine_request *request,
                               engine_answer_fn *answer, void *context)
{
    struct asker *asker = calloc(1, sizeof(*asker));
    if (!asker)
        return NULL;
    asker->engine = engine;
    asker->id = ++engine->last_id;
    asker->request = *request;
    asker->request.plug = strdup(request->plug);
    if (request->request_id) {
        char key[REQUEST_KEY_LEN + 1];
        operation_request_key(key, request->peer.uid, request->request_id);
        asker->request.request_id = strdup(key);
    }
    asker->answer = answer;
    asker->context = context;
    asker->came_ms = clock_now_ms();
    asker->asked_ms = asked_since(engine, request, asker->came_ms);
    asker->deadline_ms = asker->asked_ms + engine->settings.deadline_ms;
    asker->timer = event_new(engine->base, -1, 0, on_asker_timer, asker);
    HASH_ADD(hh, engine->askers, id, sizeof(asker->id), asker);
    if (!asker->hh.tbl || !asker->timer || !asker->request.plug ||
        (request->request_id && !asker->request.request_id)) {
        if (!asker->hh.tbl) { /* was not added */
            if (asker->timer)
                event_free(asker->timer);
            free((char *)(uintptr_t)asker->request.plug);
            free((char *)(uintptr_t)asker->request.request_id);
            free(asker);
        } else {
            asker_free(asker);
        }
        return NULL;
    }
    /* the operation's own end at the same deadline tells more than the asker's: let it come first */
    int64_t wait_ms = asker->deadline_ms - asker->came_ms;
    wait_ms = (wait_ms > 0 ? wait_ms : 0) + ASKER_GRACE_MS;
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000};
    event_add(asker->timer, &tv);
    return asker;
}

/* ---- queues ---- */

static struct guest_queue *queue_of(struct engine *engine, int vmid)
{
    struct guest_queue *queue = NULL;
    HASH_FIND_INT(engine->queues, &vmid, queue);
    if (queue)
        return queue;
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return NULL;
    queue->vmid = vmid;
    HASH_ADD_INT(engine->queues, vmid, queue);
    if (!queue->hh.tbl) {
        free(queue);
        return NULL;
    }
    return queue;
}

static void drop_empty_queue(struct engine *engine, struct guest_queue *queue)
{
    if (queue->runners)
        return;
    HASH_DEL(engine->queues, queue);
    free(queue);
}

static void drained(struct engine *engine)
{
    engine_drained_fn *callback = engine->drained;
    engine->drained = NULL;
    if (callback)
        callback(engine->drained_context);
}

void engine_runner_ended(struct runner *runner)
{
    struct engine *engine = runner->engine;
    struct guest_queue *queue = runner->queue;
    bool was_head = queue->runners == runner;
    DL_DELETE(queue->runners, runner);
    runner_free(runner);
    engine->running--;
    if (queue->runners && was_head)
        runner_start(queue->runners);
    else if (!queue->runners)
        drop_empty_queue(engine, queue);
    if (engine->draining && engine->running == 0)
        event_active(engine->drain_timer, EV_TIMEOUT, 0);
}

static void attach(struct asker *asker, struct runner *runner)
{
    asker->runner = runner;
    DL_APPEND(runner->askers, asker);
}

/* The last operation in the queue would satisfy this request too. */
static bool would_satisfy(const struct runner *last, const struct engine_request *request)
{
    const struct operation *operation = last->operation;
    if (operation->action != request->action || operation->method != request->method)
        return false;
    return !last->started || step_can_join(&last->step);
}

static bool is_powering_on(const struct runner *last)
{
    return last->started && step_is_powering_on_again(&last->step);
}

/* It was requested when its asker asked, even if the daemon came to it, or could look the guest up, only
 * later: from then on somebody else may have powered the guest (P4). `guest` NULL: it is not known. */
static struct operation *describe(const struct engine_request *request, const struct guest *guest,
                                  int64_t asked_ms)
{
    struct operation *operation = operation_new();
    if (!operation)
        return NULL;
    operation->action = request->action;
    operation->method = request->method;
    operation->plug = strdup(request->plug);
    if (guest) {
        operation->vmid = guest->vmid;
        operation->type = guest->type;
        operation->guest = guest->name ? strdup(guest->name) : NULL;
        operation->node = guest->node ? strdup(guest->node) : NULL;
    }
    operation->peer = request->peer;
    operation->privileged = request->privileged;
    operation->requested_ms = asked_ms;
    operation->requested_realtime_ms = clock_realtime_ms() - (clock_now_ms() - asked_ms);
    bool known = !request->request_id || operation_add_request_id(operation, request->request_id);
    if (!operation->plug || !known) {
        operation_free(operation);
        return NULL;
    }
    return operation;
}

/* A new operation at the end of the guest's queue. `asker` may be NULL: nobody waits for it. */
static bool enqueue(struct engine *engine, struct guest_queue *queue, const struct engine_request *request,
                    const struct guest *guest, struct asker *asker)
{
    int64_t asked_ms = asker ? asker->asked_ms : clock_now_ms();
    struct operation *operation = describe(request, guest, asked_ms);
    struct runner *runner = operation ? runner_new(engine, operation) : NULL;
    if (!runner) {
        operation_free(operation);
        drop_empty_queue(engine, queue);
        return false;
    }
    history_add(engine->history, operation);
    runner->queue = queue;
    /* without one it is the power-on of a reboot, which has its room */
    runner->deadline_ms =
        asker ? asker->deadline_ms : asked_ms + engine->settings.deadline_ms + STEP_START_ROOM_MS;
    runner->newest_ms = asked_ms;
    runner->privileged = request->privileged;
    DL_APPEND(queue->runners, runner);
    engine->running++;
    if (asker)
        attach(asker, runner);
    if (queue->runners == runner)
        runner_start(runner);
    return true;
}

static void join(struct runner *runner, struct asker *asker)
{
    if (runner->deadline_ms < asker->deadline_ms) /* a reload may have made deadlines shorter */
        runner->deadline_ms = asker->deadline_ms;
    if (runner->newest_ms < asker->asked_ms)
        runner->newest_ms = asker->asked_ms;
    runner->privileged |= asker->request.privileged;
    runner->operation->privileged |= asker->request.privileged;
    attach(asker, runner);
    runner_joined(runner, &asker->request);
}

/* Give the request its place; false and *error if it has none. */
static bool place(struct engine *engine, const struct guest *guest, struct asker *asker, struct error *error)
{
    const struct engine_request *request = &asker->request;
    if (poller_refusal(engine->poller)->code != ERROR_NONE) { /* P8 */
        *error = *poller_refusal(engine->poller);
        return false;
    }
    poller_hurry(engine->poller); /* what comes of it is to be seen soon */
    struct guest_queue *queue = queue_of(engine, guest->vmid);
    if (!queue) {
        error_set(error, ERROR_INTERNAL, "no memory for an operation");
        return false;
    }
    if (request->privileged)
        engine_overtake(engine, queue);
    struct runner *last = queue->runners ? queue->runners->prev : NULL;
    if (last && would_satisfy(last, request)) {
        join(last, asker);
        return true;
    }
    if (last && request->action == FENCE_ON && is_powering_on(last)) {
        asker->wants_running = true;
        attach(asker, last);
        return true;
    }
    if (!engine_has_room(engine, queue, request, error)) {
        drop_empty_queue(engine, queue);
        return false;
    }
    if (!enqueue(engine, queue, request, guest, asker)) {
        error_set(error, ERROR_INTERNAL, "no memory for an operation");
        return false;
    }
    /* a newer request to power off overrides a power-on that was not sent yet; the queue has somebody else by
     * now */
    bool overrides = request->action == FENCE_OFF ||
                     (request->action == FENCE_REBOOT && last && last->operation->action == FENCE_ON);
    if (overrides && last && last->started && step_can_leave_off(&last->step))
        runner_leave_off(last);
    else if (last && last->operation->state == OPERATION_WATCHING)
        runner_yield(last);
    return true;
}

/* ---- requests ---- */

static struct runner *find_runner(struct engine *engine, const struct operation *operation)
{
    struct guest_queue *queue = NULL;
    struct runner *runner;
    HASH_FIND_INT(engine->queues, &operation->vmid, queue);
    if (!queue)
        return NULL;
    DL_FOREACH (queue->runners, runner) {
        if (runner->operation == operation)
            return runner;
    }
    return NULL;
}

/* A reboot whose daemon ended after off was proven and before the power-on: nobody else would start the
 * guest. */
static bool lacks_power_on(const struct operation *operation)
{
    return operation->outcome == OPERATION_INTERRUPTED && operation->action == FENCE_REBOOT &&
           operation->power_on_error.code == ERROR_INTERRUPTED;
}

/* What was asked of the guest since then has the say, not a request from before. */
static bool is_newest_of_its_guest(const struct engine *engine, const struct operation *operation)
{
    size_t count = history_count(engine->history);
    for (size_t i = 0; i < count; i++) {
        const struct operation *other = history_get(engine->history, i);
        if (other && other->vmid == operation->vmid)
            return other == operation;
    }
    return false;
}

static void resume_power_on(struct engine *engine, const struct operation *operation)
{
    struct inventory *inventory = poller_inventory(engine->poller);
    const struct guest *guest = inventory ? inventory_by_vmid(inventory, operation->vmid) : NULL;
    if (poller_refusal(engine->poller)->code != ERROR_NONE)
        return;
    if (!guest || engine->running >= ENGINE_OPERATIONS_MAX || !is_newest_of_its_guest(engine, operation))
        return;
    struct guest_queue *queue = queue_of(engine, guest->vmid);
    struct engine_request request = {.action = FENCE_ON, .plug = operation->plug, .peer = operation->peer};
    if (queue && !queue->runners)
        enqueue(engine, queue, &request, guest, NULL);
}

/* The operation of the same request, whose connection ended without an answer. A Request-Id is the asker's
 * word: what it is about must be the same, and not long ago, or the answer would be about something else
 * (P1). */
static const struct operation *find_repeated(const struct asker *asker, const struct guest *guest)
{
    const struct engine *engine = asker->engine;
    const struct engine_request *request = &asker->request;
    const struct operation *operation =
        request->request_id ? history_find_request(engine->history, request->request_id) : NULL;
    if (!operation || operation->action != request->action || operation->method != request->method)
        return NULL;
    if (guest ? operation->vmid != guest->vmid : strcmp(operation->plug, request->plug) != 0)
        return NULL;
    int64_t waited_ms = clock_now_ms() - asker->asked_ms;
    int64_t age_ms = clock_realtime_ms() - waited_ms - operation->requested_realtime_ms;
    /* older ones are new requests, also while a power-on of then goes on: its proof is not news any more */
    return age_ms <= engine->settings.deadline_ms + ENGINE_REPEAT_ROOM_MS ? operation : NULL;
}

/* The request is as old as it was before the daemon's restart (P4). */
static void ask_since(struct asker *asker, const struct operation *operation)
{
    int64_t age_ms = clock_realtime_ms() - operation->requested_realtime_ms;
    int64_t since_ms = clock_now_ms() - age_ms;
    if (since_ms < asker->asked_ms)
        asker->asked_ms = since_ms > 0 ? since_ms : 1;
}

/* True if the request is known and was taken care of. */
static bool repeat(struct engine *engine, struct asker *asker, const struct guest *guest)
{
    const struct operation *operation = find_repeated(asker, guest);
    if (!operation)
        return false;
    struct runner *runner = find_runner(engine, operation);
    /* an on is done as long as it is watched that nothing undoes it */
    bool watched = runner && operation->state == OPERATION_WATCHING;
    bool proven = operation->verified_ms && (operation->action != FENCE_ON || watched);
    if (runner && !proven) {
        attach(asker, runner);
        runner_asked_again(runner, &asker->request);
        return true;
    }
    if (operation->outcome == OPERATION_INTERRUPTED && !operation->verified_ms) {
        ask_since(asker, operation);
        return false; /* nothing was proven: it is done anew */
    }
    if (lacks_power_on(operation)) {
        if (!poller_inventory(engine->poller))
            return false; /* a little later, when the guest can be started */
        resume_power_on(engine, operation);
    }
    answer_later(asker, operation, proven ? NULL : &operation->error);
    return true;
}

/* The inventory is there: find the guest. */
static void resolve(struct engine *engine, struct asker *asker)
{
    struct error error = {0};
    struct inventory *inventory = poller_inventory(engine->poller);
    const struct guest *guest = inventory_find(inventory, asker->request.plug, &error);
    if (repeat(engine, asker, guest))
        return;
    if (!guest || !place(engine, guest, asker, &error)) {
        log_refused(asker, &error);
        answer_later(asker, NULL, &error);
    }
}

/* Proxmox itself has said that it will not go on like this; waiting for the deadline would only keep the next
 * fencing level waiting (rule 8). Just after a start one bad moment is not taken for that. */
static bool is_hopeless(const struct engine *engine, const struct asker *asker)
{
    enum error_code code = poller_error(engine->poller)->code;
    bool refused = code == ERROR_NO_SESSION || code == ERROR_NO_POWER_RIGHT || code == ERROR_EMPTY_POOL ||
                   code == ERROR_CERTIFICATE || code == ERROR_CLOCK_WRONG;
    return refused && clock_now_ms() - asker->came_ms >= ENGINE_BLIND_WAIT_MS;
}

uint64_t engine_submit(struct engine *engine, const struct engine_request *request, engine_answer_fn *answer,
                       void *context, struct error *error)
{
    if (engine->draining) {
        error_set(error, ERROR_INTERRUPTED, "the daemon is stopping");
        return 0;
    }
    struct asker *asker = asker_new(engine, request, answer, context);
    if (!asker) {
        error_set(error, ERROR_INTERNAL, "no memory for a request");
        return 0;
    }
    if (poller_inventory(engine->poller))
        resolve(engine, asker);
    else
        (void)repeat(engine, asker, NULL); /* what is proven already needs no Proxmox */
    return asker->id;
}

void engine_round_ended(struct engine *engine)
{
    struct asker *asker, *next;
    struct error error = {0};
    bool known = poller_inventory(engine->poller) != NULL;
    HASH_ITER (hh, engine->askers, asker, next) {
        if (asker->runner || asker->answering)
            continue;
        if (known) {
            resolve(engine, asker);
        } else if (is_hopeless(engine, asker)) {
            describe_blindness(engine, &error);
            log_refused(asker, &error);
            answer_later(asker, NULL, &error);
        }
    }
    if (!known)
        return;
    engine_readings_resolve(engine);
}

/* ---- those who leave ---- */

/* It left while the guests were not known yet, so that there is no operation to end: one is recorded for the
 * privileged all the same. Of the others the audit trail tells. */
static void record_left(const struct asker *asker)
{
    struct operation *operation =
        asker->request.privileged ? describe(&asker->request, NULL, asker->asked_ms) : NULL;
    if (!operation)
        return;
    history_add(asker->engine->history, operation);
    engine_abandon_unbegun(asker->engine, operation);
}

void engine_leave(struct engine *engine, uint64_t id)
{
    struct asker *asker = NULL;
    if (engine_reading_leave(engine, id))
        return;
    HASH_FIND(hh, engine->askers, &id, sizeof(id), asker);
    if (!asker)
        return;
    struct runner *runner = asker->runner;
    if (!runner && !asker->answering)
        record_left(asker);
    engine_count_left(asker);
    asker_free(asker);
    if (runner && !runner->askers)
        runner_deserted(runner);
}

void engine_drop_the_gone(struct runner *runner)
{
    struct asker *asker, *next;
    DL_FOREACH_SAFE (runner->askers, asker, next) {
        if (!asker->request.is_there || asker->request.is_there(asker->context))
            continue;
        engine_count_left(asker);
        asker_free(asker);
    }
}

/* ---- the room ---- */

bool engine_guest_busy(const struct engine *engine, int vmid)
{
    struct guest_queue *queue = NULL;
    HASH_FIND_INT(engine->queues, &vmid, queue);
    return queue != NULL;
}

unsigned engine_running(const struct engine *engine)
{
    return engine->running;
}

static void interrupt_all(struct engine *engine)
{
    struct guest_queue *queue, *next_queue;
    struct runner *runner, *next;
    struct asker *asker, *next_asker;
    HASH_ITER (hh, engine->askers, asker, next_asker) {
        asker_free(asker);
    }
    HASH_ITER (hh, engine->queues, queue, next_queue) {
        DL_FOREACH_SAFE (queue->runners, runner, next) {
            runner_interrupt(runner);
            DL_DELETE(queue->runners, runner);
            runner_free(runner);
            engine->running--;
        }
        drop_empty_queue(engine, queue);
    }
}

static void on_drain(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct engine *engine = context;
    interrupt_all(engine);
    drained(engine);
}

/* They have had their answers. */
static void end_watches(struct engine *engine)
{
    struct guest_queue *queue, *next;
    HASH_ITER (hh, engine->queues, queue, next) {
        if (queue->runners && queue->runners->operation->state == OPERATION_WATCHING)
            runner_yield(queue->runners);
    }
}

void engine_drain(struct engine *engine, int64_t wait_ms, engine_drained_fn *callback, void *context)
{
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000};
    engine->draining = true;
    engine->drained = callback;
    engine->drained_context = context;
    end_watches(engine);
    if (engine->running == 0)
        event_active(engine->drain_timer, EV_TIMEOUT, 0);
    else
        event_add(engine->drain_timer, &tv);
}

void engine_set_settings(struct engine *engine, const struct engine_settings *settings)
{
    engine->settings = *settings;
}

struct engine *engine_new(struct event_base *base, struct session *session, struct poller *poller,
                          struct history *history, const struct engine_settings *settings)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return NULL;
    engine->base = base;
    engine->session = session;
    engine->poller = poller;
    engine->history = history;
    engine->settings = *settings;
    engine->drain_timer = event_new(base, -1, 0, on_drain, engine);
    if (!engine->drain_timer) {
        free(engine);
        return NULL;
    }
    engine->unsettled = history_take_unsettled(history);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    interrupt_all(engine);
    engine_readings_free(engine);
    unsettled_free(&engine->unsettled);
    request_stats_clear(&engine->stats);
    event_free(engine->drain_timer);
    free(engine);
}
