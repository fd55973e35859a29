/*
 * The room of dead hosts against a model of Proxmox HA that knows the truth (ha_world.h), timeline after
 * timeline: a host loses its power or its network, and around that moment hosts, services, LRMs, managers,
 * people and polls do what they may do. A claim is false if guests run on that host in the moment that its
 * sample speaks of.
 *
 * STEPS=n plays so many timelines; how to repeat one that failed stands in property.h (its faults are the
 * kinds of what happens, its whims how often).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/dead_hosts.h"
#include "ha_world.h"
#include "property.h"

#define STEPS_DEFAULT 3000
#define AFTER_S       420 /* how long a timeline goes on after the moment */
#define EVENTS_MAX    10
#define KINDS_MAX     5
#define BOOT          "model"

enum happening {
    CUT,
    POWER_LOSS,
    HEAL,
    CUT_ANOTHER,
    CUT_MOST,
    POWER_ON,
    LRM_RESTART,
    LRM_STOP,
    LRM_KILL,
    HOST_SHUTDOWN,
    DISARM_FREEZE,
    DISARM_IGNORE,
    ARM,
    ADD_SERVICE,
    REMOVE_SERVICE,
    START_SERVICE,
    STOP_SERVICE,
    IGNORE_SERVICE,
    MIGRATE,
    MAINTENANCE,
    MAINTENANCE_OVER,
    CRM_STOP,
    CUT_IN_RELEASE,
    CUT_IN_RENEWAL,
    HAPPENINGS,
    /* of the whole timeline */
    NO_MUX = HAPPENINGS,
    LRM_NOT_STARTED,
    LOST_SAMPLES,
    SLOW_SAMPLES,
    HOSTS_ONLY,
    MINORITY_SAMPLES,
    BROKER_PAUSES,
    BROKER_RESTARTS,
    NO_TIMESTAMPS,
    FAULTS
};

static const char *const words[] = {
    "cut",         "power loss",  "heal",           "cut another",   "cut most",       "power on",
    "LRM restart", "LRM stop",    "LRM kill",       "host shutdown", "disarm freeze",  "disarm ignore",
    "arm",         "add service", "remove",         "start service", "stop service",   "ignore service",
    "migrate",     "maintenance", "no maintenance", "CRM stop",      "cut in release", "cut in renewal",
};

struct event {
    int at;
    enum happening what;
    int host, service;
};

struct poll {
    struct dead_hosts_host hosts[HA_HOSTS_MAX];
    struct dead_hosts_agent agents[HA_HOSTS_MAX];
    struct dead_hosts_service services[HA_SERVICES];
    bool alive[HA_HOSTS_MAX]; /* the truth, when the hosts were read */
    struct dead_hosts_sample sample;
    int asked, hosts_read, ha_read, came; /* seconds of the world */
    bool under_way, lost;
};

static struct {
    struct ha_world world;
    struct dead_hosts *room;
    struct event events[EVENTS_MAX];
    unsigned event_count;
    uint64_t faults;
    int victim, moment, interval, next_poll;
    int64_t stood_still_s; /* how much less the broker's clock shows */
    struct poll poll;
    bool fence_comes; /* after a pause, before the next sample */
    int cut_again;    /* the host that was back in it leaves then; 0: none was */
    bool fenced[HA_HOSTS_MAX], counted[HA_HOSTS_MAX];
    bool seen[HA_HOSTS_MAX]; /* by the cluster, a second ago */
    bool back[HA_HOSTS_MAX]; /* it came back after the last sample, and its LRM has written nothing since */
    int written[HA_HOSTS_MAX];
} play;

static uint64_t request_stats_deaths, request_stats_claims, request_stats_recovered, request_stats_online,
    request_stats_unseen;

static const char *const host_names[] = {"pve1", "pve2", "pve3", "pve4", "pve5"};
static const char *const sids[] = {"vm:101", "vm:102", "vm:103", "ct:104"};

#define TRACE(...)                                                                                           \
    do {                                                                                                     \
        if (property.trace)                                                                                  \
            fprintf(stderr, __VA_ARGS__);                                                                    \
    } while (0)

static bool has(enum happening what)
{
    return play.faults & UINT64_C(1) << what;
}

/* ---- what happens ---- */

static void happen_to_lrm(const struct event *event)
{
    struct ha_world *world = &play.world;

    switch ((int)event->what) {
    case LRM_RESTART:
        ha_lrm_leave(world, event->host, HA_MODE_RESTART,
                     1 + (int)ha_random(world, ha_chance(world, 50) ? 3 : 40));
        break;
    case LRM_STOP:
        ha_lrm_leave(world, event->host, HA_MODE_RESTART, 0);
        break;
    case LRM_KILL:
        ha_lrm_kill(world, event->host, (int)ha_random(world, 40));
        break;
    case HOST_SHUTDOWN:
        ha_lrm_leave(world, event->host, ha_chance(world, 50) ? HA_MODE_SHUTDOWN : HA_MODE_RESTART, 0);
        world->host[event->host].power_off = world->now + 30 + (int)ha_random(world, 180);
        break;
    case MAINTENANCE:
    case MAINTENANCE_OVER:
        world->status.maintenance[event->host] = event->what == MAINTENANCE;
        break;
    default:
        break;
    }
}

static void command(enum ha_disarm what, bool ignore)
{
    play.world.commanded = true;
    play.world.command = what;
    play.world.command_ignore = ignore;
}

static void happen_to_service(const struct event *event)
{
    struct ha_world *world = &play.world;
    enum ha_wish *wish = &world->wish[event->service];

    switch ((int)event->what) {
    case ADD_SERVICE:
        if (*wish != HA_WISH_NONE && *wish != HA_WISH_IGNORED)
            break;
        world->home[event->service] = ha_chance(world, 70) ? play.victim : event->host;
        *wish = HA_WISH_STARTED;
        break;
    case REMOVE_SERVICE:
        *wish = HA_WISH_NONE;
        break;
    case START_SERVICE:
        *wish = HA_WISH_STARTED;
        break;
    case STOP_SERVICE:
        *wish = ha_chance(world, 50) ? HA_WISH_STOPPED : HA_WISH_DISABLED;
        break;
    case IGNORE_SERVICE:
        *wish = HA_WISH_IGNORED;
        break;
    case MIGRATE:
        world->migrate_to[event->service] = ha_chance(world, 50) ? play.victim : event->host;
        break;
    default:
        break;
    }
}

static void heal(void)
{
    for (int h = 0; h < play.world.hosts; h++)
        play.world.host[h].side = 0;
}

static void happen(const struct event *event)
{
    struct ha_world *world = &play.world;

    TRACE("%d: %s %s %s\n", world->now, words[event->what], host_names[event->host], sids[event->service]);
    switch ((int)event->what) {
    case CUT:
        ha_cut(world, play.victim);
        break;
    case POWER_LOSS:
        ha_power_off(world, event->host);
        break;
    case HEAL:
        heal();
        break;
    case CUT_ANOTHER:
        ha_cut(world, event->host);
        break;
    case CUT_MOST:
        for (int h = 0; h < world->hosts; h++)
            world->host[h].side = h == play.victim || h == event->host ? 0 : (int)ha_random(world, 2);
        break;
    case POWER_ON:
        if (!world->host[event->host].powered)
            ha_power_on(world, event->host);
        break;
    case DISARM_FREEZE:
    case DISARM_IGNORE:
        command(HA_DISARMING, event->what == DISARM_IGNORE);
        break;
    case ARM:
        command(HA_ARMED, false);
        break;
    case CRM_STOP:
        ha_crm_leave(world, event->host);
        break;
    case CUT_IN_RELEASE:
        world->host[event->host].cut_in_release = true;
        break;
    case CUT_IN_RENEWAL:
        world->host[event->host].cut_in_renewal = true;
        break;
    default:
        happen_to_lrm(event);
        happen_to_service(event);
        break;
    }
}

/* Most of it near the moment, where the races are; returns and second thoughts later. */
static int choose_time(struct ha_world *world, enum happening what)
{
    bool later = what == HEAL || what == POWER_ON || what == MAINTENANCE_OVER;
    int near = (int)ha_random(world, 50) - (int)ha_random(world, 50);

    if (what == CUT || what == POWER_LOSS)
        return ha_chance(world, 80) ? play.moment : play.moment + (int)ha_random(world, 240);
    if (later || ha_chance(world, 25))
        return play.moment + 5 + (int)ha_random(world, 240);
    return play.moment + near;
}

/* A few kinds in each timeline, so that those that belong together meet. */
static void write_script(struct property_case *one)
{
    struct ha_world *world = &play.world;
    unsigned wanted = 1 + ha_random(world, EVENTS_MAX);
    enum happening kinds[KINDS_MAX];
    unsigned kind_count = 1 + ha_random(world, KINDS_MAX);

    play.victim = (int)ha_random(world, (unsigned)world->hosts);
    play.moment = world->now + 60 + (int)ha_random(world, 200);
    for (unsigned i = 0; i < kind_count; i++)
        kinds[i] = (enum happening)ha_random(world, HAPPENINGS);
    for (unsigned i = 0; i < wanted; i++) {
        enum happening what =
            i == 0 ? (ha_chance(world, 75) ? CUT : POWER_LOSS) : kinds[ha_random(world, kind_count)];
        struct event event = {
            .at = choose_time(world, what),
            .what = what,
            .host = ha_chance(world, 60) ? play.victim : (int)ha_random(world, (unsigned)world->hosts),
            .service = (int)ha_random(world, HA_SERVICES),
        };
        bool left_out = !has(what) || i >= one->at_most[PROPERTY_WHIMS];
        one->parts[PROPERTY_FAULTS] |= UINT64_C(1) << what;
        if (!left_out)
            play.events[play.event_count++] = event;
    }
    one->used[PROPERTY_WHIMS] = wanted;
}

/* ---- polls ---- */

static int64_t own_ms(int s)
{
    return ((int64_t)s - play.stood_still_s) * 1000;
}

static const char *hastate_word(enum ha_node node)
{
    static const char *const states[] = {"online", "unknown", "fence", "maintenance"};
    return states[node];
}

static const char *service_word(enum ha_service_state state)
{
    static const char *const states[] = {NULL,     "request_start", "started",  "request_stop", "stopped",
                                         "freeze", "fence",         "recovery", "migrate"};
    return states[state];
}

static void read_hosts(void)
{
    struct ha_world *world = &play.world;
    struct poll *poll = &play.poll;
    bool minority = has(MINORITY_SAMPLES) && ha_chance(world, 30) && world->host[play.victim].powered &&
                    !world->host[play.victim].member;
    int known = 0, online = 0, members = 0;

    for (int h = 0; h < world->hosts; h++)
        members += world->host[h].member && world->host[h].quorate;
    for (int h = 0; h < world->hosts; h++) {
        const struct ha_host *host = &world->host[h];
        bool seen = minority ? h == play.victim : host->seen && members > 0;
        poll->alive[h] = host->guests;
        poll->hosts[h] = (struct dead_hosts_host){
            .name = host_names[h], .hastate = hastate_word(world->status.nodes[h]), .online = seen};
        known++;
        online += seen;
    }
    poll->sample.majority = !minority && members > 0 && 2 * online > known;
    for (int h = 0; h < world->hosts && poll->sample.majority && !poll->lost; h++)
        play.back[h] &= !poll->hosts[h].online;
    poll->sample.hosts = poll->hosts;
    poll->sample.host_count = (size_t)world->hosts;
}

static enum dead_hosts_lrm lrm_word(const struct ha_lrm_file *file, int now)
{
    if (file->state == HA_LRM_NONE)
        return DEAD_HOSTS_LRM_UNKNOWN;
    if (now - file->timestamp > 30)
        return file->mode == HA_MODE_DISARM || file->mode == HA_MODE_MAINTENANCE ? DEAD_HOSTS_LRM_OTHER
                                                                                 : DEAD_HOSTS_LRM_OLD;
    return file->state == HA_LRM_ACTIVE && file->mode == HA_MODE_ACTIVE ? DEAD_HOSTS_LRM_ACTIVE
                                                                        : DEAD_HOSTS_LRM_OTHER;
}

static void read_ha(void)
{
    struct ha_world *world = &play.world;
    struct poll *poll = &play.poll;
    size_t count = 0;

    for (int h = 0; h < world->hosts; h++)
        poll->agents[h] =
            (struct dead_hosts_agent){.host = host_names[h],
                                      .lrm = lrm_word(&world->files[h], world->now),
                                      .timestamp_s = has(NO_TIMESTAMPS) ? 0 : world->files[h].timestamp};
    for (int i = 0; i < HA_SERVICES; i++) {
        const struct ha_service *service = &world->status.services[i];
        if (service->state != HA_ABSENT || world->wish[i] != HA_WISH_NONE)
            poll->services[count++] = (struct dead_hosts_service){
                .sid = sids[i],
                .host = host_names[service->state ? service->node : world->home[i]],
                .state = service_word(service->state)};
    }
    poll->sample.ha_read = !has(HOSTS_ONLY) || !ha_chance(world, 20);
    poll->sample.armed = world->status.disarm == HA_ARMED;
    poll->sample.agents = poll->agents;
    poll->sample.agent_count = (size_t)world->hosts;
    poll->sample.services = poll->services;
    poll->sample.service_count = count;
}

/* A host that came back, started its guests and left again between two samples, while its LRM, which is
 * started before them, wrote nothing: no poll can see that, and the design takes for granted that it does not
 * happen. */
static void follow_returns(void)
{
    struct ha_world *world = &play.world;

    for (int h = 0; h < world->hosts; h++) {
        if (world->files[h].timestamp != play.written[h])
            play.back[h] = false;
        else if (world->host[h].seen && !play.seen[h])
            play.back[h] = true;
        play.seen[h] = world->host[h].seen;
        play.written[h] = world->files[h].timestamp;
    }
}

static void check(void)
{
    struct ha_world *world = &play.world;

    for (int h = 0; h < world->hosts; h++) {
        struct dead_hosts_answer answer = dead_hosts_ask(play.room, host_names[h], own_ms(play.poll.came));
        bool fenced = answer.state == DEAD_HOSTS_FENCED;
        if (fenced && !play.fenced[h])
            TRACE("%d: %s fenced (%s), left %d\n", world->now, host_names[h],
                  answer.reason == DEAD_HOSTS_RECOVERED ? "recovered" : "lock expired",
                  (int)(answer.left_ms / 1000 + play.stood_still_s));
        bool is_false = fenced && play.poll.alive[h] && answer.seen_ms == own_ms(play.poll.asked);
        request_stats_unseen += is_false && !play.fenced[h] && play.back[h];
        if (is_false && !play.back[h])
            property_break("P1: no claim of a host whose guests run",
                           "%s is called fenced at %d, and its guests run", host_names[h], world->now);
        request_stats_claims += fenced && !play.counted[h];
        request_stats_recovered += fenced && !play.counted[h] && answer.reason == DEAD_HOSTS_RECOVERED;
        play.counted[h] |= fenced;
        play.fenced[h] = fenced;
        request_stats_online += answer.state == DEAD_HOSTS_ONLINE && answer.watched;
    }
}

/* A fence reads the hosts alone, and believes nothing of before it came. */
static void fence_now(void)
{
    struct ha_world *world = &play.world;
    int64_t now_ms = own_ms(world->now);

    play.fence_comes = false;
    play.poll = (struct poll){.sample = {.asked_ms = now_ms, .came_ms = now_ms}};
    read_hosts();
    dead_hosts_take(play.room, &play.poll.sample);
    for (int h = 0; h < world->hosts; h++) {
        struct dead_hosts_answer answer = dead_hosts_ask_since(play.room, host_names[h], now_ms, now_ms);
        if (answer.state == DEAD_HOSTS_FENCED && world->host[h].guests)
            property_break("P1: no fence believes an old claim",
                           "%s was back in a pause, and its guests run at %d", host_names[h], world->now);
    }
}

static void begin_poll(void)
{
    struct ha_world *world = &play.world;
    struct poll *poll = &play.poll;
    bool slow = has(SLOW_SAMPLES) && ha_chance(world, 20);

    *poll = (struct poll){.under_way = true, .asked = world->now};
    poll->hosts_read = world->now + (slow ? (int)ha_random(world, 4) : 0);
    poll->ha_read = poll->hosts_read + (slow ? (int)ha_random(world, 4) : 0);
    poll->came = poll->ha_read + (slow ? (int)ha_random(world, 3) : 0);
    poll->lost = has(LOST_SAMPLES) && ha_chance(world, 25);
}

static void restart_broker(void)
{
    char records[HA_HOSTS_MAX][DEAD_HOSTS_RECORD_MAX];
    bool written[HA_HOSTS_MAX];

    for (int h = 0; h < play.world.hosts; h++)
        written[h] = dead_hosts_write(play.room, host_names[h], BOOT, records[h]);
    dead_hosts_free(play.room);
    play.room = dead_hosts_new();
    for (int h = 0; h < play.world.hosts; h++) {
        if (written[h] && !dead_hosts_read(play.room, BOOT, records[h], strlen(records[h])))
            property_break("a record can be read", "%s", records[h]);
    }
    play.next_poll = play.world.now + (int)ha_random(&play.world, ha_chance(&play.world, 70) ? 20 : 120);
}

static void pause_broker(void)
{
    struct ha_world *world = &play.world;
    int pause = 1 + (int)ha_random(world, 200);

    play.next_poll += pause;
    play.stood_still_s += pause;
    play.fence_comes = true;
    if (!play.fenced[play.victim] || ha_chance(world, 50))
        return;
    play.cut_again = play.next_poll - 2;
    heal();
    happen(&(struct event){.what = POWER_ON, .host = play.victim});
}

static void follow_poll(void)
{
    struct ha_world *world = &play.world;
    struct poll *poll = &play.poll;

    if (!poll->under_way && play.fence_comes && world->now + 1 >= play.next_poll)
        fence_now();
    if (!poll->under_way && world->now >= play.next_poll)
        begin_poll();
    if (!poll->under_way)
        return;
    if (world->now == poll->hosts_read)
        read_hosts();
    if (world->now == poll->ha_read)
        read_ha();
    if (world->now < poll->came)
        return;
    poll->under_way = false;
    play.next_poll = poll->asked + play.interval > world->now ? poll->asked + play.interval : world->now + 1;
    if (poll->lost)
        return;
    poll->sample.asked_ms = own_ms(poll->asked);
    poll->sample.came_ms = own_ms(poll->came);
    dead_hosts_take(play.room, &poll->sample);
    check();
    if (has(BROKER_RESTARTS) && ha_chance(world, 1))
        restart_broker();
    /* without timestamps nobody could know of one: host_watch_sample takes such answers for unread */
    if (has(BROKER_PAUSES) && !has(NO_TIMESTAMPS) && ha_chance(world, play.fenced[play.victim] ? 10 : 1))
        pause_broker();
}

/* ---- timelines ---- */

static void choose_faults(struct property_case *one)
{
    struct ha_world *world = &play.world;

    play.faults = (UINT64_C(1) << HAPPENINGS) - 1;
    for (int fault = HAPPENINGS; fault < FAULTS; fault++)
        play.faults |= ha_chance(world, 25) ? UINT64_C(1) << fault : 0;
    one->parts[PROPERTY_FAULTS] = play.faults & ~((UINT64_C(1) << HAPPENINGS) - 1);
    play.faults &= ~one->without[PROPERTY_FAULTS];
    for (int h = 0; h < world->hosts; h++) {
        if (has(NO_MUX) && ha_chance(world, 50))
            world->host[h].mux = false;
        if (has(LRM_NOT_STARTED) && ha_chance(world, 50))
            world->host[h].lrm_starts = false;
    }
}

static void forget(void)
{
    dead_hosts_free(play.room);
    play.room = NULL;
}

static void play_timeline(struct property_case *one, uint64_t *events)
{
    struct ha_world *world = &play.world;
    bool gone[HA_HOSTS_MAX] = {false};

    memset(&play, 0, sizeof(play));
    play.room = dead_hosts_new();
    ha_world_init(world, one->seed);
    choose_faults(one);
    write_script(one);
    play.interval = 1 + (int)ha_random(world, 10);
    play.next_poll = world->now + (int)ha_random(world, 10);
    for (int end = play.moment + AFTER_S; world->now < end;) {
        ha_world_step(world);
        for (unsigned i = 0; i < play.event_count; i++) {
            if (play.events[i].at == world->now)
                happen(&play.events[i]);
        }
        if (play.cut_again == world->now)
            ha_cut(world, play.victim);
        follow_returns();
        follow_poll();
        for (int h = 0; h < world->hosts; h++) {
            request_stats_deaths += !world->host[h].guests && !gone[h];
            gone[h] |= !world->host[h].guests;
        }
    }
    forget();
    (*events)++;
}

static void test_no_claim_is_false(void **state)
{
    (void)state;
    uint64_t timelines = 0;
    uint64_t count = property_run(property_number("STEPS", STEPS_DEFAULT), play_timeline, forget, &timelines);

    if (request_stats_unseen)
        printf("# %" PRIu64
               " times a host came back, started guests and left between two samples, its LRM silent\n",
               request_stats_unseen);
    printf("# %" PRIu64 " timelines from seed %" PRIu64 ": %" PRIu64 " hosts died, %" PRIu64
           " were called fenced (%" PRIu64 " when HA recovered), none falsely\n",
           timelines, property_number("SEED", property_number("FIRST", 1)), request_stats_deaths,
           request_stats_claims, request_stats_recovered);
    if (count) { /* the model is a world in which there is something to claim */
        assert_true(request_stats_claims * 10 > request_stats_deaths);
        assert_true(request_stats_recovered > 0 && request_stats_online > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_claim_is_false)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
