/*
 * The record of one operation: its words, its timeline, and the Request-Ids of those who asked.
 *
 * Everything here is plain data. What a transition means, when off is proven and who gets an answer is
 * decided by step and engine; what reaches the disk, by history.
 */
#include "fence/operation.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

static const char *const action_names[] = {
    [FENCE_OFF] = "off",
    [FENCE_ON] = "on",
    [FENCE_REBOOT] = "reboot",
};
static const char *const method_names[] = {
    [FENCE_ONOFF] = "onoff",
    [FENCE_CYCLE] = "cycle",
};
static const char *const state_names[] = {
    [OPERATION_QUEUED] = "queued",       [OPERATION_LOCATING] = "locating", [OPERATION_STOPPING] = "stopping",
    [OPERATION_VERIFYING] = "verifying", [OPERATION_STARTING] = "starting", [OPERATION_WATCHING] = "watching",
    [OPERATION_ENDED] = "ended",
};
static const char *const outcome_names[] = {
    [OPERATION_RUNNING] = "running",         [OPERATION_DONE] = "done",
    [OPERATION_FAILED] = "failed",           [OPERATION_ABANDONED] = "abandoned",
    [OPERATION_INTERRUPTED] = "interrupted",
};
static const char *const power_on_names[] = {
    [POWER_ON_NONE] = "none",
    [POWER_ON_PENDING] = "pending",
    [POWER_ON_DONE] = "done",
    [POWER_ON_FAILED] = "failed",
};

/* The word of a table, "unknown" for a value that is none of the enum's: a view must not fall over one. */
static const char *word(const char *const *names, size_t count, size_t value)
{
    return value < count ? names[value] : "unknown";
}

static bool value_of(const char *const *names, size_t count, const char *name, size_t *value)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(names[i], name) == 0) {
            *value = i;
            return true;
        }
    return false;
}

const char *fence_action_name(enum fence_action action)
{
    return word(action_names, ARRAY_LEN(action_names), (size_t)action);
}

bool fence_action_from_name(const char *name, enum fence_action *action)
{
    size_t value;

    if (!value_of(action_names, ARRAY_LEN(action_names), name, &value))
        return false;
    *action = (enum fence_action)value;
    return true;
}

const char *fence_method_name(enum fence_method method)
{
    return word(method_names, ARRAY_LEN(method_names), (size_t)method);
}

bool fence_method_from_name(const char *name, enum fence_method *method)
{
    size_t value;

    if (!value_of(method_names, ARRAY_LEN(method_names), name, &value))
        return false;
    *method = (enum fence_method)value;
    return true;
}

const char *operation_state_name(enum operation_state state)
{
    return word(state_names, ARRAY_LEN(state_names), (size_t)state);
}

const char *operation_outcome_name(enum operation_outcome outcome)
{
    return word(outcome_names, ARRAY_LEN(outcome_names), (size_t)outcome);
}

bool operation_outcome_from_name(const char *name, enum operation_outcome *outcome)
{
    size_t value;

    if (!value_of(outcome_names, ARRAY_LEN(outcome_names), name, &value))
        return false;
    *outcome = (enum operation_outcome)value;
    return true;
}

const char *operation_power_on_name(enum operation_power_on power_on)
{
    return word(power_on_names, ARRAY_LEN(power_on_names), (size_t)power_on);
}

bool operation_power_on_from_name(const char *name, enum operation_power_on *power_on)
{
    size_t value;

    if (!value_of(power_on_names, ARRAY_LEN(power_on_names), name, &value))
        return false;
    *power_on = (enum operation_power_on)value;
    return true;
}

void operation_bound_text(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size) {
        length = size - sizeof("...");
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
        memcpy(out + length, "...", sizeof("..."));
    } else {
        out[length] = '\0';
    }
    memcpy(out, text, length);
    text_make_printable(out);
}

struct operation *operation_new(void)
{
    return calloc(1, sizeof(struct operation));
}

void operation_forget_request_ids(struct operation *operation)
{
    while (operation->request_id_count > 0)
        free(operation->request_ids[--operation->request_id_count]);
}

void operation_free(struct operation *operation)
{
    if (!operation)
        return;
    for (size_t i = 0; i < operation->transition_count; i++)
        free(operation->transitions[i].text);
    free(operation->transitions);
    operation_forget_request_ids(operation);
    free(operation->request_ids);
    free(operation->plug);
    free(operation->guest);
    free(operation->node);
    free(operation->evidence);
    free(operation);
}

void operation_freep(struct operation **operation)
{
    operation_free(*operation);
    *operation = NULL;
}

/* Texts may hold a reason phrase from the network; a line of the timeline stays one line. */
static char *one_line(const char *text)
{
    char *copy = strdup(text);

    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return copy;
}

const struct operation_transition *operation_note_at(struct operation *operation, int64_t realtime_ms,
                                                     int64_t offset_ms, const char *text)
{
    _cleanup_(freep) char *copy = one_line(text);
    struct operation_transition *entry;

    if (!copy)
        return NULL;
    operation->transitions_noted++;
    if (operation->transition_count < OPERATION_TRANSITIONS_MAX) {
        struct operation_transition *grown = reallocarray(
            operation->transitions, operation->transition_count + 1, sizeof(*operation->transitions));

        if (!grown)
            return NULL;
        operation->transitions = grown;
        entry = &grown[operation->transition_count++];
    } else {
        /* The end of a story matters more than its middle. */
        entry = &operation->transitions[OPERATION_TRANSITIONS_MAX - 1];
        free(entry->text);
    }
    *entry = (struct operation_transition){
        .realtime_ms = realtime_ms,
        .offset_ms = offset_ms,
        .text = TAKE(copy),
    };
    return entry;
}

const struct operation_transition *operation_note(struct operation *operation, int64_t now_ms,
                                                  const char *text)
{
    return operation_note_at(operation, clock_realtime_ms(), now_ms - operation->requested_ms, text);
}

bool operation_add_request_id(struct operation *operation, const char *request_id)
{
    _cleanup_(freep) char *copy = NULL;
    char **grown;

    if (operation_has_request_id(operation, request_id))
        return true;
    if (operation->request_id_count >= OPERATION_REQUEST_IDS_MAX || *request_id == '\0' ||
        strlen(request_id) > REQUEST_KEY_LEN)
        return false;
    copy = strdup(request_id);
    if (!copy)
        return false;
    grown = reallocarray(operation->request_ids, operation->request_id_count + 1, sizeof(*grown));
    if (!grown)
        return false;
    operation->request_ids = grown;
    grown[operation->request_id_count++] = TAKE(copy);
    return true;
}

void operation_request_key(char key[static REQUEST_KEY_LEN + 1], uid_t uid, const char *request_id)
{
    snprintf(key, REQUEST_KEY_LEN + 1, "%lu:%s", (unsigned long)uid, request_id);
}

const char *operation_request_id_of(const char *key, uid_t uid)
{
    char prefix[REQUEST_KEY_LEN + 1];

    operation_request_key(prefix, uid, "");
    return strncmp(key, prefix, strlen(prefix)) == 0 ? key + strlen(prefix) : NULL;
}

bool operation_has_request_id(const struct operation *operation, const char *request_id)
{
    for (size_t i = 0; i < operation->request_id_count; i++)
        if (strcmp(operation->request_ids[i], request_id) == 0)
            return true;
    return false;
}
