/*
 * What becomes of a power call by its answer, by the end of its task, and where the guest is found (rule 6,
 * and the doubt of point 7): for every state, every answer and every meaning of Proxmox's words.
 */
#include "calls_world.h"
#include "step_world.h"

#include "proxmox/blame.h"

#include <string.h>

/* all of step_calls.c but these */
#define calls_see_boot plain_see_boot
#define calls_sending  plain_sending
#define calls_of_task  plain_of_task
#include "step_calls.c"
#undef calls_see_boot
#undef calls_sending
#undef calls_of_task

#define SECOND 1000

/* ---- what others say ---- */

static struct outside {
    enum pve_refusal words; /* the meaning of Proxmox's words … */
    bool own_lock_file;     /* … which name the guest's own lock file */
    enum blame whose;       /* the trouble */
    bool hopeless_login;    /* it ends the operation */
    bool task_of_ha;        /* the UPID is of a request to HA */
    int64_t uptime_s;       /* … and tells this of its host; 0: nothing */
    bool changed;           /* since when HA manages the guest, or not any more, a stop is unaccounted for */
    bool late;              /* nobody waits for a stop, or it is too old */
} outside;

static struct {
    bool told;
    int64_t at_ms;
} boot;

static enum pve_refusal words_mean(const char *words, char lock[static PVE_LOCK_MAX])
{
    (void)words;
    lock[0] = '\0';
    return outside.words;
}

static enum blame whose_trouble(enum api_call call, const struct api_result *result)
{
    (void)call;
    (void)result;
    return outside.whose;
}

static bool is_task_of_ha(const char *upid)
{
    (void)upid;
    return outside.task_of_ha;
}

static int64_t uptime_in(const char *upid)
{
    (void)upid;
    return outside.uptime_s * SECOND;
}

/* The call that is spoken of, in a place that CBMC knows. */
#define ITS 0

struct call *calls_sending(struct calls *calls)
{
    return &calls->list[ITS];
}

struct call *calls_of_task(struct calls *calls, const char *upid)
{
    (void)upid;
    return &calls->list[ITS];
}

void calls_see_boot(struct calls *calls, const char *node, int64_t booted_ms)
{
    (void)calls;
    (void)node;
    boot.told = true;
    boot.at_ms = booted_ms;
}

void step_fail(struct step *step, struct step_effects *effects, const struct error *error)
{
    (void)effects;
    (void)error;
    step->phase = STEP_ENDED;
}

bool step_refused_credentials(struct step *step, struct step_effects *effects,
                              const struct api_result *result, int64_t now_ms)
{
    (void)effects;
    (void)result;
    (void)now_ms;
    if (outside.hopeless_login)
        step->phase = STEP_ENDED;
    return outside.hopeless_login;
}

void step_ha_managed(struct step *step, struct step_effects *effects, bool managed, int64_t now_ms)
{
    (void)effects;
    (void)now_ms;
    step->ha.managed = managed;
    step->ha.changed = outside.changed;
}

void step_ha_refused(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    step_ha_managed(step, effects, true, now_ms);
}

void step_lose_node(struct step *step, int64_t now_ms)
{
    (void)now_ms;
    step->place.node[0] = '\0';
    step->seen.idle = false;
}

const char *step_host(const struct step *step)
{
    return step->place.node;
}

bool step_is_late(const struct step *step, int64_t now_ms)
{
    (void)step;
    (void)now_ms;
    return outside.late;
}

int64_t step_after(int64_t now_ms, bool under_way)
{
    return under_way ? now_ms + 1 : now_ms;
}

void step_read_status_now(struct step *step, int64_t now_ms)
{
    (void)step;
    (void)now_ms;
}

#define api_classify          words_mean
#define strstr(words, wanted) (outside.own_lock_file ? (words) : NULL)
#define blame_of              whose_trouble
#define upid_is_of_ha         is_task_of_ha
#define upid_uptime_ms        uptime_in
#include "fence/step_power.c"

/* ---- doc/design.md, the doubt of point 7 ---- */

/* By these words of a server error nobody has carried it out. */
static bool words_say_not_begun(void)
{
    return outside.words != PVE_REFUSAL_OTHER && (outside.words != PVE_REFUSAL_BUSY || outside.own_lock_file);
}

/* By these its task has not come to the guest. */
static bool words_say_not_touched(void)
{
    return outside.words == PVE_REFUSAL_LOCKED || outside.words == PVE_REFUSAL_MOVED ||
           outside.words == PVE_REFUSAL_TEMPLATE ||
           (outside.words == PVE_REFUSAL_BUSY && outside.own_lock_file);
}

/* Nothing was written of it, or nobody was there to write it to. */
static bool reached_nobody_at_all(const struct api_result *result)
{
    return result->outcome == API_UNSENT || (result->outcome == API_REFUSED && result->http_status == 595);
}

/* Proxmox has refused it (another one on the way may have passed it on). */
static bool is_proxmox_refusal(const struct api_result *result)
{
    return result->outcome == API_REFUSED && result->http_status < 500 && outside.whose != BLAME_ENDPOINT;
}

static bool is_server_error(const struct api_result *result)
{
    return result->outcome == API_REFUSED && result->http_status >= 500 && result->http_status != 595;
}

static bool is_not_carried_out(const struct api_result *result)
{
    return reached_nobody_at_all(result) || is_proxmox_refusal(result) ||
           (is_server_error(result) && words_say_not_begun());
}

/* ---- the answer ---- */

static bool equal(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* The guest is known to be on another host than it went to. */
static bool is_elsewhere(const struct step *before, const struct call *call)
{
    return !before->ha.managed && before->place.node[0] && !equal(before->place.node, call->node);
}

/* What is left of the call (rule 6): it may come where nobody knows what became of it, … */
static enum call_state state_by(const struct api_result *result, bool elsewhere)
{
    if (result->outcome == API_LOST)
        return CALL_OPEN;
    if (elsewhere)
        return CALL_FAILED; /* there it can only fail */
    if (result->outcome == API_OK)
        return CALL_TASK;
    return is_not_carried_out(result) || (result->http_status < 500 && words_say_not_begun()) ? CALL_FAILED
                                                                                              : CALL_OPEN;
}

/* … and a list of tasks has to show it, if it can have made one. */
static bool can_be_listed(const struct api_result *result, bool elsewhere)
{
    return elsewhere ? !reached_nobody_at_all(result) : state_by(result, false) != CALL_FAILED;
}

static void claim_answered(const struct step *before, const struct step *step,
                           const struct api_result *result, int64_t now_ms)
{
    const struct call *was = &before->calls.list[ITS], *call = &step->calls.list[ITS];
    bool elsewhere = is_elsewhere(before, was);
    CLAIM(call->effect_ms == (is_not_carried_out(result) ? 0 : was->effect_ms),
          "point 7: no doubt is left exactly where nobody has carried it out");
    if (outside.hopeless_login)
        return;
    CLAIM(call->state == state_by(result, elsewhere), "rule 6: what may still come is open");
    CLAIM(call->listed == (can_be_listed(result, elsewhere) ? was->listed : 0) ||
              (elsewhere && call->listed == 1),
          "rule 6: a list of tasks shows what can have made one");
    CLAIM(call->settled_ms == (result->outcome == API_UNSENT && !elsewhere
                                   ? was->settled_ms
                                   : now_ms + (before->asks[ASK_STATUS].busy ? 1 : 0)),
          "point 4: only reads asked for from now on tell what it did");
    REACHED(elsewhere && result->outcome == API_LOST);
    REACHED(!elsewhere && call->state == CALL_OPEN && is_server_error(result));
    REACHED(!elsewhere && call->state == CALL_FAILED && is_server_error(result));
}

/* A task was made on the guest's host. */
static void claim_taken(const struct step *before, const struct step *step, const struct call *call)
{
    bool stop = call->power == STEP_SEND_STOP;
    unsigned left = 0;
    bool doubt = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i];
        bool there = i < before->calls.count;
        left += there && !was->inherited && was->power == STEP_SEND_STOP ? was->listed : 0;
        doubt |= there && was->inherited && was->effect_ms != 0;
    }
    CLAIM(call->ha == outside.task_of_ha && step->ha.managed == outside.task_of_ha,
          "point 6: the guest is HA's if its task says so");
    CLAIM(step->ha.changed == (outside.changed && (!stop || left > 1 || doubt)),
          "point 7: that HA took it over counts for nothing where no other stop can have done anything");
    CLAIM(boot.told == (stop && !call->ha && outside.uptime_s != 0),
          "point 7: the task of a stop tells when its host has booted");
    CLAIM(!boot.told || boot.at_ms == call->sent_ms - outside.uptime_s * (SECOND + 1),
          "point 7: or a little earlier, by one thousandth, for the clocks of two");
    REACHED(boot.told);
    REACHED(step->ha.managed && !step->ha.changed && outside.changed);
}

/* ---- the end of its task ---- */

static void claim_ended(const struct step *before, const struct step *step, const struct step_event *event)
{
    const struct call *was = &before->calls.list[ITS], *call = &step->calls.list[ITS];
    bool told = event->result->outcome == API_OK && event->decoded && event->task.ended;
    bool failed = told && !event->task.ok;
    bool awaited = before->phase != STEP_POWERING_ON || was->power == STEP_SEND_START;
    bool unknown = event->result->outcome == API_REFUSED && event->result->http_status == 400;
    bool gone =
        event->result->outcome != API_OK && before->ha.managed && event->now_ms - was->sent_ms >= 15 * SECOND;
    CLAIM(!failed || call->state == (was->inherited ? CALL_ENDED : CALL_FAILED),
          "rule 6: a task that has failed does not come any more");
    CLAIM(told || call->state == (unknown || gone ? CALL_OPEN : CALL_TASK),
          "rule 6: one of which nobody knows is open, as is HA's when its host is silent for so long");
    CLAIM(!failed || call->settled_ms == event->now_ms + (before->asks[ASK_STATUS].busy ? 1 : 0),
          "point 4: only reads asked for from now on tell what it did");
    CLAIM(call->effect_ms ==
              (failed && awaited && !was->inherited && words_say_not_touched() ? 0 : was->effect_ms),
          "point 7: no doubt is left exactly where it failed before Proxmox touches the guest");
    CLAIM(call->listed == was->listed, "rule 6: a list of tasks shows it all the same");
    REACHED(failed && call->effect_ms != 0);
    REACHED(failed && call->effect_ms == 0 && was->effect_ms != 0);
}

/* The start waits for the end of a stop's task, and little else can be won. */
static void claim_gap(const struct step *before, const struct step *step, const struct step_event *event,
                      const struct call *call)
{
    const struct ask *was = &before->asks[ASK_TASK], *ask = &step->asks[ASK_TASK];
    int64_t grown_ms = was->gap_ms + was->gap_ms / 2, more_ms = ask->gap_ms - 20;
    int64_t waited_ms = event->now_ms - before->course.verified_ms;
    bool hurry = before->phase == STEP_POWERING_ON && call->power != STEP_SEND_START;
    CLAIM(ask->gap_ms <= grown_ms && ask->gap_ms <= 500, "rule 2: the gap grows, up to 500 ms");
    CLAIM(!hurry || more_ms * 150 <= waited_ms,
          "rule 6: the end of the stop's task, which the start waits for, is looked for all the time");
    CLAIM(ask->gap_ms == grown_ms || ask->gap_ms == 500 || (hurry && waited_ms < (more_ms + 1) * 150),
          "rule 2: and no more often than that");
    REACHED(ask->gap_ms == 500 && !hurry);
    REACHED(ask->gap_ms < grown_ms && hurry);
}

/* ---- no other call ---- */

static void claim_others(const struct step *before, const struct step *step)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i], *call = &step->calls.list[i];
        if (i < before->calls.count && i != ITS)
            CLAIM(call->state == was->state && call->listed == was->listed &&
                      call->settled_ms == was->settled_ms && call->effect_ms == was->effect_ms,
                  "rule 6, point 7: of another call nothing is told by that");
    }
    CLAIM(step->calls.count == before->calls.count, "no record of a call is lost");
}

/* ---- the guest's host ---- */

static void claim_located(const struct step *before, const struct step *step)
{
    const struct step_list *was = &before->list, *list = &step->list;
    bool back = equal(before->place.lost_node, before->place.node);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        CLAIM(step->calls.list[i].effect_ms == before->calls.list[i].effect_ms &&
                  step->calls.list[i].listed == before->calls.list[i].listed,
              "point 7, rule 6: what a call may have done is not told by that");
    CLAIM(step->seen.idle == (back && before->seen.idle) &&
              step->seen.idle_ms == (back ? before->seen.idle_ms : 0),
          "point 4: what another host has said of a container proves nothing here");
    CLAIM(list->asked_ms == (back ? was->asked_ms : 0) &&
              list->prior_starts == (back ? was->prior_starts : 0) &&
              list->prior_failed_starts == (back ? was->prior_failed_starts : 0),
          "rule 6: what a list of tasks says is of its host, where the guest comes back, too");
    REACHED(back && before->place.node[0]);
}

static void claim_scope(const struct step *step)
{
    const char *host = step_scope(step);
    CLAIM(step->ha.managed ? !host : host && equal(host, step->place.node),
          "rule 6: a call matters on the guest's host, and for HA on any");
}

static void claim_go(const struct step *step, int64_t now_ms)
{
    bool news = now_ms - step->calls.list[ITS].sent_ms <= 50;
    CLAIM(step_may_go(step, now_ms) == (!outside.late || news),
          "P4: a late call goes exactly when it was decided on a moment ago");
}

/* ---- any state ---- */

static void any_world(struct step *step, struct step_event *event)
{
    struct outside any;
    any_step(step);
    any_event(event);
    ASSUME(any.words >= PVE_REFUSAL_OTHER && any.words <= PVE_REFUSAL_PERMISSION);
    ASSUME(any.whose >= BLAME_NOBODY && any.whose <= BLAME_HOST);
    any.uptime_s = (uint8_t)any.uptime_s;
    MAKE_BOOL(any.task_of_ha);
    MAKE_BOOL(any.changed);
    MAKE_BOOL(step->seen.idle);
    MAKE_BOOL(step->ha.managed);
    NEAR(step->asks[ASK_TASK].gap_ms);
    outside = any;
    boot.told = false;
    ASSUME(step->phase != STEP_ENDED);
}

void prove(void)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_world(&before, &event);
    step = before;
    claim_scope(&before);
    ASSUME(before.calls.count > ITS);
    const struct call *its = &before.calls.list[ITS];

    unsigned what;
    if (what == 0) {
        ASSUME(its->state == CALL_SENDING && !its->inherited && its->sent == 1 && its->listed == 1);
        claim_go(&before, event.now_ms);
        step_power_answered(&step, &effects, &event);
        claim_others(&before, &step);
        claim_answered(&before, &step, event.result, event.now_ms);
        if (step.calls.list[ITS].state == CALL_TASK)
            claim_taken(&before, &step, &step.calls.list[ITS]);
    } else if (what == 1) {
        ASSUME(its->state == CALL_TASK && before.course.verified_ms <= event.now_ms);
        step_power_task(&step, &effects, &event);
        claim_others(&before, &step);
        if (!outside.hopeless_login) {
            claim_ended(&before, &step, &event);
            claim_gap(&before, &step, &event, its);
        }
    } else {
        step_power_located(&step, event.now_ms);
        claim_located(&before, &step);
    }
}
