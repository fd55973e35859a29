/*
 * A rehearsal on its way: which call it is, and how its answer reads. Knows no guests, no schedule, and not
 * what follows from an answer.
 */
#include "proxmox/probe.h"

#include "proxmox/session.h"
#include "system/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define PARAMETER "timeout" /* what api.c's row gives a value that is no number */

struct probe {
    struct session *session;
    uint64_t call; /* 0: none */
    probe_may_go_fn *may_go;
    probe_done_fn *done;
    void *context;
};

/* ---- what an answer means ---- */

/* Proxmox names each parameter that it refuses. Another one beside ours, or none: then it was not ours that
 * kept the stop from being carried out, or not ours alone. */
static bool names_the_parameter_alone(const struct api_result *result)
{
    struct json_object *text = NULL;
    return result->errors && json_object_object_length(result->errors) == 1 &&
           json_object_object_get_ex(result->errors, PARAMETER, &text);
}

enum probe_result probe_judge(const struct api_result *result, struct error *error)
{
    int status = result->http_status;
    if (result->outcome == API_OK || (status >= 200 && status < 300)) {
        error_set(error, ERROR_PROTOCOL,
                  "Proxmox at %s took a rehearsal for a real stop (it answered %d instead of refusing it)",
                  result->endpoint_text, status);
        error_hint(error, "the guest may be off now: see its tasks in Proxmox, start it if need be, and "
                          "report this to the maintainers of fence-broker");
        return PROBE_CARRIED_OUT;
    }
    *error = result->error;
    if (result->outcome != API_REFUSED || (status >= 595 && status <= 599))
        return PROBE_UNANSWERED;
    if (status != 400)
        return PROBE_REFUSED;
    if (names_the_parameter_alone(result)) {
        *error = (struct error){0};
        return PROBE_ACCEPTED;
    }
    error_set(error, ERROR_PROTOCOL, "Proxmox at %s refused the rehearsal for another reason: %s %s",
              result->endpoint_text, result->reason,
              result->errors ? json_object_to_json_string_ext(result->errors, JSON_C_TO_STRING_PLAIN)
                             : "(no parameter is named)");
    error_hint(error, "a real stop may be refused in the same way: see /var/log/pveproxy/access.log there, "
                      "and what stands between the broker and Proxmox");
    return PROBE_REFUSED;
}

const char *probe_result_name(enum probe_result result)
{
    static const char *const names[PROBE_RESULT_COUNT] = {
        [PROBE_ACCEPTED] = "accepted",
        [PROBE_REFUSED] = "refused",
        [PROBE_UNANSWERED] = "unanswered",
        [PROBE_CARRIED_OUT] = "carried-out",
    };
    return (size_t)result < ARRAY_LEN(names) ? names[result] : "unknown";
}

/* ---- the call ---- */

static void on_result(void *context, uint64_t id, const struct api_result *result)
{
    struct probe *probe = context;
    if (probe->call != id)
        return;
    struct probe_answer answer = {
        .http_status = result->http_status,
        .endpoint_text = result->endpoint_text,
        .endpoint = result->endpoint,
        .sent = result->outcome != API_UNSENT,
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
    struct session_route route = {
        .deadline_ms = deadline_ms, .answer_timeout_ms = answer_timeout_ms, .avoid = avoid, .may_go = may_go};
    probe->may_go = may_go_now;
    probe->done = done;
    probe->context = context;
    probe->call = session_call(probe->session, &request, &route, on_result, probe);
    return probe->call != 0;
}

bool probe_under_way(const struct probe *probe)
{
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
