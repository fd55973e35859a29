/* The machine's memory (step_memory.h): where the guest is. */
#include "step_memory.h"

void prove(void)
{
    prove_memory(STEP_EVENT_LOCATED);
}
