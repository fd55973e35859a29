/*
 * The members of one JSON object whose values are words and numbers, without a tree: for lists of thousands
 * of such objects, of which a few members are wanted. What is written plainly is split in place; all else is
 * left to json_parse(), which refuses it or makes a tree.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_FLAT_MAX 64 /* members; an object with more is not plain */

enum json_flat_kind {
    JSON_FLAT_STRING,
    JSON_FLAT_INT, /* digits, with or without a minus */
    JSON_FLAT_TRUE,
    JSON_FLAT_FALSE,
    JSON_FLAT_OTHER, /* null, a broken number, an object, a list */
};

/* Borrowed from the text that was split. */
struct json_flat_member {
    const char *key, *value; /* without quotes, and without a NUL behind */
    size_t key_length, value_length;
    enum json_flat_kind kind;
};

struct json_flat {
    struct json_flat_member members[JSON_FLAT_MAX];
    size_t count;
};

/* Splits exactly `length` bytes. False if they are no object, or not a plain one (escapes, letters beyond
 * ASCII, something nested, a name that comes twice, more than JSON_FLAT_MAX members): that says nothing about
 * whether they are JSON. True for JSON only. */
bool json_flat_split(struct json_flat *flat, const char *text, size_t length);
/* The member of that name. NULL: none. */
const struct json_flat_member *json_flat_find(const struct json_flat *flat, const char *key);
