/*
 * The form of what a proof rested on. One table has the facts that no answer tells, for writing and reading.
 *
 * The digest at the end tells that a line was changed. It is no signature: whoever changes both can only be
 * found by the history of the node.
 */
#include "fence/proven.h"

#include "fence/ha.h"
#include "proxmox/inventory.h"
#include "proxmox/upid.h"
#include "system/cleanup.h"
#include "system/text.h"

#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ZERO_MS      (INT64_C(1) << 50) /* the request, by the clock of what was read: nothing is 0 there */
#define OFFSET_MAX   INT64_C(315360000000)    /* ten years */
#define REALTIME_MAX INT64_C(253402300799999) /* the end of the year 9999 */
#define DIGEST_LEN   (2 * 32 + 1)

enum form {
    FORM_FLAG,
    FORM_SPAN,   /* of time */
    FORM_TIME,   /* after the request */
    FORM_MOMENT, /* the same; null: 0, which is none */
};

#define FACT(form, key, member)                                                                              \
    {                                                                                                        \
        FORM_##form, key, offsetof(struct proof_facts, member)                                               \
    }
static const struct {
    enum form form;
    const char *key;
    size_t at;
} facts_of_ours[] = {
    FACT(TIME, "newest_request_after_ms", request_ms),
    FACT(FLAG, "seen_running", seen_running),
    FACT(FLAG, "stop_ended_ok", stopped_ok),
    FACT(FLAG, "stop_found_it_not_running", idle),
    FACT(MOMENT, "stop_ended_after_ms", ended_ms),
    FACT(MOMENT, "first_read_after_that_after_ms", idle_ms),
    FACT(MOMENT, "earlier_start_may_come_until_ms", start_until_ms),
    FACT(MOMENT, "earlier_start_ended_after_ms", start_ended_ms),
    FACT(FLAG, "ha", ha),
    FACT(MOMENT, "ha_request_taken_after_ms", ha_taken_ms),
    FACT(FLAG, "ha_seen_in_another_state", ha_moved),
    FACT(FLAG, "ha_seen_stopping_it", ha_stopping),
    FACT(MOMENT, "ha_stops_began_after_ms", ha_calm_ms),
    FACT(FLAG, "devices_seen", devices),
    FACT(MOMENT, "stop_may_have_begun_after_ms", killing_since_ms),
    FACT(MOMENT, "stopped_since_after_ms", stopped_ms),
    FACT(SPAN, "stop_timeout_ms", stop_timeout_ms),
    FACT(FLAG, "host_dead", dead),
    FACT(MOMENT, "host_dead_after_ms", dead_from_ms),
    FACT(FLAG, "listed_there", listed),
    FACT(MOMENT, "list_asked_after_ms", listed_ms),
    FACT(MOMENT, "list_received_after_ms", listed_received_ms),
    FACT(FLAG, "hosts_were_being_asked", hosts_under_way),
};

void proven_take(struct proven *record, const struct operation *operation, const struct step *step,
                 const struct step_effects *effects, unsigned known, int64_t now_ms)
{
    *record = (struct proven){
        .action = operation->action,
        .vmid = step->params.vmid,
        .type = step->params.type,
        .requested_realtime_ms = operation->requested_realtime_ms,
        .requested_ms = operation->requested_ms,
        .proven_ms = now_ms,
        .facts = effects->facts,
        .status = step->read.status,
        .hosts = effects->hosts,
        .hosts_known = known,
        .min_online_nodes = step->params.min_online_nodes,
    };
    if (effects->facts.dead)
        record->death = step->death.word.host;
    memcpy(record->operation, operation->id, sizeof(record->operation));
    memcpy(record->node, step->place.node, sizeof(record->node));
    memcpy(record->upid, calls_last(&step->calls, STEP_SEND_STOP)->upid, sizeof(record->upid));
    memcpy(record->listed_lock, step->death.lock, sizeof(record->listed_lock));
    text_make_printable(record->listed_lock); /* it may have been cut */
}

/* ---- writing ---- */

/* Add a value and take it over; a lost one fails the whole. */
static void put(struct json_object **object, const char *key, struct json_object *value)
{
    if (*object && json_object_object_add(*object, key, value) == 0)
        return;
    json_object_put(value);
    json_object_put(TAKE(*object));
}

static void put_made(struct json_object **object, const char *key, struct json_object *value)
{
    if (!value)
        json_object_put(TAKE(*object));
    else
        put(object, key, value);
}

static void put_int(struct json_object **object, const char *key, int64_t value)
{
    put_made(object, key, json_object_new_int64(value));
}

static void put_flag(struct json_object **object, const char *key, bool value)
{
    put_made(object, key, json_object_new_boolean(value));
}

/* Null for "". */
static void put_text(struct json_object **object, const char *key, const char *value)
{
    if (*value)
        put_made(object, key, json_object_new_string(value));
    else
        put(object, key, NULL);
}

static void put_moment(struct json_object **object, const char *key, const struct proven *record,
                       int64_t moment_ms)
{
    if (moment_ms)
        put_int(object, key, moment_ms - record->requested_ms);
    else
        put(object, key, NULL);
}

static struct json_object *status_object(const struct proven *record)
{
    const struct pve_status *status = &record->status;
    struct json_object *object = json_object_new_object();

    put_moment(&object, "asked_after_ms", record, record->facts.asked_ms);
    put_moment(&object, "received_after_ms", record, record->facts.received_ms);
    put_int(&object, "vmid", status->vmid);
    put_text(&object, "status", status->running ? "running" : "stopped");
    put_flag(&object, "nics", status->nics);
    put_flag(&object, "traffic", status->traffic);
    put_text(&object, "lock", status->lock);
    put_text(&object, "ha_state", status->ha_state);
    put_int(&object, "uptime_s", status->uptime_s);
    return object;
}

static struct json_object *hosts_object(const struct proven *record)
{
    struct json_object *object = json_object_new_object();

    put_moment(&object, "asked_after_ms", record, record->hosts.asked_ms);
    put_int(&object, "online", record->hosts.online);
    put_int(&object, "known", record->hosts_known);
    put_int(&object, "min_online_nodes", record->min_online_nodes);
    put_flag(&object, "host_online", record->hosts.host_online);
    return object;
}

static struct json_object *death_object(const struct proven *record)
{
    const struct dead_hosts_answer *death = &record->death;
    struct json_object *object = json_object_new_object();

    put_text(&object, "reason", record->facts.dead ? dead_hosts_reason_name(death->reason) : "");
    put_moment(&object, "offline_from_after_ms", record, death->left_ms);
    put_moment(&object, "fenced_from_after_ms", record, death->fenced_ms);
    put_moment(&object, "still_so_after_ms", record, death->seen_ms);
    put_int(&object, "lrm_timestamp_s", death->lrm_s);
    return object;
}

static const char *member(const struct proof_facts *facts, size_t at)
{
    return (const char *)facts + at;
}

static struct json_object *facts_object(const struct proven *record)
{
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < ARRAY_LEN(facts_of_ours); i++) {
        const char *key = facts_of_ours[i].key, *from = member(&record->facts, facts_of_ours[i].at);
        bool flag;
        int64_t ms;

        if (facts_of_ours[i].form == FORM_FLAG) {
            memcpy(&flag, from, sizeof(flag));
            put_flag(&object, key, flag);
            continue;
        }
        memcpy(&ms, from, sizeof(ms));
        if (facts_of_ours[i].form == FORM_SPAN)
            put_int(&object, key, ms);
        else
            put_moment(&object, key, record, ms);
    }
    return object;
}

static const char *plain(struct json_object *object)
{
    return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

static bool make_digest(struct json_object *object, char digest[static DIGEST_LEN])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    const char *text = plain(object);

    if (!text || !EVP_Digest(text, strlen(text), bytes, NULL, EVP_sha256(), NULL))
        return false;
    for (size_t i = 0; i < DIGEST_LEN / 2; i++)
        snprintf(digest + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    return true;
}

char *proven_write(const struct proven *record)
{
    _cleanup_(json_putp) struct json_object *object = json_object_new_object();
    char digest[DIGEST_LEN];

    put_int(&object, "v", PROVEN_VERSION);
    put_text(&object, "operation", record->operation);
    put_text(&object, "action", fence_action_name(record->action));
    put_int(&object, "vmid", record->vmid);
    put_text(&object, "type", pve_guest_type_name(record->type));
    put_text(&object, "node", record->node);
    put_int(&object, "requested_ms", record->requested_realtime_ms);
    put_moment(&object, "proven_after_ms", record, record->proven_ms);
    if (record->facts.read)
        put_made(&object, "status", status_object(record));
    else
        put(&object, "status", NULL);
    put_text(&object, "stop_task", record->upid);
    put_text(&object, "listed_lock", record->listed_lock);
    put_made(&object, "hosts", hosts_object(record));
    put_made(&object, "host_death", death_object(record));
    put_made(&object, "facts", facts_object(record));
    if (!object || !make_digest(object, digest))
        return NULL;
    put_text(&object, "digest", digest);
    const char *line = object ? plain(object) : NULL;
    return line ? strdup(line) : NULL;
}

/* ---- reading ---- */

/* Of the document or a part of it: the first field that is not what it should be. */
struct reader {
    struct json_object *object;
    const char *missing;
};

static void miss(struct reader *reader, const char *key)
{
    if (!reader->missing)
        reader->missing = key;
}

static int64_t get_int(struct reader *reader, const char *key, int64_t min, int64_t max)
{
    int64_t value = 0;

    if (!json_get_int(reader->object, key, min, max, &value))
        miss(reader, key);
    return value;
}

static bool get_flag(struct reader *reader, const char *key)
{
    struct json_object *value = NULL;

    if (json_object_object_get_ex(reader->object, key, &value) &&
        json_object_is_type(value, json_type_boolean))
        return json_object_get_boolean(value);
    miss(reader, key);
    return false;
}

static bool is_null(struct reader *reader, const char *key)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(reader->object, key, &value) && !value;
}

static void get_text(struct reader *reader, const char *key, char *out, size_t size)
{
    const char *value = "";

    if (!is_null(reader, key) && (!json_get_string(reader->object, key, &value) || strlen(value) >= size))
        miss(reader, key);
    snprintf(out, size, "%s", value);
}

/* What the proof compares with; a missing one, as the 0 that it is to proof_of(), would be before everything.
 */
static int64_t get_time(struct reader *reader, const char *key)
{
    return ZERO_MS + get_int(reader, key, -OFFSET_MAX, OFFSET_MAX);
}

static int64_t get_moment(struct reader *reader, const char *key)
{
    return is_null(reader, key) ? 0 : get_time(reader, key);
}

static struct reader part(struct reader *reader, const char *key)
{
    struct reader found = {.missing = reader->missing};

    if (!json_get_object(reader->object, key, &found.object))
        miss(&found, key);
    return found;
}

static void read_status(struct reader *reader, struct proven *record)
{
    struct pve_status *status = &record->status;
    struct proof_facts *facts = &record->facts;
    char word[sizeof("stopped")] = "";

    facts->read = !is_null(reader, "status");
    if (!facts->read)
        return;
    struct reader in = part(reader, "status");
    facts->asked_ms = get_time(&in, "asked_after_ms");
    facts->received_ms = get_time(&in, "received_after_ms");
    status->vmid = (int)get_int(&in, "vmid", 1, INT32_MAX);
    get_text(&in, "status", word, sizeof(word));
    status->running = strcmp(word, "stopped") != 0;
    status->nics = get_flag(&in, "nics");
    status->traffic = get_flag(&in, "traffic");
    get_text(&in, "lock", status->lock, sizeof(status->lock));
    get_text(&in, "ha_state", status->ha_state, sizeof(status->ha_state));
    status->uptime_s = get_int(&in, "uptime_s", 0, INT64_MAX / 2000);
    reader->missing = in.missing;
    facts->running = status->running;
    facts->shows_life = step_shows_life(record->type, status);
    facts->hidden = step_lock_hides_the_truth(status->lock);
    facts->ha_state = ha_state(status->ha_state);
}

static void read_hosts(struct reader *reader, struct proven *record)
{
    struct reader in = part(reader, "hosts");

    record->hosts.asked_ms = get_time(&in, "asked_after_ms");
    record->hosts.online = (unsigned)get_int(&in, "online", 0, INT32_MAX);
    record->hosts_known = (unsigned)get_int(&in, "known", 1, INT32_MAX);
    record->min_online_nodes = (int)get_int(&in, "min_online_nodes", 0, INT32_MAX);
    record->hosts.host_online = get_flag(&in, "host_online");
    record->hosts.required = nodes_required(record->min_online_nodes, record->hosts_known);
    reader->missing = in.missing;
}

static int64_t get_ms(struct reader *reader, enum form form, const char *key)
{
    if (form == FORM_SPAN)
        return get_int(reader, key, 0, OFFSET_MAX);
    return form == FORM_TIME ? get_time(reader, key) : get_moment(reader, key);
}

static void read_death(struct reader *reader, struct proven *record)
{
    struct reader in = part(reader, "host_death");
    struct dead_hosts_answer *death = &record->death;
    bool dead = record->facts.dead;
    enum form form = dead ? FORM_TIME : FORM_MOMENT;
    char word[16] = "";

    get_text(&in, "reason", word, sizeof(word));
    if (dead != dead_hosts_reason_from_name(word, &death->reason))
        miss(&in, "reason");
    death->left_ms = get_ms(&in, form, "offline_from_after_ms");
    death->fenced_ms = get_ms(&in, form, "fenced_from_after_ms");
    death->seen_ms = get_ms(&in, form, "still_so_after_ms");
    death->lrm_s = get_int(&in, "lrm_timestamp_s", 0, INT64_MAX);
    reader->missing = in.missing;
}

/* What happened has its moment. */
static void match_moments(struct reader *reader, const struct proof_facts *facts)
{
    if ((facts->stopped_ok || facts->idle) && !facts->ended_ms)
        miss(reader, "stop_ended_after_ms");
    if (facts->dead && !facts->dead_from_ms)
        miss(reader, "host_dead_after_ms");
    if (facts->listed && !facts->listed_ms)
        miss(reader, "list_asked_after_ms");
    if (facts->listed && !facts->listed_received_ms)
        miss(reader, "list_received_after_ms");
}

static void read_facts(struct reader *reader, struct proven *record)
{
    struct reader in = part(reader, "facts");

    for (size_t i = 0; i < ARRAY_LEN(facts_of_ours); i++) {
        const char *key = facts_of_ours[i].key;
        char *to = (char *)&record->facts + facts_of_ours[i].at;

        if (facts_of_ours[i].form == FORM_FLAG) {
            bool flag = get_flag(&in, key);
            memcpy(to, &flag, sizeof(flag));
        } else {
            int64_t ms = get_ms(&in, facts_of_ours[i].form, key);
            memcpy(to, &ms, sizeof(ms));
        }
    }
    match_moments(&in, &record->facts);
    reader->missing = in.missing;
}

static void read_head(struct reader *reader, struct proven *record)
{
    char word[16];

    get_text(reader, "operation", record->operation, sizeof(record->operation));
    get_text(reader, "action", word, sizeof(word));
    if (!fence_action_from_name(word, &record->action) || record->action == FENCE_ON)
        miss(reader, "action");
    record->vmid = (int)get_int(reader, "vmid", 1, INT32_MAX);
    get_text(reader, "type", word, sizeof(word));
    record->type = strcmp(word, pve_guest_type_name(PVE_LXC)) == 0 ? PVE_LXC : PVE_QEMU;
    if (strcmp(word, pve_guest_type_name(record->type)) != 0)
        miss(reader, "type");
    get_text(reader, "node", record->node, sizeof(record->node));
    if (!record->node[0])
        miss(reader, "node");
    record->requested_realtime_ms = get_int(reader, "requested_ms", 0, REALTIME_MAX);
    record->requested_ms = ZERO_MS;
    record->proven_ms = get_time(reader, "proven_after_ms");
}

enum proven_reading proven_read(struct json_object *document, struct proven *record, const char **field)
{
    struct reader reader = {.object = document};
    char told[DIGEST_LEN], digest[DIGEST_LEN];

    *record = (struct proven){0};
    int64_t version = get_int(&reader, "v", 1, INT32_MAX);
    if (version > PROVEN_VERSION)
        return PROVEN_NEWER;
    read_head(&reader, record);
    read_status(&reader, record);
    get_text(&reader, "stop_task", record->upid, sizeof(record->upid));
    get_text(&reader, "listed_lock", record->listed_lock, sizeof(record->listed_lock));
    read_hosts(&reader, record);
    read_facts(&reader, record);
    read_death(&reader, record);
    record->facts.listed_hidden = step_lock_hides_the_truth(record->listed_lock);
    get_text(&reader, "digest", told, sizeof(told));
    *field = reader.missing;
    if (reader.missing)
        return PROVEN_INCOMPLETE;
    json_object_object_del(document, "digest");
    if (!make_digest(document, digest))
        return PROVEN_NO_MEMORY;
    return strcmp(digest, told) == 0 ? PROVEN_READ : PROVEN_CHANGED;
}

enum proof_point proven_judge(const struct proven *record)
{
    struct proof_facts facts = record->facts;

    facts.hosts = &record->hosts;
    return proof_of(&facts);
}
