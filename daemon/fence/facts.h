/*
 * What is known at a moment: the one place that gathers it from the rooms, for all who judge, show or log it
 * (verdicts, screens, systemd's line, the doctor), so that no two of them can differ.
 */
#pragma once

#include "fence/engine.h"
#include "fence/history.h"
#include "fence/readiness.h"
#include "fence/rehearsal.h"
#include "fence/rooms.h"
#include "policy/access.h"
#include "proxmox/endpoints.h"
#include "proxmox/grants.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "proxmox/transport.h"
#include "system/config.h"
#include "system/error.h"

/* Pointers are borrowed; what may be NULL says so. */
struct facts {
    int64_t now_ms, boottime_ms, realtime_ms;
    int64_t started_realtime_ms;      /* of the daemon */
    struct readiness_facts readiness; /* readiness.inventory may be NULL */
    struct session_description session;
    const struct endpoints *endpoints;    /* may be NULL */
    const struct error *poll_error;       /* may be NULL */
    const char *pve_version;              /* may be NULL */
    const struct poller_times *times;     /* may be NULL */
    const struct grants *grants;          /* may be NULL */
    const struct history *history;        /* may be NULL */
    const struct engine_counters *engine; /* may be NULL */
    const struct request_stats *stats;    /* may be NULL */
    const struct rehearsals *rehearsals;  /* may be NULL */
    unsigned operations_running;
    const struct traffic *traffic;        /* may be NULL */
    const struct access_subject *subject; /* whose eyes these are; NULL: they see all … */
    uid_t uid;                            /* … but the Request-Ids of others; ACCESS_NOBODY: of all */
    const struct config *config;          /* may be NULL */
    const struct access_policy *policy;   /* may be NULL */
    bool names_known;                     /* the name service has answered */
};

/* As things are now. What no room knows is nothing: whose eyes it is for, policy, started_realtime_ms; and
 * readiness.history_failing, where there is no history. */
void facts_gather(struct facts *facts, const struct rooms *rooms);
