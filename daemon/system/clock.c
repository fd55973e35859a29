/*
 * Clocks and how times are written. Every other room takes its time from here or as a parameter, so that this
 * is the only file to look at when a test needs another clock. Knows no timers and no loop.
 */
#include "system/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_PER_SECOND 1000
#define NS_PER_MS     1000000
#define US_PER_SECOND 1000000
#define NS_PER_US     1000
/* 9999-12-31T23:59:59.999Z: what four digits of a year can say */
#define REALTIME_MAX INT64_C(253402300799999)

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) /* only a kernel without that clock */
        return 0;
    return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / NS_PER_MS;
}

int64_t clock_now_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_boottime_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_realtime_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_cpu_us(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0)
        return 0;
    return (int64_t)used.tv_sec * US_PER_SECOND + used.tv_nsec / NS_PER_US;
}

/* So many digits of a number, ending before `end`. */
static void put_digits(char *end, unsigned count, unsigned number)
{
    for (; count > 0; count--, number /= 10)
        *--end = (char)('0' + number % 10);
}

const char *clock_rfc3339(int64_t realtime_ms, char buffer[static CLOCK_RFC3339_LEN])
{
    if (realtime_ms < 0)
        realtime_ms = 0;
    if (realtime_ms > REALTIME_MAX)
        realtime_ms = REALTIME_MAX;
    time_t seconds = (time_t)(realtime_ms / MS_PER_SECOND);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    /* a list of 10,000 guests has tens of thousands of times: snprintf() takes four to six times as long */
    memcpy(buffer, "0000-00-00T00:00:00.000Z", CLOCK_RFC3339_LEN);
    put_digits(buffer + 4, 4, (unsigned)(utc.tm_year + 1900));
    put_digits(buffer + 7, 2, (unsigned)(utc.tm_mon + 1));
    put_digits(buffer + 10, 2, (unsigned)utc.tm_mday);
    put_digits(buffer + 13, 2, (unsigned)utc.tm_hour);
    put_digits(buffer + 16, 2, (unsigned)utc.tm_min);
    put_digits(buffer + 19, 2, (unsigned)utc.tm_sec);
    put_digits(buffer + 23, 3, (unsigned)(realtime_ms % MS_PER_SECOND));
    return buffer;
}

/* A unit serves until twice the next one, so that nothing reads "1 min" for 119 s. */
static const struct {
    int64_t below_ms, unit_ms;
    const char *name;
} age_units[] = {
    {1000, 1, "ms"},
    {INT64_C(2) * 60 * 1000, 1000, "s"},
    {INT64_C(2) * 60 * 60 * 1000, 60 * 1000, "min"},
    {INT64_C(2) * 24 * 60 * 60 * 1000, 60 * 60 * 1000, "h"},
    {INT64_MAX, INT64_C(24) * 60 * 60 * 1000, "d"},
};

const char *clock_age(int64_t ms, char buffer[static CLOCK_AGE_LEN])
{
    if (ms < 0)
        ms = 0;
    if (ms > REALTIME_MAX) /* then no unit's count is wider than ten digits */
        ms = REALTIME_MAX;
    size_t unit = 0;
    while (unit + 1 < sizeof(age_units) / sizeof(age_units[0]) && ms >= age_units[unit].below_ms)
        unit++;
    snprintf(buffer, CLOCK_AGE_LEN, "%u %s", (unsigned)(ms / age_units[unit].unit_ms), age_units[unit].name);
    return buffer;
}

/* ---- reading ---- */

static int64_t parse_age(const char *text, int64_t now_ms)
{
    int64_t number = 0;
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number > REALTIME_MAX ? number : number * 10 + (*text - '0');
    for (size_t i = 0; i < sizeof(age_units) / sizeof(age_units[0]); i++) {
        if (strcmp(text, age_units[i].name) != 0)
            continue;
        return number > now_ms / age_units[i].unit_ms ? 0 : now_ms - number * age_units[i].unit_ms;
    }
    return -1;
}

/* "Z", "+01:00": minutes east of UTC. False: neither. */
static bool parse_zone(const char *text, int *minutes)
{
    int hours = 0, end = 0;
    char sign = '+';
    *minutes = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, minutes, &end) < 3 || text[end] != '\0' ||
        (sign != '+' && sign != '-') || hours < 0 || hours > 23 || *minutes < 0 || *minutes > 59)
        return false;
    *minutes = (sign == '+' ? 1 : -1) * (hours * 60 + *minutes);
    return true;
}

int64_t clock_parse(const char *text, int64_t now_ms)
{
    struct tm tm = {0};
    int minutes = 0, fraction_ms = 0;
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    if (!rest || rest != text + strlen("2026-11-22"))
        return parse_age(text, now_ms);
    if (*rest) {
        rest = *rest == 'T' || *rest == 't' || *rest == ' ' ? strptime(rest + 1, "%H:%M:%S", &tm) : NULL;
        if (rest && *rest == '.') {
            for (int unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10)
                fraction_ms += unit * (*rest - '0');
        }
        if (!rest || !parse_zone(rest, &minutes))
            return -1;
    }
    int64_t ms = ((int64_t)timegm(&tm) - INT64_C(60) * minutes) * MS_PER_SECOND + fraction_ms;
    return ms < 0 ? 0 : ms;
}
