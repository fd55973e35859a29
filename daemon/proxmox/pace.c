/*
 * A few times and one factor. What is usual is followed in steps, so that one slow answer changes it little
 * and an hour of them makes the new usual: a Proxmox that has become slower for good is not spared for ever.
 */
#include "proxmox/pace.h"

#define USUAL_FIRST_US                                                                                       \
    (PACE_SLOW_MS * INT64_C(125)) /* at most, of the first answer: it may be a slow one                      \
                                   */
#define USUAL_STEP 16             /* one part in so many of it */

void pace_init(struct pace *pace, int64_t interval_ms)
{
    *pace = (struct pace){.interval_ms = interval_ms, .backoff = 1};
}

/* ---- sooner ---- */

static void hurry_until(struct pace *pace, int64_t until_ms)
{
    if (until_ms > pace->hurry_until_ms)
        pace->hurry_until_ms = until_ms;
}

void pace_hurry(struct pace *pace, int64_t now_ms)
{
    hurry_until(pace, now_ms + PACE_HURRY_FOR_MS);
}

/* What has just begun to fail is looked at closely for a while; what goes on failing, or fails now and then,
 * is no reason to ask Proxmox more than ever. */
void pace_trouble(struct pace *pace, int64_t now_ms)
{
    if (pace->alarmed_ms && now_ms - pace->alarmed_ms < PACE_ALARM_MS)
        return;
    pace->alarmed_ms = now_ms;
    pace_hurry(pace, now_ms);
}

void pace_looked_at(struct pace *pace, int64_t now_ms)
{
    if (pace->looked_at_ms && now_ms - pace->looked_at_ms < PACE_WATCH_GAP_MS)
        hurry_until(pace, now_ms + PACE_WATCH_FOR_MS);
    pace->looked_at_ms = now_ms;
}

bool pace_hurries(const struct pace *pace, int64_t now_ms)
{
    return now_ms < pace->hurry_until_ms;
}

/* ---- more seldom ---- */

static void note(struct pace *pace, size_t question, bool bad)
{
    unsigned *row = &pace->questions[question].bad;

    *row = bad ? *row + 1 : 0;
    pace->questions[question].rounds = 0;
    pace->suffers |= *row > 1;
}

void pace_answered(struct pace *pace, size_t question, int64_t took_ms)
{
    int64_t *usual_us = &pace->questions[question].usual_us, took_us = took_ms * 1000;

    if (*usual_us == 0)
        *usual_us = took_us < USUAL_FIRST_US ? took_us : USUAL_FIRST_US;
    note(pace, question, took_ms >= PACE_SLOW_MS && took_us >= PACE_SLOW_TIMES * *usual_us);
    int64_t step_us = *usual_us / USUAL_STEP + 1;
    *usual_us += took_us > *usual_us ? step_us : -step_us;
    if (*usual_us < 1)
        *usual_us = 1;
}

void pace_failed(struct pace *pace, size_t question)
{
    note(pace, question, true);
}

void pace_round_ended(struct pace *pace)
{
    bool bad = false;

    for (size_t i = 0; i < PACE_QUESTIONS_MAX; i++) {
        if (pace->questions[i].rounds++ >= PACE_FORGET_ROUNDS)
            pace->questions[i].bad = 0;
        bad |= pace->questions[i].bad > 0;
    }
    if (pace->suffers && pace->backoff < PACE_BACKOFF_MAX)
        pace->backoff *= 2;
    else if (!bad && pace->backoff > 1)
        pace->backoff /= 2;
    pace->suffers = false;
}

/* ---- when ---- */

int64_t pace_ms(const struct pace *pace, int64_t now_ms)
{
    bool sooner = pace_hurries(pace, now_ms) && pace->interval_ms > PACE_HURRY_MS;

    return pace->backoff * (sooner ? PACE_HURRY_MS : pace->interval_ms);
}

int64_t pace_left_ms(const struct pace *pace, int64_t began_ms, int64_t now_ms)
{
    int64_t whole_ms = pace_ms(pace, now_ms), left_ms = began_ms + whole_ms - now_ms;

    return left_ms > whole_ms / 4 ? left_ms : whole_ms / 4;
}
