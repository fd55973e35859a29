#include "calls_world.h"

#define COUNTED (1u << 20)

void end_call(struct call *call)
{
    ASSUME(call->power >= STEP_SEND_STOP && call->power <= STEP_SEND_RESET);
    ASSUME(call->state >= CALL_SENDING && call->state <= CALL_ENDED);
    /* one operation sends no more than STEP_CALLS_MAX, and few leave some to the next */
    ASSUME(call->sent < COUNTED && call->listed < COUNTED);
    /* one that was not sent is none whose end is unknown */
    ASSUME(call->sent > 0 || call->state == CALL_OK || call->state == CALL_FAILED ||
           call->state == CALL_ENDED);
    NEAR(call->sent_ms);
    NEAR(call->settled_ms);
    NEAR(call->effect_ms);
    END(call->upid);
    END(call->node);
    MAKE_BOOL(call->inherited);
    MAKE_BOOL(call->ha);
}

void end_calls(struct calls *calls)
{
    ASSUME(calls->count <= CALLS_MAX);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        end_call(&calls->list[i]);
}
