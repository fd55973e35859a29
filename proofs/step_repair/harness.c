/*
 * Rule 6, after an answered off: what is stopped once more is what a start of ours brought, and nobody
 * else's. For every state in which the machine watches a guest that was off.
 */
#include "step_world.h"

#include <string.h>

#define SECOND 1000

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* It runs by a read of the last 50 ms, and by its uptime it has since before that moment. */
static bool still_runs(const struct step *step, int64_t since_ms, int64_t now_ms)
{
    const struct step_read *read = &step->read;
    return read->known && read->status.running && now_ms - read->received_ms <= 50 &&
           read->received_ms - read->status.uptime_s * SECOND < since_ms;
}

/* How many of the kind this operation has sent, and what is known of the last one. */
struct own_calls {
    unsigned records, sent;
    struct call last;
};

static struct own_calls own_calls(const struct step *step, enum step_power power)
{
    struct own_calls own = {.last = {.state = CALL_NONE}};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        if (i >= step->calls.count || call->power != power || call->inherited)
            continue;
        own.records++;
        own.sent += call->sent;
        own.last = *call;
    }
    return own;
}

/* All tasks in a list that was asked for after the read have ended, and of the starts in it that are newer
 * than what was known before one has worked; there are no more of them than starts of ours without a known
 * answer. */
static bool a_start_of_ours_did_it(const struct step *step)
{
    const struct step_list *list = &step->list;
    unsigned open = 0, worked = list->newer_starts - list->vain_starts;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &step->calls.list[i];
        bool here = step->ha.managed || call->ha || !call->node[0] || is(call->node, step->place.node);
        bool unnamed = call->state == CALL_OPEN || (call->state == CALL_ENDED && !call->inherited);
        if (i < step->calls.count && call->power == STEP_SEND_START && here && unnamed)
            open += call->listed;
    }
    return list->asked_ms >= step->read.received_ms && !list->newer_running && worked > 0 &&
           list->newer_starts - list->former_vain_starts <= open &&
           list->newer_starts - list->former_starts > list->vain_starts - list->former_vain_starts;
}

void prove(void)
{
    struct step before, step;
    struct step_effects effects = {0};
    int64_t now_ms, deadline_ms;
    any_step(&before);
    ASSUME(now_ms > 0 && now_ms < INT64_C(1) << 53);
    before.phase = STEP_WATCHING;
    before.params.action = FENCE_OFF;
    ASSUME(before.place.node[0]);
    /* of those in a list no more have failed than there are */
    ASSUME(before.list.vain_starts <= before.list.newer_starts &&
           before.list.former_vain_starts <= before.list.former_starts);
    ASSUME(step_is_valid(&before) && deadline_ms > 0);
    effects.wake_ms = deadline_ms;
    step = before;
    const struct own_calls stops = own_calls(&before, STEP_SEND_STOP);

    step_watch_decide(&step, &effects, now_ms);
    bool stop = effects.send == STEP_SEND_STOP, again = stop && stops.records > 0;
    bool first = a_start_of_ours_did_it(&before) &&
                 still_runs(&before, before.read.asked_ms - SECOND, before.read.received_ms);
    CLAIM(stop || effects.send == STEP_SEND_NONE, "what was powered off is not powered on");
    CLAIM(!stop || (before.read.known && before.read.status.running), "a stop goes to what was read running");
    CLAIM(!stop || first ||
              (before.course.repaired_ms && still_runs(&before, before.course.repaired_ms, now_ms)),
          "it goes to what a start of ours brought a second ago, or to the same again by a read of now");
    CLAIM(!stop || first || before.read.asked_ms >= stops.last.settled_ms,
          "again only by a read since the last one");
    CLAIM(!stop || step.course.repaired_ms != 0, "and what it is for is remembered");
    CLAIM(!stop || !before.asks[ASK_POWER].busy, "not while another power call is being sent");
    CLAIM(!stop || stops.last.state != CALL_TASK || !before.course.repaired_ms,
          "nor while the task of the last one runs");
    CLAIM(!stop || stops.sent < STEP_CALLS_MAX, "nor one more than so many");
    CLAIM(!stop || now_ms >= before.asks[ASK_POWER].next_ms, "and after the pause");
    CLAIM(!stop || now_ms < before.course.watch_until_ms, "none when the watch is over");
    CLAIM(!stop || step.phase == STEP_WATCHING, "it is watched on");
    CLAIM(!effects.verified, "and what was answered is not answered again");
    CLAIM(step_is_valid(&step), "the state stays valid");
    CLAIM(step.phase == STEP_ENDED ? effects.ended : effects.wake_ms > 0 && effects.wake_ms <= deadline_ms,
          "and goes on by itself, at its deadline at the latest");
    REACHED(stop && first && before.course.repaired_ms == 0);
    REACHED(again && !first);
    REACHED(effects.ended);
}
