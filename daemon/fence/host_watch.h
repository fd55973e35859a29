/*
 * Which hosts has Proxmox HA fenced? The owner of dead_hosts: asks Proxmox what that room is to be fed with
 * (the hosts, then HA's status), as often as it needs it, and adds what others have read of the hosts. With
 * `dead-host = fail` it asks nothing and knows nothing. Refuses to know guests and operations, and to decide
 * what a dead host means.
 */
#pragma once

#include "fence/dead_hosts.h"
#include "fence/rooms.h"
#include "system/config.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct api_result;
struct dead_hosts_memory;
struct host_watch;

#define HOST_WATCH_REST_MS  10000 /* between two samples: two of them fit into DEAD_HOSTS_GAP_MS */
#define HOST_WATCH_HURRY_MS 5000  /* the same while a host that has left may still turn out to be fenced */
#define HOST_WATCH_AGAIN_MS 2000  /* after one that failed */

/* All is borrowed; `memory` NULL: a restart forgets all. At the start, for it reads files. NULL: no memory.
 */
struct host_watch *host_watch_new(struct event_base *base, const struct rooms *rooms,
                                  struct dead_hosts_memory *memory, const struct config *config);
void host_watch_free(struct host_watch *watch); /* NULL is fine */
/* After a reload: false if memory ran out; then nothing is known of any host. */
bool host_watch_set_config(struct host_watch *watch, const struct config *config);

/* Somebody has read the hosts (API_NODES). One that has just left is looked at by a sample at once. */
void host_watch_hosts_read(struct host_watch *watch, const struct api_result *result);

/* What is known of a host for a fence that was asked for at since_ms, by the clock of clock_now_ms(). What
 * has to be looked at again for it is, at once. `watch` may be NULL: nobody watches. */
struct dead_hosts_word host_watch_ask(struct host_watch *watch, const char *host, int64_t since_ms);
/* What has been seen, to be asked by clock_boottime_ms(); NULL: dead-host = fail, or `watch` is NULL. */
const struct dead_hosts *host_watch_hosts(const struct host_watch *watch);
