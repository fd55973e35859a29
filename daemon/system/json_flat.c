/*
 * Whatever is not plain, or not new, makes it give up, so that there is nothing to get wrong about escapes
 * and UTF-8 here.
 */
#include "system/json_flat.h"

#include "system/json_text.h"

#include <stdint.h>
#include <string.h>

static const struct json_flat_member *find(const struct json_flat *flat, const char *key, size_t length)
{
    for (size_t i = 0; i < flat->count; i++) {
        const struct json_flat_member *member = &flat->members[i];

        if (member->key_length == length && memcmp(member->key, key, length) == 0)
            return member;
    }
    return NULL;
}

static bool take_key(struct json_cursor *cursor, struct json_flat_member *member)
{
    struct json_string name;

    json_skip_blanks(cursor);
    if (!json_take_string(cursor, &name) || !name.plain)
        return false;
    member->key = name.bytes;
    member->key_length = name.length;
    return json_take(cursor, ':');
}

static bool take_value(struct json_cursor *cursor, struct json_flat_member *member)
{
    struct json_string string;
    bool integer = false;

    json_skip_blanks(cursor);
    member->kind = JSON_FLAT_OTHER;
    member->value = cursor->at;
    if (cursor->at < cursor->end && *cursor->at == '"') {
        if (!json_take_string(cursor, &string))
            return false;
        member->kind = JSON_FLAT_STRING;
        member->value = string.bytes;
        member->value_length = string.length;
        return string.plain;
    }
    if (json_take_word(cursor, "true"))
        member->kind = JSON_FLAT_TRUE;
    else if (json_take_word(cursor, "false"))
        member->kind = JSON_FLAT_FALSE;
    else if (!json_take_word(cursor, "null")) {
        if (!json_take_number(cursor, &integer))
            return false;
        member->kind = integer ? JSON_FLAT_INT : JSON_FLAT_OTHER;
    }
    member->value_length = (size_t)(cursor->at - member->value);
    return true;
}

/* A name like one before? `seen` has a bit for each that was, so that hardly any are compared. */
static bool is_new(const struct json_flat *flat, const struct json_flat_member *member, uint64_t *seen)
{
    size_t length = member->key_length;
    uint64_t first = length ? (unsigned char)member->key[0] : 0;
    uint64_t last = length ? (unsigned char)member->key[length - 1] : 0;
    uint64_t bit = UINT64_C(1) << ((first * 5 + last * 3 + length) % 64);
    bool maybe_twice = *seen & bit;

    *seen |= bit;
    return !maybe_twice || !find(flat, member->key, length);
}

bool json_flat_split(struct json_flat *flat, const char *text, size_t length)
{
    struct json_cursor cursor = {text, text + length};
    uint64_t seen = 0;

    flat->count = 0;
    if (!json_take(&cursor, '{'))
        return false;
    do {
        struct json_flat_member *member = &flat->members[flat->count];

        if (flat->count == JSON_FLAT_MAX)
            return false;
        *member = (struct json_flat_member){.kind = JSON_FLAT_OTHER};
        if (!take_key(&cursor, member) || !is_new(flat, member, &seen) || !take_value(&cursor, member))
            return false;
        flat->count++;
    } while (json_take(&cursor, ','));
    if (!json_take(&cursor, '}'))
        return false;
    json_skip_blanks(&cursor);
    return cursor.at == cursor.end;
}

const struct json_flat_member *json_flat_find(const struct json_flat *flat, const char *key)
{
    return find(flat, key, strlen(key));
}
