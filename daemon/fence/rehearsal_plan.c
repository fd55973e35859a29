/*
 * The order of rehearsals: a queue in which the guest that had its turn goes to the end. It has no clock and
 * sends nothing; who asks it tells it what time it is, and what came of it.
 */
#include "fence/rehearsal_plan.h"

#include "system/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define DOUBLED_MAX 20 /* of pauses: the interval ends it much earlier */

struct backoff {
    unsigned failures;
    int64_t until_ms;
};

struct host {
    char name[PVE_NODE_MAX];
    struct backoff backoff;
    UT_hash_handle hh;
};

struct turn {
    int vmid;
    char host[PVE_NODE_MAX];
    bool online;          /* its host, by the list */
    bool known;           /* rehearsed there */
    bool listed;          /* by the newest list */
    struct backoff again; /* after it was not accepted, another turn */
    uint64_t count[PROBE_RESULT_COUNT];
    struct turn *prev, *next;
    UT_hash_handle hh;
};

struct rehearsal_plan {
    struct turn *queue, *by_vmid;
    struct host *hosts; /* that gave no answer, and are online: INVENTORY_HOSTS_MAX */
    unsigned count, unknown;
    int64_t interval_ms;
    int64_t began_ms; /* the last one; 0: none yet */
    int64_t first_gap_ms;
    unsigned apart; /* thousandths of a gap that the next turn comes earlier */
    struct backoff all;
    bool held; /* nobody has another turn before its time */
};

/* ---- guests ---- */

static struct turn *find(const struct rehearsal_plan *plan, int vmid)
{
    struct turn *turn = NULL;
    HASH_FIND_INT(plan->by_vmid, &vmid, turn);
    return turn;
}

static void set_known(struct rehearsal_plan *plan, struct turn *turn, bool known)
{
    plan->unknown -= (unsigned)(known && !turn->known);
    plan->unknown += (unsigned)(!known && turn->known);
    turn->known = known;
}

static void drop(struct rehearsal_plan *plan, struct turn *turn)
{
    set_known(plan, turn, true);
    HASH_DEL(plan->by_vmid, turn);
    DL_DELETE(plan->queue, turn);
    plan->count--;
    free(turn);
}

static struct turn *add(struct rehearsal_plan *plan, int vmid)
{
    struct turn *turn = calloc(1, sizeof(*turn));
    if (!turn)
        return NULL;
    turn->vmid = vmid;
    HASH_ADD_INT(plan->by_vmid, vmid, turn);
    if (!turn->hh.tbl) {
        free(turn);
        return NULL;
    }
    DL_APPEND(plan->queue, turn);
    plan->count++;
    plan->unknown++;
    return turn;
}

/* Those that are not online, or not there: what is asked of one that comes back is asked anew. */
static void forget_hosts(struct rehearsal_plan *plan, const struct inventory *inventory)
{
    struct host *host, *next;
    HASH_ITER (hh, plan->hosts, host, next) {
        if (inventory && inventory_node_online(inventory, host->name))
            continue;
        HASH_DEL(plan->hosts, host);
        free(host);
    }
}

void rehearsal_plan_follow(struct rehearsal_plan *plan, const struct inventory *inventory)
{
    struct turn *turn, *next;
    DL_FOREACH (plan->queue, turn)
        turn->listed = false;
    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        if (guest->template) /* a fence would send no stop either */
            continue;
        turn = find(plan, guest->vmid);
        if (!turn && !(turn = add(plan, guest->vmid)))
            continue;
        turn->listed = true;
        bool online = guest->node && inventory_node_online(inventory, guest->node);
        bool moved = guest->node && strcmp(turn->host, guest->node) != 0;
        if (moved || (online && !turn->online)) /* what was learnt elsewhere, or long ago, is no evidence */
            set_known(plan, turn, false);
        if (moved)
            snprintf(turn->host, sizeof(turn->host), "%s", guest->node);
        turn->online = online;
    }
    DL_FOREACH_SAFE (plan->queue, turn, next) {
        if (!turn->listed)
            drop(plan, turn);
    }
    forget_hosts(plan, inventory);
}

/* ---- pauses ---- */

static struct host *host_of(const struct rehearsal_plan *plan, const char *name)
{
    struct host *host = NULL;
    HASH_FIND_STR(plan->hosts, name, host);
    return host;
}

static void fail(const struct rehearsal_plan *plan, struct backoff *backoff, int64_t now_ms)
{
    int64_t pause_ms = (int64_t)REHEARSAL_PAUSE_MS << backoff->failures;
    if (backoff->failures < DOUBLED_MAX)
        backoff->failures++;
    backoff->until_ms = now_ms + (pause_ms < plan->interval_ms ? pause_ms : plan->interval_ms);
}

static void host_failed(struct rehearsal_plan *plan, const char *name, int64_t now_ms)
{
    struct host *host = host_of(plan, name);
    if (!host) {
        host = calloc(1, sizeof(*host));
        if (!host)
            return;
        snprintf(host->name, sizeof(host->name), "%s", name);
        HASH_ADD_STR(plan->hosts, name, host);
        if (!host->hh.tbl) {
            free(host);
            return;
        }
    }
    fail(plan, &host->backoff, now_ms);
}

static void host_answered(struct rehearsal_plan *plan, const char *name)
{
    struct host *host = host_of(plan, name);
    if (!host)
        return;
    HASH_DEL(plan->hosts, host);
    free(host);
}

/* ---- turns ---- */

int64_t rehearsal_plan_gap_ms(const struct rehearsal_plan *plan)
{
    int64_t gap = plan->count > 0 ? plan->interval_ms / plan->count : plan->interval_ms;
    return gap > REHEARSAL_GAP_MIN_MS ? gap : REHEARSAL_GAP_MIN_MS;
}

/* Who was not rehearsed yet need not wait as long as the interval has it. */
static int64_t gap_before_ms(const struct rehearsal_plan *plan, const struct turn *turn)
{
    int64_t gap = rehearsal_plan_gap_ms(plan);
    if (turn->known)
        return gap - gap * plan->apart / 1000;
    return gap > plan->first_gap_ms ? plan->first_gap_ms : gap;
}

void rehearsal_plan_set_first_gap(struct rehearsal_plan *plan, int64_t gap_ms)
{
    plan->first_gap_ms = gap_ms > REHEARSAL_GAP_FIRST_MS ? gap_ms : REHEARSAL_GAP_FIRST_MS;
}

bool rehearsal_plan_hurries(const struct rehearsal_plan *plan)
{
    return plan->unknown > 0;
}

static void retry(struct rehearsal_plan *plan)
{
    struct host *host, *next;
    struct turn *turn;
    HASH_ITER (hh, plan->hosts, host, next)
        host->backoff.until_ms = 0;
    DL_FOREACH (plan->queue, turn)
        turn->again.until_ms = 0;
    plan->all = (struct backoff){0};
}

bool rehearsal_plan_hold(struct rehearsal_plan *plan, bool hold)
{
    bool let_go = plan->held && !hold;
    plan->held = hold;
    if (let_go)
        retry(plan);
    return let_go;
}

bool rehearsal_plan_is_held(const struct rehearsal_plan *plan)
{
    return plan->held;
}

void rehearsal_plan_set_apart(struct rehearsal_plan *plan, unsigned thousandths)
{
    plan->apart = thousandths;
}

void rehearsal_plan_forget(struct rehearsal_plan *plan)
{
    struct turn *turn;
    DL_FOREACH (plan->queue, turn)
        set_known(plan, turn, false);
}

int64_t rehearsal_plan_period_ms(const struct rehearsal_plan *plan)
{
    int64_t stretched = (int64_t)plan->count * REHEARSAL_GAP_MIN_MS;
    if (plan->interval_ms == 0)
        return 0;
    return stretched > plan->interval_ms ? stretched : plan->interval_ms;
}

/* The first that can have its turn, one that was not rehearsed yet before all others. *free_ms: when the next
 * of those that wait for their host may be asked again. */
static const struct turn *first_free(const struct rehearsal_plan *plan, int64_t now_ms,
                                     rehearsal_busy_fn *busy, void *context, int64_t *free_ms)
{
    const struct turn *turn, *chosen = NULL;
    *free_ms = INT64_MAX;
    DL_FOREACH (plan->queue, turn) {
        if (!turn->online || (chosen && turn->known))
            continue;
        const struct host *host = host_of(plan, turn->host);
        if (host && host->backoff.until_ms > now_ms)
            *free_ms = host->backoff.until_ms < *free_ms ? host->backoff.until_ms : *free_ms;
        else if (!busy(context, turn->vmid))
            chosen = turn;
        if (chosen && (!chosen->known || plan->unknown == 0))
            break;
    }
    return chosen;
}

/* The first that was not accepted, and may have another turn now; NULL: none. *due_ms: when the next one may.
 */
static const struct turn *first_again(const struct rehearsal_plan *plan, int64_t now_ms,
                                      rehearsal_busy_fn *busy, void *context, int64_t *due_ms)
{
    const struct turn *turn;
    int64_t least_ms = plan->began_ms + plan->first_gap_ms;
    *due_ms = INT64_MAX;
    DL_FOREACH (plan->queue, turn) {
        if (!turn->online || turn->again.failures == 0)
            continue;
        const struct host *host = host_of(plan, turn->host);
        int64_t when_ms = turn->again.until_ms > least_ms ? turn->again.until_ms : least_ms;
        when_ms = host && host->backoff.until_ms > when_ms ? host->backoff.until_ms : when_ms;
        if (when_ms <= now_ms && !busy(context, turn->vmid))
            return turn;
        if (when_ms > now_ms && when_ms < *due_ms)
            *due_ms = when_ms;
    }
    return NULL;
}

int rehearsal_plan_next(const struct rehearsal_plan *plan, int64_t now_ms, rehearsal_busy_fn *busy,
                        void *context, int64_t *wake_ms)
{
    int64_t free_ms;
    *wake_ms = INT64_MAX;
    if (plan->interval_ms == 0 || plan->count == 0)
        return 0;
    if (plan->all.until_ms > now_ms) {
        *wake_ms = plan->all.until_ms;
        return 0;
    }
    const struct turn *turn = first_free(plan, now_ms, busy, context, &free_ms);
    if (!turn) { /* operations end, and tell nobody here */
        int64_t look_ms = now_ms + rehearsal_plan_gap_ms(plan);
        *wake_ms = free_ms < look_ms ? free_ms : look_ms;
        return 0;
    }
    int64_t due_ms = plan->began_ms ? plan->began_ms + gap_before_ms(plan, turn) : now_ms;
    int64_t again_ms = INT64_MAX;
    if (due_ms <= now_ms)
        return turn->vmid;
    turn = plan->held ? NULL : first_again(plan, now_ms, busy, context, &again_ms);
    if (turn)
        return turn->vmid;
    *wake_ms = due_ms < again_ms ? due_ms : again_ms;
    return 0;
}

void rehearsal_plan_began(struct rehearsal_plan *plan, int vmid, int64_t now_ms)
{
    struct turn *turn = find(plan, vmid);
    plan->began_ms = now_ms;
    if (!turn)
        return;
    if (turn->known)
        plan->apart = 0;
    DL_DELETE(plan->queue, turn);
    DL_APPEND(plan->queue, turn);
}

void rehearsal_plan_ended(struct rehearsal_plan *plan, int vmid, enum probe_result result, bool sent,
                          bool speaks, int64_t now_ms)
{
    struct turn *turn = find(plan, vmid);
    if (turn)
        turn->count[result]++;
    if (!speaks) {
        fail(plan, &plan->all, now_ms);
        if (turn && sent && turn->again.failures == 0)
            turn->again.failures = 1; /* its turn comes as soon as anybody's may */
        return;
    }
    plan->all = (struct backoff){0};
    if (!turn)
        return;
    set_known(plan, turn, true);
    if (result == PROBE_ACCEPTED)
        turn->again = (struct backoff){0};
    else
        fail(plan, &turn->again, now_ms);
    if (result == PROBE_UNANSWERED)
        host_failed(plan, turn->host, now_ms);
    else
        host_answered(plan, turn->host);
}

uint64_t rehearsal_plan_count(const struct rehearsal_plan *plan, int vmid, enum probe_result result)
{
    const struct turn *turn = find(plan, vmid);
    return turn && (size_t)result < ARRAY_LEN(turn->count) ? turn->count[result] : 0;
}

/* ---- the plan itself ---- */

void rehearsal_plan_set_interval(struct rehearsal_plan *plan, int64_t interval_ms)
{
    plan->interval_ms = interval_ms;
    plan->all = (struct backoff){0};
}

struct rehearsal_plan *rehearsal_plan_new(void)
{
    struct rehearsal_plan *plan = calloc(1, sizeof(*plan));
    if (plan)
        rehearsal_plan_set_first_gap(plan, 0);
    return plan;
}

void rehearsal_plan_free(struct rehearsal_plan *plan)
{
    struct turn *turn, *next;
    if (!plan)
        return;
    forget_hosts(plan, NULL);
    DL_FOREACH_SAFE (plan->queue, turn, next)
        drop(plan, turn);
    free(plan);
}
