/*
 * What a status shows beside those before it (point 7), when the guest is stopped before it was read (rule 1,
 * and the doubt of point 7), and what follows a proven off (rule 6): for every state.
 */
#include "calls_world.h"
#include "step_world.h"

#include <string.h>

#define SECOND 1000

/* ---- what others say ---- */

static enum proof_point point;

static enum proof_point any_point(const struct proof_facts *facts)
{
    (void)facts;
    return point;
}

enum proof_ha_state ha_state(const char *state)
{
    (void)state;
    return PROOF_HA_OTHER;
}

void step_dead_facts(const struct step *step, struct proof_facts *facts)
{
    (void)step;
    (void)facts;
}

const char *step_host(const struct step *step)
{
    return step->place.node;
}

const char *step_scope(const struct step *step)
{
    return step->ha.managed ? NULL : step->place.node;
}

void step_end(struct step *step, struct step_effects *effects, enum operation_outcome outcome)
{
    step->phase = STEP_ENDED;
    effects->outcome = outcome;
}

void step_fail(struct step *step, struct step_effects *effects, const struct error *error)
{
    (void)error;
    step_end(step, effects, OPERATION_FAILED);
}

void step_verify(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step->course.verified_ms = now_ms;
    effects->verified = true;
    calls_prove_off(&step->calls, now_ms);
}

void step_watch(struct step *step, struct step_effects *effects, const char *call)
{
    (void)effects;
    (void)call;
    step->phase = STEP_WATCHING;
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

/* Proven in proof_is_gap. */
static struct {
    bool asked, is;
    struct proof_between between;
} gap;

static bool any_gap(const struct proof_between *between)
{
    gap.asked = true;
    gap.between = *between;
    return gap.is;
}

/* Proven in calls_plain. */
static struct {
    bool asked;
    unsigned whose;
    int64_t until_ms;
} forgotten;

static void forget_effects(struct calls *calls, unsigned whose, int64_t until_ms)
{
    (void)calls;
    forgotten.asked = true;
    forgotten.whose = whose;
    forgotten.until_ms = until_ms;
}

#define proof_of             any_point
#define proof_is_gap         any_gap
#define calls_forget_effects forget_effects
#include "fence/step_off.c"

/* ---- a status ---- */

static bool equal(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* It matters on the guest's host; of HA's, and of those that went nobody knows where, on any. */
static bool is_here(const struct step *step, const struct call *call)
{
    return step->ha.managed || call->ha || !call->node[0] || equal(call->node, step->place.node);
}

/* So long a call without a known end may still be carried out (rule 6); of others nothing is asked. */
static int64_t comes_until(const struct call *call)
{
    return (call->state == CALL_OPEN ? call->settled_ms : call->sent_ms) + 60 * SECOND;
}

static bool is_coming(const struct call *call)
{
    return call->state == CALL_TASK || call->state == CALL_OPEN;
}

static const struct call *last_stop(const struct step *step)
{
    static const struct call none;
    const struct call *last = &none;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i < step->calls.count && call->power == STEP_SEND_STOP && !call->inherited)
            last = call;
    }
    return last;
}

/* What is asked of the silence since the last reading of "stopped" (point 7). */
static void claim_gap(const struct step *before)
{
    const struct proof_between *between = &gap.between;
    const struct call *stop = last_stop(before);
    bool others = before->ha.managed || before->ha.changed || before->ha.unasked;
    bool under_way = stop->state == CALL_TASK || stop->state == CALL_SENDING;
    CLAIM(between->asked_ms == before->seen.stopped_read_ms &&
              between->received_ms == before->read.received_ms,
          "point 7: it lasts from when the last reading was asked for until this one has come");
    CLAIM(between->others == others, "point 7: HA, or who acts unasked, may stop a guest in it");
    CLAIM(between->under_way == under_way && between->ended_ms == stop->settled_ms,
          "point 7: so may a stop of ours that runs, or has ended since");
    CLAIM(between->stop_timeout_ms == before->params.stop_timeout_ms, "point 7: and kill it after that time");
}

static void claim_status(const struct step *before, const struct step *step)
{
    const struct step_seen *was = &before->seen, *seen = &step->seen;
    const struct step_read *read = &before->read;
    bool running = read->status.running;
    bool shows = before->params.type == PVE_LXC ? read->status.traffic : read->status.nics;
    CLAIM(forgotten.asked == running, "point 7: a doubt ends where the guest runs");
    CLAIM(!running || (forgotten.whose == CALLS_INHERITED &&
                       forgotten.until_ms == read->asked_ms - (read->status.uptime_s + 1) * SECOND),
          "point 7: that of an earlier operation, whose stop can have killed only before it was started");
    CLAIM(seen->devices == (shows || (was->devices && !running)),
          "point 7: devices are seen where they were when it last ran, or since");
    CLAIM(seen->running == (was->running || running), "point 4: it was read running where it was");
    CLAIM(!running || seen->stopped_ms == 0, "point 7: what runs is not stopped");
    CLAIM(running ||
              seen->stopped_ms == (was->stopped_ms == 0 || gap.is ? read->received_ms : was->stopped_ms),
          "point 7: it is stopped since it first read so, or since it may have been started and killed");
    CLAIM(seen->stopped_read_ms == (running ? was->stopped_read_ms : read->asked_ms),
          "point 7: and was read so last when that was asked for");
    CLAIM(!running || (!seen->idle && seen->idle_ms == 0), "point 4: what its host said before is of before");
    bool powers_off = before->phase == STEP_POWERING_OFF;
    CLAIM(seen->off == (powers_off && point == PROOF_HOSTS), "P1: only the hosts' word is missing");
    CLAIM(!seen->off || seen->off_received_ms == read->received_ms + (before->asks[ASK_HOSTS].busy ? 1 : 0),
          "point 5: a list of hosts counts that was asked for after it came, not one under way then");
    CLAIM((step->phase == STEP_ENDED) == (powers_off && point == PROOF_UNDEAD),
          "point 7: where nothing tells death from undeath it ends at once");
    REACHED(gap.asked && gap.is && seen->stopped_ms != was->stopped_ms);
    REACHED(seen->off);
}

/* ---- the first stop ---- */

static void claim_first_stop(const struct step *before, bool wants, int64_t now_ms)
{
    bool doubt = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before->calls.list[i];
        doubt = doubt || (i < before->calls.count && call->inherited && call->effect_ms != 0);
    }
    /* it is read, and that does not take long yet */
    bool reads = !before->read.known && before->read.slow_ms != 0;
    bool late = before->course.no_asker || now_ms - before->course.not_before_ms >= 30 * SECOND;
    bool first =
        last_stop(before)->state == CALL_NONE && !late && !before->asks[ASK_POWER].busy && !before->seen.off;
    CLAIM(!first || wants == !(doubt && reads),
          "rule 1, point 7: the stop goes at once, but to a guest in doubt that is just being read");
    REACHED(first && !wants);
    REACHED(first && wants && doubt);
}

/* ---- off is proven ---- */

static void claim_proven(const struct step *before, const struct step *step, int64_t now_ms)
{
    int64_t until_ms = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &before->calls.list[i];
        if (i < before->calls.count && call->power == STEP_SEND_START && is_coming(call) &&
            is_here(before, call) && comes_until(call) > until_ms)
            until_ms = comes_until(call);
    }
    bool reboot = before->params.action == FENCE_REBOOT, watched = !before->ha.managed && until_ms > now_ms;
    CLAIM(step->phase == (reboot    ? STEP_POWERING_ON
                          : watched ? STEP_WATCHING
                                    : STEP_ENDED),
          "rule 6: an off is watched exactly while a start may still undo it, but for HA's");
    CLAIM(step->phase != STEP_WATCHING || step->course.watch_until_ms == until_ms, "rule 6: and as long");
    CLAIM(!reboot || step->list.failed == 0, "rule 6: three lists may fail from now on before it is started");
    REACHED(step->phase == STEP_WATCHING);
    REACHED(step->phase == STEP_ENDED && until_ms > now_ms);
}

static void prove_status(struct step *before, bool running)
{
    struct step step;
    struct step_effects effects = {0};
    before->read.status.running = running; /* CBMC need not follow both at once */
    step = *before;
    step_off_status(&step, &effects);
    claim_status(before, &step);
    if (gap.asked)
        claim_gap(before);
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms;
    any_step(&before);
    NEAR(now_ms);
    ASSUME(now_ms > 0 && before.phase != STEP_ENDED);
    MAKE_BOOL(before.read.status.nics);
    MAKE_BOOL(before.read.status.traffic);
    MAKE_BOOL(before.seen.running);
    MAKE_BOOL(before.seen.devices);
    MAKE_BOOL(before.seen.off);
    MAKE_BOOL(before.ha.managed);
    MAKE_BOOL(before.ha.changed);
    MAKE_BOOL(before.ha.unasked);
    enum proof_point any;
    ASSUME(any >= 0 && any <= PROOF_OFF);
    point = any;
    bool any_is;
    gap.is = any_is;
    MAKE_BOOL(gap.is);
    step = before;

    unsigned what;
    if (what == 0) {
        /* of what runs nothing else is missing */
        ASSUME(any == PROOF_NOT_READ || any == PROOF_RUNS);
        prove_status(&before, true);
    } else if (what == 1) {
        prove_status(&before, false);
    } else if (what == 2) {
        bool wants = wants_stop(&step, &effects, now_ms);
        claim_first_stop(&before, wants, now_ms);
    } else {
        struct proof_hosts hosts;
        struct proof_facts facts = {.hosts = &hosts};
        step_off_proven(&step, &effects, &facts, now_ms);
        claim_proven(&before, &step, now_ms);
    }
}
