/*
 * Whom a strict monitor insists on. All of them or none: half a cluster would be taken for the whole.
 */
#include "admin/nodes.h"

#include "admin/cib.h"
#include "admin/corosync.h"
#include "system/cleanup.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

#define ADMIN "fence-broker-admin"

static bool append(void *context, const char *name)
{
    struct text *names = context;
    text_printf(names, "%s\n", name);
    return !names->failed;
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
    if (names->length == 0 && !names->failed && corosync_each_node(append, names, failure) < 0)
        return -1;
    if (names->failed)
        return failure_set(failure, NULL, "out of memory");
    return names->length ? 0 : failure_set(failure, "see `crm_node --list`", "the cluster has no nodes");
}

int nodes_main(int argc, char **argv)
{
    _cleanup_(text_clear) struct text names = {0};
    struct failure failure = {0};
    if (argc > 1) {
        bool help = !strcmp(argv[1], "-h") || !strcmp(argv[1], "--help");
        fputs("usage: " ADMIN " nodes\n"
              "Prints the names of the cluster's nodes, one per line, from Pacemaker or\n"
              "corosync.conf: the nodes that monitor with strict=1 checks.\n",
              help ? stdout : stderr);
        return help ? 0 : 2;
    }
    say_as(ADMIN);
    int rc = find(&names, &failure);
    if (rc == 0) {
        fputs(names.data, stdout);
        rc = say_finish(&failure);
    }
    if (rc < 0) {
        failure_prefix(&failure, "nodes");
        failure_print(&failure);
    }
    failure_clear(&failure);
    return rc < 0 ? 1 : 0;
}
