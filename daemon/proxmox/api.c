/*
 * The closed list of Proxmox calls and the decoding of their answers.
 *
 * A path is a template whose placeholders are filled from checked parts; nothing else reaches the wire. The
 * texts in api_classify() are Proxmox's own, from its recordings.
 */
#include "proxmox/api.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct call_row {
    struct api_row row;
    const char *path; /* {node} {type} {vmid} {upid} {pool} */
};

static const struct call_row calls[API_CALL_COUNT] = {
    [API_VERSION] = {{"version", "GET", false, false, true, API_ELEMENTS_NONE}, "/version"},
    [API_TICKET] = {{"ticket", "POST", false, true, true, API_ELEMENTS_NONE}, "/access/ticket"},
    [API_DOMAINS] = {{"domains", "GET", false, false, true, API_ELEMENTS_NONE}, "/access/domains"},
    [API_PERMISSIONS] = {{"permissions", "GET", false, false, true, API_ELEMENTS_LEAVES},
                         "/access/permissions"},
    [API_RESOURCES] = {{"resources", "GET", false, false, true, API_ELEMENTS_RESOURCES},
                       "/cluster/resources"},
    [API_GUESTS] = {{"guests", "GET", false, false, true, API_ELEMENTS_GUESTS}, "/cluster/resources?type=vm"},
    [API_NODES] = {{"nodes", "GET", false, false, true, API_ELEMENTS_NONE}, "/cluster/resources?type=node"},
    [API_HA_STATUS] = {{"ha-status", "GET", false, false, true, API_ELEMENTS_NONE},
                       "/cluster/ha/status/current"},
    [API_POOL] = {{"pool", "GET", false, false, true, API_ELEMENTS_MEMBERS}, "/pools/{pool}"},
    [API_POOL_NESTED] = {{"pool", "GET", false, false, true, API_ELEMENTS_MEMBERS}, "/pools?poolid={pool}"},
    [API_STATUS] = {{"status", "GET", false, false, true, API_ELEMENTS_NONE},
                    "/nodes/{node}/{type}/{vmid}/status/current"},
    [API_CONFIG] = {{"config", "GET", false, false, true, API_ELEMENTS_NONE},
                    "/nodes/{node}/{type}/{vmid}/config"},
    [API_START] = {{"start", "POST", true, false, false, API_ELEMENTS_NONE},
                   "/nodes/{node}/{type}/{vmid}/status/start"},
    [API_STOP] = {{"stop", "POST", true, false, false, API_ELEMENTS_NONE},
                  "/nodes/{node}/{type}/{vmid}/status/stop"},
    [API_RESET] = {{"reset", "POST", true, false, false, API_ELEMENTS_NONE},
                   "/nodes/{node}/{type}/{vmid}/status/reset"},
    /* The parameter that makes Proxmox refuse it stands in the request line, and is part of the row: a lost
     * body must not make a real stop of it. Not repeatable: a 2xx that cannot be read is no reason to ask
     * elsewhere. */
    [API_REHEARSE] = {{"rehearse", "POST", false, false, false, API_ELEMENTS_NONE},
                      "/nodes/{node}/{type}/{vmid}/status/stop?timeout=probe"},
    [API_TASK] = {{"task", "GET", false, false, true, API_ELEMENTS_NONE},
                  "/nodes/{node}/tasks/{upid}/status"},
    [API_TASKS] = {{"tasks", "GET", false, false, true, API_ELEMENTS_NONE},
                   "/nodes/{node}/tasks?vmid={vmid}&source=all&limit=500"},
};

const struct api_row *api_row(enum api_call call)
{
    return &calls[call].row;
}

const char *pve_guest_type_name(enum pve_guest_type type)
{
    return type == PVE_LXC ? "lxc" : "qemu";
}

/* ---- building ---- */

static bool is_pool(const char *text)
{
    if (!text || !*text)
        return false;
    for (; *text; text++) {
        if (!isascii(*text) || (!isalnum((unsigned char)*text) && !strchr("._-/", *text)))
            return false;
    }
    return true;
}

static void put_encoded(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isascii(c) && (isalnum(c) || strchr("-._~", c)))
            fputc(c, out);
        else
            fprintf(out, "%%%02X", c);
    }
}

/* One placeholder; false if the request lacks the part or it is malformed. */
static bool put_part(FILE *out, const char *name, size_t length, const struct api_request *request)
{
#define IS(word) (length == sizeof(word) - 1 && memcmp(name, word, length) == 0)
    if (IS("node") && request->node && pve_is_node_name(request->node, strlen(request->node))) {
        fputs(request->node, out);
    } else if (IS("type")) {
        fputs(pve_guest_type_name(request->type), out);
    } else if (IS("vmid") && request->vmid >= 100 && request->vmid <= 999999999) {
        fprintf(out, "%d", request->vmid);
    } else if (IS("upid") && upid_parse(request->upid, &(struct pve_upid){0})) {
        put_encoded(out, request->upid);
    } else if (IS("pool") && is_pool(request->pool)) {
        put_encoded(out, request->pool);
    } else {
        return false;
    }
    return true;
#undef IS
}

static bool put_path(FILE *out, const struct api_request *request)
{
    const char *at = calls[request->call].path;
    fputs("/api2/json", out);
    while (*at) {
        if (*at != '{') {
            fputc(*at++, out);
            continue;
        }
        const char *end = strchr(at, '}');
        if (!put_part(out, at + 1, (size_t)(end - at) - 1, request))
            return false;
        at = end + 1;
    }
    return true;
}

static bool put_body(FILE *out, const struct api_request *request)
{
    switch (request->call) {
    case API_TICKET:
        if (!request->username || !request->password)
            return false;
        fputs("username=", out);
        put_encoded(out, request->username);
        fputs("&password=", out);
        put_encoded(out, request->password);
        if (request->challenge) {
            fputs("&tfa-challenge=", out);
            put_encoded(out, request->challenge);
        }
        if (request->new_format)
            fputs("&new-format=1", out);
        return true;
    case API_STOP:
        if (request->stop_timeout_s >= 0)
            fprintf(out, "timeout=%d", request->stop_timeout_s);
        if (request->overrule_shutdown)
            fprintf(out, "%soverrule-shutdown=1", request->stop_timeout_s >= 0 ? "&" : "");
        return true;
    case API_VERSION:
    case API_DOMAINS:
    case API_PERMISSIONS:
    case API_RESOURCES:
    case API_GUESTS:
    case API_NODES:
    case API_HA_STATUS:
    case API_POOL:
    case API_POOL_NESTED:
    case API_STATUS:
    case API_CONFIG:
    case API_START:
    case API_RESET:
    case API_REHEARSE:
    case API_TASK:
    case API_TASKS:
    case API_CALL_COUNT:
        break;
    }
    return true;
}

/* Print with `put` into fresh memory. */
static char *print_with(bool (*put)(FILE *, const struct api_request *), const struct api_request *request)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    bool good = put(out, request);
    if (fclose(out) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

bool api_build(const struct api_request *request, char **path, char **body)
{
    _cleanup_(freep) char *new_path = print_with(put_path, request);
    if (!new_path)
        return false;
    char *new_body = NULL;
    if (strcmp(calls[request->call].row.method, "POST") == 0) {
        new_body = print_with(put_body, request);
        if (!new_body)
            return false;
    }
    *path = TAKE(new_path);
    *body = new_body;
    return true;
}

/* ---- decoding ---- */

static void copy_for_display(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
}

/* A word that decides something must be whole: one that does not fit is not what Proxmox sends. */
static bool copy_word(char *to, size_t size, const char *text)
{
    return (size_t)snprintf(to, size, "%s", text) < size;
}

/* A member that decides something and is of a form we do not understand must not read as if it were missing.
 */
static bool is_there(struct json_object *data, const char *key)
{
    struct json_object *member = NULL;
    return json_object_object_get_ex(data, key, &member) && member;
}

static bool decode_ha(struct json_object *data, struct pve_status *status)
{
    struct json_object *ha = NULL;
    const char *state = NULL;
    if (!json_get_object(data, "ha", &ha))
        return !is_there(data, "ha");
    if (!json_get_flag(ha, "managed", &status->ha_managed))
        return false;
    return !json_get_string(ha, "state", &state) || copy_word(status->ha_state, PVE_HA_MAX, state);
}

static bool decode_traffic(struct json_object *data, const char *key, struct pve_status *status)
{
    int64_t number = 0;
    if (!json_get_int_or_digits(data, key, 0, INT64_MAX, &number))
        return !is_there(data, key);
    status->traffic |= number > 0;
    return true;
}

/* There, and says more than "nothing": 0 and null are what a stopped guest may have. */
static bool says_something(struct json_object *data, const char *key)
{
    int64_t number = 0;
    return is_there(data, key) && !(json_get_int_or_digits(data, key, 0, 0, &number));
}

/* `stopped` is said of a guest without a process. Then there is nothing that only a process has. */
static bool contradicts_stopped(struct json_object *data)
{
    const char *text = NULL;
    if (is_there(data, "qmpstatus") &&
        !(json_get_string(data, "qmpstatus", &text) && strcmp(text, "stopped") == 0))
        return true;
    return says_something(data, "pid") || says_something(data, "uptime") || is_there(data, "running-qemu") ||
           is_there(data, "running-machine");
}

bool api_decode_status(struct json_object *data, struct pve_status *status)
{
    int64_t number = 0;
    const char *text = NULL;
    struct json_object *nics = NULL;
    *status = (struct pve_status){0};

    if (!json_get_int_or_digits(data, "vmid", 1, 999999999, &number) ||
        !json_get_string(data, "status", &text))
        return false;
    status->vmid = (int)number;
    if (strcmp(text, "running") == 0)
        status->running = true;
    else if (strcmp(text, "stopped") != 0 || contradicts_stopped(data))
        return false;
    /* `nics` of any other form than an object is not understood: count it as there */
    if (json_object_object_get_ex(data, "nics", &nics))
        status->nics = !json_object_is_type(nics, json_type_object) || json_object_object_length(nics) > 0;
    if (!decode_traffic(data, "netin", status) || !decode_traffic(data, "netout", status))
        return false;
    if (json_get_int_or_digits(data, "uptime", 0, INT64_MAX / 1000, &number))
        status->uptime_s = number;
    json_get_flag(data, "template", &status->template);
    if (json_get_string(data, "name", &text))
        copy_for_display(status->name, sizeof(status->name), text);
    if (json_get_string(data, "lock", &text) ? !copy_word(status->lock, PVE_LOCK_MAX, text)
                                             : is_there(data, "lock"))
        return false;
    return decode_ha(data, status);
}

/* "net0", not "netmask" */
static bool is_numbered(const char *key, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(key, prefix, length) == 0 && key[length] &&
           strspn(key + length, "0123456789") == strlen(key + length);
}

/* smbios1: "uuid=…,manufacturer=…,base64=1", in any order. */
static void take_uuid(const char *smbios, char uuid[static PVE_UUID_LEN])
{
    for (const char *at = smbios; at && *at; at += strcspn(at, ","), at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (strncmp(at, "uuid=", 5) == 0 && length == 5 + PVE_UUID_LEN - 1)
            snprintf(uuid, PVE_UUID_LEN, "%s", at + 5);
    }
}

bool api_decode_config(struct json_object *data, struct pve_guest_config *config)
{
    const char *text = NULL;
    *config = (struct pve_guest_config){0};
    if (!data || !json_object_is_type(data, json_type_object))
        return false;
    json_object_object_foreach(data, key, value)
    {
        (void)value;
        config->has_nic |= is_numbered(key, "net");
    }
    config->has_hookscript = is_there(data, "hookscript");
    if (json_get_string(data, "smbios1", &text))
        take_uuid(text, config->uuid);
    return true;
}

static bool exit_is_ok(const char *exit)
{
    return strcmp(exit, "OK") == 0 || strncmp(exit, "WARNINGS: ", 10) == 0;
}

static void take_exit(struct pve_task *task, const char *text)
{
    task->ended = true;
    copy_for_display(task->exit, sizeof(task->exit), text);
    task->ok = exit_is_ok(text);
}

bool api_decode_task(struct json_object *data, struct pve_task *task)
{
    const char *text = NULL;
    *task = (struct pve_task){0};
    if (!json_get_string(data, "status", &text))
        return false;
    if (strcmp(text, "running") == 0)
        return true;
    if (strcmp(text, "stopped") != 0)
        return false;
    /* a task that ended without a word was cut off: "unexpected status" in Proxmox's own list */
    take_exit(task, json_get_string(data, "exitstatus", &text) ? text : "no exit status");
    return true;
}

bool api_decode_listed_task(struct json_object *data, const char *upid, struct pve_task *task)
{
    *task = (struct pve_task){0};
    if (!data || !json_object_is_type(data, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct json_object *entry = json_object_array_get_idx(data, i);
        const char *text = NULL;
        int64_t ended_s = 0;
        if (!json_get_string(entry, "upid", &text) || strcmp(text, upid) != 0)
            continue;
        if (json_get_int_or_digits(entry, "endtime", 0, INT64_MAX, &ended_s))
            take_exit(task, json_get_string(entry, "status", &text) ? text : "no exit status");
        return true;
    }
    return false;
}

bool api_decode_upid(struct json_object *data, char upid[static PVE_UPID_MAX])
{
    if (!data || !json_object_is_type(data, json_type_string))
        return false;
    const char *text = json_object_get_string(data);
    if (!upid_parse(text, &(struct pve_upid){0}))
        return false;
    snprintf(upid, PVE_UPID_MAX, "%s", text);
    return true;
}

static void copy_lock_name(const char *text, char lock[static PVE_LOCK_MAX])
{
    const char *open = strchr(text, '('), *close = open ? strchr(open, ')') : NULL;
    lock[0] = '\0';
    if (close && (size_t)(close - open) <= PVE_LOCK_MAX)
        snprintf(lock, PVE_LOCK_MAX, "%.*s", (int)(close - open) - 1, open + 1);
}

enum pve_refusal api_classify(const char *text, char lock[static PVE_LOCK_MAX])
{
    static const struct {
        const char *part;
        enum pve_refusal refusal;
    } table[] = {
        {"unable to find configuration file", PVE_REFUSAL_MOVED},
        /* not any "does not exist": disks and storages that are gone have the same words */
        {"onfiguration file 'nodes/", PVE_REFUSAL_MOVED},
        {"VM is locked", PVE_REFUSAL_LOCKED},
        {"CT is locked", PVE_REFUSAL_LOCKED},
        {"can't lock file", PVE_REFUSAL_BUSY},
        {"already running", PVE_REFUSAL_RUNNING},
        {"not running", PVE_REFUSAL_NOT_RUNNING},
        {"if it's a template", PVE_REFUSAL_TEMPLATE},
        {"is a template", PVE_REFUSAL_TEMPLATE},
        {"no quorum", PVE_REFUSAL_NO_QUORUM},
        {"Not applicable for HA", PVE_REFUSAL_HA},
        {"Permission check failed", PVE_REFUSAL_PERMISSION},
    };
    lock[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strstr(text, table[i].part)) {
            if (table[i].refusal == PVE_REFUSAL_LOCKED)
                copy_lock_name(text, lock);
            return table[i].refusal;
        }
    }
    return PVE_REFUSAL_OTHER;
}

bool api_decode_tasks(struct json_object *data, const char *node, const char *type, int64_t since_s,
                      const char *after_upid, struct pve_task_count *count)
{
    *count = (struct pve_task_count){0};
    if (!data || !json_object_is_type(data, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct json_object *entry = json_object_array_get_idx(data, i);
        const char *text = NULL, *exit = NULL;
        struct pve_upid upid;
        int64_t ended_s = 0;
        if (!json_get_string(entry, "upid", &text) || !upid_parse(text, &upid))
            return false;
        if (!upid_word_is(&upid.type, type) || !upid_word_is(&upid.node, node))
            continue;
        bool running = !json_get_int_or_digits(entry, "endtime", 0, INT64_MAX, &ended_s);
        bool failed = !running && json_get_string(entry, "status", &exit) && !exit_is_ok(exit);
        if (after_upid[0] && upid_compare(text, after_upid) > 0) {
            count->newer++;
            count->newer_running += running;
            count->newer_failed += failed;
        }
        if (upid.starttime < since_s)
            continue;
        count->begun++;
        count->running += running;
        count->failed += failed;
    }
    return true;
}
