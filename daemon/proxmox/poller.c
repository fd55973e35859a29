/*
 * One round: a few questions, one after the other on one connection, so that none waits in a queue while its
 * time runs; when the last answer is in, a new inventory is made of them and of what is known from earlier
 * rounds, or the old one stays and the round's error is kept. Endpoints have their turns, so that each is
 * known to work by what it is really asked for; one whose turn is too far off, or that is down, is asked one
 * question beside it.
 */
#include "proxmox/poller_private.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/jitter.h"
#include "system/log.h"

#include <string.h>

/* ---- a round ---- */

static void log_changes(struct poller *poller)
{
    size_t count = inventory_count(poller->inventory);
    if (!poller->had_round || count != poller->last_count)
        log_info("%zu guest%s in the pool", count, count == 1 ? "" : "s");
    poller->last_count = count;
    if (poller->had_round)
        return;
    for (size_t i = 0; i < inventory_unresolved_alias_count(poller->inventory); i++) {
        const struct unresolved_alias *alias = inventory_unresolved_alias_get(poller->inventory, i);
        log_say(KIND_ALIAS_UNMATCHED, (const struct log_field[]){{"FENCE_TARGET", alias->node}, {NULL, NULL}},
                "[nodes] %s = %s matches no guest of the pool, or more than one", alias->node, alias->target);
    }
    for (size_t i = 0; i < count; i++) {
        const struct guest *guest = inventory_get(poller->inventory, i);
        const char *second = guest_second_alias(guest);
        if (second)
            log_say(KIND_ALIAS_TWICE, (const struct log_field[]){{"FENCE_TARGET", second}, {NULL, NULL}},
                    "[nodes] has two names for guest %d, %s and %s: fencing one of them powers off the other",
                    guest->vmid, guest->aliases[0], second);
    }
}

/* A row of failed rounds may fail in turn for this and for that: each reason is told once. */
static void log_failure(struct poller *poller, const struct error *error)
{
    _Static_assert(ERROR_CODE_COUNT <= 64, "a bit each");

    if (poller->told & (UINT64_C(1) << error->code))
        return;
    poller->told |= UINT64_C(1) << error->code;
    const struct log_field fields[] = {LOG_ERROR_CODE(error), LOG_ERROR_HINT(error), {NULL, NULL}};
    log_say(KIND_POLLING_FAILED, fields, "polling Proxmox failed: %s", error->message);
}

static bool same_guests(const struct inventory *a, const struct inventory *b)
{
    bool same = inventory_count(a) == inventory_count(b);
    for (size_t i = 0; same && i < inventory_count(a); i++)
        same = inventory_get(a, i)->vmid == inventory_get(b, i)->vmid;
    return same;
}

/* Own privileges are judged with what was made; false: no memory. */
static bool learn(struct poller *poller, const struct inventory *made)
{
    bool judged = !poller->permissions_read || !(made || poller->pool_hidden) || poller_judge(poller, made);
    /* a pool that does not tell its members may be all that is wrong with our privileges */
    if (poller->pool_hidden && grants_missing(poller->grants)->code != ERROR_NONE)
        error_hint(&poller->round_error, "check pool in fence-broker.conf; if it is right: %s",
                   grants_missing(poller->grants)->hint);
    return judged;
}

static void note_no_memory(struct poller *poller)
{
    error_set(&poller->round_error, ERROR_INTERNAL, "no memory for the inventory");
}

static void forget_answers(struct poller *poller)
{
    poller_make_cancel(poller);
    inventory_unrefp(&poller->made);
    guest_list_unrefp(&poller->guests);
    poller_put_json(&poller->nodes);
    for (size_t i = 0; i < poller->pool_count; i++) {
        guest_list_unrefp(&poller->pools[i].members);
        poller->pools[i].asked = false;
    }
}

static void take_turn(struct poller *poller, enum poller_turn next)
{
    static const struct timeval at_once = {0};
    poller->next_turn = next;
    event_add(poller->turn, &at_once);
}

/* ---- the pace ---- */

static void arm(struct poller *poller, int64_t wait_ms)
{
    const struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000};
    event_add(poller->timer, &tv);
}

bool poller_hurries(const struct poller *poller)
{
    return pace_hurries(&poller->pace, clock_now_ms());
}

static int64_t left_ms(const struct poller *poller)
{
    return pace_left_ms(&poller->pace, poller->began_ms, clock_now_ms());
}

/* The next round comes as soon as the pace has it by now. */
static void mind_pace(struct poller *poller)
{
    if (!poller->running && event_pending(poller->timer, EV_TIMEOUT, NULL) &&
        poller->began_ms + poller->pace.backoff * poller->pace.interval_ms - clock_now_ms() > left_ms(poller))
        arm(poller, left_ms(poller));
}

void poller_hurry(struct poller *poller)
{
    pace_hurry(&poller->pace, clock_now_ms());
    mind_pace(poller);
}

void poller_looked_at(struct poller *poller)
{
    pace_looked_at(&poller->pace, clock_now_ms());
    mind_pace(poller);
}

void poller_trouble(struct poller *poller)
{
    pace_trouble(&poller->pace, clock_now_ms());
    mind_pace(poller);
}

static void mind_trouble(struct poller *poller)
{
    unsigned up = endpoints_up(poller->endpoints);
    bool fails = poller->round_error.code != ERROR_NONE && poller->error.code == ERROR_NONE;
    bool lost = up < poller->up;
    poller->up = up;
    if (poller->had_round && (fails || lost))
        poller_trouble(poller);
}

/* From now on each broker has moments of its own: when rounds come, with which question, and when everything
 * is read. The wait until the next round: a quarter of an interval at least, and evenly over one. */
static int64_t set_apart(struct poller *poller)
{
    poller->set_apart = true;
    if (jitter_ms(JITTER_TURNS, 2) == 1)
        poller->lists_next = false;
    if (poller->whole_ms)
        poller->whole_ms -= jitter_ms(JITTER_WHOLE, POLLER_WHOLE_MS);
    int64_t part_ms = jitter_ms(JITTER_POLLS, poller->pace.interval_ms);
    int64_t wait_ms = part_ms > 0 ? poller->pace.interval_ms / 4 + part_ms : left_ms(poller);
    poller->slot_ms = clock_now_ms() + wait_ms;
    return wait_ms;
}

/* What made this broker hurry has made others hurry in the same moment: step by step its rounds go back to
 * moments of its own, a bit sooner each, so that none is late. */
#define SLOT_STEPS 8

static int64_t wait_for_slot_ms(const struct poller *poller)
{
    int64_t wait_ms = left_ms(poller), interval_ms = poller->pace.interval_ms;
    int64_t beyond_ms = (clock_now_ms() + wait_ms - poller->slot_ms) % interval_ms;
    int64_t step_ms = beyond_ms < interval_ms / SLOT_STEPS ? beyond_ms : interval_ms / SLOT_STEPS;
    if (poller_hurries(poller) || step_ms <= 0 || wait_ms - step_ms < interval_ms / 4)
        return wait_ms;
    return wait_ms - step_ms;
}

/* Well, if it has made an inventory. */
static void end_round(struct poller *poller)
{
    _cleanup_(inventory_unrefp) struct inventory *made = TAKE(poller->made);
    if (!learn(poller, made) && made) {
        note_no_memory(poller);
        inventory_unrefp(&made);
    }
    if (made) {
        /* other guests than the privileges were read for: those of a new one are not known, and one that has
         * left would be blamed on us */
        if (poller->inventory && !same_guests(poller->inventory, made)) {
            poller->permissions_due |= !poller->permissions_read;
            poller->again |= !poller->permissions_read;
            poller_hurry(poller);
        }
        inventory_unref(poller->inventory);
        poller->inventory = TAKE(made);
        if (poller->leads)
            leads_learn(poller->leads, poller->inventory);
        log_changes(poller);
        if (poller->error.code != ERROR_NONE)
            log_say(KIND_POLLING_RESUMED, NULL, "polling Proxmox works again");
        poller->told = 0;
    } else {
        log_failure(poller, &poller->round_error);
    }
    mind_trouble(poller);
    pace_round_ended(&poller->pace);
    if (poller->round_error.code == ERROR_NONE)
        poller->expected_ms = poller->pace.backoff * poller->pace.interval_ms;
    if (poller->whole && poller->round_error.code == ERROR_NONE)
        poller->whole_ms = poller->began_ms;
    int64_t wait_ms = poller->set_apart ? wait_for_slot_ms(poller) : set_apart(poller);
    poller->error = poller->round_error;
    poller->had_round = true;
    poller->running = false;
    forget_answers(poller);
    poller->whole_wanted |= poller->again;
    arm(poller, poller->again ? 0 : wait_ms);
    poller->again = false;
    take_turn(poller, TURN_TELL);
}

static void make(struct poller *poller)
{
    int left = poller_make_slice(poller, &poller->made);
    if (left < 0)
        note_no_memory(poller);
    take_turn(poller, left > 0 ? TURN_MAKE : TURN_END);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct poller *poller = context;
    (void)fd;
    (void)what;
    if (poller->next_turn == TURN_MAKE)
        make(poller);
    else if (poller->next_turn == TURN_END)
        end_round(poller);
    else
        poller->round(poller->context);
}

/* All answers are in. */
static void conclude(struct poller *poller)
{
    bool good = poller->round_error.code == ERROR_NONE;
    if (good)
        poller_keep_answers(poller);
    good &= poller->known_guests && poller->known_nodes && poller->permissions;
    if (good && !poller_make_begin(poller)) {
        note_no_memory(poller);
        good = false;
    }
    take_turn(poller, good ? TURN_MAKE : TURN_END);
}

static void ask_next(struct poller *poller);

static void note_time(struct poller *poller, const struct api_result *result)
{
    struct poller_times *times = &poller->times;
    int64_t took_ms = result->received_ms - result->asked_ms;
    pace_answered(&poller->pace, poller->question, took_ms);
    if (poller->question == ASK_PERMISSIONS)
        times->privileges_ms = took_ms;
    else if (poller->question == ASK_RESOURCES)
        times->guests_ms = took_ms;
    else if (poller->question == ASK_POOLS)
        times->pools_ms = took_ms + (poller->pool > 0 ? times->pools_ms : 0);
}

/* A 500 about a pool says something of the pool; 501, that there is no such call. */
static bool is_suffering(const struct poller *poller, const struct api_result *result)
{
    int status = result->http_status;
    bool other = status == 501 || (status == 500 && poller->question == ASK_POOLS);
    return result->outcome == API_LOST || (status >= 500 && !other);
}

static void on_answer(void *context, uint64_t id, const struct api_result *result)
{
    struct poller *poller = context;
    if (id != poller->call)
        return;
    poller->call = 0;
    if (result->outcome == API_OK)
        note_time(poller, result);
    else if (is_suffering(poller, result))
        pace_failed(&poller->pace, poller->question);
    poller_take_answer(poller, result);
    ask_next(poller);
}

/* `turn`: it is theirs. */
static bool permissions_are_due(const struct poller *poller, bool turn)
{
    const struct privileges_report *report = grants_report(poller->grants);
    if (grants_state(poller->grants) == GRANTS_REFUSED || (report && report->missing))
        return true; /* somebody is at work on it, and wants to see the end of it */
    return !poller->permissions || poller->permissions_due ||
           (turn &&
            clock_now_ms() - poller->permissions_ms >= POLLER_PRIVILEGES_SHARE * poller->times.privileges_ms);
}

static bool pool_is_due(const struct poller *poller)
{
    return poller->whole || poller->pools[poller->pool].asked || /* it is asked in another way */
           poller_pool_changed(poller, &poller->pools[poller->pool]);
}

/* To the next question that this round asks. */
static void pass_over(struct poller *poller)
{
    while (poller->question < ASK_POOLS && !poller->asks[poller->question])
        poller->question++;
    while (poller->question == ASK_POOLS) {
        if (poller->guests && poller->pool < poller->pool_count && pool_is_due(poller))
            return;
        if (!poller->guests || ++poller->pool >= poller->pool_count)
            poller->question++;
    }
}

/* The request for the question that the round is at; false if there is nothing more to ask. */
static bool next_request(struct poller *poller, struct api_request *request)
{
    static const enum api_call calls[] = {
        [ASK_VERSION] = API_VERSION, [ASK_PERMISSIONS] = API_PERMISSIONS, [ASK_RESOURCES] = API_RESOURCES};
    if (poller->round_error.code != ERROR_NONE)
        return false; /* the first error is the round's: what follows would only repeat it, or be in vain */
    pass_over(poller);
    if (poller->question == ASK_NOTHING)
        return false;
    if (poller->question == ASK_POOLS) {
        const struct pool_answer *pool = &poller->pools[poller->pool];
        request->call = pool->by_query ? API_POOL_NESTED : API_POOL;
        request->pool = pool->name;
    } else {
        request->call = calls[poller->question];
    }
    if (poller->question == ASK_PERMISSIONS)
        poller->permissions_due = false;
    return true;
}

static void ask_next(struct poller *poller)
{
    struct api_request request = {.node = NULL};
    if (!next_request(poller, &request)) {
        conclude(poller);
        return;
    }
    /* room for a login and for every endpoint's silence */
    struct session_route route = {
        .purpose = TRAFFIC_POLL,
        .deadline_ms =
            clock_now_ms() + 10000 + poller->answer_timeout_ms * (int64_t)endpoints_count(poller->endpoints),
        .answer_timeout_ms = poller->answer_timeout_ms,
        .avoid = poller_elsewhere(poller),
    };
    poller->call = session_call(poller->session, &request, &route, on_answer, poller);
    if (!poller->call) {
        error_set(&poller->round_error, ERROR_INTERNAL, "no memory to poll Proxmox");
        take_turn(poller, TURN_END);
    }
}

/* Endpoints have noted how it went. */
static void on_probe(void *context, uint64_t id, const struct api_result *result)
{
    struct poller *poller = context;
    (void)result;
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        if (poller->probes[i] == id)
            poller->probes[i] = 0;
    }
}

/* Of an endpoint that the round does not need: what it was found to fail, else its version. */
static void probe(struct poller *poller, size_t index)
{
    struct api_request request = {.call = endpoints_question(poller->endpoints, index)};
    if (request.call == API_POOL || request.call == API_POOL_NESTED) {
        request.call = strchr(poller->pools[0].name, '/') ? API_POOL_NESTED : API_POOL;
        request.pool = poller->pools[0].name;
    }
    poller->probes[index] =
        session_probe(poller->session, index, &request, poller->answer_timeout_ms, on_probe, poller);
}

/* ---- whose turn it is ---- */

/* Its last turn is so far back that it is asked beside the round: with every poll that an endpoint has waited
 * for, one that fails would be told later. */
#define WAITS_FOR_ROUNDS 2

static bool is_up(const struct poller *poller, size_t index)
{
    return endpoints_get(poller->endpoints, index)->state == ENDPOINT_UP;
}

/* The one that has waited longest; if none is up, the best one. */
static size_t turn_of(struct poller *poller)
{
    int best = -1;
    if (poller->layout != endpoints_layout(poller->endpoints))
        memset(poller->asked_in, 0, sizeof(poller->asked_in));
    poller->layout = endpoints_layout(poller->endpoints);
    for (size_t i = 0; i < endpoints_count(poller->endpoints); i++) {
        if (is_up(poller, i) && (best < 0 || poller->asked_in[i] < poller->asked_in[best]))
            best = (int)i;
    }
    if (best < 0)
        best = endpoints_choose(poller->endpoints, NULL, 0);
    return best < 0 ? 0 : (size_t)best;
}

static void take_turns(struct poller *poller)
{
    size_t turn = turn_of(poller);
    poller->round_number++;
    poller->turn_of_round = turn;
    poller->asked_in[turn] = poller->round_number;
    for (size_t i = 0; i < endpoints_count(poller->endpoints); i++) {
        if (i == turn || poller->probes[i] ||
            (is_up(poller, i) && poller->round_number - poller->asked_in[i] < WAITS_FOR_ROUNDS))
            continue;
        probe(poller, i);
        if (is_up(poller, i))
            poller->asked_in[i] = poller->round_number;
    }
}

uint64_t poller_elsewhere(const struct poller *poller)
{
    bool known = poller->round_number > 0 && poller->layout == endpoints_layout(poller->endpoints) &&
                 is_up(poller, poller->turn_of_round);
    return known ? ~(UINT64_C(1) << poller->turn_of_round) : 0;
}

/* Guests and hosts, or the privileges, by turns. Both for who hurries, and where the last round has failed.
 * After a round that asks for everything the order is the other one, so that with two endpoints each of them
 * is asked for each, at times. */
static void choose_questions(struct poller *poller)
{
    bool lists = poller->lists_next || !poller->inventory;
    bool due = lists && poller->began_ms - poller->whole_ms >= POLLER_WHOLE_MS;
    poller->whole = poller->whole_wanted || !poller->inventory || !poller->whole_ms || due;
    bool version = poller->whole && (poller->whole_wanted || !poller->version ||
                                     poller->began_ms - poller->version_ms >= POLLER_VERSION_MS);
    poller->whole_wanted = false;
    bool both = poller->whole || poller_hurries(poller) || poller->error.code != ERROR_NONE;
    bool privileges = permissions_are_due(poller, both || !lists) || poller->whole;
    poller->asks[ASK_RESOURCES] = both || lists;
    poller->asks[ASK_PERMISSIONS] = privileges;
    poller->asks[ASK_VERSION] = version || (!privileges && !poller->asks[ASK_RESOURCES]);
    poller->lists_next = poller->whole || !lists;
}

static void start_round(struct poller *poller)
{
    poller->running = true;
    poller->began_ms = clock_now_ms();
    poller->round_error = (struct error){0};
    choose_questions(poller);
    poller->question = ASK_VERSION;
    poller->permissions_read = poller->pool_hidden = false;
    poller->pool = 0;
    take_turns(poller);
    for (size_t i = 0; i < poller->pool_count; i++)
        poller->pools[i].by_query = strchr(poller->pools[i].name, '/') != NULL;
    ask_next(poller);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct poller *poller = context;
    if (!poller->running)
        start_round(poller);
}

void poller_poll_now(struct poller *poller)
{
    if (poller->running) {
        poller->again = true;
        return;
    }
    poller->whole_wanted = true;
    event_active(poller->timer, EV_TIMEOUT, 0);
}

void poller_wanted(struct poller *poller)
{
    if (!poller->running && !poller->had_round)
        event_active(poller->timer, EV_TIMEOUT, 0);
}

void poller_reread_privileges(struct poller *poller)
{
    /* with the next round: a flood of 403s must not become a flood of questions */
    poller->permissions_due = true;
}

/* ---- the room ---- */

static void forget_config(struct poller *poller)
{
    for (size_t i = 0; i < poller->pool_count; i++) {
        free(poller->pools[i].name);
        guest_list_unrefp(&poller->pools[i].members);
        guest_list_unrefp(&poller->pools[i].known);
    }
    free(poller->pools);
    poller->pools = NULL;
    poller->pool_count = 0;
    for (size_t i = 0; i < poller->alias_count; i++) {
        free(poller->aliases[i].node);
        free(poller->aliases[i].target);
    }
    free(poller->aliases);
    poller->aliases = NULL;
    poller->alias_count = 0;
}

static void cancel_round(struct poller *poller)
{
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        session_cancel(poller->session, poller->probes[i]);
        poller->probes[i] = 0;
    }
    session_cancel(poller->session, poller->call);
    poller->call = 0;
    event_del(poller->turn);
    forget_answers(poller);
    poller->running = poller->again = false;
}

static const char *identity_of(const struct config *config)
{
    return config->token_id ? config->token_id : config->user ? config->user : "";
}

static bool copy_config(struct poller *poller, const struct config *config)
{
    pace_init(&poller->pace, config->poll_interval_ms);
    poller->expected_ms = config->poll_interval_ms;
    poller->answer_timeout_ms = config->answer_timeout_ms;
    poller->trust_ha = config->trust_ha;
    poller->pools = calloc(config->pool_count, sizeof(*poller->pools));
    poller->aliases = calloc(config->alias_count ? config->alias_count : 1, sizeof(*poller->aliases));
    if (!poller->pools || !poller->aliases)
        return false;
    for (; poller->pool_count < config->pool_count; poller->pool_count++) {
        struct pool_answer *pool = &poller->pools[poller->pool_count];
        pool->name = strdup(config->pools[poller->pool_count]);
        if (!pool->name)
            return false;
    }
    for (; poller->alias_count < config->alias_count; poller->alias_count++) {
        struct config_alias *alias = &poller->aliases[poller->alias_count];
        alias->node = strdup(config->aliases[poller->alias_count].node);
        alias->target = strdup(config->aliases[poller->alias_count].target);
        if (!alias->node || !alias->target) {
            poller->alias_count++; /* so that forget_config() frees the half */
            return false;
        }
    }
    return true;
}

struct poller *poller_new(struct event_base *base, struct session *session, struct endpoints *endpoints,
                          struct grants *grants, struct leads *leads, const struct config *config,
                          poller_round_fn *round, void *context)
{
    struct poller *poller = calloc(1, sizeof(*poller));
    if (!poller)
        return NULL;
    *poller = (struct poller){.base = base,
                              .session = session,
                              .endpoints = endpoints,
                              .grants = grants,
                              .leads = leads,
                              .round = round,
                              .context = context,
                              .times = {-1, -1, -1}};
    poller->timer = event_new(base, -1, 0, on_timer, poller);
    poller->turn = event_new(base, -1, 0, on_turn, poller);
    if (!poller->timer || !poller->turn || !copy_config(poller, config) ||
        !grants_set_policy(grants, identity_of(config), !config->excess_tolerated)) {
        poller_free(poller);
        return NULL;
    }
    arm(poller, jitter_ms(JITTER_FIRST, POLLER_FIRST_SPREAD_MS));
    return poller;
}

/* The same guests are meant by the same names. */
static bool same_scope(const struct poller *a, const struct poller *b)
{
    if (a->pool_count != b->pool_count || a->alias_count != b->alias_count)
        return false;
    for (size_t i = 0; i < a->pool_count; i++) {
        if (strcmp(a->pools[i].name, b->pools[i].name) != 0)
            return false;
    }
    for (size_t i = 0; i < a->alias_count; i++) {
        if (strcmp(a->aliases[i].node, b->aliases[i].node) != 0 ||
            strcmp(a->aliases[i].target, b->aliases[i].target) != 0)
            return false;
    }
    return true;
}

bool poller_set_config(struct poller *poller, const struct config *config)
{
    cancel_round(poller);
    struct poller old = *poller; /* for the members that copy_config() replaces */
    poller->pools = NULL;
    poller->aliases = NULL;
    poller->pool_count = poller->alias_count = 0;
    bool same_identity = strcmp(identity_of(config), grants_identity(poller->grants)) == 0;
    bool copied = copy_config(poller, config) &&
                  grants_set_policy(poller->grants, identity_of(config), !config->excess_tolerated);
    if (copied) {
        if (!same_identity) { /* what another one may do, and sees, says nothing */
            poller_put_json(&poller->permissions);
            guest_list_unrefp(&poller->known_guests);
        }
        /* a guest of a pool that is no longer ours must not be touched (P2), nor one by an identity that was
         * not judged yet (P8) */
        if (!same_identity || !same_scope(poller, &old)) {
            inventory_unref(poller->inventory);
            poller->inventory = NULL;
        }
        forget_config(&old);
    } else { /* half a list of pools would look like guests that are gone */
        forget_config(poller);
        poller->pools = old.pools;
        poller->pool_count = old.pool_count;
        poller->aliases = old.aliases;
        poller->alias_count = old.alias_count;
    }
    poller->permissions_due = true;
    poller_poll_now(poller);
    return copied;
}

void poller_free(struct poller *poller)
{
    if (!poller)
        return;
    if (poller->turn)
        cancel_round(poller);
    forget_config(poller);
    guest_list_unrefp(&poller->known_guests);
    poller_put_json(&poller->known_nodes);
    poller_put_json(&poller->permissions);
    inventory_unref(poller->inventory);
    if (poller->turn)
        event_free(poller->turn);
    if (poller->timer)
        event_free(poller->timer);
    free(poller->version);
    free(poller);
}
