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

/* requests_rehearsal.c */
exchange_handler_fn request_rehearse;                /* POST /v1/guests/PLUG/rehearse */
void request_rehearsable(struct exchange *exchange); /* GET /v1/guests?view=rehearse */

/* requests_access.c: what people ask when they were denied */
exchange_handler_fn request_whoami; /* GET /v1/whoami */
exchange_handler_fn request_can;    /* GET /v1/can/ACTION/PLUG, /v1/can/WHAT; ?uid= &gid= &groups= */

/* requests_fenced.c: what Pacemaker's alerts tell */
exchange_handler_fn request_fenced; /* POST /v1/guests/PLUG/fenced */
