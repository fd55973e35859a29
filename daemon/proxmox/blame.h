/*
 * Whom an answer without success speaks of: the question, the login, the endpoint that was asked, or the
 * guest's host behind it. Session, login and engine go on elsewhere, or do not, by this one word. Pure.
 */
#pragma once

#include "proxmox/api.h"

enum blame {
    BLAME_NOBODY,   /* the question itself (its parameters, our rights, the guest): all would say the same */
    BLAME_LOGIN,    /* 401: the credentials, or an endpoint or host that knows no better */
    BLAME_ENDPOINT, /* who was asked: not reached, no answer, no API of Proxmox VE, or one that fails */
    BLAME_HOST,     /* the way from there to the guest's host, or that host; another one may know a way */
};
enum blame blame_of(enum api_call call, const struct api_result *result);

/* The way out of a server error (500 and more): puts it to *error as its hint, if there is one to tell.
 * `node`: the host that the call is passed on to; NULL: none. */
void blame_hint(const char *node, const struct api_result *result, struct error *error);

/* The endpoint answers this call itself; others it passes on to the guest's host. */
bool blame_is_own(enum api_call call);
