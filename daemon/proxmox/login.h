/*
 * Who we are to Proxmox: an API token, or a ticket that is fetched with password and second factor, renewed
 * with itself before half its life and fetched anew after a 401. Knows no calls but the ticket's and the
 * realms'; the session asks it before each of its own.
 */
#pragma once

#include "proxmox/credentials.h"
#include "proxmox/transport.h"

#define LOGIN_TICKET_LIFE_MS       (2 * 60 * 60 * 1000) /* Proxmox's own, on every host of the cluster */
#define LOGIN_ANSWER_MS            8000                 /* a refusal takes 3 s by design */
#define LOGIN_REFUSED_PAUSE_MS     5000 /* doubled after each refusal: no account is locked out by hammering */
#define LOGIN_REFUSED_PAUSE_MAX_MS 60000
/* Realms other than pve: somebody else's accounts, with rules of their own for refused logins. */
#define LOGIN_STRANGE_REALM_PAUSE_MS     30000
#define LOGIN_STRANGE_REALM_PAUSE_MAX_MS (15 * 60 * 1000)
#define LOGIN_CODES_REFUSED_MAX          5 /* in a row; after eight Proxmox locks the second factor */
/* Nobody answered; calls that waited end, their askers try again. Doubled, but for a fence. */
#define LOGIN_UNREACHED_PAUSE_MS     500
#define LOGIN_UNREACHED_PAUSE_MAX_MS 4000
#define LOGIN_RENEWAL_SPREAD_MS      (10 * 60 * 1000) /* of many brokers, before half its life */
#define LOGIN_RENEWAL_PAUSE_MS       60000            /* the old ticket is good for an hour more */

struct login;

/* A login ended, well or not. From the loop. */
typedef void login_ended_fn(void *context);

struct login *login_new(struct event_base *base, struct transport *transport, struct endpoints *endpoints,
                        login_ended_fn *ended, void *context);
void login_free(struct login *login);
/* Takes the secrets over; who waits for a login looks again. false without memory: then nothing changed. */
bool login_set_credentials(struct login *login, struct session_credentials *credentials);

/* What to send along. A pause after a login that failed is shorter for a fence. `*credential` tells this
 * login from later ones; while one is under way the `doubted` one is waited with (0: none). LOGIN_UNDER_WAY:
 * wait for the callback. LOGIN_IMPOSSIBLE: *error says why; asking again later is fine. */
enum login_answer { LOGIN_USABLE, LOGIN_UNDER_WAY, LOGIN_IMPOSSIBLE };
enum login_answer login_auth(struct login *login, bool fence, uint64_t doubted, struct transport_auth *auth,
                             uint64_t *credential, struct error *error);
/* Proxmox said 401 at this endpoint, and that may be the trouble of the endpoint, or of a host behind it.
 * With a password a new ticket is fetched, elsewhere first. With a second factor that could take half a
 * minute: the ticket is shown to another endpoint, which gives a new one for it, and forgotten if that
 * refuses it, too. */
void login_doubt(struct login *login, uint64_t credential, size_t endpoint);
/* What Proxmox said to a call sent with that credential: 401 wherever it could be asked, or anything else. */
void login_refused(struct login *login, uint64_t credential, const struct error *error);
void login_accepted(struct login *login, uint64_t credential);
/* Puts the way out to a 401's own words: the login knows it, the bare answer does not. */
void login_explain(const struct login *login, struct error *error);
/* A new login could help after a 401: yes with a password or if the credentials are others by now, no with a
 * token. */
bool login_can_repeat(const struct login *login, uint64_t credential);
bool login_is_present(const struct login *login, uint64_t credential);

void login_describe(const struct login *login, struct session_description *description);
