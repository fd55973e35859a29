/*
 * A row for each call that names something: what its answer has to name, too.
 */
#include "proxmox/misfit.h"

#include "proxmox/guest_list.h"
#include "system/json.h"

#include <string.h>

static const char *misfit_of_status(const struct api_request *request, struct json_object *data)
{
    int64_t vmid = 0;
    if (!json_get_int_or_digits(data, "vmid", 1, 999999999, &vmid))
        return "something that is not a guest's status";
    return vmid == request->vmid ? NULL : "another guest's status";
}

/* The kinds of task that a power call makes; HA takes it from either. */
static bool is_task_of(const struct api_request *request, const struct upid_word *type)
{
    bool container = request->type == PVE_LXC;
    if (request->call == API_STOP)
        return upid_word_is(type, container ? "vzstop" : "qmstop") || upid_word_is(type, "hastop");
    if (request->call == API_START)
        return upid_word_is(type, container ? "vzstart" : "qmstart") || upid_word_is(type, "hastart");
    return !container && upid_word_is(type, "qmreset");
}

static const char *misfit_of_power(const struct api_request *request, struct json_object *data)
{
    struct pve_upid upid;
    if (!json_object_is_type(data, json_type_string) || !upid_parse(json_object_get_string(data), &upid))
        return "something that is not a task";
    if (!upid_is_of_guest(&upid, request->vmid))
        return "a task of another guest";
    if (!upid_word_is(&upid.node, request->node))
        return "a task of another host";
    return is_task_of(request, &upid.type) ? NULL : "a task of another kind";
}

static const char *misfit_of_task(const struct api_request *request, struct json_object *data)
{
    const char *upid = NULL;
    bool same = json_get_string(data, "upid", &upid) && strcmp(upid, request->upid) == 0;
    return same ? NULL : "another task's status";
}

/* A host that was renamed lists what it did under its old name, too. */
static const char *misfit_of_tasks(const struct api_request *request, struct json_object *data)
{
    if (!json_object_is_type(data, json_type_array))
        return "something that is not a list of tasks";
    size_t count = json_object_array_length(data);
    bool its = count == 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;
        struct pve_upid upid;
        if (!json_get_string(json_object_array_get_idx(data, i), "upid", &text) || !upid_parse(text, &upid))
            return "something that is not a list of tasks";
        if (!upid_is_of_guest(&upid, request->vmid))
            return "another guest's tasks";
        its |= upid_word_is(&upid.node, request->node);
    }
    return its ? NULL : "another host's tasks";
}

/* `hosts_needed`: the answer of a cluster has some, in any case. */
static const char *misfit_of_nodes(struct json_object *data, bool hosts_needed)
{
    if (!json_object_is_type(data, json_type_array))
        return "something that is not a list of hosts";
    size_t count = json_object_array_length(data);
    bool its = count == 0 && !hosts_needed;
    for (size_t i = 0; i < count; i++) {
        const char *type = NULL;
        its |=
            json_get_string(json_object_array_get_idx(data, i), "type", &type) && strcmp(type, "node") == 0;
    }
    return its ? NULL : "a list without a host";
}

static const char *misfit_of_permissions(struct json_object *data)
{
    if (!json_object_is_type(data, json_type_object))
        return "something that is not a list of privileges";
    json_object_object_foreach(data, path, privileges)
    {
        (void)privileges;
        if (path[0] != '/')
            return "something that is not a list of privileges";
    }
    return NULL;
}

/* Its entry `quorum` is always there. */
static const char *misfit_of_ha_status(struct json_object *data)
{
    bool its = false;
    for (size_t i = 0; json_object_is_type(data, json_type_array) && i < json_object_array_length(data);
         i++) {
        const char *type = NULL;
        its |=
            json_get_string(json_object_array_get_idx(data, i), "type", &type) && strcmp(type, "quorum") == 0;
    }
    return its ? NULL : "what is no status of HA";
}

const char *misfit_judge(const struct api_request *request, struct json_object *data,
                         const struct guest_list *guests)
{
    switch (request->call) {
    case API_STATUS:
        return misfit_of_status(request, data);
    case API_START:
    case API_STOP:
    case API_RESET:
        return misfit_of_power(request, data);
    case API_TASK:
        return misfit_of_task(request, data);
    case API_TASKS:
        return misfit_of_tasks(request, data);
    case API_NODES:
        return misfit_of_nodes(data, false);
    case API_HA_STATUS:
        return misfit_of_ha_status(data);
    case API_RESOURCES:
        return guests ? misfit_of_nodes(data, true) : "something that is not a list of guests";
    case API_GUESTS:
        if (!guests)
            return "something that is not a list of guests";
        return guest_list_is_of_others(guests) ? "a list without a guest" : NULL;
    case API_PERMISSIONS:
        return misfit_of_permissions(data);
    case API_VERSION: /* what these say is nobody's, or names nobody */
    case API_TICKET:
    case API_DOMAINS:
    case API_POOL:
    case API_POOL_NESTED:
    case API_CONFIG:
    case API_REHEARSE: /* any 200 is the alarm */
    case API_CALL_COUNT:
        break;
    }
    return NULL;
}
