/*
 * A sample is two questions, one after the other: who is online, and what does HA do. They come at the pace
 * that dead_hosts needs, and at once where somebody has seen a host leave. An endpoint that a minority stands
 * behind, or that fails, is asked last the next time.
 */
#include "fence/host_watch.h"

#include "fence/dead_hosts_memory.h"
#include "fence/host_watch_sample.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host_watch {
    struct event_base *base;
    struct rooms rooms;
    struct dead_hosts *hosts;         /* NULL: dead-host = fail */
    struct dead_hosts_memory *memory; /* NULL: a restart forgets */
    bool recalled;                    /* what it knew at the start */
    char *cluster;                    /* that is known */
    struct event *timer;
    int64_t answer_timeout_ms;
    int min_online_nodes;

    /* the sample under way */
    uint64_t call;             /* 0: none is */
    struct json_object *nodes; /* the first answer; NULL: it is waited for */
    size_t endpoint;           /* which gave it */
    int64_t asked_ms;          /* the first question; CLOCK_BOOTTIME, as all times of dead_hosts */
    bool again;                /* another one at once */

    uint64_t avoid; /* endpoints of no use just now */
    bool not_armed; /* by HA's last word */
    bool hurries;   /* a host that has left may still turn out to be fenced */
};

/* To CLOCK_BOOTTIME, and back. */
static int64_t apart_ms(void)
{
    return clock_boottime_ms() - clock_now_ms();
}

/* ---- pace ---- */

static void arm(struct host_watch *watch, int64_t wait_ms)
{
    const struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    event_add(watch->timer, &tv);
}

static void end_sample(struct host_watch *watch, bool good)
{
    json_putp(&watch->nodes);
    watch->nodes = NULL;
    watch->call = 0;
    int64_t pace_ms = watch->hurries ? HOST_WATCH_HURRY_MS : HOST_WATCH_REST_MS;
    int64_t left_ms = watch->asked_ms + pace_ms - clock_boottime_ms();
    if (!good)
        left_ms = HOST_WATCH_AGAIN_MS;
    if (watch->again)
        left_ms = 0;
    watch->again = false;
    arm(watch, left_ms > 0 ? left_ms : 0);
}

static void sample_now(struct host_watch *watch)
{
    if (watch->call)
        watch->again = true;
    else
        arm(watch, 0);
}

/* ---- what was read becomes a sample ---- */

static bool may_still_be_fenced(const struct host_watch *watch, const struct dead_hosts_sample *sample)
{
    for (size_t i = 0; i < sample->host_count; i++) {
        struct dead_hosts_answer answer =
            dead_hosts_ask(watch->hosts, sample->hosts[i].name, sample->came_ms);
        if (!sample->hosts[i].online && answer.watched)
            return true;
    }
    return false;
}

/* False: it tells nothing of HA, or a minority stands behind it. */
static bool take(struct host_watch *watch, struct json_object *nodes, struct json_object *ha,
                 int64_t asked_ms, int64_t came_ms)
{
    struct dead_hosts_sample sample;

    if (!host_watch_sample(&sample, nodes, ha, poller_inventory(watch->rooms.poller),
                           watch->min_online_nodes))
        return false;
    sample.asked_ms = asked_ms;
    sample.came_ms = came_ms;
    dead_hosts_take(watch->hosts, &sample);
    dead_hosts_memory_keep(watch->memory, watch->hosts);
    watch->hurries = may_still_be_fenced(watch, &sample);
    bool whole = sample.majority && sample.ha_read;
    if (whole)
        watch->not_armed = !sample.armed;
    host_watch_sample_clear(&sample);
    return whole;
}

/* ---- questions ---- */

static void on_answer(void *context, uint64_t id, const struct api_result *result);

static void ask(struct host_watch *watch, enum api_call call)
{
    struct session_route route = {
        .deadline_ms = clock_now_ms() + DEAD_HOSTS_GAP_MS,
        .answer_timeout_ms = watch->answer_timeout_ms,
        .avoid = watch->avoid,
    };
    watch->call =
        session_call(watch->rooms.session, &(struct api_request){.call = call}, &route, on_answer, watch);
    if (!watch->call)
        end_sample(watch, false);
}

static void on_hosts(struct host_watch *watch, const struct api_result *result)
{
    if (result->outcome != API_OK) {
        end_sample(watch, false);
        return;
    }
    watch->nodes = json_object_get(result->data);
    watch->endpoint = result->endpoint;
    ask(watch, API_HA_STATUS);
}

/* A quorum of one endpoint's says nothing of the hosts that another one has listed. */
static void on_ha(struct host_watch *watch, const struct api_result *result)
{
    bool read = result->outcome == API_OK && result->endpoint == watch->endpoint;
    bool whole = take(watch, watch->nodes, read ? result->data : NULL, watch->asked_ms,
                      result->received_ms + apart_ms());
    /* a privilege that is missing is not there in two seconds either */
    end_sample(watch, whole || result->http_status == 403);
    watch->avoid = whole || result->http_status == 403 ? 0 : watch->avoid | UINT64_C(1) << watch->endpoint;
}

static void on_answer(void *context, uint64_t id, const struct api_result *result)
{
    struct host_watch *watch = context;
    if (id != watch->call)
        return;
    watch->call = 0;
    if (watch->nodes)
        on_ha(watch, result);
    else
        on_hosts(watch, result);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct host_watch *watch = context;
    if (!watch->hosts || watch->call)
        return;
    watch->asked_ms = clock_boottime_ms();
    ask(watch, API_NODES);
}

/* ---- what others read, and ask ---- */

void host_watch_hosts_read(struct host_watch *watch, const struct api_result *result)
{
    bool hurried;

    if (!watch || !watch->hosts || result->outcome != API_OK)
        return;
    hurried = watch->hurries;
    (void)take(watch, result->data, NULL, result->asked_ms + apart_ms(), result->received_ms + apart_ms());
    if (watch->hurries && !hurried)
        sample_now(watch);
    watch->hurries |= hurried; /* the next whole sample tells better */
}

static int64_t ours(int64_t boottime_ms, int64_t apart)
{
    return boottime_ms ? boottime_ms - apart : 0;
}

struct dead_hosts_word host_watch_ask(struct host_watch *watch, const char *host, int64_t since_ms)
{
    struct dead_hosts_word word = {.trusted = watch && watch->hosts};
    int64_t now_ms = clock_boottime_ms(),
            apart = apart_ms(); /* read once: its moments keep their distances */

    if (!word.trusted)
        return word;
    since_ms += apart;
    word.host = dead_hosts_ask_since(watch->hosts, host, since_ms, now_ms);
    if (word.host.state != DEAD_HOSTS_FENCED && watch->asked_ms <= since_ms &&
        dead_hosts_ask(watch->hosts, host, now_ms).state == DEAD_HOSTS_FENCED)
        sample_now(watch);
    word.disarmed = watch->not_armed || word.host.missing == DEAD_HOSTS_DISARMED;
    word.host.seen_ms = ours(word.host.seen_ms, apart);
    word.host.left_ms = ours(word.host.left_ms, apart);
    word.host.fenced_ms = ours(word.host.fenced_ms, apart);
    word.host.due_ms = ours(word.host.due_ms, apart);
    return word;
}

const struct dead_hosts *host_watch_hosts(const struct host_watch *watch)
{
    return watch ? watch->hosts : NULL;
}

/* ---- the room ---- */

static void forget(struct host_watch *watch)
{
    session_cancel(watch->rooms.session, watch->call);
    watch->call = 0;
    json_putp(&watch->nodes);
    watch->nodes = NULL;
    event_del(watch->timer);
    dead_hosts_free(watch->hosts);
    watch->hosts = NULL;
    free(watch->cluster);
    watch->cluster = NULL;
    watch->not_armed = watch->hurries = watch->again = false;
    watch->avoid = 0;
}

/* Which cluster is asked: another one may have hosts of the same names. NULL: no memory. */
static char *cluster_of(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < config->endpoint_count; i++)
        fprintf(out, "%s\n", config->endpoints[i].text);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

bool host_watch_set_config(struct host_watch *watch, const struct config *config)
{
    _cleanup_(freep) char *cluster = cluster_of(config);

    watch->answer_timeout_ms = config->answer_timeout_ms;
    watch->min_online_nodes = config->min_online_nodes;
    if (!config->trust_ha || !cluster || !watch->cluster || strcmp(cluster, watch->cluster) != 0)
        forget(watch);
    if (!config->trust_ha || watch->hosts)
        return true;
    watch->hosts = cluster ? dead_hosts_new() : NULL;
    if (!watch->hosts)
        return false;
    watch->cluster = TAKE(cluster);
    if (watch->recalled)
        dead_hosts_memory_use(watch->memory, watch->cluster);
    else
        dead_hosts_memory_recall(watch->memory, watch->hosts, watch->cluster);
    watch->recalled = true;
    arm(watch, 0);
    return true;
}

struct host_watch *host_watch_new(struct event_base *base, const struct rooms *rooms,
                                  struct dead_hosts_memory *memory, const struct config *config)
{
    struct host_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    *watch = (struct host_watch){.base = base, .rooms = *rooms, .memory = memory};
    watch->timer = event_new(base, -1, 0, on_timer, watch);
    if (!watch->timer || !host_watch_set_config(watch, config)) {
        host_watch_free(watch);
        return NULL;
    }
    return watch;
}

void host_watch_free(struct host_watch *watch)
{
    if (!watch)
        return;
    if (watch->timer) {
        forget(watch);
        event_free(watch->timer);
    }
    free(watch);
}
