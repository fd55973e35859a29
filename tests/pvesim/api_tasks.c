/*
 * Task lists and the status of one task. Own tasks need no privilege; a token sees its own, a user its own
 * and its tokens'.
 */
#include "api.h"
#include "auth.h"
#include "system/cleanup.h"
#include "task.h"

#include <stdio.h>
#include <string.h>

#define TASKS_LIMIT_DEFAULT 50

static bool may_audit(const struct sim *sim, const struct call *call)
{
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "/nodes/%s", call->node->name) < 0) {
        path = NULL;
        return false;
    }
    return auth_holds(sim, call->id, path, "Sys.Audit");
}

static void out_task(const struct task *task, struct out *out)
{
    _cleanup_(freep) char *user = strdup(task->user);
    char id[16];
    snprintf(id, sizeof(id), "%d", task->vmid);
    size_t length = user ? usercfg_token_user_length(user) : 0;
    if (length) {
        user[length] = '\0';
        out_string(out, "tokenid", user + length + 1);
    }
    out_string(out, "upid", task->upid);
    out_string(out, "node", task->node->name);
    out_string(out, "type", task->type);
    out_string(out, "id", id);
    out_string(out, "user", user);
    out_int(out, "pid", task->pid);
    out_int(out, "pstart", task->pstart);
    out_int(out, "starttime", task->start_s);
}

static int64_t number(const struct call *call, const char *name, int64_t otherwise)
{
    const char *text = call_param(call, name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

/* running tasks are in no archive, and only the archive is listed unless asked otherwise */
static bool source_has(const char *source, const struct task *task)
{
    if (!source || strcmp(source, "archive") == 0)
        return task->exitstatus != NULL;
    return strcmp(source, "all") == 0 || !task->exitstatus;
}

void api_tasks(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *source = call_param(call, "source"), *type = call_param(call, "typefilter");
    int64_t vmid = number(call, "vmid", 0), skip = number(call, "start", 0), shown = 0, total = 0;
    int64_t limit = number(call, "limit", TASKS_LIMIT_DEFAULT), since = number(call, "since", 0);
    int64_t until = number(call, "until", INT64_MAX);
    bool auditor = may_audit(sim, call);
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    for (const struct task *task = task_newest(sim); task; task = task->older) {
        if (task->node != call->node || (vmid && task->vmid != vmid) || !source_has(source, task) ||
            (type && strcmp(type, task->type) != 0) || task->start_s < since || task->start_s > until ||
            (!auditor && !task_is_of(task, call->id)))
            continue;
        total++;
        if (total <= skip || (limit && shown == limit))
            continue;
        shown++;
        out_open(&out, NULL, '{');
        out_task(task, &out);
        if (task->exitstatus) {
            out_int(&out, "endtime", task->end_s);
            out_string(&out, "status", task->exitstatus);
        }
        out_close(&out, '}');
    }
    out_close(&out, ']');
    if (total)
        out_int(&out, "total", total);
    api_data_end(&out);
}

void api_task_status(struct sim *sim, struct call *call, struct reply *reply)
{
    const char *upid = call->segment[3];
    unsigned pid = 0, pstart = 0, start = 0;
    int end = 0;
    const struct task *task = task_find(sim, upid);
    _cleanup_(freep) char *path = NULL;
    if (!task && (sscanf(upid, "UPID:%*[^:]:%8x:%9x:%8x:%n", &pid, &pstart, &start, &end) != 3 || !end)) {
        api_param_error(sim, reply, "upid", "unable to parse worker upid");
        return;
    }
    if (!task || task->node != call->node) {
        api_param_error(sim, reply, "upid", "no such task");
        return;
    }
    if (asprintf(&path, "/nodes/%s", call->node->name) < 0) {
        path = NULL;
        return;
    }
    if (!task_is_of(task, call->id) && !api_require(sim, call, reply, path, "Sys.Audit"))
        return;
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    out_task(task, &out);
    out_string(&out, "status", task->exitstatus ? "stopped" : "running");
    if (task->exitstatus)
        out_string(&out, "exitstatus", task->exitstatus);
    out_close(&out, '}');
    api_data_end(&out);
}
