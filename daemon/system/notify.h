/*
 * What systemd is told: READY, STATUS, RELOADING, STOPPING, WATCHDOG. Datagrams are sent without waiting
 * (libsystemd's sd_notify() would block on a full queue); a lost STATUS is repeated with the next change.
 * Without $NOTIFY_SOCKET every call does nothing. Also: the listening sockets that systemd handed over, by
 * name, and descriptors that it keeps for us over a restart.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void notify_init(void); /* reads and removes NOTIFY_SOCKET from the environment */
void notify_ready(void);
void notify_reloading(void); /* with MONOTONIC_USEC; notify_ready() ends it */
void notify_stopping(void);
void notify_watchdog(void);
void notify_status(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* sent only when it changed */
int64_t notify_watchdog_interval_ms(void); /* 0: no watchdog; else half of WATCHDOG_USEC */

/* The descriptor that systemd passed under this name (FileDescriptorName=), made non-blocking and
 * close-on-exec, or -1. Each is given away once. */
int notify_take_socket(const char *name);

/* Have systemd keep a descriptor under a name until the service is stopped for good; it comes back after a
 * restart (FileDescriptorStoreMax= in the unit). Sent without waiting; false if it was not. The caller's
 * stays open. */
bool notify_store(const char *name, int fd);
int notify_take_stored(const char *name); /* close-on-exec, or -1 */
