/*
 * The access rules put to requests, once, before a handler runs: which guest a request is about, whether its
 * peer may ask for this, and what it is told if not. Decides by policy/access alone, and knows no handler's
 * business.
 */
#pragma once

#include "server/exchange.h"
#include "server/routes.h"

/* The gate again (a reload may lie between accept and request), then the rules. Calls the route's handler, or
 * answers with what is wrong, or holds the request until the guests are known. */
void authorize_request(struct exchange *exchange, const struct route *route,
                       const struct http_request *request);
/* A connection that the gate does not let in: answered before a byte is read. */
void authorize_deny_connection(struct exchange *exchange, const char *words);
