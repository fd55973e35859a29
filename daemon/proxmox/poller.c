/*
 * One round: a few questions, one after the other on one connection, so that none waits in a queue while its
 * time runs; when the last answer is in, a new inventory is made of them, or the old one stays and the
 * round's error is kept. Beside it the other endpoints are asked one question each, only to learn how they
 * are.
 */
#include "proxmox/poller_private.h"

#include "system/cleanup.h"
#include "system/clock.h"
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
            log_say(
                KIND_ALIAS_TWICE, (const struct log_field[]){{"FENCE_TARGET", second}, {NULL, NULL}},
                "[nodes] has two names for guest %d, %s and %s: whoever fences one of them powers off the "
                "other",
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
    for (size_t i = 0; i < poller->pool_count; i++)
        guest_list_unrefp(&poller->pools[i].members);
}

/* When the loop comes round. */
static void take_turn(struct poller *poller, enum poller_turn next)
{
    static const struct timeval at_once = {0};
    poller->next_turn = next;
    event_add(poller->turn, &at_once);
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
        if (poller->inventory && !poller->permissions_read && !same_guests(poller->inventory, made))
            poller->permissions_due = poller->again = true;
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
    poller->error = poller->round_error;
    poller->had_round = true;
    poller->running = false;
    forget_answers(poller);

    struct timeval tv = {.tv_sec = poller->interval_ms / 1000,
                         .tv_usec = (poller->interval_ms % 1000) * 1000};
    if (poller->again)
        tv = (struct timeval){0};
    poller->again = false;
    event_add(poller->timer, &tv);
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
    switch (poller->next_turn) {
    case TURN_MAKE:
        make(poller);
        break;
    case TURN_END:
        end_round(poller);
        break;
    case TURN_TELL:
        poller->round(poller->context);
        break;
    }
}

/* All answers are in. */
static void conclude(struct poller *poller)
{
    bool complete = poller->guests && poller->nodes && poller->permissions;
    bool good = poller->round_error.code == ERROR_NONE && complete;
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
    switch (poller->question) {
    case ASK_PERMISSIONS:
        times->privileges_ms = took_ms;
        break;
    case ASK_GUESTS:
        times->guests_ms = took_ms;
        break;
    case ASK_NODES:
        times->hosts_ms = took_ms;
        break;
    case ASK_POOLS:
        times->pools_ms = took_ms + (poller->pool > 0 ? times->pools_ms : 0);
        break;
    case ASK_VERSION:
    case ASK_NOTHING:
        break;
    }
}

static void on_answer(void *context, uint64_t id, const struct api_result *result)
{
    struct poller *poller = context;
    if (id != poller->call)
        return;
    poller->call = 0;
    if (result->outcome == API_OK)
        note_time(poller, result);
    poller_take_answer(poller, result);
    ask_next(poller);
}

static bool permissions_are_due(const struct poller *poller)
{
    const struct privileges_report *report = grants_report(poller->grants);
    int64_t interval_ms = POLLER_PRIVILEGES_MS;
    if (grants_state(poller->grants) == GRANTS_TOLERATED)
        interval_ms = POLLER_EXCESS_MS;
    if (grants_state(poller->grants) == GRANTS_REFUSED || (report && report->missing))
        interval_ms = 0; /* somebody is at work on it, and wants to see the end of it */
    return !poller->permissions || poller->permissions_due ||
           clock_now_ms() - poller->permissions_ms >= interval_ms;
}

/* The request for the question that the round is at; false if there is nothing more to ask. */
static bool next_request(struct poller *poller, struct api_request *request)
{
    static const enum api_call calls[] = {[ASK_VERSION] = API_VERSION,
                                          [ASK_PERMISSIONS] = API_PERMISSIONS,
                                          [ASK_GUESTS] = API_GUESTS,
                                          [ASK_NODES] = API_NODES};
    if (poller->question == ASK_PERMISSIONS && !permissions_are_due(poller))
        poller->question++;
    if (poller->question == ASK_NOTHING || poller->round_error.code != ERROR_NONE)
        return false; /* the first error is the round's: what follows it would only repeat it, or be in vain
                       */
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
        .deadline_ms =
            clock_now_ms() + 10000 + poller->answer_timeout_ms * (int64_t)endpoints_count(poller->endpoints),
        .answer_timeout_ms = poller->answer_timeout_ms,
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

static void start_round(struct poller *poller)
{
    int asked = endpoints_choose(poller->endpoints, NULL, 0); /* it answers the questions themselves */
    poller->running = true;
    poller->round_error = (struct error){0};
    poller->question = ASK_VERSION;
    poller->permissions_read = poller->pool_hidden = false;
    poller->pool = 0;
    for (size_t i = 0; i < endpoints_count(poller->endpoints); i++) {
        if ((int)i != asked && !poller->probes[i])
            probe(poller, i);
    }
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
    poller->interval_ms = config->poll_interval_ms;
    poller->answer_timeout_ms = config->answer_timeout_ms;
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
                          struct grants *grants, const struct config *config, poller_round_fn *round,
                          void *context)
{
    struct poller *poller = calloc(1, sizeof(*poller));
    if (!poller)
        return NULL;
    poller->base = base;
    poller->times = (struct poller_times){-1, -1, -1, -1};
    poller->session = session;
    poller->endpoints = endpoints;
    poller->grants = grants;
    poller->round = round;
    poller->context = context;
    poller->timer = event_new(base, -1, 0, on_timer, poller);
    poller->turn = event_new(base, -1, 0, on_turn, poller);
    if (!poller->timer || !poller->turn || !copy_config(poller, config) ||
        !grants_set_policy(grants, identity_of(config), !config->excess_tolerated)) {
        poller_free(poller);
        return NULL;
    }
    poller_poll_now(poller);
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
        if (!same_identity) /* what another one may do says nothing */
            poller_put_json(&poller->permissions);
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

void poller_set_leads(struct poller *poller, struct leads *leads)
{
    poller->leads = leads;
}

void poller_free(struct poller *poller)
{
    if (!poller)
        return;
    if (poller->turn)
        cancel_round(poller);
    forget_config(poller);
    poller_put_json(&poller->permissions);
    inventory_unref(poller->inventory);
    if (poller->turn)
        event_free(poller->turn);
    if (poller->timer)
        event_free(poller->timer);
    free(poller->version);
    free(poller);
}

struct inventory *poller_inventory(const struct poller *poller)
{
    return poller->inventory;
}

bool poller_had_round(const struct poller *poller)
{
    return poller->had_round;
}

const struct poller_times *poller_times(const struct poller *poller)
{
    return &poller->times;
}

int64_t poller_interval_ms(const struct poller *poller)
{
    return poller->interval_ms;
}

const struct error *poller_error(const struct poller *poller)
{
    return &poller->error;
}

const struct grants *poller_grants(const struct poller *poller)
{
    return poller->grants;
}

const struct error *poller_refusal(const struct poller *poller)
{
    static const struct error none = {.code = ERROR_NONE};
    return grants_state(poller->grants) == GRANTS_REFUSED ? grants_excess(poller->grants) : &none;
}

int poller_release(const struct poller *poller)
{
    return poller->release;
}

const char *poller_version(const struct poller *poller)
{
    return poller->version;
}
