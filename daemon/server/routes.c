/*
 * The table of routes and how a request finds its row. No rights are judged here and nothing is answered.
 */
#include "server/routes.h"

#include "server/requests.h"
#include "system/cleanup.h"

#include <string.h>

/* Rows; behind the handler of POST the query's keys, of GET the flags and the keys. */
#define POST(where, handle, ...)                                                                             \
    {                                                                                                        \
        .method = HTTP_POST, .path = where, .right = ACCESS_WRITE, .what = ACCESS_WHAT_GUESTS,               \
        .query = {__VA_ARGS__}, .handler = handle                                                            \
    }
#define READ(where, about, handle, ...)                                                                      \
    {                                                                                                        \
        .method = HTTP_GET, .path = where, .right = ACCESS_READ, .what = about, .handler = handle,           \
        __VA_ARGS__                                                                                          \
    }

static const struct route routes[] = {
    POST("v1/guests/*/off", request_power, "method", "dry-run"),
    POST("v1/guests/*/on", request_power, "method", "dry-run"),
    POST("v1/guests/*/reboot", request_power, "method", "dry-run"),
    POST("v1/guests/*/rehearse", request_rehearse, NULL),
    POST("v1/guests/*/fenced", request_fenced, "node"),
    READ("v1/guests", ACCESS_WHAT_GUESTS, request_guests, .filtered = true, .query = {"view"}),
    READ("v1/guests/*", ACCESS_WHAT_GUESTS, request_guest, .query = {"view"}),
    READ("v1/operations", ACCESS_WHAT_OPERATIONS, request_operations, .filtered = true,
         .query = {"limit", "since"}),
    READ("v1/operations/*", ACCESS_WHAT_OPERATIONS, request_operation, .filtered = true, .query = {"view"}),
    READ("v1/status", ACCESS_WHAT_STATUS, request_status, .query = {"view", "strict", "nodes"}),
    READ("v1/doctor", ACCESS_WHAT_DOCTOR, request_doctor, .query = {"view", "plugs"}),
    READ("v1/permissions", ACCESS_WHAT_PRIVILEGES, request_permissions, .query = {NULL}),
    READ("v1/whoami", ACCESS_WHAT_ONESELF, request_whoami, .query = {NULL}),
    READ("v1/can/*", ACCESS_WHAT_ONESELF, request_can, .query = {"uid", "gid", "groups"}),
    READ("v1/can/*/*", ACCESS_WHAT_ONESELF, request_can, .query = {"uid", "gid", "groups"}),
    READ("metrics", ACCESS_WHAT_METRICS, request_metrics, .on_metrics_socket = true),
};

const struct route *route_table(size_t *count)
{
    *count = ARRAY_LEN(routes);
    return routes;
}

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
            error_hint(error, route->query[0] ? "known here: %s%s%s%s%s" : "none is known here",
                       route->query[0] ? route->query[0] : "", route->query[1] ? ", " : "",
                       route->query[1] ? route->query[1] : "", route->query[2] ? ", " : "",
                       route->query[2] ? route->query[2] : "");
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
        error_hint(
            error, "%s",
            metrics_socket
                ? "this socket serves GET /metrics only"
                : "GET /v1/guests, /v1/guests/PLUG, /v1/operations, /v1/operations/ID, "
                  "/v1/status, /v1/doctor, /v1/permissions, /v1/whoami, /v1/can/ACTION/PLUG, /metrics; POST "
                  "/v1/guests/PLUG/{off,on,reboot,rehearse,fenced}");
    }
    return NULL;
}

const char *route_guest(const struct route *route, const struct http_request *request)
{
    return route->what == ACCESS_WHAT_GUESTS && request->segment_count > 2 ? request->segments[2] : NULL;
}
