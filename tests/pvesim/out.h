/*
 * Writing JSON straight into an evbuffer: commas and escapes, nothing else.
 *
 * A tree of objects would cost too much for a list of 10,000 guests that is asked for again and again.
 */
#pragma once

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

struct out {
    struct evbuffer *to; /* borrowed */
    bool comma;          /* the next value needs one before it */
};

/* `key` is NULL inside an array and at the top. */
void out_open(struct out *out, const char *key, char bracket);
void out_close(struct out *out, char bracket);
void out_string(struct out *out, const char *key, const char *value); /* NULL writes null */
void out_int(struct out *out, const char *key, int64_t value);
