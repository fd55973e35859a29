/* The handlers of rehearsals on demand. */
#pragma once

#include "server/exchange.h"

exchange_handler_fn request_rehearse;                /* POST /v1/guests/PLUG/rehearse */
void request_rehearsable(struct exchange *exchange); /* GET /v1/guests?view=rehearse */
