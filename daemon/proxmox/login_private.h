/*
 * The login as its parts share it: login.c (what the session asks), login_ticket.c (how a ticket is fetched)
 * and login_words.c (what a refusal means). Nobody else includes this.
 */
#pragma once

#include "proxmox/login.h"
#include "proxmox/totp.h"

/* What is under way. */
enum login_stage {
    LOGIN_IDLE,
    LOGIN_RENEWAL,   /* the ticket was sent as the password */
    LOGIN_PASSWORD,  /* the password itself */
    LOGIN_NEXT_CODE, /* Proxmox wants a code, and the present one was used: waiting for the next */
    LOGIN_CODE,
    LOGIN_REALMS, /* it was refused, and the list of realms may say why */
};

struct login {
    struct event_base *base;
    struct transport *transport;
    struct endpoints *endpoints;
    struct event *ended_event, *code_event;
    login_ended_fn *ended;
    void *context;

    char *identity; /* token id or user */
    bool is_token;
    struct secret *password;               /* or the token's secret */
    struct totp *totp;                     /* NULL: none */
    struct secret *authorization;          /* token: the header's value */
    struct secret *cookie, *csrf, *ticket; /* NULL: none */
    int64_t issued_boottime_ms;

    uint64_t credential; /* counts what login_auth() hands out */
    enum login_stage stage;
    uint64_t transfer;               /* of the stage under way; 0 while it waits */
    struct secret *challenge, *code; /* of a second factor under way */
    bool old_format;                 /* this Proxmox does not know `new-format` */
    size_t endpoint;                 /* that was asked last */
    struct error refusal;            /* while the realms are asked for */
    struct error passed_over;        /* why another endpoint was asked in this login */
    size_t passed_endpoint;
    struct error aside;    /* the same, of the login that is there, … */
    size_t aside_endpoint; /* … until this endpoint gives one */
    uint64_t tried;
    uint64_t distrusted; /* endpoints (a bit each) that said 401 to us, and not yes since: asked last */
    bool doubted;        /* the ticket that is being renewed was refused somewhere */
    unsigned layout;

    bool ready;
    bool renewal_failing; /* said once */
    struct error error;
    int64_t pause_ms, unreached_ms; /* the last ones, of a row */
    int64_t paused_until_ms;        /* for a fence … */
    int64_t resting_until_ms;       /* … and for all others */
    unsigned codes_refused;         /* in a row */
    int64_t stopped_at_ahead_ms; /* no code is sent any more; how far the time of day was ahead of the boot's
                                    then */
    bool stopped;
    uint64_t logins, failures;
    int64_t began_ms, took_ms; /* the login under way; the last one that succeeded, -1: none */
};

/* ---- login_ticket.c ---- */
void login_start(struct login *login, bool renew);
/* The ticket, which this endpoint has refused, is shown to another one, or forgotten for the password. */
void login_show_ticket(struct login *login, size_t endpoint);
void login_give_ticket_up(struct login *login, size_t endpoint);
void login_forget_ticket(struct login *login);
/* The time of the next code has come. */
void login_code_due(struct login *login);
/* Whatever is under way is not awaited any more. */
void login_drop(struct login *login);

/* ---- login_words.c: what a refusal means, in words with a way out; pure ---- */
void login_words_password(const char *user, const struct api_result *result, struct error *error);
void login_words_code(const char *user, bool stopped, const struct api_result *result, struct error *error);
/* A second factor that we cannot give: none is configured, or it is of another kind. */
void login_words_factor(const char *user, bool have_totp, struct error *error);
/* After a refused password: more precise, if the list of realms tells more. */
void login_words_realm(const char *user, struct json_object *realms, struct error *error);
void login_words_token(const char *token_id, const struct error *said, struct error *error);
/* The realm of "user@realm". */
const char *login_realm(const char *user);
