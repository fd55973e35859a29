/* The machine's memory (step_memory.h): the answer to a power call. */
#include "step_memory.h"

void prove(void)
{
    prove_memory(STEP_EVENT_POWER);
}
