/*
 * One operation under way: calls' answers become events of step, step's effects become calls, records and
 * answers.
 *
 * A call is found by its id in the runner's table; what was cancelled is not found. The first power call
 * waits for the intent to be on disk, for at most ENGINE_INTENT_WAIT_MS (P5).
 */
#include "fence/engine_private.h"

#include "fence/host_watch.h"
#include "fence/proven.h"
#include "proxmox/blame.h"
#include "proxmox/guest_list.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RUN_OTHERS_NOTED 16   /* joins by others than root: in a time line */
#define RUN_OLD_MS       1000 /* a request that is older when it begins: its time line says so */
#define RUN_STANDS_MS    250  /* a call without an answer for so long stands; below STEP_SLOW_READ_MS */

static void feed(struct runner *runner, struct step_event *event);

static void feed_kind(struct runner *runner, enum step_event_kind kind)
{
    feed(runner, &(struct step_event){.kind = kind});
}

static struct timeval timeval_until(int64_t at_ms)
{
    int64_t left_ms = at_ms - clock_now_ms();
    if (left_ms < 0)
        left_ms = 0;
    return (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
}

static void note(struct runner *runner, const char *text)
{
    const struct operation_transition *entry = operation_note(runner->operation, clock_now_ms(), text);
    if (entry)
        history_write_transition(runner->engine->history, runner->operation, entry);
    engine_log(runner->operation, KIND_OPERATION_STEP, NULL, text);
}

/* What others than root do to an operation is noted so often: its time line is for what becomes of it. */
static void note_asker(struct runner *runner, const struct engine_request *request, const char *text)
{
    if (!request->privileged && runner->others_noted++ >= RUN_OTHERS_NOTED)
        return;
    runner->desertion_noted = false;
    note(runner, text);
}

static void note_desertion(struct runner *runner)
{
    if (!runner->desertion_noted)
        note(runner, "nobody waits any more");
    runner->desertion_noted = true;
}

/* ---- answers become events ---- */

static void on_power(struct runner *runner, const struct api_result *result)
{
    struct step_event event = {.kind = STEP_EVENT_POWER, .result = result};
    if (result->outcome == API_OK) /* an answer that names no such task is a lost one (proxmox/misfit) */
        (void)api_decode_upid(result->data, event.upid);
    /* a lost one, too: answers to reads that were under way must not lead the next stop there again */
    if (result->outcome != API_UNSENT && blame_of(API_STOP, result) != BLAME_NOBODY)
        runner->avoid |= UINT64_C(1) << result->endpoint;
    feed(runner, &event);
}

static void on_status(struct runner *runner, const struct api_result *result)
{
    struct step_event event = {.kind = STEP_EVENT_STATUS, .result = result, .node = runner->status_node};
    event.decoded = result->outcome == API_OK && api_decode_status(result->data, &event.status);
    feed(runner, &event);
}

static void on_task(struct runner *runner, const struct api_result *result)
{
    struct step_event event = {.kind = STEP_EVENT_TASK, .result = result};
    snprintf(event.upid, sizeof(event.upid), "%s", runner->task_upid);
    event.decoded = result->outcome == API_OK && api_decode_task(result->data, &event.task);
    feed(runner, &event);
}

static void on_tasks(struct runner *runner, const struct api_result *result)
{
    struct step_event event = {.kind = STEP_EVENT_TASKS, .result = result, .node = runner->tasks_node};
    const struct step_task_list wanted = step_task_list(&runner->step);
    const char *type = wanted.of_ha ? "hastop" : runner->operation->type == PVE_LXC ? "vzstop" : "qmstop";
    const char *start_type = runner->operation->type == PVE_LXC ? "vzstart" : "qmstart";
    const char *last = wanted.after_upid, *node = runner->tasks_node;
    /* the host's clock counts whole seconds */
    int64_t since_s = wanted.since_realtime_ms / 1000 - 1;
    event.decoded =
        result->outcome == API_OK && api_decode_tasks(result->data, node, type, since_s, last, &event.tasks);
    event.decoded =
        event.decoded && api_decode_tasks(result->data, node, start_type, since_s, last, &event.starts);
    if (event.decoded && api_decode_listed_task(result->data, wanted.stop_upid, &event.task))
        snprintf(event.upid, sizeof(event.upid), "%s", wanted.stop_upid);
    feed(runner, &event);
}

static void on_hosts(struct runner *runner, const struct api_result *result)
{
    struct step_event event = {.kind = STEP_EVENT_HOSTS, .result = result, .node = runner->hosts_node};
    struct inventory *inventory = poller_inventory(runner->engine->poller);
    event.decoded = result->outcome == API_OK &&
                    nodes_take_census(inventory, result->data, runner->hosts_node, &event.census);
    if (event.decoded)
        host_watch_hosts_read(runner->engine->host_watch, result);
    event.word = host_watch_ask(runner->engine->host_watch, runner->hosts_node, runner->newest_ms);
    /* an endpoint in a minority is asked last from now on: others may be in the majority */
    if (event.decoded &&
        event.census.online < nodes_required(runner->engine->settings.min_online_nodes, event.census.known))
        runner->avoid |= UINT64_C(1) << result->endpoint;
    feed(runner, &event);
}

static void on_located(struct runner *runner, const struct api_result *result)
{
    struct step_event event = {.kind = STEP_EVENT_LOCATED, .result = result};
    const struct guest *listed = NULL;
    event.decoded = result->outcome == API_OK && result->guests;
    if (event.decoded)
        listed = guest_list_find(result->guests, runner->operation->vmid);
    if (listed) {
        event.node = listed->node;
        event.type = listed->type;
        event.ha_state = listed->hastate;
        event.lock = listed->lock;
        event.with_hosts =
            runner->place_with_hosts && nodes_take_census(poller_inventory(runner->engine->poller),
                                                          result->data, listed->node, &event.census);
    }
    feed(runner, &event);
}

static void on_result(void *context, uint64_t id, const struct api_result *result)
{
    static void (*const handlers[ASK_KINDS])(struct runner *, const struct api_result *) = {
        [ASK_POWER] = on_power, [ASK_STATUS] = on_status, [ASK_TASK] = on_task,
        [ASK_TASKS] = on_tasks, [ASK_HOSTS] = on_hosts,   [ASK_PLACE] = on_located,
    };
    struct runner *runner = context;
    if (result->http_status == 403) /* our privileges are others than we know */
        poller_reread_privileges(runner->engine->poller);
    for (size_t i = 0; i < ASK_KINDS; i++) {
        if (runner->calls[i] == id) {
            runner->calls[i] = 0;
            handlers[i](runner, result);
            return;
        }
    }
}

/* ---- effects become calls ---- */

/* No call could even be made: step hears of it from the loop, as of any other that was not sent. */
static void report_unmade(struct runner *runner, enum ask_kind kind)
{
    int64_t now = clock_now_ms();
    struct api_result result = {
        .outcome = API_UNSENT, .reason = "", .endpoint_text = "", .asked_ms = now, .received_ms = now};
    error_set(&result.error, ERROR_INTERNAL, "a call to Proxmox was not made");
    const char *const nodes[ASK_KINDS] = {[ASK_STATUS] = runner->status_node,
                                          [ASK_TASKS] = runner->tasks_node,
                                          [ASK_HOSTS] = runner->hosts_node};
    struct step_event event = {.kind = (enum step_event_kind)((int)STEP_EVENT_POWER + (int)kind),
                               .result = &result,
                               .node = nodes[kind]};
    if (kind == ASK_TASK) /* else step would take it for another's, and ask again at once */
        memcpy(event.upid, runner->task_upid, sizeof(event.upid));
    feed(runner, &event);
}

/* A question that any endpoint can answer does not go where another of this operation stands: the endpoint
 * may have fallen silent, and the proof would wait behind it. */
static uint64_t standing(const struct runner *runner)
{
    uint64_t endpoints = 0;
    for (size_t i = 0; i < ASK_KINDS; i++) {
        if (runner->calls[i])
            endpoints |= session_kept_waiting_by(runner->engine->session, runner->calls[i], RUN_STANDS_MS);
    }
    return endpoints;
}

/* Nobody has told yet of those who left while the daemon was stopped or busy: they are looked at before an
 * operation begins, and before each stop (P4). Of one that never had an asker, or has none any more, that is
 * known. */
static bool has_lost_its_askers(struct runner *runner)
{
    if (!runner->askers)
        return false;
    engine_drop_the_gone(runner);
    return !runner->askers;
}

static bool leaves_nobody(struct runner *runner)
{
    if (!has_lost_its_askers(runner))
        return false;
    note_desertion(runner);
    step_desert(&runner->step); /* now it is late, and to be decided anew */
    return true;
}

/* Asked right before a stop goes: it may have waited for a login (P4). */
static bool may_go(void *context)
{
    struct runner *runner = context;
    (void)leaves_nobody(runner);
    return step_may_go(&runner->step, clock_now_ms());
}

static void call(struct runner *runner, enum ask_kind kind, const struct api_request *request)
{
    struct engine *engine = runner->engine;
    struct session_route route = {
        .purpose = TRAFFIC_FENCE,
        .deadline_ms = step_deadline(&runner->step),
        .answer_timeout_ms = engine->settings.answer_timeout_ms,
        .avoid = runner->avoid | (request->node ? 0 : standing(runner)),
        .may_go = kind == ASK_POWER && request->call != API_START ? may_go : NULL,
    };
    runner->calls[kind] = session_call(engine->session, request, &route, on_result, runner);
    if (!runner->calls[kind])
        runner->unmade |= 1u << kind;
}

static void send_power(struct runner *runner, const struct step_effects *effects, struct api_request request)
{
    struct engine *engine = runner->engine;
    if (effects->send != STEP_SEND_START && leaves_nobody(runner)) {
        runner->unmade |= 1u << ASK_POWER;
        return;
    }
    request.call = effects->send == STEP_SEND_STOP    ? API_STOP
                   : effects->send == STEP_SEND_START ? API_START
                                                      : API_RESET;
    request.node = effects->send_to;
    request.stop_timeout_s = (int)(engine->settings.stop_timeout_ms / 1000);
    request.overrule_shutdown = effects->overrule_shutdown;
    /* a container's stop knows no timeout, and the HA manager has its own */
    if (runner->operation->type == PVE_LXC || effects->by_ha)
        request.stop_timeout_s = -1;
    call(runner, ASK_POWER, &request);
}

static void read_task(struct runner *runner, const char *upid, struct api_request request)
{
    char node[PVE_NODE_MAX];
    snprintf(runner->task_upid, sizeof(runner->task_upid), "%s", upid);
    upid_copy_node(upid, node);
    request.call = API_TASK;
    request.node = node;
    request.upid = upid;
    call(runner, ASK_TASK, &request);
}

static void make_calls(struct runner *runner, const struct step_effects *effects)
{
    struct api_request request = {
        .node = effects->node, .type = effects->type, .vmid = runner->operation->vmid};
    if (effects->send != STEP_SEND_NONE)
        send_power(runner, effects, request);
    if (effects->ask[ASK_STATUS]) {
        snprintf(runner->status_node, sizeof(runner->status_node), "%s", effects->node);
        request.call = API_STATUS;
        call(runner, ASK_STATUS, &request);
    }
    if (effects->ask[ASK_TASK])
        read_task(runner, effects->upid, request);
    if (effects->ask[ASK_TASKS]) {
        request.call = API_TASKS;
        snprintf(runner->tasks_node, sizeof(runner->tasks_node), "%s", step_task_list(&runner->step).node);
        request.node = runner->tasks_node;
        call(runner, ASK_TASKS, &request);
    }
    if (effects->ask[ASK_HOSTS]) {
        snprintf(runner->hosts_node, sizeof(runner->hosts_node), "%s", effects->node);
        call(runner, ASK_HOSTS, &(struct api_request){.call = API_NODES});
    }
    if (effects->ask[ASK_PLACE]) {
        runner->place_with_hosts = effects->with_hosts;
        call(runner, ASK_PLACE,
             &(struct api_request){.call = effects->with_hosts ? API_RESOURCES : API_GUESTS});
    }
}

/* ---- the course of an operation ---- */

static void refresh(struct runner *runner, const struct step_effects *effects)
{
    struct operation *operation = runner->operation;
    operation->state = effects->state;
    operation->type = effects->type;
    if (effects->node[0] && (!operation->node || strcmp(operation->node, effects->node) != 0)) {
        char *copy = strdup(effects->node);
        if (copy) {
            free(operation->node);
            operation->node = copy;
        }
    }
}

/* Only a list of hosts has the last word. */
static void keep_proof(struct runner *runner, const struct step_event *event,
                       const struct step_effects *effects)
{
    struct operation *operation = runner->operation;
    struct proven record;
    if (operation->evidence)
        return;
    proven_take(&record, operation, &runner->step, effects, event->census.known, event->now_ms);
    operation->evidence = proven_write(&record);
}

static void on_verified(struct runner *runner)
{
    struct operation *operation = runner->operation;
    operation->verified_ms = clock_now_ms();
    if (step_is_powering_on_again(&runner->step))
        operation->power_on = POWER_ON_PENDING;
    history_write_verified(runner->engine->history, operation);
    engine_answer_askers(runner, NULL, false);
}

/* Those who joined a power-on have what they asked for; whatever else happens is only watched. */
static void on_running(struct runner *runner)
{
    if (runner->operation->power_on == POWER_ON_PENDING)
        runner->operation->power_on = POWER_ON_DONE;
    engine_answer_askers(runner, NULL, true);
}

/* The reboot itself is done; who joined its power-on has not got what he asked for. */
static void on_left_off(struct runner *runner, const struct error *error)
{
    runner->operation->power_on = POWER_ON_NONE;
    engine_answer_askers(runner, error, true);
}

static void bequeath(struct runner *runner);

static void end(struct runner *runner, enum operation_outcome outcome, const struct error *error)
{
    struct engine *engine = runner->engine;
    struct operation *operation = runner->operation;
    bool started = operation->power_on != POWER_ON_PENDING || error->code == ERROR_NONE;
    operation->state = OPERATION_ENDED;
    operation->outcome = outcome;
    operation->ended_ms = clock_now_ms();
    if (operation->power_on == POWER_ON_PENDING) {
        operation->power_on = started ? POWER_ON_DONE : POWER_ON_FAILED;
        operation->power_on_error = *error;
        engine->counters.power_on_failed += !started;
    } else {
        operation->error = *error;
    }
    history_write_outcome(engine->history, operation);
    if (!started) {
        engine_log(operation, KIND_POWER_ON_FAILED, error, error->message);
    } else {
        char text[ERROR_MESSAGE_MAX + 64];
        snprintf(text, sizeof(text), "%s after %" PRId64 " ms%s%s", operation_outcome_name(outcome),
                 operation->ended_ms - operation->requested_ms, error->code ? ": " : "", error->message);
        engine_log(operation, engine_ended_kind(outcome), error, text);
    }
    engine_answer_askers(runner, error->code == ERROR_NONE ? NULL : error, true);
    bequeath(runner);
    engine_runner_ended(runner);
}

static void feed(struct runner *runner, struct step_event *event)
{
    struct step_effects effects;
    event->now_ms = clock_now_ms();
    step_handle(&runner->step, event, &effects);
    refresh(runner, &effects);
    for (unsigned i = 0; i < effects.note_count; i++)
        note(runner, effects.notes[i]);
    if (effects.proven)
        keep_proof(runner, event, &effects);
    if (effects.verified)
        on_verified(runner);
    if (effects.running)
        on_running(runner);
    if (effects.left_off)
        on_left_off(runner, &effects.left_off_error);
    if (!effects.ended)
        bequeath(runner);
    if (effects.ended) {
        end(runner, effects.outcome, &effects.error);
        return;
    }
    if (effects.wake_ms) {
        struct timeval tv = timeval_until(effects.wake_ms);
        event_add(runner->wake, &tv);
    }
    make_calls(runner, &effects);
    /* others wait for what is only watched */
    bool yields = effects.state == OPERATION_WATCHING && runner->next;
    if (runner->unmade || yields) /* not before event_add(), which would take it back */
        event_active(runner->wake, EV_TIMEOUT, 0);
}

static void begin(struct runner *runner);

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct runner *runner = context;
    if (!runner->started && has_lost_its_askers(runner)) {
        runner_deserted(runner);
        return;
    }
    if (!runner->started)
        begin(runner);
    if (runner->unmade) {
        int kind = __builtin_ctz(runner->unmade);
        runner->unmade &= ~(1u << kind);
        report_unmade(runner, (enum ask_kind)kind);
        return;
    }
    bool yields = runner->operation->state == OPERATION_WATCHING && runner->next;
    feed_kind(runner, yields ? STEP_EVENT_YIELD : STEP_EVENT_WAKE);
}

/* ---- the intent (P5) ---- */

static void settle_intent(struct runner *runner, bool on_disk)
{
    if (runner->intent_settled)
        return;
    runner->intent_settled = true;
    event_del(runner->intent_timer);
    if (!on_disk) {
        runner->engine->counters.intents_not_awaited++;
        engine_log(runner->operation, KIND_INTENT_LATE, NULL,
                   "continuing, although its intent is not on disk");
    }
    feed_kind(runner, STEP_EVENT_INTENT);
}

static void on_intent(void *context, uint64_t id, int result)
{
    struct engine *engine = context;
    struct guest_queue *queue, *next;
    HASH_ITER (hh, engine->queues, queue, next) {
        struct runner *runner = queue->runners;
        if (runner && runner->intent == id) {
            runner->intent = 0;
            settle_intent(runner, result == 0);
            return;
        }
    }
}

static void on_intent_late(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct runner *runner = context;
    settle_intent(runner, false);
}

/* ---- what an operation leaves to the next one of its guest ---- */

/* Kept for the next operation, and recorded whenever it changes: before a call is sent, in case it is the
 * last thing this daemon does. */
static void bequeath(struct runner *runner)
{
    struct engine *engine = runner->engine;
    int vmid = runner->operation->vmid;
    struct unsettled left;
    const struct unsettled *former = unsettled_find(&engine->unsettled, vmid);
    bool open = unsettled_derive(&left, &runner->step, clock_now_ms());
    if (open ? former && unsettled_equal(former, &left) : !former)
        return;
    history_write_open(engine->history, runner->operation, open ? &left : NULL);
    unsettled_put(&engine->unsettled, vmid, open ? &left : NULL);
}

static void note_age(struct runner *runner, int64_t age_ms)
{
    char text[64];
    snprintf(text, sizeof(text), "begun %" PRId64 " ms after it was asked for", age_ms);
    note(runner, text);
}

static void begin(struct runner *runner)
{
    struct engine *engine = runner->engine;
    struct operation *operation = runner->operation;
    int64_t now_ms = clock_now_ms();
    const struct guest *guest = NULL;
    struct inventory *inventory = poller_inventory(engine->poller);
    if (inventory)
        guest = inventory_by_vmid(inventory, operation->vmid);

    struct step_params params = {
        .action = operation->action,
        .method = operation->method,
        .vmid = operation->vmid,
        .type = guest ? guest->type : operation->type,
        .node = guest ? guest->node : NULL,
        .node_offline = guest && guest->node && inventory_nodes_known(inventory) > 0 &&
                        !inventory_node_online(inventory, guest->node),
        .ha_managed = guest && guest->hastate,
        .template = guest && guest->template,
        .shows_devices = engine_saw_devices(engine, operation->vmid),
        .release = poller_release(engine->poller),
        .requested_ms = operation->requested_ms,
        .newest_ms = runner->newest_ms,
        .begun_ms = now_ms,
        .begun_realtime_ms = clock_realtime_ms(),
        .deadline_ms = runner->deadline_ms,
        .lock_wait_ms = engine->settings.lock_wait_ms,
        .stop_timeout_ms = engine->settings.stop_timeout_ms,
        .min_online_nodes = engine->settings.min_online_nodes,
    };
    runner->started = true;
    step_begin(&runner->step, &params);
    if (now_ms - operation->requested_ms > RUN_OLD_MS)
        note_age(runner, now_ms - operation->requested_ms);
    const struct unsettled *unsettled = unsettled_find(&engine->unsettled, operation->vmid);
    if (unsettled)
        unsettled_inherit(unsettled, &runner->step, now_ms);
    runner->intent = history_write_intent(engine->history, operation, on_intent, engine);
    if (runner->intent) {
        struct timeval tv = {.tv_usec = ENGINE_INTENT_WAIT_MS * 1000};
        event_add(runner->intent_timer, &tv);
    } else {
        event_active(runner->intent_timer, EV_TIMEOUT, 0);
    }
}

/* Not from inside a request: requests of the same moment still join, and nobody is called back. */
void runner_start(struct runner *runner)
{
    event_active(runner->wake, EV_TIMEOUT, 0);
}

void runner_joined(struct runner *runner, const struct engine_request *request)
{
    const struct operation_peer *peer = &request->peer;
    const char *request_id = request->request_id;
    char text[OPERATION_USER_MAX + OPERATION_RULE_MAX + 96];
    runner->engine->counters.joined++;
    size_t ids_max = request->privileged ? OPERATION_REQUEST_IDS_MAX : OPERATION_REQUEST_IDS_MAX / 2;
    if (request_id && runner->operation->request_id_count < ids_max) {
        bool is_new = !operation_has_request_id(runner->operation, request_id);
        if (operation_add_request_id(runner->operation, request_id) && is_new)
            history_write_join(runner->engine->history, runner->operation, request_id);
    }
    snprintf(text, sizeof(text), "joined by another request, of uid %lu%s%s%s, pid %ld%s%s",
             (unsigned long)peer->uid, peer->user[0] ? " (" : "", peer->user, peer->user[0] ? ")" : "",
             (long)peer->pid, peer->rule[0] ? "; allowed: " : "", peer->rule);
    note_asker(runner, request, text);
    if (runner->started)
        feed(runner, &(struct step_event){.kind = STEP_EVENT_JOINED,
                                          .asked_ms = runner->newest_ms,
                                          .deadline_ms = runner->deadline_ms});
}

void runner_deserted(struct runner *runner)
{
    if (!runner->started) {
        engine_abandon_unbegun(runner->engine, runner->operation);
        engine_runner_ended(runner);
        return;
    }
    note_desertion(runner);
    feed_kind(runner, STEP_EVENT_DESERTED);
}

void runner_asked_again(struct runner *runner, const struct engine_request *request)
{
    note_asker(runner, request, "asked for again, after the connection was lost");
    if (runner->started)
        feed_kind(runner, STEP_EVENT_ASKED_AGAIN);
}

void runner_yield(struct runner *runner)
{
    if (runner->started)
        feed_kind(runner, STEP_EVENT_YIELD);
}

void runner_leave_off(struct runner *runner)
{
    feed_kind(runner, STEP_EVENT_LEAVE_OFF);
}

static void cut_short(struct engine *engine, struct operation *operation, enum operation_outcome outcome,
                      const struct error *error)
{
    operation_note(operation, clock_now_ms(), error->message);
    operation->state = OPERATION_ENDED;
    operation->outcome = outcome;
    operation->ended_ms = clock_now_ms();
    operation->error = *error;
    history_write_outcome(engine->history, operation);
    engine_log(operation, engine_ended_kind(outcome), error, error->message);
}

void engine_abandon_unbegun(struct engine *engine, struct operation *operation)
{
    struct error error = {0};
    error_set(&error, ERROR_ABANDONED, "not begun: the client had closed its connection");
    operation_forget_request_ids(operation); /* who asks again, and waits, has it begun */
    cut_short(engine, operation, OPERATION_ABANDONED, &error);
}

void runner_interrupt(struct runner *runner)
{
    struct error error = {0};
    error_set(&error, ERROR_INTERRUPTED, "the daemon stopped before this operation ended");
    cut_short(runner->engine, runner->operation, OPERATION_INTERRUPTED, &error);
}

void runner_overtaken(struct runner *runner)
{
    struct error error = {0};
    error_set(&error, ERROR_ABANDONED,
              "a request by root or hacluster for this guest came before it had begun");
    cut_short(runner->engine, runner->operation, OPERATION_ABANDONED, &error);
    engine_answer_askers(runner, &error, true);
}

struct runner *runner_new(struct engine *engine, struct operation *operation)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (!runner)
        return NULL;
    runner->engine = engine;
    runner->operation = operation;
    runner->wake = event_new(engine->base, -1, 0, on_wake, runner);
    runner->intent_timer = event_new(engine->base, -1, 0, on_intent_late, runner);
    if (!runner->wake || !runner->intent_timer) {
        runner_free(runner);
        return NULL;
    }
    return runner;
}

void runner_free(struct runner *runner)
{
    for (size_t i = 0; i < ASK_KINDS; i++) {
        if (runner->calls[i])
            session_cancel(runner->engine->session, runner->calls[i]);
    }
    if (runner->wake)
        event_free(runner->wake);
    if (runner->intent_timer)
        event_free(runner->intent_timer);
    free(runner);
}
