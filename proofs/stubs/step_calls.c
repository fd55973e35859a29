/*
 * The records of power calls as fence/calls.h tells them, plainly: every record is looked at in its place,
 * and no pointer moves, which takes CBMC a tenth. That the code answers and does the same is proven:
 * calls_plain. There is always room here: that the code makes some is tested, so the state that the machine
 * begins with has some.
 */
#include "harness.h"

#include "fence/calls.h"

#include <string.h>

static bool is(const struct calls *calls, unsigned i, enum step_power power, unsigned states,
               const char *node)
{
    const struct call *call = &calls->list[i];
    return i < calls->count && call->power == power && (CALL_IS(call->state) & states) &&
           (!node || call->ha || !call->node[0] || strcmp(call->node, node) == 0);
}

/* So long it may still be carried out; the least of all times: it is settled. */
static int64_t until(const struct call *call)
{
    if (call->state == CALL_OPEN)
        return call->settled_ms + CALLS_OPEN_MS;
    if (call->state == CALL_TASK || call->state == CALL_SENDING)
        return call->sent_ms + CALLS_OPEN_MS;
    return INT64_MIN;
}

/* So long a stop can have begun to kill: Proxmox's task waits 10 s for the guest's lock file, and the manager
 * of Proxmox HA acts when it is its turn. */
static int64_t begun_until(const struct call *call)
{
    int64_t until_ms = call->state == CALL_TASK ? call->settled_ms + 10000 : until(call);
    if (until_ms < call->settled_ms)
        until_ms = call->settled_ms;
    if (call->ha && until_ms < call->sent_ms + CALLS_HA_MS)
        until_ms = call->sent_ms + CALLS_HA_MS;
    return until_ms;
}

static bool has_effect(const struct calls *calls, unsigned i, unsigned whose)
{
    return i < calls->count && calls->list[i].effect_ms &&
           (whose & (calls->list[i].inherited ? CALLS_INHERITED : CALLS_OWN));
}

struct call *calls_own(struct calls *calls, enum step_power power)
{
    struct call *found = NULL;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < calls->count && calls->list[i].power == power && !calls->list[i].inherited)
            found = &calls->list[i];
    }
    return found;
}

const struct call *calls_last(const struct calls *calls, enum step_power power)
{
    static const struct call none;
    const struct call *found = &none;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < calls->count && calls->list[i].power == power && !calls->list[i].inherited)
            found = &calls->list[i];
    }
    return found;
}

struct call *calls_sending(struct calls *calls)
{
    struct call *found = NULL;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < calls->count && calls->list[i].state == CALL_SENDING)
            found = &calls->list[i];
    }
    return found;
}

struct call *calls_of_task(struct calls *calls, const char *upid)
{
    struct call *found = NULL;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i < calls->count && calls->list[i].state == CALL_TASK && strcmp(calls->list[i].upid, upid) == 0)
            found = &calls->list[i];
    }
    return found;
}

const struct call *calls_with_task(const struct calls *calls, enum step_power power, const char *node)
{
    const struct call *found = NULL;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (is(calls, i, power, CALL_IS(CALL_TASK), node) && calls->list[i].upid[0])
            found = &calls->list[i];
    }
    return found;
}

const char *calls_last_upid(const struct calls *calls, const char *node, int64_t until_ms)
{
    const char *found = "";
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &calls->list[i];
        if (i < calls->count && !call->inherited && call->upid[0] && call->sent_ms <= until_ms &&
            strcmp(call->node, node) == 0)
            found = call->upid;
    }
    return found;
}

struct call *calls_add(struct calls *calls, enum step_power power, const char *node, int64_t now_ms)
{
    struct call *added = NULL;
    struct call call = {.power = power,
                        .state = CALL_SENDING,
                        .sent = 1,
                        .listed = 1,
                        .sent_ms = now_ms,
                        .settled_ms = calls_last(calls, power)->settled_ms,
                        .effect_ms = power == STEP_SEND_STOP ? now_ms : 0};
    size_t length = strlen(node);
    memcpy(call.node, node, length < sizeof(call.node) ? length : sizeof(call.node) - 1);
    ASSUME(calls->count < CALLS_MAX);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (i != calls->count)
            continue;
        calls->list[i] = call;
        added = &calls->list[i];
    }
    calls->count++;
    return added;
}

/* ---- counted ---- */

unsigned calls_count(const struct calls *calls, enum step_power power, unsigned states, const char *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        count += is(calls, i, power, states, node) ? calls->list[i].sent : 0;
    return count;
}

unsigned calls_sent(const struct calls *calls, enum step_power power)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        count += is(calls, i, power, ~0u, NULL) && !calls->list[i].inherited ? calls->list[i].sent : 0;
    return count;
}

unsigned calls_left(const struct calls *calls, enum step_power power)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        count += is(calls, i, power, ~0u, NULL) && !calls->list[i].inherited ? calls->list[i].listed : 0;
    return count;
}

unsigned calls_listed(const struct calls *calls, enum step_power power, const char *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        count += is(calls, i, power, ~0u, node) ? calls->list[i].listed : 0;
    return count;
}

unsigned calls_unnamed(const struct calls *calls, enum step_power power, const char *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &calls->list[i];
        if (is(calls, i, power, CALL_IS(CALL_OPEN), node) ||
            (is(calls, i, power, CALL_IS(CALL_ENDED), node) && !call->inherited))
            count += call->listed;
    }
    return count;
}

/* ---- until when ---- */

int64_t calls_until(const struct calls *calls, enum step_power power, unsigned states, const char *node)
{
    int64_t until_ms = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (is(calls, i, power, states, node) && until_ms < until(&calls->list[i]))
            until_ms = until(&calls->list[i]);
    }
    return until_ms;
}

int64_t calls_ended_ms(const struct calls *calls, enum step_power power, const char *node)
{
    int64_t ended_ms = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &calls->list[i];
        if (is(calls, i, power, CALL_IS(CALL_ENDED), node) && call->inherited && call->upid[0] &&
            ended_ms < call->settled_ms)
            ended_ms = call->settled_ms;
    }
    return ended_ms;
}

void calls_end_open(struct calls *calls, enum step_power power, const char *node, int64_t now_ms)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (!is(calls, i, power, CALL_IS(CALL_OPEN), node))
            continue;
        calls->list[i].state = CALL_ENDED;
        calls->list[i].settled_ms = now_ms;
    }
}

/* ---- point 7 ---- */

int64_t calls_effect_ms(const struct calls *calls, unsigned whose)
{
    int64_t since_ms = 0;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (has_effect(calls, i, whose) && (since_ms == 0 || calls->list[i].effect_ms < since_ms))
            since_ms = calls->list[i].effect_ms;
    }
    return since_ms;
}

void calls_forget_effects(struct calls *calls, unsigned whose, int64_t until_ms)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (has_effect(calls, i, whose) && begun_until(&calls->list[i]) <= until_ms)
            calls->list[i].effect_ms = 0;
    }
}

void calls_prove_off(struct calls *calls, int64_t now_ms)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        bool open = calls->list[i].power == STEP_SEND_STOP && calls->list[i].state == CALL_OPEN;
        if (i < calls->count)
            calls->list[i].effect_ms = open ? now_ms : 0;
    }
}

void calls_see_boot(struct calls *calls, const char *node, int64_t booted_ms)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        struct call *call = &calls->list[i];
        if (!has_effect(calls, i, CALLS_OWN | CALLS_INHERITED) || call->ha || strcmp(call->node, node) != 0)
            continue;
        if (call->inherited && begun_until(call) < booted_ms)
            call->effect_ms = 0;
        else if (call->effect_ms < booted_ms)
            call->effect_ms = booted_ms != 0 ? booted_ms : -1;
    }
}
