/* See api.h. */
#include "api.h"
#include "auth.h"
#include "system/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DENIED_DELAY_MS 3000 /* a 401 comes late, scaled */
#define NO_ROUTE_MS     3100 /* until the way to a dead host is given up, scaled */

/* a stop with a timeout that is no number: asked only to be refused */
static const char rehearse[] = "rehearse";

const char *api_call_name(size_t index)
{
    return index < api_row_count ? api_rows[index].name : index == api_row_count ? rehearse : NULL;
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
    for (size_t i = 0; i < api_row_count && !rest && !call->row; i++) {
        if (strcmp(api_rows[i].method, call->method) == 0 && matches(api_rows[i].path, call))
            call->row = &api_rows[i];
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
    const char *what = !strchr(row->check_path, '%')              ? ""
                       : strncmp(row->check_path, "/vms", 4) == 0 ? call->segment[3]
                                                                  : call->segment[1];
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
