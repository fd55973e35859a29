/*
 * The second factor: a code for every 30 seconds from a secret that Proxmox knows too (RFC 6238, SHA-1, 6
 * digits: what Proxmox makes). Remembers which codes were given away, for none may be used twice. Knows no
 * login and no clock: the time of day is given to it.
 */
#pragma once

#include "system/secret.h"

#include <stdbool.h>
#include <stdint.h>

#define TOTP_STEP_MS 30000

struct totp;

/* From the secret in base32, as Proxmox shows it (blanks, small letters and missing padding are fine). NULL
 * and *error (ERROR_NO_SESSION, without a byte of it) if it is none; `source` says where it came from. */
struct totp *totp_new(const struct secret *base32, const char *source, struct error *error);
void totp_free(struct totp *totp); /* NULL is fine */
void totp_freep(struct totp **totp);

/* Milliseconds until there is a code that was not given away: 0 if that of now was not. */
int64_t totp_wait_ms(const struct totp *totp, int64_t realtime_ms);
/* "totp:123456", what Proxmox wants for a password; owned by the caller. It counts as given away. NULL if the
 * code of now was before, or if memory ran out. */
struct secret *totp_take(struct totp *totp, int64_t realtime_ms);
/* Memory of the codes that were given away, in a descriptor that may outlive this process: of a new one, or
 * -errno. */
int totp_memory_new(void);
/* Remember them there from now on, with what is there already. The descriptor stays the caller's. One that is
 * not fit changes nothing. */
void totp_remember_in(struct totp *totp, int memory);
/* What the older one gave away is not given away again by this one, which replaces it. */
void totp_inherit(struct totp *totp, const struct totp *older);
