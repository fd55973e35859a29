/*
 * The handlers of the routes: each reads the query, asks the engine or gathers facts, and answers through a
 * view.
 */
#pragma once

#include "server/routes.h"

route_handler_fn request_power;      /* POST /v1/guests/PLUG/{off,on,reboot} */
route_handler_fn request_guests;     /* GET /v1/guests */
route_handler_fn request_guest;      /* GET /v1/guests/PLUG */
route_handler_fn request_operations; /* GET /v1/operations */
route_handler_fn request_operation;  /* GET /v1/operations/ID */
route_handler_fn request_status;     /* GET /v1/status */
route_handler_fn request_metrics;    /* GET /metrics */
