/*
 * Live reads: is the guest on? The guest's host is asked, and where the guest moved, it is looked for. An
 * answer that is lost or of no use is asked for again until the deadline (P3), unless the guest's host is
 * offline by the word of the others. "off" only with points 1 to 3 of the off-proof; what is neither is an
 * error, never a guess.
 *
 * Those who ask for the same guest share its reads. Each is answered by one that was asked for after it came:
 * who comes while one is under way waits for the next. A read that nobody waits for any more is cancelled.
 * Those for members alone are measured: so many a second for a uid, and so many at a time for all, since a
 * host has few workers, and a fence needs one (P7).
 */
#include "fence/engine_private.h"

#include "proxmox/guest_list.h"
#include "system/clock.h"

#include <stdio.h>
#include <string.h>

#define READING_DEADLINE_MS 15000 /* a monitor of Pacemaker waits 20 s */
#define READING_TRIES       3     /* to find a guest that moves on and on */
#define READING_AGAIN_MS    250   /* after an answer that is of no use */

enum question { ASK_STATUS, ASK_LOCATION, ASK_HOSTS };

/* One who waits for an answer. Without a probe it waits for the inventory. */
struct reading {
    uint64_t id;
    struct engine *engine;
    char *plug;
    struct engine_reader by;
    struct probe *probe;
    bool asked; /* the status that is under way was asked for after it came */
    struct event *turn, *timer;
    engine_power_fn *answer;
    void *context;
    struct reading *prev, *next; /* of the same probe */
    UT_hash_handle hh;
};

/* The reads of one guest. There as long as somebody waits for one. */
struct probe {
    int vmid;
    struct engine *engine;
    enum pve_guest_type type;
    char node[PVE_NODE_MAX];
    struct reading *readings;
    unsigned tries;
    enum question question;
    uint64_t call;
    struct event *turn;
    bool in_lane;    /* it is one of the reads for members that are under way, */
    bool wants_lane; /* or waits for one of them to end */
    int64_t due_ms;  /* when its next status is to be asked for */
    bool answering;
    struct error error; /* the last thing that went wrong */
    UT_hash_handle hh;
};

/* When a member may have its next read. There as long as it counts. */
struct read_share {
    uid_t uid;
    int64_t full_ms; /* its reads until now would have come one by one until then */
    UT_hash_handle hh;
};

static void wake(struct event *turn, int64_t in_ms)
{
    struct timeval tv = {.tv_sec = in_ms / 1000, .tv_usec = (in_ms % 1000) * 1000};
    if (in_ms > 0)
        event_add(turn, &tv);
    else
        event_active(turn, EV_TIMEOUT, 0);
}

/* ---- what members may have ---- */

static bool is_for_root(const struct probe *probe)
{
    const struct reading *reading;
    DL_FOREACH (probe->readings, reading) {
        if (reading->by.privileged)
            return true;
    }
    return false;
}

/* Those that wait for as many places as are free. */
static void wake_waiting(struct engine *engine)
{
    unsigned taken = engine->member_reads;
    struct probe *probe;
    for (probe = engine->probes; probe && taken < ENGINE_MEMBER_READS_MAX; probe = probe->hh.next) {
        if (probe->wants_lane) {
            wake(probe->turn, 0);
            taken++;
        }
    }
}

static void leave_lane(struct probe *probe)
{
    if (!probe->in_lane)
        return;
    probe->in_lane = false;
    probe->engine->member_reads--;
    wake_waiting(probe->engine);
}

static bool enter_lane(struct probe *probe)
{
    struct engine *engine = probe->engine;
    probe->wants_lane =
        !probe->in_lane && !is_for_root(probe) && engine->member_reads >= ENGINE_MEMBER_READS_MAX;
    if (probe->wants_lane)
        return false;
    if (!probe->in_lane && !is_for_root(probe)) {
        probe->in_lane = true;
        engine->member_reads++;
    }
    return true;
}

static void forget_shares(struct engine *engine, int64_t now_ms)
{
    struct read_share *share, *next;
    HASH_ITER (hh, engine->read_shares, share, next) {
        if (share->full_ms > now_ms)
            continue;
        HASH_DEL(engine->read_shares, share);
        free(share);
    }
}

/* How long this reader's next read has to wait; -1: too long. */
static int64_t take_share(struct engine *engine, const struct engine_reader *by)
{
    int64_t now_ms = clock_now_ms(), burst_ms = ENGINE_READS_BURST * ENGINE_READS_MS;
    struct read_share *share = NULL;
    if (by->privileged)
        return 0;
    HASH_FIND(hh, engine->read_shares, &by->uid, sizeof(by->uid), share);
    if (!share) {
        forget_shares(engine, now_ms);
        share = calloc(1, sizeof(*share));
        if (!share)
            return -1;
        share->uid = by->uid;
        HASH_ADD(hh, engine->read_shares, uid, sizeof(share->uid), share);
        if (!share->hh.tbl) {
            free(share);
            return -1;
        }
    }
    if (share->full_ms < now_ms)
        share->full_ms = now_ms;
    int64_t wait_ms = share->full_ms + ENGINE_READS_MS - now_ms - burst_ms;
    if (wait_ms >= READING_DEADLINE_MS)
        return -1;
    share->full_ms += ENGINE_READS_MS;
    return wait_ms > 0 ? wait_ms : 0;
}

/* ---- probes ---- */

static void probe_free(struct probe *probe)
{
    if (probe->call)
        session_cancel(probe->engine->session, probe->call);
    leave_lane(probe);
    HASH_DEL(probe->engine->probes, probe);
    wake_waiting(probe->engine); /* it may have been woken for a place itself */
    event_free(probe->turn);
    free(probe);
}

static void on_probe_turn(evutil_socket_t fd, short what, void *context);

static struct probe *probe_of(struct engine *engine, const struct guest *guest)
{
    struct probe *probe = NULL;
    HASH_FIND_INT(engine->probes, &guest->vmid, probe);
    if (probe)
        return probe;
    probe = calloc(1, sizeof(*probe));
    if (!probe)
        return NULL;
    *probe = (struct probe){.vmid = guest->vmid, .engine = engine, .type = guest->type};
    snprintf(probe->node, sizeof(probe->node), "%s", guest->node);
    probe->turn = event_new(engine->base, -1, 0, on_probe_turn, probe);
    if (probe->turn)
        HASH_ADD_INT(engine->probes, vmid, probe);
    if (probe->turn && probe->hh.tbl)
        return probe;
    if (probe->turn)
        event_free(probe->turn);
    free(probe);
    return NULL;
}

static void reading_free(struct reading *reading)
{
    struct probe *probe = reading->probe;
    HASH_DEL(reading->engine->readings, reading);
    if (probe)
        DL_DELETE(probe->readings, reading);
    event_free(reading->turn);
    event_free(reading->timer);
    free(reading->plug);
    free(reading);
    if (probe && !probe->readings && !probe->answering)
        probe_free(probe);
}

static void answer(struct reading *reading, enum engine_power power, const struct pve_status *status,
                   const char *node, const struct error *error)
{
    engine_power_fn *told = reading->answer;
    void *context = reading->context;
    reading_free(reading);
    told(context, power, status, node, error);
}

static void fail(struct reading *reading, const struct error *error)
{
    struct error copy = *error;
    answer(reading, ENGINE_POWER_OFF, NULL, "", &copy);
}

static void plan_in(struct probe *probe, int64_t wait_ms)
{
    probe->due_ms = clock_now_ms() + wait_ms;
    wake(probe->turn, wait_ms);
}

/* Its next read is due when the share of one who waits for it allows that. */
static void plan(struct probe *probe)
{
    struct error error = {0};
    probe->answering = true; /* whoever is told may leave */
    while (probe->readings) {
        const struct engine_reader *by = &probe->readings->by;
        int64_t wait_ms = is_for_root(probe) ? 0 : take_share(probe->engine, by);
        if (wait_ms >= 0) {
            probe->answering = false;
            plan_in(probe, wait_ms);
            return;
        }
        error_set(&error, ERROR_TOO_MANY, "uid %lu reads more guests than it may", (unsigned long)by->uid);
        error_hint(&error, "%d a second are read; `fence_broker status` tells what is known of all of them",
                   1000 / ENGINE_READS_MS);
        fail(probe->readings, &error);
    }
    probe_free(probe);
}

/* One more waits for a read that is not under way: it may be due sooner. */
static void hasten(struct probe *probe, const struct engine_reader *by)
{
    int64_t wait_ms = take_share(probe->engine, by);
    if (by->privileged || (wait_ms >= 0 && clock_now_ms() + wait_ms < probe->due_ms))
        plan_in(probe, wait_ms);
}

/* Those who wait for what was asked; the others wait for the next one. */
static void finish(struct probe *probe, enum engine_power power, const struct pve_status *status,
                   const struct error *error)
{
    struct reading *reading;
    char node[PVE_NODE_MAX];
    struct error copy = error ? *error : (struct error){0};
    memcpy(node, probe->node, sizeof(node));
    leave_lane(probe);
    probe->answering = true;
    do { /* whoever is told may ask and leave */
        DL_FOREACH (probe->readings, reading) {
            if (reading->asked)
                break;
        }
        if (reading)
            answer(reading, power, status, node, error ? &copy : NULL);
    } while (reading);
    probe->answering = false;
    probe->tries = 0;
    probe->error = (struct error){0};
    probe->question = ASK_STATUS;
    if (probe->readings)
        plan(probe);
    else
        probe_free(probe);
}

static void on_result(void *context, uint64_t id, const struct api_result *result);

static void ask(struct probe *probe)
{
    struct engine *engine = probe->engine;
    struct reading *reading;
    struct api_request request = {
        .call = API_STATUS, .node = probe->node, .type = probe->type, .vmid = probe->vmid};
    struct session_route route = {.urgent = true,
                                  .deadline_ms = clock_now_ms() + READING_DEADLINE_MS,
                                  .answer_timeout_ms = engine->settings.answer_timeout_ms};
    if (probe->question != ASK_STATUS)
        request = (struct api_request){.call = probe->question == ASK_LOCATION ? API_GUESTS : API_NODES};
    DL_FOREACH (probe->readings, reading)
        reading->asked |= probe->question == ASK_STATUS;
    probe->call = session_call(engine->session, &request, &route, on_result, probe);
    if (!probe->call) {
        error_set(&probe->error, ERROR_INTERNAL, "no memory for a call to Proxmox");
        finish(probe, ENGINE_POWER_OFF, NULL, &probe->error);
    }
}

/* Stopped: does it hold as "off"? Points 2 and 3. */
static bool is_off(const struct probe *probe, const struct pve_status *status, struct error *error)
{
    if (step_shows_life(probe->type, status)) {
        error_set(
            error, ERROR_UNPROVEN,
            "guest %d reads stopped on %s, but a process of it is still there (its network devices are)",
            probe->vmid, probe->node);
        return false;
    }
    if (step_lock_hides_the_truth(status->lock)) {
        error_set(error, strncmp(status->lock, "suspend", 7) == 0 ? ERROR_SUSPENDED : ERROR_LOCKED,
                  "guest %d reads stopped on %s with the lock %s, which proves nothing", probe->vmid,
                  probe->node, status->lock);
        return false;
    }
    return true;
}

/* From the beginning, in a moment; the deadlines of those who wait end it. */
static void ask_again(struct probe *probe)
{
    probe->question = ASK_STATUS;
    leave_lane(probe);
    plan_in(probe, READING_AGAIN_MS);
}

/* Words that will be the same the next time: of the login's, and what Proxmox says of the request itself. */
static bool is_final(const struct api_result *result)
{
    if (result->error.code == ERROR_NO_SESSION || result->error.code == ERROR_CERTIFICATE ||
        result->error.code == ERROR_CLOCK_WRONG)
        return true;
    return result->outcome == API_REFUSED && result->http_status < 500;
}

static void take_failure(struct probe *probe, const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];
    probe->error = result->error;
    if (is_final(result)) {
        finish(probe, ENGINE_POWER_OFF, NULL, &probe->error);
        return;
    }
    if (result->outcome == API_REFUSED && api_classify(result->reason, lock) == PVE_REFUSAL_MOVED) {
        if (++probe->tries < READING_TRIES) {
            probe->question = ASK_LOCATION;
            ask(probe);
        } else {
            finish(probe, ENGINE_POWER_OFF, NULL, &probe->error);
        }
        return;
    }
    if (result->outcome == API_REFUSED && result->http_status < 595) {
        ask_again(probe);
        return;
    }
    probe->question = ASK_HOSTS; /* is the guest's host there at all? */
    ask(probe);
}

/* The other hosts' word on one that does not answer (rule 8). */
static void take_hosts(struct probe *probe, const struct api_result *result)
{
    struct inventory *inventory = poller_inventory(probe->engine->poller);
    struct node_census census;
    if (result->outcome == API_OK && nodes_take_census(inventory, result->data, probe->node, &census) &&
        !census.host_online &&
        census.online >= nodes_required(probe->engine->settings.min_online_nodes, census.known)) {
        error_set(&probe->error, ERROR_NODE_OFFLINE,
                  "the host %s of guest %d is offline by the word of %u of %u hosts", probe->node,
                  probe->vmid, census.online, census.known);
        finish(probe, ENGINE_POWER_OFF, NULL, &probe->error);
        return;
    }
    ask_again(probe);
}

static void take_status(struct probe *probe, const struct api_result *result)
{
    struct pve_status status;
    if (result->outcome != API_OK) {
        take_failure(probe, result);
        return;
    }
    if (!api_decode_status(result->data, &status) || status.vmid != probe->vmid) {
        error_set(&probe->error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, probe->vmid);
        ask_again(probe);
        return;
    }
    engine_status_seen(probe->engine, probe->type, &status, result->asked_ms);
    if (status.running)
        finish(probe, ENGINE_POWER_ON, &status, NULL);
    else if (is_off(probe, &status, &probe->error))
        finish(probe, ENGINE_POWER_OFF, &status, NULL);
    else
        finish(probe, ENGINE_POWER_OFF, &status, &probe->error);
}

static void take_location(struct probe *probe, const struct api_result *result)
{
    bool is_list = result->outcome == API_OK && result->guests;
    const struct guest *listed = is_list ? guest_list_find(result->guests, probe->vmid) : NULL;
    probe->question = ASK_STATUS;
    if (listed) {
        snprintf(probe->node, sizeof(probe->node), "%s", listed->node);
        ask(probe);
        return;
    }
    if (is_list || (result->outcome != API_OK && is_final(result)))
        finish(probe, ENGINE_POWER_OFF, NULL, is_list ? &probe->error : &result->error);
    else
        ask_again(probe);
}

static void on_result(void *context, uint64_t id, const struct api_result *result)
{
    struct probe *probe = context;
    if (probe->call != id)
        return;
    probe->call = 0;
    if (result->http_status == 403) /* our privileges are others than we know */
        poller_reread_privileges(probe->engine->poller);
    switch (probe->question) {
    case ASK_STATUS:
        take_status(probe, result);
        break;
    case ASK_LOCATION:
        take_location(probe, result);
        break;
    case ASK_HOSTS:
        take_hosts(probe, result);
        break;
    }
}

static void on_probe_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct probe *probe = context;
    if (probe->call || !enter_lane(probe))
        return;
    wake_waiting(probe->engine); /* it was woken for a place, and may be root's by now */
    ask(probe);
}

/* ---- readings ---- */

/* The inventory is there: find the guest, and wait for its next read. */
static void resolve(struct reading *reading)
{
    struct error error = {0};
    struct engine *engine = reading->engine;
    const struct guest *guest = inventory_find(poller_inventory(engine->poller), reading->plug, &error);
    struct probe *probe = guest ? probe_of(engine, guest) : NULL;
    if (!probe) {
        if (guest)
            error_set(&error, ERROR_INTERNAL, "no memory for a request");
        fail(reading, &error);
        return;
    }
    bool is_new = !probe->readings && !probe->answering;
    reading->probe = probe;
    DL_APPEND(probe->readings, reading);
    if (is_new)
        plan(probe);
    else if (!probe->call && !probe->answering)
        hasten(probe, &reading->by);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct reading *reading = context;
    if (!reading->probe && poller_inventory(reading->engine->poller))
        resolve(reading);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct reading *reading = context;
    struct error error = reading->probe ? reading->probe->error : (struct error){0};
    if (error.code == ERROR_NONE) {
        const struct error *cause = poller_error(reading->engine->poller);
        error_set(&error, cause->code ? cause->code : ERROR_DEADLINE,
                  "the state of %s could not be read in time%s%s", reading->plug, cause->code ? ": " : "",
                  cause->message);
        if (cause->hint[0])
            error_hint(&error, "%s", cause->hint);
    }
    fail(reading, &error);
}

uint64_t engine_read_power(struct engine *engine, const char *plug, const struct engine_reader *by,
                           engine_power_fn *answer_fn, void *context, struct error *error)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    char *copy = strdup(plug);
    struct event *timer = reading ? event_new(engine->base, -1, 0, on_timer, reading) : NULL;
    struct event *turn = reading ? event_new(engine->base, -1, 0, on_turn, reading) : NULL;
    if (reading && copy && timer && turn) {
        *reading = (struct reading){.id = ++engine->last_id,
                                    .engine = engine,
                                    .plug = copy,
                                    .by = *by,
                                    .turn = turn,
                                    .timer = timer,
                                    .answer = answer_fn,
                                    .context = context};
        HASH_ADD(hh, engine->readings, id, sizeof(reading->id), reading);
    }
    if (!reading || !copy || !timer || !turn || !reading->hh.tbl) {
        if (timer)
            event_free(timer);
        if (turn)
            event_free(turn);
        free(copy);
        free(reading);
        error_set(error, ERROR_INTERNAL, "no memory for a request");
        return 0;
    }
    struct timeval tv = {.tv_sec = READING_DEADLINE_MS / 1000};
    event_add(timer, &tv);
    event_active(turn, EV_TIMEOUT, 0);
    return reading->id;
}

void engine_readings_resolve(struct engine *engine)
{
    struct reading *reading, *next;
    HASH_ITER (hh, engine->readings, reading, next) {
        if (!reading->probe)
            event_active(reading->turn, EV_TIMEOUT, 0);
    }
}

bool engine_reading_leave(struct engine *engine, uint64_t id)
{
    struct reading *reading = NULL;
    HASH_FIND(hh, engine->readings, &id, sizeof(id), reading);
    if (!reading)
        return false;
    reading_free(reading);
    return true;
}

void engine_readings_free(struct engine *engine)
{
    struct reading *reading, *next;
    HASH_ITER (hh, engine->readings, reading, next) {
        reading_free(reading);
    }
    forget_shares(engine, INT64_MAX);
}
