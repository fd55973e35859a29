/*
 * A cursor over the text, and one function for each thing that JSON has. Whatever is not plain makes it give
 * up, so that there is nothing to get wrong about escapes and UTF-8 here.
 */
#include "system/json_flat.h"

#include <string.h>

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r' || *cursor->at == '\t'))
        cursor->at++;
}

/* The next thing is that character. */
static bool take(struct cursor *cursor, char wanted)
{
    skip_blanks(cursor);
    if (cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

static bool take_string(struct cursor *cursor, const char **text, size_t *length)
{
    if (!take(cursor, '"'))
        return false;
    *text = cursor->at;
    for (; cursor->at < cursor->end; cursor->at++) {
        unsigned char c = (unsigned char)*cursor->at;

        if (c == '"') {
            *length = (size_t)(cursor->at++ - *text);
            return true;
        }
        if (c < 0x20 || c == '\\' || c >= 0x7f)
            return false;
    }
    return false;
}

static bool take_word(struct cursor *cursor, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* At least one. */
static bool take_digits(struct cursor *cursor)
{
    const char *begin = cursor->at;

    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
        cursor->at++;
    return cursor->at > begin;
}

static bool take_number(struct cursor *cursor, struct json_flat_member *member)
{
    member->value = cursor->at;
    member->kind = JSON_FLAT_INT;
    (void)take_word(cursor, "-");
    if (!take_word(cursor, "0") && !take_digits(cursor))
        return false;
    if (take_word(cursor, ".")) {
        member->kind = JSON_FLAT_OTHER;
        if (!take_digits(cursor))
            return false;
    }
    if (take_word(cursor, "e") || take_word(cursor, "E")) {
        member->kind = JSON_FLAT_OTHER;
        if (!take_word(cursor, "-"))
            (void)take_word(cursor, "+");
        if (!take_digits(cursor))
            return false;
    }
    member->value_length = (size_t)(cursor->at - member->value);
    return true;
}

static bool take_value(struct cursor *cursor, struct json_flat_member *member)
{
    skip_blanks(cursor);
    if (cursor->at == cursor->end)
        return false;
    switch (*cursor->at) {
    case '"':
        member->kind = JSON_FLAT_STRING;
        return take_string(cursor, &member->value, &member->value_length);
    case 't':
        member->kind = JSON_FLAT_TRUE;
        return take_word(cursor, "true");
    case 'f':
        member->kind = JSON_FLAT_FALSE;
        return take_word(cursor, "false");
    case 'n':
        member->kind = JSON_FLAT_OTHER;
        return take_word(cursor, "null");
    default:
        return take_number(cursor, member);
    }
}

bool json_flat_split(struct json_flat *flat, const char *text, size_t length)
{
    struct cursor cursor = {text, text + length};

    flat->count = 0;
    if (!take(&cursor, '{'))
        return false;
    do {
        struct json_flat_member *member = &flat->members[flat->count];

        if (flat->count == JSON_FLAT_MAX)
            return false;
        *member = (struct json_flat_member){.kind = JSON_FLAT_OTHER};
        if (!take_string(&cursor, &member->key, &member->key_length) || !take(&cursor, ':') ||
            !take_value(&cursor, member))
            return false;
        flat->count++;
    } while (take(&cursor, ','));
    if (!take(&cursor, '}'))
        return false;
    skip_blanks(&cursor);
    return cursor.at == cursor.end;
}

const struct json_flat_member *json_flat_find(const struct json_flat *flat, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = flat->count; i-- > 0;) {
        const struct json_flat_member *member = &flat->members[i];

        if (member->key_length == length && memcmp(member->key, key, length) == 0)
            return member;
    }
    return NULL;
}
