/*
 * What is kept of our calls and of a doubt when HA turns out to manage the guest, loses its host, or shows it
 * elsewhere (point 7, rule 6), and that HA is asked to start nothing that a stop of ours may still hit: for
 * every state.
 */
#include "calls_world.h"
#include "step_world.h"

#include <string.h>

/* ---- what others say and do ---- */

static bool held_back, disarmed;

bool step_is_held_back(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    (void)step;
    (void)effects;
    (void)now_ms;
    return held_back;
}

bool step_dead_disarmed(const struct step *step)
{
    (void)step;
    return disarmed;
}

bool step_dead_is_waited_for(const struct step *step)
{
    bool any;
    (void)step;
    return any;
}

bool step_is_news(const struct step *step, int64_t now_ms)
{
    bool any;
    (void)step;
    (void)now_ms;
    return any;
}

bool step_may_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    bool any;
    (void)step;
    (void)effects;
    (void)power;
    (void)now_ms;
    return any;
}

bool step_ask(struct step *step, struct step_effects *effects, enum ask_kind kind, int64_t now_ms)
{
    bool any;
    (void)step;
    (void)effects;
    (void)kind;
    (void)now_ms;
    return any;
}

void step_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms)
{
    (void)step;
    (void)now_ms;
    effects->send = power;
}

void step_settle(const struct step *step, struct call *call, enum call_state state, int64_t now_ms)
{
    (void)step;
    call->state = state;
    call->settled_ms = now_ms;
}

void step_lose_node(struct step *step, int64_t now_ms)
{
    (void)now_ms;
    step->place.node[0] = '\0';
}

void step_fail(struct step *step, struct step_effects *effects, const struct error *error)
{
    (void)effects;
    (void)error;
    step->phase = STEP_ENDED;
}

const char *step_host(const struct step *step)
{
    return step->place.node;
}

#include "fence/step_ha.c"

/* ---- */

static bool equal(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* This operation's last one of the kind. */
static bool is_last(const struct step *step, unsigned its, enum step_power power)
{
    bool last = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i < step->calls.count && call->power == power && !call->inherited)
            last = i == its;
    }
    return last;
}

/* A stop of an earlier operation may have killed. */
static bool in_doubt(const struct step *step)
{
    bool doubt = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        doubt = doubt || (i < step->calls.count && call->inherited && call->effect_ms != 0);
    }
    return doubt;
}

/* A call was refused, for HA manages the guest. */
static void claim_refused(const struct step *before, const struct step *step)
{
    unsigned sent = 0, left = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before->calls.list[i];
        bool own = i < before->calls.count && call->power == STEP_SEND_STOP && !call->inherited;
        sent += own ? call->sent : 0;
        left += own ? call->listed : 0;
    }
    bool changed = before->ha.changed || (!before->ha.managed && (sent > 0 || in_doubt(before)));
    CLAIM(step->ha.managed, "rule 5: it is HA's by that");
    CLAIM(step->ha.changed == (changed && (left > 0 || in_doubt(before))),
          "point 7: a stop from before that counts exactly where one can have reached anybody");
    REACHED(changed && !step->ha.changed);
    REACHED(!before->ha.changed && step->ha.changed);
}

/* Of a task on a host that is gone nobody tells any more. */
static void claim_left(const struct step *before, const struct step *step, bool gone)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i];
        bool last = is_last(before, i, STEP_SEND_STOP) || is_last(before, i, STEP_SEND_START);
        bool lost = gone && last && was->state == CALL_TASK && equal(was->node, before->place.node);
        CLAIM(i >= before->calls.count || step->calls.list[i].state == (lost ? CALL_OPEN : was->state),
              "rule 6: a task of ours there is open, and no other call");
    }
}

/* A list of guests names the host of one that is HA's. */
static void claim_listed(const struct step *before, const struct step *step, const struct step_event *event)
{
    bool elsewhere = !equal(event->node, before->place.node), fenced = elsewhere && before->ha.fenced;
    bool fences = !elsewhere && before->place.offline && !disarmed && event->ha_state &&
                  (equal(event->ha_state, "fence") || equal(event->ha_state, "recovery"));
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i];
        CLAIM(i >= before->calls.count ||
                  step->calls.list[i].effect_ms == (fenced && was->inherited ? 0 : was->effect_ms),
              "point 7: a doubt ends exactly where HA has fenced its host and brought it up elsewhere");
    }
    CLAIM(step->ha.calm_ms == (fenced ? event->now_ms : before->ha.calm_ms),
          "point 7: there nothing that stops it has begun before now");
    CLAIM(step->ha.changed == (before->ha.changed && !fenced) &&
              step->ha.unasked == (before->ha.unasked && !fenced),
          "point 7: nor does it count what did");
    CLAIM(step->ha.fenced == ((before->ha.fenced && !elsewhere) || fences),
          "point 7: HA fences its host where that is offline and a list says so");
    claim_left(before, step, elsewhere && before->place.node[0]);
    REACHED(fenced);
    REACHED(fences);
}

static void claim_start(const struct step *before, const struct step_effects *effects, int64_t now_ms)
{
    int64_t since_ms = before->course.verified_ms ? before->course.verified_ms : before->course.not_before_ms;
    const char *state = before->place.offline ? before->ha.listed : before->read.status.ha_state;
    int64_t told_ms = before->place.offline ? before->ha.listed_ms : before->read.asked_ms;
    (void)now_ms;
    CLAIM(effects->send == STEP_SEND_NONE || effects->send == STEP_SEND_START,
          "it is asked for nothing else");
    CLAIM(effects->send == STEP_SEND_NONE || !held_back, "rule 6: not while a stop of ours may come");
    CLAIM(effects->send == STEP_SEND_NONE || (equal(state, "stopped") && told_ms >= since_ms),
          "rule 5: only a service that is stopped, by a word from after what is done");
    CLAIM(effects->send == STEP_SEND_NONE || (before->course.may_send && !before->asks[ASK_POWER].busy),
          "P5, P6: when the intent is recorded, and nothing else is being sent");
    REACHED(effects->send == STEP_SEND_START && before->place.offline);
    REACHED(effects->send == STEP_SEND_START && !before->place.offline);
}

void prove(void)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    struct node_census census;
    any_step(&before);
    any_event(&event);
    END(census.other);
    MAKE_BOOL(before.ha.changed);
    MAKE_BOOL(before.ha.unasked);
    MAKE_BOOL(before.ha.fenced);
    MAKE_BOOL(before.ha.managed);
    MAKE_BOOL(before.place.offline);
    bool any_held, any_disarmed;
    held_back = any_held;
    disarmed = any_disarmed;
    step = before;

    unsigned what;
    if (what == 0) {
        step_ha_refused(&step, &effects, event.now_ms);
        claim_refused(&before, &step);
    } else if (what == 1) {
        ASSUME(event.node && before.ha.managed);
        step_ha_listed(&step, &effects, &event);
        claim_listed(&before, &step, &event);
    } else if (what == 2) {
        step_ha_host_offline(&step, &effects, &census, event.now_ms);
        claim_left(&before, &step, true);
    } else {
        step_ha_on_decide(&step, &effects, event.now_ms);
        claim_start(&before, &effects, event.now_ms);
    }
}
