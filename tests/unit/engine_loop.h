/*
 * Simulated time for the tests of the engine: libevent's timers, the clocks and the log, replaced by
 * definitions in the test program itself. Minutes pass in microseconds, and always in the same order. Knows
 * nothing of fences.
 *
 * What the engine must be able to rely on is kept: the order of active events, an event's timer that is taken
 * away when it becomes active, and libevent's trap that event_add() takes back an activation by EV_TIMEOUT.
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

struct event {
    event_callback_fn callback;
    void *context;
    bool pending, active;
    int64_t due_ms;
    uint64_t turn; /* among equals the first one added comes first */
    struct event *prev, *next;
};

static struct {
    int64_t now_ms, realtime_offset_ms;
    struct event *events;
    uint64_t turn, callbacks;
    unsigned alive;
    bool tell; /* the log, on stderr */
} loop = {.now_ms = 1000000};

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
    event->callback = callback;
    event->context = context;
    DL_APPEND(loop.events, event);
    loop.alive++;
    return event;
}

int event_add(struct event *event, const struct timeval *after)
{
    event->active = false;
    event->pending = true;
    event->due_ms = loop.now_ms + after->tv_sec * 1000 + after->tv_usec / 1000;
    event->turn = ++loop.turn;
    return 0;
}

int event_del(struct event *event)
{
    event->active = event->pending = false;
    return 0;
}

void event_active(struct event *event, int what, short count)
{
    (void)what;
    (void)count;
    if (event->active)
        return;
    event->active = true;
    event->turn = ++loop.turn;
}

void event_free(struct event *event)
{
    DL_DELETE(loop.events, event);
    free(event);
    loop.alive--;
}

/* ---- the loop ---- */

static struct event *loop_first(bool active)
{
    struct event *event, *first = NULL;
    DL_FOREACH (loop.events, event) {
        if (active ? !event->active : !event->pending)
            continue;
        bool earlier = !first || (!active && event->due_ms < first->due_ms) ||
                       ((active || event->due_ms == first->due_ms) && event->turn < first->turn);
        if (earlier)
            first = event;
    }
    return first;
}

/* The next callback, if there is one until then; else time passes. */
static bool loop_turn(int64_t until_ms)
{
    struct event *event = loop_first(true);
    if (!event) {
        event = loop_first(false);
        if (!event || event->due_ms > until_ms) {
            if (loop.now_ms < until_ms)
                loop.now_ms = until_ms;
            return false;
        }
        if (loop.now_ms < event->due_ms)
            loop.now_ms = event->due_ms;
    }
    event->active = event->pending = false;
    loop.callbacks++;
    event->callback(-1, EV_TIMEOUT, event->context);
    return true;
}

/* ---- clocks ---- */

int64_t clock_now_ms(void)
{
    return loop.now_ms;
}

int64_t clock_boottime_ms(void)
{
    return loop.now_ms;
}

int64_t clock_realtime_ms(void)
{
    return LOOP_REALTIME_MS + loop.realtime_offset_ms + loop.now_ms;
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
    fprintf(stderr, "%10" PRId64 " ", loop.now_ms);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void log_remark(int priority, const char *format, ...)
{
    (void)priority;
    (void)format;
}
