/*
 * The one place that gathers what readiness judges: from the rooms that know it, for whoever shows or logs a
 * verdict, so that no two of them can differ.
 */
#pragma once

#include "fence/engine.h"
#include "fence/evidence.h"
#include "fence/history.h"
#include "fence/readiness.h"
#include "proxmox/endpoints.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"

/* Borrowed; the facts borrow from them, too. */
struct readiness_sources {
    const struct session *session;
    const struct endpoints *endpoints;
    const struct poller *poller;
    const struct history *history;   /* NULL: there is none, then set history_failing afterwards */
    const struct evidence *evidence; /* NULL: none is collected */
    const struct engine *engine;     /* NULL: there are no operations */
    const struct machine *self;      /* NULL: not to be compared */
    int min_online_nodes;            /* 0: majority */
};

/* As things are now. */
void readiness_gather(struct readiness_facts *facts, const struct readiness_sources *sources);
