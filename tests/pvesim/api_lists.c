/*
 * Lists of the cluster: resources, pools, hosts. What they show of a guest may be old; nothing here proves a
 * fence.
 */
#include "api.h"
#include "auth.h"
#include "ha_hosts.h"
#include "server.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

#define GUEST_MEMORY (512 << 20)

/* what only the guest's own host can tell: of a dead host's guests even the names are lost */
static void out_details(const struct sim *sim, const struct guest *guest, bool running, struct out *out)
{
    static const char *const zeros[] = {"mem",   "disk",   "maxdisk",  "cpu",
                                        "netin", "netout", "diskread", "diskwrite"};
    int64_t uptime = !running                     ? 0
                     : sim->cluster->lists_frozen ? guest->listed_uptime_s
                                                  : tree_age_ms(guest->tree) / 1000;
    out_string(out, "name", guest->name);
    out_int(out, "template", guest->template);
    out_int(out, "uptime", uptime);
    if (guest->tags)
        out_string(out, "tags", guest->tags);
    for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
        out_int(out, zeros[i], 0);
    out_int(out, "maxmem", GUEST_MEMORY);
    out_int(out, "maxcpu", 1);
}

/* An element of a list, left open. */
static void out_guest(const struct sim *sim, const struct call *call, const struct guest *guest,
                      struct out *out)
{
    const struct guest_config *config = cluster_config(guest, call->endpoint);
    const struct node *node = sim->cluster->lists_frozen ? guest->listed_node : config->node;
    bool running = sim->cluster->lists_frozen ? guest->listed_running : guest_reads_running(guest, node);
    bool seen = cluster_sees(call->endpoint, node) && !node->pvestatd_hangs;
    char id[32];

    snprintf(id, sizeof(id), "%s/%d", guest_type(guest), guest->vmid);
    out_open(out, NULL, '{');
    out_string(out, "id", id);
    out_string(out, "type", guest_type(guest));
    out_int(out, "vmid", guest->vmid);
    out_string(out, "node", node->name);
    out_string(out, "status", !seen ? "unknown" : running ? "running" : "stopped");
    if (seen)
        out_details(sim, guest, running, out);
}

/* Whether the caller may see the pool's name; the last answer is kept, because thousands of guests share a
 * pool. */
static bool sees_pool(const struct sim *sim, const struct call *call, const char *pool, const char **last,
                      bool *answer)
{
    _cleanup_(freep) char *path = NULL;
    if (!pool || pool == *last)
        return pool && *answer;
    if (asprintf(&path, "/pool/%s", pool) < 0) {
        path = NULL;
        return false;
    }
    *last = pool;
    *answer = auth_holds(sim, call->id, path, "Pool.Audit");
    return *answer;
}

static void out_guests(const struct sim *sim, const struct call *call, struct out *out)
{
    const char *last = NULL;
    bool answer = false;
    char path[32];
    for (const struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        const struct guest_config *config = cluster_config(guest, call->endpoint);
        const char *pool = usercfg_pool_of(auth_usercfg(sim), guest->vmid);
        snprintf(path, sizeof(path), "/vms/%d", guest->vmid);
        if (!auth_holds(sim, call->id, path, "VM.Audit"))
            continue;
        out_guest(sim, call, guest, out);
        if (sees_pool(sim, call, pool, &last, &answer))
            out_string(out, "pool", pool);
        if (config->ha_request)
            out_string(out, "hastate", config->ha_state ? config->ha_state : config->ha_request);
        if (config->lock)
            out_string(out, "lock", config->lock);
        out_close(out, '}');
    }
}

static void out_node(const struct sim *sim, const struct call *call, const struct node *node, struct out *out)
{
    const char *ha_state = ha_hosts_state(sim, node);
    _cleanup_(freep) char *id = NULL;
    bool seen = cluster_sees(call->endpoint, node), online = seen || call->endpoint->corosync_died;
    bool statistics = seen && !node->pvestatd_hangs;
    if (asprintf(&id, "node/%s", node->name) < 0)
        id = NULL;
    out_open(out, NULL, '{');
    out_string(out, "id", id);
    out_string(out, "node", node->name);
    out_string(out, "type", "node");
    out_string(out, "status", !online ? "offline" : statistics ? "online" : "unknown");
    if (statistics)
        out_string(out, "level", "");
    if (ha_state)
        out_string(out, "hastate", ha_state);
}

struct pool_list {
    const struct sim *sim;
    const struct call *call;
    struct out *out;
    bool as_resources;
};

static int out_pool(const char *name, void *context)
{
    struct pool_list *list = context;
    _cleanup_(freep) char *path = NULL;
    struct usercfg_pool pool;
    if (asprintf(&path, "/pool/%s", name) < 0) {
        path = NULL;
        return -1;
    }
    if (!auth_holds(list->sim, list->call->id, path, "Pool.Audit") ||
        !usercfg_pool(auth_usercfg(list->sim), name, &pool))
        return 0;
    out_open(list->out, NULL, '{');
    if (list->as_resources) {
        out_string(list->out, "id", path);
        out_string(list->out, "type", "pool");
        out_string(list->out, "pool", name);
    } else {
        out_string(list->out, "poolid", name);
        if (*pool.comment)
            out_string(list->out, "comment", pool.comment);
    }
    out_close(list->out, '}');
    return 0;
}

void api_resources(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *type = call_param(call, "type");
    if (type && strcmp(type, "vm") != 0 && strcmp(type, "node") != 0 && strcmp(type, "storage") != 0 &&
        strcmp(type, "sdn") != 0) {
        api_param_error(sim, reply, "type",
                        "value '%s' does not have a value in the enumeration 'vm, storage, node, sdn'", type);
        return;
    }
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    if (!type) {
        struct pool_list list = {sim, call, &out, true};
        usercfg_each_pool(auth_usercfg(sim), out_pool, &list);
    }
    if (!type || strcmp(type, "vm") == 0)
        out_guests(sim, call, &out);
    for (const struct node *node = sim->cluster->nodes; node && (!type || strcmp(type, "node") == 0);
         node = node->next) {
        out_node(sim, call, node, &out);
        out_close(&out, '}');
    }
    out_close(&out, ']');
    api_data_end(&out);
}

void api_nodes(struct sim *sim, struct call *call, struct reply *reply)
{
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    for (const struct node *node = sim->cluster->nodes; node; node = node->next) {
        const char *fingerprint = server_fingerprint(sim->server, node);
        out_node(sim, call, node, &out);
        if (fingerprint)
            out_string(&out, "ssl_fingerprint", fingerprint);
        out_close(&out, '}');
    }
    out_close(&out, ']');
    api_data_end(&out);
}

/* ---- pools -------------------------------------------------------------------------------------------- */

static void out_members(const struct sim *sim, const struct call *call, const struct usercfg_pool *pool,
                        struct out *out)
{
    if (*pool->comment)
        out_string(out, "comment", pool->comment);
    out_open(out, "members", '[');
    for (size_t i = 0; i < pool->vmid_count; i++) {
        const struct guest *guest = cluster_guest(sim->cluster, pool->vmids[i]);
        if (!guest)
            continue;
        out_guest(sim, call, guest, out);
        out_close(out, '}');
    }
    for (size_t i = 0; i < pool->storage_count; i++) {
        out_open(out, NULL, '{');
        out_string(out, "type", "storage");
        out_string(out, "storage", pool->storage_paths[i] + strlen("/storage/"));
        out_close(out, '}');
    }
    out_close(out, ']');
}

/* with poolid= the real one lists the pool's guests to anybody */
void api_pools(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *name = call_param(call, "poolid");
    struct usercfg_pool pool;
    if (name && !usercfg_pool(auth_usercfg(sim), name, &pool)) {
        api_error(sim, reply, 500, "pool '%s' does not exist", name);
        return;
    }
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    if (name) {
        out_open(&out, NULL, '{');
        out_string(&out, "poolid", name);
        out_members(sim, call, &pool, &out);
        out_close(&out, '}');
    } else {
        struct pool_list list = {sim, call, &out, false};
        usercfg_each_pool(auth_usercfg(sim), out_pool, &list);
    }
    out_close(&out, ']');
    api_data_end(&out);
}

void api_pool(struct sim *sim, struct call *call, struct reply *reply)
{
    _cleanup_(freep) char *path = NULL;
    struct usercfg_pool pool;
    const char *name = call->segment[1];
    if (asprintf(&path, "/pool/%s", name) < 0) {
        path = NULL;
        return;
    }
    if (!api_require(sim, call, reply, path, "Pool.Audit"))
        return;
    if (!usercfg_pool(auth_usercfg(sim), name, &pool)) {
        api_error(sim, reply, 500, "pool '%s' does not exist", name);
        return;
    }
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    if (cluster_at_least(sim->cluster, 8, 1))
        out_string(&out, "poolid", name);
    out_members(sim, call, &pool, &out);
    out_close(&out, '}');
    api_data_end(&out);
}
