/*
 * One record of the history file: a line of JSON, to and from an operation. Pure: knows no file and no order
 * of lines.
 *
 * Each line stands on its own ("v", "kind", "id", "time", "ms", "requested_ms", "action", "plug", "vmid";
 * intent and outcome describe the whole operation), so that whatever was torn, rotated away or written twice,
 * the rest still makes sense.
 *
 * RECORD_VERSION grows when an older daemon would misread a line. One version back is read; of a newer one
 * "v", "kind", "ms" and "vmid" mean what they mean here, and an "open" whose "calls" are missing or empty,
 * with nothing that is unknown here, says that nothing is open.
 */
#pragma once

#include "fence/operation.h"
#include "fence/unsettled.h"

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_VERSION 1

enum record_kind {
    RECORD_START, /* the daemon started: concerns no operation */
    RECORD_INTENT,
    RECORD_TRANSITION,
    RECORD_JOIN,
    RECORD_VERIFIED,
    RECORD_OUTCOME,
    RECORD_OPEN,   /* what is open of the guest's power calls: concerns no operation, the last one counts */
    RECORD_DENIED, /* somebody was refused something: concerns no operation, see denials.h */
};

/* The line, without newline, malloc'd; NULL without memory. Texts that are not UTF-8 have '?' in place of the
 * bytes in question. */
char *record_start(int64_t realtime_ms);
char *record_intent(const struct operation *operation);
char *record_transition(const struct operation *operation, const struct operation_transition *transition);
char *record_join(const struct operation *operation, const char *request_id, int64_t realtime_ms);
char *record_verified(const struct operation *operation);
char *record_outcome(const struct operation *operation);
char *record_open(const struct operation *operation, const struct unsettled *unsettled, int64_t realtime_ms);

struct record {
    enum record_kind kind;
    uint64_t number; /* of the operation's id; 0 for RECORD_START */
    struct json_object *document;
};

enum record_reading {
    RECORD_READ,
    RECORD_UNREADABLE, /* no record of ours: garbage, torn, of an unknown kind */
    RECORD_NEWER,      /* written by a newer version; `record` is filled if it is a RECORD_OPEN */
};
enum record_reading record_read(const char *line, size_t length, struct record *record);
void record_clear(struct record *record);
/* A new operation as far as this one record tells, not ended; then what each further record adds. In any
 * order, also twice. An outcome that was seen stays, unless it is "interrupted" and a later record knows
 * better. NULL, false: no memory. */
struct operation *record_begin(const struct record *record);
bool record_apply(const struct record *record, struct operation *operation);

/* Ids: the number in base 36, lower case, without leading zeros. */
#define RECORD_NUMBER_MAX UINT64_C(3656158440062975) /* ten digits, some 115,000 years */
void record_id(uint64_t number, char id[static OPERATION_ID_LEN]);
bool record_number(const char *id, uint64_t *number); /* false if no id of ours: 1 … RECORD_NUMBER_MAX */
