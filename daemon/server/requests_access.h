/*
 * What people ask when they were denied: who does the daemon take me for, and what may somebody do.
 */
#pragma once

#include "server/exchange.h"

exchange_handler_fn request_whoami; /* GET /v1/whoami */
exchange_handler_fn request_can;    /* GET /v1/can/ACTION/PLUG, /v1/can/WHAT; ?uid= &gid= &groups= */
