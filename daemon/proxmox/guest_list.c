/*
 * An element is split in place if it is written plainly, and by json-c if not; both ways end in one reading
 * of its members. Refuses to know which list it is, and whose guests are ours.
 */
#include "proxmox/guest_list.h"

#include "proxmox/printable.h"
#include "system/arena.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/json_flat.h"

#include <errno.h>
#include <string.h>

#define CAPACITY_FIRST 16

struct guest_list {
    unsigned references;
    struct guest *guests;
    size_t count, capacity;
    bool others;  /* an element was no guest */
    bool other;   /* the last one */
    bool ordered; /* so far each VMID was greater than the one before */
    struct arena texts;
};

struct guest_list *guest_list_new(void)
{
    struct guest_list *list = calloc(1, sizeof(*list));

    if (list)
        *list = (struct guest_list){.references = 1, .ordered = true};
    return list;
}

struct guest_list *guest_list_ref(struct guest_list *list)
{
    list->references++;
    return list;
}

void guest_list_unref(struct guest_list *list)
{
    if (!list || --list->references > 0)
        return;
    arena_clear(&list->texts);
    free(list->guests);
    free(list);
}

void guest_list_unrefp(struct guest_list **list)
{
    guest_list_unref(*list);
    *list = NULL;
}

/* ---- the members of an element ---- */

static void put_member(struct json_flat *flat, const char *key, struct json_object *value)
{
    struct json_flat_member *member = &flat->members[flat->count++];
    enum json_type type = json_object_get_type(value);
    const char *text = json_object_get_string(value);

    *member = (struct json_flat_member){.key = key, .key_length = strlen(key), .kind = JSON_FLAT_OTHER};
    if (type == json_type_boolean) {
        member->kind = json_object_get_boolean(value) ? JSON_FLAT_TRUE : JSON_FLAT_FALSE;
    } else if (type == json_type_int && text) {
        member->kind = JSON_FLAT_INT;
        member->value = text;
        member->value_length = strlen(text);
    } else if (type == json_type_string && text &&
               strlen(text) == (size_t)json_object_get_string_len(value)) { /* no NUL inside */
        member->kind = JSON_FLAT_STRING;
        member->value = text;
        member->value_length = strlen(text);
    }
}

/* As json_flat_split() would, had it been written plainly; borrowed from `object`. Beyond JSON_FLAT_MAX
 * members, which no list of Proxmox's has, only those that are known are looked for. */
static void flatten(struct json_flat *flat, struct json_object *object)
{
    static const char *const known[] = {"type",   "vmid", "node",    "name", "pool",
                                        "status", "lock", "hastate", "tags", "template"};
    struct json_object *value = NULL;

    flat->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (json_object_object_get_ex(object, known[i], &value))
            put_member(flat, known[i], value);
    }
}

static bool number_of(const struct json_flat *flat, const char *key, int min, int max, int *out)
{
    const struct json_flat_member *member = json_flat_find(flat, key);
    int64_t number = 0;

    if (!member || (member->kind != JSON_FLAT_INT && member->kind != JSON_FLAT_STRING) ||
        member->value_length == 0)
        return false;
    for (size_t i = 0; i < member->value_length; i++) {
        char c = member->value[i];

        if (c < '0' || c > '9' || (number = number * 10 + (c - '0')) > max)
            return false;
    }
    if (number < min)
        return false;
    *out = (int)number;
    return true;
}

static bool flag_of(const struct json_flat *flat, const char *key)
{
    const struct json_flat_member *member = json_flat_find(flat, key);
    int number = 0;

    return member && (member->kind == JSON_FLAT_TRUE || (number_of(flat, key, 0, 1, &number) && number == 1));
}

static bool is_word(const struct json_flat *flat, const char *key, const char *word)
{
    const struct json_flat_member *member = json_flat_find(flat, key);

    return member && member->kind == JSON_FLAT_STRING && member->value_length == strlen(word) &&
           memcmp(member->value, word, member->value_length) == 0;
}

/* *failed is set if there was no memory; what is missing or no string becomes NULL. */
static char *text_of(struct guest_list *list, const struct json_flat *flat, const char *key, bool *failed)
{
    const struct json_flat_member *member = json_flat_find(flat, key);
    char *copy;

    if (!member || member->kind != JSON_FLAT_STRING)
        return NULL;
    copy = arena_share(&list->texts, member->value, member->value_length);
    *failed |= !copy;
    return copy;
}

/* ---- filling ---- */

static bool make_room(struct guest_list *list)
{
    size_t more = list->capacity ? list->capacity * 2 : CAPACITY_FIRST;
    struct guest *grown;

    if (list->count < list->capacity)
        return true;
    grown = reallocarray(list->guests, more, sizeof(*grown));
    if (!grown)
        return false;
    list->guests = grown;
    list->capacity = more;
    return true;
}

static int add_flat(struct guest_list *list, const struct json_flat *flat)
{
    bool qemu = is_word(flat, "type", "qemu"), failed = false;
    struct guest guest = {.type = qemu ? PVE_QEMU : PVE_LXC};

    list->other = !qemu && !is_word(flat, "type", "lxc");
    list->others |= list->other;
    if (list->other)
        return 0;
    if (!number_of(flat, "vmid", 100, 999999999, &guest.vmid))
        return 0;
    guest.node = text_of(list, flat, "node", &failed);
    if (!guest.node)
        return failed ? -ENOMEM : 0;
    guest.name = text_of(list, flat, "name", &failed);
    guest.pool = text_of(list, flat, "pool", &failed);
    guest.status = text_of(list, flat, "status", &failed);
    guest.lock = text_of(list, flat, "lock", &failed);
    guest.hastate = text_of(list, flat, "hastate", &failed);
    guest.tags = text_of(list, flat, "tags", &failed);
    guest.template = flag_of(flat, "template");
    if (failed || !make_room(list))
        return -ENOMEM;
    list->ordered &= list->count == 0 || list->guests[list->count - 1].vmid < guest.vmid;
    list->guests[list->count++] = guest;
    return 0;
}

int guest_list_add(struct guest_list *list, const char *text, size_t length)
{
    struct json_flat flat;

    if (json_flat_split(&flat, text, length))
        return add_flat(list, &flat);

    _cleanup_(json_putp) struct json_object *object = printable_parse(text, length);
    if (!object || !json_object_is_type(object, json_type_object))
        return -EBADMSG;
    flatten(&flat, object);
    return add_flat(list, &flat);
}

static int compare_guests(const void *a, const void *b)
{
    int left = ((const struct guest *)a)->vmid, right = ((const struct guest *)b)->vmid;

    return (left > right) - (left < right);
}

void guest_list_finish(struct guest_list *list)
{
    if (!list->ordered)
        qsort(list->guests, list->count, sizeof(*list->guests), compare_guests);
    list->ordered = true;
}

/* ---- reading ---- */

bool guest_list_is_of_others(const struct guest_list *list)
{
    return list->others && list->count == 0;
}

bool guest_list_last_was_other(const struct guest_list *list)
{
    return list->other;
}

size_t guest_list_count(const struct guest_list *list)
{
    return list->count;
}

const struct guest *guest_list_get(const struct guest_list *list, size_t index)
{
    return index < list->count ? &list->guests[index] : NULL;
}

const struct guest *guest_list_find(const struct guest_list *list, int vmid)
{
    struct guest key = {.vmid = vmid};

    return list->count ? bsearch(&key, list->guests, list->count, sizeof(*list->guests), compare_guests)
                       : NULL;
}
