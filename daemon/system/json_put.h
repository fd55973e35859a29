/*
 * JSON as it is said: members and elements are appended to a text one after the other, and a comma stands
 * where one is due. What is longer than a line of a log is written like this: a tree of a thousand guests
 * takes longer than the loop may be kept from its work.
 */
#pragma once

#include "system/text.h"

#include <stdbool.h>
#include <stdint.h>

/* `key` NULL: an element of an array, or the document itself. */
void json_put_open(struct text *out, const char *key, char bracket);        /* '{' or '[' */
void json_put_close(struct text *out, char bracket);                        /* '}' or ']' */
void json_put_string(struct text *out, const char *key, const char *value); /* NULL: null */
void json_put_int(struct text *out, const char *key, int64_t value);
void json_put_bool(struct text *out, const char *key, bool value);
/* JSON that somebody else wrote. */
void json_put_raw(struct text *out, const char *key, const char *json);
