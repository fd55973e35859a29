/*
 * Who asks: passwords, tickets, tokens, second factors, and what user.cfg grants them.
 *
 * Reads DIR/user.cfg and DIR/secrets again whenever they change. Knows no HTTP beyond three header values.
 */
#pragma once

#include "policy/usercfg.h"
#include "sim.h"

#include <stddef.h>

#define AUTH_TICKET_LIFE_S 7200

struct call;

/* Read DIR/user.cfg, DIR/secrets and the key for tickets (made if it is not there). 0, or a negative errno
 * and *message, owned by the caller. */
int auth_load(struct sim *sim, char **message) __attribute__((warn_unused_result));
void auth_free(struct auth *auth);
/* Read the files again if they have changed (`force`: anyway). A file that cannot be read changes nothing. */
void auth_refresh(struct sim *sim, bool force);
const struct usercfg *auth_usercfg(const struct sim *sim);

/* Whether the identity holds the privilege on the path. */
bool auth_holds(const struct sim *sim, const char *id, const char *path, const char *privilege);

/* The identity that the call's headers prove, in call->id. NULL, or the reason phrase of a 401. */
const char *auth_identify(struct sim *sim, struct call *call);

enum login { LOGIN_OK, LOGIN_NEEDS_TFA, LOGIN_REFUSED };
/* POST /access/ticket. On OK and NEEDS_TFA *ticket and *csrf are owned by the caller. `old_challenge`: a
 * second factor is asked for as before PVE 7.1, and no `tfa-challenge` answers that. */
enum login auth_login(struct sim *sim, const char *user, const char *password, const char *challenge,
                      bool old_challenge, char **ticket, char **csrf);

/* Add a password or token secret to DIR/secrets, which is read again. */
int auth_add_secret(struct sim *sim, const char *id, const char *secret) __attribute__((warn_unused_result));

/* Make all tickets that were given out worthless. */
void auth_expire_tickets(struct sim *sim);
void auth_ticket_life(struct sim *sim, int64_t seconds);
