/*
 * One fence that Pacemaker has just told of (alert_fence_broker): if it ran on this node, and only our agent
 * can have done it, the broker here is to say whether it has evidence of it. It logs and counts those
 * without.
 */
#include "admin/cluster.h"
#include "admin/command.h"
#include "admin/heap.h"
#include "client/request.h"
#include "client/say.h"
#include "system/cleanup.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: " ADMIN " fenced [-s SOCKET] --node NAME --event TEXT\n"
    "  -s, --socket PATH  the broker's socket (default " BROKER_SOCKET ")\n"
    "      --node NAME    who was fenced: CRM_alert_node\n"
    "      --event TEXT   Pacemaker's words about it: CRM_alert_desc\n"
    "  -h, --help         print this\n"
    "For the alert agent alert_fence_broker: has the broker here evidence of this fence?\n"
    "It logs and counts those without. Exit status: 0 it was asked, or there is\n"
    "nothing to ask; 1 it could not be asked, or TEXT cannot be read.\n";

/* "Operation reboot of node2 by node1 for pacemaker-controld.123@node3: OK (ref=…)"; one that somebody has
 * confirmed is "by a human". Whose fence it was stands between two names that are known, or it is not read:
 * the rest is of whoever asked for it. */
static bool read_event(const char *event, const char *node, char action[static 32], char by[static 256])
{
    if (sscanf(event, "Operation %31s of ", action) != 1)
        return false;
    const char *begin = heap_printf("Operation %s of %s by ", action, node);
    size_t length = strlen(begin);
    if (strncmp(event, begin, length) != 0)
        return false;
    const char *end = strstr(event + length, " for ");
    return end && snprintf(by, 256, "%.*s", (int)(end - event - (ptrdiff_t)length), event + length) < 256;
}

static int tell(const char *socket, const char *node, const char *vmid, struct failure *failure)
{
    _cleanup_(freep) char *name = heap_need(request_encode(node));
    struct answer answer = {0};
    const struct request request = {.socket = socket,
                                    .method = "POST",
                                    .target = heap_printf("/v1/guests/%s/fenced?node=%s", vmid, name),
                                    .wait_s = REQUEST_READ_WAIT_S};
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    if (rc == 0)
        fwrite(answer.body, 1, answer.length, stdout);
    answer_clear(&answer);
    return rc == 0 ? say_finish(failure) : rc;
}

static int run(const char *socket, const char *node, const char *event)
{
    struct failure failure = {0};
    char action[32], by[256];
    const char *vmid = NULL;
    int rc = 0;
    if (!read_event(event, node, action, by))
        rc = failure_set(&failure, "compare what it has fenced with: /usr/sbin/fence_broker doctor",
                         "Pacemaker's words about it cannot be read: %.200s", event);
    else if (strcmp(action, "on") != 0)
        rc = cluster_only_ours(socket, node, by, &vmid, &failure);
    if (rc == 0 && vmid)
        rc = tell(socket, node, vmid, &failure);
    if (rc < 0)
        failure_prefix(&failure, "fenced %s", node);
    return command_end(rc, &failure);
}

static int fenced(const struct command *command, int argc, char **argv)
{
    const char *socket = BROKER_SOCKET, *node = NULL, *event = NULL;
    const struct command_option options[] = {{"socket", .text = &socket, .letter = 's'},
                                             {"node", .text = &node},
                                             {"event", .text = &event},
                                             {.name = NULL}};
    int status = command_options(command, argc, argv, options, NULL);
    if (status != COMMAND_GO_ON)
        return status;
    return node && *node && event ? run(socket, node, event) : command_refuse(command);
}

const struct command fenced_command = {
    "fenced", "has the broker evidence of a fence (for Pacemaker's alerts)", usage, 1, fenced};
