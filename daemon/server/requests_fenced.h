/* The handler of what Pacemaker's alerts tell. */
#pragma once

#include "server/exchange.h"

exchange_handler_fn request_fenced; /* POST /v1/guests/PLUG/fenced */
