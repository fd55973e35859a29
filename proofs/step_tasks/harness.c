/*
 * A list of tasks tells of power calls what it shows, and settles none but those whose end nobody else knows,
 * where it shows that all have ended (rule 6): for every valid state and every such answer, up to where
 * step_power_listed() takes the end of the stop's own task from it.
 */
#include "step_stays.h"
#include "step_valid.h"
#include "step_world.h"

/* all of step_power.c but the one */
#define step_power_listed step_power_listed_itself
#include "fence/step_power.c" /* step_scope() */
#undef step_power_listed

#define LISTED (1u << 20) /* no list has so many tasks */

static bool handed_on;

void step_power_listed(struct step *step, struct step_effects *effects, const struct step_event *event)
{
    (void)step;
    (void)effects;
    (void)event;
    handed_on = true;
}

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* It matters on the guest's host: it went there, or HA has it, or nobody knows where it went. */
static bool is_here(const struct step *step, const struct call *call)
{
    return step->ha.managed || call->ha || !call->node[0] || is(call->node, step->place.node);
}

/* The list is of the guest's host, or of the one that was asked to have HA stop it. */
static bool is_its(const struct step *step, const struct step_event *event)
{
    const struct call *stop = valid_last(step, STEP_SEND_STOP);
    if (!event->node)
        return false;
    if (step->ha.managed && stop && stop->node[0])
        return is(event->node, stop->node);
    return is(event->node, step->place.node);
}

/* None of the stops runs that began since the request, at least as many began as can be ours and those of
 * earlier operations, and ours had all been sent when it was asked for. */
static bool shows_all_ended(const struct step *step, const struct step_event *event)
{
    const struct call *stop = valid_last(step, STEP_SEND_STOP);
    unsigned ours = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i < step->calls.count && call->power == STEP_SEND_STOP && is_here(step, call))
            ours += call->listed;
    }
    return event->tasks.running == 0 && event->tasks.begun >= ours &&
           event->result->asked_ms >= (stop ? stop->sent_ms : 0);
}

/* Starts are told apart where a task of ours has a name there: after a proven off, of one sent before. */
static bool is_compared(const struct step *step)
{
    bool off = step->params.action == FENCE_OFF && step->course.verified_ms;
    bool known = false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        known |= i < step->calls.count && !call->inherited && call->upid[0] &&
                 is(call->node, step->place.node) && (!off || call->sent_ms <= step->course.verified_ms);
    }
    return known;
}

static void claim_calls(const struct step *before, const struct step *step, const struct step_event *event,
                        bool read)
{
    bool all_ended = read && shows_all_ended(before, event);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *was = &before->calls.list[i], *call = &step->calls.list[i];
        bool ends =
            all_ended && was->power == STEP_SEND_STOP && was->state == CALL_OPEN && is_here(before, was);
        if (i >= before->calls.count)
            continue;
        CLAIM(
            call->state == (ends ? CALL_ENDED : was->state),
            "rule 6: a stop without a known end has ended exactly where its host's list shows that all have");
        CLAIM(call->settled_ms == (ends ? event->now_ms : was->settled_ms), "rule 6: by now");
        CLAIM(call->effect_ms == was->effect_ms, "point 7: what it may have done, no list tells");
        CLAIM(call->power == was->power && call->inherited == was->inherited && call->ha == was->ha &&
                  call->sent == was->sent && call->listed == was->listed && call->sent_ms == was->sent_ms &&
                  is(call->upid, was->upid) && is(call->node, was->node),
              "a call stays what it was");
        REACHED(ends && was->inherited);
        REACHED(!ends && was->state == CALL_OPEN && read);
    }
    CLAIM(step->calls.count == before->calls.count, "no record of a call is lost");
}

static void claim_list(const struct step *before, const struct step *step, const struct step_event *event,
                       bool read)
{
    const struct step_list *was = &before->list, *list = &step->list;
    bool compared = is_compared(before);
    const struct pve_task_count *starts = &event->starts;
    CLAIM(list->asked_ms == (read && !before->asks[ASK_POWER].busy ? event->result->asked_ms : was->asked_ms),
          "rule 6: it is as new as it was asked for, unless a call was under way whose task it may show");
    CLAIM(list->received_ms == (read ? event->now_ms : was->received_ms), "and came now");
    CLAIM(list->newer_stops == (read ? event->tasks.newer : was->newer_stops) &&
              list->failed_stops == (read ? event->tasks.newer_failed : was->failed_stops),
          "rule 6: stops that are newer than our last task are as many as it shows");
    CLAIM(list->newer_starts == (!read      ? was->newer_starts
                                 : compared ? starts->newer
                                            : starts->begun) &&
              list->failed_starts == (!read      ? was->failed_starts
                                      : compared ? starts->newer_failed
                                                 : starts->failed),
          "rule 6: and so are starts");
    CLAIM(!read ? !list->newer_running == !was->newer_running
                : list->newer_running == (event->tasks.newer_running != 0 ||
                                          (compared ? starts->newer_running : starts->running) != 0),
          "rule 6: one of them runs where it shows one that does");
    CLAIM(list->prior_starts == was->prior_starts && list->prior_failed_starts == was->prior_failed_starts &&
              !list->wanted == !was->wanted,
          "what was passed over before stays so");
}

static void claim_rest(const struct step *before, const struct step *step, const struct step_effects *effects)
{
    const struct step_seen *saw = &before->seen, *seen = &step->seen;
    CLAIM(effects->send == STEP_SEND_NONE && !effects->verified && !effects->ended &&
              step->phase == before->phase,
          "it sends, answers and ends nothing");
    claim_course_stays(before, step);
    claim_nothing_read(before, step);
    CLAIM(seen->running == saw->running && seen->idle == saw->idle && seen->idle_ms == saw->idle_ms &&
              seen->devices == saw->devices && seen->stopped_ms == saw->stopped_ms &&
              seen->stopped_read_ms == saw->stopped_read_ms && seen->off == saw->off,
          "point 4: nor seen");
    CLAIM(step->ha.managed == before->ha.managed && step->ha.taken_ms == before->ha.taken_ms &&
              step->ha.moved == before->ha.moved && step->ha.calm_ms == before->ha.calm_ms,
          "point 6: nor known of HA");
    CLAIM(is(step->place.node, before->place.node), "P2: the guest stays where it was");
    CLAIM(step_is_valid(step), "the state stays valid");
}

void prove(void)
{
    struct step before, step;
    struct step_event event;
    struct step_effects effects = {0};
    any_step(&before);
    any_event(&event);
    ASSUME(before.phase != STEP_ENDED && step_is_valid(&before));
    ASSUME(event.tasks.newer_running < LISTED && event.starts.newer_running < LISTED &&
           event.starts.running < LISTED);
    step = before;

    step_take_tasks(&step, &effects, &event);
    const bool its = is_its(&before, &event);
    const bool read = its && event.result->outcome == API_OK && event.decoded;
    CLAIM(handed_on == read, "the stop's own task is looked for in what was read of the guest's host");
    CLAIM(step.list.failed == (read ? 0 : before.list.failed + (its ? 1 : 0)),
          "rule 6: so many of that host could not be read in a row");
    claim_calls(&before, &step, &event, read);
    claim_list(&before, &step, &event, read);
    claim_rest(&before, &step, &effects);
    REACHED(read && before.ha.managed);
    REACHED(its && !read);
    REACHED(!its);
}
