/*
 * Typed getters over json-c: what is not exactly of the asked form is not there.
 */
#include "system/json.h"

#include "system/json_text.h"

#include <json-c/json_visit.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* json-c does not look at all of its allocations (the names of members, in 0.16), and would end the daemon.
 * So there must be memory for more than what it makes of a text, before it begins. */
#define TREE_BYTES_PER_BYTE 24
#define TREE_BYTES_MIN      ((size_t)64 * 1024)

static bool memory_for_tree(size_t length)
{
    void *volatile room =
        malloc(TREE_BYTES_MIN + length * TREE_BYTES_PER_BYTE); /* a compiler may leave out the pair */
    bool there = room != NULL;
    free(room);
    return there;
}

static int count_member(struct json_object *value, int flags, struct json_object *parent, const char *key,
                        size_t *index, void *context)
{
    (void)value, (void)parent, (void)index;
    *(size_t *)context += key && !(flags & JSON_C_VISIT_SECOND); /* on the way in */
    return JSON_C_VISIT_RETURN_CONTINUE;
}

/* As many members as the text has: of a name that comes twice in an object, the tree keeps one. */
static bool has_members(struct json_object *object, size_t members)
{
    size_t count = 0;
    return json_c_visit(object, 0, count_member, &count) == 0 && count == members;
}

/* Of a text that is JSON. NULL: no memory. */
static struct json_object *build(struct json_tokener *tokener, const char *text, size_t length)
{
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)length);
    /* a bare number at the end of the text is complete only when something follows it */
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        object = json_tokener_parse_ex(tokener, "", 1);
    return object;
}

struct json_object *json_parse(const char *text, size_t length)
{
    size_t members = 0;
    if (length > INT_MAX || !json_text_check(text, length, &members) || !memory_for_tree(length))
        return NULL;
    /* a list or object takes a level, and so does what is in it */
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    if (!tokener)
        return NULL;
    struct json_object *object = build(tokener, text, length);
    json_tokener_free(tokener);
    if (object && !has_members(object, members)) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

/* ---- of a value ---- */

static bool whole_string(struct json_object *value, const char **out)
{
    const char *text = json_object_get_string(value);
    /* a NUL inside would make the C string shorter than the value */
    if (!text || strlen(text) != (size_t)json_object_get_string_len(value))
        return false;
    *out = text;
    return true;
}

static bool int_within(struct json_object *value, int64_t min, int64_t max, int64_t *out)
{
    int64_t number = json_object_get_int64(value);
    /* json-c shows what no int64_t can hold as the greatest one, or the smallest */
    if (number == INT64_MIN || (number == INT64_MAX && json_object_get_uint64(value) > (uint64_t)INT64_MAX))
        return false;
    if (number < min || number > max)
        return false;
    *out = number;
    return true;
}

static bool digits_to_int(const char *text, int64_t *out)
{
    int64_t number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *text - '0', &number))
            return false;
    }
    *out = number;
    return true;
}

static bool int_or_digits(struct json_object *value, int64_t min, int64_t max, int64_t *out)
{
    const char *text = NULL;
    int64_t number = 0;
    if (json_object_is_type(value, json_type_int))
        return int_within(value, min, max, out);
    if (!json_object_is_type(value, json_type_string) || !whole_string(value, &text) ||
        !digits_to_int(text, &number) || number < min || number > max)
        return false;
    *out = number;
    return true;
}

/* ---- of a member ---- */

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (!object || !json_object_is_type(object, json_type_object))
        return NULL;
    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static bool member_of_type(struct json_object *object, const char *key, enum json_type type,
                           struct json_object **out)
{
    struct json_object *value = member(object, key);
    if (!value || !json_object_is_type(value, type))
        return false;
    *out = value;
    return true;
}

bool json_get_object(struct json_object *object, const char *key, struct json_object **out)
{
    return member_of_type(object, key, json_type_object, out);
}

bool json_get_array(struct json_object *object, const char *key, struct json_object **out)
{
    return member_of_type(object, key, json_type_array, out);
}

bool json_get_string(struct json_object *object, const char *key, const char **out)
{
    struct json_object *value = NULL;
    return member_of_type(object, key, json_type_string, &value) && whole_string(value, out);
}

bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out)
{
    struct json_object *value = NULL;
    return member_of_type(object, key, json_type_int, &value) && int_within(value, min, max, out);
}

bool json_get_int_or_digits(struct json_object *object, const char *key, int64_t min, int64_t max,
                            int64_t *out)
{
    return int_or_digits(member(object, key), min, max, out);
}

bool json_flag(struct json_object *value, bool *out)
{
    int64_t number = 0;
    if (json_object_is_type(value, json_type_boolean)) {
        *out = json_object_get_boolean(value);
        return true;
    }
    if (!int_or_digits(value, 0, 1, &number))
        return false;
    *out = number != 0;
    return true;
}

bool json_get_flag(struct json_object *object, const char *key, bool *out)
{
    return json_flag(member(object, key), out);
}
