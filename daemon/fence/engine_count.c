/*
 * What the engine counts of its askers, for the metrics: each is counted once, when it has its answer or
 * leaves. Decides nothing.
 */
#include "fence/engine_private.h"

#include "system/clock.h"

static void count(struct asker *asker, const struct operation *operation, enum request_stats_result result)
{
    request_stats_add(&asker->engine->stats, operation ? operation->vmid : REQUEST_STATS_NO_TARGET,
                      asker->request.action, result, clock_now_ms() - asker->asked_ms);
}

void engine_count_answer(struct asker *asker, const struct operation *operation, const struct error *error)
{
    static const enum request_stats_result tallied[ENGINE_RESULT_COUNT] = {
        [ENGINE_RESULT_DONE] = REQUEST_STATS_DONE,
        [ENGINE_RESULT_FAILED] = REQUEST_STATS_FAILED,
        [ENGINE_RESULT_ABANDONED] = REQUEST_STATS_ABANDONED,
    };
    enum engine_result result = !error                           ? ENGINE_RESULT_DONE
                                : error->code == ERROR_ABANDONED ? ENGINE_RESULT_ABANDONED
                                                                 : ENGINE_RESULT_FAILED;

    asker->engine->counters.answered[asker->request.action][result]++;
    count(asker, operation, tallied[result]);
}

void engine_count_left(struct asker *asker)
{
    const struct operation *operation = asker->runner ? asker->runner->operation : NULL;

    if (!operation && asker->operation[0])
        operation = history_find(asker->engine->history, asker->operation);
    count(asker, operation, REQUEST_STATS_LEFT);
}

const struct engine_counters *engine_counters(const struct engine *engine)
{
    return &engine->counters;
}

const struct request_stats *engine_request_stats(const struct engine *engine)
{
    return &engine->stats;
}
