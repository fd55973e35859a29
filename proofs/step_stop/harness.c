/*
 * P4, rule 7: when a stop is wanted of a guest that is not HA's. For every valid state in which the machine
 * powers off.
 */
#include "stop_claims.h"

#include "fence/step_off.c" /* wants_stop() */

void prove(void)
{
    prove_stop(false, wants_stop);
}
