/*
 * After a round a plan is made of whom to check, and a timer works it off; one call to the guest's host, or
 * two, one after the other. Guests of which something is missing go first, each once a round of polls, so
 * that one that cannot be read is not asked all the time. Refuses to know what the answers mean for a
 * verdict.
 */
#include "fence/guest_checks.h"

#include "fence/engine.h"
#include "fence/guest_checks_hosts.h"
#include "fence/step.h"
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
struct guest_check {
    struct guest_checks *checks;
    uint64_t call;
    int vmid; /* 0: this one is free */
    enum pve_guest_type type;
    char node[PVE_NODE_MAX];
    bool config;    /* the second call */
    uint64_t avoid; /* endpoints by which the first attempt failed; 0: this is the first one */
};

struct guest_checks {
    struct event_base *base;
    struct rooms rooms;
    int64_t interval_ms, answer_timeout_ms;
    int64_t round_ms; /* when the last round of polls ended */
    struct event *timer;
    struct guest_check under_way[GUEST_CHECKS_AT_ONCE];
    struct guest_checks_host *hosts;
    int64_t took_ms;        /* the last answer */
    int64_t eased_until_ms; /* nobody is checked before */
    bool polls_fail;        /* the last round has failed */
    bool sooner;            /* hosts are checked a round sooner, once: all brokers have begun with this one */
    bool plan_due;
    int *plan; /* VMIDs; 0: done */
    size_t planned, done;
};

int64_t guest_checks_period_ms(int64_t interval_ms, size_t guests)
{
    int64_t least_ms = (int64_t)guests * GUEST_CHECKS_GAP_MIN_MS;

    return interval_ms == 0 || interval_ms > least_ms ? interval_ms : least_ms;
}

/* ---- whom to check ---- */

static bool host_is_asked(const struct guest_checks *checks, const char *node)
{
    for (size_t i = 0; i < GUEST_CHECKS_AT_ONCE; i++) {
        if (checks->under_way[i].vmid && strcmp(checks->under_way[i].node, node) == 0)
            return true;
    }
    return false;
}

static bool can_be_read(const struct guest_checks *checks, const struct inventory *inventory,
                        const struct guest *guest)
{
    return guest->may_audit && guest->node && inventory_node_online(inventory, guest->node) &&
           !(checks->rooms.engine && engine_guest_busy(checks->rooms.engine, guest->vmid));
}

static void arm(struct guest_checks *checks, int64_t gap_ms);

/* took_ms -1: it did not answer. Without memory its guests wait for their turns. */
static void note_host(struct guest_checks *checks, const char *name, int64_t took_ms)
{
    if (guest_checks_host_note(&checks->hosts, name, took_ms, clock_boottime_ms()))
        arm(checks, GUEST_CHECKS_HURRY_MS); /* its other guests are urgent now */
}

/* Its rehearsal, which its host answers, too, went well after a check that did not. */
static bool accepted_since(const struct evidence_guest *known, const char *node)
{
    const struct evidence_entry *entry = &known->entries[EVIDENCE_REHEARSAL];

    return entry->at_ms > known->tried_ms && !entry->error && entry->node && strcmp(entry->node, node) == 0;
}

/* Since it was asked for, its host has fallen silent for another guest, or has come back. */
static bool host_has_changed(const struct guest_checks *checks, const char *node,
                             const struct evidence_guest *known)
{
    const struct evidence_entry *entry = &known->entries[EVIDENCE_STATUS];
    const struct guest_checks_host *host = guest_checks_host_of(checks->hosts, node);

    if (!host || !entry->at_ms)
        return false;
    if (entry->error && accepted_since(known, node))
        return true;
    return entry->error ? host->answered_ms > known->tried_ms && host->answered_ms > host->failed_ms
                        : host->failed_ms > known->tried_ms && host->failed_ms > host->answered_ms;
}

/* Nothing is known of it (or not since a fence failed), or it is stopped and a process of it is left, or its
 * host is another than it was, and it was not tried since the last round of polls. */
static bool is_urgent(const struct guest_checks *checks, const struct guest *guest,
                      const struct evidence_guest *known)
{
    if (known && known->tried_ms >= checks->round_ms)
        return false;
    if (checks->rooms.engine && engine_wants_status(checks->rooms.engine, guest->vmid))
        return true;
    if (known && (known->remains_since_ms || host_has_changed(checks, guest->node, known)))
        return true;
    if (known && guest_checks_host_fails(checks->hosts, guest->node))
        return false;
    for (enum evidence_kind kind = EVIDENCE_STATUS; kind <= EVIDENCE_CONFIG; kind++) {
        if (evidence_state(checks->rooms.evidence, known, kind, guest->node, clock_boottime_ms()) ==
            EVIDENCE_MISSING)
            return true;
    }
    return false;
}

/* An urgent one; NULL: none. *urgent also if there is one whose host is being asked. */
static const struct guest *choose_urgent(const struct guest_checks *checks, bool *urgent)
{
    const struct inventory *inventory = poller_inventory(checks->rooms.poller);

    *urgent = false;
    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct evidence_guest *known = evidence_of(checks->rooms.evidence, guest->vmid);

        if (!can_be_read(checks, inventory, guest) || !is_urgent(checks, guest, known))
            continue;
        *urgent = true;
        if (!host_is_asked(checks, guest->node))
            return guest;
    }
    return NULL;
}

/* ---- the plan ---- */

static size_t guest_count(const struct guest_checks *checks)
{
    const struct inventory *inventory = poller_inventory(checks->rooms.poller);

    return inventory ? inventory_count(inventory) : 0;
}

static int64_t every_ms(const struct guest_checks *checks, int64_t interval_ms)
{
    return guest_checks_period_ms(interval_ms, guest_count(checks)) *
           poller_checks_backoff(checks->rooms.poller);
}

/* How often each guest is checked while nobody hurries, … */
static int64_t calm_pace_ms(const struct guest_checks *checks)
{
    return every_ms(checks, checks->interval_ms);
}

/* … and at the moment. */
static int64_t pace_ms(const struct guest_checks *checks)
{
    bool hurries = checks->interval_ms > GUEST_CHECKS_HURRIED_MS && poller_hurries(checks->rooms.poller);

    return every_ms(checks, hurries ? GUEST_CHECKS_HURRIED_MS : checks->interval_ms);
}

/* How often a plan is made: with each round, or as often as the checks ask for it. */
static int64_t plan_every_ms(const struct guest_checks *checks)
{
    int64_t poll_ms = poller_interval_ms(checks->rooms.poller), pace = pace_ms(checks);

    return pace < poll_ms ? pace : poll_ms;
}

/* Of one guest, while a plan is made. */
struct candidate {
    const struct guest *guest;
    int64_t tried_ms;
    int64_t heard_ms; /* its host has answered for it, or was asked, if it rests: by a check or a rehearsal */
    unsigned rest;    /* its host's */
    bool due;
};

static int64_t heard_of(const struct guest_checks *checks, const struct evidence_guest *known,
                        const char *node)
{
    int64_t heard_ms = host_is_asked(checks, node) ? clock_boottime_ms() : 0;
    bool rests = guest_checks_host_rest(checks->hosts, node) > 1;

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

static size_t gather(const struct guest_checks *checks, struct candidate *candidates)
{
    const struct inventory *inventory = poller_inventory(checks->rooms.poller);
    int64_t now_ms = clock_boottime_ms(), half_ms = plan_every_ms(checks) / 2, pace = pace_ms(checks);
    size_t count = 0;

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct evidence_guest *known = evidence_of(checks->rooms.evidence, guest->vmid);

        if (!can_be_read(checks, inventory, guest))
            continue;
        candidates[count] = (struct candidate){.guest = guest,
                                               .tried_ms = known ? known->tried_ms : 0,
                                               .heard_ms = heard_of(checks, known, guest->node),
                                               .rest = guest_checks_host_rest(checks->hosts, guest->node)};
        int64_t due_ms = candidates[count].rest > 1 ? candidates[count].rest * calm_pace_ms(checks) : pace;
        candidates[count].due = candidates[count].tried_ms <= now_ms - due_ms + half_ms;
        count++;
    }
    return count;
}

/* Without memory the next round makes one. */
static void make_plan(struct guest_checks *checks)
{
    int64_t poll_ms = poller_interval_ms(checks->rooms.poller);
    size_t guests = guest_count(checks), most = (size_t)(plan_every_ms(checks) / GUEST_CHECKS_GAP_MIN_MS) + 1;
    _cleanup_(freep) struct candidate *candidates = calloc(guests ? guests : 1, sizeof(*candidates));
    int *plan = calloc(guests ? guests : 1, sizeof(*plan));

    if (!candidates || !plan) {
        free(plan);
        return;
    }
    free(checks->plan);
    checks->plan = plan;
    checks->planned = checks->done = 0;
    checks->plan_due = false;
    size_t count = gather(checks, candidates);
    qsort(candidates, count, sizeof(*candidates), by_host);
    mind_hosts(candidates, count, (checks->sooner ? 1 : 2) * poll_ms, poll_ms / 2);
    qsort(candidates, count, sizeof(*candidates), by_age);
    for (size_t i = 0; i < count && checks->planned < most; i++) {
        if (candidates[i].due)
            checks->plan[checks->planned++] = candidates[i].guest->vmid;
    }
    checks->sooner &= checks->planned == 0;
}

/* The next one of the plan whose host is not being asked; NULL: none. */
static const struct guest *choose_planned(struct guest_checks *checks)
{
    const struct inventory *inventory = poller_inventory(checks->rooms.poller);

    for (size_t i = 0; inventory && i < checks->planned; i++) {
        const struct guest *guest = checks->plan[i] ? inventory_by_vmid(inventory, checks->plan[i]) : NULL;
        bool good = guest && can_be_read(checks, inventory, guest);

        if (good && host_is_asked(checks, guest->node))
            continue;
        checks->done += checks->plan[i] != 0;
        checks->plan[i] = 0;
        if (good)
            return guest;
    }
    return NULL;
}

static struct guest_check *free_check(struct guest_checks *checks)
{
    for (size_t i = 0; i < GUEST_CHECKS_AT_ONCE; i++) {
        if (!checks->under_way[i].vmid)
            return &checks->under_way[i];
    }
    return NULL;
}

/* Somebody was read as stopped with a process of it left, and not yet long enough to be told. */
static bool somebody_may_end(const struct guest_checks *checks)
{
    const struct inventory *inventory = poller_inventory(checks->rooms.poller);

    for (size_t i = 0; inventory && i < inventory_count(inventory); i++) {
        const struct evidence_guest *known =
            evidence_of(checks->rooms.evidence, inventory_get(inventory, i)->vmid);

        if (known && known->remains_since_ms && !known->entries[EVIDENCE_STATUS].error)
            return true;
    }
    return false;
}

bool guest_checks_settled(const struct guest_checks *checks)
{
    bool urgent = false;

    for (size_t i = 0; i < GUEST_CHECKS_AT_ONCE; i++) {
        if (checks->under_way[i].vmid)
            return false;
    }
    (void)choose_urgent(checks, &urgent);
    return checks->interval_ms == 0 || (!urgent && !somebody_may_end(checks));
}

/* ---- when ---- */

/* Few come early in the time until the next plan; many are spread over it. */
static int64_t gap_ms_of(const struct guest_checks *checks, size_t planned)
{
    int64_t gap_ms =
        plan_every_ms(checks) / (int64_t)(planned > GUEST_CHECKS_FEW ? planned : GUEST_CHECKS_FEW);

    gap_ms = gap_ms < GUEST_CHECKS_GAP_MAX_MS ? gap_ms : GUEST_CHECKS_GAP_MAX_MS;
    return gap_ms > GUEST_CHECKS_GAP_MIN_MS ? gap_ms : GUEST_CHECKS_GAP_MIN_MS;
}

static void arm(struct guest_checks *checks, int64_t gap_ms)
{
    if (checks->interval_ms == 0 || guest_count(checks) == 0)
        return;
    const struct timeval tv = {.tv_sec = gap_ms / 1000, .tv_usec = (gap_ms % 1000) * 1000};
    event_add(checks->timer, &tv);
}

/* Between those that are urgent: who answers slowly has the more rest. */
static int64_t hurry_ms(const struct guest_checks *checks)
{
    int64_t rest_ms = checks->took_ms * GUEST_CHECKS_HURRY_REST;

    return rest_ms > GUEST_CHECKS_HURRY_MS ? rest_ms : GUEST_CHECKS_HURRY_MS;
}

/* When to look again, after a check. */
static void arm_next(struct guest_checks *checks, bool urgent)
{
    if (urgent || checks->plan_due || checks->done < checks->planned) {
        arm(checks, urgent ? hurry_ms(checks) : gap_ms_of(checks, checks->planned));
    } else if (pace_ms(checks) < poller_interval_ms(checks->rooms.poller)) {
        checks->plan_due = true;
        arm(checks, pace_ms(checks));
    }
}

/* ---- one check ---- */

static void on_answer(void *context, uint64_t id, const struct api_result *result);

static void ask(struct guest_check *check)
{
    const struct api_request request = {.call = check->config ? API_CONFIG : API_STATUS,
                                        .node = check->node,
                                        .type = check->type,
                                        .vmid = check->vmid};
    const struct session_route route = {
        .purpose = TRAFFIC_CHECK,
        .deadline_ms = clock_now_ms() + check->checks->answer_timeout_ms - CUT_SHORT_MS,
        .answer_timeout_ms = check->checks->answer_timeout_ms,
        .avoid = check->avoid ? check->avoid : poller_elsewhere(check->checks->rooms.poller),
    };

    check->call = session_call(check->checks->rooms.session, &request, &route, on_answer, check);
    if (!check->call)
        check->vmid = 0;
}

/* Without memory what is known gets old, and is called so. */
static void post(const struct guest_check *check, const struct api_result *result, const struct error *error,
                 const struct evidence_config *config)
{
    const struct evidence_answer answer = {
        .node = check->node,
        .endpoint = result->endpoint_text && result->endpoint_text[0] ? result->endpoint_text : NULL,
        .error = error,
        .at_ms = clock_boottime_ms(),
        .took_ms = result->received_ms - result->asked_ms,
    };

    if (check->config)
        (void)!evidence_config(check->checks->rooms.evidence, check->vmid, &answer, config);
    else
        (void)!evidence_status(check->checks->rooms.evidence, check->vmid, &answer);
}

/* An answer that says nothing about the guest: it is of our session, or of a host that the guest has left. */
static bool says_nothing(const struct guest_check *check, const struct api_result *result)
{
    char lock[PVE_LOCK_MAX];

    return result->http_status == 401 ||
           (result->outcome == API_REFUSED && api_classify(result->reason, lock) == PVE_REFUSAL_MOVED) ||
           (result->outcome == API_UNSENT && endpoints_up(check->checks->rooms.endpoints) == 0);
}

/* True: it is tried once more, by another endpoint if there is one. Where an endpoint answered with an error
 * the session has asked the next one already, be it one that is down. */
static bool again(struct guest_check *check, const struct api_result *result)
{
    bool odd = result->http_status >= 500 && result->http_status < 595 &&
               endpoints_up(check->checks->rooms.endpoints) < 2;
    /* its endpoint, and the time for a second one was over */
    bool not_reached = result->outcome == API_UNSENT && result->endpoint_text && result->endpoint_text[0];

    if (check->avoid || guest_checks_host_fails(check->checks->hosts, check->node) ||
        (result->outcome != API_LOST && !not_reached && !odd))
        return false;
    check->avoid = UINT64_C(1) << (result->endpoint & 63);
    ask(check);
    return true;
}

static void note_failed_status(const struct guest_check *check, const struct api_result *result)
{
    struct guest_checks *checks = check->checks;
    const struct evidence_guest *known = evidence_of(checks->rooms.evidence, check->vmid);

    (void)evidence_remains(checks->rooms.evidence, check->vmid, false, 0);
    if (result->outcome != API_LOST && result->http_status < 500)
        return;
    note_host(checks, check->node, -1);
    if (known && !known->entries[EVIDENCE_STATUS].error)
        poller_trouble(checks->rooms.poller);
}

static void take_failure(struct guest_check *check, const struct api_result *result)
{
    bool speaks = !says_nothing(check, result);

    if (speaks && again(check, result))
        return;
    /* else nobody was asked: that is the endpoints' trouble, not the host's */
    if (speaks && result->outcome != API_UNSENT) {
        if (result->http_status == 403) /* our privileges are others than we know */
            poller_reread_privileges(check->checks->rooms.poller);
        if (!check->config)
            note_failed_status(check, result);
        post(check, result, &result->error, NULL);
    }
    check->vmid = 0;
}

/* Point 2 of the off-proof: a fence would not be proven. */
static void tell_what_remains(const struct guest_check *check, const struct api_result *result,
                              int64_t since_ms, struct error *error)
{
    int64_t asked_ms = clock_boottime_ms() - (result->received_ms - result->asked_ms);

    if (!since_ms || asked_ms - since_ms < REMAINS_AFTER_MS)
        return;
    error_set(
        error, ERROR_UNPROVEN,
        "%s says that guest %d is stopped, but its network devices are still there: so is a process of it",
        check->node, check->vmid);
}

/* A configuration that was changed counts from the guest's next start on, or is seen to in time. */
static bool config_is_due(const struct guest_check *check, const struct pve_status *status)
{
    const struct evidence_guest *known = evidence_of(check->checks->rooms.evidence, check->vmid);
    const struct evidence_entry *entry = known ? &known->entries[EVIDENCE_CONFIG] : NULL;
    int64_t now_ms = clock_boottime_ms();

    return !entry || !entry->at_ms || entry->error || !entry->node || strcmp(entry->node, check->node) != 0 ||
           now_ms - entry->at_ms >= evidence_period_ms(check->checks->rooms.evidence, EVIDENCE_CONFIG) ||
           (status->running && now_ms - 1000 * status->uptime_s > entry->at_ms);
}

static void take_status(struct guest_check *check, const struct api_result *result)
{
    struct pve_status status;
    struct error error = {0};

    check->checks->took_ms = result->received_ms - result->asked_ms;
    note_host(check->checks, check->node, check->checks->took_ms);
    bool decoded = api_decode_status(result->data, &status);
    bool of_this_guest = decoded && status.vmid == check->vmid;
    bool remains = of_this_guest && !status.running && step_shows_life(check->type, &status);
    int64_t since_ms =
        evidence_remains(check->checks->rooms.evidence, check->vmid, remains, clock_boottime_ms());
    if (of_this_guest && status.running)
        evidence_devices(check->checks->rooms.evidence, check->vmid, step_shows_life(check->type, &status),
                         clock_boottime_ms());
    if (!decoded)
        error_set(&error, ERROR_PROTOCOL, "the status that %s gave for guest %d cannot be used",
                  result->endpoint_text, check->vmid);
    else if (!of_this_guest)
        error_set(&error, ERROR_PROTOCOL, "asked for guest %d, %s answered for guest %d", check->vmid,
                  result->endpoint_text, status.vmid);
    else if (status.ha_managed && !status.ha_state[0]) /* which the list of guests does not tell */
        error_set(&error, ERROR_HA_UNSERVED, "guest %d is an HA service without a state", check->vmid);
    else
        tell_what_remains(check, result, since_ms, &error);
    if (of_this_guest && check->checks->rooms.engine)
        engine_status_seen(check->checks->rooms.engine, check->type, &status, result->asked_ms);
    post(check, result, &error, NULL);
    if (!of_this_guest || config_is_due(check, &status)) {
        check->config = true;
        check->avoid = 0;
        ask(check);
    } else {
        check->vmid = 0;
    }
}

static void take_config(struct guest_check *check, const struct api_result *result)
{
    struct pve_guest_config decoded = {0};
    struct error error = {0};
    bool good = api_decode_config(result->data, &decoded);
    const struct evidence_config config = {
        .has_nic = decoded.has_nic, .has_hookscript = decoded.has_hookscript, .uuid = decoded.uuid};

    if (!good)
        error_set(&error, ERROR_PROTOCOL, "the configuration that %s gave for guest %d cannot be used",
                  result->endpoint_text, check->vmid);
    post(check, result, &error, good ? &config : NULL);
    check->vmid = 0;
}

static void on_answer(void *context, uint64_t id, const struct api_result *result)
{
    struct guest_check *check = context;

    if (id != check->call)
        return;
    check->call = 0;
    if (result->outcome != API_OK)
        take_failure(check, result);
    else if (check->config)
        take_config(check, result);
    else
        take_status(check, result);
}

static bool can_ask(const struct guest_checks *checks)
{
    struct session_description session;

    session_describe(checks->rooms.session, &session);
    return session.ready && endpoints_up(checks->rooms.endpoints) > 0 &&
           poller_refusal(checks->rooms.poller)->code == ERROR_NONE;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct guest_checks *checks = context;
    struct guest_check *check = can_ask(checks) ? free_check(checks) : NULL;
    bool urgent = false;

    (void)fd;
    (void)what;
    if (clock_now_ms() < checks->eased_until_ms) {
        arm(checks, checks->eased_until_ms - clock_now_ms());
        return;
    }
    const struct guest *guest = check ? choose_urgent(checks, &urgent) : NULL;
    if (check && !urgent) {
        if (checks->plan_due)
            make_plan(checks);
        guest = choose_planned(checks);
    }
    arm_next(checks, urgent);
    if (!guest || !evidence_tried(checks->rooms.evidence, guest->vmid, clock_boottime_ms()))
        return;
    *check = (struct guest_check){.checks = checks, .vmid = guest->vmid, .type = guest->type};
    snprintf(check->node, sizeof(check->node), "%s", guest->node);
    ask(check);
}

/* ---- the room ---- */

static void expect(struct guest_checks *checks)
{
    int64_t period_ms = calm_pace_ms(checks);

    evidence_expect(checks->rooms.evidence, EVIDENCE_STATUS, period_ms);
    evidence_expect(checks->rooms.evidence, EVIDENCE_CONFIG, GUEST_CHECKS_CONFIG_EVERY * period_ms);
}

void guest_checks_round_ended(struct guest_checks *checks)
{
    bool urgent = false, fail = poller_error(checks->rooms.poller)->code != ERROR_NONE;
    bool mended = checks->polls_fail && !fail;
    int64_t now_ms = clock_now_ms();

    expect(checks);
    if (mended)
        guest_checks_hosts_wake(checks->hosts);
    checks->polls_fail = fail;
    guest_checks_hosts_forget(&checks->hosts, poller_inventory(checks->rooms.poller));
    checks->round_ms = clock_boottime_ms();
    (void)choose_urgent(checks, &urgent);
    /* as it may be with all brokers; else the connection that the round has left open is worth more */
    if ((urgent || mended) && now_ms >= checks->eased_until_ms)
        checks->eased_until_ms = now_ms + poller_ease_ms(checks->rooms.poller);
    /* a rehearsal that is due goes first: it asks the guest's host, too */
    checks->plan_due = true;
    arm(checks, urgent ? GUEST_CHECKS_HURRY_MS : gap_ms_of(checks, 0));
}

/* A host that was silent then would be so for ever. */
static void guest_checks_end(struct guest_checks *checks)
{
    for (size_t i = 0; i < GUEST_CHECKS_AT_ONCE; i++) {
        session_cancel(checks->rooms.session, checks->under_way[i].call);
        checks->under_way[i] = (struct guest_check){.vmid = 0};
    }
    evidence_drop(checks->rooms.evidence, EVIDENCE_STATUS);
    evidence_drop(checks->rooms.evidence, EVIDENCE_CONFIG);
}

void guest_checks_set_interval(struct guest_checks *checks, int64_t interval_ms, int64_t answer_timeout_ms)
{
    if (interval_ms == 0)
        guest_checks_end(checks);
    checks->interval_ms = interval_ms;
    checks->answer_timeout_ms = answer_timeout_ms;
    event_del(checks->timer);
    expect(checks);
    checks->plan_due = true;
    arm(checks, GUEST_CHECKS_GAP_MAX_MS);
}

struct guest_checks *guest_checks_new(struct event_base *base, const struct rooms *rooms, int64_t interval_ms,
                                      int64_t answer_timeout_ms)
{
    struct guest_checks *checks = calloc(1, sizeof(*checks));

    if (!checks)
        return NULL;
    *checks = (struct guest_checks){
        .base = base, .rooms = *rooms, .interval_ms = interval_ms, .answer_timeout_ms = answer_timeout_ms};
    checks->sooner = jitter_ms(JITTER_CHECK_ROUND, 2) == 1;
    checks->timer = event_new(base, -1, 0, on_timer, checks);
    if (!checks->timer) {
        free(checks);
        return NULL;
    }
    expect(checks);
    return checks;
}

void guest_checks_free(struct guest_checks *checks)
{
    if (!checks)
        return;
    guest_checks_end(checks);
    guest_checks_hosts_forget(&checks->hosts, NULL);
    event_free(checks->timer);
    free(checks->plan);
    free(checks);
}
