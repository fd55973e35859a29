/*
 * What is remembered of a status is what the guest's host has told in it, and when (points 1, 4 and 6; HA's
 * part of point 7): for every valid state and every answer to such a reading, up to where step_off_status()
 * takes it.
 */
#include "step_stays.h"
#include "step_valid.h"
#include "step_world.h"

#include "fence/step.c" /* on_status() */

static bool taken;

void step_off_status(struct step *step, struct step_effects *effects)
{
    (void)step;
    (void)effects;
    taken = true;
}

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* A status of this guest, from the host that it is on. */
static bool is_its(const struct step *before, const struct step_event *event)
{
    return event->result->outcome == API_OK && event->decoded && event->node && before->place.node[0] &&
           is(event->node, before->place.node) && event->status.vmid == before->params.vmid;
}

static bool equal(const struct pve_status *one, const struct pve_status *other)
{
    return one->vmid == other->vmid && one->running == other->running && one->nics == other->nics &&
           one->traffic == other->traffic && one->ha_managed == other->ha_managed &&
           one->template == other->template && one->uptime_s == other->uptime_s &&
           is(one->ha_state, other->ha_state) && is(one->lock, other->lock);
}

/* What became known with this event, and what was lost. */
struct news {
    bool told;       /* it was a status of the guest */
    bool taken_over; /* by it the guest is HA's, or not any more */
    bool lost;       /* where the guest is */
};

static void claim_read(const struct step *before, const struct step *step, const struct step_event *event,
                       const struct news *news)
{
    const struct step_read *told = &(struct step_read){.status = event->status,
                                                       .asked_ms = event->result->asked_ms,
                                                       .received_ms = event->result->received_ms};
    const struct step_read *read = news->told ? told : &before->read;
    CLAIM(step->read.known == ((news->told || before->read.known) && !news->lost),
          "point 1: something is read where a status of this guest says so, from the host that it is on");
    CLAIM(equal(&step->read.status, &read->status), "point 1: it is what the last one of these has told");
    CLAIM(step->read.asked_ms == read->asked_ms && step->read.received_ms == read->received_ms,
          "point 1: and was asked for, and came, when that one was");
    CLAIM(step->params.template == (before->params.template || (news->told && event->status.template)),
          "a template is what anybody has called so");
}

/* What the reads have shown, before step_off_status() adds to it. */
static void claim_seen(const struct step *before, const struct step *step, const struct news *news)
{
    const struct step_seen *was = &before->seen, *seen = &step->seen;
    CLAIM(!taken || (news->told && !news->lost), "point 1: nothing else is taken for the proof");
    CLAIM(seen->running == (was->running && !news->lost), "point 4: read running stays, on this host");
    CLAIM(seen->running_ms == (news->lost                                ? 0
                               : news->told && step->read.status.running ? step->read.asked_ms
                                                                         : was->running_ms),
          "P1: and when it was read so last");
    CLAIM(seen->idle == (was->idle && !news->lost) && seen->idle_ms == (news->lost ? 0 : was->idle_ms),
          "point 4: what its host said to a stop stays, on this host");
    CLAIM(seen->stopped_ms == (news->lost ? 0 : was->stopped_ms) &&
              seen->stopped_read_ms == was->stopped_read_ms,
          "point 7: since when it is stopped stays, on this host");
    CLAIM(seen->devices == (was->devices && (!news->lost || step->ha.managed)),
          "point 7: devices stay seen, on this host or where HA moves it");
}

/* A stop was sent by us, or one of earlier may have killed. */
static bool is_stopped_by_us(const struct step *step)
{
    bool stopped = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        stopped |= i < step->calls.count &&
                   (call->inherited ? call->effect_ms != 0 : call->power == STEP_SEND_STOP && call->sent);
    }
    return stopped;
}

static void claim_ha(const struct step *before, const struct step *step, const struct step_event *event,
                     const struct news *news)
{
    const struct ha *was = &before->ha, *ha = &step->ha;
    const char *state = event->status.ha_state;
    bool told = news->told && event->status.ha_managed, same = !news->taken_over;
    bool running = event->status.running, stopped = is(state, "stopped");
    CLAIM(ha->managed == (news->told ? event->status.ha_managed : was->managed),
          "rule 5: the guest is HA's where its status says so");
    CLAIM(ha->taken_ms == (same ? was->taken_ms : 0),
          "point 6: what HA has taken stays, while the guest is HA's");
    CLAIM(ha->moved == ((same && was->moved) || (told && !stopped)),
          "point 6: the service was in another state where a status has told one");
    CLAIM(!ha->stopping || (told ? is(state, "request_stop") && (running || (same && was->stopping))
                                 : same && was->stopping),
          "point 6: it was read running in request_stop, and has been in that since");
    CLAIM(ha->calm_ms == (same ? was->calm_ms : 0) ||
              (ha->calm_ms == event->result->asked_ms && told && running && is(state, "started") &&
               !ha->changed && !ha->unasked),
          "point 7: HA stops nothing where the service runs, and none of what makes it stop was seen");
    CLAIM(ha->changed == (was->changed || (!same && is_stopped_by_us(before))),
          "point 7: a stop of before HA managed it, or since, is not forgotten");
    CLAIM(ha->unasked == (was->unasked || (told && stopped && running)),
          "point 7: nor that its host stops what runs in the state stopped");
    CLAIM(ha->fenced == (was->fenced && !told), "point 7: a host that tells of it was not fenced");
}

static void claim_calls(const struct step *before, const struct step *step, const struct step_event *event,
                        const struct news *news)
{
    const struct call *stop = valid_last(before, STEP_SEND_STOP);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i], *call = &step->calls.list[i];
        enum call_state state = was->state;
        int64_t settled_ms = was->settled_ms;
        if (i >= before->calls.count)
            continue;
        if (was == stop && news->taken_over && (state == CALL_OK || state == CALL_TASK)) {
            state = state == CALL_OK ? CALL_FAILED : CALL_OPEN;
            settled_ms = event->result->received_ms;
        }
        if (was == stop && news->lost && !step->ha.managed && state == CALL_OK)
            state = CALL_FAILED;
        CLAIM(call->state == state && call->settled_ms == settled_ms,
              "points 4 and 6: our stop proves nothing to HA that HA was not told, nor on another host; "
              "else a status settles no call");
        CLAIM(call->power == was->power && call->inherited == was->inherited && call->ha == was->ha &&
                  call->sent == was->sent && call->listed == was->listed && call->sent_ms == was->sent_ms &&
                  call->effect_ms == was->effect_ms && is(call->upid, was->upid) && is(call->node, was->node),
              "a call stays what it was");
    }
    CLAIM(step->calls.count == before->calls.count, "no record of a call is lost");
}

static void claim_rest(const struct step *before, const struct step *step, const struct step_event *event,
                       const struct step_effects *effects, const struct news *news)
{
    CLAIM(effects->send == STEP_SEND_NONE && !effects->verified, "what is read sends and answers nothing");
    CLAIM((step->phase == STEP_ENDED) == effects->ended && (effects->ended || step->phase == before->phase),
          "what ends is told, and nothing else begins");
    claim_course_stays(before, step);
    CLAIM(step->list.asked_ms == before->list.asked_ms, "nor is a list of tasks newer");
    CLAIM(news->lost ? is(step->place.lost_node, before->place.node)
                     : is(step->place.node, before->place.node),
          "P2: the guest is where it was, or is looked for");
    CLAIM(!news->lost ||
              (news->told ? is(event->status.lock, "migrate") : event->result->outcome == API_REFUSED),
          "P2: it is looked for where it is being migrated, or its host refuses to tell");
    CLAIM(step_is_valid(step), "the state stays valid");
}

/* What is counted with, or compared after it was. */
static void make_bools(struct step *step, struct pve_status *status)
{
    MAKE_BOOL(step->params.template);
    MAKE_BOOL(step->read.known);
    MAKE_BOOL(step->seen.running);
    MAKE_BOOL(step->seen.devices);
    MAKE_BOOL(step->seen.idle);
    MAKE_BOOL(step->ha.managed);
    MAKE_BOOL(step->ha.moved);
    MAKE_BOOL(step->ha.stopping);
    MAKE_BOOL(step->ha.fenced);
    MAKE_BOOL(step->ha.changed);
    MAKE_BOOL(step->ha.unasked);
    MAKE_BOOL(status->running);
    MAKE_BOOL(status->ha_managed);
    MAKE_BOOL(status->template);
}

void prove(void)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    make_bools(&before, &event.status);
    before.asks[ASK_STATUS].busy = false; /* as take_event() calls it */
    ASSUME(before.phase != STEP_ENDED && step_is_valid(&before));
    step = before;

    on_status(&step, &effects, &event);
    const bool told = is_its(&before, &event);
    const struct news news = {.told = told,
                              .taken_over = told && before.ha.managed != event.status.ha_managed,
                              .lost = before.place.node[0] && !step.place.node[0]};
    claim_read(&before, &step, &event, &news);
    claim_seen(&before, &step, &news);
    claim_ha(&before, &step, &event, &news);
    claim_calls(&before, &step, &event, &news);
    claim_rest(&before, &step, &event, &effects, &news);
    REACHED(taken && news.taken_over);
    REACHED(taken && event.status.running);
    REACHED(news.lost && told);
    REACHED(news.lost && !told);
    REACHED(!told && step.read.known);
    REACHED(effects.ended);
}
