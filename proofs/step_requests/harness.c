/* The machine's memory (step_memory.h): requests, and the intent. */
#include "step_memory.h"

void prove(void)
{
    prove_memory(STEP_EVENT_INTENT);
    prove_memory(STEP_EVENT_JOINED);
    prove_memory(STEP_EVENT_DESERTED);
    prove_memory(STEP_EVENT_ASKED_AGAIN);
    prove_memory(STEP_EVENT_YIELD);
    prove_memory(STEP_EVENT_LEAVE_OFF);
}
