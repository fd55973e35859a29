/*
 * After a round a plan is made of whom to visit, and a timer works it off; one call to the guest's host, or
 * two, one after the other. Guests of which something is missing go first, each once a round of polls, so
 * that one that cannot be read is not asked all the time. Refuses to know what the answers mean for a
 * verdict.
 */
#include "fence/visits.h"

#include "fence/engine.h"
#include "fence/step.h"
#include "fence/visits_hosts.h"
#include "proxmox/endpoints.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/jitter.h"
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
    struct rooms rooms;
    int64_t interval_ms, answer_timeout_ms;
    int64_t round_ms; /* when the last round of polls ended */
    struct event *timer;
    struct visit under_way[VISITS_AT_ONCE];
    struct visits_host *hosts;
    int64_t took_ms;        /* the last answer */
    int64_t eased_until_ms; /* nobody is visited before */
    bool polls_fail;        /* the last round has failed */
    bool sooner;            /* hosts are visited a round sooner, once: all brokers have begun with this one */
    bool plan_due;
    int *plan; /* VMIDs; 0: done */
    size_t planned, done;
};

int64_t visits_period_ms(int64_t interval_ms, size_t guests)
{
    int64_t least_ms = (int64_t)guests * VISITS_GAP_MIN_MS;

    return interval_ms == 0 || interval_ms > least_ms ? interval_ms : least_ms;
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

static void arm(struct visits *visits, int64_t gap_ms);

/* took_ms -1: it did not answer. Without memory its guests wait for their turns. */
static void note_host(struct visits *visits, const char *name, int64_t took_ms)
{
    if (visits_host_note(&visits->hosts, name, took_ms, clock_boottime_ms()))
        arm(visits, VISITS_HURRY_MS); /* its other guests are urgent now */
}

/* Its rehearsal, which its host answers, too, went well after a visit that did not. */
static bool accepted_since(const struct evidence_guest *known, const char *node)
{
    const struct evidence_entry *entry = &known->entries[EVIDENCE_REHEARSAL];

    return entry->at_ms > known->tried_ms && !entry->error && entry->node && strcmp(entry->node, node) == 0;
}

/* Since it was asked for, its host has fallen silent for another guest, or has come back. */
static bool host_has_changed(const struct visits *visits, const char *node,
                             const struct evidence_guest *known)
{
    const struct evidence_entry *entry = &known->entries[EVIDENCE_STATUS];
    const struct visits_host *host = visits_host_of(visits->hosts, node);

    if (!host || !entry->at_ms)
        return false;
    if (entry->error && accepted_since(known, node))
        return true;
    return entry->error ? host->answered_ms > known->tried_ms && host->answered_ms > host->failed_ms
                        : host->failed_ms > known->tried_ms && host->failed_ms > host->answered_ms;
}

/* Nothing is known of it (or not since a fence failed), or it is stopped and a process of it is left, or its
 * host is another than it was, and it was not tried since the last round of polls. */
static bool is_urgent(const struct visits *visits, const struct guest *guest,
                      const struct evidence_guest *known)
{
    if (known && known->tried_ms >= visits->round_ms)
        return false;
    if (visits->rooms.engine && engine_wants_status(visits->rooms.engine, guest->vmid))
        return true;
    if (known && (known->remains_since_ms || host_has_changed(visits, guest->node, known)))
        return true;
    if (known && visits_host_fails(visits->hosts, guest->node))
        return false;
    for (enum evidence_kind kind = EVIDENCE_STATUS; kind <= EVIDENCE_CONFIG; kind++) {
        if (evidence_state(visits->rooms.evidence, known, kind, guest->node, clock_boottime_ms()) ==
            EVIDENCE_MISSING)
            return true;
    }
    return false;
}

/* An urgent one; NULL: none. *urgent also if there is one whose host is being asked. */
static const struct guest *choose_urgent(const struct visits *visits, bool *urgent)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);

    *urgent = false;
    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct evidence_guest *known = evidence_of(visits->rooms.evidence, guest->vmid);

        if (!can_be_read(visits, inventory, guest) || !is_urgent(visits, guest, known))
            continue;
        *urgent = true;
        if (!host_is_asked(visits, guest->node))
            return guest;
    }
    return NULL;
}

/* ---- the plan ---- */

static size_t guest_count(const struct visits *visits)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);

    return inventory ? inventory_count(inventory) : 0;
}

static int64_t every_ms(const struct visits *visits, int64_t interval_ms)
{
    return visits_period_ms(interval_ms, guest_count(visits)) * poller_checks_backoff(visits->rooms.poller);
}

/* How often each guest is visited while nobody hurries, … */
static int64_t calm_pace_ms(const struct visits *visits)
{
    return every_ms(visits, visits->interval_ms);
}

/* … and at the moment. */
static int64_t pace_ms(const struct visits *visits)
{
    bool hurries = visits->interval_ms > VISITS_HURRIED_MS && poller_hurries(visits->rooms.poller);

    return every_ms(visits, hurries ? VISITS_HURRIED_MS : visits->interval_ms);
}

/* How often a plan is made: with each round, or as often as the visits ask for it. */
static int64_t plan_every_ms(const struct visits *visits)
{
    int64_t poll_ms = poller_interval_ms(visits->rooms.poller), pace = pace_ms(visits);

    return pace < poll_ms ? pace : poll_ms;
}

/* Of one guest, while a plan is made. */
struct candidate {
    const struct guest *guest;
    int64_t tried_ms;
    int64_t heard_ms; /* its host has answered for it, or was asked, if it rests: by a visit or a rehearsal */
    unsigned rest;    /* its host's */
    bool due;
};

static int64_t heard_of(const struct visits *visits, const struct evidence_guest *known, const char *node)
{
    int64_t heard_ms = host_is_asked(visits, node) ? clock_boottime_ms() : 0;
    bool rests = visits_host_rest(visits->hosts, node) > 1;

    for (enum evidence_kind kind = 0; known && kind < EVIDENCE_KIND_COUNT; kind++) {
        const struct evidence_entry *entry = &known->entries[kind];

        if (entry->node && (rests || !entry->error) && strcmp(entry->node, node) == 0 &&
            entry->at_ms > heard_ms)
            heard_ms = entry->at_ms;
    }
    return heard_ms;
}

static int by_age(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    return (left->tried_ms > right->tried_ms) - (left->tried_ms < right->tried_ms);
}

static int by_host(const void *a, const void *b)
{
    int order =
        strcmp(((const struct candidate *)a)->guest->node, ((const struct candidate *)b)->guest->node);

    return order ? order : by_age(a, b);
}

/* Of a host that will not have been asked for two polls with the next one (more, if it rests), the guest that
 * has waited longest (or any that is due). They are ordered by host. */
static void mind_hosts(struct candidate *candidates, size_t count, int64_t polls_ms, int64_t half_ms)
{
    int64_t now_ms = clock_boottime_ms();

    for (size_t first = 0, end; first < count; first = end) {
        int64_t heard_ms = 0;
        bool due = false;

        for (end = first;
             end < count && strcmp(candidates[end].guest->node, candidates[first].guest->node) == 0; end++) {
            heard_ms = candidates[end].heard_ms > heard_ms ? candidates[end].heard_ms : heard_ms;
            due |= candidates[end].due;
        }
        candidates[first].due |= !due && heard_ms <= now_ms - candidates[first].rest * polls_ms + half_ms;
    }
}

static size_t gather(const struct visits *visits, struct candidate *candidates)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);
    int64_t now_ms = clock_boottime_ms(), half_ms = plan_every_ms(visits) / 2, pace = pace_ms(visits);
    size_t count = 0;

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct evidence_guest *known = evidence_of(visits->rooms.evidence, guest->vmid);

        if (!can_be_read(visits, inventory, guest))
            continue;
        candidates[count] = (struct candidate){.guest = guest,
                                               .tried_ms = known ? known->tried_ms : 0,
                                               .heard_ms = heard_of(visits, known, guest->node),
                                               .rest = visits_host_rest(visits->hosts, guest->node)};
        int64_t due_ms = candidates[count].rest > 1 ? candidates[count].rest * calm_pace_ms(visits) : pace;
        candidates[count].due = candidates[count].tried_ms <= now_ms - due_ms + half_ms;
        count++;
    }
    return count;
}

/* Without memory the next round makes one. */
static void make_plan(struct visits *visits)
{
    int64_t poll_ms = poller_interval_ms(visits->rooms.poller);
    size_t guests = guest_count(visits), most = (size_t)(plan_every_ms(visits) / VISITS_GAP_MIN_MS) + 1;
    _cleanup_(freep) struct candidate *candidates = calloc(guests ? guests : 1, sizeof(*candidates));
    int *plan = calloc(guests ? guests : 1, sizeof(*plan));

    if (!candidates || !plan) {
        free(plan);
        return;
    }
    free(visits->plan);
    visits->plan = plan;
    visits->planned = visits->done = 0;
    visits->plan_due = false;
    size_t count = gather(visits, candidates);
    qsort(candidates, count, sizeof(*candidates), by_host);
    mind_hosts(candidates, count, (visits->sooner ? 1 : 2) * poll_ms, poll_ms / 2);
    qsort(candidates, count, sizeof(*candidates), by_age);
    for (size_t i = 0; i < count && visits->planned < most; i++) {
        if (candidates[i].due)
            visits->plan[visits->planned++] = candidates[i].guest->vmid;
    }
    visits->sooner &= visits->planned == 0;
}

/* The next one of the plan whose host is not being asked; NULL: none. */
static const struct guest *choose_planned(struct visits *visits)
{
    const struct inventory *inventory = poller_inventory(visits->rooms.poller);

    for (size_t i = 0; inventory && i < visits->planned; i++) {
        const struct guest *guest = visits->plan[i] ? inventory_by_vmid(inventory, visits->plan[i]) : NULL;
        bool good = guest && can_be_read(visits, inventory, guest);

        if (good && host_is_asked(visits, guest->node))
            continue;
        visits->done += visits->plan[i] != 0;
        visits->plan[i] = 0;
        if (good)
            return guest;
    }
    return NULL;
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
    (void)choose_urgent(visits, &urgent);
    return visits->interval_ms == 0 || (!urgent && !somebody_may_end(visits));
}

/* ---- when ---- */

/* Few come early in the time until the next plan; many are spread over it. */
static int64_t gap_ms_of(const struct visits *visits, size_t planned)
{
    int64_t gap_ms = plan_every_ms(visits) / (int64_t)(planned > VISITS_FEW ? planned : VISITS_FEW);

    gap_ms = gap_ms < VISITS_GAP_MAX_MS ? gap_ms : VISITS_GAP_MAX_MS;
    return gap_ms > VISITS_GAP_MIN_MS ? gap_ms : VISITS_GAP_MIN_MS;
}

static void arm(struct visits *visits, int64_t gap_ms)
{
    if (visits->interval_ms == 0 || guest_count(visits) == 0)
        return;
    const struct timeval tv = {.tv_sec = gap_ms / 1000, .tv_usec = (gap_ms % 1000) * 1000};
    event_add(visits->timer, &tv);
}

/* Between those that are urgent: who answers slowly has the more rest. */
static int64_t hurry_ms(const struct visits *visits)
{
    int64_t rest_ms = visits->took_ms * VISITS_HURRY_REST;

    return rest_ms > VISITS_HURRY_MS ? rest_ms : VISITS_HURRY_MS;
}

/* When to look again, after a visit. */
static void arm_next(struct visits *visits, bool urgent)
{
    if (urgent || visits->plan_due || visits->done < visits->planned) {
        arm(visits, urgent ? hurry_ms(visits) : gap_ms_of(visits, visits->planned));
    } else if (pace_ms(visits) < poller_interval_ms(visits->rooms.poller)) {
        visits->plan_due = true;
        arm(visits, pace_ms(visits));
    }
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
        .purpose = TRAFFIC_CHECK,
        .deadline_ms = clock_now_ms() + visit->visits->answer_timeout_ms - CUT_SHORT_MS,
        .answer_timeout_ms = visit->visits->answer_timeout_ms,
        .avoid = visit->avoid ? visit->avoid : poller_elsewhere(visit->visits->rooms.poller),
    };

    visit->call = session_call(visit->visits->rooms.session, &request, &route, on_answer, visit);
    if (!visit->call)
        visit->vmid = 0;
}

/* Without memory what is known gets old, and is called so. */
static void post(const struct visit *visit, const struct api_result *result, const struct error *error,
                 const struct evidence_config *config)
{
    const struct evidence_answer answer = {
        .node = visit->node,
        .endpoint = result->endpoint_text && result->endpoint_text[0] ? result->endpoint_text : NULL,
        .error = error,
        .at_ms = clock_boottime_ms(),
        .took_ms = result->received_ms - result->asked_ms,
    };

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

/* True: it is tried once more, by another endpoint if there is one. Where an endpoint could not reach the
 * host the session has gone to the next one already. */
static bool again(struct visit *visit, const struct api_result *result)
{
    bool odd = result->http_status >= 500 && result->http_status < 595;
    /* its endpoint, and the time for a second one was over */
    bool not_reached = result->outcome == API_UNSENT && result->endpoint_text && result->endpoint_text[0];

    if (visit->avoid || visits_host_fails(visit->visits->hosts, visit->node) ||
        (result->outcome != API_LOST && !not_reached && !odd))
        return false;
    visit->avoid = UINT64_C(1) << (result->endpoint & 63);
    ask(visit);
    return true;
}

static void note_failed_status(const struct visit *visit, const struct api_result *result)
{
    struct visits *visits = visit->visits;
    const struct evidence_guest *known = evidence_of(visits->rooms.evidence, visit->vmid);

    (void)evidence_remains(visits->rooms.evidence, visit->vmid, false, 0);
    if (result->outcome != API_LOST && result->http_status < 500)
        return;
    note_host(visits, visit->node, -1);
    if (known && !known->entries[EVIDENCE_STATUS].error)
        poller_trouble(visits->rooms.poller);
}

static void take_failure(struct visit *visit, const struct api_result *result)
{
    bool speaks = !says_nothing(visit, result);

    if (speaks && again(visit, result))
        return;
    /* else nobody was asked: that is the endpoints' trouble, not the host's */
    if (speaks && result->outcome != API_UNSENT) {
        if (result->http_status == 403) /* our privileges are others than we know */
            poller_reread_privileges(visit->visits->rooms.poller);
        if (!visit->config)
            note_failed_status(visit, result);
        post(visit, result, &result->error, NULL);
    }
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
        "%s says that guest %d is stopped, but its network devices are still there: so is a process of it",
        visit->node, visit->vmid);
}

/* A configuration that was changed counts from the guest's next start on, or is seen to in time. */
static bool config_is_due(const struct visit *visit, const struct pve_status *status)
{
    const struct evidence_guest *known = evidence_of(visit->visits->rooms.evidence, visit->vmid);
    const struct evidence_entry *entry = known ? &known->entries[EVIDENCE_CONFIG] : NULL;
    int64_t now_ms = clock_boottime_ms();

    return !entry || !entry->at_ms || entry->error || !entry->node || strcmp(entry->node, visit->node) != 0 ||
           now_ms - entry->at_ms >= evidence_period_ms(visit->visits->rooms.evidence, EVIDENCE_CONFIG) ||
           (status->running && now_ms - 1000 * status->uptime_s > entry->at_ms);
}

static void take_status(struct visit *visit, const struct api_result *result)
{
    struct pve_status status;
    struct error error = {0};

    visit->visits->took_ms = result->received_ms - result->asked_ms;
    note_host(visit->visits, visit->node, visit->visits->took_ms);
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
    if (!of_this_guest || config_is_due(visit, &status)) {
        visit->config = true;
        visit->avoid = 0;
        ask(visit);
    } else {
        visit->vmid = 0;
    }
}

static void take_config(struct visit *visit, const struct api_result *result)
{
    struct pve_guest_config decoded = {0};
    struct error error = {0};
    bool good = api_decode_config(result->data, &decoded);
    const struct evidence_config config = {
        .has_nic = decoded.has_nic, .has_hookscript = decoded.has_hookscript, .uuid = decoded.uuid};

    if (!good)
        error_set(&error, ERROR_PROTOCOL, "the configuration that %s gave for guest %d cannot be used",
                  result->endpoint_text, visit->vmid);
    post(visit, result, &error, good ? &config : NULL);
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

    (void)fd;
    (void)what;
    if (clock_now_ms() < visits->eased_until_ms) {
        arm(visits, visits->eased_until_ms - clock_now_ms());
        return;
    }
    const struct guest *guest = visit ? choose_urgent(visits, &urgent) : NULL;
    if (visit && !urgent) {
        if (visits->plan_due)
            make_plan(visits);
        guest = choose_planned(visits);
    }
    arm_next(visits, urgent);
    if (!guest || !evidence_tried(visits->rooms.evidence, guest->vmid, clock_boottime_ms()))
        return;
    *visit = (struct visit){.visits = visits, .vmid = guest->vmid, .type = guest->type};
    snprintf(visit->node, sizeof(visit->node), "%s", guest->node);
    ask(visit);
}

/* ---- the room ---- */

static void expect(struct visits *visits)
{
    int64_t period_ms = calm_pace_ms(visits);

    evidence_expect(visits->rooms.evidence, EVIDENCE_STATUS, period_ms);
    evidence_expect(visits->rooms.evidence, EVIDENCE_CONFIG, VISITS_CONFIG_EVERY * period_ms);
}

void visits_round_ended(struct visits *visits)
{
    bool urgent = false, fail = poller_error(visits->rooms.poller)->code != ERROR_NONE;
    bool mended = visits->polls_fail && !fail;
    int64_t now_ms = clock_now_ms();

    expect(visits);
    if (mended)
        visits_hosts_wake(visits->hosts);
    visits->polls_fail = fail;
    visits_hosts_forget(&visits->hosts, poller_inventory(visits->rooms.poller));
    visits->round_ms = clock_boottime_ms();
    (void)choose_urgent(visits, &urgent);
    /* as it may be with all brokers; else the connection that the round has left open is worth more */
    if ((urgent || mended) && now_ms >= visits->eased_until_ms)
        visits->eased_until_ms = now_ms + poller_ease_ms(visits->rooms.poller);
    /* a rehearsal that is due goes first: it asks the guest's host, too */
    visits->plan_due = true;
    arm(visits, urgent ? VISITS_HURRY_MS : gap_ms_of(visits, 0));
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
    visits->plan_due = true;
    arm(visits, VISITS_GAP_MAX_MS);
}

struct visits *visits_new(struct event_base *base, const struct rooms *rooms, int64_t interval_ms,
                          int64_t answer_timeout_ms)
{
    struct visits *visits = calloc(1, sizeof(*visits));

    if (!visits)
        return NULL;
    *visits = (struct visits){
        .base = base, .rooms = *rooms, .interval_ms = interval_ms, .answer_timeout_ms = answer_timeout_ms};
    visits->sooner = jitter_ms(JITTER_VISITS, 2) == 1;
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
    visits_end(visits);
    visits_hosts_forget(&visits->hosts, NULL);
    event_free(visits->timer);
    free(visits->plan);
    free(visits);
}
