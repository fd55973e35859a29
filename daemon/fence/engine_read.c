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

enum question { QUESTION_STATUS, QUESTION_LOCATION, QUESTION_HOSTS };

/* One who waits for an answer. Without a read it waits for the inventory. */
struct reading {
    uint64_t id;
    struct engine *engine;
    char *plug;
    struct engine_reader by;
    struct guest_read *read;
    bool asked; /* the status that is under way was asked for after it came */
    struct event *turn, *timer;
    engine_power_fn *answer;
    void *context;
    struct reading *prev, *next; /* of the same read */
    UT_hash_handle hh;
};

/* The reads of one guest. There as long as somebody waits for one. */
struct guest_read {
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

static bool is_for_root(const struct guest_read *read)
{
    const struct reading *reading;
    DL_FOREACH (read->readings, reading) {
        if (reading->by.privileged)
            return true;
    }
    return false;
}

/* Those that wait for as many places as are free. */
static void wake_waiting(struct engine *engine)
{
    unsigned taken = engine->member_reads;
    struct guest_read *read;
    for (read = engine->reads; read && taken < ENGINE_MEMBER_READS_MAX; read = read->hh.next) {
        if (read->wants_lane) {
            wake(read->turn, 0);
            taken++;
        }
    }
}

static void leave_lane(struct guest_read *read)
{
    if (!read->in_lane)
        return;
    read->in_lane = false;
    read->engine->member_reads--;
    wake_waiting(read->engine);
}

static bool enter_lane(struct guest_read *read)
{
    struct engine *engine = read->engine;
    read->wants_lane =
        !read->in_lane && !is_for_root(read) && engine->member_reads >= ENGINE_MEMBER_READS_MAX;
    if (read->wants_lane)
        return false;
    if (!read->in_lane && !is_for_root(read)) {
        read->in_lane = true;
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

/* ---- reads ---- */

static void read_free(struct guest_read *read)
{
    if (read->call)
        session_cancel(read->engine->session, read->call);
    leave_lane(read);
    HASH_DEL(read->engine->reads, read);
    wake_waiting(read->engine); /* it may have been woken for a place itself */
    event_free(read->turn);
    free(read);
}

static void on_read_turn(evutil_socket_t fd, short what, void *context);

static struct guest_read *read_of(struct engine *engine, const struct guest *guest)
{
    struct guest_read *read = NULL;
    HASH_FIND_INT(engine->reads, &guest->vmid, read);
    if (read)
        return read;
    read = calloc(1, sizeof(*read));
    if (!read)
        return NULL;
    *read = (struct guest_read){.vmid = guest->vmid, .engine = engine, .type = guest->type};
    snprintf(read->node, sizeof(read->node), "%s", guest->node);
    read->turn = event_new(engine->base, -1, 0, on_read_turn, read);
    if (read->turn)
        HASH_ADD_INT(engine->reads, vmid, read);
    if (read->turn && read->hh.tbl)
        return read;
    if (read->turn)
        event_free(read->turn);
    free(read);
    return NULL;
}

static void reading_free(struct reading *reading)
{
    struct guest_read *read = reading->read;
    HASH_DEL(reading->engine->readings, reading);
    if (read)
        DL_DELETE(read->readings, reading);
    event_free(reading->turn);
    event_free(reading->timer);
    free(reading->plug);
    free(reading);
    if (read && !read->readings && !read->answering)
        read_free(read);
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

static void plan_in(struct guest_read *read, int64_t wait_ms)
{
    read->due_ms = clock_now_ms() + wait_ms;
    wake(read->turn, wait_ms);
}

/* Its next read is due when the share of one who waits for it allows that. */
static void plan(struct guest_read *read)
{
    struct error error = {0};
    read->answering = true; /* whoever is told may leave */
    while (read->readings) {
        const struct engine_reader *by = &read->readings->by;
        int64_t wait_ms = is_for_root(read) ? 0 : take_share(read->engine, by);
        if (wait_ms >= 0) {
            read->answering = false;
            plan_in(read, wait_ms);
            return;
        }
        error_set(&error, ERROR_TOO_MANY, "uid %lu reads guests too often", (unsigned long)by->uid);
        error_hint(
            &error,
            "the limit is %d guests a second; `fence_broker status` shows what is known of all of them",
            1000 / ENGINE_READS_MS);
        fail(read->readings, &error);
    }
    read_free(read);
}

/* One more waits for a read that is not under way: it may be due sooner. */
static void hasten(struct guest_read *read, const struct engine_reader *by)
{
    int64_t wait_ms = take_share(read->engine, by);
    if (by->privileged || (wait_ms >= 0 && clock_now_ms() + wait_ms < read->due_ms))
        plan_in(read, wait_ms);
}

/* Those who wait for what was asked; the others wait for the next one. */
static void finish(struct guest_read *read, enum engine_power power, const struct pve_status *status,
                   const struct error *error)
{
    struct reading *reading;
    char node[PVE_NODE_MAX];
    struct error copy = error ? *error : (struct error){0};
    memcpy(node, read->node, sizeof(node));
    leave_lane(read);
    read->answering = true;
    do { /* whoever is told may ask and leave */
        DL_FOREACH (read->readings, reading) {
            if (reading->asked)
                break;
        }
        if (reading)
            answer(reading, power, status, node, error ? &copy : NULL);
    } while (reading);
    read->answering = false;
    read->tries = 0;
    read->error = (struct error){0};
    read->question = QUESTION_STATUS;
    if (read->readings)
        plan(read);
    else
        read_free(read);
}

static void on_result(void *context, uint64_t id, const struct api_result *result);

static void ask(struct guest_read *read)
{
    struct engine *engine = read->engine;
    struct reading *reading;
    struct api_request request = {
        .call = API_STATUS, .node = read->node, .type = read->type, .vmid = read->vmid};
    struct session_route route = {.purpose = TRAFFIC_FENCE,
                                  .deadline_ms = clock_now_ms() + READING_DEADLINE_MS,
                                  .answer_timeout_ms = engine->settings.answer_timeout_ms};
    if (read->question != QUESTION_STATUS)
        request = (struct api_request){.call = read->question == QUESTION_LOCATION ? API_GUESTS : API_NODES};
    DL_FOREACH (read->readings, reading)
        reading->asked |= read->question == QUESTION_STATUS;
    read->call = session_call(engine->session, &request, &route, on_result, read);
    if (!read->call) {
        error_set(&read->error, ERROR_INTERNAL, "no memory for a call to Proxmox");
        finish(read, ENGINE_POWER_OFF, NULL, &read->error);
    }
}

/* Stopped: does it hold as "off"? Points 2 and 3. */
static bool is_off(const struct guest_read *read, const struct pve_status *status, struct error *error)
{
    if (step_shows_life(read->type, status)) {
        error_set(
            error, ERROR_UNPROVEN,
            "guest %d reads stopped on %s, but a process of it is still there (its network devices are)",
            read->vmid, read->node);
        return false;
    }
    if (step_lock_hides_the_truth(status->lock)) {
        error_set(error, strncmp(status->lock, "suspend", 7) == 0 ? ERROR_SUSPENDED : ERROR_LOCKED,
                  "guest %d reads stopped on %s with the lock %s, which proves nothing", read->vmid,
                  read->node, status->lock);
        return false;
    }
    return true;
}

/* From the beginning, in a moment; the deadlines of those who wait end it. */
static void ask_again(struct guest_read *read)
{
    read->question = QUESTION_STATUS;
    leave_lane(read);
    plan_in(read, READING_AGAIN_MS);
}

/* Words that will be the same the next time: of the login's, and what Proxmox says of the request itself. */
static bool is_final(const struct api_result *result)
{
    if (result->error.code == ERROR_NO_SESSION || result->error.code == ERROR_CERTIFICATE ||
        result->error.code == ERROR_CLOCK_WRONG)
        return true;
    return result->outcome == API_REFUSED && result->http_status < 500;
}

static void take_failure(struct guest_read *read, const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];
    read->error = result->error;
    if (is_final(result)) {
        finish(read, ENGINE_POWER_OFF, NULL, &read->error);
        return;
    }
    if (result->outcome == API_REFUSED && api_classify(result->reason, lock) == PVE_REFUSAL_MOVED) {
        if (++read->tries < READING_TRIES) {
            read->question = QUESTION_LOCATION;
            ask(read);
        } else {
            finish(read, ENGINE_POWER_OFF, NULL, &read->error);
        }
        return;
    }
    if (result->outcome == API_REFUSED && result->http_status < 595) {
        ask_again(read);
        return;
    }
    read->question = QUESTION_HOSTS; /* is the guest's host there at all? */
    ask(read);
}

/* The other hosts' word on one that does not answer (rule 8). */
static void take_hosts(struct guest_read *read, const struct api_result *result)
{
    struct inventory *inventory = poller_inventory(read->engine->poller);
    struct node_census census;
    if (result->outcome == API_OK && nodes_take_census(inventory, result->data, read->node, &census) &&
        !census.host_online &&
        census.online >= nodes_required(read->engine->settings.min_online_nodes, census.known)) {
        error_set(&read->error, ERROR_NODE_OFFLINE,
                  "the host %s of guest %d is offline according to %u of %u hosts", read->node, read->vmid,
                  census.online, census.known);
        finish(read, ENGINE_POWER_OFF, NULL, &read->error);
        return;
    }
    ask_again(read);
}

static void take_status(struct guest_read *read, const struct api_result *result)
{
    struct pve_status status;
    if (result->outcome != API_OK) {
        take_failure(read, result);
        return;
    }
    if (!api_decode_status(result->data, &status) || status.vmid != read->vmid) {
        error_set(&read->error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, read->vmid);
        ask_again(read);
        return;
    }
    engine_status_seen(read->engine, read->type, &status, result->asked_ms);
    if (status.running)
        finish(read, ENGINE_POWER_ON, &status, NULL);
    else if (is_off(read, &status, &read->error))
        finish(read, ENGINE_POWER_OFF, &status, NULL);
    else
        finish(read, ENGINE_POWER_OFF, &status, &read->error);
}

static void take_location(struct guest_read *read, const struct api_result *result)
{
    bool is_list = result->outcome == API_OK && result->guests;
    const struct guest *listed = is_list ? guest_list_find(result->guests, read->vmid) : NULL;
    read->question = QUESTION_STATUS;
    if (listed) {
        snprintf(read->node, sizeof(read->node), "%s", listed->node);
        ask(read);
        return;
    }
    if (is_list || (result->outcome != API_OK && is_final(result)))
        finish(read, ENGINE_POWER_OFF, NULL, is_list ? &read->error : &result->error);
    else
        ask_again(read);
}

static void on_result(void *context, uint64_t id, const struct api_result *result)
{
    struct guest_read *read = context;
    if (read->call != id)
        return;
    read->call = 0;
    if (result->http_status == 403) /* our privileges are others than we know */
        poller_reread_privileges(read->engine->poller);
    switch (read->question) {
    case QUESTION_STATUS:
        take_status(read, result);
        break;
    case QUESTION_LOCATION:
        take_location(read, result);
        break;
    case QUESTION_HOSTS:
        take_hosts(read, result);
        break;
    }
}

static void on_read_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct guest_read *read = context;
    if (read->call || !enter_lane(read))
        return;
    wake_waiting(read->engine); /* it was woken for a place, and may be root's by now */
    ask(read);
}

/* ---- readings ---- */

/* The inventory is there: find the guest, and wait for its next read. */
static void resolve(struct reading *reading)
{
    struct error error = {0};
    struct engine *engine = reading->engine;
    const struct guest *guest = inventory_find(poller_inventory(engine->poller), reading->plug, &error);
    struct guest_read *read = guest ? read_of(engine, guest) : NULL;
    if (!read) {
        if (guest)
            error_set(&error, ERROR_INTERNAL, "no memory for a request");
        fail(reading, &error);
        return;
    }
    bool is_new = !read->readings && !read->answering;
    reading->read = read;
    DL_APPEND(read->readings, reading);
    if (is_new)
        plan(read);
    else if (!read->call && !read->answering)
        hasten(read, &reading->by);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct reading *reading = context;
    if (!reading->read && poller_inventory(reading->engine->poller))
        resolve(reading);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct reading *reading = context;
    struct error error = reading->read ? reading->read->error : (struct error){0};
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
        if (!reading->read)
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
