/*
 * Denials in memory and as lines of JSON. Texts of a peer's making are bounded here; one that is longer ends
 * in dots.
 */
#include "fence/denials.h"

#include "fence/record.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>

void denials_add(struct denials *denials, const struct denial *denial)
{
    denials->ring[denials->next] = *denial;
    denials->next = (denials->next + 1) % DENIALS_KEPT;
    if (denials->count < DENIALS_KEPT)
        denials->count++;
}

const struct denial *denials_get(const struct denials *denials, size_t index)
{
    if (index >= denials->count)
        return NULL;
    return &denials->ring[(denials->next + DENIALS_KEPT - 1 - index) % DENIALS_KEPT];
}

static void add(struct json_object *object, const char *key, struct json_object *value)
{
    if (!value || json_object_object_add(object, key, value) != 0)
        json_object_put(value);
}

char *denial_line(const struct denial *denial)
{
    _cleanup_(json_putp) struct json_object *object = json_object_new_object();
    char time[CLOCK_RFC3339_LEN];
    const char *line;

    if (!object)
        return NULL;
    add(object, "v", json_object_new_int(RECORD_VERSION));
    add(object, "kind", json_object_new_string("denied"));
    add(object, "time", json_object_new_string(clock_rfc3339(denial->realtime_ms, time)));
    add(object, "ms", json_object_new_int64(denial->realtime_ms));
    add(object, "uid", json_object_new_int64((int64_t)denial->peer.uid));
    add(object, "gid", json_object_new_int64((int64_t)denial->peer.gid));
    add(object, "pid", json_object_new_int64((int64_t)denial->peer.pid));
    add(object, "user", json_object_new_string(denial->peer.user));
    add(object, "request", json_object_new_string(denial->request));
    add(object, "reason", json_object_new_string(denial->reason));
    add(object, "rule", json_object_new_string(denial->peer.rule));
    if (denial->unrecorded)
        add(object, "unrecorded", json_object_new_int64((int64_t)denial->unrecorded));
    line = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    return line ? strdup(line) : NULL;
}

static void take_text(struct json_object *document, const char *key, char *out, size_t size)
{
    const char *value;

    if (json_get_string(document, key, &value))
        operation_bound_text(out, size, value);
}

bool denial_read(struct json_object *document, struct denial *denial)
{
    int64_t uid, gid = 0, pid = 0, unrecorded = 0, ms;

    *denial = (struct denial){0};
    if (!json_get_int(document, "ms", 0, INT64_MAX, &ms) ||
        !json_get_int(document, "uid", 0, UINT32_MAX, &uid))
        return false;
    (void)json_get_int(document, "gid", 0, UINT32_MAX, &gid);
    (void)json_get_int(document, "pid", 0, INT32_MAX, &pid);
    (void)json_get_int(document, "unrecorded", 0, INT64_MAX, &unrecorded);
    denial->realtime_ms = ms;
    denial->peer.uid = (uid_t)uid;
    denial->peer.gid = (gid_t)gid;
    denial->peer.pid = (pid_t)pid;
    denial->unrecorded = (uint64_t)unrecorded;
    take_text(document, "user", denial->peer.user, sizeof(denial->peer.user));
    take_text(document, "rule", denial->peer.rule, sizeof(denial->peer.rule));
    take_text(document, "request", denial->request, sizeof(denial->request));
    take_text(document, "reason", denial->reason, sizeof(denial->reason));
    return true;
}
