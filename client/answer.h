/* The broker's answer: bytes of an HTTP response in, status and body out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "say.h"

/* The head of a response; a body is bounded by memory alone. */
#define ANSWER_HEAD_MAX 65536

enum answer_progress {
    ANSWER_MORE,     /* not complete yet */
    ANSWER_COMPLETE, /* status, body and length are set */
    ANSWER_GARBLED,  /* not a response of the broker, whatever may follow */
};

struct answer {
    int status;
    bool json;
    char *body; /* `length` bytes and a NUL; points into `data` */
    size_t length;

    char *data; /* owned: everything received so far */
    size_t used, size;
    size_t head; /* bytes of the head, 0 while it is not complete */
};

void answer_clear(struct answer *answer);

/* Room for `wanted` more bytes (and a NUL) at data + used. 0, or -ENOMEM. */
int answer_reserve(struct answer *answer, size_t wanted) __attribute__((warn_unused_result));

/* Looks at data[0 … used). To be called after every growth; pure otherwise. */
enum answer_progress answer_parse(struct answer *answer);

/* Turns an answer that is not 200 into a failure: the broker's own words, in JSON or as text. Always returns
 * -1. */
int answer_failure(const struct answer *answer, struct failure *failure);
