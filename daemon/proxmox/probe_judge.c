/*
 * How the answer to a rehearsal reads. Pure: knows no session, and does not wonder why it was asked.
 */
#include "proxmox/probe.h"

#include "system/cleanup.h"

#define PARAMETER "timeout" /* what api.c's row gives a value that is no number */

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
        error_hint(error, "the guest may be off now: see its tasks in Proxmox, start it if necessary, and "
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
