/* The one place that reads clocks. Times are int64_t milliseconds; durations too. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int64_t clock_now_ms(void); /* CLOCK_MONOTONIC: timers, deadlines, ages of what cannot outlive a suspend */
int64_t clock_boottime_ms(void); /* CLOCK_BOOTTIME: goes on during suspend; ages of sessions */
int64_t
clock_realtime_ms(void); /* wall clock since the epoch: only to be shown, or to be kept across restarts */

int64_t clock_cpu_us(void); /* microseconds of CPU time that this thread has used */

#define CLOCK_RFC3339_LEN 25
/* "2026-11-22T12:00:00.123Z" (UTC) for a realtime in ms; returns buffer. */
const char *clock_rfc3339(int64_t realtime_ms, char buffer[static CLOCK_RFC3339_LEN]);
/* A duration for people: "340 ms", "12 s", "3 min", "5 h", "14 d"; returns buffer. */
#define CLOCK_AGE_LEN 16
const char *clock_age(int64_t ms, char buffer[static CLOCK_AGE_LEN]);
/* "2026-11-22T12:00:00Z", with a fraction or another zone; the day alone (UTC); or an age: "90s", "10min",
 * "2h", "3d" before `now_ms`. A realtime in ms; -1: none of these. */
int64_t clock_parse(const char *text, int64_t now_ms);
