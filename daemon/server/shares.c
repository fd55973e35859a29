/*
 * A timer that is due at once has its turn after the loop has looked at all descriptors, once a turn; an
 * event that is activated would be served again and again before. So whatever else there is to do waits for
 * one turn of this at most.
 */
#include "server/shares.h"

#include "system/clock.h"
#include "system/loop.h"

#include <stdlib.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

TAILQ_HEAD(work_list, work);

struct work {
    struct line *line;
    work_fn *work;
    void *context;
    TAILQ_ENTRY(work) entry;
};

struct debt {
    int64_t us, at_ms; /* so much at that time */
};

struct share {
    int64_t per_mille, burst_us;
};

static const struct share one_uid = {SHARES_PER_MILLE, SHARES_BURST_US};
static const struct share all_uids = {SHARES_ALL_PER_MILLE, SHARES_ALL_BURST_US};

/* Of one uid. */
struct line {
    uid_t uid;
    struct debt debt;
    struct work_list works;
    UT_hash_handle hh;
};

struct shares {
    struct event *timer;
    struct line *lines;
    struct debt all; /* of all together */
};

/* ---- debts ---- */

static int64_t debt_us(const struct debt *debt, int64_t now_ms, const struct share *share)
{
    int64_t left = debt->us - (now_ms - debt->at_ms) * share->per_mille;

    return left > 0 ? left : 0;
}

static void owe(struct debt *debt, int64_t us, int64_t now_ms, const struct share *share)
{
    *debt = (struct debt){debt_us(debt, now_ms, share) + us, now_ms};
}

/* How long until it may go on; 0: now. */
static int64_t wait_ms(const struct debt *debt, int64_t now_ms, const struct share *share)
{
    int64_t over = debt_us(debt, now_ms, share) - share->burst_us;

    return over <= 0 ? 0 : over / share->per_mille + 1;
}

/* ---- whose turn it is ---- */

/* Of those who wait the one with the least debt; NULL: nobody waits. */
static struct line *least(const struct shares *shares, int64_t now_ms)
{
    struct line *found = NULL;
    int64_t found_us = 0;

    for (struct line *line = shares->lines; line; line = line->hh.next) {
        int64_t us = debt_us(&line->debt, now_ms, &one_uid);

        if (TAILQ_EMPTY(&line->works) || (found && us >= found_us))
            continue;
        found = line;
        found_us = us;
    }
    return found;
}

/* Until it may go on; -1: nobody waits. */
static int64_t line_wait_ms(const struct shares *shares, const struct line *next, int64_t now_ms)
{
    int64_t own, all;

    if (!next)
        return -1;
    own = wait_ms(&next->debt, now_ms, &one_uid);
    all = wait_ms(&shares->all, now_ms, &all_uids);
    return own > all ? own : all;
}

static void arm(struct shares *shares)
{
    int64_t now_ms = clock_now_ms();
    int64_t ms = line_wait_ms(shares, least(shares, now_ms), now_ms);

    if (ms >= 0)
        loop_arm(shares->timer, ms);
}

/* What it cost, in us. */
static int64_t do_first(struct line *line)
{
    struct work *first = TAILQ_FIRST(&line->works);
    int64_t before_us = clock_cpu_us();

    first->work(first->context);
    shares_leave(first);
    return clock_cpu_us() - before_us;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct shares *shares = context;
    int64_t spent_us = 0;

    (void)fd;
    (void)what;
    while (spent_us < SHARES_TURN_US) {
        int64_t now_ms = clock_now_ms();
        struct line *line = least(shares, now_ms);

        if (line_wait_ms(shares, line, now_ms) != 0)
            break;
        int64_t us = do_first(line);
        owe(&line->debt, us, now_ms, &one_uid);
        owe(&shares->all, us, now_ms, &all_uids);
        spent_us += us;
    }
    arm(shares);
}

/* ---- who there is ---- */

static void forget_who_owes_nothing(struct shares *shares)
{
    int64_t now_ms = clock_now_ms();
    struct line *line, *next;

    HASH_ITER (hh, shares->lines, line, next) {
        if (!TAILQ_EMPTY(&line->works) || debt_us(&line->debt, now_ms, &one_uid) > 0)
            continue;
        HASH_DEL(shares->lines, line);
        free(line);
    }
}

static struct line *find_or_add(struct shares *shares, uid_t uid)
{
    struct line *line;

    HASH_FIND(hh, shares->lines, &uid, sizeof(uid), line);
    if (line)
        return line;
    if (HASH_COUNT(shares->lines) >= SHARES_UIDS_MAX)
        forget_who_owes_nothing(shares);
    if (HASH_COUNT(shares->lines) >= SHARES_UIDS_MAX || !(line = calloc(1, sizeof(*line))))
        return NULL;
    line->uid = uid;
    TAILQ_INIT(&line->works);
    HASH_ADD(hh, shares->lines, uid, sizeof(uid), line);
    if (line->hh.tbl)
        return line;
    free(line); /* the table could not grow */
    return NULL;
}

struct work *shares_add(struct shares *shares, uid_t uid, work_fn *work, void *context)
{
    struct line *line = find_or_add(shares, uid);
    struct work *added = line ? calloc(1, sizeof(*added)) : NULL;

    if (!added)
        return NULL;
    *added = (struct work){.line = line, .work = work, .context = context};
    TAILQ_INSERT_TAIL(&line->works, added, entry);
    arm(shares);
    return added;
}

void shares_leave(struct work *work)
{
    TAILQ_REMOVE(&work->line->works, work, entry);
    free(work);
}

struct shares *shares_new(struct event_base *base)
{
    struct shares *shares = calloc(1, sizeof(*shares));

    if (!shares)
        return NULL;
    shares->timer = event_new(base, -1, 0, on_timer, shares);
    if (!shares->timer) {
        free(shares);
        return NULL;
    }
    return shares;
}

void shares_free(struct shares *shares)
{
    struct line *line, *next;

    if (!shares)
        return;
    HASH_ITER (hh, shares->lines, line, next) {
        HASH_DEL(shares->lines, line);
        free(line);
    }
    event_free(shares->timer);
    free(shares);
}
