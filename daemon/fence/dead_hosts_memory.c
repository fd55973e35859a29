/*
 * A line a fenced host, each few seconds while it is, and one when it is not any more: the last line of a
 * host counts. A line that ends a record is written until it is on disk, for what is forgotten is only
 * unknown, but what was ended must not come back.
 */
#include "fence/dead_hosts_memory.h"

#include "fence/dead_hosts_private.h"
#include "system/cleanup.h"
#include "system/log.h"
#include "system/record_file.h"
#include "system/recorder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME     "dead-hosts.jsonl"
#define FILE_BYTES    (256 * 1024) /* then it is renamed to dead-hosts.jsonl.1; all hosts take an eighth */
#define RECORDER_NAME "fence-hosts"
#define WRITE_GAP_MS  5000 /* between two lines of a host that is still fenced */
#define BOOT_ID_LEN   36
#define BOOT_ID       "/proc/sys/kernel/random/boot_id"

/* A host of which the file says that it is fenced. */
struct kept {
    char name[PVE_NODE_MAX]; /* "": a free place */
    int64_t seen_ms;         /* by its last line */
    uint64_t ending;         /* the line that ends it, on its way to the disk; 0: none is */
};

struct dead_hosts_memory {
    struct recorder *recorder;
    struct recorder_file file;
    char boot[BOOT_ID_LEN + 1];       /* "": unknown, and nothing is kept */
    char where[DEAD_HOSTS_WHERE_MAX]; /* boot and cluster; "": nothing is kept */
    struct kept kept[DEAD_HOSTS_MAX];
    bool told_lost;
};

/* ---- where ---- */

static void read_boot_id(struct dead_hosts_memory *memory)
{
    _cleanup_(closep) int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, memory->boot, BOOT_ID_LEN) != BOOT_ID_LEN)
        memory->boot[0] = '\0';
}

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

void dead_hosts_memory_use(struct dead_hosts_memory *memory, const char *cluster)
{
    if (!memory || !memory->boot[0])
        return;
    snprintf(memory->where, sizeof(memory->where), "%s.%016" PRIx64, memory->boot, hash_of(cluster));
}

/* ---- the hosts that are kept ---- */

static struct kept *find_kept(struct dead_hosts_memory *memory, const char *name)
{
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        if (strcmp(memory->kept[i].name, name) == 0)
            return &memory->kept[i];
    }
    return NULL;
}

/* NULL: no room. */
static struct kept *keep(struct dead_hosts_memory *memory, const char *name)
{
    struct kept *kept = find_kept(memory, name);

    if (!kept && (kept = find_kept(memory, "")))
        *kept = (struct kept){0};
    if (kept)
        snprintf(kept->name, sizeof(kept->name), "%s", name);
    return kept;
}

/* ---- writing ---- */

static void say_lost(struct dead_hosts_memory *memory, int result)
{
    if (!memory->told_lost)
        log_say(KIND_DEAD_HOSTS_NOT_KEPT, NULL,
                "%s could not be written: %s; after a restart no host is known to be dead", memory->file.path,
                strerror(-result));
    memory->told_lost = true;
}

static void on_written(void *context, uint64_t id, int result)
{
    struct dead_hosts_memory *memory = context;

    if (result == 0)
        memory->told_lost = false;
    else
        say_lost(memory, result);
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        struct kept *kept = &memory->kept[i];
        if (kept->ending != id)
            continue;
        kept->ending = 0; /* tried again with the next sample */
        if (result == 0)
            kept->name[0] = '\0';
    }
}

static uint64_t write_line(struct dead_hosts_memory *memory, const char *line)
{
    return recorder_write(memory->recorder, line, strlen(line), on_written, memory);
}

static void write_ends(struct dead_hosts_memory *memory, const struct dead_hosts *room)
{
    char line[DEAD_HOSTS_RECORD_MAX];

    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        struct kept *kept = &memory->kept[i];
        const struct dead_host *host = kept->name[0] ? dead_hosts_find(room, kept->name) : NULL;
        if (kept->name[0] && !kept->ending && !(host && host->state == DEAD_HOSTS_FENCED) &&
            dead_hosts_write_end(kept->name, memory->where, line))
            kept->ending = write_line(memory, line);
    }
}

static void write_fenced(struct dead_hosts_memory *memory, const struct dead_hosts *room,
                         const struct dead_host *host)
{
    char line[DEAD_HOSTS_RECORD_MAX];
    const struct kept *old = find_kept(memory, host->name);

    if ((old && !old->ending && host->seen_ms - old->seen_ms < WRITE_GAP_MS) ||
        !dead_hosts_write(room, host->name, memory->where, line))
        return;
    struct kept *kept = keep(memory, host->name);
    if (!kept || !write_line(memory, line))
        return;
    kept->ending = 0; /* this line is behind that one */
    kept->seen_ms = host->seen_ms;
}

void dead_hosts_memory_keep(struct dead_hosts_memory *memory, const struct dead_hosts *room)
{
    if (!memory || !memory->where[0])
        return;
    write_ends(memory, room);
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        if (room->hosts[i].name[0] && room->hosts[i].state == DEAD_HOSTS_FENCED)
            write_fenced(memory, room, &room->hosts[i]);
    }
}

/* ---- reading ---- */

struct reading {
    struct dead_hosts *room;
    const char *where;
};

/* What cannot be read (torn, of a newer version, another boot or cluster) may have ended what stands above.
 */
static void read_line(void *context, const char *line, size_t length)
{
    const struct reading *reading = context;

    if (!line || !dead_hosts_read(reading->room, reading->where, line, length))
        dead_hosts_forget(reading->room);
}

void dead_hosts_memory_recall(struct dead_hosts_memory *memory, struct dead_hosts *room, const char *cluster)
{
    struct reading reading = {.room = room};
    _cleanup_(freep) char *older = NULL;

    dead_hosts_memory_use(memory, cluster);
    if (!memory || !memory->where[0])
        return;
    reading.where = memory->where;
    if (asprintf(&older, "%s.1", memory->file.path) < 0) {
        older = NULL;
        return;
    }
    /* a file that cannot be read may have ended what the other one says */
    if (record_file_read(older, FILE_BYTES, read_line, &reading) < 0 ||
        record_file_read(memory->file.path, FILE_BYTES, read_line, &reading) < 0)
        dead_hosts_forget(room);
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        if (room->hosts[i].name[0])
            (void)keep(memory, room->hosts[i].name);
    }
}

/* ---- the room ---- */

struct dead_hosts_memory *dead_hosts_memory_new(const char *directory, struct error *error)
{
    struct dead_hosts_memory *memory = calloc(1, sizeof(*memory));

    error_set(error, ERROR_INTERNAL, "no memory at the start");
    if (!memory || !recorder_file_init(&memory->file, directory, FILE_NAME, FILE_BYTES)) {
        dead_hosts_memory_free(memory, 0);
        return NULL;
    }
    memory->recorder = recorder_new(RECORDER_NAME, &recorder_file_sink, &memory->file, -1);
    if (!memory->recorder) {
        recorder_say_not_started(error, "dead hosts");
        dead_hosts_memory_free(memory, 0);
        return NULL;
    }
    read_boot_id(memory);
    *error = (struct error){0};
    return memory;
}

int dead_hosts_memory_attach(struct dead_hosts_memory *memory, struct event_base *base)
{
    return memory ? recorder_attach(memory->recorder, base) : 0;
}

void dead_hosts_memory_free(struct dead_hosts_memory *memory, int64_t wait_ms)
{
    if (!memory)
        return;
    recorder_free(memory->recorder, wait_ms);
    recorder_file_clear(&memory->file);
    free(memory);
}
