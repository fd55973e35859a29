/*
 * Simulated time for a fleet of brokers in one program: libevent's timers and the clocks, replaced by
 * definitions in the program itself, so that the daemon's own code runs an hour of a thousand brokers in a
 * minute. A heap, for there are some ten thousand timers. Each event belongs to the broker that made it, and
 * that broker's jitter is set when it runs.
 *
 * What libevent promises is kept: the order of active events, a timer that is taken away when its event
 * becomes active, and that event_add() takes back an activation by EV_TIMEOUT.
 */
#pragma once

#include "system/clock.h"
#include "system/jitter.h"
#include "system/log.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define FLEET_REALTIME_MS INT64_C(1795000000000) /* wall clock at the monotonic 0 */
#define FLEET_FIRST_US    INT64_C(1000000000)
#define SECOND_US         INT64_C(1000000)

struct event {
    event_callback_fn callback;
    void *context;
    unsigned owner; /* a broker; 0: the fleet's own */
    bool active;
    int64_t due_us;
    uint64_t turn; /* among equals the first one added comes first */
    size_t place;  /* in the heap, from 1 on; 0: not pending */
    struct event *prev, *next;
};

static struct {
    int64_t now_us;
    struct event **heap; /* from 1 on */
    size_t pending, room;
    struct event *active;
    uint64_t turn, callbacks;
    unsigned owner, jittered;
    bool no_jitter;
    uint64_t seed;
} fleet_loop = {.now_us = FLEET_FIRST_US, .jittered = (unsigned)-1};

/* Of this broker is what runs from now on. */
static void fleet_be(unsigned owner)
{
    char name[48];
    fleet_loop.owner = owner;
    if (fleet_loop.jittered == owner)
        return;
    fleet_loop.jittered = owner;
    snprintf(name, sizeof(name), "%" PRIu64 " machine %u", fleet_loop.seed, owner);
    jitter_begin((const char *const[]){name}, fleet_loop.no_jitter ? 0 : 1);
}

/* ---- the heap ---- */

static bool fleet_earlier(const struct event *a, const struct event *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->turn < b->turn;
}

static void fleet_put(struct event *event, size_t place)
{
    fleet_loop.heap[place] = event;
    event->place = place;
}

static void fleet_sift(struct event *event, size_t place)
{
    struct event **heap = fleet_loop.heap;
    for (; place > 1 && fleet_earlier(event, heap[place / 2]); place /= 2)
        fleet_put(heap[place / 2], place);
    for (size_t child; (child = 2 * place) <= fleet_loop.pending; place = child) {
        child += child < fleet_loop.pending && fleet_earlier(heap[child + 1], heap[child]);
        if (!fleet_earlier(heap[child], event))
            break;
        fleet_put(heap[child], place);
    }
    fleet_put(event, place);
}

static void fleet_take_out(struct event *event)
{
    size_t place = event->place;
    if (!place)
        return;
    event->place = 0;
    struct event *last = fleet_loop.heap[fleet_loop.pending--];
    if (last != event)
        fleet_sift(last, place);
}

/* ---- libevent ---- */

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what, event_callback_fn callback,
                        void *context)
{
    struct event *event = calloc(1, sizeof(*event));
    (void)base;
    (void)fd;
    (void)what;
    if (!event)
        abort();
    *event = (struct event){.callback = callback, .context = context, .owner = fleet_loop.owner};
    return event;
}

static void fleet_deactivate(struct event *event)
{
    if (event->active)
        DL_DELETE(fleet_loop.active, event);
    event->active = false;
}

int event_add(struct event *event, const struct timeval *after)
{
    fleet_deactivate(event);
    fleet_take_out(event);
    if (fleet_loop.pending + 2 > fleet_loop.room) {
        fleet_loop.room = fleet_loop.room ? 2 * fleet_loop.room : 1024;
        fleet_loop.heap = realloc(fleet_loop.heap, fleet_loop.room * sizeof(struct event *));
        if (!fleet_loop.heap)
            abort();
    }
    event->due_us = fleet_loop.now_us + after->tv_sec * SECOND_US + after->tv_usec;
    event->turn = ++fleet_loop.turn;
    fleet_sift(event, ++fleet_loop.pending);
    return 0;
}

int event_del(struct event *event)
{
    fleet_deactivate(event);
    fleet_take_out(event);
    return 0;
}

int event_pending(const struct event *event, short what, struct timeval *due)
{
    (void)what;
    (void)due;
    return event->place || event->active ? EV_TIMEOUT : 0;
}

void event_active(struct event *event, int what, short count)
{
    (void)what;
    (void)count;
    if (event->active)
        return;
    event->active = true;
    DL_APPEND(fleet_loop.active, event);
}

void event_free(struct event *event)
{
    event_del(event);
    free(event);
}

static inline void fleet_after_us(struct event *event, int64_t us)
{
    const struct timeval after = {.tv_sec = us / SECOND_US, .tv_usec = us % SECOND_US};
    event_add(event, &after);
}

/* The next callback, if there is one until then; else time passes. */
static bool fleet_turn(int64_t until_us)
{
    struct event *event = fleet_loop.active;
    if (!event) {
        event = fleet_loop.pending ? fleet_loop.heap[1] : NULL;
        if (!event || event->due_us > until_us) {
            if (fleet_loop.now_us < until_us)
                fleet_loop.now_us = until_us;
            return false;
        }
        if (fleet_loop.now_us < event->due_us)
            fleet_loop.now_us = event->due_us;
    }
    event_del(event);
    fleet_loop.callbacks++;
    fleet_be(event->owner);
    event->callback(-1, EV_TIMEOUT, event->context);
    return true;
}

static inline void fleet_run_until(int64_t until_us)
{
    while (fleet_turn(until_us))
        ;
    fleet_be(0);
}

/* ---- clocks ---- */

int64_t clock_now_ms(void)
{
    return fleet_loop.now_us / 1000;
}

int64_t clock_boottime_ms(void)
{
    return fleet_loop.now_us / 1000;
}

int64_t clock_realtime_ms(void)
{
    return FLEET_REALTIME_MS + fleet_loop.now_us / 1000;
}

const char *clock_rfc3339(int64_t realtime_ms, char buffer[static CLOCK_RFC3339_LEN])
{
    snprintf(buffer, CLOCK_RFC3339_LEN, "%" PRId64, realtime_ms);
    return buffer;
}

const char *clock_age(int64_t ms, char buffer[static CLOCK_AGE_LEN])
{
    snprintf(buffer, CLOCK_AGE_LEN, "%" PRId64 " ms", ms);
    return buffer;
}

/* ---- the log: nobody reads that of a thousand ---- */

void log_say(enum log_kind kind, const struct log_field *fields, const char *format, ...)
{
    (void)kind;
    (void)fields;
    (void)format;
}

void log_remark(int priority, const char *format, ...)
{
    (void)priority;
    (void)format;
}
