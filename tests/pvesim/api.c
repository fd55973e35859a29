/* See api.h. */
#include "api.h"
#include "auth.h"
#include "system/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DENIED_DELAY_MS 3000 /* a 401 comes late, scaled */
#define NO_ROUTE_MS     3100 /* until the way to a dead host is given up, scaled */

static const struct param_rule no_params[] = {{0}};
static const struct param_rule ticket_params[] = {{"username", PARAM_STRING, true, false, 0, 0},
                                                  {"password", PARAM_STRING, true, false, 0, 0},
                                                  {"realm", PARAM_STRING, false, false, 0, 0},
                                                  {"otp", PARAM_STRING, false, false, 0, 0},
                                                  {"path", PARAM_STRING, false, false, 0, 0},
                                                  {"privs", PARAM_STRING, false, false, 0, 0},
                                                  {"new-format", PARAM_BOOLEAN, false, false, 0, 0},
                                                  {"tfa-challenge", PARAM_STRING, false, false, 0, 0},
                                                  {0}};
static const struct param_rule permissions_params[] = {
    {"userid", PARAM_STRING, false, false, 0, 0}, {"path", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule resources_params[] = {{"type", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule pools_params[] = {
    {"poolid", PARAM_STRING, false, false, 8, 1}, {"type", PARAM_STRING, false, false, 8, 1}, {0}};
static const struct param_rule config_params[] = {
    {"current", PARAM_BOOLEAN, false, false, 0, 0}, {"snapshot", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule qemu_stop_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0},
                                                     {"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                     {"migratedfrom", PARAM_STRING, false, true, 0, 0},
                                                     {"keepActive", PARAM_BOOLEAN, false, true, 0, 0},
                                                     {"overrule-shutdown", PARAM_BOOLEAN, false, false, 8, 2},
                                                     {0}};
static const struct param_rule lxc_stop_params[] = {{"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                    {"overrule-shutdown", PARAM_BOOLEAN, false, false, 8, 2},
                                                    {0}};
static const struct param_rule qemu_start_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0},
                                                      {"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                      {"migratedfrom", PARAM_STRING, false, true, 0, 0},
                                                      {"migration_type", PARAM_STRING, false, true, 0, 0},
                                                      {"migration_network", PARAM_STRING, false, true, 0, 0},
                                                      {"stateuri", PARAM_STRING, false, true, 0, 0},
                                                      {"machine", PARAM_STRING, false, false, 0, 0},
                                                      {"force-cpu", PARAM_STRING, false, true, 0, 0},
                                                      {"targetstorage", PARAM_STRING, false, true, 0, 0},
                                                      {0}};
static const struct param_rule lxc_start_params[] = {
    {"skiplock", PARAM_BOOLEAN, false, true, 0, 0}, {"debug", PARAM_BOOLEAN, false, false, 0, 0}, {0}};
static const struct param_rule reset_params[] = {{"skiplock", PARAM_BOOLEAN, false, true, 0, 0}, {0}};
static const struct param_rule reboot_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0}, {0}};
static const struct param_rule shutdown_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0},
                                                    {"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                    {"forceStop", PARAM_BOOLEAN, false, false, 0, 0},
                                                    {"keepActive", PARAM_BOOLEAN, false, true, 0, 0},
                                                    {0}};
static const struct param_rule tasks_params[] = {{"vmid", PARAM_INTEGER, false, false, 0, 0},
                                                 {"limit", PARAM_INTEGER, false, false, 0, 0},
                                                 {"start", PARAM_INTEGER, false, false, 0, 0},
                                                 {"since", PARAM_INTEGER, false, false, 0, 0},
                                                 {"until", PARAM_INTEGER, false, false, 0, 0},
                                                 {"errors", PARAM_BOOLEAN, false, false, 0, 0},
                                                 {"source", PARAM_STRING, false, false, 0, 0},
                                                 {"typefilter", PARAM_STRING, false, false, 0, 0},
                                                 {"userfilter", PARAM_STRING, false, false, 0, 0},
                                                 {"statusfilter", PARAM_STRING, false, false, 0, 0},
                                                 {0}};

#define VM_CONFIG                                                                                            \
    "VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.HWType|"      \
    "VM.Config.Options|VM.Config.Cloudinit"

static const struct api_row rows[] = {
    {"version", "GET", "/version", 0, NULL, NULL, no_params, api_version},
    {"domains", "GET", "/access/domains", API_NO_LOGIN, NULL, NULL, no_params, api_domains},
    {"ticket", "POST", "/access/ticket", API_NO_LOGIN, NULL, NULL, ticket_params, api_ticket},
    {"permissions", "GET", "/access/permissions", 0, NULL, NULL, permissions_params, api_permissions},
    {"resources", "GET", "/cluster/resources", 0, NULL, NULL, resources_params, api_resources},
    {"pools", "GET", "/pools", 0, NULL, NULL, pools_params, api_pools},
    {"pool", "GET", "/pools/{poolid}", 0, NULL, NULL, no_params, api_pool},
    {"nodes", "GET", "/nodes", 0, NULL, NULL, no_params, api_nodes},
    {"status", "GET", "/nodes/{node}/{type}/{vmid}/status/current", API_PROXIED, "/vms/%", "VM.Audit",
     no_params, api_status},
    {"config", "GET", "/nodes/{node}/{type}/{vmid}/config", API_PROXIED, "/vms/%", "VM.Audit", config_params,
     api_config},
    {"start", "POST", "/nodes/{node}/qemu/{vmid}/status/start", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     qemu_start_params, api_power},
    {"stop", "POST", "/nodes/{node}/qemu/{vmid}/status/stop", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     qemu_stop_params, api_power},
    {"reset", "POST", "/nodes/{node}/qemu/{vmid}/status/reset", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     reset_params, api_power},
    {"shutdown", "POST", "/nodes/{node}/qemu/{vmid}/status/shutdown", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     shutdown_params, api_power},
    {"reboot", "POST", "/nodes/{node}/qemu/{vmid}/status/reboot", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     reboot_params, api_power},
    {"start", "POST", "/nodes/{node}/lxc/{vmid}/status/start", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     lxc_start_params, api_power},
    {"stop", "POST", "/nodes/{node}/lxc/{vmid}/status/stop", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     lxc_stop_params, api_power},
    {"shutdown", "POST", "/nodes/{node}/lxc/{vmid}/status/shutdown", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     shutdown_params, api_power},
    {"reboot", "POST", "/nodes/{node}/lxc/{vmid}/status/reboot", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     reboot_params, api_power},
    {"tasks", "GET", "/nodes/{node}/tasks", API_PROXIED, NULL, NULL, tasks_params, api_tasks},
    {"task", "GET", "/nodes/{node}/tasks/{upid}/status", API_PROXIED, NULL, NULL, no_params, api_task_status},
    /* calls of real hosts that are here only to be refused */
    {"destroy", "DELETE", "/nodes/{node}/qemu/{vmid}", API_PROXIED, "/vms/%", "VM.Allocate", NULL, NULL},
    {"set-config", "PUT", "/nodes/{node}/qemu/{vmid}/config", API_PROXIED, "/vms/%", VM_CONFIG, NULL, NULL},
    {"node-command", "POST", "/nodes/{node}/status", API_PROXIED, "/nodes/%", "Sys.PowerMgmt", NULL, NULL},
    {"console", "POST", "/nodes/{node}/qemu/{vmid}/vncproxy", API_PROXIED, "/vms/%", "VM.Console", NULL,
     NULL},
};

/* a stop with a timeout that is no number: asked only to be refused */
static const char rehearse[] = "rehearse";

const char *api_call_name(size_t index)
{
    return index < ARRAY_LEN(rows) ? rows[index].name : index == ARRAY_LEN(rows) ? rehearse : NULL;
}

/* ---- errors and answers ------------------------------------------------------------------------------- */

/* bodies have a "message" since early 2025 */
static bool with_message(const struct sim *sim)
{
    return cluster_at_least(sim->cluster, 8, 4);
}

void api_error(const struct sim *sim, struct reply *reply, int status, const char *format, ...)
{
    _cleanup_(freep) char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    reply_error(reply, with_message(sim), status, "%s", text ? text : "out of memory");
}

void api_param_error(const struct sim *sim, struct reply *reply, const char *param, const char *format, ...)
{
    _cleanup_(freep) char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    reply_empty(reply, 400, "Parameter verification failed.");
    struct out out = {.to = reply->body};
    out_open(&out, NULL, '{');
    if (with_message(sim))
        out_string(&out, "message", "Parameter verification failed.\n");
    out_open(&out, "errors", '{');
    out_string(&out, param, text);
    out_close(&out, '}');
    out_string(&out, "data", NULL);
    out_close(&out, '}');
}

int64_t api_denied_delay_ms(const struct sim *sim)
{
    return sim->denied_delay_ms >= 0 ? sim->denied_delay_ms : sim_scaled(sim, DENIED_DELAY_MS);
}

struct out api_data(struct reply *reply)
{
    struct out out = {.to = reply->body};
    out_open(&out, NULL, '{');
    return out;
}

void api_data_end(struct out *out)
{
    out_close(out, '}');
}

bool api_require(const struct sim *sim, const struct call *call, struct reply *reply, const char *path,
                 const char *privileges)
{
    _cleanup_(freep) char *list = strdup(privileges);
    for (char *rest = list, *one; rest && (one = strsep(&rest, "|"));) {
        if (auth_holds(sim, call->id, path, one))
            return true;
    }
    api_error(sim, reply, 403, "Permission check failed (%s, %s)", path, privileges);
    return false;
}

/* ---- routing ------------------------------------------------------------------------------------------ */

static bool matches(const char *pattern, const struct call *call)
{
    int number = 0;
    for (const char *at = pattern; *at; number++) {
        size_t length = strcspn(++at, "/");
        if (number >= call->segment_count)
            return false;
        const char *is = call->segment[number];
        if (strncmp(at, "{type}", 6) == 0) {
            if (strcmp(is, "qemu") != 0 && strcmp(is, "lxc") != 0)
                return false;
        } else if (*at != '{' && (strlen(is) != length || strncmp(at, is, length) != 0)) {
            return false;
        }
        at += length;
    }
    return number == call->segment_count;
}

void api_route(const struct sim *sim, struct call *call)
{
    char *rest = call->segments;
    while (rest && call->segment_count < CALL_SEGMENTS_MAX) {
        char *segment = strsep(&rest, "/");
        if (*segment)
            call->segment[call->segment_count++] = segment;
    }
    call->name = "unknown";
    for (size_t i = 0; i < ARRAY_LEN(rows) && !rest && !call->row; i++) {
        if (strcmp(rows[i].method, call->method) == 0 && matches(rows[i].path, call))
            call->row = &rows[i];
    }
    if (!call->row)
        return;
    call->name = call->row->name;
    const char *timeout = call_param(call, "timeout");
    if (strcmp(call->name, "stop") == 0 && timeout && strspn(timeout, "0123456789") != strlen(timeout))
        call->name = rehearse;
    if (call->row->flags & API_PROXIED) {
        call->node = cluster_node(sim->cluster, call->segment[1]);
        if (call->segment_count > 3 && strcmp(call->segment[2], "tasks") != 0)
            call->vmid = (int)strtol(call->segment[3], NULL, 10);
        else if (call_param(call, "vmid"))
            call->vmid = (int)strtol(call_param(call, "vmid"), NULL, 10);
    }
}

/* ---- checks ------------------------------------------------------------------------------------------- */

static bool check_param(const struct sim *sim, const struct call *call, const struct param *param,
                        struct reply *reply)
{
    const struct param_rule *rule = call->row->params;
    while (rule->name && (strcmp(rule->name, param->name) != 0 ||
                          !cluster_at_least(sim->cluster, rule->since_major, rule->since_minor)))
        rule++;
    const char *digits = param->value + (*param->value == '-');
    bool number = *digits && strspn(digits, "0123456789") == strlen(digits);
    if (!rule->name)
        api_param_error(
            sim, reply, param->name,
            "property is not defined in schema and the schema does not allow additional properties");
    else if (rule->type == PARAM_INTEGER && !number)
        api_param_error(sim, reply, param->name, "type check ('integer') failed - got '%s'", param->value);
    else if (rule->type == PARAM_INTEGER && *param->value == '-')
        api_param_error(sim, reply, param->name, "value must have a minimum value of 0");
    else if (rule->type == PARAM_BOOLEAN && strcmp(param->value, "0") != 0 && strcmp(param->value, "1") != 0)
        api_param_error(sim, reply, param->name, "type check ('boolean') failed - got '%s'", param->value);
    else
        return true;
    return false;
}

static bool check_params(const struct sim *sim, const struct call *call, struct reply *reply)
{
    for (const struct param *param = call->params; param; param = param->next) {
        if (!check_param(sim, call, param, reply))
            return false;
    }
    for (const struct param_rule *rule = call->row->params; rule->name; rule++) {
        const char *value = call_param(call, rule->name);
        if (rule->required && !value) {
            api_param_error(sim, reply, rule->name, "property is missing and it is not optional");
            return false;
        }
        if (rule->root_only && value && strcmp(call->id, "root@pam") != 0) {
            api_param_error(sim, reply, rule->name, "Only root may use this option.");
            return false;
        }
    }
    return true;
}

/* Login; false if the answer stands. */
static bool check_identity(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *denied = NULL;
    bool open = call->row && call->row->flags & API_NO_LOGIN;
    bool token = call->authorization && strncmp(call->authorization, "PVEAPIToken", 11) == 0;
    if (!open || token)
        denied = auth_identify(sim, call);
    if (denied) {
        reply_empty(reply, 401, denied);
        reply->delay_ms = api_denied_delay_ms(sim);
        return false;
    }
    if (token && call->row && strcmp(call->row->name, "ticket") == 0) {
        api_error(sim, reply, 403,
                  "Permission check failed (URI '/access/ticket' not available with API token, need proper "
                  "ticket.\n)");
        return false;
    }
    return true;
}

/* The way to the host that the path names; false if there is none. */
static bool check_way(const struct sim *sim, const struct call *call, struct reply *reply)
{
    const char *name = call->segment[1];
    if (!call->node) {
        api_error(
            sim, reply, 500,
            "hostname lookup '%s' failed - failed to get address info for: %s: Name or service not known",
            name, name);
        return false;
    }
    if (cluster_sees(call->endpoint, call->node))
        return true;
    reply_empty(reply, 595, "No route to host");
    reply->delay_ms = sim_scaled(sim, NO_ROUTE_MS);
    return false;
}

/* The privilege on the guest or host that the path names; false if it is missing. */
static bool check_path(const struct sim *sim, const struct call *call, struct reply *reply)
{
    const struct api_row *row = call->row;
    const char *what = strncmp(row->check_path, "/vms", 4) == 0 ? call->segment[3] : call->segment[1];
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "%.*s%s", (int)strcspn(row->check_path, "%"), row->check_path, what) < 0) {
        path = NULL;
        api_error(sim, reply, 500, "out of memory");
        return false;
    }
    return api_require(sim, call, reply, path, row->privileges);
}

void api_run(struct sim *sim, struct call *call, struct reply *reply)
{
    auth_refresh(sim, false);
    if (!check_identity(sim, call, reply))
        return;
    const struct api_row *row = call->row;
    if (!row) {
        api_error(sim, reply, 501, "Method '%s %s' not implemented", call->method, call->path);
        return;
    }
    if (row->check_path && !check_path(sim, call, reply))
        return;
    if (row->flags & API_PROXIED && !check_way(sim, call, reply))
        return;
    if (!row->handler)
        api_error(sim, reply, 501, "pvesim does not simulate '%s %s'", call->method, call->path);
    else if (check_params(sim, call, reply))
        row->handler(sim, call, reply);
}
