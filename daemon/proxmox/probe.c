/*
 * A rehearsal on its way. Knows no guests, no schedule, and neither how an answer reads (probe_judge.c) nor
 * what follows from it.
 */
#include "proxmox/probe.h"

#include "proxmox/blame.h"
#include "proxmox/session.h"

#include <stdlib.h>

struct probe {
    struct session *session;
    uint64_t call; /* 0: none */
    probe_may_go_fn *may_go;
    probe_done_fn *done;
    void *context;
};

static void on_result(void *context, uint64_t id, const struct api_result *result)
{
    struct probe *probe = context;
    if (probe->call != id)
        return;
    enum blame blame = blame_of(API_REHEARSE, result);
    struct probe_answer answer = {
        .http_status = result->http_status,
        .endpoint_text = result->endpoint_text,
        .endpoint = result->endpoint,
        .sent = result->outcome != API_UNSENT,
        .elsewhere = result->outcome != API_UNSENT && (blame == BLAME_ENDPOINT || blame == BLAME_HOST),
        .asked_ms = result->asked_ms,
        .received_ms = result->received_ms,
    };
    answer.result = probe_judge(result, &answer.error);
    probe->call = 0;
    probe->done(probe->context, &answer);
}

static bool may_go(void *context)
{
    const struct probe *probe = context;
    return probe->may_go(probe->context);
}

bool probe_send(struct probe *probe, const struct probe_target *target, uint64_t avoid, int64_t deadline_ms,
                int64_t answer_timeout_ms, probe_may_go_fn *may_go_now, probe_done_fn *done, void *context)
{
    if (probe->call)
        return false;
    struct api_request request = {
        .call = API_REHEARSE, .node = target->node, .type = target->type, .vmid = target->vmid};
    struct session_route route = {.purpose = TRAFFIC_REHEARSAL,
                                  .deadline_ms = deadline_ms,
                                  .answer_timeout_ms = answer_timeout_ms,
                                  .avoid = avoid,
                                  .may_go = may_go};
    probe->may_go = may_go_now;
    probe->done = done;
    probe->context = context;
    probe->call = session_call(probe->session, &request, &route, on_result, probe);
    return probe->call != 0;
}

bool probe_can_go(const struct probe *probe)
{
    struct session_description description;
    session_describe(probe->session, &description);
    return description.ready;
}

struct probe *probe_new(struct session *session)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    if (probe)
        probe->session = session;
    return probe;
}

void probe_free(struct probe *probe)
{
    if (!probe)
        return;
    if (probe->call)
        session_cancel(probe->session, probe->call);
    free(probe);
}
