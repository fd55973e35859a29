/*
 * Every string of a document, wherever it stands; keys stay as they are, for they are looked for and not
 * shown. Knows no meaning of any of them.
 */
#include "proxmox/printable.h"

#include "system/cleanup.h"
#include "system/text.h"

#include <string.h>

static bool make_string(struct json_object *string)
{
    const char *text = json_object_get_string(string);

    if (!text || text_is_printable(text))
        return true;
    /* with a NUL inside it is no text to us; what stands behind that is dropped, and with it the reason */
    if (strlen(text) != (size_t)json_object_get_string_len(string))
        return true;
    _cleanup_(freep) char *copy = strdup(text);
    if (!copy)
        return false;
    text_make_printable(copy);
    return json_object_set_string(string, copy) == 1;
}

/* As deep as json_parse() goes: JSON_DEPTH_MAX. */
static bool make(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        return make_string(value);
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (!make(json_object_array_get_idx(value, i)))
                return false;
        }
        return true;
    case json_type_object: {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            if (!make(member))
                return false;
        }
        return true;
    }
    case json_type_null:
    case json_type_boolean:
    case json_type_double:
    case json_type_int:
        break;
    }
    return true;
}

struct json_object *printable_parse(const char *text, size_t length)
{
    struct json_object *document = json_parse(text, length);

    if (document && !make(document)) {
        json_object_put(document);
        return NULL;
    }
    return document;
}
