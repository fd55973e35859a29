/* What no answer to a question changes: claimed by each harness about one. */
#pragma once

#include "harness.h"

#include "fence/step.h"

static inline void claim_course_stays(const struct step *before, const struct step *step)
{
    const struct step_course *was = &before->course, *course = &step->course;
    CLAIM(course->not_before_ms == was->not_before_ms && course->verified_ms == was->verified_ms &&
              course->may_send == was->may_send && course->no_asker == was->no_asker &&
              course->repaired_ms == was->repaired_ms && course->watch_until_ms == was->watch_until_ms,
          "P4, P5: requests and what was sent stay as old");
}

/* Of a question about tasks. */
static inline void claim_nothing_read(const struct step *before, const struct step *step)
{
    CLAIM(step->read.known == before->read.known && step->read.asked_ms == before->read.asked_ms &&
              step->read.received_ms == before->read.received_ms &&
              step->read.status.running == before->read.status.running,
          "point 1: nothing is read of the guest");
}
