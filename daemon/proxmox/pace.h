/*
 * How often Proxmox is polled: by the interval, sooner where something happens or somebody looks, and more
 * and more seldom where its answers say that it suffers: they fail, or take much longer than they did. Pure:
 * it is told the time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_HURRY_MS     5000            /* between rounds while it hurries; less if the interval is */
#define PACE_HURRY_FOR_MS 60000           /* after what made it hurry */
#define PACE_ALARM_MS     (5 * 60 * 1000) /* what fails again within this is no reason to hurry again */
#define PACE_WATCH_GAP_MS 5000            /* who looks again within this watches, … */
#define PACE_WATCH_FOR_MS 15000           /* … and for so long it hurries */

#define PACE_BACKOFF_MAX 4 /* rounds are so many times rarer at most */
/* … and checks and rehearsals: what they show is believed for three periods, and would be old when the
 * backoff ends. */
#define PACE_CHECKS_BACKOFF_MAX 2
#define PACE_SLOW_MS            2000 /* an answer that takes so long is slow, … */
#define PACE_SLOW_TIMES         4    /* … if this is so many times what is usual for it */

#define PACE_QUESTIONS_MAX 4
#define PACE_FORGET_ROUNDS                                                                                   \
    4 /* after so many rounds without it, how a question was answered last is nothing */

struct pace {
    int64_t interval_ms; /* as configured */
    int64_t hurry_until_ms, alarmed_ms, looked_at_ms;
    unsigned backoff; /* 1: none */
    struct {
        int64_t usual_us; /* about the median of its answers; 0: none yet */
        unsigned bad;     /* in a row: it was failed, or answered slowly */
        unsigned rounds;  /* since it was asked: what is asked seldom says nothing of now */
    } questions[PACE_QUESTIONS_MAX];
    bool suffers; /* by the round under way */
};

void pace_init(struct pace *pace, int64_t interval_ms);

/* Something has happened; something has begun to fail; somebody has looked, and who looks again and again is
 * shown what is new. */
void pace_hurry(struct pace *pace, int64_t now_ms);
void pace_trouble(struct pace *pace, int64_t now_ms);
void pace_looked_at(struct pace *pace, int64_t now_ms);
bool pace_hurries(const struct pace *pace, int64_t now_ms);

/* What came of a question: it was answered, or Proxmox failed it. */
void pace_answered(struct pace *pace, size_t question, int64_t took_ms);
void pace_failed(struct pace *pace, size_t question);
/* A question that was failed or answered slowly twice in a row makes the next rounds rarer; when all have
 * good answers again they become less so. */
void pace_round_ended(struct pace *pace);

/* From the beginning of a round to that of the next one. */
int64_t pace_ms(const struct pace *pace, int64_t now_ms);
/* What is left of that; one that takes long is followed by a rest all the same. */
int64_t pace_left_ms(const struct pace *pace, int64_t began_ms, int64_t now_ms);
