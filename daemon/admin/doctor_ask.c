/*
 * The running daemon's report, which comes as JSON and becomes what it was there: findings, and how long each
 * step took. Knows no link of the chain, only its name.
 */
#include "admin/doctor_private.h"

#include "client/request.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>

#define TOOK_MOST_MS 1e9 /* more than any step takes */

static bool read_step(struct json_object *object, enum diagnosis_step *step)
{
    const char *name = NULL;
    if (!json_get_string(object, "step", &name))
        return false;
    for (*step = 0; *step < DIAGNOSIS_STEP_COUNT; ++*step) {
        if (strcmp(name, diagnosis_step_name(*step)) == 0)
            return true;
    }
    return false;
}

static bool read_level(struct json_object *object, enum diagnosis_level *level)
{
    const char *name = NULL;
    if (!json_get_string(object, "level", &name))
        return false;
    for (*level = DIAGNOSIS_OK; *level <= DIAGNOSIS_FAILURE; ++*level) {
        if (strcmp(name, diagnosis_level_name(*level)) == 0)
            return true;
    }
    return false;
}

static bool read_took(struct diagnosis *diagnosis, struct json_object *object)
{
    struct json_object *took = NULL;
    enum diagnosis_step step;
    if (!read_step(object, &step) || !json_object_object_get_ex(object, "took_ms", &took))
        return false;
    diagnosis->took_us[step] = -1;
    if (!took)
        return true;
    double ms = json_object_get_double(took);
    bool number = json_object_is_type(took, json_type_double) || json_object_is_type(took, json_type_int);
    if (!number || !(ms >= 0 && ms < TOOK_MOST_MS))
        return false;
    diagnosis->took_us[step] = (int64_t)(ms * 1000 + 0.5);
    return true;
}

static bool read_finding(struct diagnosis *diagnosis, struct json_object *object, int64_t realtime_ms)
{
    enum diagnosis_step step;
    enum diagnosis_level level;
    const char *message = NULL, *hint = NULL, *seen_at = NULL;
    int64_t age_ms = DIAGNOSIS_AGE_NONE;
    if (!read_step(object, &step) || !read_level(object, &level) ||
        !json_get_string(object, "message", &message))
        return false;
    if (json_get_string(object, "seen_at", &seen_at)) {
        int64_t seen_ms = clock_parse(seen_at, realtime_ms);
        if (seen_ms < 0)
            return false;
        age_ms = seen_ms < realtime_ms ? realtime_ms - seen_ms : 0;
    }
    diagnosis_add(diagnosis, step, level, age_ms, "%s", message);
    if (json_get_string(object, "hint", &hint))
        diagnosis_hint(diagnosis, hint);
    return !diagnosis->failed;
}

static bool read_report(struct diagnosis *diagnosis, struct json_object *report)
{
    struct json_object *steps = NULL, *findings = NULL;
    int64_t now_ms = clock_realtime_ms();
    if (!report || !json_get_array(report, "steps", &steps) || !json_get_array(report, "findings", &findings))
        return false;
    for (size_t i = 0; i < json_object_array_length(steps); i++) {
        if (!read_took(diagnosis, json_object_array_get_idx(steps, i)))
            return false;
    }
    for (size_t i = 0; i < json_object_array_length(findings); i++) {
        if (!read_finding(diagnosis, json_object_array_get_idx(findings, i), now_ms))
            return false;
    }
    return diagnosis->count > 0; /* each link says something */
}

bool doctor_read(struct diagnosis *diagnosis, const char *text, size_t length)
{
    _cleanup_(json_putp) struct json_object *report = json_parse(text, length);
    *diagnosis = (struct diagnosis){0};
    for (enum diagnosis_step step = 0; step < DIAGNOSIS_STEP_COUNT; step++)
        diagnosis->took_us[step] = -1;
    if (read_report(diagnosis, report))
        return true;
    diagnosis_clear(diagnosis);
    return false;
}

int doctor_ask(struct diagnosis *diagnosis, const char *socket, bool json, struct failure *failure)
{
    struct answer answer = {0};
    const struct request request = {.socket = socket,
                                    .method = "GET",
                                    .target = "/v1/doctor",
                                    .json = true,
                                    .wait_s = REQUEST_READ_WAIT_S};
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0 && answer.status != 200) {
        if (json && answer.json)
            fwrite(answer.body, 1, answer.length, stdout);
        rc = answer_failure(&answer, failure);
    } else if (rc == 0 && !doctor_read(diagnosis, answer.body, answer.length)) {
        rc = failure_set(failure, "all programs of the broker must have the same version",
                         "the broker's answer is not a report of the doctor");
    }
    answer_clear(&answer);
    return rc;
}
