/*
 * The table of routes and how a request finds its row. No rights are judged here and nothing is answered.
 */
#include "server/routes.h"

#include "server/requests.h"
#include "system/cleanup.h"

#include <string.h>

static const struct route routes[] = {
    {HTTP_POST,
     "v1/guests/*/off",
     ACCESS_WRITE,
     ACCESS_WHAT_GUESTS,
     false,
     {"method", "dry-run"},
     request_power},
    {HTTP_POST,
     "v1/guests/*/on",
     ACCESS_WRITE,
     ACCESS_WHAT_GUESTS,
     false,
     {"method", "dry-run"},
     request_power},
    {HTTP_POST,
     "v1/guests/*/reboot",
     ACCESS_WRITE,
     ACCESS_WHAT_GUESTS,
     false,
     {"method", "dry-run"},
     request_power},
    {HTTP_GET, "v1/guests", ACCESS_READ, ACCESS_WHAT_GUESTS, false, {"view"}, request_guests},
    {HTTP_GET, "v1/guests/*", ACCESS_READ, ACCESS_WHAT_GUESTS, false, {"view"}, request_guest},
    {HTTP_GET, "v1/operations", ACCESS_READ, ACCESS_WHAT_OPERATIONS, false, {NULL}, request_operations},
    {HTTP_GET, "v1/operations/*", ACCESS_READ, ACCESS_WHAT_OPERATIONS, false, {NULL}, request_operation},
    {HTTP_GET, "v1/status", ACCESS_READ, ACCESS_WHAT_STATUS, false, {"view", "strict"}, request_status},
    {HTTP_GET, "v1/permissions", ACCESS_READ, ACCESS_WHAT_PRIVILEGES, false, {NULL}, request_permissions},
    {HTTP_GET, "metrics", ACCESS_READ, ACCESS_WHAT_METRICS, true, {NULL}, request_metrics},
};

/* One part of a pattern against one part of the path; *pattern moves on to the next, or becomes NULL. */
static bool part_matches(const char **pattern, const char *segment)
{
    size_t length = strcspn(*pattern, "/");
    bool any = length == 1 && **pattern == '*';
    bool same = strlen(segment) == length && !strncmp(*pattern, segment, length);

    *pattern = (*pattern)[length] ? *pattern + length + 1 : NULL;
    return any || same;
}

static bool path_matches(const char *pattern, const struct http_request *request)
{
    for (size_t i = 0; i < request->segment_count; i++) {
        if (!pattern || !part_matches(&pattern, request->segments[i]))
            return false;
    }
    return !pattern;
}

static bool query_known(const struct route *route, const struct http_request *request, struct error *error)
{
    for (size_t i = 0; i < request->query_count; i++) {
        bool known = false;

        for (size_t k = 0; k < ROUTE_QUERY_KEYS && route->query[k]; k++)
            known |= !strcmp(route->query[k], request->query[i].key);
        if (!known) {
            error_set(error, ERROR_BAD_REQUEST, "the query parameter '%s' is not known here",
                      request->query[i].key);
            error_hint(error, route->query[0] ? "known here: %s%s%s" : "none is known here",
                       route->query[0] ? route->query[0] : "", route->query[1] ? ", " : "",
                       route->query[1] ? route->query[1] : "");
            return false;
        }
    }
    return true;
}

const struct route *route_find(const struct http_request *request, bool metrics_socket, const char **allow,
                               struct error *error)
{
    const struct route *found = NULL;

    *allow = NULL;
    for (size_t i = 0; i < ARRAY_LEN(routes) && !found; i++) {
        if ((metrics_socket && !routes[i].on_metrics_socket) || !path_matches(routes[i].path, request))
            continue;
        if (routes[i].method == request->method)
            found = &routes[i];
        else
            *allow = routes[i].method == HTTP_GET ? "GET" : "POST";
    }
    if (found) {
        *allow = NULL;
        return query_known(found, request, error) ? found : NULL;
    }
    if (*allow) {
        error_set(error, ERROR_METHOD_NOT_ALLOWED, "this path is asked with %s, not with %s", *allow,
                  request->method_text);
    } else {
        error_set(error, ERROR_NOT_FOUND, "there is no such path on this socket");
        error_hint(error, "%s",
                   metrics_socket
                       ? "this socket serves GET /metrics only"
                       : "GET /v1/guests, /v1/guests/PLUG, /v1/operations, /v1/operations/ID, "
                         "/v1/status, /v1/permissions, /metrics; POST /v1/guests/PLUG/{off,on,reboot}");
    }
    return NULL;
}

const char *route_guest(const struct route *route, const struct http_request *request)
{
    return route->what == ACCESS_WHAT_GUESTS && request->segment_count > 2 ? request->segments[2] : NULL;
}
