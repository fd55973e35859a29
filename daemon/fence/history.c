/*
 * The operations of this node, in memory and on disk.
 *
 * In memory they lie ordered by the number of their id, which only grows, so that finding one is a binary
 * search and newest first is the array backwards. On disk each event is a line of its own (record.c), written
 * by the recorder's child; nothing here waits for it. What root and hacluster asked for has a file and a
 * share of its own, which no flood by others can push it out of. Reading happens once, at the start, before
 * there is a loop to hold up. When to write what is the engine's business.
 */
#include "fence/history.h"

#include "fence/history_files.h"
#include "fence/record.h"
#include "fence/record_opens.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"
#include "system/record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define RECORDER_NAME "fence-history"
#define SLOTS_FIRST                                                                                          \
    (2 * HISTORY_KEPT) /* so many are ended and running ones in all practice: then no allocation */
#define HANDOVER_LOOK_MS 10
#define LOADED_MAX       (2 * HISTORY_KEPT) /* operations held while reading */

struct slot {
    uint64_t number;     /* of the id */
    uint64_t ended;      /* grows from one that ends to the next: when reading, the number; 0: under way */
    int64_t believed_ms; /* Pacemaker told of a fence that it proves; 0: of none yet */
    bool unwritten;      /* its outcome did not reach the disk: tried again */
    struct operation *operation;
};

/* Who wants to know what became of a record: an engine that waits for its intent, or we, for an outcome. */
struct waiter {
    struct history *history;
    uint64_t number; /* of the operation */
    recorder_done_fn *done;
    void *context;
    struct waiter *previous, *next;
};

struct history {
    struct slot *slots; /* by number */
    size_t count, capacity;
    uint64_t last_number; /* the highest that was ever given or seen */
    uint64_t last_ended;
    uint64_t forgotten;  /* the highest number that was dropped of the file that is read: its stray lines mean
                            nothing */
    bool reading_others; /* that file is the others' */
    size_t ended_count;
    struct denials denials;

    struct recorder *recorder;
    struct history_files files;
    struct record_opens *opens; /* while reading */
    int lock;                   /* on the directory, shared with the recorder's child; -1: none */
    struct event *retry;
    struct waiter *waiters;
    struct unsettled *unsettled; /* of the former daemon */
    int write_error;
    size_t unreadable, newer; /* lines; and those of them that a newer version wrote */
};

/* ---- in memory ---- */

/* Where `number` is, or belongs. */
static size_t position(const struct history *history, uint64_t number)
{
    size_t low = 0, high = history->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (history->slots[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct slot *find(const struct history *history, uint64_t number)
{
    size_t at = position(history, number);

    return at < history->count && history->slots[at].number == number ? &history->slots[at] : NULL;
}

static void remove_at(struct history *history, size_t at)
{
    if (history->slots[at].ended != 0)
        history->ended_count--;
    operation_free(history->slots[at].operation);
    history->count--;
    memmove(&history->slots[at], &history->slots[at + 1], (history->count - at) * sizeof(*history->slots));
}

static size_t count_others(const struct history *history)
{
    size_t count = 0;

    for (size_t i = 0; i < history->count; i++)
        count += history->slots[i].ended != 0 && !history->slots[i].operation->privileged;
    return count;
}

/* The one that ended longest ago, of others if these have more than their share: whoever may still hold a
 * pointer has ended his later. NULL: none has ended. */
static struct slot *oldest_ended(const struct history *history)
{
    size_t oldest = history->count;
    bool of_others = count_others(history) > HISTORY_OTHERS_KEPT;

    for (size_t i = 0; i < history->count; i++)
        if (history->slots[i].ended != 0 && !(of_others && history->slots[i].operation->privileged) &&
            (oldest == history->count || history->slots[i].ended < history->slots[oldest].ended))
            oldest = i;
    return oldest == history->count ? NULL : &history->slots[oldest];
}

static bool drop_ended(struct history *history)
{
    struct slot *oldest = oldest_ended(history);

    if (oldest)
        remove_at(history, (size_t)(oldest - history->slots));
    return oldest != NULL;
}

static struct slot *insert(struct history *history, uint64_t number, struct operation *operation)
{
    size_t at = position(history, number);

    if (history->count == history->capacity) {
        struct slot *grown =
            reallocarray(history->slots, history->capacity + HISTORY_KEPT, sizeof(*history->slots));

        if (!grown)
            return NULL;
        history->slots = grown;
        history->capacity += HISTORY_KEPT;
    }
    memmove(&history->slots[at + 1], &history->slots[at], (history->count - at) * sizeof(*history->slots));
    history->slots[at] = (struct slot){.number = number, .operation = operation};
    history->count++;
    if (number > history->last_number)
        history->last_number = number;
    return &history->slots[at];
}

static void mark_ended(struct history *history, struct slot *slot, uint64_t ended)
{
    if (slot->ended == 0)
        history->ended_count++;
    slot->ended = ended;
    if (history->last_ended < ended)
        history->last_ended = ended;
}

static void trim(struct history *history)
{
    while (history->ended_count > HISTORY_KEPT && drop_ended(history))
        ;
}

void history_add(struct history *history, struct operation *operation)
{
    uint64_t number;

    if (operation->requested_realtime_ms <= 0)
        operation->requested_realtime_ms = clock_realtime_ms();
    number = (uint64_t)operation->requested_realtime_ms;
    /* two within a millisecond, or a clock that was set back */
    if (number <= history->last_number)
        number = history->last_number + 1;
    record_id(number, operation->id);
    history->last_number = number;
    trim(history);
    if (!insert(history, number, operation) && drop_ended(history))
        (void)insert(history, number, operation);
}

size_t history_count(const struct history *history)
{
    return history->count;
}

const struct operation *history_get(const struct history *history, size_t index)
{
    return index < history->count ? history->slots[history->count - 1 - index].operation : NULL;
}

const struct operation *history_find(const struct history *history, const char *id)
{
    struct slot *slot;
    uint64_t number;

    if (!record_number(id, &number))
        return NULL;
    slot = find(history, number);
    return slot ? slot->operation : NULL;
}

const struct operation *history_find_request(const struct history *history, const char *request_id)
{
    for (size_t i = history->count; i-- > 0;)
        if (operation_has_request_id(history->slots[i].operation, request_id))
            return history->slots[i].operation;
    return NULL;
}

static bool is_proven_fence(const struct operation *operation)
{
    return operation->action != FENCE_ON && operation->verified_ms != 0 &&
           (operation->outcome == OPERATION_DONE || operation->outcome == OPERATION_INTERRUPTED);
}

const struct operation *history_last_fence(const struct history *history)
{
    for (size_t i = history->count; i-- > 0;)
        if (is_proven_fence(history->slots[i].operation))
            return history->slots[i].operation;
    return NULL;
}

int64_t history_believed(const struct history *history, size_t index)
{
    return history->slots[history->count - 1 - index].believed_ms;
}

void history_believe(struct history *history, size_t index, int64_t now_ms)
{
    history->slots[history->count - 1 - index].believed_ms = now_ms;
}

/* ---- to the disk ---- */

static void set_write_error(struct history *history, int result)
{
    if (result != 0 && history->write_error == 0)
        log_say(KIND_HISTORY_NOT_WRITTEN, NULL,
                "history is not written to %s: %s; operations continue, and are kept in memory",
                history->files.own.path, strerror(-result));
    if (result == 0 && history->write_error != 0)
        log_say(KIND_HISTORY_WRITTEN_AGAIN, NULL, "history is written to %s again", history->files.own.path);
    history->write_error = result;
}

static void on_written(void *context, uint64_t id, int result)
{
    (void)id;
    set_write_error(context, result);
}

/* Takes the line over. */
static uint64_t hand_over(struct history *history, bool of_others, char *line, recorder_done_fn *done,
                          void *context)
{
    _cleanup_(freep) char *plain = line;
    _cleanup_(freep) char *owned = NULL;

    if (!of_others)
        owned = TAKE(plain);
    else if (plain && asprintf(&owned, "%c%s", HISTORY_OF_OTHERS, plain) < 0)
        owned = NULL;
    uint64_t id = owned ? recorder_write(history->recorder, owned, strlen(owned), done, context) : 0;

    if (id == 0)
        set_write_error(history, owned ? -ENOBUFS : -ENOMEM);
    return id;
}

static void waiter_free(struct waiter *waiter)
{
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        waiter->history->waiters = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    free(waiter);
}

static struct waiter *waiter_new(struct history *history, const struct operation *operation)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (!waiter)
        return NULL;
    waiter->history = history;
    waiter->next = history->waiters;
    (void)record_number(operation->id, &waiter->number);
    if (history->waiters)
        history->waiters->previous = waiter;
    history->waiters = waiter;
    return waiter;
}

static void on_intent_written(void *context, uint64_t id, int result)
{
    struct waiter *waiter = context;
    recorder_done_fn *done = waiter->done;
    void *done_context = waiter->context;

    set_write_error(waiter->history, result);
    waiter_free(waiter);
    if (done)
        done(done_context, id, result);
}

uint64_t history_write_intent(struct history *history, const struct operation *operation,
                              recorder_done_fn *done, void *context)
{
    struct waiter *waiter = waiter_new(history, operation);
    uint64_t id;

    /* Without memory to tell us about the result, the record and the engine's own callback still work. */
    if (!waiter)
        return hand_over(history, !operation->privileged, record_intent(operation), done, context);
    waiter->done = done;
    waiter->context = context;
    id = hand_over(history, !operation->privileged, record_intent(operation), on_intent_written, waiter);
    if (id == 0)
        waiter_free(waiter);
    return id;
}

void history_write_transition(struct history *history, const struct operation *operation,
                              const struct operation_transition *transition)
{
    /* NULL: operation_note() had no memory. The last one of many is written at the end. */
    if (transition && operation->transitions_noted <= OPERATION_TRANSITIONS_MAX)
        hand_over(history, !operation->privileged, record_transition(operation, transition), on_written,
                  history);
}

void history_write_join(struct history *history, const struct operation *operation, const char *request_id)
{
    hand_over(history, !operation->privileged, record_join(operation, request_id, clock_realtime_ms()),
              on_written, history);
}

void history_write_verified(struct history *history, const struct operation *operation)
{
    hand_over(history, !operation->privileged, record_verified(operation), on_written, history);
}

static void set_unwritten(struct history *history, uint64_t number, bool unwritten)
{
    struct slot *slot = find(history, number);

    if (slot)
        slot->unwritten = unwritten;
}

static void on_outcome_written(void *context, uint64_t id, int result)
{
    struct waiter *waiter = context;

    (void)id;
    set_write_error(waiter->history, result);
    set_unwritten(waiter->history, waiter->number, result != 0);
    waiter_free(waiter);
}

/* Without its outcome an operation would read as interrupted after a restart, so this record is not given up.
 */
static void write_outcome(struct history *history, const struct operation *operation)
{
    struct waiter *waiter = waiter_new(history, operation);

    if (waiter && hand_over(history, !operation->privileged, record_outcome(operation), on_outcome_written,
                            waiter) != 0)
        return;
    if (waiter) {
        set_unwritten(history, waiter->number, true);
        waiter_free(waiter);
    } else {
        hand_over(history, !operation->privileged, record_outcome(operation), on_written, history);
    }
}

void history_write_outcome(struct history *history, const struct operation *operation)
{
    uint64_t number;
    struct slot *slot = record_number(operation->id, &number) ? find(history, number) : NULL;

    if (slot)
        mark_ended(history, slot, history->last_ended + 1);
    if (operation->transitions_noted > OPERATION_TRANSITIONS_MAX)
        hand_over(history, !operation->privileged,
                  record_transition(operation, &operation->transitions[operation->transition_count - 1]),
                  on_written, history);
    write_outcome(history, operation);
}

void history_add_denial(struct history *history, const struct denial *denial)
{
    denials_add(&history->denials, denial);
    hand_over(history, true, denial_line(denial), on_written, history);
}

const struct denial *history_denial(const struct history *history, size_t index)
{
    return denials_get(&history->denials, index);
}

uint64_t history_lost(const struct history *history)
{
    return recorder_lost(history->recorder) + recorder_failed(history->recorder);
}

int history_write_error(const struct history *history)
{
    if (history->write_error == 0 &&
        recorder_oldest_pending_ms(history->recorder, clock_now_ms()) > HISTORY_STALL_MS)
        return -ETIMEDOUT;
    return history->write_error;
}

size_t history_unreadable(const struct history *history)
{
    return history->unreadable;
}

/* ---- from the disk ---- */

/* The slot that a record speaks of, made if need be. NULL: none, or without memory. */
static struct slot *slot_of(struct history *history, const struct record *record)
{
    struct slot *slot = find(history, record->number);
    struct operation *operation;

    if (slot || record->number <= history->forgotten)
        return slot;
    operation = record_begin(record);
    if (!operation)
        return NULL;
    slot = insert(history, record->number, operation);
    if (!slot)
        operation_free(operation);
    return slot;
}

/* A long file is read with bounded memory: what ended goes first, then what is oldest. The numbers of the
 * others' file say nothing of those in root's. */
static void bound_loaded(struct history *history)
{
    while (history->count > LOADED_MAX) {
        const struct slot *oldest = oldest_ended(history), *dropped = oldest ? oldest : history->slots;

        if (dropped->operation->privileged != history->reading_others && dropped->number > history->forgotten)
            history->forgotten = dropped->number;
        remove_at(history, (size_t)(dropped - history->slots));
    }
}

/* The last one of a guest counts. */
static void read_open(struct history *history, struct json_object *document, enum record_reading reading)
{
    struct unsettled unsettled;
    int64_t now_ms = clock_now_ms();
    bool open = (reading == RECORD_NEWER ? unsettled_assume : unsettled_read)(
        &unsettled, document, clock_realtime_ms() - now_ms, now_ms);

    if (unsettled.vmid &&
        record_opens_is_last(&history->opens, unsettled.vmid, history->reading_others, document))
        unsettled_put(&history->unsettled, unsettled.vmid, open ? &unsettled : NULL);
}

static void read_line(void *context, const char *line, size_t length)
{
    struct history *history = context;
    struct record record = {.number = 0};
    struct slot *slot;
    enum record_reading reading = line ? record_read(line, length, &record) : RECORD_UNREADABLE;

    history->unreadable += reading != RECORD_READ;
    history->newer += reading == RECORD_NEWER;
    if (!record.document)
        return;
    if (record.kind == RECORD_OPEN) {
        read_open(history, record.document, reading);
    } else if (record.kind == RECORD_DENIED) {
        struct denial denial;

        if (denial_read(record.document, &denial))
            denials_add(&history->denials, &denial);
    } else if (record.kind != RECORD_START) {
        slot = slot_of(history, &record);
        if (slot && !record_apply(&record, slot->operation))
            history->unreadable++;
        if (slot && slot->ended == 0 && slot->operation->outcome != OPERATION_RUNNING)
            mark_ended(history, slot, slot->number); /* one file is read after the other */
        bound_loaded(history);
    }
    record_clear(&record);
}

/* The daemon ended before this operation did. What it had proven stays proven; when it ended is not known
 * better than by its last record. */
static void interrupt(struct operation *operation)
{
    bool verified = operation->verified_ms != 0;
    int64_t last = verified ? operation->verified_ms : operation->requested_ms;

    for (size_t i = 0; i < operation->transition_count; i++)
        if (operation->requested_ms + operation->transitions[i].offset_ms > last)
            last = operation->requested_ms + operation->transitions[i].offset_ms;
    operation->state = OPERATION_ENDED;
    operation->outcome = OPERATION_INTERRUPTED;
    operation->ended_ms = last;
    error_set(&operation->error, ERROR_INTERRUPTED, "the daemon stopped %s",
              verified ? "after this was verified, but before the rest was done"
                       : "before this was verified");
}

/* Whoever was to follow up the power-on is gone. */
static void interrupt_power_on(struct operation *operation)
{
    operation->power_on = POWER_ON_FAILED;
    error_set(&operation->power_on_error, ERROR_INTERRUPTED,
              "the daemon stopped before the power-on was verified");
    error_hint(&operation->power_on_error, "if it is off: fence_broker on %s", operation->plug);
}

static void end_loaded(struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        struct operation *operation = history->slots[i].operation;
        bool running = operation->outcome == OPERATION_RUNNING;
        bool power_on = operation->power_on == POWER_ON_PENDING ||
                        (running && operation->action == FENCE_REBOOT && operation->verified_ms != 0);

        if (running)
            interrupt(operation);
        if (power_on)
            interrupt_power_on(operation);
        if (running || power_on)
            history_write_outcome(history, operation);
    }
    trim(history);
}

static void load_file(struct history *history, const char *path)
{
    int result = record_file_read(path, HISTORY_READ_MAX, read_line, history);

    if (result != 0)
        log_say(KIND_HISTORY_UNREADABLE, NULL, "%s cannot be read: %s; its records are not shown", path,
                strerror(-result));
}

static void load_files(struct history *history, const char *path)
{
    _cleanup_(freep) char *older = NULL;

    if (asprintf(&older, "%s.1", path) < 0)
        older = NULL;
    history->forgotten = 0;
    if (older)
        load_file(history, older);
    load_file(history, path);
}

/* An operation of others that root joined later stands in both, in this order. */
static void load(struct history *history, const char *directory)
{
    history->reading_others = true;
    load_files(history, history->files.others.path);
    history->reading_others = false;
    load_files(history, history->files.own.path);
    record_opens_free(&history->opens);
    if (history->newer > 0)
        log_say(
            KIND_HISTORY_UNREADABLE, NULL,
            "%zu lines in %s were written by a newer version: they stay there and are not shown, and guests "
            "whose stops they leave open are in doubt (unproven); to read them install that version again",
            history->newer, directory);
    if (history->unreadable > history->newer)
        log_say(KIND_HISTORY_UNREADABLE, NULL, "%zu lines of %s could not be read and were skipped",
                history->unreadable - history->newer, history->files.own.path);
}

/* ---- beginning and end ---- */

/* The recorder of a daemon that was killed may still be bringing records to a slow disk, and what is read
 * without them is a history with a hole. Its lock ends with it. One that is stuck for good holds up nobody
 * for longer than HISTORY_HANDOVER_MS. The lock is then ours, for our own recorder's child. */
static int take_over(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int left_ms = HISTORY_HANDOVER_MS;

    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && left_ms > 0) {
        nanosleep(&(struct timespec){.tv_nsec = HANDOVER_LOOK_MS * 1000000L}, NULL);
        left_ms -= HANDOVER_LOOK_MS;
    }
    if (left_ms <= 0)
        log_say(KIND_HISTORY_HELD, NULL,
                "the recorder of an earlier daemon still writes to %s, or hangs there: the last records may "
                "not be shown",
                directory);
    (void)flock(fd, LOCK_SH | LOCK_NB);
    return fd;
}

static void history_freep(struct history **history)
{
    history_free(*history, 0);
    *history = NULL;
}

struct history *history_new_sized(const char *directory, int64_t file_bytes, struct error *error)
{
    _cleanup_(history_freep) struct history *history = calloc(1, sizeof(*history));

    if (history) {
        history_files_init(&history->files, directory, file_bytes);
        history->slots = calloc(SLOTS_FIRST, sizeof(*history->slots));
        history->capacity = SLOTS_FIRST;
        history->lock = take_over(directory);
    }
    if (!history || !history->files.own.path || !history->files.others.path || !history->slots) {
        error_set(error, ERROR_INTERNAL, "no memory for the history");
        return NULL;
    }
    history->recorder = recorder_new(RECORDER_NAME, &history_files_sink, &history->files, history->lock);
    if (!history->recorder) {
        recorder_say_not_started(error, "the history");
        return NULL;
    }
    set_write_error(history, history_files_check(directory));
    load(history, directory);
    /* The first line tells at once whether the disk takes any. */
    hand_over(history, false, record_start(clock_realtime_ms()), on_written, history);
    end_loaded(history);
    return TAKE(history);
}

struct history *history_new(const char *directory, struct error *error)
{
    return history_new_sized(directory, HISTORY_FILE_BYTES, error);
}

void history_write_open(struct history *history, const struct operation *operation,
                        const struct unsettled *unsettled)
{
    hand_over(history, operation && !operation->privileged,
              record_open(operation, unsettled, clock_realtime_ms()), on_written, history);
}

struct unsettled *history_take_unsettled(struct history *history)
{
    return TAKE(history->unsettled);
}

void history_retry(struct history *history)
{
    if (history->write_error != 0)
        hand_over(history, false, record_start(clock_realtime_ms()), on_written, history);
    for (size_t i = 0; i < history->count; i++) {
        if (!history->slots[i].unwritten)
            continue;
        history->slots[i].unwritten = false; /* until this try fails as well */
        write_outcome(history, history->slots[i].operation);
    }
}

/* Nothing may be asked for weeks: without this, a mended disk would not be noticed. */
static void on_retry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    history_retry(context);
}

int history_attach(struct history *history, struct event_base *base)
{
    struct timeval interval = {.tv_sec = HISTORY_RETRY_MS / 1000};

    history->retry = event_new(base, -1, EV_PERSIST, on_retry, history);
    if (!history->retry || event_add(history->retry, &interval) != 0)
        return -ENOMEM;
    return recorder_attach(history->recorder, base);
}

void history_free(struct history *history, int64_t wait_ms)
{
    if (!history)
        return;
    if (history->retry)
        event_free(history->retry);
    recorder_free(history->recorder, wait_ms);
    while (history->waiters)
        waiter_free(history->waiters);
    for (size_t i = 0; i < history->count; i++)
        operation_free(history->slots[i].operation);
    unsettled_free(&history->unsettled);
    free(history->slots);
    history_files_free(&history->files);
    if (history->lock >= 0)
        close(history->lock);
    free(history);
}
