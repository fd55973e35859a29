/*
 * The state machine against a small Proxmox that knows the truth (step_world.h), by the million: random
 * schedules, lost and late calls, people who interfere. Each invariant is one named check.
 *
 * How to repeat an episode that failed stands in property.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/proven.h"
#include "proofs/stubs/step_valid.h"
#include "step_play.h"

#define STEPS_DEFAULT 4000000
#define DEADLINE_MS   240000
#define READ_RACE_MS                                                                                         \
    (ANSWER_TIMEOUT_MS + STEP_NEWS_MS + 500) /* between a state and our stop, which then travels */
#define EVENTS_A_MS_MAX 60
#define JUDGED_AGAIN    16 /* one proof of so many */

static uint64_t tally[OPERATION_INTERRUPTED + 1], request_stats_verified, request_stats_dead,
    request_stats_late_stops, request_stats_ha_requests, request_stats_ha_verified;

/* ---- the promises about power calls ---- */

static void check_is_not_late(struct episode *episode)
{
    const struct world *world = &episode->world;
    const struct world_process *process = &world->process[world_host_number(episode->step.place.node)];
    if (!episode->deserted && world->now_ms - episode->newest_ms <= STEP_LATE_MS)
        return;
    request_stats_late_stops++;
    CHECK(episode,
          !world_reads_running(world, world_host_number(episode->step.place.node)) ||
              process->started_ms <= episode->newest_ms || process->started_ms > world->now_ms - READ_RACE_MS,
          "P4: no late stop or reset of a guest started after the request");
}

/* After 60 s the design gives up waiting for it. */
static void check_no_stop_is_open(struct episode *episode)
{
    int host = world_host_number(episode->step.place.node);
    CHECK(episode, !world_stop_is_open(&episode->world, host, CALLS_OPEN_MS),
          "rule 6: no start while a stop or reset of ours may still come");
}

/* What the real manager would drop, or break for, is known to the reads since a moment ago. */
static void check_ha_takes_it(struct episode *episode, const struct step_effects *effects)
{
    const struct world *world = &episode->world;
    /* a host that is cut off serves an old view, and refuses the request */
    bool known = world->ha.since_ms <= world->now_ms - READ_RACE_MS &&
                 world_host_number(effects->send_to) != world->cut &&
                 world->rejoined_ms <= world->now_ms - READ_RACE_MS;
    if (!world->ha.managed || !episode->step.ha.managed)
        return;
    request_stats_ha_requests++;
    CHECK(episode, effects->by_ha && !effects->overrule_shutdown,
          "rule 5: a request to HA has no parameters");
    CHECK(episode, world->ha.state <= WORLD_HA_STOPPED || !known,
          "rule 5: nothing is sent while HA drops requests");
    CHECK(episode, effects->send != STEP_SEND_START || world->ha.state == WORLD_HA_STOPPED || !known,
          "rule 5: HA is asked to start only what is stopped");
}

static void send_power(struct episode *episode, const struct step_effects *effects)
{
    check_ha_takes_it(episode, effects);
    CHECK(episode, episode->step.course.may_send, "P5: nothing is sent before the intent is recorded");
    CHECK(episode, episode->step.place.node[0], "a power call has a host");
    if (effects->send == STEP_SEND_STOP) {
        CHECK(episode, episode->params.action != FENCE_ON, "P2: an on sends no stop");
        CHECK(episode, !episode->verified_ms, "no stop after off was proven");
        check_is_not_late(episode);
    } else if (effects->send == STEP_SEND_START) {
        CHECK(episode, episode->params.action == FENCE_ON || episode->verified_ms,
              "no start before off is proven");
        CHECK(episode, episode->params.action != FENCE_OFF, "P2: an off sends no start");
        check_no_stop_is_open(episode);
    } else {
        CHECK(episode, episode->params.method == FENCE_CYCLE, "P2: a reset only for method=cycle");
        check_is_not_late(episode);
        CHECK(episode, ++episode->resets == 1, "rule 7: a reset is never sent twice");
        CHECK(episode, !episode->world.container, "a container knows no reset");
    }
    take_off(episode, POWER, effects->send_to);
    episode->flights[POWER].power = effects->send;
    episode->flights[POWER].overrule = effects->overrule_shutdown;
}

static void make_calls(struct episode *episode, const struct step_effects *effects)
{
    bool named = effects->send || effects->ask[ASK_STATUS] || effects->ask[ASK_TASKS];
    CHECK(episode, !named || episode->step.place.node[0], "what is asked of the guest's host names it");
    if (effects->send != STEP_SEND_NONE)
        send_power(episode, effects);
    if (effects->ask[ASK_STATUS])
        take_off(episode, STATUS, episode->step.place.node);
    if (effects->ask[ASK_TASK]) {
        char node[PVE_NODE_MAX];
        snprintf(node, sizeof(node), "%.*s", (int)strcspn(effects->upid + 5, ":"), effects->upid + 5);
        take_off(episode, TASK, node);
        snprintf(episode->flights[TASK].upid, PVE_UPID_MAX, "%s", effects->upid);
    }
    if (effects->ask[ASK_TASKS])
        take_off(episode, TASKS, step_task_list(&episode->step).node);
    if (effects->ask[ASK_HOSTS])
        take_off(episode, HOSTS, episode->step.place.node);
    if (effects->ask[ASK_PLACE])
        take_off(episode, LOCATE, "");
}

/* ---- the promises ---- */

/* What the design says no broker can tell through the API. */
static bool is_unprovable(const struct episode *episode)
{
    const struct world *world = &episode->world;
    return (world->foreign_kill &&
            !world->has_nics) /* somebody else's SIGKILL, and no device that shows it */
           || (world->rejoined_ms && world->rejoined_ms >= episode->step.read.asked_ms - ANSWER_TIMEOUT_MS);
}

static void check_off_is_true(struct episode *episode)
{
    const struct world *world = &episode->world;
    const struct step *step = &episode->step;
    CHECK(episode, step->read.asked_ms >= episode->params.requested_ms,
          "point 1: the proof is newer than the request");
    CHECK(episode, step->read.asked_ms >= episode->newest_ms,
          "P6: who joined gets a proof that is newer than his request");
    CHECK(episode, episode->hosts_asked_ms >= step->read.received_ms,
          "point 5: the hosts were asked after it");
    for (unsigned i = 0; i < world->task_count && !is_unprovable(episode); i++) {
        const struct world_task *task = &world->tasks[i];
        CHECK(episode,
              task->kind != WORLD_START || task->state != WORLD_RUNNING ||
                  task->run_ms >= episode->params.requested_ms,
              "point 4: no start from before the request is still under way");
    }
    CHECK(episode,
          !world->ha.managed || world->ha.stop_wanted ||
              world->ha.wished_ms >= episode->params.requested_ms || is_unprovable(episode),
          "point 6: the HA manager does not bring it up again");
    for (int host = 0; host < WORLD_HOSTS && !is_unprovable(episode); host++) {
        const struct world_process *process = &world->process[host];
        /* one that was started after the proof was asked for is somebody else's start, racing */
        CHECK(episode, !process->alive || process->started_ms >= episode->step.read.asked_ms,
              "P1: off is verified only if no process of the guest is left");
    }
}

/* The host that the guest was on is dead: so is all that ran when it was asked for, wherever it ran. */
static void check_died(struct episode *episode, const struct step_event *event)
{
    const struct world *world = &episode->world;
    request_stats_dead++;
    CHECK(episode, world->trusted && world_is_watched(world),
          "P1: only what Proxmox HA has fenced counts as dead");
    CHECK(episode, episode->hosts_asked_ms >= episode->step.death.listed_ms || episode->step.ha.managed,
          "point 5: the hosts were asked after it was listed");
    CHECK(episode, event->kind == STEP_EVENT_HOSTS && !event->census.host_online,
          "point 5: they show its host offline");
    for (int host = 0; host < WORLD_HOSTS; host++) {
        const struct world_process *process = &world->process[host];
        CHECK(episode, !process->alive || process->started_ms >= episode->newest_ms,
              "P1: with its host all that ran before the request is dead");
    }
}

static void check_verified(struct episode *episode, const struct step_event *event)
{
    const struct step *step = &episode->step;
    CHECK(episode, event->result && event->result->outcome == API_OK && event->decoded,
          "P3: only an answer that came, whole, verifies");
    CHECK(episode, !episode->verified_ms, "the askers are answered once");
    episode->verified_ms = episode->world.now_ms;
    request_stats_verified++;
    request_stats_ha_verified += episode->world.ha.managed;
    /* with the hosts' word off is proven, also in a cycle that fell back to off and on */
    bool reset = episode->params.method == FENCE_CYCLE && step->phase == STEP_ENDED &&
                 calls_sent(&step->calls, STEP_SEND_RESET) && event->kind != STEP_EVENT_HOSTS;
    if (episode->params.action == FENCE_ON || reset)
        CHECK(episode, step->read.asked_ms >= episode->newest_ms && step->read.status.running,
              "on is verified by a fresh read");
    else if (event->kind == STEP_EVENT_HOSTS && event->word.host.state == DEAD_HOSTS_FENCED)
        check_died(episode, event);
    else
        check_off_is_true(episode);
    if (reset) {
        bool done = false;
        for (int host = 0; host < WORLD_HOSTS; host++)
            done |= episode->world.process[host].reset_ms >= episode->newest_ms;
        /* it may have been powered off again since by somebody else */
        CHECK(episode, done || (episode->world.faults & (WORLD_FOREIGN_STOPS | WORLD_TWINS | WORLD_CUTS)),
              "a cycle is done only if the guest was reset after the request");
    }
}

/* What is taken down of a proof is all that it rested on, and is judged like it. */
static void check_record(struct episode *episode, const struct step_event *event,
                         const struct step_effects *effects)
{
    const struct operation operation = {.action = FENCE_OFF, .requested_ms = episode->params.requested_ms};
    struct proven record, found;
    const char *field = "";
    proven_take(&record, &operation, &episode->step, effects, event->census.known, event->now_ms);
    snprintf(record.operation, sizeof(record.operation), "a1");
    char *line = proven_write(&record);
    struct json_object *document = line ? json_parse(line, strlen(line)) : NULL;
    CHECK(episode, document && proven_read(document, &found, &field) == PROVEN_READ,
          "a record of a proof can be read");
    CHECK(episode, proven_judge(&found) == PROOF_OFF, "a proof is judged again as it was");
    CHECK(episode,
          found.facts.running == record.facts.running && found.facts.shows_life == record.facts.shows_life &&
              found.facts.hidden == record.facts.hidden && found.facts.ha_state == record.facts.ha_state &&
              found.facts.listed_hidden == record.facts.listed_hidden &&
              found.hosts.required == record.hosts.required,
          "what answers mean is derived from them as it was");
    json_object_put(document);
    free(line);
}

/* What fails before the deadline was told so: by Proxmox, in words that no second question would change. */
static bool is_hopeless(const struct episode *episode, enum error_code code, const struct step_event *event)
{
    const struct api_result *result = event->result;
    if (code == ERROR_LOCKED || code == ERROR_SUSPENDED) /* after lock-wait, by the last read's word */
        return true;
    if (code == ERROR_HA_ERROR || code == ERROR_HA_FROZEN || code == ERROR_HA_UNSERVED) /* likewise */
        return episode->world.ha.managed && !episode->step.asks[ASK_POWER].busy;
    if (!result || result->outcome == API_LOST || result->outcome == API_UNSENT)
        return false;
    return code == ERROR_UNPROVEN || code == ERROR_NODE_OFFLINE ||
           (code == ERROR_NO_SESSION && result->http_status == 401);
}

static void check_end(struct episode *episode, const struct step_event *event,
                      const struct step_effects *effects)
{
    episode->ended = true;
    episode->outcome = effects->outcome;
    episode->error = effects->error;
    tally[effects->outcome]++;
    CHECK(episode, effects->outcome == OPERATION_DONE || effects->error.code != ERROR_NONE,
          "what is not done says why");
    CHECK(episode, effects->outcome != OPERATION_DONE || episode->verified_ms, "nothing is done unverified");
    CHECK(episode, effects->outcome == OPERATION_DONE || !episode->verified_ms,
          "what was verified does not fail");
    CHECK(episode, effects->send == STEP_SEND_NONE, "the last word sends nothing");
    CHECK(episode,
          effects->error.code == ERROR_NONE || effects->outcome == OPERATION_ABANDONED ||
              episode->world.now_ms >= episode->params.deadline_ms ||
              /* a repair has a time of its own (rule 6) */
              (episode->step.course.repaired_ms && episode->world.now_ms >= step_deadline(&episode->step)) ||
              is_hopeless(episode, effects->error.code, event),
          "P3: nothing fails while the truth can still be read");
}

static bool busy(const struct episode *episode, enum kind kind)
{
    const struct step *step = &episode->step;
    const bool flags[KINDS] = {[POWER] = step->asks[ASK_POWER].busy, [STATUS] = step->asks[ASK_STATUS].busy,
                               [TASK] = step->asks[ASK_TASK].busy,   [TASKS] = step->asks[ASK_TASKS].busy,
                               [HOSTS] = step->asks[ASK_HOSTS].busy, [LOCATE] = step->asks[ASK_PLACE].busy};
    return flags[kind];
}

static void check_going_on(struct episode *episode, const struct step_effects *effects)
{
    bool in_flight = false;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        CHECK(episode, busy(episode, kind) == episode->flights[kind].under_way, "no busy flag is lost");
        in_flight |= episode->flights[kind].under_way;
    }
    CHECK(episode, effects->wake_ms > 0, "P7: there is always a wake");
    CHECK(episode, in_flight || effects->wake_ms <= episode->world.now_ms + STEP_RESEND_LAST_MS + 1,
          "P7: nothing sleeps while there is something to do");
    CHECK(episode, effects->wake_ms > episode->world.now_ms || in_flight,
          "no wake in the past without a call");
}

static void feed(struct episode *episode, struct step_event *event)
{
    static const char *const names[] = {"begin", "intent", "wake",      "joined", "deserted",
                                        "again", "yield",  "leave off", "power",  "status",
                                        "task",  "tasks",  "hosts",     "located"};
    struct step_effects effects;
    event->now_ms = episode->world.now_ms;
    ++*episode->events;
    step_handle(&episode->step, event, &effects);
    CHECK(episode, step_is_valid(&episode->step), "what the proofs begin with holds");
    if (property.trace) {
        fprintf(
            stderr,
            "+%6" PRId64
            " %-8s %s%s%s-> send %d overrule %d status %d task %d hosts %d tasks %d locate %d wake +%" PRId64
            "%s%s\n",
            event->now_ms - episode->params.requested_ms, names[event->kind],
            event->result && event->result->outcome != API_OK ? event->result->error.message : "",
            event->kind == STEP_EVENT_STATUS && event->decoded
                ? event->status.running ? "running " : "stopped "
                : "",
            event->status.lock, effects.send, effects.overrule_shutdown, effects.ask[ASK_STATUS],
            effects.ask[ASK_TASK], effects.ask[ASK_HOSTS], effects.ask[ASK_TASKS], effects.ask[ASK_PLACE],
            effects.wake_ms - episode->params.requested_ms, effects.verified ? " VERIFIED" : "",
            effects.ended ? " ENDED" : "");
        for (unsigned i = 0; i < effects.note_count; i++)
            fprintf(stderr, "        %s\n", effects.notes[i]);
        if (effects.ended)
            fprintf(stderr, "        outcome %d: %s\n", effects.outcome, effects.error.message);
    }
    CHECK(episode, episode->world.now_ms > episode->last_ms || ++episode->events_now < EVENTS_A_MS_MAX,
          "P7: no loop without time");
    if (episode->world.now_ms > episode->last_ms)
        episode->events_now = 0;
    episode->last_ms = episode->world.now_ms;
    if (effects.proven && request_stats_verified % JUDGED_AGAIN == 0)
        check_record(episode, event, &effects);
    if (effects.verified)
        check_verified(episode, event);
    if (effects.ended) {
        check_end(episode, event, &effects);
        return;
    }
    episode->wake_ms = effects.wake_ms;
    make_calls(episode, &effects);
    check_going_on(episode, &effects);
}

static void feed_kind(struct episode *episode, enum step_event_kind kind)
{
    feed(episode, &(struct step_event){.kind = kind});
}

/* ---- an episode ---- */

static void land(struct episode *episode, enum kind kind)
{
    static const enum step_event_kind events[KINDS] = {
        [POWER] = STEP_EVENT_POWER, [STATUS] = STEP_EVENT_STATUS, [TASK] = STEP_EVENT_TASK,
        [TASKS] = STEP_EVENT_TASKS, [HOSTS] = STEP_EVENT_HOSTS,   [LOCATE] = STEP_EVENT_LOCATED};
    struct flight flight = episode->flights[kind];
    episode->flights[kind].under_way = false;
    flight.result.asked_ms = flight.asked_ms;
    flight.result.received_ms = episode->world.now_ms;
    flight.result.reason = flight.reason;
    flight.event.kind = events[kind];
    flight.event.result = &flight.result;
    if (kind == HOSTS)
        episode->hosts_asked_ms = flight.asked_ms;
    if (kind == STATUS || kind == HOSTS || kind == TASKS)
        flight.event.node = flight.node;
    feed(episode, &flight.event);
}

static void earlier(int64_t *next_ms, int64_t at_ms)
{
    if (at_ms && at_ms < *next_ms)
        *next_ms = at_ms;
}

static int64_t next_moment(const struct episode *episode)
{
    int64_t next_ms = world_next(&episode->world);
    earlier(&next_ms, episode->wake_ms);
    earlier(&next_ms, episode->intent_ms);
    earlier(&next_ms, episode->desert_ms);
    earlier(&next_ms, episode->join_ms);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        const struct flight *flight = &episode->flights[kind];
        if (flight->under_way)
            earlier(&next_ms, flight->served ? flight->due_ms : flight->served_ms);
    }
    for (unsigned i = 0; i < episode->world.call_count; i++) {
        if (episode->world.calls[i].pending)
            earlier(&next_ms, episode->world.calls[i].due_ms);
    }
    return next_ms < episode->world.now_ms ? episode->world.now_ms : next_ms;
}

/* What askers do. */
static void ask(struct episode *episode, int64_t now_ms)
{
    if (episode->intent_ms && now_ms >= episode->intent_ms) {
        episode->intent_ms = 0;
        feed_kind(episode, STEP_EVENT_INTENT);
    } else if (episode->desert_ms && now_ms >= episode->desert_ms) {
        episode->desert_ms = 0;
        episode->deserted = true;
        feed_kind(episode, STEP_EVENT_DESERTED);
    } else if (episode->join_ms && now_ms >= episode->join_ms) {
        episode->join_ms = 0;
        if (step_can_join(&episode->step)) {
            int64_t asked_ms = now_ms;
            if (world_chance(&episode->world, 30)) /* it has waited already */
                asked_ms -= world_between(&episode->world, 0, 40000);
            episode->params.deadline_ms = now_ms + DEADLINE_MS;
            if (episode->newest_ms < asked_ms)
                episode->newest_ms = asked_ms;
            episode->deserted = false;
            feed(episode, &(struct step_event){.kind = STEP_EVENT_JOINED,
                                               .asked_ms = episode->newest_ms,
                                               .deadline_ms = episode->params.deadline_ms});
        }
    }
}

static void go_on(struct episode *episode, int64_t now_ms)
{
    world_advance(&episode->world, now_ms);
    for (unsigned i = 0; i < episode->world.call_count; i++) {
        if (episode->world.calls[i].pending && now_ms >= episode->world.calls[i].due_ms)
            world_carry_out(&episode->world, &episode->world.calls[i]);
    }
    world_advance(&episode->world, now_ms);
    for (enum kind kind = 0; kind < KINDS && !episode->ended; kind++) {
        struct flight *flight = &episode->flights[kind];
        if (flight->under_way && !flight->served && now_ms >= flight->served_ms)
            serve(episode, flight, kind);
        if (flight->under_way && flight->served && now_ms >= flight->due_ms)
            land(episode, kind);
    }
    if (!episode->ended)
        ask(episode, now_ms);
    if (!episode->ended && now_ms >= episode->wake_ms)
        feed_kind(episode, STEP_EVENT_WAKE);
}

static void begin(struct episode *episode, const struct property_case *one)
{
    struct world *world = &episode->world;
    *episode = (struct episode){0};
    world_init(world, one->seed, (unsigned)one->without[PROPERTY_FAULTS], one->at_most[PROPERTY_WHIMS]);
    if (world->faults || world_chance(world, 50)) {
        for (unsigned trouble = LOSSES; trouble <= JOIN; trouble <<= 1)
            episode->troubles |= world_chance(world, 25) ? trouble : 0;
        episode->troubles &= ~(unsigned)one->without[PROPERTY_TROUBLES];
    }
    episode->old_proxmox = world_chance(world, 10);
    int64_t now = world->now_ms;
    int wanted = (int)world_between(world, 0, 9);
    episode->params = (struct step_params){
        .action = wanted < 4   ? FENCE_OFF
                  : wanted < 9 ? FENCE_REBOOT
                               : FENCE_ON,
        .method = wanted >= 7 && wanted < 9 && !world->container ? FENCE_CYCLE : FENCE_ONOFF,
        .vmid = WORLD_VMID,
        .type = world->container ? PVE_LXC : PVE_QEMU,
        .node = world_chance(world, 80)   ? world_host_name(world->home) /* or an old inventory's word */
                : world_chance(world, 50) ? world_host_name((world->home + 1) % WORLD_HOSTS)
                                          : NULL,
        .ha_managed =
            world->ha.managed ? world_chance(world, 85) : world_chance(world, 2), /* an old list's word */
        .release = world->container ? 0 : 902,
        .requested_ms = now,
        .deadline_ms = now + DEADLINE_MS,
        .lock_wait_ms = 5000,
        .stop_timeout_ms = 3000,
    };
    episode->intent_ms = now + world_between(world, 0, 250);
    if (episode->troubles & LEAVE)
        episode->desert_ms = now + world_between(world, 0, 60000);
    if (episode->troubles & JOIN)
        episode->join_ms = now + world_between(world, 0, 30000);
    episode->newest_ms = now;
    if ((world->faults & WORLD_FOREIGN_STARTS) && world_chance(world, 50)) {
        world_begin_task(world, WORLD_START, world->home, false);
        world_advance(world, now);
        episode->params.requested_ms = episode->newest_ms = ++world->now_ms; /* it was under way before */
    }
    step_begin(&episode->step, &episode->params);
}

static void play(struct property_case *one, uint64_t *events)
{
    static struct episode episode;
    begin(&episode, one);
    episode.events = events;
    one->parts[PROPERTY_FAULTS] = episode.world.faults;
    one->parts[PROPERTY_TROUBLES] = episode.troubles;
    feed_kind(&episode, STEP_EVENT_BEGIN);
    while (!episode.ended) {
        go_on(&episode, next_moment(&episode));
        one->used[PROPERTY_WHIMS] = episode.world.whims;
        int64_t room_ms = episode.params.action == FENCE_REBOOT ? STEP_START_ROOM_MS : 0;
        /* what was answered may be watched and repaired after that (rule 6) */
        if (episode.step.course.verified_ms && episode.step.course.watch_until_ms)
            room_ms += CALLS_OPEN_MS + STEP_START_ROOM_MS;
        CHECK(&episode, episode.world.now_ms <= episode.params.deadline_ms + room_ms,
              "P7: every operation ends by its deadline");
    }
    if (!episode.world.faults && !episode.troubles && episode.params.node) {
        bool ha = episode.world.ha.managed;
        CHECK(&episode, episode.outcome == OPERATION_DONE && episode.error.code == ERROR_NONE,
              "without faults everything is done");
        CHECK(&episode,
              episode.params.action == FENCE_ON ||
                  episode.verified_ms - episode.params.requested_ms < (ha ? 45000 : 5500),
              "without faults off is proven quickly");
    }
}

/* All of an episode is overwritten by the next one. */
static void forget(void)
{
}

static void test_promises_hold_whatever_proxmox_does(void **state)
{
    (void)state;
    uint64_t steps = property_number("STEPS", STEPS_DEFAULT), done = 0;
    uint64_t episodes = property_run(steps, play, forget, &done);
    print_message("%" PRIu64 " events, %" PRIu64 " operations: %" PRIu64 " done, %" PRIu64 " failed, %" PRIu64
                  " abandoned; %" PRIu64 " verified, %" PRIu64 " late stops; %" PRIu64
                  " requests to HA, %" PRIu64 " verified there; %" PRIu64 " dead with their hosts\n",
                  done, episodes, tally[OPERATION_DONE], tally[OPERATION_FAILED], tally[OPERATION_ABANDONED],
                  request_stats_verified, request_stats_late_stops, request_stats_ha_requests,
                  request_stats_ha_verified, request_stats_dead);
    if (!episodes)
        return;
    /* the model must not be so cruel that nothing is tested */
    assert_true(tally[OPERATION_DONE] > episodes / 3);
    if (steps >= STEPS_DEFAULT) {
        assert_true(tally[OPERATION_ABANDONED] > 0);
        assert_true(request_stats_late_stops > 0);
        assert_true(request_stats_ha_verified > episodes / 20);
        assert_true(request_stats_dead > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises_hold_whatever_proxmox_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
