/*
 * HA of the hosts: each one's LRM with its agent lock and its watchdog, and the manager that fences hosts
 * which have left, by the delays of the real one on the simulation's scaled clock. What a service does is
 * ha.c's. Knows no HTTP.
 */
#pragma once

#include "cluster.h"

enum ha_armed { HA_ARMED, HA_DISARMING, HA_DISARMED };

struct ha_hosts;

int ha_hosts_open(struct sim *sim) __attribute__((warn_unused_result)); /* after the cluster */
void ha_hosts_free(struct ha_hosts *hosts);                             /* NULL is fine */
/* disarm-ha and arm-ha, in mode ignore */
void ha_hosts_arm(struct ha_hosts *hosts, bool arm);
enum ha_armed ha_hosts_armed(const struct ha_hosts *hosts);
/* Now, by the clock of HA: Unix seconds that go by as fast as the simulation. */
int64_t ha_hosts_now_s(struct ha_hosts *hosts);
int64_t ha_hosts_written_s(const struct ha_hosts *hosts, const struct node *node);
/* The host that the manager runs on, as `view` sees it; NULL: none. */
const struct node *ha_hosts_master(const struct sim *sim, const struct node *view);
/* "online", "unknown", "fence"; NULL: HA was never used, and the host has no state */
const char *ha_hosts_state(const struct sim *sim, const struct node *node);
