/*
 * What an operation leaves whose stop may have killed unseen (point 7): sent to pve1 then, it can have begun
 * to until then.
 */
#pragma once

#define DOUBT(since, until)                                                                                  \
    {                                                                                                        \
        .count = 1, .list = {                                                                                \
            {.power = STEP_SEND_STOP,                                                                        \
             .state = CALL_ENDED,                                                                            \
             .inherited = true,                                                                              \
             .sent = 1,                                                                                      \
             .node = "pve1",                                                                                 \
             .effect_ms = (since),                                                                           \
             .settled_ms = (until)}                                                                          \
        }                                                                                                    \
    }
