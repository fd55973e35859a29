/*
 * The record of one operation, from request to end, that step, engine, history and views share.
 *
 * Plain data with its own words; it decides nothing. Monotonic times are CLOCK_MONOTONIC milliseconds, 0 =
 * not yet.
 *
 * An operation that history read back from disk has a clock of its own: its requested_ms is 1, and only
 * differences between its monotonic times mean anything. What holds for every operation: a moment's wall
 * clock is requested_realtime_ms + (moment_ms - requested_ms), and "verified" is verified_ms != 0.
 */
#pragma once

#include "proxmox/api.h"
#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPERATION_RESTORED_MS 1 /* the requested_ms of those that history has read back */

enum fence_action { FENCE_OFF, FENCE_ON, FENCE_REBOOT };
enum fence_method { FENCE_ONOFF, FENCE_CYCLE };

enum operation_state {
    OPERATION_QUEUED,
    OPERATION_LOCATING,
    OPERATION_STOPPING,
    OPERATION_VERIFYING,
    OPERATION_STARTING,
    OPERATION_WATCHING, /* done and answered; a call that is open could still undo it */
    OPERATION_ENDED,
};

enum operation_outcome {
    OPERATION_RUNNING, /* not ended yet */
    OPERATION_DONE,
    OPERATION_FAILED,
    OPERATION_ABANDONED,
    OPERATION_INTERRUPTED, /* the daemon ended before the operation did */
};

/* How the power-on of a reboot went on after the askers had their answer. */
enum operation_power_on { POWER_ON_NONE, POWER_ON_PENDING, POWER_ON_DONE, POWER_ON_FAILED };

#define OPERATION_USER_MAX 64
#define OPERATION_RULE_MAX 256

struct operation_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;                     /* information, not identity */
    char user[OPERATION_USER_MAX]; /* as known when the configuration was loaded; "": not known */
    char rule[OPERATION_RULE_MAX]; /* what decided that it may ask this */
};
/* Copies a text into one of a bounded length: one that is too long ends in "...", on a character's border. */
void operation_bound_text(char *out, size_t size, const char *text);

struct operation_transition {
    int64_t realtime_ms;
    int64_t offset_ms; /* since the request */
    char *text;        /* "stop sent to pve1", one line */
};

#define OPERATION_ID_LEN 16
#define REQUEST_ID_LEN   64 /* longest Request-Id taken, without the NUL */
/* A Request-Id belongs to the uid that gave it: kept as "UID:ID" everywhere behind the socket. */
#define REQUEST_KEY_LEN (REQUEST_ID_LEN + (int)sizeof("4294967295:") - 1)

#define OPERATION_TRANSITIONS_MAX 200 /* beyond it the newest takes the last place */
#define OPERATION_REQUEST_IDS_MAX 256

struct operation {
    char id[OPERATION_ID_LEN]; /* unique in the history: base 36 of the request's wall clock in ms */
    enum fence_action action;
    enum fence_method method;
    char *plug; /* as asked */
    int vmid;
    enum pve_guest_type type;
    char *guest;                /* name in Proxmox; may be NULL */
    char *node;                 /* host, as last known; may be NULL */
    struct operation_peer peer; /* the first asker */
    bool privileged;            /* one of the askers is root or hacluster */
    char **request_ids;         /* "UID:ID", of all askers that gave one */
    size_t request_id_count;

    int64_t requested_realtime_ms;
    int64_t requested_ms;
    int64_t verified_ms; /* off was proven (off, reboot); the guest reads running (on) */
    int64_t ended_ms;
    enum operation_state state;
    enum operation_outcome outcome;
    struct error error; /* why it failed; code ERROR_NONE otherwise */
    enum operation_power_on power_on;
    struct error power_on_error;

    char *evidence; /* what proved it off, a line of JSON (proven.h); NULL: nothing did, or it is lost */

    struct operation_transition *transitions;
    size_t transition_count;
    size_t transitions_noted; /* of which so many are there, or were */
};

struct operation *operation_new(void);
void operation_free(struct operation *operation); /* NULL is fine */
void operation_freep(struct operation **operation);
/* Append to the timeline (copies; control characters become '?'); an allocation failure loses the entry.
 * Returns the entry, valid until the next note, or NULL. */
const struct operation_transition *operation_note(struct operation *operation, int64_t now_ms,
                                                  const char *text);
/* The same with both times given: for a timeline that is read back. */
const struct operation_transition *operation_note_at(struct operation *operation, int64_t realtime_ms,
                                                     int64_t offset_ms, const char *text);
/* Copies. True also if it is known already; false: no memory, too long, empty, or OPERATION_REQUEST_IDS_MAX
 * reached. */
bool operation_add_request_id(struct operation *operation, const char *request_id);
void operation_forget_request_ids(struct operation *operation);
void operation_request_key(char key[static REQUEST_KEY_LEN + 1], uid_t uid, const char *request_id);
/* The Request-Id behind a key, if it is one of this uid's; else NULL. */
const char *operation_request_id_of(const char *key, uid_t uid);
bool operation_has_request_id(const struct operation *operation, const char *request_id);

const char *fence_action_name(enum fence_action action); /* "off" "on" "reboot" */
bool fence_action_from_name(const char *name, enum fence_action *action);
const char *fence_method_name(enum fence_method method); /* "onoff" "cycle" */
bool fence_method_from_name(const char *name, enum fence_method *method);
const char *operation_state_name(enum operation_state state);       /* "queued" … "ended" */
const char *operation_outcome_name(enum operation_outcome outcome); /* "running" "done" "failed" … */
bool operation_outcome_from_name(const char *name, enum operation_outcome *outcome);
const char *operation_power_on_name(enum operation_power_on power_on); /* "none" "pending" "done" "failed" */
bool operation_power_on_from_name(const char *name, enum operation_power_on *power_on);
