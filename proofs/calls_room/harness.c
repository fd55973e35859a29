/*
 * There is always room for one more power call: make_room() finds two records that become one, however many
 * there are, of whatever kinds.
 */
#include "calls_world.h"

void prove(void)
{
    struct calls calls;
    enum step_power power;
    char node[PVE_NODE_MAX];
    int64_t now_ms;
    ASSUME(power >= STEP_SEND_STOP && power <= STEP_SEND_RESET);
    END(node);
    NEAR(now_ms);
    end_calls(&calls);
    unsigned before = calls.count;

    const struct call *call = calls_add(&calls, power, node, now_ms);
    CLAIM(calls.count <= CALLS_MAX, "there are never more than so many");
    CLAIM(before == CALLS_MAX ? calls.count == CALLS_MAX : calls.count == before + 1,
          "no more of them become one than must");
    CLAIM(call == &calls.list[calls.count - 1] && call->power == power && call->state == CALL_SENDING,
          "and the new one is the last");
    REACHED(before == CALLS_MAX);
}
