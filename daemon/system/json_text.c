/*
 * A cursor over the text, one function for each thing that JSON has, and a stack of what is open. Whether a
 * name comes twice is not seen here: that takes a tree.
 */
#include "system/json_text.h"

#include "system/json.h"
#include "system/text.h"

#include <string.h>

#define HEX "0123456789abcdefABCDEF"

void json_skip_blanks(struct json_cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r' || *cursor->at == '\t'))
        cursor->at++;
}

static bool is_at(const struct json_cursor *cursor, char wanted)
{
    return cursor->at < cursor->end && *cursor->at == wanted;
}

bool json_take(struct json_cursor *cursor, char wanted)
{
    json_skip_blanks(cursor);
    if (!is_at(cursor, wanted))
        return false;
    cursor->at++;
    return true;
}

/* ---- scalars ---- */

/* What follows a backslash. */
static bool take_escape(struct json_cursor *cursor, struct json_string *string)
{
    size_t left = (size_t)(cursor->end - cursor->at);

    if (left == 0 || *cursor->at == '\0' || !strchr("\"\\/bfnrtu", *cursor->at))
        return false;
    if (*cursor->at++ != 'u')
        return true;
    if (left < 5)
        return false;
    string->nul |= memcmp(cursor->at, "0000", 4) == 0;
    for (int i = 0; i < 4; i++, cursor->at++) {
        if (*cursor->at == '\0' || !strchr(HEX, *cursor->at))
            return false;
    }
    return true;
}

bool json_take_string(struct json_cursor *cursor, struct json_string *string)
{
    if (!is_at(cursor, '"'))
        return false;
    *string = (struct json_string){.bytes = ++cursor->at, .plain = true};
    while (cursor->at < cursor->end) {
        unsigned char c = (unsigned char)*cursor->at++;

        if (c == '"') {
            string->length = (size_t)(cursor->at - 1 - string->bytes);
            return true;
        }
        if (c < 0x20)
            return false;
        if (c != '\\' && c < 0x7f)
            continue;
        string->plain = false;
        if (c == '\\' && !take_escape(cursor, string))
            return false;
    }
    return false;
}

bool json_take_word(struct json_cursor *cursor, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* At least one. */
static bool take_digits(struct json_cursor *cursor)
{
    const char *begin = cursor->at;

    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
        cursor->at++;
    return cursor->at > begin;
}

bool json_take_number(struct json_cursor *cursor, bool *integer)
{
    *integer = true;
    (void)json_take_word(cursor, "-");
    if (!json_take_word(cursor, "0") && !take_digits(cursor))
        return false;
    if (json_take_word(cursor, ".")) {
        *integer = false;
        if (!take_digits(cursor))
            return false;
    }
    if (json_take_word(cursor, "e") || json_take_word(cursor, "E")) {
        *integer = false;
        if (!json_take_word(cursor, "-"))
            (void)json_take_word(cursor, "+");
        if (!take_digits(cursor))
            return false;
    }
    return true;
}

static bool take_scalar(struct json_cursor *cursor)
{
    struct json_string string;
    bool integer;

    if (is_at(cursor, '"'))
        return json_take_string(cursor, &string);
    return json_take_word(cursor, "true") || json_take_word(cursor, "false") ||
           json_take_word(cursor, "null") || json_take_number(cursor, &integer);
}

/* ---- the whole ---- */

struct checker {
    struct json_cursor cursor;
    char closers[JSON_DEPTH_MAX]; /* what ends each object and list that is open */
    size_t depth, members;
};

static bool take_name(struct checker *checker)
{
    struct json_string name;

    json_skip_blanks(&checker->cursor);
    checker->members++;
    return json_take_string(&checker->cursor, &name) && !name.nul && json_take(&checker->cursor, ':');
}

/* Behind a value: up to where the next one begins, or *whole. */
static bool close_up(struct checker *checker, bool *whole)
{
    while (checker->depth > 0) {
        char closer = checker->closers[checker->depth - 1];

        if (json_take(&checker->cursor, ','))
            return closer == ']' || take_name(checker);
        if (!json_take(&checker->cursor, closer))
            return false;
        checker->depth--;
    }
    *whole = true;
    return true;
}

/* From where a value begins: a scalar, or what opens an object or a list, and the end of an empty one. */
static bool take_begin(struct checker *checker, bool *whole)
{
    bool object = json_take(&checker->cursor, '{');

    if (!object && !json_take(&checker->cursor, '['))
        return take_scalar(&checker->cursor) && close_up(checker, whole);
    if (checker->depth == JSON_DEPTH_MAX)
        return false;
    checker->closers[checker->depth] = object ? '}' : ']';
    if (json_take(&checker->cursor, checker->closers[checker->depth]))
        return close_up(checker, whole);
    checker->depth++;
    return !object || take_name(checker);
}

bool json_text_check(const char *text, size_t length, size_t *members)
{
    struct checker checker = {.cursor = {text, text + length}};
    bool whole = false;

    if (!text_is_utf8(text, length))
        return false;
    while (!whole) {
        if (!take_begin(&checker, &whole))
            return false;
    }
    json_skip_blanks(&checker.cursor);
    *members = checker.members;
    return checker.cursor.at == checker.cursor.end;
}
