/* Which nodes a stonith device is for, and by what plugs, as Pacemaker reads its parameters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cib.h"

/* A node and a plug of the host map; a node with several plugs has as many of them. */
struct host {
    char *node, *plug; /* owned; plug NULL: an entry of pcmk_host_list, without one of its own */
};

enum host_check {
    HOST_CHECK_STATIC,  /* the nodes of map and list */
    HOST_CHECK_DYNAMIC, /* those whose plug is in the agent's list */
    HOST_CHECK_ALL,     /* every node, or whom the agent's status answers for */
};

struct hosts {
    const struct cib_device *device;
    enum host_check check;
    struct host *list;
    size_t count, size;
};

/* 0, or -1 without memory. hosts_clear() it in any case. */
int hosts_read(struct hosts *hosts, const struct cib *cib, const struct cib_device *device)
    __attribute__((warn_unused_result));
void hosts_clear(struct hosts *hosts);
/* Is the node named in map or list? */
bool hosts_name(const struct hosts *hosts, const char *node);
/* The node's plug with this index, from 0: those of the map, or its own name; NULL beyond the last. */
const char *hosts_plug(const struct hosts *hosts, const char *node, size_t index);
