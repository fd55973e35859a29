/*
 * The engine and the state machine against guests whose truth is known, by the million events: random
 * requests of askers that leave, come back and ask again, a history that is slow or gone, an inventory that
 * is late or old, restarts. Each invariant is one named check.
 *
 * How to repeat an episode that failed stands in property.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_play.h"

#include "fence/engine_private.h"

#define STEPS_DEFAULT  3000000
#define ASKERS_MAX     400
#define REQUESTS_MAX   40
#define ASKER_GRACE_MS 250 /* after its deadline an answer may take so long */
#define READ_RACE_MS                                                                                         \
    (ANSWER_TIMEOUT_MS + STEP_NEWS_MS + 500) /* between a state and our stop, which then travels */
#define TURNS_A_MS_MAX 1000
#define ENDED_MAX      HISTORY_OPERATIONS_MAX

enum asker_state { WAITS, ANSWERED, LEFT, DROPPED };

struct player {
    uint64_t id;
    enum fence_action action;
    enum fence_method method;
    int guest; /* -1: a plug that nobody knows */
    char request_id[24];
    bool spelled;               /* the guest by its name */
    int64_t asked_ms, first_ms; /* first_ms: when the request came that this one repeats */
    int64_t says_ms;            /* when it asked, by its own word; 0: it does not say */
    int64_t deadline_ms, leaves_ms;
    enum asker_state state;
    enum error_code code;
};

static struct {
    struct property_case *one;
    uint64_t *events, callbacks_before;
    struct engine *engine;
    struct engine_settings settings;
    struct player players[ASKERS_MAX];
    unsigned player_count;
    const struct operation *ended[ENDED_MAX];
    unsigned ended_count, added;
    uint64_t answers[3][ENGINE_RESULT_COUNT];
    int64_t newest_ms[PLAY_GUESTS_MAX]; /* of any request */
    int64_t inventory_ms, restarted_ms;
    bool submitting, calm, drained, draining;
} stage;

static struct {
    uint64_t episodes, requests, codes[ERROR_CODE_COUNT], left, repeated, restarts, late_stops, repairs,
        joins, superseded;
} tally;

#define CHECK(condition, promise)                                                                            \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            property_break(promise, "%s: not %s, at %" PRId64, promise, #condition, clock_now_ms());         \
    } while (0)

#define TELL(...)                                                                                            \
    do {                                                                                                     \
        if (property.trace) {                                                                                \
            fprintf(stderr, "%10" PRId64 " ", clock_now_ms());                                               \
            fprintf(stderr, __VA_ARGS__);                                                                    \
            fputc('\n', stderr);                                                                             \
        }                                                                                                    \
    } while (0)

static bool chance(unsigned percent)
{
    return world_chance(&play.people, percent);
}

static int64_t between(int64_t low, int64_t high)
{
    return world_between(&play.people, low, high);
}

/* ---- the promises about power calls ---- */

static bool has_ended(const struct operation *operation)
{
    for (unsigned i = stage.ended_count; i-- > 0;) {
        if (stage.ended[i] == operation)
            return true;
    }
    return false;
}

static void check_turn(const struct flight *flight, const struct operation *operation)
{
    const struct flight *other;
    for (size_t i = 0; i < rooms.history.operation_count; i++) {
        if (rooms.history.operations[i]->vmid != flight->vmid || has_ended(rooms.history.operations[i]))
            continue;
        CHECK(rooms.history.operations[i] == operation, "P6: only the first operation of a guest powers it");
        break;
    }
    DL_FOREACH (rooms.flights, other) {
        bool power = other->call == API_STOP || other->call == API_START || other->call == API_RESET;
        CHECK(other == flight || !power || other->vmid != flight->vmid,
              "P6: one power call of a guest at a time");
    }
}

static void check_intent(const struct operation *operation)
{
    const struct intent *intent = intent_of(&rooms.history, operation);
    CHECK(intent, "P5: the intent is written before the first power call");
    CHECK(intent->settled || clock_now_ms() - intent->written_ms >= ENGINE_INTENT_WAIT_MS,
          "P5: the first power call waits for the intent, or 250 ms");
}

/* A stop or reset when nobody waits any more, or long after the newest request. */
static void check_not_too_late(const struct flight *flight, const struct operation *operation)
{
    int64_t newest_ms = 0;
    bool waits = false;
    for (unsigned i = 0; i < stage.player_count; i++) {
        const struct player *player = &stage.players[i];
        if (player->guest != flight->vmid - WORLD_VMID || player->action != operation->action ||
            player->method != operation->method)
            continue;
        if (player->first_ms > newest_ms)
            newest_ms = player->first_ms;
        waits |= player->state == WAITS && clock_now_ms() < player->leaves_ms;
    }
    if (waits && clock_now_ms() - newest_ms <= STEP_LATE_MS)
        return;
    int host = world_host_number(flight->node);
    struct played_guest *guest = played(flight->vmid);
    catch_up(guest);
    tally.late_stops++;
    const struct world_process *process = &guest->world.process[host];
    CHECK(!world_reads_running(&guest->world, host) || process->started_ms <= newest_ms ||
              process->started_ms > clock_now_ms() - READ_RACE_MS,
          "P4: no late stop to a guest started after the request");
}

/* A stop of ours that may still hit what is started now, whichever operation sent it. */
static void check_no_stop_is_open(const struct flight *flight)
{
    struct played_guest *guest = played(flight->vmid);
    catch_up(guest);
    CHECK(!world_stop_is_open(&guest->world, world_host_number(flight->node), CALLS_OPEN_MS),
          "rule 6: no start while a stop or reset of ours may still come");
}

/* After a proven off only what a call of ours has started is stopped again. */
static void check_is_repair(const struct flight *flight)
{
    struct played_guest *guest = played(flight->vmid);
    int host = world_host_number(flight->node);
    const struct world_process *process = &guest->world.process[host];
    catch_up(guest);
    bool ours = !process->alive || process->started_ms > clock_now_ms() - READ_RACE_MS;
    for (unsigned i = 0; i < guest->world.call_count; i++) {
        const struct world_call *call = &guest->world.calls[i];
        const struct world_task *task = call->task ? world_task_numbered(&guest->world, call->task) : NULL;
        ours |= task && call->kind == WORLD_START && task->begun_ms <= process->started_ms &&
                (task->state != WORLD_ENDED || process->started_ms <= task->end_ms);
    }
    /* another broker's start, while one of ours is lost: in the list it is ours */
    for (unsigned i = 0; i < guest->world.task_count; i++) {
        const struct world_task *task = &guest->world.tasks[i];
        ours |= task->twin && task->kind == WORLD_START && task->begun_ms <= process->started_ms &&
                (task->state != WORLD_ENDED || process->started_ms <= task->end_ms);
    }
    tally.repairs++;
    CHECK(ours, "rule 6: after a proven off only what a call of ours started is stopped again");
}

static void on_call(struct flight *flight)
{
    if (flight->call == API_STOP || flight->call == API_START || flight->call == API_RESET) {
        const struct runner *runner = flight->context;
        const struct operation *operation = runner->operation;
        TELL("  call: %s of guest %d to %s",
             flight->call == API_STOP    ? "stop"
             : flight->call == API_START ? "start"
                                         : "reset",
             flight->vmid, flight->node);
        CHECK(operation->vmid == flight->vmid, "P2: an operation powers its own guest");
        CHECK(!has_ended(operation), "P6: what has ended sends nothing");
        check_turn(flight, operation);
        check_intent(operation);
        if (flight->call == API_START) {
            CHECK(operation->action == FENCE_ON ||
                      (operation->action == FENCE_REBOOT && operation->verified_ms),
                  "a start is asked for, and comes after the proof");
            check_no_stop_is_open(flight);
        } else if (operation->state == OPERATION_WATCHING) {
            check_is_repair(flight);
        } else {
            CHECK(operation->action != FENCE_ON && !operation->verified_ms,
                  "a stop is asked for, and not proven");
            check_not_too_late(flight, operation);
        }
    }
    plan_call(flight);
}

/* ---- the promises about operations ---- */

static void on_added(const struct operation *operation)
{
    CHECK(rooms.inventory && inventory_by_vmid(rooms.inventory, operation->vmid),
          "P2: only a guest of the pool gets an operation");
    stage.added++;
}

/* Told so by Proxmox, in words that no second question would change. */
static bool is_hopeless(enum error_code code)
{
    return code == ERROR_LOCKED || code == ERROR_SUSPENDED || code == ERROR_UNPROVEN ||
           code == ERROR_NODE_OFFLINE;
}

static void on_outcome(const struct operation *operation)
{
    CHECK(!has_ended(operation), "P5: one outcome an operation");
    CHECK(operation->outcome != OPERATION_RUNNING, "P5: an outcome is one");
    CHECK(operation->outcome != OPERATION_DONE || operation->verified_ms, "P1: nothing is done unverified");
    CHECK(operation->outcome == OPERATION_DONE || operation->error.code, "what is not done says why");
    /* a repair of what was done has a time of its own (rule 6) */
    bool repaired = operation->verified_ms && operation->action == FENCE_ON &&
                    clock_now_ms() >= operation->verified_ms + STEP_START_ROOM_MS;
    CHECK(operation->outcome != OPERATION_FAILED || is_hopeless(operation->error.code) || repaired ||
              clock_now_ms() >= operation->requested_ms + stage.settings.deadline_ms,
          "P3: nothing fails while the truth can still be read");
    int64_t newest_ms = stage.newest_ms[operation->vmid - WORLD_VMID];
    if (newest_ms < operation->requested_ms)
        newest_ms = operation->requested_ms;
    /* one that was answered may be watched, and repaired once (rule 6) */
    int64_t watched_ms = operation->verified_ms ? CALLS_OPEN_MS + STEP_START_ROOM_MS : 0;
    CHECK(clock_now_ms() <= newest_ms + stage.settings.deadline_ms + STEP_START_ROOM_MS + watched_ms + 1,
          "P7: every operation ends by its deadline");
    assert_true(stage.ended_count < ENDED_MAX);
    stage.ended[stage.ended_count++] = operation;
}

static void check_counts(void)
{
    CHECK(engine_running(stage.engine) == stage.added - stage.ended_count, "what runs is counted");
    for (int i = 0; i < play.guest_count; i++) {
        bool busy = false;
        for (size_t k = 0; k < rooms.history.operation_count; k++)
            busy |= rooms.history.operations[k]->vmid == WORLD_VMID + i &&
                    !has_ended(rooms.history.operations[k]);
        CHECK(engine_guest_busy(stage.engine, WORLD_VMID + i) == busy,
              "a guest is busy while an operation of it is");
    }
    CHECK(memcmp(stage.answers, engine_counters(stage.engine)->answered, sizeof(stage.answers)) == 0,
          "each answer is counted once");
}

/* ---- the promises about answers ---- */

/* What the design says no broker can tell through the API. */
static bool is_unprovable(const struct world *world, int host, int64_t since_ms)
{
    /* a host that was cut off goes on with what its old view told it */
    bool strayed = (world->faults & WORLD_CUTS) && host != world->home;
    /* somebody else's SIGKILL, or ours before a restart, and no device that shows it */
    bool killed_unseen = world->foreign_kill && !world->has_nics;
    return strayed || killed_unseen ||
           (world->rejoined_ms && world->rejoined_ms >= since_ms - ANSWER_TIMEOUT_MS);
}

static void check_success(const struct player *player)
{
    struct played_guest *guest = &play.guests[player->guest];
    const struct world *world = &guest->world;
    catch_up(guest);
    if (player->action == FENCE_ON) {
        CHECK(guest->last_running_ms >= player->first_ms - ANSWER_TIMEOUT_MS,
              "an on is answered only when the guest runs");
        return;
    }
    for (int host = 0; host < WORLD_HOSTS; host++) {
        if (is_unprovable(world, host, player->first_ms))
            continue;
        const struct world_process *process = &world->process[host];
        bool reset = player->method == FENCE_CYCLE && process->reset_ms >= player->first_ms;
        CHECK(!process->alive || process->started_ms >= player->first_ms || reset,
              "P1: off is answered only if no process from before the request is left");
    }
}

static void on_answer(void *context, const struct operation *operation, const struct error *error)
{
    struct player *player = context;
    CHECK(!stage.submitting, "no callback from inside submit");
    CHECK(player->state == WAITS, "one answer each, and none to those who left");
    CHECK(clock_now_ms() <= player->deadline_ms + ASKER_GRACE_MS,
          "P7: an answer comes within the asker's deadline");
    CHECK(error || (operation && operation->vmid == WORLD_VMID + player->guest),
          "a success names its operation");
    TELL("  asker %td has its answer: %s", player - stage.players, error ? error->message : "done");
    player->state = ANSWERED;
    player->code = error ? error->code : ERROR_NONE;
    tally.codes[player->code]++;
    tally.superseded += player->code == ERROR_ABANDONED && player->action == FENCE_ON;
    stage.answers[player->action][!error                           ? ENGINE_RESULT_DONE
                                  : error->code == ERROR_ABANDONED ? ENGINE_RESULT_ABANDONED
                                                                   : ENGINE_RESULT_FAILED]++;
    if (!error) {
        CHECK(player->action == FENCE_ON || operation->verified_ms >= player->first_ms,
              "P6: everybody's proof is newer than his request");
        check_success(player);
    }
    if (error && stage.calm && player->guest >= 0 && !stage.restarted_ms)
        CHECK(player->code == ERROR_TOO_MANY || player->code == ERROR_UNKNOWN_PLUG ||
                  (player->code == ERROR_ABANDONED &&
                   (player->action == FENCE_ON || player->first_ms < player->asked_ms ||
                    clock_now_ms() - player->first_ms >= STEP_LATE_MS)) ||
                  stage.settings.deadline_ms < 200000 ||
                  clock_now_ms() - player->first_ms >=
                      stage.settings.deadline_ms, /* it was asked for too long ago */
              "without faults everything is done");
}

/* ---- what askers do ---- */

/* Its hanging up is noticed only later. */
static bool is_there(void *context)
{
    const struct player *player = context;
    return clock_now_ms() < player->leaves_ms;
}

static void submit(struct player *player)
{
    struct error error = {0};
    char plug[16];
    if (player->guest < 0)
        snprintf(plug, sizeof(plug), "nobody");
    else
        snprintf(plug, sizeof(plug), player->spelled ? "g%d" : "%d", WORLD_VMID + player->guest);
    struct engine_request request = {.action = player->action,
                                     .method = player->method,
                                     .plug = plug,
                                     .request_id = player->request_id[0] ? player->request_id : NULL,
                                     .asked_ms = player->says_ms,
                                     .is_there = is_there};
    player->asked_ms = clock_now_ms();
    player->deadline_ms = (player->says_ms ? player->says_ms : clock_now_ms()) + stage.settings.deadline_ms;
    if (player->deadline_ms < clock_now_ms())
        player->deadline_ms = clock_now_ms();
    if (player->guest >= 0)
        stage.newest_ms[player->guest] = clock_now_ms();
    TELL("  asker %td: %s of guest %s (%s), Request-Id \"%s\"", player - stage.players,
         fence_action_name(player->action), plug, fence_method_name(player->method), player->request_id);
    stage.submitting = true;
    player->id = engine_submit(stage.engine, &request, on_answer, player, &error);
    stage.submitting = false;
    CHECK(player->id || (stage.draining && error.code == ERROR_INTERRUPTED),
          "only who comes too late is refused");
    if (!player->id)
        player->state = DROPPED;
    tally.requests++;
}

static struct player *new_player(void)
{
    assert_true(stage.player_count < ASKERS_MAX);
    struct player *player = &stage.players[stage.player_count++];
    *player = (struct player){.first_ms = clock_now_ms(), .leaves_ms = INT64_MAX};
    return player;
}

/* `only_think`: the dice fall, but it does not. */
static void ask_something(bool only_think)
{
    if (stage.player_count == ASKERS_MAX) /* those who asked again have filled the stage */
        return;
    struct player *player = new_player();
    int wanted = (int)between(0, 9);
    player->action = wanted < 4 ? FENCE_OFF : wanted < 8 ? FENCE_REBOOT : FENCE_ON;
    player->method = wanted == 7 ? FENCE_CYCLE : FENCE_ONOFF;
    player->guest = chance(2) ? -1 : (int)between(0, play.guest_count - 1);
    if (chance(60))
        snprintf(player->request_id, sizeof(player->request_id), "r%u", stage.player_count);
    if (chance(25))
        player->leaves_ms = clock_now_ms() + between(0, chance(50) ? 2000 : 60000);
    player->spelled = chance(50);
    if (chance(20)) /* it waited for the daemon */
        player->says_ms = player->first_ms = clock_now_ms() - between(1, chance(50) ? 10000 : 60000);
    if (only_think)
        player->state = ANSWERED;
    else
        submit(player);
}

static const struct operation *operation_of(const struct player *player)
{
    char key[REQUEST_KEY_LEN + 1];
    operation_request_key(key, 0, player->request_id);
    return history_find_request(&rooms.history, key);
}

/* Its connection ended without an answer: it asks once more. */
static void ask_again(struct player *old)
{
    if (!old->request_id[0] || old->state == WAITS || old->state == ANSWERED ||
        stage.player_count == ASKERS_MAX)
        return;
    struct player *player = new_player();
    player->action = old->action;
    player->method = old->method;
    player->guest = old->guest;
    player->spelled = !old->spelled;
    memcpy(player->request_id, old->request_id, sizeof(player->request_id));
    if (old->says_ms)
        player->says_ms = player->first_ms = old->says_ms;
    /* one that left before its guest could even be looked up is not remembered */
    const struct operation *operation = operation_of(old);
    if (operation &&
        clock_now_ms() - operation->requested_ms <= stage.settings.deadline_ms + ENGINE_REPEAT_ROOM_MS)
        player->first_ms = operation->requested_ms;
    tally.repeated++;
    submit(player);
}

/* Those who waited for the guest to be looked up, and gave the same Request-Id: they are one request, as old
 * as the first of them who is still there. */
static void match_twins(void)
{
    for (unsigned i = 0; i < stage.player_count; i++) {
        const struct player *first = &stage.players[i];
        if (first->state != WAITS || !first->request_id[0] || operation_of(first))
            continue;
        for (unsigned k = i + 1; k < stage.player_count; k++) {
            struct player *twin = &stage.players[k];
            if (twin->state == WAITS && strcmp(twin->request_id, first->request_id) == 0)
                twin->first_ms = first->first_ms;
        }
    }
}

static void leave_in_time(void)
{
    for (unsigned i = 0; i < stage.player_count; i++) {
        struct player *player = &stage.players[i];
        if (player->state != WAITS || clock_now_ms() < player->leaves_ms)
            continue;
        engine_leave(stage.engine, player->id);
        player->state = LEFT;
        TELL("  asker %u leaves", i);
        tally.left++;
        if (chance(40))
            ask_again(player);
    }
}

/* ---- what else happens ---- */

static void learn_guests(void)
{
    struct inventory_builder *builder = inventory_builder_new(rooms.inventory);
    assert_non_null(builder);
    for (int i = 0; i < play.guest_count; i++) {
        const struct world *world = &play.guests[i].world;
        char name[16];
        snprintf(name, sizeof(name), "g%d", WORLD_VMID + i);
        struct guest guest = {.vmid = WORLD_VMID + i,
                              .type = world->container ? PVE_LXC : PVE_QEMU,
                              .name = name,
                              .node = (char *)(uintptr_t)world_host_name(world->home),
                              .may_power = true};
        if (stage.calm || !chance(2)) /* out of the pool for a moment */
            assert_true(inventory_builder_guest(builder, &guest));
    }
    for (int host = 0; host < WORLD_HOSTS; host++)
        assert_true(inventory_builder_node(builder, world_host_name(host), true));
    inventory_unref(rooms.inventory);
    rooms.inventory = inventory_builder_finish(builder, clock_now_ms());
    assert_non_null(rooms.inventory);
    stage.inventory_ms = clock_now_ms() + 10000;
    TELL("  the guests are listed");
    match_twins();
    stage.submitting = true;
    engine_round_ended(stage.engine);
    stage.submitting = false;
}

static void end_daemon(void)
{
    check_counts();
    engine_free(stage.engine);
    CHECK(!rooms.flights, "nothing is under way without an engine");
    for (unsigned i = 0; i < stage.player_count; i++) {
        if (stage.players[i].state == WAITS)
            stage.players[i].state = DROPPED;
    }
    memset(stage.answers, 0, sizeof(stage.answers));
    history_restart(&rooms.history);
}

static void begin_daemon(void)
{
    stage.engine = engine_new(NULL, NULL, NULL, &rooms.history, &stage.settings);
    assert_non_null(stage.engine);
}

static void restart(void)
{
    end_daemon();
    begin_daemon();
    stage.restarted_ms = clock_now_ms();
    TELL("  the daemon was restarted");
    tally.restarts++;
    if (chance(50)) { /* the new one knows nothing yet */
        inventory_unref(rooms.inventory);
        rooms.inventory = NULL;
        stage.inventory_ms = clock_now_ms() + between(0, 20000);
    }
    unsigned count = stage.player_count;
    for (unsigned i = 0; i < count; i++) {
        if (stage.players[i].state == DROPPED && chance(80))
            ask_again(&stage.players[i]);
    }
}

static void on_drained(void *context)
{
    (void)context;
    CHECK(!stage.drained, "drained is said once");
    CHECK(engine_running(stage.engine) == 0, "drained means that nothing runs");
    stage.drained = true;
}

static void something_happens(void)
{
    if (chance(10))
        rooms.history.disk = (enum disk)between(DISK_FINE, DISK_LOST);
    rooms.no_memory = has(NO_MEMORY, 10);
    if (clock_now_ms() >= stage.inventory_ms)
        learn_guests();
    leave_in_time();
    if (chance(1) && !stage.calm)
        restart();
    if (chance(5) && stage.player_count > 0)
        ask_again(&stage.players[between(0, stage.player_count - 1)]);
}

/* ---- an episode ---- */

static void run_until(int64_t until_ms)
{
    int64_t moment_ms = clock_now_ms();
    unsigned turns = 0;
    while (loop_turn(until_ms)) {
        turns = clock_now_ms() == moment_ms ? turns + 1 : 0;
        moment_ms = clock_now_ms();
        CHECK(turns < TURNS_A_MS_MAX, "P7: no loop without time");
    }
    check_counts();
}

static void check_everybody_has_an_answer(void)
{
    for (unsigned i = 0; i < stage.player_count; i++)
        CHECK(stage.players[i].state != WAITS || !is_there(&stage.players[i]),
              "everybody has an answer in the end");
    CHECK(engine_running(stage.engine) == 0, "P7: every operation ends");
}

static void finish(void)
{
    if (chance(30)) {
        stage.draining = true;
        engine_drain(stage.engine, 5000, on_drained, NULL);
        ask_something(false);
        run_until(clock_now_ms() + 5000);
        CHECK(stage.drained, "draining ends in time");
        CHECK(stage.added == stage.ended_count, "P5: what was under way is recorded");
        return;
    }
    int64_t until_ms = clock_now_ms() + 2 * (stage.settings.deadline_ms + STEP_START_ROOM_MS);
    while (clock_now_ms() < until_ms && (engine_running(stage.engine) || stage.calm)) {
        rooms.no_memory = false;
        if (clock_now_ms() >= stage.inventory_ms)
            learn_guests();
        run_until(clock_now_ms() + 5000);
    }
    run_until(clock_now_ms() + stage.settings.deadline_ms + 1000);
    check_everybody_has_an_answer();
}

/* What the case used, for a smaller one. */
static void take_stock(void)
{
    struct property_case *one = stage.one;
    one->used[PROPERTY_GUESTS] = (unsigned)play.guest_count;
    one->parts[PROPERTY_TROUBLES] = play.troubles;
    *stage.events += loop.callbacks - stage.callbacks_before;
    for (int i = 0; i < play.guest_count; i++) {
        const struct world *world = &play.guests[i].world;
        one->parts[PROPERTY_FAULTS] |= world->faults;
        if (one->used[PROPERTY_WHIMS] < world->whims)
            one->used[PROPERTY_WHIMS] = world->whims;
    }
}

/* An episode that was left in the middle: nothing of it can be freed, as nothing of it need be whole. */
static void forget(void)
{
    take_stock();
    loop_forget();
    memset(&rooms, 0, sizeof(rooms));
}

static void begin_play(struct property_case *one)
{
    memset(one->parts, 0, sizeof(one->parts));
    memset(one->used, 0, sizeof(one->used));
    play_init(one);
    memset(&stage, 0, sizeof(stage));
    stage.one = one;
    stage.calm = !play.troubles;
    for (int i = 0; i < play.guest_count; i++)
        stage.calm &= !play.guests[i].world.faults;
    stage.settings = (struct engine_settings){.deadline_ms = chance(70) ? 240000 : 30000,
                                              .lock_wait_ms = 5000,
                                              .stop_timeout_ms = 3000,
                                              .answer_timeout_ms = ANSWER_TIMEOUT_MS};
    rooms.on_call = on_call;
    rooms.free_plan = free_plan;
    rooms.history.on_added = on_added;
    rooms.history.on_outcome = on_outcome;
    rooms.history.disk = chance(70) ? DISK_FINE : (enum disk)between(DISK_SLOW, DISK_LOST);
    loop.tell = property.trace;
}

static void play_case(struct property_case *one, uint64_t *events)
{
    begin_play(one);
    stage.events = events;
    stage.callbacks_before = loop.callbacks;
    begin_daemon();
    stage.inventory_ms = clock_now_ms() + (chance(70) ? 0 : between(1, 100000));
    if (stage.inventory_ms == clock_now_ms())
        learn_guests();
    int64_t requests = between(1, REQUESTS_MAX), gap_ms = chance(30) ? 100 : chance(50) ? 3000 : 15000;
    for (int64_t i = 0; i < requests; i++) {
        uint64_t bit = UINT64_C(1) << i;
        one->parts[PROPERTY_REQUESTS] |= bit & ~one->without[PROPERTY_REQUESTS];
        ask_something(one->without[PROPERTY_REQUESTS] & bit);
        do {
            run_until(clock_now_ms() + between(0, gap_ms));
            something_happens();
        } while (chance(50));
    }
    while (!rooms.inventory || chance(80)) {
        run_until(clock_now_ms() + between(0, 10000));
        something_happens();
    }
    finish();
    tally.joins += engine_counters(stage.engine)->joined;
    end_daemon();
    rooms_free();
    CHECK(loop.alive == 0, "nothing is left over");
    take_stock();
    tally.episodes++;
}

static void test_promises_hold_for_every_asker_whatever_happens(void **state)
{
    (void)state;
    uint64_t steps = property_number("STEPS", STEPS_DEFAULT), done = 0;
    uint64_t episodes = property_run(steps, play_case, forget, &done);
    print_message("%" PRIu64 " events, %" PRIu64 " episodes, %" PRIu64 " requests: %" PRIu64 " done, %" PRIu64
                  " too many, %" PRIu64 " abandoned, %" PRIu64 " deadline; %" PRIu64 " joined, %" PRIu64
                  " left, %" PRIu64 " repeated, %" PRIu64 " restarts, %" PRIu64 " late stops, %" PRIu64
                  " power-ons superseded\n",
                  done, tally.episodes, tally.requests, tally.codes[ERROR_NONE], tally.codes[ERROR_TOO_MANY],
                  tally.codes[ERROR_ABANDONED], tally.codes[ERROR_DEADLINE], tally.joins, tally.left,
                  tally.repeated, tally.restarts, tally.late_stops, tally.superseded);
    if (!episodes)
        return;
    /* the play must not be so cruel, or so kind, that nothing is tested */
    assert_true(tally.codes[ERROR_NONE] > tally.requests / 4);
    if (steps < STEPS_DEFAULT)
        return;
    assert_true(tally.codes[ERROR_TOO_MANY] && tally.codes[ERROR_ABANDONED] && tally.codes[ERROR_DEADLINE]);
    assert_true(tally.joins && tally.repeated && tally.restarts && tally.late_stops && tally.superseded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises_hold_for_every_asker_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
