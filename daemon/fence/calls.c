/* See calls.h. */
#include "fence/calls.h"

#include <stdio.h>
#include <string.h>

#define LOCK_FILE_MS 10000 /* so long a task of Proxmox waits for a guest's lock file */
#define TASK_TIME_MS                                                                                         \
    2000 /* a list of tasks counts whole seconds: what began so long ago may count as begun now */

#define EACH(call, calls) for ((call) = (calls)->list; (call) < (calls)->list + (calls)->count; (call)++)
#define EACH_BACK(call, calls)                                                                               \
    for ((call) = (calls)->list + (calls)->count; (call) > (calls)->list && ((call)--, true);)

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is(const struct call *call, enum step_power power, unsigned states, const char *node)
{
    return call->power == power && (CALL_IS(call->state) & states) &&
           (!node || call->ha || !call->node[0] || strcmp(call->node, node) == 0);
}

static bool is_coming(const struct call *call)
{
    return CALL_IS(call->state) & CALLS_COMING;
}

/* Until when it may be carried out; long ago: it may not. Calls of before this machine's boot have times
 * below 0. */
static int64_t until(const struct call *call)
{
    return call->state == CALL_OPEN                                  ? call->settled_ms + CALLS_OPEN_MS
           : call->state == CALL_TASK || call->state == CALL_SENDING ? call->sent_ms + CALLS_OPEN_MS
                                                                     : INT64_MIN;
}

/* ---- room for one more ---- */

/* 2: nothing is lost if these become one; 1: what is lost makes us only more careful; 0: they cannot. */
static int likeness(const struct calls *calls, const struct call *one, const struct call *other)
{
    const struct call *last = calls_last(calls, one->power);
    if (one == last || other == last || one->power != other->power || one->inherited != other->inherited ||
        is_coming(one) != is_coming(other))
        return 0;
    bool same = one->state == other->state && one->state != CALL_TASK && one->ha == other->ha &&
                !one->effect_ms == !other->effect_ms && strcmp(one->node, other->node) == 0;
    return same ? 2 : 1;
}

static void fold(struct calls *calls, struct call *older, struct call *newer)
{
    bool task = older->state == CALL_TASK || newer->state == CALL_TASK;
    if (task && newer->power == STEP_SEND_START) { /* nobody asks for it any more, but waits (point 4) */
        older->upid[0] = newer->upid[0] = '\0';
        newer->sent_ms = latest(newer->sent_ms, latest(older->settled_ms, newer->settled_ms));
        newer->state = CALL_TASK;
    } else if (task || older->state != newer->state) {
        newer->settled_ms = latest(newer->settled_ms, newer->sent_ms);
        newer->state = is_coming(newer) ? CALL_OPEN : newer->inherited ? CALL_ENDED : CALL_FAILED;
    }
    newer->sent += older->sent;
    newer->listed += older->listed;
    if (newer->ha != older->ha)
        newer->node[0] = '\0';
    newer->ha |= older->ha;
    newer->sent_ms = latest(older->sent_ms, newer->sent_ms);
    newer->settled_ms = latest(older->settled_ms, newer->settled_ms);
    if (older->effect_ms && (!newer->effect_ms || older->effect_ms < newer->effect_ms))
        newer->effect_ms = older->effect_ms;
    if (strcmp(older->node, newer->node) != 0)
        newer->node[0] = '\0';
    if (!newer->upid[0])
        memcpy(newer->upid, older->upid, sizeof(newer->upid));
    calls->count--;
    memmove(older, older + 1, (calls->count - (size_t)(older - calls->list)) * sizeof(*older));
}

/* Three kinds, own ones and inherited ones, that may come or not, make twelve; beside these are the last
 * three of this operation. */
static void make_room(struct calls *calls)
{
    struct call *older, *newer;
    for (int wanted = 2; wanted > 0; wanted--) {
        EACH (older, calls) {
            for (newer = older + 1; newer < calls->list + calls->count; newer++) {
                if (likeness(calls, older, newer) < wanted)
                    continue;
                fold(calls, older, newer);
                return;
            }
        }
    }
}

struct call *calls_add(struct calls *calls, enum step_power power, const char *node, int64_t now_ms)
{
    if (calls->count == CALLS_MAX)
        make_room(calls);
    struct call *call = &calls->list[calls->count];
    *call = (struct call){.power = power,
                          .state = CALL_SENDING,
                          .sent = 1,
                          .listed = 1,
                          .sent_ms = now_ms,
                          .settled_ms = calls_last(calls, power)->settled_ms,
                          .effect_ms = power == STEP_SEND_STOP ? now_ms : 0};
    snprintf(call->node, sizeof(call->node), "%s", node);
    calls->count++;
    return call;
}

void calls_take_up(struct calls *calls, const struct call *call, int64_t now_ms)
{
    struct call *taken = calls_add(calls, call->power, call->node, call->sent_ms);
    struct pve_upid upid;
    *taken = *call;
    taken->inherited = true;
    if (call->state != CALL_TASK)
        return;
    if (upid_parse(call->upid, &upid)) {
        /* of HA, or of nobody knows where: calls_lose_places() */
        if (call->ha)
            return;
        taken->ha = upid_is_of_ha(call->upid);
        upid_copy_node(call->upid, taken->node);
    } else if (call->power != STEP_SEND_START) { /* tasks of starts that became one are waited for: fold() */
        taken->state = CALL_OPEN;
        taken->settled_ms = now_ms;
    }
}

/* ---- one of them ---- */

struct call *calls_own(struct calls *calls, enum step_power power)
{
    struct call *call;
    EACH_BACK (call, calls) {
        if (call->power == power && !call->inherited)
            return call;
    }
    return NULL;
}

const struct call *calls_last(const struct calls *calls, enum step_power power)
{
    static const struct call none;
    const struct call *call = calls_own((struct calls *)calls, power);
    return call ? call : &none;
}

struct call *calls_sending(struct calls *calls)
{
    struct call *call;
    EACH_BACK (call, calls) {
        if (call->state == CALL_SENDING)
            return call;
    }
    return NULL;
}

struct call *calls_of_task(struct calls *calls, const char *upid)
{
    struct call *call;
    EACH_BACK (call, calls) {
        if (call->state == CALL_TASK && strcmp(call->upid, upid) == 0)
            return call;
    }
    return NULL;
}

const struct call *calls_with_task(const struct calls *calls, enum step_power power, const char *node)
{
    const struct call *call;
    EACH_BACK (call, calls) {
        if (is(call, power, CALL_IS(CALL_TASK), node) && call->upid[0])
            return call;
    }
    return NULL;
}

const char *calls_last_upid(const struct calls *calls, const char *node, int64_t until_ms)
{
    const struct call *call;
    EACH_BACK (call, calls) {
        if (!call->inherited && call->upid[0] && call->sent_ms <= until_ms && strcmp(call->node, node) == 0)
            return call->upid;
    }
    return "";
}

/* ---- all of them ---- */

#define ANY (~0u)

unsigned calls_count(const struct calls *calls, enum step_power power, unsigned states, const char *node)
{
    const struct call *call;
    unsigned count = 0;
    EACH (call, calls)
        count += is(call, power, states, node) ? call->sent : 0;
    return count;
}

unsigned calls_sent(const struct calls *calls, enum step_power power)
{
    const struct call *call;
    unsigned count = 0;
    EACH (call, calls)
        count += call->power == power && !call->inherited ? call->sent : 0;
    return count;
}

unsigned calls_left(const struct calls *calls, enum step_power power)
{
    const struct call *call;
    unsigned count = 0;
    EACH (call, calls)
        count += call->power == power && !call->inherited ? call->listed : 0;
    return count;
}

unsigned calls_listed(const struct calls *calls, enum step_power power, const char *node)
{
    const struct call *call;
    unsigned count = 0;
    EACH (call, calls)
        count += is(call, power, ANY, node) ? call->listed : 0;
    return count;
}

/* One of an earlier operation that has ended is older than what we have sent. */
unsigned calls_unnamed(const struct calls *calls, enum step_power power, const char *node)
{
    const struct call *call;
    unsigned count = 0;
    EACH (call, calls)
        count += is(call, power, CALL_IS(CALL_OPEN) | (call->inherited ? 0 : CALL_IS(CALL_ENDED)), node)
                     ? call->listed
                     : 0;
    return count;
}

int64_t calls_until(const struct calls *calls, enum step_power power, unsigned states, const char *node)
{
    const struct call *call;
    int64_t until_ms = 0;
    EACH (call, calls)
        until_ms = is(call, power, states, node) ? latest(until_ms, until(call)) : until_ms;
    return until_ms;
}

int64_t calls_ended_ms(const struct calls *calls, enum step_power power, const char *node)
{
    const struct call *call;
    int64_t ended_ms = 0;
    EACH (call, calls) {
        if (is(call, power, CALL_IS(CALL_ENDED), node) && call->inherited && call->upid[0])
            ended_ms = latest(ended_ms, call->settled_ms);
    }
    return ended_ms;
}

void calls_end_open(struct calls *calls, enum step_power power, const char *node, int64_t now_ms)
{
    struct call *call;
    EACH (call, calls) {
        if (!is(call, power, CALL_IS(CALL_OPEN), node))
            continue;
        call->state = CALL_ENDED;
        call->settled_ms = now_ms;
    }
}

/* ---- what they may have done (point 7) ---- */

static bool has_effect(const struct call *call, unsigned whose)
{
    return call->effect_ms && (whose & (call->inherited ? CALLS_INHERITED : CALLS_OWN));
}

/* One that ended has begun before that; a task, before it gave up waiting for the guest's lock file. */
static int64_t begins_until(const struct call *call)
{
    return call->state == CALL_TASK ? call->settled_ms + LOCK_FILE_MS : latest(until(call), call->settled_ms);
}

static int64_t kills_until(const struct call *call)
{
    return call->ha ? latest(begins_until(call), call->sent_ms + CALLS_HA_MS) : begins_until(call);
}

int64_t calls_effect_ms(const struct calls *calls, unsigned whose)
{
    const struct call *call;
    int64_t since_ms = 0;
    EACH (call, calls) {
        if (has_effect(call, whose) && (!since_ms || call->effect_ms < since_ms))
            since_ms = call->effect_ms;
    }
    return since_ms;
}

void calls_forget_effects(struct calls *calls, unsigned whose, int64_t until_ms)
{
    struct call *call;
    EACH (call, calls) {
        if (has_effect(call, whose) && kills_until(call) <= until_ms)
            call->effect_ms = 0;
    }
}

void calls_prove_off(struct calls *calls, int64_t now_ms)
{
    struct call *call;
    EACH (call, calls)
        call->effect_ms = call->power == STEP_SEND_STOP && call->state == CALL_OPEN ? now_ms : 0;
}

/* What may still have come after it counts from the boot on; from the moment 0 it would count for none. */
void calls_see_boot(struct calls *calls, const char *node, int64_t booted_ms)
{
    int64_t since_ms = booted_ms ? booted_ms : -1;
    struct call *call;
    EACH (call, calls) {
        if (!call->effect_ms || call->ha || strcmp(call->node, node) != 0)
            continue;
        call->effect_ms =
            call->inherited && kills_until(call) < booted_ms ? 0 : latest(call->effect_ms, since_ms);
    }
}

void calls_lose_places(struct calls *calls)
{
    struct call *call;
    EACH (call, calls) {
        if (!call->effect_ms)
            continue;
        call->ha = true;
        call->node[0] = '\0';
    }
}

bool calls_are_of_ha(const struct calls *calls)
{
    const struct call *call;
    bool of_ha = true;
    EACH (call, calls)
        of_ha &= !call->effect_ms || (call->ha && call->node[0]);
    return of_ha;
}

/* ---- to the next operation ---- */

static void hand_on(struct call *call, bool ended, int64_t now_ms)
{
    call->inherited = true;
    if (call->state == CALL_SENDING && ended) {
        call->state = CALL_OPEN;
        call->settled_ms = now_ms;
    }
    if (call->state == CALL_SENDING || until(call) > now_ms)
        return;
    call->settled_ms = latest(begins_until(call), until(call));
    call->state = CALL_ENDED;
}

/* So long the next operation's stops are found beside this one in the same list: while one may come, and
 * while the list's whole seconds cannot tell them apart. */
static int64_t matters_until(const struct call *call)
{
    bool counted = call->power == STEP_SEND_STOP && call->listed;
    int64_t counted_ms = counted ? latest(call->sent_ms, call->settled_ms) + TASK_TIME_MS : 0;
    return latest(until(call), counted_ms);
}

int64_t calls_hand_on(struct calls *calls, bool ended, int64_t now_ms)
{
    struct call *call, *kept = calls->list;
    int64_t until_ms = 0, stops_until_ms = 0;
    EACH (call, calls) {
        hand_on(call, ended, now_ms);
        until_ms = latest(until_ms, matters_until(call));
        if (call->power == STEP_SEND_STOP)
            stops_until_ms = latest(stops_until_ms, matters_until(call));
    }
    EACH (call, calls) {
        /* as long as one stop matters, all are counted: a list shows them all */
        if (call->state == CALL_ENDED && (call->power != STEP_SEND_STOP || stops_until_ms <= now_ms))
            call->listed = 0;
        if (call->state != CALL_ENDED || call->listed || call->effect_ms)
            *kept++ = *call;
    }
    calls->count = (unsigned)(kept - calls->list);
    return until_ms > now_ms ? until_ms : 0;
}

bool calls_equal(const struct calls *one, const struct calls *other)
{
    bool equal = one->count == other->count;
    for (unsigned i = 0; equal && i < one->count; i++) {
        const struct call *a = &one->list[i], *b = &other->list[i];
        equal = a->power == b->power && a->state == b->state && a->ha == b->ha && a->sent == b->sent &&
                a->listed == b->listed && a->sent_ms == b->sent_ms && a->settled_ms == b->settled_ms &&
                a->effect_ms == b->effect_ms && strcmp(a->upid, b->upid) == 0 &&
                strcmp(a->node, b->node) == 0;
    }
    return equal;
}
