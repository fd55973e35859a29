/*
 * Reading JSON without surprises.
 *
 * What is JSON is judged in json_text.h, and json-c makes a tree of it. The getters here check type and
 * range, because json-c's own getters guess ("12abc" is 12 to them). Shared by the daemon and by pvesim. This
 * room knows no meaning of any document.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 16

/* Parse exactly `length` bytes: JSON (RFC 8259) in UTF-8, no deeper than JSON_DEPTH_MAX, no name twice in an
 * object, no NUL in a name. Half of a surrogate pair becomes U+FFFD. NULL if it is anything else (also for a
 * bare `null`, which no caller here expects), or without memory. The caller releases with json_object_put().
 */
struct json_object *json_parse(const char *text, size_t length);

/* Members of an object. Each returns false, and leaves *out alone, if `object` is not an object, the member
 * is missing or null, or its type or range is wrong. */
bool json_get_object(struct json_object *object, const char *key, struct json_object **out); /* borrowed */
bool json_get_array(struct json_object *object, const char *key, struct json_object **out);  /* borrowed */
bool json_get_string(struct json_object *object, const char *key, const char **out);         /* borrowed */
bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out);
/* Proxmox sends some numbers as strings ("vmid":"100" in old lists, exit codes): digits only, whole string.
 */
bool json_get_int_or_digits(struct json_object *object, const char *key, int64_t min, int64_t max,
                            int64_t *out);
/* Proxmox's booleans are 0/1, sometimes "0"/"1" or true/false. */
bool json_flag(struct json_object *value, bool *out); /* NULL is none */
bool json_get_flag(struct json_object *object, const char *key, bool *out);

/* Scope-bound release: _cleanup_(json_putp) struct json_object *o = … */
static inline void json_putp(struct json_object **object)
{
    if (*object)
        json_object_put(*object);
}
