/*
 * Live reads: is the guest on? The guest's host is asked, and where the guest moved, it is looked for. An
 * answer that is lost or of no use is asked for again until the deadline (P3), unless the guest's host is
 * offline by the word of the others. "off" only with points 1 to 3 of the off-proof; what is neither is an
 * error, never a guess.
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

struct reading {
    uint64_t id;
    struct engine *engine;
    char *plug;
    int vmid;
    enum pve_guest_type type;
    char node[PVE_NODE_MAX];
    unsigned tries;
    enum question question;
    uint64_t call;
    struct event *turn, *timer;
    int64_t deadline_ms;
    engine_power_fn *answer;
    void *context;
    struct error error; /* the last thing that went wrong */
    UT_hash_handle hh;
};

static void reading_free(struct reading *reading)
{
    if (reading->call)
        session_cancel(reading->engine->session, reading->call);
    HASH_DEL(reading->engine->readings, reading);
    event_free(reading->turn);
    event_free(reading->timer);
    free(reading->plug);
    free(reading);
}

static void finish(struct reading *reading, enum engine_power power, const struct pve_status *status,
                   const struct error *error)
{
    engine_power_fn *answer = reading->answer;
    void *context = reading->context;
    char node[PVE_NODE_MAX];
    struct error copy = error ? *error : (struct error){0};
    memcpy(node, reading->node, sizeof(node));
    reading_free(reading);
    answer(context, power, status, node, error ? &copy : NULL);
}

static void on_result(void *context, uint64_t id, const struct api_result *result);

static void ask(struct reading *reading)
{
    struct api_request request = {
        .call = API_STATUS, .node = reading->node, .type = reading->type, .vmid = reading->vmid};
    struct session_route route = {.urgent = true,
                                  .deadline_ms = reading->deadline_ms,
                                  .answer_timeout_ms = reading->engine->settings.answer_timeout_ms};
    if (reading->question != ASK_STATUS)
        request = (struct api_request){.call = reading->question == ASK_LOCATION ? API_GUESTS : API_NODES};
    reading->call = session_call(reading->engine->session, &request, &route, on_result, reading);
    if (!reading->call) {
        error_set(&reading->error, ERROR_INTERNAL, "no memory for a call to Proxmox");
        finish(reading, ENGINE_POWER_OFF, NULL, &reading->error);
    }
}

/* Stopped: does it hold as "off"? Points 2 and 3. */
static bool is_off(const struct reading *reading, const struct pve_status *status, struct error *error)
{
    if (step_shows_life(reading->type, status)) {
        error_set(
            error, ERROR_UNPROVEN,
            "guest %d reads stopped on %s, but a process of it is still there (its network devices are)",
            reading->vmid, reading->node);
        return false;
    }
    if (step_lock_hides_the_truth(status->lock)) {
        error_set(error, strncmp(status->lock, "suspend", 7) == 0 ? ERROR_SUSPENDED : ERROR_LOCKED,
                  "guest %d reads stopped on %s with the lock %s, which proves nothing", reading->vmid,
                  reading->node, status->lock);
        return false;
    }
    return true;
}

/* From the beginning, in a moment; the deadline ends it. */
static void ask_again(struct reading *reading)
{
    struct timeval tv = {.tv_usec = READING_AGAIN_MS * 1000};
    reading->question = ASK_STATUS;
    event_add(reading->turn, &tv);
}

/* Words that will be the same the next time: of the login's, and what Proxmox says of the request itself. */
static bool is_final(const struct api_result *result)
{
    if (result->error.code == ERROR_NO_SESSION || result->error.code == ERROR_CERTIFICATE ||
        result->error.code == ERROR_CLOCK_WRONG)
        return true;
    return result->outcome == API_REFUSED && result->http_status < 500;
}

static void take_failure(struct reading *reading, const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];
    reading->error = result->error;
    if (is_final(result)) {
        finish(reading, ENGINE_POWER_OFF, NULL, &reading->error);
        return;
    }
    if (result->outcome == API_REFUSED && api_classify(result->reason, lock) == PVE_REFUSAL_MOVED) {
        if (++reading->tries < READING_TRIES) {
            reading->question = ASK_LOCATION;
            ask(reading);
        } else {
            finish(reading, ENGINE_POWER_OFF, NULL, &reading->error);
        }
        return;
    }
    if (result->outcome == API_REFUSED && result->http_status < 595) {
        ask_again(reading);
        return;
    }
    reading->question = ASK_HOSTS; /* is the guest's host there at all? */
    ask(reading);
}

/* The other hosts' word on one that does not answer (rule 8). */
static void take_hosts(struct reading *reading, const struct api_result *result)
{
    struct inventory *inventory = poller_inventory(reading->engine->poller);
    struct node_census census;
    if (result->outcome == API_OK && nodes_take_census(inventory, result->data, reading->node, &census) &&
        !census.host_online &&
        census.online >= nodes_required(reading->engine->settings.min_online_nodes, census.known)) {
        error_set(&reading->error, ERROR_NODE_OFFLINE,
                  "the host %s of guest %d is offline by the word of %u of %u hosts", reading->node,
                  reading->vmid, census.online, census.known);
        finish(reading, ENGINE_POWER_OFF, NULL, &reading->error);
        return;
    }
    ask_again(reading);
}

static void take_status(struct reading *reading, const struct api_result *result)
{
    struct pve_status status;
    if (result->outcome != API_OK) {
        take_failure(reading, result);
        return;
    }
    if (!api_decode_status(result->data, &status) || status.vmid != reading->vmid) {
        error_set(&reading->error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, reading->vmid);
        ask_again(reading);
        return;
    }
    engine_status_seen(reading->engine, reading->type, &status, result->asked_ms);
    if (status.running)
        finish(reading, ENGINE_POWER_ON, &status, NULL);
    else if (is_off(reading, &status, &reading->error))
        finish(reading, ENGINE_POWER_OFF, &status, NULL);
    else
        finish(reading, ENGINE_POWER_OFF, &status, &reading->error);
}

static void take_location(struct reading *reading, const struct api_result *result)
{
    bool is_list = result->outcome == API_OK && result->guests;
    const struct guest *listed = is_list ? guest_list_find(result->guests, reading->vmid) : NULL;
    reading->question = ASK_STATUS;
    if (listed) {
        snprintf(reading->node, sizeof(reading->node), "%s", listed->node);
        ask(reading);
        return;
    }
    if (is_list || (result->outcome != API_OK && is_final(result)))
        finish(reading, ENGINE_POWER_OFF, NULL, is_list ? &reading->error : &result->error);
    else
        ask_again(reading);
}

static void on_result(void *context, uint64_t id, const struct api_result *result)
{
    struct reading *reading = context;
    if (reading->call != id)
        return;
    reading->call = 0;
    if (result->http_status == 403) /* our privileges are others than we know */
        poller_reread_privileges(reading->engine->poller);
    switch (reading->question) {
    case ASK_STATUS:
        take_status(reading, result);
        break;
    case ASK_LOCATION:
        take_location(reading, result);
        break;
    case ASK_HOSTS:
        take_hosts(reading, result);
        break;
    }
}

/* The inventory is there: find the guest and ask its host. */
static void resolve(struct reading *reading)
{
    const struct guest *guest =
        inventory_find(poller_inventory(reading->engine->poller), reading->plug, &reading->error);
    if (!guest) {
        finish(reading, ENGINE_POWER_OFF, NULL, &reading->error);
        return;
    }
    reading->vmid = guest->vmid;
    reading->type = guest->type;
    snprintf(reading->node, sizeof(reading->node), "%s", guest->node);
    ask(reading);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct reading *reading = context;
    if (reading->call)
        return;
    if (reading->vmid != 0)
        ask(reading);
    else if (poller_inventory(reading->engine->poller))
        resolve(reading);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct reading *reading = context;
    if (reading->error.code == ERROR_NONE) {
        const struct error *cause = poller_error(reading->engine->poller);
        error_set(&reading->error, cause->code ? cause->code : ERROR_DEADLINE,
                  "the state of %s could not be read in time%s%s", reading->plug, cause->code ? ": " : "",
                  cause->message);
        if (cause->hint[0])
            error_hint(&reading->error, "%s", cause->hint);
    }
    finish(reading, ENGINE_POWER_OFF, NULL, &reading->error);
}

uint64_t engine_read_power(struct engine *engine, const char *plug, engine_power_fn *answer, void *context,
                           struct error *error)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    char *copy = strdup(plug);
    struct event *timer = reading ? event_new(engine->base, -1, 0, on_timer, reading) : NULL;
    struct event *turn = reading ? event_new(engine->base, -1, 0, on_turn, reading) : NULL;
    if (reading && copy && timer && turn) {
        *reading = (struct reading){.id = ++engine->last_id,
                                    .engine = engine,
                                    .plug = copy,
                                    .turn = turn,
                                    .timer = timer,
                                    .deadline_ms = clock_now_ms() + READING_DEADLINE_MS,
                                    .answer = answer,
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
        if (reading->vmid == 0)
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
}
