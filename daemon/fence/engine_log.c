/*
 * What the journal is told of an operation. Decides nothing.
 */
#include "fence/engine_private.h"

#include <stdio.h>

void engine_log(const struct operation *operation, enum log_kind kind, const struct error *error,
                const char *text)
{
    char vmid[16], uid[16];
    snprintf(vmid, sizeof(vmid), "%d", operation->vmid);
    snprintf(uid, sizeof(uid), "%u", operation->peer.uid);
    const struct log_field fields[] = {
        {"FENCE_OPERATION", operation->id},
        {"FENCE_ACTION", fence_action_name(operation->action)},
        {"FENCE_TARGET", operation->plug},
        {"PVE_VMID", vmid},
        {"PVE_NODE", operation->node},
        {"FENCE_RESULT",
         operation->outcome == OPERATION_RUNNING ? NULL : operation_outcome_name(operation->outcome)},
        {"PEER_UID", uid},
        {"PEER_USER", operation->peer.user[0] ? operation->peer.user : NULL},
        {"ERROR_CODE", error && error->code ? error_code_name(error->code) : NULL},
        {"ERROR_HINT", error && error->hint[0] ? error->hint : NULL},
        {NULL, NULL},
    };
    log_say(kind, fields, "%s of %s (%d): %s", fence_action_name(operation->action),
            operation->guest ? operation->guest : operation->plug, operation->vmid, text);
}

enum log_kind engine_ended_kind(enum operation_outcome outcome)
{
    switch (outcome) {
    case OPERATION_DONE:
        return KIND_OPERATION_DONE;
    case OPERATION_ABANDONED:
        return KIND_OPERATION_ABANDONED;
    case OPERATION_INTERRUPTED:
        return KIND_OPERATION_INTERRUPTED;
    case OPERATION_RUNNING: /* no end */
    case OPERATION_FAILED:
        break;
    }
    return KIND_OPERATION_FAILED;
}
