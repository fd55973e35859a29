/* Which nodes a stonith device is for, and by what plugs, as Pacemaker reads its parameters and as our agent
 * reads what Pacemaker makes of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "admin/cib.h"

/* A node of pcmk_host_map or pcmk_host_list. */
struct host {
    const char *node, *plug; /* plug: as in the map, with all its commas; NULL: the list's */
};

enum host_check {
    HOST_CHECK_STATIC,  /* the nodes of map and list */
    HOST_CHECK_DYNAMIC, /* those whose plug is in the agent's list */
    HOST_CHECK_ALL,     /* every node, or whom the agent's status answers for */
};

struct hosts {
    struct cib_device *device;
    enum host_check check;
    const char *argument; /* the parameter that Pacemaker puts the plug into */
    bool commas;          /* the map separates nodes by commas; it was read as it is meant */
    bool backslashes;     /* the map has some; they were dropped */
    struct host *list;
    size_t count;
};

const struct hosts *hosts_of(const struct cib *cib, struct cib_device *device);
/* Is the node named in map or list? */
bool hosts_name(const struct hosts *hosts, const char *node);
/* What the map makes of the node, or its own name: what Pacemaker looks for in the agent's list. */
const char *hosts_alias(const struct hosts *hosts, const char *node);
/* What the agent takes for the plug in the end; it may be several ones (hosts_separator). `source`: the
 * parameter of the device that it comes from; NULL: it is the node's own name. */
const char *hosts_plug(const struct hosts *hosts, const char *node, const char **source);
const char *hosts_separator(const struct hosts *hosts);
/* What the device's pcmk_delay_base is for the node: one value for all, or one a node. In milliseconds; -1:
 * it has none. */
long long hosts_delay_base(const struct cib *cib, struct cib_device *device, const char *node);
/* Does the agent read what Pacemaker puts the plug into? */
bool hosts_argument_known(const struct hosts *hosts);
