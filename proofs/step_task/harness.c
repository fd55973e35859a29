/*
 * A power call has ended, or ended OK, where its own task says so (points 4 and
 * 6, rule 6): for every valid state, and every answer to the reading of a task,
 * or every task as a list shows it, but one that has failed.
 */
#include "step_stays.h"
#include "step_valid.h"
#include "step_world.h"

#include <string.h>

/* all of step_calls.c but the one */
#define calls_of_task plain_of_task
#include "step_calls.c"
#undef calls_of_task

#define SECOND 1000

static bool equal(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* The call whose task it is, in its place; CALLS_MAX: none of those that run.
 * Chosen before it is looked for, so that CBMC knows one place. */
static unsigned chosen;

struct call *calls_of_task(struct calls *calls, const char *upid)
{
    unsigned found = CALLS_MAX;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &calls->list[i];
        if (i < calls->count && call->state == CALL_TASK && equal(call->upid, upid))
            found = i;
    }
    ASSUME(found == chosen);
    return chosen < CALLS_MAX ? &calls->list[chosen] : NULL;
}

/* What has come. */
struct news {
    bool ended;   /* the task, and OK, by its host's word */
    bool unknown; /* the host does not know it (any more) */
    bool gone;    /* its host does not answer, and HA has had its time */
};

static void claim_its_own(const struct step *before, const struct step_event *event, const struct news *news,
                          const struct call *was, const struct call *call)
{
    bool stop = was->power == STEP_SEND_STOP && !was->inherited;
    bool here = equal(was->node, before->place.node);
    CLAIM(call->state == CALL_TASK || news->ended || news->unknown || news->gone,
          "rule 6: it has ended where its task says so, and is open where its "
          "host knows no such task");
    CLAIM(call->state != CALL_OK || (news->ended && !was->inherited),
          "point 4: it ended OK where its task says so");
    CLAIM(call->state != CALL_OK || !stop || before->ha.managed || here || before->phase == STEP_POWERING_ON,
          "point 4: a stop did so on the guest's host");
    CLAIM(call->state != CALL_FAILED || (news->ended && stop && !here),
          "rule 6: it failed where the guest is not");
    CLAIM(call->state != CALL_ENDED || (news->ended && was->inherited),
          "rule 6: one of an earlier operation can only have ended");
    CLAIM(call->state != CALL_OPEN || !news->ended, "rule 6: what has ended does not come any more");
    CLAIM(call->settled_ms == (call->state == CALL_TASK
                                   ? was->settled_ms
                                   : event->now_ms + (before->asks[ASK_STATUS].busy ? 1 : 0)),
          "point 4: only reads asked for from now on tell what it did");
}

static void claim_calls(const struct step *before, const struct step *step, const struct step_event *event,
                        const struct news *news)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i], *call = &step->calls.list[i];
        if (i >= before->calls.count)
            continue;
        CLAIM(call->power == was->power && call->inherited == was->inherited && call->ha == was->ha &&
                  call->sent == was->sent && call->listed == was->listed && call->sent_ms == was->sent_ms &&
                  equal(call->upid, was->upid) && equal(call->node, was->node),
              "a call stays what it was");
        CLAIM(call->effect_ms == was->effect_ms, "point 7: that its task ended OK ends no doubt");
        if (i == chosen)
            claim_its_own(before, event, news, was, call);
        else
            CLAIM(call->state == was->state && call->settled_ms == was->settled_ms,
                  "point 4: no other call has ended");
    }
    CLAIM(step->calls.count == before->calls.count, "no record of a call is lost");
}

/* What is remembered of the stop beside its record. */
static void claim_stop(const struct step *before, const struct step *step, const struct step_event *event,
                       const struct news *news)
{
    const struct step_seen *was = &before->seen, *seen = &step->seen;
    const struct call *call = &before->calls.list[chosen % CALLS_MAX];
    bool ok = chosen < CALLS_MAX && call->power == STEP_SEND_STOP && !call->inherited && news->ended;
    CLAIM(step->ha.taken_ms == before->ha.taken_ms ||
              (ok && before->ha.managed && before->ha.taken_ms == 0 && step->ha.taken_ms >= event->now_ms),
          "point 6: HA has taken a request when its task ended OK");
    CLAIM(seen->stopped_ms == was->stopped_ms ||
              (ok && was->stopped_ms == 0 && seen->stopped_ms == event->now_ms),
          "point 7: it is stopped since it first read so, or the stop's task "
          "ended OK");
    CLAIM(seen->idle == was->idle && seen->idle_ms == was->idle_ms, "point 4: no task that ended OK is idle");
    CLAIM(seen->running == was->running, "point 4: nor is the guest seen running");
    CLAIM(seen->off == was->off, "point 5: nor off");
    CLAIM(seen->devices == was->devices, "point 7: nor are devices seen");
}

static void claim_rest(const struct step *before, const struct step *step, const struct step_effects *effects)
{
    CLAIM(effects->send == STEP_SEND_NONE && !effects->verified, "P1: a task sends and proves nothing");
    CLAIM((step->phase == STEP_ENDED) == effects->ended && (effects->ended || step->phase == before->phase),
          "what ends is told, and nothing else begins");
    claim_course_stays(before, step);
    claim_nothing_read(before, step);
    CLAIM(step->list.asked_ms == before->list.asked_ms, "nor is a list of tasks newer");
    CLAIM(step->ha.managed == before->ha.managed, "rule 5: the guest is HA's as before");
    CLAIM(equal(step->place.node, before->place.node), "P2: and where it was");
    CLAIM(step_is_valid(step), "the state stays valid");
}

typedef void take_fn(struct step *step, struct step_effects *effects, const struct step_event *event);

static void prove_of(unsigned its, take_fn *take, bool listed)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    event.task.ok = true;
    before.asks[listed ? ASK_TASKS : ASK_TASK].busy = false; /* as take_event() calls it */
    ASSUME(before.phase != STEP_ENDED && step_is_valid(&before));
    step = before;
    chosen = its;
    const struct api_result *result = event.result;

    take(&step, &effects, &event);
    const struct news news = {
        .ended = event.task.ended && (listed || (result->outcome == API_OK && event.decoded)),
        .unknown = !listed && result->outcome == API_REFUSED && result->http_status == 400,
        .gone = !listed && result->outcome != API_OK && before.ha.managed && its < CALLS_MAX &&
                event.now_ms - before.calls.list[its % CALLS_MAX].sent_ms >= 15 * SECOND};
    claim_calls(&before, &step, &event, &news);
    claim_stop(&before, &step, &event, &news);
    claim_rest(&before, &step, &effects);
    REACHED(its == CALLS_MAX || step.calls.list[its % CALLS_MAX].state != CALL_TASK);
    REACHED(its == CALLS_MAX || step.calls.list[its % CALLS_MAX].state == CALL_TASK);
}

void prove(void)
{
    for (unsigned its = 0; its <= CALLS_MAX; its++) {
        prove_of(its, step_power_task, false);
        prove_of(its, step_power_listed, true);
    }
}
