/*
 * Two texts are told apart byte by byte: the elements, which are objects in the one list that counts, and the
 * frame around them, in which a {} stands for them: like them it can follow or precede nothing that they
 * could not. Strings are followed only to find their ends; whether anything is JSON is not decided here but
 * by those who read the frame and the elements.
 */
#include "proxmox/listing.h"

#include "proxmox/printable.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/text.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define KEY_MAX 16 /* with its NUL; the keys that are looked for are shorter */

/* Where we are in the list that counts. */
enum place {
    PLACE_FRAME,   /* anywhere around the elements */
    PLACE_ELEMENT, /* in one */
    PLACE_BEHIND,  /* behind one, in a list */
    PLACE_BETWEEN, /* behind the comma that follows one */
};

struct listing {
    enum api_elements elements;
    enum place place;
    bool in_string, escaped;
    unsigned depth;              /* in the frame */
    bool counts[JSON_DEPTH_MAX]; /* the list, or the object, whose objects are the elements */
    unsigned inner;              /* depth in the element */
    char key[KEY_MAX];           /* the last string of the frame; "" if it was longer */
    size_t key_length;
    struct text frame, element;
    struct guest_list *guests;
    struct json_object *leaves; /* one for each element of the frame, in order */
    struct json_object *hosts;  /* of a list of resources */
    char *leaf_text;            /* of the last one */
};

struct listing *listing_new(enum api_elements elements)
{
    struct listing *listing = calloc(1, sizeof(*listing));

    if (!listing)
        return NULL;
    listing->elements = elements;
    if (elements == API_ELEMENTS_LEAVES)
        listing->leaves = json_object_new_array();
    else
        listing->guests = guest_list_new();
    if (elements == API_ELEMENTS_RESOURCES)
        listing->hosts = json_object_new_array();
    if ((!listing->leaves && !listing->guests) || (elements == API_ELEMENTS_RESOURCES && !listing->hosts)) {
        listing_free(listing);
        return NULL;
    }
    return listing;
}

void listing_free(struct listing *listing)
{
    if (!listing)
        return;
    text_clear(&listing->frame);
    text_clear(&listing->element);
    guest_list_unref(listing->guests);
    json_object_put(listing->leaves);
    json_object_put(listing->hosts);
    free(listing->leaf_text);
    free(listing);
}

/* ---- elements ---- */

static size_t leaf_count(const struct listing *listing)
{
    return json_object_array_length(listing->leaves);
}

/* Most say the same as the one before: then they are one. */
static bool take_leaf(struct listing *listing, const char *text, size_t length)
{
    size_t count = leaf_count(listing);
    bool same =
        count > 0 && strncmp(listing->leaf_text, text, length) == 0 && listing->leaf_text[length] == '\0';
    struct json_object *leaf = same ? json_object_get(json_object_array_get_idx(listing->leaves, count - 1))
                                    : printable_parse(text, length);

    if (!leaf || json_object_array_add(listing->leaves, leaf) != 0) {
        json_object_put(leaf);
        return false;
    }
    if (same)
        return true;
    free(listing->leaf_text);
    listing->leaf_text = strndup(text, length);
    return listing->leaf_text != NULL;
}

/* Storages and what else there is are passed over. */
static bool take_host(struct listing *listing, const char *text, size_t length)
{
    _cleanup_(json_putp) struct json_object *object = printable_parse(text, length);
    const char *type = NULL;

    if (!object)
        return false;
    if (!json_get_string(object, "type", &type) || strcmp(type, "node") != 0)
        return true;
    if (json_object_array_length(listing->hosts) >= LISTING_HOSTS_MAX ||
        json_object_array_add(listing->hosts, object) != 0)
        return false;
    (void)TAKE(object);
    return true;
}

static bool take_element(struct listing *listing, const char *text, size_t length)
{
    if (listing->leaves)
        return take_leaf(listing, text, length);
    if (guest_list_add(listing->guests, text, length) != 0)
        return false;
    return !listing->hosts || !guest_list_last_was_other(listing->guests) || take_host(listing, text, length);
}

/* Keeps the part of an element that these bytes hold, or, if they hold its end, reads it. How many bytes were
 * its; 0: it is no good. */
static size_t feed_element(struct listing *listing, const char *bytes, size_t length)
{
    size_t used = 0;
    bool whole = false;

    while (used < length && !whole) {
        char c = bytes[used++];

        if (listing->in_string) {
            if (listing->escaped)
                listing->escaped = false;
            else if (c == '\\')
                listing->escaped = true;
            else
                listing->in_string = c != '"';
            continue;
        }
        if (c == '"')
            listing->in_string = true;
        else if ((c == '{' || c == '[') && ++listing->inner + listing->depth > JSON_DEPTH_MAX)
            return 0;
        else if (c == '}' || c == ']')
            whole = --listing->inner == 0;
    }
    if (whole && listing->element.length == 0)
        return take_element(listing, bytes, used) ? used : 0;
    if (listing->element.length + used > LISTING_ELEMENT_MAX)
        return 0;
    text_append(&listing->element, bytes, used);
    if (listing->element.failed)
        return 0;
    if (whole) {
        bool good = take_element(listing, listing->element.data, listing->element.length);

        listing->element.length = 0;
        return good ? used : 0;
    }
    return used;
}

/* ---- the frame ---- */

static void note_key(struct listing *listing, char c)
{
    if (listing->key_length < KEY_MAX - 1)
        listing->key[listing->key_length] = c;
    listing->key_length++;
}

static bool key_is(const struct listing *listing, const char *key)
{
    size_t length = strlen(key);

    return listing->key_length == length && memcmp(listing->key, key, length) == 0;
}

/* A list or an object begins. False: deeper than any answer of Proxmox's. */
static bool enter(struct listing *listing, char bracket)
{
    bool counts = false;

    if (listing->depth == JSON_DEPTH_MAX)
        return false;
    switch (listing->elements) {
    case API_ELEMENTS_NONE:
        break;
    case API_ELEMENTS_GUESTS:
    case API_ELEMENTS_RESOURCES:
        counts = bracket == '[' && listing->depth == 1 && key_is(listing, "data");
        break;
    case API_ELEMENTS_MEMBERS:
        counts = bracket == '[' && key_is(listing, "members");
        break;
    case API_ELEMENTS_LEAVES:
        counts = bracket == '{' && listing->depth == 1 && key_is(listing, "data");
        break;
    }
    listing->counts[listing->depth++] = counts;
    listing->key_length = 0;
    return true;
}

static void string_byte(struct listing *listing, char c)
{
    if (listing->escaped) {
        listing->escaped = false;
        listing->key_length = KEY_MAX; /* none that is looked for has an escape */
    } else if (c == '\\') {
        listing->escaped = true;
    } else if (c == '"') {
        listing->in_string = false;
    } else {
        note_key(listing, c);
    }
}

/* A byte that belongs to no element. */
static bool frame_byte(struct listing *listing, char c)
{
    text_append(&listing->frame, &c, 1);
    if (listing->in_string) {
        string_byte(listing, c);
        return true;
    }
    if (c == '"') {
        listing->in_string = true;
        listing->key_length = 0;
    } else if (c == '[' || c == '{') {
        return enter(listing, c);
    } else if (c == ']' || c == '}') {
        listing->key_length = 0;
        if (listing->depth == 0)
            return false;
        listing->depth--;
    } else if (c == ',') {
        listing->key_length = 0;
    }
    return true;
}

static bool begins_element(const struct listing *listing, char c)
{
    return c == '{' && !listing->in_string && listing->depth > 0 && listing->counts[listing->depth - 1];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* In a list only the first of neighbouring elements has a {} in the frame; an object keeps all its keys. */
static void begin_element(struct listing *listing)
{
    if (listing->place == PLACE_FRAME)
        text_append(&listing->frame, "{}", 2);
    listing->place = PLACE_ELEMENT;
    listing->inner = 0;
}

/* Not in an element. False: it cannot be a good answer. */
static bool feed_frame(struct listing *listing, char c)
{
    if (listing->place == PLACE_BEHIND || listing->place == PLACE_BETWEEN) {
        if (is_blank(c))
            return true;
        if (listing->place == PLACE_BEHIND && c == ',') {
            listing->place = PLACE_BETWEEN;
            return true;
        }
        if (listing->place == PLACE_BETWEEN)
            text_append(&listing->frame, ",", 1);
        listing->place = PLACE_FRAME;
    }
    return frame_byte(listing, c);
}

bool listing_feed(struct listing *listing, const char *bytes, size_t length)
{
    size_t used = 0;

    while (used < length) {
        if (listing->place != PLACE_ELEMENT) {
            bool between = listing->place == PLACE_FRAME || listing->place == PLACE_BETWEEN;

            if (between && begins_element(listing, bytes[used]))
                begin_element(listing); /* its bracket is read below */
            else if (!feed_frame(listing, bytes[used++]))
                return false;
            continue;
        }
        size_t its = feed_element(listing, bytes + used, length - used);
        if (its == 0)
            return false;
        used += its;
        if (listing->inner == 0 && !listing->in_string)
            listing->place = listing->leaves ? PLACE_FRAME : PLACE_BEHIND;
    }
    return !listing->frame.failed;
}

/* ---- the end ---- */

/* In place of the empty objects that hold their places. */
static bool put_leaves(struct listing *listing, struct json_object *document)
{
    struct json_object *data = NULL;
    size_t used = 0;

    if (!json_get_object(document, "data", &data))
        return leaf_count(listing) == 0;
    if ((size_t)json_object_object_length(data) != leaf_count(listing))
        return false;
    json_object_object_foreach(data, key, place)
    {
        struct json_object *leaf = json_object_array_get_idx(listing->leaves, used++);

        if (!json_object_is_type(place, json_type_object) ||
            json_object_object_add(data, key, json_object_get(leaf)) != 0)
            return false;
    }
    return true;
}

/* Its objects were taken. Those of a list whose key was written with an escape were not: it is none that we
 * have read. */
static bool was_taken(struct json_object *list)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);

        if (json_object_is_type(entry, json_type_object) && json_object_object_length(entry) > 0)
            return false;
    }
    return true;
}

/* The list whose objects were taken is there. */
static bool has_list(const struct listing *listing, struct json_object *document)
{
    struct json_object *data = NULL, *list = NULL;

    if (listing->elements != API_ELEMENTS_MEMBERS)
        return json_get_array(document, "data", &list) && was_taken(list);
    if (!json_object_object_get_ex(document, "data", &data))
        return false;
    if (json_object_is_type(data, json_type_array) && json_object_array_length(data) == 1)
        data = json_object_array_get_idx(data, 0); /* asked by query, a pool comes as a list of one */
    return json_get_array(data, "members", &list) && was_taken(list);
}

struct json_object *listing_end(struct listing *listing, struct guest_list **guests)
{
    _cleanup_(json_putp) struct json_object *document = NULL;

    *guests = NULL;
    if (listing->place == PLACE_ELEMENT || listing->frame.failed || !listing->frame.data)
        return NULL;
    document = printable_parse(listing->frame.data, listing->frame.length);
    if (!document || !json_object_is_type(document, json_type_object))
        return NULL;
    if (listing->leaves)
        return put_leaves(listing, document) ? TAKE(document) : NULL;
    guest_list_finish(listing->guests);
    if (!has_list(listing, document))
        return TAKE(document);
    if (listing->hosts && json_object_object_add(document, "data", TAKE(listing->hosts)) != 0)
        return NULL;
    *guests = TAKE(listing->guests);
    return TAKE(document);
}
