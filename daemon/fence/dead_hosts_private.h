/* What is remembered of hosts: dead_hosts and what it writes down share it. */
#pragma once

#include "fence/dead_hosts.h"

/* A service that was started on the host when it left, in every sample since then while it is online. */
struct dead_witness {
    char sid[DEAD_HOSTS_SID_MAX];
    int64_t since_ms;
    bool fenced;    /* seen in `fence` since the host left */
    bool recovered; /* seen in `recovery`, or elsewhere, since */
};

struct dead_host {
    char name[PVE_NODE_MAX]; /* "": a free place */
    enum dead_hosts_state state;
    enum dead_hosts_missing missing;
    enum dead_hosts_reason reason;
    bool recalled; /* written down before a restart, and not seen since */
    bool lrm_old;  /* since it left, its LRM's timestamp was old */
    bool doubted;  /* since it left, HA did not take it for online */
    int64_t seen_ms, left_ms, fenced_ms;
    int64_t timestamp_s; /* of its LRM: the last one while online, the first one since */
    int64_t newest_s;    /* if recalled: the cluster's clock at the record */
    struct dead_witness witnesses[DEAD_HOSTS_WITNESSES];
    size_t witness_count;
};

struct dead_hosts {
    int64_t asked_ms; /* the last sample that counted was asked for then; 0: none */
    int64_t hosts_ms; /* the same of a majority's hosts, with HA or not */
    int64_t newest_s; /* the newest timestamp of an LRM in it */
    struct dead_host hosts[DEAD_HOSTS_MAX];
};

/* NULL: no such host; no room for it. */
struct dead_host *dead_hosts_find(const struct dead_hosts *room, const char *name);
struct dead_host *dead_hosts_add(struct dead_hosts *room, const char *name);
