/*
 * What can be asked: one table {method, path, right, what, query keys, handler}. Adding a row is the whole
 * change. Pure: it finds the row for a request; the server checks the right, once, and calls the handler.
 */
#pragma once

#include "policy/access.h"
#include "server/exchange.h"
#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>

#define ROUTE_QUERY_KEYS 3

struct route {
    enum http_method method;
    const char *path; /* parts separated by '/'; "*" is any one part */
    enum access_right right;
    enum access_what what;
    bool on_metrics_socket; /* also there, where nobody's right is asked */
    bool filtered;          /* shows of a list what the peer may see: no right needed for all of it */
    const char *query[ROUTE_QUERY_KEYS]; /* known keys; an unknown one is refused */
    exchange_handler_fn *handler;
};

/* The row, or NULL with *error: not-found, method-not-allowed (then *allow names what is), bad-request
 * (query). */
const struct route *route_find(const struct http_request *request, bool metrics_socket, const char **allow,
                               struct error *error);
/* All rows, for whoever compares them with what is written about them. */
const struct route *route_table(size_t *count);
/* The part of the path that stands for the guest, or NULL if the route has none. */
const char *route_guest(const struct route *route, const struct http_request *request);
