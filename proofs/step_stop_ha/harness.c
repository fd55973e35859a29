/*
 * P4, rule 7: when a stop is wanted of a guest of Proxmox HA. For every valid state in which the machine
 * powers off.
 */
#include "stop_claims.h"

#include "fence/step_ha.c" /* wants_stop() */

void prove(void)
{
    prove_stop(true, wants_stop);
}
