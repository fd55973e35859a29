/*
 * A timer that is due at once has its turn after the loop has looked at all descriptors, once a turn; an
 * event that is activated would be served again and again before.
 */
#include "server/turns.h"

#include <stdlib.h>
#include <sys/queue.h>

TAILQ_HEAD(turn_list, turn);

struct turn {
    struct turns *turns;
    turn_fn *piece;
    void *context;
    bool urgent;
    TAILQ_ENTRY(turn) entry;
};

struct turns {
    struct event *timer;
    struct turn_list urgent, others;
};

static struct turn *next_turn(const struct turns *turns)
{
    struct turn *turn = TAILQ_FIRST(&turns->urgent);

    return turn ? turn : TAILQ_FIRST(&turns->others);
}

static void arm(struct turns *turns)
{
    static const struct timeval at_once = {0};

    if (next_turn(turns))
        event_add(turns->timer, &at_once);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct turns *turns = context;
    struct turn *turn = next_turn(turns);

    (void)fd;
    (void)what;
    if (turn && turn->piece(turn->context))
        turn_leave(turn);
    arm(turns);
}

struct turn *turns_add(struct turns *turns, bool urgent, turn_fn *piece, void *context)
{
    struct turn *turn = calloc(1, sizeof(*turn));

    if (!turn)
        return NULL;
    *turn = (struct turn){.turns = turns, .piece = piece, .context = context, .urgent = urgent};
    if (urgent)
        TAILQ_INSERT_TAIL(&turns->urgent, turn, entry);
    else
        TAILQ_INSERT_TAIL(&turns->others, turn, entry);
    arm(turns);
    return turn;
}

bool turns_are_free(const struct turns *turns, bool urgent)
{
    return TAILQ_EMPTY(&turns->urgent) && (urgent || TAILQ_EMPTY(&turns->others));
}

void turn_leave(struct turn *turn)
{
    if (turn->urgent)
        TAILQ_REMOVE(&turn->turns->urgent, turn, entry);
    else
        TAILQ_REMOVE(&turn->turns->others, turn, entry);
    free(turn);
}

struct turns *turns_new(struct event_base *base)
{
    struct turns *turns = calloc(1, sizeof(*turns));

    if (!turns)
        return NULL;
    TAILQ_INIT(&turns->urgent);
    TAILQ_INIT(&turns->others);
    turns->timer = event_new(base, -1, 0, on_timer, turns);
    if (!turns->timer) {
        free(turns);
        return NULL;
    }
    return turns;
}

void turns_free(struct turns *turns)
{
    if (!turns)
        return;
    event_free(turns->timer);
    free(turns);
}
