/*
 * Whom a strict monitor insists on: the agent asks for them with `monitor` and strict=1. By Pacemaker or,
 * where it does not answer in time, by corosync.conf; all of them or none: half a cluster would be taken for
 * the whole.
 */
#include "admin/cib.h"
#include "admin/command.h"
#include "admin/corosync.h"
#include "system/cleanup.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

static void append(void *context, const char *name)
{
    text_printf(context, "%s\n", name);
}

/* 0, or -1 and `failure` is set. */
static int find(struct text *names, struct failure *failure)
{
    struct cib cib;
    if (cib_query(&cib, CIB_AGENT_WAIT_MS, failure) == 0) {
        for (size_t i = 0; i < cib.node_count; i++)
            append(names, cib.nodes[i].name);
        cib_clear(&cib);
    }
    if (names->length == 0 && corosync_each_node(append, names, failure) < 0)
        return -1;
    return names->length ? 0 : failure_set(failure, "see `crm_node --list`", "the cluster has no nodes");
}

static const char usage[] = "usage: " ADMIN " nodes\n"
                            "Prints the names of the cluster's nodes, one per line, from Pacemaker or\n"
                            "corosync.conf: the nodes that monitor with strict=1 checks.\n";

static int nodes(const struct command *command, int argc, char **argv)
{
    struct text names = {0};
    struct failure failure = {0};
    int status = command_options(command, argc, argv, &(struct command_option){.name = NULL}, NULL);
    if (status != COMMAND_GO_ON)
        return status;
    int rc = find(&names, &failure);
    if (rc == 0)
        rc = command_put(&names, &failure);
    if (rc < 0)
        failure_prefix(&failure, "nodes");
    return command_end(rc, &failure);
}

const struct command nodes_command = {"nodes", "the nodes that monitor with strict=1 checks", usage, 2,
                                      nodes};
