/*
 * What is JSON: RFC 8259 to the letter, over a text and without a tree. json-c takes more or less than that,
 * each version otherwise, so it gets nothing to read that was not judged here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_cursor {
    const char *at, *end;
};

struct json_string {
    const char *bytes; /* borrowed from the text, without quotes, escapes as they stand */
    size_t length;
    bool plain; /* bytes are what it says: no escape, nothing beyond ASCII */
    bool nul;   /* \u0000 is in it */
};

void json_skip_blanks(struct json_cursor *cursor);
/* The next thing, behind blanks, is that character. What each of these took, the cursor is behind. */
bool json_take(struct json_cursor *cursor, char wanted);
bool json_take_word(struct json_cursor *cursor, const char *word);
/* A false one leaves the cursor anywhere: there is no JSON. The UTF-8 in a string is not looked at. */
bool json_take_string(struct json_cursor *cursor, struct json_string *string);
bool json_take_number(struct json_cursor *cursor, bool *integer);

/* Exactly `length` bytes are one value of JSON in UTF-8, with nothing but blanks around it, nested no deeper
 * than JSON_DEPTH_MAX, and no name of a member has a NUL. *members: how many there are, in all objects. */
bool json_text_check(const char *text, size_t length, size_t *members);
