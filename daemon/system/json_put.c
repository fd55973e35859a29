/*
 * Nothing is remembered between two calls: whether a comma is due is seen by what was written last. Knows no
 * document.
 */
#include "system/json_put.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STRING_MAX(string) (2 + 6 * strlen(string)) /* with each byte as \u00XX */

/* As a string, at `at`; where it ends. There is room for STRING_MAX(value). */
static char *put_quoted(char *at, const char *value)
{
    *at++ = '"';
    for (unsigned char c; (c = (unsigned char)*value); value++) {
        if (c < 0x20) {
            static const char digits[] = "0123456789abcdef";

            memcpy(at, "\\u00", 4);
            at[4] = digits[c >> 4];
            at[5] = digits[c & 15];
            at += 6;
            continue;
        }
        if (c == '"' || c == '\\')
            *at++ = '\\';
        *at++ = (char)c;
    }
    *at++ = '"';
    return at;
}

/* Room for a value of so many bytes, behind the comma and the key that stand before it; NULL without memory.
 */
static char *begin(struct text *out, const char *key, size_t length)
{
    char last = out->length ? out->data[out->length - 1] : '[';
    char *at = text_room(out, 2 + (key ? STRING_MAX(key) : 0) + length);

    if (!at)
        return NULL;
    if (last != '{' && last != '[')
        *at++ = ',';
    if (key) {
        at = put_quoted(at, key);
        *at++ = ':';
    }
    return at;
}

static void put_plain(struct text *out, const char *key, const char *value)
{
    size_t length = strlen(value);
    char *at = begin(out, key, length);

    if (!at)
        return;
    memcpy(at, value, length);
    text_grow(out, at + length);
}

void json_put_open(struct text *out, const char *key, char bracket)
{
    put_plain(out, key, (const char[]){bracket, '\0'});
}

void json_put_close(struct text *out, char bracket)
{
    text_append(out, &bracket, 1);
}

void json_put_string(struct text *out, const char *key, const char *value)
{
    char *at = value ? begin(out, key, STRING_MAX(value)) : NULL;

    if (!value)
        put_plain(out, key, "null");
    else if (at)
        text_grow(out, put_quoted(at, value));
}

void json_put_int(struct text *out, const char *key, int64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRId64, value);
    put_plain(out, key, digits);
}

void json_put_bool(struct text *out, const char *key, bool value)
{
    put_plain(out, key, value ? "true" : "false");
}

void json_put_raw(struct text *out, const char *key, const char *json)
{
    put_plain(out, key, json);
}
