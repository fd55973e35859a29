#include "step_memory.h"

#include "step_valid.h"

#include "fence/step.c" /* take_event() */

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

static bool is_coming(const struct call *call)
{
    return call->state == CALL_TASK || call->state == CALL_OPEN;
}

static bool was_answered(const struct step_event *event, enum step_event_kind kind)
{
    return event->kind == kind && event->result->outcome == API_OK && event->decoded;
}

/* A status of this guest, from the host that it is on. */
static bool tells_status(const struct step *before, const struct step_event *event)
{
    return was_answered(event, STEP_EVENT_STATUS) && event->node && before->place.node[0] &&
           is(event->node, before->place.node) && event->status.vmid == before->params.vmid;
}

/* The end of this task, read by itself or in a list of tasks. */
static bool tells_end(const struct step_event *event, const struct call *call)
{
    return (was_answered(event, STEP_EVENT_TASK) || was_answered(event, STEP_EVENT_TASKS)) &&
           is(event->upid, call->upid) && event->task.ended;
}

/* A list of tasks in which no stop runs, and as many have begun as there can be of ours. */
static bool tells_all_ended(const struct step *before, const struct step_event *event)
{
    unsigned listed = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before->calls.list[i];
        bool there = before->ha.managed || call->ha || !call->node[0] || is(call->node, before->place.node);
        if (i < before->calls.count && call->power == STEP_SEND_STOP && there)
            listed += call->listed;
    }
    const struct call *stop = valid_last(before, STEP_SEND_STOP);
    return was_answered(event, STEP_EVENT_TASKS) && event->tasks.running == 0 &&
           event->tasks.begun >= listed && (!stop || event->result->asked_ms >= stop->sent_ms);
}

/* So long after it was sent, or was found to be without an end, a stop may still begin to kill. */
static int64_t begins_until(const struct call *call)
{
    int64_t until_ms = call->state == CALL_TASK   ? call->settled_ms + 10000
                       : call->state == CALL_OPEN ? call->settled_ms + 60000
                       : call->state == CALL_SENDING && call->sent_ms + 60000 > call->settled_ms
                           ? call->sent_ms + 60000
                           : call->settled_ms;
    if (until_ms < call->settled_ms)
        until_ms = call->settled_ms;
    return call->ha && until_ms < call->sent_ms + 180000 ? call->sent_ms + 180000 : until_ms;
}

/* ---- what is claimed of one record of a power call ---- */

static void claim_call(const struct step *before, const struct step *step, const struct step_event *event,
                       unsigned i)
{
    const struct call *was = &before->calls.list[i], *call = &step->calls.list[i];
    CLAIM(call->power == was->power && call->inherited == was->inherited && call->sent_ms == was->sent_ms,
          "a call stays what it was, and as old");
    CLAIM(call->state != CALL_OK || was->state == CALL_OK || (tells_end(event, was) && event->task.ok),
          "a task ended OK where the answer says so of that very task");
    CLAIM(call->state != CALL_TASK || was->state == CALL_TASK ||
              (event->kind == STEP_EVENT_POWER && event->result->outcome == API_OK &&
               is(call->upid, event->upid)),
          "a task runs where the answer to the call has named it");
    CLAIM(was->state != CALL_SENDING || event->kind != STEP_EVENT_POWER ||
              event->result->outcome != API_LOST ||
              ((call->state == CALL_OPEN || step->phase == STEP_ENDED) && call->effect_ms == was->effect_ms),
          "P3: a call whose answer was lost may come, and may have killed");
    CLAIM(was->state != CALL_TASK || is_coming(call) || tells_end(event, was) ||
              !is(was->node, step->place.node),
          "rule 6: a task that runs has ended where it is said, or when the guest is not on that host");
    CLAIM(was->state != CALL_OPEN || is_coming(call) || tells_all_ended(before, event),
          "rule 6: a call without a known end has ended where a list of tasks shows that all have");
    CLAIM(was->effect_ms == 0 || call->effect_ms != 0 || event->kind == STEP_EVENT_POWER ||
              event->kind == STEP_EVENT_TASK || event->kind == STEP_EVENT_TASKS ||
              (was->inherited && tells_status(before, event) && event->status.running &&
               step_started_ms(&event->status, event->result->asked_ms) >= begins_until(was)) ||
              (was->inherited && event->kind == STEP_EVENT_LOCATED && before->ha.fenced),
          "point 7: a doubt ends where the guest was started after the stop, or its host was fenced");
    CLAIM(was->effect_ms == 0 || call->effect_ms != 0 || event->kind != STEP_EVENT_POWER ||
              was->state == CALL_SENDING || was->inherited,
          "point 7: an answer ends the doubt of its own call, or by a boot one from before");
    CLAIM(was->effect_ms == 0 || call->effect_ms != 0 || was->state != CALL_SENDING ||
              event->kind != STEP_EVENT_POWER || event->result->outcome == API_UNSENT ||
              (event->result->outcome == API_REFUSED &&
               (event->result->http_status < 500 || event->result->http_status == 595 || outside_words_told)),
          "point 7: an answer ends that doubt where nobody was reached, or the words say why it was refused");
    CLAIM(was->effect_ms == 0 || call->effect_ms != 0 ||
              (event->kind != STEP_EVENT_TASK && event->kind != STEP_EVENT_TASKS) ||
              (tells_end(event, was) && !event->task.ok),
          "point 7: a task ends the doubt of its own call, where it has failed");
}

/* ---- and of the rest ---- */

static void claim_reads(const struct step *before, const struct step *step, const struct step_event *event)
{
    bool told = tells_status(before, event);
    CLAIM(!step->seen.running || before->seen.running || (told && event->status.running),
          "point 4: read running where a status says so");
    CLAIM(!step->seen.running ||
              is(step->place.node, event->kind == STEP_EVENT_STATUS && !before->seen.running
                                       ? event->node
                                       : before->place.node),
          "point 4: on the host that it is on");
    CLAIM(told || step->seen.running_ms == before->seen.running_ms ||
              (step->seen.running_ms == 0 && !is(step->place.node, before->place.node)),
          "P1: when it was last read running there is kept");
    CLAIM(!step->read.known || told ||
              (before->read.known && step->read.asked_ms == before->read.asked_ms &&
               step->read.received_ms == before->read.received_ms &&
               step->read.status.running == before->read.status.running &&
               step->read.status.nics == before->read.status.nics &&
               step->read.status.traffic == before->read.status.traffic &&
               is(step->read.status.lock, before->read.status.lock) &&
               is(step->read.status.ha_state, before->read.status.ha_state)),
          "point 1: what was read is kept");
    CLAIM(!step->read.known || !told ||
              (step->read.asked_ms == event->result->asked_ms &&
               step->read.received_ms == event->result->received_ms &&
               step->read.status.running == event->status.running &&
               step->read.status.nics == event->status.nics &&
               step->read.status.traffic == event->status.traffic),
          "point 1: as it was told, and when");
    CLAIM(!step->seen.devices || before->seen.devices ||
              (told && (before->params.type == PVE_LXC ? event->status.traffic : event->status.nics)),
          "point 7: devices were seen where a status shows them");
    CLAIM(!step->seen.idle || before->seen.idle ||
              (before->params.type == PVE_LXC && event->kind >= STEP_EVENT_POWER &&
               event->kind != STEP_EVENT_STATUS && event->kind != STEP_EVENT_HOSTS &&
               event->kind != STEP_EVENT_LOCATED),
          "point 4: that it does not run is told of a container by the answer to a stop, or its task");
}

static void claim_rest(const struct step *before, const struct step *step, const struct step_event *event,
                       const struct step_effects *effects)
{
    CLAIM(effects->send == STEP_SEND_NONE, "what has come sends nothing by itself");
    CLAIM(!effects->verified, "P1: only a list of hosts makes off be answered");
    CLAIM(step->course.not_before_ms >= before->course.not_before_ms,
          "point 1: a request does not get older");
    CLAIM(event->kind != STEP_EVENT_JOINED || step->course.not_before_ms >= event->asked_ms,
          "point 1: reads count from the newest request on");
    CLAIM(event->kind != STEP_EVENT_JOINED || !before->asks[ASK_STATUS].busy ||
              step->course.not_before_ms > event->asked_ms,
          "point 1: a read that was under way then does not count");
    CLAIM(event->kind == STEP_EVENT_JOINED || step->course.not_before_ms == before->course.not_before_ms,
          "P4: nothing but a request makes one newer");
    CLAIM(before->ha.managed == step->ha.managed
              ? before->ha.taken_ms != 0 || step->ha.taken_ms == 0 || was_answered(event, STEP_EVENT_TASK) ||
                    was_answered(event, STEP_EVENT_TASKS)
              : step->ha.taken_ms == 0,
          "point 6: HA has taken a request where its task has ended");
    CLAIM(!step->course.may_send || before->course.may_send || event->kind == STEP_EVENT_INTENT,
          "P5: the intent is recorded when it is told so");
    CLAIM(step->params.vmid == before->params.vmid, "P2: the guest stays the same");
    CLAIM(is(step->place.node, before->place.node) || step->place.node[0] == '\0' ||
              (event->kind == STEP_EVENT_LOCATED && event->node && is(step->place.node, event->node)),
          "P2: its host is where a list of guests names it");
    CLAIM(!step->ha.fenced || before->ha.fenced ||
              (event->kind == STEP_EVENT_LOCATED && event->ha_state &&
               (is(event->ha_state, "fence") || is(event->ha_state, "recovery")) && step->ha.managed &&
               before->place.offline && is(step->place.node, before->place.node)),
          "point 7: HA fences its host where a list says so of it while that host is offline");
    CLAIM(step->death.listed_ms == before->death.listed_ms || step->death.listed_ms == 0 ||
              (event->kind == STEP_EVENT_LOCATED && event->with_hosts &&
               is(event->node, before->place.node) && step->death.listed_ms == event->result->asked_ms &&
               !event->census.host_online &&
               event->census.online >= nodes_required(before->params.min_online_nodes, event->census.known)),
          "point 5: a list of guests counts for a dead host where a majority of the hosts has it");
    CLAIM((step->phase == STEP_ENDED) == effects->ended, "what ends is told");
}

void prove_memory(enum step_event_kind kind)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    event.kind = kind; /* so that CBMC need not follow the other ones */
    ASSUME(before.phase != STEP_ENDED && step_is_valid(&before));
    step = before;

    take_event(&step, &effects, &event);
    CLAIM(step_is_valid(&step), "the state stays valid");
    CLAIM(step.calls.count == before.calls.count, "no record of a call is lost");
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < before.calls.count)
            claim_call(&before, &step, &event, i);
    }
    claim_reads(&before, &step, &event);
    claim_rest(&before, &step, &event, &effects);
    REACHED(step.phase != STEP_ENDED);
}
