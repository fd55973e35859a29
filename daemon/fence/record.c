/*
 * The form of the history file's lines.
 *
 * Written with json-c, read with typed getters: a line that is nearly right is refused as a whole where its
 * identity is concerned, and loses a field where only a detail is. Times of an operation that was read back
 * count from 1 at its request, see operation.h.
 */
#include "fence/record.h"

#include "proxmox/printable.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"
#include "system/text.h"

#include <string.h>

#define BASE             36
#define REALTIME_MAX     INT64_C(253402300799999) /* the end of the year 9999 */
#define OFFSET_MAX       INT64_C(315360000000)    /* ten years */
#define VMID_MAX         INT32_MAX
#define NUMBER_IN_ID_MAX 13 /* digits of any uint64_t in base 36 */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static const char *const kind_names[] = {
    [RECORD_START] = "start", [RECORD_INTENT] = "intent",     [RECORD_TRANSITION] = "transition",
    [RECORD_JOIN] = "join",   [RECORD_VERIFIED] = "verified", [RECORD_OUTCOME] = "outcome",
    [RECORD_OPEN] = "open",   [RECORD_DENIED] = "denied",
};

void record_id(uint64_t number, char id[static OPERATION_ID_LEN])
{
    char reversed[NUMBER_IN_ID_MAX];
    size_t length = 0;

    do {
        reversed[length++] = digits[number % BASE];
        number /= BASE;
    } while (number > 0);
    for (size_t i = 0; i < length; i++)
        id[i] = reversed[length - 1 - i];
    id[length] = '\0';
}

bool record_number(const char *id, uint64_t *number)
{
    uint64_t value = 0;

    if (*id == '\0' || *id == '0')
        return false;
    for (const char *c = id; *c; c++) {
        const char *digit = strchr(digits, *c);

        if (!digit)
            return false;
        value = value * BASE + (uint64_t)(digit - digits);
        if (value > RECORD_NUMBER_MAX)
            return false;
    }
    *number = value;
    return true;
}

/* ---- writing ---- */

/* Add a value and take it over; a lost one fails the whole record: half a record must not be believed. */
static void put(struct json_object **object, const char *key, struct json_object *value)
{
    if (value && *object && json_object_object_add(*object, key, value) == 0)
        return;
    json_object_put(value);
    json_object_put(*object);
    *object = NULL;
}

static struct json_object *utf8(const char *string)
{
    _cleanup_(freep) char *printable = NULL;

    if (text_is_utf8(string, strlen(string)))
        return json_object_new_string(string);
    printable = strdup(string);
    if (!printable)
        return NULL;
    text_make_printable(printable);
    return json_object_new_string(printable);
}

static void put_int(struct json_object **object, const char *key, int64_t value)
{
    put(object, key, json_object_new_int64(value));
}

static void put_text(struct json_object **object, const char *key, const char *value)
{
    if (value)
        put(object, key, utf8(value));
}

static void put_error(struct json_object **object, const char *key, const struct error *error)
{
    struct json_object *document;

    if (error->code == ERROR_NONE)
        return;
    document = json_object_new_object();
    put_text(&document, "code", error_code_name(error->code));
    put_text(&document, "message", error->message);
    put_text(&document, "hint", error->hint);
    put(object, key, document);
}

static struct json_object *head(enum record_kind kind, int64_t realtime_ms)
{
    struct json_object *object = json_object_new_object();
    char time[CLOCK_RFC3339_LEN];

    put_int(&object, "v", RECORD_VERSION);
    put_text(&object, "kind", kind_names[kind]);
    put_text(&object, "time", clock_rfc3339(realtime_ms, time));
    put_int(&object, "ms", realtime_ms);
    return object;
}

static struct json_object *operation_head(enum record_kind kind, const struct operation *operation,
                                          int64_t realtime_ms)
{
    struct json_object *object = head(kind, realtime_ms);

    put_text(&object, "id", operation->id);
    put_int(&object, "requested_ms", operation->requested_realtime_ms);
    put_text(&object, "action", fence_action_name(operation->action));
    put_text(&object, "plug", operation->plug ? operation->plug : "");
    put_int(&object, "vmid", operation->vmid);
    return object;
}

/* Everything that does not change any more once the intent is written. */
static void describe(struct json_object **object, const struct operation *operation)
{
    struct json_object *request_ids = json_object_new_array();

    put_text(object, "method", fence_method_name(operation->method));
    put_text(object, "type", pve_guest_type_name(operation->type));
    put_text(object, "guest", operation->guest);
    put_text(object, "node", operation->node);
    put_int(object, "uid", (int64_t)operation->peer.uid);
    put_int(object, "gid", (int64_t)operation->peer.gid);
    put_int(object, "pid", (int64_t)operation->peer.pid);
    put_text(object, "user", operation->peer.user);
    put_text(object, "rule", operation->peer.rule);
    put(object, "privileged", json_object_new_boolean(operation->privileged));
    for (size_t i = 0; request_ids && i < operation->request_id_count; i++) {
        struct json_object *request_id = utf8(operation->request_ids[i]);

        if (!request_id || json_object_array_add(request_ids, request_id) != 0) {
            json_object_put(request_id);
            json_object_put(TAKE(request_ids));
        }
    }
    put(object, "request_ids", request_ids);
}

static int64_t offset(const struct operation *operation, int64_t moment_ms)
{
    return moment_ms - operation->requested_ms;
}

static char *finish(struct json_object *object)
{
    _cleanup_(json_putp) struct json_object *owned = object;
    const char *line =
        owned ? json_object_to_json_string_ext(owned, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
              : NULL;

    return line ? strdup(line) : NULL;
}

char *record_start(int64_t realtime_ms)
{
    struct json_object *object = head(RECORD_START, realtime_ms);

    put_text(&object, "version", FENCE_BROKER_VERSION);
    return finish(object);
}

char *record_intent(const struct operation *operation)
{
    struct json_object *object = operation_head(RECORD_INTENT, operation, operation->requested_realtime_ms);

    describe(&object, operation);
    return finish(object);
}

char *record_transition(const struct operation *operation, const struct operation_transition *transition)
{
    struct json_object *object = operation_head(RECORD_TRANSITION, operation, transition->realtime_ms);

    put_int(&object, "offset_ms", transition->offset_ms);
    put_text(&object, "text", transition->text);
    return finish(object);
}

char *record_join(const struct operation *operation, const char *request_id, int64_t realtime_ms)
{
    struct json_object *object = operation_head(RECORD_JOIN, operation, realtime_ms);

    put_text(&object, "request_id", request_id);
    return finish(object);
}

char *record_verified(const struct operation *operation)
{
    int64_t verified = offset(operation, operation->verified_ms);
    struct json_object *object =
        operation_head(RECORD_VERIFIED, operation, operation->requested_realtime_ms + verified);

    put_int(&object, "verified_offset_ms", verified);
    put_text(&object, "node", operation->node);
    struct json_object *evidence =
        operation->evidence ? json_parse(operation->evidence, strlen(operation->evidence)) : NULL;
    if (evidence)
        put(&object, "evidence", evidence);
    return finish(object);
}

char *record_outcome(const struct operation *operation)
{
    int64_t ended = offset(operation, operation->ended_ms);
    struct json_object *object =
        operation_head(RECORD_OUTCOME, operation, operation->requested_realtime_ms + ended);

    describe(&object, operation);
    put_text(&object, "outcome", operation_outcome_name(operation->outcome));
    put_int(&object, "ended_offset_ms", ended);
    if (operation->verified_ms != 0)
        put_int(&object, "verified_offset_ms", offset(operation, operation->verified_ms));
    put_error(&object, "error", &operation->error);
    put_text(&object, "power_on", operation_power_on_name(operation->power_on));
    put_error(&object, "power_on_error", &operation->power_on_error);
    return finish(object);
}

char *record_open(const struct operation *operation, const struct unsettled *unsettled, int64_t realtime_ms)
{
    struct json_object *object =
        operation ? operation_head(RECORD_OPEN, operation, realtime_ms) : head(RECORD_OPEN, realtime_ms);

    if (!operation)
        put_int(&object, "vmid", unsettled->vmid);
    if (object && unsettled && !unsettled_write(unsettled, realtime_ms - clock_now_ms(), object))
        json_object_put(TAKE(object));
    return finish(object);
}

/* ---- reading ---- */

static bool read_kind(struct json_object *document, enum record_kind *kind)
{
    const char *name;

    if (!json_get_string(document, "kind", &name))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
        if (strcmp(kind_names[i], name) == 0) {
            *kind = (enum record_kind)i;
            return true;
        }
    return false;
}

enum record_reading record_read(const char *line, size_t length, struct record *record)
{
    _cleanup_(json_putp) struct json_object *document = printable_parse(line, length);
    struct record found = {.number = 0};
    int64_t version, ms;
    const char *id;

    if (!document || !json_get_int(document, "v", 1, INT32_MAX, &version))
        return RECORD_UNREADABLE;
    bool known = read_kind(document, &found.kind);
    if (version > RECORD_VERSION) {
        if (known && found.kind == RECORD_OPEN)
            *record = (struct record){.kind = RECORD_OPEN, .document = TAKE(document)};
        return RECORD_NEWER;
    }
    if (!known)
        return RECORD_UNREADABLE;
    if (found.kind != RECORD_START && found.kind != RECORD_DENIED && found.kind != RECORD_OPEN &&
        (!json_get_string(document, "id", &id) || !record_number(id, &found.number) ||
         !json_get_int(document, "requested_ms", 0, REALTIME_MAX, &ms)))
        return RECORD_UNREADABLE;
    found.document = TAKE(document);
    *record = found;
    return RECORD_READ;
}

void record_clear(struct record *record)
{
    if (record->document)
        json_object_put(TAKE(record->document));
}

static void get_int(struct json_object *document, const char *key, int64_t max, int64_t *out)
{
    (void)json_get_int(document, key, 0, max, out);
}

/* False only without memory: what is not there stays as it is. */
static bool get_text(struct json_object *document, const char *key, char **out)
{
    const char *value;
    char *copy;

    if (!json_get_string(document, key, &value))
        return true;
    copy = strdup(value);
    if (!copy)
        return false;
    free(*out);
    *out = copy;
    return true;
}

static void get_error(struct json_object *document, const char *key, struct error *error)
{
    struct json_object *object;
    const char *code, *message = "", *hint = "";

    if (!json_get_object(document, key, &object) || !json_get_string(object, "code", &code))
        return;
    (void)json_get_string(object, "message", &message);
    (void)json_get_string(object, "hint", &hint);
    error_set(error, error_code_from_name(code), "%s", message);
    error_hint(error, "%s", hint);
}

struct operation *record_begin(const struct record *record)
{
    _cleanup_(operation_freep) struct operation *operation = operation_new();
    struct json_object *document = record->document;
    const char *action = NULL;
    int64_t vmid = 0;

    if (!operation)
        return NULL;
    record_id(record->number, operation->id);
    operation->requested_ms = OPERATION_RESTORED_MS;
    operation->state = OPERATION_QUEUED;
    get_int(document, "requested_ms", REALTIME_MAX, &operation->requested_realtime_ms);
    get_int(document, "vmid", VMID_MAX, &vmid);
    operation->vmid = (int)vmid;
    (void)json_get_string(document, "action", &action);
    (void)fence_action_from_name(action, &operation->action);
    if (!get_text(document, "plug", &operation->plug))
        return NULL;
    if (!operation->plug)
        operation->plug = strdup("");
    return operation->plug ? TAKE(operation) : NULL;
}

static void apply_request_ids(struct json_object *document, struct operation *operation)
{
    struct json_object *request_ids;

    if (!json_get_array(document, "request_ids", &request_ids))
        return;
    for (size_t i = 0; i < json_object_array_length(request_ids); i++) {
        struct json_object *request_id = json_object_array_get_idx(request_ids, i);

        if (json_object_is_type(request_id, json_type_string))
            (void)operation_add_request_id(operation, json_object_get_string(request_id));
    }
}

/* It stays so: a record from before root joined is read after one from then on. Older ones do not say it. */
static void apply_privileged(struct json_object *document, struct operation *operation)
{
    bool privileged = operation->peer.uid == 0;

    (void)json_get_flag(document, "privileged", &privileged);
    operation->privileged |= privileged;
}

static bool apply_description(struct json_object *document, struct operation *operation)
{
    const char *name = NULL;
    int64_t uid = (int64_t)operation->peer.uid, gid = (int64_t)operation->peer.gid;
    int64_t pid = (int64_t)operation->peer.pid, vmid = operation->vmid;

    (void)json_get_string(document, "method", &name);
    (void)fence_method_from_name(name, &operation->method);
    if (json_get_string(document, "type", &name))
        operation->type = strcmp(name, pve_guest_type_name(PVE_LXC)) == 0 ? PVE_LXC : PVE_QEMU;
    get_int(document, "vmid", VMID_MAX, &vmid);
    get_int(document, "uid", UINT32_MAX, &uid);
    get_int(document, "gid", UINT32_MAX, &gid);
    get_int(document, "pid", INT32_MAX, &pid);
    operation->vmid = (int)vmid;
    operation->peer.uid = (uid_t)uid;
    operation->peer.gid = (gid_t)gid;
    operation->peer.pid = (pid_t)pid;
    if (json_get_string(document, "user", &name))
        operation_bound_text(operation->peer.user, sizeof(operation->peer.user), name);
    if (json_get_string(document, "rule", &name))
        operation_bound_text(operation->peer.rule, sizeof(operation->peer.rule), name);
    apply_request_ids(document, operation);
    apply_privileged(document, operation);
    return get_text(document, "guest", &operation->guest) && get_text(document, "node", &operation->node);
}

static bool has_transition(const struct operation *operation, int64_t offset_ms, const char *text)
{
    for (size_t i = 0; i < operation->transition_count; i++)
        if (operation->transitions[i].offset_ms == offset_ms &&
            strcmp(operation->transitions[i].text, text) == 0)
            return true;
    return false;
}

static bool apply_transition(struct json_object *document, struct operation *operation)
{
    int64_t offset_ms = 0, realtime_ms = 0;
    const char *text;

    if (!json_get_string(document, "text", &text))
        return true;
    get_int(document, "offset_ms", OFFSET_MAX, &offset_ms);
    get_int(document, "ms", REALTIME_MAX, &realtime_ms);
    return has_transition(operation, offset_ms, text) ||
           operation_note_at(operation, realtime_ms, offset_ms, text);
}

static void apply_verified(struct json_object *document, struct operation *operation)
{
    int64_t offset_ms = 0;
    struct json_object *evidence;

    if (json_get_int(document, "verified_offset_ms", 0, OFFSET_MAX, &offset_ms))
        operation->verified_ms = operation->requested_ms + offset_ms;
    if (!operation->evidence && json_get_object(document, "evidence", &evidence))
        operation->evidence = finish(json_object_get(evidence));
}

static bool apply_outcome(struct json_object *document, struct operation *operation)
{
    enum operation_outcome outcome;
    const char *name = NULL, *power_on = NULL;
    int64_t ended = 0;

    if (!apply_description(document, operation))
        return false;
    apply_verified(document, operation);
    (void)json_get_string(document, "outcome", &name);
    if (!operation_outcome_from_name(name, &outcome) || outcome == OPERATION_RUNNING)
        return true;
    /* A recorder child that outlived its daemon may write the true end after we had to guess. */
    if (outcome == OPERATION_INTERRUPTED && operation->outcome != OPERATION_RUNNING &&
        operation->outcome != OPERATION_INTERRUPTED)
        return true;
    get_int(document, "ended_offset_ms", OFFSET_MAX, &ended);
    operation->outcome = outcome;
    operation->state = OPERATION_ENDED;
    operation->ended_ms = operation->requested_ms + ended;
    operation->error = operation->power_on_error = (struct error){.code = ERROR_NONE};
    operation->power_on = POWER_ON_NONE;
    (void)json_get_string(document, "power_on", &power_on);
    (void)operation_power_on_from_name(power_on, &operation->power_on);
    get_error(document, "error", &operation->error);
    get_error(document, "power_on_error", &operation->power_on_error);
    return true;
}

bool record_apply(const struct record *record, struct operation *operation)
{
    const char *request_id;

    switch (record->kind) {
    case RECORD_START:
    case RECORD_OPEN:
    case RECORD_DENIED:
        return true;
    case RECORD_INTENT:
        return apply_description(record->document, operation);
    case RECORD_TRANSITION:
        return apply_transition(record->document, operation);
    case RECORD_JOIN:
        if (json_get_string(record->document, "request_id", &request_id))
            (void)operation_add_request_id(operation, request_id);
        return true;
    case RECORD_VERIFIED:
        apply_verified(record->document, operation);
        return true;
    case RECORD_OUTCOME:
        return apply_outcome(record->document, operation);
    }
    return true;
}
