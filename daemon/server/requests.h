/*
 * The handlers of the routes: each reads the query, asks the engine or gathers facts, and answers through a
 * view.
 */
#pragma once

#include "server/exchange.h"

exchange_handler_fn request_power;       /* POST /v1/guests/PLUG/{off,on,reboot} */
exchange_handler_fn request_guests;      /* GET /v1/guests */
exchange_handler_fn request_guest;       /* GET /v1/guests/PLUG */
exchange_handler_fn request_operations;  /* GET /v1/operations */
exchange_handler_fn request_operation;   /* GET /v1/operations/ID */
exchange_handler_fn request_status;      /* GET /v1/status */
exchange_handler_fn request_doctor;      /* GET /v1/doctor */
exchange_handler_fn request_permissions; /* GET /v1/permissions */
exchange_handler_fn request_metrics;     /* GET /metrics */
