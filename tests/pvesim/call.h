/*
 * One API request, parsed, and its answer, not yet sent: what http.c and api.c hand each other.
 *
 * Knows neither connections nor what any call means.
 */
#pragma once

#include "out.h"
#include "sim.h"

struct node;
struct guest;
struct api_row;

struct param {
    char *name, *value;
    bool of_query; /* not of the body */
    struct param *next;
};

#include <stddef.h>

#define CALL_SEGMENTS_MAX 8 /* of a path; deeper ones are no calls */

struct call {
    char *method;
    char *path;     /* below /api2/json, decoded, beginning with "/" */
    char *segments; /* copy of `path` that `segment` points into */
    char *segment[CALL_SEGMENTS_MAX];
    int segment_count;
    struct param *params;                /* of query and body; a name stands once, the query's value wins */
    char *cookie, *authorization, *csrf; /* headers; NULL if missing */
    size_t body_bytes;
    const struct node *endpoint; /* who was asked */

    /* filled on the way */
    const struct api_row *row; /* NULL: no such call */
    const char *name;          /* of the call, for faults, statistics and log */
    char *id;                  /* who asks; NULL: nobody */
    struct node *node;         /* who answers */
    int vmid;                  /* of the path; 0: none */
};

struct reply {
    int status;
    char *reason;          /* NULL: the usual one */
    struct evbuffer *body; /* empty: no body, and no header that speaks of one */
    int64_t delay_ms;
};

void call_free(struct call *call);
/* Add what a query or a form says (a=b&c=d); `wins`: over what is there. 0 or -ENOMEM. */
int call_add_form(struct call *call, const char *text, size_t length, bool wins)
    __attribute__((warn_unused_result));
int call_add_param(struct call *call, const char *name, const char *value, bool wins)
    __attribute__((warn_unused_result));
/* Forget a parameter, wherever it stood. */
void call_drop_param(struct call *call, const char *name);
/* Forget what the body said. */
void call_drop_body(struct call *call);
const char *call_param(const struct call *call, const char *name); /* NULL if missing; borrowed */
/* Percent-decoding in place; `plus`: a + is a blank. */
void call_decode(char *text, bool plus);

int reply_init(struct reply *reply) __attribute__((warn_unused_result));
void reply_clear(struct reply *reply);
/* An error with its text as reason phrase and message; whatever was in the body is dropped. */
void reply_error(struct reply *reply, bool with_message, int status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* An error of the layers below the API: a reason, and nothing else. */
void reply_empty(struct reply *reply, int status, const char *reason);
