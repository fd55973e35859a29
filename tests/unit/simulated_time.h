/*
 * Simulated time: libevent's timers, the clocks and the log, replaced by definitions in the program itself,
 * so that minutes pass in microseconds, and always in the same order; for the tests of the engine and of
 * rehearsals, and for fleets of brokers in one program (a heap, for these have some ten thousand timers).
 * Knows nothing of fences.
 *
 * What must be relied on is kept: the order of active events, an event's timer that is taken away when it
 * becomes active, and libevent's trap that event_add() takes back an activation by EV_TIMEOUT.
 */
#pragma once

#include "system/clock.h"
#include "system/log.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define LOOP_REALTIME_MS INT64_C(1795000000000) /* wall clock at the monotonic 0 */
#define LOOP_FIRST_US    INT64_C(1000000000)

struct event {
    event_callback_fn callback;
    void *context;
    unsigned owner;
    bool active;
    int64_t due_us;
    uint64_t turn; /* among equals the first one added comes first */
    size_t place;  /* in the heap, from 1 on; 0: not pending */
    struct event *prev, *next;
};

static struct {
    int64_t now_us, realtime_offset_ms;
    struct event **heap; /* from 1 on */
    size_t pending, room;
    struct event *active;
    uint64_t turn, callbacks;
    unsigned alive;
    unsigned owner;             /* of the events that are made now … */
    void (*be)(unsigned owner); /* … and called before they run; NULL: they have none */
    bool tell;                  /* the log, on stderr */
} loop = {.now_us = LOOP_FIRST_US};

/* ---- the heap ---- */

static bool loop_earlier(const struct event *a, const struct event *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->turn < b->turn;
}

static void loop_put(struct event *event, size_t place)
{
    loop.heap[place] = event;
    event->place = place;
}

static void loop_sift(struct event *event, size_t place)
{
    struct event **heap = loop.heap;
    for (; place > 1 && loop_earlier(event, heap[place / 2]); place /= 2)
        loop_put(heap[place / 2], place);
    for (size_t child; (child = 2 * place) <= loop.pending; place = child) {
        child += child < loop.pending && loop_earlier(heap[child + 1], heap[child]);
        if (!loop_earlier(heap[child], event))
            break;
        loop_put(heap[child], place);
    }
    loop_put(event, place);
}

static void loop_take_out(struct event *event)
{
    size_t place = event->place;
    if (!place)
        return;
    event->place = 0;
    struct event *last = loop.heap[loop.pending--];
    if (last != event)
        loop_sift(last, place);
}

/* ---- libevent ---- */

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what, event_callback_fn callback,
                        void *context)
{
    (void)base;
    (void)fd;
    (void)what;
    struct event *event = calloc(1, sizeof(*event));
    if (!event)
        return NULL;
    *event = (struct event){.callback = callback, .context = context, .owner = loop.owner};
    loop.alive++;
    return event;
}

int event_del(struct event *event)
{
    if (event->active)
        DL_DELETE(loop.active, event);
    event->active = false;
    loop_take_out(event);
    return 0;
}

int event_add(struct event *event, const struct timeval *after)
{
    event_del(event);
    if (loop.pending + 2 > loop.room) {
        loop.room = loop.room ? 2 * loop.room : 1024;
        loop.heap = realloc(loop.heap, loop.room * sizeof(struct event *));
        if (!loop.heap)
            abort();
    }
    event->due_us = loop.now_us + after->tv_sec * 1000000 + after->tv_usec;
    event->turn = ++loop.turn;
    loop_sift(event, ++loop.pending);
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
    DL_APPEND(loop.active, event);
}

void event_free(struct event *event)
{
    event_del(event);
    free(event);
    loop.alive--;
}

/* ---- the loop ---- */

static inline void loop_after_us(struct event *event, int64_t us)
{
    const struct timeval after = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    event_add(event, &after);
}

/* The next callback, if there is one until then; else time passes. */
static bool loop_turn_us(int64_t until_us)
{
    struct event *event = loop.active;
    if (!event) {
        event = loop.pending ? loop.heap[1] : NULL;
        if (!event || event->due_us > until_us) {
            if (loop.now_us < until_us)
                loop.now_us = until_us;
            return false;
        }
        if (loop.now_us < event->due_us)
            loop.now_us = event->due_us;
    }
    event_del(event);
    loop.callbacks++;
    if (loop.be)
        loop.be(event->owner);
    event->callback(-1, EV_TIMEOUT, event->context);
    return true;
}

static inline bool loop_turn(int64_t until_ms)
{
    return loop_turn_us(1000 * until_ms);
}

/* What is left in it is never freed. */
static inline void loop_forget(void)
{
    free(loop.heap);
    loop.heap = NULL;
    loop.active = NULL;
    loop.pending = loop.room = loop.alive = 0;
}

/* ---- clocks ---- */

int64_t clock_now_ms(void)
{
    return loop.now_us / 1000;
}

int64_t clock_boottime_ms(void)
{
    return loop.now_us / 1000;
}

int64_t clock_realtime_ms(void)
{
    return LOOP_REALTIME_MS + loop.realtime_offset_ms + loop.now_us / 1000;
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

/* ---- the log ---- */

void log_say(enum log_kind kind, const struct log_field *fields, const char *format, ...)
{
    va_list arguments;
    (void)kind;
    (void)fields;
    if (!loop.tell)
        return;
    va_start(arguments, format);
    fprintf(stderr, "%10" PRId64 " ", clock_now_ms());
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void log_remark(int priority, const char *format, ...)
{
    (void)priority;
    (void)format;
}
