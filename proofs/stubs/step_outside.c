/*
 * What the state machine asks of other rooms. Each may say here whatever it can say at all, so that what is
 * proven does not rest on them; texts for people are left out.
 */
#include "harness.h"

#include "fence/step_private.h"
#include "proxmox/blame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_set(struct error *error, enum error_code code, const char *format, ...)
{
    (void)format;
    error->code = code;
    error->message[0] = error->hint[0] = '\0';
    error->names_guests = false;
}

void error_hint(struct error *error, const char *format, ...)
{
    (void)format;
    error->hint[0] = '\0';
}

/* where they are macros of the hardened C library */
#undef snprintf
#undef vsnprintf

/* Only "%s" is of interest: it copies a name. What else there is ends up in texts for people. */
int snprintf(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    bool ended = false;
    if (format[0] != '%' || format[1] != 's' || format[2] != '\0')
        return 0;
    va_start(arguments, format);
    const char *from = va_arg(arguments, const char *);
    va_end(arguments);
    for (size_t i = 0; i < size; i++) {
        ended = ended || i + 1 == size || from[i] == '\0';
        text[i] = (char)(ended ? '\0' : from[i]);
    }
    return 0;
}

int vsnprintf(char *text, size_t size, const char *format, va_list arguments)
{
    (void)text;
    (void)size;
    (void)format;
    (void)arguments;
    return 0;
}

bool outside_words_told;

/* Proxmox's words mean anything. */
enum pve_refusal api_classify(const char *text, char lock[static PVE_LOCK_MAX])
{
    enum pve_refusal any;
    char any_lock[PVE_LOCK_MAX];
    (void)text;
    ASSUME(any >= PVE_REFUSAL_OTHER && any <= PVE_REFUSAL_PERMISSION);
    any_lock[PVE_LOCK_MAX - 1] = '\0';
    memcpy(lock, any_lock, PVE_LOCK_MAX);
    outside_words_told |= any != PVE_REFUSAL_OTHER;
    return any;
}

enum blame blame_of(enum api_call call, const struct api_result *result)
{
    enum blame any;
    (void)call;
    (void)result;
    return any;
}

bool upid_is_of_ha(const char *text)
{
    bool any;
    (void)text;
    return any;
}

int64_t upid_uptime_ms(const char *text)
{
    int64_t any;
    (void)text;
    return any;
}

/* The host stands in the UPID; here it is the first letters. */
void upid_copy_node(const char *text, char node[static PVE_NODE_MAX])
{
    memcpy(node, text, PVE_NODE_MAX);
    node[PVE_NODE_MAX - 1] = '\0';
}

char *strstr(const char *text, const char *wanted)
{
    bool any;
    (void)wanted;
    return any ? (char *)text : NULL;
}

json_bool json_object_object_get_ex(const struct json_object *object, const char *key,
                                    struct json_object **value)
{
    bool any;
    (void)key;
    *value = (struct json_object *)object;
    return any;
}

const char *json_object_get_string(struct json_object *object)
{
    (void)object;
    return "";
}

/* Proven in nodes_take_census. */
unsigned nodes_required(int min_online_nodes, unsigned known)
{
    return min_online_nodes > 0 ? (unsigned)min_online_nodes : known / 2 + 1;
}
