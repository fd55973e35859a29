/*
 * Shares of the engine: what one user's requests may take of it, and that root's and hacluster's never wait
 * for those of others which have not begun. An operation outlives its asker, so shares of connections alone
 * would not bound them. Counts and ends what waits; runs nothing.
 */
#include "fence/engine.h"
#include "fence/engine_private.h"

#include <utlist.h>

static unsigned waiting_for(const struct guest_queue *queue)
{
    const struct runner *runner;
    unsigned count = 0;
    DL_COUNT(queue->runners, runner, count);
    return count;
}

static unsigned operations_of(const struct engine *engine, uid_t uid)
{
    const struct guest_queue *queue;
    const struct runner *runner;
    unsigned count = 0;
    for (queue = engine->queues; queue; queue = queue->hh.next) {
        DL_FOREACH (queue->runners, runner)
            count += !runner->privileged && runner->operation->peer.uid == uid;
    }
    return count;
}

bool engine_has_room(const struct engine *engine, const struct guest_queue *queue,
                     const struct engine_request *request, struct error *error)
{
    unsigned queued = waiting_for(queue), own = 0;
    unsigned queue_max = request->privileged ? ENGINE_QUEUE_MAX : ENGINE_QUEUE_MAX - ENGINE_QUEUE_RESERVE;
    unsigned all_max =
        request->privileged ? ENGINE_OPERATIONS_MAX : ENGINE_OPERATIONS_MAX - ENGINE_OPERATIONS_RESERVE;
    if (queued >= queue_max || engine->running >= all_max) {
        error_set(error, ERROR_TOO_MANY, "%u operations wait already, %u of them for guest %d",
                  engine->running, queued, queue->vmid);
        return false;
    }
    if (!request->privileged)
        own = operations_of(engine, request->peer.uid);
    if (own >= ENGINE_OPERATIONS_PER_UID) {
        error_set(error, ERROR_TOO_MANY, "%u operations of uid %lu are under way already", own,
                  (unsigned long)request->peer.uid);
        return false;
    }
    return true;
}

void engine_overtake(struct engine *engine, struct guest_queue *queue)
{
    struct runner *runner, *next;
    DL_FOREACH_SAFE (queue->runners, runner, next) {
        if (runner == queue->runners || runner->privileged)
            continue;
        runner_overtaken(runner);
        DL_DELETE(queue->runners, runner);
        runner_free(runner);
        engine->running--;
    }
}
