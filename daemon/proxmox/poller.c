/*
 * One round: a few questions, one after the other on one connection, so that none waits in a queue while its
 * time runs; when the last answer is in, a new inventory is made of them, or the old one stays and the
 * round's error is kept. Beside it the other endpoints are asked for their version, only to learn how they
 * are.
 *
 * Membership of a pool is read from the pool itself; without Pool.Audit (403) by the query that needs none,
 * and where Proxmox knows no such query from our own privileges, if they can come from that pool alone (P2).
 */
#include "proxmox/poller.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"
#include "system/log.h"

#include <stdio.h>
#include <string.h>

struct pool_answer {
    char *name;
    struct json_object *members; /* NULL: not known */
    bool by_query;               /* asked by query: it is nested, or has refused to be asked by path */
    bool by_privileges;          /* it does not tell its members: our privileges do */
};

/* In this order; what a round does not need is passed over. */
enum question { ASK_VERSION, ASK_PERMISSIONS, ASK_GUESTS, ASK_NODES, ASK_POOLS, ASK_NOTHING };

struct poller {
    struct event_base *base;
    struct session *session;
    struct endpoints *endpoints;
    struct event *timer;
    poller_round_fn *round;
    void *context;

    int64_t interval_ms, answer_timeout_ms;
    struct config_alias *aliases;
    size_t alias_count;
    struct pool_answer *pools;
    size_t pool_count;

    /* the round under way */
    bool running, again;
    enum question question;
    size_t pool; /* which one ASK_POOLS is at */
    uint64_t call;
    uint64_t probes[ENDPOINTS_MAX]; /* 0: not under way; one that hangs outlives its round */
    struct json_object *guests, *nodes;
    int64_t guests_ms;
    struct error round_error;

    /* what is known */
    struct json_object *permissions;
    int64_t permissions_ms;
    bool permissions_due;
    struct inventory *inventory;
    bool had_round;
    struct error error;
    char *version;
    int release;
    size_t last_count;
};

/* ---- making the inventory ---- */

static bool parse_guest(struct json_object *entry, struct guest *guest)
{
    int64_t vmid = 0;
    const char *type = NULL, *node = NULL, *text = NULL;
    *guest = (struct guest){0};
    if (!json_get_string(entry, "type", &type) ||
        !json_get_int_or_digits(entry, "vmid", 100, 999999999, &vmid) ||
        !json_get_string(entry, "node", &node))
        return false;
    if (strcmp(type, "lxc") != 0 && strcmp(type, "qemu") != 0)
        return false;
    guest->vmid = (int)vmid;
    guest->type = strcmp(type, "lxc") == 0 ? PVE_LXC : PVE_QEMU;
    /* borrowed from the document; the builder copies. The casts drop const for that only. */
    guest->node = (char *)(uintptr_t)node;
    guest->name = json_get_string(entry, "name", &text) ? (char *)(uintptr_t)text : NULL;
    guest->status = json_get_string(entry, "status", &text) ? (char *)(uintptr_t)text : NULL;
    guest->lock = json_get_string(entry, "lock", &text) ? (char *)(uintptr_t)text : NULL;
    guest->hastate = json_get_string(entry, "hastate", &text) ? (char *)(uintptr_t)text : NULL;
    guest->tags = json_get_string(entry, "tags", &text) ? (char *)(uintptr_t)text : NULL;
    json_get_flag(entry, "template", &guest->template);
    return true;
}

static int64_t vmid_of(struct json_object *entry)
{
    int64_t vmid = 0;
    json_get_int_or_digits(entry, "vmid", 1, 999999999, &vmid);
    return vmid;
}

static int compare_entries(const void *a, const void *b)
{
    int64_t left = vmid_of(*(struct json_object *const *)a), right = vmid_of(*(struct json_object *const *)b);
    return (left > right) - (left < right);
}

/* In a list that was sorted when it came in. */
static struct json_object *find_member(struct json_object *list, int vmid)
{
    size_t low = 0, high = list ? json_object_array_length(list) : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct json_object *entry = json_object_array_get_idx(list, middle);
        int64_t found = vmid_of(entry);
        if (found == vmid)
            return entry;
        if (found < vmid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void set_privileges(const struct poller *poller, struct guest *guest)
{
    guest->may_power = privileges_on_guest(poller->permissions, guest->vmid, "VM.PowerMgmt");
    guest->may_audit = privileges_on_guest(poller->permissions, guest->vmid, "VM.Audit");
}

/* Members of pools that could be read. The pool's own list shows also guests that we may not audit. */
static bool add_pool_members(const struct poller *poller, struct inventory_builder *builder,
                             const struct pool_answer *pool)
{
    for (size_t i = 0; pool->members && i < json_object_array_length(pool->members); i++) {
        struct guest guest, listed;
        if (!parse_guest(json_object_array_get_idx(pool->members, i), &guest))
            continue;
        /* the resource list has the lock and the HA state, which the pool's list may lack */
        struct json_object *entry = find_member(poller->guests, guest.vmid);
        if (entry && parse_guest(entry, &listed))
            guest = listed;
        guest.pool = pool->name;
        set_privileges(poller, &guest);
        if (!inventory_builder_guest(builder, &guest))
            return false;
    }
    return true;
}

static bool add_powered_guests(const struct poller *poller, struct inventory_builder *builder,
                               const struct pool_answer *pool)
{
    for (size_t i = 0; i < json_object_array_length(poller->guests); i++) {
        struct json_object *entry = json_object_array_get_idx(poller->guests, i);
        const char *other = NULL;
        struct guest guest;
        if (!parse_guest(entry, &guest) || !privileges_by_pool(poller->permissions, guest.vmid))
            continue;
        if (json_get_string(entry, "pool", &other) && strcmp(other, pool->name) != 0)
            continue;
        set_privileges(poller, &guest);
        if (!inventory_builder_guest(builder, &guest))
            return false;
    }
    return true;
}

static bool add_nodes(const struct poller *poller, struct inventory_builder *builder)
{
    for (size_t i = 0; i < json_object_array_length(poller->nodes); i++) {
        struct json_object *entry = json_object_array_get_idx(poller->nodes, i);
        const char *node = NULL, *status = NULL;
        if (!json_get_string(entry, "node", &node))
            continue;
        bool online = json_get_string(entry, "status", &status) && strcmp(status, "online") == 0;
        if (!inventory_builder_node(builder, node, online))
            return false;
    }
    return true;
}

static struct inventory *make_inventory(const struct poller *poller)
{
    _cleanup_(inventory_builder_freep) struct inventory_builder *builder =
        inventory_builder_new(poller->inventory);
    if (!builder)
        return NULL;
    for (size_t i = 0; i < poller->pool_count; i++) {
        const struct pool_answer *pool = &poller->pools[i];
        if (pool->by_privileges && !add_powered_guests(poller, builder, pool))
            return NULL;
    }
    /* after those: where a pool tells its members, its word counts */
    for (size_t i = 0; i < poller->pool_count; i++) {
        if (!add_pool_members(poller, builder, &poller->pools[i]))
            return NULL;
    }
    if (!add_nodes(poller, builder))
        return NULL;
    for (size_t i = 0; i < poller->alias_count; i++) {
        if (!inventory_builder_alias(builder, poller->aliases[i].node, poller->aliases[i].target))
            return NULL;
    }
    return inventory_builder_finish(TAKE(builder), poller->guests_ms);
}

/* ---- a round ---- */

static void put_json(struct json_object **slot)
{
    if (*slot)
        json_object_put(*slot);
    *slot = NULL;
}

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
        log_warning("[nodes] %s = %s matches no guest of the pool, or more than one", alias->node,
                    alias->target);
    }
}

static void end_round(struct poller *poller)
{
    struct inventory *made = NULL;
    bool complete = poller->guests && poller->nodes && poller->permissions;
    if (poller->round_error.code == ERROR_NONE && complete) {
        made = make_inventory(poller);
        if (!made)
            error_set(&poller->round_error, ERROR_INTERNAL, "no memory for the inventory");
    }
    if (made) {
        inventory_unref(poller->inventory);
        poller->inventory = made;
        log_changes(poller);
    } else if (poller->round_error.code != poller->error.code) {
        log_warning("polling Proxmox failed: %s", poller->round_error.message);
    }
    if (made && poller->error.code != ERROR_NONE)
        log_info("polling Proxmox works again");
    poller->error = poller->round_error;
    poller->had_round = true;
    poller->running = false;
    put_json(&poller->guests);
    put_json(&poller->nodes);
    for (size_t i = 0; i < poller->pool_count; i++)
        put_json(&poller->pools[i].members);

    struct timeval tv = {.tv_sec = poller->interval_ms / 1000,
                         .tv_usec = (poller->interval_ms % 1000) * 1000};
    if (poller->again)
        tv = (struct timeval){0};
    poller->again = false;
    event_add(poller->timer, &tv);
    poller->round(poller->context);
}

static void take_version(struct poller *poller, struct json_object *data)
{
    const char *text = NULL;
    int major = 0, minor = 0;
    if (!json_get_string(data, "version", &text) || sscanf(text, "%3d.%2d", &major, &minor) != 2 ||
        major < 0 || minor < 0)
        return;
    if (poller->version && strcmp(poller->version, text) == 0)
        return;
    char *copy = strdup(text);
    if (!copy)
        return;
    free(poller->version);
    poller->version = copy;
    poller->release = major * 100 + minor;
}

/* The error that a user should read: the first one of the round that is not a mere consequence. */
static void note_error(struct poller *poller, const struct error *error)
{
    if (poller->round_error.code == ERROR_NONE)
        poller->round_error = *error;
}

static void take_list(struct poller *poller, const struct api_result *result, struct json_object **slot,
                      const char *what)
{
    struct error error = {0};
    if (result->outcome != API_OK) {
        note_error(poller, &result->error);
    } else if (!result->data || !json_object_is_type(result->data, json_type_array)) {
        error_set(&error, ERROR_PROTOCOL, "Proxmox at %s answered the %s with something else than a list",
                  result->endpoint_text, what);
        note_error(poller, &error);
    } else {
        json_object_array_sort(result->data, compare_entries);
        *slot = json_object_get(result->data);
    }
}

static void take_permissions(struct poller *poller, const struct api_result *result)
{
    struct error error = {0};
    if (result->outcome != API_OK) {
        if (!poller->permissions)
            note_error(poller, &result->error);
        poller->permissions_due = true;
    } else if (!result->data || !json_object_is_type(result->data, json_type_object)) {
        error_set(&error, ERROR_PROTOCOL,
                  "Proxmox at %s answered the own privileges with something else than an object",
                  result->endpoint_text);
        note_error(poller, &error);
        poller->permissions_due = true;
    } else {
        put_json(&poller->permissions);
        poller->permissions = json_object_get(result->data);
        poller->permissions_ms = result->received_ms;
    }
}

/* Proxmox does not tell: our privileges have to, or the configuration is wrong. */
static void take_pool_by_privileges(struct poller *poller, struct pool_answer *pool)
{
    struct error error = {0};
    _cleanup_(freep) const char **names = calloc(poller->pool_count, sizeof(*names));
    for (size_t i = 0; names && i < poller->pool_count; i++)
        names[i] = poller->pools[i].name;
    pool->by_privileges =
        names && privileges_stand_for_pool(poller->permissions, pool->name, names, poller->pool_count);
    if (pool->by_privileges)
        return;
    error_set(&error, ERROR_EMPTY_POOL, "pool %s does not exist, or we may not see its members", pool->name);
    error_hint(
        &error,
        "check pool = %s in fence-broker.conf, and grant Pool.Audit with the other privileges on /pool/%s",
        pool->name, pool->name);
    note_error(poller, &error);
}

/* False: the pool is to be asked once more, in another way. */
static bool take_pool(struct poller *poller, struct pool_answer *pool, const struct api_result *result)
{
    struct json_object *data = result->data, *members = NULL;
    struct error error = {0};
    pool->by_privileges = false;
    if (result->outcome == API_REFUSED && result->http_status == 403 && !pool->by_query) {
        pool->by_query = true;
        return false;
    }
    if (result->outcome == API_REFUSED && result->http_status == 500 &&
        strstr(result->reason, "does not exist")) {
        error_set(&error, ERROR_EMPTY_POOL, "pool %s does not exist", pool->name);
        error_hint(&error,
                   "check pool = %s in fence-broker.conf; `pveum pool list` on a Proxmox host names them",
                   pool->name);
        note_error(poller, &error);
        return true;
    }
    if (result->outcome == API_REFUSED &&
        (result->http_status == 400 || result->http_status == 403 || result->http_status == 501)) {
        take_pool_by_privileges(poller, pool);
        return true;
    }
    if (result->outcome != API_OK) {
        note_error(poller, &result->error);
        return true;
    }
    /* asked by query, a pool comes as a list of one */
    if (data && json_object_is_type(data, json_type_array) && json_object_array_length(data) == 1)
        data = json_object_array_get_idx(data, 0);
    if (!json_get_array(data, "members", &members)) {
        error_set(&error, ERROR_PROTOCOL, "Proxmox at %s answered pool %s without its members",
                  result->endpoint_text, pool->name);
        note_error(poller, &error);
        return true;
    }
    json_object_array_sort(members, compare_entries);
    pool->members = json_object_get(members);
    return true;
}

static void ask_next(struct poller *poller);

static void take_answer(struct poller *poller, const struct api_result *result)
{
    switch (poller->question) {
    case ASK_VERSION:
        if (result->outcome == API_OK)
            take_version(poller, result->data);
        else
            note_error(poller, &result->error);
        break;
    case ASK_PERMISSIONS:
        take_permissions(poller, result);
        break;
    case ASK_GUESTS:
        poller->guests_ms = result->asked_ms;
        take_list(poller, result, &poller->guests, "guests");
        break;
    case ASK_NODES:
        take_list(poller, result, &poller->nodes, "hosts");
        break;
    case ASK_POOLS:
        if (!take_pool(poller, &poller->pools[poller->pool], result))
            return; /* the same pool again */
        if (++poller->pool < poller->pool_count)
            return;
        break;
    case ASK_NOTHING:
        return;
    }
    poller->question++;
}

static void on_answer(void *context, uint64_t id, const struct api_result *result)
{
    struct poller *poller = context;
    if (id != poller->call)
        return;
    poller->call = 0;
    take_answer(poller, result);
    ask_next(poller);
}

static bool permissions_are_due(const struct poller *poller)
{
    return !poller->permissions || poller->permissions_due ||
           clock_now_ms() - poller->permissions_ms >= POLLER_PRIVILEGES_MS;
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
        end_round(poller);
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
        end_round(poller);
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

static void start_round(struct poller *poller)
{
    int asked = endpoints_choose(poller->endpoints, NULL, 0); /* it answers the questions themselves */
    poller->running = true;
    poller->round_error = (struct error){0};
    poller->question = ASK_VERSION;
    poller->pool = 0;
    for (size_t i = 0; i < endpoints_count(poller->endpoints); i++) {
        if ((int)i != asked && !poller->probes[i])
            poller->probes[i] =
                session_probe(poller->session, i, poller->answer_timeout_ms, on_probe, poller);
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
        put_json(&poller->pools[i].members);
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
    for (size_t i = 0; i < poller->pool_count; i++)
        put_json(&poller->pools[i].members);
    put_json(&poller->guests);
    put_json(&poller->nodes);
    poller->running = poller->again = false;
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
                          const struct config *config, poller_round_fn *round, void *context)
{
    struct poller *poller = calloc(1, sizeof(*poller));
    if (!poller)
        return NULL;
    poller->base = base;
    poller->session = session;
    poller->endpoints = endpoints;
    poller->round = round;
    poller->context = context;
    poller->timer = event_new(base, -1, 0, on_timer, poller);
    if (!poller->timer || !copy_config(poller, config)) {
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
    bool copied = copy_config(poller, config);
    if (copied) {
        if (!same_scope(poller,
                        &old)) { /* a guest of a pool that is no longer ours must not be touched (P2) */
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
    cancel_round(poller);
    forget_config(poller);
    put_json(&poller->permissions);
    inventory_unref(poller->inventory);
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

int64_t poller_interval_ms(const struct poller *poller)
{
    return poller->interval_ms;
}

const struct error *poller_error(const struct poller *poller)
{
    return &poller->error;
}

int poller_release(const struct poller *poller)
{
    return poller->release;
}

const char *poller_version(const struct poller *poller)
{
    return poller->version;
}
