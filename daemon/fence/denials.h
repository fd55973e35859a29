/*
 * Denials that the history keeps beside the operations: who was refused what, and by which rule. A ring of
 * the last ones, and their line in the history file. How many of a flood become a record, whoever adds them
 * decides.
 */
#pragma once

#include "fence/operation.h"

#include <json-c/json.h>
#include <stddef.h>

#define DENIALS_KEPT       100
#define DENIAL_REQUEST_MAX 128
#define DENIAL_REASON_MAX  16

struct denial {
    int64_t realtime_ms;
    struct operation_peer peer;       /* its rule is what denied */
    char reason[DENIAL_REASON_MAX];   /* "no-rule" */
    char request[DENIAL_REQUEST_MAX]; /* "off web1" */
    uint64_t unrecorded;              /* so many more, since the record before, are in none */
};

struct denials {
    struct denial ring[DENIALS_KEPT];
    size_t count, next;
};

void denials_add(struct denials *denials, const struct denial *denial);
const struct denial *denials_get(const struct denials *denials, size_t index); /* newest first; NULL beyond */
/* The line, malloc'd, and back. NULL, false: no memory, or no denial's. */
char *denial_line(const struct denial *denial);
bool denial_read(struct json_object *document, struct denial *denial);
