/*
 * The HA manager: takes requests for services and acts on them later, by its own rules.
 *
 * One timer a guest stands for the rounds of CRM and LRM. Knows no HTTP.
 */
#pragma once

#include "cluster.h"

bool ha_managed(const struct guest *guest);
/* hastart and hastop: what the guest shall be, "started" or "stopped". Dropped, as the real one does, while
 * the service is in error, freeze, fence, migrate or recovery, or nobody serves it. */
void ha_request(struct guest *guest, const char *wanted);
/* The guest began or ceased to run. */
void ha_guest_changed(struct guest *guest);
/* A host's state has changed: one that is back has its services as they were. */
void ha_node_changed(struct sim *sim, struct node *node);
/* The manager fences the host, and has fenced it: its services wait, and are brought up elsewhere. */
void ha_fence(struct sim *sim, struct node *node);
void ha_recover(struct sim *sim, struct node *node);
