/*
 * Entries of two lists, read one by one. One of HA's that is of another form than we know makes all of HA's
 * word unread: what is not understood must not read as if it were missing.
 */
#include "fence/host_watch_sample.h"

#include "system/json.h"

#include <stdlib.h>
#include <string.h>

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

/* ---- the hosts ---- */

static bool take_hosts(struct dead_hosts_sample *sample, struct json_object *nodes,
                       const struct inventory *inventory)
{
    size_t count = json_object_array_length(nodes);
    struct dead_hosts_host *hosts = calloc(count + 1, sizeof(*hosts));

    if (!hosts)
        return false;
    sample->hosts = hosts;
    for (size_t i = 0; i < count; i++) { /* that they are well formed the census has said */
        struct json_object *entry = json_object_array_get_idx(nodes, i);
        const char *type = NULL, *name = NULL, *status = NULL, *hastate = NULL;
        if (!json_get_string(entry, "type", &type) || !is(type, "node") ||
            !json_get_string(entry, "node", &name) || !json_get_string(entry, "status", &status))
            continue;
        hosts[sample->host_count++] = (struct dead_hosts_host){
            .name = name,
            .hastate = json_get_string(entry, "hastate", &hastate) ? hastate : NULL,
            .online = nodes_is_member(inventory, name, status, count),
        };
    }
    return true;
}

/* ---- HA ---- */

/* A word of what it does has always come with its timestamp (pve-ha-manager, since 2015). Without it a pause
 * of this machine would not be seen. */
static bool is_timed(const struct dead_hosts_agent *agent)
{
    return agent->timestamp_s > 0 || agent->lrm == DEAD_HOSTS_LRM_UNKNOWN;
}

/* False: no host. */
static bool take_agent(struct dead_hosts_agent *agent, struct json_object *entry)
{
    const char *status = NULL;

    *agent = (struct dead_hosts_agent){0};
    json_get_int(entry, "timestamp", 0, INT64_MAX, &agent->timestamp_s);
    if (json_get_string(entry, "status", &status))
        agent->lrm = dead_hosts_lrm_of(status);
    return json_get_string(entry, "node", &agent->host);
}

/* False: it has no host yet. */
static bool take_service(struct dead_hosts_service *service, struct json_object *entry)
{
    const char *state = NULL;

    *service = (struct dead_hosts_service){.state = NULL};
    if (json_get_string(entry, "crm_state", &state))
        service->state = state;
    return json_get_string(entry, "sid", &service->sid) && json_get_string(entry, "node", &service->host);
}

static bool take_fencing(struct dead_hosts_sample *sample, struct json_object *entry)
{
    const char *armed = NULL;
    bool read = json_get_string(entry, "armed-state", &armed);

    sample->armed &= read && dead_hosts_armed(armed);
    return read;
}

static bool take_quorum(struct dead_hosts_sample *sample, struct json_object *entry)
{
    bool quorate = false;

    if (!json_get_flag(entry, "quorate", &quorate))
        return false;
    sample->majority &= quorate;
    return true;
}

static bool take_ha(struct dead_hosts_sample *sample, struct json_object *ha)
{
    size_t count = json_object_array_length(ha);
    struct dead_hosts_agent *agents = calloc(count + 1, sizeof(*agents));
    struct dead_hosts_service *services = calloc(count + 1, sizeof(*services));
    bool read = agents && services, quorum = false;

    sample->agents = agents;
    sample->services = services;
    sample->armed = true;
    for (size_t i = 0; read && i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(ha, i);
        const char *type = NULL;
        if (!json_get_string(entry, "type", &type)) {
            read = false;
        } else if (is(type, "quorum")) {
            quorum = read = take_quorum(sample, entry);
        } else if (is(type, "fencing")) {
            read = take_fencing(sample, entry);
        } else if (is(type, "lrm")) {
            struct dead_hosts_agent *agent = &agents[sample->agent_count];
            sample->agent_count += take_agent(agent, entry);
            read = is_timed(agent);
        } else if (is(type, "service")) {
            sample->service_count += take_service(&services[sample->service_count], entry);
        }
    }
    return read && quorum;
}

bool host_watch_sample(struct dead_hosts_sample *sample, struct json_object *nodes, struct json_object *ha,
                       const struct inventory *inventory, int min_online_nodes)
{
    struct node_census census;

    *sample = (struct dead_hosts_sample){0};
    if (!nodes_take_census(inventory, nodes, NULL, &census) || !take_hosts(sample, nodes, inventory))
        return false;
    sample->majority = census.online >= nodes_required(min_online_nodes, census.known);
    sample->ha_read = ha && json_object_is_type(ha, json_type_array) && take_ha(sample, ha);
    return true;
}

void host_watch_sample_clear(struct dead_hosts_sample *sample)
{
    free((void *)(uintptr_t)sample->hosts);
    free((void *)(uintptr_t)sample->agents);
    free((void *)(uintptr_t)sample->services);
    *sample = (struct dead_hosts_sample){0};
}
