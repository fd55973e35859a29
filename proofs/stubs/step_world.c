#include "step_world.h"

#include "calls_world.h"

#include <string.h>

static void end_error(struct error *error)
{
    ASSUME(error->code >= ERROR_NONE && error->code < ERROR_CODE_COUNT);
    END(error->message);
    END(error->hint);
}

static void end_status(struct pve_status *status)
{
    ASSUME(status->uptime_s >= 0 && status->uptime_s < INT64_C(1) << 31); /* as it is decoded; 68 years */
    END(status->ha_state);
    END(status->lock);
    END(status->name);
}

/* What dead_hosts can say. */
static void near_word(struct dead_hosts_word *word)
{
    ASSUME(word->host.state >= DEAD_HOSTS_UNKNOWN && word->host.state <= DEAD_HOSTS_FENCED);
    ASSUME(word->host.missing >= DEAD_HOSTS_NOTHING && word->host.missing <= DEAD_HOSTS_TIME);
    NEAR(word->host.left_ms);
    NEAR(word->host.fenced_ms);
    NEAR(word->host.due_ms);
    MAKE_BOOL(word->trusted);
    MAKE_BOOL(word->disarmed);
    MAKE_BOOL(word->host.watched);
}

void any_step(struct step *step)
{
    struct step any;
    ASSUME(any.params.action >= FENCE_OFF && any.params.action <= FENCE_REBOOT);
    ASSUME(any.params.method >= FENCE_ONOFF && any.params.method <= FENCE_CYCLE);
    ASSUME(any.params.type >= PVE_QEMU && any.params.type <= PVE_LXC);
    ASSUME(any.phase >= STEP_POWERING_OFF && any.phase <= STEP_ENDED);
    NEAR(any.params.requested_ms);
    NEAR(any.params.deadline_ms);
    NEAR(any.params.lock_wait_ms);
    NEAR(any.params.stop_timeout_ms);
    NEAR(any.params.newest_ms);
    NEAR(any.params.begun_ms);
    NEAR(any.course.not_before_ms);
    NEAR(any.course.verified_ms);
    NEAR(any.course.watch_until_ms);
    NEAR(any.course.repaired_ms);
    NEAR(any.read.asked_ms);
    NEAR(any.read.received_ms);
    NEAR(any.read.since_ms);
    NEAR(any.read.slow_ms);
    NEAR(any.seen.running_ms);
    NEAR(any.seen.stopped_ms);
    NEAR(any.seen.stopped_read_ms);
    NEAR(any.seen.idle_ms);
    NEAR(any.seen.off_received_ms);
    NEAR(any.ha.calm_ms);
    NEAR(any.ha.taken_ms);
    NEAR(any.ha.listed_ms);
    NEAR(any.list.asked_ms);
    NEAR(any.list.received_ms);
    NEAR(any.death.told_ms);
    NEAR(any.death.listed_ms);
    NEAR(any.death.listed_received_ms);
    near_word(&any.death.word);
    NEAR(any.lock.since_ms);
    NEAR(any.trouble.refused_since_ms);
    end_calls(&any.calls);
    for (size_t i = 0; i < ASK_KINDS; i++)
        MAKE_BOOL(any.asks[i].busy);
    any.params.node = NULL;
    END(any.place.node);
    END(any.place.lost_node);
    END(any.place.other);
    END(any.ha.listed);
    END(any.lock.name);
    END(any.death.lock);
    end_status(&any.read.status);
    end_error(&any.trouble.error);
    *step = any;
}

static struct api_result any_result;
static char node_text[PVE_NODE_MAX], state_text[PVE_HA_MAX], lock_text[PVE_LOCK_MAX], endpoint_text[2],
    reason_text[2];

void any_event(struct step_event *event)
{
    struct step_event any;
    struct api_result result;
    bool has_node, has_state, has_errors, has_lock;
    char node[PVE_NODE_MAX], state[PVE_HA_MAX], lock[PVE_LOCK_MAX], endpoint[2], reason[2];
    static char errors;
    ASSUME(any.kind >= STEP_EVENT_BEGIN && any.kind <= STEP_EVENT_LOCATED);
    ASSUME(any.type >= PVE_QEMU && any.type <= PVE_LXC);
    NEAR(any.now_ms);
    NEAR(any.asked_ms);
    NEAR(result.asked_ms);
    NEAR(result.received_ms);
    ASSUME(result.outcome >= API_OK && result.outcome <= API_UNSENT);
    end_error(&result.error);
    end_status(&any.status);
    near_word(&any.word);
    END(any.task.exit);
    END(any.census.other);
    END(any.upid);
    END(node);
    END(state);
    END(lock);
    END(endpoint);
    END(reason);
    memcpy(node_text, node, sizeof(node));
    memcpy(state_text, state, sizeof(state));
    memcpy(lock_text, lock, sizeof(lock));
    memcpy(endpoint_text, endpoint, sizeof(endpoint));
    memcpy(reason_text, reason, sizeof(reason));
    result.data = NULL;
    result.guests = NULL;
    result.errors = has_errors ? (struct json_object *)&errors : NULL;
    result.reason = reason_text;
    result.endpoint_text = endpoint_text;
    any_result = result;
    any.result = &any_result;
    any.node = has_node ? node_text : NULL;
    any.ha_state = has_state ? state_text : NULL;
    any.lock = has_lock ? lock_text : NULL;
    *event = any;
}
