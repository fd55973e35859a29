/*
 * Scripts for the state machine: one step, one clock, one answer at a time. Every call that step asks for is
 * remembered with the time it was asked at, so that an answer is as old as it would be.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/step.h"

#include <stdio.h>
#include <string.h>

#define T0       1000000 /* the request */
#define DEADLINE 240000
#define VMID     100

enum script_call {
    SCRIPT_POWER,
    SCRIPT_STATUS,
    SCRIPT_TASK,
    SCRIPT_TASKS,
    SCRIPT_HOSTS,
    SCRIPT_LOCATE,
    CALLS
};

static struct step step;
static struct step_effects effects;   /* of the last event */
static struct step_effects last_sent; /* of the last one that sent a power call */
static int64_t now_ms, asked_ms[CALLS];
static unsigned stops, starts, resets; /* sent so far */
static bool verified;
static struct calls before; /* what the next operation to begin inherits */
static char status_node[PVE_NODE_MAX], hosts_node[PVE_NODE_MAX],
    tasks_node[PVE_NODE_MAX]; /* whom the reads under way are about */
static struct json_object *parameter_errors;

static void handle(struct step_event *event)
{
    event->now_ms = now_ms;
    step_handle(&step, event, &effects);
    const bool asked[CALLS] = {
        [SCRIPT_POWER] = effects.send != STEP_SEND_NONE, [SCRIPT_STATUS] = effects.ask[ASK_STATUS],
        [SCRIPT_TASK] = effects.ask[ASK_TASK],           [SCRIPT_TASKS] = effects.ask[ASK_TASKS],
        [SCRIPT_HOSTS] = effects.ask[ASK_HOSTS],         [SCRIPT_LOCATE] = effects.ask[ASK_PLACE]};
    for (size_t i = 0; i < CALLS; i++) {
        if (asked[i])
            asked_ms[i] = now_ms;
    }
    if (effects.ask[ASK_STATUS])
        memcpy(status_node, step.place.node, sizeof(status_node));
    if (effects.ask[ASK_HOSTS])
        memcpy(hosts_node, step.place.node, sizeof(hosts_node));
    if (effects.ask[ASK_TASKS])
        snprintf(tasks_node, sizeof(tasks_node), "%s", step_task_list(&step).node);
    if (asked[SCRIPT_POWER])
        last_sent = effects;
    stops += effects.send == STEP_SEND_STOP;
    starts += effects.send == STEP_SEND_START;
    resets += effects.send == STEP_SEND_RESET;
    verified |= effects.verified;
}

static void tell(enum step_event_kind kind)
{
    handle(&(struct step_event){.kind = kind, .asked_ms = now_ms, .deadline_ms = step.params.deadline_ms});
}

/* Let time pass, with all the wakes that were asked for. */
static void go(int64_t at_ms)
{
    while (step.phase != STEP_ENDED && effects.wake_ms && effects.wake_ms <= T0 + at_ms) {
        assert_true(effects.wake_ms > now_ms); /* P7: nothing spins */
        now_ms = effects.wake_ms;
        tell(STEP_EVENT_WAKE);
    }
    now_ms = T0 + at_ms;
}

static struct step_params params(enum fence_action action)
{
    return (struct step_params){.action = action,
                                .method = FENCE_ONOFF,
                                .vmid = VMID,
                                .type = PVE_QEMU,
                                .node = "pve1",
                                .release = 902,
                                .requested_ms = T0,
                                .deadline_ms = T0 + DEADLINE,
                                .lock_wait_ms = 5000,
                                .stop_timeout_ms = 3000};
}

static void begin_with(struct step_params wanted)
{
    memset(asked_ms, 0, sizeof(asked_ms));
    stops = starts = resets = 0;
    verified = false;
    now_ms = T0;
    step_begin(&step, &wanted);
    step.calls.count = before.count;
    memcpy(step.calls.list, before.list, sizeof(before.list));
    before.count = 0;
    tell(STEP_EVENT_BEGIN);
    if (!effects.ended)
        tell(STEP_EVENT_INTENT);
}

static void begin(enum fence_action action)
{
    begin_with(params(action));
}

static struct api_result result_of(enum script_call call)
{
    return (struct api_result){
        .reason = "", .endpoint_text = "pve9:8006", .asked_ms = asked_ms[call], .received_ms = now_ms};
}

static struct api_result refusal(enum script_call call, int status, const char *reason)
{
    struct api_result result = result_of(call);
    result.outcome = API_REFUSED;
    result.http_status = status;
    result.reason = reason;
    error_set(&result.error, status == 403 ? ERROR_NO_POWER_RIGHT : ERROR_PROTOCOL, "%d %s", status, reason);
    return result;
}

static struct api_result nothing(enum script_call call, enum api_outcome outcome)
{
    struct api_result result = result_of(call);
    result.outcome = outcome;
    error_set(&result.error, ERROR_NO_ENDPOINT, "no answer");
    return result;
}

/* ---- the power call ---- */

static void power_is(const struct api_result *result, const char *upid)
{
    struct step_event event = {.kind = STEP_EVENT_POWER, .result = result};
    assert_true(step.asks[ASK_POWER].busy);
    snprintf(event.upid, sizeof(event.upid), "%s", upid);
    handle(&event);
}

static void power_taken(const char *upid)
{
    struct api_result result = result_of(SCRIPT_POWER);
    power_is(&result, upid);
}

__attribute__((unused)) static void power_refused(int status, const char *reason)
{
    struct api_result result = refusal(SCRIPT_POWER, status, reason);
    result.errors = status == 400 ? parameter_errors : NULL;
    power_is(&result, "");
}

__attribute__((unused)) static void power_lost(void)
{
    struct api_result result = nothing(SCRIPT_POWER, API_LOST);
    power_is(&result, "");
}

/* ---- reads ---- */

static void status_is(struct pve_status status)
{
    struct api_result result = result_of(SCRIPT_STATUS);
    assert_true(step.asks[ASK_STATUS].busy);
    status.vmid = status.vmid ? status.vmid : VMID;
    handle(&(struct step_event){.kind = STEP_EVENT_STATUS,
                                .result = &result,
                                .decoded = true,
                                .status = status,
                                .node = status_node});
}

__attribute__((unused)) static void status_fails(struct api_result result)
{
    assert_true(step.asks[ASK_STATUS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_STATUS, .result = &result, .node = status_node});
}

__attribute__((unused)) static void reads_running(void)
{
    status_is((struct pve_status){.running = true, .nics = true, .uptime_s = 5000});
}

__attribute__((unused)) static void reads_stopped(void)
{
    status_is((struct pve_status){.running = false});
}

__attribute__((unused)) static void reads_stopped_locked(const char *lock)
{
    struct pve_status status = {.running = false};
    snprintf(status.lock, sizeof(status.lock), "%s", lock);
    status_is(status);
}

static void task_is(const char *upid, const char *exit)
{
    struct api_result result = result_of(SCRIPT_TASK);
    struct step_event event = {.kind = STEP_EVENT_TASK, .result = &result, .decoded = true};
    assert_true(step.asks[ASK_TASK].busy);
    snprintf(event.upid, sizeof(event.upid), "%s", upid);
    event.task.ended = exit != NULL;
    event.task.ok = exit && strcmp(exit, "OK") == 0;
    snprintf(event.task.exit, sizeof(event.task.exit), "%s", exit ? exit : "");
    handle(&event);
}

__attribute__((unused)) static void task_fails(const char *upid, struct api_result result)
{
    struct step_event event = {.kind = STEP_EVENT_TASK, .result = &result};
    snprintf(event.upid, sizeof(event.upid), "%s", upid);
    handle(&event);
}

__attribute__((unused)) static void tasks_are(unsigned begun, unsigned running)
{
    struct api_result result = result_of(SCRIPT_TASKS);
    assert_true(step.asks[ASK_TASKS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_TASKS,
                                .node = tasks_node,
                                .result = &result,
                                .decoded = true,
                                .tasks = {.begun = begun, .running = running}});
}

/* The list has one stop of our identity, the task `upid`, which has ended so, or goes on (NULL). */
__attribute__((unused)) static void tasks_have(const char *upid, const char *exit)
{
    struct api_result result = result_of(SCRIPT_TASKS);
    struct step_event event = {.kind = STEP_EVENT_TASKS,
                               .node = tasks_node,
                               .result = &result,
                               .decoded = true,
                               .task = {.ended = exit != NULL, .ok = exit && strcmp(exit, "OK") == 0},
                               .tasks = {.begun = 1, .running = exit == NULL}};
    assert_true(step.asks[ASK_TASKS].busy);
    snprintf(event.upid, sizeof(event.upid), "%s", upid);
    snprintf(event.task.exit, sizeof(event.task.exit), "%s", exit ? exit : "");
    handle(&event);
}

/* The same with one start of our identity since our last call, that goes on or has failed. */
__attribute__((unused)) static void newer_start_is(bool running, bool failed)
{
    struct api_result result = result_of(SCRIPT_TASKS);
    assert_true(step.asks[ASK_TASKS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_TASKS,
                                .node = tasks_node,
                                .result = &result,
                                .decoded = true,
                                .starts = {.newer = 1, .newer_running = running, .newer_failed = failed}});
}

/* The list has so many stops and starts of our identity that are newer than our last call. */
__attribute__((unused)) static void newer_tasks_are(unsigned begun, unsigned stops_since,
                                                    unsigned starts_since)
{
    struct api_result result = result_of(SCRIPT_TASKS);
    assert_true(step.asks[ASK_TASKS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_TASKS,
                                .node = tasks_node,
                                .result = &result,
                                .decoded = true,
                                .tasks = {.begun = begun, .newer = stops_since},
                                .starts = {.begun = starts_since, .newer = starts_since}});
}

static void hosts_say(unsigned online, unsigned known, bool host_online)
{
    struct api_result result = result_of(SCRIPT_HOSTS);
    assert_true(step.asks[ASK_HOSTS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS,
                                .result = &result,
                                .decoded = true,
                                .census = {online, known, host_online, "pve2"},
                                .node = hosts_node});
}

static void hosts_are(unsigned online, unsigned known, bool host_online)
{
    hosts_say(online, known, host_online);
    /* asked for with the hosts, for the start: nobody else has stopped it */
    if (step.asks[ASK_TASKS].busy && calls_count(&step.calls, STEP_SEND_STOP, CALL_IS(CALL_OPEN), NULL) == 0)
        tasks_are(calls_left(&step.calls, STEP_SEND_STOP),
                  calls_last(&step.calls, STEP_SEND_STOP)->state == CALL_TASK);
}

/* The list of guests that was asked for; `listed`: what it says of the guest. */
__attribute__((unused)) static void place_is(struct step_event listed)
{
    struct api_result result = result_of(SCRIPT_LOCATE);
    assert_true(step.asks[ASK_PLACE].busy);
    listed.kind = STEP_EVENT_LOCATED;
    listed.result = &result;
    listed.decoded = true;
    handle(&listed);
}

__attribute__((unused)) static void located_on(const char *node)
{
    place_is((struct step_event){.node = node, .type = step.params.type});
}

/* What an earlier operation left: a task, or, without a UPID, an open call. */
__attribute__((unused)) static void left_before(enum step_power power, const char *upid, int64_t sent_at_ms)
{
    struct call left = {.power = power,
                        .state = upid[0] ? CALL_TASK : CALL_OPEN,
                        .sent = 1,
                        .listed = 1,
                        .sent_ms = sent_at_ms,
                        .settled_ms = sent_at_ms};
    snprintf(left.upid, sizeof(left.upid), "%s", upid);
    calls_take_up(&step.calls, &left, sent_at_ms);
}

/* This operation had a task on pve1 before, which has ended. */
__attribute__((unused)) static void had_a_task(const char *upid)
{
    struct call *call = calls_add(&step.calls, STEP_SEND_RESET, "pve1", T0);
    call->state = CALL_ENDED;
    snprintf(call->upid, sizeof(call->upid), "%s", upid);
}

/* ---- common beginnings and ends ---- */

#define STOP_UPID  "UPID:pve1:00000001:00F00001:00000001:qmstop:100:fence@pve!t:"
#define STOP2_UPID "UPID:pve1:00000002:00F00002:00000002:qmstop:100:fence@pve!t:"
#define START_UPID "UPID:pve1:00000003:00F00003:00000003:qmstart:100:fence@pve!t:"
#define RESET_UPID "UPID:pve1:00000004:00F00004:00000004:qmreset:100:fence@pve!t:"

static void assert_ended(enum operation_outcome outcome, enum error_code code)
{
    assert_true(effects.ended);
    assert_int_equal(effects.outcome, outcome);
    assert_string_equal(error_code_name(effects.error.code), error_code_name(code));
    assert_true(code == ERROR_NONE || effects.error.message[0]);
}

__attribute__((unused)) static void assert_going_on(void)
{
    assert_false(effects.ended);
    assert_int_not_equal(step.phase, STEP_ENDED);
}

/* The guest was seen running, the stop was taken. */
static void stop_a_running_guest(enum fence_action action)
{
    begin(action);
    go(10);
    reads_running();
    go(20);
    power_taken(STOP_UPID);
}

/* … and off is proven: its task is over, too. */
__attribute__((unused)) static void prove_off(enum fence_action action)
{
    stop_a_running_guest(action);
    task_is(STOP_UPID, NULL);
    go(300);
    task_is(STOP_UPID, "OK");
    go(330);
    reads_stopped();
    go(340);
    hosts_are(3, 3, true);
}
