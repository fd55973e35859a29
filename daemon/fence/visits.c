/*
 * A timer picks the guest that was not visited for the longest time; two calls to its host, one after the
 * other. Guests of which something is missing go first, each once a round of polls, so that one that cannot
 * be read is not asked all the time. Refuses to know what the answers mean for a verdict.
 */
#include "fence/visits.h"

#include "fence/engine.h"
#include "fence/step.h"
#include "proxmox/endpoints.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "system/clock.h"
#include "system/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shorter than the answer's time-out by this, a silence is not held against the endpoint: it asked another
 * host for us, and that one may be the silent one. */
#define CUT_SHORT_MS 1
/* A guest that stops can be read as stopped a moment before its last process has ended; what is still so
 * after this is told. */
#define REMAINS_AFTER_MS 2000

/* One under way. */
struct visit {
    struct visits *visits;
    uint64_t call;
    int vmid; /* 0: this one is free */
    enum pve_guest_type type;
    char node[PVE_NODE_MAX];
    bool config;    /* the second call */
    uint64_t avoid; /* endpoints by which the first attempt failed; 0: this is the first one */
};

struct visits {
    struct event_base *base;
    struct visits_rooms rooms;
    int64_t interval_ms, answer_timeout_ms;
    int64_t round_ms; /* when the last round of polls ended */
    struct event *timer;
    struct visit under_way[VISITS_AT_ONCE];
};

int64_t visits_period_ms(int64_t interval_ms, size_t guests)
{
    int64_t least_ms = (int64_t)guests * VISITS_GAP_MIN_MS;

    if (interval_ms == 0)
        return 0;
    return interval_ms > least_ms ? interval_ms : least_ms;
}

/* ---- whom to visit ---- */

static bool host_is_asked(const struct visits *visits, const char *node)
{
    for (size_t i = 0; i < VISITS_AT_ONCE; i++) {
        if (visits->under_way[i].vmid && strcmp(visits->under_way[i].node, node) == 0)
            return true;
    }
    return false;
}

static bool can_be_read(const struct visits *visits, const struct inventory *inventory,
                        const struct guest *guest)
{
    return guest->may_audit && guest->node && inventory_node_online(inventory, guest->node) &&
           !(visits->rooms.engine && engine_guest_busy(visits->rooms.engine, guest->vmid));
}

/* Nothing is known of it (or not since a fence failed), or it is stopped and a process of it is left, and it
 * was not tried since the last round of polls. */
static bool is_urgent(const struct visits *visits, const struct guest *guest,
                      const struct evidence_guest *known)
{
    if (known && known->tried_ms >= visits->round_ms)
        return false;
    if (visits->rooms.engine && engine_wants_status(visits->rooms.engine, guest->vmid))
        return true;
    if (known && known->remains_since_ms)
        return true;
    for (enum evidence_kind kind = EVIDENCE_STATUS; kind <= EVIDENCE_CONFIG; kind++) {
        if (evidence_state(visits->rooms.evidence, known, kind, guest->node, clock_boottime_ms()) ==
            EVIDENCE_MISSING)
            return true;
    }
    return false;
}

/* An urgent one, else the one that was not visited for the longest time; NULL: none. *urgent also if there is
 * one whose host is being asked. */
static const struct guest *choose(const struct visits *visits, bool *urgent)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);
    const struct guest *chosen = NULL;
    int64_t oldest_ms = INT64_MAX;

    *urgent = false;
    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct evidence_guest *known = evidence_of(visits->rooms.evidence, guest->vmid);
        int64_t tried_ms = known ? known->tried_ms : 0;

        if (!can_be_read(visits, inventory, guest))
            continue;
        bool urgently = is_urgent(visits, guest, known);
        *urgent |= urgently;
        if (host_is_asked(visits, guest->node))
            continue;
        if (urgently)
            return guest;
        if (tried_ms < oldest_ms) {
            oldest_ms = tried_ms;
            chosen = guest;
        }
    }
    return chosen;
}

static struct visit *free_visit(struct visits *visits)
{
    for (size_t i = 0; i < VISITS_AT_ONCE; i++) {
        if (!visits->under_way[i].vmid)
            return &visits->under_way[i];
    }
    return NULL;
}

/* Somebody was read as stopped with a process of it left, and not yet long enough to be told. */
static bool somebody_may_end(const struct visits *visits)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct evidence_guest *known =
            evidence_of(visits->rooms.evidence, inventory_get(inventory, i)->vmid);

        if (known && known->remains_since_ms && !known->entries[EVIDENCE_STATUS].error)
            return true;
    }
    return false;
}

bool visits_settled(const struct visits *visits)
{
    bool urgent = false;

    for (size_t i = 0; i < VISITS_AT_ONCE; i++) {
        if (visits->under_way[i].vmid)
            return false;
    }
    (void)choose(visits, &urgent);
    return visits->interval_ms == 0 || (!urgent && !somebody_may_end(visits));
}

/* ---- when ---- */

static size_t guest_count(const struct visits *visits)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);

    return inventory ? inventory_count(inventory) : 0;
}

static void arm(struct visits *visits, bool hurry)
{
    size_t count = guest_count(visits);

    if (visits->interval_ms == 0 || count == 0)
        return;
    int64_t gap_ms = hurry ? VISITS_HURRY_MS : visits_period_ms(visits->interval_ms, count) / (int64_t)count;
    const struct timeval tv = {.tv_sec = gap_ms / 1000, .tv_usec = (gap_ms % 1000) * 1000};
    event_add(visits->timer, &tv);
}

/* ---- one visit ---- */

static void on_answer(void *context, uint64_t id, const struct api_result *result);

static void ask(struct visit *visit)
{
    const struct api_request request = {.call = visit->config ? API_CONFIG : API_STATUS,
                                        .node = visit->node,
                                        .type = visit->type,
                                        .vmid = visit->vmid};
    const struct session_route route = {
        .apart = true,
        .deadline_ms = clock_now_ms() + visit->visits->answer_timeout_ms - CUT_SHORT_MS,
        .answer_timeout_ms = visit->visits->answer_timeout_ms,
        .avoid = visit->avoid,
    };

    visit->call = session_call(visit->visits->rooms.session, &request, &route, on_answer, visit);
    if (!visit->call)
        visit->vmid = 0;
}

static struct evidence_answer evidence_of_result(const struct visit *visit, const struct api_result *result,
                                                 const struct error *error)
{
    return (struct evidence_answer){
        .node = visit->node,
        .endpoint = result->endpoint_text && result->endpoint_text[0] ? result->endpoint_text : NULL,
        .error = error,
        .at_ms = clock_boottime_ms(),
        .took_ms = result->received_ms - result->asked_ms,
    };
}

/* Without memory what is known gets old, and is called so. */
static void post(const struct visit *visit, const struct api_result *result, const struct error *error,
                 const struct evidence_config *config)
{
    const struct evidence_answer answer = evidence_of_result(visit, result, error);

    if (visit->config)
        (void)!evidence_config(visit->visits->rooms.evidence, visit->vmid, &answer, config);
    else
        (void)!evidence_status(visit->visits->rooms.evidence, visit->vmid, &answer);
}

/* An answer that says nothing about the guest: it is of our session, or of a host that the guest has left. */
static bool says_nothing(const struct visit *visit, const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];

    return result->http_status == 401 ||
           (result->outcome == API_REFUSED && api_classify(result->reason, lock) == PVE_REFUSAL_MOVED) ||
           (result->outcome == API_UNSENT && endpoints_up(visit->visits->rooms.endpoints) == 0);
}

/* The endpoint was never reached, and the time for a second one was over. */
static bool was_not_reached(const struct api_result *result)
{
    return result->outcome == API_UNSENT && result->endpoint_text && result->endpoint_text[0];
}

/* True: it is tried once more, by another endpoint if there is one. Where an endpoint could not reach the
 * host the session has gone to the next one already. */
static bool again(struct visit *visit, const struct api_result *result)
{
    bool odd = result->http_status >= 500 && result->http_status < 595;

    if (visit->avoid || (result->outcome != API_LOST && !was_not_reached(result) && !odd))
        return false;
    visit->avoid = UINT64_C(1) << (result->endpoint & 63);
    ask(visit);
    return true;
}

static void take_failure(struct visit *visit, const struct api_result *result)
{
    if (says_nothing(visit, result)) {
        visit->vmid = 0;
        return;
    }
    if (again(visit, result))
        return;
    /* nobody was asked: that is the endpoints' trouble, not the host's */
    if (result->outcome == API_UNSENT) {
        visit->vmid = 0;
        return;
    }
    if (result->http_status == 403) /* our privileges are others than we know */
        poller_reread_privileges(visit->visits->rooms.poller);
    if (!visit->config)
        (void)evidence_remains(visit->visits->rooms.evidence, visit->vmid, false, 0);
    post(visit, result, &result->error, NULL);
    visit->vmid = 0;
}

/* Point 2 of the off-proof: a fence would not be proven. */
static void tell_what_remains(const struct visit *visit, const struct api_result *result, int64_t since_ms,
                              struct error *error)
{
    int64_t asked_ms = clock_boottime_ms() - (result->received_ms - result->asked_ms);

    if (!since_ms || asked_ms - since_ms < REMAINS_AFTER_MS)
        return;
    error_set(
        error, ERROR_UNPROVEN,
        "%s says that guest %d is stopped, and its network devices are still there: so is a process of it",
        visit->node, visit->vmid);
}

static void take_status(struct visit *visit, const struct api_result *result)
{
    struct pve_status status;
    struct error error = {0};

    bool decoded = api_decode_status(result->data, &status);
    bool of_this_guest = decoded && status.vmid == visit->vmid;
    bool remains = of_this_guest && !status.running && step_shows_life(visit->type, &status);
    int64_t since_ms =
        evidence_remains(visit->visits->rooms.evidence, visit->vmid, remains, clock_boottime_ms());
    if (of_this_guest && status.running)
        evidence_devices(visit->visits->rooms.evidence, visit->vmid, step_shows_life(visit->type, &status),
                         clock_boottime_ms());
    if (!decoded)
        error_set(&error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, visit->vmid);
    else if (!of_this_guest)
        error_set(&error, ERROR_PROTOCOL, "asked for guest %d, %s answered for guest %d", visit->vmid,
                  result->endpoint_text, status.vmid);
    else if (status.ha_managed && !status.ha_state[0]) /* which the list of guests does not tell */
        error_set(&error, ERROR_HA_UNSERVED, "guest %d is an HA service without a state", visit->vmid);
    else
        tell_what_remains(visit, result, since_ms, &error);
    if (of_this_guest && visit->visits->rooms.engine)
        engine_status_seen(visit->visits->rooms.engine, visit->type, &status, result->asked_ms);
    post(visit, result, &error, NULL);
    visit->config = true;
    visit->avoid = 0;
    ask(visit);
}

static void take_config(struct visit *visit, const struct api_result *result)
{
    struct pve_guest_config decoded;
    struct error error = {0};

    if (api_decode_config(result->data, &decoded)) {
        const struct evidence_config config = {
            .has_nic = decoded.has_nic, .has_hookscript = decoded.has_hookscript, .uuid = decoded.uuid};

        post(visit, result, NULL, &config);
    } else {
        error_set(&error, ERROR_PROTOCOL, "the configuration that %s gave for guest %d cannot be used",
                  result->endpoint_text, visit->vmid);
        post(visit, result, &error, NULL);
    }
    visit->vmid = 0;
}

static void on_answer(void *context, uint64_t id, const struct api_result *result)
{
    struct visit *visit = context;

    if (id != visit->call)
        return;
    visit->call = 0;
    if (result->outcome != API_OK)
        take_failure(visit, result);
    else if (visit->config)
        take_config(visit, result);
    else
        take_status(visit, result);
}

static bool can_ask(const struct visits *visits)
{
    struct session_description session;

    session_describe(visits->rooms.session, &session);
    return session.ready && endpoints_up(visits->rooms.endpoints) > 0 &&
           poller_refusal(visits->rooms.poller)->code == ERROR_NONE;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct visits *visits = context;
    struct visit *visit = can_ask(visits) ? free_visit(visits) : NULL;
    bool urgent = false;
    const struct guest *guest = visit ? choose(visits, &urgent) : NULL;

    (void)fd;
    (void)what;
    arm(visits, urgent);
    if (!guest || !evidence_tried(visits->rooms.evidence, guest->vmid, clock_boottime_ms()))
        return;
    *visit = (struct visit){.visits = visits, .vmid = guest->vmid, .type = guest->type};
    snprintf(visit->node, sizeof(visit->node), "%s", guest->node);
    ask(visit);
}

/* ---- the room ---- */

static void expect(struct visits *visits)
{
    int64_t period_ms = visits_period_ms(visits->interval_ms, guest_count(visits));

    evidence_expect(visits->rooms.evidence, EVIDENCE_STATUS, period_ms);
    evidence_expect(visits->rooms.evidence, EVIDENCE_CONFIG, period_ms);
}

void visits_round_ended(struct visits *visits)
{
    bool urgent = false;

    expect(visits);
    visits->round_ms = clock_boottime_ms();
    (void)choose(visits, &urgent);
    if (urgent || !event_pending(visits->timer, EV_TIMEOUT, NULL))
        arm(visits, urgent);
}

/* A host that was silent then would be so for ever. */
static void visits_end(struct visits *visits)
{
    for (size_t i = 0; i < VISITS_AT_ONCE; i++) {
        session_cancel(visits->rooms.session, visits->under_way[i].call);
        visits->under_way[i] = (struct visit){.vmid = 0};
    }
    evidence_drop(visits->rooms.evidence, EVIDENCE_STATUS);
    evidence_drop(visits->rooms.evidence, EVIDENCE_CONFIG);
}

void visits_set_interval(struct visits *visits, int64_t interval_ms, int64_t answer_timeout_ms)
{
    if (interval_ms == 0)
        visits_end(visits);
    visits->interval_ms = interval_ms;
    visits->answer_timeout_ms = answer_timeout_ms;
    event_del(visits->timer);
    expect(visits);
    arm(visits, false);
}

struct visits *visits_new(struct event_base *base, const struct visits_rooms *rooms, int64_t interval_ms,
                          int64_t answer_timeout_ms)
{
    struct visits *visits = calloc(1, sizeof(*visits));

    if (!visits)
        return NULL;
    *visits = (struct visits){
        .base = base, .rooms = *rooms, .interval_ms = interval_ms, .answer_timeout_ms = answer_timeout_ms};
    visits->timer = event_new(base, -1, 0, on_timer, visits);
    if (!visits->timer) {
        free(visits);
        return NULL;
    }
    expect(visits);
    return visits;
}

void visits_free(struct visits *visits)
{
    if (!visits)
        return;
    for (size_t i = 0; i < VISITS_AT_ONCE; i++)
        session_cancel(visits->rooms.session, visits->under_way[i].call);
    event_free(visits->timer);
    free(visits);
}
