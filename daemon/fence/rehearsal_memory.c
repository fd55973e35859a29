/*
 * The file that says "never again": written once, by a process of its own, because a disk may block. It is
 * opened by its name for each record, for the administrator removes it. Knows nothing of why and whom.
 */
#include "fence/rehearsal_memory.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"
#include "system/log.h"
#include "system/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME     "rehearsals-ended.json"
#define RECORDER_NAME "fence-rehearsal"

struct rehearsal_memory {
    struct recorder *recorder; /* NULL: nothing is remembered */
    char *path;
    bool unkept; /* what was to be written is not known to be on disk */
    struct error alarm;
};

/* ---- the sink, in the child ---- */

static int sink_open(void *state)
{
    (void)state;
    return 0;
}

static int sync_parent(const char *path)
{
    _cleanup_(freep) char *directory = strndup(path, (size_t)(strrchr(path, '/') - path));
    _cleanup_(closep) int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd < 0 || fsync(fd) != 0 ? -errno : 0;
}

static int sink_write(void *state, const char *record, size_t length)
{
    const char *path = state;
    _cleanup_(closep) int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, record, length);
    if (written < 0 || fdatasync(fd) != 0)
        return -errno;
    return written == (ssize_t)length ? sync_parent(path) : -ENOSPC; /* its being there is what counts */
}

static char *sink_describe(const void *state)
{
    return strdup(state);
}

static void *sink_revive(const char *description)
{
    return strdup(description);
}

const struct recorder_sink rehearsal_memory_sink = {
    .open = sink_open,
    .write = sink_write,
    .name = "rehearsals-ended",
    .describe = sink_describe,
    .revive = sink_revive,
};

/* ---- reading ---- */

static void set_alarm(const struct rehearsal_memory *memory, struct error *alarm, const char *words)
{
    error_set(alarm, ERROR_PROTOCOL, "%s", words);
    alarm->names_guests = true;
    error_hint(
        alarm,
        "find out why, and whether that guest was off; then `rm %s` and `systemctl reload fence-broker`",
        memory->path);
}

/* Without a file: what this process was told counts until a file has held it, and was removed. */
static bool recall(const struct rehearsal_memory *memory, struct error *alarm)
{
    if (memory->unkept)
        *alarm = memory->alarm;
    return memory->unkept;
}

bool rehearsal_memory_read(struct rehearsal_memory *memory, struct error *alarm)
{
    char text[ERROR_MESSAGE_MAX * 2] = "";
    const char *words = NULL;
    if (!memory->path[0])
        return recall(memory, alarm);
    /* O_NONBLOCK: a FIFO in this place must not be waited for */
    _cleanup_(closep) int fd = open(memory->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return recall(memory, alarm);
    memory->unkept = false;
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text));
    _cleanup_(json_putp) struct json_object *record = length > 0 ? json_parse(text, (size_t)length) : NULL;
    if (!json_get_string(record, "message", &words))
        words = "a rehearsal was carried out as a real stop (the record of it cannot be read)";
    set_alarm(memory, alarm, words);
    return true;
}

/* ---- writing ---- */

static void on_written(void *context, uint64_t id, int result)
{
    struct rehearsal_memory *memory = context;
    (void)id;
    if (result == 0)
        memory->unkept = false;
    else
        log_say(KIND_REHEARSALS_END_NOT_KEPT, NULL,
                "%s could not be written: %s; a restart would rehearse again", memory->path,
                strerror(-result));
}

void rehearsal_memory_write(struct rehearsal_memory *memory, int vmid, const struct error *alarm)
{
    char stamp[CLOCK_RFC3339_LEN];
    _cleanup_(json_putp) struct json_object *record = json_object_new_object();
    memory->alarm = *alarm;
    memory->unkept = true;
    if (!memory->recorder)
        return;
    if (!record) {
        on_written(memory, 0, -ENOMEM);
        return;
    }
    json_object_object_add(record, "v", json_object_new_int(1));
    json_object_object_add(record, "at", json_object_new_string(clock_rfc3339(clock_realtime_ms(), stamp)));
    json_object_object_add(record, "vmid", json_object_new_int(vmid));
    json_object_object_add(record, "message", json_object_new_string(alarm->message));
    const char *line = json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN);
    if (!line || !recorder_write(memory->recorder, line, strlen(line), on_written, memory))
        on_written(memory, 0, -ENOMEM);
}

const char *rehearsal_memory_path(const struct rehearsal_memory *memory)
{
    return memory->path;
}

/* ---- the room itself ---- */

struct rehearsal_memory *rehearsal_memory_new(const char *directory, struct error *error)
{
    struct rehearsal_memory *memory = calloc(1, sizeof(*memory));
    if (memory &&
        asprintf(&memory->path, "%s%s", directory ? directory : "", directory ? "/" FILE_NAME : "") < 0)
        memory->path = NULL;
    if (!memory || !memory->path) {
        rehearsal_memory_free(memory, 0);
        error_set(error, ERROR_INTERNAL, "no memory at the start");
        return NULL;
    }
    if (directory)
        memory->recorder = recorder_new(RECORDER_NAME, &rehearsal_memory_sink, memory->path, -1);
    if (directory && !memory->recorder) {
        recorder_say_not_started(error, "rehearsals");
        rehearsal_memory_free(memory, 0);
        return NULL;
    }
    return memory;
}

int rehearsal_memory_attach(struct rehearsal_memory *memory, struct event_base *base)
{
    return memory->recorder ? recorder_attach(memory->recorder, base) : 0;
}

void rehearsal_memory_free(struct rehearsal_memory *memory, int64_t wait_ms)
{
    if (!memory)
        return;
    recorder_free(memory->recorder, wait_ms);
    free(memory->path);
    free(memory);
}
