/*
 * A history in memory, for engines in simulated time: all its public symbols that an engine needs are defined
 * here, so that the real one is not linked. Its disk can be slow, broken or absent.
 */
#pragma once

#include "simulated_time.h"

#include "fence/history.h"

#include <string.h>

#define HISTORY_OPERATIONS_MAX 4096

/* A record of an intent on its way to the disk. */
struct intent {
    uint64_t id;
    const struct operation *operation;
    int64_t written_ms;
    bool settled;
    int result;
    recorder_done_fn *done;
    void *context;
    struct event *event;
    struct intent *prev, *next;
};

enum disk { DISK_FINE, DISK_SLOW, DISK_FAILS, DISK_SILENT, DISK_LOST };

struct history {
    struct operation *operations[HISTORY_OPERATIONS_MAX];
    size_t operation_count;
    struct intent *intents;
    uint64_t last_record;
    enum disk disk;
    unsigned joins, verified, outcomes;
    void (*on_outcome)(const struct operation *operation);
    void (*on_added)(const struct operation *operation);
    struct json_object *left; /* by VMID: what is open of its calls, as the file has it */
};

void history_add(struct history *history, struct operation *operation)
{
    static uint64_t number;
    if (history->operation_count == HISTORY_OPERATIONS_MAX)
        abort();
    snprintf(operation->id, sizeof(operation->id), "o%" PRIu64, ++number);
    history->operations[history->operation_count++] = operation;
    if (history->on_added)
        history->on_added(operation);
}

static void intent_free(struct history *history, struct intent *intent)
{
    DL_DELETE(history->intents, intent);
    if (intent->event)
        event_free(intent->event);
    free(intent);
}

static void on_disk(evutil_socket_t fd, short what, void *context)
{
    struct intent *intent = context;
    (void)fd;
    (void)what;
    intent->settled = true;
    intent->done(intent->context, intent->id, intent->result);
}

uint64_t history_write_intent(struct history *history, const struct operation *operation,
                              recorder_done_fn *done, void *context)
{
    struct intent *intent = calloc(1, sizeof(*intent));
    if (!intent)
        abort();
    *intent = (struct intent){.id = ++history->last_record,
                              .operation = operation,
                              .written_ms = clock_now_ms(),
                              .done = done,
                              .context = context};
    DL_APPEND(history->intents, intent);
    if (history->disk == DISK_LOST) {
        intent->settled = true;
        return 0;
    }
    if (history->disk == DISK_SILENT)
        return intent->id;
    struct timeval after = {.tv_usec = (history->disk == DISK_SLOW ? 700 : 2) * 1000};
    intent->result = history->disk == DISK_FAILS ? -28 : 0;
    intent->event = event_new(NULL, -1, 0, on_disk, intent);
    event_add(intent->event, &after);
    return intent->id;
}

static inline const struct intent *intent_of(const struct history *history, const struct operation *operation)
{
    struct intent *intent, *found = NULL;
    DL_FOREACH (history->intents, intent) {
        if (intent->operation == operation)
            found = intent;
    }
    return found;
}

void history_write_transition(struct history *history, const struct operation *operation,
                              const struct operation_transition *transition)
{
    (void)history;
    (void)operation;
    (void)transition;
}

void history_write_join(struct history *history, const struct operation *operation, const char *request_id)
{
    (void)operation;
    (void)request_id;
    history->joins++;
}

void history_write_verified(struct history *history, const struct operation *operation)
{
    (void)operation;
    history->verified++;
}

void history_write_outcome(struct history *history, const struct operation *operation)
{
    history->outcomes++;
    if (history->on_outcome)
        history->on_outcome(operation);
}

void history_write_open(struct history *history, const struct operation *operation,
                        const struct unsettled *unsettled)
{
    struct json_object *document = json_object_new_object();
    char vmid[16];
    if (!history->left)
        history->left = json_object_new_object();
    int guest = operation ? operation->vmid : unsettled->vmid;
    snprintf(vmid, sizeof(vmid), "%d", guest);
    json_object_object_add(document, "vmid", json_object_new_int(guest));
    if (unsettled && !unsettled_write(unsettled, clock_realtime_ms() - clock_now_ms(), document))
        abort();
    json_object_object_add(history->left, vmid, document);
}

struct unsettled *history_take_unsettled(struct history *history)
{
    struct unsettled *list = NULL;
    if (!history->left)
        return NULL;
    json_object_object_foreach(history->left, vmid, document)
    {
        struct unsettled unsettled;
        (void)vmid;
        if (unsettled_read(&unsettled, document, clock_realtime_ms() - clock_now_ms(), clock_now_ms()))
            unsettled_put(&list, unsettled.vmid, &unsettled);
    }
    return list;
}

size_t history_count(const struct history *history)
{
    return history->operation_count;
}

const struct operation *history_get(const struct history *history, size_t index)
{
    return index < history->operation_count ? history->operations[history->operation_count - 1 - index]
                                            : NULL;
}

const struct operation *history_find(const struct history *history, const char *id)
{
    for (size_t i = history->operation_count; i-- > 0;) {
        if (strcmp(history->operations[i]->id, id) == 0)
            return history->operations[i];
    }
    return NULL;
}

const struct operation *history_find_request(const struct history *history, const char *request_id)
{
    for (size_t i = history->operation_count; i-- > 0;) {
        if (operation_has_request_id(history->operations[i], request_id))
            return history->operations[i];
    }
    return NULL;
}

/* What the next daemon reads of an operation that had not ended well: see end_loaded() in history.c. */
static inline void history_restart(struct history *history)
{
    struct intent *intent, *next;
    DL_FOREACH_SAFE (history->intents, intent, next) {
        intent_free(history, intent);
    }
    for (size_t i = 0; i < history->operation_count; i++) {
        struct operation *operation = history->operations[i];
        if (operation->power_on == POWER_ON_PENDING) {
            operation->power_on = POWER_ON_FAILED;
            error_set(&operation->power_on_error, ERROR_INTERRUPTED,
                      "the daemon stopped before the power-on");
        }
    }
}

/* All that is in it. */
static inline void history_forget(struct history *history)
{
    history_restart(history);
    for (size_t i = 0; i < history->operation_count; i++)
        operation_free(history->operations[i]);
    json_object_put(history->left);
}
