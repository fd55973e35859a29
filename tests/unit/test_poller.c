/*
 * The poller against two scripted hosts whose answers are a table: whose guests the inventory holds, what one
 * bad answer does to a round, and what a reload does to a round under way.
 */
#include "proxmox/poller.h"

#include "fake_pve.h"
#include "proxmox/transport.h"
#include "system/clock.h"
#include "system/log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define PATIENCE_S 8

static _Atomic int64_t monotonic_ahead_ms;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += monotonic_ahead_ms / 1000;
    return result;
}

/* ---- the hosts ---- */

#define API "GET /api2/json"

enum topic { VERSION, GUESTS, NODES, PERMISSIONS, POOL, OTHER_POOL, NESTED, TOPICS };

static const char *const targets[TOPICS] = {
    [VERSION] = API "/version",
    [GUESTS] = API "/cluster/resources?type=vm",
    [NODES] = API "/cluster/resources?type=node",
    [PERMISSIONS] = API "/access/permissions",
    [POOL] = API "/pools/p",
    [OTHER_POOL] = API "/pools/q",
    [NESTED] = API "/pools?poolid=p%2Fsub",
};

#define GUEST(id, node, more) "{\"type\":\"qemu\",\"vmid\":" #id ",\"node\":\"" node "\"" more "}"
/* what fencing takes, and no more */
#define TIDY    "{" MAY(101) "," MAY(102) ",\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1}}"
#define MAY(id) "\"/vms/" #id "\":{\"VM.PowerMgmt\":0,\"VM.Audit\":0}"

static const char *const usual[TOPICS] = {
    [VERSION] = "{\"version\":\"9.2.11\",\"release\":\"9.2\"}",
    [GUESTS] =
        "[" GUEST(101, "pve1", ",\"name\":\"web\",\"status\":\"running\",\"lock\":\"backup\"") "," GUEST(
            102, "pve2", ",\"name\":\"db\",\"hastate\":\"started\"") "," GUEST(900, "pve1",
                                                                               ",\"name\":\"foreign\"") "]",
    [NODES] = "[{\"node\":\"pve1\",\"status\":\"online\"},{\"node\":\"pve2\",\"status\":\"offline\"}]",
    [PERMISSIONS] =
        "{" MAY(101) "," MAY(102) ",\"/vms/900\":{\"VM.Audit\":0},\"/pool/p\":{\"VM.PowerMgmt\":1}}",
    [POOL] = "{\"members\":[" GUEST(102, "pve2", ",\"name\":\"db\"") "," GUEST(101, "pve1",
                                                                               ",\"name\":\"web\"") "]}",
    [OTHER_POOL] = "{\"members\":[" GUEST(900, "pve1", ",\"name\":\"foreign\"") "]}",
    [NESTED] = "[{\"poolid\":\"p/sub\",\"members\":[" GUEST(101, "pve1", ",\"name\":\"web\"") "]}]",
};

struct book {
    pthread_mutex_t lock;
    const char *data[TOPICS];
    int status[TOPICS]; /* 0: 200 */
    bool held[TOPICS];
};

static void pve(struct fake_exchange *exchange)
{
    struct book *book = exchange->fake->state;
    for (size_t i = 0; i < TOPICS; i++) {
        if (!fake_is(exchange, targets[i]))
            continue;
        pthread_mutex_lock(&book->lock);
        const char *data = book->data[i];
        int status = book->status[i];
        bool held = book->held[i];
        pthread_mutex_unlock(&book->lock);
        if (held)
            fake_hold(exchange);
        if (status)
            fake_answer(exchange, status, "Permission check failed", "");
        else
            fake_data(exchange, data);
        return;
    }
    fake_answer(exchange, 501, "Method not implemented", "");
}

/* ---- the fixture ---- */

struct world {
    struct event_base *base;
    struct transport *transport;
    struct endpoints *endpoints;
    struct session *session;
    struct grants *grants;
    struct poller *poller;
    struct book book;
    struct fake_pve *hosts[2];
    struct config_endpoint configured[2];
    char *pools[2];
    struct config_alias alias;
    struct config config;
    unsigned rounds, wanted;
};

static struct fake_ca *ca;

static void on_round(void *context)
{
    struct world *world = context;
    if (++world->rounds >= world->wanted)
        event_base_loopbreak(world->base);
}

static struct world *begin(void)
{
    struct world *world = calloc(1, sizeof(*world));
    struct session_credentials credentials = {.token_id = "fence@pve!t", .secret = secret_new("s", 1)};
    static char names[][5] = {"pve1", "pve2"}, address[] = "127.0.0.1";
    struct error error = {0};
    monotonic_ahead_ms = 0;
    pthread_mutex_init(&world->book.lock, NULL);
    memcpy(world->book.data, usual, sizeof(usual));
    for (int i = 0; i < 2; i++) {
        world->hosts[i] = fake_new(ca, "DNS:pve1,DNS:pve2", pve);
        world->hosts[i]->state = &world->book;
        world->configured[i] = (struct config_endpoint){
            .address = address, .name = names[i], .text = names[i], .port = world->hosts[i]->port};
    }
    world->pools[0] = (char *)(uintptr_t) "p";
    world->pools[1] = (char *)(uintptr_t) "q";
    world->alias =
        (struct config_alias){.node = (char *)(uintptr_t) "node1", .target = (char *)(uintptr_t) "101"};
    world->config = (struct config){.pools = world->pools,
                                    .pool_count = 1,
                                    .aliases = &world->alias,
                                    .alias_count = 1,
                                    .poll_interval_ms = 60000,
                                    .answer_timeout_ms = 4000};
    world->base = event_base_new();
    world->transport = transport_new(world->base, &(struct trust_source){.ca_pem = ca->pem});
    world->endpoints = endpoints_new(world->configured, 2);
    world->session = session_new(world->base, world->transport, world->endpoints, &credentials);
    world->grants = grants_new(NULL, &error);
    world->poller = poller_new(world->base, world->session, world->endpoints, world->grants, &world->config,
                               on_round, world);
    assert_non_null(world->poller);
    return world;
}

static void end(struct world *world)
{
    poller_free(world->poller);
    grants_free(world->grants, 0);
    session_free(world->session);
    transport_free(world->transport);
    endpoints_free(world->endpoints);
    event_base_free(world->base);
    for (int i = 0; i < 2; i++)
        fake_free(world->hosts[i]);
    pthread_mutex_destroy(&world->book.lock);
    free(world);
}

#define SET(world, what)                                                                                     \
    do {                                                                                                     \
        pthread_mutex_lock(&(world)->book.lock);                                                             \
        (world)->book.what;                                                                                  \
        pthread_mutex_unlock(&(world)->book.lock);                                                           \
    } while (0)

static void await_rounds(struct world *world, unsigned count)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    world->wanted = count;
    event_base_loopexit(world->base, &patience);
    if (world->rounds < count)
        event_base_dispatch(world->base);
    assert_int_equal(world->rounds, count);
}

static void poll_once(struct world *world)
{
    poller_poll_now(world->poller);
    await_rounds(world, world->rounds + 1);
}

/* A round does not wait for the other endpoints: let their probes end. */
static void await_all_up(struct world *world)
{
    for (int round = 0; round < 10 && endpoints_up(world->endpoints) < 2; round++) {
        poll_once(world);
        for (int i = 0; i < 200 && endpoints_up(world->endpoints) < 2; i++) {
            event_base_loop(world->base, EVLOOP_NONBLOCK);
            poll(NULL, 0, 2);
        }
    }
}

static unsigned total(struct world *world, enum topic topic)
{
    return fake_count(world->hosts[0], targets[topic]) + fake_count(world->hosts[1], targets[topic]);
}

static void turn_until(struct world *world, enum topic topic, unsigned count)
{
    while (total(world, topic) < count)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
}

static const struct guest *guest(struct world *world, int vmid)
{
    assert_non_null(poller_inventory(world->poller));
    return inventory_by_vmid(poller_inventory(world->poller), vmid);
}

/* ---- what a round learns ---- */

static void test_a_round_learns_guests_hosts_privileges_and_version(void **state)
{
    (void)state;
    struct world *world = begin();
    assert_false(poller_had_round(world->poller));
    assert_null(poller_inventory(world->poller));
    await_rounds(world, 1);
    struct inventory *inventory = poller_inventory(world->poller);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_int_equal(inventory_count(inventory), 2);
    const struct guest *web = guest(world, 101), *db = guest(world, 102);
    assert_string_equal(web->name, "web");
    assert_string_equal(web->lock, "backup"); /* only the resource list has it */
    assert_string_equal(web->pool, "p");
    assert_string_equal(db->hastate, "started");
    assert_true(web->may_power && web->may_audit);
    assert_string_equal(web->aliases[0], "node1");
    assert_true(inventory_node_online(inventory, "pve1"));
    assert_false(inventory_node_online(inventory, "pve2"));
    assert_int_equal(poller_release(world->poller), 902);
    assert_string_equal(poller_version(world->poller), "9.2.11");
    await_all_up(world);
    assert_int_equal(endpoints_up(world->endpoints), 2);
    end(world);
}

static void test_a_pool_that_may_not_be_read_is_replaced_by_what_may_be_powered(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, status[POOL] = 403);
    await_rounds(world, 1);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 2);
    assert_non_null(guest(world, 101));
    assert_null(guest(world, 101)->pool);
    assert_null(guest(world, 900)); /* seen, but not ours */
    end(world);
}

static void test_privileges_stand_for_a_pool_only_if_they_can_come_from_nowhere_else(void **state)
{
    (void)state;
    static const char *const permissions[] = {
        "{" MAY(101) "," MAY(102) "}",                     /* a typo */
        "{" MAY(101) ",\"/pool/q\":{\"VM.PowerMgmt\":1}}", /* another pool's */
        "{" MAY(101) ",\"/pool/p\":{\"VM.PowerMgmt\":1},\"/pool/q\":{\"VM.PowerMgmt\":1}}", /* or another's */
        "{" MAY(101) ",\"/pool/p\":{\"VM.Audit\":1}}",
    };
    for (size_t i = 0; i < sizeof(permissions) / sizeof(permissions[0]); i++) {
        struct world *world = begin();
        SET(world, status[POOL] = 403);
        SET(world, data[PERMISSIONS] = permissions[i]);
        await_rounds(world, 1);
        assert_int_equal(poller_error(world->poller)->code, ERROR_EMPTY_POOL);
        assert_null(poller_inventory(world->poller));
        end(world);
    }
}

static void test_a_guest_with_a_grant_of_its_own_does_not_count_as_the_pools(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, status[POOL] = 403);
    SET(world, data[PERMISSIONS] = "{" MAY(101) ",\"/vms/102\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1},"
                                                "\"/pool/p\":{\"VM.PowerMgmt\":1}}");
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    assert_non_null(guest(world, 101));
    end(world);
}

static void test_a_nested_pool_is_asked_by_query(void **state)
{
    (void)state;
    struct world *world = begin();
    world->pools[0] = (char *)(uintptr_t) "p/sub";
    assert_true(poller_set_config(world->poller, &world->config));
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    assert_string_equal(guest(world, 101)->pool, "p/sub");
    assert_int_equal(total(world, POOL), 0);
    end(world);
}

static void test_several_pools_are_one_inventory(void **state)
{
    (void)state;
    struct world *world = begin();
    world->config.pool_count = 2;
    poller_set_config(world->poller, &world->config);
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 3);
    assert_string_equal(guest(world, 900)->pool, "q");
    assert_false(guest(world, 900)->may_power);
    end(world);
}

static void test_a_guest_that_left_the_pool_leaves_the_inventory(void **state)
{
    (void)state;
    struct world *world = begin();
    await_rounds(world, 1);
    SET(world, data[POOL] = "{\"members\":[" GUEST(102, "pve2", "") "]}");
    poll_once(world);
    assert_null(guest(world, 101));
    assert_non_null(guest(world, 102));
    SET(world, data[POOL] = "{\"members\":[]}");
    poll_once(world);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 0);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    end(world);
}

static void test_a_member_whose_resource_entry_is_broken_or_missing_stays(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[GUESTS] = "[{\"type\":\"qemu\",\"vmid\":101,\"node\":7}]");
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 2);
    assert_string_equal(guest(world, 101)->node, "pve1");
    end(world);
}

static void test_entries_that_are_no_guests_are_passed_over(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[POOL] =
                   "{\"members\":[7,null,{},{\"type\":\"storage\",\"vmid\":101,\"node\":\"pve1\"},"
                   "{\"type\":\"qemu\",\"vmid\":\"12x\",\"node\":\"pve1\"}," GUEST(102, "pve2", "") "]}");
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    end(world);
}

/* ---- what goes wrong ---- */

static void test_one_endpoint_down_does_not_fail_a_round(void **state)
{
    (void)state;
    struct world *world = begin();
    fake_set_greeting(world->hosts[0], FAKE_SLAM);
    await_rounds(world, 1);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_int_equal(endpoints_up(world->endpoints), 1);
    fake_set_greeting(world->hosts[0], FAKE_TLS);
    await_all_up(world);
    assert_int_equal(endpoints_up(world->endpoints), 2);
    end(world);
}

static void test_one_bad_answer_keeps_the_old_inventory_and_says_why(void **state)
{
    (void)state;
    static const struct {
        enum topic topic;
        int status;
        const char *data, *words;
    } cases[] = {
        {GUESTS, 0, "{}", "something else than a list"},
        {GUESTS, 0, "null", "something else than a list"},
        {GUESTS, 500, NULL, "answered guests with 500"},
        {NODES, 0, "\"x\"", "something else than a list"},
        {NODES, 596, NULL, "answered nodes with 596"},
        {POOL, 0, "[]", "pool p without its members"},
        {POOL, 0, "{\"members\":{}}", "pool p without its members"},
        {POOL, 500, NULL, "answered pool with 500"},
        {PERMISSIONS, 0, "[]", "something else than an object"},
        {GUESTS, 401, NULL, "401"},
    };
    struct world *world = begin();
    await_rounds(world, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum topic topic = cases[i].topic;
        struct inventory *before = poller_inventory(world->poller);
        SET(world, data[topic] = cases[i].data);
        SET(world, status[topic] = cases[i].status);
        poller_reread_privileges(world->poller);
        poll_once(world);
        assert_ptr_equal(poller_inventory(world->poller), before);
        if (!strstr(poller_error(world->poller)->message, cases[i].words))
            fail_msg("\"%s\" is not in: %s", cases[i].words, poller_error(world->poller)->message);
        SET(world, data[topic] = usual[topic]);
        SET(world, status[topic] = 0);
        poll_once(world);
        assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
        assert_ptr_not_equal(poller_inventory(world->poller), before);
    }
    end(world);
}

static void test_a_failure_that_lasts_is_logged_once(void **state)
{
    (void)state;
    struct world *world = begin();
    char text[8192] = "";
    int log = memfd_create("log", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
    await_rounds(world, 1);
    fflush(stderr);
    dup2(log, STDERR_FILENO);
    log_set_level(LOG_INFO);
    for (int i = 0; i < 2; i++) {
        fake_set_greeting(world->hosts[i], FAKE_SLAM);
        fake_drop_connections(world->hosts[i]);
    }
    for (int i = 0; i < 5; i++)
        poll_once(world);
    for (int i = 0; i < 2; i++)
        fake_set_greeting(world->hosts[i], FAKE_TLS);
    poll_once(world);
    poll_once(world);
    log_set_level(LOG_CRIT);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
    close(log);
    /* the round once and its end once, and so of each endpoint */
    static const struct {
        const char *words;
        unsigned least, most;
    } expected[] = {{"FENCE_EVENT=polling-failed", 1, 1},
                    {"FENCE_EVENT=polling-resumed", 1, 1},
                    {"FENCE_EVENT=endpoint-lost", 2, 2},
                    {"FENCE_EVENT=endpoint-back", 1, 2}, /* the other one is asked when its turn comes */
                    {"\n", 5, 6}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        unsigned count = 0;
        for (const char *at = text; (at = strstr(at, expected[i].words)); at++)
            count++;
        if (count < expected[i].least || count > expected[i].most)
            fail_msg("%s: %u times in: %s", expected[i].words, count, text);
    }
    end(world);
}

static void test_without_anybody_to_ask_a_round_still_ends(void **state)
{
    (void)state;
    struct world *world = begin();
    for (int i = 0; i < 2; i++)
        fake_set_greeting(world->hosts[i], FAKE_SLAM);
    await_rounds(world, 1);
    assert_true(poller_had_round(world->poller));
    assert_null(poller_inventory(world->poller));
    assert_int_equal(poller_error(world->poller)->code, ERROR_NO_ENDPOINT);
    end(world);
}

/* ---- privileges ---- */

static void test_own_privileges_are_read_again_after_ten_minutes_or_a_403(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 1);
    monotonic_ahead_ms += POLLER_PRIVILEGES_MS;
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 2);
    for (int i = 0; i < 5; i++)
        poller_reread_privileges(world->poller);
    poll_once(world);
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 3);
    end(world);
}

static void test_missing_privileges_are_read_again_with_each_round_until_they_are_there(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = "{" MAY(101) "}");
    await_rounds(world, 1);
    assert_false(guest(world, 102)->may_power);
    assert_non_null(strstr(grants_missing(world->grants)->message, "VM.Audit, VM.PowerMgmt are missing on"));
    SET(world, data[PERMISSIONS] = TIDY);
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 2);
    assert_true(guest(world, 102)->may_power);
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 2);
    end(world);
}

static void test_an_identity_with_excess_is_refused_until_it_is_mended(void **state)
{
    (void)state;
    struct world *world = begin(); /* usual: VM.Audit on a guest that is none of the pool's */
    await_rounds(world, 1);
    assert_non_null(poller_inventory(world->poller)); /* it is shown, and not powered */
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_EXCESS_PRIVILEGES);
    assert_non_null(strstr(poller_refusal(world->poller)->message, "/vms/900"));
    SET(world, data[PERMISSIONS] = TIDY);
    poll_once(world);
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_NONE);
    end(world);
}

static void test_excess_of_an_accepted_identity_is_looked_at_every_minute(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    SET(world, data[PERMISSIONS] = usual[PERMISSIONS]);
    poller_reread_privileges(world->poller);
    poll_once(world);
    assert_int_equal(grants_state(world->grants), GRANTS_TOLERATED);
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_NONE);
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 2);
    monotonic_ahead_ms += POLLER_EXCESS_MS;
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 3);
    end(world);
}

static void test_privileges_are_read_for_the_guests_that_there_are(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    /* 102 leaves the pool: what was read before still names it, and must not be taken for a grant elsewhere
     */
    SET(world, data[POOL] = "{\"members\":[" GUEST(101, "pve1", "") "]}");
    SET(world, data[PERMISSIONS] =
                   "{" MAY(101) ",\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1}}");
    poll_once(world);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    await_rounds(world, 3); /* follows at once: the interval is a minute */
    assert_int_equal(total(world, PERMISSIONS), 2);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    end(world);
}

static void test_another_identity_is_judged_before_it_powers_anything(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    world->config.user = (char *)(uintptr_t) "other@pve";
    SET(world, data[PERMISSIONS] = usual[PERMISSIONS]);
    assert_true(poller_set_config(world->poller, &world->config));
    assert_null(poller_inventory(world->poller));
    assert_int_equal(grants_state(world->grants), GRANTS_UNKNOWN);
    await_rounds(world, 2);
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_EXCESS_PRIVILEGES);
    world->config.excess_tolerated = true;
    assert_true(poller_set_config(world->poller, &world->config));
    assert_non_null(poller_inventory(world->poller));
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_NONE);
    end(world);
}

static void test_a_pool_that_shows_nothing_for_lack_of_a_grant_gets_the_line_that_mends_it(void **state)
{
    (void)state;
    struct world *world = begin();
    world->config.token_id = (char *)(uintptr_t) "fence@pve!tok";
    assert_true(poller_set_config(world->poller, &world->config));
    SET(world, status[POOL] = 403);
    SET(world, data[PERMISSIONS] = "{}");
    await_rounds(world, 1);
    assert_int_equal(poller_error(world->poller)->code, ERROR_EMPTY_POOL);
    assert_non_null(strstr(poller_error(world->poller)->hint,
                           "pveum acl modify /pool/p --roles FenceBroker --users fence@pve "
                           "--tokens 'fence@pve!tok'"));
    end(world);
}

static void test_privileges_that_cannot_be_read_again_stay_and_are_asked_for_next_time(void **state)
{
    (void)state;
    struct world *world = begin();
    await_rounds(world, 1);
    SET(world, status[PERMISSIONS] = 500);
    poller_reread_privileges(world->poller);
    poll_once(world);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_true(guest(world, 101)->may_power);
    SET(world, status[PERMISSIONS] = 0);
    poll_once(world);
    assert_int_equal(total(world, PERMISSIONS), 3);
    end(world);
}

/* ---- changes meanwhile ---- */

static void test_a_reload_during_a_round_begins_a_new_one(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, held[POOL] = true);
    turn_until(world, POOL, 1);
    world->pools[0] = (char *)(uintptr_t) "q";
    assert_true(poller_set_config(world->poller, &world->config));
    fake_release(world->hosts[0]);
    fake_release(world->hosts[1]);
    await_rounds(world, 1);
    assert_int_equal(inventory_count(poller_inventory(world->poller)), 1);
    assert_non_null(guest(world, 900));
    end(world);
}

static void test_a_poll_asked_for_during_a_round_follows_at_once(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, held[POOL] = true);
    turn_until(world, POOL, 1);
    for (int i = 0; i < 3; i++)
        poller_poll_now(world->poller);
    SET(world, held[POOL] = false);
    fake_release(world->hosts[0]);
    fake_release(world->hosts[1]);
    await_rounds(world, 2); /* the interval is a minute */
    assert_int_equal(total(world, POOL), 2);
    end(world);
}

static void test_rounds_follow_each_other_by_themselves(void **state)
{
    (void)state;
    struct world *world = begin();
    world->config.poll_interval_ms = 20;
    poller_set_config(world->poller, &world->config);
    await_rounds(world, 5);
    poll_once(world);
    await_rounds(world, 8);
    end(world);
}

static void test_an_inventory_that_is_held_outlives_the_poller(void **state)
{
    (void)state;
    struct world *world = begin();
    await_rounds(world, 1);
    struct inventory *held = inventory_ref(poller_inventory(world->poller));
    SET(world, held[POOL] = true);
    poller_poll_now(world->poller);
    turn_until(world, POOL, 2);
    end(world); /* in the middle of a round */
    assert_string_equal(inventory_by_vmid(held, 101)->name, "web");
    inventory_unref(held);
}

static int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
    log_set_level(LOG_CRIT);
    ca = fake_ca_new("Proxmox Virtual Environment");
    return transport_global_init(&error);
}

static int tear_down(void **state)
{
    (void)state;
    fake_ca_free(ca);
    transport_global_cleanup();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_round_learns_guests_hosts_privileges_and_version),
        cmocka_unit_test(test_a_pool_that_may_not_be_read_is_replaced_by_what_may_be_powered),
        cmocka_unit_test(test_privileges_stand_for_a_pool_only_if_they_can_come_from_nowhere_else),
        cmocka_unit_test(test_a_guest_with_a_grant_of_its_own_does_not_count_as_the_pools),
        cmocka_unit_test(test_a_nested_pool_is_asked_by_query),
        cmocka_unit_test(test_several_pools_are_one_inventory),
        cmocka_unit_test(test_a_guest_that_left_the_pool_leaves_the_inventory),
        cmocka_unit_test(test_a_member_whose_resource_entry_is_broken_or_missing_stays),
        cmocka_unit_test(test_entries_that_are_no_guests_are_passed_over),
        cmocka_unit_test(test_one_endpoint_down_does_not_fail_a_round),
        cmocka_unit_test(test_one_bad_answer_keeps_the_old_inventory_and_says_why),
        cmocka_unit_test(test_a_failure_that_lasts_is_logged_once),
        cmocka_unit_test(test_without_anybody_to_ask_a_round_still_ends),
        cmocka_unit_test(test_own_privileges_are_read_again_after_ten_minutes_or_a_403),
        cmocka_unit_test(test_missing_privileges_are_read_again_with_each_round_until_they_are_there),
        cmocka_unit_test(test_an_identity_with_excess_is_refused_until_it_is_mended),
        cmocka_unit_test(test_excess_of_an_accepted_identity_is_looked_at_every_minute),
        cmocka_unit_test(test_privileges_are_read_for_the_guests_that_there_are),
        cmocka_unit_test(test_another_identity_is_judged_before_it_powers_anything),
        cmocka_unit_test(test_a_pool_that_shows_nothing_for_lack_of_a_grant_gets_the_line_that_mends_it),
        cmocka_unit_test(test_privileges_that_cannot_be_read_again_stay_and_are_asked_for_next_time),
        cmocka_unit_test(test_a_reload_during_a_round_begins_a_new_one),
        cmocka_unit_test(test_a_poll_asked_for_during_a_round_follows_at_once),
        cmocka_unit_test(test_rounds_follow_each_other_by_themselves),
        cmocka_unit_test(test_an_inventory_that_is_held_outlives_the_poller),
    };
    return cmocka_run_group_tests_name("poller", tests, set_up, tear_down);
}
